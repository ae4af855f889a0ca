/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "flame.h"
#include "flame_svg.h"
#include "json.h"
#include "kernel_symbols.h"
#include "log.h"
#include "output.h"
#include "text.h"

#define ROOT "all"

enum flame_format flame__format_of(const char *path)
{
	const char *suffix = path ? strrchr(path, '.') : NULL;

	if (suffix && !strcmp(suffix, ".svg"))
		return FLAME_SVG;
	if (suffix && !strcmp(suffix, ".json"))
		return FLAME_JSON;
	if (suffix && suffix - path > 3 && !strcmp(suffix - 3, ".pb.gz"))
		return FLAME_RECORDING;
	return FLAME_FOLDED;
}

/* The mark of the kernel's functions, by which flamegraph.pl colours them. */
static const char *folded_mark(const struct flame_frame *frame)
{
	bool is_kernel = frame->object && !strcmp(frame->object, KERNEL_OBJECT);

	return is_kernel && strcmp(frame->name, KERNEL_OBJECT) != 0 ? "_[k]" : "";
}

/* In a folded line ';' parts frames and a space the value, as flamegraph.pl reads it. */
static void put_folded_name(FILE *out, const char *name)
{
	for (; *name; name++)
		putc(*name == ';' ? ':' : (unsigned char)*name < 0x20 ? '?' : *name, out);
}

static void put_folded_stack(FILE *out, const struct flame_tree *tree, __u32 node, __u32 *above)
{
	size_t nr = 0;

	for (__u32 at = node; at; at = tree->nodes[at].parent)
		above[nr++] = at;
	for (size_t i = nr; i > 0; i--) {
		const struct flame_frame *frame = flame_tree__frame_of(tree, above[i - 1]);

		put_folded_name(out, frame->name);
		fputs(folded_mark(frame), out);
		putc(i > 1 ? ';' : ' ', out);
	}
	fprintf(out, "%llu\n", tree->nodes[node].self);
}

static int write_folded(FILE *out, const struct flame_tree *tree)
{
	__u32 *above = calloc(tree->depth + 1, sizeof(*above));

	if (!above)
		return -ENOMEM;
	for (__u32 node = 1; node < tree->nr_nodes; node++)
		if (tree->nodes[node].self)
			put_folded_stack(out, tree, node, above);
	free(above);
	return ferror(out) ? -EIO : 0;
}

static void begin_json_node(struct json *json, const struct flame_tree *tree, __u32 node)
{
	const struct flame_frame *frame = flame_tree__frame_of(tree, node);

	json__begin_object(json, NULL);
	json__string(json, "name", frame->name);
	json__string(json, "file", frame->object);
	json__string(json, "source", frame->source);
	json__u64(json, "value", tree->nodes[node].total);
	json__u64(json, "self", tree->nodes[node].self);
	json__begin_array(json, "children");
}

/* Without recursion, as in the picture. */
static void write_json_nodes(struct json *json, const struct flame_tree *tree)
{
	__u32 node = tree->nodes[0].first_child;

	while (node) {
		begin_json_node(json, tree, node);
		if (tree->nodes[node].first_child) {
			node = tree->nodes[node].first_child;
			continue;
		}
		json__end_array(json);
		json__end_object(json);
		while (node && !tree->nodes[node].next_sibling) {
			node = tree->nodes[node].parent;
			if (!node)
				return;
			json__end_array(json);
			json__end_object(json);
		}
		node = tree->nodes[node].next_sibling;
	}
}

static int write_json(FILE *out, const struct flame_tree *tree, const struct profile *profile,
		      const struct flame_options *options)
{
	struct json json = { .out = out };

	json__begin_object(&json, NULL);
	json__u64(&json, "schema", 1);
	json__string(&json, "tool", "allocpath");
	json__string(&json, "by", flame_value__name(options->settings.by));
	json__u64(&json, "sample_bytes", profile->sample_bytes);
	json__double(&json, "duration_s", profile->duration_s);
	json__u64(&json, "value", tree->nodes[0].total);
	json__begin_array(&json, "children");
	write_json_nodes(&json, tree);
	json__end_array(&json);
	json__end_object(&json);
	putc('\n', out);
	return ferror(out) ? -EIO : 0;
}

