/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profile_symbols.h"
#include "report_sampling.h"
#include "report_stacks.h"
#include "text.h"

static const char *const status_names[NR_STACK_STATUSES] = {
	[STACK_COMPLETE] = "complete",	     [STACK_TOO_DEEP] = "too_deep",
	[STACK_NO_MAPPING] = "no_mapping",   [STACK_NO_TABLE] = "no_table",
	[STACK_NO_RULE] = "no_rule",	     [STACK_ANONYMOUS] = "anonymous",
	[STACK_UNSUPPORTED] = "unsupported", [STACK_UNREADABLE] = "unreadable",
	[STACK_BAD_FRAME] = "bad_frame",     [STACK_RACE] = "race",
};

const char *stack_status__name(enum stack_status status)
{
	return status < NR_STACK_STATUSES ? status_names[status] : "?";
}

/* Events of one kind from one stack, whatever their size and path. */
struct stack_sum {
	__u32 stack;
	__u64 count, bytes, samples;
};

static int stack_sum__compare(const void *left, const void *right)
{
	const struct stack_sum *a = left, *b = right;

	if (a->bytes != b->bytes)
		return a->bytes > b->bytes ? -1 : 1;
	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	return (a->stack > b->stack) - (a->stack < b->stack);
}

/* A line for each function: what was inlined stands above what it was inlined into. */
static void write_frame(FILE *out, const struct profile *profile, const struct profile_frame *frame,
			const struct frame_names *names)
{
	char place[512];

	for (size_t i = 0; i < names->nr_frames; i++) {
		const struct symbol_frame *name = &names->frames[i];

		if (!name->function)
			continue;
		fprintf(out, "      %s", name->function);
		if (name->file)
			fprintf(out, " (%s:%u)", name->file, name->line);
		fputs(name->inlined ? " [inlined]\n" : "\n", out);
	}
	if (names->nr_frames && names->frames[names->nr_frames - 1].function)
		return;
	profile_symbols__place(profile, frame, place, sizeof(place));
	text__clean(place);
	fprintf(out, "      %s\n", place);
}

int report_stack__write(FILE *out, const struct profile *profile,
			const struct profile_process *process, __u32 number,
			struct symbols *symbols)
{
	const struct profile_stack *stack;
	int err = 0;

	if (!number || number > profile->nr_stacks) {
		fputs("      [stack not kept]\n", out);
		return 0;
	}
	stack = &profile->stacks[number - 1];
	for (__u32 i = 0; !err && i < stack->nr_frames; i++) {
		const struct profile_frame *frame = &profile->frames[stack->first_frame + i];
		struct frame_names names;

		err = profile_symbols__find(symbols, profile, process, frame, &names);
		write_frame(out, profile, frame, &names);
	}
	if (STACK_STATUS(stack->status) != STACK_COMPLETE)
		fprintf(out, "      [truncated: %s]\n",
			stack_status__name(STACK_STATUS(stack->status)));
	if (stack->status & STACK_HEURISTIC)
		fputs("      [in part by frame pointer alone]\n", out);
	return err;
}

static int write_stack(FILE *out, const struct profile *profile,
		       const struct profile_process *process, const struct stack_sum *sum,
		       struct symbols *symbols)
{
	char bytes[TEXT_CELL], count[TEXT_CELL];

	text__bytes(bytes, sizeof(bytes), sum->bytes);
	text__count(count, sizeof(count), sum->count, false);
	fprintf(out, "    %s in %s requests%s\n", bytes, count,
		profile->sample_bytes ? " (estimated)" : "");
	return report_stack__write(out, profile, process, sum->stack, symbols);
}

/* By bytes, the largest first. The array is the caller's to free; NULL: no memory. */
static struct stack_sum *stack_sums__make(const struct profile_process *process,
					  const struct profile *profile, enum sample_kind kind,
					  size_t *nr)
{
	struct stack_sum *sums = calloc(process->nr_samples + 1, sizeof(*sums));

	*nr = 0;
	for (size_t i = 0; sums && i < process->nr_samples; i++) {
		const struct profile_sample *sample = &process->samples[i];

		if (sample->kind != kind || sample->stack > profile->nr_stacks)
			continue;
		if (!*nr || sums[*nr - 1].stack != sample->stack)
			sums[(*nr)++].stack = sample->stack;
		sums[*nr - 1].count += sample->count;
		sums[*nr - 1].bytes += sample->bytes;
		sums[*nr - 1].samples += sample->samples;
	}
	if (*nr)
		qsort(sums, *nr, sizeof(*sums), stack_sum__compare);
	return sums;
}

int report_stacks__write(FILE *out, const struct profile_process *process,
			 const struct profile *profile, const struct stack_style *style)
{
	unsigned int top = style->top;
	struct stack_sum *sums;
	int err = 0;
	size_t nr;

	if (!top || !process->nr_samples)
		return 0;
	sums = stack_sums__make(process, profile, SAMPLE_REQUEST, &nr);
	if (!sums)
		return -ENOMEM;
	if (nr)
		fprintf(out, "\n  stacks: the first %zu of %zu by bytes, innermost frame first\n",
			nr < top ? nr : (size_t)top, nr);
	for (size_t i = 0; !err && i < nr && i < top; i++)
		err = write_stack(out, profile, process, &sums[i], style->symbols);
	free(sums);
	return err;
}

/* How the stacks that were taken have ended. */
struct stack_ends {
	__u64 seen, kept, heuristic;
	__u64 count, bytes; /* that they stand for */
	__u64 of_status[NR_STACK_STATUSES];
};

