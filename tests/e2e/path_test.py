#!/usr/bin/env python3
"""The whole path with the real programs: from files to LogQL answers, and what a user does in between."""
import json
import os
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402
from programs import wait  # noqa: E402

HOUR = 3600 * 10**9


def cri(second, stream, tag, text):
    return f"2026-11-01T10:00:{second:02d}.5Z {stream} {tag} {text}\n"


class Both(programs.Pair):
    """A server and an agent that reads a pod tree and a folder of plain files."""

    def __init__(self, stages="", sink='batch_wait = "100ms"', extra_server=""):
        self.temporary = programs.folder()
        self.folder = self.temporary.name
        self.server = programs.server(self.folder, extra=extra_server)
        os.makedirs(self.folder + "/pods")
        os.makedirs(self.folder + "/plain")
        self.agent = programs.agent(self.folder, f"""
[[source]]
name = "pods"
type = "kubernetes"
path = "{self.folder}/pods"
api = "none"
{stages}
[[source]]
name = "plain"
type = "file"
path = ["{self.folder}/plain/**/*.log"]
labels = {{ job = "plain" }}
""", self.server.port, sink=sink)

    def pod(self, namespace, pod, container="main", uid="11111111-2222-3333-4444-555555555555"):
        path = f"{self.folder}/pods/{namespace}_{pod}_{uid}/{container}"
        os.makedirs(path, exist_ok=True)
        return path + "/0.log"


def append(path, text):
    with open(path, "a", encoding="utf-8") as f:
        f.write(text)


def pod_lines_are_found_with_their_labels():
    """a pod's lines are found by the labels of its path, partial lines joined, stdout and stderr apart"""
    with Both() as b:
        log = b.pod("shop", "cart-1")
        append(log, cri(1, "stdout", "F", "first") + cri(2, "stdout", "P", "half ") + cri(3, "stderr", "F", "other") + cri(4, "stdout", "F", "done"))
        wait(lambda: b.server.count('{pod="cart-1"}') == 3)
        data = b.server.query("query_range", query='{namespace="shop",container="main",stream="stdout"}', start="2026-11-01T00:00:00Z", end="2026-11-02T00:00:00Z",
                              direction="forward")
        assert [line for s in data["result"] for _, line in s["values"]] == ["first", "half done"], data
        labels = data["result"][0]["stream"]
        assert labels["uid"] == "11111111-2222-3333-4444-555555555555" and labels["pod"] == "cart-1", labels
        assert data["stats"]["summary"]["totalLinesProcessed"] >= 2, data["stats"]
        assert sorted(b.server.query("labels", start="2026-11-01T00:00:00Z", end="2026-11-02T00:00:00Z"))[:1] == ["container"]
        assert b.server.query("label/stream/values", start="2026-11-01T00:00:00Z", end="2026-11-02T00:00:00Z") == ["stderr", "stdout"]


def stages_and_relabel_shape_entries():
    """json, labels, drop and relabel rules do what they say on the way to a LogQL answer"""
    with Both(stages="""
[[source.relabel]]
source_labels = ["__meta_kubernetes_pod_name"]
regex = "(.*)-[0-9]+"
target_label = "app"

[[source.stage]]
type = "json"
expressions = { level = "", msg = "message" }

[[source.stage]]
type = "labels"
values = { level = "" }

[[source.stage]]
type = "drop"
expression = "healthz"
""") as b:
        log = b.pod("shop", "api-7")
        append(log, cri(1, "stdout", "F", '{"level":"error","message":"boom"}') + cri(2, "stdout", "F", '{"level":"info","message":"GET /healthz"}'))
        append(log, cri(3, "stdout", "F", '{"level":"info","message":"fine"}'))
        wait(lambda: b.server.count('{app="api"}') == 2)
        assert b.server.count('{app="api",level="error"}') == 1
        assert b.agent.metric("skidway_agent_stage_dropped_entries_total") == 1 or "drop_stage" in programs.http(b.agent.url("/metrics"))[1].decode()


def rotation_and_vanishing_files():
    """rename rotation, deletion, a new file under an old name and a file that lives for a moment lose nothing"""
    with Both() as b:
        path = b.folder + "/plain/app.log"
        for round_number in range(5):
            append(path, "".join(f"round {round_number} line {i}\n" for i in range(200)))
            os.rename(path, f"{path}.{round_number}")
        append(path, "last\n")
        time.sleep(0.5)
        os.remove(f"{path}.0")
        brief = b.folder + "/plain/brief.log"
        append(brief, "gone in a moment\n")
        time.sleep(0.05)
        os.remove(brief)
        wait(lambda: b.server.count('{job="plain"}') == 1002)
        assert b.server.count('{job="plain"} |= "gone in a moment"') == 1


