#!/usr/bin/env python3
"""Sinks under trouble: a dead one beside a living one, certificates renewed while it runs, proxies, bodies that are too large, dead
letters, failover. Everything that should arrive arrives once."""
import base64
import glob
import http.client
import http.server
import json
import os
import random
import select
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402
from programs import wait  # noqa: E402

PUSH = "/loki/api/v1/push"
SOURCE = """
[[source]]
name = "app"
type = "file"
path = ["{folder}/logs/*.log"]
labels = {{ job = "app" }}
"""
SINK = 'batch_wait = "50ms"\nretry = { min = "20ms", max = "200ms" }\n'


class Front:
    """A server before ours: hands requests on, unless `judge(request, body)` gives (status, headers, text) of its own. With a TLS context
    it speaks TLS only."""

    def __init__(self, port, judge=None, tls=None, listen=0):
        self.requests, self.tls, self.closed = 0, tls, False
        front = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.close_connection = front.closed
                if front.closed:
                    return
                front.requests += 1
                answer = judge(self, body) if judge else None
                if answer is None:
                    onward = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                    onward.request("POST", self.path, body, dict(self.headers))
                    got = onward.getresponse()
                    answer = (got.status, {}, got.read().decode())
                    onward.close()
                status, headers, text = answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def get_request(self):
                connection, address = self.socket.accept()
                if front.tls:
                    connection.settimeout(10)
                    connection = front.tls.wrap_socket(connection, server_side=True)
                return connection, address

            def handle_error(self, *_):
                pass

        self.http = Server(("127.0.0.1", listen), Handler)
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.closed = True
        self.http.shutdown()
        self.http.server_close()


class Proxy:
    """An HTTP proxy to which every host is this machine: CONNECT, and plain requests with a whole URL."""

    def __init__(self):
        self.connects, self.plain, self.users = [], [], set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(65536) or b"\r\n\r\n"
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"proxy-authorization: basic "):
                self.users.add(base64.b64decode(line.split()[-1]).decode())
        if method == "CONNECT":
            host, port = target.rsplit(":", 1)
            self.connects.append(host)
            onward = socket.create_connection(("127.0.0.1", int(port)))
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            host, port = target.split("/")[2].rsplit(":", 1)
            self.plain.append(host)
            onward = socket.create_connection(("127.0.0.1", int(port)))
            onward.sendall(head.replace(target.encode(), target[target.index("/", 8):].encode(), 1))
        peers = {client: onward, onward: client}
        while True:
            for ready in select.select(list(peers), [], [])[0]:
                try:
                    data = ready.recv(65536)
                    peers[ready].sendall(data)
                except OSError:
                    data = b""
                if not data:
                    client.close(), onward.close()
                    return


class Run(programs.Pair):
    """A server, and an agent whose sink `hub` is at `url` (default: the server)."""

    def __init__(self, sink="", url=None, more=""):
        self.temporary = programs.folder()
        self.folder = self.temporary.name
        os.makedirs(self.folder + "/logs")
        self.server = programs.server(self.folder)
        self.written = 0
        self.configure(sink, url, more)

    def configure(self, sink="", url=None, more=""):
        self.agent = programs.agent(self.folder, SOURCE.format(folder=self.folder), self.server.port, sink=SINK + sink)
        with open(self.agent.config, "r+", encoding="utf-8") as f:
            text = f.read().replace(f"http://127.0.0.1:{self.server.port}{PUSH}", url or f"http://127.0.0.1:{self.server.port}{PUSH}")
            f.seek(0)
            f.write(text + more)
            f.truncate()

    def write(self, lines, size=100):
        with open(self.folder + "/logs/app.log", "a", encoding="utf-8") as f:
            for _ in range(lines):
                f.write(f"line {self.written} ".ljust(size, "x") + "\n")
                self.written += 1

    def arrived(self, server=None):
        """All lines, each once."""
        count = (server or self.server).count('{job="app"}')
        assert count <= self.written, (count, self.written)
        return count == self.written


