// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * loop.c - the event loop: requests come in from any thread, are sent, and end.
 */
#include <errno.h>
#include <fscache/uring.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "loop_int.h"

/* How often time-outs are looked at while anything is under way. */
#define TICK_MS 100
/* libnfs decodes lists by recursion, one level for each entry of a directory. */
#define STACK_SIZE (16 << 20)

uint64_t nfsc_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* --- Requests, from any thread ---------------------------------------------------------------- */

static void wake(struct nfsc_loop *loop)
{
	uint64_t one = 1;

	/* Full is as good as written. */
	if (write(loop->wake_fd, &one, sizeof(one)) < 0)
		return;
}

void nfsc_req_start(struct nfsc_loop *loop, struct nfsc_req *req)
{
	bool asleep;

	req->deadline_ms = nfsc_now_ms() + loop->params.timeout_ms;
	req->not_before_ms = 0;
	req->slot = NULL;
	req->cancelled = false;
	pthread_mutex_lock(&loop->lock);
	req->state = REQ_POSTED;
	TAILQ_INSERT_TAIL(&loop->posted, req, link);
	asleep = loop->sleeping;
	loop->sleeping = false;
	pthread_mutex_unlock(&loop->lock);
	if (asleep)
		wake(loop);
}

/* What the loop hasn't seen yet ends here; what it has seen ends there. */
void nfsc_req_cancel(struct nfsc_loop *loop, struct nfsc_req *req)
{
	bool mine, asleep = false;

	pthread_mutex_lock(&loop->lock);
	mine = req->state == REQ_POSTED;
	if (mine) {
		TAILQ_REMOVE(&loop->posted, req, link);
		req->state = REQ_IDLE;
	} else if (req->state != REQ_IDLE) {
		req->cancelled = true;
		loop->cancels = true;
		asleep = loop->sleeping;
		loop->sleeping = false;
	}
	pthread_mutex_unlock(&loop->lock);
	if (mine)
		req->done(req, -ECANCELED);
	else if (asleep)
		wake(loop);
}

struct waiter {
	sem_t sem;
	int64_t result;
};

static void call_done(struct nfsc_req *req, int64_t result)
{
	struct waiter *w = req->arg;

	w->result = result;
	sem_post(&w->sem);
}

int64_t nfsc_call(struct nfsc_loop *loop, struct nfsc_req *req)
{
	struct waiter w;

	if (pthread_equal(pthread_self(), loop->thread))
		return -EDEADLK;
	sem_init(&w.sem, 0, 0);
	req->done = call_done;
	req->arg = &w;
	nfsc_req_start(loop, req);
	/* The loop ends it in time. */
	while (sem_wait(&w.sem))
		;
	sem_destroy(&w.sem);
	return w.result;
}

/* --- Requests, on the loop's thread ----------------------------------------------------------- */

static void set_state(struct nfsc_loop *loop, struct nfsc_req *req, enum req_state state)
{
	pthread_mutex_lock(&loop->lock);
	req->state = state;
	pthread_mutex_unlock(&loop->lock);
}

/* It is on no queue any more. */
void nfsc_req_end(struct nfsc_loop *loop, struct nfsc_req *req, int64_t result)
{
	if (req->slot)
		req->slot->req = NULL;
	req->slot = NULL;
	set_state(loop, req, REQ_IDLE);
	req->done(req, result);
}

static void take_posted(struct nfsc_loop *loop)
{
	struct nfsc_req *req;

	pthread_mutex_lock(&loop->lock);
	TAILQ_FOREACH(req, &loop->posted, link)
	req->state = REQ_WAITING;
	TAILQ_CONCAT(&loop->waiting, &loop->posted, link);
	pthread_mutex_unlock(&loop->lock);
}

static void end_waiting(struct nfsc_loop *loop, struct nfsc_req *req, int64_t result)
{
	TAILQ_REMOVE(&loop->waiting, req, link);
	nfsc_req_end(loop, req, result);
}

void nfsc_loop_fail_all(struct nfsc_loop *loop, int err)
{
	struct nfsc_req *req;

	take_posted(loop);
	while ((req = TAILQ_FIRST(&loop->waiting)))
		end_waiting(loop, req, err);
}

static bool is_cancelled(struct nfsc_loop *loop, struct nfsc_req *req)
{
	bool yes;

	pthread_mutex_lock(&loop->lock);
	yes = req->cancelled;
	pthread_mutex_unlock(&loop->lock);
	return yes;
}

static bool cancels_taken(struct nfsc_loop *loop)
{
	bool any;

	pthread_mutex_lock(&loop->lock);
	any = loop->cancels;
	loop->cancels = false;
	pthread_mutex_unlock(&loop->lock);
	return any;
}

