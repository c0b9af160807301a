#!/usr/bin/env python3
"""Does the server's memory stay flat? Pushes at a steady rate for a long time, with one wide query after the other beside them.

usage: soak_bench.py [--seconds N] [--megabytes N] [--streams N]

Each second `--megabytes` of raw lines are pushed, over `--streams` streams. A wide query counts the lines of the last minute of all streams by
status, and is asked again ten seconds after its answer. Objects that were merged stay for five minutes only, so that some 40 GB of disk are enough for an hour.
Every minute a line tells the resident memory, the processor time, and what was stored. At its end it fails if the memory was ever above 256 MiB, if it grew by
more than a tenth between the second quarter and the last, if an entry is missing, or a query is refused.
"""
import argparse
import http.client
import os
import random
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402
import push_bench  # noqa: E402

MOST_MIB = 256
SECOND = b"@SECOND@@@"  # stands for the ten digits of a second
BODY_BYTES = 1 << 20
WORDS = "accepted cache charge checkout client closed connection cookie customer deadline expired fetch handler index invoice key lease login miss order page payment pod query queue refused retry session shard token upstream user".split()


def resident_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) / 1024


def line(rng):
    return (f"level={rng.choice(('info', 'info', 'info', 'warn', 'error'))} status={rng.choice((200, 200, 200, 204, 404, 500))} trace={rng.getrandbits(64):016x} "
            f"took={rng.randint(1, 9000)}ms msg='{' '.join(rng.choice(WORDS) for _ in range(rng.randint(4, 14)))}' user={rng.randint(1, 5000)}")


class Body:
    """A push of about 1 MiB of raw lines; `at(second)` is what is sent in that second, no two entries of one stream with the same time."""

    def __init__(self, rng, number, streams):
        self.raw = self.entries = 0
        nanos = number * 1_000_000
        parts = []
        for stream in ((number * 50 + i) % streams for i in range(min(streams, 50))):
            values = []
            while self.raw < BODY_BYTES * (len(parts) + 1) / 50:
                text = line(rng)
                values.append(f'["{SECOND.decode()}{nanos + self.entries:09d}","{text}"]')
                self.raw += len(text)
                self.entries += 1
            parts.append(f'{{"stream":{{"app":"soak","pod":"pod-{stream:04d}","namespace":"ns-{stream % 20}"}},"values":[{",".join(values)}]}}')
        self.text = f'{{"streams":[{",".join(parts)}]}}'.encode()

    def at(self, second):
        return self.text.replace(SECOND, b"%010d" % second)


class WideQuery(threading.Thread):
    def __init__(self, port, done):
        super().__init__(daemon=True)
        self.port, self.done, self.answers, self.slowest, self.refusal = port, done, 0, 0.0, None

    def run(self):
        while not self.done.wait(10):
            started = time.monotonic()
            asked = urllib.parse.urlencode({"query": 'sum by (status) (count_over_time({app="soak"} | logfmt [1m]))'})
            status, body = programs.http(f"http://127.0.0.1:{self.port}/loki/api/v1/query?{asked}", timeout=600)
            if status != 200:
                self.refusal = (status, body[:300])
                return
            self.answers, self.slowest = self.answers + 1, max(self.slowest, time.monotonic() - started)


def soak(server, args):
    rng = random.Random(7)
    bodies = [Body(rng, number, args.streams) for number in range(max(args.megabytes, 1))]
    pid, client = server.process.pid, http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    done = threading.Event()
    query = WideQuery(server.port, done)
    query.start()
    first, sent_entries, sent_bytes, memory = int(time.time()), 0, 0, []
    cpu, told, most_behind = push_bench.processor_seconds(pid), time.monotonic(), 0.0
    for second in range(first, first + args.seconds):
        time.sleep(max(0.0, second - time.time()))
        most_behind = max(most_behind, time.time() - second)
        for body in bodies:
            client.request("POST", "/loki/api/v1/push", body.at(second), {"Content-Type": "application/json"})
            answer = client.getresponse()
            text = answer.read()
            assert answer.status == 204, (answer.status, text[:300])
            sent_entries, sent_bytes = sent_entries + body.entries, sent_bytes + body.raw
        memory.append(resident_mib(pid))
        if (second - first) % 60 == 59:
            now, spent = time.monotonic(), push_bench.processor_seconds(pid)
            print(f"{(second - first) // 60 + 1} min: {memory[-1]:.0f} MiB resident (at most {max(memory[-60:]):.0f}), {(spent - cpu) / (now - told):.2f} core, {sent_bytes / 1e9:.1f} GB sent, "
                  f"{query.answers} wide queries, slowest {query.slowest:.1f} s, at most {most_behind:.1f} s behind", flush=True)
            cpu, told, most_behind = spent, now, 0.0
    done.set()
    query.join()
    quarter = max(len(memory) // 4, 1)
    early, late, peak = max(memory[quarter:2 * quarter] or memory), max(memory[-quarter:]), push_bench.peak_mib(pid)
    found = server.count('{app="soak"}', window=f"{args.seconds + 3600}s", at=time.time_ns())
    print(f"soak: {sent_bytes / 1e9:.1f} GB and {sent_entries} entries in {args.seconds} s, resident at most {peak:.0f} MiB, second quarter {early:.0f}, last {late:.0f}; {found} entries found", flush=True)
    if query.refusal:
        print(f"soak: a wide query was refused: {query.refusal}")
    return not query.refusal and peak <= MOST_MIB and late <= 1.1 * early and found == sent_entries


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--megabytes", type=int, default=50, help="of raw lines a second")
    parser.add_argument("--streams", type=int, default=1000)
    args = parser.parse_args()
    with programs.folder() as folder:
        server = programs.server(folder, extra='[compaction]\ngrace = "5m"\n').start()
        try:
            return 0 if soak(server, args) else 1
        finally:
            server.kill()


if __name__ == "__main__":
    sys.exit(main())
