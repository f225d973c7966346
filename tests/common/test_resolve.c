// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_resolve.c - names are looked up in time, whatever getaddrinfo() does. It is ours here: the
 * linker puts __wrap_getaddrinfo() in its place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <string.h>

#include "netfs.h"
#include "resolve.h"

int __real_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
		       struct addrinfo **out);
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
		       struct addrinfo **out);

static sem_t asked, go_on, returned;
static char host_seen[64], service_seen[64];

/* Numbers are the real one's. "slow" waits for go_on, and is a number then, as any other name. */
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
		       struct addrinfo **out)
{
	int err;

	if (hints->ai_flags & AI_NUMERICHOST)
		return __real_getaddrinfo(host, service, hints, out);
	sem_post(&asked);
	if (!strcmp(host, "slow"))
		sem_wait(&go_on);
	strcpy(host_seen, host);
	strcpy(service_seen, service ? service : "");
	err = !strcmp(host, "none") ? EAI_NONAME
				    : __real_getaddrinfo("127.0.0.7", service, hints, out);
	sem_post(&returned);
	return err;
}

static uint32_t address_of(const struct addrinfo *a)
{
	const struct sockaddr_in *in = (const void *)a->ai_addr;

	assert_int_equal(a->ai_family, AF_INET);
	assert_int_equal(a->ai_socktype, SOCK_STREAM);
	return ntohl(in->sin_addr.s_addr);
}

static void numbers_ask_nobody(void **state)
{
	struct addrinfo *found;

	(void)state;
	assert_int_equal(resolve("127.0.0.1", "564", 0, &found), 0);
	assert_int_equal(address_of(found), 0x7f000001);
	assert_int_equal(ntohs(((struct sockaddr_in *)(void *)found->ai_addr)->sin_port), 564);
	freeaddrinfo(found);
	assert_int_equal(resolve("::1", NULL, 0, &found), 0);
	freeaddrinfo(found);
	assert_int_equal(sem_trywait(&asked), -1);
}

static void names_are_looked_up(void **state)
{
	struct addrinfo *found;

	(void)state;
	assert_int_equal(resolve("name", "564", 60000, &found), 0);
	assert_int_equal(address_of(found), 0x7f000007);
	freeaddrinfo(found);
	assert_string_equal(host_seen, "name");
	assert_string_equal(service_seen, "564");
	assert_int_equal(resolve("none", NULL, 60000, &found), EAI_NONAME);
	assert_int_equal(sem_wait(&asked) | sem_wait(&asked), 0);
	assert_int_equal(sem_wait(&returned) | sem_wait(&returned), 0);
}

/* The caller's words may be gone when it is answered at last, which harms and leaks nothing. */
static void a_slow_one_is_left_alone(void **state)
{
	struct addrinfo *found = NULL;
	char host[] = "slow", service[] = "80";

	(void)state;
	assert_int_equal(resolve(host, service, 20, &found), EAI_AGAIN);
	assert_null(found);
	memset(host, 'x', sizeof(host) - 1);
	memset(service, 'x', sizeof(service) - 1);
	sem_wait(&asked);
	sem_post(&go_on);
	sem_wait(&returned);
	assert_string_equal(host_seen, "slow");
	assert_string_equal(service_seen, "80");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_ask_nobody),
		cmocka_unit_test(names_are_looked_up),
		cmocka_unit_test(a_slow_one_is_left_alone),
	};

	sem_init(&asked, 0, 0);
	sem_init(&go_on, 0, 0);
	sem_init(&returned, 0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
