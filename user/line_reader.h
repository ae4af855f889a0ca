/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads DWARF by libdw: functions that were inlined, files and lines. The input is anyone's, and
 * libdw trusts it more than we do: this runs in a process of its own without privileges.
 */
#ifndef ALLOCPATH_LINE_READER_H
#define ALLOCPATH_LINE_READER_H

#include "line_message.h"

struct line_file;

/* Takes both descriptors, also on failure; alt_fd -1: there is no dwz file. NULL: not readable. */
struct line_file *line_file__open(int fd, int alt_fd);
void line_file__close(struct line_file *file);

/* Fills in what is known of an address, maybe nothing. */
void line_file__frames(struct line_file *file, __u64 address, struct line_answer *answer);

/* The child's work: answers until the other side is gone. */
void line_reader__serve(int socket);

#endif
