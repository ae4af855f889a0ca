#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes an initramfs of this host's own files: initramfs.py OUT INIT PATH...

Each PATH (a file, a directory, a link) lies in it where it lies here, with the libraries that it
is linked with; INIT is its /init. Uncompressed: a kernel unpacks that fastest under emulation.
"""

import os
import re
import stat
import subprocess
import sys

SKIPPED = ("__pycache__", "dist-packages", "test", "idlelib", "lib2to3", "ensurepip", "tkinter")
SKIPPED_ENDINGS = (".a", ".o", ".d", ".pyc")


class Archive:
    """cpio, format newc."""

    def __init__(self, file):
        self.file = file
        self.inode = 0
        self.names = set()

    def _pad(self):
        self.file.write(b"\0" * (-self.file.tell() % 4))

    def add(self, name, mode, data=b"", device=(0, 0)):
        name = name.strip("/")
        if name in self.names or not name:
            return
        self.names.add(name)
        self.add_directory(os.path.dirname(name))
        self.inode += 1
        raw = name.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(raw), 0)
        self.file.write(b"070701" + b"".join(b"%08x" % field for field in fields) + raw)
        self._pad()
        self.file.write(data)
        self._pad()

    def add_directory(self, name):
        """As it is here: what is a link here is one in the archive."""
        if not name.strip("/") or name.strip("/") in self.names:
            return
        path = "/" + name.strip("/")
        if os.path.islink(path):
            self.add(path, stat.S_IFLNK | 0o777, os.readlink(path).encode())
            self.add_directory(os.path.realpath(path))
        else:
            self.add(path, stat.S_IFDIR | 0o755)

    def add_file(self, path):
        """A path whose directories may be links, which cpio does not follow."""
        directory = os.path.dirname(os.path.abspath(path))
        self.add_directory(directory)
        path = os.path.join(os.path.realpath(directory), os.path.basename(path))
        if os.path.islink(path):
            self.add(path, stat.S_IFLNK | 0o777, os.readlink(path).encode())
            self.add_file(os.path.join(os.path.dirname(path), os.readlink(path)))
            return
        with open(path, "rb") as file:
            self.add(path, stat.S_IFREG | os.stat(path).st_mode & 0o7777, file.read())

    def close(self):
        self.add("TRAILER!!!", 0)
        self.file.write(b"\0" * (-self.file.tell() % 512))


def files_of(path):
    if not os.path.isdir(path):
        return [path]
    found = []
    for directory, directories, files in os.walk(path):
        directories[:] = [name for name in directories if name not in SKIPPED]
        found += [os.path.join(directory, name) for name in files
                  if not name.endswith(SKIPPED_ENDINGS)]
    return found


def is_elf(path):
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def libraries_of(paths):
    found = set()
    for path in filter(is_elf, paths):
        listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
        found.update(re.findall(r"(/\S+) \(0x", listed))
    return found


def main(out, init, *paths):
    files = [file for path in paths for file in files_of(path)]
    with open(out, "wb") as file:
        archive = Archive(file)
        archive.add("dev", stat.S_IFDIR | 0o755)
        # the console must be there before devtmpfs is
        archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
        for name in ("proc", "sys", "tmp"):
            archive.add(name, stat.S_IFDIR | 0o755)
        with open(init, "rb") as program:
            archive.add("init", stat.S_IFREG | 0o755, program.read())
        for path in sorted(files) + sorted(libraries_of(files)):
            archive.add_file(path)
        archive.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
