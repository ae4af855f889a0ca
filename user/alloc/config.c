/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "os.h"

#define KIB ((size_t)1024)

struct config config = {
	.policy = POLICY_HYBRID,
	.threshold = 128 * KIB,
	.top_pad = 128 * KIB,
	.trim_threshold = 128 * KIB,
	.cache = 1,
	.sample = 512 * KIB,
};

#define BYTES "a size in bytes, as 4096, 64k or 1m"
#define SWITCH "0 or 1"

static const struct option {
	const char *name;
	size_t *value, least, most;
	const char *right;
} options[] = {
	{ "threshold", &config.threshold, 0, SIZE_MAX, BYTES },
	{ "dynamic", &config.dynamic, 0, 1, SWITCH },
	{ "top_pad", &config.top_pad, 0, KIB *KIB *KIB, "a size in bytes, as 64k, of at most 1g" },
	{ "trim_threshold", &config.trim_threshold, 0, SIZE_MAX, BYTES },
	{ "arenas", &config.arenas, 1, MAX_ARENAS, "a number from 1 to 256" },
	{ "cache", &config.cache, 0, 1, SWITCH },
	{ "sample", &config.sample, 1, SIZE_MAX, BYTES },
};

/* Digits, and maybe k, m or g. */
static bool parse_bytes(const char *text, const struct option *option)
{
	static const char units[] = "kmg";
	const char *unit;
	size_t bytes;
	char *end;

	errno = 0;
	bytes = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || errno)
		return false;
	if (*end) {
		unit = strchr(units, *end | 0x20);
		if (!unit || end[1] ||
		    __builtin_mul_overflow(bytes, KIB << 10 * (unit - units), &bytes))
			return false;
	}
	if (bytes < option->least || bytes > option->most)
		return false;
	*option->value = bytes;
	return true;
}

/* What would have been right, or NULL: it is. */
static const char *parse_option(const char *name, const char *value)
{
	static const char *const policies[] = { "hybrid", "brk", "mmap" };

	if (!strcmp(name, "policy")) {
		for (int i = 0; i < NR_POLICIES; i++) {
			if (!strcmp(value, policies[i])) {
				config.policy = (enum refalloc_policy)i;
				return NULL;
			}
		}
		return "hybrid, brk or mmap";
	}
	if (!strcmp(name, "ledger")) {
		if (!*value)
			return "a file's name; %p in it is the pid";
		config.ledger = value;
		return NULL;
	}
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		if (!strcmp(name, options[i].name))
			return parse_bytes(value, &options[i]) ? NULL : options[i].right;
	}
	return "one of policy, threshold, dynamic, top_pad, trim_threshold, arenas, cache, sample, "
	       "ledger";
}

/* "name=value,name=value"; each that is bad is named in a line, and what it sets stays. */
static void parse(char *text)
{
	char *option, *equals;
	const char *right;

	while ((option = strsep(&text, ","))) {
		if (!*option)
			continue;
		equals = strchr(option, '=');
		if (equals)
			*equals = 0;
		right = equals ? parse_option(option, equals + 1) : "name=value";
		if (right)
			os__say("REFALLOC: '%.60s%s%.100s' is not used: it has to be %s", option,
				equals ? "=" : "", equals ? equals + 1 : "", right);
	}
}

void config__read(void)
{
	static char text[8192]; /* config.ledger points into it */
	/* Not in a program that runs with more rights than its user has. */
	const char *given = secure_getenv("REFALLOC");

	if (given && strlen(given) >= sizeof(text))
		os__say("REFALLOC is not used: it has %zu bytes or more", sizeof(text));
	else if (given)
		parse(memcpy(text, given, strlen(given)));
	if (!config.arenas)
		config.arenas = 8 * os__cpus() < MAX_ARENAS ? 8 * os__cpus() : MAX_ARENAS;
	if (config.policy != POLICY_HYBRID)
		config.arenas = 1; /* all on the break, or no arena at all */
	if (config.policy == POLICY_MMAP)
		config.cache = 0;
}

void config__freed_mapping(size_t length)
{
	if (!CONFIG_GET(dynamic) || length <= CONFIG_GET(threshold) || length > DYNAMIC_MAX)
		return;
	CONFIG_SET(threshold, length);
	CONFIG_SET(trim_threshold, 2 * length);
}
