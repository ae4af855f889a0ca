#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The end-to-end tests on other kernels: Debian's, each in an emulated machine (no /dev/kvm is
# needed) whose files are this host's. Takes about ten minutes a kernel, the first time some more
# for fetching it. A line a test as in tests/run.sh, with the kernel's series in its name.
#
# usage: tests/kernels/run.sh [SERIES...]
# Environment: O (build directory), KERNEL_TESTS (words in place of the file "tests"),
# KERNEL_CACHE (where the kernels are kept, and the last guest's console as "log"; O/kernels).

set -u
cd "$(dirname "$0")/../.." || exit 1
export O="${O:-build}"
here=tests/kernels
cache="${KERNEL_CACHE:-$O/kernels}"
series=("$@")
# 6.1: perf event uprobes, counters cached in the task. 6.12: uprobe_multi. 6.16 and later:
# sessions. 6.18 and 7.0 patch five-byte nops, 7.3 ten-byte ones.
[ $# -gt 0 ] || series=(5.10 6.1 6.12 6.12-rt 6.16 6.18 7.0 7.3)

# BPF has no storage in tasks there: allocpath is to say so in one line.
REFUSED="5.10"
GUEST_MIB=1536
GUEST_TIMEOUT=1800

failed=0

fail() {
	failed=$((failed + 1))
	echo "not ok kernels.$1"
}

missing() {
	[ "$(uname -m)" = x86_64 ] || { echo "for x86_64 hosts"; return; }
	command -v qemu-system-x86_64 >/dev/null || { echo "qemu-system-x86 is not installed"; return; }
	[ -x "$O/allocpath" ] && [ -x "$O/tests/programs/calls" ] || echo "make programs first"
}

# Names of tests, one a line, as the harness lists them.
names() {
	local words left_out

	words=$(sed -n '/^[^#-]/p' $here/tests)
	left_out=$(sed -n 's/^-//p' $here/tests)
	# shellcheck disable=SC2086 # words
	LONG=1 /usr/bin/python3 tests/e2e/run.py --list ${KERNEL_TESTS:-$words} |
		grep -vF -e "${left_out:-no name is like this}"
}

# One archive for all kernels. What the guest shall do is a file in it.
make_guest() {
	local stdlib

	stdlib=$(/usr/bin/python3 -c 'import os; print(os.path.dirname(os.__file__))') || return 1
	{
		echo "$PWD"
		names
	} >"$cache/tests"
	# libgcc_s is opened by pthread_exit, the locale by a test program; names by nm and readelf;
	# what the programs of coreutils do in scripts, which the shell does not
	/usr/bin/python3 $here/initramfs.py "$cache/initramfs" $here/guest.py \
		/usr/bin/python3 "$stdlib" /bin/sh /usr/bin/nm /usr/bin/readelf \
		/usr/bin/cp /usr/bin/ln /usr/bin/sleep /usr/bin/timeout \
		"$(gcc -print-file-name=libgcc_s.so.1)" /usr/lib/locale/C.utf8 \
		"$O/allocpath" "$O/tests/programs" "$O/tests/tools" tests/e2e "$cache/tests"
}

boot() {
	timeout --foreground -k 5 $GUEST_TIMEOUT qemu-system-x86_64 \
		-accel tcg,thread=multi -cpu max -smp 2 -m $GUEST_MIB \
		-nodefaults -nographic -serial stdio -no-reboot \
		-kernel "$1" -initrd "$cache/initramfs" \
		-append "console=ttyS0 quiet panic=-1 mitigations=off rootfstype=ramfs rdinit=/init \
			LONG=1 O=$O TESTS=$(realpath "$cache/tests") REFUSED=$2" </dev/null >"$cache/log" 2>&1
}

# The console's lines that are results, with what stands below a failure.
report() {
	local name="$1" refused="$2" line ended="" results=0

	while IFS= read -r line; do
		line="${line%$'\r'}"
		case "$line" in
		"ok "* | "skip "*)
			echo "${line%% *} kernels.$name.${line#* }"
			results=$((results + 1))
			;;
		"not ok "*)
			fail "$name.${line#not ok }"
			results=$((results + 1))
			;;
		"    "*)
			echo "$line"
			;;
		*"release "*)
			echo "    $name is ${line##* }"
			;;
		"guest ends")
			ended=yes
			;;
		esac
	done <"$cache/log"
	if [ -z "$ended" ]; then
		fail "$name.guest"
		tail -n 20 "$cache/log" | sed 's/^/    /'
	elif [ -z "$refused" ] && [ "$results" -lt "$(wc -l <"$cache/tests")" ]; then
		# one for each test, and one for what is left attached; the first line is the root
		fail "$name.guest: only $results results"
	fi
}

why=$(missing)
if [ -n "$why" ]; then
	echo "skip kernels $why"
	exit 0
fi
mkdir -p "$cache" || exit 1
case "$O$cache" in *" "*) echo "skip kernels a path with spaces"; exit 0 ;; esac
make_guest || { fail guest; exit 1; }

while read -r name kernel why; do
	if [ "$kernel" = - ]; then
		echo "skip kernels.$name $why"
		continue
	fi
	refused=""
	[[ " $REFUSED " != *" $name "* ]] || refused=yes
	boot "$kernel" "$refused"
	report "$name" "$refused"
done < <($here/fetch.sh "$cache" "${series[@]}")
[ "$failed" -eq 0 ]
