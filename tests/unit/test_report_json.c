/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the JSON back with another's parser and compares it with what went in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <json-c/json.h>
#include <math.h>

#include "json.h"
#include "report.h"
#include "sample_profile.h"

/* RFC 3629, as strict as JSON wants it; json-c takes any bytes in a string. */
static bool is_utf8(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at) {
		__u32 value = *at, rest = 0, lowest = 0;

		if (value >= 0xf0) {
			rest = 3;
			lowest = 0x10000;
			value &= 0x0f;
		} else if (value >= 0xe0) {
			rest = 2;
			lowest = 0x800;
			value &= 0x0f;
		} else if (value >= 0xc0) {
			rest = 1;
			lowest = 0x80;
			value &= 0x1f;
		} else if (value >= 0x80) {
			return false;
		}
		at++;
		for (__u32 i = 0; i < rest; i++, at++) {
			if ((*at & 0xc0) != 0x80)
				return false;
			value = value << 6 | (*at & 0x3f);
		}
		if (value < lowest || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
			return false;
	}
	return true;
}

/* One line, valid as UTF-8, without raw control characters, and JSON to the strictest parser. */
static struct json_object *parse(const char *text, size_t size)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *document;

	assert_non_null(tokener);
	assert_int_equal(strlen(text), size);
	assert_true(size > 0 && text[size - 1] == '\n');
	assert_ptr_equal(strchr(text, '\n'), text + size - 1);
	assert_true(is_utf8(text));
	for (size_t i = 0; i + 1 < size; i++)
		assert_true((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	document = json_tokener_parse_ex(tokener, text, (int)size);
	assert_int_equal(json_tokener_get_error(tokener), json_tokener_success);
	json_tokener_free(tokener);
	return document;
}

static struct json_object *write_and_parse(const struct profile *profile)
{
	struct json_object *document;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(report_json__write(out, profile, NULL), 0);
	fclose(out);
	document = parse(text, size);
	free(text);
	return document;
}

/* "faults.first_touch.bytes", "processes.0.pid": the key has to be there. */
static struct json_object *at(struct json_object *object, const char *path)
{
	char copy[128];

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *key = strtok(copy, "."); key; key = strtok(NULL, ".")) {
		if (json_object_is_type(object, json_type_array)) {
			size_t index = (size_t)atoi(key);

			assert_true(index < json_object_array_length(object));
			object = json_object_array_get_idx(object, index);
		} else if (!json_object_object_get_ex(object, key, &object)) {
			fail_msg("no '%s' in '%s'", key, path);
		}
	}
	return object;
}

static void assert_u64(struct json_object *object, const char *path, __u64 value)
{
	struct json_object *found = at(object, path);

	assert_true(json_object_is_type(found, json_type_int));
	assert_true(json_object_get_uint64(found) == value);
}

static void assert_text(struct json_object *object, const char *path, const char *value)
{
	assert_true(json_object_is_type(at(object, path), json_type_string));
	assert_string_equal(json_object_get_string(at(object, path)), value);
}

/* Null and there: json-c has NULL for both. */
static void assert_null_at(struct json_object *object, const char *path)
{
	assert_null(at(object, path));
}

static void assert_keys(struct json_object *object, const char *path, const char *keys)
{
	struct json_object *found = at(object, path);
	char copy[256];

	snprintf(copy, sizeof(copy), "%s", keys);
	for (char *key = strtok(copy, " "); key; key = strtok(NULL, " "))
		if (!json_object_object_get_ex(found, key, NULL))
			fail_msg("no '%s' in '%s'", key, path);
}

