# SPDX-License-Identifier: GPL-2.0-or-later
"""Real programs with the reference allocator preloaded say the same as without it."""

import os
import re
import shutil
import subprocess
import sys

import harness
from harness import Failure, Skip, each, fail_if, need, test
from test_refalloc import LIBRARY, POLICIES

TIMEOUT_S = 600
PYTHON = "/usr/bin/python3"

JSON = """
import json
rows = [{"name": "n" * (i % 50), "at": list(range(i % 30)), "x": i * 1.5} for i in range(3000)]
for _ in range(3):
    rows = json.loads(json.dumps(rows))
print(len(rows), sum(len(row["name"]) + len(row["at"]) for row in rows))
"""

SQL = """
CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
    INSERT INTO t SELECT i, 'row number ' || i, i * 1.5 FROM n;
CREATE INDEX u ON t(b);
SELECT count(*), sum(length(b)), sum(c) FROM t WHERE a % 7 = 3;
SELECT b, count(*) FROM t GROUP BY substr(b, 1, 13) ORDER BY 2, 1 LIMIT 20;
DELETE FROM t WHERE a % 3 = 1;
SELECT group_concat(b) FROM (SELECT b FROM t ORDER BY b DESC LIMIT 50);
"""

PERL = """
my %h;
for my $i (1 .. 300000) { $h{$i % 5000} .= chr(65 + $i % 26) x ($i % 17); }
my $s = join ",", map { "$_=" . length $h{$_} } sort keys %h;
$s =~ s/([0-9]+)=/<$1>/g;
my @a = sort { $a cmp $b } split /,/, $s;
print scalar(@a), " ", substr($s, 0, 500), "\\n";
"""

NODE = """
const rows = [];
for (let i = 0; i < 100000; i++) rows.push({ i, text: "t".repeat(i % 40), b: Buffer.alloc(i % 900) });
const again = JSON.parse(JSON.stringify(rows.map((row) => [row.i, row.text, row.b.length])));
const zlib = require("zlib");
const packed = zlib.deflateSync(JSON.stringify(again));
console.log(again.length, packed.length, zlib.inflateSync(packed).length);
"""

NGINX = """
daemon off; master_process on; worker_processes 2; pid nginx.pid; error_log nginx.err;
events {{}}
http {{
    access_log off; client_body_temp_path body; proxy_temp_path proxy;
    fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    server {{ listen unix:nginx.sock; gzip on; gzip_types *; gzip_min_length 1; root {root}; }}
}}
"""


def _said(context, command, preloaded, policy="hybrid", timeout=TIMEOUT_S, environment=None):
    """(status, what it says on stdout and stderr)."""
    output = context.file("output")
    extra = dict(environment or {})
    if preloaded:
        extra |= {"LD_PRELOAD": LIBRARY, "REFALLOC": f"policy={policy}"}
    with open(output, "wb") as file:
        process = context.start(command, stdout=file, environment=extra)
    status = context.finish(process, timeout)
    with open(output, encoding="utf-8", errors="replace") as file:
        return status, file.read(), context.stderr_of(process)


def _same(context, command, policy="hybrid", environment=None):
    """The same status and the same text; what it says, which is not nothing."""
    expected = _said(context, command, False, environment=environment)
    found = _said(context, command, True, policy, environment=environment)
    if expected[0] or not expected[1]:
        raise Failure(f"without the allocator: {expected[0]}", *expected[2].splitlines()[-5:])
    if found != expected:
        raise Failure(f"{command[0]} ended with {found[0]}, not {expected[0]}",
                      found[1][:300], *found[2].splitlines()[-5:])
    return expected[1]


