// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * content.c - the cookie of a mounted file, from its first open until the kernel forgets it.
 *
 * A cookie stays acquired between opens, unused, so that the next open finds its object at hand.
 * What it is labelled with is the base; when the file is found changed it is invalidated with the
 * new label, which readers that have it open survive.
 */
#include "content.h"

#include <errno.h>
#include <stdlib.h>


/* --- The base, with inode.lock held ----------------------------------------------------------- */

/* Whatever is cached is not of this version. */
static void set_base(struct mount *m, struct content *c, const struct netfs_attr *attr)
{
	struct cached_label label;
	bool vouched = cached_label(m->s, attr, &label);

	c->base = *attr;
	c->known = vouched;
	c->changed = false;
	c->pages = false;
	c->version++;
	c->size = (uint64_t)attr->st.st_size;
	c->settled_ms = vouched ? label.params.keep_after_ms : UINT64_MAX;
	if (c->cookie)
		fsc_cookie_invalidate(c->cookie, vouched ? &label.params : NULL, NULL);
	else if (!c->uses)
		/* Not while it is open: those who have it open wouldn't know of the cookie, and
		 * write past it. */
		c->cookie = cached_acquire(m->s, attr);
}

/* Once nobody changes it any more, the next open says what it is. */
static void forget_base(struct content *c)
{
	if (c->writers || !c->changed)
		return;
	c->known = c->changed = c->pages = false;
	c->version++;
}

/* Is what this client did to the file since all that happened to it? */
static bool proven(struct mount *m, struct content *c)
{
	return m->opt.sole_writer && c->known;
}

static bool base_is(struct mount *m, struct content *c, const struct netfs_attr *attr)
{
	if (c->changed)
		return proven(m, c);
	return c->known && cached_same(&c->base, attr);
}

static struct content *content_of(struct inode *in)
{
	if (!in->content)
		in->content = calloc(1, sizeof(*in->content));
	return in->content;
}

/* --- Opens ------------------------------------------------------------------------------------ */

int content_open(struct mount *m, struct inode *in, const struct netfs_attr *attr, bool writes,
		 struct content_use *use)
{
	struct content *c;

	pthread_mutex_lock(&in->lock);
	c = content_of(in);
	if (!c) {
		pthread_mutex_unlock(&in->lock);
		return -ENOMEM;
	}
	/* Of a file that we are changing nothing is known until that has ended. */
	if (!base_is(m, c, attr) && !c->changed)
		set_base(m, c, attr);
	else if (!c->cookie && !c->uses && c->known && m->s->volume)
		c->cookie = cached_acquire(m->s, attr); /* it was another's before */
	*use = (struct content_use){
		.cookie = c->cookie,
		.began = true,
		.writes = writes,
		.keep_pages = c->pages,
		.version = c->version,
	};
	/* Pages that are read from now on. */
	if (fsc_clock_ms() < c->settled_ms)
		use->version = 0;
	c->uses++;
	c->writers += writes;
	pthread_mutex_unlock(&in->lock);
	fsc_cookie_use_wait(use->cookie, writes);
	if (writes && m->opt.sole_writer)
		fsc_cookie_prove(use->cookie);
	return 0;
}

/* The server has made stable what it was sent, and says that the file is @attr now. */
static void relabel(struct mount *m, struct inode *in, const struct netfs_attr *attr)
{
	struct content *c = in->content;
	struct cached_label label;
	bool vouched = cached_label(m->s, attr, &label);

	pthread_mutex_lock(&in->lock);
	/* -EBUSY: a write has come meanwhile, and it is for who ends that. */
	if (c->changed && proven(m, c) && !in->changing && vouched &&
	    fsc_cookie_written(c->cookie, &label.params) != -EBUSY) {
		c->base = *attr;
		c->changed = false;
		c->size = (uint64_t)attr->st.st_size;
		c->settled_ms = 0;
	}
	pthread_mutex_unlock(&in->lock);
}

