"""A TCP proxy in front of a server whose behaviour can be changed at any moment: what networks and overloaded servers do to a client."""
import random
import select
import socket
import threading
import time


MODES = ("pass", "refuse", "cut", "hang", "slow", "429", "500", "503", "lost answer", "slow tail")


class FaultProxy:
    """Listens on `port`, forwards to `target`. `mode` counts for what happens from now on.

    pass         as if it were not there
    refuse       every connection is reset at once
    cut          a connection dies after a random number of bytes, in either direction
    hang         bytes are taken, nothing is forwarded and nothing answered
    slow         some 200 KB/s
    429 ...      requests are answered with that status, nothing is forwarded
    slow tail    one answer in ten comes five seconds late (`late` may be changed)
    spoil        one bit of each large piece on its way to the server is another
    lost answer  the request is forwarded whole, the answer is not: the server has the data, the client does not know
    """

    def __init__(self, target, seed=0, port=None):
        self.target, self.mode, self.rng = target, "pass", random.Random(seed)
        self.late = 0.1  # "spoil" is for those who ask for it: what checks nothing would store it
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port or 0))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        self.stopping = False
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.stopping = True
        self.listener.close()

    def _accept(self):
        while not self.stopping:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        server = None
        try:
            while not self.stopping:
                mode = self.mode
                if mode == "refuse":
                    return
                if mode in ("429", "500", "503"):
                    if not self._answer(client, mode):
                        return
                elif mode == "hang":
                    if select.select([client], [], [], 0.2)[0] and not client.recv(65536):
                        return
                else:
                    if server is None:
                        server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
                    if not self._forward(client, server, mode):
                        return
        except OSError:
            pass
        finally:
            for s in (client, server):
                if s:
                    s.close()

    def _forward(self, client, server, mode):
        """Until the connection ends (False) or the mode is another one."""
        left = self.rng.randrange(1, 200_000) if mode == "cut" else None
        while self.mode == mode and not self.stopping:
            for source in select.select([client, server], [], [], 0.2)[0]:
                data = source.recv(20_000 if mode == "slow" else 262_144)
                if not data:
                    return False
                if mode == "slow":
                    time.sleep(0.1)
                if source is server and mode == "lost answer":
                    return False
                if source is server and mode == "slow tail" and self.rng.random() < self.late:
                    time.sleep(5)
                if source is client and mode == "spoil" and len(data) > 1000:
                    data = data[:-500] + bytes([data[-500] ^ 1]) + data[-499:]
                if left is not None:
                    data, left = data[:left], left - len(data)
                (server if source is client else client).sendall(data)
                if left is not None and left <= 0:
                    return False
        # Bytes of a request may be on their way on both sides: another mode begins with a new connection.
        return False

    def _answer(self, client, status):
        client.settimeout(1)
        head = b""
        try:
            while b"\r\n\r\n" not in head:
                data = client.recv(65536)
                if not data:
                    return False
                head += data
            head, _, body = head.partition(b"\r\n\r\n")
            length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
            got = len(body)
            while got < length:
                data = client.recv(262_144)
                if not data:
                    return False
                got += len(data)
        except (socket.timeout, ValueError):
            return False
        retry = b"Retry-After: 1\r\n" if status == "429" else b""
        client.sendall(b"HTTP/1.1 " + status.encode() + b" Fault\r\n" + retry + b"Content-Length: 5\r\n\r\nfault")
        return True
