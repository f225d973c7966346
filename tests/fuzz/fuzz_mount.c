// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fuzz_mount.c - /proc/self/mountinfo and the machine's boot id: the kernel's texts, but of names
 * that others chose. Input: four bytes of id, the text.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "mountinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint64_t id = take(&in, 4);
	char *text, type[16], options[32];
	uint8_t uuid[16];

	text = malloc(in.left + 1);
	if (!text)
		abort();
	memcpy(text, in.at, in.left);
	text[in.left] = '\0';
	memset(type, 0xff, sizeof(type));
	memset(options, 0xff, sizeof(options));
	if (fsc_fs_find_mount(text, id, type, sizeof(type), options, sizeof(options))) {
		FUZZ_CHECK(strnlen(type, sizeof(type)) < sizeof(type));
		FUZZ_CHECK(strnlen(options, sizeof(options)) < sizeof(options));
		FUZZ_CHECK(!strpbrk(type, " \n") && !strpbrk(options, " \n"));
		FUZZ_CHECK(strstr(text, type) && strstr(text, options));
	}
	if (fsc_fs_parse_uuid(text, uuid))
		FUZZ_CHECK(strlen(text) >= 36);
	free(text);
	return 0;
}
