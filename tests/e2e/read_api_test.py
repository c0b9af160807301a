#!/usr/bin/env python3
"""What Grafana's data source, Logs Drilldown and logcli ask of a Loki, asked of the real server over HTTP."""
import gzip
import json
import sys
import time
import urllib.parse
import urllib.request

import programs

SECOND = 10**9
BEGIN = (int(time.time()) - 3600) // 60 * 60 * SECOND
END = BEGIN + 600 * SECOND
GRAFANA = {"User-Agent": "Grafana/12.0.0", "X-Query-Tags": "Source=grafana-lokiexplore-app"}
LOGCLI = {"User-Agent": "loki-logcli/3.7.0", "X-Scope-OrgID": "fake"}


def ask(server, path, headers=None, form=None, expect=200, **parameters):
    query = urllib.parse.urlencode(parameters, doseq=True)
    body = urllib.parse.urlencode(form, doseq=True).encode() if form else None
    status, text = programs.http(server.url(path + ("?" + query if query else "")), body, headers)
    assert status == expect, f"{path} {parameters}: {status} {text[:300]}"
    try:
        return json.loads(text)
    except ValueError:
        return text.decode()


def fill(server):
    """Ten minutes of two services: one speaks logfmt, the other JSON."""
    logfmt = [[str(BEGIN + i * SECOND), f'level={"error" if i % 10 == 0 else "info"} msg="served page" took={i % 7}ms user=u{i % 5}', {"trace_id": f"t{i}"}]
              for i in range(600)]
    as_json = [[str(BEGIN + i * SECOND), json.dumps({"level": "warn", "ctx": {"user": f"u{i}"}, "size": f"{i + 1}KB"})] for i in range(0, 600, 10)]
    streams = [{"stream": {"app": "shop", "env": "prod", "pod": "17"}, "values": logfmt}, {"stream": {"app": "cart", "env": "dev"}, "values": as_json}]
    status, text = programs.http(server.url("/loki/api/v1/push"), json.dumps({"streams": streams}).encode(), {"Content-Type": "application/json"})
    assert status == 204, text


def case(test):
    def run():
        with programs.folder() as folder:
            server = programs.server(folder).start()
            try:
                fill(server)
                test(server)  # from the head
                status, text = programs.http(server.url("/flush"), b"")
                assert status == 204, text
                test(server)  # from objects
            finally:
                server.stop()
    run.__doc__ = test.__doc__
    return run


def times(**more):
    return {"start": str(BEGIN), "end": str(END), **more}


@case
def long_answers_are_compressed(server):
    """A client that takes gzip gets long answers in gzip, others as they are; the text is the same"""
    path = "/loki/api/v1/query_range?" + urllib.parse.urlencode(times(query='{app="shop"}', limit="500"))
    texts = []
    for accepted in (None, "gzip", "gzip;q=0"):
        request = urllib.request.Request(server.url(path), headers={"Accept-Encoding": accepted} if accepted else {})
        with urllib.request.urlopen(request) as answer:
            body = answer.read()
            assert answer.headers.get("Vary") == "Accept-Encoding"
            assert (answer.headers.get("Content-Encoding") == "gzip") == (accepted == "gzip"), answer.headers
            texts.append(gzip.decompress(body) if accepted == "gzip" else body)
            if accepted == "gzip":
                assert len(body) < len(texts[0]) / 4, (len(body), len(texts[0]))
    results = [json.loads(text)["data"]["result"] for text in texts]
    assert results[0] == results[1] == results[2] and results[0]


@case
def dashboards_find_their_metrics(server):
    """The metrics that Loki's read dashboards ask for are there after a query of each kind"""
    ask(server, "/loki/api/v1/query_range", **times(query='{app="shop"} |= "error"'))
    ask(server, "/loki/api/v1/query", query='sum(count_over_time({app="shop"}[10m]))', time=str(END))
    ask(server, "/loki/api/v1/query", expect=400, query='{app="shop"}', time=str(END))
    text = programs.http(server.url("/metrics"), None, {})[1].decode()
    for wanted in ('loki_logql_querystats_latency_seconds_count{range="range",status_code="200",type="filter"}',
                   'loki_logql_querystats_latency_seconds_count{range="instant",status_code="200",type="metric"}',
                   'loki_logql_querystats_latency_seconds_count{range="instant",status_code="400",type="limited"}',
                   'loki_logql_querystats_bytes_processed_total{tenant="fake"}', "loki_logql_querystats_duplicates_total",
                   'logql_query_duration_seconds_count{query_type="range"}', "loki_query_frontend_queue_duration_seconds_count",
                   "loki_querier_tail_active 0", "process_cpu_seconds_total", "process_resident_memory_bytes"):
        assert wanted in text, wanted


