/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The names that stand in a recording for what the contract has by position. */
#ifndef ALLOCPATH_RECORDING_NAMES_H
#define ALLOCPATH_RECORDING_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "contract.h"

#define COUNTER_NAME 64

/*
 * Name of the nth number of struct process_counters: "brk_calls", "faults.cow". false: it has none,
 * as a counter that recording_names.c does not know.
 */
bool counter__name(size_t nth, char name[COUNTER_NAME]);

/* "alloc.seen" */
void event__name(enum event_kind kind, enum outcome outcome, char name[COUNTER_NAME]);

#endif
