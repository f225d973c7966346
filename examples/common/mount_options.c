// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * mount_options.c - the value of mount's -o: ours, and what libfuse and the kernel know.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mount.h"
#include "say.h"

#define DEFAULT_THREADS 64
#define MOST_THREADS 1024

static int wrong(const char *option, const char *why)
{
	say("mount", "-o %s: %s", option, why);
	return -EINVAL;
}

/* --- Values ----------------------------------------------------------------------------------- */

static int take_actimeo(struct mount_options *o, const char *option, const char *value)
{
	char *end;

	errno = 0;
	o->actimeo = strtod(value, &end);
	if (!*value || *end || errno || !(o->actimeo >= 0 && o->actimeo <= 1e9))
		return wrong(option, "not a number of seconds from 0 to 1000000000");
	return 0;
}

static int take_threads(struct mount_options *o, const char *option, const char *value)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(value, &end, 10);
	if (*value < '0' || *value > '9' || *end || errno || n < 1 || n > MOST_THREADS)
		return wrong(option, "not a number from 1 to 1024");
	o->max_threads = (unsigned int)n;
	return 0;
}

static int pass_on(struct mount_options *o, const char *option)
{
	if (fuse_opt_add_arg(&o->rest, "-o") || fuse_opt_add_arg(&o->rest, option))
		return -ENOMEM;
	return 0;
}

/* What libfuse and the kernel take as it is. */
static bool is_theirs(const char *option)
{
	static const char *const names[] = {
		"rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "atime", "noatime",
		"nodiratime", "relatime", "norelatime", "strictatime", "sync", "async", "dirsync",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(option, names[i]))
			return true;
	}
	return !strncmp(option, "fsname=", 7) || !strncmp(option, "subtype=", 8);
}

static bool take_flag(struct mount_options *o, const char *option)
{
	if (!strcmp(option, "allow_other"))
		o->allow_other = true;
	else if (!strcmp(option, "ro"))
		o->read_only = true;
	else if (!strcmp(option, "default_permissions"))
		o->default_permissions = true;
	else if (!strcmp(option, "sole_writer"))
		o->sole_writer = true;
	else if (!strcmp(option, "nopassthrough"))
		o->passthrough = false;
	else if (!strcmp(option, "passthrough"))
		o->passthrough = true;
	else
		return false;
	return true;
}

/* An option that is known may only lack its value. */
static int refuse(const char *option)
{
	static const char *const wants[] = {
		"actimeo=SECONDS", "max_threads=N", "fsname=NAME", "subtype=NAME",
	};
	char why[64];

	for (size_t i = 0; i < sizeof(wants) / sizeof(*wants); i++) {
		if (strlen(option) != strcspn(wants[i], "=") ||
		    strncmp(option, wants[i], strlen(option)))
			continue;
		snprintf(why, sizeof(why), "wants a value: %s", wants[i]);
		return wrong(option, why);
	}
	return wrong(option, "unknown");
}

static int take(struct mount_options *o, const char *option)
{
	if (!*option || take_flag(o, option))
		return 0;
	if (!strncmp(option, "actimeo=", 8))
		return take_actimeo(o, option, option + 8);
	if (!strncmp(option, "max_threads=", 12))
		return take_threads(o, option, option + 12);
	if (is_theirs(option))
		return pass_on(o, option);
	return refuse(option);
}

/* --- What libfuse is told --------------------------------------------------------------------- */

/* A comma or backslash in the server's name would end the option. */
static int pass_name(struct mount_options *o, const char *option, const char *name)
{
	char *text = malloc(strlen(option) + 2 * strlen(name) + 1), *to;
	int err = -ENOMEM;

	if (text) {
		to = stpcpy(text, option);
		for (; *name; name++) {
			if (*name == ',' || *name == '\\')
				*to++ = '\\';
			*to++ = *name;
		}
		*to = '\0';
		err = pass_on(o, text);
	}
	free(text);
	return err;
}

/* Before what was said, of which the last one counts. */
static int pass_names(struct mount_options *o, const struct session *s)
{
	int err = pass_name(o, "fsname=", s->program->server_name());

	return err ? err : pass_name(o, "subtype=", s->program->name);
}

static int pass_flags(struct mount_options *o)
{
	int err = 0;

	if (o->allow_other)
		err = pass_on(o, "allow_other");
	/* Others get what the modes say, as the server only knows the one that we are. */
	if (!err && (o->default_permissions || o->allow_other))
		err = pass_on(o, "default_permissions");
	if (!err && o->read_only)
		err = pass_on(o, "ro");
	return err;
}

static int take_all(struct mount_options *o, char *text)
{
	char *option;
	int err = 0;

	while (!err && (option = strsep(&text, ",")))
		err = take(o, option);
	return err;
}

int mount_options_parse(struct mount_options *o, const struct session *s, const char *text)
{
	char *copy = strdup(text ? text : "");
	int err = copy ? 0 : -ENOMEM;

	*o = (struct mount_options){
		.actimeo = -1,
		.passthrough = true,
		.max_threads = DEFAULT_THREADS,
	};
	if (!err && fuse_opt_add_arg(&o->rest, s->program->name))
		err = -ENOMEM;
	if (!err)
		err = pass_names(o, s);
	if (!err)
		err = take_all(o, copy);
	if (!err)
		err = pass_flags(o);
	free(copy);
	if (err == -ENOMEM)
		say("mount", "%s", strerror(ENOMEM));
	return err;
}

void mount_options_free(struct mount_options *o)
{
	fuse_opt_free_args(&o->rest);
}