def _write(context, name, text):
    path = os.path.join(context.path, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


@each(POLICIES)
def python(context, policy):
    _same(context, [PYTHON, "-I", "-c", JSON], policy)


@each({policy: policy for policy in ("hybrid", "brk")})
def sqlite(context, policy):
    need("sqlite3")
    _same(context, ["sqlite3", ":memory:", SQL.format(rows=20000)], policy)


@test(takes_long=True)
def sqlite_million(context):
    need("sqlite3")
    _same(context, ["sqlite3", ":memory:", SQL.format(rows=1000000)])


@test(takes_long=True)
def perl(context):
    need("perl")
    _same(context, ["perl", _write(context, "rows.pl", PERL)])


@test(takes_long=True)
def node(context):
    need("node")
    _same(context, ["node", _write(context, "rows.js", NODE)])


def _python_with_tests():
    """An interpreter that has the test modules: Debian's are a package of their own."""
    for path in (PYTHON, shutil.which("python3"), sys.executable):
        if path and not subprocess.run([path, "-c", "import test.test_dict"], check=False,
                                       stderr=subprocess.DEVNULL).returncode:
            return path
    raise Skip("no python3 has its test modules: install libpython3.11-testsuite")


def _outcomes(said):
    """{name of a test: ok, skipped, FAIL or ERROR}."""
    found = re.findall(r"^(\S+ \(\S+\)).*?(?:\n[^\n]*?)?\.\.\. (ok|skipped|FAIL|ERROR)", said[2],
                       re.MULTILINE)
    return dict(found)


@each({name: name for name in ("test_json", "test_list", "test_dict", "test_threading")},
      takes_long=True)
def python_tests(context, name):
    """Each of its own tests ends as without."""
    command = [_python_with_tests(), "-m", "unittest", "-v", f"test.{name}"]
    expected = _outcomes(_said(context, command, False))
    found = _outcomes(_said(context, command, True))
    if list(expected.values()).count("ok") < 30:
        raise Failure(f"only {len(expected)} tests of {name} ran without the allocator")
    fail_if([f"{one}: {found.get(one)}, not {expected[one]}" for one in expected
             if found.get(one) != expected[one]])


@test(takes_long=True)
def gcc(context):
    """It builds this project's programs to the same bytes."""
    need("gcc")
    sources = os.path.join(harness.ROOT, "user")
    names = sorted(name for name in os.listdir(sources + "/alloc") if name.endswith(".c"))
    script = f"cd {sources}/alloc && for name in {' '.join(names)}; do " \
        f"gcc -std=gnu11 -D_GNU_SOURCE -O2 -g -I. -I{harness.ROOT}/include -fPIC -c $name " \
        f"-o {context.path}/$name.o || exit 1; done; cd {context.path} && sha256sum *.o"
    if _same(context, ["sh", "-c", script]).count("\n") < 10:
        raise Failure("less than ten files were built")


@test(takes_long=True)
def make_project(context):
    """All of it by make, two at a time, in a copy; the allocator is in every compiler."""
    need("make")
    copy = os.path.join(context.path, "copy")
    shutil.copytree(harness.ROOT, copy, ignore=shutil.ignore_patterns("build", ".git"))
    status, _, errors = _said(context, ["make", "-j2", "-C", copy, "O=build"], True)
    built = os.path.join(copy, "build", "allocpath")
    if status or "refalloc" in errors or not os.access(built, os.X_OK):
        raise Failure(f"make ended with {status}", *errors.splitlines()[-5:])
    if _said(context, [built, "--version"], True)[0]:
        raise Failure("what was built does not run")


@test(takes_long=True)
def git(context):
    """clone, gc and fsck of a repository of a few hundred commits."""
    need("git")
    quiet = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}
    origin = os.path.join(context.path, "origin")
    script = f"git init -q {origin} && cd {origin} && for i in $(seq 300); do " \
        "seq $i $((i * 7)) >file-$((i % 40)); git add . && git -c user.name=test " \
        "-c user.email=test@localhost commit -q -m \"change $i\" || exit 1; done"
    if _said(context, ["sh", "-c", script], False, environment=quiet)[0]:
        raise Failure("the repository cannot be made")
    _same(context, ["sh", "-c", f"rm -rf c && git clone -q --no-local {origin} c && cd c && "
                    "git gc -q --aggressive && git fsck --full && git log --stat | sha256sum && "
                    "git rev-list --all --objects | sort | sha256sum"], environment=quiet)


