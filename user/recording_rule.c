/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profile.h"
#include "recording_rule.h"

struct recording_rule {
	Recording__Rule message;
	Recording__NamedValue reasons[NR_RULE_REASONS], *reason_list[NR_RULE_REASONS];
	Recording__RuleMove *moves, **move_list;
	Recording__RulePoint *points, **point_list;
};

/* Fields with the same name and meaning on both sides. */
#define EACH_FOLLOWED(COPY)                                                                        \
	COPY(moves)                                                                                \
	COPY(judged)                                                                               \
	COPY(agree)                                                                                \
	COPY(unexplained)                                                                          \
	COPY(undecided)                                                                            \
	COPY(largest_not_mapped)                                                                   \
	COPY(smallest_mapped)                                                                      \
	COPY(crossings)                                                                            \
	COPY(mapped)                                                                               \
	COPY(mapped_largest)                                                                       \
	COPY(mapped_live)                                                                          \
	COPY(mapped_peak)                                                                          \
	COPY(mapped_released)                                                                      \
	COPY(brk_growths)                                                                          \
	COPY(brk_trims)
#define EACH_OF_STATE(COPY)                                                                        \
	COPY(low)                                                                                  \
	COPY(high)                                                                                 \
	COPY(trim_threshold)                                                                       \
	COPY(top_pad)                                                                              \
	COPY(maps_max)                                                                             \
	COPY(maps)                                                                                 \
	COPY(pins)                                                                                 \
	COPY(origin)
#define EACH_BESIDE(COPY)                                                                          \
	COPY(heap_peak)                                                                            \
	COPY(is_glibc)                                                                             \
	COPY(is_read)                                                                              \
	COPY(read_threshold)                                                                       \
	COPY(read_trim_threshold)                                                                  \
	COPY(read_is_pinned)                                                                       \
	COPY(resident_anon)
#define EACH_OF_MOVE(COPY)                                                                         \
	COPY(t_ns)                                                                                 \
	COPY(done_ns)                                                                              \
	COPY(low)                                                                                  \
	COPY(high)                                                                                 \
	COPY(from)                                                                                 \
	COPY(to)                                                                                   \
	COPY(caller)                                                                               \
	COPY(stack)                                                                                \
	COPY(by)

static void rule__fill_lists(struct recording_rule *made, const struct profile_rule *rule)
{
	Recording__Rule *message = &made->message;

	for (int i = 0; i < NR_RULE_REASONS; i++) {
		recording__named_value__init(&made->reasons[i]);
		made->reasons[i].name = (char *)rule_reason__name(i);
		made->reasons[i].value = rule->followed.disagree[i];
		made->reason_list[i] = &made->reasons[i];
	}
	for (size_t i = 0; i < rule->nr_moves; i++) {
		Recording__RuleMove *into = made->move_list[i] = &made->moves[i];
		const struct profile_move *move = &rule->moves[i];

		recording__rule_move__init(into);
#define COPY_OUT(field) into->field = move->field;
		EACH_OF_MOVE(COPY_OUT)
#undef COPY_OUT
		into->place.data = (unsigned char *)move->place;
		into->place.len = move->place ? strlen(move->place) : 0;
	}
	for (size_t i = 0; i < rule->nr_points; i++) {
		Recording__RulePoint *into = made->point_list[i] = &made->points[i];
		const struct profile_point *point = &rule->points[i];

		recording__rule_point__init(into);
		into->t_ns = point->t_ns;
		into->size = point->size;
		into->threshold = point->threshold;
		into->weight = point->weight;
		into->path = point->path;
	}
	message->disagree = made->reason_list;
	message->n_disagree = NR_RULE_REASONS;
	message->move = made->move_list;
	message->n_move = rule->nr_moves;
	message->point = made->point_list;
	message->n_point = rule->nr_points;
}

struct recording_rule *recording_rule__make(const struct profile_rule *rule)
{
	struct recording_rule *made = calloc(1, sizeof(*made));
	Recording__Rule *message;

