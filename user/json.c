/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>
#include <string.h>

#include "json.h"
#include "utf8.h"

static void write_string(FILE *out, const char *value)
{
	const unsigned char *text = (const unsigned char *)value;

	putc('"', out);
	while (*text) {
		size_t length = utf8__length(text);

		if (!length) {
			fputs("\xef\xbf\xbd", out);
			text++;
			continue;
		}
		if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else if (*text < 0x20 || *text == 0x7f)
			fprintf(out, "\\u%04x", *text);
		else
			fwrite(text, 1, length, out);
		text += length;
	}
	putc('"', out);
}

/* Everything that comes before a value. Keys are our own: nothing in them needs an escape. */
static void begin_value(struct json *json, const char *key)
{
	if (json->comma)
		putc(',', json->out);
	json->comma = true;
	if (!key)
		return;
	putc('"', json->out);
	fputs(key, json->out);
	fputs("\":", json->out);
}

void json__begin_object(struct json *json, const char *key)
{
	begin_value(json, key);
	putc('{', json->out);
	json->comma = false;
}

void json__end_object(struct json *json)
{
	putc('}', json->out);
	json->comma = true;
}

void json__begin_array(struct json *json, const char *key)
{
	begin_value(json, key);
	putc('[', json->out);
	json->comma = false;
}

void json__end_array(struct json *json)
{
	putc(']', json->out);
	json->comma = true;
}

void json__null(struct json *json, const char *key)
{
	begin_value(json, key);
	fputs("null", json->out);
}

void json__bool(struct json *json, const char *key, bool value)
{
	begin_value(json, key);
	fputs(value ? "true" : "false", json->out);
}

/* By hand: a document has millions of numbers, and fprintf takes most of the time otherwise. */
void json__u64(struct json *json, const char *key, __u64 value)
{
	char digits[20];
	size_t at = sizeof(digits);

	begin_value(json, key);
	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	fwrite(digits + at, 1, sizeof(digits) - at, json->out);
}

void json__u64_or_null(struct json *json, const char *key, bool is_known, __u64 value)
{
	if (is_known)
		json__u64(json, key, value);
	else
		json__null(json, key);
}

void json__double(struct json *json, const char *key, double value)
{
	if (!isfinite(value)) {
		json__null(json, key);
		return;
	}
	begin_value(json, key);
	fprintf(json->out, "%.9g", value);
}

void json__string(struct json *json, const char *key, const char *value)
{
	if (!value) {
		json__null(json, key);
		return;
	}
	begin_value(json, key);
	write_string(json->out, value);
}
