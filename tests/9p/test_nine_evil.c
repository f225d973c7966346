// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_nine_evil.c - the netfs table of 9P on servers that are right in form and wrong in
 * substance, and on one that lacks what newer ones have.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "evil.h"
#include "nine.h"

static const struct netfs_ops *const ops = &nine_ops;

struct evil_fs {
	struct server s;
	struct netfs *fs;
	struct netfs_node *root;
	struct nine_options opt;
};

static void begin(struct evil_fs *e, void (*script)(struct server *))
{
	const struct netfs_params params = { .timeout_ms = 5000 };
	struct netfs_attr attr;
	char why[256];

	server_start(&e->s, script, 0);
	e->opt = (struct nine_options){ .server = e->s.address, .aname = "", .uname = "me",
					.n_uname = 1000 };
	assert_int_equal(nine_connect(&e->opt, &params, &e->fs, why, sizeof(why)), 0);
	assert_int_equal(ops->root(e->fs, &e->root, &attr), 0);
}

static void end(struct evil_fs *e)
{
	netfs_node_put(e->root);
	ops->disconnect(e->fs);
	server_stop(&e->s);
}

/* ---- directories ---- */

static void reply_entry(struct server *s, uint8_t offset)
{
	uint8_t body[4 + 25] = { 25, [4 + 13] = offset, [4 + 22] = 1, [4 + 24] = 'x' };

	server_reply(s, P9_RREADDIR, s->h.tag, body, sizeof(body));
}

static unsigned int circle; /* its length */

static void script_circle(struct server *s)
{
	for (unsigned int i = 0; server_until(s, P9_TREADDIR); i++)
		reply_entry(s, (uint8_t)(1 + i % circle));
}

static int count_entry(void *arg, const struct netfs_dirent *e)
{
	unsigned int *count = arg;

	assert_string_equal(e->name, "x");
	++*count;
	return 0;
}

static void circles_end(void **state)
{
	struct netfs_file *f;
	struct evil_fs e;

	(void)state;
	for (circle = 1; circle < 50; circle += 7) {
		unsigned int count = 0;

		begin(&e, script_circle);
		assert_int_equal(ops->open(e.root, O_RDONLY | O_DIRECTORY, &f), 0);
		assert_int_equal(ops->readdir(f, 0, false, count_entry, &count), -ELOOP);
		assert_in_range(count, circle, 8 * circle + 8);
		assert_int_equal(ops->close(f), 0);
		end(&e);
	}
}

/* ---- which file ---- */

static void reply_attr(struct server *s, uint8_t path, uint8_t type)
{
	uint8_t attr[153] = { 0xff, 0x3f, [13] = path, [22] = type << 4, [33] = 1 };

	server_reply(s, P9_RGETATTR, s->h.tag, attr, sizeof(attr));
}

/* What is found is number 7, later number 8. */
static void script_changes_its_mind(struct server *s)
{
	server_until(s, P9_TGETATTR); /* attaching */
	server_decent(s);
	server_until(s, P9_TGETATTR); /* the root's */
	server_decent(s);
	for (uint8_t i = 7; server_until(s, P9_TGETATTR); i = 8)
		reply_attr(s, i, DT_REG);
}

static void another_file_is_not_taken_for_the_one(void **state)
{
	struct netfs_attr attr;
	struct netfs_node *n;
	struct evil_fs e;

	(void)state;
	begin(&e, script_changes_its_mind);
	assert_int_equal(ops->lookup(e.root, "x", &n, &attr), 0);
	assert_int_equal(attr.st.st_ino, 7);
	assert_int_equal(ops->getattr(n, NULL, &attr), -ESTALE);
	assert_int_equal(ops->getattr(n, NULL, &attr), -ESTALE);
	assert_int_equal(ops->error(e.fs, NULL), 0);
	netfs_node_put(n);
	end(&e);
}

/* Rmkdir tells of one, and the name leads to another. */
static void script_swaps(struct server *s)
{
	static const uint8_t qid[13] = { 0x80, [5] = 77 };

	for (int t; (t = server_next(s)); ) {
		if (t == P9_TMKDIR)
			server_reply(s, P9_RMKDIR, s->h.tag, qid, sizeof(qid));
		else if (t == P9_TGETATTR)
			reply_attr(s, 0, DT_DIR);
		else
			server_decent(s);
	}
}

static void what_was_made_must_be_what_is_there(void **state)
{
	struct netfs_attr attr;
	struct netfs_node *n;
	struct evil_fs e;

	(void)state;
	begin(&e, script_swaps);
	assert_int_equal(ops->mkdir(e.root, "x", 0755, NULL, &n, &attr), -ESTALE);
	end(&e);
}

