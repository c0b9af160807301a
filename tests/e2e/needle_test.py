#!/usr/bin/env python3
"""A needle in many objects of a real bucket (Ceph's radosgw), counted in requests and bytes: one small read of an object says
whether it has an id, filters say on which pages.

usage: needle_test.py [--megabytes N] [--hours N]
Each hour becomes an object. The server has no caches but that of directories, so each question shows what it costs.
"""
import argparse
import json
import os
import random
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import object_stores  # noqa: E402
import programs  # noqa: E402

BUCKET = "skidway-needles"
START = 1_700_000_000 // 3600 * 3600 * 10**9
HOUR = 3600 * 10**9
HITS = 3
BLOCK = 16 << 10  # of an id set: more than a hundredth of the smallest objects
NO_CACHE = '[cache]\nmemory = "0"\ndisk = "0"\nresults = "0"\n'


def fill(server, megabytes, hours):
    """Lines of about 220 bytes with random ids, six apps; the ids of HITS of the hours."""
    rng, needles = random.Random(5), []
    words = "cache miss for the key of a session, fetched from the store again after a pause".split()
    for hour in range(hours):
        sent, at = 0, START + hour * HOUR
        while sent < megabytes * 1e6 / hours:
            streams = []
            for app in "abcdef":
                values = []
                for _ in range(1500):
                    at += 100_000
                    line = '{"level":"%s","id":"%032x","took":%d,"text":"%s %s"}' % (
                        rng.choice(("info", "warn")), rng.getrandbits(128), rng.getrandbits(20), " ".join(words[:rng.randrange(5, 15)]), words[rng.randrange(15)] * 5)
                    values.append([str(at), line])
                    sent += len(line)
                streams.append({"stream": {"app": app}, "values": values})
            status, text = programs.http(server.url("/loki/api/v1/push"), json.dumps({"streams": streams}).encode(), {"Content-Type": "application/json"}, timeout=60)
            assert status == 204, (status, text)
        if hour % max(1, hours // HITS) == 0 and len(needles) < HITS:
            needles.append(json.loads(values[len(values) // 2][1])["id"])
    for path in ("/flush", "/compact"):
        status, text = programs.http(server.url(path), b"", timeout=600)
        assert status in (200, 204), (path, status, text)
    return needles


def ask(server, needles, hours):
    """(lines, GETs, bytes received) of one question over everything."""
    pipeline = " or ".join(f'"{needle}"' for needle in needles)
    parameters = {"query": '{app=~".+"} |= ' + pipeline, "start": str(START), "end": str(START + hours * HOUR), "limit": "100"}
    before = gets(server), server.metric("skidway_server_s3_received_bytes_total")
    status, body = programs.http(server.url("/loki/api/v1/query_range?" + urllib.parse.urlencode(parameters)), timeout=120)
    assert status == 200, (status, body)
    lines = sum(len(s["values"]) for s in json.loads(body)["data"]["result"])
    return lines, int(gets(server) - before[0]), int(server.metric("skidway_server_s3_received_bytes_total") - before[1])


def gets(server):
    return server.metric('skidway_server_s3_requests_total{operation="get",status="2xx"}')


def requests_of_hit(asked):
    """The directory, ranges of the filter for each of the ids asked for, columns of a page."""
    return 1 + 6 * asked + 4


def learn_directories(server, hours):
    parameters = {"query": '{app=~".+"}', "start": str(START), "end": str(START + hours * HOUR)}
    status, body = programs.http(server.url("/loki/api/v1/index/stats?" + urllib.parse.urlencode(parameters)), timeout=120)
    assert status == 200 and json.loads(body)["entries"] > 0, (status, body)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=96)
    parser.add_argument("--hours", type=int, default=16)
    args = parser.parse_args()
    rng = random.Random(6)
    with programs.folder() as folder, object_stores.Radosgw(f"{folder}/radosgw") as store:
        store.make_bucket(BUCKET)
        extra = store.settings(BUCKET, "needles") + "[compaction]\nbackground = false\n"
        server = programs.server(folder, extra=extra + NO_CACHE).start()
        try:
            needles = fill(server, args.megabytes, args.hours)
            stored = server.metric("skidway_server_store_live_bytes")
            objects = int(server.metric("skidway_server_store_live_objects"))
            print(f"{args.megabytes:.0f} MB in {objects} objects of {stored / objects / 1e6:.1f} MB", flush=True)
            assert args.hours <= objects <= 2 * args.hours, objects

            def told(what, needles):
                started = time.monotonic()
                lines, requests, received = ask(server, needles, args.hours)
                print(f"{what}: {lines} lines, {requests} GETs, {received / 1e3:.0f} kB = {received / stored:.2%} of what is stored, "
                      f"{(time.monotonic() - started) * 1e3:.0f} ms", flush=True)
                assert lines == len([n for n in needles if n in here]), lines
                return requests, received

            most_bytes = max(stored / 100, objects * BLOCK)
            here = set(needles)
            absent = [f"{rng.getrandbits(128):032x}" for _ in range(2)]
            server.stop()
            server.start()
            requests, received = told("cold, an absent id", absent[:1])
            assert requests <= objects, "one for each object"
            assert received <= most_bytes
            assert server.metric("skidway_server_query_filtered_objects_total") == objects
            requests, received = told("one id that is there", needles[:1])
            assert requests <= objects + requests_of_hit(1)
            requests, _ = told("three ids that are there", needles)
            assert requests <= HITS * (objects + requests_of_hit(HITS))
            learn_directories(server, args.hours)
            requests, received = told("directories known, another absent id", absent[1:])
            assert requests <= objects, "one for each object"
            assert received <= most_bytes
            print("1 passed, 0 failed")
        finally:
            server.stop()


if __name__ == "__main__":
    main()
