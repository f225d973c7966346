// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fiber.c - fiber.h, and what AddressSanitizer and ThreadSanitizer must be told of a change of
 * stacks: without it they report what isn't so, or crash.
 *
 * swapcontext() would do everywhere, but makes a system call each time (700 ns a switch against
 * 20), and AddressSanitizer warns of it. So the processor that most of the testing is done on has
 * code of its own, and the others (or -DFIBER_UCONTEXT) use that.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fiber.h"

#ifdef __has_feature
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
#define WITH_ASAN 1
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__) || HAS_FEATURE(thread_sanitizer)
#define WITH_TSAN 1
#include <sanitizer/tsan_interface.h>
#endif

/* --- The switch itself ------------------------------------------------------------ */

#ifndef FIBER_UCONTEXT

/* Push what a function must preserve, change stacks, pop, and return as the other one's caller
 * expects. Signal masks and floating point modes are the thread's, and stay. */
void fiber_jump(void **save_sp, void *load_sp) __attribute__((visibility("hidden")));
__asm__(".text\n"
	".globl fiber_jump\n"
	".hidden fiber_jump\n"
	".type fiber_jump, @function\n"
	"fiber_jump:\n"
	"	pushq %rbp\n"
	"	pushq %rbx\n"
	"	pushq %r12\n"
	"	pushq %r13\n"
	"	pushq %r14\n"
	"	pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15\n"
	"	popq %r14\n"
	"	popq %r13\n"
	"	popq %r12\n"
	"	popq %rbx\n"
	"	popq %rbp\n"
	"	ret\n"
	".size fiber_jump, . - fiber_jump\n");

static void context_init(struct fiber *f, void (*entry)(void))
{
	uintptr_t *sp = (uintptr_t *)(void *)(f->stack + FIBER_STACK_SIZE);

	*--sp = 0;                /* so that, in @entry, the stack is aligned as after a call */
	*--sp = (uintptr_t)entry; /* where the first jump returns to */
	for (int i = 0; i < 6; i++)
		*--sp = 0;
	f->sp = sp;
}

static void context_switch(struct fiber *from, struct fiber *to)
{
	fiber_jump(&from->sp, to->sp);
}

#else

static void context_init(struct fiber *f, void (*entry)(void))
{
	getcontext(&f->context);
	f->context.uc_stack.ss_sp = f->stack;
	f->context.uc_stack.ss_size = FIBER_STACK_SIZE;
	f->context.uc_link = NULL;
	makecontext(&f->context, entry, 0);
}

static void context_switch(struct fiber *from, struct fiber *to)
{
	swapcontext(&from->context, &to->context);
}

#endif

/* --- Fibers ----------------------------------------------------------------------- */

static struct fiber *arriving; /* the one being switched to */
static struct fiber *leaving;  /* the one that was switched from, unless it ended */

#define KEPT_MAX 64
static char *kept[KEPT_MAX];
static unsigned int nkept;

static size_t guard_size(void)
{
	static size_t page;

	if (!page)
		page = (size_t)sysconf(_SC_PAGESIZE);
	return page;
}

char *fiber_stack_new(void)
{
	size_t guard = guard_size();
	char *map;

	if (nkept)
		return kept[--nkept];
	map = mmap(NULL, guard + FIBER_STACK_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED)
		return NULL;
	if (mprotect(map, guard, PROT_NONE)) {
		munmap(map, guard + FIBER_STACK_SIZE);
		return NULL;
	}
	return map + guard;
}

void fiber_stack_free(char *stack)
{
	size_t guard = guard_size();

	if (nkept < KEPT_MAX) {
		kept[nkept++] = stack;
		return;
	}
	munmap(stack - guard, guard + FIBER_STACK_SIZE);
}

void fiber_init_host(struct fiber *f)
{
	*f = (struct fiber){ .stack = NULL };
#ifdef WITH_TSAN
	f->tsan = __tsan_get_current_fiber();
#endif
}

void fiber_init(struct fiber *f, char *stack, void (*entry)(void))
{
	*f = (struct fiber){ .stack = stack, .bottom = stack, .size = FIBER_STACK_SIZE };
#ifdef WITH_ASAN
	/* A task that was dropped where it stood left its frames' red zones behind. */
	__asan_unpoison_memory_region(stack, FIBER_STACK_SIZE);
#endif
#ifdef WITH_TSAN
	f->tsan = __tsan_create_fiber(0);
#endif
	context_init(f, entry);
}

void fiber_fini(struct fiber *f)
{
#ifdef WITH_TSAN
	if (f->stack && f->tsan)
		__tsan_destroy_fiber(f->tsan);
#endif
	f->tsan = NULL;
}

void fiber_switch(struct fiber *from, struct fiber *to, bool from_ended)
{
	arriving = to;
	leaving = from_ended ? NULL : from;
#ifdef WITH_ASAN
	__sanitizer_start_switch_fiber(from_ended ? NULL : &from->fake_stack, to->bottom, to->size);
#endif
#ifdef WITH_TSAN
	__tsan_switch_to_fiber(to->tsan, 0);
#endif
	context_switch(from, to);
	fiber_arrived();
}

void fiber_arrived(void)
{
#ifdef WITH_ASAN
	const void *bottom;
	size_t size;

	__sanitizer_finish_switch_fiber(arriving->fake_stack, &bottom, &size);
	/* Only ASan knows where the thread's own stack lies; it is told when going back there. */
	if (leaving && !leaving->stack) {
		leaving->bottom = bottom;
		leaving->size = size;
	}
#endif
	arriving = NULL;
	leaving = NULL;
}
