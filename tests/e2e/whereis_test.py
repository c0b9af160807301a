#!/usr/bin/env python3
"""`skidway-agent whereis` names the step at which a line stopped and why, for twelve faults, the agent running or not; and the bytes add up."""
import http.server
import json
import os
import random
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402

NOBODY = 65534


def wait(what, seconds=20, told="waited in vain"):
    until = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(told() if callable(told) else told)
        time.sleep(0.1)


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class FarSide:
    """A server that answers every push in the same way."""

    def __init__(self, status, text="", tls=None, port=0):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Case:
    """An agent with one file, app.log, and a far side."""

    def __init__(self, lines, url, stages="", source="", user=None, labels='labels = { job = "app" }', data_dir=None):
        self.temporary = programs.folder()
        self.folder = self.temporary.name
        self.user = user
        self.file = f"{self.folder}/logs/app.log"
        os.makedirs(self.folder + "/logs")
        with open(self.file, "w", encoding="utf-8") as f:
            f.write("".join(line + "\n" for line in lines))
        self.port = programs.free_port()
        self.config = f"{self.folder}/agent.toml"
        self.log = f"{self.folder}/agent.log"
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(f"""
data_dir = "{data_dir or self.folder + '/agent'}"
[http]
listen = "127.0.0.1:{self.port}"
[[source]]
name = "app"
type = "file"
path = ["{self.folder}/logs/*.log"]
{labels}
{source}
{stages}
[[sink]]
name = "hub"
type = "loki"
url = "{url}"
batch_wait = "100ms"
retry = {{ min = "100ms", max = "500ms" }}
""")
        if user:
            subprocess.run(["chown", "-R", str(user), self.folder], check=True)
        self.process = None

    def command(self, *arguments):
        prefix = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"] if self.user else []
        return [*prefix, programs.AGENT, *arguments]

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command("--config", self.config), stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def whereis(self, what=None):
        written = os.stat(what or self.file).st_size if os.path.exists(what or self.file) else 0
        started = time.monotonic()
        done = subprocess.run(self.command("whereis", "--config", self.config, "--json", what or self.file), capture_output=True, text=True, timeout=10)
        seconds = time.monotonic() - started
        if done.returncode != 0:
            return None
        standing = json.loads(done.stdout)[0]
        standing["seconds"] = seconds
        assert standing["size"] >= written, (written, standing)  # what was just written counts, whether or not the agent has looked
        for sink in standing["sinks"]:
            total = sink["acked"] + sink["waiting"] + sum(sink["dropped"].values())
            assert total == standing["size"], standing
        return standing

    def text(self):
        return subprocess.run(self.command("whereis", "--config", self.config, self.file), capture_output=True, text=True, timeout=10).stdout

    def log_tail(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return "".join(f.readlines()[-15:])

    def expect(self, step, reason, stopped=None):
        """The same with the agent running and after a kill -9 (`stopped`: what is different then)."""
        last = [None]

        def matches(step=step, reason=reason):
            last[0] = standing = self.whereis()
            return standing and standing["step"] == step and reason in standing["reason"] and standing

        told = lambda: f"not ({step}, {reason}) but {last[0]}\n{self.log_tail()}"  # noqa: E731
        running = wait(matches, 20, told)
        time.sleep(2.2)  # what the checkpoints gather
        running = wait(matches, 5, told)
        assert running["seconds"] < 1, running
        assert reason in self.text(), self.text()
        status, body = programs.http(f"http://127.0.0.1:{self.port}/whereis?what=/nowhere/x.log")
        assert status == 404, body
        self.kill()
        step, reason = stopped or (step, reason)
        still = wait(lambda: matches(step, reason), 1, told)
        assert still["seconds"] < 1, still
        return running

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()


def permission_case():
    """permission: the file may not be read"""
    case = Case(["one", "two"], "http://127.0.0.1:9/", user=NOBODY)
    os.chmod(case.folder, 0o755)
    os.chmod(case.file, 0)
    os.chown(case.file, 0, 0)
    with case:
        case.expect("open", "permission denied")


def asked_at_the_start_case():
    """asked all the time while the agent starts: it starts every time"""
    case = Case(["one"], "http://127.0.0.1:9/")
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            case.whereis()

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    try:
        for _ in range(15):
            case.start()
            wait(lambda: listens(case.port) or case.process.poll() is not None)
            assert case.process.poll() is None, case.log_tail()
            case.kill()
    finally:
        stop.set()
        for asker in askers:
            asker.join()
        case.kill()


STAGE = """
[[source.stage]]
"""


def filter_case():
    """filter: a drop stage, with its own reason"""
    far = FarSide(204)
    with Case(["GET /healthz"] * 7 + ["GET /"], f"http://127.0.0.1:{far.port}/", STAGE + 'type = "drop"\nexpression = "healthz"\ndrop_counter_reason = "probe"') as case:
        running = case.expect("stages", "probe")
        assert running["sinks"][0]["dropped"] == {"stages:probe": 7 * 13} and running["sinks"][0]["acked"] == 6, running
    far.close()


def rate_limit_case():
    """rate limit: a limit stage drops, and one that waits"""
    far = FarSide(204)
    with Case(["line"] * 50, f"http://127.0.0.1:{far.port}/", STAGE + 'type = "limit"\nrate = 1\nburst = 5\ndrop = true') as case:
        case.expect("stages", "ratelimit_drop_stage")
    with Case(["line " * 200] * 3000, f"http://127.0.0.1:{far.port}/", STAGE + 'type = "limit"\nrate = 1\nburst = 5') as case:
        case.expect("read", "limits the rate", stopped=("agent", "does not run"))
    far.close()


class Server:
    def __init__(self):
        self.temporary = programs.folder()
        self.server = programs.server(self.temporary.name)

    def __enter__(self):
        return self.server.start()

    def __exit__(self, *_):
        self.server.kill()


def push_url(server):
    return f"http://127.0.0.1:{server.port}/loki/api/v1/push"


def clock_case():
    """clock: lines from a clock that is ahead are refused by the server"""
    stages = STAGE + 'type = "json"\nexpressions = { time = "" }' + STAGE + 'type = "timestamp"\nsource = "time"\nformat = "RFC3339"'
    ahead = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2 * 86_400))
    with Server() as server, Case([json.dumps({"time": ahead})] * 3, push_url(server), stages) as case:
        case.expect("sink", "too_far_in_future")


