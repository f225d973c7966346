// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * v4_open.c - NFSv4.0: files are created by opening them, and opens are numbered: the client is
 * known to the server by an id, its owner of opens by a name, and each open, confirmation and close
 * of one owner has the next number and waits for the one before.
 *
 * What was opened is closed at once, so nothing is lost with a lease, which isn't renewed: a client
 * that the server has forgotten introduces itself anew. An owner whose number isn't known for
 * certain, after any error, is left for a new one.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "loop_int.h"
#include "v4.h"

#define ATTEMPTS 5

struct nfsc4_state {
	pthread_mutex_t lock; /* over the calls too */
	char id[64];	      /* of this client, for as long as it is connected */
	char verifier[NFS4_VERIFIER_SIZE];
	bool known;
	clientid4 clientid;
	char owner[32];
	uint32_t owners, seqid;
	bool confirmed;
};

int nfsc4_state_new(struct nfs *nfs)
{
	struct nfsc4_state *s = calloc(1, sizeof(*s));
	uint64_t random[2];

	if (!s)
		return -ENOMEM;
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
		free(s);
		return -EIO;
	}
	pthread_mutex_init(&s->lock, NULL);
	snprintf(s->id, sizeof(s->id), "libfscache/%016llx", (unsigned long long)random[0]);
	memcpy(s->verifier, &random[1], sizeof(s->verifier));
	nfs->v4 = s;
	return 0;
}

