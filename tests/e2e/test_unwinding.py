# SPDX-License-Identifier: GPL-2.0-or-later
"""Stacks are those that libgcc's own unwinder finds, frame for frame (issue 5, 'It holds when' 1).

libchecked.so, preloaded, says who asked for memory and then makes the request (tests/programs/
checked.h). What hist --stacks has of exactly these requests is held against it: the same stacks,
each as often. A stack that hist itself calls truncated has to be the inner part of one.

A program runs twice in one measurement, with a pause between: the first run meets files whose
tables are not built yet. Of what the second asks for, nearly all has to be whole ('It holds' 2).
"""

import collections
import os

from harness import each, fail_if, need, program

LIBRARY = program("libchecked.so")
MAX_FRAMES = 511
MAKER_BYTES = 256  # of checked__request()
SHOWN = 400  # characters of a difference
# Of the second run. A fault may fall into what the kernel or the loader does on the way.
WHOLE = {"request": 0.995, "grown": 0.995, "mapped": 0.995, "fault": 0.99}


def _name(path):
    return path and os.path.basename(path.removesuffix(" (deleted)"))


def _said(path, stacks, makers):
    """Reads a file that checked.h has written: stacks is {stack: times}, makers who said so."""
    objects = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            kind, _, rest = line.rstrip("\n").partition(" ")
            if kind == "e":
                objects = []
            elif kind == "o":
                objects.append(_name(rest))
            else:
                frames = [frame.split(":") for frame in rest.split()]
                maker, *stack = [(None if number == "-" else objects[int(number)], int(offset, 16))
                                 for number, offset in frames]
                makers.add(maker)
                stacks[tuple(stack)] += 1


def _found(processes, makers, kind=None):
    """{(stack, status): times} of the requests that the library made, or of another kind."""
    stacks = collections.Counter()
    for process in processes:
        ends = process["stacks"]
        # realloc, checked__request, and who called that; the others are made in checked__request
        at_maker = 0 if kind else 1
        for row in (ends["kinds"][kind] if kind else ends)["top"]:
            frames = tuple((_name(frame["file"]), frame["offset"]) for frame in row["frames"])
            if any(name == maker and 0 <= offset - at < MAKER_BYTES
                   for name, offset in frames[at_maker:at_maker + 1] for maker, at in makers):
                stacks[frames[at_maker + 1:], row["status"]] += row["samples"]
    return stacks


def _show(stack):
    return " ".join(f"{name}+{offset:#x}" for name, offset in stack)


def _differences(said, found):
    """Takes what was found from what was said; nothing may be over on either side."""
    left = collections.Counter(said)
    differences = []
    by_length = sorted(found.items(), key=lambda item: -len(item[0][0]))
    for (stack, status), times in by_length:
        if status == "complete":
            if left[stack] < times:
                differences.append(f"found {times} times, said {left[stack]}: {_show(stack)}")
            left[stack] -= min(times, left[stack])
    for (stack, status), times in by_length:
        if status == "complete":
            continue
        for whole in [whole for whole in left if whole[:len(stack)] == stack]:
            taken = min(times, left[whole])
            left[whole] -= taken
            times -= taken
        if times:
            differences.append(f"{status}, {times} times, part of no stack: {_show(stack)}")
    return differences + [f"said {times} times more than found: {_show(stack)}"
                          for stack, times in left.items() if times]


def _differences_where_sampled(said, found):
    """Of events that come too fast only some have a stack: none is found that was not said."""
    inner = {stack[:length] for stack in said for length in range(len(stack))}
    return [f"{status}, {times} times, said {said[stack]}: {_show(stack)}"
            for (stack, status), times in found.items()
            if (times > said[stack] if status == "complete" else stack not in inner)]


def _differences_up_to_jit(said, found):
    """libgcc ends where code has no tables; hist may go on by frame pointers, and says so."""
    inner = {stack[:length] for stack in said for length in range(len(stack) + 1)}
    differences = []
    for (stack, status), times in found.items():
        if not (status != "complete" and stack in inner or
                any(stack[:length] in said for length in range(len(stack) + 1))):
            differences.append(f"{status}, {times} times, said never: {_show(stack)}")
    if sum(found.values()) != sum(said.values()):
        differences.append(f"{sum(found.values())} found, {sum(said.values())} said")
    return differences


def _second_run(processes):
    """Those behind the pause, which is of a name that no workload has."""
    pause = max(process["id"] for process in processes if process["comm"] == "timeout")
    return [process for process in processes if process["id"] > pause and process["stacks"] and
            process["comm"] != "sleep"]


