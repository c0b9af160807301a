#!/usr/bin/env python3
"""Lets a real agent discover pods from replayed bytes of a kube-apiserver (replay.py), and compares what it makes of them with the labels that
Prometheus' own discovery made of the same objects (recorded/expected-*.jsonl)."""
import calendar
import json
import os
import random
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "tests/e2e"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "e2e"))
import programs  # noqa: E402
import replay as r  # noqa: E402

META = "__meta_kubernetes_"
PODS, NODES, NAMESPACES = r"^/api/v1/pods\?", r"^/api/v1/nodes\?", r"^/api/v1/namespaces\?"
STREAMED, WATCH = r".*sendInitialEvents=true", r".*watch=true"
NOT_A_LABEL_OF_FILES = {"__address__", META + "pod_container_port_name", META + "pod_container_port_number", META + "pod_container_port_protocol"}


def eventually(what, seconds=20):
    """Until `what` returns something true; the last AssertionError otherwise."""
    until, error = time.monotonic() + seconds, None
    while time.monotonic() < until:
        try:
            if value := what():
                return value
        except AssertionError as e:
            error = e
        time.sleep(0.05)
    raise error or AssertionError("did not happen")


def expected(name):
    """Labels by (namespace, pod, container), as a container's file should have them."""
    out = {}
    for line in r.lines(name):
        labels = {k: v for k, v in line["labels"].items() if k not in NOT_A_LABEL_OF_FILES and v}
        out[labels[META + "namespace"], labels[META + "pod_name"], labels[META + "pod_container_name"]] = labels
    return out


def folder_of(labels):
    uid = labels.get(META + "pod_annotation_kubernetes_io_config_hash") or labels[META + "pod_uid"]
    return f"{labels[META + 'namespace']}_{labels[META + 'pod_name']}_{uid}"


def cri(text):
    return "".join(f"2026-11-21T10:00:{n:02d}.000000001Z stdout F {line}\n" for n, line in enumerate(text))


class Scene:
    """A replayed API, a folder of pods' logs and an agent."""

    def __init__(self, api="", node="node-a", extra="", sources=""):
        self.replay, self.api, self.node, self.extra, self.sources = r.Replay(), api, node, extra, sources
        self.server = None

    def __enter__(self):
        self.temporary = programs.folder()
        self.folder = self.temporary.name
        self.token = self.folder + "/token"
        self.write_token("first")
        os.makedirs(self.folder + "/pods")
        return self

    def __exit__(self, *_):
        for program in (getattr(self, "agent", None), self.server):
            if program and program.process and program.process.poll() is None:
                program.kill()
        if self.replay.listener and not self.replay.stopped.is_set():
            self.replay.stop()
        self.temporary.cleanup()

    def write_token(self, text):
        with open(self.token + ".new", "w", encoding="utf-8") as f:
            f.write(text + "\n")
        os.rename(self.token + ".new", self.token)

    def log(self, folder, container, *text, name="0.log"):
        path = f"{self.folder}/pods/{folder}/{container}"
        os.makedirs(path, exist_ok=True)
        with open(f"{path}/{name}", "a", encoding="utf-8") as f:
            f.write(cri(text))
        return f"{path}/{name}"

    def logs_of(self, wanted):
        for labels in wanted.values():
            self.log(folder_of(labels), labels[META + "pod_container_name"], "hello")

    def start(self, api=True, server=False, wait="5s"):
        if api:
            self.replay.start()
        asked = self.api or f'api = {{ server = "{self.replay.url()}", token_file = "{self.token}" }}'
        asked = asked.replace("URL", self.replay.url()).replace("TOKEN", self.token)
        if self.replay.port == 0:
            self.replay.port = programs.free_port()
            asked = asked.replace("127.0.0.1:0", f"127.0.0.1:{self.replay.port}")
        common = f"""type = "kubernetes"
path = "{self.folder}/pods"
node = "{self.node}"
metadata_wait = "{wait}"
{asked}
{self.extra}"""
        sources = self.sources.replace("COMMON", common) or f'[[source]]\nname = "pods"\n{common}'
        if server:
            self.server = programs.server(self.folder)
            self.server.start()
        self.agent = programs.agent(self.folder, sources, self.server.port if server else 1)
        self.agent.start()
        return self

    def has_open(self, path):
        for descriptor in os.scandir(f"/proc/{self.agent.process.pid}/fd"):
            try:
                if os.readlink(descriptor.path) == path:
                    return True
            except FileNotFoundError:
                pass  # closed since
        return False

    def targets(self):
        status, body = programs.http(self.agent.url("/targets"), headers={"Accept": "application/json"})
        assert status == 200, body
        return json.loads(body)

    def discovered(self):
        """As expected() has them, of files that are read."""
        out = {}
        for target in self.targets():
            if target["state"] not in ("active", "rotated"):
                continue
            labels = {k: v for k, v in target["discovered"].items() if k != "__path__"}
            out[labels[META + "namespace"], labels[META + "pod_name"], labels[META + "pod_container_name"]] = labels
        return out

    def check_labels(self, wanted):
        def equal():
            got = self.discovered()
            for key, labels in wanted.items():
                have = got.get(key, {})
                assert have == labels, f"{key}: " + ", ".join(
                    f"{name}: {have.get(name)!r} instead of {labels.get(name)!r}" for name in sorted(set(have) | set(labels)) if have.get(name) != labels.get(name))[:600]
            return len(got) == len(wanted)
        eventually(equal)

    def lines(self, selector):
        return [(line, json.loads(stream)) for _, line, stream in self.server.lines(selector, 1_700_000_000 * 10**9, 1_900_000_000 * 10**9)]


