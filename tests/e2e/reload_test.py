#!/usr/bin/env python3
"""A running agent goes over to another configuration: nothing is lost or doubled, and a wrong file changes nothing."""
import os
import random
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402
from programs import wait  # noqa: E402


APP = """
[[source]]
name = "app"
type = "file"
path = ["{folder}/logs/app.log"]
labels = {{ job = "app" }}
{extra}
"""
STAMP = """
[[source.stage]]
type = "static_labels"
values = {{ version = "{version}" }}
"""


MULTILINE = """
[[source.stage]]
type = "multiline"
firstline = "^(line|>)"
max_wait_time = "{wait}"
"""


class Run(programs.Pair):
    """A server, and an agent whose file can be written anew."""

    def __init__(self, sources=None, sink='batch_wait = "100ms"', workers=1):
        self.workers = workers
        self.temporary = programs.folder()
        self.folder = self.temporary.name
        os.makedirs(self.folder + "/logs")
        self.server = programs.server(self.folder)
        self.sink = sink
        self.agent = programs.agent(self.folder, self.app() if sources is None else sources(self), self.server.port, sink=sink)
        self.prefix(self.agent.config)

    def prefix(self, path):
        with open(path, "r+", encoding="utf-8") as f:
            text = f.read()
            f.seek(0)
            f.write(f"workers = {self.workers}\n{text}")

    def app(self, extra=""):
        return APP.format(folder=self.folder, extra=extra)

    def configure(self, sources, sink=None, more=""):
        text = programs.agent(self.folder, sources, self.server.port, port=self.agent.port, sink=self.sink if sink is None else sink)
        self.prefix(text.config)
        with open(text.config, "a", encoding="utf-8") as f:
            f.write("\n" + more)

    def reload(self, expect=200):
        status, body = programs.http(self.agent.url("/-/reload"), b"")
        assert status == expect, (status, body.decode())
        return body.decode()

    def append(self, name, text):
        with open(f"{self.folder}/logs/{name}", "a", encoding="utf-8") as f:
            f.write(text)

    def lines(self, selector):
        return sorted(line for _, line, _ in self.server.lines(selector, 0, time.time_ns() + 3600 * 10**9))


def added_stage_acts_from_the_next_line_on():
    """a stage that is added acts on later lines, lines before it are as they were, and unchanged sources are left alone"""
    with Run() as r:
        other = '[[source]]\nname = "other"\ntype = "file"\npath = ["%s/logs/other.log"]\nlabels = { job = "other" }\n' % r.folder
        r.configure(r.app() + other)
        assert r.reload() == "config reloaded\n"
        r.append("app.log", "one\n")
        r.append("other.log", "x\n")
        wait(lambda: r.server.count('{job="app"}') == 1 and r.server.count('{job="other"}') == 1)
        r.configure(r.app(STAMP.format(version="two")) + other)
        r.reload()
        r.append("app.log", "two\n")
        r.append("other.log", "y\n")
        wait(lambda: r.server.count('{job="app"}') == 2 and r.server.count('{job="other"}') == 2)
        assert r.lines('{job="app", version="two"}') == ["two"]
        assert r.lines('{job="app", version=""}') == ["one"]
        assert r.lines('{job="other"}') == ["x", "y"]
        assert r.agent.metric("skidway_agent_config_last_reload_successful") == 1
        assert r.agent.metric("promtail_config_reload_success_total") == 2
        assert 'version = "two"' in programs.http(r.agent.url("/config"))[1].decode()


def open_blocks_survive():
    """an open multiline block is neither cut, lost nor doubled by a reload that changes the stages around it"""
    with Run() as r:
        r.configure(r.app(MULTILINE.format(wait="60s")))
        r.reload()
        r.append("app.log", ">one\n  more\n")
        time.sleep(0.6)
        assert r.server.count('{job="app"}') == 0
        r.configure(r.app(MULTILINE.format(wait="60s") + STAMP.format(version="two")))
        r.reload()
        r.append("app.log", "  and more\n>two\n")
        wait(lambda: r.server.count('{job="app"}') == 1)
        assert r.lines('{version="two"}') == [">one\n  more\n  and more"]
        r.configure(r.app())
        r.reload()
        wait(lambda: r.server.count('{job="app"}') == 2)
        assert r.lines('{job="app", version=""}') == [">two"]


