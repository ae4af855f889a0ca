/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What windows tell of the time between them. Of each window goes in what was counted, weighted by
 * the time that the window stands for, and the time that the process itself had in it; what comes
 * out is a total with an interval, or a bound, or a value without either, by what simulations
 * support (tests/unit/test_estimate_coverage.c).
 */
#ifndef ALLOCPATH_ESTIMATE_H
#define ALLOCPATH_ESTIMATE_H

#include <stdbool.h>

/* With fewer windows, or fewer that count, intervals do not hold what they promise. */
#define ESTIMATE_LEAST_WINDOWS 60
#define ESTIMATE_LEAST_EFFECTIVE 20

/* Above this share of time in traps, at their dearest, a total is only bounded. */
#define ESTIMATE_MOST_DILATION 0.5

/* A trap in a busy program costs up to so much more than one was measured to. */
#define ESTIMATE_TRAP_ERROR 0.25

/*
 * Sums over windows, of x: what was counted, times weight; and d: the process's own time, without
 * traps, times weight. They add and subtract.
 */
struct estimate_sums {
	double nr; /* windows while the process was there */
	double x, xx;
	double d, dd;
	double xd;
};

/* One process's windows, for one quantity. */
struct estimate_input {
	struct estimate_sums sums;
	double counted; /* without weights: what was seen for certain */
	double whole_d; /* own time from first to last; 0: not known, weights are all there is */
	double dilation; /* share of traps in its time in windows, where its requests were */
	double clock_error; /* by how much own times in windows may be off on average, as a share */
};

/*
 * A part and its whole, counted in the same windows. A slow window holds fewer requests than it
 * would: how many fewer depends on what the program does while it waits. So sums count each by
 * window__undilated(), and the shares without that and with the dearest traps bound the truth.
 */
struct estimate_share {
	struct estimate_sums sums; /* x: the part, d: the whole */
	double plain_x, plain_d;
	double most_x, most_d;
	double effective; /* of the whole's windows */
	double dilation; /* as for the total */
	bool is_alike; /* by estimate__is_alike() of the total */
};

enum estimate_kind {
	ESTIMATE_EXACT, /* nothing was estimated */
	ESTIMATE_INTERVAL, /* value, and low to high holds the truth 95 times of 100 */
	ESTIMATE_FEW, /* value; too few windows for an interval */
	ESTIMATE_AT_LEAST, /* value is a bound from below */
};

struct estimate {
	enum estimate_kind kind;
	double value;
	double low, high; /* of ESTIMATE_INTERVAL; low of ESTIMATE_FEW is what was counted */
};

/*
 * The kernel brings other processes' clocks forward at ticks and switches, of which a window's begin
 * has somewhat more than its end: with 10 ms windows and 4 ms ticks totals were 2 % too high in the
 * mean of live runs, up to 6 in one.
 */
#define ESTIMATE_CLOCK_ERROR 0.05

/* A window of weight (the time that it stands for over its length, over its probability). */
void estimate_sums__add(struct estimate_sums *sums, double x, double d, double weight);

/* Windows in which nothing was counted, alike: nr of them, d own time in all. */
void estimate_sums__add_empty(struct estimate_sums *sums, double nr, double d, double weight);

/* So many equal windows would tell as much. */
double estimate_sums__effective(const struct estimate_sums *sums);

struct estimate estimate__total(const struct estimate_input *input);

/*
 * Do the windows hold as much of the process's own time as they should? A burst that all of them
 * have missed shows in that.
 */
bool estimate__is_alike(const struct estimate_input *input);

struct estimate estimate__share(const struct estimate_share *share);

/* What a window's counts stand for, given the share of traps in it; error is that of their cost. */
double window__undilated(double dilation, double error);

/* Of two groups of processes, whose windows are the same: errors add up. */
struct estimate estimate__sum(struct estimate a, struct estimate b);

/* t such that |Student's t| of these degrees of freedom is below it 95 times of 100. */
double student__t95(double degrees);

#endif
