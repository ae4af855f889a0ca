/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A set of files by device and inode. */
#ifndef ALLOCPATH_FILE_SET_H
#define ALLOCPATH_FILE_SET_H

#include <linux/types.h>
#include <stddef.h>

struct file_id {
	__u64 device;
	__u64 inode;
};

struct file_set {
	struct file_id *ids; /* open addressing; inode 0 is an empty place */
	size_t nr;
	size_t room; /* a power of two, or 0 */
};

/* 1: it was added; 0: it was there; -ENOMEM. Inode 0 counts as there. */
int file_set__add(struct file_set *set, struct file_id id);

void file_set__free(struct file_set *set);

#endif