	if (!made)
		return NULL;
	made->moves = calloc(rule->nr_moves + 1, sizeof(*made->moves));
	made->move_list = calloc(rule->nr_moves + 1, sizeof(*made->move_list));
	made->points = calloc(rule->nr_points + 1, sizeof(*made->points));
	made->point_list = calloc(rule->nr_points + 1, sizeof(*made->point_list));
	if (!made->moves || !made->move_list || !made->points || !made->point_list) {
		recording_rule__free(made);
		return NULL;
	}
	message = &made->message;
	recording__rule__init(message);
#define COPY_OUT(field) message->field = rule->followed.field;
	EACH_FOLLOWED(COPY_OUT)
#undef COPY_OUT
#define COPY_OUT(field) message->field = rule->followed.state.field;
	EACH_OF_STATE(COPY_OUT)
#undef COPY_OUT
#define COPY_OUT(field) message->field = rule->field;
	EACH_BESIDE(COPY_OUT)
#undef COPY_OUT
	rule__fill_lists(made, rule);
	return made;
}

Recording__Rule *recording_rule__message(struct recording_rule *rule)
{
	return &rule->message;
}

void recording_rule__free(struct recording_rule *rule)
{
	if (!rule)
		return;
	free(rule->moves);
	free(rule->move_list);
	free(rule->points);
	free(rule->point_list);
	free(rule);
}

static int rule__parse_lists(struct recording_parse *parse, const Recording__Rule *from,
			     struct profile_rule *rule)
{
	for (size_t i = 0; i < from->n_disagree; i++)
		for (int reason = 0; reason < NR_RULE_REASONS; reason++)
			if (strcmp(from->disagree[i]->name, rule_reason__name(reason)) == 0)
				rule->followed.disagree[reason] = from->disagree[i]->value;
	rule->moves = recording_parse__room(parse, from->n_move, sizeof(*rule->moves));
	rule->points = recording_parse__room(parse, from->n_point, sizeof(*rule->points));
	if (!rule->moves || !rule->points)
		return -ENOMEM;
	for (size_t i = 0; i < from->n_move; i++) {
		const Recording__RuleMove *move = from->move[i];
		struct profile_move *into = &rule->moves[rule->nr_moves++];

		if (move->stack > parse->profile.nr_stacks)
			return -EINVAL;
#define COPY_IN(field) into->field = move->field;
		EACH_OF_MOVE(COPY_IN)
#undef COPY_IN
		if (!move->place.len)
			continue;
		into->place = recording_parse__room(parse, move->place.len, 1);
		if (!into->place)
			return -ENOMEM;
		memcpy(into->place, move->place.data, move->place.len);
	}
	for (size_t i = 0; i < from->n_point; i++) {
		const Recording__RulePoint *point = from->point[i];

		if (point->path >= NR_PATHS)
			return -EINVAL;
		rule->points[rule->nr_points++] = (struct profile_point){
			.t_ns = point->t_ns,
			.size = point->size,
			.threshold = point->threshold,
			.weight = point->weight,
			.path = point->path,
		};
	}
	return 0;
}

int recording_rule__parse(struct recording_parse *parse, const Recording__Rule *from,
			  struct profile_rule **made)
{
	struct profile_rule *rule = recording_parse__room(parse, 0, sizeof(*rule));

	if (!rule)
		return -ENOMEM;
	*made = rule;
#define COPY_IN(field) rule->followed.field = from->field;
	EACH_FOLLOWED(COPY_IN)
#undef COPY_IN
#define COPY_IN(field) rule->followed.state.field = from->field;
	EACH_OF_STATE(COPY_IN)
#undef COPY_IN
#define COPY_IN(field) rule->field = from->field;
	EACH_BESIDE(COPY_IN)
#undef COPY_IN
	if (rule->followed.state.origin >= NR_RULE_ORIGINS)
		return -EINVAL;
	return rule__parse_lists(parse, from, rule);
}
