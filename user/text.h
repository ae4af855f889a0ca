/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Figures and strings as a person reads them on a terminal. Buffers of TEXT_CELL always suffice. */
#ifndef ALLOCPATH_TEXT_H
#define ALLOCPATH_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include <linux/types.h>

#define TEXT_CELL 64

/* Columns of an item before its text. */
#define TEXT_LABEL 13

/* "0 B", "128 KiB" where it is exactly that, else three digits: "1.23 MiB". */
const char *text__bytes(char *text, size_t size, __u64 bytes);

/* The number; in brief at most five characters: "12345", "1.23M". */
const char *text__count(char *text, size_t size, __u64 count, bool brief);

/* A power of two and its next: "[128K, 256K)". high 0 stands for 2^64. */
const char *text__range(char *text, size_t size, __u64 low, __u64 high);

/* "12.3 %"; nothing where whole is 0. Part may be more than whole. */
const char *text__percent(char *text, size_t size, double part, double whole);

/* "640 ns", "5.20 us", "12.3 ms", "10.0 s". */
const char *text__seconds(char *text, size_t size, double seconds);

/* Fills at most size - 1 characters, in proportion; what is not 0 has at least one. */
void text__bar(char *text, size_t size, __u64 value, __u64 largest);

/*
 * Everything but printable ASCII becomes '?': names of other people's processes and files must not
 * reach the terminal as they are, and every character has to be one column wide.
 */
void text__clean(char *text);

/* Columns of the terminal that it writes to; 80 where it does not. */
unsigned int text__columns(FILE *out);

/* What follows the last slash; all of it where nothing does. Part of the path. */
const char *text__base_name(const char *path);

/* Keeps the end of a name that is longer than size - 1: "...slice/cron.service". */
void text__tail(char *text, size_t size, const char *name);

/*
 * Writes "label        text", cleaned, and broken into lines of at most width columns with the text
 * in a column of its own. An empty label continues the item before.
 */
void text__item(FILE *out, unsigned int width, const char *label, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
