/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An arena: segments of memory, cut into blocks, and bins of those that are free. The drawing is
 * in block.h. A thread takes blocks from its own arena; a block goes back to the one it came from.
 */
#ifndef REFALLOC_ARENA_H
#define REFALLOC_ARENA_H

#include "block.h"

#define SEGMENT_BYTES ((size_t)1 << 20) /* of a mapping, at least */
#define SEGMENT_PAD ((size_t)64 << 10) /* a mapping of a segment is this much more than one block */

/* Threads are counted under the threads' lock. */
unsigned int arena__join(void); /* the one with the fewest threads */
void arena__leave(unsigned int index);

unsigned int arenas__used(void); /* those from here on never had a thread */

/* Where the process has one thread these cost nothing. */
void arena__lock(unsigned int index);
void arena__unlock(unsigned int index);
void arenas__lock(void); /* all, for fork */
void arenas__unlock(void);

/* Whether such a block can be in its arena: whoever does not trust its size may ask, without a lock. */
bool arena__holds(const struct block *block);

/*
 * All of the below is called under the arena's lock, and leaves blocks that are in use, without
 * slack or other flags: whoever takes one gives it out by block__give.
 */

/* A block of this size or slightly more; NULL: no memory, and the kernel gives none. */
struct block *arena__take(unsigned int index, size_t size);

/* Coalesces it with its neighbours; the top may be trimmed, an empty segment unmapped. */
void arena__give_back(struct block *block);

/*
 * Gives back what is over, or grows into the free block behind. size is that of a block. false:
 * there is no room, and all is as before.
 */
bool arena__resize(struct block *block, size_t size);

/* Gives back all but pad of the top, and whole pages inside free blocks; true: some were. */
bool arena__trim(unsigned int index, size_t pad);

/* Adds its segments, its free blocks and, on the break, its top. */
struct mallinfo2;
void arena__figures(unsigned int index, struct mallinfo2 *info);

#endif
