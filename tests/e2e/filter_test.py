#!/usr/bin/env python3
"""Substring filters on the real server: compaction writes them, needles skip pages because of them, statistics say so, and damaged ones cost nothing but time."""
import glob
import json
import os
import random
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402

START = 1_700_000_000_000_000_000
ABSENT = "0b6e4f1d9a7c35820fe1d2c3b4a59687"
LINES = 30_000


def push(server):
    """Lines of about 220 bytes with random ids, four apps; one holds the needle, one a trace."""
    rng = random.Random(3)
    at, ids = START, []
    for _ in range(6):
        streams = []
        for app in "abcd":
            values = []
            for _ in range(LINES // 24):
                at += 1_000_000
                ids.append(f"{rng.getrandbits(128):032x}")
                values.append([str(at), json.dumps({"level": rng.choice(["info", "warn"]), "id": ids[-1], "took": rng.randrange(10**6), "text": "took a while " * 11}),
                               {"trace": f"t{rng.getrandbits(32):x}"}])
            streams.append({"stream": {"app": app}, "values": values})
        if len(ids) == LINES // 6:
            streams[0]["values"].append([str(at + 1), '{"level":"error","text":"here is the NeedleInHay, once"}', {"trace": "only-here"}])
            at += 1
        status, text = programs.http(server.url("/loki/api/v1/push"), json.dumps({"streams": streams}).encode(), {"Content-Type": "application/json"})
        assert status == 204, (status, text)
    return ids, at + 1


def ask(server, pipeline, end):
    """(lines, pages of the statistics, the plan's numbers)"""
    parameters = {"query": '{app=~".+"} ' + pipeline, "start": str(START), "end": str(end), "limit": "1000", "explain": "true"}
    status, body = programs.http(server.url("/loki/api/v1/query_range?" + urllib.parse.urlencode(parameters)))
    assert status == 200, (status, body)
    answer = json.loads(body)
    return sum(len(s["values"]) for s in answer["data"]["result"]), answer["data"]["stats"]["pages"], answer["explain"]["steps"][0]["actual"]


def compacted(folder, extra=""):
    server = programs.server(folder, extra=f"[compaction]\nbackground = false\n{extra}").start()
    ids, end = push(server)
    programs.http(server.url("/flush"), b"")
    status, text = programs.http(server.url("/compact"), b"", timeout=120)
    assert status in (200, 204), (status, text)
    return server, ids, end


def test_skips():
    """a needle is found, an absent one opens no page, and both say what the filter did"""
    with programs.folder() as folder:
        server, ids, end = compacted(folder)
        try:
            lines, pages, actual = ask(server, f'|= "{ABSENT}"', end)  # an id: no directory is read for it
            assert lines == 0 and pages["read"] == 0 and pages["objectsSkippedByFilter"] == actual["objectsConsidered"] > 0, (pages, actual)
            assert actual["objectsOpened"] == 0 and actual["objectsSkippedByFilter"] == pages["objectsSkippedByFilter"], actual
            ask(server, '|= "NeedleInHay"', end)  # no id; now directories are known
            lines, pages, actual = ask(server, f'|= "{ABSENT}"', end)
            assert lines == 0 and pages["read"] == 0 and pages["skippedByFilter"] > 15, pages
            assert pages["filterReads"] > 0 and pages["filterBytes"] > 0, pages
            assert actual["pagesSkippedByFilter"] == pages["skippedByFilter"] and actual["filterBytes"] == pages["filterBytes"], actual
            some = random.Random(4).sample(ids, 20)
            for id in some:
                lines, pages, _ = ask(server, f'|= "{id}"', end)
                assert lines == 1 and pages["skippedByFilter"] > 15, (id, lines, pages)
                lines, _, _ = ask(server, f'|= "{id[3:17]}"', end)
                assert lines == 1, id
            for pipeline in ('|= "NeedleInHay"', '|~ "(?i)needleinHAY"', '|~ "here is the N.*, once"', '| trace="only-here"', '| json | level="error"',
                             '| json | trace="only-here"', f'|= "{ABSENT}" or "NeedleInHay"', '| json | level="error" or level="fatal"', '| json | text=~".*NeedleInHay.*"'):
                lines, pages, _ = ask(server, pipeline, end)
                assert lines == 1 and pages["skippedByFilter"] > 10, (pipeline, lines, pages)
            for pipeline, expected in (('|= "error" != "NeedleInHay"', 0), (f'!= "{ABSENT}" |= "NeedleInHay" |= "once"', 1), ('| line_format "absent from here {{.app}}" |= "absent from"', 1000),
                                       (f'| trace="{ABSENT}"', 0)):
                lines, _, _ = ask(server, pipeline, end)
                assert lines == expected, (pipeline, lines)
            assert server.metric("skidway_server_query_filtered_pages_total") > 100
            assert server.metric("skidway_server_query_filtered_objects_total") > 1
            assert server.metric("skidway_server_query_filter_damaged_total") == 0
        finally:
            server.stop()


def test_damaged():
    """a damaged filter is left aside and counted; answers stay whole"""
    with programs.folder() as folder:
        server, ids, end = compacted(folder)
        try:
            server.stop()
            objects = glob.glob(f"{folder}/server/store/**/l2/*.lseg", recursive=True)
            assert objects
            for path in objects:
                with open(path, "r+b") as f:
                    data = f.read()
                    sections = int.from_bytes(data[-24:-16], "little")  # where their table begins; the grids end before them
                    f.seek(sections - 3000 - len(data) // 20)
                    f.write(b"\x55" * (len(data) // 20))
            server.start()
            for id in random.Random(5).sample(ids, 40):
                lines, pages, _ = ask(server, f'|= "{id}"', end)
                assert lines == 1, (id, pages)
            damaged = server.metric("skidway_server_query_filter_damaged_total")
            assert 0 < damaged <= 40 * len(objects), damaged
        finally:
            server.stop()


def test_off():
    """without filters every page is searched"""
    with programs.folder() as folder:
        server, ids, end = compacted(folder, "substring_filter = false\n")
        try:
            lines, pages, _ = ask(server, f'|= "{ABSENT}"', end)
            assert lines == 0 and pages["skippedByFilter"] == 0 and pages["withoutMatch"] > 15 and pages["filterBytes"] == 0, pages
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(programs.run_cases([test_skips, test_damaged, test_off]))
