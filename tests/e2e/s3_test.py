#!/usr/bin/env python3
"""The server with its objects in a bucket: of OpenStack Swift (s3api) and of Ceph's radosgw, both real; and what may go wrong on the way there.

usage: s3_test.py swift|radosgw
"""
import json
import os
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "crash")]
import fault_proxy  # noqa: E402
import object_stores  # noqa: E402
import programs  # noqa: E402

BUCKET = "skidway-logs"
MODES = {"swift": ["503", "lost answer"], "radosgw": ["500", "503", "refuse", "cut", "hang", "lost answer", "slow"]}
HOUR = 3600 * 10**9
SERVICE_TEST = os.path.join(programs.BUILD, "server/s3/s3_service_test")
IMPATIENT = 'connect_timeout = "500ms"\ntimeout = "1s"\npatience = "2s"\n'
QUICK_FLUSH = '[ingest]\nflush_interval = "200ms"\n'


class Case(programs.Alone):
    """A server whose objects are in the store, below a prefix of its own, and what was acknowledged to us so far."""

    def __init__(self, store, prefix, extra="", keys="", port=None):
        self.scratch = programs.folder()
        self.store, self.prefix, self.sent = store, prefix, []
        settings = store.settings(BUCKET, prefix, port) + keys
        self.server = programs.server(self.scratch.name, extra=settings + extra)

    def push(self, count, app="s3"):
        """Pushes lines and checks that they are acknowledged."""
        now = time.time_ns()
        lines = [f"line {len(self.sent) + i} of {self.prefix}" for i in range(count)]
        body = {"streams": [{"stream": {"app": app}, "values": [[str(now + i), line] for i, line in enumerate(lines)]}]}
        status, answer = programs.http(self.server.url("/loki/api/v1/push"), json.dumps(body).encode(), {"Content-Type": "application/json"})
        assert status == 204, (status, answer)
        self.sent += lines

    def flush(self, seconds=30):
        until = time.monotonic() + seconds
        while True:
            status, answer = programs.http(self.server.url("/flush"), b"")
            if status == 204:
                return
            assert time.monotonic() < until, (status, answer, self.server.log_tail())
            time.sleep(0.2)

    def check(self):
        """Everything that was acknowledged is there, once and in order."""
        now = time.time_ns()
        found = [line for _, line, _ in self.server.lines('{app="s3"}', now - HOUR, now + HOUR)]
        assert found == self.sent, f"{len(self.sent)} sent, {len(found)} found, {len(set(self.sent) - set(found))} missing"

    def keys(self):
        return [key for key in self.store.keys(BUCKET) if key.startswith(self.prefix + "/")]

    def objects(self):
        return [key for key in self.keys() if key.endswith(".lseg")]


