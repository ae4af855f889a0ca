/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the program stacks opens: a function between two of its own. */
#include <stddef.h>

void stacks_call(void (*call)(size_t));

__attribute__((noinline, used)) static void stacks_inner(void (*call)(size_t))
{
	call(1010);
	__asm__ volatile("" ::: "memory");
}

void stacks_call(void (*call)(size_t))
{
	stacks_inner(call);
	__asm__ volatile("" ::: "memory");
}
