/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The man page against --help: each has every option of the other, with the same names and the
 * same word for its value. Run from the top directory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"

#define MAN "user/allocpath.8"
#define MAX_OPTIONS 256

/* Options, each as the page writes it: "Fl d Ar DURATION", "Fl v , Fl -verbose". */
struct page {
	char lines[MAX_OPTIONS][80];
	size_t nr;
};

struct fixture {
	struct page help;
	struct page man;
};

/* "  -v, --verbose  text" is "Fl v , Fl -verbose", "  -p PID[,PID...]  text" is "Fl p Ar PID". */
static void add_help_line(struct page *page, const char *line)
{
	char *option = page->lines[page->nr], row[512], *at = row, *word;

	if (strncmp(line, "  -", 3) != 0 || page->nr == MAX_OPTIONS)
		return;
	page->nr++;
	snprintf(row, sizeof(row), "%s", line + 2);
	word = strstr(row, "  "); /* what follows is the text */
	if (word)
		*word = '\0';
	*option = '\0';
	while ((word = strsep(&at, " "))) {
		const char *comma = *word == '-' && strchr(word, ',') ? " , " : " ";
		size_t used = strlen(option), room = sizeof(page->lines[0]) - used;

		snprintf(option + used, room, "%s %.*s%s", *word == '-' ? "Fl" : "Ar",
			 (int)strcspn(word + (*word == '-'), ",["), word + (*word == '-'), comma);
		/* Of "CMD ARGS..." the first word is enough. */
		if (*word != '-')
			break;
	}
	option[strlen(option) - 1] = '\0';
}

static void add_man_line(struct page *page, const char *line)
{
	char *option = page->lines[page->nr], *value;

	if (strncmp(line, ".It Fl ", 7) != 0 || page->nr == MAX_OPTIONS)
		return;
	page->nr++;
	snprintf(option, sizeof(page->lines[0]), "%.*s", (int)strcspn(line + 4, "\n"), line + 4);
	value = strstr(option, " Ar ");
	if (value) {
		value += 4;
		value[strcspn(value, " ")] = '\0';
	}
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	static char *const commands[] = { "hist",  "record",   "doctor", "threshold",
					  "flame", "validate", "diff",	 "ledger" };
	char line[512];
	FILE *file;
	int saved;

	assert_non_null(fixture);
	*state = fixture;

	file = tmpfile();
	assert_non_null(file);
	fflush(stdout);
	saved = dup(STDOUT_FILENO);
	assert_true(saved >= 0 && dup2(fileno(file), STDOUT_FILENO) >= 0);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		char *words[] = { commands[i], "--help", NULL };
		struct options options;

		assert_int_equal(options__parse(2, words, &options), -1);
		options__free(&options);
	}
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	rewind(file);
	while (fgets(line, sizeof(line), file))
		add_help_line(&fixture->help, line);
	fclose(file);

	file = fopen(MAN, "re");
	if (!file)
		fail_msg("no " MAN " in the current directory");
	while (fgets(line, sizeof(line), file))
		add_man_line(&fixture->man, line);
	fclose(file);
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

static bool has_line(const struct page *page, const char *line)
{
	for (size_t i = 0; i < page->nr; i++)
		if (strcmp(page->lines[i], line) == 0)
			return true;
	return false;
}

static void every_option_is_in_the_page(void **state)
{
	const struct fixture *fixture = *state;

	assert_true(fixture->help.nr > 10);
	for (size_t i = 0; i < fixture->help.nr; i++)
		if (!has_line(&fixture->man, fixture->help.lines[i]))
			fail_msg(MAN " lacks \".It %s\"", fixture->help.lines[i]);
}

static void every_option_of_the_page_exists(void **state)
{
	const struct fixture *fixture = *state;

	for (size_t i = 0; i < fixture->man.nr; i++)
		if (!has_line(&fixture->help, fixture->man.lines[i]))
			fail_msg("--help has no \"%s\" of " MAN, fixture->man.lines[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_option_is_in_the_page),
		cmocka_unit_test(every_option_of_the_page_exists),
	};

	return cmocka_run_group_tests_name("man", tests, set_up, tear_down);
}
