#!/usr/bin/env python3
"""The docker source against a daemon that is replayed at a unix socket (docker_daemon.py), and Docker's json-file logs."""
import json
import os
import random
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import docker_daemon  # noqa: E402
import programs  # noqa: E402
from programs import wait  # noqa: E402


class Host(programs.Pair):
    """A daemon, a server and an agent that reads the daemon's containers."""

    def __init__(self, options="", sink='batch_wait = "100ms"', port=None):
        self.temporary = programs.folder()
        self.folder = self.temporary.name
        self.daemon = docker_daemon.Daemon(("127.0.0.1", port) if port else self.folder + "/docker.sock")
        place = f'host = "tcp://127.0.0.1:{port}"' if port else f'socket = "{self.folder}/docker.sock"'
        self.server = programs.server(self.folder)
        self.agent = programs.agent(self.folder, f"""
[[source]]
name = "containers"
type = "docker"
{place}
refresh_interval = "2s"
{options}

[[source.relabel]]
source_labels = ["__meta_docker_container_name"]
regex = "/(.*)"
target_label = "container"

[[source.relabel]]
source_labels = ["__meta_docker_container_log_stream"]
target_label = "stream"
""", self.server.port, sink=sink)

    def __exit__(self, *_):
        super().__exit__()
        self.daemon.stop()

    def lines(self, selector):
        return [line for _, line, _ in self.server.lines(selector, 1, time.time_ns() + 3600 * 10**9)]

    def comes(self, selector, count, seconds=30):
        try:
            wait(lambda: self.server.count(selector) >= count, seconds)
        except AssertionError:
            raise AssertionError(f"{self.server.count(selector)} of {count} lines of {selector}\n{self.agent.log_tail()}") from None
        assert self.server.count(selector) == count, f"{self.server.count(selector)} instead of {count} lines of {selector}"


def both_streams_and_a_terminal():
    """lines of both streams, of a terminal, joined from chunks, with the labels of discovery, each at its time"""
    with Host() as h:
        web = h.daemon.run("web", labels={"app": "shop"})
        tty = h.daemon.run("tty", tty=True)
        long = "x" * 50_000
        for i in range(50):
            web.write(f"out {i}\n")
            web.write(f"err {i}\n", stream=2)
            tty.write(f"tty {i}\n")
        web.write(long + "\n")
        tty.write(long + "\n")
        web.write("at one time\nat one time\n", at=web.clock + 1000)
        h.comes('{container="web",stream="stdout"}', 53)
        h.comes('{container="web",stream="stderr"}', 50)
        h.comes('{container="tty"}', 51)
        assert h.lines('{container="web",stream="stdout"}') == [f"out {i}" for i in range(50)] + [long] + ["at one time"] * 2
        assert h.lines('{container="tty"}') == [f"tty {i}" for i in range(50)] + [long]
        first = h.server.lines('{container="web",stream="stdout"}', 1, time.time_ns())[0]
        assert first[0] == web.log[0][0], (first, web.log[0])
        assert h.agent.metric("skidway_agent_docker_entries_total") == 154
        assert h.agent.metric("promtail_docker_target_entries_total") == 154
        assert h.agent.metric("skidway_agent_docker_followed_containers") == 2
        targets = programs.http(h.agent.url("/targets?format=json"))[1].decode()
        assert "docker://web" in targets, targets


def containers_stop_start_and_go():
    """a container that stops and starts again, ones that live for a moment, and a last line without an end"""
    with Host() as h:
        web = h.daemon.run("web")
        web.write("before\n")
        h.comes('{container="web"}', 1)
        web.write("last word")
        web.stop()
        h.comes('{container="web"}', 2)
        web.start()
        web.write("after\n")
        h.comes('{container="web"}', 3)
        for i in range(20):
            brief = h.daemon.run(f"brief-{i}")
            brief.write(f"short life {i}\n")
            brief.stop()
        h.comes('{container=~"brief-.*"}', 20)
        for i in range(20):  # as `docker run --rm`
            brief = h.daemon.run(f"removed-{i}")
            brief.write(f"short life {i}\n")
            brief.stop()
            time.sleep(0.1)
            brief.remove()
        wait(lambda: h.server.count('{container=~"removed-.*"}') + h.agent.metric("skidway_agent_docker_lost_containers_total") == 20)
        assert h.server.count('{container=~"removed-.*"}') >= 10
        web.remove()
        wait(lambda: h.agent.metric("skidway_agent_docker_followed_containers") == 0)
        assert h.lines('{container="web"}') == ["before", "last word", "after"]


