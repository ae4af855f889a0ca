/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The other side of unwind_builder.h: a process that reads what anyone may have written. */
#ifndef ALLOCPATH_UNWIND_CHILD_H
#define ALLOCPATH_UNWIND_CHILD_H

/*
 * The builder starts this program again with this as its only argument, so that the child begins
 * with memory of its own: none of our maps, keys or files are in it.
 */
#define UNWIND_CHILD_COMMAND "unwind-tables-child"
#define UNWIND_CHILD_FD 3

/* Gives up all rights, then builds tables until the builder is gone. Returns the exit status. */
int unwind_child__main(void);

#endif
