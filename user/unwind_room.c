/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "unwind_room.h"

int unwind_room__open(struct unwind_room *room, __u32 nr_chunks, __u32 nr_pages)
{
	memset(room, 0, sizeof(*room));
	room->chunk_owners = calloc(nr_chunks, sizeof(*room->chunk_owners));
	if (!room->chunk_owners)
		return -ENOMEM;
	room->nr_chunks = room->nr_free_chunks = nr_chunks;
	room->nr_pages = nr_pages;
	return 0;
}

void unwind_room__close(struct unwind_room *room)
{
	free(room->chunk_owners);
	free(room->extents);
	memset(room, 0, sizeof(*room));
}

/* The first gap that is large enough. Index of the extent that it lies before, or -ENOSPC. */
static long room__find_gap(const struct unwind_room *room, __u32 nr_pages, __u32 *first_page)
{
	__u32 at = 0;

	for (size_t i = 0; i < room->nr_extents; i++) {
		if (room->extents[i].first - at >= nr_pages) {
			*first_page = at;
			return (long)i;
		}
		at = room->extents[i].first + room->extents[i].nr;
	}
	if (room->nr_pages - at < nr_pages)
		return -ENOSPC;
	*first_page = at;
	return (long)room->nr_extents;
}

int unwind_room__take(struct unwind_room *room, __u32 owner, __u32 nr_chunks, __u32 *chunks,
		      __u32 nr_pages, __u32 *first_page)
{
	struct unwind_extent *extents;
	__u32 taken = 0;
	long before;

	if (nr_chunks > room->nr_free_chunks)
		return -ENOSPC;
	before = room__find_gap(room, nr_pages, first_page);
	if (before < 0)
		return (int)before;
	extents = realloc(room->extents, (room->nr_extents + 1) * sizeof(*extents));
	if (!extents)
		return -ENOMEM;
	room->extents = extents;
	memmove(extents + before + 1, extents + before,
		(room->nr_extents - (size_t)before) * sizeof(*extents));
	extents[before] = (struct unwind_extent){ *first_page, nr_pages, owner };
	room->nr_extents++;
	for (__u32 i = 0; taken < nr_chunks && i < room->nr_chunks; i++) {
		if (room->chunk_owners[i])
			continue;
		room->chunk_owners[i] = owner;
		chunks[taken++] = i;
	}
	room->nr_free_chunks -= taken;
	return 0;
}

void unwind_room__give_back(struct unwind_room *room, __u32 owner)
{
	size_t kept = 0;

	for (__u32 i = 0; i < room->nr_chunks; i++) {
		if (room->chunk_owners[i] != owner)
			continue;
		room->chunk_owners[i] = 0;
		room->nr_free_chunks++;
	}
	for (size_t i = 0; i < room->nr_extents; i++)
		if (room->extents[i].owner != owner)
			room->extents[kept++] = room->extents[i];
	room->nr_extents = kept;
}
