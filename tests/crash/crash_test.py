#!/usr/bin/env python3
"""Kills agent and server (-9) at random moments while lines are being written, then finds each line exactly once by queries.

usage: crash_test.py [--kills N] [--seed S] [--keep]

A generator writes numbered lines to 20 CRI files (stdout and stderr interleaved, partial lines, rename rotation) and to 5 plain files
without timestamps (rename rotation too). The seed is printed; the same seed gives the same writes and the same order of kills.
"""
import argparse
import os
import random
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
import programs  # noqa: E402
from log_files import make_files, verify, wait_for  # noqa: E402

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
