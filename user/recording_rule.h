/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The threshold that was followed, as a part of a recording. */
#ifndef ALLOCPATH_RECORDING_RULE_H
#define ALLOCPATH_RECORDING_RULE_H

#include "profile_rule.h"
#include "recording.pb-c.h"
#include "recording_parse.h"

struct recording_rule; /* a message, with all that it points to */

/* NULL: no memory. The profile's rule has to live as long. */
struct recording_rule *recording_rule__make(const struct profile_rule *rule);
Recording__Rule *recording_rule__message(struct recording_rule *rule);
void recording_rule__free(struct recording_rule *rule); /* NULL is fine */

/* 0, -EINVAL or -ENOMEM; what was made belongs to *rule, which may be NULL. */
int recording_rule__parse(struct recording_parse *parse, const Recording__Rule *from,
			  struct profile_rule **rule);

#endif
