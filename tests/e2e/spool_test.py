#!/usr/bin/env python3
"""The spool with real programs: the server away while logs rotate and are deleted, kill -9 of the agent, a full disk, a full spool."""
import base64
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import programs  # noqa: E402

SOURCE = """[[source]]
name = "logs"
type = "file"
path = ["{folder}/logs/*.log", "{folder}/logs/*.log.*"]
start_at = "beginning"
labels = {{ app = "spool" }}
"""
QUICK = """batch_wait = "100ms"
retry = { min = "50ms", max = "200ms" }
"""


class Case(programs.Pair):
    """A server, an agent that reads folder/logs, and the lines written so far."""

    def __init__(self, folder, sink="", data_dir=None):
        os.makedirs(os.path.join(folder, "logs"), exist_ok=True)
        self.folder, self.start = folder, time.time_ns()
        self.server = programs.server(folder)
        self.agent = programs.agent(folder, SOURCE.format(folder=folder), self.server.port, sink=QUICK + sink)
        if data_dir:
            with open(self.agent.config, encoding="utf-8") as f:
                text = f.read().replace(f'data_dir = "{folder}/agent"', f'data_dir = "{data_dir}"')
            with open(self.agent.config, "w", encoding="utf-8") as f:
                f.write(text)
        self.lines = []

    def write(self, count, name="a.log", size=100):
        with open(os.path.join(self.folder, "logs", name), "a", encoding="utf-8") as f:
            for _ in range(count):
                line = f"{len(self.lines)} ".ljust(size, "x")
                self.lines.append(line)
                f.write(line + "\n")

    def rotate(self, name="a.log"):
        """Renamed, read to its end by the agent, deleted."""
        path = os.path.join(self.folder, "logs", name)
        os.rename(path, path + ".1")
        return path + ".1"

    def wait(self, what, condition, seconds=30):
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, f"{what}: not within {seconds} s\n{self.agent.log_tail()}"
            assert self.agent.process.poll() is None, f"the agent ended\n{self.agent.log_tail()}"
            time.sleep(0.05)

    def read_all(self):
        return self.agent.metric("skidway_agent_source_read_lines_total")

    def spooled(self):
        """Entries that wait on disk, and those of them that are read already."""
        return self.agent.metric("skidway_agent_spool_entries") + self.agent.metric("skidway_agent_sink_waiting_entries")

    def away(self):
        """The server is away, and the agent knows."""
        self.server.kill()
        self.write(10)
        self.wait("outage", lambda: self.agent.metric("skidway_agent_spool_appended_frames_total") > 0)

    def expect_all(self, seconds=60):
        self.wait("arrival", lambda: self.server.count('{app="spool"}') >= len(self.lines), seconds)
        found = [line for _, line, _ in self.server.lines('{app="spool"}', self.start, time.time_ns() + 10**9)]
        assert len(found) == len(set(found)), f"{len(found) - len(set(found))} lines twice"
        assert set(found) == set(self.lines), f"{len(set(self.lines) - set(found))} lines lost"


def outage_with_rotation():
    """while the server is away, files are read, rotated and deleted, the agent is killed, and every line arrives once"""
    with programs.folder() as folder, Case(folder) as case:
        case.write(1000)
        case.wait("first lines", lambda: case.server.count('{app="spool"}') == 1000)
        case.away()
        for turn in range(6):
            before = case.read_all()
            case.write(2000)
            case.wait("reading", lambda: case.read_all() >= before + 2000)
            old = case.rotate()
            if turn == 3:
                case.wait("spooling all", lambda: case.agent.metric("skidway_agent_sink_queued_batches") <= 4)
                time.sleep(1.5)  # what is in open batches
                case.agent.kill()
                case.agent.start()
                assert case.spooled() > 0
            os.remove(old)
        assert programs.http(case.agent.url("/ready"))[0] == 200, "not ready during an outage"
        case.server.start()
        case.expect_all()
        case.wait("an empty spool", lambda: case.agent.metric("skidway_agent_spool_bytes") == 0)
        log = open(case.agent.log, encoding="utf-8").read()
        for text in ("sink is away: batches go to the spool", "everything spooled is sent"):
            assert text in log, f"not logged: {text}"


