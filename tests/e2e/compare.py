# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds a report against the truth, and against itself. Every function returns differences."""

PATHS = ("pool", "arena", "brk", "mmap", "remap")  # the order of by_size in a truth
FAULT_CLASSES = (
    "zero_read",
    "file_private",
    "cow",
    "protection",
    "swap_in",
    "file",
    "shmem",
    "hugetlb",
    "raced",
)
REGIONS = ("heap", "own_mapping", "arena", "anon", "stack")
CLASSES_A_POWER = 8  # of two, at least
RELEASES = ("kept", "munmap", "trim", "madvise", "remap")


def _equal(found, name, got, expected):
    if got != expected:
        found.append(f"{name}: {got}, not {expected}")


def books(report):
    """Everything in a report that must add up, whatever was measured."""
    found = []
    document = report.json
    for kind, row in document["ledger"].items():
        accounted = sum(row[part] for part in ("recorded", "filtered", "sampled_out", "lost"))
        _equal(found, f"ledger.{kind}: recorded + filtered + sampled_out + lost", accounted,
               row["seen"])
    reasons = sum(count for reason, count in document["lost"].items() if reason != "total")
    _equal(found, "lost: the reasons' sum", reasons, document["lost"]["total"])
    _equal(found, "probes", document["probes"], report.depth)
    for process in document["processes"]:
        name = f"process {process['pid']} ({process['comm']})"
        found += [f"{name} {line}" for line in _process_books(process, report.depth)]
    return found


def _process_books(process, depth):
    found = []
    if depth == "kernel":
        for key in ("requests", "paths", "sizes"):
            _equal(found, key, process[key], None)
    else:
        found += _request_books(process)
    if depth == "full":
        _equal(found, "home: sum", sum(process["home"].values()), process["requests"]["count"])
        releases = process["releases"]
        _equal(found, "releases: sum", sum(releases[kind] for kind in RELEASES), releases["count"])
    else:
        for key in ("home", "releases", "live"):
            _equal(found, key, process[key], None)
    return found + _fault_books(process["faults"], depth)


def _request_books(process):
    found = []
    requests, paths, sizes = process["requests"], process["paths"], process["sizes"]
    for field in ("count", "bytes"):
        _equal(found, f"paths: sum of {field}", sum(path[field] for path in paths.values()),
               requests[field])
        _equal(found, f"sizes: sum of {field}", sum(row[field] for row in sizes), requests[field])
    for name in PATHS:
        path = paths[name]
        _equal(found, f"sizes: sum of {name}", sum(row[name] for row in sizes), path["count"])
        low, high = path["min_size"], path["max_size"]
        if not path["count"]:
            _equal(found, f"paths.{name}.min_size", low, None)
            _equal(found, f"paths.{name}.max_size", high, None)
        elif low is None or high is None:
            found.append(f"paths.{name}: {path['count']} requests without limits")
        elif not low * path["count"] <= path["bytes"] <= high * path["count"]:
            found.append(f"paths.{name}: {path['count']} of {low} to {high} bytes make"
                         f" {path['bytes']}")
    last = -1
    for row in sizes:
        name = f"sizes [{row['min']}, {row['max']}]"
        _equal(found, f"{name}: sum of paths", sum(row[path] for path in PATHS), row["count"])
        if row["min"] <= last or row["max"] < row["min"]:
            found.append(f"{name}: after one that ends at {last}")
        if (row["max"] - row["min"] + 1) * CLASSES_A_POWER > max(row["min"], CLASSES_A_POWER):
            found.append(f"{name}: wider than an eighth of its power of two")
        if not row["min"] * row["count"] <= row["bytes"] <= row["max"] * row["count"]:
            found.append(f"{name}: {row['count']} of them make {row['bytes']} bytes")
        last = row["max"]
    return found


def _fault_books(faults, depth):
    found = []
    first = faults["first_touch"]
    _equal(found, "faults: sum of classes",
           first["count"] + sum(faults[name] for name in FAULT_CLASSES), faults["total"])
    _equal(found, "first_touch: sum of regions", sum(first[region] or 0 for region in REGIONS),
           first["bytes"])
    _equal(found, "first_touch: count by bytes", sum(row["count"] for row in first["by_bytes"]),
           first["count"])
    _equal(found, "first_touch: bytes by bytes",
           sum(row["bytes"] * row["count"] for row in first["by_bytes"]), first["bytes"])
    if depth == "kernel":
        _equal(found, "first_touch.own_mapping", first["own_mapping"], None)
    return found


def nothing_lost(report):
    """Which losses a report admits."""
    found = [f"lost: {count} by {reason}" for reason, count in report.json["lost"].items()
             if count and reason != "total"]
    found += [f"lost: {row['lost']} of {kind}" for kind, row in report.json["ledger"].items()
              if row["lost"]]
    return found


def truths(report):
    """Every process that told its truth, each key that it knows."""
    found = []
    if not report.truths:
        found.append("no program told its truth")
    for truth, process in report.matched():
        name = f"{truth['program']} {truth['case']} ({truth['pid']})"
        if process is None:
            found.append(f"{name}: is not in the report")
            continue
        found += [f"{name}: {line}" for line in truth_of_process(truth, process, report.depth)]
    return found


def truth_of_process(truth, process, depth):
    found = []
    if depth != "kernel" and _left_out(truth, process):
        found += _fewer_requests(truth, process)
    elif depth != "kernel":
        found += _requests(truth, process)
        found += _nested(truth, process, "paths")
        found += by_size(truth, process)
        found += _own_mappings(truth, process)
    if depth == "full":
        for key in ("home", "releases", "live"):
            found += _nested(truth, process, key)
    return found + _nested(truth, process, "syscalls")


