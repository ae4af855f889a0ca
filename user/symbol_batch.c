/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "symbol_batch.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

#define QUIET_NS 500000000ULL /* until a line is worth it, and then between two */

struct progress {
	FILE *stream; /* NULL: nobody watches */
	__u64 next_ns;
	bool shown;
};

static int compare_texts(const char *left, const char *right)
{
	return strcmp(left ? left : "", right ? right : "");
}

static int compare_objects(const struct symbol_object *left, const struct symbol_object *right)
{
	int order = compare_texts(left->build_id, right->build_id);

	if (!order)
		order = compare_texts(left->path, right->path);
	return order ? order : (left->fd > right->fd) - (left->fd < right->fd);
}

static int compare(const void *left, const void *right)
{
	const struct symbol_request *a = left, *b = right;
	int order = compare_objects(&a->object, &b->object);

	return order ? order : (a->offset > b->offset) - (a->offset < b->offset);
}

static void progress__show(struct progress *progress, size_t done, size_t nr)
{
	__u64 now_ns;

	if (!progress->stream)
		return;
	now_ns = clock__now_ns();
	if (now_ns < progress->next_ns)
		return;
	progress->next_ns = now_ns + QUIET_NS;
	progress->shown = true;
	fprintf(progress->stream, "\rallocpath: names of %zu of %zu places", done, nr);
	fflush(progress->stream);
}

static void progress__end(const struct progress *progress)
{
	if (!progress->shown)
		return;
	fputs("\r\033[K", progress->stream);
	fflush(progress->stream);
}

int symbol_batch__find(struct symbols *symbols, struct symbol_request *requests, size_t nr,
		       FILE *stream)
{
	struct progress progress = {
		.stream = stream && isatty(fileno(stream)) ? stream : NULL,
		.next_ns = clock__now_ns() + QUIET_NS,
	};
	int err = 0;

	if (nr)
		qsort(requests, nr, sizeof(*requests), compare);
	for (size_t i = 0; !err && i < nr; i++) {
		const struct symbol_frame *frames;
		size_t nr_frames;

		progress__show(&progress, i, nr);
		err = symbols__frames(symbols, &requests[i].object, requests[i].offset, &frames,
				      &nr_frames);
	}
	progress__end(&progress);
	return err;
}
