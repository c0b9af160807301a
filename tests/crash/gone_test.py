#!/usr/bin/env python3
"""Kills the server (-9) at every failpoint of merges, requests to delete, retention, the quarantine, lost objects and the rebuild of a catalogue. Afterwards what was
acknowledged is readable once, and what was deleted is in no answer and in no byte of the store: at the next start, when the requests are processed, and
with a catalogue that is made anew.

usage: gone_test.py [--only PART_OF_A_NAME] [--jobs N] [--seed S]
"""
import argparse
import concurrent.futures
import glob
import os
import random
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "e2e")]
import delete_test  # noqa: E402
import programs  # noqa: E402
from failpoints_test import OF_WHAT_IS_GONE, names  # noqa: E402
from history import History  # noqa: E402

SECOND = 10**9
DAY = 86400 * SECOND
SECRET = "secret-4711"
SETTINGS = """
[ingest]
flush_interval = "150ms"

[compaction]
interval = "100ms"
grace = "0s"
collect_interval = "0s"
"""


class Victim:
    """A server whose lines are to stay, to be deleted, or to expire; and what of it was acknowledged."""

    def __init__(self, folder, seed):
        self.folder, self.rng = folder, random.Random(seed)
        self.server = programs.server(folder, extra=SETTINGS, retention='period = "24h"\ndelete_cancel_period = "0s"')
        self.first, self.rounds = time.time_ns(), 0
        self.stays, self.gone, self.next_short = set(), set(), 0

    def start(self, point=None, nth=1, ready=True):
        self.server.environment = {"SKIDWAY_FAILPOINTS": f"{point}:kill:{nth}"} if point else {}
        return self.server.start(ready=ready)

    def is_dead(self):
        if self.server.process.poll() is None:
            return False
        assert self.server.process.returncode == -9, f"it ended with {self.server.process.returncode}: {self.server.log_tail()}"
        return True

    def ask_for(self, method, **parameters):
        """The id of the request to delete; None: it is not known whether it was taken."""
        url = self.server.url("/loki/api/v1/delete?" + urllib.parse.urlencode(parameters))
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=20) as answer:
                return answer.headers.get("X-Delete-Request-ID") or ""
        except urllib.error.HTTPError as e:
            assert e.code in (400, 404, 503), e.code
        except OSError:
            pass
        return None

    def push(self, labels, values):
        try:
            programs.push(self.server, labels, values)
            return True
        except (OSError, AssertionError):
            return False

    def delete_secrets(self, pushed):
        now = time.time()
        taken = self.ask_for("POST", query=f'{{app="shop"}} |= "{SECRET}"', start=int(now) - 3600, end=int(now)) is not None
        if taken:
            self.gone |= pushed
        return taken

    def work(self, until):
        """Pushes, deletes, cancels, flushes and merges until the server is dead. Whether it is."""
        while time.monotonic() < until:
            self.rounds += 1
            at = time.time_ns() - 10 * SECOND
            lines = [f"{SECRET if i % 3 == 0 else 'public'} {self.rounds} {i} {self.rng.random()}" for i in range(60)]
            if self.push({"app": "shop"}, [(at + i, line) for i, line in enumerate(lines)]):
                self.stays |= {line for line in lines if SECRET not in line}
                self.delete_secrets({line for line in lines if SECRET in line})
            # Once those of before have expired, so that a whole object does.
            if time.monotonic() > self.next_short and self.push({"app": "short"}, [(time.time_ns() - DAY + SECOND, f"short {self.rounds}")]):
                self.next_short = time.monotonic() + 2
            request = self.ask_for("POST", query='{app="none"}', start=int(time.time()) - 60)
            if request:
                self.ask_for("DELETE", request_id=request, force="true")
            for path in ("/flush", "/compact"):
                try:
                    programs.http(self.server.url(path), b"", timeout=10)
                except OSError:
                    pass
            if self.is_dead():
                return True
            time.sleep(0.05)
        return False

    def found(self, selector, start=None):
        return [line for _, line, _ in self.server.lines(selector, start or self.first - 3600 * SECOND, time.time_ns() + SECOND)]

    def check(self, when):
        shop = self.found('{app="shop"}')
        assert len(shop) == len(set(shop)), f"{when}: {len(shop) - len(set(shop))} lines are doubled"
        back = self.gone & set(shop)
        assert not back, f"{when}: {len(back)} deleted lines are back, for example {min(back)}"
        missing = self.stays - set(shop)
        assert not missing, f"{when}: {len(missing)} lines are missing, for example {min(missing)}"

    def finish(self, damaged=False):
        """All that was ever to be deleted is, down to the bytes."""
        assert self.delete_secrets(set()), "a request to delete is refused"
        until = time.monotonic() + 30
        while any(one["status"] != "processed" for one in programs.ask(self.server, "/loki/api/v1/delete")):
            assert time.monotonic() < until, f"not processed: {programs.ask(self.server, '/loki/api/v1/delete')}\n{self.server.log_tail()}"
            time.sleep(0.1)
        assert not any(SECRET in line for line in self.found('{app="shop"}'))
        assert self.found('{app="short"}', self.first - 2 * DAY) == []
        left = [path for path in delete_test.files_with(self.folder, SECRET) if "/store/" in path and not path.endswith(".request")]
        if not damaged:
            assert not left, f"processed, and still in {left}"

    def lose_catalogue(self):
        for path in glob.glob(os.path.join(self.folder, "server/catalog.db*")):
            os.remove(path)

    def rebuild(self, point=None, expect=0, force=False):
        environment = dict(os.environ, **({"SKIDWAY_FAILPOINTS": f"{point}:kill"} if point else {}))
        argv = [programs.SERVER, "catalog", "rebuild", "--config", self.server.config] + (["--force"] if force else [])
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, env=environment)
        assert done.returncode == expect, f"{done.returncode}: {done.stdout}{done.stderr}"