def kills_while_draining():
    """kill -9 of the agent again and again while the spool is sent: every line once"""
    with programs.folder() as folder, Case(folder) as case:
        case.away()
        case.write(60_000)
        case.wait("reading", lambda: case.read_all() >= 60_000)
        case.wait("spooling", lambda: case.spooled() > 55_000)
        case.server.start()
        for turn in range(5):
            time.sleep(0.05 * turn)
            case.agent.kill()
            case.write(100)
            case.agent.start()
        case.expect_all()


def restart_is_quick():
    """an agent with hundreds of megabytes in its spool is ready in under a second, also after kill -9, and no entry is lost or doubled by that (SPOOL_RESTART_MIB=1024 by hand)"""
    size = int(os.environ.get("SPOOL_RESTART_MIB", "256")) << 20
    with programs.folder() as folder, Case(folder, sink='spool = { limit = "4GiB" }\n') as case:
        case.away()
        text = base64.b64encode(os.urandom(12 << 20)).decode()  # snappy makes nothing of it
        with open(os.path.join(folder, "logs", "much.log"), "w", encoding="utf-8") as f:
            for number in range(size // 1000):
                begin = number * 997 % (len(text) - 1000)
                f.write(f"{number} {text[begin:begin + 990]}\n")
        case.wait("spooling", lambda: case.agent.metric("skidway_agent_spool_bytes") > 0.95 * size, 30 + size / (8 << 20))
        total, best = len(case.lines) + size // 1000, 60.0
        case.wait("spooling all", lambda: case.spooled() == total)
        for _ in range(3):  # the best of three: other tests may be running
            case.agent.kill()
            started = time.monotonic()
            case.agent.start()
            best = min(best, time.monotonic() - started)
            case.wait("every entry once", lambda: case.spooled() == total)  # what was not synced yet is read again
            time.sleep(0.3)
            assert case.spooled() == total, (case.spooled(), total)
            if best < 1:
                break
        print(f"     {size >> 20} MiB in the spool, ready after {best:.2f} s")
        assert best < 1, f"{best:.1f} s"


def full_spool():
    """at the limit reading pauses, nothing is lost, and it goes on when the server is back"""
    with programs.folder() as folder, Case(folder, sink='batch_bytes = "64KiB"\nspool = { limit = "512KiB" }\n') as case:
        case.away()
        with open(os.path.join(folder, "logs", "b.log"), "w", encoding="utf-8") as f:
            for _ in range(30_000):  # random text: it does not become much smaller
                line = f"{len(case.lines)} {os.urandom(60).hex()}"
                case.lines.append(line)
                f.write(line + "\n")
        case.wait("the limit", lambda: case.agent.metric("skidway_agent_spool_paused") == 1)
        assert case.agent.metric("skidway_agent_spool_bytes") <= 512 << 10
        read = case.read_all()
        time.sleep(1)
        assert case.read_all() < len(case.lines) and case.read_all() < read + 5000, "reading did not pause"
        assert programs.http(case.agent.url("/ready"))[0] == 200
        case.server.start()
        case.expect_all()


def full_disk():
    """a full disk under the spool pauses reading, says so, and loses nothing, kill -9 included"""
    with programs.folder() as folder:
        disk = os.path.join(folder, "small")
        os.makedirs(disk)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", disk], capture_output=True, text=True)
        assert mounted.returncode == 0, f"cannot mount a tmpfs: {mounted.stderr}"
        try:
            with Case(folder, data_dir=disk) as case:
                case.away()
                with open(os.path.join(folder, "logs", "b.log"), "w", encoding="utf-8") as f:
                    for _ in range(150_000):
                        line = f"{len(case.lines)} {os.urandom(60).hex()}"
                        case.lines.append(line)
                        f.write(line + "\n")
                case.wait("a full disk", lambda: case.agent.metric("skidway_agent_spool_append_failures_total") > 0)
                time.sleep(0.5)
                assert case.read_all() < len(case.lines), "reading did not pause"
                log = open(case.agent.log, encoding="utf-8").read()
                assert "no space left on device" in log.lower() and "reading pauses until there is room" in log, case.agent.log_tail()
                assert programs.http(case.agent.url("/ready"))[0] == 200
                case.agent.kill()
                case.server.start()
                case.agent.start(ready=False)
                time.sleep(1)
                subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)  # somebody made room
                try:
                    case.agent.wait_ready()
                except AssertionError:
                    assert case.agent.process.poll() is not None, case.agent.log_tail()
                    case.agent.start()  # it had said what is wrong and ended; its supervisor starts it again
                case.expect_all()
        finally:
            subprocess.run(["umount", "-l", disk], check=False)


