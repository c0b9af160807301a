#!/usr/bin/env python3
"""Kills the server (-9) at every named failpoint of its code while it is pushed to, flushes and merges; afterwards a history says whether anything is missing,
doubled or invented. Then each point that can fail does so, in one server.

usage: failpoints_test.py [--only PART_OF_A_NAME] [--jobs N] [--seed S] [--list]
"""
import argparse
import concurrent.futures
import glob
import os
import random
import re
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "e2e")]
import object_stores  # noqa: E402
import programs  # noqa: E402
from history import History  # noqa: E402

BUCKET = "skidway-failpoints"
AT_LEAST = 40
SMALL = """flush_interval = "150ms"
flush_bytes = "64KiB"
memory_limit = "512KiB"
wal_segment_bytes = "32KiB"
"""
UNFLUSHED = """flush_interval = "1h"
flush_bytes = "200KiB"
memory_limit = "512KiB"
"""  # leaves a log that is large for the memory
COMPACTION = '[compaction]\ninterval = "200ms"\ngrace = "1s"\n'
PART = 'part_size = "5MiB"\n'
# Passed where something is to be gone: gone_test.py kills there.
OF_WHAT_IS_GONE = ("adopt.", "job.", "delete.", "expiry.", "gc.", "missing.", "quarantine.", "rebuild.")
# Nothing is lost where these are passed, and no ordinary load comes by.
RARE = {"s3.before_multipart", "s3.before_complete", "s3.after_complete"}  # of objects above 5 MiB: tests/e2e/s3_test.py


def names():
    """Every failpoint of the server and of what it uses, and where it stands."""
    found = {}
    for path in glob.glob(os.path.join(programs.ROOT, "server", "**", "*.cc"), recursive=True):
        if path.endswith("_test.cc"):
            continue
        with open(path, encoding="utf-8") as f:
            for name in re.findall(r'failpoint\("([a-z0-9_.]+)"\)', f.read()):
                assert name not in found, f"{name} stands in {path} and in {found[name]}"
                found[name] = os.path.relpath(path, programs.ROOT)
    return found


