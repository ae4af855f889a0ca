/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>

#include "json.h"
#include "report_diff.h"
#include "size_class.h"

static void write_recording(struct json *json, const struct diff *diff,
			    const struct diff_style *style, enum side side)
{
	const struct profile *profile = diff->profiles[side];

	json__begin_object(json, side == SIDE_A ? "a" : "b");
	json__string(json, "file", style->names[side]);
	json__double(json, "duration_s", profile->duration_s);
	json__string(json, "probes", probe_depth__name(profile->depth));
	json__bool(json, "has_stacks", profile->has_stacks);
	json__u64(json, "sample_bytes", profile->sample_bytes);
	json__end_object(json);
}

/* low and high are null where nothing is known. */
static void write_difference(struct json *json, const struct difference *difference)
{
	json__double(json, "a", difference->sides[SIDE_A].value);
	json__double(json, "b", difference->sides[SIDE_B].value);
	json__double(json, "events_a", difference->sides[SIDE_A].events);
	json__double(json, "events_b", difference->sides[SIDE_B].events);
	json__double(json, "change", difference->change);
	json__double(json, "low", difference->change - difference->margin);
	json__double(json, "high", difference->change + difference->margin);
	json__bool(json, "exact", !difference->is_sampled);
	json__string(json, "verdict", verdict__name(difference->verdict));
}

static void write_row(struct json *json, const struct diff *diff, const struct diff_row *row)
{
	const struct flame_tree *tree = &diff->tree;

	json__begin_object(json, NULL);
	json__string(json, "kind", diff_kind__name(row->kind));
	json__string(json, "process", row->process);
	if (row->kind == DIFF_PATH)
		json__string(json, "path", path__name(row->number));
	if (row->kind == DIFF_CLASS) {
		json__u64(json, "min", size_class__min(row->number));
		json__u64(json, "max", size_class__max(row->number));
	}
	if (row->kind == DIFF_STACK) {
		json__begin_array(json, "frames"); /* the innermost first */
		for (__u32 node = row->number; tree->nodes[node].depth > 1;
		     node = tree->nodes[node].parent)
			json__string(json, NULL, flame_tree__frame_of(tree, node)->name);
		json__end_array(json);
	}
	write_difference(json, &row->difference);
	json__end_object(json);
}

int report_diff__write_json(FILE *out, const struct diff *diff, const struct diff_style *style)
{
	struct json json = { .out = out };

	json__begin_object(&json, NULL);
	json__u64(&json, "schema", 1);
	json__string(&json, "tool", "allocpath");
	json__string(&json, "by", flame_value__name(diff->settings.by));
	json__bool(&json, "per_second", style->per_second);
	write_recording(&json, diff, style, SIDE_A);
	write_recording(&json, diff, style, SIDE_B);
	json__begin_object(&json, "total");
	write_difference(&json, &diff->whole);
	json__end_object(&json);
	json__double(&json, "deviations", diff->deviations);
	json__begin_array(&json, "rows");
	for (size_t i = 0; i < diff->nr_rows; i++)
		write_row(&json, diff, &diff->rows[i]);
	json__end_array(&json);
	json__end_object(&json);
	putc('\n', out);
	return ferror(out) ? -EIO : 0;
}
