/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>

#include "estimate.h"

#define NORMAL_95 1.959963984540054

#define MOST_UNDILATED 0.9 /* nearer to 1 the rest is noise */

/* Windows whose own time, which is known for the whole run too, misses it by more are not alike. */
#define ALIKE_ERRORS 3.3
#define ALIKE_SHARE 0.08
#define ALIKE_DILATION 0.03 /* above it, what a program does in a window is no measure */

void estimate_sums__add(struct estimate_sums *sums, double x, double d, double weight)
{
	x *= weight;
	d *= weight;
	sums->nr += 1;
	sums->x += x;
	sums->xx += x * x;
	sums->d += d;
	sums->dd += d * d;
	sums->xd += x * d;
}

void estimate_sums__add_empty(struct estimate_sums *sums, double nr, double d, double weight)
{
	if (nr <= 0)
		return;
	d *= weight;
	sums->nr += nr;
	sums->d += d;
	sums->dd += d * d / nr;
}

double estimate_sums__effective(const struct estimate_sums *sums)
{
	return sums->xx > 0 ? sums->x * sums->x / sums->xx : 0;
}

/* Exact for 1 and 2 degrees; above by an expansion around the normal quantile, to a part in 500. */
double student__t95(double degrees)
{
	double z = NORMAL_95, z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;

	if (degrees < 2)
		return 12.7062;
	if (degrees < 3)
		return 4.3027;
	return z + (z3 + z) / (4 * degrees) +
	       (5 * z5 + 16 * z3 + 3 * z) / (96 * degrees * degrees) +
	       (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * degrees * degrees * degrees);
}

/* Standard error of x / d over the windows, in units of the ratio. */
static double ratio__error(const struct estimate_sums *sums, double ratio)
{
	double residuals = sums->xx - 2 * ratio * sums->xd + ratio * ratio * sums->dd;

	if (sums->nr < 2 || sums->d <= 0)
		return INFINITY;
	if (residuals < 0) /* by rounding */
		residuals = 0;
	return sqrt(residuals * sums->nr / (sums->nr - 1)) / sums->d;
}

static bool sums__are_enough(const struct estimate_sums *sums, double effective)
{
	return sums->nr >= ESTIMATE_LEAST_WINDOWS && effective >= ESTIMATE_LEAST_EFFECTIVE;
}

bool estimate__is_alike(const struct estimate_input *input)
{
	const struct estimate_sums *sums = &input->sums;
	double spread = fmax(sums->dd - sums->d * sums->d / sums->nr, 0);
	double error = sqrt(spread * sums->nr / (sums->nr - 1));

	return input->dilation > ALIKE_DILATION ||
	       fabs(sums->d - input->whole_d) <=
		       ALIKE_ERRORS * error + ALIKE_SHARE * input->whole_d;
}

static struct estimate estimate__plain(enum estimate_kind kind, double value)
{
	return (struct estimate){ .kind = kind, .value = value, .low = value, .high = value };
}

static bool dilation__is_high(double dilation)
{
	return dilation * (1 + ESTIMATE_TRAP_ERROR) > ESTIMATE_MOST_DILATION;
}

/* By weights alone: a program slowed down asks for less, so its truth lies above. */
static struct estimate total__at_least(const struct estimate_input *input)
{
	const struct estimate_sums *sums = &input->sums;
	double effective = estimate_sums__effective(sums), low = input->counted;

	if (sums->nr >= 2) {
		double spread = sums->xx - sums->x * sums->x / sums->nr;
		double error = sqrt((spread > 0 ? spread : 0) * sums->nr / (sums->nr - 1));

		low = sums->x - student__t95(effective - 1) * error;
	}
	return estimate__plain(ESTIMATE_AT_LEAST, low > input->counted ? low : input->counted);
}

struct estimate estimate__total(const struct estimate_input *input)
{
	const struct estimate_sums *sums = &input->sums;
	double effective = estimate_sums__effective(sums), ratio, half, trap;
	struct estimate estimate;

	if (dilation__is_high(input->dilation))
		return total__at_least(input);
	if (sums->d <= 0 || input->whole_d <= 0) {
		estimate = estimate__plain(ESTIMATE_FEW, fmax(sums->x, input->counted));
		estimate.low = input->counted;
		return estimate;
	}
	ratio = sums->x / sums->d;
	estimate = estimate__plain(ESTIMATE_FEW, ratio * input->whole_d);
	/* Never less than what was seen. */
	if (estimate.value < input->counted)
		estimate.value = input->counted;
	estimate.low = input->counted;
	if (!sums__are_enough(sums, effective) || !estimate__is_alike(input))
		return estimate;
	half = student__t95(effective - 1) * ratio__error(sums, ratio) * input->whole_d;
	/* Own time is what traps leave of it: how much less, if each costs the most that it may? */
	trap = estimate.value *
	       ((1 - input->dilation) / (1 - input->dilation * (1 + ESTIMATE_TRAP_ERROR)) - 1);
	half += input->clock_error * estimate.value;
	estimate.kind = ESTIMATE_INTERVAL;
	estimate.low = estimate.value - half - trap;
	estimate.high = estimate.value + half + trap;
	if (estimate.low < input->counted)
		estimate.low = input->counted;
	return estimate;
}

double window__undilated(double dilation, double error)
{
	return 1 / (1 - fmin(dilation * (1 + error), MOST_UNDILATED));
}

struct estimate estimate__share(const struct estimate_share *share)
{
	const struct estimate_sums *sums = &share->sums;
	struct estimate estimate;
	double half, plain, most;

	if (sums->d <= 0)
		return estimate__plain(ESTIMATE_FEW, 0);
	estimate = estimate__plain(ESTIMATE_FEW, sums->x / sums->d);
	if (dilation__is_high(share->dilation) || !share->is_alike ||
	    !sums__are_enough(sums, share->effective))
		return estimate;
	half = student__t95(share->effective - 1) * ratio__error(sums, estimate.value);
	plain = share->plain_d > 0 ? share->plain_x / share->plain_d : estimate.value;
	most = share->most_d > 0 ? share->most_x / share->most_d : estimate.value;
	estimate.kind = ESTIMATE_INTERVAL;
	estimate.low = fmax(fmin(estimate.value, fmin(plain, most)) - half, 0);
	estimate.high = fmin(fmax(estimate.value, fmax(plain, most)) + half, 1);
	return estimate;
}

struct estimate estimate__sum(struct estimate a, struct estimate b)
{
	struct estimate sum = {
		.value = a.value + b.value,
		.low = a.low + b.low,
		.high = a.high + b.high,
	};

	/* The weaker statement holds for both. */
	sum.kind = a.kind > b.kind ? a.kind : b.kind;
	if (sum.kind == ESTIMATE_AT_LEAST)
		sum.value = sum.high = sum.low;
	return sum;
}
