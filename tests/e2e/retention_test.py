#!/usr/bin/env python3
"""Retention: old entries are out of every answer when their time has come, and out of the store soon after."""
import glob
import json
import os
import sys
import time
import urllib.parse

import programs
from programs import ask

SECOND = 10**9
DAY = 86400 * SECOND
QUICK = """
[compaction]
interval = "50ms"
grace = "0s"
collect_interval = "0s"
"""


def server(folder, retention, limits=""):
    return programs.server(folder, extra=limits + QUICK, retention=retention)


def push(server, entries, expect=204, **labels):
    body = json.dumps({"streams": [{"stream": labels, "values": [[str(t), line] for t, line in entries]}]}).encode()
    status, text = programs.http(server.url("/loki/api/v1/push"), body, {"Content-Type": "application/json"})
    assert status == expect, f"{status} {text}"
    return text.decode()


def lines(server, query='{app=~".+"}'):
    now = time.time_ns()
    answer = ask(server, "/loki/api/v1/query_range", query=query, start=now - 400 * DAY, end=now, limit=5000)
    return sorted(line for stream in answer["data"]["result"] for _, line in stream["values"])


def metric(server, name):
    text = programs.http(server.url("/metrics"))[1].decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.split("{")[0].split(" ")[0] == name)


def objects(folder):
    return glob.glob(os.path.join(folder, "server/store/*/l*/*.lseg"))


def flush(server):
    status, text = programs.http(server.url("/flush"), b"")
    assert status == 204, text


def until(condition, seconds=30, what=lambda: ""):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what()}"
        time.sleep(0.05)


def thirty_days_by_default(folder):
    """Without any configuration entries live for 30 days: then they are in no answer, and their object is deleted."""
    s = server(folder, "").start()
    try:
        now = time.time_ns()
        text = push(s, [(now - 31 * DAY, "too old")], expect=400, app="x")
        assert "has timestamp too old" in text, text
        assert 'reason="greater_than_max_sample_age"' in programs.http(s.url("/metrics"))[1].decode()
        push(s, [(now - 30 * DAY + 4 * SECOND, "nearly too old")], app="x")
        flush(s)
        push(s, [(now - 29 * DAY, "young")], app="x")
        assert lines(s) == ["nearly too old", "young"]
        until(lambda: lines(s) == ["young"])
        flush(s)
        until(lambda: len(objects(folder)) == 1, what=lambda: objects(folder))
        assert lines(s) == ["young"]
        assert metric(s, "skidway_server_expired_entries_total") == 1
    finally:
        s.stop()


def by_stream_and_priority(folder):
    """A stream's own rule counts, the one with the highest priority; what shares an object with it stays."""
    rules = """
[[limits.retention_stream]]
selector = '{env="dev"}'
priority = 1
period = "24h"
[[limits.retention_stream]]
selector = '{app="audit"}'
priority = 10
period = "0"
"""
    s = server(folder, 'period = "30d"', rules).start()
    try:
        now = time.time_ns()
        old = now - 24 * 3600 * SECOND + 4 * SECOND
        push(s, [(old, "dev")], app="x", env="dev")
        push(s, [(old, "audit")], app="audit", env="dev")
        push(s, [(old, "prod")], app="x", env="prod")
        flush(s)
        programs.http(s.url("/compact"), b"")
        assert lines(s) == ["audit", "dev", "prod"]
        until(lambda: lines(s) == ["audit", "prod"])
        count = ask(s, "/loki/api/v1/query", query='sum(count_over_time({app=~".+"}[2d]))', time=time.time_ns())
        assert count["data"]["result"][0]["value"][1] == "2", count
        until(lambda: metric(s, "skidway_server_expired_entries_total") >= 1, what=lambda: programs.http(s.url("/metrics"))[1].decode())
        assert lines(s) == ["audit", "prod"]
        push(s, [(now - 300 * DAY, "old audit")], app="audit")  # kept for ever
        assert lines(s, '{app="audit"}') == ["audit", "old audit"]
    finally:
        s.stop()


def tenants_differ(folder):
    """A tenant's own period hides its entries and not those of a neighbour in the same object; a reload changes it."""
    s = server(folder, 'period = "0"', '[limits.tenant.short]\nretention_period = "24h"\n')
    with open(s.config, "a", encoding="utf-8") as f:
        f.write('\n[tenancy]\nmode = "header"\n')
    s.start()
    try:
        now = time.time_ns()
        for tenant in ("short", "long"):
            body = json.dumps({"streams": [{"stream": {"app": "x"}, "values": [[str(now - DAY + 3 * SECOND), "old"], [str(now), "new"]]}]}).encode()
            status, text = programs.http(s.url("/loki/api/v1/push"), body, {"Content-Type": "application/json", "X-Scope-OrgID": tenant})
            assert status == 204, text
        flush(s)

        def seen(tenant):
            query = urllib.parse.urlencode({"query": '{app="x"}', "start": now - 2 * DAY, "end": time.time_ns() + 1})
            text = programs.http(s.url("/loki/api/v1/query_range?" + query), headers={"X-Scope-OrgID": tenant})[1]
            return sorted(line for stream in json.loads(text)["data"]["result"] for _, line in stream["values"])
        until(lambda: seen("short") == ["new"], what=lambda: seen("short"))
        assert seen("long") == ["new", "old"]
        with open(s.config, encoding="utf-8") as f:
            text = f.read().replace('retention_period = "24h"', 'retention_period = "48h"')
        with open(s.config, "w", encoding="utf-8") as f:
            f.write(text)
        assert programs.http(s.url("/-/reload"), b"")[0] == 200
        push_old = json.dumps({"streams": [{"stream": {"app": "x"}, "values": [[str(now - DAY - SECOND), "older"]]}]}).encode()
        status, text = programs.http(s.url("/loki/api/v1/push"), push_old, {"Content-Type": "application/json", "X-Scope-OrgID": "short"})
        assert status == 204, text
        assert "older" in seen("short")
    finally:
        s.stop()


def by_bytes(folder):
    """Beyond max_bytes the oldest objects go, but none that is younger than min_age."""
    s = server(folder, 'period = "0"\nmax_bytes = "100KiB"\nmin_age = "1h"').start()
    try:
        now = time.time_ns()
        for hours in (50, 40, 30, 20, 0):
            noise = [(now - hours * 3600 * SECOND + i, os.urandom(500).hex()) for i in range(100)]  # 50 KB that do not compress
            push(s, noise, app=f"h{hours}")
            flush(s)
        apps = lambda: sorted({line for line in ask(s, "/loki/api/v1/label/app/values", start=now - 400 * DAY, end=time.time_ns())["data"]})
        until(lambda: "h50" not in apps() and "h40" not in apps(), what=apps)
        time.sleep(0.5)
        assert "h0" in apps(), apps()
        until(lambda: sum(os.path.getsize(o) for o in objects(folder)) <= 100 << 10, what=lambda: objects(folder))
    finally:
        s.stop()


TESTS = [thirty_days_by_default, by_stream_and_priority, tenants_differ, by_bytes]

if __name__ == "__main__":
    sys.exit(programs.run_cases([programs.in_folder(test) for test in TESTS]))
