"""A Loki-like sink that is not ours: takes pushes (protobuf, snappy, gzip), knows no batch numbers, keeps every entry it was ever given."""
import collections
import gzip
import http.server
import threading


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def snappy(data):
    """The bytes of a snappy block (google/snappy, format_description.txt)."""
    size, at = varint(data, 0)
    out = bytearray()
    while at < len(data):
        tag = data[at]
        kind, at = tag & 3, at + 1
        if kind == 0:
            length = tag >> 2
            if length >= 60:
                width = length - 59
                length = int.from_bytes(data[at:at + width], "little")
                at += width
            out += data[at:at + length + 1]
            at += length + 1
            continue
        if kind == 1:
            length, offset = 4 + (tag >> 2 & 7), (tag >> 5) << 8 | data[at]
            at += 1
        else:
            width = 2 if kind == 2 else 4
            length, offset = (tag >> 2) + 1, int.from_bytes(data[at:at + width], "little")
            at += width
        begin = len(out) - offset
        piece = bytes(out[begin:begin + length])
        while len(piece) < length:  # it overlaps with what it makes
            piece += piece[:length - len(piece)]
        out += piece
    if len(out) != size:
        raise ValueError(f"{len(out)} bytes instead of {size}")
    return bytes(out)


def fields(data):
    """(number, value) of a protobuf message; the value is bytes or an int."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 2:
            size, at = varint(data, at)
            yield key >> 3, data[at:at + size]
            at += size
        elif key & 7 == 0:
            value, at = varint(data, at)
            yield key >> 3, value
        else:
            raise ValueError(f"wire type {key & 7}")


class ForeignLoki:
    """Listens on a free port; `lines` counts how often each line came."""

    def __init__(self):
        self.lines, self.lock = collections.Counter(), threading.Lock()
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                sink.take(snappy(body))  # always inside, also where gzip is around it
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                """A request that the proxy cut: nothing of it was taken, and its sender knows."""

        self.http = Server(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def take(self, body):
        found = collections.Counter()
        for number, stream in fields(body):
            if number != 1:
                continue
            for part, entry in fields(stream):
                if part == 2:
                    found.update(value.decode() for n, value in fields(entry) if n == 2)
        with self.lock:
            self.lines.update(found)

    def missing(self, expected):
        with self.lock:
            return [line for line in expected if line not in self.lines]

    def close(self):
        self.http.shutdown()
