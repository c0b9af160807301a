#!/usr/bin/env python3
"""Sources push and otlp with clients that are not ours: curl, syslog-ng's http destination, an OTLP exporter written by hand. What a client
is told is true: a 204 is in the server, a 503 is to be sent again and is stored once."""
import gzip
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402
from programs import wait  # noqa: E402
import services  # noqa: E402

START = 1_700_000_000_000_000_000


def expect(got, wanted):
    if got != wanted:
        raise AssertionError(f"{got!r}, not {wanted!r}")


class Receiving(programs.Pair):
    def __init__(self, memory="64MiB"):
        self.temporary = programs.folder()
        self.folder = self.temporary.name
        self.port = programs.free_port()
        self.server = programs.server(self.folder)
        self.agent = programs.agent(self.folder, f"""
[[source]]
name = "pushes"
type = "push"
listen = "127.0.0.1:{self.port}"
max_body_size = "1MiB"
labels = {{ via = "push" }}
[[source.relabel]]
source_labels = ["__tenant_id__"]
target_label = "whose"
[[source]]
name = "exports"
type = "otlp"
listen = "127.0.0.1:{self.port}"
max_body_size = "1MiB"
log_attributes = [{{ action = "drop", attributes = ["secret"] }}]
[[source.relabel]]
source_labels = ["__otlp_resource_host_name"]
target_label = "host"
""", self.server.port, sink='batch_wait = "100ms"\nretry = { min = "50ms", max = "300ms" }\nspool = { mode = "off" }\n')
        with open(self.agent.config, encoding="utf-8") as config:
            text = config.read()
        with open(self.agent.config, "w", encoding="utf-8") as config:
            config.write(f'memory_limit = "{memory}"\n' + text)

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def curl(self, path, *argv):
        """(status, body)"""
        done = subprocess.run(["curl", "-s", "-w", "\n%{http_code}", *argv, self.url(path)], capture_output=True, text=True, timeout=30)
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body

    def stored(self, selector):
        """(time, line, labels) of all entries"""
        out = []
        for stream in self.server.query("query_range", query=selector, start="1", end=str(time.time_ns() + 3600 * 10**9), limit="5000", direction="forward")["result"]:
            out += [(int(t), line, stream["stream"]) for t, line in stream["values"]]
        return sorted(out, key=lambda e: (e[0], e[1]))


def push_body(line, time_ns=START, **labels):
    return json.dumps({"streams": [{"stream": labels, "values": [[str(time_ns), line, {"k": "v"}]]}]})


def curl_pushes():
    """curl pushes JSON, gzip and raw text; each 204 is stored with its labels and time, each mistake is told"""
    with Receiving() as f:
        json_type = ["-H", "Content-Type: application/json"]
        expect(f.curl("/ready"), (200, "ready\n"))
        expect(f.curl("/loki/api/v1/push", *json_type, "-H", "X-Scope-OrgID: team-a", "-d", push_body("one", app="x")), (204, ""))
        t, line, labels = f.stored('{app="x"}')[0]
        expect((t, line), (START, "one"))
        expect({k: labels[k] for k in ("app", "via", "whose", "k")}, {"app": "x", "via": "push", "whose": "team-a", "k": "v"})
        packed = f.folder + "/body.gz"
        with open(packed, "wb") as out:
            out.write(gzip.compress(push_body("two", app="y").encode()))
        expect(f.curl("/api/v1/push", *json_type, "-H", "Content-Encoding: gzip", "--data-binary", "@" + packed), (204, ""))
        old = {"streams": [{"labels": '{app="y"}', "entries": [{"ts": "2023-11-14T22:13:21Z", "line": "three"}]}]}
        expect(f.curl("/api/prom/push", *json_type, "-d", json.dumps(old)), (204, ""))
        expect([e[1] for e in f.stored('{app="y"}')], ["two", "three"])
        expect(f.curl("/promtail/api/v1/raw", "-H", "Content-Type: text/plain", "--data-binary", "raw 1\r\n\nraw 2\n"), (204, ""))
        expect(sorted(e[1] for e in f.stored('{via="push", app=""}')), ["raw 1", "raw 2"])
        # mistakes
        expect(f.curl("/loki/api/v1/push", "-d", "x", "-H", "Content-Type: application/x-protobuf")[0], 400)
        expect(f.curl("/loki/api/v1/push", "-d", "{", *json_type)[0], 400)
        status, body = f.curl("/loki/api/v1/push", *json_type, "-d", json.dumps({"streams": [
            {"stream": {"bad name": "x"}, "values": [[str(START), "lost"]]}, {"stream": {"app": "z"}, "values": [[str(START), "kept"]]}]}))
        expect((status, "the other streams of the request were taken" in body), (400, True))
        expect([e[1] for e in f.stored('{app="z"}')], ["kept"])
        expect(f.curl("/loki/api/v1/push", "-X", "GET")[0], 405)
        expect(f.curl("/loki/api/v1/query")[0], 404)
        with open(packed, "wb") as out:
            out.write(gzip.compress(push_body("x" * (2 << 20), app="y").encode()))
        expect(f.curl("/loki/api/v1/push", *json_type, "-H", "Content-Encoding: gzip", "--data-binary", "@" + packed)[0], 413)
        expect(f.agent.metric("skidway_agent_receiver_entries_total"), 6)
        expect(f.agent.metric("loki_source_api_entries_written"), 6)
        expect(f.agent.metric("skidway_agent_receiver_refused_entries_total"), 1)
        targets = json.loads(programs.http(f.agent.url("/targets?format=json"))[1])
        expect(sorted((t["source"], t["state"]) for t in targets), [("exports", "active"), ("pushes", "active")])