def on_node(labels):
    return labels[META + "pod_node_name"] == "node-a"


def streamed_lists_give_every_label():
    """streamed lists of pods, nodes and namespaces: every label of every container"""
    wanted = {k: v for k, v in expected("expected-targets.jsonl").items() if on_node(v)}
    with Scene(extra="attach_metadata = { node = true, namespace = true }") as s:
        s.replay.plan(PODS + STREAMED, r.watch("073-watchlist-node-a", open_end=True))
        s.replay.plan(NODES + STREAMED, r.watch("075-watchlist-nodes", open_end=True))
        s.replay.plan(NAMESPACES + STREAMED, r.watch("074-watchlist-namespaces", open_end=True))
        s.logs_of(wanted)
        s.start()
        s.check_labels(wanted)
        asked = s.replay.asked(PODS)[0]
        assert "fieldSelector=spec.nodeName%3Dnode-a" in asked.target and "resourceVersionMatch=NotOlderThan" in asked.target, asked
        assert asked.headers["authorization"] == "Bearer first", asked.headers
        assert len(s.replay.requests) == 3, s.replay.requests
        assert s.agent.metric("prometheus_sd_kubernetes_events_total") > len({k[:2] for k in wanted})


def pages_give_every_label():
    """streamed lists refused: pages with continue, of all nodes, and every label again"""
    wanted = expected("expected-targets.jsonl")
    with Scene(node="", extra="attach_metadata = { node = true, namespace = true }") as s:
        for resource in (PODS, NODES, NAMESPACES):
            s.replay.plan(resource + STREAMED, r.recorded("112-422-watchlist-disabled"))
            s.replay.plan(resource + WATCH, r.hold())
        pages = [r.index()[name]["request"]["path"].partition("continue=")[2].partition("&")[0] for name in ("008-pods-all-page2", "009-pods-all-page3")]
        s.replay.plan(PODS + ".*continue=" + pages[0], r.recorded("008-pods-all-page2"))
        s.replay.plan(PODS + ".*continue=" + pages[1], r.recorded("009-pods-all-page3"))
        s.replay.plan(PODS + "limit=500&resourceVersion=0", r.recorded("007-pods-all-page1"))
        s.replay.plan(NODES, r.recorded("023-nodes"))
        s.replay.plan(NAMESPACES, r.recorded("021-namespaces"))
        s.logs_of(wanted)
        s.start()
        s.check_labels(wanted)
        version = s.replay.wait_asked(PODS + WATCH, 2)[-1].target
        assert "resourceVersion=365" in version, version


