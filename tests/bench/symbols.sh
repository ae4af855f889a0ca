#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What symbols cost: names, and with lines, of a thousand addresses in a hundred files of this host.
set -u
cd "$(dirname "$0")/../.." || exit 1
exec /usr/bin/python3 tests/bench/symbols.py "${O:-build}/tests/tools/symbolise"
