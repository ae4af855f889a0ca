/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The scatter of "allocpath threshold -o FILE.svg": each judged request by its time and size, both
 * to scale (sizes by powers of two), coloured by its path, and the threshold's line through them.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "report_threshold.h"
#include "text.h"
#include "threshold.h"

#define WIDTH 960
#define HEIGHT 540
#define LEFT 84
#define RIGHT 36
#define TOP 78
#define BOTTOM 56
#define TICKS 8 /* at most */
#define VERDICT_CHARACTERS 120 /* that fit a line */

/* By the light or the dark that the reader prefers. */
static const char style[] =
	"<style>svg{background:#fff;fill:#222}.grid{stroke:#e3e3e3}.quiet{fill:#666}"
	".pool{fill:#888}.arena{fill:#7b4fa3}.brk{fill:#1f77b4}.mmap{fill:#d95f02}"
	".remap{fill:#2a9d57}circle{fill-opacity:.55}.key{fill-opacity:1}"
	".line{fill:none;stroke:#111;stroke-width:2}"
	"@media(prefers-color-scheme:dark){svg{background:#16181c;fill:#e4e6ea}"
	".grid{stroke:#33373d}.quiet{fill:#9aa0a8}.arena{fill:#b48be0}.brk{fill:#5aaeea}"
	".mmap{fill:#ff9a4d}.remap{fill:#4fd08a}.line{stroke:#fff}circle{fill-opacity:.8}}</style>\n";

struct drawing {
	FILE *out;
	const struct threshold *threshold;
	const struct profile_rule *rule;
	double duration_s;
	double low, high; /* log2 of sizes */
	__u64 of_path[NR_PATHS]; /* points */
};

static double drawing__x(const struct drawing *drawing, double seconds)
{
	return LEFT + seconds / drawing->duration_s * (WIDTH - LEFT - RIGHT);
}

static double drawing__y(const struct drawing *drawing, double size)
{
	double at = (log2(size < 1 ? 1 : size) - drawing->low) / (drawing->high - drawing->low);

	return HEIGHT - BOTTOM - at * (HEIGHT - TOP - BOTTOM);
}

static void drawing__fit(struct drawing *drawing)
{
	double low = 15, high = 19;

	for (size_t i = 0; i < drawing->rule->nr_points; i++) {
		double size = log2((double)drawing->rule->points[i].size + 1);

		low = fmin(low, floor(size));
		high = fmax(high, ceil(size + 0.2));
	}
	if (drawing->threshold->is_predicted && drawing->threshold->predicted)
		high = fmax(high, ceil(log2((double)drawing->threshold->predicted) + 0.2));
	drawing->low = low;
	drawing->high = fmin(high, 63);
}

/* 1, 2 or 5 times a power of ten, so that at most TICKS fit. */
static double drawing__step(const struct drawing *drawing)
{
	double step = pow(10, floor(log10(drawing->duration_s / TICKS)));

	if (drawing->duration_s / step > 5 * TICKS)
		return 10 * step;
	if (drawing->duration_s / step > 2 * TICKS)
		return 5 * step;
	return drawing->duration_s / step > TICKS ? 2 * step : step;
}

