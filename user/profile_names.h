/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ALLOCPATH_PROFILE_NAMES_H
#define ALLOCPATH_PROFILE_NAMES_H

#include "contract.h"
#include "rule.h"

/* Names of the enums, as the JSON writes them; "?" for a value out of range. */
const char *path__name(enum alloc_path path);
const char *release__name(enum release release);
const char *home__name(enum home home);
const char *region__name(enum region region);
const char *fault_class__name(enum fault_class fault_class);
const char *loss__name(enum loss loss);
const char *event_kind__name(enum event_kind kind);
const char *outcome__name(enum outcome outcome);
const char *probe_depth__name(enum probe_depth depth);
const char *alloc_function__name(enum alloc_function function);
const char *rule_reason__name(enum rule_reason reason);

#endif