def owners():
    """deployments, jobs and cron jobs behind the owners, without asking anybody"""
    wanted = expected("expected-targets-owners.jsonl")
    with Scene(node="", extra="attach_metadata = { deployment = true, job = true, cronjob = true }") as s:
        plan_list(s, "007-pods-all-page1")
        s.replay.plans.insert(0, [r.re.compile("continue=.*YXBzLWNhc2Vz|continue="), [r.recorded("008-pods-all-page2"), r.recorded("009-pods-all-page3")]])
        s.logs_of(wanted)
        s.start()
        s.check_labels(wanted)


def plan_list(s, name, *watches):
    s.replay.plan(PODS + STREAMED, r.recorded("112-422-watchlist-disabled"))
    s.replay.plan(PODS + WATCH, *(watches or [r.hold()]))
    s.replay.plan(PODS, r.recorded(name))


def churn_and_expiry():
    """a recorded churn: labels follow, stay after the deletion; a clean end goes on from the bookmark; 410 lists anew"""
    with Scene() as s:
        plan_list(s, "058-pods-node-a-before-watch", r.watch("060-watch-pods-node-a"), r.watch("094-410-watch-too-old"), r.hold())
        late = [e["event"]["object"] for e in r.lines("060-watch-pods-node-a.events.jsonl") if e["event"]["object"]["metadata"].get("name") == "churn-late-1"][0]
        folder = f"shop_churn-late-1_{late['metadata']['uid']}"
        s.log(folder, late["spec"]["containers"][0]["name"], "hello")
        s.start()
        watches = s.replay.wait_asked(PODS + WATCH + "(?<!x)", 4)
        versions = [w.target.partition("resourceVersion=")[2].partition("&")[0] for w in watches if "sendInitial" not in w.target]
        assert versions[:3] == ["368", "391", "368"], versions
        lists = [q.target for q in s.replay.asked(PODS) if "watch=true" not in q.target]
        assert lists[0].endswith("limit=500&resourceVersion=0") and lists[1].endswith("&resourceVersion=391"), lists
        labels = next(iter(s.discovered().values()))
        assert labels[META + "pod_label_app"] == late["metadata"]["labels"]["app"], labels  # the pod is deleted, its file is there


def expired_token():
    """401 for an expired token: the file is read again at once, and the last token stays in use when the file is gone"""
    with Scene() as s:
        plan_list(s, "058-pods-node-a-before-watch", r.recorded("032-401-expired-token-watch"), r.recorded("032-401-expired-token-watch"), r.hold())
        s.start()
        s.replay.wait_asked(PODS + "(?!.*sendInitial).*watch=true", 1)
        s.write_token("second")
        s.replay.wait_asked(PODS + "(?!.*sendInitial).*watch=true", 2)
        os.unlink(s.token)
        tokens = [q.headers["authorization"] for q in s.replay.wait_asked(PODS + "(?!.*sendInitial).*watch=true", 3)]
        assert tokens == ["Bearer first", "Bearer second", "Bearer second"], tokens
        assert s.agent.metric("prometheus_sd_kubernetes_failures_total") >= 2


def starting_server():
    """403 of a server that starts and 429 with Retry-After pass by themselves"""
    with Scene() as s:
        s.replay.plan(PODS + STREAMED, r.recorded("091-startup-403"), r.recorded("087-429-watch"), r.recorded("112-422-watchlist-disabled"))
        s.replay.plan(PODS + WATCH, r.hold())
        s.replay.plan(PODS, r.recorded("002-pods-node-a"))
        wanted = {k: v for k, v in expected("expected-targets-plain.jsonl").items() if on_node(v)}
        s.logs_of(wanted)
        s.start(wait="60s")
        s.check_labels(wanted)
        streamed = s.replay.asked(PODS + STREAMED)
        assert streamed[2].time - streamed[1].time >= 0.99, "Retry-After: 1 was not heeded"


