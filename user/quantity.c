/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "quantity.h"

#define NS_PER_S 1000000000ULL
#define MAX_DURATION_NS ((__u64)INT64_MAX)

int quantity__parse_duration(const char *text, __u64 *ns)
{
	static const struct {
		const char *name;
		__u64 ns;
	} units[] = {
		{ "ms", NS_PER_S / 1000 },
		{ "s", NS_PER_S },
		{ "m", 60 * NS_PER_S },
		{ "h", 3600 * NS_PER_S },
	};
	__u64 whole = 0, part = 0, part_scale = 1, unit = 0, total;
	const char *at = text;

	if (!isdigit((unsigned char)*at))
		return -EINVAL;
	for (; isdigit((unsigned char)*at); at++) {
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, (__u64)(*at - '0'), &whole))
			return -ERANGE;
	}
	/* A millionth is enough, also of an hour: the product with the unit stays below 2^63. */
	if (*at == '.') {
		if (!isdigit((unsigned char)*++at))
			return -EINVAL;
		for (; isdigit((unsigned char)*at); at++) {
			if (part_scale >= 1000000)
				continue;
			part = part * 10 + (__u64)(*at - '0');
			part_scale *= 10;
		}
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(at, units[i].name) == 0)
			unit = units[i].ns;
	if (!unit)
		return -EINVAL;
	if (__builtin_mul_overflow(whole, unit, &total) ||
	    __builtin_add_overflow(total, part * unit / part_scale, &total) || !total ||
	    total > MAX_DURATION_NS)
		return -ERANGE;
	*ns = total;
	return 0;
}

int quantity__parse_size(const char *text, __u64 *bytes)
{
	static const char letters[] = "KMG";
	const char *letter;
	unsigned int shift = 0;
	__u64 value;
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno)
		return -ERANGE;
	if (*end) {
		letter = strchr(letters, toupper((unsigned char)*end));
		if (!letter || (strcmp(end + 1, "") != 0 && strcmp(end + 1, "iB") != 0))
			return -EINVAL;
		shift = 10 * (unsigned int)(letter - letters + 1);
	}
	if (value > ~0ULL >> shift)
		return -ERANGE;
	*bytes = value << shift;
	return 0;
}

bool quantity__parse_number(const char *text, size_t length, int lowest, int *number)
{
	char digits[16];
	long value;
	char *end;

	if (!length || length >= sizeof(digits) || !isdigit((unsigned char)*text))
		return false;
	memcpy(digits, text, length);
	digits[length] = '\0';
	value = strtol(digits, &end, 10);
	if (*end || value < lowest || value > INT_MAX)
		return false;
	*number = (int)value;
	return true;
}
