/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * calls OP...: one thread makes the allocation calls that its arguments name, and tells the truth
 * of them. Blocks have numbers from 0, in the order asked for, failed ones included.
 *
 *   m:N  m:NxK         malloc(N), K times          a:ALIGNMENT:N[xK]   memalign
 *   c:A:B[xK]          calloc(A, B)                A:ALIGNMENT:N[xK]   aligned_alloc
 *   r:I:N              block I = realloc(block I)  p:ALIGNMENT:N[xK]   posix_memalign
 *   r:-:N              realloc(NULL, N): a block   v:N[xK]  V:N[xK]    valloc, pvalloc
 *   y:I:A:B            reallocarray of block I     f:I  f:I-J  f:J-I   free, in that order
 *   f:-                free(NULL)                  t:                  malloc_trim(0)
 *   o:PARAMETER:VALUE  mallopt (-3: mmap threshold, -1: trim threshold, ...)
 *   b:                 block the break: a mapping is put right above it
 *   d:                 deny mremap, by a seccomp filter, from here on
 *   w:I                write every byte of block I
 *   g:                 forget all that was counted, say "ready" and wait: allocpath comes here
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "truth_calls.h"
#include "truth_print.h"

#define MAX_BLOCKS 32768

static struct block {
	uintptr_t address;
	size_t size;
} blocks[MAX_BLOCKS];
static unsigned long nr_blocks;

static void fail(const char *why)
{
	if (write(STDERR_FILENO, why, strlen(why)) < 0 || write(STDERR_FILENO, "\n", 1) < 0)
		_exit(97);
	_exit(2);
}

/* A number, and the cursor behind it and behind one separator. */
static unsigned long number(const char **cursor)
{
	char *end;
	unsigned long value = strtoul(*cursor, &end, 10);

	if (end == *cursor)
		fail("calls: a number is missing");
	*cursor = *end ? end + 1 : end;
	return value;
}

/* The xK at the end of an operation. */
static unsigned long repeats(const char *operation)
{
	const char *times = strrchr(operation, 'x');

	if (!times)
		return 1;
	times++;
	return number(&times);
}

static void keep(uintptr_t address, size_t size)
{
	if (nr_blocks == MAX_BLOCKS)
		fail("calls: too many blocks");
	blocks[nr_blocks].address = address;
	blocks[nr_blocks++].size = size;
}

static struct block *block_of(const char **cursor)
{
	unsigned long index = number(cursor);

	if (index >= nr_blocks)
		fail("calls: no such block");
	return &blocks[index];
}

static void free_range(const char *arguments)
{
	long first = (long)number(&arguments);
	long last = *arguments ? (long)number(&arguments) : first;
	long step = first <= last ? 1 : -1;

	if (first >= (long)nr_blocks || last >= (long)nr_blocks)
		fail("calls: no such block");
	for (long i = first; i != last + step; i += step) {
		t_free(blocks[i].address);
		blocks[i].address = 0;
	}
}

static void resize(const char *arguments)
{
	struct block *block = NULL;
	uintptr_t result;
	size_t size;

	if (*arguments == '-')
		arguments += 2;
	else
		block = block_of(&arguments);
	size = number(&arguments);
	result = t_realloc(block ? block->address : 0, size);
	if (!block) {
		keep(result, size);
	} else if (result || !size) {
		block->address = result;
		block->size = size;
	}
}

static void resize_array(const char *arguments)
{
	struct block *block = block_of(&arguments);
	size_t count = number(&arguments), size = number(&arguments);
	uintptr_t result = t_reallocarray(block->address, count, size);

	if (result) {
		block->address = result;
		block->size = count * size;
	}
}

/* One page is enough to stop the break; it must be the very next one. */
static void block_break(void)
{
	uintptr_t page = (truth_break() + PAGE - 1) & ~(PAGE - 1);

	if (mmap((void *)page, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		 -1, 0) != (void *)page)
		fail("calls: the break cannot be blocked");
}

static void deny_mremap(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mremap, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = 4, .filter = filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		fail("calls: no seccomp filter");
	truth.mremap_denied = true;
}

static void make_block(char operation, const char *arguments)
{
	size_t first = number(&arguments), size = first, second = 0;
	uintptr_t block = 0;

	if (strchr("caAp", operation)) {
		second = number(&arguments);
		size = operation == 'c' ? first * second : second;
	}
	switch (operation) {
	case 'm':
		block = t_malloc(first);
		break;
	case 'c':
		block = t_calloc(first, second);
		break;
	case 'a':
		block = t_memalign(first, second);
		break;
	case 'A':
		block = t_aligned_alloc(first, second);
		break;
	case 'p':
		block = t_posix_memalign(first, second);
		break;
	case 'v':
		block = t_valloc(first);
		break;
	case 'V':
		block = t_pvalloc(first);
		break;
	default:
		fail("calls: unknown operation");
	}
	keep(block, size);
}

static void run(const char *operation)
{
	const char *arguments = operation + 2;
	struct block *block;
	int parameter;

	if (!operation[0] || operation[1] != ':')
		fail("calls: an operation is a letter and a colon");
	switch (operation[0]) {
	case 'f':
		if (*arguments == '-')
			t_free(0);
		else
			free_range(arguments);
		break;
	case 'r':
		resize(arguments);
		break;
	case 'y':
		resize_array(arguments);
		break;
	case 't':
		t_malloc_trim();
		break;
	case 'o':
		parameter = (int)number(&arguments);
		if (!mallopt(parameter, (int)number(&arguments)))
			fail("calls: mallopt refused");
		break;
	case 'b':
		block_break();
		break;
	case 'd':
		deny_mremap();
		break;
	case 'g':
		truth_forget();
		truth_ready();
		break;
	case 'w':
		block = block_of(&arguments);
		memset((void *)block->address, 1, block->size);
		break;
	default:
		for (unsigned long n = repeats(operation); n; n--)
			make_block(operation[0], arguments);
	}
}

/* All operations, as the name of the case. */
static const char *join(int argc, char **argv)
{
	static char name[4096];
	size_t length = 0;

	for (int i = 1; i < argc; i++) {
		size_t more = strlen(argv[i]);

		if (length + more + 2 > sizeof(name))
			break;
		if (length)
			name[length++] = ' ';
		memcpy(name + length, argv[i], more);
		length += more;
	}
	return name;
}

int main(int argc, char **argv)
{
	truth_start();
	for (int i = 1; i < argc; i++)
		run(argv[i]);
	truth_print("calls", join(argc, argv));
	truth_wait();
	return 0;
}
