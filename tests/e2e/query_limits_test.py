#!/usr/bin/env python3
"""What limits say of queries, tenant by tenant, with Loki's texts; and queries that are too much for any parser."""
import json
import os
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402

SECOND = 10**9
BEGIN = (int(time.time()) - 3600) // 60 * 60 * SECOND
END = BEGIN + 600 * SECOND

LIMITS = """
[tenancy]
mode = "header"

[limits.tenant.labels]
required_labels = ["env"]
[limits.tenant.number]
minimum_labels_number = 2
[limits.tenant.range]
max_query_range = "1h"
[limits.tenant.bytes]
max_query_bytes_read = "1KB"
[limits.tenant.lookback]
max_query_lookback = "10m"
[limits.tenant.slow]
query_timeout = "1ns"
[limits.tenant.off]
max_query_parallelism = 0
[limits.tenant.novolume]
volume_enabled = false
[limits.tenant.blocked]
blocked_queries = [{ pattern = ".*secret.*", regex = true }, { types = ["metric"] }]
"""


def ask(server, tenant, path, **parameters):
    parameters = {"start": str(BEGIN), "end": str(END), **parameters}
    status, body = programs.http(server.url(f"/loki/api/v1/{path}?" + urllib.parse.urlencode(parameters)), headers={"X-Scope-OrgID": tenant})
    return status, body.decode()


def limits_of_queries():
    """each limit refuses what it is about, for its tenant alone, with Loki's words"""
    with programs.Server(LIMITS) as server:
        for tenant in ("labels", "number", "range", "bytes", "lookback", "slow", "off", "novolume", "blocked", "free"):
            programs.push(server, {"app": "a", "env": "x"}, [(BEGIN + i * SECOND, "line " * 20) for i in range(100)], [("X-Scope-OrgID", tenant)])
        logs, counts = {"query": '{app="a"}'}, {"query": 'sum(count_over_time({app="a"}[2h]))'}
        for path, parameters in (("query_range", logs), ("query_range", counts), ("labels", {}), ("index/volume", logs)):
            status, text = ask(server, "free", path, **parameters)
            assert status == 200, (path, parameters, status, text)
        for tenant, parameters, expected in (
                ("labels", logs, (400, "stream selector is missing required matchers [env], labels present in the query were [app]")),
                ("labels", counts, (400, "stream selector is missing required matchers [env], labels present in the query were [app]")),
                ("number", logs, (400, "stream selector has less label matchers than required: (present: [app], number_present: 1, required_number_label_matchers: 2)")),
                ("range", counts, (400, "[interval] value exceeds limit: [2h] > [1h]")),
                ("slow", logs, (504, "request timed out, decrease the duration of the request or add more label matchers (prefer exact match over regex match) to reduce the amount of data processed")),
                ("off", logs, (429, "querying is disabled, please contact your Loki operator")),
                ("blocked", {"query": '{app="a"} |= "secret"'}, (400, "query blocked by policy")),
                ("blocked", counts, (400, "query blocked by policy"))):
            assert ask(server, tenant, "query_range", **parameters) == expected, (tenant, ask(server, tenant, "query_range", **parameters))
        status, text = ask(server, "bytes", "query_range", **logs)
        assert status == 400 and text.startswith("the query would read too many bytes (query: ") and "limit: 1.0 KiB); consider" in text, text
        assert ask(server, "labels", "query_range", query='{app="a",env="x"}')[0] == 200
        assert ask(server, "range", "query_range", query='sum(count_over_time({app="a"}[1h]))')[0] == 200
        assert ask(server, "blocked", "query_range", **logs)[0] == 200
        assert ask(server, "novolume", "index/volume", **logs) == (404, "not found")
        for parameters in (logs, counts):
            status, text = ask(server, "lookback", "query_range", **parameters)
            assert status == 200 and json.loads(text)["data"]["result"] == [], text
        assert ask(server, "lookback", "labels") == (400, "this data is no longer available, it is past now - max_query_lookback (10m)")
        status, text = ask(server, "lookback", "query", query="vector(1)+vector(1)", time="4000000000")
        assert status == 200 and json.loads(text)["data"]["result"][0]["value"][1] == "2", text


def monstrous_queries():
    """a query of a megabyte, ten thousand parentheses, and their like are errors, and the server lives"""
    deep = 10_000
    with programs.Server() as server:
        for query in ("(" * deep + "vector(1)" + ")" * deep,
                      "(" * deep,
                      "sum(" * deep + 'rate({a="b"}[1m])' + ")" * deep,
                      '{a="b"} | ' + "(" * deep + "x=1" + ")" * deep,
                      '{a="b"} |= "' + "x" * (1 << 20) + '"',
                      "1" + "+1" * (1 << 19),
                      "-" * (1 << 20) + "1",
                      '{a="b"}' + ' |= "x"' * 150_000,
                      '{a="b"} | line_format "' + "{{if .a}}" * deep + "{{end}}" * deep + '"',
                      '{a=~"' + "(" * deep + "x" + ")" * deep + '"}',
                      "{" + ",".join(f'l{i}="v"' for i in range(60_000)) + "}"):
            body = urllib.parse.urlencode({"query": query, "start": str(BEGIN), "end": str(END)}).encode()
            for path in ("query_range", "query", "format_query", "patterns"):
                status, text = programs.http(server.url("/loki/api/v1/" + path), body, {"Content-Type": "application/x-www-form-urlencoded"})
                assert status in (200, 400), (query[:40], path, status, text[:200])
        assert server.query("query", query="vector(1)")["result"], "the server lives"


if __name__ == "__main__":
    sys.exit(programs.run_cases([limits_of_queries, monstrous_queries]))
