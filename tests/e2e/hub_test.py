#!/usr/bin/env python3
"""Hub and spoke with the real programs: spokes push over mTLS to an agent in receiver mode, which delivers to the server. Each line once,
whoever is killed on the way.

usage: hub_test.py [--megabytes N] [--rate N] [--only WORD]
  --megabytes   of the outage case: what the spoke has to hand over while the server is away (default 1000)
  --rate        of the outage case: MB/s at which that is written (default 0: as fast as it goes)
By hand, an hour at 5 MB/s: hub_test.py --only outage --megabytes 18000 --rate 5
"""
import argparse
import base64
import json
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402
from programs import wait  # noqa: E402

LIMIT = 64 << 20  # of the hub's memory
SPOOL = 512 << 20
OPTIONS = argparse.Namespace(megabytes=1000, rate=0.0)


def certificates(folder, spokes):
    """As an operator makes them."""
    script = os.path.join(programs.ROOT, "deploy/hub-and-spoke/certificates.sh")
    subprocess.run([script, folder, "127.0.0.1", *spokes], check=True, capture_output=True, timeout=60)


def agent(folder, name, text):
    port = programs.free_port()
    return programs.Program(programs.AGENT, folder, name, f"""data_dir = "{folder}/{name}"
{text.replace("HTTP_PORT", str(port))}""", port)


def tenant_count(server, tenant, selector):
    """Entries of a tenant, of all streams together."""
    status, body = ask(server, tenant, f"sum(count_over_time({selector}[10y]))")
    if status != 200:
        raise AssertionError(f"{selector}: {status} {body.decode(errors='replace')}")
    result = json.loads(body)["data"]["result"]
    return int(float(result[0]["value"][1])) if result else 0


def ask(server, tenant, query):
    query = programs.urllib.parse.urlencode({"query": query, "time": str(time.time_ns() + 3600 * 10**9)})
    return programs.http(server.url("/loki/api/v1/query?" + query), headers={"X-Scope-OrgID": tenant}, timeout=30 + OPTIONS.megabytes / 50)


def tenant_lines(server, tenant, selector):
    """Every line of a tenant with its stream, page by page."""
    out, start = [], 0
    while True:
        query = programs.urllib.parse.urlencode({"query": selector, "start": str(start), "end": str(time.time_ns() + 3600 * 10**9), "limit": "5000", "direction": "forward"})
        status, body = programs.http(server.url("/loki/api/v1/query_range?" + query), headers={"X-Scope-OrgID": tenant})
        if status != 200:
            raise AssertionError(f"{selector}: {status} {body.decode(errors='replace')}")
        page = sorted((int(t), line, json.dumps(s["stream"], sort_keys=True)) for s in json.loads(body)["data"]["result"] for t, line in s["values"])
        out += page
        if len(page) < 5000:
            return out
        start = page[-1][0] + 1


class Hub:
    """A server with tenants, a hub before it, and spokes that read a folder each."""

    def __init__(self, spokes, sink="", memory="48MiB"):
        self.temporary = programs.folder()
        self.folder = folder = self.temporary.name
        certificates(folder, spokes)
        self.server = programs.server(folder, extra='[tenancy]\nmode = "header"\n')
        self.port = programs.free_port()
        tls = f'tls = {{ cert_file = "{folder}/hub.pem", key_file = "{folder}/hub-key.pem", client_ca_file = "{folder}/ca.pem" }}'
        by_certificate = """
[[source.relabel]]
source_labels = ["__client_cn__"]
target_label = "__tenant_id__"
[[source.relabel]]
source_labels = ["__client_cn__"]
target_label = "spoke"
"""
        self.hub = agent(folder, "hub-agent", f"""memory_limit = "{memory}"
[http]
listen = "127.0.0.1:HTTP_PORT"
[[source]]
name = "spokes"
type = "push"
listen = "127.0.0.1:{self.port}"
{tls}
{by_certificate}
[[source]]
name = "programs"
type = "otlp"
listen = "127.0.0.1:{self.port}"
{tls}
{by_certificate}
[[sink]]
name = "server"
type = "loki"
url = "http://127.0.0.1:{self.server.port}/loki/api/v1/push"
labels = {{ hub = "h" }}
batch_wait = "200ms"
retry = {{ min = "50ms", max = "500ms" }}
{sink.replace("FOLDER", folder)}
""")
        self.spokes = {name: self.spoke(name) for name in spokes}
        self.programs = [self.server, self.hub, *self.spokes.values()]

    def spoke(self, name):
        os.makedirs(f"{self.folder}/logs-{name}")
        return agent(self.folder, name, f"""[http]
listen = "127.0.0.1:HTTP_PORT"
[[source]]
name = "logs"
type = "file"
path = ["{self.folder}/logs-{name}/*.log"]
[[sink]]
name = "hub"
type = "loki"
url = "https://127.0.0.1:{self.port}/loki/api/v1/push"
labels = {{ site = "{name}-site" }}
batch_wait = "100ms"
retry = {{ min = "50ms", max = "500ms" }}
{self.client_tls(name)}
""")

    def client_tls(self, name):
        return f'tls = {{ ca_file = "{self.folder}/ca.pem", cert_file = "{self.folder}/{name}.pem", key_file = "{self.folder}/{name}-key.pem" }}'

    def __enter__(self):
        for program in self.programs:
            program.start()
        return self

    def __exit__(self, *_):
        for program in self.programs:
            if program.process and program.process.poll() is None:
                program.kill()
        self.temporary.cleanup()

    def why(self):
        return "".join(f"--- {p.name}\n{p.log_tail(8)}" for p in self.programs)

    def export(self, who, body):
        """An OTLP export over mTLS, as a program would send it. The status, 0 when nobody answers."""
        context = programs.urllib.request.ssl.create_default_context(cafile=self.folder + "/ca.pem")
        context.load_cert_chain(f"{self.folder}/{who}.pem", f"{self.folder}/{who}-key.pem")
        request = programs.urllib.request.Request(f"https://127.0.0.1:{self.port}/v1/logs", data=json.dumps(body).encode(), headers={"Content-Type": "application/json"})
        try:
            with programs.urllib.request.urlopen(request, timeout=15, context=context) as answer:
                return answer.status
        except programs.urllib.error.HTTPError as e:
            return e.code
        except OSError:
            return 0