static void drawing__axes(const struct drawing *drawing)
{
	int step = drawing->high - drawing->low > 16 ? 2 : 1;
	double seconds = drawing__step(drawing);
	FILE *out = drawing->out;
	char text[TEXT_CELL];

	for (int power = (int)drawing->low; power <= (int)drawing->high; power += step) {
		double y = drawing__y(drawing, pow(2, power));

		fprintf(out, "<line class='grid' x1='%d' y1='%.1f' x2='%d' y2='%.1f'/>\n", LEFT, y,
			WIDTH - RIGHT, y);
		fprintf(out, "<text x='%d' y='%.1f' text-anchor='end'>%s</text>\n", LEFT - 8, y + 4,
			text__bytes(text, sizeof(text), 1ULL << power));
	}
	for (int i = 0; i <= TICKS && i * seconds <= drawing->duration_s; i++) {
		double x = drawing__x(drawing, i * seconds);

		fprintf(out, "<line class='grid' x1='%.1f' y1='%d' x2='%.1f' y2='%d'/>\n", x,
			HEIGHT - BOTTOM, x, HEIGHT - BOTTOM + 5);
		if (i && seconds >= 1)
			snprintf(text, sizeof(text), "%.0f s", i * seconds);
		else if (i && seconds >= 1e-3)
			snprintf(text, sizeof(text), "%.0f ms", i * seconds * 1e3);
		else
			snprintf(text, sizeof(text), i ? "%.0f us" : "0", i * seconds * 1e6);
		fprintf(out, "<text x='%.1f' y='%d' text-anchor='middle'>%s</text>\n", x,
			HEIGHT - BOTTOM + 20, text);
	}
	fprintf(out,
		"<text class='quiet' x='%d' y='%d' text-anchor='middle'>time since the start of "
		"the run</text>\n",
		(LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12);
}

/* An SVG is XML: of names only what needs no escape stays. */
static void drawing__name(const char *name, char *text, size_t size)
{
	snprintf(text, size, "%s", name);
	text__clean(text);
	for (char *at = text; *at; at++)
		if (strchr("<>&'\"", *at))
			*at = '?';
}

static void drawing__head(const struct drawing *drawing, __u64 nr_drawn, __u64 nr_judged)
{
	const struct profile_process *process = drawing->threshold->process;
	char name[MAX_COMM + 1], verdict[THRESHOLD_TEXT];
	FILE *out = drawing->out;
	int x = LEFT;

	drawing__name(process->comm, name, sizeof(name));
	drawing__name(drawing->threshold->verdict, verdict, sizeof(verdict));
	if (strlen(verdict) > VERDICT_CHARACTERS)
		memcpy(verdict + VERDICT_CHARACTERS - 3, "...", 4);
	fprintf(out,
		"<svg xmlns='http://www.w3.org/2000/svg' width='100%%' height='100%%' "
		"viewBox='0 0 %d %d' font-family='sans-serif' font-size='12'>\n%s",
		WIDTH, HEIGHT, style);
	fprintf(out,
		"<text x='%d' y='24' font-size='16'>%u %s: requests that made a kernel call"
		"</text>\n",
		LEFT, process->pid, name);
	fprintf(out, "<text x='%d' y='43'>threshold %s</text>\n", LEFT, verdict);
	for (int path = PATH_ARENA; path < NR_PATHS; path++) {
		if (!drawing->of_path[path])
			continue;
		fprintf(out,
			"<circle class='%s key' cx='%d' cy='59' r='4'/>"
			"<text x='%d' y='63'>%s</text>\n",
			path__name(path), x + 4, x + 13, path__name(path));
		x += 66;
	}
	fprintf(out,
		"<line class='line' x1='%d' y1='59' x2='%d' y2='59'/>"
		"<text x='%d' y='63'>threshold</text>\n",
		x, x + 22, x + 28);
	fprintf(out,
		"<text class='quiet' x='%d' y='63' text-anchor='end'>%llu of %llu requests "
		"drawn%s</text>\n",
		WIDTH - RIGHT, nr_drawn, nr_judged,
		nr_drawn < nr_judged ? ": all of the first 512, then ever fewer" : "");
}

/* The most frequent path first: what is rare lies above it. */
static void drawing__points(struct drawing *drawing)
{
	const struct profile_rule *rule = drawing->rule;
	bool drawn[NR_PATHS] = {};

	for (int turn = 0; turn < NR_PATHS; turn++) {
		int next = -1;

		for (int path = 0; path < NR_PATHS; path++)
			if (!drawn[path] &&
			    (next < 0 || drawing->of_path[path] > drawing->of_path[next]))
				next = path;
		drawn[next] = true;
		for (size_t i = 0; i < rule->nr_points; i++) {
			const struct profile_point *point = &rule->points[i];

			if (point->path != (__u32)next)
				continue;
			fprintf(drawing->out, "<circle class='%s' cx='%.1f' cy='%.1f' r='2.5'/>\n",
				path__name(next), drawing__x(drawing, (double)point->t_ns / 1e9),
				drawing__y(drawing, (double)point->size));
		}
	}
}

/* Below the points. Chunks are 8 to 23 bytes longer than requests, less than the line is wide. */
static void drawing__threshold(const struct drawing *drawing)
{
	const struct profile_rule *rule = drawing->rule;
	__u64 at = rule->nr_moves && rule->moves[0].from ? rule->moves[0].from :
							   drawing->threshold->predicted;
	FILE *out = drawing->out;

	if (!drawing->threshold->is_predicted || !at)
		return;
	fprintf(out, "<path class='line' d='M%d %.1f", LEFT, drawing__y(drawing, (double)at));
	for (size_t i = 0; i < rule->nr_moves; i++)
		if (rule->moves[i].to)
			fprintf(out, " H%.1f V%.1f",
				drawing__x(drawing, (double)rule->moves[i].t_ns / 1e9),
				drawing__y(drawing, (double)rule->moves[i].to));
	fprintf(out, " H%d'/>\n", WIDTH - RIGHT);
}

static const struct threshold *find_most_judged(const struct threshold *all, size_t nr)
{
	const struct threshold *found = NULL;

	for (size_t i = 0; i < nr; i++)
		if (all[i].rule && all[i].rule->is_glibc &&
		    (!found || all[i].rule->nr_points > found->rule->nr_points))
			found = &all[i];
	return found;
}

int report_threshold__write_svg(FILE *out, const struct profile *profile)
{
	struct threshold *all = threshold__all(profile);
	struct drawing drawing = { .out = out };
	const struct profile_rule *rule;

	if (!all)
		return -ENOMEM;
	drawing.threshold = find_most_judged(all, profile->nr_processes);
	if (!drawing.threshold || profile->depth != DEPTH_FULL) {
		fputs("<svg xmlns='http://www.w3.org/2000/svg' width='640' height='40'><text x='10' "
		      "y='24'>no process with glibc was followed: use --probes full</text></svg>\n",
		      out);
		free(all);
		return report__flush(out);
	}
	drawing.rule = rule = drawing.threshold->rule;
	drawing.duration_s = profile->duration_s > 0 ? profile->duration_s : 1;
	drawing__fit(&drawing);
	for (size_t i = 0; i < rule->nr_points; i++)
		if (rule->points[i].path < NR_PATHS)
			drawing.of_path[rule->points[i].path]++;
	drawing__head(&drawing, rule->nr_points, rule->followed.judged);
	drawing__axes(&drawing);
	drawing__threshold(&drawing);
	drawing__points(&drawing);
	fputs("</svg>\n", out);
	free(all);
	return report__flush(out);
}
