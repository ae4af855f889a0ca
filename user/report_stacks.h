/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stacks of a process that asked for most. */
#ifndef ALLOCPATH_REPORT_STACKS_H
#define ALLOCPATH_REPORT_STACKS_H

#include <stdio.h>

#include "json.h"
#include "profile.h"

struct symbols;

/* What is shown of stacks. */
struct stack_style {
	unsigned int top; /* so many of each process; 0: none */
	struct symbols *symbols; /* NULL: code is offsets in its files */
};

/* Writes the first ones by bytes of requests. 0 or -ENOMEM. */
int report_stacks__write(FILE *out, const struct profile_process *process,
			 const struct profile *profile, const struct stack_style *style);

/*
 * The member "stacks" of a process: how many were taken and how they ended, and the first ones by
 * bytes. 0 or -ENOMEM.
 */
int report_stacks__write_json(struct json *json, const struct profile_process *process,
			      const struct profile *profile, const struct stack_style *style);

/* One stack (index + 1; 0: "[stack not kept]"), a line a function. 0 or -ENOMEM. */
int report_stack__write(FILE *out, const struct profile *profile,
			const struct profile_process *process, __u32 number,
			struct symbols *symbols);

/* Its members "status" and "heuristic", and its frames by the name that is given. 0 or -ENOMEM. */
int report_stack__write_json(struct json *json, const char *frames, const struct profile *profile,
			     const struct profile_process *process, __u32 number,
			     struct symbols *symbols);

/* For people and JSON; "?" for a value out of range. */
const char *stack_status__name(enum stack_status status);

#endif
