// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * realserver.c - a real 9P server for a test, which may kill it and start it again.
 */
#include "realserver.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

enum { START_TRIES = 600, TRY_MS = 50 };

static unsigned int free_port(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(sa);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(sock, (struct sockaddr *)&sa, len) ||
	    getsockname(sock, (struct sockaddr *)&sa, &len))
		sa.sin_port = 0;
	close(sock);
	return ntohs(sa.sin_port);
}

static bool installed(const char *program)
{
	static const char *const folders[] = { "/usr/sbin", "/usr/bin", "/usr/local/sbin" };
	char path[256];

	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		snprintf(path, sizeof(path), "%s/%s", folders[i], program);
		if (!access(path, X_OK))
			return true;
	}
	return false;
}

/* ganesha's 9P listens on every address: in a network of its own that is loopback only. */
static const char *own_network(void)
{
	if (unshare(CLONE_NEWNET))
		return "no network namespace can be made";
	return system("PATH=$PATH:/usr/sbin:/sbin ip link set lo up") ? "no loopback device" : NULL;
}

static void write_ganesha_conf(const struct realserver *s)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/recovery", s->dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/ganesha.conf", s->dir);
	f = fopen(path, "w");
	if (!f)
		return;
	/* msize: larger reads crash this server */
	fprintf(f,
		"NFS_CORE_PARAM { Protocols = 9P; Enable_NLM = false; Enable_RQUOTA = false;"
		" Enable_UDP = false; NFS_Port = %u; }\n"
		"NFSv4 { Graceless = true; RecoveryBackend = fs; RecoveryRoot = %s/recovery; }\n"
		"NFS_KRB5 { Active_krb5 = false; }\n"
		"_9P { _9P_TCP_Port = %u; _9P_TCP_Msize = 65536; }\n"
		"EXPORT { Export_Id = 1; Path = %s; Pseudo = /exp; Tag = exp; Protocols = 9P;"
		" Access_Type = RW; Squash = No_Root_Squash; SecType = sys; Transports = TCP;"
		" Attr_Expiration_Time = 0;"
		" FSAL { Name = VFS; } }\n"
		"LOG { Default_Log_Level = EVENT; }\n",
		free_port(), s->dir, s->port, s->export);
	fclose(f);
}

static void be_server(const struct realserver *s)
{
	char a[128], b[128], c[128];
	int null = open("/dev/null", O_RDWR);

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that is killed leaves no server */
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin", 1);
	/* Else a client that goes away while it is being answered takes diod along. */
	signal(SIGPIPE, SIG_IGN);
	if (s->ganesha) {
		snprintf(a, sizeof(a), "%s/ganesha.conf", s->dir);
		snprintf(b, sizeof(b), "%s/log", s->dir);
		snprintf(c, sizeof(c), "%s/ganesha.pid", s->dir);
		execlp("ganesha.nfsd", "ganesha.nfsd", "-F", "-f", a, "-L", b, "-p", c, NULL);
	} else {
		snprintf(a, sizeof(a), "127.0.0.1:%u", s->port);
		snprintf(b, sizeof(b), "%s/log", s->dir);
		execlp("diod", "diod", "-f", "-n", "-l", a, "-e", s->export, "-L", b, NULL);
	}
	_exit(127);
}

static bool answers(const struct realserver *s)
{
	struct p9_options opt = { .server = s->address, .timeout_ms = 2000 };
	struct p9_blob aname = { s->export, strlen(s->export) };
	struct p9_client *c;
	uint32_t fid;
	bool ok;

	if (p9_connect(&opt, &c, NULL, 0))
		return false;
	ok = !p9_attach(c, (struct p9_blob){ "root", 4 }, 0, aname, &fid);
	if (ok)
		p9_clunk(c, fid);
	p9_disconnect(c);
	return ok;
}

const char *realserver_start(struct realserver *s)
{
	const struct timespec pause = { .tv_nsec = TRY_MS * 1000000 };

	s->pid = fork();
	if (s->pid < 0)
		return "fork";
	if (!s->pid)
		be_server(s);
	/* There is no event to wait for but that it answers. */
	for (int i = 0; i < START_TRIES; i++) {
		if (answers(s))
			return NULL;
		if (waitpid(s->pid, NULL, WNOHANG) == s->pid) {
			s->pid = 0;
			return "the server ended at once";
		}
		nanosleep(&pause, NULL);
	}
	return "the server doesn't answer";
}

void realserver_kill(struct realserver *s)
{
	if (s->pid <= 0)
		return;
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
}

void realserver_stop(struct realserver *s)
{
	int status;

	kill(s->pid, SIGSTOP);
	waitpid(s->pid, &status, WUNTRACED);
}

void realserver_continue(struct realserver *s)
{
	if (s->pid > 0)
		kill(s->pid, SIGCONT);
}

const char *realserver_begin(struct realserver *s, const char *kind)
{
	const char *why;

	memset(s, 0, sizeof(*s));
	s->ganesha = !strcmp(kind, "ganesha");
	if (!installed(s->ganesha ? "ganesha.nfsd" : "diod"))
		return "it is not installed";
	if (geteuid())
		return "it needs root";
	why = own_network();
	if (why)
		return why;
	strcpy(s->dir, "/tmp/p9-server-XXXXXX");
	if (!mkdtemp(s->dir))
		return "mkdtemp";
	chmod(s->dir, 0755);
	snprintf(s->export, sizeof(s->export), "%s/export", s->dir);
	mkdir(s->export, 0755);
	s->port = free_port();
	snprintf(s->address, sizeof(s->address), "tcp:127.0.0.1:%u", s->port);
	if (s->ganesha)
		write_ganesha_conf(s);
	why = realserver_start(s);
	if (why)
		realserver_end(s);
	return why;
}

void realserver_end(struct realserver *s)
{
	char command[128];

	realserver_kill(s);
	snprintf(command, sizeof(command), "rm -rf '%s'", s->dir);
	if (s->dir[0] && system(command))
		fprintf(stderr, "%s stays\n", s->dir);
}