def parse_case():
    """parse: lines that are no JSON, with drop_malformed"""
    far = FarSide(204)
    with Case(['{"a":1}', "not json"], f"http://127.0.0.1:{far.port}/", STAGE + 'type = "json"\nexpressions = { a = "" }\ndrop_malformed = true') as case:
        running = case.expect("stages", "malformed_json")
        assert running["sinks"][0]["dropped"] == {"stages:malformed_json": 9}, running
    far.close()


def disk_case():
    """disk: the volume of data_dir is full"""
    far = FarSide(204)
    with programs.folder() as disk:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", disk], check=True)
        case = Case(["first"], f"http://127.0.0.1:{far.port}/", data_dir=disk + "/agent")
        try:
            with case:
                wait(lambda: (case.whereis() or {}).get("step") == "done", told=case.log_tail)
                time.sleep(1.5)
                ballast = os.open(disk + "/ballast", os.O_WRONLY | os.O_CREAT)
                try:
                    while os.write(ballast, b"\0" * 4096):
                        pass
                except OSError:
                    os.close(ballast)
                with open(case.file, "a", encoding="utf-8") as f:
                    f.write("".join(f"line {i} {os.urandom(8).hex()}\n" for i in range(20_000)))
                case.expect("checkpoint", "disk")
        finally:
            case.kill()
            subprocess.run(["umount", disk], check=True)
    far.close()