def files_begin_beside_standard_input():
    """an agent that read standard input only gets file sources by a reload, which also takes a sink away, and none of them again"""
    with programs.folder() as folder:
        server = programs.server(folder).start()
        stdin = '[[source]]\nname = "in"\ntype = "stdin"\nlabels = { job = "in" }\n'
        files = f'[[source]]\nname = "app"\ntype = "file"\npath = ["{folder}/app.log"]\nlabels = {{ job = "app" }}\n'
        spare = '[[sink]]\nname = "spare"\ntype = "loki"\nurl = "http://127.0.0.1:%d/loki/api/v1/push"\nlabels = { via = "spare" }\n' % server.port
        agent = programs.agent(folder, stdin + spare, server.port, sink='batch_wait = "100ms"')
        agent.process = programs.subprocess.Popen([programs.AGENT, "--config", agent.config], stdin=programs.subprocess.PIPE, stdout=programs.subprocess.DEVNULL,
                                                  stderr=programs.subprocess.DEVNULL)
        try:
            agent.wait_ready()
            # The last one takes the file away: what is written to it then stays where it is.
            for round_, sources in enumerate((stdin + STAMP.format(version="two") + files, files + stdin, stdin), start=1):
                programs.agent(folder, sources, server.port, port=agent.port, sink='batch_wait = "100ms"')
                status, body = programs.http(agent.url("/-/reload"), b"")
                assert status == 200, body
                agent.process.stdin.write(b"line\n")
                agent.process.stdin.flush()
                with open(folder + "/app.log", "a", encoding="utf-8") as f:
                    f.write("line\n")
                wait(lambda: server.count('{job="in"}') == round_ and server.count('{job="app"}') == min(round_, 2))
            time.sleep(0.5)
            assert server.count('{job="in", version="two"}') == 1 and server.count('{job="app"}') == 2
            assert server.count('{via="spare"}') == 0 and agent.process.poll() is None
        finally:
            agent.kill()
            server.kill()


def hang_up_reloads():
    """HUP does what POST /-/reload does"""
    with Run() as r:
        r.configure(r.app(STAMP.format(version="hup")))
        r.agent.process.send_signal(signal.SIGHUP)
        wait(lambda: r.agent.metric("promtail_config_reload_success_total") == 1)
        r.append("app.log", "line\n")
        wait(lambda: r.server.count('{version="hup"}') == 1)


def signals_during_the_start_wait():
    """HUP and TERM that come while the agent starts are heeded once it has: neither ends it half-way"""
    with Run() as r:
        r.agent.stop()
        for _ in range(5):
            at = os.path.getsize(r.agent.log)
            r.agent.start(ready=False)
            wait(lambda: os.path.getsize(r.agent.log) > at, why="the agent says nothing")  # "starting"
            r.agent.process.send_signal(signal.SIGHUP)
            r.agent.process.send_signal(signal.SIGTERM)
            assert r.agent.process.wait(30) == 0, r.agent.log_tail()
        r.agent.start()


def wrong_file_changes_nothing():
    """a wrong file is answered with every error, shown in /ready?verbose and metrics, and the old graph goes on"""
    with Run() as r:
        r.append("app.log", "before\n")
        wait(lambda: r.server.count('{job="app"}') == 1)
        r.configure(r.app('[[source.stage]]\ntype = "jsn"\n\n[[source.stage]]\ntype = "regex"\nexpression = "("\n') + "\nsorce = 1\n")
        text = r.reload(expect=400)
        assert 'did you mean "json"?' in text and text.count("agent.toml:") >= 3, text
        verbose = programs.http(r.agent.url("/ready?verbose"))
        assert verbose[0] == 200 and b"last reload failed" in verbose[1] and b"jsn" in verbose[1], verbose
        assert r.agent.metric("skidway_agent_config_last_reload_successful") == 0
        assert r.agent.metric("promtail_config_reload_fail_total") == 1
        r.append("app.log", "after\n")
        wait(lambda: r.server.count('{job="app"}') == 2)
        os.rename(r.agent.config, r.agent.config + ".away")
        assert "agent.toml" in r.reload(expect=500)
        os.rename(r.agent.config + ".away", r.agent.config)
        r.configure(r.app())
        r.reload()
        assert b"failed" not in programs.http(r.agent.url("/ready?verbose"))[1]
        assert r.agent.metric("skidway_agent_config_last_reload_successful") == 1


