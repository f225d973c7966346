/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * stdlib.h - memory by its usual names, for tests that also run in the kernel. What a test that has
 * failed leaves is lost; so KASAN sees what is used too long, and kmemleak what isn't freed.
 */
#ifndef FSC_KUNIT_STDLIB_H
#define FSC_KUNIT_STDLIB_H

#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/vmalloc.h>

static inline void *malloc(size_t size)
{
	return kvmalloc(size, GFP_KERNEL);
}

static inline void *calloc(size_t n, size_t size)
{
	return kvcalloc(n, size, GFP_KERNEL);
}

static inline void free(void *p)
{
	kvfree(p);
}

/* In a thread that isn't the test's: there is no result without it, which is a failure. */
#define abort() BUG()

static inline void qsort(void *base, size_t n, size_t size,
			 int (*compare)(const void *a, const void *b))
{
	sort(base, n, size, compare, NULL);
}

#endif
