// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * stats.c - counters, and what becomes of failures of the storage.
 *
 * A failing cache costs its client nothing but speed: each failure is counted, said once per kind
 * (and again at each doubling, so that a full disk does not fill the log), and only a row of real
 * ones takes the cache offline.
 */
#include "core.h"

static bool worth_saying(int64_t count)
{
	return (count & (count - 1)) == 0;
}

static bool is_no_space(int err)
{
	return err == -ENOSPC || err == -EDQUOT || err == -E2BIG;
}

static bool is_no_memory(int err)
{
	return err == -ENOMEM || err == -EMFILE || err == -ENFILE;
}

bool fsc_is_fault(int err)
{
	return !is_no_space(err) && !is_no_memory(err) && err != -EAGAIN && err != -EINTR;
}

void fsc_cache_error(struct fsc_cache *cache, int err, const char *what)
{
	enum fsc_stat_id kind = FSC_STAT_CACHE_ERRORS;
	char text[FSC_ERROR_TEXT_MAX];
	int64_t n;

	fsc_stat_add(cache, FSC_STAT_CACHE_ERRORS, 1);
	if (is_no_space(err))
		kind = FSC_STAT_NO_SPACE;
	else if (is_no_memory(err))
		kind = FSC_STAT_NO_MEMORY;
	if (kind != FSC_STAT_CACHE_ERRORS)
		fsc_stat_add(cache, kind, 1);
	n = fsc_count_read(&cache->stats[kind]);
	if (worth_saying(n))
		fsc_log(kind == FSC_STAT_NO_SPACE ? FSC_LOG_INFO : FSC_LOG_WARN,
			"cache: %s: %s (%llu so far)", what, fsc_error_text(err, text),
			(unsigned long long)n);
	if (!fsc_is_fault(err))
		return;
	fsc_count_add(&cache->errors_in_row, 1);
	if (fsc_count_read(&cache->errors_in_row) >= cache->params.max_errors)
		fsc_cache_withdraw(cache);
}

void fsc_cache_worked(struct fsc_cache *cache)
{
	/* Read before writing: the line stays shared between CPUs while all is well. */
	if (fsc_count_read(&cache->errors_in_row))
		fsc_count_set(&cache->errors_in_row, 0);
}

_Static_assert(offsetof(struct fsc_stats, bytes_used) == FSC_STAT_NR * sizeof(uint64_t),
	       "ids follow the struct");

void fsc_cache_stats(struct fsc_cache *cache, struct fsc_stats *out)
{
	uint64_t *field = (uint64_t *)out;
	unsigned long irq;
	int i;

	memset(out, 0, sizeof(*out));
	if (!cache)
		return;
	for (i = 0; i < FSC_STAT_NR; i++)
		field[i] = (uint64_t)fsc_count_read(&cache->stats[i]);
	irq = fsc_spin_lock(&cache->space_lock);
	out->bytes_used = cache->used;
	fsc_spin_unlock(&cache->space_lock, irq);
	out->objects_open = (uint64_t)fsc_count_read(&cache->objects_open);
	out->map_bytes = (uint64_t)fsc_count_read(&cache->map_bytes);
}
