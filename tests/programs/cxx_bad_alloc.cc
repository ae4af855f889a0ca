/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cxx_bad_alloc: asks operator new for too much, a thousand times, and catches bad_alloc each time.
 * Exit 0 if it caught them all. An exception cannot pass a return probe's trampoline: with one on
 * operator new the program aborts.
 */
#include <cstddef>
#include <new>

static volatile std::size_t too_much = std::size_t(1) << 62;
static volatile std::size_t little = 100;

static bool asks_too_much()
{
	try {
		char *volatile block = new char[too_much];

		delete[] block;
	} catch (const std::bad_alloc &) {
		return true;
	}
	return false;
}

int main()
{
	for (int i = 0; i < 1000; i++) {
		char *volatile block = new char[little];

		if (!asks_too_much())
			return 1;
		delete[] block;
	}
	return 0;
}
