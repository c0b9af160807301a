#!/usr/bin/env python3
"""How long Grafana's Explore waits when it is opened on the last 24 hours: labels, the volume histogram, 1,000 lines and the detected fields.

  explore_bench.py [--megabytes 2000] [--rounds 9] [--url http://127.0.0.1:3100 --end NS]

Fills a server of its own with that much raw text (24 h, 48 streams), flushes, compacts, asks once to warm up and then some rounds: the four
questions one after the other, and at once as a browser asks them. Prints the median and the worst round in milliseconds. Goal with 2,000 MB: below 300
for the four together, on an idle machine. With --url it asks a server that is filled already. SKIDWAY_BUILD names the build; use an optimised one.
"""
import argparse
import concurrent.futures
import json
import os
import statistics
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
import programs  # noqa: E402

SECOND = 10**9
DAY = 24 * 3600 * SECOND
STREAMS = 48
BATCH = 4000  # lines of one push
LEVELS = ["info"] * 17 + ["warn", "warn", "error"]


def streams():
    for i in range(STREAMS):
        yield {"cluster": "eu", "namespace": f"team-{i % 6}", "app": f"service-{i % 12}", "pod": f"service-{i % 12}-{i:02d}"}


def line(i):
    level = LEVELS[i * 7 % len(LEVELS)]
    return (f'ts=2026-11-20T10:{i % 60:02d}:00Z level={level} caller=handler.go:{i % 400} msg="served request" method=GET path=/api/v1/items/{i % 977} '
            f"status={200 if level != 'error' else 500} took={i % 913}ms bytes={i * 37 % 65536} user=user-{i % 211} trace_id={i * 2654435761 % 2**64:016x}")


def fill(server, megabytes, end):
    """Round after round of one push per stream, each a slice of the day."""
    size = len(line(12345)) + 1
    per_stream = megabytes * 10**6 // size // STREAMS
    rounds = max(1, per_stream // BATCH)
    step = DAY // (rounds * BATCH)
    lines = [json.dumps(line(i)) for i in range(BATCH * 8)]
    sent = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for r in range(rounds):
            jobs = []
            for n, labels in enumerate(streams()):
                begin = end - DAY + r * BATCH * step + n
                values = ",".join(f'["{begin + i * step}",{lines[(i + n * 31 + r * 7) % len(lines)]}]' for i in range(BATCH))
                body = ('{"streams":[{"stream":%s,"values":[%s]}]}' % (json.dumps(labels), values)).encode()
                jobs.append(pool.submit(programs.http, server.url("/loki/api/v1/push"), body, {"Content-Type": "application/json"}))
                sent += BATCH * size
            for job in jobs:
                status, text = job.result()
                while status == 503:
                    time.sleep(1)
                    status, text = programs.http(server.url("/loki/api/v1/push"), body, {"Content-Type": "application/json"})
                assert status == 204, text
            print(f"\r{sent // 10**6} of {megabytes} MB", end="", file=sys.stderr)
    print(file=sys.stderr)
    for path in ("/flush", "/compact"):
        status, text = programs.http(server.url(path), b"", timeout=1200)
        assert status == 204, text


def questions(end):
    times = {"start": str(end - DAY), "end": str(end)}
    selector = '{cluster="eu", app="service-3"}'
    return {
        "labels": ("/loki/api/v1/labels", times),
        "volume histogram": ("/loki/api/v1/query_range", {**times, "step": "300000ms",
                             "query": "sum by (level, detected_level) (count_over_time(%s | drop __error__[5m]))" % selector}),
        "1000 lines": ("/loki/api/v1/query_range", {**times, "query": selector, "limit": "1000", "direction": "backward", "step": "60000ms"}),
        "detected fields": ("/loki/api/v1/detected_fields", {**times, "query": selector, "line_limit": "1000"}),
    }


def ask(url, question):
    path, parameters = question
    started = time.monotonic()
    status, body = programs.http(url + path + "?" + urllib.parse.urlencode(parameters), headers={"X-Loki-Response-Encoding-Flags": "categorize-labels"})
    assert status == 200, body[:300]
    json.loads(body)
    return (time.monotonic() - started) * 1000


def measure(url, end, rounds):
    asked = questions(end)
    for question in asked.values():
        ask(url, question)
    alone = {name: [ask(url, question) for _ in range(rounds)] for name, question in asked.items()}
    together = []
    with concurrent.futures.ThreadPoolExecutor(len(asked)) as pool:
        for _ in range(rounds):
            started = time.monotonic()
            list(pool.map(lambda q: ask(url, q), asked.values()))
            together.append((time.monotonic() - started) * 1000)
    print(f"{'ms':20} {'median':>8} {'worst':>8}")
    for name, took in [*alone.items(), ("all four at once", together)]:
        print(f"{name:20} {statistics.median(took):8.1f} {max(took):8.1f}")
    print(f"{'sum of the four':20} {sum(statistics.median(t) for t in alone.values()):8.1f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--url")
    parser.add_argument("--end", type=int, default=int(time.time()) * SECOND)
    args = parser.parse_args()
    if args.url:
        return measure(args.url, args.end, args.rounds)
    with programs.folder() as folder:
        server = programs.server(folder, extra='[cache]\nresults = "0"\n').start()  # the engine is measured, not the cache of answers
        try:
            fill(server, args.megabytes, args.end)
            measure(server.url(""), args.end, args.rounds)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