/* ---- extended attributes ---- */

static uint64_t claimed;
static const char *value;

static void script_xattr(struct server *s)
{
	uint8_t body[8], data[64] = { 0 };
	struct p9_enc enc;
	int t;

	while ((t = server_next(s))) {
		if (t == P9_TXATTRWALK) {
			enc = (struct p9_enc){ .buf = body, .cap = sizeof(body) };
			p9_enc_u64(&enc, claimed);
			server_reply(s, P9_RXATTRWALK, s->h.tag, body, sizeof(body));
		} else if (t == P9_TREAD) {
			data[0] = (uint8_t)strlen(value);
			memcpy(data + 4, value, strlen(value));
			server_reply(s, P9_RREAD, s->h.tag, data, 4 + strlen(value));
		} else {
			server_decent(s);
		}
	}
}

static void values_are_what_was_promised_or_an_error(void **state)
{
	struct evil_fs e;
	char buf[64];

	(void)state;
	claimed = 1ull << 62;
	value = "";
	begin(&e, script_xattr);
	assert_int_equal(ops->getxattr(e.root, "user.x", buf, sizeof(buf)), -E2BIG);
	assert_int_equal(ops->getxattr(e.root, "user.x", NULL, 0), -E2BIG);
	end(&e);
	claimed = 10;
	begin(&e, script_xattr);
	assert_int_equal(ops->getxattr(e.root, "user.x", buf, sizeof(buf)), -EIO);
	assert_int_equal(ops->getxattr(e.root, "user.x", buf, 9), -ERANGE);
	end(&e);
	claimed = 3;
	value = "abc"; /* a list without its NUL */
	begin(&e, script_xattr);
	assert_int_equal(ops->listxattr(e.root, buf, sizeof(buf)), -EIO);
	assert_int_equal(ops->getxattr(e.root, "user.x", buf, sizeof(buf)), 3);
	end(&e);
	value = "abcd"; /* more than promised */
	begin(&e, script_xattr);
	assert_int_equal(ops->getxattr(e.root, "user.x", buf, sizeof(buf)), -EPROTO);
	assert_int_equal(ops->error(e.fs, NULL), -EPROTO);
	end(&e);
}

/* ---- older servers ---- */

static int renameats, unlinkats, renames, removes;

static void script_old(struct server *s)
{
	int t;

	while ((t = server_next(s))) {
		renameats += t == P9_TRENAMEAT;
		unlinkats += t == P9_TUNLINKAT;
		renames += t == P9_TRENAME;
		removes += t == P9_TREMOVE;
		if (t == P9_TRENAMEAT || t == P9_TUNLINKAT)
			server_reply(s, P9_RLERROR, s->h.tag, "\x5f\0\0\0", 4);
		else
			server_decent(s);
	}
}

static void what_a_server_lacks_is_remembered(void **state)
{
	struct evil_fs e;

	(void)state;
	begin(&e, script_old);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ops->rename(e.root, "a", NULL, e.root, "b", NULL, 0), 0);
		assert_int_equal(ops->unlink(e.root, "a", NULL), 0);
	}
	/* what it calls a directory isn't one */
	assert_int_equal(ops->rmdir(e.root, "a", NULL), -ENOTDIR);
	end(&e);
	assert_true(renameats == 1 && unlinkats == 1 && renames == 3 && removes == 3);
}

/* ---- no way back ---- */

static void script_hangs_up(struct server *s)
{
	server_until(s, P9_TSTATFS);
}

static void without_reconnecting_dead_is_dead(void **state)
{
	struct netfs_attr attr;
	struct statvfs st;
	const char *text;
	struct evil_fs e;

	(void)state;
	begin(&e, script_hangs_up);
	assert_int_equal(ops->statfs(e.root, &st), -ECONNRESET);
	assert_int_equal(ops->getattr(e.root, NULL, &attr), -ECONNRESET);
	assert_int_equal(ops->error(e.fs, &text), -ECONNRESET);
	assert_non_null(strstr(text, "closed the connection"));
	end(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(circles_end),
		cmocka_unit_test(another_file_is_not_taken_for_the_one),
		cmocka_unit_test(what_was_made_must_be_what_is_there),
		cmocka_unit_test(values_are_what_was_promised_or_an_error),
		cmocka_unit_test(what_a_server_lacks_is_remembered),
		cmocka_unit_test(without_reconnecting_dead_is_dead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
