/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes JSON as it goes. A tree as json-c builds takes some hundred bytes a number, which is more
 * than allocpath may use in all when 10,000 processes with their histograms are written.
 *
 * key is a name in an object, NULL in an array. Write errors stay in the stream: see ferror.
 */
#ifndef ALLOCPATH_JSON_H
#define ALLOCPATH_JSON_H

#include <stdbool.h>
#include <stdio.h>

#include <linux/types.h>

struct json {
	FILE *out;
	bool comma; /* something stands before the next value */
};

void json__begin_object(struct json *json, const char *key);
void json__end_object(struct json *json);
void json__begin_array(struct json *json, const char *key);
void json__end_array(struct json *json);

void json__null(struct json *json, const char *key);
void json__bool(struct json *json, const char *key, bool value);
void json__u64(struct json *json, const char *key, __u64 value);
void json__u64_or_null(struct json *json, const char *key, bool is_known, __u64 value);

/* What is no number (infinite, not a number) is null. */
void json__double(struct json *json, const char *key, double value);

/* NULL is null. Bytes that are not UTF-8 become U+FFFD, so that the output is always valid. */
void json__string(struct json *json, const char *key, const char *value);

#endif
