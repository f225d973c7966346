// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_lend.c - a backing file lent to a reader outside the library, who asks nobody: it stays as
 * it was lent, whatever happens to the object.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bits.h"
#include "fixture.h"

#define SEEDS 100

/* --- The reader outside ----------------------------------------------------------------------- */

struct pass {
	struct fsc_io io;
	struct fsc_spin lock;
	struct fsc_waitq wait;
	bool over;
	int64_t ret;
};

static void pass_done(struct fsc_io *io, int64_t ret)
{
	struct pass *pass = (struct pass *)io;
	unsigned long irq = fsc_spin_lock(&pass->lock);

	pass->ret = ret;
	pass->over = true;
	fsc_waitq_wake_all(&pass->wait);
	fsc_spin_unlock(&pass->lock, irq);
}

static bool pass_is_over(void *arg)
{
	struct pass *pass = arg;
	unsigned long irq = fsc_spin_lock(&pass->lock);
	bool over = pass->over;

	fsc_spin_unlock(&pass->lock, irq);
	return over;
}

static int64_t pass_read(struct fsc_backend *be, struct fsc_file *file, uint64_t pos, void *mem,
			 size_t len)
{
	struct pass pass = { .io = { .file = file, .pos = pos, .buf = { .mem = mem, .len = len },
				     .done = pass_done } };

	fsc_spin_init(&pass.lock, "pass");
	fsc_waitq_init(&pass.wait);
	be->ops->read(&pass.io);
	fsc_waitq_wait(&pass.wait, pass_is_over, &pass);
	fsc_waitq_destroy(&pass.wait);
	fsc_spin_destroy(&pass.lock);
	return pass.ret;
}

/* All of it, of the version in @f, and no byte more. */
static void check_file(struct fsc_backend *be, struct fsc_file *file, const struct netfs_file *f)
{
	uint64_t pos = 0, len;
	uint8_t *mem = fsc_io_alloc(K);
	int64_t n;

	do {
		n = pass_read(be, file, pos, mem, K);
		len = fsc_min64(K, f->size - pos);
		CHECK_EQ(n, len);
		remote_compare(f, f->version, pos, mem, (size_t)n);
		pos += len;
	} while (len == K);
	fsc_io_free(mem, K);
}

struct loan {
	struct fsc_gen *gen;
	struct fsc_file *file;
	uint64_t ino;
};

static struct fsc_backend *backend; /* of the world that is open: what the cache was given */

static void lend_world(struct world *w)
{
	struct fsc_blob key = { "9p,server,export", 16 }, none = { NULL, 0 };

	w->backend.kind = any_kind();
	backend = simbackend_open(w->store, &w->backend);
	CHECK_EQ(fsc_cache_open(backend, &w->params, &w->cache), 0);
	CHECK_EQ(fsc_volume_acquire(w->cache, key, none, 0, &w->vol), 0);
}

static void lend(struct fsc_object *obj, struct loan *loan)
{
	struct fsc_stat st;

	loan->gen = fsc_object_gen(obj);
	CHECK(loan->gen);
	CHECK_EQ(fsc_gen_lend(loan->gen, &loan->file), 0);
	fsc_gen_put(loan->gen);
	CHECK_EQ(backend->ops->stat(loan->file, &st), 0);
	loan->ino = st.ino;
}

/* What would have shown to its reader at some moment, even if not now. */
static void check_untouched(struct world *w, uint64_t ino)
{
	CHECK_EQ(simstore_log_count(w->store, SIMOP_WRITE, ino), 0);
	CHECK_EQ(simstore_log_count(w->store, SIMOP_PUNCH, ino), 0);
	CHECK_EQ(simstore_log_count(w->store, SIMOP_RESIZE, ino), 0);
}

static struct fsc_object *lent_object(struct world *w, const struct netfs_file *f,
				      struct loan *loan)
{
	struct fsc_object *obj;

	lend_world(w);
	obj = obj_open(w, f);
	store_all(obj, f);
	if (sim_chance(2)) {
		obj_close(obj);
		obj = obj_open(w, f);
	} else if (sim_chance(2)) {
		CHECK_EQ(fsc_object_commit(obj, NULL), 0);
	}
	lend(obj, loan);
	check_file(backend, loan->file, f);
	simstore_log_clear(w->store);
	return obj;
}