def refusals_while_listing():
    """504 for a list, 410 between its pages, 429 of a server that stops: all pass by themselves"""
    with Scene() as s:
        s.replay.plan(PODS + STREAMED, r.recorded("112-422-watchlist-disabled"))
        s.replay.plan(PODS + WATCH, r.recorded("110-shutdown-retry-after-watch"), r.hold())
        s.replay.plan(PODS + ".*continue=", r.recorded("092-410-continue-expired"))
        s.replay.plan(PODS, r.recorded("057-504-rv-too-large"), r.recorded("004-pods-node-a-page1"), r.recorded("002-pods-node-a"))
        wanted = {k: v for k, v in expected("expected-targets-plain.jsonl").items() if on_node(v)}
        s.logs_of(wanted)
        s.start(wait="60s")
        watches = s.replay.wait_asked(PODS + "(?!.*sendInitial).*watch=true", 2, seconds=40)
        assert watches[1].time - watches[0].time >= 4.9, "Retry-After: 5 was not heeded"
        s.check_labels(wanted)


def orderly_shutdown():
    """a server that stops in order: its watches end with a bookmark or without a word, new ones are refused for a while; no list is needed"""
    with Scene() as s:
        plan_list(s, "058-pods-node-a-before-watch", r.watch("090-shutdown-sigterm-watch"), r.watch("105-shutdown-grace-watch"), r.hold())
        s.start()
        watching = PODS + "(?!.*sendInitial).*watch=true"
        s.replay.wait_asked(watching, 2)
        s.replay.stop()
        time.sleep(1)
        s.replay.start()
        watches = [w.target.partition("resourceVersion=")[2].partition("&")[0] for w in s.replay.wait_asked(watching, 3)]
        assert watches[:3] == ["368", "422", "422"], watches
        assert len([q for q in s.replay.asked(PODS) if "watch=true" not in q.target]) == 1, s.replay.requests


def killed_server():
    """a server that is killed: the watch goes on where it stopped, without a list; a compressed list before"""
    with Scene() as s:
        plan_list(s, "014-pods-node-a-gzip", r.watch("101-killed-watch"), r.watch("102-rewatch-after-kill", open_end=True))
        wanted = {k: v for k, v in expected("expected-targets-plain.jsonl").items() if on_node(v) and k[1] != "redis-0"}
        s.logs_of(wanted)
        s.start()
        s.replay.wait_asked(PODS + "(?!.*sendInitial).*watch=true", 1)
        second = s.replay.wait_asked(PODS + "(?!.*sendInitial).*watch=true", 2)[1]
        assert "resourceVersion=424" in second.target, second
        assert len([q for q in s.replay.asked(PODS) if "watch=true" not in q.target]) == 1, s.replay.requests
        s.check_labels(wanted)


def away_at_the_start():
    """an API that is away: no line waits longer than it may or is lost; labels change when it comes, and stay when it goes"""
    pod = [v for k, v in expected("expected-targets-plain.jsonl").items() if k[1] == "redis-0"][0]
    rules = """
[[source.relabel]]
source_labels = ["__meta_kubernetes_pod_label_app"]
target_label = "app"
"""
    with Scene(extra=rules) as s:
        plan_list(s, "058-pods-node-a-before-watch")
        folder, container = folder_of(pod), pod[META + "pod_container_name"]
        s.log(folder, container, "one")
        s.start(api=False, server=True, wait="500ms")
        begun = time.monotonic()
        eventually(lambda: len(s.lines('{namespace="shop"}')) == 1)
        assert time.monotonic() - begun < 10
        s.replay.start()
        eventually(lambda: s.discovered()["shop", "redis-0", container].get(META + "pod_phase") == "Running", 60)
        s.log(folder, container, "one", "two")
        eventually(lambda: len(s.lines('{namespace="shop"}')) == 3)
        assert s.agent.metric("skidway_agent_kubernetes_up") == 1
        s.replay.stop()
        eventually(lambda: s.agent.metric("skidway_agent_kubernetes_up") == 0)
        s.log(folder, container, "three", name="1.log")
        eventually(lambda: len(s.lines('{namespace="shop"}')) == 4)
        lines = [(line, stream.get("app")) for line, stream in s.lines('{namespace="shop"}')]
        app = pod[META + "pod_label_app"] if META + "pod_label_app" in pod else None
        assert sorted(lines, key=str) == sorted([("one", None), ("one", app), ("two", app), ("three", app)], key=str), lines


