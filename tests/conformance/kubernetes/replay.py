"""A server that replays recorded answers of a kube-apiserver: their bytes, framing and chunks, in the recorded order, with waiting shortened.

    replay = Replay()
    replay.plan(r"/api/v1/pods\\?.*sendInitialEvents", recorded("112-422-watchlist-disabled"))
    replay.plan(r"/api/v1/pods\\?.*watch=true", watch("060-watch-pods-node-a"), hold())
    replay.start()

A request is answered by the first plan whose pattern its target matches; of a plan's answers each is given once, the last again and again.
"""
import json
import os
import re
import socket
import threading
import time

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "recorded")
LONGEST_WAIT = 0.03  # seconds between two chunks, whatever it was


def read(name):
    with open(os.path.join(FOLDER, name), "rb") as f:
        return f.read()


def lines(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def index():
    return {entry["name"]: entry for entry in lines("index.jsonl")}


def split_chunks(raw):
    """(head, [chunk with its framing], the rest) of a chunked answer."""
    end = raw.index(b"\r\n\r\n") + 4
    head, at, chunks = raw[:end], end, []
    while at < len(raw):
        line_end = raw.index(b"\r\n", at)
        size = int(raw[at:line_end].split(b";")[0], 16)
        if size == 0:
            return head, chunks, raw[at:]
        chunks.append(raw[at:line_end + 2 + size + 2])
        at = line_end + 2 + size + 2
    return head, chunks, b""


def recorded(name):
    """A whole answer. False: the connection ends with it."""
    raw = read(name + ".http")

    def send(connection, _):
        connection.sendall(raw)
        return b"\r\nconnection: close" not in raw[:raw.index(b"\r\n\r\n")].lower()
    return send


def watch(name, open_end=False):
    """A watch: its chunks one by one, then its recorded end, or none."""
    head, chunks, end = split_chunks(read(name + ".http"))
    events = lines(name + ".events.jsonl")
    times = {event["chunks"][0]: event["t_ms"] / 1000 for event in events}
    cut = "TCP closed" in index()[name]["response"]["ended"]

    def send(connection, replay):
        connection.sendall(head)
        before = 0
        for number, chunk in enumerate(chunks):
            now = times.get(number, before)
            time.sleep(min(max(now - before, 0), LONGEST_WAIT))
            before = now
            connection.sendall(chunk)
        if open_end:
            replay.wait_stopped()
            return False
        connection.sendall(end)
        return not cut and end != b""
    return send


def hold():
    """A watch of which nothing comes."""
    head, _, _ = split_chunks(read("067-watch-timeout-2s.http"))

    def send(connection, replay):
        connection.sendall(head)
        replay.wait_stopped()
        return False
    return send


def own(body, status=200):
    """What no server was recorded saying."""
    if not isinstance(body, bytes):
        body = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    raw = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body

    def send(connection, _):
        connection.sendall(raw)
        return True
    return send


class OwnWatch:
    """A watch that says what the test tells it to, when it does."""

    def __init__(self):
        self.events, self.more = [], threading.Condition()

    def say(self, kind, thing):
        with self.more:
            self.events.append(json.dumps({"type": kind, "object": thing}, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
            self.more.notify_all()

    def __call__(self, connection, replay):
        connection.sendall(split_chunks(read("067-watch-timeout-2s.http"))[0])
        sent = 0
        while not replay.stopped.is_set():
            with self.more:
                self.more.wait_for(lambda: len(self.events) > sent, 0.2)
                events, sent = self.events[sent:], len(self.events)
            for event in events:
                connection.sendall(b"%x\r\n%s\r\n" % (len(event), event))
        return False


class Request:
    def __init__(self, text):
        head = text.split("\r\n")
        self.method, self.target, _ = head[0].split(" ", 2)
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        self.time = time.monotonic()

    def __repr__(self):
        return f"{self.method} {self.target}"


class Replay:
    def __init__(self):
        self.plans, self.requests, self.lock, self.port = [], [], threading.Lock(), 0
        self.listener, self.stopped, self.connections = None, None, []

    def plan(self, pattern, *answers):
        self.plans.append([re.compile(pattern), list(answers)])

    def replan(self, pattern, *answers):
        """Instead of the plan with this pattern."""
        with self.lock:
            for plan in self.plans:
                if plan[0].pattern == pattern:
                    plan[1] = list(answers)

    def start(self):
        self.stopped = threading.Event()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(self.listener, self.stopped), daemon=True).start()
        return self

    def stop(self):
        """Connections are cut, new ones refused."""
        self.stopped.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            connections, self.connections = self.connections, []
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def wait_stopped(self):
        self.stopped.wait()

    def accept(self, listener, stopped):
        while not stopped.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            waiting, going = b"", True
            while going:
                while b"\r\n\r\n" not in waiting:
                    more = connection.recv(65536)
                    if not more:
                        return
                    waiting += more
                head, waiting = waiting.split(b"\r\n\r\n", 1)
                request = Request(head.decode())
                going = self.answer(request)(connection, self)
        except OSError:
            pass
        finally:
            connection.close()

    def answer(self, request):
        with self.lock:
            self.requests.append(request)
            for pattern, answers in self.plans:
                if pattern.search(request.target):
                    return answers.pop(0) if len(answers) > 1 else answers[0]
        return recorded("043-404-unknown-resource")

    def asked(self, pattern):
        with self.lock:
            return [request for request in self.requests if re.search(pattern, request.target)]

    def wait_asked(self, pattern, count=1, seconds=20):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if len(found := self.asked(pattern)) >= count:
                return found
            time.sleep(0.01)
        raise AssertionError(f"{len(found)} of {count} requests for {pattern} in {seconds} s; there were {self.requests}")
