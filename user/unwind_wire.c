/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unwind_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_BYTES (256 << 20)
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* The head of the memory: a table without its addresses. Pages, rows and rules follow. */
struct wire_table {
	__u32 first_page;
	__u32 nr_pages;
	__u32 nr_chunks;
	__u32 nr_rules;
	__u64 nr_rows;
	__u64 nr_functions;
	__u64 refused[NR_UNWIND_REFUSALS];
	__u64 build_ns;
};

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

int unwind_wire__send(int fd, const void *message, size_t size, int passed)
{
	struct iovec part = { .iov_base = (void *)message, .iov_len = size };
	union control control = { 0 };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };

	if (passed >= 0) {
		struct cmsghdr *item;

		header.msg_control = &control;
		header.msg_controllen = sizeof(control);
		item = CMSG_FIRSTHDR(&header);
		item->cmsg_level = SOL_SOCKET;
		item->cmsg_type = SCM_RIGHTS;
		item->cmsg_len = CMSG_LEN(sizeof(passed));
		memcpy(CMSG_DATA(item), &passed, sizeof(passed));
	}
	return sendmsg(fd, &header, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int unwind_wire__receive(int fd, void *message, size_t size, int *passed)
{
	struct iovec part = { .iov_base = message, .iov_len = size };
	union control control = { 0 };
	struct msghdr header = { .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control) };
	struct cmsghdr *item;
	ssize_t n;

	*passed = -1;
	do
		n = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	item = CMSG_FIRSTHDR(&header);
	if (item && item->cmsg_level == SOL_SOCKET && item->cmsg_type == SCM_RIGHTS &&
	    item->cmsg_len == CMSG_LEN(sizeof(*passed)))
		memcpy(passed, CMSG_DATA(item), sizeof(*passed));
	if ((size_t)n == size && !(header.msg_flags & MSG_TRUNC))
		return 0;
	if (*passed >= 0)
		close(*passed);
	*passed = -1;
	return n ? -EPROTO : -EPIPE;
}

static int write_all(int fd, const void *data, size_t size)
{
	const char *from = data;

	while (size) {
		ssize_t n = write(fd, from, size);

		if (n < 0)
			return -errno;
		from += n;
		size -= (size_t)n;
	}
	return 0;
}

int unwind_wire__write(const struct unwind_table *table, int *fd)
{
	struct wire_table head = {
		.first_page = table->first_page,
		.nr_pages = table->nr_pages,
		.nr_chunks = table->nr_chunks,
		.nr_rules = table->nr_rules,
		.nr_rows = table->nr_rows,
		.nr_functions = table->nr_functions,
		.build_ns = table->build_ns,
	};
	int err, memory;

	memcpy(head.refused, table->refused, sizeof(head.refused));
	memory = memfd_create("unwind", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memory < 0)
		return -errno;
	err = write_all(memory, &head, sizeof(head));
	if (!err)
		err = write_all(memory, table->pages, table->nr_pages * sizeof(*table->pages));
	if (!err)
		err = write_all(memory, table->rules, table->nr_rules * sizeof(*table->rules));
	if (!err)
		err = write_all(memory, table->rows,
				(size_t)table->nr_chunks * UNWIND_CHUNK_ROWS *
					sizeof(*table->rows));
	if (!err && fcntl(memory, F_ADD_SEALS, SEALS))
		err = -errno;
	if (err)
		close(memory);
	else
		*fd = memory;
	return err;
}

static bool rule__is_sound(const struct unwind_rule *rule, __u32 place)
{
	if ((rule->kind == UNWIND_NONE) != (place == UNWIND_NO_RULE) ||
	    (rule->kind == UNWIND_UNSUPPORTED) != (place == UNWIND_UNSUPPORTED_RULE))
		return false;
	if (rule->kind == UNWIND_REGISTER && (rule->cfa_add < 0 || rule->cfa_add > 31))
		return false;
	return rule->kind < NR_UNWIND_KINDS && rule->fp_slot < NR_UNWIND_SLOTS &&
	       rule->bx_slot < NR_UNWIND_SLOTS && rule->ra_slot < NR_UNWIND_SLOTS;
}

/* Pages in the order of their rows, none in another's, and every row's rule there. */
static bool table__is_sound(const struct unwind_table *table)
{
	__u64 next = 0, nr_rows = 0;

	for (__u32 i = 0; i < table->nr_rules; i++)
		if (!rule__is_sound(&table->rules[i], i))
			return false;
	for (__u32 i = 0; i < table->nr_pages; i++) {
		const struct unwind_page *page = &table->pages[i];
		__u64 begin = (__u64)page->chunk * UNWIND_CHUNK_ROWS + page->start;
		const __u32 *rows = table->rows + begin;

		if (!page->nr_rows)
			continue;
		if (page->chunk >= table->nr_chunks || begin < next ||
		    page->start + page->nr_rows > UNWIND_CHUNK_ROWS || UNWIND_ROW_OFFSET(rows[0]))
			return false;
		for (__u32 j = 0; j < page->nr_rows; j++)
			if (UNWIND_ROW_OFFSET(rows[j]) >= UNWIND_PAGE_BYTES ||
			    UNWIND_ROW_RULE(rows[j]) >= table->nr_rules ||
			    (j && UNWIND_ROW_OFFSET(rows[j]) <= UNWIND_ROW_OFFSET(rows[j - 1])))
				return false;
		next = begin + page->nr_rows;
		nr_rows += page->nr_rows;
	}
	return nr_rows == table->nr_rows;
}

/* The arrays in memory of this size, or false. */
static bool table__place(struct unwind_table *table, const struct wire_table *head, char *memory,
			 __u64 size)
{
	__u64 pages = (__u64)head->nr_pages * sizeof(*table->pages);
	__u64 rules = (__u64)head->nr_rules * sizeof(*table->rules);
	__u64 rows = (__u64)head->nr_chunks * UNWIND_CHUNK_ROWS * sizeof(*table->rows);

	if (!head->nr_pages || head->nr_pages > MAX_UNWIND_PAGES ||
	    (__u64)head->first_page + head->nr_pages > ~0U ||
	    head->nr_rules <= UNWIND_UNSUPPORTED_RULE || head->nr_rules > MAX_UNWIND_RULES ||
	    size != sizeof(*head) + pages + rules + rows)
		return false;
	table->first_page = head->first_page;
	table->nr_pages = head->nr_pages;
	table->nr_chunks = head->nr_chunks;
	table->nr_rules = head->nr_rules;
	table->nr_rows = head->nr_rows;
	table->nr_functions = head->nr_functions;
	memcpy(table->refused, head->refused, sizeof(table->refused));
	table->build_ns = head->build_ns;
	memory += sizeof(*head);
	table->pages = (void *)memory;
	table->rules = (void *)(memory + pages);
	table->rows = (void *)(memory + pages + rules);
	return true;
}

int unwind_wire__map(int fd, struct unwind_table *table)
{
	struct stat st;
	void *memory;

	*table = (struct unwind_table){ 0 };
	/* Sealed, it can neither change while it is checked nor shrink under our reads. */
	if (fcntl(fd, F_GET_SEALS) != SEALS || fstat(fd, &st) ||
	    st.st_size < (off_t)sizeof(struct wire_table) || st.st_size > MAX_BYTES)
		return -EPROTO;
	memory = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	table->memory = memory;
	table->memory_bytes = (size_t)st.st_size;
	if (table__place(table, memory, memory, (__u64)st.st_size) && table__is_sound(table))
		return 0;
	unwind_table__free(table);
	return -EPROTO;
}