/* --- What can be lent ------------------------------------------------------------------------- */

static int try_lend(struct fsc_object *obj)
{
	struct fsc_gen *gen = fsc_object_gen(obj);
	struct fsc_file *file;
	int err = fsc_gen_lend(gen, &file);

	CHECK(err ? !file : file != NULL);
	if (!err)
		fsc_gen_return(gen);
	fsc_gen_put(gen);
	return err;
}

static void whole_only(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K - (sim_chance(2) ? 0 : 1000)), empty = REMOTE(8, 0);
	struct fsc_object *obj;
	struct fsc_gen *gen;
	struct fsc_file *file;

	lend_world(w);
	obj = obj_open(w, &f);
	CHECK_EQ(try_lend(obj), -ENODATA);
	store(obj, &f, 0, 19 * K);
	CHECK_EQ(try_lend(obj), -ENODATA);
	if (sim_chance(2))
		fsc_object_commit(obj, NULL);
	store(obj, &f, 19 * K, K);
	if (f.size % K) {
		simstore_fail(w->store, SIMOP_XATTR_SET, 0, 1, -EIO);
		CHECK_EQ(try_lend(obj), -ENODATA); /* longer than the object, and stays so */
	}
	CHECK_EQ(try_lend(obj), 0);
	/* Until it is proven that nobody else wrote, and all is answered. */
	local_write(obj, &f, 3 * K, K, true);
	CHECK_EQ(try_lend(obj), -ENODATA);
	CHECK_EQ(obj_commit(obj, &f), 0);
	CHECK_EQ(try_lend(obj), 0);
	gen = fsc_object_gen(obj);
	obj_invalidate(obj, &f);
	CHECK_EQ(fsc_gen_lend(gen, &file), -ENOBUFS);
	fsc_gen_put(gen);
	obj_close(obj);
	obj = obj_open(w, &empty);
	CHECK_EQ(try_lend(obj), -ENODATA); /* without a file */
	obj_close(obj);
}

static void only_what_is_whole_proven_and_current_is_lent(void **state)
{
	(void)state;
	each_seed(SEEDS, whole_only);
}

/* --- What would change it --------------------------------------------------------------------- */

enum change { WRITE, WRITE_KEEP, CLEAR, SHRINK, GROW, INVALIDATE, CHANGES };

static void change(struct fsc_object *obj, struct netfs_file *f, enum change what)
{
	switch (what) {
	case WRITE:
	case WRITE_KEEP:
		f->version++;
		CHECK_EQ(local_write(obj, f, 3 * K, 2 * K, what == WRITE_KEEP), -ENOBUFS);
		break;
	case CLEAR:
		CHECK_EQ(obj_clear(obj, 3 * K, 2 * K), 0);
		break;
	case SHRINK:
	case GROW:
		f->size = what == SHRINK ? 10 * K + 1 : 30 * K;
		CHECK_EQ(fsc_object_resize(obj, f->size), 0);
		break;
	default:
		f->version++;
		obj_invalidate(obj, f);
		break;
	}
}

static void stays(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K - (sim_chance(2) ? 0 : 1000)), old = f;
	enum change what = (enum change)sim_random(CHANGES);
	struct loan loan, other;
	struct fsc_object *obj = lent_object(w, &f, &loan);
	bool second = sim_chance(2);

	if (second)
		lend(obj, &other);
	change(obj, &f, what);
	CHECK(!disk(w, &old)->exists);
	CHECK(!fsc_gen_unchanged(loan.gen, fsc_gen_change(loan.gen)));
	CHECK_EQ(fsc_object_size(obj), f.size);
	/* It has a new one, which can be written and filled. */
	CHECK_EQ(check_present(obj, &f), 0);
	if (what == WRITE || what == WRITE_KEEP)
		CHECK_EQ(local_write(obj, &f, 3 * K, 2 * K, true), 2 * K);
	if (second)
		fsc_gen_return(other.gen);
	store_all(obj, &f);
	CHECK_EQ(check_present(obj, &f), fsc_granules(f.size));
	check_file(backend, loan.file, &old);
	obj_close_proven(obj, &f);
	CHECK(disk(w, &f)->rec.complete);
	CHECK(disk(w, &f)->ino != loan.ino);
	check_file(backend, loan.file, &old);
	check_untouched(w, loan.ino);
	fsc_gen_return(loan.gen);
	obj = obj_open(w, &f);
	CHECK_EQ(check_present(obj, &f), fsc_granules(f.size));
	obj_close(obj);
}