/* The contract, key by key. */
static void assert_contract(struct json_object *document)
{
	struct json_object *process = at(document, "processes.0");

	assert_keys(document, "",
		    "schema tool version duration_s probes coverage ledger lost cost "
		    "attached not_attached processes");
	for (int kind = 0; kind < NR_EVENT_KINDS; kind++)
		assert_keys(at(document, "ledger"), event_kind__name(kind),
			    "seen recorded filtered sampled_out lost");
	for (int loss = 0; loss < NR_LOSSES; loss++)
		assert_keys(document, "lost", loss__name(loss));
	assert_keys(document, "lost", "total");
	assert_keys(document, "cost",
		    "traps trap_ns own_cpu_s own_bytes bpf_run_ns bpf_skipped detached");
	assert_keys(document, "attached.0", "file build_id allocator functions since_s");
	assert_keys(document, "attached.0.functions.0", "name offset site kind");
	assert_keys(document, "not_attached.0", "file why");
	assert_keys(process, "",
		    "id pid nspid ppid uid start_ns execs comm exe cgroup allocator "
		    "exited requests paths sizes home releases live syscalls faults "
		    "populated_bytes foreign_bytes touched stacks");
	assert_keys(process, "syscalls.brk", "calls failed grown_bytes shrunk_bytes");
	assert_keys(process, "syscalls.mmap",
		    "calls failed anon_bytes file_bytes stack_bytes "
		    "populated_bytes");
	assert_keys(process, "syscalls.munmap", "calls failed bytes");
	assert_keys(process, "syscalls.mremap", "calls failed grown_bytes shrunk_bytes");
	assert_keys(process, "syscalls.mprotect", "calls failed bytes");
	assert_keys(process, "syscalls.madvise", "calls failed dontneed_bytes free_bytes");
	assert_keys(process, "faults",
		    "total first_touch zero_read file_private cow protection "
		    "swap_in file shmem hugetlb raced major kernel_mode probe "
		    "unended");
	assert_keys(process, "faults.first_touch",
		    "count bytes heap own_mapping arena anon stack by_bytes");
	assert_null_at(process, "stacks");
	assert_u64(document, "schema", 1);
	assert_text(document, "tool", "allocpath");
	assert_text(document, "version", ALLOCPATH_VERSION);
	assert_u64(document, "lost.total", 2);
	assert_u64(document, "lost.size_rows_full", 2);
	assert_u64(document, "ledger.alloc.recorded", 1702993);
	assert_null_at(document, "cost.bpf_run_ns");
	assert_null_at(document, "cost.detached");
}

/* What the kernel side has, at every depth. */
static void assert_kernel_side(struct json_object *process)
{
	assert_u64(process, "id", 1);
	assert_u64(process, "pid", 4711);
	assert_u64(process, "nspid", 12);
	assert_u64(process, "ppid", 4000);
	assert_u64(process, "uid", 1000);
	assert_u64(process, "start_ns", 123456789012345);
	assert_u64(process, "execs", 1);
	assert_text(process, "comm", "python3");
	assert_text(process, "allocator", "glibc 2.36 (mapped)");
	assert_false(json_object_get_boolean(at(process, "exited")));
	assert_false(json_object_object_get_ex(process, "members", NULL));
	assert_u64(process, "syscalls.brk.grown_bytes", 6623232);
	assert_u64(process, "syscalls.mmap.failed", 1);
	assert_u64(process, "syscalls.mmap.populated_bytes", 65536);
	assert_u64(process, "syscalls.madvise.calls", 0);
	assert_u64(process, "faults.total", 3694);
	assert_u64(process, "faults.first_touch.count", 3215);
	assert_u64(process, "faults.first_touch.heap", 6512640);
	assert_u64(process, "faults.first_touch.of_growth", 6512640);
	assert_u64(process, "faults.cow", 120);
	assert_u64(process, "faults.file_private_bytes", 45 * 4096);
	assert_u64(process, "faults.kernel_mode", 88);
	assert_u64(process, "populated_bytes", 65536);
	assert_u64(process, "foreign_bytes", 4096);
	assert_int_equal(json_object_array_length(at(process, "faults.first_touch.by_bytes")), 3);
	assert_u64(process, "faults.first_touch.by_bytes.1.bytes", 65536);
	assert_u64(process, "faults.first_touch.by_bytes.1.count", 3);
	assert_u64(process, "faults.first_touch.by_bytes.2.bytes", 2 << 20);
}