def _expect_preloaded(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        if os.path.basename(LIBRARY) not in maps.read():
            raise Failure("the allocator is not in the server")


def _redis(context, preloaded):
    """What a server holds after the same commands, and after its benchmark."""
    socket = context.file("redis.sock")
    extra = {"LD_PRELOAD": LIBRARY} if preloaded else {}
    server = context.start(["redis-server", "--port", "0", "--unixsocket", socket, "--save", "",
                            "--activedefrag", "no"], environment=extra)
    client = ["redis-cli", "-s", socket]
    context.wait_for(lambda: os.path.exists(socket), "redis-server")
    if preloaded:
        _expect_preloaded(server.pid)
    run = ["redis-benchmark", "-s", socket, "-n", "20000", "-c", "20", "-q", "-r", "1000"]
    status, answer, errors = _said(context, run, preloaded)
    if status or "rror" in answer:
        raise Failure(f"redis-benchmark ended with {status}", answer[-300:], errors[-300:])
    script = " && ".join([
        f"{' '.join(client)} flushall",
        f"seq 20000 | awk '{{print \"set key:\" $1 \" \" $1 * $1; print \"rpush list:\" $1 % 50"
        f" \" \" $1; print \"append long:\" $1 % 9 \" x\" $1}}' | {' '.join(client)} | sha256sum",
        f"{' '.join(client)} dbsize",
        f"for i in $(seq 0 49); do {' '.join(client)} lrange list:$i 0 -1; done | sha256sum",
        f"for i in $(seq 0 8); do {' '.join(client)} get long:$i; done | sha256sum",
    ])
    said = _said(context, ["sh", "-c", script], False)
    subprocess.run([*client, "shutdown", "nosave"], check=False, stdout=subprocess.DEVNULL)
    if context.finish(server):
        raise Failure(f"redis-server ended with {server.returncode}", context.stderr_of(server))
    return said


@test(takes_long=True)
def redis(context):
    need("redis-benchmark")
    expected, found = _redis(context, False), _redis(context, True)
    if expected[0] or found != expected:
        raise Failure(f"{found}, not {expected}")


@test(takes_long=True)
def nginx(context):
    """Two workers, files of many sizes, packed and not, to curl."""
    need("nginx")
    need("curl")
    root = os.path.join(context.path, "files")
    os.mkdir(root)
    os.chmod(context.path, 0o755)
    for number in range(60):
        _write(context, f"files/{number}", f"line {number}\n" * (number * number * 5))
    _write(context, "nginx.conf", NGINX.format(root=root))
    said = {}
    for preloaded in (False, True):
        extra = {"LD_PRELOAD": LIBRARY} if preloaded else {}
        server = context.start(["nginx", "-p", context.path, "-c", "nginx.conf", "-e", "nginx.err"],
                               environment=extra)
        socket = os.path.join(context.path, "nginx.sock")
        context.wait_for(lambda: os.path.exists(socket), "nginx")
        if preloaded:
            _expect_preloaded(server.pid)
        ask = f"curl -sS --unix-socket {socket}"
        said[preloaded] = _said(context, ["sh", "-c", "for i in $(seq 0 62); do "
                                f"{ask} http://x/$i; {ask} --compressed http://x/$i; done; "
                                f"{ask} 'http://x/[0-59]?[1-5]'"], preloaded)
        server.terminate()
        if context.finish(server):
            raise Failure(f"nginx ended with {server.returncode}", context.stderr_of(server))
    if said[False][0] or len(said[False][1]) < 1000000 or said[True] != said[False]:
        raise Failure(f"status {said[True][0]}, not {said[False][0]}; {len(said[True][1])} bytes,"
                      f" not {len(said[False][1])}", said[True][2][-300:])
