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

#define FIRST_STACK_REQUESTS 4000

/* Two stacks, the second without its outermost frames, and a sample whose stack was not kept. */
static void add_stacks(struct profile *profile)
{
	struct profile_process *process = &profile->processes[0];
	const struct profile_frame frames[] = { { 1, 0x98930 }, { 2, 0x1139 }, { 0, 0x7f00beef } };
	const struct profile_stack stacks[] = {
		{ .first_frame = 0, .nr_frames = 2, .status = STACK_COMPLETE },
		{ .first_frame = 1, .nr_frames = 2, .status = STACK_NO_TABLE | STACK_HEURISTIC },
	};
	const struct profile_sample samples[] = {
		{ .stack = 0,
		  .size_class = (__u16)size_class__of(64),
		  .path = PATH_POOL,
		  .function = FUNCTION_MALLOC,
		  .samples = 1,
		  .count = 5,
		  .bytes = 320 },
		{ .stack = 1,
		  .size_class = (__u16)size_class__of(24),
		  .path = PATH_POOL,
		  .function = FUNCTION_MALLOC,
		  .samples = 7,
		  .count = FIRST_STACK_REQUESTS,
		  .bytes = 24ULL * FIRST_STACK_REQUESTS },
		{ .stack = 2,
		  .size_class = (__u16)size_class__of(24),
		  .path = PATH_POOL,
		  .function = FUNCTION_CALLOC,
		  .samples = 3,
		  .count = 1000,
		  .bytes = 24000 },
		{ .stack = 2, .kind = SAMPLE_FAULT, .samples = 9, .count = 9, .bytes = 36864 },
	};

	profile->has_stacks = true;
	profile->sample_bytes = 4096;
	profile->sums[SAMPLE_FAULT] = (struct sample_sums){ 4000, 1000, 3900, 12000 };
	profile->objects = calloc(2, sizeof(*profile->objects));
	profile->frames = calloc(3, sizeof(*profile->frames));
	profile->stacks = calloc(2, sizeof(*profile->stacks));
	process->samples = calloc(4, sizeof(*process->samples));
	assert_true(profile->objects && profile->frames && profile->stacks && process->samples);
	profile->objects[0].path = strdup("/usr/lib/libc.so.6");
	profile->objects[0].build_id = strdup("93ac64b9");
	profile->objects[1].path = strdup("/tmp/a\xff.out");
	memcpy(profile->frames, frames, sizeof(frames));
	memcpy(profile->stacks, stacks, sizeof(stacks));
	memcpy(process->samples, samples, sizeof(samples));
	profile->nr_objects = 2;
	profile->nr_frames = 3;
	profile->nr_stacks = 2;
	process->nr_samples = 4;
}

