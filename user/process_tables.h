/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables that the text report has of one process. Each begins with an empty line, and one
 * without rows writes nothing.
 */
#ifndef ALLOCPATH_PROCESS_TABLES_H
#define ALLOCPATH_PROCESS_TABLES_H

#include <stdio.h>

#include "profile.h"

/* Requests by size, in powers of two, and the path that they took. */
void process_tables__requests(FILE *out, const struct profile_process *process, unsigned int width);

/* The paths in total, with the smallest and the largest request of each. */
void process_tables__paths(FILE *out, const struct profile_process *process, unsigned int width);

/* Faults by class. */
void process_tables__faults(FILE *out, const struct profile_process *process, unsigned int width);

/* First touches by the bytes that one made resident, and by region. */
void process_tables__first_touches(FILE *out, const struct profile_process *process,
				   enum probe_depth depth, unsigned int width);

/* How much of the memory that was asked for was touched. */
void process_tables__touched(FILE *out, const struct profile_process *process,
			     enum probe_depth depth, unsigned int width);

#endif
