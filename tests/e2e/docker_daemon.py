"""A Docker daemon at a unix socket (or, of a path (HOST, PORT), at a port), as far as an agent sees it: lists, inspects, events and logs, framed as dockerd does.

Logs are multiplexed (8-byte headers) or a terminal's raw text, every chunk of 16 KiB with its time in front; the bytes of the
chunked HTTP answer are cut at odd places. Containers start, stop, start again and go; the daemon itself may be away.
"""
import json
import os
import random
import socket
import socketserver
import struct
import threading
import time
import urllib.parse

CHUNK = 16 << 10


def rfc3339(ns):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // 10**9)) + f".{ns % 10**9:09d}Z"


class Container:
    def __init__(self, daemon, name, tty=False, labels=None):
        self.daemon, self.name, self.tty, self.labels = daemon, name, tty, labels or {}
        self.id = f"{random.Random(name).getrandbits(256):064x}"
        self.running, self.removed = True, False
        self.log = []  # (time in ns, 1 or 2, one chunk with its line feed if it has one)
        self.clock = 0

    def write(self, text, stream=1, at=None):
        """What a process writes; several lines share no time unless `at` gives them one."""
        with self.daemon.changed:
            for line in text.encode().splitlines(keepends=True):
                self.clock = at if at is not None else max(time.time_ns(), self.clock + 1)
                for begin in range(0, len(line), CHUNK):
                    self.log.append((self.clock, stream, line[begin:begin + CHUNK]))
            self.daemon.changed.notify_all()

    def stop(self):
        self._change("die", running=False)

    def start(self):
        self._change("start", running=True)

    def remove(self):
        self._change("destroy", running=False, removed=True)

    def _change(self, action, **what):
        with self.daemon.changed:
            self.__dict__.update(what)
            if self.removed:
                self.daemon.containers.pop(self.id, None)
        self.daemon.event(action, self)

    def inspect(self):
        return {"Id": self.id, "Name": "/" + self.name, "Image": "sha256:1", "State": {"Running": self.running, "Status": self.status()},
                "Config": {"Tty": self.tty, "Image": "app:1", "Labels": self.labels}, "HostConfig": {"NetworkMode": "default"},
                "NetworkSettings": {"Ports": {"80/tcp": None}, "Networks": {"bridge": {"NetworkID": "n1", "IPAddress": "172.17.0.2"}}}}

    def status(self):
        return "running" if self.running else "exited"


class Handler(socketserver.StreamRequestHandler):
    wbufsize = 0

    def handle(self):
        daemon = self.server.daemon
        daemon.connections.add(self.request)
        try:
            while self.one_request(daemon):
                pass
        except (OSError, ValueError):
            pass
        finally:
            daemon.connections.discard(self.request)

    def one_request(self, daemon):
        line = self.rfile.readline()
        if not line:
            return False
        while self.rfile.readline() not in (b"\r\n", b""):
            pass
        url = urllib.parse.urlsplit(line.split()[1].decode())
        query = dict(urllib.parse.parse_qsl(url.query))
        daemon.requests.append(url.path + "?" + url.query)
        for path, answer in list(daemon.faults.items()):
            if path in url.path:
                daemon.faults[path] = (answer[0], answer[1] - 1)
                if answer[1] <= 1:
                    del daemon.faults[path]
                self.answer(answer[0], {"message": "as told"})
                return True
        parts = url.path.strip("/").split("/")
        container = daemon.containers.get(parts[1]) if len(parts) == 3 else None
        if url.path == "/networks":
            self.answer(200, [{"Id": "n1", "Name": "bridge", "Scope": "local", "Labels": {}}])
        elif url.path == "/containers/json":
            wanted = json.loads(query.get("filters", "{}")).get("label", [])
            self.answer(200, [{"Id": c.id, "State": c.status()} for c in list(daemon.containers.values())
                              if all(w.partition("=")[0] in c.labels for w in wanted)])
        elif url.path == "/events":
            self.events(daemon)
            return False
        elif container is None:
            self.answer(404, {"message": "No such container: " + url.path})
        elif parts[2] == "json":
            self.answer(200, container.inspect())
        else:
            self.logs(daemon, container, query.get("since", "0"))
        return True

    def answer(self, status, body):
        text = json.dumps(body).encode() + b"\n"
        self.wfile.write(f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text)

    def head(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\nTransfer-Encoding: chunked\r\n\r\n")

    def chunks(self, data):
        """The bytes cut at odd places, as chunks of HTTP, which are cut at others."""
        out, at = b"", 0
        while at < len(data):
            size = random.choice((1, 3, 7, 100, 4096, 32768)) if len(data) < 200_000 else 65_537
            piece = data[at:at + size]
            out += f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
            at += size
        self.wfile.write(out)

    def events(self, daemon):
        self.head()
        seen = len(daemon.events)
        while True:
            with daemon.changed:
                daemon.changed.wait_for(lambda: len(daemon.events) > seen or daemon.away, 0.5)
                news, seen = daemon.events[seen:], len(daemon.events)
                if daemon.away:
                    return
            self.chunks("".join(json.dumps(e) + "\n" for e in news).encode())

    def logs(self, daemon, container, since):
        seconds, _, nanos = since.partition(".")
        since = int(seconds) * 10**9 + int((nanos or "0").ljust(9, "0"))
        self.head()
        at = 0
        while True:
            with daemon.changed:
                daemon.changed.wait_for(lambda: len(container.log) > at or not container.running or daemon.away, 0.5)
                if daemon.away:
                    return
                news, over = container.log[at:at + 2000], not container.running
                at += len(news)
                over = over and at == len(container.log)
            self.chunks(b"".join(self.frame(container, *entry) for entry in news if entry[0] >= since))
            if over:
                self.wfile.write(b"0\r\n\r\n")
                return

    @staticmethod
    def frame(container, at, stream, chunk):
        text = rfc3339(at).encode() + b" " + chunk
        if container.tty:
            return text.replace(b"\n", b"\r\n")
        return struct.pack(">BxxxI", stream, len(text)) + text


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64


class TcpServer(Server):
    address_family = socket.AF_INET
    allow_reuse_address = True


class Daemon:
    def __init__(self, path):
        self.path, self.containers, self.events, self.faults = path, {}, [], {}
        self.requests, self.connections = [], set()
        self.changed = threading.Condition()
        self.away, self.server = True, None
        self.start()

    def start(self):
        self.away = False
        if isinstance(self.path, tuple):
            self.server = TcpServer(self.path, Handler)
        else:
            if os.path.exists(self.path):
                os.remove(self.path)
            self.server = Server(self.path, Handler)
        self.server.daemon = self
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        """As a restart of dockerd: connections break in the middle of whatever they carry."""
        with self.changed:
            self.away = True
            self.changed.notify_all()
        self.server.shutdown()
        self.server.server_close()
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def run(self, name, **options):
        container = Container(self, name, **options)
        with self.changed:
            self.containers[container.id] = container
        self.event("start", container)
        return container

    def fail(self, path, status, times=1):
        self.faults[path] = (status, times)

    def event(self, action, container):
        with self.changed:
            self.events.append({"Type": "container", "Action": action, "id": container.id, "Actor": {"ID": container.id, "Attributes": {"name": container.name}},
                                "time": int(time.time())})
            self.changed.notify_all()