def door(store):
    """the door's checks hold against the real store"""
    environment = dict(os.environ, SKIDWAY_TEST_S3_ENDPOINT=store.endpoint, SKIDWAY_TEST_S3_BUCKET=BUCKET, SKIDWAY_TEST_S3_KEY=store.key,
                       SKIDWAY_TEST_S3_SECRET=store.secret, SKIDWAY_TEST_S3_CONDITIONAL_PUT="yes" if store.conditional_put else "no")
    done = subprocess.run([SERVICE_TEST], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and " 0 failed" in done.stdout, done.stdout[-3000:] + done.stderr[-3000:]


def restart(store):
    """what was flushed is in the bucket alone, and a restarted server answers from there, merged or not"""
    with Case(store, "restart") as case:
        for _ in range(3):
            case.push(400)
            case.flush()
        case.check()
        assert "restart/cluster.json" in case.keys(), case.keys()
        assert len(case.objects()) == 3, case.keys()
        assert not os.path.exists(case.scratch.name + "/server/store"), "objects on the disk"
        case.server.stop()
        case.server.start()
        case.check()
        assert case.server.metric('skidway_server_s3_requests_total{operation="get",status="2xx"}') > 0
        status, answer = programs.http(case.server.url("/compact"), b"")
        assert status == 204, (status, answer)
        assert any("/l2/" in key for key in case.objects()), case.keys()
        case.server.kill()
        case.server.start()
        case.check()


def tls(store):
    """over TLS with a certificate authority of one's own; without it the start ends with a sentence"""
    def over_tls(case):
        with open(case.server.config, encoding="utf-8") as f:
            text = f.read().replace(f"http://127.0.0.1:{store.port}", f"https://127.0.0.1:{store.tls_port}")
        with open(case.server.config, "w", encoding="utf-8") as f:
            f.write(text)
        return case

    with over_tls(Case(store, "tls", keys=f'ca_file = "{store.ca_file}"\n')) as case:
        case.push(500)
        case.flush()
        case.server.stop()
        case.server.start()
        case.check()
    case = over_tls(Case(store, "tls", keys=IMPATIENT))
    case.server.start(ready=False)
    assert case.server.process.wait(30) == 1
    assert "certificate" in case.server.log_tail(), case.server.log_tail()


def metrics(store):
    """/metrics counts requests and bytes, and says what a month would cost"""
    with Case(store, "metrics", keys="prices = { put_per_1000 = 1000, get_per_1000 = 1, gigabyte_month = 1e9 }\n") as case:
        case.push(10)
        case.flush()
        page = programs.http(case.server.url("/metrics"))[1].decode()
        value = {m[1]: float(m[2]) for m in re.finditer(r"^(skidway_server_s3_[^ ]+) (\S+)$", page, re.M)}
        assert value['skidway_server_s3_requests_total{operation="put",status="2xx"}'] >= 2, value
        assert value["skidway_server_s3_sent_bytes_total"] > 100 and value["skidway_server_s3_received_bytes_total"] > 100
        assert value["skidway_server_s3_concurrency_limit"] >= 1
        cost = {part: value[f'skidway_server_s3_estimated_monthly_cost_dollars{{part="{part}"}}'] for part in ("requests", "traffic", "storage")}
        live = case.server.metric("skidway_server_store_live_bytes")
        assert cost["requests"] > 730 and cost["traffic"] == 0 and abs(cost["storage"] - live) < 1, (cost, live)


def foreign(store):
    """a second catalogue on the same prefix is refused by name, on another prefix it is welcome"""
    with Case(store, "foreign") as case:
        with Case(store, "foreign/inner"):
            pass
        other = Case(store, "foreign")
        other.server.start(ready=False)
        assert other.server.process.wait(30) == 1
        said = other.server.log_tail()
        assert f"s3://{BUCKET}/foreign belongs to cluster" in said and "use another prefix" in said, said
        case.push(5)
        case.flush()
        case.check()


def refusals(store):
    """wrong keys, a missing bucket and a dead endpoint end the start with a sentence that helps"""
    for change, what in (((f'secret_access_key = "{store.secret}"', 'secret_access_key = "wrong"'), "check the secret key"),
                         ((f"s3://{BUCKET}/", "s3://no-such-bucket-here/"), "make the bucket"),
                         ((f":{store.port}", f":{programs.free_port()}"), "gave up after")):
        case = Case(store, "refusals", keys=IMPATIENT)
        with open(case.server.config, encoding="utf-8") as f:
            text = f.read()
        assert change[0] in text
        with open(case.server.config, "w", encoding="utf-8") as f:
            f.write(text.replace(*change))
        case.server.start(ready=False)
        assert case.server.process.wait(30) == 1
        assert what in case.server.log_tail(), case.server.log_tail()


def faults(store, modes):
    """through every kind of trouble pushes are acknowledged, and afterwards each line is in the bucket once"""
    proxy = fault_proxy.FaultProxy(store.port)
    try:
        with Case(store, "faults", QUICK_FLUSH, IMPATIENT, proxy.port) as case:
            for mode in modes:
                case.push(50)
                proxy.mode = mode
                case.push(150)
                time.sleep(1.5)
                case.push(50)
                proxy.mode = "pass"
                case.flush()
                case.check()
            case.server.stop()
            case.server.start()
            case.check()
    finally:
        proxy.close()


def older_catalogue(store):
    """a catalogue that is put back from a copy is refused beside the bucket, and made anew from it; while the bucket is away it writes nothing there"""
    proxy = fault_proxy.FaultProxy(store.port)
    try:
        with Case(store, "older", keys=IMPATIENT, port=proxy.port) as case:
            case.push(100)
            case.flush()
            case.server.stop()
            catalog, copy = case.scratch.name + "/server/catalog.db", case.scratch.name + "/copy.db"
            shutil.copy(catalog, copy)
            case.server.start()
            case.push(100)
            case.flush()
            case.server.stop()
            shutil.copy(copy, catalog)
            before = case.keys()
            case.server.start(ready=False)
            assert case.server.process.wait(30) == 1
            assert "was put back from an older copy; `skidway-server catalog rebuild" in case.server.log_tail(), case.server.log_tail()
            os.remove(case.scratch.name + "/server/catalog.mark")  # as on a machine that knows nothing but the copy
            proxy.mode = "refuse"
            case.server.start()  # which catalogue is the latest cannot be told now
            proxy.mode = "pass"
            programs.wait(lambda: b"was put back from an older copy" in programs.http(case.server.url("/ready?verbose"))[1], why="an older catalogue is not found out")
            case.server.kill()
            assert case.keys() == before
            done = subprocess.run([programs.SERVER, "catalog", "rebuild", "--config", case.server.config], capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stdout + done.stderr
            case.server.start()
            case.check()
            assert len([key for key in case.keys() if "/generations/" in key]) <= 2, case.keys()
    finally:
        proxy.close()


def stop_in_outage(store):
    """a server told to stop while the store is silent stops in time, and loses nothing"""
    proxy = fault_proxy.FaultProxy(store.port)
    try:
        with Case(store, "stop", keys='timeout = "20s"\npatience = "60s"\n', port=proxy.port) as case:
            case.push(100)
            proxy.mode = "hang"
            case.server.stop(seconds=25)
            proxy.mode = "pass"
            case.server.start()
            case.flush()
            case.check()
    finally:
        proxy.close()


def damaged(store):
    """a corrupted object costs its entries and says so; the rest is served"""
    with Case(store, "damaged") as case:
        case.push(2000)
        case.flush()
        first = case.objects()
        bad, case.sent = case.sent, []
        case.push(300)
        case.flush()
        path = f"/{BUCKET}/{first[0]}"
        status, body = object_stores.s3(store, "GET", path)
        assert status == 200
        spoilt = bytearray(body)
        spoilt[40:120] = bytes(b ^ 0x55 for b in spoilt[40:120])
        assert object_stores.s3(store, "PUT", path, body=bytes(spoilt))[0] == 200
        case.server.stop()
        case.server.start()
        now = time.time_ns()
        status, body = programs.http(case.server.url(f"/loki/api/v1/query_range?query=%7Bapp%3D%22s3%22%7D&limit=5000&start={now - HOUR}&end={now + HOUR}"))
        assert status == 200, body
        answer = json.loads(body)
        lines = {line for stream in answer["data"]["result"] for _, line in stream["values"]}
        assert lines == set(case.sent), (len(lines), len(bad))
        assert any(first[0].split("/")[-1] in warning or "checksum" in warning for warning in answer["warnings"]), answer.get("warnings")


def bucket_gone(store):
    """a bucket that is gone and comes back, with a start between: pushes are acknowledged meanwhile, and flushed afterwards"""
    bucket = "skidway-gone"
    store.make_bucket(bucket)
    case = Case(store, "gone", QUICK_FLUSH, IMPATIENT)
    with open(case.server.config, encoding="utf-8") as f:
        text = f.read().replace(f"s3://{BUCKET}/gone", f"s3://{bucket}/gone")
    with open(case.server.config, "w", encoding="utf-8") as f:
        f.write(text)
    with case:
        for key in store.keys(bucket):
            assert object_stores.s3(store, "DELETE", f"/{bucket}/{key}")[0] == 204
        status, body = object_stores.s3(store, "DELETE", f"/{bucket}")
        assert status == 204, (status, body)
        case.push(100)
        until = time.monotonic() + 20
        while "NoSuchBucket" not in case.server.log_tail():
            assert time.monotonic() < until, case.server.log_tail()
            time.sleep(0.1)
        case.push(100)
        case.server.kill()
        case.server.start()
        case.push(100)
        store.make_bucket(bucket)
        case.flush()
        assert any(key.endswith(".lseg") for key in store.keys(bucket)), store.keys(bucket)
        case.check()


def away_at_start(store):
    """a server whose bucket is away when it starts takes pushes, says what it lacks, and goes on by itself when the bucket is back"""
    proxy = fault_proxy.FaultProxy(store.port)
    try:
        # Without caches: from the disk's one the answer would be whole.
        with Case(store, "away", QUICK_FLUSH + '[cache]\ndisk = "0"\nresults = "0"\n', 'connect_timeout = "500ms"\ntimeout = "1s"\npatience = "20s"\n', proxy.port) as case:
            case.push(100)
            case.flush()
            for mode in ("refuse", "hang"):
                case.server.kill()
                proxy.mode = mode
                started = time.monotonic()
                case.server.start()
                assert time.monotonic() - started < 8, f"ready after {time.monotonic() - started:.1f} s"
                stored = len(case.sent)
                case.push(100)
                status, said = programs.http(case.server.url("/ready?verbose"))
                assert status == 200 and b"store: " in said and b"queries are partial" in said, (status, said)
                now = time.time_ns()
                status, body = programs.http(case.server.url(f"/loki/api/v1/query_range?query=%7Bapp%3D%22s3%22%7D&limit=5000&start={now - HOUR}&end={now + HOUR}"))
                assert status == 200, body
                answer = json.loads(body)
                assert answer["partial"] and any("is not there since the start" in warning for warning in answer["warnings"]), answer["warnings"]
                assert sum(len(stream["values"]) for stream in answer["data"]["result"]) == len(case.sent) - stored
                proxy.mode = "pass"
                case.flush()
                case.check()
                assert b"store: " not in programs.http(case.server.url("/ready?verbose"))[1]
    finally:
        proxy.close()


def main():
    kind = {"swift": object_stores.Swift, "radosgw": object_stores.Radosgw}[sys.argv[1]]
    with programs.folder() as folder, kind(folder + "/service") as store:
        store.make_bucket(BUCKET)
        cases = [door, restart, foreign, older_catalogue, lambda s: faults(s, MODES[sys.argv[1]])]
        cases += [tls, stop_in_outage, damaged, away_at_start] if kind is object_stores.Radosgw else [metrics, refusals, bucket_gone]
        named = []
        for case in cases:
            bound = lambda case=case: case(store)  # noqa: E731
            bound.__doc__ = f"{store.name}: {case.__doc__ or faults.__doc__}"
            named.append(bound)
        return programs.run_cases(named)


if __name__ == "__main__":
    sys.exit(main())
