#!/usr/bin/env python3
"""Everything at once, at random, for a while: then our server has each line exactly once, and a foreign one has each at least once.

usage: torture_test.py [--seconds N] [--seed S] [--keep] [--only FAULT]...

Lines are written to 20 CRI files and 5 plain ones, which are rotated by renaming and compressed. Meanwhile: kill -9 and stop of the agent, kill -9 of
the server, SIGSTOP of either, a full disk under the agent's data, and between the agent and each of its two sinks a proxy that refuses, cuts,
hangs, is slow, answers 429, 500, 503, or loses answers. One sink is our server, the other a Loki-like one that knows no batch numbers.
The seed is printed; the same seed gives the same lines and the same order of faults.
"""
import argparse
import os
import random
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
import programs  # noqa: E402
from fault_proxy import MODES, FaultProxy  # noqa: E402
from foreign_loki import ForeignLoki  # noqa: E402
from log_files import LogFile, make_files, verify, wait_for  # noqa: E402

DISK_BYTES = 48 << 20


class Torture:
    def __init__(self, folder, seed):
        self.folder, self.rng = folder, random.Random(seed)
        self.files = make_files(folder, self.rng)
        self.server = programs.server(folder)
        self.foreign = ForeignLoki()
        self.proxies = [FaultProxy(self.server.port, seed), FaultProxy(self.foreign.port, seed + 1)]
        self.disk = f"{folder}/agent"
        os.makedirs(self.disk)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", self.disk], capture_output=True, text=True)
        assert mounted.returncode == 0, f"cannot mount a tmpfs: {mounted.stderr}"
        tuning = 'batch_wait = "200ms"\nbatch_bytes = "64KiB"\ntimeout = "2s"\nretry = { min = "50ms", max = "500ms" }\nspool = { mode = "outage", limit = "16MiB" }'
        self.agent = programs.agent(folder, f"""
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
""", self.proxies[0].port, sink=f"""{tuning}

[[sink]]
name = "foreign"
type = "loki"
url = "http://127.0.0.1:{self.proxies[1].port}/loki/api/v1/push"
compression = "gzip"
{tuning}""")
        self.stop = threading.Event()
        self.writer = threading.Thread(target=self._write)
        self.counts = {}

    def _write(self):
        while not self.stop.is_set():
            for _, file in self.files:
                file.write()
            time.sleep(0.03)

    # --- the faults; each leaves everything running

    def kill_agent(self):
        self.agent.kill()
        time.sleep(self.rng.choice([0, 0.3, 1.5]))
        self.agent.start(ready=self.rng.random() < 0.5)

    def restart_agent(self):
        self.agent.wait_ready()  # a program that has only begun to start may still end by TERM itself
        # The deadline of a stop is 10 s; with a proxy that hangs it is needed.
        status = self.agent.stop(30)
        assert status == 0, f"the agent ended with {status} after TERM:\n{self.agent.log_tail()}"
        self.agent.start(ready=False)

    def kill_server(self):
        self.server.kill()
        time.sleep(self.rng.choice([0, 0.5, 4]))
        self.server.start(ready=False)

    def kill_both(self):
        self.agent.kill(), self.server.kill()
        self.server.start(ready=False), self.agent.start(ready=False)

    def freeze(self):
        victim = self.rng.choice([self.agent, self.server])
        victim.process.send_signal(signal.SIGSTOP)
        time.sleep(self.rng.uniform(0.2, 4))
        victim.process.send_signal(signal.SIGCONT)

    def bad_network(self):
        proxy = self.rng.choice(self.proxies)
        proxy.mode = self.rng.choice(MODES)
        time.sleep(self.rng.uniform(0.5, 4))
        if self.rng.random() < 0.3:
            self.kill_agent()
        proxy.mode = "pass"

    def outage(self):
        """long enough for the spool"""
        proxy = self.rng.choice(self.proxies)
        proxy.mode = self.rng.choice(["refuse", "hang", "503"])
        time.sleep(self.rng.uniform(8, 12))
        if self.rng.random() < 0.5:
            self.kill_agent()
        proxy.mode = "pass"

    def full_disk(self):
        ballast = os.path.join(self.disk, "ballast")
        try:
            with open(ballast, "wb", buffering=0) as f:
                while True:
                    f.write(b"\0" * 65536)
        except OSError:
            pass
        time.sleep(self.rng.uniform(0.5, 3))
        os.remove(ballast)

    def run(self, seconds, only):
        faults = {"kill_agent": 4, "kill_server": 3, "kill_both": 1, "restart_agent": 1, "freeze": 2, "bad_network": 5, "outage": 1, "full_disk": 2}
        names = [name for name in faults if not only or name in only]
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(self.rng.uniform(0.1, 1.5))
            for program in (self.agent, self.server):
                assert program.process.poll() is None, f"{program.name} had stopped by itself with {program.process.returncode}:\n{program.log_tail()}"
            name = self.rng.choices(names, [faults[n] for n in names])[0]
            self.counts[name] = self.counts.get(name, 0) + 1
            getattr(self, name)()

    def start(self):
        self.server.start()
        self.agent.start()
        self.writer.start()

    def close(self):
        self.stop.set()
        for program in (self.agent, self.server):
            if program.process and program.process.poll() is None:
                program.process.send_signal(signal.SIGCONT)
                program.kill()
        for proxy in self.proxies:
            proxy.close()
        self.foreign.close()
        subprocess.run(["umount", "-l", self.disk], check=False)


