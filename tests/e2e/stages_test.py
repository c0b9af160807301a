#!/usr/bin/env python3
"""Stages of LogQL on the real server: formats, unpack, unwrapped samples, what is detected at ingest, and queries too large."""
import json
import sys
import time
import urllib.parse

import programs

SECOND = 10**9
BEGIN = (int(time.time()) - 600) * SECOND


def push(server, labels, lines):
    values = [[str(BEGIN + i * SECOND), line] for i, line in enumerate(lines)]
    body = json.dumps({"streams": [{"stream": labels, "values": values}]}).encode()
    status, text = programs.http(server.url("/loki/api/v1/push"), body, {"Content-Type": "application/json"})
    assert status == 204, f"{status} {text[:300]}"


def entries(server, query):
    """(line, labels) in order of time"""
    data = server.query("query_range", query=query, start=str(BEGIN), end=str(BEGIN + 60 * SECOND), limit="100")
    found = sorted((int(t), line, tuple(sorted(s["stream"].items()))) for s in data["result"] for t, line in s["values"])
    return [(line, dict(labels)) for _, line, labels in found]


def refusal(server, query, post=False):
    parameters = urllib.parse.urlencode({"query": query, "start": str(BEGIN), "end": str(BEGIN + SECOND)})
    url = server.url("/loki/api/v1/query_range")
    status, body = (programs.http(url, parameters.encode(), {"Content-Type": "application/x-www-form-urlencoded"}) if post
                    else programs.http(url + "?" + parameters))
    return status, body.decode(errors="replace")


def running(extra=""):
    def wrap(test):
        def run():
            with programs.folder() as folder:
                server = programs.server(folder, extra=extra).start()
                try:
                    test(server)
                finally:
                    server.stop()
        run.__doc__ = test.__doc__
        return run
    return wrap


@running()
def formats(server):
    """line_format and label_format fill templates, a failing one says so in a label, unpack restores what was packed"""
    push(server, {"app": "shop"}, ['{"user":"ann","took":"1.5s","size":"3KiB"}', '{"user":"bob","took":"20ms"}'])
    lines = [line for line, _ in entries(server, '{app="shop"} | json | line_format `{{.user | ToUpper}} {{if .size}}{{bytes .size}}{{else}}-{{end}}`')]
    assert lines == ["ANN 3072", "BOB -"], lines
    labels = [labels for _, labels in entries(server, '{app="shop"} | json | label_format who=user, slow=`{{gt (duration .took) 1.0}}` | keep who, slow')]
    assert labels == [{"who": "ann", "slow": "true"}, {"who": "bob", "slow": "false"}], labels
    line, labels = entries(server, '{app="shop"} | json | line_format `{{substr 5 2 .user}}`')[0]
    assert labels["__error__"] == "TemplateFormatErr" and line.startswith("{"), (line, labels)
    push(server, {"app": "packed"}, ['{"pod":"p-1","_entry":"level=warn a=b"}'])
    assert [(line, labels["pod"], labels["a"]) for line, labels in entries(server, '{app="packed"} | unpack | logfmt')] == [("level=warn a=b", "p-1", "b")]


@running()
def samples(server):
    """unwrapped labels are summed, converted where that is asked for, and texts that are no numbers are refused by name"""
    push(server, {"app": "shop"}, ["took=1.5s size=1KiB n=2", "took=500ms size=1kB n=3", "n=odd"])
    at = str(BEGIN + 60 * SECOND)
    for unwrapped, total in (("duration(took)", "2"), ("bytes(size)", "2024"), ('n | __error__=""', "5")):
        result = server.query("query", query=f'sum(sum_over_time({{app="shop"}} | logfmt | unwrap {unwrapped} [5m]))', time=at)["result"]
        assert result[0]["value"][1] == total, (unwrapped, result)
    status, text = programs.http(server.url("/loki/api/v1/query?" + urllib.parse.urlencode({"query": 'sum_over_time({app="shop"} | logfmt | unwrap n [5m])', "time": at})))
    assert status == 400 and b"pipeline error: 'SampleExtractionErr'" in text, (status, text)


@running()
def discovered(server):
    """streams get service_name, entries detected_level"""
    push(server, {"job": "shop"}, ["all is well", "WARN: low", '{"level":"error"}', "lvl=dbg"])
    levels = [(labels["service_name"], labels["detected_level"]) for _, labels in entries(server, '{service_name="shop"}')]
    assert levels == [("shop", "unknown"), ("shop", "warn"), ("shop", "error"), ("shop", "debug")], levels


@running('discover_service_name = []\ndiscover_log_levels = false')
def not_discovered(server):
    """discovery can be turned off"""
    push(server, {"job": "shop"}, ["WARN: low"])
    assert entries(server, '{job="shop"}') == [("WARN: low", {"job": "shop"})]


@running()
def too_large(server):
    """a query of 1 MB and one of 10,000 parentheses are refused, and the server lives on"""
    status, text = refusal(server, '{app="x"} |= "' + "y" * (1 << 20) + '"', post=True)
    assert status == 400 and "input size too long" in text, (status, text[:200])
    for query in ("(" * 10_000 + "1" + ")" * 10_000, '{app="x"} | ' + "(" * 10_000 + "a=1" + ")" * 10_000):
        status, text = refusal(server, query, post=True)
        assert status == 400 and "nests too deeply" in text, (status, text[:200])
    template = "{{if .a}}" * 5_000 + "{{end}}" * 5_000
    status, text = refusal(server, '{app="x"} | line_format `' + template + "`", post=True)
    assert status == 400 and text.startswith("parse error : stage '| line_format"), (status, text[-200:])
    push(server, {"app": "x"}, ["alive"])
    assert [line for line, _ in entries(server, '{app="x"}')] == ["alive"]


if __name__ == "__main__":
    sys.exit(programs.run_cases([formats, samples, discovered, not_discovered, too_large]))