def tls_case():
    """TLS: the server's certificate is not one of ours"""
    with programs.folder() as folder:
        key, cert = folder + "/key.pem", folder + "/cert.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        far = FarSide(204, tls=(cert, key))
        with Case(["one"], f"https://127.0.0.1:{far.port}/") as case:
            case.expect("sink", "tls: ")
        far.close()


def dns_case():
    """DNS: the server's name is unknown"""
    with Case(["one"], "http://nowhere.invalid/loki/api/v1/push") as case:
        case.expect("sink", "dns: ")


def answers_case():
    """401, 429 and 413 of the far side"""
    for status, text, reason in ((401, "no org id", "unauthorized"), (429, "Ingestion rate limit exceeded", "rate_limited"), (413, "request body too large", "too_large")):
        far = FarSide(status, text)
        with Case(["one"], f"http://127.0.0.1:{far.port}/") as case:
            case.expect("sink", reason)
        far.close()


def too_large_case():
    """too large: a line that the server does not take"""
    with Server() as server, Case(["x" * 300_000], push_url(server), source='max_line_size = "1MiB"') as case:
        case.expect("sink", "line_too_long")


def label_limit_case():
    """label limit: more labels than the server takes"""
    labels = ", ".join(f'l{i} = "x"' for i in range(20))
    with Server() as server, Case(["one"], push_url(server), labels=f"labels = {{ {labels} }}") as case:
        case.expect("sink", "max_label_names_per_series")


def refused_case():
    """files that nobody reads: no source, excluded, relabelled away; a name that is not there"""
    with Case(["one"], "http://127.0.0.1:9/", source="exclude = [\"/**/secret.log\"]\n[[source.relabel]]\nsource_labels = [\"__path__\"]\nregex = \".*gone.*\"\naction = \"drop\"") as case:
        for name in ("secret.log", "gone.log", "other.txt"):
            with open(f"{case.folder}/logs/{name}", "w", encoding="utf-8") as f:
                f.write("x\n")

        def check(running):
            for name, step, reason in (("secret.log", "discovery", "exclude"), ("gone.log", "relabel", "dropped by relabelling"), ("other.txt", "discovery", "no source")):
                standing = case.whereis(f"{case.folder}/logs/{name}")
                assert standing and standing["step"] == step and reason in standing["reason"], (running, name, standing)
            assert case.whereis(f"{case.folder}/logs/none.log") is None

        wait(lambda: (case.whereis() or {}).get("step") == "sink", told=case.log_tail)
        check("running")
        case.kill()
        check("stopped")


