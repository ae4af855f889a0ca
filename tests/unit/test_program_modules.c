/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What programs of a known kind may open is found by where they are installed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "program_modules.h"

static char directory[] = "/tmp/allocpath-modules-XXXXXX";

static int make(void **state)
{
	char command[512];

	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(
		command, sizeof(command),
		"cd %s && mkdir -p bin lib/python3.9/lib-dynload lib/x/perl/5.36/auto/A/B lib/nginx &&"
		"touch bin/python3.9 bin/perl bin/cat bin/nginx lib/python3.9/lib-dynload/a.so "
		"lib/python3.9/lib-dynload/b:c.so lib/python3.9/lib-dynload/a.py "
		"lib/x/perl/5.36/auto/A/A.so lib/x/perl/5.36/auto/A/B/B.so && "
		"ln -s python3.9 bin/python3",
		directory);
	return system(command);
}

static int remove_all(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", directory);
	return system(command);
}

static char *modules_of(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/bin/%s", directory, name);
	return program__modules(path);
}

/* By the name that a link leads to; a path with a colon cannot be said to the loader. */
static void test_python(void **state)
{
	char *modules = modules_of("python3"), *end;

	(void)state;
	assert_non_null(modules);
	end = strstr(modules, "/bin/../lib/python3.9/lib-dynload/a.so");
	assert_non_null(end);
	assert_null(strchr(modules, ':'));
	assert_null(strstr(modules, "a.py"));
	free(modules);
}

/* By several patterns. */
static void test_perl(void **state)
{
	char *modules = modules_of("perl");

	(void)state;
	assert_non_null(modules);
	assert_non_null(strstr(modules, "/auto/A/A.so"));
	assert_non_null(strstr(modules, "/auto/A/B/B.so"));
	assert_non_null(strchr(modules, ':'));
	free(modules);
}

static void test_none(void **state)
{
	(void)state;
	assert_null(modules_of("cat"));
	assert_null(modules_of("nginx"));
	assert_null(modules_of("missing"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_python),
		cmocka_unit_test(test_perl),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, make, remove_all);
}