def what_cannot_change_is_refused():
    """data_dir, http.listen, workers and types cannot change while running, and the text says so for each"""
    with Run() as r:
        with open(r.agent.config, encoding="utf-8") as f:
            text = f.read()
        changed = text.replace("/agent\"", "/elsewhere\"").replace(f"127.0.0.1:{r.agent.port}", "127.0.0.1:1").replace('type = "loki"', 'type = "discard"').replace("workers = 1", "workers = 3")
        changed = "\n".join(line for line in changed.splitlines() if not line.startswith(("url", "batch_wait")))
        with open(r.agent.config, "w", encoding="utf-8") as f:
            f.write(changed)
        answer = r.reload(expect=400)
        for part in ("data_dir cannot change", "http.listen cannot change", "workers cannot change", 'sink "hub" cannot become of type "discard"'):
            assert part in answer, (part, answer)


def sources_and_sinks_come_and_go():
    """added sources and sinks start, removed ones stop, and one that comes back resumes where it stopped"""
    with Run() as r:
        second = '[[source]]\nname = "second"\ntype = "file"\npath = ["%s/logs/second.log"]\nlabels = { job = "second" }\n' % r.folder
        spare = ('[[sink]]\nname = "spare"\ntype = "loki"\nurl = "http://127.0.0.1:%d/loki/api/v1/push"\nbatch_wait = "100ms"\nlabels = { via = "spare" }\n'
                 % r.server.port)
        r.append("second.log", "1\n2\n")
        r.append("app.log", "a\n")
        wait(lambda: r.server.count('{job="app"}') == 1)
        r.configure(r.app() + second)
        r.reload()
        wait(lambda: r.server.count('{job="second"}') == 2)
        r.configure(r.app())
        r.reload()
        r.append("second.log", "3\n")
        time.sleep(0.6)
        assert r.server.count('{job="second"}') == 2
        r.configure(r.app() + second, more=spare)
        r.reload()
        wait(lambda: r.server.count('{job="second", via=""}') == 3)
        r.append("app.log", "b\n")
        wait(lambda: r.server.count('{job="app", via="spare"}') == 1 and r.server.count('{job="app", via=""}') == 2)  # one may be there first
        assert r.lines('{job="app", via="spare"}') == ["b"] and r.lines('{job="app", via=""}') == ["a", "b"]
        r.configure(r.app() + second)
        r.reload()
        r.append("app.log", "c\n")
        wait(lambda: r.server.count('{job="app", via=""}') == 3)
        assert r.server.count('{job="app", via="spare"}') == 1
        assert r.lines('{job="second", via=""}') == ["1", "2", "3"]
        assert r.agent.stop() == 0


def sink_with_another_url_sends_what_waits():
    """a sink whose address was wrong sends what waits once the address is put right"""
    with Run(sink='batch_wait = "100ms"\nlabels = { site = "a" }') as r:
        wrong = programs.free_port()
        right, r.server.port = r.server.port, wrong
        r.configure(r.app())
        r.server.port = right
        r.reload()
        r.append("app.log", "".join(f"line {i}\n" for i in range(100)))
        time.sleep(1)
        assert r.server.count('{job="app"}') == 0
        r.configure(r.app(), sink='batch_wait = "100ms"\nlabels = { site = "b" }')
        r.reload()
        wait(lambda: r.server.count('{job="app"}') == 100)
        r.append("app.log", "last\n")
        wait(lambda: r.server.count('{job="app", site="b"}') == 1)
        assert r.server.count('{job="app", site="a"}') == 100