def sums_case():
    """bytes written = acked + waiting + dropped by reason, whatever is dropped, refused and killed; the server has what is acked"""
    generator = random.Random(seed := time.time_ns())
    stages = STAGE + 'type = "drop"\nexpression = "probe"\ndrop_counter_reason = "probe"' + STAGE + 'type = "drop"\nexpression = "debug"\ndrop_counter_reason = "debug"'
    with Server() as server:
        case = Case([], push_url(server), stages, labels="labels = { job = \"sums\" }")
        kept, dropped = 0, {"stages:probe": 0, "stages:debug": 0}
        with case, open(case.file, "a", encoding="utf-8") as f:
            number = 0
            for _ in range(8):
                # Blocks of one reason are exact; of two, each gets its share. A pause makes blocks of one reason.
                word = generator.choice(["probe", "debug"])
                for _ in range(generator.randint(1, 3000)):
                    line = f"{number} {word if generator.random() < 0.3 else 'line'} {'x' * generator.randint(0, 100)}\n"
                    number += 1
                    f.write(line)
                    if word in line:
                        dropped["stages:" + word] += len(line)
                    else:
                        kept += len(line)
                f.flush()
                time.sleep(generator.random() * 0.7)
                case.whereis()  # checks the sum
                if generator.random() < 0.4:
                    case.kill()
                    case.whereis()
                    case.start()
            standing = wait(lambda: (s := case.whereis()) and s["sinks"] and s["sinks"][0]["waiting"] == 0 and s, 30, case.log_tail)
            sink = standing["sinks"][0]
            assert sink["acked"] == kept, (seed, sink, kept, dropped)
            assert sum(sink["dropped"].values()) == sum(dropped.values()), (seed, sink, dropped)
            for reason, count in sink["dropped"].items():
                assert abs(count - dropped[reason]) <= 300_000 and (dropped[reason] > 0) == (count > 0), (seed, sink, dropped)
            status, body = programs.http(f"http://127.0.0.1:{case.port}/metrics")
            assert f'skidway_agent_ledger_bytes{{sink="hub",source="app",state="acked"}} {kept}' in body.decode(), [x for x in body.decode().splitlines() if "ledger" in x]
            targets = json.loads(programs.http(f"http://127.0.0.1:{case.port}/targets?format=json")[1])
            assert targets[0]["sinks"][0]["acked"] == kept, targets
            case.kill()
            assert case.whereis()["sinks"][0]["waiting"] <= standing["size"]
            lines = server.count('{job="sums"}')
            assert lines > 0
            stored = sum(len(line.encode()) + 1 for _, line, _ in server.lines('{job="sums"}', time.time_ns() - 3600 * 10**9, time.time_ns() + 3600 * 10**9))
            assert stored == kept, (seed, stored, kept)


class Streams(Case):
    """The same with two sources that are no files: a syslog listener `net` and a push receiver `in`."""

    def __init__(self, url, stages="", spool='spool = { mode = "outage" }'):
        self.syslog, self.push = programs.free_port(), programs.free_port()
        super().__init__([], url, f"""
[[source]]
name = "net"
type = "syslog"
listen = ["tcp://127.0.0.1:{self.syslog}"]
{stages}
[[source]]
name = "in"
type = "push"
listen = "127.0.0.1:{self.push}"
""")
        with open(self.config, "a", encoding="utf-8") as f:
            f.write(spool + "\n")

    def __enter__(self):
        super().__enter__()
        wait(lambda: listens(self.syslog) and listens(self.push), told=self.log_tail)
        return self

    def send(self, lines):
        with socket.create_connection(("127.0.0.1", self.syslog)) as s:
            s.sendall("".join(f"<13>1 2026-11-22T10:00:00Z host app - - - {line}\n" for line in lines).encode())

    def of(self, what="net"):
        """What is told of `what`, and its only sink."""
        started = time.monotonic()
        done = subprocess.run(self.command("whereis", "--config", self.config, "--json", what), capture_output=True, text=True, timeout=10)
        assert time.monotonic() - started < 1
        if done.returncode != 0:
            return None, None
        standing = json.loads(done.stdout)[0]
        sink = standing["sinks"][0]
        for key in ("entries", "bytes"):
            total = sink["acked"][key] + sink["waiting"][key] + sum(drop[key] for drop in sink["dropped"].values())
            assert total == standing["received"][key], standing
        return standing, sink

    def until_kept(self, condition, what="net"):
        """Until a kill -9 would leave what fulfils `condition`: asked of a copy of the agent's folder."""
        def holds():
            with programs.folder() as copy:
                shutil.copytree(self.folder + "/agent", copy + "/agent")
                with open(self.config, encoding="utf-8") as f:
                    config = f.read().replace(self.folder + "/agent", copy + "/agent").replace(f":{self.port}", f":{programs.free_port()}")
                with open(copy + "/agent.toml", "w", encoding="utf-8") as f:
                    f.write(config)
                done = subprocess.run(self.command("whereis", "--config", copy + "/agent.toml", "--json", what), capture_output=True, text=True, timeout=10)
                standing = json.loads(done.stdout)[0] if done.returncode == 0 else None
                return standing and condition(standing, standing["sinks"][0])

        wait(holds, told=self.log_tail)

    def until(self, condition, what="net", seconds=20):
        last = [None]

        def holds():
            last[0] = self.of(what)
            return last[0][0] and condition(*last[0])

        wait(holds, seconds, lambda: f"{last[0]}\n{self.log_tail()}")
        return last[0]


