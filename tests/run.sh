#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs the tests that "make test" built and ends with "N passed, N failed[, N skipped]".
# Exit 1 if a test failed, or if none passed.
#
# usage: tests/run.sh [unit | e2e [ARGUMENTS OF e2e/run.py] | kernels [SERIES...]]
# By default unit and e2e, with LONG=1 all three.
#
# A test is a line "ok NAME", "not ok NAME" or "skip NAME why"; other lines are its output.
# Environment: O (build directory), LONG=1 (what takes longer too; e2e/run.py reads it).

set -u
cd "$(dirname "$0")/.." || exit 1
export O="${O:-build}"

UNIT_TIMEOUT=120
E2E_TIMEOUT=800
[ -z "${LONG:-}" ] || E2E_TIMEOUT=7200
KERNELS_TIMEOUT=14400

passed=0
failed=0
skipped=0
child=
log=$(mktemp) || exit 1
trap '[ -z "$child" ] || kill "$child"; rm -f "$log"' EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM

fail() {
	failed=$((failed + 1))
	echo "not ok $1"
}

# Reads cmocka's TAP output, where a skipped test is "not ok N # SKIP NAME". What was planned and
# not reported is a failure: the program died.
unit_test() {
	local binary="$1" name="${1##*/}" failed_before=$failed planned=0 seen=0 line status

	CMOCKA_MESSAGE_OUTPUT=TAP timeout -k 5 "$UNIT_TIMEOUT" "$binary" >"$log" 2>&1 </dev/null
	status=$?
	while IFS= read -r line; do
		if [[ $line =~ ^1\.\.([0-9]+)$ ]]; then
			planned=$((planned + BASH_REMATCH[1]))
		elif [[ $line =~ ^(not )?ok\ [0-9]+\ \#\ SKIP\ (.*)$ ]]; then
			seen=$((seen + 1))
			skipped=$((skipped + 1))
			echo "skip $name.${BASH_REMATCH[2]}"
		elif [[ $line =~ ^ok\ [0-9]+\ -\ (.*)$ ]]; then
			seen=$((seen + 1))
			passed=$((passed + 1))
			echo "ok $name.${BASH_REMATCH[1]}"
		elif [[ $line =~ ^not\ ok\ ([0-9]+)\ -\ (.*)$ ]]; then
			# Test 0 is the group's own setup or teardown.
			[ "${BASH_REMATCH[1]}" = 0 ] || seen=$((seen + 1))
			fail "$name.${BASH_REMATCH[2]}"
		else
			echo "    $line"
		fi
	done <"$log"
	if [ "$seen" -lt "$planned" ] || [ "$planned" -eq 0 ]; then
		fail "$name: $seen of $planned tests ran, exit status $status"
	elif [ "$status" -ne 0 ] && [ "$failed" -eq "$failed_before" ]; then
		fail "$name: exit status $status"
	fi
}

unit_tests() {
	local source binary

	for source in tests/unit/test_*.c; do
		[ -e "$source" ] || continue
		binary="$O/${source%.c}"
		if [ -x "$binary" ]; then
			unit_test "$binary"
		else
			fail "${binary##*/}: not built"
		fi
	done
}

# A program that prints the lines. Through a file and not a pipe: a process that a test leaves
# behind must not hold us.
other_tests() {
	local name="$1" timeout="$2" bad shown status

	shift 2
	timeout -k 10 "$timeout" "$@" >"$log" 2>&1 </dev/null &
	child=$!
	tail -n +1 -s 0.2 --pid="$child" -f "$log" &
	shown=$!
	# Not in the foreground: a signal to us would wait until it ends.
	wait "$child"
	status=$?
	child=
	wait "$shown"
	bad=$(grep -c '^not ok ' "$log")
	passed=$((passed + $(grep -c '^ok ' "$log")))
	failed=$((failed + bad))
	skipped=$((skipped + $(grep -c '^skip ' "$log")))
	if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
		fail "$name: ended after $timeout s"
	elif [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
		fail "$name: ended with status $status"
	fi
}

e2e_tests() {
	other_tests e2e "$E2E_TIMEOUT" /usr/bin/python3 -u tests/e2e/run.py "$@"
}

kernel_tests() {
	other_tests kernels "$KERNELS_TIMEOUT" tests/kernels/run.sh "$@"
}

case "${1:-all}" in
all)
	unit_tests
	e2e_tests
	[ -z "${LONG:-}" ] || kernel_tests
	;;
unit)
	unit_tests
	;;
e2e)
	shift
	e2e_tests "$@"
	;;
kernels)
	shift
	kernel_tests "$@"
	;;
*)
	echo "usage: tests/run.sh [unit | e2e [ARGUMENTS] | kernels [SERIES...]]" >&2
	exit 2
	;;
esac

if [ "$skipped" -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
