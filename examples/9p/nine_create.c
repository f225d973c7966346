// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * nine_create.c - files, directories and the rest, made new.
 *
 * Whose they are: the kernel's client attaches once for each user, and so has the server judge and
 * own by that user. Here who asks was judged already (the mount's permissions), and a second attach
 * would need another way to each directory. So all is made by the session's user; where that is
 * root the new file is given to its owner afterwards, and elsewhere it stays the session's, as the
 * server would not let it be given away. The group goes in the message.
 *
 * None of it is repeated when the connection dies under it: it may have been done. Nor when the
 * directory can't be found because one above it is just being renamed: diod makes the new thing by
 * its path first and looks at it by its path then, so that -ENOENT doesn't say that nothing was
 * made.
 */
#include "nine.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { CREATE_TRIES = 4, SET_ID = 06000 };

static struct p9_blob blob(const char *s)
{
	return (struct p9_blob){ s, strlen(s) };
}

/* The group that something new in @dir is to have. */
static uint32_t new_gid(const struct nine_node *dir, const struct netfs_owner *owner)
{
	if (atomic_load(&dir->mode) & S_ISGID)
		return atomic_load(&dir->gid);
	return owner ? owner->gid : (uint32_t)getegid();
}

/* Another owner takes these bits away. */
static int restore_set_id(struct nine_fid *fid, mode_t mode)
{
	const struct p9_setattr set = { .valid = P9_SET_MODE, .mode = mode & 07777 };

	if (!(mode & SET_ID) || S_ISLNK(mode))
		return 0;
	return p9_setattr(client_of(fid), fid->fid, &set);
}

/* Give what was just made, and is as @attr says, to its owner. What the server doesn't let us do
 * stays as it is. */
static int give_away(struct nine_node *n, const struct netfs_owner *owner, uint32_t gid,
		     mode_t mode, struct netfs_attr *attr)
{
	struct p9_setattr set = { .valid = P9_SET_UID | P9_SET_GID, .gid = gid };
	struct nine_fid *fid;
	int err;

	if (!owner || nine_of_node(n)->opt.n_uname)
		return 0;
	if (attr->st.st_uid == owner->uid && attr->st.st_gid == gid)
		return 0;
	err = nine_node_fid(n, &fid);
	if (err)
		return err;
	set.uid = owner->uid;
	if (!p9_setattr(client_of(fid), fid->fid, &set))
		restore_set_id(fid, mode);
	nine_fid_put(fid);
	return nine_getattr(&n->node, NULL, attr);
}

/* What was just made, as a node. -ESTALE: it has been replaced. (nfs-ganesha forgets the qid of
 * what mknod made.) */
static int find_made(struct nine_node *dir, const char *name, const struct netfs_owner *owner,
		     uint32_t gid, mode_t mode, const struct p9_qid *made, struct netfs_node **out,
		     struct netfs_attr *attr)
{
	struct netfs_node *found;
	int err = nine_lookup(&dir->node, name, &found, attr);

	if (err)
		return err;
	if ((made->path && made->path != node_of(found)->qid_path) ||
	    (attr->st.st_mode & S_IFMT) != (mode & S_IFMT))
		err = -ESTALE;
	else
		err = give_away(node_of(found), owner, gid, mode, attr);
	if (err)
		netfs_node_put(found);
	else
		*out = found;
	return err;
}

int nine_mkdir(struct netfs_node *netfs_dir, const char *name, mode_t mode,
	       const struct netfs_owner *owner, struct netfs_node **out, struct netfs_attr *attr)
{
	struct nine_node *dir = node_of(netfs_dir);
	uint32_t gid = new_gid(dir, owner);
	struct nine_tries tries = { 0 };
	struct nine_fid *fid;
	struct p9_qid qid;
	int err;

	mode &= 07777;
	do {
		err = nine_attempt(dir, &fid, &tries);
		if (err)
			return err;
		err = p9_mkdir(client_of(fid), fid->fid, blob(name), mode, gid, &qid);
	} while (nine_again(dir, fid, err, NINE_ONCE, &tries));
	/* The set-gid bit that it has from its parent isn't to be taken away again. */
	mode |= atomic_load(&dir->mode) & S_ISGID;
	return err ? err : find_made(dir, name, owner, gid, S_IFDIR | mode, &qid, out, attr);
}

/* Not every server makes them as it does devices. */
static int make_regular(struct netfs_node *dir, const char *name, mode_t mode,
			const struct netfs_owner *owner, struct netfs_node **out,
			struct netfs_attr *attr)
{
	struct netfs_file *file;
	int err = nine_create(dir, name, O_WRONLY | O_EXCL, mode, owner, out, attr, &file);

	if (!err)
		nine_close(file);
	return err;
}

int nine_mknod(struct netfs_node *netfs_dir, const char *name, mode_t mode, dev_t rdev,
	       const struct netfs_owner *owner, struct netfs_node **out, struct netfs_attr *attr)
{
	struct nine_node *dir = node_of(netfs_dir);
	uint32_t gid = new_gid(dir, owner);
	struct nine_tries tries = { 0 };
	struct nine_fid *fid;
	struct p9_qid qid;
	int err;

	if (S_ISREG(mode))
		return make_regular(netfs_dir, name, mode, owner, out, attr);
	do {
		err = nine_attempt(dir, &fid, &tries);
		if (err)
			return err;
		err = p9_mknod(client_of(fid), fid->fid, blob(name), mode, major(rdev), minor(rdev),
			       gid, &qid);
	} while (nine_again(dir, fid, err, NINE_ONCE, &tries));
	return err ? err : find_made(dir, name, owner, gid, mode, &qid, out, attr);
}

int nine_symlink(struct netfs_node *netfs_dir, const char *name, const char *target,
		 const struct netfs_owner *owner, struct netfs_node **out, struct netfs_attr *attr)
{
	struct nine_node *dir = node_of(netfs_dir);
	uint32_t gid = new_gid(dir, owner);
	struct nine_tries tries = { 0 };
	struct nine_fid *fid;
	struct p9_qid qid;
	int err;

	do {
		err = nine_attempt(dir, &fid, &tries);
		if (err)
			return err;
		err = p9_symlink(client_of(fid), fid->fid, blob(name), blob(target), gid, &qid);
	} while (nine_again(dir, fid, err, NINE_ONCE, &tries));
	return err ? err : find_made(dir, name, owner, gid, S_IFLNK, &qid, out, attr);
}

/* ---- regular files, opened ---- */

/* -EEXIST or -ENOENT. nfs-ganesha takes no notice of O_EXCL; asking first leaves a gap there, but a
 * small one. */
static int check_absent(struct nine_fid *dir, const char *name)
{
	const struct p9_blob names = blob(name);
	uint32_t fid;
	int err = p9_walk(client_of(dir), dir->fid, &names, 1, &fid);

	if (err)
		return err;
	p9_clunk(client_of(dir), fid);
	return -EEXIST;
}

/* Make it, and have it open at *@out. */
static int create_fid(struct nine_node *dir, const char *name, int flags, mode_t mode, uint32_t gid,
		      struct nine_fid **out, struct p9_qid *qid)
{
	uint32_t f = nine_open_flags((flags & ~O_TRUNC) | O_CREAT | O_EXCL);
	struct nine_tries tries = { 0 };
	struct nine_fid *from, *fid;
	int err;

	do {
		err = nine_attempt(dir, &from, &tries);
		if (err)
			return err;
		err = check_absent(from, name);
		if (err == -ENOENT)
			err = nine_fid_clone(nine_of_node(dir), from, &fid);
		if (!err) {
			err = p9_lcreate(client_of(fid), fid->fid, blob(name), f, mode & 07777, gid,
					 qid);
			if (err)
				nine_fid_put(fid);
		}
	} while (nine_again(dir, from, err, NINE_ONCE, &tries));
	if (!err)
		*out = fid;
	return err;
}

static int create_new(struct nine_node *dir, const char *name, int flags, mode_t mode,
		      const struct netfs_owner *owner, struct netfs_node **out,
		      struct netfs_attr *attr, struct netfs_file **file)
{
	uint32_t gid = new_gid(dir, owner);
	struct nine_fid *fid = NULL;
	struct nine_file *f;
	struct p9_qid qid;
	int err = create_fid(dir, name, flags, mode, gid, &fid, &qid);

	if (err)
		return err;
	err = find_made(dir, name, owner, gid, S_IFREG | mode, &qid, out, attr);
	if (err) {
		nine_fid_put(fid);
		return err;
	}
	f = nine_file_new(node_of(*out), fid, flags);
	if (!f) {
		netfs_node_put(*out);
		return -ENOMEM;
	}
	*file = &f->file;
	return 0;
}

/* It is there already. -ENOENT: no more. */
static int create_old(struct nine_node *dir, const char *name, int flags, struct netfs_node **out,
		      struct netfs_attr *attr, struct netfs_file **file)
{
	int err = nine_lookup(&dir->node, name, out, attr);

	if (err)
		return err;
	/* Of a symbolic link the caller has to make what it is told by it. */
	err = S_ISREG(attr->st.st_mode) ? nine_open(*out, flags, file) : -ESTALE;
	if (!err && flags & O_TRUNC) {
		err = nine_getattr(*out, *file, attr);
		if (err)
			nine_close(*file);
	}
	if (err)
		netfs_node_put(*out);
	return err;
}

/* Always as if it had to be new: else nobody would know whether it is ours to give away, and
 * servers would follow a symbolic link to wherever it leads there. */
int nine_create(struct netfs_node *netfs_dir, const char *name, int flags, mode_t mode,
		const struct netfs_owner *owner, struct netfs_node **out, struct netfs_attr *attr,
		struct netfs_file **file)
{
	struct nine_node *dir = node_of(netfs_dir);
	int err = -ENOENT;

	for (int i = 0; i < CREATE_TRIES && err == -ENOENT; i++) {
		err = create_new(dir, name, flags, mode, owner, out, attr, file);
		if (err != -EEXIST || flags & O_EXCL)
			break;
		err = create_old(dir, name, flags, out, attr, file);
	}
	return err;
}
