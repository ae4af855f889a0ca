#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The tests of "make test", those that take longer, and the same on other kernels.
set -e
cd "$(dirname "$0")/.."
LONG=1 exec tests/run.sh
