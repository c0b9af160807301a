#!/usr/bin/env python3
"""Live tails of a running server: what a client of /loki/api/v1/tail sees."""
import base64
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402


class Tail:
    """A WebSocket client of the tail endpoint; `status` is 101 when it was upgraded, else `text` says why not."""

    def __init__(self, server, query, headers=(), **parameters):
        self.sock = socket.create_connection(("127.0.0.1", server.port), 20)
        key = base64.b64encode(os.urandom(16)).decode()
        target = "/loki/api/v1/tail?" + urllib.parse.urlencode({"query": query, **parameters})
        more = "".join(f"{name}: {value}\r\n" for name, value in headers)
        self.sock.sendall((f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                           f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{more}\r\n").encode())
        self.buffer = b""
        head = self._until(b"\r\n\r\n").decode()
        self.status = int(head.split()[1])
        self.closed = None
        self.pings = 0
        self.dropped = 0
        if self.status != 101:
            length = int([line for line in head.splitlines() if line.lower().startswith("content-length")][0].split(":")[1])
            self.text = self._take(length).decode()

    def _more(self):
        data = self.sock.recv(1 << 16)
        if not data:
            raise ConnectionError("closed")
        self.buffer += data

    def _until(self, mark):
        while mark not in self.buffer:
            self._more()
        at = self.buffer.index(mark) + len(mark)
        out, self.buffer = self.buffer[:at], self.buffer[at:]
        return out

    def _take(self, count):
        while len(self.buffer) < count:
            self._more()
        out, self.buffer = self.buffer[:count], self.buffer[count:]
        return out

    def frame(self):
        """The next document; None after a close frame."""
        while True:
            first, second = self._take(2)
            size = second & 127
            if size == 126:
                size = struct.unpack(">H", self._take(2))[0]
            elif size == 127:
                size = struct.unpack(">Q", self._take(8))[0]
            body = self._take(size)
            if first & 15 == 9:
                self.pings += 1
            elif first & 15 == 8:
                self.closed = (struct.unpack(">H", body[:2])[0], body[2:].decode())
                return None
            elif first & 15 == 1:
                return json.loads(body)

    def entries(self, count):
        """The next (time, line, stream) until there are `count`."""
        out = []
        while len(out) < count:
            document = self.frame()
            assert document is not None, f"closed: {self.closed}"
            self.dropped += len(document.get("dropped_entries", []))
            out += [(int(v[0]), v[1], s["stream"]) for s in document["streams"] for v in s["values"]]
        return out

    def close(self):
        self.sock.close()


def push(server, labels, lines, at=None, headers=()):
    at = at or time.time_ns()
    programs.push(server, labels, [(at + i, line) for i, line in enumerate(lines)], headers)


def wait_for_tails(server, count):
    until = time.monotonic() + 20
    while server.metric("skidway_server_tails") != count:
        assert time.monotonic() < until, "tails do not become " + str(count)
        time.sleep(0.02)


def history_then_live():
    """the newest entries of before come first, oldest first, then each entry as it is pushed, within a second"""
    with programs.Server() as server:
        push(server, {"app": "a"}, [f"h{i}" for i in range(20)], time.time_ns() - 10**9)
        tail = Tail(server, '{app="a"}', limit=5)
        assert [e[1] for e in tail.entries(5)] == ["h15", "h16", "h17", "h18", "h19"]
        for i in range(20):
            started = time.monotonic()
            push(server, {"app": "a"}, [f"live {i}"])
            assert [e[1] for e in tail.entries(1)] == [f"live {i}"]
            assert time.monotonic() - started < 5
        assert server.metric("skidway_server_tail_entries_sent_total") == 25
        tail.close()
        wait_for_tails(server, 0)


def each_entry_once():
    """tails that come while four senders push and flushes go on get each entry exactly once, in the order of its stream"""
    with programs.Server('\n[ingest]\nflush_interval = "100ms"\n') as server:
        started, per_sender, senders = time.time_ns() - 60 * 10**9, 300, 4

        def send(number):
            for i in range(per_sender):
                push(server, {"app": "a", "sender": str(number)}, [f"{number}/{i}"], started + i)

        threads = [threading.Thread(target=send, args=(n,)) for n in range(senders)]
        for thread in threads:
            thread.start()
        tails = []
        for _ in range(4):
            time.sleep(0.1)
            tails.append(Tail(server, '{app="a"}', limit=5000, start=started))
        for thread in threads:
            thread.join()
        for tail in tails:
            entries = tail.entries(per_sender * senders)
            for number in range(senders):
                mine = [line for _, line, stream in entries if stream["sender"] == str(number)]
                assert mine == [f"{number}/{i}" for i in range(per_sender)], mine[:10]
            tail.close()


def pipelines():
    """filters, parsers and formats apply to history and live entries alike; labels apart where asked for"""
    with programs.Server() as server:
        query = '{app="a"} | json | level="error" | line_format "{{.msg}}"'
        lines = ['{"level":"info","msg":"no"}', '{"level":"error","msg":"yes"}']
        push(server, {"app": "a"}, lines, time.time_ns() - 10**9)
        tail = Tail(server, query)
        apart = Tail(server, '{app="a"} |= "yes" | json', headers=[("X-Loki-Response-Encoding-Flags", "categorize-labels")])
        first = tail.entries(1)[0]
        assert apart.frame()["encodingFlags"] == ["categorize-labels"]
        wait_for_tails(server, 2)
        push(server, {"app": "a"}, lines)
        second = tail.entries(1)[0]
        assert first[1:] == second[1:] and first[1] == "yes" and first[2]["level"] == "error", (first, second)
        value = apart.frame()["streams"][0]["values"][0]
        assert value[2]["parsed"] == {"level": "error", "msg": "yes"}, value


def refusals():
    """what is wrong with the request is an HTTP answer; too many tails are closed with Loki's text"""
    with programs.Server("max_concurrent_tail_requests = 2\n") as server:
        for query, parameters, text in (('{app="a"', {}, "parse error at line 1, col 9"),
                                        ('rate({app="a"}[1m])', {}, "only log selector is supported"),
                                        ('{app="a"}', {"delay_for": 6}, "delay_for can't be greater than 5")):
            tail = Tail(server, query, **parameters)
            assert tail.status == 400 and tail.text.startswith(text), (tail.status, tail.text)
        assert programs.http(server.url("/loki/api/v1/tail?query=%7Ba%3D%22b%22%7D")) == (400, b"Bad Request\n")
        two = [Tail(server, '{app="a"}') for _ in range(2)]
        wait_for_tails(server, 2)
        third = Tail(server, '{app="a"}')
        assert third.frame() is None
        assert third.closed == (1011, "max concurrent tail requests limit exceeded, count > limit (3 > 2)"), third.closed
        for tail in two:
            tail.close()


def tenants():
    """a tail sees its own tenant only"""
    with programs.folder() as folder:
        server = programs.server(folder, extra='\n[tenancy]\nmode = "header"\n').start()
        try:
            assert Tail(server, '{app="a"}').status == 401
            tail = Tail(server, '{app="a"}', headers=[("X-Scope-OrgID", "one")])
            wait_for_tails(server, 1)
            push(server, {"app": "a"}, ["theirs"], headers=[("X-Scope-OrgID", "two")])
            push(server, {"app": "a"}, ["mine"], headers=[("X-Scope-OrgID", "one")])
            assert tail.entries(1)[0][1] == "mine"
        finally:
            server.kill()


def pings_and_delay():
    """the server pings every second, and delay_for holds entries back and sorts them"""
    with programs.Server() as server:
        tail = Tail(server, '{app="a"}', delay_for=2)
        wait_for_tails(server, 1)
        now = time.time_ns()
        push(server, {"app": "a", "s": "1"}, ["second"], now)
        push(server, {"app": "a", "s": "2"}, ["first"], now - 10**6)
        assert [e[1] for e in tail.entries(2)] == ["first", "second"]
        assert time.time_ns() - now > 2 * 10**9
        assert tail.pings >= 1


def slow_client():
    """a client that does not read costs bounded memory; what it missed is counted and named to it"""
    with programs.Server() as server:
        slow, fast = Tail(server, '{app="a"}', limit=1), Tail(server, '{app="a"} |= "last"', limit=1)
        wait_for_tails(server, 2)
        line = "x" * 100_000
        for i in range(60):
            push(server, {"app": "a"}, [line] * 10)
        dropped = server.metric("skidway_server_tail_dropped_entries_total")
        assert dropped > 0
        push(server, {"app": "a"}, ["last"])
        assert fast.entries(1)[0][1] == "last"
        while slow.dropped == 0:
            slow.entries(1)
            push(server, {"app": "a"}, ["more"])


def command_line():
    """skidway tail shows history and live entries, and goes on after the server was restarted"""
    with programs.Server() as server:
        push(server, {"app": "a"}, ["before"], time.time_ns() - 10**9)
        with subprocess.Popen([programs.CLI, "tail", "-o", "raw", "--min-backoff", "50ms", "--addr", server.url(""), '{app="a"}'],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as cli:
            try:
                assert cli.stdout.readline() == "before\n"
                wait_for_tails(server, 1)
                push(server, {"app": "a"}, ["live"])
                assert cli.stdout.readline() == "live\n"
                server.stop()
                server.start()
                push(server, {"app": "a"}, ["while it was away"])
                wait_for_tails(server, 1)
                push(server, {"app": "a"}, ["after"])
                assert [cli.stdout.readline() for _ in range(2)] == ["while it was away\n", "after\n"]
            finally:
                cli.terminate()


if __name__ == "__main__":
    sys.exit(programs.run_cases([history_then_live, each_entry_once, pipelines, refusals, tenants, pings_and_delay, slow_client, command_line]))
