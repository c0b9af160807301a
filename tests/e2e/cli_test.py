#!/usr/bin/env python3
"""The command line `skidway` against a running server, logcli's own requests, and logcli itself where LOGCLI names it."""
import json
import os
import signal
import subprocess
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402

START = 1_793_527_200 * 10**9  # 2026-11-01T10:00:00Z
SECOND = 10**9
ENTRIES = 3000  # one a second, in two streams by turns
SPAN = ["--from", "2026-11-01T10:00:00Z", "--to", "2026-11-01T11:00:00Z"]


def push(server, headers=()):
    for app in ("api", "web"):
        programs.push(server, {"app": app, "namespace": "shop"},
                      [(START + i * SECOND, f"level={'error' if i % 10 == 0 else 'info'} n={i} took={i % 7}ms")
                       for i in range(ENTRIES) if (i % 2 == 0) == (app == "api")], headers)


def run(binary, server, *argv, env=None, code=0):
    done = subprocess.run([binary, *argv], capture_output=True, text=True, timeout=50, stdin=subprocess.DEVNULL,
                          env={**os.environ, "LOKI_ADDR": server.url(""), "TZ": "UTC", **(env or {})})
    assert done.returncode == code, done
    return done


def cli(server, *argv, **more):
    return run(programs.CLI, server, *argv, **more).stdout


def numbers(text):
    return [int(line.split("n=")[1].split()[0]) for line in text.splitlines()]


def every_command():
    """each command of logcli has its answer here"""
    with programs.Server() as server:
        push(server)
        api = '{app="api"}'
        assert numbers(cli(server, "query", *SPAN, "--limit", "3", "-o", "raw", api)) == [2998, 2996, 2994]
        assert numbers(cli(server, "query", *SPAN, "--limit", "3", "--forward", "-o", "raw", api)) == [0, 2, 4]
        assert numbers(cli(server, "query", *SPAN, "--limit", "0", "--batch", "500", "-o", "raw", '{namespace="shop"}')) == list(range(2999, -1, -1))
        line = json.loads(cli(server, "query", *SPAN, "--limit", "1", "-o", "jsonl", api + " | logfmt"))
        assert line["labels"]["app"] == "api" and line["timestamp"] == "2026-11-01T10:49:58Z", line
        assert cli(server, "query", *SPAN, "--limit", "1", "--no-labels", api).startswith("2026-11-01T10:49:58Z level=")
        rate = cli(server, "query", *SPAN, "--step", "10m", 'sum(count_over_time({namespace="shop"}[10m]))')
        assert "{} 600" in rate, rate
        assert cli(server, "instant-query", "--now", "2026-11-01T10:59:00Z", f"sum(count_over_time({api}[1h]))").strip().endswith(" 1500")
        assert cli(server, "labels", *SPAN).split() == ["app", "namespace", "service_name"]
        assert cli(server, "labels", "app", *SPAN).split() == ["api", "web"]
        assert len(cli(server, "series", '{namespace="shop"}', *SPAN).splitlines()) == 2
        analysis = cli(server, "series", "--analyze-labels", '{namespace="shop"}', *SPAN)
        assert "Total Streams:  2" in analysis and "Unique Labels:  3" in analysis, analysis
        fields = cli(server, "detected-fields", *SPAN, api)
        assert any(row.split()[:2] == ["n", "int"] for row in fields.splitlines()), fields
        assert cli(server, "fmt", 'sum by(a)(rate({b="c"}[5m]))').startswith("sum by (a)(")
        programs.http(server.url("/flush"), b"")
        assert "entries: 1500" in cli(server, "stats", *SPAN, api)
        assert len(cli(server, "volume", *SPAN, '{namespace="shop"}').splitlines()) >= 1
        refused = run(programs.CLI, server, "query", "--store-config", "loki.yaml", api, code=2).stderr
        assert "name a server with --addr" in refused, refused
        lines = "".join(f"level={'error' if i % 10 == 0 else 'info'} n={i}\n" for i in range(100))
        told = subprocess.run([programs.CLI, "--stdin", "query", "-o", "raw", '|= "error" | logfmt | n > 50'], input=lines, capture_output=True, text=True)
        assert numbers(told.stdout) == [60, 70, 80, 90], told
        assert "unexpected $end" in run(programs.CLI, server, "query", "{app=", code=1).stderr