def judged(folder, seed, life):
    """Runs `life(victim, history)` and checks what is left of it, thrice."""
    victim = Victim(folder, seed)
    try:
        victim.start()
        with History(victim.server, seed, writers=3, lines=20, pause=0.02) as history:
            life(victim)
            time.sleep(0.2)
        victim.check("after the kill")
        history.check()
        time.sleep(1.1)  # what was pushed last to expire
        victim.finish()
        victim.check("processed")
        history.check()
        assert victim.server.stop() == 0
        victim.lose_catalogue()
        victim.rebuild()
        victim.start()
        victim.check("rebuilt")
        history.check()
        victim.finish()
        assert victim.server.stop() == 0
    finally:
        if victim.server.process.poll() is None:
            victim.server.kill()


def kill_at(point, nth, folder, seed):
    def life(victim):
        victim.server.kill()
        victim.start(point, nth, ready=False)
        died = victim.work(time.monotonic() + 10)
        if not died:  # some are passed only when another life left something
            victim.server.kill()
            victim.start(point, ready=False)
            died = victim.work(time.monotonic() + 5)
        assert died, "it is never passed"
        victim.start()
    judged(folder, seed, life)


def kill_rebuild(point, folder, seed):
    """The command itself is killed, twice, once with the catalogue still there; then it is run again."""
    def life(victim):
        victim.work(time.monotonic() + 1)
        victim.server.kill()
        victim.rebuild(point, expect=-9, force=True)
        victim.lose_catalogue()
        victim.rebuild(point, expect=-9)
        victim.rebuild(force=True)
        victim.start()
    judged(folder, seed, life)


def kill_and_abandon(point, before, folder, seed):
    """A merge or a flush is cut off first, so that there is something to be removed or brought in."""
    def life(victim):
        victim.server.kill()
        victim.start(before, ready=False)
        assert victim.work(time.monotonic() + 10)
        victim.start(point, ready=False)
        assert victim.work(time.monotonic() + 10), "it is never passed"
        victim.start()
    judged(folder, seed, life)


def damage(path):
    """Flips bits of the first page."""
    with open(path, "r+b") as f:
        f.seek(40)
        spoilt = bytes(b ^ 0x55 for b in f.read(20))
        f.seek(40)
        f.write(spoilt)


