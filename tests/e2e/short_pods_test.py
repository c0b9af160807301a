#!/usr/bin/env python3
"""Pods that live for a moment: 5,000 folders that are made, written to and removed within 0.1 to 2 seconds. Every line of each is in the server,
under the right labels, without any question to the Kubernetes API.

  short_pods_test.py [--pods N] [--at-once N] [--lines N]
"""
import argparse
import collections
import heapq
import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402

NAMESPACES = ["batch", "ci", "kube-system"]
SHORTEST, LONGEST = 0.1, 2.0  # seconds from the first folder to the last unlink


class Pod:
    """One container's log: made, written in some pieces, removed with its folders. `step` does what is due and says when to come again."""

    def __init__(self, root, number, lines, dice):
        self.name = f"job-{number}"
        self.namespace = dice.choice(NAMESPACES)
        self.uid = f"{number:08x}-0000-4000-8000-000000000000"
        self.container = dice.choice(["main", "side-car"])
        self.pod_folder = f"{root}/{self.namespace}_{self.name}_{self.uid}"
        self.folder = f"{self.pod_folder}/{self.container}"
        self.path = self.folder + "/0.log"
        self.lines, self.written = lines, 0
        self.life = SHORTEST + (LONGEST - SHORTEST) * dice.random() ** 3  # most of them short
        self.pieces = dice.choice([1, 1, 2, 5])
        self.file = None
        self.cut = dice.random() < 0.2  # pieces end within a line

    def step(self, now):
        if self.file is None:
            self.born = now
            os.makedirs(self.folder)
            self.file = open(self.path, "wb", buffering=0)
            self.text = "".join(f"2026-11-01T10:00:00.{k:09d}Z stdout F {self.name} line {k}\n" for k in range(self.lines)).encode()
        if self.written < len(self.text):
            size = -(-len(self.text) // self.pieces)
            end = min(self.written + size, len(self.text))
            if not self.cut:
                end = self.text.find(b"\n", end - 1) + 1 or len(self.text)
            self.written += self.file.write(self.text[self.written:end])
            return self.born + self.life * self.written / len(self.text)
        self.file.close()
        os.unlink(self.path)
        os.rmdir(self.folder)
        os.rmdir(self.pod_folder)
        return None


def run_pods(root, count, at_once, lines, dice):
    """Lets `count` pods live, `at_once` at a time; returns them."""
    pods, due = [], []
    while due or len(pods) < count:
        while len(due) < at_once and len(pods) < count:
            pods.append(Pod(root, len(pods), lines, dice))
            heapq.heappush(due, (time.monotonic(), len(pods) - 1))
        when, number = heapq.heappop(due)
        if (wait := when - time.monotonic()) > 0:
            time.sleep(wait)
        if (again := pods[number].step(time.monotonic())) is not None:
            heapq.heappush(due, (again, number))
    return pods


def wait_for_count(server, selector, expected, seconds):
    until, count = time.monotonic() + seconds, -1
    while time.monotonic() < until:
        if (count := server.count(selector)) >= expected:
            break
        time.sleep(0.2)
    return count


def check(server, pods, lines):
    """Every line once, under namespace, pod, uid and container; nothing else."""
    total = wait_for_count(server, '{stream="stdout"}', len(pods) * lines, 30)
    want = {(p.namespace, p.name, p.uid, p.container): lines for p in pods}
    got = collections.Counter()
    for namespace in NAMESPACES:
        for digit in range(10):  # some hundred series an answer
            selector = f'{{namespace="{namespace}", pod=~"job-(.*{digit})"}}'
            answer = server.query("query", query=f"sum by (namespace, pod, uid, container) (count_over_time({selector}[10y]))",
                                  time=str(time.time_ns() + 3600 * 10**9))["result"]
            for series in answer:
                m = series["metric"]
                got[(m["namespace"], m["pod"], m["uid"], m["container"])] = int(float(series["value"][1]))
    lost = [(key, got[key]) for key in want if got[key] != want[key]]
    if lost or total != len(pods) * lines or len(got) != len(want):
        raise AssertionError(f"{total} of {len(pods) * lines} lines, {len(got)} of {len(want)} pods; not right: {lost[:5]} and {max(len(lost) - 5, 0)} more")
    sample = pods[len(pods) // 2]
    texts = [line for _, line, _ in server.lines(f'{{pod="{sample.name}"}}', 0, time.time_ns() + 10**12)]
    assert texts == [f"{sample.name} line {k}" for k in range(lines)], texts[:3]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--at-once", type=int, default=150)
    parser.add_argument("--lines", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options = parser.parse_args()

    def short_lived_pods():
        """pods that live for 0.1 to 2 seconds lose no line, and their lines have the right labels"""
        print(f"seed {options.seed}", flush=True)
        with programs.folder() as folder:
            root = folder + "/pods"
            os.mkdir(root)
            server = programs.server(folder)
            agent = programs.agent(folder, f'[[source]]\nname = "pods"\ntype = "kubernetes"\npath = "{root}"\napi = "none"\n', server.port)
            server.start()
            agent.start()
            try:
                started = time.monotonic()
                pods = run_pods(root, options.pods, options.at_once, options.lines, random.Random(options.seed))
                took = time.monotonic() - started
                print(f"     {len(pods)} pods in {took:.1f} s; vanished before they were opened: "
                      f"{agent.metric('skidway_agent_discovery_vanished_files_total'):.0f}, before they were found: "
                      f"{agent.metric('skidway_agent_discovery_vanished_folders_total'):.0f}", flush=True)
                check(server, pods, options.lines)
                assert agent.stop() == 0
                server.stop()
            finally:
                for program in (agent, server):
                    if program.process and program.process.poll() is None:
                        program.kill()

    return programs.run_cases([short_lived_pods])


if __name__ == "__main__":
    sys.exit(main())