def away_at_a_restart():
    """an API that is away when the agent starts again: the labels are those of before, at once"""
    wanted = {k: v for k, v in expected("expected-targets.jsonl").items() if on_node(v)}
    with Scene(extra="attach_metadata = { node = true, namespace = true }") as s:
        s.replay.plan(PODS + STREAMED, r.watch("073-watchlist-node-a", open_end=True))
        s.replay.plan(NODES + STREAMED, r.watch("075-watchlist-nodes", open_end=True))
        s.replay.plan(NAMESPACES + STREAMED, r.watch("074-watchlist-namespaces", open_end=True))
        s.logs_of(wanted)
        s.start(wait="60s")
        s.check_labels(wanted)
        time.sleep(2)  # it is written a second after a change
        s.replay.stop()
        s.agent.kill()
        s.agent.start()
        s.check_labels(wanted)


def annotations_decide():
    """skidway.io/exclude and skidway.io/pipeline: a pod that is not read, one that goes through the stages of its choice"""
    pods = {k[1]: v for k, v in expected("expected-targets-plain.jsonl").items() if on_node(v)}
    chosen, excluded = pods["redis-0"], next(v for k, v in pods.items() if k != "redis-0" and v[META + "namespace"] == "shop")
    sources = """[[source]]
name = "pods"
COMMON
[[source]]
name = "special"
pipeline = "nginx"
COMMON
labels = { pipeline = "nginx" }
"""
    with Scene(sources=sources) as s:
        body = json.loads(r.read("058-pods-node-a-before-watch.body"))
        for item in body["items"]:
            name, notes = item["metadata"]["name"], item["metadata"].setdefault("annotations", {})
            if name == chosen[META + "pod_name"]:
                notes["skidway.io/pipeline"] = "nginx"
            if name == excluded[META + "pod_name"]:
                notes["skidway.io/exclude"] = "true"
        s.replay.plan(PODS + STREAMED, r.recorded("112-422-watchlist-disabled"))
        s.replay.plan(PODS + WATCH, r.hold())
        s.replay.plan(PODS, r.own(body))
        wanted = {k: v for k, v in expected("expected-targets-plain.jsonl").items() if on_node(v) and k[0] == "shop"}
        s.logs_of(wanted)
        s.start(server=True)
        out = {k for k in wanted if k[1] == excluded[META + "pod_name"]}
        special = {k for k in wanted if k[1] == "redis-0"}
        eventually(lambda: len(s.lines('{namespace="shop"}')) == len(wanted) - len(out))
        time.sleep(1.5)
        got = {(st["namespace"], st["pod"], st["container"]): st.get("pipeline") for _, st in s.lines('{namespace="shop"}')}
        assert got == {k: "nginx" if k in special else None for k in wanted if k not in out}, got
        states = {t["labels"].get("pod", t["path"]): (t["state"], t["reason"]) for t in s.targets() if excluded[META + "pod_name"] in t["path"]}
        assert all(state == "dropped" and "exclude" in reason or "pipeline" in reason for state, reason in states.values()), states


def annotations_change():
    """skidway.io/include and exclude while the pod runs: read from the first line once it asks for it, and no more once it is excluded"""
    body = json.loads(r.read("058-pods-node-a-before-watch.body"))
    pod = next(item for item in body["items"] if item["metadata"]["name"] == "redis-0")
    labels = next(v for k, v in expected("expected-targets-plain.jsonl").items() if k[1] == "redis-0")
    folder, container = folder_of(labels), labels[META + "pod_container_name"]
    with Scene(extra='pods = "annotated"') as s:
        watch = r.OwnWatch()
        plan_list(s, "058-pods-node-a-before-watch", watch)
        s.log(folder, container, "one")
        s.start(server=True, wait="100ms")

        def modify(**annotations):
            pod["metadata"]["annotations"] = {f"skidway.io/{key}": value for key, value in annotations.items()}
            pod["metadata"]["resourceVersion"] = str(int(pod["metadata"]["resourceVersion"]) + 1000)
            watch.say("MODIFIED", pod)

        def state():
            return next((t["state"], t["reason"]) for t in s.targets())

        def lines():
            return sorted(line for line, _ in s.lines('{namespace="shop"}'))
        eventually(lambda: state() == ("dropped", "the pod has no annotation skidway.io/include"))
        modify(include=container)
        eventually(lambda: lines() == ["one"])
        s.log(folder, container, "one", "two")  # the same time and text again: stored once
        eventually(lambda: lines() == ["one", "two"])
        modify(include="true", exclude="true")
        eventually(lambda: state() == ("dropped", "the pod's annotation skidway.io/exclude says so"))
        s.log(folder, container, "one", "two", "three")
        time.sleep(2)
        assert lines() == ["one", "two"], lines()
        modify(include="true")
        eventually(lambda: lines() == ["one", "three", "two"])


