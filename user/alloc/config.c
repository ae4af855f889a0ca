/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "os.h"
#include "text.h"

#define KIB ((size_t)1024)

struct config config = {
	.policy = POLICY_HYBRID,
	.threshold = 128 * KIB,
	.top_pad = 128 * KIB,
	.trim_threshold = 128 * KIB,
	.cache = true,
	.sample = 512 * KIB,
};

static char ledger_path[4096];

struct word {
	const char *at;
	size_t length;
};

static bool word__is(struct word word, const char *text)
{
	return strlen(text) == word.length && !memcmp(word.at, text, word.length);
}

/* Digits, and maybe k, m or g. */
static bool parse_bytes(struct word word, size_t *value)
{
	static const char units[] = "kmg";
	size_t sum = 0, i; /* value stays as it was if this is no size */

	for (i = 0; i < word.length && word.at[i] >= '0' && word.at[i] <= '9'; i++) {
		if (__builtin_mul_overflow(sum, (size_t)10, &sum) ||
		    __builtin_add_overflow(sum, (size_t)(word.at[i] - '0'), &sum))
			return false;
	}
	if (!i)
		return false;
	if (i == word.length - 1) {
		const char *unit = strchr(units, word.at[i] | 0x20);

		if (!unit || !*unit ||
		    __builtin_mul_overflow(sum, (size_t)1 << 10 * (unit - units + 1), &sum))
			return false;
		i++;
	}
	if (i != word.length)
		return false;
	*value = sum;
	return true;
}

static bool parse_policy(struct word value)
{
	static const char *const names[] = { "hybrid", "brk", "mmap" };

	for (int i = 0; i < NR_POLICIES; i++) {
		if (word__is(value, names[i])) {
			config.policy = (enum refalloc_policy)i;
			return true;
		}
	}
	return false;
}

static bool parse_pad(struct word value)
{
	size_t bytes;

	if (!parse_bytes(value, &bytes) || bytes > KIB * KIB * KIB)
		return false;
	config.top_pad = bytes;
	return true;
}

static bool parse_switch(struct word value, bool *set)
{
	bool on = word__is(value, "1");

	if (!on && !word__is(value, "0"))
		return false;
	*set = on;
	return true;
}

static const char BYTES[] = "a size in bytes, as 4096, 64k or 1m";
static const char SWITCH[] = "0 or 1";

/* What would have been right, or NULL: it is. */
static const char *parse_option(struct word name, struct word value)
{
	size_t bytes;

	if (word__is(name, "policy"))
		return parse_policy(value) ? NULL : "hybrid, brk or mmap";
	if (word__is(name, "threshold"))
		return parse_bytes(value, &config.threshold) ? NULL : BYTES;
	if (word__is(name, "top_pad"))
		return parse_pad(value) ? NULL : "a size in bytes, as 64k, of at most 1g";
	if (word__is(name, "trim_threshold"))
		return parse_bytes(value, &config.trim_threshold) ? NULL : BYTES;
	if (word__is(name, "dynamic"))
		return parse_switch(value, &config.dynamic) ? NULL : SWITCH;
	if (word__is(name, "cache"))
		return parse_switch(value, &config.cache) ? NULL : SWITCH;
	if (word__is(name, "sample")) {
		if (!parse_bytes(value, &bytes) || !bytes)
			return BYTES;
		config.sample = bytes;
		return NULL;
	}
	if (word__is(name, "arenas")) {
		if (!parse_bytes(value, &bytes) || !bytes || bytes > MAX_ARENAS)
			return "a number from 1 to 256";
		config.arenas = (unsigned int)bytes;
		return NULL;
	}
	if (word__is(name, "ledger")) {
		if (!value.length || value.length >= sizeof(ledger_path))
			return "a file's name; %p in it is the pid";
		memcpy(ledger_path, value.at, value.length);
		ledger_path[value.length] = 0;
		config.ledger = ledger_path;
		return NULL;
	}
	return "one of policy, threshold, dynamic, top_pad, trim_threshold, arenas, cache, sample, "
	       "ledger";
}

static void complain(struct word option, const char *right)
{
	char line[512];
	struct text text = { .at = line, .left = sizeof(line) - 1 };

	text__string(&text, "refalloc: REFALLOC: '");
	text__bytes(&text, option.at, option.length < 100 ? option.length : 100);
	text__string(&text, "' is not used: it has to be ");
	text__string(&text, right);
	*text.at++ = '\n';
	os__say(line, (size_t)(text.at - line));
}

bool config__parse(const char *text)
{
	bool good = true;

	while (*text) {
		struct word option = { text, strcspn(text, ",") };
		size_t name = strcspn(text, "=,");
		const char *right;

		text += option.length;
		if (*text)
			text++;
		if (!option.length)
			continue;
		if (name < option.length) {
			right = parse_option((struct word){ option.at, name },
					     (struct word){ option.at + name + 1,
							    option.length - name - 1 });
		} else {
			right = "name=value";
		}
		if (right) {
			complain(option, right);
			good = false;
		}
	}
	return good;
}

void config__read(void)
{
	/* Not in a program that runs with more rights than its user has. */
	const char *text = secure_getenv("REFALLOC");

	if (text)
		config__parse(text);
	if (!config.arenas) {
		config.arenas = 8 * os__cpus();
		if (config.arenas > MAX_ARENAS)
			config.arenas = MAX_ARENAS;
	}
	if (config.policy != POLICY_HYBRID)
		config.arenas = 1; /* all on the break, or no arena at all */
	if (config.policy == POLICY_MMAP)
		config.cache = false;
}

void config__freed_mapping(size_t length)
{
	if (!CONFIG_GET(dynamic) || length <= CONFIG_GET(threshold) || length > DYNAMIC_MAX)
		return;
	CONFIG_SET(threshold, length);
	CONFIG_SET(trim_threshold, 2 * length);
}
