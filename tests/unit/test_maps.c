/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * README's table of maps against the maps of the BPF object: none is missing, none is too much,
 * sizes and bytes are right, and all together stay within the bound. Run from the top directory.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "built_object.h"
#include "contract.h"
#include "options.h"
#include "session_bounds.h"

#define README "README.md"
#define HEADING "## Memory\n"
#define BOUND (256ULL << 20)
#define ROOM 64
#define COLUMNS 6

/* What the table counts with where the host decides. */
#define CPUS 64
#define THREADS MAX_PROCESSES

/* The kernel's own, of 6.x on 64 bits. */
#define HASH_ELEMENT_BYTES 48
#define HASH_BUCKET_BYTES 16
#define TASK_ELEMENT_BYTES 1024 /* struct task with its headers, as kmalloc rounds it up */
#define TASK_HEADER_BYTES 128 /* at most */

/* A line "| `name` | key | value | entries | bytes | when full |", cut into its cells. */
struct row {
	char line[512];
	char *cells[COLUMNS];
};

/* What a run may be like, as the last rows of the table have it. */
static const struct options modes[] = {
	{ .view = VIEW_RECORD, .depth = DEPTH_FULL, .takes_stacks = true },
	{ .view = VIEW_HIST, .depth = DEPTH_FULL, .takes_stacks = true },
	{ .view = VIEW_THRESHOLD, .depth = DEPTH_FULL, .takes_stacks = true },
	{ .view = VIEW_RECORD, .depth = DEPTH_FULL },
	{ .view = VIEW_HIST, .depth = DEPTH_FULL },
	{ .view = VIEW_RECORD, .depth = DEPTH_ENTRY, .takes_stacks = true },
	{ .view = VIEW_HIST, .depth = DEPTH_ENTRY, .takes_stacks = true },
	{ .view = VIEW_RECORD, .depth = DEPTH_ENTRY },
	{ .view = VIEW_HIST, .depth = DEPTH_ENTRY },
};
#define NR_SUMS (sizeof(modes) / sizeof(modes[0]))

struct fixture {
	struct bpf_object *object;
	struct row rows[ROOM];
	size_t nr;
	char sums[NR_SUMS][64]; /* bytes in the rows for all, in the order of modes */
	size_t nr_sums;
};

static char *trim(char *text)
{
	size_t length;

	text += strspn(text, " `*");
	length = strlen(text);
	while (length && strchr(" `*\n", text[length - 1]))
		text[--length] = 0;
	return text;
}

static bool row__cut(struct row *row)
{
	char *rest = row->line, *cell;
	size_t nr = 0;

	strsep(&rest, "|");
	while (nr < COLUMNS && (cell = strsep(&rest, "|")))
		row->cells[nr++] = trim(cell);
	return nr == COLUMNS;
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	FILE *file = fopen(README, "re");
	bool in_section = false;
	struct row row;

	assert_non_null(fixture);
	*state = fixture;
	fixture->object = bpf_object__open(built_object__path());
	assert_non_null(fixture->object);
	if (!file)
		fail_msg("no " README " in the current directory");
	while (fgets(row.line, sizeof(row.line), file)) {
		if (strncmp(row.line, "## ", 3) == 0)
			in_section = strcmp(row.line, HEADING) == 0;
		if (!in_section || row.line[0] != '|' || !row__cut(&row))
			continue;
		if (strncmp(row.cells[0], "all, ", 5) == 0) {
			assert_true(fixture->nr_sums < NR_SUMS);
			snprintf(fixture->sums[fixture->nr_sums++], sizeof(fixture->sums[0]), "%s",
				 row.cells[4]);
		} else if (strcmp(row.cells[0], "map") != 0 && row.cells[0][0] != '-') {
			assert_true(fixture->nr < ROOM);
			for (size_t i = 0; i < COLUMNS; i++)
				fixture->rows[fixture->nr].cells[i] =
					fixture->rows[fixture->nr].line + (row.cells[i] - row.line);
			memcpy(fixture->rows[fixture->nr++].line, row.line, sizeof(row.line));
		}
	}
	fclose(file);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	bpf_object__close(fixture->object);
	free(fixture);
	return 0;
}

static __u64 round_up(__u64 value, __u64 step)
{
	return (value + step - 1) / step * step;
}

static __u64 hash_bytes(const struct bpf_map *map)
{
	__u64 buckets = 1, entries = bpf_map__max_entries(map);

	while (buckets < entries)
		buckets *= 2;
	return entries * (HASH_ELEMENT_BYTES + round_up(bpf_map__key_size(map), 8) +
			  round_up(bpf_map__value_size(map), 8)) +
	       buckets * HASH_BUCKET_BYTES;
}

static __u64 entries_of(const struct bpf_map *map)
{
	return bpf_map__type(map) == BPF_MAP_TYPE_TASK_STORAGE ? THREADS :
								 bpf_map__max_entries(map);
}

