#!/usr/bin/env python3
"""Kills agent and server (-9) at random moments while lines are being written, then finds each line exactly once by queries.

usage: crash_test.py [--kills N] [--seed S] [--keep]

A generator writes numbered lines to 20 CRI files (stdout and stderr interleaved, partial lines, rename rotation) and to 5 plain files
without timestamps (rename rotation too). The seed is printed; the same seed gives the same writes and the same order of kills.
"""
import argparse
import collections
import os
import random
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
import programs  # noqa: E402

CRI_FILES, PLAIN_FILES, ROTATE_BYTES = 20, 5, 48 * 1024


class LogFile:
    """A file that is appended to and rotated by renaming; knows every line that a query must find."""

    def __init__(self, path, name, rng):
        self.path, self.name, self.rng = path, name, rng
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self.file = open(path, "ab", buffering=0)
        self.number, self.rotations, self.expected = 0, 0, []

    def text(self):
        self.number += 1
        line = f"{self.name} line {self.number} " + "x" * self.rng.randrange(0, 120)
        self.expected.append(line)
        return line

    def rotate(self, rotated):
        self.rotations += 1
        os.rename(self.path, rotated)
        self.file.close()
        self.file = open(self.path, "ab", buffering=0)

    def rotate_if_large(self):
        if self.file.tell() > ROTATE_BYTES:
            self.rotate(f"{self.path}.{20260000 + self.rotations:08d}-{self.rotations % 1000000:06d}")


class CriFile(LogFile):
    last_time = 0

    def line(self, stream, tag, text):
        now = max(time.time_ns(), self.last_time + 1)
        self.last_time = now
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9))
        return f"{stamp}.{now % 10**9:09d}Z {stream} {tag} {text}\n".encode()

    def write(self):
        out = []
        for _ in range(self.rng.randrange(1, 6)):
            stream = self.rng.choice(["stdout", "stderr"])
            text = self.text()
            if self.rng.random() < 0.2:  # in two or three parts, with a whole line of the other stream between them
                cuts = sorted(self.rng.sample(range(1, len(text)), self.rng.choice([1, 2])))
                parts = [text[a:b] for a, b in zip([0] + cuts, cuts + [len(text)])]
                for part in parts[:-1]:
                    out.append(self.line(stream, "P", part))
                    if self.rng.random() < 0.5:
                        out.append(self.line("stderr" if stream == "stdout" else "stdout", "F", self.text()))
                out.append(self.line(stream, "F", parts[-1]))
            else:
                out.append(self.line(stream, "F", text))
        whole = b"".join(out)
        cut = self.rng.randrange(len(whole)) if self.rng.random() < 0.3 else 0  # a write that ends inside a line
        if cut:
            self.file.write(whole[:cut])
        self.file.write(whole[cut:])
        self.rotate_if_large()


class PlainFile(LogFile):
    def write(self):
        self.file.write("".join(self.text() + "\n" for _ in range(self.rng.randrange(1, 4))).encode())
        self.rotate_if_large()


def make_files(folder, rng):
    files = []
    for i in range(CRI_FILES):
        pod = f"pod{i:02d}"
        files.append((f'{{pod="{pod}"}}', CriFile(f"{folder}/pods/crash_{pod}_{i:08d}-0000-4000-8000-000000000000/main/0.log", pod, random.Random(rng.random()))))
    for i in range(PLAIN_FILES):
        path = f"{folder}/plain/app{i}.log"
        files.append((f'{{job="plain",filename="{path}"}}', PlainFile(path, f"app{i}", random.Random(rng.random()))))
    return files


def wait_for(server, files, seconds):
    """Until the server has as many lines as were written, or nothing has moved for `seconds`."""
    wanted = sum(len(f.expected) for _, f in files)
    last, moved = -1, time.monotonic()
    while time.monotonic() - moved < seconds:
        got = server.count('{job=~".+"}')
        if got >= wanted:
            time.sleep(1.5)  # a doubled line would arrive now
            return server.count('{job=~".+"}'), wanted
        if got != last:
            last, moved = got, time.monotonic()
        time.sleep(0.3)
    return last, wanted


def verify(server, files, since):
    faults = []
    for selector, file in files:
        found = collections.Counter(line for _, line, _ in server.lines(selector, since, time.time_ns() + 3600 * 10**9))
        wanted = collections.Counter(file.expected)
        lost, extra = wanted - found, found - wanted
        if lost:
            faults.append(f"{file.name}: {sum(lost.values())} of {len(file.expected)} lines lost, first: {next(iter(lost))[:60]!r}")
        if extra:
            faults.append(f"{file.name}: {sum(extra.values())} lines doubled or invented, first: {next(iter(extra))[:60]!r}")
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--keep", action="store_true", help="leave the folder for a look")
    args = parser.parse_args()
    print(f"seed {args.seed}, {args.kills} kills", flush=True)
    rng = random.Random(args.seed)
    temporary = programs.folder()
    folder, since = temporary.name, time.time_ns() - 3600 * 10**9
    files = make_files(folder, rng)
    server = programs.server(folder)
    agent = programs.agent(folder, f"""
[[source]]
name = "pods"
type = "kubernetes"
path = "{folder}/pods"
api = "none"
labels = {{ job = "pods" }}

[[source]]
name = "plain"
type = "file"
path = ["{folder}/plain/*.log"]
labels = {{ job = "plain" }}
""", server.port, sink='batch_wait = "200ms"\nbatch_bytes = "64KiB"\nretry = { min = "50ms", max = "500ms" }')
    stop = threading.Event()

    def write():
        while not stop.is_set():
            for _, file in files:
                file.write()
            time.sleep(0.03)

    writer = threading.Thread(target=write)
    faults = []
    try:
        server.start()
        agent.start()
        writer.start()
        for kill in range(args.kills):
            time.sleep(rng.uniform(0.1, 1.8))
            victims = rng.choice([[agent], [server], [agent, server]])
            for victim in victims:
                if victim.process.poll() is not None:
                    faults.append(f"{victim.name} had stopped by itself with {victim.process.returncode}:\n{victim.log_tail()}")
                victim.kill()
            time.sleep(rng.choice([0, 0, 0.3, 1.0]))
            for victim in victims:
                victim.start(ready=rng.random() < 0.5)
            print(f"kill {kill + 1}: {' and '.join(v.name for v in victims)}", flush=True)
        stop.set()
        writer.join()
        server.wait_ready()  # the last start may not have waited for it
        got, wanted = wait_for(server, files, 30)
        print(f"{wanted} lines written, {got} found by counting, {sum(f.rotations for _, f in files)} rotations", flush=True)
        if got != wanted:
            faults.append(f"count: {got} instead of {wanted}")
        faults += verify(server, files, since)
        if agent.stop() != 0 or server.stop() != 0:
            faults.append("a program did not end with 0 after TERM")
        server.start()  # and everything is still there after a clean restart
        faults += [f"after a restart: {f}" for f in verify(server, files, since)]
        server.stop()
    finally:
        stop.set()
        for program in (agent, server):
            if program.process and program.process.poll() is None:
                program.kill()
        if args.keep or faults:
            temporary._finalizer.detach()
            print(f"folder: {folder}")
    for fault in faults:
        print(f"FAULT {fault}")
    failed = 1 if faults else 0
    print(f"{1 - failed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(main())