static void end_cancelled(struct nfsc_loop *loop)
{
	struct nfsc_req *req, *next;

	for (req = TAILQ_FIRST(&loop->waiting); req; req = next) {
		next = TAILQ_NEXT(req, link);
		if (is_cancelled(loop, req))
			end_waiting(loop, req, -ECANCELED);
	}
	for (int i = 0; i < NFS_IN_FLIGHT; i++) {
		req = loop->slots[i].req;
		if (req && is_cancelled(loop, req))
			nfsc_req_end(loop, req, -ECANCELED);
	}
}

/* --- Time ------------------------------------------------------------------------------------- */

/* Why a request that waits for a connection gets none. */
static int late_error(struct nfsc_loop *loop)
{
	int err;

	pthread_mutex_lock(&loop->lock);
	err = loop->state == LINK_UP || !loop->error ? -ETIMEDOUT : loop->error;
	pthread_mutex_unlock(&loop->lock);
	return err;
}

/* An answer that doesn't come: nothing says that another will, so the connection goes with it. */
static void check_deadlines(struct nfsc_loop *loop, uint64_t now)
{
	struct nfsc_req *req, *next;
	/* All slots may be taken by cancelled ones whose answers don't come either. */
	bool full = loop->state == LINK_UP && loop->in_flight == NFS_IN_FLIGHT;
	bool late = false;

	TAILQ_FOREACH(req, &loop->waiting, link)
	late |= full && req->deadline_ms <= now;
	for (int i = 0; i < NFS_IN_FLIGHT; i++) {
		req = loop->slots[i].req;
		late |= req && req->deadline_ms <= now;
	}
	if (late)
		nfsc_link_lost(loop, -ETIMEDOUT, "the server did not answer in time");
	for (req = TAILQ_FIRST(&loop->waiting); req; req = next) {
		next = TAILQ_NEXT(req, link);
		if (req->deadline_ms <= now)
			end_waiting(loop, req, late_error(loop));
	}
}

static void tick(struct nfsc_loop *loop)
{
	uint64_t now = nfsc_now_ms();

	if (atomic_load(&loop->aborted)) {
		if (loop->state != LINK_DEAD) {
			nfsc_link_close(loop);
			nfsc_link_lost(loop, -ECANCELED, "it was given up");
		}
		loop->state = LINK_DEAD;
		nfsc_loop_fail_all(loop, -ECANCELED);
	}
	if (cancels_taken(loop))
		end_cancelled(loop);
	if (now - loop->scanned_ms < TICK_MS)
		return;
	loop->scanned_ms = now;
	nfsc_link_count(loop);
	check_deadlines(loop, now);
}

/* --- The cache's ring ------------------------------------------------------------------------- */

/* Also what nobody is told of by a descriptor: what this thread has just started. */
static void dispatch(struct nfsc_loop *loop)
{
	struct fsc_backend *be;

	pthread_mutex_lock(&loop->lock);
	be = loop->wanted;
	if (loop->driven != be) {
		loop->driven = be;
		pthread_cond_broadcast(&loop->changed);
	}
	pthread_mutex_unlock(&loop->lock);
	while (be && fsc_uring_dispatch(be, false) > 0)
		;
}

void nfsc_loop_drive(struct nfsc_loop *loop, struct fsc_backend *be)
{
	pthread_mutex_lock(&loop->lock);
	loop->wanted = be;
	loop->sleeping = false;
	wake(loop);
	while (loop->driven != be && !loop->stop)
		pthread_cond_wait(&loop->changed, &loop->lock);
	pthread_mutex_unlock(&loop->lock);
}

/* --- The thread ------------------------------------------------------------------------------- */

static bool may_sleep(struct nfsc_loop *loop)
{
	bool may;

	pthread_mutex_lock(&loop->lock);
	may = TAILQ_EMPTY(&loop->posted) && !loop->stop && loop->wanted == loop->driven;
	loop->sleeping = may;
	pthread_mutex_unlock(&loop->lock);
	return may;
}

static void drain_wakes(struct nfsc_loop *loop)
{
	uint64_t count;

	if (read(loop->wake_fd, &count, sizeof(count)) < 0)
		return;
}

/* What came is served; true: the loop is to end. */
static bool wait_and_serve(struct nfsc_loop *loop)
{
	bool idle =
		TAILQ_EMPTY(&loop->waiting) && !loop->in_flight && loop->state != LINK_CONNECTING;
	struct pollfd fds[3] = {
		{ .fd = loop->wake_fd, .events = POLLIN },
		{ .fd = loop->rpc ? rpc_get_fd(loop->rpc) : -1, .events = 0 },
		{ .fd = loop->driven ? fsc_uring_fd(loop->driven) : -1, .events = POLLIN },
	};
	bool stop;

	if (loop->rpc)
		fds[1].events = (short)rpc_which_events(loop->rpc);
	if (poll(fds, 3, !may_sleep(loop) ? 0 : idle ? -1 : TICK_MS) < 0)
		fds[0].revents = fds[1].revents = fds[2].revents = 0;
	pthread_mutex_lock(&loop->lock);
	loop->sleeping = false;
	stop = loop->stop;
	pthread_mutex_unlock(&loop->lock);
	if (fds[0].revents)
		drain_wakes(loop);
	if (fds[1].revents)
		nfsc_link_service(loop, fds[1].revents);
	return stop;
}