void nfsc4_state_free(struct nfsc4_state *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* --- The client ------------------------------------------------------------------------------- */

static int64_t take_clientid(struct nfsc4_call *call, const COMPOUND4res *res)
{
	const nfs_resop4 *r = nfsc4_result(res, OP_SETCLIENTID);

	if (!r)
		return -EPROTO;
	*(SETCLIENTID4resok *)call->out = r->nfs_resop4_u.opsetclientid.SETCLIENTID4res_u.resok4;
	return 0;
}

/* There is nobody to call back: no delegations for us. */
static int introduce(struct nfs *nfs, struct nfsc4_state *s)
{
	SETCLIENTID4resok got;
	struct nfsc4_call ask = { .req.again = true, .take = take_clientid, .out = &got };
	struct nfsc4_call confirm = { .req.again = true };
	SETCLIENTID4args *args = &nfsc4_op(&ask, OP_SETCLIENTID)->nfs_argop4_u.opsetclientid;
	SETCLIENTID_CONFIRM4args *yes =
		&nfsc4_op(&confirm, OP_SETCLIENTID_CONFIRM)->nfs_argop4_u.opsetclientid_confirm;
	int64_t err;

	memcpy(args->client.verifier, s->verifier, NFS4_VERIFIER_SIZE);
	args->client.id.id_len = (u_int)strlen(s->id);
	args->client.id.id_val = s->id;
	args->callback.cb_program = NFS4_CALLBACK;
	args->callback.cb_location.r_netid = (char *)"tcp";
	args->callback.cb_location.r_addr = (char *)"0.0.0.0.0.0";
	err = nfsc4_call(&nfs->fs, &ask);
	if (err)
		return (int)err;
	yes->clientid = got.clientid;
	memcpy(yes->setclientid_confirm, got.setclientid_confirm, NFS4_VERIFIER_SIZE);
	err = nfsc4_call(&nfs->fs, &confirm);
	s->known = !err;
	s->clientid = got.clientid;
	return (int)err;
}

static void new_owner(struct nfsc4_state *s)
{
	snprintf(s->owner, sizeof(s->owner), "creates-%u", ++s->owners);
	s->seqid = 0;
	s->confirmed = false;
}

/* --- Opening ---------------------------------------------------------------------------------- */

struct opened {
	stateid4 stateid;
	bool confirm;
};

static int64_t take_open(struct nfsc4_call *call, const COMPOUND4res *res)
{
	const nfs_resop4 *r = nfsc4_result(res, OP_OPEN);
	struct opened *opened = call->out;
	const OPEN4resok *ok;

	if (!r)
		return -EPROTO;
	ok = &r->nfs_resop4_u.opopen.OPEN4res_u.resok4;
	opened->stateid = ok->stateid;
	opened->confirm = ok->rflags & OPEN4_RESULT_CONFIRM;
	return nfsc4_take_node(call, res);
}

/* As little as it takes: the creator may write, whatever the mode says, but a reader might not. */
static uint32_t access_for(int flags)
{
	switch (flags & O_ACCMODE) {
	case O_RDONLY:
		return OPEN4_SHARE_ACCESS_READ;
	case O_WRONLY:
		return OPEN4_SHARE_ACCESS_WRITE;
	default:
		return OPEN4_SHARE_ACCESS_BOTH;
	}
}

static void open_op(struct nfsc4_call *call, struct nfsc4_state *s, const char *name, int flags,
		    struct nfsc4_set *set)
{
	OPEN4args *args = &nfsc4_op(call, OP_OPEN)->nfs_argop4_u.opopen;
	createhow4 *how = &args->openhow.openflag4_u.how;

	args->seqid = s->seqid;
	args->share_access = access_for(flags);
	args->share_deny = OPEN4_SHARE_DENY_NONE;
	args->owner.clientid = s->clientid;
	args->owner.owner.owner_len = (u_int)strlen(s->owner);
	args->owner.owner.owner_val = s->owner;
	args->openhow.opentype = OPEN4_CREATE;
	how->mode = flags & O_EXCL ? GUARDED4 : UNCHECKED4;
	how->createhow4_u.createattrs = nfsc4_fattr(set);
	args->claim.claim = CLAIM_NULL;
	args->claim.open_claim4_u.file = nfsc4_name(name, strlen(name));
}

static int64_t take_confirm(struct nfsc4_call *call, const COMPOUND4res *res)
{
	const nfs_resop4 *r = nfsc4_result(res, OP_OPEN_CONFIRM);
	struct opened *opened = call->out;

	if (!r)
		return -EPROTO;
	opened->stateid = r->nfs_resop4_u.opopen_confirm.OPEN_CONFIRM4res_u.resok4.open_stateid;
	return 0;
}

/* The file is there by now, so nothing of this is an error: at worst the server keeps an open until
 * the lease ends. */
static void confirm_and_close(struct netfs_node *node, struct nfsc4_state *s, struct opened *opened,
			      const struct netfs_owner *owner)
{
	struct nfsc4_call confirm = { .req.owner = owner, .take = take_confirm, .out = opened };
	struct nfsc4_call shut = { .req.owner = owner };
	OPEN_CONFIRM4args *confirm_args;
	CLOSE4args *close_args;
	int64_t err = 0;

	if (opened->confirm) {
		nfsc4_putfh(&confirm, node);
		confirm_args = &nfsc4_op(&confirm, OP_OPEN_CONFIRM)->nfs_argop4_u.opopen_confirm;
		confirm_args->open_stateid = opened->stateid;
		confirm_args->seqid = s->seqid++;
		err = nfsc4_call(node->fs, &confirm);
		s->confirmed = !err;
	}
	if (!err) {
		nfsc4_putfh(&shut, node);
		close_args = &nfsc4_op(&shut, OP_CLOSE)->nfs_argop4_u.opclose;
		close_args->seqid = s->seqid++;
		close_args->open_stateid = opened->stateid;
		err = nfsc4_call(node->fs, &shut);
	}
	if (err)
		new_owner(s);
}

/* One attempt. @status: what the server said, by which the caller knows whether to try again. */
static int open_once(struct netfs_node *dir, const char *name, int flags, struct nfsc4_set *set,
		     const struct netfs_owner *owner, struct netfs_node **out,
		     struct netfs_attr *attr, nfsstat4 *status)
{
	struct nfs *nfs = nfsc_of(dir->fs);
	struct nfsc4_state *s = nfs->v4;
	struct opened opened = { 0 };
	struct nfsc4_call call = { .req.owner = owner, .out = &opened };
	int err = s->known ? 0 : introduce(nfs, s);

	if (err)
		return err;
	nfsc4_putfh(&call, dir);
	open_op(&call, s, name, flags, set);
	nfsc4_get_node(&call);
	call.take = take_open;
	call.once = true;
	err = nfsc4_call_node(dir->fs, &call, out, attr);
	*status = call.status;
	if (err) {
		new_owner(s);
		return err;
	}
	s->seqid++;
	confirm_and_close(*out, s, &opened, owner);
	return 0;
}

static bool forgotten(nfsstat4 status)
{
	return status == NFS4ERR_STALE_CLIENTID || status == NFS4ERR_EXPIRED ||
	       status == NFS4ERR_BAD_SEQID || status == NFS4ERR_BAD_STATEID;
}

int nfsc4_create_file(struct netfs_node *dir, const char *name, int flags, struct nfsc4_set *set,
		      const struct netfs_owner *owner, struct netfs_node **out,
		      struct netfs_attr *attr)
{
	struct nfs *nfs = nfsc_of(dir->fs);
	struct nfsc4_state *s = nfs->v4;
	const struct timespec moment = { .tv_nsec = 100000000 };
	uint64_t end = nfsc_now_ms() + nfs->params.timeout_ms;
	int err, attempts = 0;
	nfsstat4 status;

	pthread_mutex_lock(&s->lock);
	if (!s->owners)
		new_owner(s);
	for (;;) {
		status = NFS4_OK;
		err = open_once(dir, name, flags, set, owner, out, attr, &status);
		if (forgotten(status) && ++attempts < ATTEMPTS) {
			s->known = false;
		} else if ((status == NFS4ERR_DELAY || status == NFS4ERR_GRACE) &&
			   nfsc_now_ms() < end) {
			nanosleep(&moment, NULL);
		} else {
			break;
		}
	}
	pthread_mutex_unlock(&s->lock);
	return err;
}
