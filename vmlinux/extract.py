#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Cuts the BTF out of an uncompressed kernel image: extract.py IMAGE > BTF

The image holds one .BTF section; it is found by its header (struct btf_header): magic, version,
flags, header length, then offset and length of types and strings, which must lie in the image.
"""
import struct
import sys

HEADER = struct.Struct("<HBBIIIII")
MAGIC = b"\x9f\xeb\x01\x00" + struct.pack("<I", HEADER.size)
SMALLEST = 1 << 20  # vmlinux has several MiB; anything smaller is a false hit or a module's


def find_btf(image):
    at = image.find(MAGIC)
    while at >= 0:
        if at + HEADER.size <= len(image):
            header = HEADER.unpack_from(image, at)
            length, type_off, type_len, str_off, str_len = header[3:]
            end = length + max(type_off + type_len, str_off + str_len)
            if end >= SMALLEST and at + end <= len(image) and str_off >= type_len:
                return image[at : at + end]
        at = image.find(MAGIC, at + 1)
    return None


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: extract.py IMAGE > BTF")
    with open(sys.argv[1], "rb") as file:
        btf = find_btf(file.read())
    if btf is None:
        sys.exit(f"extract.py: no BTF in {sys.argv[1]}; is it compressed?")
    sys.stdout.buffer.write(btf)


if __name__ == "__main__":
    main()