static void a_change_makes_a_new_generation_and_the_reader_keeps_the_old(void **state)
{
	(void)state;
	each_seed(4 * SEEDS, stays);
}

static void given_back(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K);
	struct loan loan;
	struct fsc_object *obj = lent_object(w, &f, &loan);

	fsc_gen_return(loan.gen);
	f.version++;
	CHECK_EQ(local_write(obj, &f, 0, 20 * K, true), 20 * K);
	CHECK_EQ(check_present(obj, &f), 20);
	obj_close_proven(obj, &f);
	CHECK_EQ(disk(w, &f)->ino, loan.ino);
}

static void what_was_given_back_is_changed_in_place_again(void **state)
{
	(void)state;
	each_seed(20, given_back);
}

static void use_and_save(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K - (sim_chance(2) ? 0 : 1000)), old = f;
	struct loan loan;
	struct fsc_object *obj = lent_object(w, &f, &loan);

	/* Reads, saves and another label are none of a reader's business. */
	CHECK_EQ(check_present(obj, &f), 20);
	store(obj, &f, 0, f.size);
	f.version++;
	CHECK_EQ(obj_commit(obj, &f), 0);
	CHECK_EQ(fsc_cache_sync(w->cache), 0);
	sim_sleep_ms(2500);
	CHECK_EQ(disk_version(disk_unchecked(w, &f)), f.version);
	CHECK_EQ(disk_unchecked(w, &f)->ino, loan.ino);
	CHECK_EQ(fsc_cache_cull(w->cache, 1 << 30, NULL), 0);
	check_untouched(w, loan.ino);
	check_file(backend, loan.file, &old);
	fsc_gen_return(loan.gen);
	obj_close(obj);
}

static void what_is_lent_is_saved_without_touching_it(void **state)
{
	(void)state;
	each_seed(SEEDS, use_and_save);
}

static void closed(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K), old = f;
	struct loan loan;
	struct fsc_object *obj = lent_object(w, &f, &loan);
	bool returned = sim_chance(3);

	if (returned)
		fsc_gen_return(loan.gen);
	obj_close(obj);
	/* Whoever comes next would have the same file, and change it in place. */
	CHECK_EQ(disk(w, &f)->exists, returned);
	obj = obj_open(w, &f);
	f.version++;
	CHECK_EQ(local_write(obj, &f, 0, 20 * K, true), 20 * K);
	if (!returned) {
		check_file(backend, loan.file, &old);
		check_untouched(w, loan.ino);
		fsc_gen_return(loan.gen);
	}
	obj_close_proven(obj, &f);
}

static void what_is_closed_while_lent_is_discarded(void **state)
{
	(void)state;
	each_seed(SEEDS, closed);
}

static void without_memory(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K), old = f;
	enum change what = (enum change)sim_random(INVALIDATE);
	struct loan loan;
	struct fsc_object *obj = lent_object(w, &f, &loan);

	sim_fail_alloc(1, true);
	if (what == SHRINK || what == GROW) {
		f.size = 10 * K;
		CHECK_EQ(fsc_object_resize(obj, f.size), -ENOBUFS);
	} else if (what == CLEAR) {
		fsc_gen_clear(loan.gen, 3 * K, K);
	} else {
		struct fsc_gio gio = { .gen = loan.gen, .pos = 3, .buf = { .len = 5 } };

		f.version++;
		CHECK_EQ(fsc_gen_write_prepare(&gio, true), -ENOBUFS);
		fsc_gen_write_answered(loan.gen);
	}
	sim_fail_alloc(0, false);
	CHECK(!fsc_object_gen(obj));
	CHECK(!disk(w, &old)->exists);
	check_file(backend, loan.file, &old);
	check_untouched(w, loan.ino);
	obj_invalidate(obj, &f);
	CHECK_EQ(store_all(obj, &f), f.size);
	fsc_gen_return(loan.gen);
	obj_close(obj);
}

