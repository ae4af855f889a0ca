/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdio.h>

#include "log.h"

static bool is_verbose;

void log__set_verbose(bool verbose)
{
	is_verbose = verbose;
}

bool log__is_verbose(void)
{
	return is_verbose;
}

static void log__line(const char *format, va_list arguments)
{
	fputs("allocpath: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
}

int log__error(int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log__line(format, arguments);
	va_end(arguments);
	return error;
}

void log__warning(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log__line(format, arguments);
	va_end(arguments);
}

void log__note(const char *format, ...)
{
	va_list arguments;

	if (!is_verbose)
		return;
	va_start(arguments, format);
	log__line(format, arguments);
	va_end(arguments);
}