class Victim:
    def __init__(self, folder, point, store):
        ack = "s3" if point.split(".")[0] == "buffer" else "disk"
        extra = store.settings(BUCKET, point.replace(".", "-").replace("_", "-")) + PART if store else ""
        small = SMALL if not point.startswith("recovery.") else UNFLUSHED
        self.server = programs.server(folder, extra=extra + f'[ingest]\nack = "{ack}"\n' + small + COMPACTION)
        self.point = point

    def arm(self, nth):
        self.server.environment = {"SKIDWAY_FAILPOINTS": f"{self.point}:kill:{nth}"}

    def disarm(self):
        self.server.environment = {}

    def work_until_dead(self, seconds):
        """Whether the server died at the point."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for path in ("/flush", "/compact"):
                if self.server.process.poll() is None:
                    try:
                        programs.http(self.server.url(path), b"", timeout=10)
                    except OSError:
                        pass
            if self.server.process.poll() is not None:
                assert self.server.process.returncode == -9, f"it ended with {self.server.process.returncode}: {self.server.log_tail()}"
                return True
            time.sleep(0.05)
        return False

    def wait_replayed(self, seconds=60):
        until = time.monotonic() + seconds
        while b"replay: " in programs.http(self.server.url("/ready?verbose"))[1]:
            assert time.monotonic() < until, "the log is not replayed"
            time.sleep(0.02)


def kill_at(point, nth, seed, store):
    """One life of a server that dies at the point."""
    with programs.folder() as folder:
        victim = Victim(folder, point, store)
        server = victim.server
        victim.arm(nth)
        server.start(ready=False)
        try:
            with History(server, seed, writers=3, lines=30, padding=300) as history:
                died = victim.work_until_dead(4) if not point.startswith("recovery.") else False
                for _ in range(2):  # some are passed only while a log is replayed
                    if died:
                        break
                    victim.disarm()
                    server.kill()
                    server.start()
                    time.sleep(0.1 if not point.startswith("recovery.") else 0.6)
                    server.kill()
                    victim.arm(1)
                    server.start(ready=False)
                    died = victim.work_until_dead(4)
                assert died, "it is never passed"
                victim.disarm()
                server.start()
                time.sleep(0.3)
                history.wait_for(1)
            victim.wait_replayed()
            history.check()
            status, said = programs.http(server.url("/flush"), b"")
            assert status == 204, said
            status, said = programs.http(server.url("/compact"), b"")
            assert status == 204, said
            history.check()
            assert server.stop() == 0
        finally:
            if server.process.poll() is None:
                server.kill()


def errors(points, seed, ack):
    """Every point fails now and then, and what is acknowledged is there, once."""
    rng = random.Random(seed)
    at_start = ("marker.", "catalog.opened", "catalog.has", "store.", "wal.replay", "recovery.", "s3.")
    chosen = [p for p in points if not p.startswith(at_start)]
    with programs.folder() as folder:
        server = programs.server(folder, extra=f'[ingest]\nack = "{ack}"\n' + SMALL + COMPACTION)
        # The very first start of a catalogue ends where its store fails; later ones go on without it.
        server.start()
        assert server.stop() == 0
        server.environment = {"SKIDWAY_FAILPOINTS": ",".join(f"{p}:error:{n}" for p in chosen for n in sorted(rng.sample(range(2, 30), 3)))}
        server.start()
        try:
            with History(server, seed, writers=4, lines=20, padding=200) as history:
                until = time.monotonic() + 6
                while time.monotonic() < until:
                    for path in ("/flush", "/compact"):
                        programs.http(server.url(path), b"", timeout=30)
                    time.sleep(0.05)
                history.wait_for(101)
            assert server.process.poll() is None, server.log_tail()
            history.check()
            server.kill()
            server.environment = {}
            server.start()
            history.check()
            assert server.stop() == 0
        finally:
            if server.process.poll() is None:
                server.kill()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    points = names()
    if args.list:
        for name, path in sorted(points.items()):
            print(f"{name:28} {path}")
        return 0
    print(f"seed {args.seed}, {len(points)} failpoints", flush=True)
    outcome = [0, 0]
    lock = threading.Lock()

    def judge(what, run):
        started = time.monotonic()
        try:
            run()
            fault = None
        except Exception as e:
            fault = f"{type(e).__name__}: {e}"
        with lock:
            outcome[fault is not None] += 1
            print(f"{'ok  ' if fault is None else 'FAIL'} {what} ({time.monotonic() - started:.1f} s){': ' + fault if fault else ''}", flush=True)

    def enough():
        killed_here = [name for name in points if name not in RARE and not name.startswith(OF_WHAT_IS_GONE)]
        assert len(killed_here) >= AT_LEAST, f"{len(killed_here)} failpoints"

    judge(f"at least {AT_LEAST} failpoints", enough)
    chosen = [name for name in sorted(points) if args.only in name and name not in RARE and not name.startswith(OF_WHAT_IS_GONE)]
    rng = random.Random(args.seed)
    nths = {name: rng.choice([1, 1, 2, 3]) if not name.startswith(("marker.", "store.", "generation.", "catalog.opened", "catalog.has", "recovery.")) else 1 for name in chosen}
    with programs.folder() as folder:
        in_bucket = [name for name in chosen if name.startswith("s3.")]
        store = object_stores.Radosgw(folder + "/service") if in_bucket else None
        try:
            if store:
                store.start()
                store.make_bucket(BUCKET)
            with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
                jobs = [pool.submit(judge, f"{name}, pass {nths[name]}",
                                    lambda name=name: kill_at(name, nths[name], args.seed, store if name in in_bucket else None)) for name in chosen]
                if not args.only:
                    jobs += [pool.submit(judge, f"errors, ack {ack}", lambda ack=ack: errors(points, args.seed, ack)) for ack in ("disk", "s3")]
                for job in jobs:
                    job.result()
        finally:
            if store:
                store.stop()
    print(f"{outcome[0]} passed, {outcome[1]} failed")
    return 1 if outcome[1] else 0


if __name__ == "__main__":
    sys.exit(main())
