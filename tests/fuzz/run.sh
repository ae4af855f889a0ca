#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Fuzzes each reader of others' input, and the allocator. "ok NAME", or "not ok NAME" with the end
# of its output; an input that breaks one stays in O/fuzz. Environment: O, SECONDS_EACH (60).
set -u
cd "$(dirname "$0")/../.." || exit 1
O="${O:-build}"
seconds="${SECONDS_EACH:-60}"
seeds=$(mktemp -d) || exit 1
trap 'rm -rf "$seeds"' EXIT
status=0

libc=$(ldd "$O/allocpath" | awk '/libc.so.6/ { print $3 }')
/usr/bin/python3 tests/fuzz/seeds.py "$seeds" "$O/allocpath" "$libc" || exit 1
for name in recording elf maps unwind symbols perf_map refalloc; do
	log="$seeds/$name.log"
	# no limit on one malloc: that a wild size is refused is what is tested
	if "$O/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -rss_limit_mb=1024 -timeout=20 \
		-max_len=4194304 -len_control=0 -artifact_prefix="$O/tests/fuzz/" \
		"$seeds/$name" >"$log" 2>&1; then
		echo "ok fuzz.$name $(tail -1 "$log")"
	else
		status=1
		echo "not ok fuzz.$name"
		tail -40 "$log" | sed 's/^/    /'
	fi
done
exit $status