def gone_before_they_are_known():
    """200 pods, most of them deleted before the API has told of them, and an API that is cut: every line once, with the labels of its pod"""
    count, lines, dice = 200, 20, random.Random(5)
    rules = """
[[source.relabel]]
source_labels = ["__meta_kubernetes_pod_label_app"]
target_label = "app"
"""
    with Scene(extra=rules) as s:
        watch = r.OwnWatch()
        plan_list(s, "058-pods-node-a-before-watch", watch)
        s.start(server=True, wait="30s")
        due = []  # (when, what)
        for n in range(count):
            born = n * 0.015
            due.append((born, "write", n))
            due.append((born + dice.uniform(0.05, 0.4), "delete", n))
            due.append((born + dice.uniform(0.0, 0.8), "tell", n))
        due.append((count * 0.015 / 2, "cut", 0))
        begun = time.monotonic()
        for when, what, n in sorted(due):
            time.sleep(max(0, begun + when - time.monotonic()))
            folder = f"short_p{n}_uid-{n}"
            if what == "write":
                s.log(folder, "main", *[f"p{n} line {k}" for k in range(lines)])
            elif what == "delete":  # the agent has it: how soon it must is for ../../e2e/short_pods_test.py to say
                eventually(lambda: s.has_open(f"{s.folder}/pods/{folder}/main/0.log"))
                shutil.rmtree(f"{s.folder}/pods/{folder}")
            elif what == "tell":
                watch.say("ADDED", {"metadata": {"name": f"p{n}", "namespace": "short", "uid": f"uid-{n}", "resourceVersion": str(1000 + n), "labels": {"app": f"app-{n}"}},
                                    "spec": {"nodeName": "node-a", "containers": [{"name": "main", "image": "i"}]}, "status": {"phase": "Running"}})
            else:
                s.replay.stop()
                s.replay.start()
        stored = lambda: s.server.count('{namespace="short"}')  # noqa: E731
        programs.wait(lambda: stored() == count * lines, 40, lambda: f"{stored()} of {count * lines} lines\n{s.agent.log_tail()}")
        got = sorted((line, stream["app"]) for line, stream in s.lines('{namespace="short"}'))
        assert got == sorted((f"p{n} line {k}", f"app-{n}") for n in range(count) for k in range(lines)), len(got)


def reload_asks_for_more():
    """a reload that attaches nodes and namespaces, one that asks nobody: labels follow, files stay"""
    plain = {k: v for k, v in expected("expected-targets-plain.jsonl").items() if on_node(v)}
    attached = {k: v for k, v in expected("expected-targets.jsonl").items() if on_node(v)}
    with Scene() as s:
        s.replay.plan(PODS + STREAMED, r.watch("073-watchlist-node-a", open_end=True))
        s.replay.plan(NODES + STREAMED, r.watch("075-watchlist-nodes", open_end=True))
        s.replay.plan(NAMESPACES + STREAMED, r.watch("074-watchlist-namespaces", open_end=True))
        s.logs_of(plain)
        s.start()
        s.check_labels(plain)
        with open(s.agent.config, encoding="utf-8") as f:
            before = f.read()

        def reload(config):
            with open(s.agent.config, "w", encoding="utf-8") as f:
                f.write(config)
            status, body = programs.http(s.agent.url("/-/reload"), data=b"")
            assert status == 200, body
        line = next(text for text in before.splitlines() if text.startswith("api = "))
        reload(before.replace(line, line + "\nattach_metadata = { node = true, namespace = true }"))
        s.check_labels(attached)
        reload(before.replace(line, 'api = "none"'))
        eventually(lambda: all(META + "pod_phase" not in labels for labels in s.discovered().values()) and len(s.discovered()) == len(plain))
        reload(before)
        s.check_labels(plain)