def dead_sink_beside_a_living_one():
    """a dead sink neither slows nor starves the others, and gets its lines when it comes back"""
    dead_port = programs.free_port()
    more = f'\n[[sink]]\nname = "dead"\ntype = "loki"\nurl = "http://127.0.0.1:{dead_port}{PUSH}"\nbatch_bytes = "64KiB"\n{SINK}\nspool = {{ mode = "off" }}\n'
    with Run(more=more) as r:
        r.write(200_000)  # 20 MB: far more than the dead sink's queue holds
        started = time.monotonic()
        wait(lambda: r.arrived())
        print(f"     the living one had 20 MB after {time.monotonic() - started:.1f} s")
        r.write(100)
        wait(lambda: r.arrived(), 10)
        assert r.agent.metric("skidway_agent_source_owed_bytes") > 10_000_000
        r.agent.kill()  # nothing of what is owed was remembered on disk
        r.agent.start()
        r.write(100)
        wait(lambda: r.arrived())
        os.makedirs(r.folder + "/second")
        second = programs.server(r.folder + "/second", port=dead_port)
        second.start()
        try:
            wait(lambda: r.arrived(second))
            wait(lambda: r.agent.metric("skidway_agent_source_owed_bytes") == 0)
            r.write(100)
            wait(lambda: r.arrived(second) and r.arrived())
        finally:
            second.kill()


def dead_sink_of_a_stream():
    """what comes over the network cannot be read twice: the spool of a dead sink keeps it from holding the others up; without one the agent warns"""
    def send(port, first, count):
        with socket.create_connection(("127.0.0.1", port)) as s:
            for start in range(first, first + count, 1000):
                s.sendall("".join(f"<13>1 2026-11-22T10:00:00Z host app - - - line {i} ".ljust(200, "x") + "\n" for i in range(start, start + 1000)).encode())

    for mode in ("outage", "off"):
        dead_port, listen = programs.free_port(), programs.free_port()
        more = (f'\n[[sink]]\nname = "dead"\ntype = "loki"\nurl = "http://127.0.0.1:{dead_port}{PUSH}"\nbatch_bytes = "64KiB"\n{SINK}\nspool = {{ mode = "{mode}" }}\n'
                f'\n[[source]]\nname = "net"\ntype = "syslog"\nlisten = ["tcp://127.0.0.1:{listen}"]\nlabels = {{ job = "app" }}\n')
        with Run(more=more) as r:
            checked = subprocess.run([programs.AGENT, "check", "--config", r.agent.config], capture_output=True, text=True)
            ready = programs.http(r.agent.url("/ready?verbose"))[1].decode()
            caution = 'source "net" has several sinks, and "dead" no spool'
            told = (checked.stderr, ready, r.agent.log_tail(100).replace('\\"', '"'))
            assert checked.returncode == 0 and all((caution in text) == (mode == "off") for text in told), told
            sender = threading.Thread(target=send, args=(listen, 0, 100_000), daemon=True)  # 20 MB: far more than a queue holds
            sender.start()
            r.written = 100_000
            if mode == "outage":
                wait(lambda: r.arrived())
            else:
                wait(lambda: r.agent.metric("skidway_agent_sink_queued_batches") > 0)
                time.sleep(2)
                assert not r.arrived()  # else the queue is larger than this test knows
            os.makedirs(r.folder + "/second")
            second = programs.server(r.folder + "/second", port=dead_port)
            second.start()
            try:
                wait(lambda: r.arrived(second) and r.arrived())
            finally:
                second.kill()