@case
def shards_are_planned(server):
    """index/shards answers with one shard that holds everything"""
    answer = ask(server, "/loki/api/v1/index/shards", **times(query='{app="shop"}', targetBytesPerShard="1MB"))
    stats = ask(server, "/loki/api/v1/index/stats", **times(query='{app="shop"}'))
    assert len(answer["shards"]) == 1 and answer["shards"][0]["stats"] == stats, answer


@case
def grafana_starts(server):
    """Grafana checks its data source, learns the version and fills its label browser"""
    health = ask(server, "/loki/api/v1/query", GRAFANA, query="vector(1)+vector(1)", time="4000000000", direction="backward")
    assert health["data"]["resultType"] == "vector" and health["data"]["result"][0]["value"] == [4000000000, "2"], health
    assert ask(server, "/loki/api/v1/status/buildinfo", GRAFANA)["version"].startswith("3.")
    assert ask(server, "/loki/api/v1/labels", GRAFANA, **times())["data"] == ["app", "env", "pod", "service_name"]
    assert ask(server, "/loki/api/v1/label/app/values", GRAFANA, **times(query='{env="prod"}'))["data"] == ["shop"]
    assert "data" not in ask(server, "/loki/api/v1/label/nothing/values", GRAFANA, **times())
    series = ask(server, "/loki/api/v1/series", GRAFANA, **{"match[]": '{app=~"shop|cart"}'}, **times())["data"]
    assert sorted(s["app"] for s in series) == ["cart", "shop"], series
    assert "rule local store" in ask(server, "/loki/api/v1/rules/test/test", GRAFANA, expect=400)


@case
def grafana_explores(server):
    """Explore: lines with categorised labels, the volume histogram, what a query will cost"""
    answer = ask(server, "/loki/api/v1/query_range", {**GRAFANA, "X-Loki-Response-Encoding-Flags": "categorize-labels"},
                 **times(query='{app="shop"} | logfmt', limit="1000", direction="backward", step="2000ms"))
    data = answer["data"]
    assert data["encodingFlags"] == ["categorize-labels"] and data["resultType"] == "streams", data
    assert [s["stream"]["app"] for s in data["result"]] == ["shop"] and len(data["result"][0]["values"]) == 600
    newest = data["result"][0]["values"][0]
    assert newest[0] == str(BEGIN + 599 * SECOND), newest
    assert newest[2]["structuredMetadata"] == {"detected_level": "info", "trace_id": "t599"}, newest
    assert newest[2]["parsed"]["user"] == "u4", newest
    assert data["stats"]["summary"]["totalLinesProcessed"] == 600, data["stats"]
    volume = ask(server, "/loki/api/v1/query_range", GRAFANA,
                 **times(query='sum by (level, detected_level) (count_over_time({app="shop"} | drop __error__[1m]))', step="60000ms"))
    by_level = {s["metric"]["detected_level"]: sum(int(v) for _, v in s["values"]) for s in volume["data"]["result"]}
    assert by_level == {"error": 60, "info": 540}, by_level
    stats = ask(server, "/loki/api/v1/index/stats", GRAFANA, **times(query='{app="shop"}'))
    assert stats["streams"] == 1 and stats["entries"] == 600 and stats["bytes"] > 600 * 40, stats


@case
def drilldown(server):
    """Logs Drilldown: volumes, detected labels and fields, patterns, limits"""
    volume = ask(server, "/loki/api/v1/index/volume", GRAFANA, **times(query='{service_name=~".+"}', targetLabels="service_name"))["data"]
    assert [s["metric"]["service_name"] for s in volume["result"]] == ["shop", "cart"], volume
    ranged = ask(server, "/loki/api/v1/index/volume_range", GRAFANA, **times(query='{app="shop"}', step="60"))["data"]
    whole = int(next(s for s in volume["result"] if s["metric"]["service_name"] == "shop")["value"][1])
    parts = sum(int(v) for _, v in ranged["result"][0]["values"])
    assert ranged["resultType"] == "matrix" and abs(parts - whole) <= 10 + whole // 1000, (parts, whole)
    labels = {d["label"]: d["cardinality"] for d in ask(server, "/loki/api/v1/detected_labels", GRAFANA, **times())["detectedLabels"]}
    assert labels == {"app": 2, "env": 2, "pod": 1, "service_name": 2}, labels
    fields = {f["label"]: f for f in ask(server, "/loki/api/v1/detected_fields", GRAFANA, **times(query='{env=~".+"}', line_limit="1000"))["fields"]}
    assert fields["took"]["type"] == "duration" and fields["took"]["cardinality"] == 7, fields["took"]
    assert fields["ctx_user"]["jsonPath"] == ["ctx", "user"] and fields["ctx_user"]["parsers"] == ["json"], fields["ctx_user"]
    assert fields["size"]["type"] == "bytes" and fields["trace_id"]["parsers"] is None, fields
    values = ask(server, "/loki/api/v1/detected_field/user/values", GRAFANA, **times(query='{app="shop"}'))
    assert values == {"values": ["u0", "u1", "u2", "u3", "u4"], "limit": 1000}, values
    limits = ask(server, "/loki/api/v1/drilldown-limits", {**GRAFANA, "X-Scope-OrgID": "fake"})
    assert limits["limits"]["volume_enabled"] is True and limits["pattern_ingester_enabled"] is True, limits
    ask(server, "/loki/api/v1/drilldown-limits", GRAFANA, expect=401)
    for _ in range(2):  # mined, then known from before
        patterns = ask(server, "/loki/api/v1/patterns", GRAFANA, **times(query='{app="shop"}', step="60"))["data"]
        found = {(p["pattern"], p["level"]): sum(n for _, n in p["samples"]) for p in patterns}
        assert found == {('level=info msg="served page" took=<_> user=<_>', "info"): 540,
                         ('level=error msg="served page" took=<_> user=<_>', "error"): 60}, found
        assert all(t * SECOND % (60 * SECOND) == 0 for p in patterns for t, _ in p["samples"]), patterns
    assert ask(server, "/loki/api/v1/patterns", GRAFANA, **times(query='{app="nothing"}')) == {"status": "success", "data": []}