def dead_server_pauses_and_resumes():
    """while the server is away files are the buffer; afterwards everything arrives once"""
    with Both() as b:
        log = b.pod("shop", "cart-1")
        append(log, cri(1, "stdout", "F", "before"))
        wait(lambda: b.server.count('{pod="cart-1"}') == 1)
        b.server.kill()
        append(log, "".join(cri(2, "stdout", "F", f"while away {i}") for i in range(1000)))
        time.sleep(0.5)
        assert programs.http(b.agent.url("/ready"))[0] == 200, "a dead sink must not unready the agent"
        b.server.start()
        wait(lambda: b.server.count('{pod="cart-1"}') == 1001, 40)


def flush_and_compaction_keep_every_answer():
    """the same answers from the head, from flushed objects and after compaction"""
    with Both() as b:
        body = {"streams": [{"stream": {"app": "x"}, "values": [[str(1793527200_000000000 + i), f"line {i}", {"trace": f"t{i}"}] for i in range(5000)]}]}
        for part in range(3):
            body["streams"][0]["stream"] = {"app": f"x{part}"}
            assert programs.http(b.server.url("/loki/api/v1/push"), json.dumps(body).encode(), {"Content-Type": "application/json"})[0] == 204
            if part:
                assert programs.http(b.server.url("/flush"), b"")[0] in (200, 204)

        def answers():
            start, end = 1793527200_000000000, 1793527200_000000000 + HOUR
            log = b.server.query("query_range", query='{app=~"x.*"} |~ "line 4.*9$"', start=start, end=end, limit=1000)["result"]
            rate = b.server.query("query_range", query='sum by (app) (rate({app=~"x.+"}[1m]))', start=start - HOUR, end=end, step=60)["result"]
            for s in log:
                s["values"].sort()
            return sorted(log, key=lambda s: json.dumps(s["stream"])), rate

        before = answers()
        assert len(before[0]) and len(before[1]) == 3, before
        programs.http(b.server.url("/flush"), b"")
        assert answers() == before
        programs.http(b.server.url("/compact"), b"")
        assert answers() == before
        assert b.server.metric("skidway_server_store_live_bytes") > 0
        b.server.stop()
        b.server.start()
        assert answers() == before


def numbered_batches_are_stored_once():
    """a batch with the number of one that is stored is answered 204 and not stored again, also after kill -9"""
    with Both() as b:
        body = json.dumps({"streams": [{"stream": {"app": "n"}, "values": [["1793527200000000000", "once"]]}]}).encode()
        other = json.dumps({"streams": [{"stream": {"app": "n"}, "values": [["1793527200000000001", "twice"]]}]}).encode()
        headers = {"Content-Type": "application/json", "X-Skidway-Batch": "0b9e2f5c-5a1e-4a6e-9b46-0d6c3b0f7a11/1/7"}
        assert programs.http(b.server.url("/loki/api/v1/push"), body, headers)[0] == 204
        b.server.kill()
        b.server.start()
        assert programs.http(b.server.url("/loki/api/v1/push"), other, headers)[0] == 204
        assert b.server.count('{app="n"}') == 1
        programs.http(b.server.url("/flush"), b"")
        assert programs.http(b.server.url("/loki/api/v1/push"), other, headers)[0] == 204
        b.server.kill()
        b.server.start()
        assert programs.http(b.server.url("/loki/api/v1/push"), other, headers)[0] == 204
        assert b.server.count('{app="n"}') == 1


def fresh_entries_are_visible_once_acknowledged():
    """an entry is found by the very next query after its 204"""
    with Both() as b:
        for i in range(30):
            body = json.dumps({"streams": [{"stream": {"app": "f"}, "values": [[str(time.time_ns()), f"entry {i}"]]}]}).encode()
            assert programs.http(b.server.url("/loki/api/v1/push"), body, {"Content-Type": "application/json"})[0] == 204
            assert b.server.count('{app="f"}') == i + 1, i