static __u64 bytes_of(const struct bpf_map *map)
{
	__u64 entries = entries_of(map), value = round_up(bpf_map__value_size(map), 8);

	switch (bpf_map__type(map)) {
	case BPF_MAP_TYPE_HASH:
	case BPF_MAP_TYPE_LRU_HASH:
		return hash_bytes(map);
	case BPF_MAP_TYPE_PERCPU_ARRAY:
		return entries * value * CPUS;
	case BPF_MAP_TYPE_QUEUE:
		return (entries + 1) * bpf_map__value_size(map);
	case BPF_MAP_TYPE_RINGBUF:
		return entries;
	case BPF_MAP_TYPE_TASK_STORAGE:
		assert_true(value + TASK_HEADER_BYTES <= TASK_ELEMENT_BYTES);
		return entries * TASK_ELEMENT_BYTES;
	case BPF_MAP_TYPE_ARRAY:
	case BPF_MAP_TYPE_CGROUP_ARRAY:
		return entries * value;
	case BPF_MAP_TYPE_ARRAY_OF_MAPS: /* with all of its maps made, if it is of use at all */
		if (entries == 1)
			return value;
		return entries * (value + UNWIND_PART_CHUNKS * UNWIND_CHUNK_ROWS * sizeof(__u32));
	default:
		fail_msg("%s: how many bytes does a map of type %d take?", bpf_map__name(map),
			 bpf_map__type(map));
		return 0;
	}
}

static __u64 bytes_of_all(const struct bpf_object *object)
{
	struct bpf_map *map;
	__u64 bytes = 0;

	bpf_object__for_each_map(map, object)
		bytes += bytes_of(map);
	return bytes;
}

/* "112.0 MiB", "42 KiB", "8 B" */
static const char *show_bytes(__u64 bytes)
{
	static char text[32];

	if (bytes >= 1 << 20)
		snprintf(text, sizeof(text), "%.1f MiB", (double)bytes / (1 << 20));
	else if (bytes >= 1 << 10)
		snprintf(text, sizeof(text), "%llu KiB", round_up(bytes, 1 << 10) >> 10);
	else
		snprintf(text, sizeof(text), "%llu B", bytes);
	return text;
}

/* "1,048,576" */
static const char *show_count(__u64 count)
{
	static char text[32];
	char *at = text + sizeof(text) - 1;

	for (int digit = 0; count || !digit; digit++, count /= 10) {
		if (digit && digit % 3 == 0)
			*--at = ',';
		*--at = (char)('0' + count % 10);
	}
	return at;
}

/* A task's record is the BPF side's own and changes with what it keeps: its bound is what counts. */
static const char *show_value(const struct bpf_map *map)
{
	static char text[32];

	if (bpf_map__type(map) == BPF_MAP_TYPE_TASK_STORAGE)
		snprintf(text, sizeof(text), "to %d", TASK_ELEMENT_BYTES - TASK_HEADER_BYTES);
	else
		snprintf(text, sizeof(text), "%u", bpf_map__value_size(map));
	return text;
}

/* libbpf puts the object's name before that of a section: "allocpat.bss". */
static const char *name_of(const struct bpf_map *map)
{
	const char *name = bpf_map__name(map), *dot = strchr(name, '.');

	return dot ? dot : name;
}

static const struct row *find_row(const struct fixture *fixture, const char *name)
{
	for (size_t i = 0; i < fixture->nr; i++)
		if (strcmp(fixture->rows[i].cells[0], name) == 0)
			return &fixture->rows[i];
	return NULL;
}

/* Sizes of the sections change with every variable; a page is near enough. */
static void check_row(const struct fixture *fixture, const struct bpf_map *map)
{
	const struct row *row = find_row(fixture, name_of(map));
	char right[256], is[256];

	snprintf(right, sizeof(right), "| `%s` | %u | %s | %s |", name_of(map),
		 bpf_map__key_size(map), show_value(map), show_count(entries_of(map)));
	snprintf(right + strlen(right), sizeof(right) - strlen(right), " %s |",
		 show_bytes(bytes_of(map)));
	if (!row) {
		fail_msg("a row is missing in " README ": %s", right);
		return;
	}
	if (!*row->cells[5])
		fail_msg("%s: what happens when it is full?", name_of(map));
	if (bpf_map__is_internal(map))
		return;
	snprintf(is, sizeof(is), "| `%s` | %s | %s | %s | %s |", row->cells[0], row->cells[1],
		 row->cells[2], row->cells[3], row->cells[4]);
	assert_string_equal(is, right);
}

static void every_map_has_its_row(void **state)
{
	struct fixture *fixture = *state;
	struct bpf_map *map;

	bpf_object__for_each_map(map, fixture->object)
		check_row(fixture, map);
}

static void every_row_has_its_map(void **state)
{
	struct fixture *fixture = *state;

	for (size_t i = 0; i < fixture->nr; i++) {
		const char *name = fixture->rows[i].cells[0];
		bool found = false;
		struct bpf_map *map;

		bpf_object__for_each_map(map, fixture->object)
			found |= strcmp(name_of(map), name) == 0;
		if (!found)
			fail_msg("there is no map %s", name);
		assert_ptr_equal(find_row(fixture, name), &fixture->rows[i]);
	}
}

static void all_maps_stay_within_the_bound(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(fixture->nr_sums, NR_SUMS);
	for (size_t i = 0; i < NR_SUMS; i++) {
		struct bpf_object *object = bpf_object__open(built_object__path());
		__u64 bytes;

		assert_non_null(object);
		session__bound_maps(object, &modes[i]);
		bytes = bytes_of_all(object);
		bpf_object__close(object);
		assert_string_equal(fixture->sums[i], show_bytes(bytes));
		assert_true(bytes < BOUND);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_map_has_its_row),
		cmocka_unit_test(every_row_has_its_map),
		cmocka_unit_test(all_maps_stay_within_the_bound),
	};

	return cmocka_run_group_tests_name("maps", tests, set_up, tear_down);
}
