// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * names.c - the ops of backend.h that look up, make, move and remove names.
 */
#include "store_int.h"

/* One component; 0 or what is wrong with it. */
static int check_component(const char *name, size_t len)
{
	if (!len || (len == 1 && name[0] == '.') || (len == 2 && !memcmp(name, "..", 2)))
		return -EUCLEAN; /* absolute, or out of the directory */
	return len > NAME_LEN_MAX ? -ENAMETOOLONG : 0;
}

/* The directory that holds, or would hold, the last component of @name. */
int store_resolve(struct simstore *st, uint64_t dir, const char *name, struct node **parent,
		  const char **last)
{
	struct node *n = store_node(st, dir);
	const char *slash = strchr(name, '/');
	struct node_entry *e;
	int err;

	*parent = NULL;
	*last = slash ? slash + 1 : name;
	if (strchr(*last, '/'))
		sim_fail(SIM_BUG, "a name of more than two components: %s", name);
	err = check_component(*last, strlen(*last));
	if (!err && slash)
		err = check_component(name, (size_t)(slash - name));
	if (err)
		return err;
	if (slash) {
		e = node_lookup(n, name, (size_t)(slash - name));
		if (!e)
			return -ENOENT;
		n = store_node(st, e->ino);
		if (n->type != NODE_DIR)
			return -EUCLEAN;
	}
	*parent = n;
	return 0;
}

/* What @name leads to; -ENOENT: nothing, but *@parent and *@last are set if it could. */
static int lookup(struct simstore *st, uint64_t dir, const char *name, struct node **parent,
		  const char **last, struct node **out)
{
	int err = store_resolve(st, dir, name, parent, last);
	struct node_entry *e;

	if (err)
		return err;
	e = node_lookup(*parent, *last, strlen(*last));
	if (!e)
		return -ENOENT;
	*out = store_node(st, e->ino);
	return 0;
}

static uint64_t ino_of(const struct node *n)
{
	return n ? n->ino : 0;
}

static int make_node(struct simstore *st, enum node_type type, struct node *dir, const char *name,
		     uint64_t size, struct node **out)
{
	uint64_t ino = store_new_ino(st);

	if (st->live_nodes >= st->max_files)
		return -ENOSPC;
	if (dir && !dir->nlink)
		return -ENOENT; /* removed while open */
	store_apply(st, &(struct effect){ .kind = EFFECT_CREATE, .ino = ino, .type = type,
					  .dir = name ? dir->ino : 0, .name = name, .size = size,
					  .time = store_now_us(st) });
	*out = store_node(st, ino);
	return 0;
}

/* --- Directories ------------------------------------------------------------------ */

static int dir_find(struct simstore *st, uint64_t in, const char *name, bool create,
		    struct node **out)
{
	struct node *parent;
	const char *last;
	int err;

	*out = store_node(st, in);
	if (!name)
		return 0;
	err = lookup(st, in, name, &parent, &last, out);
	if (err == -ENOENT && parent && create)
		return make_node(st, NODE_DIR, parent, last, 0, out);
	if (err)
		return err;
	return (*out)->type == NODE_DIR ? 0 : -EUCLEAN;
}

int sim_dir_open(struct fsc_backend *be, struct fsc_dir *parent, const char *name, bool create,
		 struct fsc_dir **out)
{
	struct sim_backend *sb = (struct sim_backend *)be;
	uint64_t in = parent ? parent->ino : ROOT_INO;
	struct node *n = NULL;
	int err;

	op_begin(sb, SIMOP_DIR_OPEN);
	err = store_fault(sb->st, SIMOP_DIR_OPEN, in, name);
	if (!err)
		err = dir_find(sb->st, in, name, create, &n);
	if (!err) {
		*out = sim_alloc_at(sizeof(**out), __builtin_return_address(0));
		**out = (struct fsc_dir){ .sb = sb, .ino = n->ino };
		n->handles++;
		sb->handles++;
	}
	return op_end(sb, SIMOP_DIR_OPEN, err ? 0 : n->ino, name, err);
}

void sim_dir_close(struct fsc_dir *dir)
{
	struct sim_backend *sb = dir->sb;
	struct node *n = store_node(sb->st, dir->ino);

	sim_may_sleep("dir_close");
	sim_point();
	if (dir->busy)
		sim_fail(SIM_BUG, "a directory is closed while it is used");
	n->handles--;
	sb->handles--;
	store_release(sb->st, n);
	fsc_free(dir);
}

