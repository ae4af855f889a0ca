/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unwind_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "elf_file.h"
#include "unwind_rule.h"
#include "unwind_spans.h"
#include "unwind_writer.h"

/* Padding between functions: nothing runs there, and the function before may as well own it. */
#define MIN_GAP_BYTES 16
#define NR_INITIAL 64
/* A compiler writes about three bytes an instruction; a CIE's few run once more a function. */
#define BUDGET(section_bytes) (4 * (section_bytes) + (1 << 16))
#define MAX_IMAGE_BYTES (1 << 20)

/* The row with which a CIE's functions begin, kept: there are few, used in turn. */
struct initial_row {
	__u32 record;
	bool is_valid;
	bool is_bad;
	struct cfi_row row;
};

struct build {
	struct elf_file file;
	const struct cfi_machine *machine;
	struct unwind_table *table;
	struct unwind_rules rules;
	struct unwind_spans spans;
	struct unwind_writer writer;
	struct unwind_function function;
	struct cfi_run run;
	struct initial_row initial[NR_INITIAL];
};

static __u64 thread_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (__u64)now.tv_sec * 1000000000 + (__u64)now.tv_nsec;
}

/* Pages from the first executable byte to the last. */
static int make_pages(const struct elf_file *file, struct unwind_table *table)
{
	__u64 first = ~0ULL, end = 0;

	for (unsigned int i = 0; i < file->nr_loads; i++) {
		const struct elf_segment *load = &file->loads[i];

		if (!load->executable || !load->size)
			continue;
		if (load->offset < first)
			first = load->offset;
		if (load->offset + load->size > end)
			end = load->offset + load->size;
	}
	if (first >= end)
		return -ENOENT;
	first >>= UNWIND_PAGE_SHIFT;
	end = ((end - 1) >> UNWIND_PAGE_SHIFT) + 1;
	if (end - first > MAX_UNWIND_PAGES || end > ~0U)
		return -E2BIG;
	table->first_page = (__u32)first;
	table->nr_pages = (__u32)(end - first);
	table->pages = calloc(table->nr_pages, sizeof(*table->pages));
	return table->pages ? 0 : -ENOMEM;
}

/* NULL: the CIE's own instructions make no sense. */
static const struct cfi_row *find_initial(struct build *build)
{
	__u32 record = build->function.common_record;
	struct initial_row *initial = &build->initial[(record >> 2) % NR_INITIAL];

	if (!initial->is_valid || initial->record != record) {
		build->run.initial = NULL;
		build->run.row = (struct cfi_row){ 0 };
		build->run.location = 0;
		build->run.nr_remembered = 0;
		initial->is_bad = cfi_run__common(&build->run, &initial->row);
		initial->record = record;
		initial->is_valid = true;
	}
	return initial->is_bad ? NULL : &initial->row;
}

static int set_refused(struct build *build, __u64 offset, enum unwind_refusal refusal)
{
	build->table->refused[refusal]++;
	return unwind_writer__set(&build->writer, offset, UNWIND_UNSUPPORTED_RULE);
}

static int set_row(struct build *build, __u64 offset, const struct cfi_row *row)
{
	struct unwind_rule rule;
	enum unwind_refusal refusal =
		unwind_rule__make(&rule, build->machine, row, build->function.common.is_signal);
	int place;

	if (refusal != NR_UNWIND_REFUSALS)
		return set_refused(build, offset, refusal);
	place = unwind_rules__add(&build->rules, &rule);
	if (place < 0)
		return set_refused(build, offset, UNWIND_TOO_MANY_RULES);
	return unwind_writer__set(&build->writer, offset, (__u32)place);
}

/* Writes the rows of a function, as far as they can be understood and lie within its span. */
static int write_function(struct build *build, const struct unwind_span *span)
{
	struct cfi_run *run = &build->run;
	struct dwarf_cursor instructions;
	const struct cfi_row *initial;
	struct cfi_row row;
	__u64 start, offset = span->start;
	int more, err;

	if (unwind_spans__function(&build->spans, span->record, &build->function))
		return set_refused(build, offset, UNWIND_BAD_RECORD);
	run->common = &build->function.common;
	initial = find_initial(build);
	if (!run->budget)
		return -E2BIG;
	if (!initial)
		return set_refused(build, offset, UNWIND_BAD_INSTRUCTION);
	start = build->function.function.start;
	instructions = build->function.function.instructions;
	run->initial = initial;
	run->row = *initial;
	run->location = start;
	run->nr_remembered = 0;
	do {
		more = cfi_run__next(run, &instructions, &row);
		if (more == -E2BIG)
			return more;
		if (more < 0)
			return set_refused(build, offset, UNWIND_BAD_INSTRUCTION);
		err = set_row(build, offset, &row);
		if (err)
			return err;
		if (run->location - start >= span->end - span->start)
			break;
		offset = span->start + (run->location - start);
	} while (more);
	return 0;
}

