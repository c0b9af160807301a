#!/usr/bin/env python3
"""The catalogue is lost, damaged or busy: nothing that was acknowledged is."""
import contextlib
import glob
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

import programs
from programs import ask

SECOND = 10**9
SEED = random.randrange(1 << 30)
BEGIN = int(time.time()) - 7200
QUICK = """
[compaction]
interval = "100ms"
grace = "1s"
collect_interval = "0s"

[ingest]
flush_interval = "200ms"
"""


def server(folder, ack="disk"):
    return programs.server(folder, extra=QUICK + f'ack = "{ack}"\n')


def push(server, begin, count, app="x"):
    values = [[str((BEGIN * 1000 + i) * 10**6), f"line {i} of {app}"] for i in range(begin, begin + count)]
    programs.push(server, {"app": app}, values)


def lines(server):
    answer = ask(server, "/loki/api/v1/query_range", query='{app=~".+"}', start=(BEGIN - 60) * SECOND, end=(BEGIN + 7200) * SECOND, limit=5000)
    return sorted(line for stream in answer["data"]["result"] for _, line in stream["values"])


def count(server, selector='{app=~".+"}'):
    answer = ask(server, "/loki/api/v1/query", query=f"sum(count_over_time({selector}[4h]))", time=(BEGIN + 7200) * SECOND)
    assert not answer.get("warnings"), answer
    return int(answer["data"]["result"][0]["value"][1]) if answer["data"]["result"] else 0


def catalog_files(folder):
    return glob.glob(os.path.join(folder, "server/catalog.db*"))


