// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_uring_env.c - what the userspace platform has beyond env.h's promises: two ways to a
 * checksum, mistakes that abort, a log that a client may take.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <fscache/env.h>
#include <fscache/uring.h>

#include "crc32c.h"

static void test_crc32c_by_table_gives_the_published_value(void **state)
{
	(void)state;
	assert_int_equal(fsc_crc32c_by_table(0, "123456789", 9), 0xe3069283);
}

static void test_crc32c_of_table_and_instruction_are_equal(void **state)
{
	uint8_t data[300];
	uint32_t crc;
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 37 + 11);
	for (i = 0; i < 9; i++) {
		for (len = 0; len + i <= sizeof(data); len++) {
			crc = 0x1234567;
			if (!fsc_crc32c_by_instruction(&crc, data + i, len))
				skip();
			assert_int_equal(crc, fsc_crc32c_by_table(0x1234567, data + i, len));
		}
	}
}

static void test_more_memory_than_there_is_cant_be_had(void **state)
{
	(void)state;
	assert_null(fsc_io_alloc(SIZE_MAX));
}

/* --- Locks ----------------------------------------------------------------------------------- */

#ifndef NDEBUG
static bool aborts(void (*fn)(struct fsc_mutex *m), struct fsc_mutex *m)
{
	int status;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		fclose(stderr);
		fn(m);
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	/* A sanitizer may turn the signal into an exit. */
	return WIFSIGNALED(status) || WEXITSTATUS(status) != 0;
}

static void lock_twice(struct fsc_mutex *m)
{
	fsc_mutex_lock(m);
	fsc_mutex_lock(m);
}

static void lock_once(struct fsc_mutex *m)
{
	fsc_mutex_lock(m);
	fsc_mutex_assert_held(m);
	fsc_mutex_unlock(m);
}

static void test_mistakes_with_locks_are_found(void **state)
{
	struct fsc_mutex m;

	(void)state;
	fsc_mutex_init(&m, "m");
	assert_false(aborts(lock_once, &m));
	assert_true(aborts(lock_twice, &m));
	assert_true(aborts(fsc_mutex_assert_held, &m));
	assert_true(aborts(fsc_mutex_unlock, &m));
	fsc_mutex_destroy(&m);
}
#endif

/* --- Log ------------------------------------------------------------------------------------- */

struct logged {
	int level, lines;
	char line[600];
};

static void keep_line(void *arg, int level, const char *line)
{
	struct logged *l = arg;

	l->level = level;
	l->lines++;
	snprintf(l->line, sizeof(l->line), "%s", line);
}

static void test_a_log_line_is_one_line(void **state)
{
	struct logged l = { 0 };

	(void)state;
	fsc_set_log(keep_line, &l);
	fsc_log(FSC_LOG_WARN, "%s: %d", "a\nb\x1b", 7);
	assert_string_equal(l.line, "a?b?: 7");
	assert_int_equal(l.level, 4);
	fsc_log(FSC_LOG_ERR, "x");
	assert_int_equal(l.level, 3);
	fsc_log(FSC_LOG_INFO, "x");
	assert_int_equal(l.level, 6);
	fsc_log(FSC_LOG_DEBUG, "%0600d", 1);
	assert_int_equal(l.level, 7);
	assert_true(strlen(l.line) < 600);
	fsc_set_log(NULL, NULL);
	fsc_log(FSC_LOG_INFO, "to nobody");
	assert_int_equal(l.lines, 4);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc32c_by_table_gives_the_published_value),
		cmocka_unit_test(test_crc32c_of_table_and_instruction_are_equal),
		cmocka_unit_test(test_more_memory_than_there_is_cant_be_had),
#ifndef NDEBUG
		cmocka_unit_test(test_mistakes_with_locks_are_found),
#endif
		cmocka_unit_test(test_a_log_line_is_one_line),
	};

	return cmocka_run_group_tests_name("uring-env", tests, NULL, NULL);
}
