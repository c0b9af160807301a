#!/usr/bin/env python3
"""Programs that are not ours push to the server: curl in every form, syslog-ng's http destination, rsyslog and syslog-ng over TCP, with the server
killed on the way. And limits of tenants that change while the server runs."""
import gzip
import json
import os
import socket
import subprocess
import sys
import time

import programs
from programs import wait
import services

NOW = time.time_ns() // 10**9 * 10**9


def expect(got, wanted):
    if got != wanted:
        raise AssertionError(f"{got!r} instead of {wanted!r}")


class Site(programs.Alone):
    """A server, killed at the end."""

    def __init__(self, extra=""):
        self.scratch = programs.folder()
        self.folder = self.scratch.name
        self.syslog = programs.free_port()
        self.server = programs.server(self.folder, extra=extra + f'\n[syslog]\nlisten = "127.0.0.1:{self.syslog}"\n')

    def again(self):
        self.server.kill()
        self.server.start()

    def curl(self, path, body, *options):
        """(status, body) of a POST by curl."""
        name = os.path.join(self.folder, "body")
        with open(name, "wb") as f:
            f.write(body if isinstance(body, bytes) else body.encode())
        done = subprocess.run(["curl", "-sS", "-X", "POST", "--data-binary", "@" + name, "-w", "\n%{http_code}", *options, self.server.url(path)],
                              capture_output=True, timeout=30, check=True)
        text, _, status = done.stdout.rpartition(b"\n")
        return int(status), text

    def lines(self, selector):
        data = self.server.query("query_range", query=selector, start=str(NOW - 3600 * 10**9), end=str(NOW + 3600 * 10**9), limit="5000", direction="forward")
        return sorted(line for s in data["result"] for _, line in s["values"])


JSON = ("-H", "Content-Type: application/json")


def push_body(line, time_ns=NOW, **labels):
    return json.dumps({"streams": [{"stream": labels, "values": [[str(time_ns), line]]}]})


def otlp_body(line, service):
    return json.dumps({"resourceLogs": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
                                         "scopeLogs": [{"logRecords": [{"timeUnixNano": str(NOW), "body": {"stringValue": line}}]}]}]})