static void without_memory_for_a_new_generation_it_is_uncached(void **state)
{
	(void)state;
	each_seed(SEEDS, without_memory);
}

/* --- Together --------------------------------------------------------------------------------- */

static struct {
	struct netfs_file f;
	struct fsc_object *obj;
	bool closing;
} shared;

/* As object.h has it: whatever is current when the last prepare returns is prepared. */
static void writer_task(void *arg)
{
	struct fsc_gen *gen = arg, *last = NULL;

	while (gen && gen != last) {
		struct fsc_gio gio = { .gen = gen, .pos = 3 * K, .buf = { .len = K } };

		CHECK_EQ(fsc_gen_write_prepare(&gio, false), -ENOBUFS);
		fsc_gen_write_answered(gen);
		fsc_gen_put(gen);
		last = gen;
		gen = shared.closing ? NULL : fsc_object_gen(shared.obj);
	}
	fsc_gen_put(gen);
}

/* The first change is made on a pin, while the object is closed, invalidated, resized or ends a
 * modifying use: the two must not lose each other's generation. */
static void meets(struct world *w)
{
	struct loan loan;
	sim_task_id task;
	int what = (int)sim_random(5);

	shared.f = (struct netfs_file)REMOTE(7, 20 * K);
	shared.obj = lent_object(w, &shared.f, &loan);
	shared.closing = what == 0;
	fsc_gen_get(loan.gen);
	task = sim_spawn(writer_task, loan.gen);
	for (uint32_t n = sim_random(30); n; n--)
		sim_point();
	switch (what) {
	case 0:
		obj_close(shared.obj);
		break;
	case 1:
		shared.f.size = 12 * K + 5;
		obj_invalidate(shared.obj, &shared.f);
		break;
	case 2:
		shared.f.size = 30 * K;
		fsc_object_resize(shared.obj, shared.f.size);
		break;
	case 3:
		fsc_object_expire(shared.obj);
		CHECK(!fsc_object_gen(shared.obj));
		break;
	default:
		fsc_object_commit(shared.obj, NULL);
		break;
	}
	sim_join(task);
	check_untouched(w, loan.ino);
	if (what == 3)
		CHECK(!fsc_object_gen(shared.obj));
	if (what) {
		struct fsc_gen *gen = fsc_object_gen(shared.obj);

		CHECK(gen != loan.gen);
		CHECK_EQ(fsc_object_size(shared.obj), shared.f.size);
		if (gen)
			store_all(shared.obj, &shared.f);
		CHECK_EQ(check_present(shared.obj, &shared.f),
			 gen ? fsc_granules(shared.f.size) : 0);
		fsc_gen_put(gen);
		obj_close(shared.obj);
	}
	/* Written to, and never proven; or invalidated after that. */
	if (disk(w, &shared.f)->exists)
		CHECK(disk(w, &shared.f)->ino != loan.ino);
	fsc_gen_return(loan.gen);
}

static void a_change_that_meets_another_call_loses_nothing(void **state)
{
	(void)state;
	each_seed(10 * SEEDS, meets);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_is_whole_proven_and_current_is_lent),
		cmocka_unit_test(a_change_makes_a_new_generation_and_the_reader_keeps_the_old),
		cmocka_unit_test(what_was_given_back_is_changed_in_place_again),
		cmocka_unit_test(what_is_lent_is_saved_without_touching_it),
		cmocka_unit_test(what_is_closed_while_lent_is_discarded),
		cmocka_unit_test(without_memory_for_a_new_generation_it_is_uncached),
		cmocka_unit_test(a_change_that_meets_another_call_loses_nothing),
	};

	return RUN_TESTS(tests);
}
