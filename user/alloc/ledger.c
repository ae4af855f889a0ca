/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ledger.h"

#include <errno.h>
#include <string.h>

#include "config.h"
#include "os.h"

struct refalloc_slot ledger_early;

static struct refalloc_ledger *ledger;
static __u8 claimed[REFALLOC_SLOTS]; /* slot 0 is nobody's own */

void ledger__request(size_t size, __u64 word)
{
	struct refalloc_slot *slot = thread.slot;
	struct refalloc_row *row = &slot->rows[size_class__of(size)];
	enum alloc_path path = thread.path;

	if (!LEDGER_IS_KEPT)
		return;
	ledger__add(&row->count[path], 1);
	ledger__add(&row->bytes, size);
	if (path != PATH_POOL)
		ledger__add(&slot->grown_bytes[path], size);
	ledger__limits(slot, size, path);
	if (word & BLOCK_MAPPED)
		ledger__add(&slot->home_mapping, 1);
	else if (word & BLOCK_ELSEWHERE)
		ledger__add(&slot->home_arena, 1);
}

void ledger__release(__u64 word)
{
	if (!LEDGER_IS_KEPT)
		return;
	ledger__add(&thread.slot->releases[thread.release], 1);
	ledger__add(&thread.slot->release_bytes, block__request(word));
}

static void fill_head(struct refalloc_head *head)
{
	head->layout = REFALLOC_LAYOUT;
	head->head_bytes = sizeof(*head);
	head->slot_bytes = sizeof(struct refalloc_slot);
	head->used_slots = 1;
	head->pid = os__pid();
	head->policy = (__u32)config.policy;
	head->threshold = config.threshold;
	head->start_ns = os__boot_ns();
	memcpy(head->version, REFALLOC_VERSION, sizeof(REFALLOC_VERSION));
	__atomic_store_n(&head->magic, REFALLOC_MAGIC, __ATOMIC_RELEASE);
}

static void map_ledger(void *at)
{
	struct refalloc_ledger *mapped = NULL;
	int error = 0;

	mapped = os__map_ledger(config.ledger, sizeof(*mapped), at, &error);
	if (!mapped && config.ledger) {
		os__say("no ledger in %s: %s", config.ledger,
			error == EEXIST ? "there is something that is not a file" :
					  strerrordesc_np(error));
		mapped = os__map_ledger(NULL, sizeof(*mapped), at, &error);
	}
	if (mapped)
		fill_head(&mapped->head);
	ledger = mapped;
}

void ledger__open(void)
{
	if (!LEDGER_IS_KEPT)
		return;
	map_ledger(NULL);
	/* The call itself, which the first request makes. Where it failed nothing was called. */
	if (ledger) {
		ledger->slots[0].mmap_calls = 1;
		ledger->slots[0].mmap_file_bytes = sizeof(*ledger);
	}
}

void ledger__reopen(void)
{
	struct refalloc_ledger *old = ledger;

	if (!old)
		return;
	/* Slots are indexes into the mapping: the child's takes the place of its parent's. */
	map_ledger(old);
	memset(claimed, 0, sizeof(claimed));
	memset(&ledger_early, 0, sizeof(ledger_early));
	ledger__claim();
}

void ledger__claim(void)
{
	unsigned int i = 0;

	thread.slot_index = 0;
	thread.shares_slot = true;
	thread.slot = ledger ? &ledger->slots[0] : &ledger_early;
	if (ledger) {
		for (i = 1; i < REFALLOC_SLOTS && claimed[i]; i++)
			;
	}
	if (!ledger || i == REFALLOC_SLOTS)
		return;
	claimed[i] = 1;
	if (ledger->head.used_slots <= i)
		__atomic_store_n(&ledger->head.used_slots, i + 1, __ATOMIC_RELEASE);
	thread.slot_index = i;
	thread.shares_slot = false;
	thread.slot = &ledger->slots[i];
}

void ledger__leave(void)
{
	claimed[thread.slot_index] = 0;
	thread.slot_index = 0;
	thread.shares_slot = true;
	thread.slot = ledger ? &ledger->slots[0] : &ledger_early;
}

REFALLOC_PUBLIC const struct refalloc_ledger *refalloc_ledger(void)
{
	return ledger;
}

REFALLOC_PUBLIC int refalloc_ledger_read(struct refalloc_slot *total)
{
	__u32 used;

	if (!ledger)
		return -ENOENT;
	memset(total, 0, sizeof(*total));
	used = __atomic_load_n(&ledger->head.used_slots, __ATOMIC_ACQUIRE);
	for (__u32 i = 0; i < used; i++)
		refalloc_slot__add(total, &ledger->slots[i]);
	return 0;
}
