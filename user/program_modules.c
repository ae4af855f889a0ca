/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program_modules.h"

#define MAX_MODULES 256

/* By how the program's name begins. From its directory on; %s: its whole name. */
static const struct {
	const char *name;
	const char *pattern;
} places[] = {
	{ "python3", "../lib/%s/lib-dynload/*.so" },
	{ "perl", "../lib/*/perl-base/auto/*/*.so" },
	{ "perl", "../lib/*/perl-base/auto/*/*/*.so" },
	{ "perl", "../lib/*/perl/5.[0-9][0-9]/auto/*/*.so" },
	{ "perl", "../lib/*/perl/5.[0-9][0-9]/auto/*/*/*.so" },
	{ "ruby", "../lib/*/ruby/*/*.so" },
	{ "php", "../lib/php/*/*.so" },
	{ "nginx", "../lib/nginx/modules/*.so" },
};

static void find(const char *program, glob_t *found)
{
	const char *name = strrchr(program, '/');
	char relative[NAME_MAX + 64], pattern[PATH_MAX + sizeof(relative)];
	int flags = GLOB_NOSORT;

	if (!name)
		return;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (strncmp(name + 1, places[i].name, strlen(places[i].name)) != 0)
			continue;
		if (strstr(places[i].pattern, "%s"))
			snprintf(relative, sizeof(relative), "../lib/%s/lib-dynload/*.so",
				 name + 1);
		else
			snprintf(relative, sizeof(relative), "%s", places[i].pattern);
		snprintf(pattern, sizeof(pattern), "%.*s/%s", (int)(name - program), program,
			 relative);
		glob(pattern, flags, NULL, found);
		flags |= GLOB_APPEND;
	}
}

char *program__modules(const char *program)
{
	char real[PATH_MAX], *list = NULL;
	glob_t found = { 0 };
	size_t size = 0;
	FILE *out;

	if (!realpath(program, real))
		return NULL;
	find(real, &found);
	out = found.gl_pathc ? open_memstream(&list, &size) : NULL;
	for (size_t i = 0; out && i < found.gl_pathc && i < MAX_MODULES; i++)
		if (!strchr(found.gl_pathv[i], ':'))
			fprintf(out, "%s%s", ftell(out) ? ":" : "", found.gl_pathv[i]);
	if (out)
		fclose(out);
	globfree(&found);
	return list;
}