def command(server, *arguments, expect=0):
    done = subprocess.run([programs.SERVER, "catalog", *arguments, "--config", server.config], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == expect, f"{done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def refuses_to_start(server):
    server.start(ready=False)
    assert server.process.wait(30) == 1
    return server.log_tail()


def lose(folder):
    for path in catalog_files(folder):
        os.remove(path)


def every_line_comes_back(folder):
    """A lost catalogue: the server refuses to start and names the command, the command restores every line, once."""
    s = server(folder).start()
    expected = []
    try:
        for i in range(12):
            push(s, i * 100, 100)
            expected += [f"line {j} of x" for j in range(i * 100, i * 100 + 100)]
            programs.http(s.url("/flush"), b"")
            if i % 4 == 3:
                programs.http(s.url("/compact"), b"")
        push(s, 0, 50, app="late")
        expected += [f"line {j} of late" for j in range(50)]
    finally:
        s.kill()  # the log still holds what was pushed last
    expected.sort()
    lose(folder)
    said = refuses_to_start(s)
    assert "is empty, but the store" in said and "catalog rebuild --config " in said, said
    said = command(s, "rebuild")
    assert "visible" in said, said
    assert "sound" in command(s, "check")
    s.start()
    try:
        assert lines(s) == expected
        assert count(s) == len(expected)
        push(s, 5000, 10)
        programs.http(s.url("/flush"), b"")
        programs.http(s.url("/compact"), b"")
        assert count(s) == len(expected) + 10
    finally:
        s.stop()
    assert "is sound; it is left alone" in command(s, "rebuild", expect=1)
    command(s, "rebuild", "--force")
    s.start()
    try:
        assert count(s) == len(expected) + 10
    finally:
        s.stop()


def damaged(folder):
    """A damaged catalogue is refused with the command, and made anew from the store."""
    s = server(folder).start()
    try:
        push(s, 0, 300)
        programs.http(s.url("/flush"), b"")
    finally:
        s.stop()
    with open(os.path.join(folder, "server/catalog.db"), "r+b") as f:
        f.write(b"this is no database" * 100)
    said = refuses_to_start(s)
    assert "the catalogue is damaged" in said and "catalog rebuild" in said, said
    command(s, "rebuild")
    s.start()
    try:
        assert count(s) == 300
    finally:
        s.stop()


def merges_cut_off(folder):
    """Killed in the middle of merges, then without a catalogue: each line is there once."""
    s = server(folder).start()
    total = 0
    try:
        for round_ in range(6):
            for _ in range(4):
                push(s, total, 100)
                total += 100
                programs.http(s.url("/flush"), b"")
            asked = threading.Thread(target=lambda: ignore(lambda: programs.http(s.url("/compact"), b"")))
            asked.start()
            time.sleep(0.004 * round_)
            s.kill()
            asked.join()
            lose(folder)
            command(s, "rebuild")
            s.start()
            assert count(s) == total, f"round {round_}: {count(s)} of {total}"
    finally:
        s.stop()


def deletes_and_merges_cut_off(folder):
    """Requests to delete, merges that are cut off and a catalogue that is lost, again and again: what was deleted never comes back, all else is there once."""
    rng = random.Random(SEED)
    s = programs.server(folder, extra=QUICK, retention='period = "0"\ndelete_cancel_period = "0s"').start()
    kept, requests = 0, 0
    try:
        for round_ in range(8):
            for _ in range(3):
                push(s, kept, 100)
                push(s, kept, 100, app="gone")
                kept += 100
                programs.http(s.url("/flush"), b"")
            for query in ('{app="gone"}', '{app="x"} |= "no such line"', '{app=~".+"} |= "of gone"'):
                query = urllib.parse.urlencode({"query": query, "start": BEGIN - 60, "end": BEGIN + 3600})
                status, text = programs.http(s.url("/loki/api/v1/delete?" + query), b"")
                assert status == 204, text
                requests += 1
            asked = threading.Thread(target=lambda: ignore(lambda: programs.http(s.url("/compact"), b"")))
            asked.start()
            time.sleep(rng.uniform(0, 0.15))
            s.kill()
            asked.join()
            lose(folder)
            command(s, "rebuild")
            s.start()
            assert count(s) == kept, f"round {round_}: {count(s)} of {kept}"
            assert count(s, '{app="gone"}') == 0, round_
            assert len(ask(s, "/loki/api/v1/delete")) == requests
        end = time.monotonic() + 30
        while any(one["status"] != "processed" for one in ask(s, "/loki/api/v1/delete")):
            assert time.monotonic() < end, ask(s, "/loki/api/v1/delete")
            time.sleep(0.1)
        s.stop()
        lose(folder)
        command(s, "rebuild")
        s.start()
        assert count(s) == kept and count(s, '{app="gone"}') == 0
    finally:
        s.stop()


def ignore(call):
    try:
        call()
    except OSError:
        pass


def requests_to_delete_survive(folder):
    """A request to delete is in force after a rebuild, whether it was carried out or not."""
    s = programs.server(folder, extra=QUICK, retention='period = "0"\ndelete_cancel_period = "1h"').start()
    try:
        push(s, 0, 100)
        push(s, 0, 100, app="gone")
        query = urllib.parse.urlencode({"query": '{app="gone"}', "start": BEGIN - 60, "end": BEGIN + 3600})
        status, text = programs.http(s.url("/loki/api/v1/delete?" + query), b"")
        assert status == 204, text
        assert count(s) == 100, count(s)
    finally:
        s.kill()
    for _ in range(2):
        lose(folder)
        command(s, "rebuild")
        s.start()
        try:
            assert count(s) == 100, (count(s), ask(s, "/loki/api/v1/delete"))
            assert [one["query"] for one in ask(s, "/loki/api/v1/delete")] == ['{app="gone"}']
            programs.http(s.url("/compact"), b"")
        finally:
            s.stop()
    with open(s.config, encoding="utf-8") as f:
        text = f.read().replace('delete_cancel_period = "1h"', 'delete_cancel_period = "0s"', 1)
    with open(s.config, "w", encoding="utf-8") as f:
        f.write(text)
    s.start()
    try:
        end = time.monotonic() + 30
        while ask(s, "/loki/api/v1/delete")[0]["status"] != "processed":
            assert time.monotonic() < end
            time.sleep(0.1)
        removed = ask(s, "/loki/api/v1/delete")[0]["removed_entries"]
    finally:
        s.stop()
    time.sleep(0.1)
    lose(folder)
    command(s, "rebuild")
    s.start()
    try:
        assert count(s) == 100, count(s)
        end = time.monotonic() + 30
        while ask(s, "/loki/api/v1/delete")[0]["status"] != "processed":
            assert time.monotonic() < end
            time.sleep(0.1)
        assert count(s) == 100, count(s)
        assert ask(s, "/loki/api/v1/delete")[0]["removed_entries"] == removed
    finally:
        s.stop()


def put_back(folder, copy):
    """The catalogue of a backup in the place of the one in use."""
    lose(folder)
    shutil.copy(copy, os.path.join(folder, "server/catalog.db"))


def hot_copy(folder, name):
    """A sound copy of the catalogue while the server runs."""
    path = os.path.join(folder, name)
    with contextlib.closing(sqlite3.connect(os.path.join(folder, "server/catalog.db"))) as live, contextlib.closing(sqlite3.connect(path)) as copy:
        live.backup(copy)
    return path


def left_unfinished(folder):
    """Killed while it wrote a generation or a request to delete, then without a catalogue: what was left of them stands in nobody's way."""
    s = server(folder).start()
    try:
        push(s, 0, 100)
        programs.http(s.url("/flush"), b"")
    finally:
        s.kill()
    generation = max(path for path in glob.glob(os.path.join(folder, "server/store/*/generations/*")) if os.path.basename(path).isdigit())
    store = os.path.dirname(os.path.dirname(generation))
    os.makedirs(os.path.join(store, "deletes"), exist_ok=True)
    left = [os.path.join(store, "generations", f"{int(os.path.basename(generation)) + i:020}.part") for i in (1, 7)]
    left += [os.path.join(store, "deletes", f"{i:020}.request.part") for i in (1, 7)]
    for path in left:
        with open(path, "w", encoding="utf-8") as f:
            f.write("number 1\nquery {app=")
    lose(folder)
    command(s, "rebuild")
    s.start()
    try:
        assert count(s) == 100
        assert not [path for path in left if os.path.exists(path)]
        query = urllib.parse.urlencode({"query": '{app="x"}', "start": BEGIN - 60, "end": BEGIN + 3600})
        status, text = programs.http(s.url("/loki/api/v1/delete?" + query), b"")
        assert status == 204, text
        assert count(s) == 0
    finally:
        s.stop()


def older_catalogue(folder, ack):
    """An older catalogue that is put back is refused with the command that remedies it, and nothing of what was stored since is lost."""
    s = server(folder, ack).start()
    copies, expected = [], 0
    try:
        for i in range(4):
            copies.append(hot_copy(folder, f"copy-{i}.db"))
            for j in range(5):
                push(s, expected, 100)
                expected += 100
                programs.http(s.url("/flush"), b"")
            programs.http(s.url("/compact"), b"")
            if i == 1:
                s.kill()
                s.start()
            else:  # what was merged is deleted
                programs.wait(lambda: len(glob.glob(os.path.join(folder, "server/store/*/l0/*.lseg"))) == 0, why="merged objects stay")
        before = sorted(glob.glob(os.path.join(folder, "server/store/*/l*/*.lseg")))
    finally:
        s.kill()
    latest = os.path.join(folder, "latest.db")
    shutil.copy(os.path.join(folder, "server/catalog.db"), latest)
    for part in ("-wal", "-shm"):
        if os.path.exists(os.path.join(folder, "server/catalog.db" + part)):
            shutil.copy(os.path.join(folder, "server/catalog.db" + part), latest + part)
    for copy in copies:
        put_back(folder, copy)
        said = refuses_to_start(s)
        assert "was put back from an older copy; `skidway-server catalog rebuild --config " in said, said
        assert "was put back from an older copy" in command(s, "check", expect=1)
        assert sorted(glob.glob(os.path.join(folder, "server/store/*/l*/*.lseg"))) == before, "a refused catalogue changed the store"
    lose(folder)
    for part in ("", "-wal", "-shm"):
        if os.path.exists(latest + part):
            shutil.copy(latest + part, os.path.join(folder, "server/catalog.db" + part))
    s.start()  # the latest is admitted
    assert count(s) == expected
    s.stop()
    put_back(folder, copies[-1])
    command(s, "rebuild")  # knows that it is not the latest, and needs no --force
    s.start()
    try:
        assert count(s) == expected
        push(s, expected, 100)
        assert count(s) == expected + 100
    finally:
        s.stop()
    moved = glob.glob(os.path.join(folder, "server/catalog.db.before-*Z"))
    os.rename(moved[0], os.path.join(folder, "moved.db"))
    put_back(folder, os.path.join(folder, "moved.db"))
    assert "was put back from an older copy" in refuses_to_start(s)
    command(s, "rebuild")
    s.start()
    try:
        assert count(s) == expected + 100
    finally:
        s.stop()


def older_catalogue_disk(folder):
    """ack disk: an older catalogue that is put back is refused, and made anew by the command that is named"""
    older_catalogue(folder, "disk")


def older_catalogue_s3(folder):
    """ack s3: an older catalogue that is put back is refused, and made anew by the command that is named"""
    older_catalogue(folder, "s3")


def young_copy(folder, ack):
    """A copy of the catalogue that was put back within the minute, after each kind of change: refused, and after the rebuild every line is there that was acknowledged, none
    that was deleted, and a cancelled request deletes nothing."""
    settings = QUICK.replace('grace = "1s"', 'grace = "1h"')  # nothing is deleted, so the store hears of no new generation
    s = programs.server(folder, extra=settings + f'ack = "{ack}"\n', retention='period = "0"\ndelete_cancel_period = "1h"').start()
    copies = []

    def copied(what):
        copies.append((what, hot_copy(folder, f"{what}.db")))

    def delete(method, **parameters):
        request = urllib.request.Request(s.url("/loki/api/v1/delete?" + urllib.parse.urlencode(parameters)), method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.headers["X-Delete-Request-ID"]

    try:
        programs.wait(lambda: glob.glob(os.path.join(folder, "server/store/*/generations/*")), why="no generation")
        push(s, 0, 100, "kept")
        push(s, 0, 100, "gone")
        copied("pushed")
        programs.http(s.url("/flush"), b"")
        copied("flushed")
        push(s, 100, 100, "kept")
        programs.http(s.url("/flush"), b"")
        copied("flushed-again")
        programs.http(s.url("/compact"), b"")
        copied("merged")
        cancelled = delete("POST", query='{app="kept"}', start=BEGIN - 60, end=BEGIN + 3600)
        copied("to-be-cancelled")
        delete("DELETE", request_id=cancelled)
        copied("cancelled")
        delete("POST", query='{app="gone"}', start=BEGIN - 60, end=BEGIN + 3600)
        push(s, 200, 100, "kept")
        expected = lines(s)
        assert len(expected) == 300 and not any("gone" in line for line in expected), len(expected)
    finally:
        s.kill()
    data = os.path.join(folder, "server")
    saved = os.path.join(folder, "saved")
    shutil.copytree(data, saved, symlinks=True)
    for what, copy in copies:
        shutil.rmtree(data)
        shutil.copytree(saved, data, symlinks=True)
        put_back(folder, copy)
        said = refuses_to_start(s)
        assert "was put back from an older copy; `skidway-server catalog rebuild --config " in said, f"{what}: {said}"
        assert "was put back from an older copy" in command(s, "check", expect=1), what
        command(s, "rebuild")  # without --force
        for _ in range(2):
            s.start()
            try:
                found = lines(s)
                assert found == expected, f"{what}: {len(found)} lines, missing {sorted(set(expected) - set(found))[:3]}, too many {sorted(set(found) - set(expected))[:3]}"
                push(s, 300, 10, "kept")
                programs.http(s.url("/flush"), b"")
                expected = lines(s)
                assert len(expected) == 310, f"{what}: {len(expected)}"
            finally:
                s.kill()
        expected = [line for line in expected if int(line.split()[1]) < 300]
    shutil.rmtree(data)
    os.rename(saved, data)
    s.start()  # its own, latest catalogue
    assert lines(s) == expected
    s.stop()


def young_copy_disk(folder):
    """ack disk: a copy of the catalogue that is put back within the minute is refused, and nothing is lost or comes back"""
    young_copy(folder, "disk")


def young_copy_s3(folder):
    """ack s3: a copy of the catalogue that is put back within the minute is refused, and nothing is lost or comes back"""
    young_copy(folder, "s3")


def busy(folder):
    """Another program holds the catalogue's lock for a while: pushes are taken, and nothing is lost or doubled."""
    s = server(folder).start()
    try:
        push(s, 0, 100)
        other = sqlite3.connect(os.path.join(folder, "server/catalog.db"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        for i in range(1, 10):
            push(s, i * 100, 100)
            time.sleep(0.1)
        assert count(s) == 1000
        other.execute("ROLLBACK")
        other.close()
        programs.http(s.url("/flush"), b"")
        assert count(s) == 1000
        s.kill()
        s.start()
        assert count(s) == 1000
    finally:
        s.stop()


TESTS = [every_line_comes_back, damaged, merges_cut_off, deletes_and_merges_cut_off, requests_to_delete_survive, left_unfinished, older_catalogue_disk, older_catalogue_s3, young_copy_disk, young_copy_s3, busy]

if __name__ == "__main__":
    print(f"seed {SEED}", flush=True)
    sys.exit(programs.run_cases([programs.in_folder(test) for test in TESTS]))
