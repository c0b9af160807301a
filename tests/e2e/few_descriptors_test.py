#!/usr/bin/env python3
"""More files than descriptors: an agent that may open 96 reads 1,000, closes those that are quiet, and misses nothing that then happens to them."""
import contextlib
import json
import os
import sqlite3
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402

FILES, DESCRIPTORS = 1000, 96


class Crowd(programs.Pair):
    """A server, an agent with few descriptors, and many files of which it is written down what was put into each."""

    def __init__(self, start_at="beginning"):
        self.temporary = programs.folder()
        self.folder = self.temporary.name
        self.logs = self.folder + "/logs"
        os.mkdir(self.logs)
        self.written = {}
        self.server = programs.server(self.folder)
        self.agent = programs.agent(self.folder, f"""[[source]]
name = "many"
type = "file"
path = ["{self.logs}/**/*.log"]
start_at = "{start_at}"
""", self.server.port, sink='batch_wait = "100ms"')
        few = self.folder + "/few-descriptors"
        with open(few, "w", encoding="utf-8") as f:  # the agent raises the soft limit itself
            f.write(f'#!/bin/sh\nulimit -Sn {DESCRIPTORS // 2} && ulimit -Hn {DESCRIPTORS} && exec "{self.agent.binary}" "$@"\n')
        os.chmod(few, 0o755)
        self.agent.binary = few

    def __exit__(self, *what):
        super().__exit__(*what)
        self.temporary.cleanup()

    def path(self, name):
        return f"{self.logs}/{name}.log"

    def write(self, name, text, path=None):
        """Appends lines to what the agent knows as `name`."""
        with open(path or self.path(name), "a", encoding="utf-8") as f:
            f.write(text)
        self.written.setdefault(name, []).extend(text.splitlines())

    def lines(self):
        return sum(len(lines) for lines in self.written.values())

    def wait_for_all(self, seconds=30):
        until = time.monotonic() + seconds
        while (count := self.server.count('{filename=~".+"}')) < self.lines():
            if time.monotonic() > until:
                self.check()
                raise AssertionError(f"{count} of {self.lines()} lines")
            time.sleep(0.1)

    def check(self):
        """Every line of every file once, in order, under the file's name."""
        got = {}
        for _, line, stream in self.server.lines('{filename=~".+"}', 0, time.time_ns() + 10**12):
            got.setdefault(json.loads(stream)["filename"], []).append(line)
        want = {self.path(name): lines for name, lines in self.written.items()}
        wrong = [path for path in want.keys() | got.keys() if want.get(path) != got.get(path)]
        if wrong:
            first = wrong[0]
            raise AssertionError(f"{len(wrong)} files are not right, such as {first}: wrote {want.get(first)}, got {got.get(first)}")

    def remembered(self):
        """Files that the agent knows again when it is killed now."""
        with contextlib.closing(sqlite3.connect(f"file:{self.folder}/agent/checkpoints.db?mode=ro", uri=True)) as store:
            return store.execute("SELECT count(*) FROM files").fetchone()[0]

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.agent.process.pid}/fd"))


def what_happens_to_closed_files():
    """files closed for want of descriptors: written to, rotated, truncated, deleted, made anew"""
    with Crowd() as crowd:
        for k in range(FILES):
            os.makedirs(f"{crowd.logs}/{k % 20}", exist_ok=True)
            crowd.write(f"{k % 20}/{k}", f"first of {k}\nsecond of {k}\n")
        crowd.wait_for_all()
        assert crowd.descriptors() <= DESCRIPTORS, crowd.descriptors()
        closed = crowd.agent.metric("skidway_agent_closed_quiet_files")
        assert closed > FILES - DESCRIPTORS, closed
        names = list(crowd.written)
        for name in names[::2]:
            crowd.write(name, f"third of {name}\n")
        crowd.wait_for_all()
        for i, name in enumerate(names):
            path = crowd.path(name)
            if i % 5 == 0:  # the line before the rename, the one after it, and the new file's
                crowd.write(name, f"before {name}\n")
                os.rename(path, path + ".1")
                crowd.write(name, f"late {name}\n", path=path + ".1")
                crowd.write(name, f"new {name}\n")
            elif i % 5 == 1:
                os.rename(path, path + ".1")
                crowd.write(name, f"new {name}\n")
            elif i % 5 == 2:
                os.truncate(path, 0)
                crowd.write(name, f"x {name}\n")
            elif i % 5 == 3:
                os.unlink(path)
                crowd.write(name, f"first of another {name} that is longer than what was there before it was deleted\n")
        crowd.wait_for_all()
        for name in names[::3]:
            crowd.write(name, f"last of {name}\n")
        crowd.wait_for_all()
        crowd.check()
        assert crowd.descriptors() <= DESCRIPTORS, crowd.descriptors()
        assert crowd.agent.metric("skidway_agent_source_lost_bytes_total") == 0, crowd.agent.log_tail()
        assert crowd.agent.stop() == 0


def a_start_with_more_files_than_descriptors():
    """a backlog in more files than descriptors, killed on its way, and what was written and rotated while it was down"""
    with Crowd() as crowd:
        crowd.agent.stop()
        for k in range(FILES):
            crowd.write(str(k), "".join(f"line {n} of {k}\n" for n in range(50)))
        crowd.agent.start()
        programs.wait(lambda: crowd.remembered() >= FILES)  # else what is renamed was never there, for the next run
        crowd.agent.kill()
        for k in range(FILES):
            if k % 3 == 0:
                crowd.write(str(k), f"while away {k}\n")
            if k % 6 == 0:
                os.rename(crowd.path(str(k)), crowd.path(str(k)) + ".1")
                crowd.write(str(k), f"successor {k}\n")
        crowd.agent.start()
        crowd.wait_for_all(40)
        for k in range(0, FILES, 7):
            crowd.write(str(k), f"in the end {k}\n")
        crowd.wait_for_all()
        crowd.check()
        assert crowd.agent.stop() == 0


if __name__ == "__main__":
    sys.exit(programs.run_cases([what_happens_to_closed_files, a_start_with_more_files_than_descriptors]))