def daemon_restarts():
    """a daemon that goes away in the middle of lines: everything comes once"""
    with Host() as h:
        web = h.daemon.run("web")
        for part in range(4):
            web.write("".join(f"part {part} line {i} {'y' * (i % 97)}\n" for i in range(2000)))
            web.write("z" * 20_000 + "\n")
            time.sleep(0.15)
            h.daemon.stop()
            time.sleep(0.3)
            web.write("".join(f"while away {part} {i}\n" for i in range(10)))
            h.daemon.start()
        h.comes('{container="web"}', 4 * 2011)
        lines = h.lines('{container="web"}')
        assert len(set(lines)) == 4 * 2010 + 1
        assert h.agent.metric("skidway_agent_docker_log_reopened_total") >= 1


def agent_is_killed():
    """kill -9 of the agent again and again while containers write: no gap, nothing twice, equal times included"""
    with Host() as h:
        web, tty = h.daemon.run("web"), h.daemon.run("tty", tty=True)
        for part in range(5):
            at = max(time.time_ns(), web.clock + 1)
            for i in range(300):
                web.write(f"part {part} line {i}\n", stream=1 + i % 2, at=at + i // 7)  # seven lines share a nanosecond
                tty.write(f"part {part} line {i}\n")
            time.sleep(0.3)
            h.agent.kill()
            if part == 2:
                web.stop()  # and what it wrote before is read all the same
                tty.stop()
                web.start()
                tty.start()
            h.agent.start()
        h.comes('{container="web"}', 1500)
        h.comes('{container="tty"}', 1500)
        assert sorted(h.lines('{container="web"}')) == sorted(f"part {p} line {i}" for p in range(5) for i in range(300))


def whereis_by_name():
    """`whereis` tells how far a container is, by its name and its id, and why it stands still; with the agent gone, too"""
    with Host(sink='batch_wait = "100ms"\nretry = { min = "50ms", max = "200ms" }') as h:
        web, db = h.daemon.run("web"), h.daemon.run("db")

        def of(what):
            done = subprocess.run([programs.AGENT, "whereis", "--config", h.agent.config, "--json", what], capture_output=True, text=True, timeout=10)
            return json.loads(done.stdout)[0] if done.returncode == 0 else None

        for i in range(40):
            web.write(f"web {i:02}\n")
        for i in range(25):
            db.write(f"db {i:02}\n")
        h.comes('{container=~".+"}', 65)
        wait(lambda: of("web")["sinks"][0]["acked"] == {"entries": 40, "bytes": 240})
        assert of(db.id[:12])["sinks"][0]["acked"] == {"entries": 25, "bytes": 125} and of("db")["step"] == "done", of("db")
        assert of("containers")["received"] == {"entries": 65, "bytes": 365} and of("nobody") is None
        h.server.kill()
        for i in range(10):
            web.write(f"web {i:02}\n")
        wait(lambda: (s := of("web"))["step"] == "sink" and "refused" in s["reason"] and s["received"]["entries"] == 50)
        assert of("db")["received"]["entries"] == 25
        wait(lambda: of("web")["sinks"][0]["spool"]["entries"] == 10)
        time.sleep(1.5)
        h.agent.kill()
        assert of("web")["received"]["entries"] == 50 and of("web")["sinks"][0]["spool"]["entries"] == 10, of("web")
        h.server.start()
        h.agent.start()
        h.comes('{container=~".+"}', 75)


def refusals():
    """logs that cannot be read are told and tried again when the container starts; errors of the daemon are retried"""
    with Host() as h:
        h.daemon.fail("/json", 500, 2)
        web = h.daemon.run("web")
        web.write("one\n")
        h.comes('{container="web"}', 1)
        other = docker_daemon.Container(h.daemon, "other")
        h.daemon.fail(f"{other.id}/logs", 409)
        h.daemon.containers[other.id] = other
        other.write("later\n")
        h.daemon.event("start", other)
        wait(lambda: "status 409" in h.agent.log_tail())
        h.comes('{container="other"}', 1)
        gone = docker_daemon.Container(h.daemon, "gone")
        h.daemon.fail(f"{gone.id}/json", 404)
        h.daemon.containers[gone.id] = gone
        h.daemon.event("start", gone)
        wait(lambda: h.agent.metric("skidway_agent_docker_lost_containers_total") >= 1)
        assert h.agent.metric("skidway_agent_docker_api_errors_total") >= 3


def reload_while_lines_come():
    """another refresh interval, again and again, while lines come: no gap, nothing twice"""
    with Host() as h:
        web = h.daemon.run("web")
        with open(h.agent.config, encoding="utf-8") as f:
            config = f.read()
        for part in range(6):
            web.write("".join(f"part {part} line {i}\n" for i in range(500)))
            with open(h.agent.config, "w", encoding="utf-8") as f:
                f.write(config.replace('"2s"', f'"{3 + part}s"'))
            status, text = programs.http(h.agent.url("/-/reload"), b"")
            assert status == 200, text
            web.write("".join(f"part {part} line {i}\n" for i in range(500, 600)))
            time.sleep(0.1)
        h.comes('{container="web"}', 3600)
        assert sorted(h.lines('{container="web"}')) == sorted(f"part {p} line {i}" for p in range(6) for i in range(600))


def options_of_discovery():
    """filter, start_at = "end" and read_stopped choose what is read; a daemon may be at a port"""
    with Host(options='start_at = "end"\n[[source.filter]]\nname = "label"\nvalues = ["wanted"]') as h:
        h.agent.kill()
        wanted = h.daemon.run("wanted", labels={"wanted": "yes"})
        other = h.daemon.run("other")
        for container in (wanted, other):
            container.write("old\n")
        h.agent.start()
        wait(lambda: h.agent.metric("skidway_agent_docker_followed_containers") == 1)
        for container in (wanted, other):
            container.write("new\n")
        later = h.daemon.run("later", labels={"wanted": "yes"})
        later.write("from its beginning\n")
        h.comes('{container="later"}', 1)
        h.comes('{container="wanted"}', 1)
        assert h.lines('{container=~".+"}') in (["new", "from its beginning"], ["from its beginning", "new"])
    with Host(port=programs.free_port()) as h:
        h.daemon.run("remote").write("by TCP\n")
        h.comes('{container="remote"}', 1)
    for read_stopped, count in (("false", 0), ("true", 1)):
        with Host(options=f"read_stopped = {read_stopped}") as h:
            h.agent.kill()
            stopped = h.daemon.run("stopped")
            stopped.write("long ago\n")
            stopped.stop()
            h.daemon.events.clear()
            h.agent.start()
            h.daemon.run("web").write("now\n")
            h.comes('{container="web"}', 1)
            h.comes('{container="stopped"}', count)


def server_away():
    """while the server is away the daemon's streams wait, and 40,000 lines arrive once"""
    with Host() as h:
        web = h.daemon.run("web")
        web.write("first\n")
        h.comes('{container="web"}', 1)
        h.server.kill()
        for part in range(40):
            web.write("".join(f"{part * 1000 + i} {'w' * 300}\n" for i in range(1000)))
        time.sleep(1)
        h.server.start()
        h.comes('{container="web"}', 40_001, 60)


def dead_sink():
    """a dead sink without a spool holds nobody up, and has every line once it is back, the agent being killed meanwhile"""
    port, many = programs.free_port(), 20_000
    sink = f"""batch_wait = "100ms"

[[sink]]
name = "second"
type = "loki"
url = "http://127.0.0.1:{port}/loki/api/v1/push"
batch_wait = "100ms"
batch_bytes = "64KiB"
retry = {{ min = "100ms", max = "500ms" }}
spool = {{ mode = "off" }}
"""
    with Host(sink=sink) as h:
        web, api = h.daemon.run("web"), h.daemon.run("api")

        def write(begin):
            for container in (web, api):  # 12 MB of each: far more than queues hold
                container.write("".join(f"{container.name} {i} {'z' * 600}\n" for i in range(begin, begin + many)))
        write(0)
        h.comes('{container=~".+"}', 2 * many, 60)
        assert b"no spool" not in programs.http(h.agent.url("/ready?verbose"))[1]
        targets = json.loads(programs.http(h.agent.url("/targets?format=json"))[1])
        assert sorted(t["path"] for t in targets) == ["docker://api", "docker://web"], targets
        time.sleep(1.5)  # the cursors are written
        h.agent.kill()
        write(many)
        h.agent.start()
        h.comes('{container=~".+"}', 4 * many, 60)
        assert h.agent.metric("promtail_docker_target_entries_total") < 3 * many  # each line counts once, not once a sink
        os.makedirs(h.folder + "/second")
        second = programs.server(h.folder + "/second", port=port)
        second.start()
        try:
            wait(lambda: second.count('{container=~".+"}') >= 4 * many, 60, h.agent.log_tail)
            web.write("last\n")
            wait(lambda: second.count('{container="web"}') == 2 * many + 1 == h.server.count('{container="web"}'))
            assert second.count('{container=~".+"}') == 4 * many + 1 == h.server.count('{container=~".+"}')
        finally:
            second.kill()


def everything_at_once(seconds=12, seed=None):
    """containers, the daemon, the agent and the server stop, start and are killed at random while lines come: each line once"""
    seed = seed or int(time.time())
    print(f"     seed {seed}", flush=True)
    chance = random.Random(seed)
    with Host() as h:
        containers = [h.daemon.run(f"c{i}", tty=i % 3 == 0) for i in range(6)]
        written = {c.name: [] for c in containers}
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for c in containers:
                if not c.running:
                    c.start()
                for _ in range(chance.randrange(60)):
                    line = f"{len(written[c.name])} {'x' * chance.choice((0, 5, 80, 300, 17_000, 40_000))}"
                    written[c.name].append(line)
                    c.write(line + "\n", stream=1 if c.tty else chance.choice((1, 2)))
            what = chance.randrange(8)
            if what == 0:
                h.agent.kill()
                time.sleep(chance.random() * 0.5)
                h.agent.start()
            elif what == 1:
                h.server.kill()
                time.sleep(chance.random())
                h.server.start()
            elif what == 2:
                h.daemon.stop()
                time.sleep(chance.random())
                h.daemon.start()
            elif what in (3, 4):
                chance.choice(containers).stop()
            elif what == 5:
                h.agent.stop()
                h.agent.start()
            time.sleep(chance.random() * 0.3)
        for c in containers:
            if not c.running:
                c.start()
        for name, lines in written.items():
            h.comes(f'{{container="{name}"}}', len(lines), 60)
            got = h.lines(f'{{container="{name}"}}')
            assert sorted(got) == sorted(lines), f"{name}: {len(set(lines) - set(got))} missing, seed {seed}"


def json_files():
    """the json-file logs of /var/lib/docker/containers, read as files through the docker stage"""
    with programs.folder() as folder:
        server = programs.server(folder)
        os.makedirs(folder + "/containers/abc")
        agent = programs.agent(folder, f"""
[[source]]
name = "files"
type = "file"
path = ["{folder}/containers/*/*-json.log"]

[[source.stage]]
type = "docker"
""", server.port, sink='batch_wait = "100ms"')
        with open(folder + "/containers/abc/abc-json.log", "w", encoding="utf-8") as f:
            for i in range(100):
                f.write(json.dumps({"log": f"line {i}\n", "stream": "stdout" if i % 3 else "stderr", "time": f"2026-11-01T10:00:00.{i:09d}Z"}) + "\n")
        try:
            server.start()
            agent.start()
            wait(lambda: server.count('{filename=~".+"}') == 100)
            assert server.count('{stream="stderr"}') == 34
        finally:
            agent.kill()
            server.kill()


if __name__ == "__main__":
    sys.exit(programs.run_cases([both_streams_and_a_terminal, containers_stop_start_and_go, daemon_restarts, agent_is_killed, whereis_by_name, refusals, reload_while_lines_come, options_of_discovery, server_away, dead_sink, everything_at_once, json_files]))
