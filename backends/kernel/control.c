// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * control.c - /dev/cachefiles, as cachefilesd and its configuration file know it: a command a
 * write, the state as a line of text to be read, and poll.
 *
 *	dir PATH, tag NAME, secctx CONTEXT         before bind
 *	brun, bcull, bstop, frun, fcull, fstop N%  before bind; 7, 5 and 1 unless told
 *	max_bytes N                                before bind: a budget for all of the cache; 0: none
 *	bind                                       the cache is there from now on
 *	cull NAME, inuse NAME                      of the current directory
 *	debug MASK                                 taken, and ignored: there are tracepoints
 *	unbind                                     not known to cachefilesd
 *
 * Who closes the device ends the cache that he bound, as ever, unless `persist` is set, or a signal
 * killed him:
 * then the cache goes on by itself, and the next one that binds the same directory takes it over,
 * and its limits are the ones that count from then on.
 * The core makes room for itself, so the daemon is never asked to.
 */
#define pr_fmt(fmt) "libfscache: " fmt

#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/statfs.h>
#include <linux/uaccess.h>

#include "module.h"

static bool persist;
module_param(persist, bool, 0644);
MODULE_PARM_DESC(persist, "the cache stays when the device is closed, until `unbind`");

static struct {
	struct mutex lock; /* covers the rest */
	bool opened;
	bool bound;        /* by whoever has it open: the settings stand */
	bool changed;      /* poll: there is news for the reader */
	char *dir, *tag, *secctx;
	struct fsc_cache_params params;
	struct fsc_kcache *kc; /* NULL: not bound */
	char *bound_dir, *bound_tag, *bound_secctx;
} control = { .lock = __MUTEX_INITIALIZER(control.lock) };

static DECLARE_WAIT_QUEUE_HEAD(news);

static void forget_settings(void)
{
	kfree(control.dir);
	kfree(control.tag);
	kfree(control.secctx);
	control.dir = control.tag = control.secctx = NULL;
	memset(&control.params, 0, sizeof(control.params));
	control.params.brun = control.params.frun = 7;
	control.params.bcull = control.params.fcull = 5;
	control.params.bstop = control.params.fstop = 1;
}

/* --- Commands --------------------------------------------------------------------------------- */

