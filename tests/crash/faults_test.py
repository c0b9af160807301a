#!/usr/bin/env python3
"""Faults of the machine under a running server, judged by a history of pushes: a busy catalogue, a clock that jumps, a torn log, objects that vanish under queries."""
import glob
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
import programs  # noqa: E402
from history import HOUR, History  # noqa: E402

QUICK = 'flush_interval = "200ms"\n'
COMPACTION = '[compaction]\ninterval = "200ms"\n'
SEED = random.randrange(1 << 30)


class Running(programs.Alone):
    def __init__(self, ingest="", extra=COMPACTION, quick=QUICK, limits="", retention="0"):
        self.scratch = programs.folder()
        self.folder = os.path.join(self.scratch.name, "server")
        self.server = programs.server(self.scratch.name, extra=limits + "[ingest]\n" + quick + ingest + extra, retention=f'period = "{retention}"')

    def check(self, history):
        """Before and after a flush, a merge, a kill and a clean restart."""
        history.check()
        for path in ("/flush", "/compact"):
            status, said = programs.http(self.server.url(path), b"", timeout=60)
            assert status == 204, (path, said)
        history.check()
        self.server.kill()
        self.server.start()
        history.check()
        assert self.server.stop() == 0


def busy_catalogue(ack):
    with Running(f'ack = "{ack}"\n') as run:
        with History(run.server, SEED, writers=3) as history:
            for _ in range(3):
                time.sleep(0.3)
                other = sqlite3.connect(os.path.join(run.folder, "catalog.db"), timeout=10, isolation_level=None)
                other.execute("BEGIN IMMEDIATE")  # nobody else may write
                before = history.acknowledged()
                time.sleep(1.5)
                gained = history.acknowledged() - before
                assert (gained > 0) == (ack == "disk") or gained < 200, f"{gained} lines acknowledged while the catalogue was busy"
                other.execute("ROLLBACK")
                other.close()
            time.sleep(0.5)
        assert set(history.answers()) == {204}, history.answers()
        run.check(history)


def busy_catalogue_disk():
    """ack disk: while another process holds the catalogue's lock pushes are acknowledged, and flushed afterwards"""
    busy_catalogue("disk")


def busy_catalogue_s3():
    """ack s3: while another process holds the catalogue's lock pushes wait, and are stored afterwards"""
    busy_catalogue("s3")


def with_jumping_clock(run):
    """Stops the server; at its next start its wall clock is what the function says that is returned: seconds ahead."""
    library, offset = os.path.join(run.scratch.name, "clock.so"), os.path.join(run.scratch.name, "offset")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, os.path.join(HERE, "jumping_clock.c"), "-ldl"], check=True)

    def jump(seconds):
        with open(offset + ".new", "w", encoding="utf-8") as f:
            f.write(str(seconds))
        os.rename(offset + ".new", offset)

    jump(0)
    run.server.stop()
    run.server.environment = {"LD_PRELOAD": library, "JUMPING_CLOCK": offset}
    return jump


def jumping_clock():
    """a wall clock that jumps by an hour, a day and back loses and doubles nothing, holds up no answer and deletes no object"""
    # A clock that goes back makes entries of now look as if they came from the future: that is refused, with a limit of its own.
    with Running(extra='[compaction]\ninterval = "200ms"\ngrace = "1h"\n', limits='creation_grace_period = "100h"\n') as run:
        jump = with_jumping_clock(run)
        run.server.start()
        with History(run.server, SEED, writers=4) as history:
            for seconds in (3600, -3600, 86400, 0, -7200, 0):
                jump(seconds)
                time.sleep(0.3)  # the clock is read anew
                history.wait_for(history.acknowledged() + 1, 15)
                time.sleep(0.4)
        assert set(history.answers()) == {204}, history.answers()
        jump(0)
        run.check(history)


def jump_past_retention():
    """a wall clock that jumps two days ahead and back drops no entry that the retention keeps"""
    with Running(extra='[compaction]\ninterval = "100ms"\ngrace = "0s"\ncollect_interval = "0s"\n', retention="24h") as run:
        jump = with_jumping_clock(run)
        run.server.start()
        now = time.time_ns()
        sent = [[now - 20 * HOUR + i, f"line {i}"] for i in range(1000)]
        programs.push(run.server, {"job": "kept"}, sent)
        for path in ("/flush", "/compact"):
            assert programs.http(run.server.url(path), b"")[0] == 204
        programs.push(run.server, {"job": "kept"}, [[now - HOUR, "another object"]])
        assert programs.http(run.server.url("/flush"), b"")[0] == 204
        jump(2 * 86400)
        time.sleep(1)
        assert run.server.lines('{job="kept"}', now - 24 * HOUR, now) == [], "the clock did not jump"
        assert programs.http(run.server.url("/compact"), b"")[0] == 204
        jump(0)
        time.sleep(0.5)
        found = [line for _, line, _ in run.server.lines('{job="kept"}', now - 24 * HOUR, now)]
        assert found == [line for _, line in sent] + ["another object"], len(found)
        assert "the clock jumped ahead" in run.server.log_tail(1000)