def reloads_while_lines_are_written_and_rotated(kills=False):
    """reloads while lines are written and rotated lose and double nothing"""
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    print(f"seed {seed}", flush=True)
    with Run(workers=chance.choice([1, 2])) as r:
        r.configure(r.app().replace("app.log", "app.log*"))
        r.reload()
        written, rotations, reloads = [], 0, 0
        until = time.monotonic() + (12 if kills else 8)
        while time.monotonic() < until or reloads <= 5 or rotations <= 1:  # on a slow machine it takes longer until enough has happened
            block = [f"line {len(written) + i} {'x' * chance.randrange(100)}" for i in range(chance.randrange(1, 200))]
            written += block
            r.append("app.log", "".join(line + "\n" for line in block))
            if chance.random() < 0.05:
                rotations += 1
                os.rename(f"{r.folder}/logs/app.log", f"{r.folder}/logs/app.log.{rotations}")
            if chance.random() < 0.2:
                reloads += 1
                extra = STAMP.format(version=str(reloads)) if chance.random() < 0.7 else ""
                extra += MULTILINE.format(wait="300ms") if chance.random() < 0.5 else ""
                added = '[[source]]\nname = "added"\ntype = "file"\npath = ["%s/nothing/*.log"]\n' % r.folder if chance.random() < 0.5 else ""
                sink = 'batch_wait = "100ms"\nlabels = { site = "%d" }' % reloads if chance.random() < 0.3 else None
                r.configure(r.app(extra).replace("app.log", "app.log*") + added, sink=sink)
                r.reload()
                if kills and chance.random() < 0.5:
                    time.sleep(chance.random() * 0.3)
                    r.agent.kill()
                    r.agent.start()
            time.sleep(0.01)
        wait(lambda: r.server.count('{job="app"}') >= len(written), 60)
        time.sleep(0.5)
        got = r.lines('{job="app"}')
        assert got == sorted(written), (seed, len(got), len(written), sorted(set(written) - set(got))[:3])


def kills_right_after_reloads():
    """kill -9 right after a reload: each line arrives exactly once"""
    reloads_while_lines_are_written_and_rotated(kills=True)


SYSLOG = """
[[source]]
name = "net"
type = "syslog"
listen = "tcp://127.0.0.1:{port}"
labels = {{ job = "net" }}
{extra}
"""


def say(port, text):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
        s.sendall(f"<13>1 {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} host app - - - {text}\n".encode())


def refuses(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        return False
    except OSError:
        return True


def listeners_come_move_and_go():
    """a source that listens is added, changed, moved to another address and removed while the agent runs"""
    first, second, third = programs.free_port(), programs.free_port(), programs.free_port()
    with Run() as r:
        net = lambda port, extra="": r.app() + SYSLOG.format(port=port, extra=extra)
        found = lambda text: r.server.count('{job="net"} |= "%s"' % text) == 1
        r.configure(net(first))
        r.reload()
        say(first, "added")
        wait(lambda: found("added"))
        r.configure(net(first, STAMP.format(version="2")))
        r.reload()
        say(first, "stamped")
        wait(lambda: r.server.count('{job="net",version="2"} |= "stamped"') == 1)
        r.configure(net(second))
        r.reload()
        say(second, "moved")
        wait(lambda: found("moved") and refuses(first))

        with socket.socket() as taken:
            taken.bind(("127.0.0.1", third))
            taken.listen()
            r.configure(net(third))
            assert f"127.0.0.1:{third}" in r.reload(expect=503), "the address that is taken is not named"
        say(second, "still here")
        wait(lambda: found("still here"))

        r.configure(r.app())
        r.reload()
        wait(lambda: refuses(second))
        assert r.server.count('{job="net"}') == 4
        r.configure(net(second))
        r.reload()
        say(second, "back again")
        wait(lambda: found("back again"))


if __name__ == "__main__":
    cases = [added_stage_acts_from_the_next_line_on, open_blocks_survive, files_begin_beside_standard_input, hang_up_reloads, signals_during_the_start_wait, wrong_file_changes_nothing, what_cannot_change_is_refused, listeners_come_move_and_go, sources_and_sinks_come_and_go,
             sink_with_another_url_sends_what_waits, reloads_while_lines_are_written_and_rotated, kills_right_after_reloads]
    wanted = sys.argv[1:]
    sys.exit(programs.run_cases([c for c in cases if not wanted or c.__name__ in wanted]))