def kubelet():
    """the kubelet instead of the API: the same labels"""
    wanted = {k: v for k, v in expected("expected-targets-plain.jsonl").items() if on_node(v)}
    with Scene(api='kubelet = { server = "URL", token_file = "TOKEN", refresh = "200ms" }') as s:
        s.replay.plan("^/pods$", r.recorded("002-pods-node-a"), r.own(b"busy", 503), r.recorded("031-401-expired-token"), r.recorded("002-pods-node-a"))
        s.logs_of(wanted)
        s.start()
        s.check_labels(wanted)
        s.replay.wait_asked("^/pods$", 5)
        s.check_labels(wanted)


def targets_command():
    """skidway-agent targets: asks the API before it tells"""
    wanted = {k: v for k, v in expected("expected-targets-plain.jsonl").items() if on_node(v)}
    with Scene() as s:
        plan_list(s, "058-pods-node-a-before-watch")
        s.logs_of(wanted)
        s.start()
        s.agent.kill()
        done = subprocess.run([programs.AGENT, "targets", "--config", s.agent.config, "--json"], capture_output=True, text=True, timeout=30, check=True)
        s.targets = lambda: [json.loads(line) for line in done.stdout.split("\n") if line]  # not splitlines: texts hold U+2028 and the like
        s.check_labels(wanted)


def go_quoted(text):
    """As strconv.Quote, for texts without other control characters."""
    return json.dumps(text, ensure_ascii=False)


def event_line(event):
    """(time in ns, line) by the rules of agent.md 4.7, made a second time."""
    about, source = event["involvedObject"], event.get("source", {})
    fields = [("name", about["name"]), ("kind", about.get("kind")), ("action", event.get("action")), ("objectAPIversion", about.get("apiVersion")),
              ("objectRV", about.get("resourceVersion")), ("eventRV", event["metadata"]["resourceVersion"]), ("reportinginstance", event.get("reportingInstance")),
              ("reportingcontroller", event.get("reportingComponent")), ("sourcecomponent", source.get("component")), ("sourcehost", source.get("host")),
              ("reason", event.get("reason")), ("type", event.get("type")), ("count", event.get("count"))]
    line = "".join(f"{name}={value} " for name, value in fields if value) + f"msg={go_quoted(event['message'])} "
    day, _, fraction = (event.get("lastTimestamp") or event["eventTime"]).rstrip("Z").partition(".")
    seconds = calendar.timegm(time.strptime(day, "%Y-%m-%dT%H:%M:%S"))
    return seconds * 10**9 + int((fraction or "0").ljust(9, "0")), line


