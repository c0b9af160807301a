#!/usr/bin/env python3
"""The whole data folder of a server is put back from a copy that is seconds old, while the store went on: what was acknowledged and is in the store is readable,
once; what was deleted is not; and each program that comes after agrees."""
import glob
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.parse

import programs

SECOND = 10**9
BEGIN = int(time.time()) - 3600
# No round of chores comes in between: the store hears of no new generation, so the copy is taken for the latest.
QUIET = """
[store]
url = "file://{folder}/store"

[compaction]
interval = "1h"

[ingest]
flush_interval = "1h"
ack = "{ack}"
"""
COMMITS = {"s3": "buffer.before_commit", "disk": "flush.before_commit"}  # an object is in the store, and not yet in the catalogue


class House(programs.Alone):
    """A server whose store lies outside of its data folder."""

    def __init__(self, ack, retention='period = "0"\ndelete_cancel_period = "1h"'):
        self.scratch, self.ack = programs.folder(), ack
        self.folder = self.scratch.name
        self.server = programs.server(self.folder, extra=QUIET.format(folder=self.folder, ack=ack), retention=retention)
        self.expected = []

    def objects(self, level="l*"):
        return glob.glob(os.path.join(self.folder, f"store/*/{level}/*.lseg"))

    def push(self, begin, end, app="kept"):
        """Acknowledged, and to be there for ever."""
        programs.push(self.server, {"app": app}, [((BEGIN * 1000 + i) * 10**6, f"line {i} of {app}") for i in range(begin, end)])
        self.expected = sorted(self.expected + [f"line {i} of {app}" for i in range(begin, end)])

    def flush(self):
        status, said = programs.http(self.server.url("/flush"), b"")
        assert status == 204, said

    def restart(self, *failpoints):
        self.server.kill()
        self.server.environment = {"SKIDWAY_FAILPOINTS": ",".join(failpoints)} if failpoints else {}
        self.server.start()

    def copy(self):
        """The data folder at one moment, as a snapshot of a disk has it."""
        self.server.process.send_signal(signal.SIGSTOP)
        try:
            shutil.copytree(os.path.join(self.folder, "server"), os.path.join(self.folder, "copy"), ignore=shutil.ignore_patterns("LOCK"))
        finally:
            self.server.process.send_signal(signal.SIGCONT)

    def copy_before_commit(self, begin, end):
        """A copy taken while lines are in an object of which the catalogue knows only that it is planned; then it is committed, and they are acknowledged."""
        before = len(self.objects("l0"))
        if self.ack == "disk":
            self.push(begin, end)
        work = threading.Thread(target=self.flush if self.ack == "disk" else lambda: self.push(begin, end))
        work.start()
        programs.wait(lambda: len(self.objects("l0")) > before, why="no object is written")
        self.copy()
        work.join()

    def put_back(self, *failpoints, ready=True):
        if self.server.process.poll() is None:
            self.server.kill()
        shutil.rmtree(os.path.join(self.folder, "server"))
        os.rename(os.path.join(self.folder, "copy"), os.path.join(self.folder, "server"))
        self.server.environment = {"SKIDWAY_FAILPOINTS": ",".join(failpoints)} if failpoints else {}
        self.server.start(ready=ready)

    def lines(self):
        return sorted(line for _, line, _ in self.server.lines('{app=~".+"}', (BEGIN - 60) * SECOND, (BEGIN + 7200) * SECOND))

    def check(self, when):
        found = self.lines()
        assert found == self.expected, (f"{when}: {len(found)} of {len(self.expected)} lines, missing {sorted(set(self.expected) - set(found))[:3]}, "
                                        f"too many {sorted(set(found) - set(self.expected))[:3]}")

    def rebuild(self):
        done = subprocess.run([programs.SERVER, "catalog", "rebuild", "--force", "--config", self.server.config],
                                       capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def live_on(self):
        """What comes after agrees: more pushes, kills, a merge, and a catalogue that is made anew."""
        self.check("put back")
        self.push(9000, 9050)
        self.flush()
        self.check("pushed to")
        self.restart()
        self.check("started again")
        status, said = programs.http(self.server.url("/compact"), b"")
        assert status == 204, said
        self.check("merged")
        assert self.server.stop() == 0
        self.rebuild()
        self.server.start()
        self.check("made anew")

    def delete(self, query):
        parameters = urllib.parse.urlencode({"query": query, "start": BEGIN - 60, "end": BEGIN + 3600})
        status, said = programs.http(self.server.url("/loki/api/v1/delete?" + parameters), b"")
        assert status == 204, said


def acknowledged_since(ack):
    with House(ack) as house:
        house.push(0, 100)
        house.flush()
        house.restart(COMMITS[ack] + ":sleep=800")
        house.copy_before_commit(100, 200)
        for begin in (200, 300):  # objects of which the copy does not know at all
            house.push(begin, begin + 100)
            house.flush()
        house.put_back()
        assert len(house.objects("l0")) == 4, house.objects()
        assert house.server.metric("skidway_server_adopted_objects_total") == 3
        assert house.server.metric("skidway_server_unknown_objects") == 0
        house.live_on()


def acknowledged_since_s3():
    """ack s3: what was acknowledged after the copy is there, whether its object was planned in the copy or not"""
    acknowledged_since("s3")


def acknowledged_since_disk():
    """ack disk: what was acknowledged and flushed after the copy is there, whether its object was planned in the copy or not"""
    acknowledged_since("disk")


def pushed_after():
    """ack disk: what is pushed after the copy was put back is told apart in the log from what was pushed after it was made, also by a catalogue that is made anew"""
    with House("disk") as house:
        house.push(0, 100)
        house.copy()
        for begin in range(100, 400, 10):
            house.push(begin, begin + 10)
        house.flush()
        house.put_back()
        house.push(400, 450)  # in the log, and in no object
        house.server.kill()
        house.rebuild()
        house.server.start()
        house.check("made anew")
        house.live_on()


def killed_while_adopting():
    """killed at any step of bringing them in: the next start does it"""
    for point in ("adopt.before_commit", "adopt.after_commit"):
        for nth in (1, 2):
            with House("s3") as house:
                house.push(0, 100)
                house.restart(COMMITS["s3"] + ":sleep=800")
                house.copy_before_commit(100, 200)
                house.push(200, 300)
                house.put_back(f"{point}:kill:{nth}", ready=False)
                assert house.server.process.wait(30) == -9, point
                house.server.environment = {}
                house.server.start()
                house.check(f"{point}, pass {nth}")


def merged_since(ack):
    with House(ack) as house:
        for begin in (0, 100, 200):
            house.push(begin, begin + 100)
            house.flush()
        house.restart("job.before_swap:sleep=800", "job.after_swap:kill")
        asked = threading.Thread(target=lambda: programs.http(house.server.url("/compact"), b""), daemon=True)
        asked.start()
        programs.wait(lambda: house.objects("l2"), why="no merge")
        house.copy()
        assert house.server.process.wait(30) == -9
        assert len(house.objects("l0")) == 3, house.objects()
        house.put_back()
        house.live_on()


def merged_since_s3():
    """ack s3: a merge that was planned in the copy and swapped in after it costs no line"""
    merged_since("s3")


def merged_since_disk():
    """ack disk: a merge that was planned in the copy and swapped in after it costs no line"""
    merged_since("disk")


def deleted_since(ack):
    with House(ack) as house:
        house.push(0, 100)
        house.push(0, 100, "gone")
        house.flush()
        house.restart(COMMITS[ack] + ":sleep=800")
        house.copy_before_commit(100, 200)
        house.push(100, 200, "gone")
        house.delete('{app="gone"}')
        house.expected = [line for line in house.expected if not line.endswith("gone")]
        house.push(200, 300, "gone")  # after the request, which does not touch them
        house.push(200, 300)
        house.flush()
        house.put_back()
        house.check("put back")
        assert [one["query"] for one in programs.ask(house.server, "/loki/api/v1/delete")] == ['{app="gone"}']
        house.live_on()


def deleted_since_s3():
    """ack s3: a request to delete that was accepted after the copy is in force, for what was there before it and nothing else"""
    deleted_since("s3")


def deleted_since_disk():
    """ack disk: a request to delete that was accepted after the copy is in force, for what was there before it and nothing else"""
    deleted_since("disk")


TESTS = [acknowledged_since_s3, acknowledged_since_disk, pushed_after, killed_while_adopting, merged_since_s3, merged_since_disk, deleted_since_s3, deleted_since_disk]

if __name__ == "__main__":
    sys.exit(programs.run_cases(TESTS, at_once=2))