static int next_name(const struct node *n, uint64_t *pos, char *name, size_t size)
{
	for (size_t i = 0; i < n->nentries; i++) {
		const struct node_entry *e = &n->entries[i];
		size_t len = strlen(e->name);

		if (e->cookie <= *pos)
			continue;
		*pos = e->cookie;
		if (len >= size)
			return -ENAMETOOLONG;
		memcpy(name, e->name, len + 1);
		return 1;
	}
	return 0;
}

int sim_dir_next(struct fsc_dir *dir, uint64_t *pos, char *name, size_t size)
{
	struct sim_backend *sb = dir->sb;
	int ret;

	if (dir->listing)
		sim_fail(SIM_BUG, "two readers of one directory handle");
	dir->listing = true;
	dir->busy++;
	op_begin(sb, SIMOP_DIR_NEXT);
	ret = store_fault(sb->st, SIMOP_DIR_NEXT, dir->ino, NULL);
	if (!ret)
		ret = next_name(store_node(sb->st, dir->ino), pos, name, size);
	ret = op_end(sb, SIMOP_DIR_NEXT, dir->ino, ret == 1 ? name : NULL, ret);
	dir->busy--;
	dir->listing = false;
	return ret;
}

int sim_dir_stat(struct fsc_dir *dir, const char *name, struct fsc_stat *out)
{
	struct sim_backend *sb = dir->sb;
	struct node *parent, *n = NULL;
	const char *last;
	int err;

	dir->busy++;
	op_begin(sb, SIMOP_DIR_STAT);
	err = store_fault(sb->st, SIMOP_DIR_STAT, dir->ino, name);
	if (!err)
		err = lookup(sb->st, dir->ino, name, &parent, &last, &n);
	if (!err)
		store_stat(n, out);
	err = op_end(sb, SIMOP_DIR_STAT, ino_of(n), name, err);
	dir->busy--;
	return err;
}

/* Is @n @dir, or above it? */
static bool is_above(struct simstore *st, const struct node *n, const struct node *dir)
{
	if (n == dir)
		return true;
	for (size_t i = 0; n->type == NODE_DIR && i < n->nentries; i++)
		if (is_above(st, store_node(st, n->entries[i].ino), dir))
			return true;
	return false;
}

static int do_rename(struct simstore *st, uint64_t old_dir, const char *old_name, uint64_t new_dir,
		     const char *new_name, struct node **out)
{
	struct node *from, *to, *taken;
	const char *old_last, *new_last;
	int err = lookup(st, old_dir, old_name, &from, &old_last, out);

	if (err)
		return err;
	err = lookup(st, new_dir, new_name, &to, &new_last, &taken);
	if (!err)
		return -EEXIST;
	if (err != -ENOENT || !to || !to->nlink)
		return err;
	if ((*out)->type == NODE_DIR && is_above(st, *out, to))
		return -EINVAL;
	store_apply(st, &(struct effect){ .kind = EFFECT_RENAME, .ino = (*out)->ino,
					  .dir = from->ino, .name = old_last, .new_dir = to->ino,
					  .new_name = new_last });
	return 0;
}

int sim_rename(struct fsc_dir *old_dir, const char *old_name, struct fsc_dir *new_dir,
	       const char *new_name)
{
	struct sim_backend *sb = old_dir->sb;
	struct node *n = NULL;
	int err;

	old_dir->busy++;
	new_dir->busy++;
	op_begin(sb, SIMOP_RENAME);
	err = store_fault(sb->st, SIMOP_RENAME, old_dir->ino, old_name);
	if (!err)
		err = do_rename(sb->st, old_dir->ino, old_name, new_dir->ino, new_name, &n);
	err = op_end(sb, SIMOP_RENAME, ino_of(n), new_name, err);
	new_dir->busy--;
	old_dir->busy--;
	return err;
}

int sim_remove_dir(struct fsc_dir *dir, const char *name)
{
	struct sim_backend *sb = dir->sb;
	struct node *parent, *n = NULL;
	const char *last;
	uint64_t ino = 0;
	int err;

	dir->busy++;
	op_begin(sb, SIMOP_REMOVE_DIR);
	err = store_fault(sb->st, SIMOP_REMOVE_DIR, dir->ino, name);
	if (!err)
		err = lookup(sb->st, dir->ino, name, &parent, &last, &n);
	if (!err && n->type != NODE_DIR)
		err = -EUCLEAN;
	if (!err && n->nentries)
		err = -ENOTEMPTY;
	if (!err) {
		ino = n->ino;
		store_apply(sb->st, &(struct effect){ .kind = EFFECT_UNLINK, .ino = ino,
						      .dir = parent->ino, .name = last });
	}
	err = op_end(sb, SIMOP_REMOVE_DIR, ino, name, err);
	dir->busy--;
	return err;
}

