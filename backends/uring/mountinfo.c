/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* mountinfo.c - what /proc says of mounts, and of this boot: names in it were chosen by others. */
#include <stdlib.h>
#include <string.h>

#include "mountinfo.h"

static void copy_until(char *dst, size_t size, const char *src, const char *end)
{
	size_t len = strcspn(src, end);

	len = len < size ? len : size - 1;
	memcpy(dst, src, len);
	dst[len] = 0;
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue": spaces inside
 * a field are written \040, and the source may be empty. */
bool fsc_fs_find_mount(const char *mountinfo, uint64_t id, char *type, size_t type_size,
		       char *options, size_t options_size)
{
	const char *line, *p, *end;

	for (line = mountinfo; *line; line = *end ? end + 1 : end) {
		end = line + strcspn(line, "\n");
		if (strtoull(line, NULL, 10) != id)
			continue;
		p = strstr(line, " - ");
		if (!p || p > end)
			return false;
		copy_until(type, type_size, p + 3, " \n");
		p += 3 + strcspn(p + 3, " \n"); /* after the type */
		p += *p == ' ';
		p += strcspn(p, " \n"); /* after the source */
		p += *p == ' ';
		copy_until(options, options_size, p, " \n");
		return true;
	}
	return false;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool fsc_fs_parse_uuid(const char *text, uint8_t out[16])
{
	int i;

	for (i = 0; i < 16; i++) {
		int high, low;

		if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
			return false;
		high = hex_digit(text[0]);
		low = high < 0 ? -1 : hex_digit(text[1]);
		if (low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	return *text == 0 || *text == '\n';
}
