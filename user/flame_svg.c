/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flame_css.h"
#include "flame_js.h"
#include "flame_svg.h"
#include "text.h"
#include "utf8.h"

#define TOP 92 /* above the frames */
#define LEVEL 18 /* height of a frame */
#define DRAWN_FOR 1176.0 /* width that labels are cut for, until the script fits them */
#define CHARACTER 7.25
#define NR_HUES 24
#define MAX_LEGEND 8
#define LEGEND_STEP 150
#define CHANGE_STEP 108

struct flame_svg {
	FILE *out;
	const struct flame_tree *tree;
	const struct flame_picture *picture;
	__u64 nr_left_out;
};

/* XML has no control characters, and only valid UTF-8: names are other people's. */
static void put_escaped(FILE *out, const char *text, size_t characters)
{
	for (const unsigned char *at = (const unsigned char *)text; *at && characters;
	     characters--) {
		size_t length = utf8__length(at);

		if (*at == '<')
			fputs("&lt;", out);
		else if (*at == '>')
			fputs("&gt;", out);
		else if (*at == '&')
			fputs("&amp;", out);
		else if (*at == '"')
			fputs("&quot;", out);
		else if (!length || *at < 0x20 || *at == 0x7f)
			putc('?', out);
		else
			fwrite(at, 1, length, out);
		at += length ? length : 1;
	}
}

static size_t count_characters(const char *text)
{
	size_t nr = 0;

	for (const unsigned char *at = (const unsigned char *)text; *at; nr++) {
		size_t length = utf8__length(at);

		at += length ? length : 1;
	}
	return nr;
}

/* A library has the same colour in every picture. */
static unsigned int frame__hue(const struct flame_frame *frame)
{
	unsigned int hash = 2166136261U;

	for (const char *at = text__base_name(frame->object); *at; at++)
		hash = (hash ^ (unsigned char)*at) * 16777619U;
	return (hash ^ hash >> 15) % NR_HUES;
}

static void put_class(const struct flame_svg *svg, __u32 node)
{
	const struct flame_frame *frame = flame_tree__frame_of(svg->tree, node);
	const struct flame_changes *changes = svg->picture->changes;
	int step = changes ? changes->step(changes, node) : 0;

	if (changes && step)
		fprintf(svg->out, "f %s%d", step > 0 ? "more" : "less", step > 0 ? step : -step);
	else if (changes)
		fputs("f same", svg->out);
	else if (frame->is_note)
		fputs("f note", svg->out);
	else if (!frame->object)
		fputs("f process", svg->out);
	else
		fprintf(svg->out, "f c%u", frame__hue(frame));
}

static unsigned int channel(double hue, double saturation, double light, double offset)
{
	double k = offset + hue / 30, a = saturation * (light < 0.5 ? light : 1 - light), part;

	while (k >= 12)
		k -= 12;
	part = k - 3 < 9 - k ? k - 3 : 9 - k;
	part = part > 1 ? 1 : part < -1 ? -1 : part;
	return (unsigned int)((light - a * part) * 255 + 0.5);
}

static void put_colour(FILE *out, double hue, double saturation, double light)
{
	fprintf(out, "#%02x%02x%02x", channel(hue, saturation, light, 0),
		channel(hue, saturation, light, 8), channel(hue, saturation, light, 4));
}

/* Neighbours of the palette differ in lightness too, for eyes that do not tell all hues. */
static void put_file_colours(FILE *out, bool dark)
{
	for (unsigned int i = 0; i < NR_HUES; i++) {
		fprintf(out, ".c%u rect{fill:", i);
		put_colour(out, i * 360.0 / NR_HUES, dark ? 0.38 : 0.62,
			   (dark ? 0.30 : 0.72) + (i % 3) * 0.05);
		fputs("}\n", out);
	}
	fprintf(out, ".process rect{fill:%s}\n.note rect{fill:%s}\n", dark ? "#3a4148" : "#d0d7de",
		dark ? "#5c2b36" : "#ffd3da");
}

/* Red is more and blue is less, the stronger the more it is; what is not significant is grey. */
static void put_change_colours(FILE *out, bool dark)
{
	fprintf(out, ".same rect{fill:%s}\n", dark ? "#3a4148" : "#dde2e7");
	for (int step = 1; step <= FLAME_CHANGE_STEPS; step++) {
		double part = (step - 1) / (FLAME_CHANGE_STEPS - 1.0);
		double light = dark ? 0.28 + 0.16 * part : 0.86 - 0.26 * part;

		fprintf(out, ".more%d rect{fill:", step);
		put_colour(out, 6, dark ? 0.35 + 0.25 * part : 0.85, light);
		fprintf(out, "}\n.less%d rect{fill:", step);
		put_colour(out, 214, dark ? 0.35 + 0.25 * part : 0.85, light);
		fputs("}\n", out);
	}
}