def targets_check_and_dry_run():
    """targets, check and --dry-run show what would be read without sending anything"""
    with Both() as b:
        log = b.pod("shop", "cart-1")
        append(log, cri(1, "stdout", "F", "hello"))
        wait(lambda: b.server.count('{pod="cart-1"}') == 1)
        page = programs.http(b.agent.url("/targets"), headers={"Accept": "application/json"})[1].decode()
        assert "cart-1" in page, page
        assert "<html" in programs.http(b.agent.url("/targets"), headers={"Accept": "text/html"})[1].decode().lower()
        assert b.agent.stop() == 0
        out = subprocess.run([programs.AGENT, "targets", "--config", b.agent.config, "--json"], capture_output=True, text=True, timeout=20)
        rows = [json.loads(line) for line in out.stdout.splitlines()]
        assert any(r["source"] == "pods" and r["labels"].get("pod") == "cart-1" and r["discovered"]["__meta_kubernetes_namespace"] == "shop" for r in rows), out
        assert subprocess.run([programs.AGENT, "check", "--config", b.agent.config], capture_output=True, timeout=20).returncode == 0
        dry = subprocess.Popen([programs.AGENT, "--config", b.agent.config, "--dry-run", "--data-dir", b.folder + "/dry"], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
        entry = json.loads(dry.stdout.readline())
        dry.terminate()
        assert dry.wait(15) == 0
        assert entry["line"] == "hello" and entry["labels"]["pod"] == "cart-1" and entry["timestamp"] == "2026-11-01T10:00:01.5Z", entry
        assert b.server.count('{pod="cart-1"}') == 1


def command_line_client():
    """skidway query, instant, labels and series answer from a running server"""
    with Both() as b:
        append(b.pod("shop", "cart-1"), cri(1, "stdout", "F", "hello"))
        wait(lambda: b.server.count('{pod="cart-1"}') == 1)
        span = ["--from", "2026-11-01T00:00:00Z", "--to", "2026-11-02T00:00:00Z"]

        def cli(*argv):
            done = subprocess.run([programs.CLI, *argv, "--addr", b.server.url("")], capture_output=True, text=True, timeout=20)
            assert done.returncode == 0, done
            return done.stdout

        assert cli("query", '{pod="cart-1"}', *span, "-o", "raw").strip() == "hello"
        assert json.loads(cli("query", '{pod="cart-1"}', *span, "-o", "jsonl"))["labels"]["pod"] == "cart-1"
        assert "hello" in cli("query", '{pod="cart-1"}', *span)
        assert "namespace" in cli("labels", *span) and "shop" in cli("labels", "namespace", *span)
        assert "cart-1" in cli("series", '{namespace="shop"}', *span)
        assert "2" in cli("instant", "vector(1)+vector(1)")


def stdin_source_ends_the_program():
    """lines on standard input are delivered and the end of input ends the agent well"""
    with Both() as b:
        config = os.path.join(b.folder, "stdin.toml")
        with open(config, "w", encoding="utf-8") as f:
            f.write(f"""data_dir = "{b.folder}/stdin"

[http]
listen = "127.0.0.1:{programs.free_port()}"

[[source]]
name = "in"
type = "stdin"
labels = {{ job = "stdin" }}

[[sink]]
name = "hub"
type = "loki"
url = "http://127.0.0.1:{b.server.port}/loki/api/v1/push"
""")
        text = "".join(f"line {i}\n" for i in range(5000)) + "without newline"
        done = subprocess.run([programs.AGENT, "--config", config], input=text, text=True, capture_output=True, timeout=30)
        assert done.returncode == 0, done
        assert b.server.count('{job="stdin"}') == 5001


def terminated_agent_delivers_what_it_read():
    """TERM drains: everything written before it is delivered, and a restart repeats nothing"""
    with Both(sink='batch_wait = "5s"') as b:
        append(b.folder + "/plain/app.log", "".join(f"line {i}\n" for i in range(20000)))
        time.sleep(0.7)
        assert b.agent.stop() == 0
        first = b.server.count('{job="plain"}')
        b.agent.start()
        wait(lambda: b.server.count('{job="plain"}') >= 20000, 20)
        assert b.agent.stop() == 0
        assert b.server.count('{job="plain"}') == 20000, first


def slow_and_broken_clients_do_not_matter():
    """half a request, garbage and a silent connection leave the server answering others"""
    with Both() as b:
        held = []
        for text in (b"POST /loki/api/v1/push HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc", b"\x16\x03\x01garbage\r\n\r\n", b"", b"GET /rea"):
            s = socket.create_connection(("127.0.0.1", b.server.port))
            s.sendall(text)
            held.append(s)
        assert programs.http(b.server.url("/ready"))[0] == 200
        for s in held:
            s.close()
        assert programs.http(b.server.url("/ready"))[0] == 200


if __name__ == "__main__":
    cases = [pod_lines_are_found_with_their_labels, stages_and_relabel_shape_entries, rotation_and_vanishing_files, dead_server_pauses_and_resumes,
             flush_and_compaction_keep_every_answer, numbered_batches_are_stored_once, fresh_entries_are_visible_once_acknowledged,
             targets_check_and_dry_run, command_line_client, stdin_source_ends_the_program, terminated_agent_delivers_what_it_read,
             slow_and_broken_clients_do_not_matter]
    wanted = sys.argv[1:]
    sys.exit(programs.run_cases([c for c in cases if not wanted or c.__name__ in wanted]))