def log_record(n, start):
    return {"resourceLogs": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
                              "scopeLogs": [{"logRecords": [{"timeUnixNano": str(start + n), "body": {"stringValue": f"export {n}"}}]}]}]}


def each_line_once_whoever_is_killed():
    """two spokes and an OTLP program through a hub: every line once, in its spoke's tenant, with hub and server killed -9 again and again"""
    lines, exports = 6000, 60
    with Hub(["spoke-a", "spoke-b"], sink='spool = { mode = "outage", limit = "64MiB" }') as f:
        done = threading.Event()

        def write(name):
            with open(f"{f.folder}/logs-{name}/app.log", "w", encoding="utf-8", buffering=1) as log:
                for n in range(lines):
                    log.write(f"{name} line {n}\n")
                    if n % 100 == 0:
                        time.sleep(0.08)

        def export():  # as an exporter with a retrying queue: the same again until it is taken
            start = time.time_ns()
            for n in range(exports):
                while f.export("spoke-a", log_record(n, start)) != 200 and not done.is_set():
                    time.sleep(0.05)
                time.sleep(0.05)

        writers = [threading.Thread(target=write, args=(name,)) for name in f.spokes] + [threading.Thread(target=export)]
        for writer in writers:
            writer.start()
        for n in range(4):
            time.sleep(0.9)
            f.hub.kill()
            if n % 2 == 1:
                f.server.kill()
                time.sleep(0.3)
            f.hub.start()
            if n % 2 == 1:
                time.sleep(0.5)  # the hub takes what it has room for meanwhile
                f.server.start()
        try:
            wait(lambda: not any(writer.is_alive() for writer in writers[:2]), 60, f.why)
            writers[2].join(40)
            for name in f.spokes:
                selector = f'{{spoke="{name}", service_name!="shop"}}'
                wait(lambda: tenant_count(f.server, name, selector) >= lines, 60, lambda: f"{name}: {tenant_count(f.server, name, selector)} of {lines}\n" + f.why())
            time.sleep(0.5)
            for name in f.spokes:
                got = tenant_lines(f.server, name, f'{{site="{name}-site", hub="h"}}')
                wanted = [f"{name} line {n}" for n in range(lines)]
                if [line for _, line, _ in got] != wanted:
                    counts = {line: 0 for line in wanted}
                    for _, line, _ in got:
                        counts[line] += 1
                    raise AssertionError(f"{name}: {len(got)} lines of {lines}; not once: {[(l, c) for l, c in counts.items() if c != 1][:10]}\n{f.why()}")
            wait(lambda: tenant_count(f.server, "spoke-a", '{service_name="shop"}') >= exports, 20, f.why)
            got = [line for _, line, _ in tenant_lines(f.server, "spoke-a", '{service_name="shop"}')]
            if sorted(got) != sorted(f"export {n}" for n in range(exports)):
                raise AssertionError(f"exports: {sorted(got)}")
        finally:
            done.set()


