#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Fetches the newest Debian kernel of each series into CACHE/SERIES and prints "SERIES VMLINUZ" for
# each that is there, "SERIES - why" for the others. What is in the cache is not fetched again.
# A series is 6.12, or 6.12-rt for the kernel of that name with real-time preemption.
#
# usage: fetch.sh CACHE SERIES...
#
# The mirrors are those of this host; the suites are named in an apt configuration of our own, in
# the cache, so that the host's is neither written nor asked to install anything.

set -u
cache="$1"
shift

SUITES="bookworm bookworm-backports trixie-backports"
SECURITY_SUITES="bullseye-security bookworm-security"

own_apt() {
	local root="$cache/apt"

	"$@" -q \
		-o Dir::State="$root/state" -o Dir::State::status="$root/status" \
		-o Dir::Cache="$root/cache" -o Dir::Etc::SourceList="$root/sources.list" \
		-o Dir::Etc::SourceParts=/dev/null -o APT::Architecture=amd64 \
		-o APT::Sandbox::User=root -o Acquire::Languages=none \
		-o APT::Install-Recommends=false
}
apt() { own_apt apt-get "$@"; }

# The host's mirror that has a suite: "URI [options for its line]"
mirror_of() {
	apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
		sed -n "s/ $1\$//p" | head -n 1
}

make_apt() {
	local root="$cache/apt" key=/usr/share/keyrings/debian-archive-keyring.gpg
	local release main security suite

	mkdir -p "$root/state/lists/partial" "$root/cache/archives/partial" || return 1
	: >"$root/status"
	release=$(. /etc/os-release && echo "$VERSION_CODENAME")
	main=$(mirror_of "$release")
	security=$(mirror_of "$release-security")
	[ -n "$main" ] || return 1
	{
		for suite in $SUITES; do
			echo "deb [signed-by=$key] $main $suite main"
		done
		for suite in $SECURITY_SUITES; do
			[ -z "$security" ] || echo "deb [signed-by=$key] $security $suite main"
		done
	} >"$root/sources.list"
	# A suite that is gone takes none of the others with it.
	apt update >"$root/log" 2>&1 || true
	[ -n "$(find "$root/state/lists" -name '*_Packages*')" ]
}

# The image has the kernel up to 6.18; then linux-binary has it, and the image depends on that.
# Of one version "binary" sorts before "image".
newest_package() {
	local series="${1%-rt}" flavour="${1#"${1%-rt}"}"

	series="${series//./\\.}"
	own_apt apt-cache search --names-only "^linux-(image|binary)-$series\.[^ ]*-amd64$" |
		sed -nE "s/^(linux-[a-z]*)-($series\.[^- ]*(-[0-9][^- ]*)?)$flavour-amd64 .*/\2 \1/p" |
		grep -v deb11 | sort -k1,1V -k2,2 | awk -v flavour="$flavour" '
			$1 != version { version = $1; package = $2 }
			END { if (version) print package "-" version flavour "-amd64" }'
}

fetch() {
	local into="$cache/$1" package directory

	package=$(newest_package "$1")
	[ -n "$package" ] || { echo "no package in the suites of this host's mirror"; return 1; }
	directory=$(mktemp -d "$cache/fetch.XXXXXX") || return 1
	if ! (cd "$directory" && apt download "$package") >>"$cache/apt/log" 2>&1; then
		rm -rf "$directory"
		echo "$package cannot be downloaded"
		return 1
	fi
	mkdir -p "$into"
	dpkg-deb --fsys-tarfile "$directory"/*.deb |
		tar -x -C "$directory" --wildcards './boot/vmlinuz*' './usr/lib/modules/*/vmlinuz*' \
			2>/dev/null
	find "$directory" -name 'vmlinuz*' -type f -exec mv {} "$into/vmlinuz" \; -quit
	rm -rf "$directory"
	echo "$package" >"$into/package"
	[ -e "$into/vmlinuz" ] || { echo "$package holds no kernel"; return 1; }
}

mkdir -p "$cache" || exit 1
cache=$(cd "$cache" && pwd)
have_apt=""
for series in "$@"; do
	why=""
	if [ ! -e "$cache/$series/vmlinuz" ]; then
		[ -n "$have_apt" ] || { make_apt && have_apt=yes || have_apt=no; }
		if [ "$have_apt" = yes ]; then
			why=$(fetch "$series")
		else
			why="no package lists: is there a network?"
		fi
	fi
	if [ -e "$cache/$series/vmlinuz" ]; then
		echo "$series $cache/$series/vmlinuz"
	else
		echo "$series - $why"
	fi
done
