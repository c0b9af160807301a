#!/usr/bin/env python3
"""memory_limit holds for the whole agent: many idle files, a backlog and a dead sink at once, also when it starts again
with all of that; and idle files cost no CPU.

usage: memory_test.py [--files N] [--megabytes N]      (by hand: --megabytes 10000)
"""
import argparse
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402

LIMIT = 64 << 20
MOST = LIMIT + LIMIT // 10
QUIET_CORES = 0.01  # of one, the dead sink's retries included
OPTIONS = argparse.Namespace(files=50_000, megabytes=1000)


def resident(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Rss:")) * 1024


def highest_resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:")) * 1024


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Watch:
    """The highest RSS seen."""

    def __init__(self, pid):
        self.pid, self.peak = pid, 0

    def look(self, seconds=0.0):
        until = time.monotonic() + seconds
        while True:
            self.peak = max(self.peak, resident(self.pid))
            if time.monotonic() >= until:
                return
            time.sleep(0.1)


def make_idle_files(folder, count):
    for k in range(count):
        if k % 100 == 0:
            os.makedirs(f"{folder}/service-{k // 100:04d}")
        with open(f"{folder}/service-{k // 100:04d}/instance-{k % 100:02d}.log", "w", encoding="ascii") as f:
            f.write(f"instance {k} has started\n")


def make_backlog(path, megabytes):
    lines = "".join(f'2026-11-21T10:00:{k % 60:02d}.{k:06d}Z level=info caller=api.go:{k % 997} request={k * 2654435761 % 2**32:08x} took={k % 313}ms '
                    f'path=/v1/users/{k * 40503 % 65536}\n' for k in range(10_000)).encode()
    with open(path, "wb") as f:
        for _ in range(megabytes * 1_000_000 // len(lines)):
            f.write(lines)


def everything_at_once():
    """idle files, a backlog and a dead sink stay below memory_limit and a tenth; then nothing costs CPU"""
    with programs.folder() as folder:
        make_idle_files(folder + "/idle", OPTIONS.files)
        os.mkdir(folder + "/busy")
        make_backlog(folder + "/busy/backlog.log", OPTIONS.megabytes)
        agent = programs.agent(folder, f"""[[source]]
name = "idle"
type = "file"
path = ["{folder}/idle/**/*.log"]
start_at = "end"

[[source]]
name = "busy"
type = "file"
path = ["{folder}/busy/*.log"]
start_at = "beginning"
""", programs.free_port())
        with open(agent.config, encoding="utf-8") as f:
            text = f.read()
        with open(agent.config, "w", encoding="utf-8") as f:
            f.write(f'memory_limit = "{LIMIT >> 20}MiB"\n' + text)
        agent.start(ready=False)
        watch = Watch(agent.process.pid)
        try:
            size = os.path.getsize(folder + "/busy/backlog.log")

            def is_done():  # all is read, or reading pauses because the spool is full
                watch.look(1)
                try:
                    return agent.metric("skidway_agent_source_read_bytes_total") >= size or agent.metric("skidway_agent_spool_paused") > 0
                except OSError:
                    return False  # it does not listen yet
            programs.wait(is_done, 60 + OPTIONS.megabytes / 50, lambda: "the backlog is not read\n" + agent.log_tail())
            read = agent.metric("skidway_agent_source_read_bytes_total")
            print(f"     read {read / 1e6:.0f} MB, highest RSS {watch.peak / 2**20:.1f} MiB, "
                  f"open files {agent.metric('skidway_agent_source_open_files'):.0f}", flush=True)
            assert agent.metric("skidway_agent_source_open_files") == OPTIONS.files + 1, agent.log_tail()
            watch.look(10)
            begin, cpu = time.monotonic(), cpu_seconds(agent.process.pid)
            watch.look(10)
            cores = (cpu_seconds(agent.process.pid) - cpu) / (time.monotonic() - begin)
            print(f"     idle: {cores:.4f} cores, {resident(agent.process.pid) / 2**20:.1f} MiB", flush=True)
            if OPTIONS.megabytes <= 1000:  # the spool is not full: a quiet file that is written to is read
                lines = agent.metric("skidway_agent_source_read_lines_total")
                for k in range(0, OPTIONS.files, OPTIONS.files // 10):
                    with open(f"{folder}/idle/service-{k // 100:04d}/instance-{k % 100:02d}.log", "a", encoding="ascii") as f:
                        f.write("awake\n")
                programs.wait(lambda: watch.look() or agent.metric("skidway_agent_source_read_lines_total") >= lines + 10, 30, agent.log_tail)
                assert agent.metric("skidway_agent_source_read_lines_total") == lines + 10
            assert watch.peak <= MOST, f"RSS was {watch.peak / 2**20:.1f} MiB, allowed are {MOST / 2**20:.1f}"
            assert cores <= QUIET_CORES, f"idle files cost {cores:.3f} cores"
            agent.kill()
            agent.start(ready=False)
            agent.wait_ready(120)
            programs.wait(lambda: agent.metric("skidway_agent_source_open_files") == OPTIONS.files + 1, 60, agent.log_tail)
            peak = highest_resident(agent.process.pid)
            print(f"     started again: highest RSS {peak / 2**20:.1f} MiB", flush=True)
            assert peak <= MOST, f"RSS after a restart was {peak / 2**20:.1f} MiB, allowed are {MOST / 2**20:.1f}"
        finally:
            if agent.process.poll() is None:
                agent.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=OPTIONS.files)
    parser.add_argument("--megabytes", type=int, default=OPTIONS.megabytes)
    parser.parse_args(namespace=OPTIONS)
    sys.exit(programs.run_cases([everything_at_once]))