def strangers_are_refused():
    """without a certificate of the hub's authority nobody gets in, and a spoke is nobody else's tenant"""
    with Hub(["spoke-a"]) as f:
        bare = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", f.folder + "/ca.pem", "-X", "POST", f"https://127.0.0.1:{f.port}/loki/api/v1/push"],
                              capture_output=True, text=True, timeout=20)
        if bare.returncode == 0 or bare.stdout != "000":
            raise AssertionError(f"curl without a certificate: {bare.returncode} {bare.stdout}")
        body = json.dumps({"streams": [{"stream": {"app": "x"}, "values": [[str(time.time_ns()), "whose?"]]}]})
        told = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", f.folder + "/ca.pem", "--cert", f.folder + "/spoke-a.pem", "--key", f.folder + "/spoke-a-key.pem",
                               "-H", "Content-Type: application/json", "-H", "X-Scope-OrgID: somebody", "-d", body, f"https://127.0.0.1:{f.port}/loki/api/v1/push"],
                              capture_output=True, text=True, timeout=20)
        if told.stdout != "204":
            raise AssertionError(f"curl with the spoke's certificate: {told.stdout} {told.stderr}")
        counts = [tenant_count(f.server, tenant, '{app="x"}') for tenant in ("spoke-a", "somebody")]
        if counts != [1, 0]:
            raise AssertionError(f"of spoke-a and somebody: {counts}")


def peak_memory(program):
    with open(f"/proc/{program.process.pid}/status", encoding="utf-8") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith("VmHWM"))


def the_hub_survives_an_outage_of_its_server():
    """the server is away while a spoke hands over more than the hub's spool may hold: the cap is reached, reading pauses, memory stays, and after kill -9 every line arrives once"""
    size, line_bytes = OPTIONS.megabytes * 10**6, 1000
    lines = size // line_bytes
    noise = base64.b64encode(os.urandom(3 << 20)).decode()  # so that nothing is gained by compression
    with Hub(["spoke-a"], sink=f'spool = {{ mode = "outage", limit = "{SPOOL >> 20}MiB" }}\nmax_in_flight = 8') as f:
        f.server.stop()
        began = time.monotonic()
        with open(f.folder + "/logs-spoke-a/app.log", "w", encoding="utf-8", buffering=1 << 20) as log:
            for n in range(lines):
                head = f"n={n} "
                at = n * 977 % (len(noise) - line_bytes)
                log.write(head + noise[at:at + line_bytes - 1 - len(head)] + "\n")
                if OPTIONS.rate > 0 and n % 1000 == 0:
                    time.sleep(max(0, began + n * line_bytes / (OPTIONS.rate * 1e6) - time.monotonic()))
        written = time.monotonic()
        if size > 1.2 * SPOOL:  # then the cap is reached, and the hub takes no more
            taken = [0.0]

            def stands_still():
                taken.append(f.hub.metric("skidway_agent_receiver_entries_total"))
                time.sleep(1.5)
                return taken[-1] == taken[-2] and f.hub.metric("skidway_agent_spool_bytes") > 0.9 * SPOOL

            wait(stands_still, 150, f.why)
            spooled = f.hub.metric("skidway_agent_spool_bytes")
            if not 0.9 * SPOOL < spooled <= SPOOL or taken[-1] >= lines:
                raise AssertionError(f"{spooled} bytes in the spool, {taken[-1]} of {lines} entries taken")
        full = time.monotonic()
        peak = peak_memory(f.hub)
        f.hub.kill()  # what it answered for is in the spool
        f.hub.start()
        f.server.start()
        wait(lambda: tenant_count(f.server, "spoke-a", '{spoke="spoke-a"}') >= lines, 300 + OPTIONS.megabytes / 20, f.why)
        over = time.monotonic()
        got = tenant_count(f.server, "spoke-a", '{spoke="spoke-a"}')
        if got != lines:
            raise AssertionError(f"{got} lines of {lines}")
        # Not only as many as were written, but these: all lines whose numbers end alike are there.
        status, body = ask(f.server, "spoke-a", 'sum by (end) (count_over_time({spoke="spoke-a"} | regexp `^n=[0-9]*(?P<end>[0-9][0-9]) ` [10y]))')
        if status != 200:
            raise AssertionError(f"lines by the ends of their numbers: {status} {body}")
        ends = {e["metric"]["end"]: int(e["value"][1]) for e in json.loads(body)["data"]["result"] if "end" in e["metric"]}
        wanted = {f"{end:02d}": (lines - end + 99) // 100 - (1 if end < 10 else 0) for end in range(100)}  # "n=4 " has no two digits
        if ends != wanted:
            raise AssertionError(f"lines by the ends of their numbers: {[(e, ends.get(e), w) for e, w in wanted.items() if ends.get(e) != w][:10]}")
        peak = max(peak, peak_memory(f.hub))
        print(f"     {size / 1e6:.0f} MB: written in {written - began:.1f} s, taken up to the cap in {full - written:.1f} s, delivered in {over - full:.1f} s; hub at most {peak / 2**20:.1f} MiB")
        if peak > 1.1 * LIMIT:
            raise AssertionError(f"the hub took {peak / 2**20:.1f} MiB")


CASES = [each_line_once_whoever_is_killed, strangers_are_refused, the_hub_survives_an_outage_of_its_server]

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=OPTIONS.megabytes)
    parser.add_argument("--rate", type=float, default=OPTIONS.rate)
    parser.add_argument("--only", default="")
    parser.parse_args(namespace=OPTIONS)
    sys.exit(programs.run_cases([case for case in CASES if OPTIONS.only in case.__name__]))