def _nested(truth, process, key):
    """Compares the leaves that the truth has; the report may have more."""
    found = []
    if key in truth:
        _walk(found, key, truth[key], process[key])
    return found


def _walk(found, name, expected, got):
    if isinstance(expected, dict) and isinstance(got, dict):
        for key, value in expected.items():
            if key not in got:
                found.append(f"{name}.{key}: is missing")
            else:
                _walk(found, f"{name}.{key}", value, got[key])
    else:
        _equal(found, name, got, expected)


def _left_out(truth, process):
    """How many successes depth entry could not judge: it says unknown_result, and counts none."""
    if "requests" not in truth or process["home"] is not None:
        return 0
    missing = truth["requests"]["count"] - process["requests"]["count"]
    return missing if 0 < missing <= process["requests"]["unknown_result"] else 0


def _requests(truth, process):
    """A failure that only the return can judge is `unknown_result` where there are no returns."""
    found = []
    if "requests" not in truth:
        return found
    expected, got = truth["requests"], process["requests"]
    _equal(found, "requests.count", got["count"], expected["count"])
    _equal(found, "requests.bytes", got["bytes"], expected["bytes"])
    if process["home"] is not None:
        _equal(found, "requests.failed", got["failed"], expected["failed"])
        _equal(found, "requests.unknown_result", got["unknown_result"], 0)
    else:
        _equal(found, "requests.failed + unknown_result", got["failed"] + got["unknown_result"],
               expected["failed"])
    return found


def _fewer_requests(truth, process):
    """Some are left out: what is there must be in the truth, and the rest be unknown_result."""
    found = []
    got, missing = process["requests"], _left_out(truth, process)
    _equal(found, "requests.failed + unknown_result", got["failed"] + got["unknown_result"],
           truth["requests"]["failed"] + missing)
    for path in PATHS:
        least, most = process["paths"][path]["count"], truth["paths"][path]["count"]
        if not most - missing <= least <= most:
            found.append(f"paths.{path}.count: {least}, not {most} with {missing} left out")
    for row in process["sizes"]:
        inside = [size for size in truth["by_size"] if row["min"] <= size[0] <= row["max"]]
        for at, path in enumerate(PATHS, 1):
            most = sum(size[at] for size in inside)
            if row[path] > most:
                found.append(f"sizes [{row['min']}, {row['max']}].{path}: {row[path]}, not {most}"
                             " at most")
    return found


def by_size(truth, process):
    """The histogram's rows, made again from the sizes that the program asked for.

    A row: [size, pool, arena, brk, mmap, remap], or [size, count] where paths are not known.
    """
    rows = truth.get("by_size", truth.get("sizes_total"))
    if rows is None:
        return []
    found = []
    left = {row[0]: row[1:] for row in rows}
    columns = PATHS if "by_size" in truth else ("count",)
    for row in process["sizes"]:
        inside = [size for size in left if row["min"] <= size <= row["max"]]
        if truth.get("partial") and not inside:
            continue
        name = f"sizes [{row['min']}, {row['max']}]"
        for at, column in enumerate(columns):
            _equal(found, f"{name}.{column}", row[column], sum(left[size][at] for size in inside))
        _equal(found, f"{name}.bytes", row["bytes"],
               sum(size * sum(left[size]) for size in inside))
        for size in inside:
            del left[size]
    found += [f"sizes: no row for {sum(counts)} of {size} bytes"
              for size, counts in left.items() if sum(counts)]
    return found


def _own_mappings(truth, process):
    """What was asked for in own mappings, by class.

    Mappings that mremap resized are another sum: not known here.
    """
    found = []
    if "by_size" not in truth or truth.get("partial") or truth["paths"]["remap"]["count"]:
        return found
    left = {row[0]: row[0] * row[1 + PATHS.index("mmap")] for row in truth["by_size"]}
    for row in process["touched"]:
        inside = [size for size in left if row["min"] <= size <= row["max"]]
        _equal(found, f"touched [{row['min']}, {row['max']}].requested_bytes",
               row["requested_bytes"], sum(left.pop(size) for size in inside))
    return found + [f"touched: no row for {size} bytes" for size, bytes_ in left.items() if bytes_]


def no_orphans(report):
    """Growth by the allocator outside any request: a missed entry, or a wrong judgement."""
    return [f"process {process['pid']}: {process['orphans']} orphans"
            for process in report.processes if process["orphans"]]


def stale_slots(report):
    """An adversary whose trick no longer works proves nothing."""
    return [f"{truth['case']} ({truth['pid']}): no stale slot, the program has lost its sting"
            for truth in report.truths if truth.get("stale") == 0]


def same_requests(one, other):
    """Two processes' sizes and paths: the same program at two depths."""
    found = []
    for key in ("requests", "paths"):
        _walk(found, key, one[key], other[key])
    if one["sizes"] != other["sizes"]:
        before = {(row["min"], row["max"]): row for row in one["sizes"]}
        after = {(row["min"], row["max"]): row for row in other["sizes"]}
        for bounds in sorted(before.keys() | after.keys()):
            if before.get(bounds) != after.get(bounds):
                found.append(f"sizes {list(bounds)}: {before.get(bounds)}")
                found.append(f"    against {after.get(bounds)}")
    return found
