/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The windows of a budget, into a recording and out of it. */
#ifndef ALLOCPATH_RECORDING_WINDOWS_H
#define ALLOCPATH_RECORDING_WINDOWS_H

#include "profile.h"
#include "recording.pb-c.h"

/* A process's message with all that it points to; recording_windows__free frees what is inside. */
struct recording_windows {
	Recording__Windows message;
	Recording__EstimateSums count, bytes;
	Recording__Estimate requests, request_bytes;
	Recording__Share *shares, **share_list;
};

/* 0 or -ENOMEM. */
int recording_windows__fill(struct recording_windows *windows,
			    const struct profile_process *process);
void recording_windows__free(struct recording_windows *windows);

void recording_windows__fill_budget(Recording__Budget *message,
				    const struct profile_budget *budget);

/* Untrusted: 0, or -EINVAL. shares has room for as many as the message has. */
int recording_windows__parse(const Recording__Windows *message, struct profile_process *process);
int recording_windows__parse_budget(const Recording__Budget *message,
				    struct profile_budget *budget);

#endif
