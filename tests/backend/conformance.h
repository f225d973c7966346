/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * conformance.h - one suite that holds any backend to backend.h.
 *
 * It needs nothing but env.h, so that a kernel can run it as well. It works in a directory
 * "conformance" below the storage's root, which it makes, and removes with all that is in it.
 */
#ifndef FSC_CONFORMANCE_H
#define FSC_CONFORMANCE_H

#include <fscache/backend.h>

enum fsc_conformance_plant {
	FSC_PLANT_SYMLINK, /* to @target */
	FSC_PLANT_FIFO,
	FSC_PLANT_HARDLINK, /* of @target */
};

struct fsc_conformance_hooks {
	/* Make what can't be made through the ops, at @path from the storage's root. @target is a
	 * name beside it, or NULL. 0: made. Without the hook those tests are left out. */
	int (*plant)(void *arg, enum fsc_conformance_plant what, const char *path,
		     const char *target);
};

/*
 * @open_backend opens a backend on the storage, always the same, as often as it is asked, also
 * while another is open; the suite closes it with ops->close. Returns how many checks failed;
 * each of them is said with fsc_log() at FSC_LOG_ERR.
 */
int fsc_conformance_run(struct fsc_backend *(*open_backend)(void *arg), void *arg);
int fsc_conformance_run_with(const struct fsc_conformance_hooks *hooks,
			     struct fsc_backend *(*open_backend)(void *arg), void *arg);

#endif