void content_stable(struct mount *m, struct inode *in, struct netfs_file *file)
{
	struct netfs_node *node;
	struct netfs_attr attr;
	int err;

	if (!m->opt.sole_writer || !in->content->cookie)
		return;
	node = inode_node(in);
	err = m->ops->getattr(node, file, &attr);
	netfs_node_put(node);
	if (!err)
		relabel(m, in, &attr);
}

void content_close(struct mount *m, struct inode *in, const struct content_use *use,
		   struct netfs_file *file)
{
	struct content *c = in->content;
	bool last_writer, proof;

	pthread_mutex_lock(&in->lock);
	last_writer = use->writes && c->writers == 1;
	proof = c->changed && proven(m, c);
	pthread_mutex_unlock(&in->lock);
	if (last_writer && proof && file && !m->ops->fsync(file, false))
		content_stable(m, in, file);

	pthread_mutex_lock(&in->lock);
	c->uses--;
	c->writers -= use->writes;
	forget_base(c);
	pthread_mutex_unlock(&in->lock);
	fsc_cookie_unuse(use->cookie);
}

void content_pages_fresh(struct inode *in, const struct content_use *use)
{
	struct content *c = in->content;

	pthread_mutex_lock(&in->lock);
	if (use->version && c->version == use->version && !c->changed)
		c->pages = true;
	pthread_mutex_unlock(&in->lock);
}

void content_seen(struct mount *m, struct inode *in, const struct netfs_attr *attr)
{
	struct content *c;

	pthread_mutex_lock(&in->lock);
	c = in->content;
	if (c && c->uses && !c->changed && !base_is(m, c, attr))
		set_base(m, c, attr);
	pthread_mutex_unlock(&in->lock);
}

/* --- Sizes and changes ------------------------------------------------------------------------ */

uint64_t content_read_size(struct mount *m, struct inode *in, uint64_t pos, size_t len)
{
	struct content *c = in->content;
	uint64_t size;

	pthread_mutex_lock(&in->lock);
	if (c->known && (!c->changed || m->opt.sole_writer))
		size = c->size;
	else
		size = pos + len; /* nothing is cached, and the server says where it ends */
	pthread_mutex_unlock(&in->lock);
	return size;
}

uint64_t content_change(struct inode *in)
{
	struct content *c;
	uint64_t size = 0;

	pthread_mutex_lock(&in->lock);
	c = in->content;
	if (c) {
		c->changed = true;
		size = c->size;
	}
	pthread_mutex_unlock(&in->lock);
	return size;
}

void content_grew(struct inode *in, uint64_t end)
{
	pthread_mutex_lock(&in->lock);
	if (in->content && in->content->size < end)
		in->content->size = end;
	if ((uint64_t)in->attr.st.st_size < end)
		in->attr.st.st_size = (off_t)end;
	pthread_mutex_unlock(&in->lock);
}

/* A file that isn't open has a modifying use for this time. */
void content_resize_begin(struct mount *m, struct inode *in, uint64_t size)
{
	struct fsc_cookie *cookie;

	pthread_mutex_lock(&in->lock);
	cookie = in->content ? in->content->cookie : NULL;
	if (in->content)
		in->content->writers++;
	pthread_mutex_unlock(&in->lock);
	fsc_cookie_use(cookie, true);
	if (m->opt.sole_writer)
		fsc_cookie_prove(cookie);
	fsc_cookie_resize_begin(cookie, size);
}

void content_resize_end(struct mount *m, struct inode *in, uint64_t size, int err)
{
	struct fsc_cookie *cookie = NULL;

	(void)m;
	pthread_mutex_lock(&in->lock);
	if (!err)
		in->attr.st.st_size = (off_t)size;
	if (in->content) {
		cookie = in->content->cookie;
		if (!err)
			in->content->size = size;
		in->content->writers--;
		forget_base(in->content);
	}
	pthread_mutex_unlock(&in->lock);
	fsc_cookie_resize_end(cookie, err);
	fsc_cookie_unuse(cookie);
}

void content_free(struct content *c)
{
	if (!c)
		return;
	fsc_cookie_relinquish(c->cookie, false);
	free(c);
}