def streams_case():
    """sources that are no files, by name: what a stage dropped, and the sums on /metrics and /targets; the same after a kill -9 and a restart"""
    far = FarSide(204)
    drop = STAGE + 'type = "drop"\nexpression = "probe"\ndrop_counter_reason = "probe"'
    with Streams(f"http://127.0.0.1:{far.port}/", drop) as case:
        assert case.of("nobody") == (None, None)
        case.send([f"{'probe' if i % 10 < 3 else 'line'} {i:04}" for i in range(1000)])
        case.until(lambda s, sink: s["received"]["entries"] == 1000 and sink["acked"]["entries"] == 700)
        standing, sink = case.of()
        assert standing["step"] == "stages" and standing["reason"] == "probe", standing
        assert sink["dropped"] == {"stages:probe": {"entries": 300, "bytes": 300 * 10}} and sink["acked"]["bytes"] == 700 * 9, standing
        assert case.of(f"tcp://127.0.0.1:{case.syslog}")[1] == sink
        metrics = programs.http(f"http://127.0.0.1:{case.port}/metrics")[1].decode()
        for line in ('skidway_agent_ledger_entries{sink="hub",source="net",state="acked"} 700', 'skidway_agent_ledger_bytes{sink="hub",source="net",state="acked"} 6300',
                     'skidway_agent_ledger_dropped_entries{reason="stages:probe",sink="hub",source="net"} 300'):
            assert line in metrics, [x for x in metrics.splitlines() if "ledger" in x]
        targets = json.loads(programs.http(f"http://127.0.0.1:{case.port}/targets?format=json")[1])
        net = [t for t in targets if t["source"] == "net"][0]
        assert net["received"]["entries"] == 1000 and net["sinks"][0]["acked"]["entries"] == 700, net
        programs.http(f"http://127.0.0.1:{case.push}/loki/api/v1/push", json.dumps({"streams": [{"stream": {"a": "b"}, "values": [[str(time.time_ns()), "x" * 100]] * 50}]}).encode(),
                      {"Content-Type": "application/json"})
        case.until(lambda s, sink: sink["acked"] == {"entries": 50, "bytes": 5000} and s["step"] == "done", "in")
        case.until_kept(lambda s, at: at["dropped"] == sink["dropped"] and at["acked"] == sink["acked"])
        case.until_kept(lambda s, at: at["acked"]["entries"] == 50, "in")
        case.kill()
        stopped, at = case.of()
        assert at["dropped"] == sink["dropped"] and at["acked"] == sink["acked"] and stopped["step"] == "stages", stopped
        assert case.of("in")[0]["step"] == "agent"
        case.start()
        wait(lambda: listens(case.syslog), told=case.log_tail)
        case.send(["probe 1", "line 2"])
        case.until(lambda s, sink: s["received"]["entries"] == 1002 and sink["acked"]["entries"] == 701 and sink["dropped"]["stages:probe"]["entries"] == 301)
    far.close()


