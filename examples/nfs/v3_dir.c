// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * v3_dir.c - NFSv3 directories: READDIRPLUS, or READDIR where the server hasn't that.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "dir.h"
#include "v3.h"

NFS3_PROC(readdirplus, READDIRPLUS3args)
NFS3_PROC(readdir, READDIR3args)

struct place {
	struct nfsc_dir *dir;
	struct nfsc_batch *batch;
};

static void add_plus(struct nfsc_batch *batch, const entryplus3 *from)
{
	const nfs_fh3 *fh = &from->name_handle.post_op_fh3_u.handle;
	struct nfsc_entry *to =
		nfsc_batch_add(batch, from->name, from->name ? strlen(from->name) : 0);

	batch->end = from->cookie;
	if (!to)
		return;
	to->ino = from->fileid;
	to->next = from->cookie;
	to->type = DT_UNKNOWN;
	if (from->name_handle.handle_follows && !nfsc3_take_fh(fh, &to->fh))
		to->fh.len = 0;
	to->has_attr = nfsc3_take_attr(&from->name_attributes, &to->fh, &to->attr);
	if (to->has_attr)
		to->type = IFTODT(to->attr.st.st_mode);
}

static int64_t take_plus(struct nfsc3_call *call, const void *res)
{
	const READDIRPLUS3resok *ok = &((const READDIRPLUS3res *)res)->READDIRPLUS3res_u.resok;
	struct place *place = call->out;

	memcpy(nfsc_dir_verifier(place->dir), ok->cookieverf, NFS3_COOKIEVERFSIZE);
	for (const entryplus3 *e = ok->reply.entries; e; e = e->nextentry)
		add_plus(place->batch, e);
	place->batch->eof = ok->reply.eof;
	return 0;
}

static int read_plus(struct netfs_file *file, uint64_t pos, struct nfsc_batch *batch)
{
	struct place place = { nfsc_file_of(file)->dir, batch };
	uint32_t size = nfsc_of(file->node->fs)->dir_max;
	READDIRPLUS3args args = {
		.dir = nfsc3_fh_of(file->node),
		.cookie = pos,
		.dircount = size,
		.maxcount = size,
	};
	struct nfsc3_call call = {
		.req.again = true,
		.proc = nfsc3_readdirplus_proc,
		.args = &args,
		.take = take_plus,
		.out = &place,
	};

	memcpy(args.cookieverf, nfsc_dir_verifier(place.dir), sizeof(args.cookieverf));
	return (int)nfsc3_call(file->node->fs, &call);
}

static int64_t take_names(struct nfsc3_call *call, const void *res)
{
	const READDIR3resok *ok = &((const READDIR3res *)res)->READDIR3res_u.resok;
	struct place *place = call->out;

	memcpy(nfsc_dir_verifier(place->dir), ok->cookieverf, NFS3_COOKIEVERFSIZE);
	for (const entry3 *e = ok->reply.entries; e; e = e->nextentry) {
		struct nfsc_entry *to =
			nfsc_batch_add(place->batch, e->name, e->name ? strlen(e->name) : 0);

		place->batch->end = e->cookie;
		if (!to)
			continue;
		to->ino = e->fileid;
		to->next = e->cookie;
		to->type = DT_UNKNOWN;
	}
	place->batch->eof = ok->reply.eof;
	return 0;
}

static int read_names(struct netfs_file *file, uint64_t pos, struct nfsc_batch *batch)
{
	struct place place = { nfsc_file_of(file)->dir, batch };
	READDIR3args args = {
		.dir = nfsc3_fh_of(file->node),
		.cookie = pos,
		.count = nfsc_of(file->node->fs)->dir_max,
	};
	struct nfsc3_call call = {
		.req.again = true,
		.proc = nfsc3_readdir_proc,
		.args = &args,
		.take = take_names,
		.out = &place,
	};

	memcpy(args.cookieverf, nfsc_dir_verifier(place.dir), sizeof(args.cookieverf));
	return (int)nfsc3_call(file->node->fs, &call);
}

/* Always with attributes if they are to be had: without, types aren't told. A position of another
 * listing (the directory changed) is tried as it is: most servers' stay good. */
int nfsc3_read_batch(struct netfs_file *file, uint64_t pos, bool plus, struct nfsc_batch *batch)
{
	int err = read_plus(file, pos, batch);

	(void)plus;
	if (err == -EBADE && pos) {
		memset(nfsc_dir_verifier(nfsc_file_of(file)->dir), 0, NFS3_COOKIEVERFSIZE);
		err = read_plus(file, pos, batch);
	}
	if (err == -EOPNOTSUPP)
		err = read_names(file, pos, batch);
	return err == -EBADE ? -EIO : err;
}
