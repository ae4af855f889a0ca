/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "os.h"
#include "thread.h"

#define KIB ((size_t)1024)

struct config config = {
	.policy = POLICY_HYBRID,
	.threshold = 128 * KIB,
	.top_pad = 128 * KIB,
	.trim_threshold = 128 * KIB,
	.arenas = 64,
	.cache = 1,
	.sample = 512 * KIB,
};

#define BYTES "a size in bytes, as 4096, 64k or 1m"
#define SWITCH "0 or 1"

static const struct setting {
	const char *name;
	int parameter; /* mallopt's; none is 0 */
	size_t *value, least, most;
	const char *right; /* what a value has to be */
} settings[] = {
	{ "policy", 0, &config.policy, 0, NR_POLICIES - 1, "hybrid, brk or mmap" },
	{ "threshold", M_MMAP_THRESHOLD, &config.threshold, 0, SIZE_MAX, BYTES },
	{ "dynamic", 0, &config.dynamic, 0, 1, SWITCH },
	{ "top_pad", M_TOP_PAD, &config.top_pad, 0, KIB *KIB *KIB,
	  "a size in bytes, as 64k, of at most 1g" },
	{ "trim_threshold", M_TRIM_THRESHOLD, &config.trim_threshold, 0, SIZE_MAX, BYTES },
	{ "arenas", M_ARENA_MAX, &config.arenas, 1, MAX_ARENAS, "a number from 1 to 256" },
	{ "cache", 0, &config.cache, 0, 1, SWITCH },
	{ "sample", 0, &config.sample, 1, SIZE_MAX, BYTES },
};

#define NR_SETTINGS (sizeof(settings) / sizeof(*settings))

static bool set(const struct setting *setting, size_t value)
{
	if (value < setting->least || value > setting->most)
		return false;
	__atomic_store_n(setting->value, value, __ATOMIC_RELAXED);
	return true;
}

static bool parse_policy(const char *text, size_t *policy)
{
	static const char *const policies[] = { "hybrid", "brk", "mmap" };

	for (*policy = 0; *policy < NR_POLICIES; ++*policy) {
		if (!strcmp(text, policies[*policy]))
			return true;
	}
	return false;
}

/* Digits, and maybe k, m or g. */
static bool parse_bytes(const char *text, size_t *bytes)
{
	static const char units[] = "kmg";
	const char *unit;
	char *end;

	errno = 0;
	*bytes = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || errno)
		return false;
	if (!*end)
		return true;
	unit = strchr(units, *end | 0x20);
	return unit && !end[1] &&
	       !__builtin_mul_overflow(*bytes, KIB << 10 * (unit - units), bytes);
}

/* What would have been right, or NULL: it is. */
static const char *parse_setting(const char *name, const char *text)
{
	size_t value;

	if (!strcmp(name, "ledger")) {
		if (!*text)
			return "a file's name; %p in it is the pid";
		config.ledger = text;
		return NULL;
	}
	for (size_t i = 0; i < NR_SETTINGS; i++) {
		if (strcmp(name, settings[i].name) != 0)
			continue;
		if (i ? parse_bytes(text, &value) : parse_policy(text, &value))
			return set(&settings[i], value) ? NULL : settings[i].right;
		return settings[i].right;
	}
	return "one of policy, threshold, dynamic, top_pad, trim_threshold, arenas, cache, sample, "
	       "ledger";
}

/* "name=value,name=value"; each that is bad is named in a line, and what it sets stays. */
static void parse(char *text)
{
	char *name, *value;
	const char *right;

	while ((name = strsep(&text, ","))) {
		if (!*name)
			continue;
		value = name;
		strsep(&value, "=");
		right = value ? parse_setting(name, value) : "name=value";
		if (right)
			os__say("REFALLOC: '%.60s%s%.100s' is not used: it has to be %s", name,
				value ? "=" : "", value ?: "", right);
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
}

void config__freed_mapping(size_t length)
{
	if (!CONFIG_GET(dynamic) || length <= CONFIG_GET(threshold) || length > DYNAMIC_MAX)
		return;
	CONFIG_SET(threshold, length);
	CONFIG_SET(trim_threshold, 2 * length);
}

/* 1: set. As in glibc, whatever sets a threshold or the pad ends the threshold's own moving. */
REFALLOC_PUBLIC int mallopt(int parameter, int value)
{
	thread__ready();
	for (size_t i = 0; i < NR_SETTINGS; i++) {
		if (!settings[i].parameter || settings[i].parameter != parameter)
			continue;
		if (!set(&settings[i], value < 0 ? SIZE_MAX : (size_t)value))
			return 0;
		if (parameter != M_ARENA_MAX)
			CONFIG_SET(dynamic, 0);
		return 1;
	}
	return 0;
}
