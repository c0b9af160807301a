#!/usr/bin/env python3
"""What the server's door costs, measured on the real program.

usage: push_bench.py [tiny] [streams] [--seconds N] [--rate N] [--streams N]
  tiny      the processor time of the server while clients push one short line each, --rate pushes a second in sum
  streams   the largest resident memory while --streams distinct streams come in, one line each, in pushes of 1,000, are flushed and queried
With --assert it fails where a bound is missed: 0.15 core for 1,000 pushes a second, 512 MiB for a million streams.
"""
import argparse
import os
import socket
import sys
import time

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


def streams(server, count):
    client = socket.create_connection(("127.0.0.1", server.port))
    started = time.monotonic()
    for first in range(0, count, 1000):
        now = time.time_ns()
        one = ",".join(f'{{"stream":{{"app":"wide","pod":"pod-{n:07d}-{n * 2654435761 % 2**32:08x}","namespace":"shop"}},"values":[["{now}","line of {n}"]]}}' for n in range(first, first + 1000))
        client.sendall(request(f'{{"streams":[{one}]}}'.encode()))
        read_answer(client)
    pushed = time.monotonic() - started
    at_push = peak_mib(server.process.pid)
    status, text = programs.http(server.url("/flush"), data=b"", timeout=300)
    assert status == 204, text
    found = server.count('{app="wide"}', window="1h", at=time.time_ns())
    assert found == count, f"{found} of {count} entries"
    peak = peak_mib(server.process.pid)
    print(f"streams: {count} in {pushed:.1f} s, {at_push:.0f} MiB resident at most while they came, {peak:.0f} MiB with flush and a count over all", flush=True)
    return at_push <= 512


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", default=["tiny", "streams"], choices=["tiny", "streams"])
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
                good &= tiny(server, args.seconds, args.rate) if row == "tiny" else streams(server, args.streams)
            finally:
                server.kill()
    return 0 if good or not args.strict else 1


if __name__ == "__main__":
    sys.exit(main())