static void stacks_come_back(void **state)
{
	struct profile profile, read;

	(void)state;
	sample__make(&profile, DEPTH_ENTRY);
	add_stacks(&profile);
	pass_through(&profile, &read);
	assert_true(read.has_stacks && read.sample_bytes == 4096);
	assert_memory_equal(read.sums, profile.sums, sizeof(read.sums));
	assert_int_equal(read.nr_objects, 2);
	assert_string_equal(read.objects[0].path, profile.objects[0].path);
	assert_string_equal(read.objects[0].build_id, profile.objects[0].build_id);
	assert_string_equal(read.objects[1].path, profile.objects[1].path);
	assert_null(read.objects[1].build_id);
	assert_int_equal(read.nr_stacks, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct profile_stack *a = &profile.stacks[i], *b = &read.stacks[i];

		assert_int_equal(a->status, b->status);
		assert_int_equal(a->nr_frames, b->nr_frames);
		for (__u32 j = 0; j < a->nr_frames; j++) {
			const struct profile_frame *x = &profile.frames[a->first_frame + j];
			const struct profile_frame *y = &read.frames[b->first_frame + j];

			assert_true(x->object == y->object && x->offset == y->offset);
		}
	}
	assert_int_equal(read.processes[0].nr_samples, 4);
	for (size_t i = 0; i < 4; i++) {
		const struct profile_sample *a = &profile.processes[0].samples[i];
		const struct profile_sample *b = &read.processes[0].samples[i];

		assert_true(a->stack == b->stack && a->size_class == b->size_class &&
			    a->path == b->path && a->function == b->function &&
			    a->kind == b->kind && a->samples == b->samples &&
			    a->count == b->count && a->bytes == b->bytes);
	}
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

/* With stacks too, and what is sampled is counted beside. */
static void stacks_sum_to_the_totals(void **state)
{
	struct profile profile;
	const struct profile_process *a, *b;
	__u64 sums[8] = {};
	Pprof__Profile *file;
	bool truncated = false, rest = false;

	(void)state;
	sample__make(&profile, DEPTH_ENTRY);
	add_calls(&profile.processes[0]);
	add_stacks(&profile);
	a = &profile.processes[0];
	b = &profile.processes[1];
	file = unpack(write_profile(&profile));
	assert_int_equal(file->n_sample_type, 7);
	sum_samples(file, sums);
	assert_true(sums[0] == profile_process__requests(a) + profile_process__requests(b));
	assert_true(sums[1] ==
		    profile_process__request_bytes(a) + profile_process__request_bytes(b));
	assert_true(sums[2] == profile_process__faults(a) + profile_process__faults(b));
	assert_true(sums[3] == a->counters.first_touch_bytes + b->counters.first_touch_bytes);
	assert_true(sums[4] == a->counters.brk_grown_bytes);
	assert_true(sums[5] == a->counters.mmap_anon_bytes);
	assert_int_equal(sums[6], 1 + 7 + 3 + 9);
	/* The offset of a frame is the place's in its mapping; what ends early says so. */
	assert_int_equal(file->n_mapping, 2);
	for (size_t i = 0; i < file->n_location; i++)
		if (file->location[i]->mapping_id)
			assert_true(file->location[i]->address -
					    file->mapping[file->location[i]->mapping_id - 1]
						    ->memory_start ==
				    (file->location[i]->mapping_id == 1 ? 0x98930 : 0x1139));
	for (size_t i = 0; i < file->n_string_table; i++) {
		truncated |= !strcmp(file->string_table[i], "[truncated: no_table]");
		rest |= !strcmp(file->string_table[i], "[not sampled]");
	}
	assert_true(truncated && rest);
	pprof__profile__free_unpacked(file, NULL);
	profile__free(&profile);
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

/* What is pointed to has to be there, and a frame has both halves. */
static void impossible_stacks_are_refused(void **state)
{
	uint32_t objects[] = { 0, 1 };
	uint64_t offsets[] = { 1, 2 };
	Recording__Recording recording = RECORDING__RECORDING__INIT;
	Recording__Stack stack = RECORDING__STACK__INIT, *stacks = &stack;
	Recording__Process process = RECORDING__PROCESS__INIT, *processes = &process;
	Recording__Sample sample = RECORDING__SAMPLE__INIT, *samples = &sample;

	(void)state;
	recording.version = RECORDING_VERSION;
	recording.has_stacks = true;
	recording.stack = &stacks;
	recording.n_stack = 1;
	stack.object = objects;
	stack.offset = offsets;
	stack.n_object = stack.n_offset = 1;
	assert_int_equal(read_part(&recording, NULL), 0);
	stack.n_object = stack.n_offset = 2; /* there is no object 1 */
	assert_int_equal(read_part(&recording, NULL), -EINVAL);
	stack.n_object = 1;
	assert_int_equal(read_part(&recording, NULL), -EINVAL);
	stack.n_offset = 1;
	stack.status = 256;
	assert_int_equal(read_part(&recording, NULL), -EINVAL);
	stack.status = 0;
	recording.process = &processes;
	recording.n_process = 1;
	process.sample = &samples;
	process.n_sample = 1;
	sample.kind = SAMPLE_FAULT;
	sample.stack = 1;
	assert_int_equal(read_part(&recording, NULL), 0);
	sample.stack = 2;
	assert_int_equal(read_part(&recording, NULL), -EINVAL);
	sample.stack = 1;
	sample.kind = NR_SAMPLE_KINDS; /* of a newer one */
	assert_int_equal(read_part(&recording, NULL), 0);
	sample.kind = SAMPLE_REQUEST; /* of no path that has a name */
	assert_int_equal(read_part(&recording, NULL), -EINVAL);
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
		cmocka_unit_test(stacks_come_back),
		cmocka_unit_test(impossible_stacks_are_refused),
		cmocka_unit_test(samples_sum_to_the_totals),
		cmocka_unit_test(stacks_sum_to_the_totals),
		cmocka_unit_test(callers_never_add_to_the_totals),
		cmocka_unit_test(bad_files_are_refused),
		cmocka_unit_test(versions),
		cmocka_unit_test(ten_thousand_processes),
	};

	return cmocka_run_group_tests(tests, silence, NULL);
}