def large_exports():
    """an export in parts is complete and in order, and one that was stopped goes on where it was"""
    with programs.Server() as server:
        push(server)
        query = [*SPAN, "--limit", "0", "--forward", "-o", "raw", "--parallel-duration", "5m", "--parallel-max-workers", "3"]
        everything = list(range(ENTRIES))
        assert numbers(cli(server, "query", *query, '{namespace="shop"}')) == everything
        prefix = server.folder + "/export"
        done = run(programs.CLI, server, "query", *query, "--part-path-prefix", prefix, '{namespace="shop"}')
        assert done.stdout == "" and "12 of 12 parts, 3000 entries" in done.stderr, done
        parts = sorted(name for name in os.listdir(server.folder) if name.endswith(".part"))
        assert len(parts) == 12, parts
        os.remove(os.path.join(server.folder, parts[4]))
        done = run(programs.CLI, server, "query", *query, "--part-path-prefix", prefix, "--merge-parts", '{namespace="shop"}')
        assert numbers(done.stdout) == everything and "(11 were there), 300 entries" in done.stderr, done.stderr
        assert not [name for name in os.listdir(server.folder) if ".part" in name]


def volumes_over_time():
    """volume_range says how many bytes came in each step, by label as asked; volume says the sum"""
    with programs.Server() as server:
        push(server)
        programs.http(server.url("/flush"), b"")

        def points(*argv):
            """Values in order of time, by series."""
            out = {}
            for line in cli(server, "volume_range", *SPAN, "-o", "jsonl", *argv, '{namespace="shop"}').splitlines():
                row = json.loads(line)
                out.setdefault(row["metric"].get("app", ""), []).append(int(row["value"]))
            return out

        by_app = points("--targetLabels", "app", "--step", "10m")
        assert sorted(by_app) == ["api", "web"], by_app
        for app, values in by_app.items():  # the entries are 50 minutes long, and spread evenly
            assert len(values) == 5 and min(values) > 0.9 * max(values), by_app
            total = sum(values)
            assert total > sum(len(f"level=info n={i} took={i % 7}ms") for i in range(ENTRIES) if (i % 2 == 0) == (app == "api")), by_app
            volume = cli(server, "volume", *SPAN, "--targetLabels", "app", '{namespace="shop"}')
            assert abs(int(volume.split(f'{{app="{app}"}} ')[1].split()[0]) - total) < 5, (volume, total)  # each step is rounded
        (whole,) = points("--step", "1h")[""]
        assert abs(whole - sum(map(sum, by_app.values()))) < 10, (whole, by_app)
        assert "parse error" in run(programs.CLI, server, "volume_range", *SPAN, "{app=", code=1).stderr


