/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "clock.h"
#include "elf_file.h"
#include "log.h"
#include "mapped_file.h"
#include "maps_line.h"
#include "session.h"
#include "unwind_builder.h"
#include "unwinder.h"

/* A program that reads a table when it is taken away has long ended after that. */
#define GRACE_US 20000

/* A table that was needed so lately is not taken away: in ticks. */
#define IN_USE_TICKS 20
#define RETRY_NS 1000000000ULL

#define VDSO_BYTES 8192

#define MAX_KEPT 256 /* descriptors; a run may have 1024 of all kinds */

static void unwinder__set_state(struct unwinder *unwinder, __u32 number, __u32 state)
{
	__atomic_store_n(&unwinder->maps.files[number].state, state, __ATOMIC_RELEASE);
}

static void unwinder__refuse(struct unwinder *unwinder, __u32 number, int error)
{
	unwinder->files[number].error = error;
	unwinder__set_state(unwinder, number, UNWIND_FILE_REFUSED);
	if (log__is_verbose())
		log__note("%s: no unwind table: %s", unwinder->files[number].path,
			  strerror(-error));
}

/* Takes the table away that was not needed for longest. 0: there is none but those in use. */
static int unwinder__evict(struct unwinder *unwinder)
{
	__u32 victim = 0;

	for (size_t i = 0; i < unwinder->room.nr_extents; i++) {
		__u32 number = unwinder->room.extents[i].owner;
		const struct unwind_file *file = &unwinder->maps.files[number];

		if (number != UNWIND_VDSO && file->used + IN_USE_TICKS < unwinder->clock &&
		    (!victim || file->used < unwinder->maps.files[victim].used))
			victim = number;
	}
	if (!victim)
		return 0;
	__atomic_store_n(&unwinder->maps.files[victim].nr_pages, 0, __ATOMIC_SEQ_CST);
	unwinder__set_state(unwinder, victim, UNWIND_FILE_EVICTED);
	usleep(GRACE_US);
	unwind_room__give_back(&unwinder->room, victim);
	unwinder->nr_evictions++;
	if (log__is_verbose())
		log__note("%s: its unwind table makes room for another",
			  unwinder->files[victim].path);
	return 1;
}

static int unwinder__write(struct unwinder *unwinder, __u32 number, struct unwind_table *table,
			   const __u32 *chunks, __u32 first_entry)
{
	struct unwind_file *file = &unwinder->maps.files[number];
	int error = 0;

	for (__u32 i = 0; !error && i < table->nr_chunks; i++)
		error = session__write_chunk(unwinder->session, &unwinder->maps, chunks[i],
					     table->rows + (size_t)i * UNWIND_CHUNK_ROWS);
	if (error)
		return error;
	for (__u32 i = 0; i < table->nr_pages; i++) {
		struct unwind_page page = table->pages[i];

		/* A table that its builder was made to get wrong points nowhere else. */
		if (page.nr_rows && page.chunk >= table->nr_chunks)
			page.nr_rows = 0;
		page.chunk = page.nr_rows ? chunks[page.chunk] : 0;
		unwinder->maps.pages[first_entry + i] = page;
	}
	file->first_entry = first_entry;
	file->first_page = table->first_page;
	file->used = unwinder->clock;
	__atomic_store_n(&file->nr_pages, table->nr_pages, __ATOMIC_SEQ_CST);
	unwinder__set_state(unwinder, number, UNWIND_FILE_READY);
	return 0;
}

/* The table is ours to free. */
static int unwinder__place(struct unwinder *unwinder, __u32 number, struct unwind_table *table)
{
	struct code_file *known = &unwinder->files[number];
	__u32 before = unwinder->rules.nr_rules, first_entry = 0, *chunks;
	int error;

	chunks = calloc(table->nr_chunks + 1, sizeof(*chunks));
	error = chunks ? unwind_rules__merge(&unwinder->rules, table) : -ENOMEM;
	if (!error) {
		/* Rules first, then rows, pages and the file: who reads finds what it is led to. */
		memcpy(unwinder->maps.rules + before, unwinder->rules.rules + before,
		       (unwinder->rules.nr_rules - before) * sizeof(struct unwind_rule));
		do {
			error = unwind_room__take(&unwinder->room, number, table->nr_chunks, chunks,
						  table->nr_pages, &first_entry);
		} while (error == -ENOSPC && unwinder__evict(unwinder));
	}
	if (!error) {
		known->nr_rows = table->nr_rows;
		known->build_ns = table->build_ns;
		known->map_bytes = unwind_table__map_bytes(table);
		error = unwinder__write(unwinder, number, table, chunks, first_entry);
		if (error)
			unwind_room__give_back(&unwinder->room, number);
	}
	free(chunks);
	if (error == -ENOSPC) {
		/* All that is there is in use: asked for again in a while. */
		known->retry_ns = clock__now_ns() + RETRY_NS;
		unwinder__set_state(unwinder, number, UNWIND_FILE_EVICTED);
		return 0;
	}
	return error;
}