static void *run(void *arg)
{
	struct nfsc_loop *loop = arg;
	bool stop = false;

	while (!stop) {
		take_posted(loop);
		tick(loop);
		nfsc_link_try(loop);
		nfsc_link_send(loop);
		dispatch(loop);
		stop = wait_and_serve(loop);
	}
	loop->state = LINK_DEAD;
	nfsc_link_close(loop);
	nfsc_link_lost(loop, -ENOTCONN, "it was closed");
	nfsc_loop_fail_all(loop, -ENOTCONN);
	dispatch(loop);
	return NULL;
}

/* Signals are for the threads of the program. */
static int start_thread(struct nfsc_loop *loop)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int err;

	err = pthread_attr_init(&attr);
	if (err)
		return -err;
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	err = pthread_create(&loop->thread, &attr, run, loop);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}

/* There may be more groups than are sent; getgroups() tells all or none. */
static void take_identity(struct nfsc_loop *loop)
{
	int count = getgroups(0, NULL);
	gid_t *all = count > 0 ? calloc((size_t)count, sizeof(*all)) : NULL;

	loop->uid = geteuid();
	loop->gid = getegid();
	count = all ? getgroups(count, all) : 0;
	for (int i = 0; i < count && i < 16; i++)
		loop->groups[loop->group_count++] = all[i];
	free(all);
}

static void loop_init(struct nfsc_loop *loop)
{
	take_identity(loop);
	pthread_mutex_init(&loop->lock, NULL);
	pthread_cond_init(&loop->changed, NULL);
	TAILQ_INIT(&loop->posted);
	TAILQ_INIT(&loop->waiting);
	TAILQ_INIT(&loop->lost);
	TAILQ_INIT(&loop->free_slots);
	for (int i = 0; i < NFS_IN_FLIGHT; i++) {
		loop->slots[i].loop = loop;
		TAILQ_INSERT_TAIL(&loop->free_slots, &loop->slots[i], link);
	}
}

static void loop_free(struct nfsc_loop *loop)
{
	close(loop->wake_fd);
	pthread_cond_destroy(&loop->changed);
	pthread_mutex_destroy(&loop->lock);
	free((char *)loop->params.address);
	free(loop);
}

static int wait_for_first_try(struct nfsc_loop *loop, char *why, size_t why_size)
{
	int err;

	pthread_mutex_lock(&loop->lock);
	while (!loop->tried)
		pthread_cond_wait(&loop->changed, &loop->lock);
	err = loop->error;
	if (err)
		snprintf(why, why_size, "%s", loop->text);
	pthread_mutex_unlock(&loop->lock);
	return err;
}

int nfsc_loop_open(const struct nfsc_loop_params *params, struct nfsc_loop **out, char *why,
		   size_t why_size)
{
	struct nfsc_loop *loop = calloc(1, sizeof(*loop));
	int err;

	snprintf(why, why_size, "out of memory");
	if (!loop)
		return -ENOMEM;
	loop->params = *params;
	loop->params.address = strdup(params->address);
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!loop->params.address || loop->wake_fd < 0) {
		err = loop->params.address ? -errno : -ENOMEM;
		free((char *)loop->params.address);
		free(loop);
		return err;
	}
	loop_init(loop);
	err = start_thread(loop);
	if (err) {
		loop_free(loop);
		return err;
	}
	err = wait_for_first_try(loop, why, why_size);
	if (err)
		nfsc_loop_close(loop);
	else
		*out = loop;
	return err;
}

void nfsc_loop_close(struct nfsc_loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	loop->stop = true;
	pthread_mutex_unlock(&loop->lock);
	wake(loop);
	pthread_join(loop->thread, NULL);
	loop_free(loop);
}

/* Only what a signal handler may do. */
void nfsc_loop_abort(struct nfsc_loop *loop)
{
	atomic_store(&loop->aborted, true);
	wake(loop);
}

int nfsc_loop_error(struct nfsc_loop *loop, const char **text)
{
	int err;

	pthread_mutex_lock(&loop->lock);
	err = loop->error;
	if (text)
		*text = err ? loop->text : NULL;
	pthread_mutex_unlock(&loop->lock);
	return err;
}

void nfsc_loop_counters(struct nfsc_loop *loop, struct netfs_counters *out)
{
	pthread_mutex_lock(&loop->lock);
	out->bytes_sent = loop->counters.bytes_sent;
	out->bytes_received = loop->counters.bytes_received;
	out->reconnects = loop->counters.reconnects;
	pthread_mutex_unlock(&loop->lock);
}