def standard_input_survives():
    """lines that cannot be read again are in the spool when the agent stops, and are sent at its next start"""
    with programs.folder() as folder:
        server = programs.server(folder)
        source = '[[source]]\nname = "in"\ntype = "stdin"\nlabels = { app = "spool" }\n'
        agent = programs.agent(folder, source, server.port, sink=QUICK)
        start = time.time_ns()
        lines = [f"line {i}" for i in range(500)]
        with open(agent.log, "ab") as log:
            process = subprocess.Popen([agent.binary, "--config", agent.config], stdin=subprocess.PIPE, stdout=log, stderr=log)
            process.stdin.write("".join(line + "\n" for line in lines).encode())
            process.stdin.flush()
            time.sleep(3.5)
            process.terminate()
            process.wait(30)
        listed = subprocess.run([agent.binary, "spool", "ls", f"{folder}/agent"], capture_output=True, text=True, check=True).stdout
        assert "500 entries" in listed, listed + agent.log_tail()
        server.start()
        try:
            with open(agent.log, "ab") as log:  # standard input is at its end: it sends what it has, and ends
                process = subprocess.run([agent.binary, "--config", agent.config], stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=60)
            found = [line for _, line, _ in server.lines('{app="spool"}', start, time.time_ns())]
            assert sorted(found) == sorted(lines), (len(found), agent.log_tail())
        finally:
            server.kill()


def commands():
    """spool ls, cat, verify and repair tell, show, find damage and cut it out"""
    with programs.folder() as folder, Case(folder) as case:
        case.away()
        case.write(500)
        data = f"{folder}/agent"

        def spool(action, expected=0, where=data):
            done = subprocess.run([case.agent.binary, "spool", action, where], capture_output=True, text=True)
            assert done.returncode == expected, (action, done.returncode, done.stdout, done.stderr)
            return done.stdout + done.stderr

        case.wait("spooling", lambda: len(spool("cat").splitlines()) == 510)
        entries = [json.loads(line) for line in spool("cat").splitlines()]
        assert sorted(e["line"] for e in entries) == sorted(case.lines)
        assert entries[0]["labels"]["app"] == "spool"
        assert "hub  segment 1" in spool("ls")
        assert "0 segments damaged" in spool("verify")
        assert "in use by process" in spool("repair", 1)
        case.agent.kill()
        path = next(os.path.join(data, "spool", "hub", n) for n in os.listdir(f"{data}/spool/hub") if n.endswith(".spool"))
        with open(path, "r+b") as f:  # in the body of a batch
            f.seek(os.path.getsize(path) // 2)
            byte = f.read(1)
            f.seek(-1, 1)
            f.write(bytes([byte[0] ^ 1]))
        assert "1 segments damaged" in spool("verify", 1)
        assert "whole batches kept" in spool("repair")
        assert "0 segments damaged" in spool("verify", where=f"{data}/spool")
        spool("ls", 2, where=f"{folder}/nothing")


CASES = [outage_with_rotation, kills_while_draining, restart_is_quick, full_spool, full_disk, standard_input_survives, commands]

if __name__ == "__main__":
    if os.environ.get("SKIDWAY_OWN_MOUNTS") != "1":
        with programs.folder() as probe:
            if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", probe], capture_output=True).returncode == 0:
                subprocess.run(["umount", probe], check=True)
            else:
                os.environ["SKIDWAY_OWN_MOUNTS"] = "1"
                try:
                    os.execvp("unshare", ["unshare", "-rm", sys.executable, os.path.abspath(__file__)] + sys.argv[1:])
                except OSError:
                    pass  # the case itself fails and says why
    sys.exit(programs.run_cases([case for case in CASES if not sys.argv[1:] or case.__name__ in sys.argv[1:]]))
