#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The tests of "make test", those that take longer, the same on other kernels, and the fuzzers.
set -e
cd "$(dirname "$0")/.."
status=0
LONG=1 tests/run.sh || status=1
tests/fuzz/run.sh || status=1
exit $status
