/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The forms in which "allocpath hist" shows a profile. */
#ifndef ALLOCPATH_REPORT_H
#define ALLOCPATH_REPORT_H

#include <errno.h>
#include <stdio.h>

#include "json.h"
#include "profile.h"
#include "report_stacks.h"
#include "sort.h"

struct text_style {
	unsigned int width; /* columns; below 80 counts as 80 */
	struct stack_style stacks; /* of each of them */
	unsigned int top; /* processes whose histograms follow the table */
	enum sort_key sort;
	enum group_by group_by; /* what the profile was grouped by */
	bool verbose; /* all of the top processes, all sites, the books kind by kind */
};

/*
 * Both write one report and flush it: 0, or a negative errno when not all of it could be written;
 * the caller tells the user. -ENOMEM is possible from the text.
 */
int report_text__write(FILE *out, const struct profile *profile, const struct text_style *style);

/* One document on one line, schema 1. stacks: of each process; NULL: none. */
int report_json__write(FILE *out, const struct profile *profile, const struct stack_style *stacks);

/* The keys of a process's object that an allocator knows of itself: requests to system calls. */
void report_json__write_counts(struct json *json, const struct profile_process *process);

/* 0, or a negative errno when anything written since the stream was opened went astray. */
static inline int report__flush(FILE *out)
{
	if (fflush(out))
		return -errno;
	return ferror(out) ? -EIO : 0;
}

#endif
