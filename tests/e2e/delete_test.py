#!/usr/bin/env python3
"""Requests to delete: gone from every answer at once, and a little later from every byte on the disk."""
import ctypes
import glob
import os
import sys
import time
import urllib.parse
import urllib.request

import programs
from programs import ask

SECOND = 10**9
BEGIN = int(time.time()) - 3 * 3600
SECRET = "card-4111-1111"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZSTD = ctypes.CDLL("libzstd.so.1")
for function in (ZSTD.ZSTD_findFrameCompressedSize, ZSTD.ZSTD_decompress):
    function.restype = ctypes.c_size_t
ZSTD.ZSTD_findFrameCompressedSize.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
ZSTD.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
ZSTD.ZSTD_isError.argtypes = [ctypes.c_size_t]
QUICK = """
[compaction]
interval = "50ms"
grace = "0s"
collect_interval = "0s"
"""


def server(folder, cancel="0s", extra=""):
    return programs.server(folder, extra=extra + QUICK, retention=f'period = "0"\ndelete_cancel_period = "{cancel}"')


def call(server, method, expect, **parameters):
    url = server.url("/loki/api/v1/delete?" + urllib.parse.urlencode(parameters))
    request = urllib.request.Request(url, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            status, text, headers = answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as e:
        status, text, headers = e.code, e.read().decode(), e.headers
    assert status == expect, f"{method} {parameters}: {status} {text}"
    return headers.get("X-Delete-Request-ID") if method in ("POST", "PUT") and status == 204 else text


def push(server, lines, at=BEGIN, app="shop"):
    values = [[str((at + i) * SECOND), line] for i, line in enumerate(lines)]
    programs.push(server, {"app": app}, values)


def lines(server, query='{app="shop"}'):
    answer = ask(server, "/loki/api/v1/query_range", query=query, start=(BEGIN - 60) * SECOND, end=(BEGIN + 3600) * SECOND, limit=5000)
    return sorted(line for stream in answer["data"]["result"] for _, line in stream["values"])


def count(server, query='{app="shop"}'):
    answer = ask(server, "/loki/api/v1/query", query=f"sum(count_over_time({query}[4h]))", time=(BEGIN + 3600) * SECOND)
    return int(answer["data"]["result"][0]["value"][1]) if answer["data"]["result"] else 0


def receipt(server, request):
    return next(one for one in ask(server, "/loki/api/v1/delete") if one["request_id"] == request)


def until(condition, seconds=30, what=""):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def decompressed(data):
    """Everything that zstd frames in `data` hold, and the bytes themselves."""
    out, at = [data], data.find(ZSTD_MAGIC)
    room = ctypes.create_string_buffer(4 << 20)  # a page has 256 KiB
    while at >= 0:
        frame = data[at:]
        size = ZSTD.ZSTD_findFrameCompressedSize(frame, len(frame))
        if not ZSTD.ZSTD_isError(size):
            got = ZSTD.ZSTD_decompress(room, len(room), frame, size)
            if not ZSTD.ZSTD_isError(got):
                out.append(room.raw[:got])
        at = data.find(ZSTD_MAGIC, at + 4)
    return b"".join(out)


def files_with(folder, needle):
    found = []
    for path in glob.glob(os.path.join(folder, "server", "**"), recursive=True):
        if not os.path.isfile(path) or "catalog.db" in path:
            continue
        with open(path, "rb") as f:
            data = f.read()
        if needle.encode() in (decompressed(data) if path.endswith(".lseg") else data):
            found.append(path)
    return found


def gone_at_once_and_then_for_good(folder):
    """What a filter names is gone from logs and counts when the request is answered, and from every file soon after."""
    s = server(folder).start()
    try:
        texts = [f"paid with {SECRET}-{i}" if i % 5 == 0 else f"served page {i}" for i in range(200)]
        push(s, texts[:100])
        programs.http(s.url("/flush"), b"")
        push(s, texts[100:], at=BEGIN + 100)  # still in memory and in the log
        push(s, [f"{SECRET} elsewhere"], app="other")
        assert files_with(folder, SECRET), "the test looks for bytes that are there at first"
        request = call(s, "POST", 204, query='{app="shop"} |= "card-4111"', start=BEGIN - 60, end=BEGIN + 3600)
        left = sorted(t for t in texts if SECRET not in t)
        assert lines(s) == left
        assert count(s) == len(left)
        assert lines(s, '{app="shop"} |= "paid"') == []
        assert count(s, '{app="shop"} |= "paid"') == 0
        assert lines(s, '{app="other"}') == [f"{SECRET} elsewhere"]
        until(lambda: receipt(s, request)["status"] == "processed", what=str(receipt(s, request)))
        told = receipt(s, request)
        assert told["removed_entries"] == 40, told
        assert told["removed_bytes"] >= sum(len(t) for t in texts if SECRET in t), told  # and their metadata
        assert lines(s) == left
        call(s, "POST", 204, query='{app="other"}', start=BEGIN - 60, end=BEGIN + 3600)
        until(lambda: all(one["status"] == "processed" for one in ask(s, "/loki/api/v1/delete")))
        assert lines(s, '{app="other"}') == []
        until(lambda: files_with(folder, SECRET) == [], what=str(files_with(folder, SECRET)))
        s.kill()
        s.start()
        assert lines(s) == left
    finally:
        s.stop()


def later_entries_stay(folder):
    """What is pushed into the range after the request stays, also an entry that was just deleted; and nothing comes back when objects are merged."""
    s = server(folder, cancel="1h").start()
    try:
        push(s, ["old a", "old b"])
        request = call(s, "PUT", 204, query='{app="shop"}', start=BEGIN - 60, end=BEGIN + 3600)
        assert lines(s) == []
        push(s, ["old a", "new c"])
        assert lines(s) == ["new c", "old a"]
        assert count(s) == 2
        for _ in range(3):
            programs.http(s.url("/flush"), b"")
            programs.http(s.url("/compact"), b"")
            assert lines(s) == ["new c", "old a"], lines(s)
            assert count(s) == 2
        assert receipt(s, request)["status"] == "received"
        call(s, "DELETE", 204, request_id=request)  # the range is as before
        assert lines(s) == ["new c", "old a", "old b"]
        assert ask(s, "/loki/api/v1/delete") == []
    finally:
        s.stop()


def labels_and_volumes_forget(folder):
    """A stream that was deleted as a whole is in no label answer and in no volume."""
    s = server(folder, cancel="1h").start()
    try:
        push(s, ["a"])
        push(s, ["b"], app="gone")
        call(s, "POST", 204, query='{app="gone"}', start=BEGIN - 60, end=BEGIN + 3600)
        window = {"start": (BEGIN - 60) * SECOND, "end": (BEGIN + 3600) * SECOND}
        assert ask(s, "/loki/api/v1/label/app/values", **window)["data"] == ["shop"]
        assert [one["app"] for one in ask(s, "/loki/api/v1/series", **window)["data"]] == ["shop"]
        volume = ask(s, "/loki/api/v1/index/volume", query='{app=~".+"}', **window)
        assert [one["metric"] for one in volume["data"]["result"]] == [{"app": "shop"}], volume
    finally:
        s.stop()


def refusals(folder):
    """Wrong requests, requests that are over, and tenants that may not delete get Loki's words."""
    s = server(folder, extra='deletion_mode = "filter-and-delete"\n').start()
    try:
        query = '{app="shop"}'
        assert call(s, "POST", 400, start=BEGIN) == "query not set\n"
        assert call(s, "POST", 400, query="{app=", start=BEGIN) == "invalid query expression\n"
        assert call(s, "POST", 400, query=query) == "start time not set\n"
        assert call(s, "POST", 400, query=query, start="soon") == "invalid start time: require unix seconds or RFC3339 format\n"
        assert call(s, "POST", 400, query=query, start=BEGIN, end=BEGIN + 10**6) == "deletes in the future are not allowed\n"
        assert call(s, "DELETE", 404, request_id="nothing") == "could not find delete request with given id\n"
        push(s, ["x"])
        request = call(s, "POST", 204, query=query, start=BEGIN - 60, end=BEGIN + 3600)
        until(lambda: receipt(s, request)["status"] == "processed")
        assert call(s, "DELETE", 400, request_id=request) == "deletion of request which is in process or already processed is not allowed\n"
    finally:
        s.stop()
    with open(s.config, encoding="utf-8") as f:
        text = f.read().replace('deletion_mode = "filter-and-delete"', 'deletion_mode = "disabled"')
    with open(s.config, "w", encoding="utf-8") as f:
        f.write(text)
    s.start()
    try:
        assert call(s, "GET", 403) == "deletion is not available for this tenant\n"
    finally:
        s.stop()


def kills_lose_no_request(folder):
    """Killed at any moment: an accepted request stays in force, and is done in the end."""
    s = server(folder).start()
    try:
        for round_ in range(4):
            push(s, [f"{SECRET} {round_}-{i}" if i % 2 else f"plain {round_}-{i}" for i in range(500)], at=BEGIN + round_ * 500)
            request = call(s, "POST", 204, query='{app="shop"} |= "card-4111"', start=BEGIN - 60, end=BEGIN + 3600)
            time.sleep(0.03 * round_)
            s.kill()
            s.start()
            assert not any(SECRET in line for line in lines(s)), round_
            assert len(lines(s)) == 250 * (round_ + 1)
            until(lambda r=request: receipt(s, r)["status"] == "processed")
        assert files_with(folder, SECRET) == [], files_with(folder, SECRET)
    finally:
        s.stop()


def nothing_comes_back_from_the_log(folder):
    """While the log of an earlier run is replayed a request is refused, as the rest of the log would not be touched by it; then it is taken."""
    settings = '[ingest]\nflush_interval = "1h"\nflush_bytes = "250KiB"\nmemory_limit = "512KiB"\n'
    s = programs.server(folder, extra=settings, retention='period = "0"\ndelete_cancel_period = "0s"').start()
    now = int(time.time())
    parameters = {"query": '{app="shop"}', "start": now - 3600, "end": now}

    def push_secret(number):
        programs.push(s, {"app": "shop"}, [((now - 60) * SECOND + number, f"secret {number} " + "x" * 1000)])

    try:
        for i in range(150):  # a log that is long for the memory
            push_secret(i)
        s.kill()
        s.environment = {"SKIDWAY_FAILPOINTS": "wal.replay_frame:sleep=40"}
        s.start()
        push_secret(1000)
        assert b"replay: " in programs.http(s.url("/ready?verbose"))[1]
        said = call(s, "POST", 503, **parameters)
        assert "the log of an earlier run is not in the store yet" in said, said
        url = s.url("/loki/api/v1/delete?" + urllib.parse.urlencode(parameters))
        programs.wait(lambda: programs.http(url, b"")[0] == 204, why="the request is not taken")
        assert s.count('{app="shop"}') == 0
        s.kill()
        s.environment = {}
        s.start()
        assert s.count('{app="shop"}') == 0
    finally:
        s.stop()


TESTS = [gone_at_once_and_then_for_good, later_entries_stay, labels_and_volumes_forget, refusals, kills_lose_no_request, nothing_comes_back_from_the_log]

if __name__ == "__main__":
    sys.exit(programs.run_cases([programs.in_folder(test) for test in TESTS]))
