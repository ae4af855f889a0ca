/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * C++ operators new and delete, in every form, against an allocator of their own: tells its truth
 * as truth_print.h has it. With "throw" it also asks for more than there is, and catches that.
 */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include <unistd.h>

static unsigned long count, bytes, releases, release_bytes;

static void *asked(void *block, std::size_t size)
{
	count++;
	bytes += size;
	return block;
}

static void given(std::size_t size)
{
	releases++;
	release_bytes += size;
}

static void wait_for_byte()
{
	char byte;

	if (read(STDIN_FILENO, &byte, 1) < 0)
		_exit(98);
}

int main(int argc, char **argv)
{
	static const std::size_t sizes[] = { 1, 100, 333, 5000, 70000, 3000000 };
	const std::align_val_t alignment{ 64 };
	unsigned long failed = 0;
	char text[512];

	if (write(STDERR_FILENO, "ready\n", 6) != 6)
		return 97;
	wait_for_byte();
	for (std::size_t size : sizes) {
		for (int i = 0; i < 20; i++) {
			void *volatile one = asked(::operator new(size), size);
			void *volatile two = asked(::operator new[](size), size);
			void *volatile three = asked(::operator new(size, std::nothrow), size);
			void *volatile four = asked(::operator new(size, alignment), size);
			void *volatile five = asked(::operator new[](size, alignment), size);

			::operator delete(one);
			given(size);
			::operator delete[](two, size);
			given(size);
			::operator delete(four, alignment);
			given(size);
			::operator delete[](five, size, alignment);
			given(size);
			if (i % 2) {
				::operator delete(three, std::nothrow);
				given(size);
			}
		}
	}
	if (argc > 1 && !strcmp(argv[1], "throw")) {
		volatile std::size_t huge = 1ul << 62;

		try {
			asked(::operator new(huge), 0);
		} catch (const std::bad_alloc &) {
			failed++; /* the exception itself is a block of 136 bytes, freed again */
			count++;
			bytes += 136;
			releases++;
			release_bytes += 136;
		}
	}
	snprintf(
		text, sizeof(text),
		"{\"program\": \"operators\", \"case\": \"%s\", \"pid\": %d, \"requests\": "
		"{\"count\": %lu, \"bytes\": %lu, \"failed\": %lu}, \"releases\": {\"count\": %lu, "
		"\"bytes\": %lu, \"of_unknown\": 0}, \"live\": {\"count\": %lu, \"bytes\": %lu}}\n",
		argc > 1 ? argv[1] : "", static_cast<int>(getpid()), count, bytes, failed, releases,
		release_bytes, count - releases, bytes - release_bytes);
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		return 97;
	wait_for_byte();
	return 0;
}
/* build: -std=c++17 */
