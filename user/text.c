/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "text.h"

/* Three digits, whatever their size; more before the point are shown. */
static int print_three_digits(char *text, size_t size, double value, const char *unit)
{
	int decimals = 0;

	if (value < 9.995)
		decimals = 2;
	else if (value < 99.95)
		decimals = 1;
	return snprintf(text, size, "%.*f%s", decimals, value, unit);
}

const char *text__bytes(char *text, size_t size, __u64 bytes)
{
	static const char *const units[] = { " B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB" };
	unsigned int unit = 0;
	double scaled;

	/* 1023.5 KiB would be shown as 1024 KiB. */
	while (unit < 6 && (double)bytes / (double)(1ULL << (10 * unit)) >= 1023.5)
		unit++;
	scaled = (double)bytes / (double)(1ULL << (10 * unit));
	if (bytes % (1ULL << (10 * unit)) == 0)
		snprintf(text, size, "%.0f%s", scaled, units[unit]);
	else
		print_three_digits(text, size, scaled, units[unit]);
	return text;
}

const char *text__count(char *text, size_t size, __u64 count, bool brief)
{
	static const char *const units[] = { "", "k", "M", "G", "T", "P", "E" };
	double scaled = (double)count;
	unsigned int unit = 0;

	if (!brief || count < 100000) {
		snprintf(text, size, "%llu", count);
	} else {
		while (scaled >= 999.5) {
			scaled /= 1000;
			unit++;
		}
		print_three_digits(text, size, scaled, units[unit]);
	}
	return text;
}

static void print_power(char *text, size_t size, __u64 value)
{
	static const char *const units[] = { "", "K", "M", "G", "T", "P", "E" };
	unsigned int unit = 0;

	while (value >= 1024) {
		value >>= 10;
		unit++;
	}
	snprintf(text, size, "%llu%s", value, units[unit]);
}

const char *text__range(char *text, size_t size, __u64 low, __u64 high)
{
	char from[8], to[8] = "16E";

	print_power(from, sizeof(from), low);
	if (high)
		print_power(to, sizeof(to), high);
	snprintf(text, size, "[%s, %s)", from, to);
	return text;
}

const char *text__percent(char *text, size_t size, double part, double whole)
{
	double percent = whole > 0 ? 100 * part / whole : 0;

	if (whole <= 0)
		text[0] = '\0';
	else if (percent > 0 && percent < 0.05)
		snprintf(text, size, "<0.1 %%");
	else if (percent < 100 && percent >= 99.95)
		snprintf(text, size, ">99.9 %%");
	else
		snprintf(text, size, "%.1f %%", percent);
	return text;
}

const char *text__seconds(char *text, size_t size, double seconds)
{
	if (seconds < 999.5e-9)
		snprintf(text, size, "%.0f ns", seconds * 1e9);
	else if (seconds < 999.5e-6)
		print_three_digits(text, size, seconds * 1e6, " us");
	else if (seconds < 999.5e-3)
		print_three_digits(text, size, seconds * 1e3, " ms");
	else
		print_three_digits(text, size, seconds, " s");
	return text;
}

void text__bar(char *text, size_t size, __u64 value, __u64 largest)
{
	size_t length = 0;

	if (largest)
		length = (size_t)((double)value / (double)largest * (double)(size - 1) + 0.5);
	if (value && !length)
		length = 1;
	if (length > size - 1)
		length = size - 1;
	memset(text, '#', length);
	text[length] = '\0';
}

void text__clean(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

unsigned int text__columns(FILE *out)
{
	struct winsize size;

	if (!isatty(fileno(out)) || ioctl(fileno(out), TIOCGWINSZ, &size) || !size.ws_col)
		return 80;
	return size.ws_col;
}

const char *text__base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

void text__tail(char *text, size_t size, const char *name)
{
	size_t length = strlen(name);

	if (length < size)
		memcpy(text, name, length + 1);
	else if (size > 3)
		snprintf(text, size, "...%s", name + length - (size - 1 - 3));
	else
		text[0] = '\0';
}

/* Length of the part that fits into room: up to a space if there is one, else all of the room. */
static size_t fitting(const char *text, size_t room)
{
	size_t length = strlen(text);

	if (length <= room)
		return length;
	for (size_t i = room; i > 0; i--)
		if (text[i] == ' ')
			return i;
	return room;
}

void text__item(FILE *out, unsigned int width, const char *label, const char *format, ...)
{
	size_t room = width - TEXT_LABEL;
	char *text, *at;
	va_list arguments;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	if (!text) {
		fprintf(out, "%-*s(no memory to say)\n", TEXT_LABEL, label);
		return;
	}
	text__clean(text);
	at = text;
	do {
		size_t length = fitting(at, room);

		fprintf(out, "%-*s%.*s\n", TEXT_LABEL, label, (int)length, at);
		label = "";
		at += length;
		while (*at == ' ')
			at++;
	} while (*at);
	free(text);
}
