/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rule_settings.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define DEFAULT_THRESHOLD (128ULL << 10)
#define DEFAULT_MAPS_MAX 65536
#define MAX_VALUE 24

struct setting {
	const char *variable, *tunable;
	enum rule_pin pin;
	size_t field; /* in struct rule_state */
};

static const struct setting settings[] = {
	{ "MALLOC_MMAP_THRESHOLD_", "glibc.malloc.mmap_threshold", RULE_PIN_THRESHOLD,
	  offsetof(struct rule_state, low) },
	{ "MALLOC_TRIM_THRESHOLD_", "glibc.malloc.trim_threshold", RULE_PIN_TRIM,
	  offsetof(struct rule_state, trim_threshold) },
	{ "MALLOC_TOP_PAD_", "glibc.malloc.top_pad", RULE_PIN_TOP_PAD,
	  offsetof(struct rule_state, top_pad) },
	{ "MALLOC_MMAP_MAX_", "glibc.malloc.mmap_max", RULE_PIN_MAPS_MAX,
	  offsetof(struct rule_state, maps_max) },
};

void rule_state__default(struct rule_state *state)
{
	*state = (struct rule_state){
		.low = DEFAULT_THRESHOLD,
		.high = DEFAULT_THRESHOLD,
		.trim_threshold = DEFAULT_THRESHOLD,
		.top_pad = DEFAULT_THRESHOLD,
		.maps_max = DEFAULT_MAPS_MAX,
		.origin = RULE_EXEC,
	};
}

static void state__set(struct rule_state *state, const struct setting *setting, const char *value,
		       size_t length, unsigned int how)
{
	char text[MAX_VALUE + 1];
	__u64 number;

	snprintf(text, sizeof(text), "%.*s", (int)(length < MAX_VALUE ? length : MAX_VALUE), value);
	number = strtoull(text, NULL, 0);
	/* An int of its own bounds; glibc leaves what is out of them alone. */
	if (setting->pin == RULE_PIN_MAPS_MAX && number > INT_MAX)
		return;
	*(__u64 *)((char *)state + setting->field) = number;
	state->high = state->low;
	state->pins |= setting->pin << how;
}

/* "name=value:name=value" */
static void state__read_tunables(struct rule_state *state, const char *list)
{
	while (*list) {
		size_t length = strcspn(list, ":"), name = strcspn(list, "=:");

		for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
			if (name < length && strlen(settings[i].tunable) == name &&
			    !strncmp(list, settings[i].tunable, name))
				state__set(state, &settings[i], list + name + 1, length - name - 1,
					   RULE_PIN_TUNED);
		list += length + (list[length] != 0);
	}
}

/* A tunable overrides a variable that came before it, and is not overridden by a later one. */
static bool state__read_variable(struct rule_state *state, const char *variable)
{
	if (!strncmp(variable, "GLIBC_TUNABLES=", 15)) {
		state__read_tunables(state, variable + 15);
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		size_t length = strlen(settings[i].variable);

		if (strncmp(variable, settings[i].variable, length) || variable[length] != '=')
			continue;
		if (!(state->pins & settings[i].pin << RULE_PIN_TUNED))
			state__set(state, &settings[i], variable + length + 1,
				   strlen(variable + length + 1), 0);
		return true;
	}
	return false;
}

void rule_state__from_environment(struct rule_state *state, const char *text, size_t length)
{
	bool in_tunables = false;

	rule_state__default(state);
	while (length) {
		size_t one = strnlen(text, length);

		if (one == length) /* not ended: cut short */
			return;
		/* The loader of glibc 2.36 ends each tunable in place: the next looks like a variable. */
		if (in_tunables && !strncmp(text, "glibc.", 6)) {
			state__read_tunables(state, text);
		} else {
			in_tunables = !strncmp(text, "GLIBC_TUNABLES=", 15);
			state__read_variable(state, text);
		}
		text += one + 1;
		length -= one + 1;
	}
	if (state->pins)
		state->origin = RULE_ENVIRONMENT;
}

int rule_state__of_process(struct rule_state *state, pid_t pid)
{
	char path[64], *text = NULL;
	size_t length = 0, room = 0;
	int error = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (!error && !feof(file) && !ferror(file)) {
		char *larger = realloc(text, room + 65536);

		if (!larger) {
			error = -ENOMEM;
			break;
		}
		text = larger;
		room += 65536;
		length += fread(text + length, 1, room - length, file);
	}
	if (!error && !length)
		error = -ESRCH; /* it is gone, or has none */
	if (!error)
		rule_state__from_environment(state, text, length);
	free(text);
	fclose(file);
	return error;
}

bool rule_state__of_ourselves(struct rule_state *state)
{
	bool found = false;

	rule_state__default(state);
	for (char **variable = environ; *variable; variable++)
		found |= state__read_variable(state, *variable);
	if (found)
		state->origin = RULE_ENVIRONMENT;
	return found;
}
