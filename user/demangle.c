/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "demangle.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <string.h>

#define OPTIONS (DMGL_PARAMS | DMGL_ANSI | DMGL_TYPES)

struct sink {
	char *text;
	size_t size, used;
	jmp_buf full;
};

/*
 * The demangler cannot be asked to stop, and the time that it takes is that of what it puts out:
 * left by a jump, it would go on no further. Its own memory is on the stack; a Rust name in
 * punycode may leave some bytes behind.
 */
static void take(const char *part, size_t length, void *context)
{
	struct sink *sink = context;

	if (length >= sink->size - sink->used)
		longjmp(sink->full, 1);
	memcpy(sink->text + sink->used, part, length);
	sink->used += length;
}

bool demangle(const char *symbol, char *text, size_t size)
{
	struct sink sink = { .text = text, .size = size };
	int done;

	if (symbol[0] != '_' || (symbol[1] != 'Z' && symbol[1] != 'R'))
		return false;
	if (setjmp(sink.full))
		return false;
	done = rust_demangle_callback(symbol, DMGL_RUST, take, &sink);
	if (!done) {
		sink.used = 0;
		done = cplus_demangle_v3_callback(symbol, OPTIONS, take, &sink);
	}
	text[sink.used] = '\0';
	return done && sink.used;
}
