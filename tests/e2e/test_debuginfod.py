# SPDX-License-Identifier: GPL-2.0-or-later
"""debuginfod: what it gives is checked, and it delays no longer than it may."""

import http.server
import os
import shutil
import socket
import threading
import time

from harness import Failure, each, fail_if, test
from named import GXX, SOURCE, build, is_first_place, strip, with_debug_file
from symbolise import NOWHERE, run, symbolise


def _serve(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _handler(answer):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):  # pylint: disable=invalid-name
            try:
                answer(self)
            except OSError:
                pass  # the client has left

        def log_message(self, *_):  # pylint: disable=arguments-differ
            pass

    return Handler


def _gives(path):
    def answer(request):
        with open(path, "rb") as file:
            content = file.read()
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)
    return answer


def _trickles(request):
    request.send_response(200)
    request.send_header("Content-Length", str(1 << 30))
    request.end_headers()
    while True:
        request.wfile.write(b"\x7fELF")
        time.sleep(0.2)


def _fetch(context, url, requests, *options):
    """Frames, statistics and how long it took."""
    cache = context.file("cache")
    shutil.rmtree(cache, ignore_errors=True)
    start = time.monotonic()
    found, stats = symbolise(
        requests, "-d", NOWHERE, *options,
        environment={"DEBUGINFOD_URLS": url, "DEBUGINFOD_CACHE_PATH": cache,
                     "HOME": context.path})
    return found, stats, time.monotonic() - start


@test
def names_are_fetched(context):
    stripped, debug, offset = with_debug_file(context)
    with _serve(_handler(_gives(debug))) as server:
        url = f"http://127.0.0.1:{server.server_port}/"
        run("objcopy", "--remove-section=.gnu_debuglink", stripped)
        found, stats, _ = _fetch(context, url, [(offset, stripped)], "-l")
        server.shutdown()
    wrong = is_first_place(found[0][-1], "fetched")
    if stats["fetched"] != 1 or stats["fetch-gave-up"]:
        wrong.append(f"{stats}")
    fail_if(wrong)


@test
def a_lie_names_nothing(context):
    stripped, debug, offset = with_debug_file(context)
    other = build(context, [*GXX, "-DCOPY=1", "-O1", SOURCE], "other")
    os.unlink(debug)
    with _serve(_handler(_gives(other))) as server:
        url = f"http://127.0.0.1:{server.server_port}/"
        found, stats, _ = _fetch(context, url, [(offset, stripped)], "-l")
        server.shutdown()
    if found[0][-1].is_named() or stats["fetched"]:
        raise Failure(f"{found} {stats}")


@each({"silent": None, "trickling": _trickles})
def one_that_hangs_delays_no_longer_than_it_may(context, answer):
    """Several files ask, all of them together wait once."""
    stripped, debug, offset = with_debug_file(context)
    os.unlink(debug)
    others = [strip(build(context, [*GXX, f"-O{level}", SOURCE], f"other{level}"))
              for level in range(2)]
    requests = [(offset, path) for path in [stripped, *others]]
    if answer:
        server = _serve(_handler(answer))
        port = server.server_port
    else:
        server = socket.create_server(("127.0.0.1", 0))
        port = server.getsockname()[1]
    found, stats, took = _fetch(context, f"http://127.0.0.1:{port}/", requests, "-t", "2000")
    if answer:
        server.shutdown()
        server.server_close()
    else:
        server.close()
    wrong = [f"{frames}" for frames in found if frames[-1].is_named()]
    if not stats["fetch-gave-up"]:
        wrong.append(f"{stats}")
    if took > 4:
        wrong.append(f"it took {took:.1f} s, and may take 2")
    fail_if(wrong)