def streams_wait_case():
    """sources that are no files: entries that wait for a dead sink, in memory and in its spool, are told with the reason; so are those that are refused"""
    port = programs.free_port()
    with Streams(f"http://127.0.0.1:{port}/", spool='spool = { mode = "off" }') as case:
        case.send(["line"] * 100)
        standing, sink = case.until(lambda s, sink: s["step"] == "sink" and sink["waiting"]["entries"] == 100)
        assert "refused" in standing["reason"], standing
        case.until_kept(lambda s, sink: "refused" in s["reason"] and sink["waiting"]["entries"] == 100)
        case.kill()
        standing, sink = case.of()
        assert standing["step"] == "sink" and "refused" in standing["reason"] and sink["waiting"]["entries"] == 100, standing
    with Streams(f"http://127.0.0.1:{port}/") as case:
        case.send(["line"] * 100)
        standing, sink = case.until(lambda s, sink: sink["spool"]["entries"] == 100)
        assert sink["waiting"]["entries"] == 0 and standing["step"] == "sink" and "refused" in standing["reason"] and "spool" in standing["reason"], standing
        assert sink["spool"]["bytes"] == 400, sink
        case.kill()
        standing, sink = case.of()
        assert standing["step"] == "sink" and sink["spool"]["entries"] == 100 and sink["spool"]["bytes"] == 400, standing
    far = FarSide(400, "nonsense")
    with Streams(f"http://127.0.0.1:{far.port}/") as case:
        case.send(["line"] * 100)
        standing, sink = case.until(lambda s, sink: s["received"]["entries"] == 100 and sink["waiting"]["entries"] == 0)
        assert standing["step"] == "sink" and "nonsense" in standing["reason"] and sink["acked"]["entries"] == 0, standing
        assert sum(drop["entries"] for drop in sink["dropped"].values()) == 100, sink
    far.close()


def stdin_case():
    """standard input: what waits for a dead sink, and why; when that is there everything is told to be acknowledged, and the end of the input ends the agent"""
    port = programs.free_port()
    with programs.folder() as folder:
        agent = programs.agent(folder, '[[source]]\nname = "in"\ntype = "stdin"\n\n[[source.stage]]\ntype = "drop"\nexpression = "probe"\ndrop_counter_reason = "probe"\n', port,
                               sink='batch_wait = "100ms"\nspool = { mode = "off" }\nretry = { min = "100ms", max = "500ms" }')

        def of(what="in"):
            told = subprocess.run([programs.AGENT, "whereis", "--config", agent.config, "--json", what], capture_output=True, text=True)
            return json.loads(told.stdout)[0] if told.returncode == 0 else None
        with open(agent.log, "ab") as log:
            agent.process = subprocess.Popen([programs.AGENT, "--config", agent.config], stdin=subprocess.PIPE, stdout=log, stderr=log)
        try:
            agent.wait_ready()
            agent.process.stdin.write(b"line\n" * 90 + b"probe\n" * 10)
            agent.process.stdin.flush()
            told = wait(lambda: (t := of())["step"] == "sink" and t["sinks"][0]["waiting"]["entries"] == 90 and t, told=of)
            assert "refused" in told["reason"] and told["received"]["entries"] == 100 and told["sinks"][0]["dropped"] == {"stages:probe": {"entries": 10, "bytes": 50}}, told
            assert of("stdin") == told
            server = programs.server(folder, port=port).start()
            try:
                told = wait(lambda: (t := of())["sinks"][0]["acked"]["entries"] == 90 and t, told=of)
                assert told["sinks"][0]["acked"]["bytes"] == 360 and told["sinks"][0]["waiting"]["entries"] == 0 and told["step"] == "stages", told
                metrics = programs.http(agent.url("/metrics"))[1].decode()
                assert 'skidway_agent_ledger_entries{sink="hub",source="in",state="acked"} 90' in metrics, metrics
                agent.process.stdin.write(b"last")
                agent.process.stdin.close()
                assert agent.process.wait(30) == 0, agent.log_tail()
                assert server.count('{job="stdin"}') == 91
                assert of()["sinks"][0]["acked"]["entries"] == 91
            finally:
                server.kill()
        finally:
            if agent.process.poll() is None:
                agent.kill()


