// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * main.c - load and unload the module. What it does begins when the device is told so (control.c).
 */
#define pr_fmt(fmt) "libfscache: " fmt

#include <linux/fs.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/path.h>

#include "module.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* Both have the same device. Asked first, as registering one twice dumps the stack. */
static bool stock_module_is_loaded(void)
{
	struct path path;

	if (kern_path("/sys/class/misc/cachefiles", 0, &path))
		return false;
	path_put(&path);
	return true;
}

static int __init fsc_module_init(void)
{
	int err;

	if (stock_module_is_loaded()) {
		pr_err("the module cachefiles is loaded, whose place this one takes: unload it first\n");
		return -EBUSY;
	}
	err = fsc_kstats_init();
	if (err)
		return err;
	err = fsc_kcontrol_init();
	if (err)
		fsc_kstats_exit();
	return err;
}

static void __exit fsc_module_exit(void)
{
	fsc_kcontrol_exit();
	fsc_kstats_exit();
	fsc_env_exit();
}

module_init(fsc_module_init);
module_exit(fsc_module_exit);
MODULE_DESCRIPTION("Persistent local cache for network filesystems (a cache backend of fscache)");
MODULE_AUTHOR("libfscache");
MODULE_LICENSE("Dual MIT/GPL");
