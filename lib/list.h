/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* list.h - a circular doubly linked list, its nodes inside what is listed. */
#ifndef FSC_LIST_H
#define FSC_LIST_H

#include <fscache/env.h>

struct fsc_list {
	struct fsc_list *next, *prev;
};

#define fsc_container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

/* A head that is empty, or a node in no list: also what removing leaves. */
static inline void fsc_list_init(struct fsc_list *l)
{
	l->next = l;
	l->prev = l;
}

static inline bool fsc_list_empty(const struct fsc_list *l)
{
	return l->next == l;
}

static inline void fsc_list_add_tail(struct fsc_list *head, struct fsc_list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

static inline void fsc_list_del(struct fsc_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	fsc_list_init(node);
}

/* The first node taken out, or NULL. */
static inline struct fsc_list *fsc_list_pop(struct fsc_list *head)
{
	struct fsc_list *node = head->next;

	if (node == head)
		return NULL;
	fsc_list_del(node);
	return node;
}

#define fsc_list_for_each(pos, head) \
	for ((pos) = (head)->next; (pos) != (head); (pos) = (pos)->next)

#endif