static void put_legend_entry(FILE *out, const char *class, size_t x, const char *name)
{
	fprintf(out,
		"<g class=\"%s\"><rect x=\"%zu\" y=\"52\" width=\"11\" height=\"11\" "
		"rx=\"2\"/></g><text class=\"legend\" x=\"%zu\" y=\"62\">",
		class, x, x + 16);
	put_escaped(out, name, ~0UL);
	fputs("</text>\n", out);
}

/* From much less to much more. */
static void put_change_legend(const struct flame_svg *svg)
{
	const char *const *names = svg->picture->changes->steps;
	char class[16], name[64];
	size_t x = 12;

	for (int step = -FLAME_CHANGE_STEPS; step <= FLAME_CHANGE_STEPS; step++) {
		if (step)
			snprintf(name, sizeof(name), "%s%s", step < 0 ? "\xe2\x88\x92" : "+",
				 names[abs(step) - 1]);
		else
			snprintf(name, sizeof(name), "not significant");
		if (step)
			snprintf(class, sizeof(class), "%s%d", step < 0 ? "less" : "more",
				 abs(step));
		else
			snprintf(class, sizeof(class), "same");
		put_legend_entry(svg->out, class, x, name);
		x += step ? CHANGE_STEP : LEGEND_STEP;
	}
}

static const char *format_value(const struct flame_svg *svg, __u64 value, char *text)
{
	return svg->picture->is_bytes ? text__bytes(text, TEXT_CELL, value) :
					text__count(text, TEXT_CELL, value, false);
}

static void put_figures(const struct flame_svg *svg, __u32 number)
{
	const struct flame_changes *changes = svg->picture->changes;
	const struct flame_node *node = &svg->tree->nodes[number];
	char value[TEXT_CELL], share[TEXT_CELL], told[256];

	if (changes) {
		changes->tell(changes, number, told, sizeof(told));
		fprintf(svg->out, "\n%s", told);
		return;
	}
	fprintf(svg->out, "\n%s, ", format_value(svg, node->total, value));
	put_escaped(svg->out,
		    text__percent(share, sizeof(share), (double)node->total,
				  (double)svg->tree->nodes[0].total),
		    ~0UL); /* "<0.1 %" */
	if (node->self && node->self != node->total)
		fprintf(svg->out, "; itself %s", format_value(svg, node->self, value));
}

static void put_title(const struct flame_svg *svg, __u32 number)
{
	const struct flame_frame *frame = flame_tree__frame_of(svg->tree, number);

	fputs("<title>", svg->out);
	put_escaped(svg->out, frame->name, ~0UL);
	put_figures(svg, number);
	if (frame->object) {
		putc('\n', svg->out);
		put_escaped(svg->out, frame->object, ~0UL);
	}
	if (frame->source) {
		putc('\n', svg->out);
		put_escaped(svg->out, frame->source, ~0UL);
	}
	fputs("</title>", svg->out);
}

static void put_label(const struct flame_svg *svg, const char *name, double x, double width,
		      unsigned int y)
{
	double room = (width / 100 * DRAWN_FOR - 6) / CHARACTER;
	size_t characters = count_characters(name);

	if (room < 3)
		return;
	fprintf(svg->out, "<text x=\"%.4f%%\" dx=\"4\" y=\"%u\">", x, y + 13);
	put_escaped(svg->out, name, characters <= room ? characters : (size_t)room - 1);
	fputs(characters <= room ? "</text>" : "\xe2\x80\xa6</text>", svg->out);
}

static void put_node(struct flame_svg *svg, __u32 number, double x, double width)
{
	const struct flame_node *node = &svg->tree->nodes[number];
	const struct flame_frame *frame = &svg->tree->frames[node->frame];
	unsigned int y = node->depth * LEVEL;

	fputs("<g class=\"", svg->out);
	put_class(svg, number);
	fprintf(svg->out,
		"\" role=\"treeitem\" tabindex=\"-1\" data-d=\"%u\" data-v=\"%llu\" data-n=\"",
		node->depth, node->total);
	put_escaped(svg->out, frame->name, ~0UL);
	fputs("\">", svg->out);
	put_title(svg, number);
	fprintf(svg->out, "<rect x=\"%.4f%%\" y=\"%u\" width=\"%.4f%%\" height=\"%u\" rx=\"2\"/>",
		x, y, width, LEVEL - 1);
	put_label(svg, frame->name, x, width, y);
	fputs("</g>\n", svg->out);
}

/* Without recursion: a stack may be as deep as it likes. x of each level is where its next begins. */
static int put_nodes(struct flame_svg *svg)
{
	const struct flame_tree *tree = svg->tree;
	double whole = (double)tree->nodes[0].total;
	double *next = calloc(tree->depth + 2, sizeof(*next));
	__u32 node = 0;
	bool down = true;

	if (!next)
		return -ENOMEM;
	for (;;) {
		const struct flame_node *at = &tree->nodes[node];
		double width = whole > 0 ? 100 * (double)at->total / whole : 100;

		if (down) {
			bool drawn = width >= svg->picture->min_width || !node;

			if (drawn)
				put_node(svg, node, next[at->depth], width);
			else
				svg->nr_left_out++;
			next[at->depth + 1] = next[at->depth];
			next[at->depth] += width;
			if (drawn && at->first_child) {
				node = at->first_child;
				continue;
			}
		}
		if (!node)
			break;
		down = at->next_sibling;
		node = down ? at->next_sibling : at->parent;
	}
	free(next);
	return 0;
}