static int unwinder__place_vdso(struct unwinder *unwinder)
{
	const void *image = (const void *)getauxval(AT_SYSINFO_EHDR);
	struct unwind_table table;
	int error;

	unwinder->files[UNWIND_VDSO].path = strdup("[vdso]");
	if (!image)
		return 0;
	error = unwind_table__build_image(image, VDSO_BYTES, &table);
	if (error) {
		unwinder__refuse(unwinder, UNWIND_VDSO, error);
		return 0;
	}
	error = unwinder__place(unwinder, UNWIND_VDSO, &table);
	unwind_table__free(&table);
	return error;
}

int unwinder__open(struct unwinder *unwinder, struct session *session)
{
	int error;

	memset(unwinder, 0, sizeof(*unwinder));
	error = session__map_stacks(session, &unwinder->maps);
	if (error)
		return log__error(error, "the unwind tables cannot be mapped: %s",
				  strerror(-error));
	unwinder->session = session;
	unwinder->clock = 1;
	session__tick(session, unwinder->clock);
	unwinder->files = calloc(MAX_UNWIND_FILES, sizeof(*unwinder->files));
	if (!unwinder->files)
		error = -ENOMEM;
	if (!error)
		error = unwind_rules__open(&unwinder->rules);
	if (!error)
		error = unwind_room__open(&unwinder->room, session__nr_chunks(session),
					  MAX_UNWIND_PAGES);
	if (!error)
		error = unwind_builder__open(&unwinder->builder);
	if (!error)
		error = unwinder__place_vdso(unwinder);
	if (error) {
		unwinder__close(unwinder);
		return log__error(error, "stacks cannot be taken: %s", strerror(-error));
	}
	return 0;
}

void unwinder__close(struct unwinder *unwinder)
{
	if (!unwinder->session)
		return;
	unwind_builder__close(unwinder->builder);
	unwind_room__close(&unwinder->room);
	unwind_rules__close(&unwinder->rules);
	for (size_t i = 0; unwinder->files && i < MAX_UNWIND_FILES; i++) {
		free(unwinder->files[i].path);
		free(unwinder->files[i].build_id);
		if (unwinder->files[i].fd)
			close(unwinder->files[i].fd);
	}
	free(unwinder->files);
	stack_maps__close(&unwinder->maps);
	memset(unwinder, 0, sizeof(*unwinder));
}

static char *file__build_id(int fd)
{
	char *build_id = NULL;
	struct elf_file file;

	if (elf_file__open(&file, fd))
		return NULL;
	if (elf_file__build_id(&file, &build_id))
		build_id = NULL;
	elf_file__close(&file);
	return build_id;
}

/* As many as there may be; of a further file the path has to do. */
static void unwinder__keep(struct unwinder *unwinder, struct code_file *file, int fd)
{
	int kept;

	if (unwinder->nr_kept == MAX_KEPT)
		return;
	kept = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (kept < 0)
		return;
	file->fd = kept;
	unwinder->nr_kept++;
}

/* Names the file, once, and queues it. A file that is waited for stays so when that fails. */
static void unwinder__submit(struct unwinder *unwinder, __u32 number, int fd, const char *path)
{
	struct code_file *file = &unwinder->files[number];
	int error;

	if (!file->path) {
		file->path = strdup(path);
		file->build_id = file__build_id(fd);
		unwinder__keep(unwinder, file, fd);
	}
	unwinder__set_state(unwinder, number, UNWIND_FILE_WAITS);
	error = unwind_builder__submit(unwinder->builder, number, fd);
	if (error == -ENOSPC || error == -EMFILE)
		unwinder__set_state(unwinder, number,
				    UNWIND_FILE_NEW); /* when it is mapped again */
	else if (error)
		unwinder__refuse(unwinder, number, error);
}

/* The loader may have cut the mapping since: what holds its start is of the same file. */
static int process__open_mapping(const struct event *event, char *path, size_t size)
{
	char name[64], *text = NULL;
	size_t room = 0;
	FILE *maps;
	int fd;

	snprintf(path, size, "/proc/%u/map_files/%llx-%llx", event->tgid,
		 (unsigned long long)event->address, (unsigned long long)event->end);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0)
		return fd;
	snprintf(name, sizeof(name), "/proc/%u/maps", event->tgid);
	maps = fopen(name, "re");
	if (!maps)
		return -errno;
	while (fd < 0 && getline(&text, &room, maps) > 0) {
		struct maps_line line;

		if (maps_line__parse(text, &line) && line.start <= event->address &&
		    line.end > event->address &&
		    !mapped_file__path((pid_t)event->tgid, &line, path, size))
			fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	}
	free(text);
	fclose(maps);
	return fd < 0 ? -ENOENT : fd;
}