@case
def logcli(server):
    """logcli pages through a query in both directions, and asks for labels, series, stats and volumes"""
    for direction in ("BACKWARD", "FORWARD"):
        lines, start, end = set(), BEGIN, END
        while True:
            result = ask(server, "/loki/api/v1/query_range", LOGCLI, query='{app="shop"}', direction=direction, limit="250", start=str(start), end=str(end),
                         step="2.4", interval="0")["data"]["result"]
            page = sorted(int(t) for s in result for t, _ in s["values"])
            fresh = set(page) - lines
            lines |= fresh
            if not fresh:
                break
            start, end = (start, page[0] + 1) if direction == "BACKWARD" else (page[-1], end)
        assert len(lines) == 600, (direction, len(lines))
    instant = ask(server, "/loki/api/v1/query", LOGCLI, query='sum(count_over_time({app="shop"}[10m]))', limit="30", time=str(END))
    assert instant["data"]["result"][0]["value"][1] == "599", instant  # the first entry lies on the open end of the window
    series = ask(server, "/loki/api/v1/series", LOGCLI, match='{app="cart"}', **times())["data"]
    assert series == [{"app": "cart", "env": "dev", "service_name": "cart"}], series
    posted = ask(server, "/loki/api/v1/series", LOGCLI, form={"match[]": ['{app="cart"}', '{app="shop"}'], **times()})["data"]
    assert len(posted) == 2, posted
    by_label = ask(server, "/loki/api/v1/index/volume", LOGCLI, **times(query='{app="shop"}', limit="30", aggregateBy="labels"))["data"]["result"]
    assert [list(s["metric"]) for s in by_label] == [["app"], ["env"], ["pod"], ["service_name"]], by_label


@case
def others(server):
    """Errors are Loki's words, formatted queries and the legacy endpoints answer, other methods do not"""
    for body in (None, b""):  # a GET and a POST, as Loki
        assert programs.http(server.url("/flush"), body) == (204, b"")
    text = ask(server, "/loki/api/v1/query_range", query='{app="shop"', expect=400)
    assert text == "parse error at line 1, col 12: syntax error: unexpected $end, expecting } or ,", text
    text = ask(server, "/loki/api/v1/query", query='{app="shop"}', expect=400)
    assert text.startswith("log queries are not supported as an instant query type"), text
    text = ask(server, "/loki/api/v1/index/volume", query='{app="shop"}', aggregateBy="x", expect=400)
    assert text == "invalid aggregation option", text
    pretty = ask(server, "/loki/api/v1/format_query", form={"query": 'sum(rate({app="shop"}|="x"[5m]))by(pod)'})
    assert pretty == {"status": "success", "data": 'sum by (pod)(rate({app="shop"} |= "x"[5m]))'}, pretty
    wrong = ask(server, "/loki/api/v1/format_query", query="{", expect=400)
    assert wrong["status"] == "invalid-query", wrong
    assert ask(server, "/api/prom/label", **times())["values"] == ["app", "env", "pod", "service_name"]
    legacy = ask(server, "/api/prom/query", **times(query='{app="cart"}', limit="1"))
    assert legacy["streams"][0]["entries"][0]["ts"].endswith("Z"), legacy
    ask(server, "/loki/api/v1/label/a%2Fb/values", expect=404)
    assert 'listen = "127.0.0.1' in ask(server, "/config")
    metrics = ask(server, "/metrics")
    assert 'loki_request_duration_seconds_count{method="GET",route="loki_api_v1_query_range",status_code="400",ws="false"}' in metrics
    assert "skidway_server_pattern_objects_total" in metrics


if __name__ == "__main__":
    sys.exit(programs.run_cases([long_answers_are_compressed, dashboards_find_their_metrics, shards_are_planned, grafana_starts, grafana_explores, drilldown, logcli, others]))