def come_and_go_at_random():
    """two servers that come and go, an agent that is killed, files that are rotated: each line once at both, some in joined entries"""
    seed = int(os.environ.get("SINKS_SEED", random.SystemRandom().randrange(1 << 30)))
    print(f"     seed {seed}")
    dice = random.Random(seed)
    second_port = programs.free_port()
    more = f'\n[[sink]]\nname = "second"\ntype = "loki"\nurl = "http://127.0.0.1:{second_port}{PUSH}"\nbatch_bytes = "16KiB"\nmax_in_flight = 2\n{SINK}\nspool = {{ mode = "off" }}\n'
    joined = '\n[[source.stage]]\ntype = "multiline"\nfirstline = "[05] x*$"\nmax_wait_time = "1s"\n'
    r = Run(sink='batch_bytes = "16KiB"\nmax_in_flight = 2\nspool = { mode = "off" }\n', more=more)
    with open(r.agent.config, "r+", encoding="utf-8") as f:
        text = f.read().replace('labels = { job = "app" }\n', 'labels = { job = "app" }\n' + joined)
        f.seek(0)
        f.write(text)
    os.makedirs(r.folder + "/second")
    second = programs.server(r.folder + "/second", port=second_port)
    servers = [r.server, second]
    rotations = kills = 0
    with r:
        second.start()
        for _ in range(60):
            r.write(dice.randrange(2_000))
            what = dice.random()
            if what < 0.2:
                os.rename(r.folder + "/logs/app.log", f"{r.folder}/logs/old{rotations}.log")
                rotations += 1
            elif what < 0.3:
                r.agent.kill()
                r.agent.start()
                kills += 1
            elif what < 0.6:
                server = dice.choice(servers)
                if server.process.poll() is None:
                    server.kill()
                else:
                    server.start()
            time.sleep(dice.random() * 0.2)
        for server in servers:
            if server.process.poll() is not None:
                server.start()
        want = sorted(f"line {n} ".ljust(100, "x") for n in range(r.written))

        def lines(server):
            return sorted(line for _, entry, _ in server.lines('{job="app"}', 0, time.time_ns() + 3600 * 10**9) for line in entry.split("\n"))

        try:
            for server in servers:
                wait(lambda s=server: len(lines(s)) >= len(want))
            time.sleep(0.5)
            for server in servers:
                got = lines(server)
                assert got == want, (len(got), len(want), sorted(set(want) - set(got))[:3])
            print(f"     {r.written} lines, {rotations} rotations, {kills} kills of the agent")
        finally:
            second.kill()


def openssl(*words, folder):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=30)


def make_certificates(folder, generation):
    """A CA of its own, and certificates of it for the server (hub.test) and the agent."""
    os.makedirs(folder)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", f"/CN=ca {generation}", folder=folder)
    for name, alternative in (("server", "DNS:hub.test"), ("agent", "DNS:agent.test")):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name} {generation}", folder=folder)
        with open(f"{folder}/{name}.ext", "w", encoding="utf-8") as f:
            f.write(f"subjectAltName={alternative}\n")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-out", f"{name}.pem", "-extfile", f"{name}.ext", folder=folder)