/* --- Files ------------------------------------------------------------------------ */

static void file_handle(struct sim_backend *sb, struct node *n, const void *site,
			struct fsc_file **out)
{
	*out = sim_alloc_at(sizeof(**out), site);
	**out = (struct fsc_file){ .sb = sb, .ino = n->ino };
	n->handles++;
	sb->handles++;
}

int sim_file_open(struct fsc_dir *dir, const char *name, struct fsc_file **out)
{
	struct sim_backend *sb = dir->sb;
	struct node *parent, *n = NULL;
	const char *last;
	int err;

	dir->busy++;
	op_begin(sb, SIMOP_FILE_OPEN);
	err = store_fault(sb->st, SIMOP_FILE_OPEN, dir->ino, name);
	if (!err)
		err = lookup(sb->st, dir->ino, name, &parent, &last, &n);
	if (!err && n->type != NODE_FILE)
		err = -EUCLEAN;
	if (!err)
		file_handle(sb, n, __builtin_return_address(0), out);
	err = op_end(sb, SIMOP_FILE_OPEN, err ? 0 : n->ino, name, err);
	dir->busy--;
	return err;
}

int sim_tmpfile(struct fsc_dir *dir, uint64_t size, struct fsc_file **out)
{
	struct sim_backend *sb = dir->sb;
	struct node *n = NULL;
	int err;

	dir->busy++;
	op_begin(sb, SIMOP_TMPFILE);
	err = store_fault(sb->st, SIMOP_TMPFILE, dir->ino, NULL);
	if (!err)
		err = make_node(sb->st, NODE_FILE, store_node(sb->st, dir->ino), NULL, size, &n);
	if (!err)
		file_handle(sb, n, __builtin_return_address(0), out);
	err = op_end(sb, SIMOP_TMPFILE, ino_of(n), NULL, err);
	dir->busy--;
	return err;
}

static int do_commit(struct simstore *st, struct node *n, uint64_t dir, const char *name)
{
	struct node *parent, *taken;
	const char *last;
	int err = lookup(st, dir, name, &parent, &last, &taken);

	if (!err)
		return -EEXIST;
	if (err != -ENOENT || !parent || !parent->nlink)
		return err;
	if (n->nlink)
		sim_fail(SIM_BUG, "a file that has a name is committed as %s", name);
	if (n->was_named)
		return -ENOENT; /* as Linux does with what was unlinked */
	store_apply(st, &(struct effect){ .kind = EFFECT_LINK, .ino = n->ino, .dir = parent->ino,
					  .name = last });
	return 0;
}

int sim_commit(struct fsc_file *file, struct fsc_dir *dir, const char *name)
{
	struct sim_backend *sb = file->sb;
	int err;

	file->busy++;
	dir->busy++;
	op_begin(sb, SIMOP_COMMIT);
	err = store_fault(sb->st, SIMOP_COMMIT, file->ino, name);
	if (!err)
		err = do_commit(sb->st, store_node(sb->st, file->ino), dir->ino, name);
	err = op_end(sb, SIMOP_COMMIT, file->ino, name, err);
	dir->busy--;
	file->busy--;
	return err;
}

int sim_unlink(struct fsc_dir *dir, const char *name, struct fsc_file *file)
{
	struct sim_backend *sb = dir->sb;
	struct node *parent, *n = NULL;
	const char *last;
	uint64_t ino = 0;
	int err;

	dir->busy++;
	op_begin(sb, SIMOP_UNLINK);
	err = store_fault(sb->st, SIMOP_UNLINK, dir->ino, name);
	if (!err)
		err = lookup(sb->st, dir->ino, name, &parent, &last, &n);
	if (!err) {
		ino = n->ino;
		if (file && file->ino != ino)
			err = -ESTALE;
		else if (n->type == NODE_DIR)
			err = -EUCLEAN;
	}
	if (!err)
		store_apply(sb->st, &(struct effect){ .kind = EFFECT_UNLINK, .ino = ino,
						      .dir = parent->ino, .name = last });
	err = op_end(sb, SIMOP_UNLINK, ino, name, err);
	dir->busy--;
	return err;
}
