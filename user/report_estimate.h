/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What reports say of requests that are estimates; nothing where they are not. */
#ifndef ALLOCPATH_REPORT_ESTIMATE_H
#define ALLOCPATH_REPORT_ESTIMATE_H

#include <stdio.h>

#include "profile.h"

struct json;

/* Keys of "requests", of one of "sizes", and "budget" itself. */
void report_estimate__write_json(struct json *json, const struct profile_process *process);
void report_estimate__write_json_share(struct json *json, const struct profile_process *process,
				       __u32 size_class);
void report_estimate__write_json_budget(struct json *json, const struct profile *profile);

/* What was looked at of the time, as a head of the text report. */
void report_estimate__write_budget(FILE *out, const struct profile *profile);

/* A process's requests. */
void report_estimate__write(FILE *out, const struct profile_process *process, unsigned int width);

#endif
