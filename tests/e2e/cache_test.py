#!/usr/bin/env python3
"""Caches of the real server: blocks on disk over restarts, damaged and full disks, memcached that is killed in the middle,
and answers of metric queries that are never old."""
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402

SECOND = 10**9
BEGIN = (int(time.time()) - 7200) // 60 * 60 * SECOND
END = BEGIN + 3600 * SECOND


def push(server, values):
    programs.push(server, {"app": "shop"}, values)


def fill(server, entries=6000, width=2000):
    """Some MiB that do not compress, in one object."""
    rng = random.Random(5)
    for first in range(0, entries, 1000):
        push(server, [(BEGIN + i * SECOND // 2, f"n={i} needle{i % 100} " + "%x" % rng.getrandbits(width * 4)) for i in range(first, first + 1000)])
    assert programs.http(server.url("/flush"), b"")[0] == 204


def lines(server, needle="needle7 "):
    data = server.query("query_range", query='{app="shop"} |= "%s"' % needle, start=str(BEGIN), end=str(END), limit="5000")
    assert not data.get("warnings"), data
    return sorted(line for stream in data["result"] for _, line in stream["values"])


def metric(server, name, tier):
    text = programs.http(server.url("/metrics"))[1].decode()
    return sum(float(row.rsplit(" ", 1)[1]) for row in text.splitlines() if row.startswith(name + "{") and f'tier="{tier}"' in row)


def cache_files(folder):
    return [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names]


def disk_over_restarts():
    """what one server read is found on disk by the next; damaged files are read again from the store; removed objects leave nothing"""
    with programs.folder() as folder:
        blocks = folder + "/blocks"
        server = programs.server(folder, extra=f'\n[cache]\nmemory = "4MiB"\ndisk = "64MiB"\ndisk_folder = "{blocks}"\nresults = "0"\n').start()
        try:
            fill(server)
            expected = lines(server)
            assert len(expected) == 60, len(expected)
            assert metric(server, "skidway_server_cache_bytes", "disk") > 5e6
            server.stop()
            server.start()
            assert lines(server) == expected
            assert metric(server, "skidway_server_cache_hits_total", "disk") > 0
            assert metric(server, "skidway_server_cache_stored_bytes_total", "disk") == 0
            server.stop()
            for path in cache_files(blocks):
                size = os.path.getsize(path)
                with open(path, "r+b") as f:
                    f.seek(size // 2)
                    f.write(b"damaged")
            server.start()
            assert lines(server) == expected
            assert metric(server, "skidway_server_cache_errors_total", "disk") > 0
            assert metric(server, "skidway_server_cache_stored_bytes_total", "disk") > 5e6
            shutil.rmtree(blocks)  # somebody tidies up while it runs
            assert lines(server, "needle8 ") and lines(server) == expected
        finally:
            server.stop()


def full_disk():
    """a disk that is full throws out old blocks, and queries go on"""
    with programs.folder() as folder:
        blocks = folder + "/blocks"
        os.makedirs(blocks)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", blocks], capture_output=True).returncode == 0
        if not mounted:
            print("     no right to mount: a full disk is tried in server/cache/disk_cache_test.cc only")
            return
        server = programs.server(folder, extra=f'\n[cache]\nmemory = "4MiB"\ndisk = "64MiB"\ndisk_keep_free = "0"\ndisk_folder = "{blocks}"\nresults = "0"\n')
        try:
            server.start()
            fill(server)
            expected = lines(server)
            assert len(expected) == 60
            for needle in range(20):
                assert len(lines(server, f"needle{needle} ")) == 60
            assert lines(server) == expected
            assert metric(server, "skidway_server_cache_evictions_total", "disk") > 0
            assert metric(server, "skidway_server_cache_bytes", "disk") <= 4 << 20
        finally:
            server.stop()
            subprocess.run(["umount", blocks], check=False)


class Memcached:
    def __init__(self, port):
        self.port, self.process = port, None

    def start(self):
        self.process = subprocess.Popen(["memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", str(self.port), "-m", "64"], stdin=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.05)
        raise AssertionError("memcached does not start")

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def count(server, begin=BEGIN):
    answer = server.query("query_range", query='sum(count_over_time({app="shop"} |= "needle" [10m]))', start=str(begin), end=str(END), step="10m")
    return sum(int(value) for series in answer["result"] for _, value in series["values"]), answer["stats"]["cache"]["result"]


def memcached():
    """two memcached servers on their own ports share answers and ends of objects over a restart, and may be killed at any time"""
    caches = [Memcached(programs.free_port()) for _ in range(2)]
    with programs.folder() as folder:
        places = json.dumps([f"127.0.0.1:{cache.port}" for cache in caches])
        server = programs.server(folder, extra=f'\n[cache]\nmemcached = {places}\n')
        try:
            for cache in caches:
                cache.start()
            server.start()
            fill(server, entries=2000, width=500)
            total, stats = count(server)
            assert total == 2000 and stats["entriesStored"] == 1, (total, stats)
            server.stop()
            server.start()
            total, stats = count(server)
            assert total == 2000 and stats["entriesFound"] == 1, (total, stats)
            hits = metric(server, "skidway_server_cache_hits_total", "memcached")
            assert lines(server)  # opens the object: its end is in memcached
            assert metric(server, "skidway_server_cache_hits_total", "memcached") > hits
            wrong, asked, stop = [], [0], threading.Event()

            def ask():
                while not stop.is_set():
                    asked[0] += 1
                    try:
                        # Each time another question: the ends and answers of this one are in no other place yet.
                        total, _ = count(server, BEGIN - asked[0] * 600 * SECOND)
                        if total != 2000:
                            wrong.append(total)
                    except (AssertionError, OSError) as e:
                        wrong.append(str(e))

            thread = threading.Thread(target=ask)
            thread.start()
            for cache in caches:
                time.sleep(1)
                cache.kill()
            time.sleep(1)
            caches[0].start()
            time.sleep(1)
            stop.set()
            thread.join()
            assert not wrong and asked[0] > 20, (asked, wrong[:3])
            assert metric(server, "skidway_server_cache_errors_total", "memcached") > 0
        finally:
            server.stop()
            for cache in caches:
                cache.kill()


def answers_are_never_old():
    """a metric query asked again and again, while entries come late, are flushed and merged, always counts them all"""
    rng = random.Random(int.from_bytes(os.urandom(4), "little"))
    with programs.folder() as folder:
        server = programs.server(folder).start()
        try:
            expected, found = 0, 0
            for step in range(150):
                some = rng.randrange(1, 4)
                push(server, [(BEGIN + rng.randrange(3000 * 10**6) * 1000, f"needle {step} {i}") for i in range(some)])
                expected += some
                for _ in range(2):
                    total, stats = count(server)
                    assert total == expected, (step, total, expected)
                    found += stats["entriesFound"]
                if rng.randrange(10) == 0:
                    assert programs.http(server.url("/flush"), b"")[0] == 204
                if rng.randrange(30) == 0:
                    assert programs.http(server.url("/compact"), b"")[0] == 204
            assert found >= 140, found  # every second time, but for a flush in between
            status, body = programs.http(server.url("/metrics"))
            assert b'skidway_server_cache_hits_total{tier="results"}' in body
        finally:
            server.stop()


def moving_range():
    """a dashboard that moves on, while entries come late, are flushed and merged, shows what an answer without the cache shows, and mostly finds it"""
    rng = random.Random(int.from_bytes(os.urandom(4), "little"))
    hours = 6
    begin = (int(time.time()) - hours * 3600) // 60 * 60
    with programs.folder() as folder:
        server = programs.server(folder).start()
        try:
            push(server, [((begin + 20 * i) * SECOND, f"needle {i} took={i % 7}ms") for i in range(hours * 180)])
            found = asked = 0
            for step in range(60):
                if step % 5 == 4:
                    push(server, [((begin + rng.randrange(hours * 3600)) * SECOND, f"late {step} took=3ms")])
                if rng.randrange(10) == 0:
                    assert programs.http(server.url("/flush"), b"")[0] == 204
                if rng.randrange(20) == 0:
                    assert programs.http(server.url("/compact"), b"")[0] == 204
                parameters = {"start": begin + 60 * step, "end": begin + 60 * step + 4 * 3600, "step": "60",
                              "query": 'sum by (app) (sum_over_time({app="shop"} | logfmt | unwrap duration(took) [5m]))'}
                url = server.url("/loki/api/v1/query_range?" + urllib.parse.urlencode(parameters))
                kept, anew = (json.loads(programs.http(url, headers=headers)[1])["data"] for headers in ({}, {"Cache-Control": "no-cache"}))
                for a, b in zip(kept["result"], anew["result"], strict=True):
                    assert a["metric"] == b["metric"] and [at for at, _ in a["values"]] == [at for at, _ in b["values"]], (step, a, b)
                    assert all(abs(float(x) - float(y)) < 1e-9 for (_, x), (_, y) in zip(a["values"], b["values"])), (step, a, b)
                stats = kept["stats"]["cache"]["result"]
                found, asked = found + stats["entriesFound"], asked + stats["entriesRequested"]
            assert found > asked // 3, (found, asked)
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(programs.run_cases([disk_over_restarts, full_disk, memcached, answers_are_never_old, moving_range]))
