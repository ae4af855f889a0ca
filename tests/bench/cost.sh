#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What measuring costs its target: nanoseconds of one operation, unprobed and at each depth, taken
# in turn on the same machine; the medians and their ratios to unprobed. Ratios are what counts:
# absolute times are this machine's.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${O:-build}
rounds=${ROUNDS:-7}

one() { # depth operation count
	if [ "$1" = none ]; then
		"$build/tests/programs/bench" "$2" "$3"
	else
		"$build/allocpath" hist --probes "$1" -o /dev/null -- \
			"$build/tests/programs/bench" "$2" "$3"
	fi
}

median() {
	sort -g | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'
}

printf '%-10s %-8s %12s %8s\n' operation probes ns ratio
for work in "malloc 20000" "fault 16384" "syscall 100000"; do
	read -r operation count <<<"$work"
	declare -A times=()
	for _ in $(seq "$rounds"); do
		for depth in none kernel entry full; do
			times[$depth]+="$(one "$depth" "$operation" "$count")"$'\n'
		done
	done
	base=$(printf '%s' "${times[none]}" | median)
	for depth in none kernel entry full; do
		ns=$(printf '%s' "${times[$depth]}" | median)
		awk -v o="$operation" -v d="$depth" -v n="$ns" -v b="$base" \
			'BEGIN { printf "%-10s %-8s %12.1f %8.2f\n", o, d, n, n / b }'
	done
done
