/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * fiber.h - stacks to switch between, in one thread. Nothing here knows of tasks or of scheduling.
 */
#ifndef SIM_FIBER_H
#define SIM_FIBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef __x86_64__
#define FIBER_UCONTEXT
#endif
#ifdef FIBER_UCONTEXT
#include <ucontext.h>
#endif

#define FIBER_STACK_SIZE (256u << 10)

/* One with a NULL @stack stands for the thread's own stack. */
struct fiber {
#ifdef FIBER_UCONTEXT
	ucontext_t context;
#else
	void *sp; /* while another one runs */
#endif
	char *stack; /* FIBER_STACK_SIZE bytes; below it a page that faults */
	/* What sanitizers want to be told. */
	const void *bottom;
	size_t size;
	void *fake_stack;
	void *tsan;
};

/* Some are kept to be used again, over runs too. */
char *fiber_stack_new(void); /* NULL: no memory */
void fiber_stack_free(char *stack);
/* The thread's own stack, which runs now. */
void fiber_init_host(struct fiber *f);
/* @entry is called when it is first switched to. It begins with fiber_arrived() and never
 * returns. */
void fiber_init(struct fiber *f, char *stack, void (*entry)(void));
void fiber_fini(struct fiber *f); /* never runs again */
/* Returns when somebody switches to @from again. With @from_ended nobody will. */
void fiber_switch(struct fiber *from, struct fiber *to, bool from_ended);
void fiber_arrived(void);
/* Is this the stack that we are on? Asked at every turn. */
static inline bool fiber_is_here(const struct fiber *f)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	return f->stack && here - (uintptr_t)f->stack < FIBER_STACK_SIZE;
}

#endif
