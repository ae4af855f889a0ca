/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many stacks are whole, and which were not taken, is said in both forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "report_sampling.h"
#include "sample_profile.h"

/* Of ten stacks six are whole, three end in a file without a table, and one was not kept. */
static void make_stacks(struct profile *profile)
{
	static const __u32 numbers[] = { 1, 2, 3 };

	sample__make(profile, DEPTH_ENTRY);
	sample__make_stacks(profile, numbers, 3);
	profile->objects = calloc(2, sizeof(*profile->objects));
	assert_non_null(profile->objects);
	profile->nr_objects = 2;
	profile->objects[0].path = strdup("/usr/lib/known.so");
	profile->objects[1].path = strdup("/usr/lib/\xff_cold.so");
	profile->frames[0].object = 1;
	profile->frames[1].object = profile->frames[2].object = 2;
	profile->stacks[1].status = STACK_NO_TABLE | STACK_HEURISTIC;
	profile->stacks[2].status = STACK_NO_RULE;
	sample__add_stack(&profile->processes[0], 0, SAMPLE_FAULT, 1, 0);
	sample__add_stack(&profile->processes[0], 1, SAMPLE_FAULT, 1, 0);
	profile->processes[0].samples[1].samples = 5;
	sample__add_stack(&profile->processes[1], 1, SAMPLE_REQUEST, 1, 64);
	sample__add_stack(&profile->processes[1], 2, SAMPLE_REQUEST, 1, 64);
	profile->processes[1].samples[1].samples = 2;
	sample__add_stack(&profile->processes[1], 3, SAMPLE_GROWN, 1, 4096);
	profile->sums[SAMPLE_GROWN] = (struct sample_sums){ 1, 1, 1, 0 };
	profile->sums[SAMPLE_FAULT] = (struct sample_sums){ 5000, 1000, 5200, 10000 };
}

static char *write_form(const struct profile *profile, bool as_json)
{
	struct json json = { 0 };
	char *text = NULL;
	size_t size;

	json.out = open_memstream(&text, &size);
	assert_non_null(json.out);
	if (as_json)
		assert_int_equal(report_sampling__write_json(&json, profile), 0);
	else
		assert_int_equal(report_sampling__write(json.out, profile, 120), 0);
	fclose(json.out);
	return text;
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no '%s' in:\n%s", part, text);
}

static void test_text(void **state)
{
	struct profile profile;
	char *text;

	(void)state;
	make_stacks(&profile);
	text = write_form(&profile, false);
	assert_has(text, "10 taken: 60.0 % end at the root, 2 (20.0 %) in a file whose table");
	assert_has(text, "2 in /usr/lib/?_cold.so");
	assert_has(text, "of 5000 faults 1000 were taken, which stand for 5200, to within 196 95");
	assert_null(strstr(text, "growths"));
	free(text);
	profile__free(&profile);
}

static void test_json(void **state)
{
	struct profile profile;
	char *text;

	(void)state;
	make_stacks(&profile);
	text = write_form(&profile, true);
	assert_has(text, "\"taken\":10,\"complete\":6,\"cold\":2");
	assert_has(text, "_cold.so\",\"samples\":2}");
	assert_has(text, "\"fault\":{\"seen\":5000,\"taken\":1000,\"sampled_out\":4000,"
			 "\"estimate\":5200,\"error_ci95\":196");
	assert_has(text, "\"grown\":{\"seen\":1,\"taken\":1,\"sampled_out\":0");
	free(text);
	profile__free(&profile);
}

static void test_without_stacks(void **state)
{
	struct profile profile;
	char *text;

	(void)state;
	sample__make(&profile, DEPTH_ENTRY);
	text = write_form(&profile, false);
	assert_string_equal(text, "");
	free(text);
	text = write_form(&profile, true);
	assert_has(text, "\"stack_sampling\":null");
	free(text);
	profile__free(&profile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_without_stacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