static void stack_ends__add(struct stack_ends *ends, const struct profile *profile,
			    const struct profile_sample *sample)
{
	__u8 status;

	ends->seen += sample->samples;
	ends->count += sample->count;
	ends->bytes += sample->bytes;
	if (!sample->stack || sample->stack > profile->nr_stacks)
		return;
	status = profile->stacks[sample->stack - 1].status;
	ends->kept += sample->samples;
	if (status & STACK_HEURISTIC)
		ends->heuristic += sample->samples;
	if (STACK_STATUS(status) < NR_STACK_STATUSES)
		ends->of_status[STACK_STATUS(status)] += sample->samples;
}

static void write_ends(struct json *json, const struct stack_ends *ends)
{
	json__u64(json, "seen", ends->seen);
	json__u64(json, "count", ends->count);
	json__u64(json, "bytes", ends->bytes);
	json__u64(json, "complete", ends->of_status[STACK_COMPLETE]);
	json__u64(json, "heuristic", ends->heuristic);
	json__u64(json, "not_kept", ends->seen - ends->kept);
	json__begin_object(json, "truncated");
	for (int status = STACK_COMPLETE + 1; status < NR_STACK_STATUSES; status++)
		if (ends->of_status[status])
			json__u64(json, status_names[status], ends->of_status[status]);
	json__end_object(json);
}

/* "functions": what it is called, innermost first; empty where it has no name. */
static void write_json_frame(struct json *json, const struct profile *profile,
			     const struct profile_frame *frame, const struct frame_names *names)
{
	bool known = frame->object && frame->object <= profile->nr_objects;

	json__begin_object(json, NULL);
	json__string(json, "file", known ? profile->objects[frame->object - 1].path : NULL);
	json__string(json, "build_id", known ? profile->objects[frame->object - 1].build_id : NULL);
	json__u64(json, "offset", frame->offset);
	json__begin_array(json, "functions");
	for (size_t i = 0; i < names->nr_frames; i++) {
		const struct symbol_frame *name = &names->frames[i];

		if (!name->function)
			continue;
		json__begin_object(json, NULL);
		json__string(json, "name", name->function);
		json__string(json, "source", name->file);
		json__u64(json, "line", name->line);
		json__bool(json, "inlined", name->inlined);
		json__end_object(json);
	}
	json__end_array(json);
	json__end_object(json);
}

int report_stack__write_json(struct json *json, const char *frames, const struct profile *profile,
			     const struct profile_process *process, __u32 number,
			     struct symbols *symbols)
{
	const struct profile_stack *stack = NULL;
	int err = 0;

	if (number && number <= profile->nr_stacks)
		stack = &profile->stacks[number - 1];
	json__string(json, "status",
		     stack ? stack_status__name(STACK_STATUS(stack->status)) : "not_kept");
	json__bool(json, "heuristic", stack && (stack->status & STACK_HEURISTIC));
	json__begin_array(json, frames);
	for (__u32 i = 0; !err && stack && i < stack->nr_frames; i++) {
		const struct profile_frame *frame = &profile->frames[stack->first_frame + i];
		struct frame_names names;

		err = profile_symbols__find(symbols, profile, process, frame, &names);
		write_json_frame(json, profile, frame, &names);
	}
	json__end_array(json);
	return err;
}

static int write_json_stack(struct json *json, const struct profile *profile,
			    const struct profile_process *process, const struct stack_sum *sum,
			    struct symbols *symbols)
{
	int err;

	json__begin_object(json, NULL);
	json__u64(json, "samples", sum->samples);
	json__u64(json, "count", sum->count);
	json__u64(json, "bytes", sum->bytes);
	err = report_stack__write_json(json, "frames", profile, process, sum->stack, symbols);
	json__end_object(json);
	return err;
}

/* "top": those from which most bytes came. */
static int write_json_top(struct json *json, const struct profile_process *process,
			  const struct profile *profile, enum sample_kind kind,
			  const struct stack_style *style)
{
	struct stack_sum *sums;
	int err = 0;
	size_t nr;

	sums = stack_sums__make(process, profile, kind, &nr);
	if (!sums)
		return -ENOMEM;
	json__begin_array(json, "top");
	for (size_t i = 0; !err && i < nr && i < style->top; i++)
		err = write_json_stack(json, profile, process, &sums[i], style->symbols);
	json__end_array(json);
	free(sums);
	return err;
}

int report_stacks__write_json(struct json *json, const struct profile_process *process,
			      const struct profile *profile, const struct stack_style *style)
{
	struct stack_ends all = {}, of_kind[NR_TAKEN_KINDS] = {};
	int err = 0;

	if (!profile->has_stacks) {
		json__null(json, "stacks");
		return 0;
	}
	/* What is due to a request has the stack of that request. */
	for (size_t i = 0; i < process->nr_samples; i++) {
		if (process->samples[i].kind >= NR_TAKEN_KINDS)
			continue;
		stack_ends__add(&all, profile, &process->samples[i]);
		stack_ends__add(&of_kind[process->samples[i].kind], profile, &process->samples[i]);
	}
	json__begin_object(json, "stacks");
	write_ends(json, &all);
	json__begin_object(json, "kinds");
	for (int kind = 0; !err && kind < NR_TAKEN_KINDS; kind++) {
		json__begin_object(json, sample_kind__name(kind));
		write_ends(json, &of_kind[kind]);
		if (kind != SAMPLE_REQUEST)
			err = write_json_top(json, process, profile, kind, style);
		json__end_object(json);
	}
	json__end_object(json);
	if (!err)
		err = write_json_top(json, process, profile, SAMPLE_REQUEST, style);
	json__end_object(json);
	return err;
}
