/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ledger.h"

#include <errno.h>
#include <string.h>

#include "config.h"
#include "os.h"

struct refalloc_slot ledger_early;

static struct refalloc_ledger *ledger;
static bool claimed[REFALLOC_SLOTS]; /* slot 0 is nobody's own */

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

/* at: the mapping that it takes the place of, or NULL. */
static void map_ledger(void *at)
{
	struct refalloc_ledger *mapped = os__map_ledger(config.ledger, sizeof(*mapped), at);

	if (!mapped && config.ledger) {
		os__say("no ledger in %s: %s", config.ledger,
			errno == EEXIST ? "there is something that is not a file" :
					  strerrordesc_np(errno));
		mapped = os__map_ledger(NULL, sizeof(*mapped), at);
	}
	if (mapped)
		fill_head(&mapped->head);
	ledger = mapped;
}

static void use_slot(unsigned int index)
{
	thread.slot_index = index;
	thread.shares_slot = !index;
	thread.slot = ledger ? &ledger->slots[index] : &ledger_early;
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
	if (!ledger)
		return;
	map_ledger(ledger);
	memset(claimed, 0, sizeof(claimed));
	memset(&ledger_early, 0, sizeof(ledger_early));
	ledger__claim();
}

void ledger__claim(void)
{
	unsigned int i = 1;

	while (i < REFALLOC_SLOTS && claimed[i])
		i++;
	if (!ledger || i == REFALLOC_SLOTS)
		i = 0;
	claimed[i] = 1;
	if (ledger && ledger->head.used_slots <= i)
		__atomic_store_n(&ledger->head.used_slots, i + 1, __ATOMIC_RELEASE);
	use_slot(i);
}

void ledger__leave(void)
{
	claimed[thread.slot_index] = 0;
	use_slot(0);
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
