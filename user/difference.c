/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "difference.h"

void difference_side__add(struct difference_side *side, double value, double events, double spread,
			  double ratio)
{
	double squares = events > 0 ? value * value / events * spread : 0;

	side->value += value;
	side->events += events;
	side->squares += squares;
	side->null += squares * ratio;
}

static double tail(double deviations)
{
	return DIFFERENCE_TAIL * erfc(deviations / sqrt(2)); /* of both sides */
}

/* So many deviations that the tail is no more than that. */
static double deviations_of(double error)
{
	double low = 0, high = 40;

	for (int i = 0; i < 60; i++) {
		double middle = (low + high) / 2;

		if (tail(middle) > error)
			low = middle;
		else
			high = middle;
	}
	return high;
}

/* The larger of both: as it is, and as it would be if nothing had changed. */
static double difference__variance(const struct difference *difference)
{
	const struct difference_side *a = &difference->sides[SIDE_A];
	const struct difference_side *b = &difference->sides[SIDE_B];
	double variance = fmax(a->squares + b->squares, a->null + b->null);

	return variance + a->drift * a->drift + b->drift * b->drift;
}

/* If all of its events were of one side: no change of theirs is less likely. */
static double difference__least(const struct difference *difference)
{
	double all = difference->sides[SIDE_A].value + difference->sides[SIDE_B].value;
	double variance = difference__variance(difference);

	return variance > 0 && !difference->is_rest ? tail(all / sqrt(variance)) : HUGE_VAL;
}

static int compare_doubles(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

/* Tarone's number: the smallest that is no less than how many could be significant with it. */
static double count_of_tests(double *least, size_t nr)
{
	size_t tests = 1;

	qsort(least, nr, sizeof(*least), compare_doubles);
	while (tests < nr && least[tests] <= DIFFERENCE_ERROR / (double)tests)
		tests++;
	return (double)tests;
}

static void difference__judge(struct difference *difference, double deviations)
{
	double change = difference->sides[SIDE_B].value - difference->sides[SIDE_A].value;

	difference->change = change;
	difference->margin = deviations * sqrt(difference__variance(difference));
	if (difference->is_rest)
		difference->margin = HUGE_VAL;
	if (change == 0)
		difference->verdict = VERDICT_NONE;
	else if (fabs(change) > difference->margin)
		difference->verdict = VERDICT_SIGNIFICANT;
	else
		difference->verdict = difference->is_sampled || difference->is_rest ?
					      VERDICT_NOISE :
					      VERDICT_COUNTED;
}

int differences__settle(struct difference *const *list, size_t nr, double *deviations)
{
	double *least = calloc(nr + 1, sizeof(*least));

	if (!least)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++)
		least[i] = difference__least(list[i]);
	*deviations = deviations_of(DIFFERENCE_ERROR / count_of_tests(least, nr));
	free(least);
	for (size_t i = 0; i < nr; i++)
		difference__judge(list[i], *deviations);
	return 0;
}

const char *verdict__name(enum verdict verdict)
{
	static const char *const names[] = {
		[VERDICT_NONE] = "none",
		[VERDICT_NOISE] = "not significant",
		[VERDICT_COUNTED] = "counted",
		[VERDICT_SIGNIFICANT] = "significant",
	};

	return (unsigned int)verdict < sizeof(names) / sizeof(names[0]) ? names[verdict] : "?";
}