/* What the magic link names; without one the path itself does. */
static void link__name(const char *link, char *path, size_t size)
{
	ssize_t length = readlink(link, path, size - 1);

	if (length > 0)
		path[length] = 0;
	else
		snprintf(path, size, "%s", link);
}

/* An evicted table is needed again. The file has to be found by its name, and be the same. */
static void unwinder__rebuild(struct unwinder *unwinder, __u32 number)
{
	const char *path = unwinder->files[number].path;
	__u32 found = 0;
	int fd;

	if (clock__now_ns() < unwinder->files[number].retry_ns) {
		unwinder__set_state(unwinder, number, UNWIND_FILE_EVICTED);
		return;
	}
	fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	if (fd >= 0 && !session__number_code(unwinder->session, fd, &found) && found == number)
		unwinder__submit(unwinder, number, fd, path);
	else
		unwinder__set_state(unwinder, number, UNWIND_FILE_NEW);
	if (fd >= 0)
		close(fd);
}

/*
 * Libraries that are loaded and unloaded in turn lie at the same addresses: by the time that we look,
 * another file may be there. Where that cannot be asked, it is taken for the one that was meant.
 */
static bool unwinder__is_file(const struct unwinder *unwinder, __u32 number, int fd)
{
	__u32 found;

	return session__number_code(unwinder->session, fd, &found) || found == number;
}

void unwinder__learn(struct unwinder *unwinder, const struct event *event)
{
	char link[PATH_MAX], path[PATH_MAX];
	__u32 number = event->id;
	int fd;

	if (!unwinder->session || number < UNWIND_FIRST_FILE || number >= MAX_UNWIND_FILES)
		return;
	if (!event->address) {
		unwinder__rebuild(unwinder, number);
		return;
	}
	fd = process__open_mapping(event, link, sizeof(link));
	if (fd < 0) {
		/* Gone: whoever maps it next tells again. */
		unwinder__set_state(unwinder, number, UNWIND_FILE_NEW);
		return;
	}
	link__name(link, path, sizeof(path));
	if (unwinder__is_file(unwinder, number, fd))
		unwinder__submit(unwinder, number, fd, path);
	else
		unwinder__set_state(unwinder, number, UNWIND_FILE_NEW);
	close(fd);
}

void unwinder__prepare(struct unwinder *unwinder, const char *path)
{
	char real[PATH_MAX];
	__u32 number;
	int fd;

	if (!unwinder->session)
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	if (!session__number_code(unwinder->session, fd, &number) && number >= UNWIND_FIRST_FILE &&
	    number < MAX_UNWIND_FILES && unwinder->maps.files[number].state == UNWIND_FILE_NEW)
		unwinder__submit(unwinder, number, fd, realpath(path, real) ? real : path);
	close(fd);
}

int unwinder__fd(const struct unwinder *unwinder)
{
	return unwinder->session ? unwind_builder__fd(unwinder->builder) : -1;
}

void unwinder__work(struct unwinder *unwinder)
{
	struct unwind_result result;

	if (!unwinder->session)
		return;
	unwinder->clock = clock__now_ns() / UNWINDER_TICK_NS;
	session__tick(unwinder->session, unwinder->clock);
	while (unwind_builder__collect(unwinder->builder, &result) > 0) {
		int error = result.err;

		if (!error)
			error = unwinder__place(unwinder, (__u32)result.id, &result.table);
		if (error)
			unwinder__refuse(unwinder, (__u32)result.id, error);
		unwind_table__free(&result.table);
	}
}

size_t unwinder__wait(struct unwinder *unwinder, int timeout_ms)
{
	__u64 end_ns = clock__now_ns() + (__u64)timeout_ms * 1000000;

	if (!unwinder->session)
		return 0;
	while (unwind_builder__pending(unwinder->builder) && clock__now_ns() < end_ns) {
		struct pollfd waits = { .fd = unwinder__fd(unwinder), .events = POLLIN };

		if (poll(&waits, 1, 50) < 0 && errno != EINTR)
			break;
		unwinder__work(unwinder);
	}
	return unwind_builder__pending(unwinder->builder);
}

void unwinder__sum(const struct unwinder *unwinder, struct unwinder_sums *sums)
{
	memset(sums, 0, sizeof(*sums));
	for (size_t i = 0; unwinder->session && i < MAX_UNWIND_FILES; i++) {
		const struct code_file *file = &unwinder->files[i];
		__u32 state = unwinder->maps.files[i].state;

		if (!file->path)
			continue;
		sums->nr_files++;
		sums->build_ns += file->build_ns;
		sums->nr_refused += state == UNWIND_FILE_REFUSED;
		sums->nr_evicted += state == UNWIND_FILE_EVICTED;
		if (state != UNWIND_FILE_READY)
			continue;
		sums->nr_ready++;
		sums->nr_rows += file->nr_rows;
		sums->map_bytes += file->map_bytes;
	}
}
