/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>
#include <string.h>

#include "flame_svg.h"
#include "report_diff.h"
#include "text.h"

struct diff_changes {
	struct flame_changes changes;
	const struct diff *diff;
	const struct diff_style *style;
};

/* Change over the larger of both: from here on it is the next step. */
static const double step_from[FLAME_CHANGE_STEPS] = { 0, 0.05, 0.2, 0.5 };
static const char *const step_names[FLAME_CHANGE_STEPS] = { " up to 5 %", " 5 to 20 %",
							    " 20 to 50 %", " over 50 %" };

static int change__step(const struct flame_changes *changes, __u32 node)
{
	const struct diff_changes *of = (const struct diff_changes *)changes;
	const struct difference *difference = &of->diff->nodes[node];
	double larger = fmax(difference->sides[SIDE_A].value, difference->sides[SIDE_B].value);
	int step = 0;

	if (difference->verdict != VERDICT_SIGNIFICANT)
		return 0;
	while (step < FLAME_CHANGE_STEPS && fabs(difference->change) >= larger * step_from[step])
		step++;
	return difference->change < 0 ? -step : step;
}

static void change__tell(const struct flame_changes *changes, __u32 node, char *text, size_t size)
{
	const struct diff_changes *of = (const struct diff_changes *)changes;
	const struct difference *difference = &of->diff->nodes[node];
	char a[TEXT_CELL], b[TEXT_CELL], change[TEXT_CELL], share[TEXT_CELL],
		interval[TEXT_CELL * 2];

	report_diff__share(share, sizeof(share), difference);
	report_diff__interval(interval, sizeof(interval), of->diff, of->style, difference);
	snprintf(text, size, "A %s, B %s: %s (%s); %s%s",
		 report_diff__value(a, sizeof(a), of->diff, of->style,
				    difference->sides[SIDE_A].value, false),
		 report_diff__value(b, sizeof(b), of->diff, of->style,
				    difference->sides[SIDE_B].value, false),
		 report_diff__value(change, sizeof(change), of->diff, of->style, difference->change,
				    true),
		 share, interval, difference->verdict == VERDICT_NOISE ? ", not significant" : "");
}

int report_diff__write_svg(FILE *out, const struct diff *diff, const struct diff_style *style)
{
	const struct diff_changes changes = {
		.changes = { .step = change__step, .tell = change__tell, .steps = step_names },
		.diff = diff,
		.style = style,
	};
	char title[512], subtitle[512], a[TEXT_CELL], b[TEXT_CELL], change[TEXT_CELL],
		share[TEXT_CELL];
	const struct difference *whole = &diff->nodes[0];
	const struct flame_picture picture = {
		.title = title,
		.subtitle = subtitle,
		.changes = &changes.changes,
		.is_bytes = flame_value__is_bytes(diff->settings.by),
		.min_width = style->min_width,
	};

	snprintf(title, sizeof(title), "%s against %s: %s", text__base_name(style->names[SIDE_B]),
		 text__base_name(style->names[SIDE_A]), flame_value__title(diff->settings.by));
	report_diff__share(share, sizeof(share), whole);
	snprintf(subtitle, sizeof(subtitle), "A %s, B %s: %s (%s); width: both together",
		 report_diff__value(a, sizeof(a), diff, style, whole->sides[SIDE_A].value, false),
		 report_diff__value(b, sizeof(b), diff, style, whole->sides[SIDE_B].value, false),
		 report_diff__value(change, sizeof(change), diff, style, whole->change, true),
		 share);
	return flame_svg__write(out, &diff->tree, &picture);
}