# --- OTLP as protobuf, by hand

def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def field(number, value):
    return varint(number << 3 | 2) + varint(len(value)) + value


def text(value):
    return field(1, value.encode())


def pair(name, value):
    return field(1, name.encode()) + field(2, value)


def export_of(lines):
    records = b"".join(field(2, b"\x09" + struct.pack("<Q", START + n) + b"\x10\x11" + field(5, text(line)) + field(6, pair("user.id", b"\x18\x2a")) + field(6, pair("secret", text("s")))
                             + field(9, bytes(range(16)))) for n, line in enumerate(lines))
    resource = field(1, pair("service.name", text("shop"))) + field(1, pair("host.name", text("n1")))
    return field(1, field(1, resource) + field(2, field(1, field(1, b"lib")) + records))


def otlp_exports():
    """an OTLP exporter sends protobuf and JSON, plain, gzip: labels and metadata are those of Loki's OTLP endpoint"""
    with Receiving() as f:
        protobuf = {"Content-Type": "application/x-protobuf"}
        expect(programs.http(f.url("/v1/logs"), export_of(["one", "two"]), protobuf), (200, b""))
        expect(programs.http(f.url("/otlp/v1/logs"), gzip.compress(export_of(["one", "two", "three"])), dict(protobuf, **{"Content-Encoding": "gzip"})), (200, b""))
        body = {"resourceLogs": [{"resource": {"attributes": [{"key": "k8s.pod.name", "value": {"stringValue": "p"}}]}, "scopeLogs": [{"logRecords": [
            {"timeUnixNano": str(START), "severityNumber": 17, "severityText": "ERROR", "body": {"kvlistValue": {"values": [{"key": "a", "value": {"intValue": "1"}}]}}}]}]}]}
        expect(programs.http(f.url("/v1/logs"), json.dumps(body).encode(), {"Content-Type": "application/json"}), (200, b'{"partialSuccess":{}}'))
        got = f.stored('{service_name="shop"}')
        expect([line for _, line, _ in got], ["one", "two", "three"])  # what came twice is stored once
        expect(got[0][0], START)
        wanted = {"service_name": "shop", "host": "n1", "host_name": "n1", "user_id": "42", "severity_number": "17", "scope_name": "lib", "trace_id": "000102030405060708090a0b0c0d0e0f"}
        expect({k: v for k, v in got[0][2].items() if k in wanted}, wanted)
        expect("secret" in got[0][2], False)
        got = f.stored('{k8s_pod_name="p"}')
        expect([(line, labels["severity_text"]) for _, line, labels in got], [('{"a":1}', "ERROR")])
        # mistakes, in the form of the request
        expect(programs.http(f.url("/v1/logs"), b"\xff", protobuf)[0], 400)
        expect(json.loads(programs.http(f.url("/v1/logs"), b"{", {"Content-Type": "application/json"})[1])["code"], 3)
        expect(programs.http(f.url("/v1/logs"), b"x", {"Content-Type": "text/plain"})[0], 415)
        expect(f.agent.metric("otelcol_receiver_accepted_log_records_total"), 6)


