#!/usr/bin/env python3
"""Metric queries on the real server: many series, much memory asked for, and what an answer says where series end."""
import json
import sys
import time

import programs

SECOND = 10**9
BEGIN = (int(time.time()) - 3600) * SECOND
SERIES = 100_000


def push(server, streams):
    body = json.dumps({"streams": streams}).encode()
    status, text = programs.http(server.url("/loki/api/v1/push"), body, {"Content-Type": "application/json"})
    assert status == 204, f"{status} {text[:300]}"


def peak_bytes(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM"))


def running(test):
    def run():
        with programs.folder() as folder:
            server = programs.server(folder, extra="").start()
            try:
                test(server)
            finally:
                server.stop()
    run.__doc__ = test.__doc__
    return run


@running
def topk(server):
    """topk over 100,000 series holds the best ones, and stays below 256 MiB"""
    for first in range(0, SERIES, 10_000):
        # Entry i comes at second i % 3000; ids below 10 come a second, third ... time.
        values = [[str(BEGIN + (i % 3000) * SECOND + i), "line", {"id": f"id-{i:06d}"}] for i in range(first, first + 10_000)]
        push(server, [{"stream": {"app": "many"}, "values": values}])
    for again in range(1, 10):
        values = [[str(BEGIN + 3000 * SECOND + again * 100 + i), f"again {again}", {"id": f"id-{i:06d}"}] for i in range(10 - again)]
        push(server, [{"stream": {"app": "many"}, "values": values}])
    end = BEGIN + 3500 * SECOND
    count = "count_over_time({app=\"many\"}[1h])"
    for inner in (f"sum by (id) ({count})", count):
        best = server.query("query", query=f"topk(5, {inner})", time=str(end))["result"]
        found = {sample["metric"]["id"]: sample["value"][1] for sample in best}
        assert found == {f"id-{i:06d}": str(10 - i) for i in range(5)}, found
    assert server.query("query", query=f"count(sum by (id) ({count}))", time=str(end))["result"][0]["value"][1] == str(SERIES)
    matrix = server.query("query_range", query=f"topk(3, sum by (id) ({count}))", start=str(BEGIN), end=str(end), step="60")["result"]
    last = {series["metric"]["id"]: series["values"][-1][1] for series in matrix if series["values"][-1][0] == max(s["values"][-1][0] for s in matrix)}
    assert last == {"id-000000": "10", "id-000001": "9", "id-000002": "8"}, last
    assert peak_bytes(server) < 256 << 20, f"{peak_bytes(server) >> 20} MiB"
    print(f"     peak {peak_bytes(server) >> 20} MiB")


@running
def too_many(server):
    """more series than the limit are refused, or cut off where Grafana's Drilldown asks"""
    values = [[str(BEGIN + i), "line", {"id": f"id-{i}"}] for i in range(501)]
    push(server, [{"stream": {"app": "a"}, "values": values}])
    ask = "/loki/api/v1/query?query=count_over_time(%7Bapp%3D%22a%22%7D%5B1h%5D)&time=" + str(BEGIN + 60 * SECOND)
    status, text = programs.http(server.url(ask))
    assert status == 400 and text.startswith(b"maximum number of series (500) reached for a single query"), f"{status} {text}"
    status, text = programs.http(server.url(ask), headers={"X-Query-Tags": "a=b,Source=grafana-lokiexplore-app"})
    answer = json.loads(text)
    assert len(answer["data"]["result"]) == 500, len(answer["data"]["result"])
    assert answer["warnings"] == ["maximum number of series (500) reached for a single query; returning partial results"], answer["warnings"]


@running
def unwrapped(server):
    """a value that is no number names its series and how to leave it out"""
    push(server, [{"stream": {"app": "a"}, "values": [[str(BEGIN), "took=5s"], [str(BEGIN + 1), "took=soon"]]}])
    at = str(BEGIN + SECOND)
    text = 'sum_over_time({app="a"} | logfmt | unwrap duration(took) %s [1m])'
    try:
        server.query("query", query=text % "", time=at)
        raise AssertionError("was answered")
    except AssertionError as e:
        assert "pipeline error: 'SampleExtractionErr' for series:" in str(e) and 'time: invalid duration \\"soon\\"' in str(e), e
    result = server.query("query", query=text % '| __error__=""', time=at)["result"]
    assert [sample["value"][1] for sample in result] == ["5"], result


if __name__ == "__main__":
    sys.exit(programs.run_cases([topk, too_many, unwrapped]))
