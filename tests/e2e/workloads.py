# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs that know the truth, and what they are to do: one table for all depths."""

import subprocess

from harness import program

EXBIBYTE = 1 << 60

# calls: one thread, an operation an argument (tests/programs/calls.c)
CALLS = {
    "nothing": "f:-",
    "one": "m:1",
    "edges": "m:1 m:131048 m:131049 m:131072 m:0 f:2 f:-",
    "first_heap": "m:134472",
    "first_mapped": "m:134473",
    "second_heap": "m:1 m:134440",
    "second_mapped": "m:1 m:134441",
    "size_classes": "m:0 m:1 m:7 m:8 m:9 m:15 m:16 m:17 m:63 m:64 m:71 m:72 m:1023 m:1024 m:1151"
    " m:1152 m:4095 m:4096 m:65535 m:65536 m:1048575 m:1048576 m:9437184",
    "small_kept": "m:100x1000",
    "fifo": "m:1000x1000 f:0-999",
    "lifo": "m:1000x1000 f:999-0",
    "trim_one_by_one": "m:2000x1000 f:999-0",
    "trim_large": "m:64000x30 f:29-0",
    "trim_by_call": "m:1000x2000 t: f:0-1999 t:",
    "pinned": "m:16000x40 m:8 f:39-0 f:40",
    "threshold_moves": "m:200000 f:0 m:200000 f:1 m:200000 f:2 m:5000000 f:3 m:3000000",
    "own_mappings": "o:-3:131072 m:150000x100 f:0-99 m:150000x100",
    "calloc": "c:10:100 c:1:1048576 c:0:5 c:5:0 c:131049:1 f:1 c:100:30 c:1:120000",
    "realloc_pool": "m:100 r:0:0 m:100 r:1:104 r:1:8 m:10 r:1:200 m:5000 r:3:9000 m:10 r:3:20000"
    " r:3:40 f:3",
    "realloc_null": "r:-:100 r:-:200000 r:-:0 r:1:0 f:0",
    "realloc_mapped": "m:200000 r:0:400000 r:0:400100 r:0:1000 r:0:1000000 f:0",
    "realloc_to_mapped": "m:100 m:10 r:0:200000 r:0:0",
    "realloc_trims": "m:100000 m:50000 r:1:10 m:120000 f:2",
    "realloc_no_mremap": "m:200000 d: r:0:400000 r:0:300000 f:0",
    "realloc_to_heap": "o:-3:131072 m:200000 m:250000 m:1000000 o:-3:4194304 d: r:0:220000"
    " r:1:400000 r:2:100",
    "realloc_from_pool": "m:1048576 f:0 m:200000 o:-3:4194304 r:1:300000",
    "reallocarray": "m:10 y:0:100:10 y:0:1000:1000 y:0:4294967296:4294967296 f:0",
    "aligned": "a:8:100 a:16:100 a:32:100 a:64:5000 a:128:100 a:256:100 a:512:100 a:1024:3"
    " a:4096:5000 a:8192:8192 a:16384:1 a:32768:100 a:65536:100000 f:0-12",
    "aligned_mapped": "a:64:200000 a:4096:200000 A:4096:200000 p:65536:300000 a:2097152:4194304"
    " f:0-4",
    "posix_memalign": "p:8:100 p:16:100 p:64:100 p:4096:1 p:8:200000 p:65536:10 f:0-5",
    "aligned_alloc": "A:16:100 A:64:128 A:3:100 A:0:10 A:4096:200000 f:0-4",
    "valloc": "v:100 V:100 v:5000 V:5000 V:0 v:200000 V:200000 f:0-6",
    "break_blocked": "m:100 b: m:100000x5 m:2000000 f:1-5 m:200",
    "failed_first": f"m:{EXBIBYTE} m:100",
    "failed_malloc": f"m:1 m:{EXBIBYTE} m:18446744073709551615 m:9223372036854775808 m:1",
    "failed_calloc": f"m:1 c:4294967296:4294967296 c:{EXBIBYTE}:1 c:1:{EXBIBYTE} m:1",
    "failed_realloc": f"m:100 r:0:{EXBIBYTE} r:0:18446744073709551615 f:0 m:200000 r:1:{EXBIBYTE}"
    f" f:1 r:-:{EXBIBYTE}",
    "failed_aligned": f"m:1 p:3:100 p:4:100 p:0:100 p:24:100 p:64:{EXBIBYTE} a:64:{EXBIBYTE}"
    f" a:9223372036854775809:10 A:64:{EXBIBYTE} v:{EXBIBYTE} V:{EXBIBYTE} m:1",
}

THREADS = ("arenas", "cross", "exit", "reuse", "realloc", "failed", "first_free", "first_mapped")

FORKS = {
    "fork": ["fork"],
    "tree": ["tree"],
    "threads": ["threads"],
    "vfork": ["vfork"],
    "vfork_exec": ["vfork_exec"],
    "spawn": ["spawn"],
    "fork_exec": ["fork_exec"],
    "exec": ["exec", "3"],
}

ADVERSARIES = (
    "own_same",
    "own_deep",
    "own_alloca",
    "frame_pthread",
    "frame_free",
    "frame_trim",
    "frame_setlocale",
    "frame_dlopen",
    "call_mmap",
    "call_free",
    "call_pthread",
    "tail_wrapper",
    "coroutine",
    "tails",
    "children",
    "handler",
    "handler_altstack",
)

SYSCALLS = ("brk", "sbrk", "mmap", "munmap", "mremap", "mprotect", "madvise")

# A thread whose first call is free makes its arena outside any request.
HAVE_ORPHANS = ("threads_first_free",)


def exact():
    """{name: command} of every program whose whole ledger is known."""
    table = {f"calls_{name}": [program("calls"), *words.split()] for name, words in CALLS.items()}
    table |= {f"threads_{name}": [program("threads"), name] for name in THREADS}
    table |= {f"fork_{name}": [program("fork"), *words] for name, words in FORKS.items()}
    return table


def adversaries():
    return {f"adversary_{name}": [program("adversary"), name] for name in ADVERSARIES}


def text_check(context, before=(), **options):
    """One that allocates until its stdin ends, ready; before: words that it is started by."""
    target = context.start([*before, program("text_check")], stdin=subprocess.PIPE, **options)
    context.wait_for(lambda: "ready\n" in context.stderr_of(target), "text_check")
    return target
