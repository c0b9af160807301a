#!/usr/bin/env python3
"""What the server's door costs, measured on the real program.

usage: push_bench.py [tiny] [streams] [index] [--seconds N] [--rate N] [--streams N]
  tiny      the processor time of the server while clients push one short line each, --rate pushes a second in sum
  streams   the largest resident memory while --streams distinct streams come in, one line each, in pushes of 1,000, are flushed, queried, merged
            and queried again
  index     what label names, values, series, statistics and one stream cost with --streams streams: the first time and the next, before a merge and after it
With --assert it fails where a bound is missed: 0.15 core for 1,000 pushes a second, 512 MiB for a million streams through all of it.
"""
import argparse
import os
import socket
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import programs  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) / 1024


def request(body):
    return b"POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def read_answer(connection):
    got = b""
    while b"\r\n\r\n" not in got:
        more = connection.recv(65536)
        assert more, "the server closed the connection"
        got += more
    assert got.startswith(b"HTTP/1.1 204"), got[:300]


def tiny(server, seconds, rate):
    """Each of 50 clients pushes and waits for its answer, `rate` pushes a second in sum."""
    clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
    before, started = processor_seconds(server.process.pid), time.monotonic()
    pushed = 0
    while (now := time.monotonic() - started) < seconds:
        due = int(now * rate) // len(clients) * len(clients)
        if pushed >= due:
            time.sleep(0.001)
            continue
        for n, client in enumerate(clients):
            body = b'{"streams":[{"stream":{"app":"tiny","client":"%d"},"values":[["%d","a short line of a small client"]]}]}' % (n, time.time_ns())
            client.sendall(request(body))
        for client in clients:
            read_answer(client)
        pushed += len(clients)
    took = time.monotonic() - started
    cores = (processor_seconds(server.process.pid) - before) / took
    print(f"tiny: {pushed / took:.0f} pushes/s, {cores:.3f} core, {cores / (pushed / took) * 1e6:.0f} us of processor a push", flush=True)
    return cores / (pushed / took) * 1000 <= 0.15


def push_streams(server, count):
    """One line each; the time of the last."""
    client = socket.create_connection(("127.0.0.1", server.port))
    for first in range(0, count, 1000):
        now = time.time_ns()
        one = ",".join(f'{{"stream":{{"app":"wide","pod":"{pod_name(n)}","namespace":"shop-{n % 50}"}},"values":[["{now}","line of {n}"]]}}'
                       for n in range(first, min(first + 1000, count)))
        client.sendall(request(f'{{"streams":[{one}]}}'.encode()))
        read_answer(client)
    status, text = programs.http(server.url("/flush"), data=b"", timeout=300)
    assert status == 204, text
    return time.time_ns()


def pod_name(n):
    return f"pod-{n:07d}-{n * 2654435761 % 2**32:08x}"


def count_all(server, count, end):
    found = server.count('{app="wide"}', window="1h", at=end)
    assert found == count, f"{found} of {count} entries"


def compact(server):
    status, text = programs.http(server.url("/compact"), data=b"", timeout=600)
    assert status in (200, 204), (status, text)


def streams(server, count):
    pid, started = server.process.pid, time.monotonic()
    end = push_streams(server, count)
    peaks = [("while they came", peak_mib(pid))]
    took = time.monotonic() - started
    count_all(server, count, end)
    peaks.append(("with a count over all", peak_mib(pid)))
    compact(server)
    peaks.append(("with a merge", peak_mib(pid)))
    count_all(server, count, end)
    peaks.append(("with a count after it", peak_mib(pid)))
    print(f"streams: {count} in {took:.1f} s, resident at most " + ", ".join(f"{mib:.0f} MiB {when}" for when, mib in peaks), flush=True)
    return peaks[-1][1] <= 512


def index(server, count):
    end = push_streams(server, count)
    pid, times = server.process.pid, {"start": str(end - 3600 * 10**9), "end": str(end)}
    one = pod_name(count // 3)
    asked = [("labels", "labels", times), ("values of a label with few", "label/namespace/values", times), ("values of a label with all", "label/pod/values", times),
             ("values for a selector", "label/pod/values", dict(times, query='{namespace="shop-7"}')),
             ("series of one", "series", dict(times, match=f'{{pod="{one}"}}')), ("series of a fiftieth", "series", dict(times, match='{namespace="shop-7"}')),
             ("series of all", "series", times), ("index/stats", "index/stats", dict(times, query='{app="wide"}')),
             ("index/volume by namespace", "index/volume", dict(times, query='{app="wide"}', targetLabels="namespace")),
             ("lines of one stream", "query_range", dict(times, query=f'{{pod="{one}"}}', limit="10")),
             ("count of one stream", "query", dict(query=f'count_over_time({{pod="{one}"}}[1h])', time=str(end)))]
    for state in ("before a merge", "after it"):
        for what, path, parameters in asked:
            figures = []
            for _ in range(2):
                before, started = processor_seconds(pid), time.monotonic()
                status, body = programs.http(server.url(f"/loki/api/v1/{path}?" + urllib.parse.urlencode(parameters)), timeout=300)
                assert status == 200, (what, status, body[:300])
                figures.append(f"{(time.monotonic() - started) * 1000:.0f} ms ({processor_seconds(pid) - before:.2f} s of processor)")
            print(f"index: {count} streams, {state}: {what}: {figures[0]}, again {figures[1]}, {len(body)} bytes", flush=True)
        if state == "before a merge":
            compact(server)
    print(f"index: {peak_mib(pid):.0f} MiB resident at most", flush=True)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", default=["tiny", "streams"], choices=["tiny", "streams", "index"])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--streams", type=int, default=1_000_000)
    parser.add_argument("--assert", dest="strict", action="store_true")
    args = parser.parse_args()
    good = True
    for row in args.rows:
        with programs.folder() as folder:
            server = programs.server(folder).start()
            try:
                good &= tiny(server, args.seconds, args.rate) if row == "tiny" else {"streams": streams, "index": index}[row](server, args.streams)
            finally:
                server.kill()
    return 0 if good or not args.strict else 1


if __name__ == "__main__":
    sys.exit(main())
