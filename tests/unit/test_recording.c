/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "clock.h"
#include "pprof.pb-c.h"
#include "recording.h"
#include "recording_names.h"
#include "report.h"
#include "sample_profile.h"

#define GZIP_TRAILER 8 /* checksum and length */
#define MANY 10000
#define MANY_SIZES 20

/* Messages are expected; where they go nobody looks. */
static int silence(void **state)
{
	(void)state;
	return freopen("/dev/null", "w", stderr) ? 0 : -1;
}

static int memory_file(void)
{
	int fd = memfd_create("recording", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* The descriptor of a written profile, at its begin. */
static int write_profile(const struct profile *profile)
{
	int fd = memory_file();
	FILE *out = fdopen(dup(fd), "w");

	assert_non_null(out);
	assert_int_equal(recording__write(out, profile, NULL), 0);
	fclose(out);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* Written and read. */
static void pass_through(const struct profile *profile, struct profile *read)
{
	assert_int_equal(recording__read(write_profile(profile), "test", read), 0);
}

static char *json_of(const struct profile *profile)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(report_json__write(out, profile, NULL), 0);
	fclose(out);
	return text;
}

static void each_counter_has_a_name_of_its_own(void **state)
{
	char names[NR_COUNTERS][COUNTER_NAME];

	(void)state;
	for (size_t i = 0; i < NR_COUNTERS; i++) {
		assert_true(counter__name(i, names[i]));
		assert_null(strchr(names[i], '?'));
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(names[i], names[j]);
	}
	assert_false(counter__name(NR_COUNTERS, names[0]));
}

static void the_report_stays_the_same(void **state)
{
	(void)state;
	for (int depth = DEPTH_KERNEL; depth <= DEPTH_FULL; depth++) {
		struct profile profile, read;
		char *before, *after;

		sample__make(&profile, depth);
		profile.detached_why = strdup("too dear");
		profile.coverage = 0.25;
		profile.cost.has_bpf_run = true;
		profile.cost.bpf_run_ns = 0;
		profile.files[0].since_s = 0.1;
		profile.processes[1].unprobed = UNPROBED_LATE;
		for (size_t i = 0; i < NR_COUNTERS; i++)
			((__u64 *)&profile.processes[1].counters)[i] = ~(__u64)i;
		pass_through(&profile, &read);
		before = json_of(&profile);
		after = json_of(&read);
		assert_string_equal(before, after);
		/* What the JSON does not have. */
		assert_int_equal(read.nr_cpus, profile.nr_cpus);
		for (size_t i = 0; i < profile.nr_processes; i++) {
			const struct profile_process *a = &profile.processes[i];
			const struct profile_process *b = &read.processes[i];

			assert_memory_equal(&a->counters, &b->counters, sizeof(a->counters));
			assert_memory_equal(a->limits, b->limits, sizeof(a->limits));
			assert_memory_equal(a->sizes, b->sizes, a->nr_sizes * sizeof(*a->sizes));
			assert_string_equal(a->comm, b->comm);
			assert_int_equal(a->members, b->members);
		}
		free(before);
		free(after);
		profile__free(&profile);
		profile__free(&read);
	}
}

static void add_call(struct profile_process *process, __u64 caller, __u32 mapping, __u64 size,
		     enum alloc_path path, __u64 count)
{
	struct profile_call *calls;

	calls = realloc(process->calls, (process->nr_calls + 1) * sizeof(*calls));
	assert_non_null(calls);
	process->calls = calls;
	calls[process->nr_calls++] = (struct profile_call){
		.caller = caller,
		.mapping = mapping,
		.size_class = (__u16)size_class__of(size),
		.path = (__u8)path,
		.function = FUNCTION_CALLOC,
		.count = count,
		.bytes = count * size,
	};
}

static void add_calls(struct profile_process *process)
{
	process->mappings = calloc(1, sizeof(*process->mappings));
	assert_non_null(process->mappings);
	process->nr_mappings = 1;
	process->mappings[0] = (struct profile_mapping){
		.start = 0x7f0000001000,
		.limit = 0x7f0000009000,
		.offset = 0x1000,
		.path = strdup("/usr/lib/libx\xff.so"),
		.build_id = strdup("0123abcd"),
	};
	add_call(process, 0x7f0000002345, 1, 24, PATH_POOL, 1000000);
	add_call(process, 0x7f0000002345, 1, 64, PATH_POOL, 412345);
	add_call(process, 0x7fff00000001, 0, 262144, PATH_MMAP, 40);
}

static void callers_come_back(void **state)
{
	struct profile profile, read;
	const struct profile_process *process;

	(void)state;
	sample__make(&profile, DEPTH_ENTRY);
	add_calls(&profile.processes[0]);
	pass_through(&profile, &read);
	process = &read.processes[0];
	assert_int_equal(process->nr_calls, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct profile_call *a = &profile.processes[0].calls[i];
		const struct profile_call *b = &process->calls[i];

		assert_true(a->caller == b->caller && a->mapping == b->mapping &&
			    a->size_class == b->size_class && a->path == b->path &&
			    a->function == b->function && a->count == b->count &&
			    a->bytes == b->bytes);
	}
	assert_int_equal(process->nr_mappings, 1);
	assert_string_equal(process->mappings[0].path, "/usr/lib/libx\xff.so");
	assert_string_equal(process->mappings[0].build_id, "0123abcd");
	profile__free(&profile);
	profile__free(&read);
}

/* The whole file as another tool has it; the caller frees both. */
static Pprof__Profile *unpack(int fd)
{
	size_t room = 64 << 20, size = 0;
	unsigned char *bytes = malloc(room);
	gzFile file = gzdopen(fd, "rb");
	Pprof__Profile *profile;
	int got;

	assert_non_null(bytes);
	while ((got = gzread(file, bytes + size, (unsigned int)(room - size))) > 0)
		size += (size_t)got;
	assert_int_equal(got, 0);
	gzclose(file);
	profile = pprof__profile__unpack(NULL, size, bytes);
	assert_non_null(profile);
	free(bytes);
	return profile;
}

static void sum_samples(const Pprof__Profile *file, __u64 *sums)
{
	for (size_t i = 0; i < file->n_sample; i++) {
		assert_true(file->sample[i]->n_location_id >= 2);
		assert_int_equal(file->sample[i]->n_value, file->n_sample_type);
		for (size_t j = 0; j < file->n_sample_type; j++)
			sums[j] += (__u64)file->sample[i]->value[j];
		for (size_t j = 0; j < 2; j++)
			assert_in_range(file->sample[i]->location_id[j], 1, file->n_location);
	}
}

static void samples_sum_to_the_totals(void **state)
{
	(void)state;
	for (int depth = DEPTH_KERNEL; depth <= DEPTH_ENTRY; depth++) {
		__u64 sums[8] = {}, expected[8] = {};
		struct profile profile;
		Pprof__Profile *file;
		size_t first = depth == DEPTH_KERNEL ? 2 : 0;

		sample__make(&profile, depth);
		if (depth == DEPTH_ENTRY)
			add_calls(&profile.processes[0]);
		for (size_t i = 0; i < profile.nr_processes; i++) {
			const struct profile_process *process = &profile.processes[i];

			expected[0] += profile_process__requests(process);
			expected[1] += profile_process__request_bytes(process);
			expected[2] += profile_process__faults(process);
			expected[3] += process->counters.first_touch_bytes;
			expected[4] += process->counters.brk_grown_bytes;
			expected[5] += process->counters.mmap_anon_bytes;
		}
		file = unpack(write_profile(&profile));
		assert_int_equal(file->n_sample_type, 6 - first);
		sum_samples(file, sums);
		for (size_t i = first; i < 6; i++)
			assert_true(sums[i - first] == expected[i]);
		pprof__profile__free_unpacked(file, NULL);
		profile__free(&profile);
	}
}

/* What callers claim beyond the exact counts is not believed. */
static void callers_never_add_to_the_totals(void **state)
{
	struct profile profile;
	Pprof__Profile *file;
	__u64 sums[8] = {};

	(void)state;
	sample__make(&profile, DEPTH_ENTRY);
	add_calls(&profile.processes[0]);
	profile.processes[0].calls[0].count = ~0ULL;
	profile.processes[0].calls[0].bytes = ~0ULL;
	file = unpack(write_profile(&profile));
	sum_samples(file, sums);
	assert_true(sums[0] == profile_process__requests(&profile.processes[0]) +
				       profile_process__requests(&profile.processes[1]));
	pprof__profile__free_unpacked(file, NULL);
	profile__free(&profile);
}

static int read_bytes(const void *bytes, size_t size)
{
	struct profile profile;
	int fd = memory_file(), error;

	assert_int_equal(write(fd, bytes, size), size);
	lseek(fd, 0, SEEK_SET);
	error = recording__read(fd, "test", &profile);
	profile__free(&profile);
	return error;
}

static void bad_files_are_refused(void **state)
{
	static const char words[] = "of yesterday, and nothing else\n";
	struct profile profile;
	unsigned char *bytes;
	off_t size;
	int fd;

	(void)state;
	sample__make(&profile, DEPTH_FULL);
	fd = write_profile(&profile);
	size = lseek(fd, 0, SEEK_END);
	bytes = malloc((size_t)size);
	assert_int_equal(pread(fd, bytes, (size_t)size, 0), size);
	close(fd);
	assert_int_equal(read_bytes(bytes, (size_t)size), 0);
	for (off_t cut = 0; cut < size; cut += cut < 32 ? 1 : 97)
		assert_true(read_bytes(bytes, (size_t)cut) < 0);
	for (off_t at = 10; at < size; at += 31) {
		if (at == size - GZIP_TRAILER - 1) /* its last bits mean nothing */
			continue;
		bytes[at] ^= 0x40;
		assert_true(read_bytes(bytes, (size_t)size) < 0);
		bytes[at] ^= 0x40;
	}
	assert_true(read_bytes(words, sizeof(words)) < 0);
	free(bytes);
	profile__free(&profile);
}

/* Packed and read; extra is more of the file. */
static int read_part(Recording__Recording *recording, const char *string)
{
	Pprof__Profile file = PPROF__PROFILE__INIT;
	unsigned char bytes[4096];
	char *strings[1] = { (char *)string };

	file.recording = recording;
	file.string_table = strings;
	file.n_string_table = string != NULL;
	assert_true(pprof__profile__get_packed_size(&file) <= sizeof(bytes));
	return read_bytes(bytes, pprof__profile__pack(&file, bytes));
}

static void versions(void **state)
{
	Recording__Recording recording = RECORDING__RECORDING__INIT;

	(void)state;
	recording.version = RECORDING_VERSION;
	assert_int_equal(read_part(&recording, NULL), 0);
	recording.version = RECORDING_VERSION + 1;
	assert_int_equal(read_part(&recording, NULL), -ENOTSUP);
	recording.version = 0;
	assert_int_equal(read_part(&recording, NULL), -EINVAL);
	assert_int_equal(read_part(NULL, "another tool's"), -EINVAL);
}

static void ten_thousand_processes(void **state)
{
	struct profile profile = { .depth = DEPTH_ENTRY, .duration_s = 1, .coverage = 1 }, read;
	__u64 begin_ns;

	(void)state;
	profile.processes = calloc(MANY, sizeof(*profile.processes));
	assert_non_null(profile.processes);
	profile.nr_processes = MANY;
	for (__u32 i = 0; i < MANY; i++) {
		struct profile_process *process = &profile.processes[i];

		process->id = i + 1;
		process->members = 1;
		process->comm = strdup("worker");
		process->exe = strdup("/usr/sbin/worker");
		for (__u64 size = 16; process->nr_sizes < MANY_SIZES; size += size / 8 + 1) {
			sample__add_requests(process, PATH_POOL, size, i + size);
			add_call(process, 0x400000 + size, 0, size, PATH_POOL, size);
		}
	}
	begin_ns = clock__now_ns();
	pass_through(&profile, &read);
	assert_true(clock__now_ns() - begin_ns < 20000000000ULL);
	assert_int_equal(read.nr_processes, MANY);
	assert_memory_equal(&read.processes[MANY - 1].counters,
			    &profile.processes[MANY - 1].counters,
			    sizeof(read.processes->counters));
	profile__free(&profile);
	profile__free(&read);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_counter_has_a_name_of_its_own),
		cmocka_unit_test(the_report_stays_the_same),
		cmocka_unit_test(callers_come_back),
		cmocka_unit_test(samples_sum_to_the_totals),
		cmocka_unit_test(callers_never_add_to_the_totals),
		cmocka_unit_test(bad_files_are_refused),
		cmocka_unit_test(versions),
		cmocka_unit_test(ten_thousand_processes),
	};

	return cmocka_run_group_tests(tests, silence, NULL);
}
