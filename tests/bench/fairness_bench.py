#!/usr/bin/env python3
"""How long a cheap query takes on an idle server, and beside twenty heavy ones: of its own tenant, and of another.

  fairness_bench.py [--megabytes 40] [--rounds 200] [--heavy 20] [--cpus 1]

Starts a server of its own on the first CPUs, asks from the others, on connections that are kept. Prints the median and the 95th percentile in milliseconds of
each cheap query, alone and beside, and what two tenants get of the server when one sends all the heavy queries and the other a single one. Goal: p95 beside below
twice p95 alone. SKIDWAY_BUILD names the build; use an optimised one, and a quiet machine: of a busy one others take most, and give it back a tick (4 ms) later.
"""
import argparse
import http.client
import json
import multiprocessing
import os
import random
import statistics
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
import programs  # noqa: E402

START = 1_700_000_000_000_000_000
END = START + 3600 * 10**9
CHEAP = {
    "last 100 lines": ("query_range", {"query": '{app="quiet"}', "start": str(START), "end": str(END), "limit": "100"}),
    "count of a stream": ("query", {"query": 'sum(count_over_time({app="quiet"}[2h]))', "time": str(END)}),
    "lines by level": ("query_range", {"query": 'sum by (level) (count_over_time({app="quiet"} | logfmt [5m]))', "start": str(START), "end": str(END), "step": "60"}),
}
HEAVY = [
    " + ".join(["sum(count_over_time({app=~`loud-.`} |~ `(\\d{1,3}[.:]){3}\\d{1,3}z` [2h]))"] * 8),
    " + ".join(["sum(sum by (peer) (count_over_time({app=~`loud-.`} | logfmt [2h])))"] * 2),
]


class Client:
    """A connection that is kept, of one tenant."""

    def __init__(self, server, tenant):
        self.port, self.headers = server.port, {"X-Scope-OrgID": tenant}
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)

    def ask(self, path, parameters):
        """Seconds until the whole answer is here."""
        began = time.monotonic()
        self.connection.request("GET", f"/loki/api/v1/{path}?{urllib.parse.urlencode(parameters)}", headers=self.headers)
        answer = self.connection.getresponse()
        body = answer.read()
        took = time.monotonic() - began
        assert answer.status == 200, (answer.status, body[:300])
        assert json.loads(body)["status"] == "success", body[:300]
        return took


def push(server, tenant, streams):
    body = json.dumps({"streams": [{"stream": {"app": app}, "values": values} for app, values in streams.items()]}).encode()
    status, text = programs.http(server.url("/loki/api/v1/push"), body, {"Content-Type": "application/json", "X-Scope-OrgID": tenant})
    assert status == 204, (status, text)


def fill(server, megabytes):
    """Of two tenants: loud streams, and a quiet one of 3,000 lines."""
    rng = random.Random(1)

    def values(first, count):
        return [[str(START + (first + i) * 10**6), f"level={rng.choice(['info', 'warn', 'error'])} peer=10.1.{rng.randrange(256)}.{rng.randrange(256)} "
                 f"id={rng.getrandbits(64):x} msg=\"" + "took a while " * 10 + '"'] for i in range(count)]

    for tenant in ("one", "two"):
        for n in range(megabytes):
            push(server, tenant, {f"loud-{i}": values(n * 1000, 1000) for i in range(5)})
        push(server, tenant, {"quiet": values(0, 3000)})
    for path in ("/flush", "/compact"):
        assert programs.http(server.url(path), b"", timeout=600)[0] == 204


class Load:
    """So many heavy queries of a tenant at any moment, until the end of the `with`. From a process of its own: threads of this one would hold up its clock."""

    def __init__(self, server, tenant, count):
        context = multiprocessing.get_context("fork")
        self.server, self.count, self.over, self.total = server, count, context.Event(), context.Value("q", 0)
        self.process = context.Process(target=self.run_all, args=(tenant,))

    def run_all(self, tenant):
        threads = [threading.Thread(target=self.run, args=(tenant, HEAVY[i % len(HEAVY)])) for i in range(self.count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def run(self, tenant, query):
        client = Client(self.server, tenant)
        while not self.over.is_set():
            client.ask("query", {"query": query, "time": str(END)})
            with self.total.get_lock():
                self.total.value += 1

    @property
    def done(self):
        return self.total.value

    def __enter__(self):
        self.process.start()
        while self.server.metric("skidway_server_query_running") < self.count:
            time.sleep(0.01)
        return self

    def __exit__(self, *_):
        self.over.set()
        self.process.join()


def quantiles(took):
    took = sorted(took)
    return took[len(took) // 2] * 1e3, took[len(took) * 95 // 100] * 1e3


def cheap(server, tenant, rounds):
    """By query: p50 and p95 in milliseconds."""
    client = Client(server, tenant)
    out = {}
    for name, question in CHEAP.items():
        for _ in range(10):
            client.ask(*question)
        took = []
        for _ in range(rounds):
            took.append(client.ask(*question))
            time.sleep(0.005)
        out[name] = quantiles(took)
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--heavy", type=int, default=20)
    parser.add_argument("--cpus", type=int, default=1)
    args = parser.parse_args()
    all_cpus = sorted(os.sched_getaffinity(0))
    with programs.folder() as folder:
        server = programs.server(folder, extra='[cache]\nresults = "0"\n[tenancy]\nmode = "header"\n')
        os.sched_setaffinity(0, all_cpus[:args.cpus])
        server.start()
        os.sched_setaffinity(0, all_cpus[args.cpus:] or all_cpus)
        try:
            fill(server, args.megabytes)
            alone = cheap(server, "one", args.rounds)
            beside = {}
            for whose, tenant in (("its own", "one"), ("another", "two")):
                with Load(server, tenant, args.heavy):
                    beside[whose] = cheap(server, "one", args.rounds)
            print(f"{'ms':20} {'alone p50':>10} {'p95':>7} | {'beside its own tenant p50':>26} {'p95':>7} {'ratio':>6} | {'another p50':>12} {'p95':>7} {'ratio':>6}")
            for name in CHEAP:
                (a50, a95), (b50, b95), (c50, c95) = alone[name], beside["its own"][name], beside["another"][name]
                print(f"{name:20} {a50:10.2f} {a95:7.2f} | {b50:26.2f} {b95:7.2f} {b95 / a95:6.2f} | {c50:12.2f} {c95:7.2f} {c95 / a95:6.2f}")
            sys.stdout.flush()
            lone = Client(server, "one")
            one = statistics.median(lone.ask("query", {"query": HEAVY[0], "time": str(END)}) for _ in range(3))
            with Load(server, "two", args.heavy):
                shared = statistics.median(lone.ask("query", {"query": HEAVY[0], "time": str(END)}) for _ in range(3))
            print(f"a heavy query alone {one:.2f} s, beside {args.heavy} of another tenant {shared:.2f} s: its tenant gets {one / shared:.2f} of the server, half would be fair")
        finally:
            server.stop(600)


if __name__ == "__main__":
    main()
