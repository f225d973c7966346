// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * stats.c - /proc/fs/libfscache/stats: the core's counters since the bind, a name and a number a
 * line. fscache's own statistics are where they always are.
 */
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#include "module.h"

static DEFINE_MUTEX(lock);
static struct fsc_kcache *shown;
static struct proc_dir_entry *dir;

static const char *const kinds[] = { "ordered", "strict", "volatile" };

#define LINE(name) { #name, offsetof(struct fsc_stats, name) }

static const struct {
	const char *name;
	size_t offset;
} lines[] = {
	LINE(cache_reads), LINE(cache_writes), LINE(cache_write_bytes),
	LINE(stale_reads), LINE(objects_created), LINE(objects_found), LINE(objects_missed),
	LINE(objects_invalidated), LINE(objects_discarded), LINE(objects_retired),
	LINE(objects_culled), LINE(saves), LINE(cache_errors), LINE(no_space), LINE(no_memory),
	LINE(bytes_used), LINE(objects_open), LINE(map_bytes),
};

static void show(struct seq_file *m, struct fsc_kcache *kc)
{
	struct fsc_cache *cache = kc->cache;
	struct fsc_stats stats;
	size_t i;

	fsc_cache_stats(cache, &stats);
	seq_printf(m, "online %d\n", fsc_cache_online(cache));
	seq_printf(m, "filesystem %s\n", kinds[fsc_cache_kind(cache)]);
	for (i = 0; i < ARRAY_SIZE(lines); i++)
		seq_printf(m, "%s %llu\n", lines[i].name,
			   *(u64 *)((char *)&stats + lines[i].offset));
	seq_printf(m, "ctimes %lu\n", fsc_ctimes_count(kc));
}

static int stats_show(struct seq_file *m, void *v)
{
	mutex_lock(&lock);
	if (shown)
		show(m, shown);
	mutex_unlock(&lock);
	return 0;
}

void fsc_kstats_set(struct fsc_kcache *kc)
{
	mutex_lock(&lock);
	shown = kc;
	mutex_unlock(&lock);
}

int fsc_kstats_init(void)
{
	dir = proc_mkdir("fs/libfscache", NULL);
	if (!dir)
		return -ENOMEM;
	if (proc_create_single("stats", 0444, dir, stats_show))
		return 0;
	proc_remove(dir);
	return -ENOMEM;
}

void fsc_kstats_exit(void)
{
	proc_remove(dir);
}