static int write_spans(struct build *build)
{
	const struct unwind_spans *spans = &build->spans;
	int err = 0;

	for (size_t i = 0; i < spans->nr_spans && !err; i++) {
		const struct unwind_span *span = &spans->spans[i];

		if (span->record == UNWIND_NO_RECORD)
			err = unwind_writer__set(&build->writer, span->start, span->rule);
		else
			err = write_function(build, span);
		if (!err &&
		    (i + 1 == spans->nr_spans || span[1].start - span->end >= MIN_GAP_BYTES))
			err = unwind_writer__set(&build->writer, span->end, UNWIND_NO_RULE);
	}
	return err ? err : unwind_writer__end(&build->writer);
}

/* The file is open. */
static int make_table(struct build *build)
{
	struct unwind_table *table = build->table;
	int err;

	build->machine = cfi_machine__find(build->file.machine);
	if (!build->machine || !build->file.is_64_bit)
		return -ENOENT;
	err = make_pages(&build->file, table);
	if (err)
		return err;
	err = unwind_spans__open(&build->spans, &build->file, build->machine, &build->rules, table);
	if (err)
		return err;
	build->run.machine = build->machine;
	build->run.budget = BUDGET(build->spans.section.size);
	unwind_writer__begin(&build->writer, table);
	err = write_spans(build);
	if (err)
		return err;
	table->nr_rules = build->rules.nr_rules;
	table->rules = build->rules.rules;
	build->rules.rules = NULL;
	return 0;
}

int unwind_table__build(int fd, struct unwind_table *table)
{
	__u64 begin = thread_ns();
	struct build *build;
	int err;

	*table = (struct unwind_table){ 0 };
	build = calloc(1, sizeof(*build));
	if (!build)
		return -ENOMEM;
	build->table = table;
	err = elf_file__open(&build->file, fd);
	if (err)
		goto out;
	err = unwind_rules__open(&build->rules);
	if (!err)
		err = make_table(build);
	unwind_spans__close(&build->spans);
	unwind_rules__close(&build->rules);
	elf_file__close(&build->file);
out:
	free(build);
	if (err)
		unwind_table__free(table);
	else
		table->build_ns = thread_ns() - begin;
	return err;
}

int unwind_table__build_image(const void *image, size_t size, struct unwind_table *table)
{
	int err = -EINVAL, fd;

	*table = (struct unwind_table){ 0 };
	if (size > MAX_IMAGE_BYTES)
		return -E2BIG;
	fd = memfd_create("vdso", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, image, size) == (ssize_t)size)
		err = unwind_table__build(fd, table);
	close(fd);
	return err;
}

void unwind_table__free(struct unwind_table *table)
{
	if (table->memory) {
		munmap(table->memory, table->memory_bytes);
	} else {
		free(table->pages);
		free(table->rows);
		free(table->rules);
	}
	*table = (struct unwind_table){ 0 };
}

__u32 unwind_table__find(const struct unwind_table *table, __u64 offset)
{
	__u64 place = (offset >> UNWIND_PAGE_SHIFT) - table->first_page;
	__u32 key = UNWIND_ROW(offset & (UNWIND_PAGE_BYTES - 1), 0xffff), n;
	const struct unwind_page *page;
	const __u32 *rows;

	if (place >= table->nr_pages || !table->pages[place].nr_rows)
		return UNWIND_NO_RULE;
	page = &table->pages[place];
	rows = table->rows + (size_t)page->chunk * UNWIND_CHUNK_ROWS + page->start;
	for (n = page->nr_rows; n > 1; n -= n / 2)
		if (rows[n / 2] <= key)
			rows += n / 2;
	return UNWIND_ROW_RULE(*rows);
}

size_t unwind_table__map_bytes(const struct unwind_table *table)
{
	return table->nr_pages * sizeof(*table->pages) +
	       (size_t)table->nr_chunks * UNWIND_CHUNK_ROWS * sizeof(*table->rows);
}

const char *unwind_refusal__name(enum unwind_refusal refusal)
{
	static const char *const names[NR_UNWIND_REFUSALS] = {
		[UNWIND_BAD_RECORD] = "malformed record",
		[UNWIND_BAD_INSTRUCTION] = "unknown or malformed instruction",
		[UNWIND_CFA_EXPRESSION] = "unknown frame address",
		[UNWIND_RA_RULE] = "unknown return address",
		[UNWIND_FP_RULE] = "unknown frame pointer",
		[UNWIND_BX_RULE] = "unknown rbx",
		[UNWIND_FAR_OFFSET] = "offset too far",
		[UNWIND_TOO_MANY_RULES] = "too many rules",
	};

	return (unsigned int)refusal < NR_UNWIND_REFUSALS ? names[refusal] : "unknown";
}
