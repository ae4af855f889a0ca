/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report_moves.h"

#include <string.h>

#include "profile_symbols.h"
#include "report_stacks.h"
#include "text.h"

#define SHOWN_MOVES 5
#define SHOWN_CALLERS 4
#define CALLERS_TEXT 256

/* "f < g < h": who called free, the innermost first; else its caller alone. */
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
	/* The first frame is free itself. */
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

int report_moves__write(FILE *out, const struct profile *profile,
			const struct profile_process *process, unsigned int width, bool verbose,
			struct symbols *symbols)
{
	const struct profile_rule *rule = process->rule;
	size_t shown = verbose ? rule->nr_moves : SHOWN_MOVES;
	char callers[CALLERS_TEXT];
	int error = 0;

	for (size_t i = 0; !error && i < rule->nr_moves && i < shown; i++) {
		const struct profile_move *move = &rule->moves[i];

		error = write_callers(callers, sizeof(callers), profile, process, move, symbols);
		text__item(out, width, i ? "" : "moves",
			   "at %.6f s from %llu to %llu, by a free %s %s", (double)move->t_ns / 1e9,
			   move->from, move->to, move->stack ? "from" : "at", callers);
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
		json__u64(json, "from", move->from);
		json__u64(json, "to", move->to);
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
