#!/usr/bin/env python3
"""The systemd journal as a source: a real journald and a real systemd-journal-remote, rotation, vacuuming, kill -9, damaged files."""
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402

JOURNALD = "/lib/systemd/systemd-journald"
REMOTE = "/lib/systemd/systemd-journal-remote"
BASE = 1_700_000_000_000_000  # us
HOUR = 3600 * 10**9
JOBS = '{job="journal"}'


def wait(what, seconds=30, told="waited in vain"):
    until = time.monotonic() + seconds
    while not (value := what()):
        if time.monotonic() > until:
            raise AssertionError(told if isinstance(told, str) else told())
        time.sleep(0.05)
    return value


class Journald:
    """A journald of its own, in a name space of its own."""

    def __init__(self):
        self.name = f"skidwaytest{os.getpid()}"
        os.makedirs("/var/log/journal", exist_ok=True)
        os.makedirs(f"/run/systemd/journal.{self.name}", exist_ok=True)
        self.process = subprocess.Popen([JOURNALD, self.name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.socket = f"/run/systemd/journal.{self.name}/socket"
        wait(lambda: os.path.exists(self.socket) and os.path.exists(f"/run/systemd/journal.{self.name}/stdout"))
        # A client that stays keeps journald from ending because nobody needs it.
        self.client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.client.connect(f"/run/systemd/journal.{self.name}/stdout")
        self.client.sendall(b"keeper\n\n6\n0\n0\n0\n0\n")
        self.out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with open("/etc/machine-id", encoding="utf-8") as f:
            self.folder = f"/var/log/journal/{f.read().strip()}.{self.name}"

    def log(self, message, **fields):
        text = "".join(f"{name}={value}\n" for name, value in {"MESSAGE": message, "PRIORITY": "6", "SYSLOG_IDENTIFIER": "app", **fields}.items())
        self.out.sendto(text.encode(), self.socket)

    def control(self, *arguments):
        subprocess.run(["journalctl", f"--namespace={self.name}", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def count(self):
        return len(subprocess.run(["journalctl", f"--namespace={self.name}", "--output=cat", "--output-fields=PRIORITY", "--no-pager"], check=True, capture_output=True).stdout.splitlines())

    def stop(self):
        self.client.close()
        self.process.terminate()
        self.process.wait(10)
        subprocess.run(["rm", "-rf", self.folder, f"/run/systemd/journal.{self.name}", f"/run/log/journal/{os.path.basename(self.folder)}"], check=True)


def source(extra, name="host"):
    return f"""
[[source]]
name = "{name}"
type = "journal"
{extra}

[[source.relabel]]
source_labels = ["__journal_syslog_identifier"]
target_label = "ident"

[[source.relabel]]
source_labels = ["__journal_priority_keyword"]
target_label = "level"

[[source.relabel]]
source_labels = ["__journal__hostname"]
target_label = "host"
"""


class Run(programs.Pair):
    def __init__(self, extra, labels='labels = { job = "journal" }', sink='batch_wait = "100ms"'):
        self.temporary = programs.folder()
        self.folder = self.temporary.name
        self.server = programs.server(self.folder)
        extra = extra.replace("{folder}", self.folder)
        self.agent = programs.agent(self.folder, source(f"{extra}\n{labels}"), self.server.port, sink=sink)

    def lines(self, selector='{job="journal"}', since=(BASE - HOUR // 1000) * 1000):
        data = []
        for t, line, stream in self.server.lines(selector, since, time.time_ns() + HOUR):
            data.append((t, line, stream))
        return data

    def wait_for(self, count, selector='{job="journal"} |= "m-"'):
        wait(lambda: self.server.count(selector) >= count, 40, lambda: f"{self.server.count(selector)} of {count} lines\n{self.agent.log_tail()}")


def namespace_case():
    """a real journald: every entry once, with its labels, through rotation, vacuuming and kill -9 of the agent"""
    journald = Journald()
    try:
        with Run(f'namespace = "{journald.name}"\nmax_age = "1h"') as run:
            written = 0
            for round_ in range(6):
                for _ in range(300):
                    journald.log(f"m-{written}", PRIORITY=str(written % 8))
                    written += 1
                if round_ == 1:
                    journald.control("--rotate")
                if round_ == 2:
                    run.agent.kill()
                if round_ == 3:
                    journald.control("--rotate")
                    run.agent.start()
                    run.wait_for(written - 10)
                if round_ == 4:
                    run.wait_for(written)
                    run.agent.kill()
                    time.sleep(0.1)
                    run.agent.start(ready=False)
            journald.control("--sync")
            run.wait_for(written)
            time.sleep(1)
            lines = [line for _, line, _ in run.lines('{job="journal"} |= "m-"')]
            assert sorted(lines) == sorted(f"m-{i}" for i in range(written)), (len(lines), len(set(lines)), written)
            levels = run.server.query("label/level/values", start=str(BASE * 1000), end=str(time.time_ns() + HOUR))
            for level in ("emerg", "alert", "crit", "error", "warning", "notice", "info", "debug"):
                assert level in levels, levels
            assert run.agent.metric("promtail_journal_target_lines_total") > 0
            told = json.loads(subprocess.run([programs.AGENT, "whereis", "--config", run.agent.config, "--json", "host"], capture_output=True, text=True, check=True).stdout)[0]
            sink = told["sinks"][0]  # over two kills: what no cursor had passed was received twice, and is counted once
            assert told["type"] == "journal" and told["step"] == "done" and sink["acked"] == told["received"] and sink["waiting"]["entries"] == 0, told
            there = journald.count()  # journald writes some of its own
            assert written <= sink["acked"]["entries"] == there, (told, written, there)
            # Vacuumed while the agent is away: what is left is read, what is gone is said to be gone.
            run.agent.kill()
            journald.log("gone-0")
            journald.control("--sync")
            journald.control("--rotate")
            journald.control("--vacuum-files=1")
            for i in range(50):
                journald.log(f"m-{written + i}")
            run.agent.start()
            run.wait_for(written + 50)
            assert run.server.count('{job="journal"} |= "gone-0"') == 0
            assert run.agent.metric("skidway_agent_journal_skipped_entries_total") >= 1, run.agent.log_tail()
    finally:
        journald.stop()


def entries(host, numbers, more="", time_of=lambda i: i):
    out = []
    for i in numbers:
        out.append(f"__REALTIME_TIMESTAMP={BASE + time_of(i)}\n__MONOTONIC_TIMESTAMP={1000 + i}\n_BOOT_ID={host * 32}\n_MACHINE_ID={host * 32}\n"
                   f"_HOSTNAME={host}\nPRIORITY=6\nSYSLOG_IDENTIFIER=app\n{more}MESSAGE=m-{host}-{i}\n\n")
    return "".join(out).encode()


def remote(path, data):
    subprocess.run([REMOTE, "-o", path, "-"], input=data, check=True, stderr=subprocess.DEVNULL)


def remote_case():
    """files of systemd-journal-remote: machines that upload late, with the agent killed at random, lose and double nothing"""
    generator = random.Random(seed := time.time_ns())
    with Run('path = "{folder}/remote"\nmax_age = "0s"') as run:
        os.makedirs(f"{run.folder}/remote")
        sent = {"a": 0, "b": 0, "c": 0}
        for _ in range(12):
            host = generator.choice("abc")
            begin, sent[host] = sent[host], sent[host] + generator.randint(1, 400)
            # Each machine's clock is a day behind that of the one before; some entries share a microsecond.
            day = (ord(host) - ord("a")) * 86_400_000_000
            data = entries(host, range(begin, sent[host]), time_of=lambda i, day=day: i // 2 * 2 - day)
            remote(f"{run.folder}/remote/remote-{host}.journal", data)
            if generator.random() < 0.4:
                time.sleep(generator.random() / 2)
                run.agent.kill()
                run.agent.start()
        total = sum(sent.values())
        run.wait_for(total)
        time.sleep(0.5)
        got = sorted(line for _, line, _ in run.lines(since=(BASE - 4 * 86_400_000_000) * 1000))
        expected = sorted(f"m-{host}-{i}" for host in sent for i in range(sent[host]))
        assert got == expected, f"seed {seed}: {len(got)} lines, {len(set(got))} different, {total} written"
        assert set(run.server.query("label/host/values", start=str((BASE - 10**12) * 1000), end=str(time.time_ns()))) >= set("abc")


def damaged_case():
    """a damaged journal file, and one cut while it is read, cost their entries and nothing else"""
    with Run('path = "{folder}/remote"\nmax_age = "0s"') as run:
        folder = f"{run.folder}/remote"
        os.makedirs(folder)
        remote(f"{folder}/remote-a.journal", entries("a", range(2000)))
        run.wait_for(2000)
        with open(f"{folder}/remote-bad.journal", "wb") as f:
            f.write(os.urandom(100_000))
        remote(f"{folder}/remote-b.journal", entries("b", range(100)))
        run.wait_for(2100)
        run.agent.process.send_signal(signal.SIGSTOP)
        remote(f"{folder}/remote-a.journal", entries("a", range(2000, 4000)))
        os.truncate(f"{folder}/remote-a.journal", 300_000)  # mapped by the agent, with entries it has not seen
        run.agent.process.send_signal(signal.SIGCONT)
        remote(f"{folder}/remote-c.journal", entries("c", range(100)))
        wait(lambda: run.server.count('{job="journal", host="c"}') == 100, told=run.agent.log_tail)
        assert run.agent.process.poll() is None
        wait(lambda: run.agent.metric("skidway_agent_journal_damaged_files_total") >= 2, told=run.agent.log_tail)
        body = programs.http(run.agent.url("/targets?format=json"))[1].decode()
        assert "remote-" in body and "left out" in body, body


def json_case():
    """all fields as JSON, matches and one file as path"""
    with Run('path = "{folder}/one.journal"\nmax_age = "0s"\nformat_as_json = true\nmatches = ["UNIT=x", "UNIT=y"]') as run:
        data = entries("a", range(10), "UNIT=x\n") + entries("a", range(10, 20), "UNIT=z\n") + entries("a", range(20, 30), "UNIT=y\n")
        remote(f"{run.folder}/one.journal", data)
        run.wait_for(20)
        lines = [line for _, line, _ in run.lines()]
        assert len(lines) == 20 and '"UNIT":"z"' not in "".join(lines), lines
        assert lines[0].startswith('{"MESSAGE":"m-a-0","PRIORITY":"6","SYSLOG_IDENTIFIER":"app","UNIT":"x",'), lines[0]


def missing_case():
    """a journal that is not there yet is said to be missing, and is read when it comes"""
    with Run('path = "{folder}/later"\nmax_age = "0s"') as run:
        wait(lambda: b"/later" in programs.http(run.agent.url("/ready?verbose"))[1])
        os.makedirs(f"{run.folder}/later")
        remote(f"{run.folder}/later/x.journal", entries("a", range(5)))
        run.wait_for(5)
        assert b"/later" not in programs.http(run.agent.url("/ready?verbose"))[1]


def permission_case():
    """a journal that may not be read is said to be so, by file, and read when it may"""
    run = Run('path = "{folder}/j"\nmax_age = "0s"')
    wrapper = run.folder + "/as-nobody.sh"
    with open(wrapper, "w", encoding="utf-8") as f:
        f.write(f'#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups {programs.AGENT} "$@"\n')
    os.chmod(wrapper, 0o755)
    os.chmod(run.folder, 0o755)
    for name in ("agent", "j"):
        os.makedirs(f"{run.folder}/{name}", exist_ok=True)
    os.chown(f"{run.folder}/agent", 65534, 65534)
    remote(f"{run.folder}/j/x.journal", entries("a", range(5)))
    os.chmod(f"{run.folder}/j/x.journal", 0o600)
    run.agent.binary = wrapper
    with run:
        wait(lambda: b"/j/x.journal: permission denied" in programs.http(run.agent.url("/ready?verbose"))[1])
        targets = programs.http(run.agent.url("/targets?format=json"))[1]
        assert b'"state":"failed"' in targets and b"permission denied" in targets, targets
        os.chmod(f"{run.folder}/j/x.journal", 0o644)
        run.wait_for(5)
        assert b"permission denied" not in programs.http(run.agent.url("/ready?verbose"))[1]


def relabel_reload_case():
    """a reload with other rules asks for other fields, and nothing is read twice"""
    with Run('path = "{folder}/remote"\nmax_age = "0s"') as run:
        os.makedirs(f"{run.folder}/remote")
        remote(f"{run.folder}/remote/a.journal", entries("a", range(50), "EXTRA=one\n"))
        run.wait_for(50)
        with open(run.agent.config, encoding="utf-8") as f:
            text = f.read()
        with open(run.agent.config, "w", encoding="utf-8") as f:
            f.write(text.replace("[[sink]]", '[[source.relabel]]\nsource_labels = ["__journal_extra"]\ntarget_label = "extra"\n\n[[sink]]', 1))
        status, body = programs.http(run.agent.url("/-/reload"), data=b"")
        assert status == 200, body
        remote(f"{run.folder}/remote/a.journal", entries("a", range(50, 80), "EXTRA=two\n"))
        wait(lambda: run.server.count('{extra="two"}') == 30, told=run.agent.log_tail)
        time.sleep(0.5)
        assert run.server.count('{job="journal"}') == 80, run.server.count('{job="journal"}')


def second_sink(port, spool='mode = "off"'):
    return f"""batch_wait = "100ms"
spool = {{ mode = "off" }}

[[sink]]
name = "second"
type = "loki"
url = "http://127.0.0.1:{port}/loki/api/v1/push"
batch_wait = "100ms"
batch_bytes = "64KiB"
retry = {{ min = "100ms", max = "500ms" }}
spool = {{ {spool} }}
"""


def dead_sink_case():
    """a dead sink without a spool holds nobody up, and has every entry once it is back, whatever is killed meanwhile"""
    port, many = programs.free_port(), 15_000
    padding = "PADDING=x\nMESSAGE=m-" + "y" * 600  # 10 MB in each half: far more than queues hold
    with Run('path = "{folder}/remote"\nmax_age = "0s"', sink=second_sink(port)) as run:
        os.makedirs(f"{run.folder}/remote")

        def write(numbers):  # a whole file at once: this is not about reading what is just being written
            new = f"{run.folder}/new.journal"
            remote(new, entries("a", numbers).replace(b"MESSAGE=m-", padding.encode()))
            os.rename(new, f"{run.folder}/remote/remote-{numbers[0]}.journal")

        def sinks():
            told = json.loads(subprocess.run([programs.AGENT, "whereis", "--config", run.agent.config, "--json", "host"], capture_output=True, text=True, check=True).stdout)[0]
            return {sink["sink"]: sink for sink in told["sinks"]}
        assert b"no spool" not in programs.http(run.agent.url("/ready?verbose"))[1] and "no spool" not in run.agent.log_tail()
        write(range(many))
        run.wait_for(many)
        told = wait(lambda: (s := sinks())["hub"]["waiting"]["entries"] == 0 and s, told=sinks)
        assert told["hub"]["acked"]["entries"] == many and told["hub"]["step"] == "done", told
        assert told["second"]["acked"]["entries"] == 0 and 0 < told["second"]["waiting"]["entries"] < many and "refused" in told["second"]["reason"], told
        lines = [line for line in programs.http(run.agent.url("/metrics"))[1].decode().splitlines() if line.startswith("promtail_journal_target_lines_total")]
        assert f'promtail_journal_target_lines_total{{source="host"}} {many}' in lines, lines
        time.sleep(1.5)  # the cursor is written
        run.agent.kill()
        write(range(many, 2 * many))
        run.agent.start()
        run.wait_for(2 * many)
        run.agent.kill()
        run.agent.start()
        os.makedirs(run.folder + "/second")
        second = programs.server(run.folder + "/second", port=port)
        second.start()
        try:
            wait(lambda: second.count('{job="journal"}') >= 2 * many, 60, lambda: str(second.count('{job="journal"}')) + " entries\n" + run.agent.log_tail())
            told = wait(lambda: (s := sinks())["second"]["step"] == "done" == s["hub"]["step"] and s, told=sinks)
            assert told["second"]["acked"]["entries"] == 2 * many, told
            write(range(2 * many, 2 * many + 10))
            for server in (run.server, second):
                wait(lambda server=server: server.count('{job="journal"}') == 2 * many + 10, told=lambda server=server: server.count('{job="journal"}'))
        finally:
            second.kill()


def full_spool_case():
    """a dead sink whose spool is full and pauses holds nobody up, and has every entry once it is back"""
    port, many = programs.free_port(), 10_000
    with Run('path = "{folder}/remote"\nmax_age = "0s"', sink=second_sink(port, 'mode = "outage", limit = "1MiB"')) as run:
        os.makedirs(f"{run.folder}/remote")

        def write(numbers):  # lines that do not compress: 9 MB
            new = f"{run.folder}/new.journal"
            remote(new, b"".join(entry + random.randbytes(450).hex().encode() + b"\n\n" for entry in entries("a", numbers).split(b"\n\n")[:-1]))
            os.rename(new, f"{run.folder}/remote/remote-{numbers[0]}.journal")
        write(range(many))
        run.wait_for(many)
        wait(lambda: run.agent.metric("skidway_agent_spool_bytes") > 800_000, told=run.agent.log_tail)
        write(range(many, 2 * many))
        run.wait_for(2 * many)
        assert run.agent.metric("skidway_agent_spool_dropped_entries_total") == 0
        os.makedirs(run.folder + "/second")
        second = programs.server(run.folder + "/second", port=port)
        second.start()
        try:
            wait(lambda: second.count('{job="journal"}') == 2 * many, 60, lambda: f"{second.count(JOBS)} entries\n{run.agent.log_tail()}")
        finally:
            second.kill()


def added_sink_case():
    """a sink that a reload adds to a source begins where the others are; one that is taken away and given back goes on where it was"""
    port = programs.free_port()
    with Run('path = "{folder}/remote"\nmax_age = "0s"\nsinks = ["hub"]', sink=second_sink(port)) as run:
        os.makedirs(f"{run.folder}/remote")
        os.makedirs(run.folder + "/second")
        second = programs.server(run.folder + "/second", port=port)
        second.start()

        def reload(before, after):
            with open(run.agent.config, encoding="utf-8") as f:
                text = f.read()
            with open(run.agent.config, "w", encoding="utf-8") as f:
                f.write(text.replace(before, after))
            status, body = programs.http(run.agent.url("/-/reload"), data=b"")
            assert status == 200, body

        def both(first_count, second_count):
            for server, count in ((run.server, first_count), (second, second_count)):
                wait(lambda server=server, count=count: server.count('{job="journal"}') >= count, told=run.agent.log_tail)
                assert server.count('{job="journal"}') == count, (server.count('{job="journal"}'), count)
        try:
            path = f"{run.folder}/remote/a.journal"
            remote(path, entries("a", range(50)))
            both(50, 0)
            wait(lambda: run.agent.metric("skidway_agent_stream_unsettled") == 0)
            reload('sinks = ["hub"]', 'sinks = ["hub", "second"]')
            remote(path, entries("a", range(50, 80)))
            both(80, 30)
            wait(lambda: run.agent.metric("skidway_agent_stream_unsettled") == 0)
            reload('sinks = ["hub", "second"]', 'sinks = ["second"]')
            remote(path, entries("a", range(80, 100)))
            both(80, 50)
            reload('sinks = ["second"]', 'sinks = ["hub", "second"]')
            both(100, 50)
            remote(path, entries("a", range(100, 110)))
            both(110, 60)
        finally:
            second.kill()


if __name__ == "__main__":
    for needed in (JOURNALD, REMOTE):
        if not os.path.exists(needed):
            sys.exit(f"{needed} is missing: deploy/setup.sh --tests installs it\n0 passed, 1 failed")
    sys.exit(programs.run_cases([namespace_case, remote_case, damaged_case, json_case, missing_case, permission_case, relabel_reload_case, dead_sink_case, full_spool_case, added_sink_case]))