def spool_drops_case():
    """what a spool held and had to drop, or was refused when it was sent, is told with its reason, also by a later run"""
    port = programs.free_port()
    with Streams(f"http://127.0.0.1:{port}/", spool='spool = { mode = "outage", max_age = "4s" }') as case:
        for _ in range(20):  # more batches than are under way at once: those the sender has are not too old
            case.send(["line"] * 10)
            time.sleep(0.15)
        before = case.until(lambda s, sink: sum(sink["spool"]["dropped"].values()) + sink["spool"]["entries"] == 200 and 0 < sink["spool"]["entries"] <= 80)[1]["spool"]["dropped"]
        assert list(before) == ["spool:spool_max_age"] and before["spool:spool_max_age"] >= 120, before
        time.sleep(2.2)
        case.kill()
        assert case.of()[1]["spool"]["dropped"] == before
        case.start()
        wait(lambda: listens(case.syslog), told=case.log_tail)
        assert case.of()[1]["spool"]["dropped"]["spool:spool_max_age"] >= before["spool:spool_max_age"]
    port = programs.free_port()
    with Streams(f"http://127.0.0.1:{port}/") as case:
        case.send(["line"] * 100)
        case.until(lambda s, sink: sink["spool"]["entries"] == 100)
        case.kill()
        far = FarSide(400, "entry too far behind", port=port)
        case.start()
        standing, sink = case.until(lambda s, sink: sink["spool"]["dropped"])
        assert sum(sink["spool"]["dropped"].values()) == 100 and sink["spool"]["entries"] == 0 and "entry too far behind" in standing["reason"], standing
        far.close()


class SpoolFiles(Case):
    """The same with two files, whose lines hardly compress, and small batches that go to a spool."""

    def __init__(self, url, spool):
        super().__init__([], url)
        self.files = {name: f"{self.folder}/logs/{name}.log" for name in ("app", "web")}
        self.sizes = {name: 0 for name in self.files}
        open(self.files["web"], "w", encoding="utf-8").close()
        with open(self.config, "a", encoding="utf-8") as f:
            f.write(f'batch_bytes = "16KiB"\nspool = {spool}\n')

    def write(self, name, bytes_):
        with open(self.files[name], "a", encoding="utf-8") as f:
            while bytes_ > 0:
                line = f"{name} {os.urandom(100).hex()}\n"
                f.write(line)
                bytes_ -= len(line)
                self.sizes[name] += len(line)

    def sinks(self):
        """Of each file its sink; the sum was looked at."""
        told = {name: self.whereis(path) for name, path in self.files.items()}
        return {name: standing["sinks"][0] for name, standing in told.items() if standing and standing["sinks"]}

    def until(self, condition, seconds=30):
        last = [None]

        def holds():
            last[0] = self.sinks()
            return len(last[0]) == 2 and all(condition(name, sink) for name, sink in last[0].items())

        wait(holds, seconds, lambda: f"{last[0]} of {self.sizes}\n{self.log_tail()}")
        return last[0]


def of_all(sink):
    return sink["acked"] + sink["waiting"] + sum(sink["dropped"].values())