def tls_of(folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/server.pem", f"{folder}/server.key")
    context.load_verify_locations(f"{folder}/ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def pushed_back():
    """429 with Retry-After: nothing is sent before, fewer requests at once then, and whereis says why; when it is over the window grows again"""
    state = {"until": 0.0, "early": 0, "most": 0, "now": 0}
    lock = threading.Lock()

    def judge(_, __):
        with lock:
            state["now"] += 1
            state["most"] = max(state["most"], state["now"])
        time.sleep(0.01)
        with lock:
            state["now"] -= 1
            if time.monotonic() < state["until"]:
                state["early"] += 1
            if state.pop("refuse", None):
                state["until"] = time.monotonic() + 2.5
                return 429, {"Retry-After": "3"}, "Ingestion rate limit exceeded"
        return None

    with Run('batch_bytes = "16KiB"\nmax_in_flight = 4\nspool = { mode = "off" }') as r:
        front = Front(r.server.port, judge)
        r.agent.kill()
        r.configure('batch_bytes = "16KiB"\nmax_in_flight = 4\nspool = { mode = "off" }', f"http://127.0.0.1:{front.port}{PUSH}")
        r.agent.start()
        r.write(2000)
        wait(lambda: r.arrived())
        assert r.agent.metric("skidway_agent_sink_window_requests") == 4
        state["refuse"] = True
        r.write(1)
        wait(lambda: state["until"] and r.agent.metric("skidway_agent_sink_window_requests") <= 2)  # refused, and heard of it
        r.write(1000)
        told = subprocess.run([programs.AGENT, "whereis", "--config", r.agent.config, r.folder + "/logs/app.log"], capture_output=True, text=True).stdout
        assert "sink: rate_limited" in told, told
        wait(lambda: r.arrived())
        assert time.monotonic() > state["until"] and state["early"] == 0, state
        for _ in range(20):
            r.write(500)
            wait(lambda: r.arrived())
        wait(lambda: r.agent.metric("skidway_agent_sink_window_requests") == 4)
        assert 1 < state["most"] <= 4, state
        front.close()


def late_answers_are_hedged():
    """hedge: what the first URL answers late is asked for at the second one, and arrives once"""
    slow = [False]

    def judge(request, body):
        if slow[0]:
            time.sleep(3)
        return None

    with Run() as r:
        first, second = Front(r.server.port, judge), Front(r.server.port)
        r.agent.kill()
        r.configure(f'failover_urls = ["http://127.0.0.1:{second.port}{PUSH}"]\nhedge = true\nbatch_bytes = "4KiB"', f"http://127.0.0.1:{first.port}{PUSH}")
        r.agent.start()
        r.write(6000)  # more than a hundred batches: it learns what late is
        wait(lambda: r.arrived())
        slow[0] = True
        before = second.requests
        r.write(10)
        started = time.monotonic()
        wait(lambda: r.arrived())
        assert time.monotonic() - started < 3 and second.requests > before, (time.monotonic() - started, second.requests, before)
        assert r.agent.metric("skidway_agent_sink_hedged_requests_total") >= 1
        time.sleep(3.5)
        assert r.arrived()
        first.close(), second.close()


def certificates_are_renewed():
    """mutual TLS: certificates and their authority are renewed without a restart; through a proxy of the environment"""
    proxy = Proxy()
    os.environ["HTTPS_PROXY"] = f"http://127.0.0.1:{proxy.port}"
    try:
        r = Run()
        for generation in (1, 2):
            make_certificates(f"{r.folder}/pki{generation}", generation)
        shutil.copytree(f"{r.folder}/pki1", f"{r.folder}/pki")
        seen = set()

        def who(request, _):
            seen.add(dict(pair[0] for pair in request.connection.getpeercert()["subject"])["commonName"])

        front = Front(r.server.port, who, tls_of(f"{r.folder}/pki1"))
        pki = f"{r.folder}/pki"
        r.configure(f'tls = {{ ca_file = "{pki}/ca.pem", cert_file = "{pki}/agent.pem", key_file = "{pki}/agent.key" }}\n', f"https://hub.test:{front.port}{PUSH}")
        with r:
            r.write(100)
            wait(lambda: r.arrived())
            assert seen == {"agent 1"}, seen
            assert proxy.connects and set(proxy.connects) == {"hub.test"}, proxy.connects
            front.tls = tls_of(f"{r.folder}/pki2")  # from now on only the new ones are taken
            for name in ("ca.pem", "agent.pem", "agent.key"):
                shutil.copy(f"{r.folder}/pki2/{name}", f"{pki}/{name}.new")
                os.rename(f"{pki}/{name}.new", f"{pki}/{name}")
            time.sleep(1.1)  # they are looked at once a second
            r.write(100)
            wait(lambda: r.arrived())
            assert seen == {"agent 1", "agent 2"}, seen
            with open(r.agent.log, encoding="utf-8") as f:
                assert "they have changed" in f.read()
        front.close()
    finally:
        del os.environ["HTTPS_PROXY"]


def wrong_secret_is_put_right():
    """a wrong bearer token: nothing is dropped, and all arrives when the file has the right one"""
    r = Run()
    front = Front(r.server.port, lambda request, _: None if request.headers["Authorization"] == "Bearer right" else (401, {}, "who are you\n"))
    token = f"{r.folder}/token"
    with open(token, "w", encoding="utf-8") as f:
        f.write("wrong\n")
    r.configure(f'auth = {{ bearer_token_file = "{token}" }}\n', f"http://127.0.0.1:{front.port}{PUSH}")
    with r:
        r.write(100)
        wait(lambda: front.requests >= 3)
        assert r.server.count('{job="app"}') == 0
        with open(token, "w", encoding="utf-8") as f:
            f.write("right\n")
        wait(lambda: r.arrived())
    front.close()


def through_a_proxy():
    """proxy_url, with a user of its own, is used for every host but those of no_proxy"""
    proxy = Proxy()
    r = Run()
    r.configure(f'proxy_url = "http://user:pass@127.0.0.1:{proxy.port}"\n', f"http://hub.test:{r.server.port}{PUSH}")
    with r:
        r.write(100)
        wait(lambda: r.arrived())
        assert proxy.plain and set(proxy.plain) == {"hub.test"}, proxy.plain
        assert proxy.users == {"user:pass"}, proxy.users
        assert "user:pass" not in programs.http(r.agent.url("/config"))[1].decode()
        count = len(proxy.plain)
        r.agent.stop()
        r.configure(f'proxy_url = "http://127.0.0.1:{proxy.port}"\nno_proxy = "localhost,127.0.0.1"\n')
        r.agent.start()
        r.write(100)
        wait(lambda: r.arrived())
        assert len(proxy.plain) == count


def too_large_bodies_are_split():
    """bodies that are too large go in parts; kill -9 in between doubles and loses nothing"""
    sizes = []

    def limit(_, body):
        if len(body) > 3_000:
            return 413, {}, f"request body too large: message size too large than max ({len(body)} vs 3000)\n"
        sizes.append(len(body))
        if len(sizes) % 7 == 3:
            return 503, {"Retry-After": "0"}, "not now\n"
        return None

    r = Run()
    front = Front(r.server.port, limit)
    r.configure('compression = "gzip"\n', f"http://127.0.0.1:{front.port}{PUSH}")
    splits = 0
    with r:
        for _ in range(4):
            before = r.server.count('{job="app"}')
            r.write(5_000)
            wait(lambda: r.server.count('{job="app"}') > before)
            splits += r.agent.metric("skidway_agent_sink_split_batches_total")
            r.agent.kill()
            r.agent.start()
        wait(lambda: r.arrived())
        splits += r.agent.metric("skidway_agent_sink_split_batches_total")
        assert splits > 0
        assert r.agent.metric("skidway_agent_sink_dropped_entries_total") == 0
    front.close()


def refused_lines_are_dead_letters():
    """entries that are refused are counted by the server's reason and kept as readable lines"""
    r = Run()
    dead = f"{r.folder}/dead"
    r.configure(f'dead_letter = {{ dir = "{dead}", limit = "1MiB" }}\n')
    with r:
        r.write(50)
        wait(lambda: r.arrived())
        r.agent.stop()  # with its acks
    front = Front(r.server.port, lambda *_: (400, {}, "1 errors like: entry for stream '{job=\"app\"}' has timestamp too old: x; 2 errors like: max entry size '1' bytes exceeded for stream '{job=\"app\"}'\n"))
    r.configure(f'dead_letter = {{ dir = "{dead}", limit = "1MiB" }}\n', f"http://127.0.0.1:{front.port}{PUSH}")
    with r:
        r.write(5)
        wait(lambda: r.agent.metric("skidway_agent_sink_dead_letter_entries_total") == 3)
        page = programs.http(r.agent.url("/metrics"))[1].decode()
        assert 'skidway_agent_sink_dropped_entries_total{reason="greater_than_max_sample_age",sink="hub"} 1' in page
        assert 'skidway_agent_sink_dropped_entries_total{reason="line_too_long",sink="hub"} 2' in page
        assert r.agent.metric("skidway_agent_sink_sent_entries_total") == 2
        files = glob.glob(dead + "/hub-*.jsonl")
        assert len(files) == 1, files
        with open(files[0], encoding="utf-8") as f:
            letters = [json.loads(line) for line in f]
        assert len(letters) == 5 and all(letter["status"] == 400 and "too old" in letter["error"] for letter in letters), letters
        assert [letter["line"].split()[1] for letter in letters] == [str(n) for n in range(50, 55)]
    front.close()


def fails_over_and_comes_back():
    """when one way to the server is gone the other one is used, and nothing comes twice"""
    r = Run()
    first, second = Front(r.server.port), Front(r.server.port)
    r.configure(f'failover_urls = ["http://127.0.0.1:{second.port}{PUSH}"]\nhedge = true\ntimeout = "2s"\n', f"http://127.0.0.1:{first.port}{PUSH}")
    with r:
        r.write(100)
        wait(lambda: r.arrived())
        assert second.requests == 0
        first.close()
        r.write(100)
        wait(lambda: r.arrived())
        assert second.requests > 0
        assert r.agent.metric("skidway_agent_sink_failovers_total") >= 1
        first = Front(r.server.port, listen=first.port)

        def back():
            r.write(1)
            time.sleep(0.5)
            return first.requests > 1

        wait(back)
        wait(lambda: r.arrived())
    first.close(), second.close()


if __name__ == "__main__":
    cases = [dead_sink_beside_a_living_one, dead_sink_of_a_stream, come_and_go_at_random, pushed_back, late_answers_are_hedged, certificates_are_renewed, wrong_secret_is_put_right, through_a_proxy, too_large_bodies_are_split,
             refused_lines_are_dead_letters, fails_over_and_comes_back]
    wanted = sys.argv[1:]
    sys.exit(programs.run_cases([c for c in cases if not wanted or c.__name__ in wanted]))