def _incomplete(processes, whole):
    """A line for each kind of which too few are complete; says how many of each were."""
    differences = []
    shares = []
    for kind in WHOLE:
        least = whole.get(kind, 0)
        ends = [process["stacks"]["kinds"][kind] for process in processes]
        seen = sum(end["seen"] for end in ends)
        complete = sum(end["complete"] for end in ends)
        if seen:
            shares.append(f"{kind} {complete} of {seen}")
        if complete < int(least * seen):  # of a few, one may be missing
            why = collections.Counter()
            for end in ends:
                why.update(end["truncated"])
            where = collections.Counter()
            for row in (row for process in processes for row in process["stacks"]["top"]):
                if row["status"] != "complete":
                    frame = row["frames"][-1]
                    where[f"{row['status']} at {_name(frame['file'])}+{frame['offset']:#x}"] += (
                        row["samples"])
            differences.append(f"{kind}: {complete} of {seen} complete, {dict(why)}; "
                               f"requests: {where.most_common(3)}")
    print("    second run:", ", ".join(shares))
    return differences


def _measure(context, command, depth, environment, quiet_first):
    first = f"(unset CHECKED_DIR\n{command})" if quiet_first else command
    script = f"{first}\ntimeout 5 sleep 0.3\n{command}\n"
    return context.measure(["sh", "-e", "-c", script], depth=depth, environment=environment,
                           options=["--stacks", "1000000", "--max-frames", str(MAX_FRAMES)],
                           timeout=170)


def _compare(context, command, depth="entry", every=1, whole=None, differences_of=_differences,
             enough=400, quiet_first=False, kind=None):
    """All processes in one: what a vforked child asks for counts on its parent's. quiet_first: the
    first run only shows which file is to be probed, and says nothing. kind: of what, not requests."""
    if kind:
        differences_of = _differences_where_sampled
    directory = os.path.join(context.path, "said")
    os.mkdir(directory)
    os.chmod(directory, 0o777)
    report = _measure(context, f"export LD_PRELOAD={LIBRARY}\n{command}\nunset LD_PRELOAD", depth,
                      {"CHECKED_DIR": directory, "CHECKED_EVERY": str(every),
                       "CHECKED_EVENT": {"fault": "fault", "mapped": "mapping"}.get(kind, "")},
                      quiet_first)
    said, makers = collections.Counter(), set()
    for pid in os.listdir(directory):
        _said(os.path.join(directory, pid), said, makers)
    found = _found(report.processes, makers, kind)
    statuses = collections.Counter()
    for (_, status), times in found.items():
        statuses[status] += times
    print(f"    {sum(statuses.values())} stacks compared:",
          ", ".join(f"{times} {status}" for status, times in statuses.most_common()))
    differences = differences_of(said, found)
    if sum(statuses.values()) < enough:
        differences.append(f"only {statuses} compared")
    differences += _incomplete(_second_run(report.processes), WHOLE if whole is None else whole)
    fail_if([difference[:SHOWN] for difference in differences[:6]])


PYTHON = "/usr/bin/python3.11 -c 'import json; json.loads(json.dumps([str(i) for i in range(99)]))'"
# The end of coroutines is known of libc.so.6 alone; libraries that come and go have no table at first.
SOME_CORNERS = "deep frames signals threads callbacks vfork ends"
# the second run's is the same file under a name that was there before
COPY = f"cp -n {program('corners')} kept; ln kept copy; ./copy deleted {SOME_CORNERS}"
STATIC = program("corners_static")

SHORT = {
    "python3": (PYTHON, {}),
    "corners": (f"{program('corners')} {SOME_CORNERS}", {}),
    "corners_that_end_early": (f"{program('corners')} coroutines library", {"whole": {},
                                                                           "enough": 200}),
    "coroutines": (f"{program('corners')} coroutines", {"enough": 2}),
    "corners_with_returns_probed": (f"{program('corners')} {SOME_CORNERS}", {"depth": "full"}),
    "deleted": (COPY, {}),
    # it says by itself
    "static_pie": (f"unset LD_PRELOAD; {STATIC} {SOME_CORNERS}", {"quiet_first": True}),
}


@each(SHORT)
def like_libgcc(context, row):
    command, options = row
    _compare(context, command, **options)


@each({f"{name}_{kind}": (name, kind) for name in ("python3", "corners") for kind in
       ("fault", "mapped")})