def spool_files_case():
    """of each file: what waits in the spool, and what was dropped there, killed at any moment, running and stopped; the server has what is acked"""
    generator = random.Random(seed := time.time_ns())
    port = programs.free_port()
    with SpoolFiles(f"http://127.0.0.1:{port}/loki/api/v1/push", '{ mode = "outage", limit = "4MiB", when_full = "drop_oldest" }') as case:
        def nothing_is_acked(when):
            for name, sink in case.sinks().items():
                assert sink["acked"] == 0 and set(sink["dropped"]) <= {"spool:spool_full"}, (seed, when, name, sink, case.log_tail())

        for _ in range(7):
            for name in case.files:
                case.write(name, generator.randint(0, 1_500_000))
            until = time.monotonic() + generator.random() * 1.5
            while time.monotonic() < until:
                nothing_is_acked("running")
            if generator.random() < 0.7:
                case.kill()
                nothing_is_acked("stopped")
                case.start()
        told = case.until(lambda name, sink: sink["waiting"] == sink["in_spool"] and of_all(sink) == case.sizes[name])
        assert all(sink["in_spool"] > 0 for sink in told.values()) and sum(sink["dropped"].get("spool:spool_full", 0) for sink in told.values()) > 0, (seed, told)
        assert "of them in the sink's spool" in case.text() and "dropped (spool:spool_full)" in case.text(), case.text()
        metrics = programs.http(f"http://127.0.0.1:{case.port}/metrics")[1].decode()
        dropped = sum(sink["dropped"].get("spool:spool_full", 0) for sink in told.values())
        assert f'skidway_agent_ledger_dropped_bytes{{reason="spool:spool_full",sink="hub",source="app"}} {dropped}' in metrics, [x for x in metrics.splitlines() if "ledger" in x]
        time.sleep(2.2)  # what the checkpoints gather
        case.kill()
        stopped = case.sinks()
        assert {name: (sink["in_spool"], sink["dropped"]) for name, sink in stopped.items()} == {name: (sink["in_spool"], sink["dropped"]) for name, sink in told.items()}, (seed, stopped, told)
        with programs.folder() as folder:
            server = programs.server(folder, port=port).start()
            try:
                case.start()
                at_last = case.until(lambda name, sink: sink["waiting"] == 0)
                lines = [line for _, line, _ in server.lines('{job="app"}', time.time_ns() - 3600 * 10**9, time.time_ns() + 3600 * 10**9)]
                for name, sink in at_last.items():
                    assert sink["dropped"] == told[name]["dropped"], (seed, sink, told)
                    stored = sum(len(line) + 1 for line in lines if line.startswith(name))
                    assert stored == sink["acked"], (seed, name, stored, sink)
            finally:
                server.kill()


def spool_refused_case():
    """of each file: what grew too old in the spool, and what was refused when it was sent from there; the same by a later run"""
    port = programs.free_port()
    with SpoolFiles(f"http://127.0.0.1:{port}/", '{ mode = "outage", max_age = "3s" }') as case:
        for name in case.files:
            case.write(name, 200_000)
        told = case.until(lambda name, sink: sink["dropped"].get("spool:spool_max_age", 0) > 0 and of_all(sink) == case.sizes[name])
        assert all(sink["acked"] == 0 for sink in told.values()), told
        case.kill()
        assert all(sink["acked"] == 0 and sink["dropped"]["spool:spool_max_age"] >= told[name]["dropped"]["spool:spool_max_age"] for name, sink in case.sinks().items()), (told, case.sinks())
    port = programs.free_port()
    with SpoolFiles(f"http://127.0.0.1:{port}/", '{ mode = "outage" }') as case:
        for name in case.files:
            case.write(name, 100_000)
        case.until(lambda name, sink: sink["in_spool"] == case.sizes[name] == sink["waiting"])
        case.kill()
        far = FarSide(400, "entry too far behind", port=port)
        case.start()
        told = case.until(lambda name, sink: sink["waiting"] == 0)
        for name, sink in told.items():
            # A batch that is refused as a whole: no byte of it is acked.
            assert sink["acked"] == 0 and sum(sink["dropped"].values()) == case.sizes[name] and all(reason.startswith("sink:") for reason in sink["dropped"]), told
            assert "entry too far behind" in sink["reason"], sink
        case.kill()  # what was not written down yet waits again, and is refused again
        assert all(sink["acked"] == 0 for sink in case.sinks().values()), case.sinks()
        case.start()
        again = case.until(lambda name, sink: sink["waiting"] == 0)
        assert {name: sink["dropped"] for name, sink in again.items()} == {name: sink["dropped"] for name, sink in told.items()}, (again, told)
        far.close()


if __name__ == "__main__":
    sys.exit(programs.run_cases([asked_at_the_start_case, permission_case, filter_case, rate_limit_case, clock_case, parse_case, disk_case, tls_case, dns_case, answers_case, too_large_case,
                                 label_limit_case, refused_case, sums_case, streams_case, streams_wait_case, stdin_case, spool_drops_case, spool_files_case, spool_refused_case]))
