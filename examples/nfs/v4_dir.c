// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * v4_dir.c - NFSv4 directories.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "dir.h"
#include "v4.h"

struct place {
	struct nfsc_dir *dir;
	struct nfsc_batch *batch;
};

/* What can't be told of one entry (RDATTR_ERROR) doesn't hide the others. */
static int64_t add(struct nfsc_batch *batch, const entry4 *from)
{
	struct nfsc_entry *to;
	struct nfsc4_told told;

	batch->end = from->cookie;
	if (!nfsc4_decode(&from->attrs, nfsc4_entry_mask, &told))
		return -EPROTO;
	to = nfsc_batch_add(batch, from->name.utf8string_val, from->name.utf8string_len);
	if (!to)
		return 0;
	to->next = from->cookie;
	to->ino = told.attr.st.st_ino;
	to->type = DT_UNKNOWN;
	if (!nfsc4_has(told.mask, FATTR4_TYPE) || !nfsc4_has(told.mask, FATTR4_SIZE))
		return 0;
	to->type = IFTODT(told.attr.st.st_mode);
	to->fh = told.fh;
	to->attr = told.attr;
	to->has_attr = told.fh.len != 0;
	nfsc_attr_end(&to->attr, &to->fh);
	return 0;
}

static int64_t take_batch(struct nfsc4_call *call, const COMPOUND4res *res)
{
	const nfs_resop4 *r = nfsc4_result(res, OP_READDIR);
	struct place *place = call->out;
	const READDIR4resok *ok;
	int64_t err = 0;

	if (!r)
		return -EPROTO;
	ok = &r->nfs_resop4_u.opreaddir.READDIR4res_u.resok4;
	memcpy(nfsc_dir_verifier(place->dir), ok->cookieverf, NFS4_VERIFIER_SIZE);
	for (const entry4 *e = ok->reply.entries; e && !err; e = e->nextentry)
		err = add(place->batch, e);
	place->batch->eof = ok->reply.eof;
	return err;
}

int nfsc4_read_batch(struct netfs_file *file, uint64_t pos, bool plus, struct nfsc_batch *batch)
{
	struct place place = { nfsc_file_of(file)->dir, batch };
	struct nfsc4_call call = { .req.again = true, .take = take_batch, .out = &place };
	READDIR4args *args;
	int64_t err;

	(void)plus;
	nfsc4_putfh(&call, file->node);
	args = &nfsc4_op(&call, OP_READDIR)->nfs_argop4_u.opreaddir;
	args->cookie = pos;
	memcpy(args->cookieverf, nfsc_dir_verifier(place.dir), sizeof(args->cookieverf));
	args->dircount = args->maxcount = nfsc_of(file->node->fs)->dir_max;
	args->attr_request.bitmap4_len = 2;
	args->attr_request.bitmap4_val = nfsc4_entry_mask;
	err = nfsc4_call(file->node->fs, &call);
	return err == -EBADE ? -EIO : (int)err;
}