def like_libgcc_in_the_kernel(context, row):
    """Faults and system calls, made where libgcc was just asked."""
    name, kind = row
    command, options = SHORT[name]
    _compare(context, command, **options, kind=kind)


C_SOURCE = r"""
#include <stdio.h>
#include <stdlib.h>
#define F(n) int f##n(int a, int *b) { int s = 0; for (int i = 0; i < a; i++) \
	s += b[i] * n + (b[i] > n ? s >> 3 : s ^ n); printf("%d\n", s); return s; }
#define G(n) F(n##0) F(n##1) F(n##2) F(n##3) F(n##4) F(n##5) F(n##6) F(n##7) F(n##8) F(n##9)
G(1) G(2) G(3) G(4) G(5) G(6)
"""

# without headers: there is room for 131072 different stacks, and a compiler has many
CXX_SOURCE = r"""
template <typename T, int N> struct Row {
	T items[N];
	Row<T, N - 1> *rest;
	T sum() const { T all = 0; for (T item : items) all += item;
		return rest ? all + rest->sum() : all; }
};
template <typename T> struct Row<T, 0> { T sum() const { return 0; } };
struct Shape { virtual ~Shape(); virtual double area() const = 0; };
struct Square : Shape {
	double side; ~Square(); double area() const override { return side * side; }
};
Square::~Square() {}
template <typename F> int apply(F f, int n) { try { return f(n); } catch (int e) { return e; } }
int run(const Row<int, 9> &ints, const Row<double, 7> &doubles, const Shape &shape) {
	return ints.sum() + int(doubles.sum()) + apply([&](int n) { if (n > 3) throw n;
		return n + int(shape.area()); }, ints.items[0]);
}
"""

NODE = r"""
const rows = [];
function add(n) { rows.push({name: `row ${n}`, list: [n, n + 1, String(n)]}); }
for (let i = 0; i < 20000; i++) add(i);
JSON.parse(JSON.stringify(rows)).sort((a, b) => a.name < b.name ? -1 : 1);
require('zlib').gzipSync(Buffer.from(JSON.stringify(rows)));
require('crypto').createHash('sha256').update(JSON.stringify(rows)).digest('hex');
"""

PERL = r"""
my %words;
for my $i (1 .. 3000) { my $word = join("-", map { chr(97 + $_ % 26) } $i .. $i + 5);
	push @{$words{$word}}, { number => $i, text => "$word " x ($i % 7) }; }
my @sorted = sort { $a cmp $b } keys %words;
my $all = join(",", @sorted); $all =~ s/(\w)-(\w)/$2$1/g; print length $all;
"""

SQL = r"""
CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
    INSERT INTO t SELECT i, 'row number ' || i, i * 1.5 FROM n;
CREATE INDEX u ON t(b);
SELECT count(*), sum(length(b)), group_concat(b) FROM t WHERE a % 7 = 3 GROUP BY a % 5 ORDER BY b;
"""

GIT = """
rm -rf tree; git init -q tree; cd tree
for i in $(seq 40); do seq $i $((i * 30)) >file$i; done
git add .; git -c user.name=a -c user.email=b commit -q -m one
for i in $(seq 20); do seq $((i * 20)) >file$i; done
git diff >/dev/null; git -c user.name=a -c user.email=b commit -q -a -m two
git log -p --stat >/dev/null; git gc -q; cd ..
"""

REDIS = """
redis-server --port 0 --unixsocket redis.sock --save '' --daemonize no >/dev/null &
until redis-cli -s redis.sock ping >/dev/null 2>&1; do sleep 0.1; done
redis-benchmark -s redis.sock -n 3000 -c 10 -q -t set,lpush,hset,zadd,lrange_100 >/dev/null
redis-cli -s redis.sock shutdown nosave >/dev/null; wait
"""

NGINX_CONF = """
daemon off; master_process off; pid nginx.pid; error_log nginx.err; events {}
http {
	access_log nginx.log; client_body_temp_path body; proxy_temp_path proxy;
	fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
	server { listen unix:nginx.sock; gzip on; gzip_types *;
		location / { root .; autoindex on; } }
}
"""

NGINX = """
rm -f nginx.sock
nginx -p . -c nginx.conf -e nginx.err &
until curl -s --unix-socket nginx.sock http://x/ >/dev/null; do sleep 0.1; done
curl -s --compressed --unix-socket nginx.sock 'http://x/nginx.conf?[1-300]' 'http://x/?[1-300]' \
	>/dev/null
kill -QUIT $(cat nginx.pid); wait
"""