static int write_svg(FILE *out, const struct flame_tree *tree, const struct profile *profile,
		     const struct flame_options *options, const char *of)
{
	struct flame_picture picture = {
		.is_bytes = flame_value__is_bytes(options->settings.by),
		.min_width = options->min_width,
	};
	char title[256], subtitle[384], total[TEXT_CELL], time[TEXT_CELL], every[TEXT_CELL];
	const char *known = "";
	char sampled[128];
	bool is_origins = flame_value__is_of_origin(options->settings.by);
	bool is_kernels = options->settings.by > FLAME_COUNT && !is_origins;

	if (picture.is_bytes)
		text__bytes(total, sizeof(total), tree->nodes[0].total);
	else
		text__count(total, sizeof(total), tree->nodes[0].total, false);
	if (options->settings.by == FLAME_NEVER_TOUCHED)
		known = "; known of own mappings and of the heap's top";
	if (options->settings.by == FLAME_TOUCHED_BY_ORIGIN && profile->sample_bytes)
		known = "; blocks below a page in full with --sample-bytes 0 alone";
	if (is_kernels)
		snprintf(sampled, sizeof(sampled),
			 "each event's stack, but of some where there are very many");
	else if (profile->sample_bytes)
		snprintf(sampled, sizeof(sampled),
			 "a stack every %s on average: shares are estimates",
			 text__bytes(every, sizeof(every), profile->sample_bytes));
	else
		snprintf(sampled, sizeof(sampled), "each request's stack");
	snprintf(title, sizeof(title), "%s: %s", of, flame_value__title(options->settings.by));
	snprintf(subtitle, sizeof(subtitle), "%s in %s; %s%s%s", total,
		 text__seconds(time, sizeof(time), profile->duration_s), sampled, known,
		 options->settings.reverse ? "; from the innermost function to its callers" : "");
	picture.title = title;
	picture.subtitle = subtitle;
	return flame_svg__write(out, tree, &picture);
}

static int write_tree(FILE *out, const struct flame_tree *tree, const struct profile *profile,
		      const struct flame_options *options, enum flame_format format, const char *of)
{
	switch (format) {
	case FLAME_SVG:
		return write_svg(out, tree, profile, options, of);
	case FLAME_JSON:
		return write_json(out, tree, profile, options);
	default:
		return write_folded(out, tree);
	}
}

/* "DIR/redis-server-812.svg": of a name only what every file system takes. */
static void process__path(char *path, size_t size, const char *directory,
			  const struct profile_process *process)
{
	char comm[MAX_COMM * 4];

	snprintf(comm, sizeof(comm), "%s", process->comm);
	for (char *at = comm; *at; at++)
		if (!isalnum((unsigned char)*at) && *at != '-' && *at != '_')
			*at = '_';
	snprintf(path, size, "%s/%s-%u-%u.svg", directory, comm, process->pid, process->id);
}

int flame__write(FILE *out, const struct profile *profile, struct symbols *symbols,
		 const struct flame_options *options, enum flame_format format)
{
	char of[128] = "all processes";
	struct flame_tree tree;
	int error;

	error = flame_tree__init(&tree, ROOT);
	for (size_t i = 0; !error && i < profile->nr_processes; i++)
		error = flame_stacks__add(&tree, profile, &profile->processes[i], symbols,
					  &options->settings);
	if (!error)
		error = flame_tree__finish(&tree);
	if (profile->nr_processes == 1)
		snprintf(of, sizeof(of), "%s (%u)", profile->processes[0].comm,
			 profile->processes[0].pid);
	if (!error)
		error = write_tree(out, &tree, profile, options, format, of);
	flame_tree__free(&tree);
	return error;
}

/* Reports what its file says; -ENOMEM is the caller's to report. */
static int write_process(const struct profile *profile, const struct profile_process *process,
			 struct symbols *symbols, const struct flame_options *options)
{
	char path[4096], of[128];
	struct flame_tree tree;
	struct output output;
	int error;

	snprintf(of, sizeof(of), "%s (%u)", process->comm, process->pid);
	error = flame_tree__init(&tree, ROOT);
	if (!error)
		error = flame_stacks__add(&tree, profile, process, symbols, &options->settings);
	if (!error)
		error = flame_tree__finish(&tree);
	if (!error && tree.nodes[0].total) {
		process__path(path, sizeof(path), options->per_process, process);
		error = output__open(&output, path, false);
		if (!error)
			error = output__close(&output, write_svg(output.stream, &tree, profile,
								 options, of));
	}
	flame_tree__free(&tree);
	return error;
}

int flame__write_processes(const struct profile *profile, struct symbols *symbols,
			   const struct flame_options *options)
{
	int error = 0;

	if (mkdir(options->per_process, 0777) && errno != EEXIST)
		return log__error(-errno, "cannot make the directory %s: %s", options->per_process,
				  strerror(errno));
	for (size_t i = 0; !error && i < profile->nr_processes; i++)
		error = write_process(profile, &profile->processes[i], symbols, options);
	return error == -ENOMEM ? log__error(error, "no memory for the pictures") : error;
}