def wait_for_foreign(foreign, expected, seconds):
    """What it has not got once it has everything, or nothing has come for `seconds`."""
    missing, moved = foreign.missing(expected), time.monotonic()
    while missing and time.monotonic() - moved < seconds:
        time.sleep(0.5)
        last, missing = missing, foreign.missing(expected)
        if len(missing) < len(last):
            moved = time.monotonic()
    return missing


def verify_all(torture, since):
    expected = [line for _, file in torture.files for line in file.expected]
    got, wanted = wait_for(torture.server, torture.files, 45)
    missing = wait_for_foreign(torture.foreign, expected, 45)
    print(f"{wanted} lines written, {got} found by counting, {sum(f.rotations for _, f in torture.files)} rotations; "
          f"the foreign sink got {sum(torture.foreign.lines.values())}", flush=True)
    faults = [] if got == wanted else [f"count: {got} instead of {wanted}"]
    faults += verify(torture.server, torture.files, since)
    if missing:
        faults.append(f"foreign sink: {len(missing)} lines never came, first: {missing[0][:60]!r}")
    invented = set(torture.foreign.lines) - set(expected)
    if invented:
        faults.append(f"foreign sink: {len(invented)} lines invented, first: {next(iter(invented))[:60]!r}")
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=180)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--keep", action="store_true", help="leave the folder for a look")
    parser.add_argument("--only", action="append", default=[], help="a fault: kill_agent, outage, full_disk, ...")
    parser.add_argument("--no-compress", action="store_true")
    args = parser.parse_args()
    print(f"seed {args.seed}, {args.seconds} s", flush=True)
    LogFile.compress = not args.no_compress
    temporary = programs.folder()
    since = time.time_ns() - 3600 * 10**9
    torture = Torture(temporary.name, args.seed)
    faults = []
    try:
        torture.start()
        torture.run(args.seconds, args.only)
        torture.stop.set()
        torture.writer.join()
        torture.server.wait_ready()
        torture.agent.wait_ready()
        print("faults: " + ", ".join(f"{name} {count}" for name, count in sorted(torture.counts.items())), flush=True)
        faults = verify_all(torture, since)
        if torture.agent.stop() != 0 or torture.server.stop() != 0:
            faults.append("a program did not end with 0 after TERM")
    except AssertionError as e:
        faults.append(str(e))
    finally:
        if args.keep or faults:
            temporary._finalizer.detach()
            subprocess.run(["cp", "-r", torture.disk, torture.disk + "-copy"], check=False)  # the tmpfs goes
            print(f"folder: {temporary.name}")
        torture.close()
    for fault in faults:
        print(f"FAULT {fault}")
    print(f"{0 if faults else 1} passed, {1 if faults else 0} failed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