POSTGRES_SQL = r"""
CREATE TABLE t AS SELECT i AS a, 'row number ' || i AS b, i * 1.5 AS c FROM generate_series(1, 4000) i;
CREATE INDEX u ON t(b);
DO $$ BEGIN FOR i IN 1..200 LOOP UPDATE t SET c = c + i WHERE a % 50 = i % 50; END LOOP; END $$;
SELECT count(*), max(c), string_agg(b, ',') FROM t WHERE a % 7 = 3 GROUP BY a % 5 ORDER BY 2;
SELECT x.b FROM t x JOIN t y ON x.a = y.a + 1 WHERE x.b LIKE '%7%' ORDER BY x.c LIMIT 50;
DROP TABLE t;
"""

# As its user, who may not go where the build lies, nor to the test's directory until it lets all,
# nor write what setpriv, preloaded, would have said under the same number.
POSTGRES = """
as() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
preload=$LD_PRELOAD; unset LD_PRELOAD
if ! [ -d cluster ]; then
	chmod 755 .
	mkdir cluster; [ -z "$preload" ] || cp "$preload" cluster
	chown -R postgres cluster
	as $bin/initdb -D cluster/data -A trust -U postgres -N >/dev/null
fi
[ -z "$preload" ] || preload=$PWD/cluster/${preload##*/}
as env LD_PRELOAD=$preload $bin/postgres -D cluster/data -k $PWD/cluster -c listen_addresses= \
	-p 54399 >log 2>&1 &
server=$!
until psql -q -h $PWD/cluster -p 54399 -U postgres -c '' >/dev/null 2>&1; do sleep 0.1; done
psql -q -h $PWD/cluster -p 54399 -U postgres -f sql >/dev/null
export PGHOST=$PWD/cluster PGPORT=54399 PGUSER=postgres
$bin/pgbench -i -q >/dev/null 2>&1
$bin/pgbench -c 3 -t 100 >/dev/null 2>&1
$bin/pgbench -c 3 -t 10 -C >/dev/null 2>&1
kill -INT $(head -n 1 cluster/data/postmaster.pid); wait $server
export LD_PRELOAD=$preload
"""

# 'It holds when' 1 and 2; what the program needs, its command, its files, and options
LONG = {
    "sqlite3": ("sqlite3", "sqlite3 :memory: <sql >/dev/null", {"sql": SQL}, {"every": 7}),
    "git": ("git", GIT, {}, {"every": 7}),
    "perl": ("perl", "perl script >/dev/null", {"script": PERL}, {"every": 11}),
    "cc1": ("gcc", "gcc -O2 -c source.c -o /dev/null", {"source.c": C_SOURCE}, {"every": 23}),
    "gxx": ("g++", "g++ -O2 -c source.cc -o /dev/null", {"source.cc": CXX_SOURCE},
            {"every": 29}),
    "redis": ("redis-server", REDIS, {}, {"every": 71, "quiet_first": True}),
    "nginx": ("nginx", NGINX, {"nginx.conf": NGINX_CONF}, {"quiet_first": True}),
    "postgres": ("psql", POSTGRES, {"sql": POSTGRES_SQL}, {"every": 11, "quiet_first": True}),
    "gdb": ("gdb", "gdb -nx -batch -ex 'break corner_callbacks' -ex run -ex bt -ex 'info functions "
            f"malloc' {program('corners')} >/dev/null 2>&1", {}, {"every": 101}),
    # libgcc ends at the JIT's code; so does hist, or it goes on by frame pointers
    "node": ("node", "node script.js", {"script.js": NODE},
             {"every": 101, "whole": {"request": 0.98, "grown": 0.9, "mapped": 0.9, "fault": 0.97},
              "differences_of": _differences_up_to_jit}),
}


AT_WORK = {f"{name}_{kind}": (name, kind) for name in ("sqlite3", "git", "perl", "cc1", "redis")
           for kind in ("fault", "mapped")}


@each({**{name: (name, None) for name in LONG}, **AT_WORK}, takes_long=True)
def like_libgcc_at_work(context, row):
    name, kind = row
    needed, command, files, options = LONG[name]
    need(needed)
    for name, text in files.items():
        with open(os.path.join(context.path, name), "w", encoding="utf-8") as file:
            file.write(text)
    _compare(context, command, **options, kind=kind)
