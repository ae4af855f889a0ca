/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "share.h"

__u64 share__next(struct share *share, double weight)
{
	__u64 until, given;

	share->seen += weight;
	until = share->weights > 0 ?
			(__u64)((double)share->total * (share->seen / share->weights) + 0.5) :
			0;
	if (until > share->total || share->seen >= share->weights)
		until = share->total;
	given = until > share->given ? until - share->given : 0;
	share->given += given;
	return given;
}