def events_source():
    """kubernetes_events: each recorded event once and with its own time, through kill -9, a forgotten version and a restart"""
    listed = [event_line(item) for item in json.loads(r.read("083-events-before-watch.body"))["items"]]
    watched = [event_line(e["event"]["object"]) for e in r.lines("084-watch-events-core.events.jsonl") if e["event"]["type"] in ("ADDED", "MODIFIED")]
    events = r"^/api/v1/events\?"
    watching = events + "(?!.*sendInitial).*watch=true"
    source = '[[source]]\nname = "events"\ntype = "kubernetes_events"\napi = { server = "URL", token_file = "TOKEN" }\n'
    with Scene() as s:
        s.replay.plan(events + STREAMED, r.recorded("112-422-watchlist-disabled"))
        s.replay.plan(events + WATCH, r.watch("084-watch-events-core", open_end=True), r.hold())
        s.replay.plan(events, r.recorded("083-events-before-watch"))
        s.replay.start()
        s.sources = source.replace("URL", s.replay.url()).replace("TOKEN", s.token)
        s.start(api=False, server=True)

        def lines():
            return sorted((t, line) for t, line, _ in s.server.lines('{job="loki.source.kubernetes_events", instance="events"}', 10**18, 2 * 10**18))
        wanted = sorted(set(listed + watched))
        eventually(lambda: lines() == wanted or None)
        namespaces = {json.loads(stream).get("namespace") for _, _, stream in s.server.lines('{job="loki.source.kubernetes_events"}', 10**18, 2 * 10**18)}
        assert namespaces == {"shop", "edge-cases", None}, namespaces
        eventually(lambda: s.agent.metric("skidway_agent_stream_unsettled") == 0)
        time.sleep(2)  # the cursor is written
        s.agent.kill()
        asked = len(s.replay.requests)
        s.agent.start()
        s.replay.wait_asked(watching, 2)
        assert len(s.replay.requests) == asked + 1 and "resourceVersion=412&" in s.replay.requests[-1].target, s.replay.requests[asked:]
        # The version is too old: all that the API has comes again, and is stored once.
        s.agent.kill()
        s.replay.replan(events + WATCH, r.watch("096-410-events-watch-compacted"), r.hold())
        s.agent.start()
        s.replay.wait_asked(events + "(?!.*watch)", 2)
        s.replay.wait_asked(watching, 4)
        time.sleep(1)
        assert lines() == wanted, lines()
        assert s.agent.metric("skidway_agent_kubernetes_event_lines_total") == len(listed)


def events_for_two_sinks():
    """kubernetes_events: a dead sink has a watch and a version of its own: it gets every event when it is back, the other one meanwhile, through kill -9"""
    listed = [event_line(item) for item in json.loads(r.read("083-events-before-watch.body"))["items"]]
    watched = [event_line(e["event"]["object"]) for e in r.lines("084-watch-events-core.events.jsonl") if e["event"]["type"] in ("ADDED", "MODIFIED")]
    wanted = sorted(set(listed + watched))
    events = r"^/api/v1/events\?"
    at_the_end = events + "(?=.*resourceVersion=412&).*watch=true"
    source = '[[source]]\nname = "events"\ntype = "kubernetes_events"\napi = { server = "URL", token_file = "TOKEN" }\n'
    port = programs.free_port()
    with Scene() as s:
        s.replay.plan(events + STREAMED, r.recorded("112-422-watchlist-disabled"))
        s.replay.plan(at_the_end, r.hold())
        s.replay.plan(events + WATCH, r.watch("084-watch-events-core", open_end=True))
        s.replay.plan(events, r.recorded("083-events-before-watch"))
        s.replay.start()
        s.sources = (f'[[sink]]\nname = "dead"\ntype = "loki"\nurl = "http://127.0.0.1:{port}/loki/api/v1/push"\nretry = {{ min = "100ms", max = "500ms" }}\nspool = {{ mode = "off" }}\n'
                     + source.replace("URL", s.replay.url()).replace("TOKEN", s.token))
        s.start(api=False, server=True)

        def lines(server):
            return sorted((t, line) for t, line, _ in server.lines('{job="loki.source.kubernetes_events", instance="events"}', 10**18, 2 * 10**18))
        eventually(lambda: lines(s.server) == wanted or None)
        time.sleep(2)  # the version is written
        s.agent.kill()
        s.agent.start()
        s.replay.wait_asked(at_the_end)  # for the living one
        s.replay.wait_asked(events + "(?!.*watch)", 3)  # for the dead one, from the beginning again
        os.makedirs(s.folder + "/second")
        second = programs.server(s.folder + "/second", port=port)
        second.start()
        try:
            eventually(lambda: lines(second) == wanted or None)
            assert lines(s.server) == wanted, lines(s.server)
        finally:
            second.kill()


CASES = [streamed_lists_give_every_label, pages_give_every_label, owners, churn_and_expiry, expired_token, starting_server, refusals_while_listing, orderly_shutdown, killed_server, away_at_the_start, away_at_a_restart,
         annotations_decide, annotations_change, gone_before_they_are_known, reload_asks_for_more, kubelet, targets_command, events_source, events_for_two_sinks]

if __name__ == "__main__":
    chosen = [case for case in CASES if not sys.argv[1:] or any(word in case.__name__ for word in sys.argv[1:])]
    sys.exit(programs.run_cases(chosen))
