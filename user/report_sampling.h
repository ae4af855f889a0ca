/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the stacks of a profile were sampled, and how many of them are whole. */
#ifndef ALLOCPATH_REPORT_SAMPLING_H
#define ALLOCPATH_REPORT_SAMPLING_H

#include "json.h"
#include "profile.h"

/* As the JSON writes it; "?" for a value out of range. */
const char *sample_kind__name(enum sample_kind kind);

/* Items of the trailer; nothing without stacks. 0 or -ENOMEM, as for the JSON. */
int report_sampling__write(FILE *out, const struct profile *profile, unsigned int width);

/* "stack_sampling": null without stacks. */
int report_sampling__write_json(struct json *json, const struct profile *profile);

#endif
