// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * tamper.c - looking at a store and changing it behind the backend's back, by path.
 */
#include <stdlib.h>

#include "store_int.h"

static struct node *find(struct simstore *st, const char *path)
{
	struct node *n = store_node(st, ROOT_INO);

	while (n && *path) {
		size_t len = strcspn(path, "/");
		struct node_entry *e = node_lookup(n, path, len);

		n = e ? store_node(st, e->ino) : NULL;
		path += len + (path[len] == '/');
	}
	return n;
}

/* The directory of @path's last component. */
static struct node *find_parent(struct simstore *st, const char *path, const char **last)
{
	const char *slash = strrchr(path, '/');
	struct node *n;
	char *dir;

	*last = slash ? slash + 1 : path;
	if (!slash)
		return store_node(st, ROOT_INO);
	dir = strndup(path, (size_t)(slash - path));
	n = find(st, dir);
	free(dir);
	return n && n->type == NODE_DIR ? n : NULL;
}

/* --- Looking ---------------------------------------------------------------------- */

uint64_t simstore_ino(struct simstore *st, const char *path)
{
	const struct node *n = find(st, path);

	return n ? n->ino : 0;
}

int simstore_stat(struct simstore *st, const char *path, struct fsc_stat *out)
{
	const struct node *n = find(st, path);

	if (!n)
		return -ENOENT;
	store_stat(n, out);
	return 0;
}

uint32_t simstore_nlink(struct simstore *st, uint64_t ino)
{
	const struct node *n = store_node(st, ino);

	return n ? n->nlink : 0;
}

int64_t simstore_read(struct simstore *st, const char *path, uint64_t pos, void *buf, size_t len)
{
	const struct node *n = find(st, path);

	if (!n)
		return -ENOENT;
	if (pos >= n->size)
		return 0;
	if (len > n->size - pos)
		len = (size_t)(n->size - pos);
	node_read(n, pos, buf, len);
	return (int64_t)len;
}

bool simstore_is_hole(struct simstore *st, const char *path, uint64_t pos)
{
	const struct node *n = find(st, path);

	return !n || !node_block(n, pos / BLOCK_SIZE);
}

int simstore_xattr_get(struct simstore *st, const char *path, const char *name, void *buf,
		       size_t size)
{
	const struct node *n = find(st, path);
	const struct node_xattr *x = n ? node_xattr(n, name) : NULL;

	if (!x)
		return n ? -ENODATA : -ENOENT;
	if (x->len > size)
		return -ERANGE;
	memcpy(buf, x->value, x->len);
	return (int)x->len;
}

static int walk(struct simstore *st, const struct node *dir, const char *path, simstore_walk_fn fn,
		void *arg)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < dir->nentries; i++) {
		const struct node *n = store_node(st, dir->entries[i].ino);
		struct fsc_stat stat;
		char *below;

		if (asprintf(&below, "%s%s%s", path, *path ? "/" : "", dir->entries[i].name) < 0)
			abort();
		store_stat(n, &stat);
		ret = fn(arg, below, &stat);
		if (!ret)
			ret = walk(st, n, below, fn, arg);
		free(below);
	}
	return ret;
}

int simstore_walk(struct simstore *st, simstore_walk_fn fn, void *arg)
{
	return walk(st, store_node(st, ROOT_INO), "", fn, arg);
}

static int print_name(void *arg, const char *path, const struct fsc_stat *stat)
{
	fprintf(arg, "%6llu %10llu bytes %10llu on disk  %s\n", (unsigned long long)stat->ino,
		(unsigned long long)stat->size, (unsigned long long)stat->bytes, path);
	return 0;
}

void simstore_print(struct simstore *st, FILE *to)
{
	simstore_walk(st, print_name, to);
}

/* --- Contents --------------------------------------------------------------------- */

static void write_node(struct simstore *st, uint64_t ino, uint64_t pos, const void *buf, size_t len)
{
	const uint8_t *from = buf;

	while (len) {
		size_t room = BLOCK_SIZE - pos % BLOCK_SIZE, part = len < room ? len : room;

		store_tamper(st, &(struct effect){ .kind = EFFECT_DATA, .ino = ino, .pos = pos,
						  .len = part, .data = from });
		from += part;
		pos += part;
		len -= part;
	}
	if (pos > store_node(st, ino)->size)
		store_tamper(st, &(struct effect){ .kind = EFFECT_SIZE, .ino = ino, .size = pos });
}

int simstore_write(struct simstore *st, const char *path, uint64_t pos, const void *buf, size_t len)
{
	const struct node *n = find(st, path);

	if (!n)
		return -ENOENT;
	write_node(st, n->ino, pos, buf, len);
	return 0;
}

int simstore_resize(struct simstore *st, const char *path, uint64_t size)
{
	struct node *n = find(st, path);

	if (!n)
		return -ENOENT;
	n->resizes++;
	store_tamper(st, &(struct effect){ .kind = EFFECT_SIZE, .ino = n->ino, .size = size });
	return 0;
}

int simstore_xattr_set(struct simstore *st, const char *path, const char *name, const void *buf,
		       size_t size)
{
	const struct node *n = find(st, path);

	if (!n)
		return -ENOENT;
	store_tamper(st, &(struct effect){ .kind = EFFECT_XATTR, .ino = n->ino, .name = name,
					  .data = buf, .len = size });
	return 0;
}

int simstore_corrupt_xattr(struct simstore *st, const char *path, const char *name, size_t byte,
			   uint8_t xor_with)
{
	uint8_t value[65536];
	int len = simstore_xattr_get(st, path, name, value, sizeof(value));

	if (len < 0)
		return len;
	if (byte >= (size_t)len)
		return -ERANGE;
	value[byte] ^= xor_with;
	return simstore_xattr_set(st, path, name, value, (size_t)len);
}