def unreadable(point, spoil, folder, seed):
    """An object is spoilt or gone, and its request is killed while it is salvaged or written off."""
    victim = Victim(folder, seed)
    try:
        victim.start()
        at = time.time_ns() - 10 * SECOND
        lines = [f"{SECRET if i % 3 == 0 else 'public'} {i}" for i in range(60)]
        programs.push(victim.server, {"app": "shop"}, [(at + i, line) for i, line in enumerate(lines)])
        programs.http(victim.server.url("/flush"), b"")
        victim.server.kill()
        objects = glob.glob(os.path.join(folder, "server/store/*/l*/*.lseg"))
        assert len(objects) == 1, objects
        spoil(objects[0])
        victim.start(point, ready=False)
        victim.server.wait_ready()
        programs.push(victim.server, {"app": "shop"}, [(time.time_ns() - 5 * SECOND, "public, later")])
        victim.stays.add("public, later")
        victim.delete_secrets({line for line in lines if SECRET in line})
        until = time.monotonic() + 10
        while not victim.is_dead():
            assert time.monotonic() < until, "it is never passed"
            time.sleep(0.05)
        victim.start()
        victim.check("after the kill")
        victim.finish(damaged=True)
        told = programs.ask(victim.server, "/loki/api/v1/delete")
        named = [key for one in told for key in one.get("unreadable_objects", [])]
        assert named and all(os.path.exists(os.path.join(folder, "server/store", key)) for key in named), told
        victim.check("processed")
        argv = [programs.SERVER, "quarantine", "--config", victim.server.config]
        listed = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout  # while the server runs
        assert all(key in listed for key in named) and "; --delete deletes them" in listed, listed
        assert victim.server.stop() == 0
        victim.lose_catalogue()
        victim.rebuild()
        victim.start()
        victim.check("rebuilt")
        assert victim.server.metric("skidway_server_quarantine_objects") == len(set(named))
        assert victim.server.stop() == 0
        deleted = subprocess.run(argv + ["--delete"], capture_output=True, text=True, timeout=60, check=True).stdout
        assert all("deleted " + key in deleted for key in named), deleted
        assert not any(os.path.exists(os.path.join(folder, "server/store", key)) for key in named)
    finally:
        if victim.server.process.poll() is None:
            victim.server.kill()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    args = parser.parse_args()
    points = sorted(name for name in names() if name.startswith(OF_WHAT_IS_GONE) and args.only in name)
    print(f"seed {args.seed}, {len(points)} failpoints", flush=True)
    rng, lock, outcome = random.Random(args.seed), threading.Lock(), [0, 0]

    def judge(point, nth):
        started, fault = time.monotonic(), None
        try:
            with programs.folder() as folder:
                if point.startswith("rebuild."):
                    kill_rebuild(point, folder, args.seed)
                elif point.startswith("quarantine."):
                    unreadable(point, damage, folder, args.seed)
                elif point.startswith("missing."):
                    unreadable(point, os.remove, folder, args.seed)
                elif point == "gc.abandoned_removed":
                    kill_and_abandon(point, "job.before_swap", folder, args.seed)
                elif point.startswith("adopt."):
                    kill_and_abandon(point, "flush.before_commit", folder, args.seed)
                else:
                    kill_at(point, nth, folder, args.seed)
        except Exception as e:
            fault = f"{type(e).__name__}: {e}"
        with lock:
            outcome[fault is not None] += 1
            print(f"{'ok  ' if fault is None else 'FAIL'} {point}, pass {nth} ({time.monotonic() - started:.1f} s){': ' + fault if fault else ''}", flush=True)

    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for job in [pool.submit(judge, point, 1 if point.startswith("expiry.") else rng.choice([1, 1, 2, 3])) for point in points]:
            job.result()
    print(f"{outcome[0]} passed, {outcome[1]} failed")
    return 1 if outcome[1] or not points else 0


if __name__ == "__main__":
    sys.exit(main())
