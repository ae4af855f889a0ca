/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "window_sums.h"

static double clamp_share(double share)
{
	return share < 1 ? share : 1;
}

/* The share of a class, made if need be; NULL: no memory. */
static struct profile_share *window_sums__share(struct window_sums *sums, __u32 size_class)
{
	size_t low = 0, high = sums->nr_shares;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (sums->shares[middle].size_class < size_class)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < sums->nr_shares && sums->shares[low].size_class == size_class)
		return &sums->shares[low];
	if (sums->nr_shares == sums->room) {
		size_t room = sums->room ? 2 * sums->room : 16;
		struct profile_share *larger;

		larger = realloc(sums->shares, room * sizeof(*larger));
		if (!larger)
			return NULL;
		sums->shares = larger;
		sums->room = room;
	}
	memmove(sums->shares + low + 1, sums->shares + low,
		(sums->nr_shares - low) * sizeof(*sums->shares));
	sums->nr_shares++;
	sums->shares[low] = (struct profile_share){ .size_class = size_class };
	return &sums->shares[low];
}

int window_sums__add(struct window_sums *window_sums, const struct window_part *part,
		     const struct window_class *classes, size_t nr_classes)
{
	struct profile_windows *sums = &window_sums->sums;
	double traps_s = (double)part->traps * part->trap_s, whole = (double)part->count;
	/* Of a process whose time is not known: one thread that was never idle. */
	double cpu_s = part->cpu_s < 0 ? part->window_s : part->cpu_s;
	double own_s = cpu_s > traps_s ? cpu_s - traps_s : 0;
	double slow = clamp_share(traps_s / (cpu_s > part->window_s ? cpu_s : part->window_s));
	double middle = part->weight * window__undilated(slow, 0);
	double most = part->weight * window__undilated(slow, ESTIMATE_TRAP_ERROR);

	estimate_sums__add(&sums->count, whole, own_s, part->weight);
	estimate_sums__add(&sums->bytes, (double)part->bytes, own_s, part->weight);
	sums->counted += whole;
	sums->counted_bytes += (double)part->bytes;
	sums->traps_s += traps_s;
	if (cpu_s > 0)
		sums->dilated += whole * clamp_share(traps_s / cpu_s);
	sums->share_d += whole * middle;
	sums->share_dd += whole * middle * whole * middle;
	sums->plain_d += whole * part->weight;
	sums->most_d += whole * most;
	for (size_t i = 0; i < nr_classes; i++) {
		double count = (double)classes[i].count;
		struct profile_share *share;

		share = window_sums__share(window_sums, classes[i].size_class);
		if (!share)
			return -ENOMEM;
		share->x += count * middle;
		share->xx += count * middle * count * middle;
		share->xd += count * middle * whole * middle;
		share->plain_x += count * part->weight;
		share->most_x += count * most;
	}
	return 0;
}

void window_sums__add_empty(struct window_sums *window_sums, double nr, double cpu_s)
{
	estimate_sums__add_empty(&window_sums->sums.count, nr, cpu_s, 1);
	estimate_sums__add_empty(&window_sums->sums.bytes, nr, cpu_s, 1);
}

void window_sums__free(struct window_sums *sums)
{
	free(sums->shares);
	memset(sums, 0, sizeof(*sums));
}
