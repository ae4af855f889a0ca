/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report_moves.h"

#include <string.h>

#include "profile_symbols.h"
#include "report_stacks.h"
#include "text.h"

#define SHOWN_MOVES 5
#define SHOWN_CALLERS 4
#define CALLERS_TEXT 256
#define MOVE_TEXT 128

/* "f < g < h": who called it, the innermost first; else its caller alone. */
static int write_callers(char *text, size_t size, const struct profile *profile,
			 const struct profile_process *process, const struct profile_move *move,
			 struct symbols *symbols)
{
	const struct profile_stack *stack;
	size_t used = 0;
	__u32 shown = 0;
	int error = 0;

	snprintf(text, size, "%s", move->place ? move->place : "a place not known");
	if (!move->stack || move->stack > profile->nr_stacks)
		return 0;
	stack = &profile->stacks[move->stack - 1];
	/* The first frame is free or mallopt itself. */
	for (__u32 i = 1; !error && i < stack->nr_frames && shown < SHOWN_CALLERS; i++) {
		const struct profile_frame *frame = &profile->frames[stack->first_frame + i];
		struct frame_names names;
		char place[128];

		error = profile_symbols__find(symbols, profile, process, frame, &names);
		profile_symbols__place(profile, frame, place, sizeof(place));
		place[strcspn(place, " ")] = 0; /* the build id stands in the stack */
		for (size_t j = 0; j <= names.nr_frames && shown < SHOWN_CALLERS; j++) {
			const char *name = j < names.nr_frames ? names.frames[j].function : NULL;

			/* A place only where nothing has a name. */
			if (j == names.nr_frames && !(j && names.frames[j - 1].function))
				name = place;
			if (!name || used >= size)
				continue;
			used += (size_t)snprintf(text + used, size - used, "%s%s",
						 used ? " < " : "", name);
			shown++;
		}
	}
	return error;
}

/* A mallopt that leaves the threshold where it is. */
static bool is_pin(const struct profile_move *move)
{
	return move->by && move->by != RULE_PIN_THRESHOLD;
}

static const char *write_way(char *text, size_t size, const struct profile_move *move)
{
	if (is_pin(move) && !move->from)
		snprintf(text, size, "pinned where it was");
	else if (is_pin(move))
		snprintf(text, size, "pinned at %llu", move->from);
	else if (move->from)
		snprintf(text, size, "from %llu to %llu", move->from, move->to);
	else
		snprintf(text, size, "to %llu", move->to);
	return text;
}

static const char *write_call(char *text, size_t size, const struct profile_move *move)
{
	const char *parameter = rule_pin__parameter(move->by);

	if (parameter)
		snprintf(text, size, "mallopt(%s)", parameter);
	else
		snprintf(text, size, "a free");
	return text;
}

/* Empty where it is known what it led to. */
static const char *write_doubt(char *text, size_t size, const struct profile_move *move)
{
	*text = 0;
	if (move->done_ns && move->low < move->high && move->high != ~0ULL)
		snprintf(text, size, "; beside others, to what lies from %llu to %llu", move->low,
			 move->high);
	return text;
}

int report_moves__write(FILE *out, const struct profile *profile,
			const struct profile_process *process, unsigned int width, bool verbose,
			struct symbols *symbols)
{
	const struct profile_rule *rule = process->rule;
	size_t shown = verbose ? rule->nr_moves : SHOWN_MOVES;
	char callers[CALLERS_TEXT], way[MOVE_TEXT], call[MOVE_TEXT], doubt[MOVE_TEXT];
	int error = 0;

	for (size_t i = 0; !error && i < rule->nr_moves && i < shown; i++) {
		const struct profile_move *move = &rule->moves[i];

		error = write_callers(callers, sizeof(callers), profile, process, move, symbols);
		text__item(out, width, i ? "" : "moves", "at %.6f s %s, by %s %s %s%s",
			   (double)move->t_ns / 1e9, write_way(way, sizeof(way), move),
			   write_call(call, sizeof(call), move), move->stack ? "from" : "at",
			   callers, write_doubt(doubt, sizeof(doubt), move));
		if (!error && verbose && move->stack)
			error = report_stack__write(out, profile, process, move->stack, symbols);
	}
	if (rule->followed.moves > shown && rule->nr_moves)
		text__item(out, width, "", "and %llu more", rule->followed.moves - shown);
	return error;
}

int report_moves__write_json(struct json *json, const struct profile *profile,
			     const struct profile_process *process, bool is_followed,
			     struct symbols *symbols)
{
	const struct profile_rule *rule = is_followed ? process->rule : NULL;
	int error = 0;

	json__begin_array(json, "moves");
	for (size_t i = 0; !error && rule && i < rule->nr_moves; i++) {
		const struct profile_move *move = &rule->moves[i];

		json__begin_object(json, NULL);
		json__u64(json, "t_ns", move->t_ns);
		json__u64_or_null(json, "done_ns", move->done_ns, move->done_ns);
		json__string(json, "by", move->by ? "mallopt" : "free");
		json__string(json, "parameter", rule_pin__parameter(move->by));
		json__u64_or_null(json, "from", move->from, move->from);
		json__u64_or_null(json, "to", move->from || !is_pin(move), move->to);
		json__u64_or_null(json, "low", move->done_ns, move->low);
		json__u64_or_null(json, "high", move->done_ns && move->high != ~0ULL, move->high);
		json__string(json, "caller", move->place);
		error = report_stack__write_json(json, "stack", profile, process, move->stack,
						 symbols);
		json__end_object(json);
	}
	json__end_array(json);
	json__u64(json, "nr_moves", rule ? rule->followed.moves : 0);
	return error;
}

bool report_moves__want_symbols(const struct profile *profile)
{
	for (size_t i = 0; i < profile->nr_processes; i++) {
		const struct profile_rule *rule = profile->processes[i].rule;

		for (size_t j = 0; rule && j < rule->nr_moves; j++)
			if (rule->moves[j].stack)
				return true;
	}
	return false;
}
