#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the unwind tables of this host's files cost: functions, rows, distinct rules, bytes in the
# maps, bytes a row, and milliseconds of processor time, with the file in the page cache.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${O:-build}

files=()
for path in /lib64/ld-linux-x86-64.so.2 /usr/lib/x86_64-linux-gnu/{libc.so.6,libstdc++.so.6} \
	/usr/bin/{python3.11,redis-server,gdb,node} /usr/lib/gcc/x86_64-linux-gnu/*/cc1 \
	/usr/lib/x86_64-linux-gnu/{libLLVM-14.so.1,libclang-cpp.so.14}; do
	[ -e "$path" ] && cat "$path" >/dev/null && files+=("$path")
done
"$build/tests/tools/unwind_tables" "${files[@]}"
