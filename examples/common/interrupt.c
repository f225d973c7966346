// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * interrupt.c - signals end the program, but not its way of ending.
 *
 * A thread waits for them. It notes the signal, which all loops look at, and lets the server answer
 * what it was asked: some take it badly when a client goes before (diod 1.0 dies of SIGPIPE). If
 * that takes too long it gives the connection up, which ends whatever waits for the server.
 *
 * The main thread may also be stuck writing to a pipe: it is sent a signal of no other use, and
 * again until it has got to where it ends, as one alone might come just before the system call that
 * it is to end.
 */
#include "interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "stats.h"

#define OWN_SIGNAL SIGRTMIN
#define KICK_NS 20000000
#define SERVER_MS 500
#define PATIENCE_NS 5000000000ll /* another signal after this long ends it at once */

static struct {
	pthread_mutex_t lock; /* covers the next five */
	struct netfs *fs;
	bool running;
	struct call {
		void (*fn)(void *arg);
		void *arg;
	} call, made;
	bool calling; /* @caller is there, and makes @made */
	pthread_t caller;
	atomic_uint patience_ms; /* for the server to answer */
	atomic_int signal;
	pthread_t main_thread, thread;
	sigset_t set;
} state = { .lock = PTHREAD_MUTEX_INITIALIZER, .patience_ms = SERVER_MS };

int interrupted(void)
{
	return atomic_load(&state.signal);
}

void interrupt_netfs(struct netfs *fs)
{
	pthread_mutex_lock(&state.lock);
	state.fs = fs;
	state.running = true;
	if (fs && interrupted())
		fs->ops->abort(fs);
	pthread_mutex_unlock(&state.lock);
}

static void *make_call(void *arg)
{
	state.made.fn(state.made.arg);
	return arg;
}

/* With the lock. On a thread of its own: it may wait for the server, which is to be given up when
 * it has waited long enough. */
static void start_call(void)
{
	if (!state.call.fn || state.calling)
		return;
	state.made = state.call;
	state.calling = !pthread_create(&state.caller, NULL, make_call, NULL);
}

void interrupt_call(void (*fn)(void *arg), void *arg, unsigned int patience_ms)
{
	bool calling;

	pthread_mutex_lock(&state.lock);
	state.call.fn = NULL; /* none is begun from here on */
	calling = state.calling;
	pthread_mutex_unlock(&state.lock);
	if (calling)
		pthread_join(state.caller, NULL);
	pthread_mutex_lock(&state.lock);
	state.calling = false;
	state.call = (struct call){ fn, arg };
	atomic_store(&state.patience_ms, fn ? patience_ms : SERVER_MS);
	if (interrupted())
		start_call();
	pthread_mutex_unlock(&state.lock);
}

static void end_at_once(int sig)
{
	stats_write(128 + sig);
	_exit(128 + sig);
}

static bool main_runs(void)
{
	bool runs;

	pthread_mutex_lock(&state.lock);
	runs = state.fs != NULL;
	pthread_mutex_unlock(&state.lock);
	return runs;
}

/* False: there was nothing yet that could end in good order. */
static bool note(int sig)
{
	bool running;

	atomic_store(&state.signal, sig);
	pthread_mutex_lock(&state.lock);
	running = state.running;
	start_call();
	pthread_mutex_unlock(&state.lock);
	return running;
}

static void give_up_server(void)
{
	pthread_mutex_lock(&state.lock);
	if (state.fs)
		state.fs->ops->abort(state.fs);
	pthread_mutex_unlock(&state.lock);
}

static void *wait_for_signals(void *arg)
{
	const struct timespec kick = { .tv_nsec = KICK_NS };
	long long waited_ns = 0;
	int sig, next;

	(void)arg;
	if (sigwait(&state.set, &sig) || sig == OWN_SIGNAL)
		return NULL;
	if (!note(sig))
		end_at_once(sig);
	while ((next = sigtimedwait(&state.set, NULL, &kick)) != OWN_SIGNAL) {
		if (next > 0 && waited_ns > PATIENCE_NS)
			end_at_once(sig);
		waited_ns += KICK_NS;
		if (waited_ns >= atomic_load(&state.patience_ms) * 1000000ll)
			give_up_server();
		if (main_runs())
			pthread_kill(state.main_thread, OWN_SIGNAL);
	}
	return NULL;
}

/* At every exit, so that nothing is left over for a leak checker to wonder about. */
static void end_thread(void)
{
	pthread_kill(state.thread, OWN_SIGNAL);
	pthread_join(state.thread, NULL);
}

static void kicked(int sig)
{
	(void)sig;
}

void interrupt_init(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = kicked }, old;
	sigset_t all, before;

	sigaction(OWN_SIGNAL, &sa, NULL); /* without SA_RESTART, which is the point of it */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&state.set);
	sigaddset(&state.set, OWN_SIGNAL);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		/* What nohup or a shell has set to be ignored stays so. */
		if (!sigaction(signals[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaddset(&state.set, signals[i]);
	}
	state.main_thread = pthread_self();
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	/* Without it signals do what they always do. */
	if (!pthread_create(&state.thread, NULL, wait_for_signals, NULL)) {
		sigorset(&before, &before, &state.set);
		sigdelset(&before, OWN_SIGNAL);
		atexit(end_thread);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}