struct legend_row {
	const struct flame_frame *frame;
	__u64 self;
};

static int legend_row__compare(const void *left, const void *right)
{
	const struct legend_row *a = left, *b = right;

	if (a->self != b->self)
		return a->self > b->self ? -1 : 1;
	return strcmp(a->frame->object, b->frame->object);
}

/* The files that are drawn, those that have most themselves first. */
static int put_legend(const struct flame_svg *svg)
{
	const struct flame_tree *tree = svg->tree;
	struct legend_row *rows = calloc(tree->nr_frames + 1, sizeof(*rows));
	size_t nr = 0;

	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < tree->nr_nodes; i++) {
		const struct flame_frame *frame = flame_tree__frame_of(tree, (__u32)i);
		size_t row = 0;

		if (!frame->object ||
		    100.0 * (double)tree->nodes[i].total <
			    svg->picture->min_width * (double)tree->nodes[0].total)
			continue;
		while (row < nr && strcmp(rows[row].frame->object, frame->object) != 0)
			row++;
		if (row == nr)
			rows[nr++].frame = frame;
		rows[row].self += tree->nodes[i].self;
	}
	qsort(rows, nr, sizeof(*rows), legend_row__compare);
	for (size_t i = 0; i < nr && i < MAX_LEGEND; i++) {
		char class[16], name[22];

		snprintf(class, sizeof(class), "c%u", frame__hue(rows[i].frame));
		snprintf(name, sizeof(name), "%s", text__base_name(rows[i].frame->object));
		put_legend_entry(svg->out, class, 12 + i * LEGEND_STEP, name);
	}
	free(rows);
	return 0;
}

static void put_colours(const struct flame_svg *svg, bool dark)
{
	if (svg->picture->changes)
		put_change_colours(svg->out, dark);
	else
		put_file_colours(svg->out, dark);
}

static void put_head(const struct flame_svg *svg, unsigned int height)
{
	const struct flame_picture *picture = svg->picture;
	FILE *out = svg->out;

	fprintf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100%%\" height=\"%u\" "
		"data-total=\"%llu\">\n<title>",
		height, svg->tree->nodes[0].total);
	put_escaped(out, picture->title, ~0UL);
	fprintf(out, "</title>\n<style>\n%s", flame_css);
	put_colours(svg, false);
	fputs("@media (prefers-color-scheme: dark) {\n", out);
	put_colours(svg, true);
	fputs("}\n</style>\n<text class=\"title\" x=\"12\" y=\"24\">", out);
	put_escaped(out, picture->title, ~0UL);
	fputs("</text>\n<text class=\"sub\" x=\"12\" y=\"42\">", out);
	put_escaped(out, picture->subtitle, ~0UL);
	fputs("</text>\n<text class=\"sub\" id=\"status\" x=\"12\" y=\"82\"></text>\n"
	      "<foreignObject x=\"0\" y=\"4\" width=\"99%\" height=\"30\">"
	      "<div xmlns=\"http://www.w3.org/1999/xhtml\" id=\"tools\" style=\"text-align:right\">"
	      "<input id=\"search\" type=\"search\" placeholder=\"search: /\" "
	      "aria-label=\"search, a regular expression\"/> "
	      "<button id=\"reset\" type=\"button\" title=\"Esc\">reset</button>"
	      "</div></foreignObject>\n",
	      out);
}

int flame_svg__write(FILE *out, const struct flame_tree *tree, const struct flame_picture *picture)
{
	struct flame_svg svg = { .out = out, .tree = tree, .picture = picture };
	unsigned int height = TOP + (tree->depth + 1) * LEVEL + 30;
	int error = 0;

	put_head(&svg, height);
	if (picture->changes)
		put_change_legend(&svg);
	else
		error = put_legend(&svg);
	fprintf(out, "<svg x=\"1%%\" y=\"%u\" width=\"98%%\" height=\"%u\" role=\"tree\">\n", TOP,
		(tree->depth + 1) * LEVEL);
	if (!error)
		error = put_nodes(&svg);
	fputs("</svg>\n", out);
	if (svg.nr_left_out)
		fprintf(out,
			"<text class=\"sub\" x=\"12\" y=\"%u\">%llu frames that are narrower than "
			"%.4g %% are not drawn, nor what they call.</text>\n",
			height - 10, svg.nr_left_out, picture->min_width);
	fprintf(out, "<script><![CDATA[\n%s]]></script>\n</svg>\n", flame_js);
	if (!error && ferror(out))
		error = -EIO;
	return error;
}