def clock_ahead_at_start():
    """a server that starts with a clock two days ahead drops and deletes nothing because of that, and says so"""
    with Running(extra='[compaction]\ninterval = "100ms"\ngrace = "0s"\ncollect_interval = "0s"\n', retention="24h") as run:
        jump = with_jumping_clock(run)
        run.server.start()
        now = time.time_ns()
        sent = [[now - 20 * HOUR + i, f"line {i}"] for i in range(1000)]
        programs.push(run.server, {"job": "kept"}, sent)
        assert programs.http(run.server.url("/flush"), b"")[0] == 204
        status, said = programs.http(run.server.url(f"/loki/api/v1/delete?query=%7Bjob%3D%22kept%22%7D%7C%3D%22line+7%22&start={now // 10**9 - 86400}"), b"")
        assert status == 204, said
        run.server.stop()
        jump(2 * 86400)
        run.server.start()
        assert programs.http(run.server.url("/compact"), b"")[0] == 204
        assert abs(run.server.metric("skidway_server_clock_ahead_seconds") - 2 * 86400) < 60
        assert programs.ask(run.server, "/loki/api/v1/delete")[0]["status"] != "processed"
        assert "or the server was not run for long" in run.server.log_tail(1000)
        assert run.server.stop() == 0
        jump(0)
        run.server.start()
        found = [line for _, line, _ in run.server.lines('{job="kept"}', now - 24 * HOUR, now)]
        assert found == [line for _, line in sent if "line 7" not in line], len(found)
        request = programs.ask(run.server, "/loki/api/v1/delete")[0]
        cancel = urllib.request.Request(run.server.url("/loki/api/v1/delete?request_id=" + request["request_id"]), method="DELETE")
        assert urllib.request.urlopen(cancel, timeout=30).status == 204  # it can be still
        assert len(run.server.lines('{job="kept"}', now - 24 * HOUR, now)) == 1000
        assert run.server.metric("skidway_server_clock_ahead_seconds") == 0


def spoilt_catalogue():
    """a catalogue whose file is overwritten under the server: nothing acknowledged is lost, and the command makes it anew"""
    rng = random.Random(SEED)
    with Running('wal_segment_bytes = "64KiB"\n') as run:
        path = os.path.join(run.folder, "catalog.db")
        with History(run.server, SEED, writers=3, padding=100) as history:
            history.wait_for(1)
            time.sleep(1)
            for path_of in ("/flush", "/compact"):
                assert programs.http(run.server.url(path_of), b"")[0] == 204
            sqlite3.connect(path, timeout=10).execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
            with open(path, "r+b") as f:
                f.seek(0, 2)
                size = f.tell()
                f.seek(0)
                f.write(rng.randbytes(size))
            time.sleep(1.5)
        run.server.kill()
        run.server.start(ready=False)
        assert run.server.process.wait(30) == 1 and "catalog rebuild" in run.server.log_tail(), run.server.log_tail()
        done = subprocess.run([programs.SERVER, "catalog", "rebuild", "--config", run.server.config], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        run.server.start()
        run.check(history)


def torn_log():
    """a log whose tail is torn, cut or spoilt behind what was acknowledged gives everything back"""
    rng = random.Random(SEED)
    with Running('wal_segment_bytes = "64KiB"\n', quick='flush_interval = "1h"\n') as run:
        wal = os.path.join(run.folder, "wal")
        histories = []
        for spoil in ("garbage", "half a frame", "zeros"):
            with History(run.server, SEED, writers=3, padding=200) as history:
                time.sleep(0.4)
            histories.append(history)
            run.server.kill()
            last = os.path.join(wal, max(os.listdir(wal)))
            with open(last, "rb") as f:
                whole = f.read()
            with open(last, "ab") as f:
                f.write({"garbage": rng.randbytes(300), "half a frame": whole[16:16 + 200], "zeros": bytes(5000)}[spoil])
            run.server.start()
            for earlier in histories:
                earlier.check()
        assert run.server.metric("skidway_server_wal_cut_bytes_total") > 0
        for earlier in histories:
            run.check(earlier)
            run.server.start()


def compactor_off():
    """hundreds of small objects that nobody merges are read like few large ones, and merged when somebody asks"""
    with Running(extra='[compaction]\nbackground = false\ninterval = "200ms"\ngrace = "0s"\ncollect_interval = "0s"\n', quick='flush_interval = "20ms"\n') as run:
        objects = lambda: len(glob.glob(os.path.join(run.folder, "store/*/l*/*.lseg")))  # noqa: E731
        with History(run.server, SEED, writers=3) as history:
            programs.wait(lambda: objects() > 150, 60)
        before = objects()
        history.check()
        assert run.server.metric("skidway_server_compaction_debt_objects") > 100
        assert programs.http(run.server.url("/compact"), b"", timeout=120)[0] == 204
        programs.wait(lambda: objects() <= before // 10, why=lambda: f"{objects()} of {before} objects")
        run.check(history)


def objects_vanish():
    """objects that are merged and deleted at once, while queries read them, cost no line of any answer"""
    with Running(extra='[compaction]\ninterval = "100ms"\ngrace = "0s"\n') as run:
        faults, stop = [], threading.Event()
        with History(run.server, SEED, writers=3) as history:
            writer = history.writers[0]

            def read():
                while not stop.is_set():
                    at_least = len(writer.acknowledged)
                    data = run.server.query("query", query=f'sum(count_over_time({{history="{history.name}",writer="0"}}[1h]))', time=str(time.time_ns() + HOUR // 2))
                    found = int(float(data["result"][0]["value"][1])) if data["result"] else 0
                    if found < at_least:
                        faults.append(f"{found} of at least {at_least}")

            readers = [threading.Thread(target=read) for _ in range(2)]
            for reader in readers:
                reader.start()
            until = time.monotonic() + 5
            while time.monotonic() < until:
                for path in ("/flush", "/compact"):
                    programs.http(run.server.url(path), b"", timeout=30)
            stop.set()
            for reader in readers:
                reader.join()
        assert not faults, faults[:5]
        run.check(history)


def main():
    print(f"seed {SEED}", flush=True)
    return programs.run_cases([busy_catalogue_disk, busy_catalogue_s3, spoilt_catalogue, jumping_clock, jump_past_retention, clock_ahead_at_start, torn_log, compactor_off, objects_vanish], at_once=3)


if __name__ == "__main__":
    sys.exit(main())