def live_tail():
    """tail shows the newest entries of before, then each that comes, also after the server was away for a moment; Ctrl-C ends it"""
    with programs.Server() as server:
        now = time.time_ns()
        programs.push(server, {"app": "live"}, [(now - (10 - i) * SECOND, f"before n={i}") for i in range(5)])
        tail = subprocess.Popen([programs.CLI, "tail", "--limit", "3", "-o", "raw", "--quiet", '{app="live"} |= "n="'], stdout=subprocess.PIPE, text=True,
                                env={**os.environ, "LOKI_ADDR": server.url("")},
                                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # ignored where the test runs in the background
        try:
            assert [tail.stdout.readline() for _ in range(3)] == ["before n=2\n", "before n=3\n", "before n=4\n"]
            programs.push(server, {"app": "live"}, [(time.time_ns(), "no number"), (time.time_ns() + 1, "after n=5")])
            assert tail.stdout.readline() == "after n=5\n"
            server.stop()
            server.start()
            programs.push(server, {"app": "live"}, [(time.time_ns(), "again n=6")])
            assert tail.stdout.readline() == "again n=6\n"
            tail.send_signal(signal.SIGINT)
            assert tail.stdout.read() == ""
            tail.wait(20)
        finally:
            tail.kill()
            tail.wait()


def deletes():
    """delete create, list and cancel: what was asked for is gone, what was cancelled is there"""
    with programs.Server(extra='[compaction]\ninterval = "50ms"\ngrace = "0s"\n', retention='period = "0"\ndelete_cancel_period = "1h"') as server:
        push(server)

        def left():
            return server.count('{namespace="shop"}', START + 3600 * SECOND, "2h")

        def requests():
            """(request, status) of each."""
            return [(row.split()[0], row.split()[2]) for row in cli(server, "delete", "list").splitlines()[1:]]

        assert requests() == []
        said = cli(server, "delete", "create", *SPAN, '{app="api"} |= "error"').split()
        assert said[:2] == ["delete", "request"] and said[3] == "created", said
        assert requests() == [(said[2], "received")]
        assert json.loads(cli(server, "delete", "list", "-o", "jsonl"))[0]["request_id"] == said[2]
        assert "cancelled" in cli(server, "delete", "cancel", "--request-id", said[2])
        assert requests() == [] and left() == ENTRIES
        refused = run(programs.CLI, server, "delete", "cancel", "--request-id", said[2], code=1).stderr
        assert f'no request to delete with the id "{said[2]}"' in refused and "delete list" in refused and "--addr" not in refused, refused
        server.stop()
        with open(server.config, encoding="utf-8") as f:
            text = f.read()
        with open(server.config, "w", encoding="utf-8") as f:
            f.write(text.replace('delete_cancel_period = "1h"', 'delete_cancel_period = "0s"'))
        server.start()
        cli(server, "delete", "create", *SPAN, '{app="api"} |= "error"')
        programs.wait(lambda: left() == ENTRIES - ENTRIES // 10, why=lambda: f"{left()} are left")
        assert numbers(cli(server, "query", *SPAN, "-o", "raw", "--limit", "3", '{namespace="shop"} |= "error"')) == []
        assert len(requests()) == 1


def tenants_and_headers():
    """the tenant of --org-id or LOKI_ORG_ID, and what is said without one"""
    with programs.Server('\n[tenancy]\nmode = "header"\n') as server:
        push(server, [("X-Scope-OrgID", "shop")])
        assert cli(server, "labels", "app", *SPAN, "--org-id", "shop").split() == ["api", "web"]
        assert cli(server, "labels", "app", *SPAN, env={"LOKI_ORG_ID": "shop"}).split() == ["api", "web"]
        assert cli(server, "labels", "app", *SPAN, "--org-id", "other") == ""
        assert "--org-id" in run(programs.CLI, server, "labels", code=1).stderr


def requests_of_logcli():
    """what logcli sends is answered: its parameters, its headers, and its way of paging"""
    with programs.Server() as server:
        push(server)
        headers = {"User-Agent": "loki-logcli/3.7.6", "Cache-Control": "no-cache", "X-Query-Tags": "Source=logcli"}

        def ask(path, **parameters):
            target = server.url(f"/loki/api/v1/{path}?" + urllib.parse.urlencode(parameters))
            status, body = programs.http(target, headers=headers)
            assert status == 200, (path, status, body)
            return json.loads(body)

        end = START + 3600 * SECOND
        for direction in ("BACKWARD", "FORWARD"):
            low, high, seen, got = START, end, set(), []
            while True:
                data = ask("query_range", query='{namespace="shop"}', direction=direction, start=low, end=high, limit=700, step="14.000000", interval="0.000000")["data"]
                page = [(int(t), line) for s in data["result"] for t, line in s["values"]]
                new = sorted((e for e in page if e not in seen), reverse=direction == "BACKWARD")
                if not new:
                    break
                seen.update(new)
                got += new
                if direction == "BACKWARD":
                    high = new[-1][0] + 1
                else:
                    low = new[-1][0]
            assert [int(line.split("n=")[1].split()[0]) for _, line in got] == (list(range(ENTRIES)) if direction == "FORWARD" else list(range(ENTRIES - 1, -1, -1)))
        matrix = ask("query_range", query='sum(rate({namespace="shop"}[5m]))', direction="BACKWARD", start=START, end=end, limit=30, step="60.000000")["data"]
        assert matrix["resultType"] == "matrix" and matrix["result"]
        assert ask("query", query='sum(count_over_time({app="api"}[1h]))', limit=30, time=end, direction="BACKWARD")["data"]["result"][0]["value"][1] == "1499"
        assert ask("labels", start=START, end=end)["data"] == ["app", "namespace", "service_name"]
        assert ask("label/app/values", start=START, end=end)["data"] == ["api", "web"]
        assert len(ask("series", match='{namespace="shop"}', start=START, end=end)["data"]) == 2
        assert ask("index/stats", query='{namespace="shop"}', start=START, end=end)["streams"] >= 0
        assert ask("index/volume", query='{namespace="shop"}', start=START, end=end, limit=30)["data"]["resultType"] == "vector"
        assert ask("index/volume_range", query='{namespace="shop"}', start=START, end=end, limit=30, step="3600.000000")["status"] == "success"
        assert ask("detected_fields", query='{app="api"}', start=START, end=end, limit=100, line_limit=1000)["fields"]
        assert ask("detected_field/n/values", query='{app="api"}', start=START, end=end, limit=100, line_limit=1000)["values"]


def logcli_itself():
    """logcli (where LOGCLI names one) and skidway print the same"""
    logcli = os.environ.get("LOGCLI")
    if not logcli:
        print("     LOGCLI is not set: not compared with the real one")
        return
    with programs.Server() as server:
        push(server)
        for argv in (["query", *SPAN, "--limit", "50", "-o", "raw", '{app="api"}'],
                     ["query", *SPAN, "--limit", "0", "--batch", "700", "-o", "raw", '{namespace="shop"} |= "error"'],
                     ["query", *SPAN, "--limit", "50", "--forward", "-o", "raw", '{namespace="shop"} | logfmt | took > 3ms'],
                     ["labels", *SPAN], ["labels", "app", *SPAN]):
            theirs = run(logcli, server, *argv, "--quiet").stdout
            ours = cli(server, *argv, "--quiet")
            assert theirs.split("\n") == ours.split("\n"), (argv, theirs[:300], ours[:300])
        for binary, key in ((logcli, "line"), (programs.CLI, "line")):
            out = run(binary, server, "query", *SPAN, "--limit", "5", "-o", "jsonl", "--quiet", '{app="web"}').stdout
            assert [json.loads(row)[key].split("n=")[1].split()[0] for row in out.splitlines()] == ["2999", "2997", "2995", "2993", "2991"], out
        tail = subprocess.Popen([logcli, "query", "--tail", "--quiet", "-o", "raw", "--addr", server.url(""), '{app="live"}'], stdout=subprocess.PIPE, text=True)
        try:
            time.sleep(1)
            programs.push(server, {"app": "live"}, [(time.time_ns(), "hello")])
            assert tail.stdout.readline() == "hello\n"
        finally:
            tail.terminate()
            tail.wait()


if __name__ == "__main__":
    sys.exit(programs.run_cases([every_command, large_exports, volumes_over_time, live_tail, deletes, tenants_and_headers, requests_of_logcli, logcli_itself]))