def curl_pushes():
    """curl: Loki's JSON, gzip, the older path, OTLP by both paths, _bulk and JSON lines; all of it is there after a kill"""
    with Site() as s:
        expect(s.curl("/loki/api/v1/push", push_body("one", app="a"), *JSON), (204, b""))
        expect(s.curl("/loki/api/v1/push", gzip.compress(push_body("two", app="a").encode()), *JSON, "-H", "Content-Encoding: gzip")[0], 204)
        old = {"streams": [{"labels": '{app="a"}', "entries": [{"ts": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW // 10**9)), "line": "three"}]}]}
        expect(s.curl("/api/prom/push", json.dumps(old), *JSON)[0], 204)
        expect(s.curl("/loki/api/v1/push", push_body("x", app="a"), *JSON, "-H", "Content-Encoding: br"), (400, b'Content-Encoding "br" not supported\n'))
        expect(s.curl("/otlp/v1/logs", otlp_body("four", "a"), *JSON), (204, b""))
        expect(s.curl("/v1/logs", otlp_body("five", "a"), *JSON), (200, b'{"partialSuccess":{}}'))
        expect(s.curl("/v1/logs", "x", *JSON)[0], 400)
        bulk = '{"create":{"_index":"shop"}}\n{"message":"six","service":{"name":"a"}}\n{"create":{"_index":"shop"}}\nnone\n'
        status, answer = s.curl("/elasticsearch/_bulk", bulk, "-H", "Content-Type: application/x-ndjson")
        answer = json.loads(answer)
        expect((status, answer["errors"], [item["create"]["status"] for item in answer["items"]]), (200, True, [201, 400]))
        line = {"timestamp": "2001-01-01T00:00:00Z", "labels": {"app": "old"}, "line": "then"}
        status, answer = s.curl("/api/v1/jsonl", f'{{"message":"seven","service.name":"a"}}\n{json.dumps(line)}\n[]\n')
        expect((status, answer), (400, b"line 3: not a JSON object: []\n"))
        for _ in range(2):
            expect(s.lines('{app="a"}'), ["one", "three", "two"])
            expect(s.lines('{service_name="a"}'), sorted(["one", "two", "three", "four", "five", "six", "seven"]))
            expect(s.server.count('{index="shop"}'), 1)
            expect(s.server.count('{app="old"}', window="50y"), 1)
            s.again()
        status, hello = programs.http(s.server.url("/elasticsearch/"))
        expect((status, json.loads(hello)["version"]["number"] >= "8"), (200, True))
        expect(programs.http(s.server.url("/elasticsearch/_license"))[0], 200)


def limits_change_while_the_server_runs():
    """tenants by header, limits of one of them from a file: taken over while the server runs; a bad file changes nothing"""
    with programs.folder() as folder:
        overrides = folder + "/tenants.toml"

        def write(text):
            with open(overrides + ".new", "w", encoding="utf-8") as f:
                f.write(text)
            os.rename(overrides + ".new", overrides)

        write("")
        with Site(extra=f'overrides_file = "{overrides}"\noverrides_period = "50ms"\n\n[tenancy]\nmode = "header"\n') as s:
            push = lambda tenant, line="a longer line": s.curl("/loki/api/v1/push", push_body(line, app="a"), *JSON, "-H", "X-Scope-OrgID: " + tenant)  # noqa: E731
            expect(s.curl("/loki/api/v1/push", push_body("x", app="a"), *JSON), (401, b"no org id\n"))
            expect(push("small")[0], 204)
            write("[limits.tenant.small]\nmax_line_size = 5\n")
            wait(lambda: push("small")[0] == 400, why="the limit is not taken over")
            expect(push("small")[1], b"max entry size '5' bytes exceeded for stream '{app=\"a\", service_name=\"a\"}' while adding an entry with length '13' bytes\n")
            expect(push("other")[0], 204)
            write("[limits.tenant.small]\nmax_line_sise = 500\n")
            wait(lambda: s.server.metric("skidway_server_limits_last_reload_successful") == 0)
            expect(push("small")[0], 400)
            write("")
            wait(lambda: push("small")[0] == 204, why="the limit is not taken back")
            page = programs.http(s.server.url("/metrics"))[1].decode()
            assert 'loki_discarded_samples_total{reason="line_too_long",tenant="small"}' in page, page
            expect(programs.http(s.server.url("/-/reload"), data=b"")[0], 200)


def run_syslog_ng(s, config):
    argv, environment = services.syslog_ng()
    with open(s.folder + "/sng.conf", "w", encoding="utf-8") as out:
        out.write("@version: 3.38\noptions { time-reopen(1); };\n" + config)
    log = open(s.folder + "/sng.log", "w", encoding="utf-8")
    return subprocess.Popen([*argv, "-e", "-f", s.folder + "/sng.conf", "-R", s.folder + "/persist", "-p", s.folder + "/sng.pid", "-c", s.folder + "/ctl"],
                            env=environment, stdout=log, stderr=log)


def syslog_ng_pushes():
    """syslog-ng's http destination pushes JSON, and its syslog destination sends messages, with the server killed on the way"""
    with Site() as s:
        listen = programs.free_port()
        sng = run_syslog_ng(s, """
source s { network(ip("127.0.0.1") port(LISTEN) transport("tcp") flags(no-parse)); };
destination d { http(url("URL") method("POST") headers("Content-Type: application/json") delimiter(",")
  body-prefix("{\\"streams\\":[{\\"stream\\":{\\"job\\":\\"sng\\"},\\"values\\":[") body('["${R_UNIXTIME}${R_USEC}000","$MSG"]') body-suffix("]}]}")
  batch-lines(10) batch-timeout(200) retries(1000) timeout(20)); };
destination c { syslog("127.0.0.1" port(SYSLOG) transport("tcp")); };
log { source(s); destination(d); flags(flow-control); };
log { source(s); destination(c); };
""".replace("LISTEN", str(listen)).replace("SYSLOG", str(s.syslog)).replace("URL", s.server.url("/loki/api/v1/push")))
        try:
            def connect():
                try:
                    return socket.create_connection(("127.0.0.1", listen), timeout=2)
                except OSError:
                    return None

            connection = wait(connect, why="syslog-ng does not listen")
            for n in range(200):
                connection.sendall(f"line {n}\n".encode())
                time.sleep(0.005)
                if n == 100:
                    wait(lambda: s.server.count('{job="syslog"}') == 101, why=lambda: s.server.count('{job="syslog"}'))
                    s.again()
            wait(lambda: s.server.count('{job="sng"}') >= 200, why=lambda: s.server.count('{job="sng"}'))
            expect(s.lines('{job="sng"}'), sorted(f"line {n}" for n in range(200)))
            # Syslog has no acknowledgements: what lay in the system's buffers at the kill is lost to any receiver.
            expect(set(s.lines('{job="syslog"}')) >= {f"line {n}" for n in range(101)}, True)
        finally:
            sng.terminate()
            sng.wait(10)


def rsyslog_forwards():
    """rsyslog: octet counting with RFC 5424, and lines with its traditional form"""
    with Site() as s:
        for name in ("counted", "feeds"):
            with open(f"{s.folder}/{name}.log", "w", encoding="utf-8") as f:
                f.writelines(f"line {i}\n" for i in range(1000))
        with open(s.folder + "/rsyslog.conf", "w", encoding="utf-8") as f:
            f.write(f"""
global(workDirectory="{s.folder}")
module(load="imfile" PollingInterval="1")
input(type="imfile" File="{s.folder}/counted.log" Tag="counted:" ruleset="counted")
input(type="imfile" File="{s.folder}/feeds.log" Tag="feeds[7]:" ruleset="feeds")
ruleset(name="counted") {{ action(type="omfwd" target="127.0.0.1" port="{s.syslog}" protocol="tcp" TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format") }}
ruleset(name="feeds") {{ action(type="omfwd" target="127.0.0.1" port="{s.syslog}" protocol="tcp" template="RSYSLOG_ForwardFormat") }}
""")
        rsyslog = subprocess.Popen(["rsyslogd", "-n", "-f", s.folder + "/rsyslog.conf", "-i", s.folder + "/rsyslog.pid"], stderr=subprocess.DEVNULL)
        try:
            for app in ("counted", "feeds"):
                selector = f'{{app="{app}"}}'
                wait(lambda: s.server.count(selector) >= 1000, why=lambda: s.server.count(selector))  # noqa: B023
                expect([line.strip() for line in s.lines(selector)], sorted(f"line {i}" for i in range(1000)))
            expect(s.server.count('{app="feeds"} | proc_id="7"'), 1000)
        finally:
            rsyslog.terminate()
            rsyslog.wait(20)


CASES = [curl_pushes, limits_change_while_the_server_runs, syslog_ng_pushes, rsyslog_forwards]

if __name__ == "__main__":
    sys.exit(programs.run_cases([case for case in CASES if not sys.argv[1:] or sys.argv[1] in case.__name__]))
