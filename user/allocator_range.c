/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "allocator_range.h"

#include <errno.h>
#include <stdlib.h>

#include "decode.h"

/* glibc's internals lie below malloc (17 KiB in 2.36), and little above the last export. */
#define BELOW_BYTES (64 << 10)
#define ABOVE_BYTES (16 << 10)
/* Exported functions farther apart than this are not one object: 8 KiB in 2.36. */
#define MAX_SPREAD_BYTES (1 << 20)

struct span {
	__u64 start;
	__u64 end;
};

struct search {
	const struct eh_frame *frame;
	struct decoder decoder;
	struct span window; /* the object lies in here */
	unsigned char *code; /* of the window */
	unsigned char *seen; /* one flag for each byte of the window: a function starts, is known */
	struct span *spans; /* functions found; those from next on are still to be read */
	size_t nr_spans, max_spans, next;
};

static int add_function(struct search *search, __u64 address)
{
	struct span span, *spans;
	size_t max;
	int err;

	err = eh_frame__function(search->frame, address, &span.start, &span.end);
	if (err == -ENOENT || err == -EINVAL)
		return 0; /* hand-written code, or a lie: nothing is known of it */
	if (err)
		return err;
	if (span.start < search->window.start || span.end > search->window.end ||
	    search->seen[span.start - search->window.start])
		return 0;
	if (search->nr_spans == search->max_spans) {
		max = search->max_spans ? 2 * search->max_spans : 64;
		spans = realloc(search->spans, max * sizeof(*spans));
		if (!spans)
			return -ENOMEM;
		search->spans = spans;
		search->max_spans = max;
	}
	search->seen[span.start - search->window.start] = 1;
	search->spans[search->nr_spans++] = span;
	return 0;
}

static int follow_branches(struct search *search, struct span span)
{
	__u64 target;
	int err;

	decoder__start(&search->decoder, search->code + (span.start - search->window.start),
		       span.end - span.start, span.start);
	while (decoder__next(&search->decoder)) {
		if (!decoder__target(&search->decoder, &target) || target < search->window.start ||
		    target >= search->window.end || (target >= span.start && target < span.end))
			continue;
		err = add_function(search, target);
		if (err)
			return err;
	}
	return 0;
}

/*
 * No other object's exported function lies inside the object, so the nearest ones bound it. The
 * system call wrappers and sbrk are exported too: they are never inside.
 */
static struct span find_window(const struct allocator_exports *exports)
{
	struct span window = {
		.start = exports->first > BELOW_BYTES ? exports->first - BELOW_BYTES : 0,
		.end = exports->end + ABOVE_BYTES,
	};

	if (exports->floor > window.start)
		window.start = exports->floor;
	if (exports->ceiling < window.end)
		window.end = exports->ceiling;
	return window;
}

/* The window as far as the file has it: at its edges a segment may begin or end. */
static int read_window(struct search *search, const struct allocator_exports *exports)
{
	const struct elf_file *file = search->frame->file;
	unsigned int i;
	size_t size;

	for (i = 0; i < file->nr_loads; i++) {
		const struct elf_segment *load = &file->loads[i];

		if (!load->executable || exports->first < load->address ||
		    exports->first - load->address >= load->size)
			continue;
		if (search->window.start < load->address)
			search->window.start = load->address;
		if (search->window.end > load->address + load->size)
			search->window.end = load->address + load->size;
		size = search->window.end - search->window.start;
		search->code = malloc(size);
		search->seen = calloc(size, 1);
		if (!search->code || !search->seen)
			return -ENOMEM;
		return elf_file__read(file, search->window.start, search->code, size);
	}
	return -EINVAL;
}

int allocator_range__find(const struct eh_frame *frame, const struct allocator_exports *exports,
			  __u64 *low, __u64 *high)
{
	struct search search = { .frame = frame };
	size_t i;
	int err;

	if (exports->end <= exports->first || exports->last >= exports->end)
		return -EINVAL;
	if (exports->end - exports->first > MAX_SPREAD_BYTES)
		return -EOPNOTSUPP;
	search.window = find_window(exports);
	if (search.window.start > exports->first || search.window.end < exports->end)
		return -EOPNOTSUPP;

	err = decoder__open(&search.decoder);
	if (err)
		return err;
	err = read_window(&search, exports);
	for (i = 0; !err && i < exports->nr_roots; i++)
		err = add_function(&search, exports->roots[i]);
	while (!err && search.next < search.nr_spans)
		err = follow_branches(&search, search.spans[search.next++]);
	if (err)
		goto out;

	*low = exports->first;
	*high = exports->end;
	for (i = 0; i < search.nr_spans; i++) {
		if (search.spans[i].start < *low)
			*low = search.spans[i].start;
		if (search.spans[i].end > *high)
			*high = search.spans[i].end;
	}
out:
	decoder__close(&search.decoder);
	free(search.code);
	free(search.seen);
	free(search.spans);
	return err;
}