def nobody_is_told_too_early():
    """while the server is away nobody hears 204; who sends again is stored once, and a killed agent has promised nothing"""
    with Receiving() as f:
        f.server.kill()
        send = lambda line: programs.http(f.url("/loki/api/v1/push"), push_body(line, app="late").encode(), {"Content-Type": "application/json"})  # noqa: E731
        began = time.monotonic()
        status, _ = send("patient")
        expect((status, 7 < time.monotonic() - began < 12), (503, True))
        answers = []
        again = [threading.Thread(target=lambda: answers.append(send("patient")[0])) for _ in range(3)]
        for thread in again:
            thread.start()
        time.sleep(0.5)
        f.server.start()
        for thread in again:
            thread.join()
        expect(answers, [204, 204, 204])
        expect([e[:2] for e in f.stored('{app="late"}')], [(START, "patient")])
        expect(f.agent.metric("skidway_agent_receiver_entries_total"), 1)
        # unanswered when the agent dies: the client has it still
        f.server.kill()
        lost = threading.Thread(target=lambda: answers.append(failed(send, "survivor")))
        lost.start()
        wait(lambda: f.agent.metric("skidway_agent_receiver_waiting_requests") == 1)
        f.agent.kill()
        lost.join()
        expect(answers[-1], True)
        f.server.start()
        f.agent.start()
        expect(send("survivor")[0], 204)
        expect(sorted(e[1] for e in f.stored('{app="late"}')), ["patient", "survivor"])


def failed(send, line):
    try:
        return send(line)[0] == 503
    except (OSError, programs.urllib.error.URLError, __import__("http").client.HTTPException):
        return True


def without_room_clients_keep_their_entries():
    """with the server away and memory full a client gets 503 and Retry-After; all it sent again is stored once"""
    with Receiving(memory="4MiB") as f:
        f.server.kill()
        bodies = [push_body(f"{n} " + "x" * 100_000, START + n, app="big").encode() for n in range(120)]
        refused = []

        def send(body):
            request = programs.urllib.request.Request(f.url("/loki/api/v1/push"), data=body, headers={"Content-Type": "application/json"})
            while True:
                try:
                    with programs.urllib.request.urlopen(request, timeout=30) as answer:
                        return expect(answer.status, 204)
                except programs.urllib.error.HTTPError as e:
                    expect((e.code, e.headers["Retry-After"]), (503, "1"))
                    refused.append(e.read())
                    time.sleep(0.3)

        threads = [threading.Thread(target=send, args=(body,)) for body in bodies]
        for thread in threads:
            thread.start()
        wait(lambda: any(b"no room" in text for text in refused), why="nobody was refused")
        f.server.start()
        for thread in threads:
            thread.join(40)
        expect([thread.is_alive() for thread in threads].count(True), 0)
        expect(sorted(int(e[1].split()[0]) for e in f.stored('{app="big"}')), list(range(120)))


def syslog_ng_pushes():
    """syslog-ng's http destination pushes to the agent as if it were a Loki, with the agent killed on the way"""
    argv, environment = services.syslog_ng()
    with Receiving() as f:
        listen = programs.free_port()
        with open(f.folder + "/sng.conf", "w", encoding="utf-8") as out:
            out.write("""@version: 3.38
source s { network(ip("127.0.0.1") port(LISTEN) transport("tcp") flags(no-parse)); };
destination d { http(url("URL") method("POST") headers("Content-Type: application/json") delimiter(",")
  body-prefix("{\\"streams\\":[{\\"stream\\":{\\"job\\":\\"sng\\"},\\"values\\":[") body('["${R_UNIXTIME}${R_USEC}000","$MSG"]') body-suffix("]}]}")
  batch-lines(10) batch-timeout(200) retries(1000) timeout(20)); };
log { source(s); destination(d); flags(flow-control); };
options { time-reopen(1); };
""".replace("LISTEN", str(listen)).replace("URL", f.url("/loki/api/v1/push")))
        with open(f.folder + "/sng.log", "w", encoding="utf-8") as log:
            sng = subprocess.Popen([*argv, "-e", "-f", f.folder + "/sng.conf", "-R", f.folder + "/persist", "-p", f.folder + "/sng.pid", "-c", f.folder + "/ctl"], env=environment, stdout=log, stderr=log)
        try:
            def connect():
                try:
                    return socket.create_connection(("127.0.0.1", listen), timeout=2)
                except OSError:
                    return None

            def said():
                with open(f.folder + "/sng.log", encoding="utf-8") as log:
                    return log.read()

            connection = wait(connect, why=said)
            for n in range(200):
                connection.sendall(f"line {n}\n".encode())
                time.sleep(0.01)
                if n == 100:
                    f.agent.kill()
                    f.agent.start()
            selector = '{job="sng"}'
            wait(lambda: f.server.count(selector) >= 200, 40, lambda: f"{f.server.count(selector)} of 200\n{said()}{f.agent.log_tail()}")
            expect(sorted(int(line.split()[1]) for _, line, _ in f.stored(selector)), list(range(200)))
        finally:
            sng.terminate()
            sng.wait(10)


CASES = [curl_pushes, otlp_exports, nobody_is_told_too_early, without_room_clients_keep_their_entries, syslog_ng_pushes]

if __name__ == "__main__":
    sys.exit(programs.run_cases([case for case in CASES if not sys.argv[1:] or sys.argv[1] in case.__name__]))
