/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "file_set.h"

static size_t file_id__place(struct file_id id, size_t room)
{
	__u64 hash = (id.inode * 0x9e3779b97f4a7c15ULL) ^ (id.device * 0xc2b2ae3d27d4eb4fULL);

	return (hash ^ (hash >> 29)) & (room - 1);
}

static int file_set__put(struct file_set *set, struct file_id id)
{
	size_t place = file_id__place(id, set->room);

	while (set->ids[place].inode) {
		if (set->ids[place].inode == id.inode && set->ids[place].device == id.device)
			return 0;
		place = (place + 1) & (set->room - 1);
	}
	set->ids[place] = id;
	set->nr++;
	return 1;
}

static int file_set__grow(struct file_set *set)
{
	struct file_set larger = { .room = set->room ? 2 * set->room : 64 };

	larger.ids = calloc(larger.room, sizeof(struct file_id));
	if (!larger.ids)
		return -ENOMEM;
	for (size_t i = 0; i < set->room; i++)
		if (set->ids[i].inode)
			file_set__put(&larger, set->ids[i]);
	free(set->ids);
	*set = larger;
	return 0;
}

int file_set__add(struct file_set *set, struct file_id id)
{
	if (!id.inode)
		return 0;
	if (2 * (set->nr + 1) > set->room && file_set__grow(set))
		return -ENOMEM;
	return file_set__put(set, id);
}

void file_set__free(struct file_set *set)
{
	free(set->ids);
	set->ids = NULL;
	set->nr = 0;
	set->room = 0;
}