/* What the allocation probes see. */
static void assert_requests(struct json_object *process)
{
	__u64 count = 0, bytes = 0;

	assert_u64(process, "requests.count", 1702910);
	assert_u64(process, "requests.failed", 1);
	assert_u64(process, "requests.unknown_result", 2);
	assert_u64(process, "orphans", 0);
	assert_u64(process, "internal", 77);
	assert_u64(process, "paths.pool.min_size", 0);
	assert_u64(process, "paths.pool.max_size", 131048);
	assert_u64(process, "paths.mmap.min_size", 131049);
	assert_u64(process, "paths.mmap.max_size", 32 << 20);
	assert_u64(process, "paths.arena.count", 0);
	assert_null_at(process, "paths.arena.min_size");
	assert_null_at(process, "paths.arena.max_size");

	/* 131048 and 131049 lie in one class, which is why the limits are apart from the classes. */
	for (size_t i = 0; i < json_object_array_length(at(process, "sizes")); i++) {
		struct json_object *row = json_object_array_get_idx(at(process, "sizes"), i);

		assert_keys(row, "", "min max count bytes pool brk mmap arena remap");
		count += json_object_get_uint64(at(row, "count"));
		bytes += json_object_get_uint64(at(row, "bytes"));
	}
	assert_u64(process, "requests.count", count);
	assert_u64(process, "requests.bytes", bytes);
	assert_u64(process, "sizes.0.min", 0);
	assert_u64(process, "sizes.0.max", 0);
	assert_u64(process, "sizes.1.min", 24);
	assert_u64(process, "sizes.1.max", 25);
	assert_u64(process, "sizes.1.pool", 1200345);

	assert_int_equal(json_object_array_length(at(process, "touched")), 3);
	assert_u64(process, "touched.2.min", 32 << 20);
	assert_u64(process, "touched.2.requested_bytes", 32 << 20);
	assert_u64(process, "touched.2.touched_bytes", 8 << 20);
}

static void test_kernel(void **state)
{
	struct json_object *document, *process;
	struct profile profile;

	(void)state;
	sample__make(&profile, DEPTH_KERNEL);
	document = write_and_parse(&profile);
	process = at(document, "processes.0");
	assert_contract(document);
	assert_text(document, "probes", "kernel");
	assert_kernel_side(process);
	assert_null_at(process, "requests");
	assert_null_at(process, "paths");
	assert_null_at(process, "sizes");
	assert_null_at(process, "home");
	assert_null_at(process, "releases");
	assert_null_at(process, "live");
	assert_null_at(process, "touched");
	assert_null_at(process, "orphans");
	assert_null_at(process, "faults.first_touch.own_mapping");
	assert_null_at(process, "faults.first_touch.arena");
	json_object_put(document);
	profile__free(&profile);
}

static void test_entry(void **state)
{
	struct json_object *document, *process;
	struct profile profile;

	(void)state;
	sample__make(&profile, DEPTH_ENTRY);
	document = write_and_parse(&profile);
	process = at(document, "processes.0");
	assert_contract(document);
	assert_text(document, "probes", "entry");
	assert_kernel_side(process);
	assert_requests(process);
	assert_u64(process, "faults.first_touch.own_mapping", 10485760);
	assert_u64(process, "faults.first_touch.arena", 0);
	assert_null_at(process, "home");
	assert_null_at(process, "releases");
	assert_null_at(process, "live");
	json_object_put(document);
	profile__free(&profile);
}