int simstore_chown(struct simstore *st, const char *path, uint32_t uid)
{
	const struct node *n = find(st, path);

	if (!n)
		return -ENOENT;
	store_tamper(st, &(struct effect){ .kind = EFFECT_OWNER, .ino = n->ino, .size = uid });
	return 0;
}

int simstore_set_atime(struct simstore *st, const char *path, uint64_t seconds)
{
	const struct node *n = find(st, path);

	if (!n)
		return -ENOENT;
	store_tamper(st, &(struct effect){ .kind = EFFECT_ATIME, .ino = n->ino, .time = seconds });
	return 0;
}

/* --- Names ------------------------------------------------------------------------ */

static int make(struct simstore *st, const char *path, enum node_type type)
{
	const char *last;
	const struct node *dir = find_parent(st, path, &last);

	if (!dir)
		return -ENOENT;
	if (find(st, path))
		return -EEXIST;
	store_tamper(st, &(struct effect){ .kind = EFFECT_CREATE, .ino = store_new_ino(st),
					  .type = type, .dir = dir->ino, .name = last,
					  .time = store_now_us(st) });
	return 0;
}

int simstore_mkdir(struct simstore *st, const char *path)
{
	return make(st, path, NODE_DIR);
}

int simstore_mkfile(struct simstore *st, const char *path)
{
	return make(st, path, NODE_FILE);
}

int simstore_symlink(struct simstore *st, const char *path)
{
	return make(st, path, NODE_SYMLINK);
}

int simstore_fifo(struct simstore *st, const char *path)
{
	return make(st, path, NODE_FIFO);
}

int simstore_hardlink(struct simstore *st, const char *path, const char *new_path)
{
	const char *last;
	const struct node *n = find(st, path), *dir = find_parent(st, new_path, &last);

	if (!n || !dir)
		return -ENOENT;
	if (find(st, new_path))
		return -EEXIST;
	store_tamper(st, &(struct effect){ .kind = EFFECT_LINK, .ino = n->ino, .dir = dir->ino,
					  .name = last });
	return 0;
}

int simstore_rename(struct simstore *st, const char *path, const char *new_path)
{
	const char *last, *new_last;
	const struct node *n = find(st, path), *from = find_parent(st, path, &last);
	const struct node *to = find_parent(st, new_path, &new_last);

	if (!n || !from || !to)
		return -ENOENT;
	if (find(st, new_path))
		return -EEXIST;
	store_tamper(st, &(struct effect){ .kind = EFFECT_RENAME, .ino = n->ino, .dir = from->ino,
					  .name = last, .new_dir = to->ino, .new_name = new_last });
	return 0;
}

int simstore_swap_names(struct simstore *st, const char *path, const char *other)
{
	static const char between[] = ".swap";
	int err = simstore_rename(st, path, between);

	if (!err)
		err = simstore_rename(st, other, path);
	if (!err)
		err = simstore_rename(st, between, other);
	return err;
}

static void remove_entry(struct simstore *st, uint64_t dir, const struct node_entry *e)
{
	const struct node *n = store_node(st, e->ino);
	char *name;

	while (n->nentries && n->nlink == 1)
		remove_entry(st, n->ino, &n->entries[0]);
	name = strdup(e->name); /* @e goes while it is read */
	store_tamper(st, &(struct effect){ .kind = EFFECT_UNLINK, .ino = n->ino, .dir = dir,
					  .name = name });
	free(name);
}

int simstore_remove(struct simstore *st, const char *path)
{
	const char *last;
	const struct node *dir = find_parent(st, path, &last);
	const struct node_entry *e = dir ? node_lookup(dir, last, strlen(last)) : NULL;

	if (!e)
		return -ENOENT;
	remove_entry(st, dir->ino, e);
	return 0;
}

static void copy_into(struct simstore *st, uint64_t from, uint64_t dir, const char *name)
{
	const struct node *n = store_node(st, from);
	uint64_t ino = store_new_ino(st);

	store_tamper(st, &(struct effect){ .kind = EFFECT_CREATE, .ino = ino, .type = n->type,
					  .dir = dir, .name = name, .size = n->size,
					  .time = store_now_us(st) });
	for (const struct node_xattr *x = n->xattrs; x; x = x->next)
		store_tamper(st, &(struct effect){ .kind = EFFECT_XATTR, .ino = ino, .name = x->name,
						  .data = x->value, .len = x->len });
	for (size_t i = 0; i < n->nbuckets; i++)
		for (const struct node_block *b = n->blocks[i]; b; b = b->next)
			store_tamper(st, &(struct effect){ .kind = EFFECT_DATA, .ino = ino,
							  .pos = b->index * BLOCK_SIZE,
							  .len = BLOCK_SIZE, .data = b->page->data });
	store_tamper(st, &(struct effect){ .kind = EFFECT_ATIME, .ino = ino, .time = n->atime_s });
	for (size_t i = 0; i < n->nentries; i++)
		copy_into(st, n->entries[i].ino, ino, n->entries[i].name);
}

int simstore_copy_tree(struct simstore *st, const char *path, const char *new_path)
{
	const char *last;
	const struct node *n = find(st, path), *dir = find_parent(st, new_path, &last);

	if (!n || !dir)
		return -ENOENT;
	if (find(st, new_path))
		return -EEXIST;
	if (!strncmp(new_path, path, strlen(path)) &&
	    (!*path || new_path[strlen(path)] == '/'))
		return -EINVAL; /* into itself */
	copy_into(st, n->ino, dir->ino, last);
	return 0;
}
