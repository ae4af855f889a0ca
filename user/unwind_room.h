/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which files have which chunks of rows and which entries of pages in the bounded maps. */
#ifndef ALLOCPATH_UNWIND_ROOM_H
#define ALLOCPATH_UNWIND_ROOM_H

#include <linux/types.h>
#include <stddef.h>

struct unwind_extent {
	__u32 first, nr;
	__u32 owner;
};

struct unwind_room {
	__u32 nr_chunks, nr_pages; /* that there are */
	__u32 nr_free_chunks;
	__u32 *chunk_owners; /* 0: free */
	struct unwind_extent *extents; /* of pages, sorted, never touching what is another's */
	size_t nr_extents;
};

int unwind_room__open(struct unwind_room *room, __u32 nr_chunks, __u32 nr_pages);
void unwind_room__close(struct unwind_room *room);

/*
 * Takes so many chunks, whose numbers go to chunks, and so many pages in a row from *first_page on.
 * -ENOSPC: there is not that much; nothing is taken then. -ENOMEM. An owner is not 0, and takes once.
 */
int unwind_room__take(struct unwind_room *room, __u32 owner, __u32 nr_chunks, __u32 *chunks,
		      __u32 nr_pages, __u32 *first_page);

/* Gives back all that the owner has. */
void unwind_room__give_back(struct unwind_room *room, __u32 owner);

#endif