static int set_string(char **to, const char *args)
{
	char *copy;

	if (!*args || *to)
		return -EINVAL;
	copy = kstrdup(args, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	*to = copy;
	return 0;
}

static int do_dir(char *args)
{
	return *args == '/' ? set_string(&control.dir, args) : -EINVAL;
}

static int do_tag(char *args)
{
	return set_string(&control.tag, args);
}

static int do_secctx(char *args)
{
	return set_string(&control.secctx, args);
}

static int set_percent(u8 *to, char *args)
{
	char *percent = strchr(args, '%');
	u8 n;

	if (!percent || percent[1])
		return -EINVAL;
	*percent = '\0';
	if (kstrtou8(args, 10, &n) || n >= 100)
		return -EINVAL;
	*to = n;
	return 0;
}

#define PERCENT(name)                                             \
	static int do_##name(char *args)                          \
	{                                                         \
		return set_percent(&control.params.name, args);   \
	}
PERCENT(brun)
PERCENT(bcull)
PERCENT(bstop)
PERCENT(frun)
PERCENT(fcull)
PERCENT(fstop)

static int do_max_bytes(char *args)
{
	return kstrtou64(args, 0, &control.params.max_bytes);
}

static int do_debug(char *args)
{
	unsigned long mask;

	return kstrtoul(args, 0, &mask);
}

static void forget_bound(void)
{
	kfree(control.bound_dir);
	kfree(control.bound_tag);
	kfree(control.bound_secctx);
	control.bound_dir = control.bound_tag = control.bound_secctx = NULL;
}

static void unbind(void)
{
	control.bound = false;
	if (!control.kc)
		return;
	fsc_kcache_unbind(control.kc);
	control.kc = NULL;
	forget_bound();
}

static int do_unbind(char *args)
{
	if (*args)
		return -EINVAL;
	unbind();
	forget_settings();
	return 0;
}

static const char *tag(void)
{
	return control.tag ? control.tag : "CacheFiles";
}

static bool same_string(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : !a && !b;
}

/* What somebody who is gone has bound is taken over as it is, but for the limits. */
static int take_over(void)
{
	if (strcmp(control.dir, control.bound_dir) || strcmp(tag(), control.bound_tag) ||
	    !same_string(control.secctx, control.bound_secctx)) {
		pr_err("%s is bound, with tag %s and security context %s: unbind that first\n",
		       control.bound_dir, control.bound_tag,
		       control.bound_secctx ? control.bound_secctx : "(none)");
		return -EBUSY;
	}
	return fsc_cache_set_limits(control.kc->cache, &control.params);
}

static bool note_bound(void)
{
	control.bound_dir = kstrdup(control.dir, GFP_KERNEL);
	control.bound_tag = kstrdup(tag(), GFP_KERNEL);
	control.bound_secctx = kstrdup(control.secctx, GFP_KERNEL);
	return control.bound_dir && control.bound_tag &&
	       (control.bound_secctx || !control.secctx);
}

static int bind_now(void)
{
	struct fsc_kcache_args args = {
		.dir = control.dir,
		.tag = tag(),
		.secctx = control.secctx,
		.params = control.params,
	};
	int err = -ENOMEM;

	if (note_bound())
		err = fsc_kcache_bind(&args, &control.kc);
	if (!err)
		return 0;
	pr_err("%s can't be bound: %s%pe\n", args.dir,
	       err == -EBUSY ? "a process is using it: " : "", ERR_PTR(err));
	forget_bound();
	return err;
}

static int do_bind(char *args)
{
	int err;

	if (*args) /* "ondemand" */
		return -EOPNOTSUPP;
	if (!control.dir)
		return -EINVAL;
	if (control.bound)
		return -EBUSY;
	/* One that has withdrawn itself would be bound in vain for ever. */
	if (control.kc && !fsc_cache_online(control.kc->cache))
		unbind();
	err = control.kc ? take_over() : bind_now();
	if (!err) {
		control.bound = true;
		control.changed = true;
		wake_up_all(&news);
	}
	return err;
}

/* --- What the daemon asks of single objects --------------------------------------------------- */

static bool is_component(const char *name)
{
	return *name && !strchr(name, '/') && strcmp(name, ".") && strcmp(name, "..");
}

/* Of ROOT/cache/VOLUME/@xx, the last two; with references. The tree is ours: nobody moves its
 * folders but to bury them. */
static bool find_fanout(const struct path *pwd, struct dentry **vol, struct dentry **fanout)
{
	const struct dentry *root = control.kc->root.dentry;
	struct dentry *cache;
	bool found;

	*fanout = dget(pwd->dentry);
	*vol = dget_parent(*fanout);
	cache = dget_parent(*vol);
	/* The root of a filesystem is its own parent. */
	found = pwd->mnt->mnt_sb == root->d_sb && cache != root && cache != *vol &&
		READ_ONCE(cache->d_parent) == root;
	dput(cache);
	return found;
}

/* The object @name of the current directory, as the core knows it; both to be freed. What isn't
 * where objects are is in use: the daemon then lets it be. */
static int name_object(const char *name, char **volume, char **path)
{
	struct dentry *fanout, *vol;
	struct path pwd;
	int err = -EBUSY;

	if (!control.kc)
		return -EIO;
	if (!is_component(name))
		return -EINVAL;
	get_fs_pwd(current->fs, &pwd);
	if (find_fanout(&pwd, &vol, &fanout)) {
		*volume = kasprintf(GFP_KERNEL, "%pd", vol);
		*path = kasprintf(GFP_KERNEL, "%pd/%s", fanout, name);
		err = *volume && *path ? 0 : -ENOMEM;
		if (err) {
			kfree(*volume);
			kfree(*path);
		}
	}
	dput(vol);
	dput(fanout);
	path_put(&pwd);
	return err;
}

static int do_cull(char *args)
{
	char *volume, *path;
	int err = name_object(args, &volume, &path);

	if (err)
		return err;
	err = fsc_cache_cull_object(control.kc->cache, volume, path);
	if (!err)
		fscache_count_culled();
	/* No object, or no name of one. The daemon, which goes by first letters, would end. */
	if (err == -EINVAL || err == -EUCLEAN)
		err = -EBUSY;
	kfree(volume);
	kfree(path);
	return err;
}

static int do_inuse(char *args)
{
	char *volume, *path;
	int err = name_object(args, &volume, &path);

	/* cachefilesd ends when it is told of want of memory. */
	if (err)
		return err == -ENOMEM ? -EBUSY : err;
	if (fsc_cache_object_is_open(control.kc->cache, volume, path))
		err = -EBUSY;
	kfree(volume);
	kfree(path);
	return err;
}

static const struct command {
	const char *name;
	int (*fn)(char *args);
	bool before_bind; /* -EBUSY later */
} commands[] = {
	{ "bind", do_bind, false },      { "unbind", do_unbind, false },
	{ "dir", do_dir, true },         { "tag", do_tag, true },
	{ "secctx", do_secctx, true },   { "brun", do_brun, true },
	{ "bcull", do_bcull, true },     { "bstop", do_bstop, true },
	{ "frun", do_frun, true },       { "fcull", do_fcull, true },
	{ "fstop", do_fstop, true },     { "max_bytes", do_max_bytes, true },
	{ "cull", do_cull, false },      { "inuse", do_inuse, false },
	{ "debug", do_debug, false },
};

static const struct command *find_command(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

/* A line without its end. */
static int run_command(char *line)
{
	char *args = strpbrk(line, " \t");
	const struct command *command;
	int err;

	if (args)
		*args++ = '\0';
	args = args ? strim(args) : line + strlen(line);
	command = find_command(line);
	if (!command)
		return -EOPNOTSUPP;
	mutex_lock(&control.lock);
	err = command->before_bind && control.bound ? -EBUSY : command->fn(args);
	mutex_unlock(&control.lock);
	return err;
}

/* --- The device ------------------------------------------------------------------------------- */

static int control_open(struct inode *inode, struct file *file)
{
	int err = 0;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	mutex_lock(&control.lock);
	if (control.opened)
		err = -EBUSY;
	else
		forget_settings();
	control.opened = true;
	mutex_unlock(&control.lock);
	return err;
}

static int control_release(struct inode *inode, struct file *file)
{
	mutex_lock(&control.lock);
	/* Who hasn't bound it doesn't end it: he may only have been refused. */
	if (control.bound && !persist && !(current->flags & PF_SIGNALED))
		unbind();
	else if (control.kc)
		pr_info("%s stays bound\n", control.bound_dir);
	control.bound = false;
	control.opened = false;
	mutex_unlock(&control.lock);
	return 0;
}

static ssize_t control_write(struct file *file, const char __user *data, size_t len, loff_t *pos)
{
	char *line;
	int err;

	if (!len || len > PAGE_SIZE - 1)
		return -EINVAL;
	line = memdup_user_nul(data, len);
	if (IS_ERR(line))
		return PTR_ERR(line);
	line[strcspn(line, "\n")] = '\0';
	err = run_command(line);
	kfree(line);
	return err ? err : len;
}

static u64 percent_of(u64 n, u8 percent)
{
	return n / 100 * percent;
}

/* The limits in numbers of files and blocks. Nothing was ever released by the daemon's doing. */
static int state_line(char *line, size_t size)
{
	const struct fsc_cache_params *p = &control.params;
	struct kstatfs st = { 0 };

	if (control.kc)
		vfs_statfs(&control.kc->root, &st);
	return scnprintf(line, size,
			 "cull=0 frun=%llx fcull=%llx fstop=%llx brun=%llx bcull=%llx bstop=%llx"
			 " freleased=0 breleased=0",
			 percent_of(st.f_files, p->frun), percent_of(st.f_files, p->fcull),
			 percent_of(st.f_files, p->fstop), percent_of(st.f_blocks, p->brun),
			 percent_of(st.f_blocks, p->bcull), percent_of(st.f_blocks, p->bstop));
}

static ssize_t control_read(struct file *file, char __user *data, size_t len, loff_t *pos)
{
	char line[256];
	int n;

	mutex_lock(&control.lock);
	n = state_line(line, sizeof(line));
	control.changed = false;
	mutex_unlock(&control.lock);
	if (len < n)
		return -EMSGSIZE;
	return copy_to_user(data, line, n) ? -EFAULT : n;
}

static __poll_t control_poll(struct file *file, poll_table *wait)
{
	__poll_t mask = 0;

	poll_wait(file, &news, wait);
	if (READ_ONCE(control.changed))
		mask |= EPOLLIN;
	return mask;
}

static const struct file_operations control_fops = {
	.owner = THIS_MODULE,
	.open = control_open,
	.release = control_release,
	.read = control_read,
	.write = control_write,
	.poll = control_poll,
	.llseek = noop_llseek,
};

static struct miscdevice control_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "cachefiles",
	.fops = &control_fops,
};

int fsc_kcontrol_init(void)
{
	return misc_register(&control_device);
}

/* Nothing is bound: that pins the module. */
void fsc_kcontrol_exit(void)
{
	misc_deregister(&control_device);
	forget_settings();
}
