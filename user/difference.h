/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What two recordings say of one thing, and whether chance could say it too. A value is a sum of
 * independent events, each of which stands for some of it: a stack that was sampled stands for all
 * that it was drawn from, a request that was counted for itself. If nothing changed, then each of
 * the events is of A or of B as a coin falls, so the difference has the sum of their squares for
 * its variance, and its tail is at most DIFFERENCE_TAIL that of a normal distribution, however few
 * they are and however much they differ (Pinelis 1994; Bentkus, Dzindzalieta 2015). That bound is
 * taken, not the normal tail, which too easily finds what three samples cannot show.
 *
 * Many things are compared at once. All intervals of a list hold together 95 times of 100: a list of
 * two recordings of the same has nothing significant so often. Things with too few events to show
 * anything at all take no part in that, which costs the others nothing (Tarone 1990).
 */
#ifndef ALLOCPATH_DIFFERENCE_H
#define ALLOCPATH_DIFFERENCE_H

#include <stdbool.h>
#include <stddef.h>

#define DIFFERENCE_ERROR 0.05 /* of a list of which nothing is true */
#define DIFFERENCE_TAIL 3.18

enum side {
	SIDE_A,
	SIDE_B,
	NR_SIDES,
};

/* Sums over a side's events; they add. */
struct difference_side {
	double value;
	double events;
	double squares; /* of what each stands for */
	double null; /* what squares would be, if the value came from the other side's events */
	double drift; /* standard error of the value by windows between which nothing was seen */
};

enum verdict {
	VERDICT_NONE, /* the same, or of no events that could be compared */
	VERDICT_NOISE, /* not significant: sampling could make it */
	VERDICT_COUNTED, /* nothing is sampled, it is what it is; as many events could by chance */
	VERDICT_SIGNIFICANT,
};

struct difference {
	struct difference_side sides[NR_SIDES];
	double change; /* B - A */
	double margin; /* of the interval on both sides of it; infinite: nothing is known */
	enum verdict verdict;
	bool is_sampled; /* a value is an estimate */
	bool is_rest; /* what no sample is of: its value is exact, its change says nothing */
};

/*
 * Adds a value that so many events brought. spread: mean square of what they stand for over the
 * square of its mean, 1 where they are alike. ratio: what one stands for on the other side, over
 * what it does here.
 */
void difference_side__add(struct difference_side *side, double value, double events, double spread,
			  double ratio);

/*
 * Fills change, margin and verdict of a list. *deviations: the margins, in standard deviations. 0 or
 * -ENOMEM.
 */
int differences__settle(struct difference *const *list, size_t nr, double *deviations);

/* "significant", "not significant", "counted", "none". */
const char *verdict__name(enum verdict verdict);

#endif