static void test_full(void **state)
{
	struct json_object *document, *process;
	struct profile profile;

	(void)state;
	sample__make(&profile, DEPTH_FULL);
	document = write_and_parse(&profile);
	process = at(document, "processes.0");
	assert_contract(document);
	assert_kernel_side(process);
	assert_requests(process);
	assert_u64(process, "home.heap", 1702837);
	assert_u64(process, "home.mapping", 56);
	assert_u64(process, "home.arena", 0);
	assert_u64(process, "releases.count", 1650054);
	assert_u64(process, "releases.bytes", 99123456);
	assert_u64(process, "releases.munmap", 50);
	assert_u64(process, "releases.trim", 4);
	assert_u64(process, "releases.madvise", 0);
	assert_u64(process, "releases.remap", 0);
	assert_u64(process, "releases.of_unknown", 9);
	assert_u64(process, "live.count", 52839);
	assert_u64(process, "live.bytes", 41234567);
	json_object_put(document);
	profile__free(&profile);
}

/* Names that no one would give a process, but anyone may; and what could not be had. */
static void test_hostile_names(void **state)
{
	struct json_object *document, *process;
	struct profile profile;

	(void)state;
	sample__make(&profile, DEPTH_ENTRY);
	free(profile.files[0].build_id);
	profile.files[0].build_id = NULL;
	profile.detached_why = strdup("\"quoted\"");
	document = write_and_parse(&profile);
	process = at(document, "processes.1");
	assert_text(process, "comm", "ev\x1b[2J\"\\\n\xef\xbf\xbd\xef\xbf\xbd(");
	assert_text(process, "exe",
		    "/tmp/\xf0\x9f\x92\xa9/\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\x7f\t"
		    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd (deleted)");
	assert_null_at(process, "cgroup");
	assert_null_at(process, "allocator");
	assert_null_at(document, "attached.0.build_id");
	assert_text(document, "cost.detached", "\"quoted\"");
	assert_true(json_object_get_boolean(at(process, "exited")));
	json_object_put(document);
	profile__free(&profile);
}

/* A sequence cut off by the end of the string, at each of its bytes. */
static void test_every_byte_pair_is_valid(void **state)
{
	(void)state;
	for (unsigned int pair = 0; pair < 65536; pair++) {
		char name[3] = { (char)(pair >> 8), (char)pair, 0 };
		char *text = NULL;
		size_t size = 0;
		FILE *out = open_memstream(&text, &size);
		struct json json = { .out = out };

		assert_non_null(out);
		json__string(&json, NULL, name);
		fclose(out);
		assert_true(is_utf8(text));
		free(text);
	}
}

static void test_largest_numbers(void **state)
{
	struct json_object *document, *process;
	struct profile profile;

	(void)state;
	sample__make(&profile, DEPTH_FULL);
	profile.processes[0].counters.foreign_bytes = ~0ULL;
	profile.processes[0].members = 3;
	profile.processes[0].ns_pid = 0;
	profile.coverage = NAN;
	profile.cost.has_bpf_run = true;
	profile.cost.bpf_run_ns = 1ULL << 63;
	document = write_and_parse(&profile);
	process = at(document, "processes.0");
	assert_u64(process, "foreign_bytes", ~0ULL);
	assert_u64(process, "members", 3);
	assert_null_at(process, "nspid");
	assert_null_at(document, "coverage");
	assert_u64(document, "cost.bpf_run_ns", 1ULL << 63);
	json_object_put(document);
	profile__free(&profile);
}

static void test_empty(void **state)
{
	const struct profile profile = { .depth = DEPTH_ENTRY, .coverage = 1 };
	struct json_object *document;

	(void)state;
	document = write_and_parse(&profile);
	assert_int_equal(json_object_array_length(at(document, "processes")), 0);
	assert_int_equal(json_object_array_length(at(document, "attached")), 0);
	json_object_put(document);
}

static void test_full_disk(void **state)
{
	FILE *out = fopen("/dev/full", "w");
	struct profile profile;

	(void)state;
	assert_non_null(out);
	sample__make(&profile, DEPTH_FULL);
	assert_int_equal(report_json__write(out, &profile, NULL), -ENOSPC);
	fclose(out);
	profile__free(&profile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernel),
		cmocka_unit_test(test_entry),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_every_byte_pair_is_valid),
		cmocka_unit_test(test_largest_numbers),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
