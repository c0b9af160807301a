#!/usr/bin/env python3
"""Runs all tests of a build and counts them: unit test programs (doctest cases), then the scripts that drive the real programs.

usage: runner.py --build DIR [--unit-only] [--make] [--suite NAME]... [PATTERN]
  --make   first builds the unit test programs that will be run, and nothing else
The last line is "N passed, M failed".
"""
import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
TIMEOUT = 1500  # seconds for one program; the longest takes a few minutes under a sanitizer

# Scripts print what they do and last "N passed, M failed". In order: the quick ones first. "{build}" is the build's folder.
SCRIPTS = [
    ["layout", [sys.executable, f"{HERE}/layout_test.py"]],
    ["configs", [sys.executable, f"{HERE}/configs_test.py"]],
    ["stage conformance", [sys.executable, f"{HERE}/conformance/stages/run.py", "--agent", "{build}/agent/skidway-agent"]],
    ["query conformance", [sys.executable, f"{HERE}/conformance/logql/replay.py", "--suite", "query", "--may-differ", "quirk"]],
    ["api conformance", [sys.executable, f"{HERE}/conformance/logql/replay.py", "--suite", "api", "--may-differ", "quirk"]],
    ["flushed conformance", [sys.executable, f"{HERE}/conformance/logql/replay.py", "--suite", "api", "--suite", "flushed", "--flush", "--may-differ", "quirk"]],
    ["push conformance", [sys.executable, f"{HERE}/conformance/logql/replay.py", "--suite", "push", "--may-differ", "quirk"]],
    ["kubernetes conformance", [sys.executable, f"{HERE}/conformance/kubernetes/run.py"]],
    ["tail conformance", [sys.executable, f"{HERE}/conformance/logql/replay.py", "--suite", "tail"]],
    ["wrong input", [sys.executable, f"{HERE}/e2e/wrong_input_test.py"]],
    ["path", [sys.executable, f"{HERE}/e2e/path_test.py"]],
    ["metric queries", [sys.executable, f"{HERE}/e2e/metric_queries_test.py"]],
    ["query engine", [sys.executable, f"{HERE}/e2e/query_engine_test.py"]],
    ["substring filter", [sys.executable, f"{HERE}/e2e/filter_test.py"]],
    ["stages", [sys.executable, f"{HERE}/e2e/stages_test.py"]],
    ["read api", [sys.executable, f"{HERE}/e2e/read_api_test.py"]],
    ["deletes", [sys.executable, f"{HERE}/e2e/delete_test.py"]],
    ["retention", [sys.executable, f"{HERE}/e2e/retention_test.py"]],
    ["rebuild", [sys.executable, f"{HERE}/e2e/rebuild_test.py"]],
    ["put back", [sys.executable, f"{HERE}/e2e/put_back_test.py"]],
    ["command line", [sys.executable, f"{HERE}/e2e/cli_test.py"]],
    ["query limits", [sys.executable, f"{HERE}/e2e/query_limits_test.py"]],
    ["caches", [sys.executable, f"{HERE}/e2e/cache_test.py"]],
    ["tail", [sys.executable, f"{HERE}/e2e/tail_test.py"]],
    ["tools", [sys.executable, f"{HERE}/e2e/tools_test.py"]],
    ["whereis", [sys.executable, f"{HERE}/e2e/whereis_test.py"]],
    ["journal", [sys.executable, f"{HERE}/e2e/journal_test.py"]],
    ["reload", [sys.executable, f"{HERE}/e2e/reload_test.py"]],
    ["sinks", [sys.executable, f"{HERE}/e2e/sinks_test.py"]],
    ["rotation", [sys.executable, f"{HERE}/e2e/rotation_test.py"]],
    ["docker", [sys.executable, f"{HERE}/e2e/docker_test.py"]],
    ["syslog", [sys.executable, f"{HERE}/e2e/syslog_test.py"]],
    ["few descriptors", [sys.executable, f"{HERE}/e2e/few_descriptors_test.py"]],
    ["memory", [sys.executable, f"{HERE}/e2e/memory_test.py"]],
    ["cardinality", [sys.executable, f"{HERE}/e2e/cardinality_test.py"]],
    ["foreign programs push", [sys.executable, f"{HERE}/e2e/foreign_push_test.py"]],
    ["receivers", [sys.executable, f"{HERE}/e2e/receiver_test.py"]],
    ["hub and spoke", [sys.executable, f"{HERE}/e2e/hub_test.py"]],
    ["spool", [sys.executable, f"{HERE}/e2e/spool_test.py"]],
    ["s3 swift", [sys.executable, f"{HERE}/e2e/s3_test.py", "swift"]],
    ["s3 radosgw", [sys.executable, f"{HERE}/e2e/s3_test.py", "radosgw"]],
    ["needle radosgw", [sys.executable, f"{HERE}/e2e/needle_test.py"]],
    ["restart", [sys.executable, f"{HERE}/e2e/restart_test.py"]],
    ["faults", [sys.executable, f"{HERE}/crash/faults_test.py"]],
    ["failpoints", [sys.executable, f"{HERE}/crash/failpoints_test.py"]],
    ["what is gone", [sys.executable, f"{HERE}/crash/gone_test.py"]],
    ["ack s3", [sys.executable, f"{HERE}/e2e/ack_s3_test.py"]],
    ["full disk", [sys.executable, f"{HERE}/crash/full_disk_test.py"]],
    ["bench", [sys.executable, f"{HERE}/bench/smoke_test.py"]],
    ["crash", [sys.executable, f"{HERE}/crash/crash_test.py", "--kills", "20"]],
    # Last, when nothing runs beside it any more: a pod that lives for 100 ms is lost to an agent that gets no processor for so long.
    ["short pods", [sys.executable, f"{HERE}/e2e/short_pods_test.py"]],
]

# Mostly waits, for minutes: runs beside the others.
BESIDE = [
    ["torture", [sys.executable, f"{HERE}/crash/torture_test.py", "--seconds", "180"]],
]


def run(argv, env):
    started = time.monotonic()
    try:
        done = subprocess.run(argv, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                              timeout=TIMEOUT)
        return done.returncode, done.stdout, time.monotonic() - started
    except subprocess.TimeoutExpired as e:
        return -1, f"{e.stdout or ''}\nstopped after {TIMEOUT} s", time.monotonic() - started


def counts(code, output):
    """(passed, failed) of one program, from its own closing line."""
    doctest = re.search(r"\[doctest\] test cases:\s*\d+ \|\s*(\d+) passed \|\s*(\d+) failed", output)
    plain = re.findall(r"^(\d+) passed, (\d+) failed", output, re.M)
    if doctest:
        passed, failed = int(doctest[1]), int(doctest[2])
    elif plain:
        passed, failed = int(plain[-1][0]), int(plain[-1][1])
    else:
        return 0, 1
    if code != 0 and failed == 0:
        failed = 1  # it died after or outside of its cases
    if passed + failed == 0:
        failed = 1  # a program that runs no test tests nothing
    return passed, failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--unit-only", action="store_true")
    parser.add_argument("--make", action="store_true")
    parser.add_argument("--suite", action="append", default=[])
    parser.add_argument("pattern", nargs="?", default="")
    args = parser.parse_args()
    env = dict(os.environ, SKIDWAY_BUILD=os.path.abspath(args.build), TZ="UTC")
    if args.make:  # what is listed is as of the last configuration
        subprocess.run(["ninja", "-C", args.build, "--quiet", "build.ninja"], check=True)
    listed = json.loads(subprocess.run(["meson", "introspect", "--tests", args.build], capture_output=True, text=True, check=True).stdout)
    units = [(t["name"], t["cmd"], dict(env, **t["env"])) for t in listed
             if args.pattern in t["name"] and (not args.suite or any(s.split(":")[-1] in args.suite for s in t["suite"]))]
    if args.make:
        subprocess.run(["ninja", "-C", args.build, "--quiet", *sorted({os.path.relpath(argv[0], env["SKIDWAY_BUILD"]) for _, argv, _ in units})], check=True)

    def wanted(scripts):
        return [(name, [word.replace("{build}", env["SKIDWAY_BUILD"]) for word in argv]) for name, argv in scripts if args.pattern in name and not args.unit_only]

    passed = failed = 0

    def report(name, outcome):
        nonlocal passed, failed
        code, output, seconds = outcome
        p, f = counts(code, output)
        passed, failed = passed + p, failed + f
        print(f"{'ok  ' if f == 0 else 'FAIL'} {name}: {p} passed, {f} failed ({seconds:.1f} s)", flush=True)
        if f:
            print("\n".join("    " + line for line in output.splitlines()[-120:]), flush=True)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        for (name, _, _), outcome in zip(units, pool.map(lambda u: run(u[1], u[2]), units)):
            report(name, outcome)
    with concurrent.futures.ThreadPoolExecutor(len(BESIDE)) as pool:
        beside = [(name, pool.submit(run, argv, env)) for name, argv in wanted(BESIDE)]
        for name, argv in wanted(SCRIPTS):
            report(name, run(argv, env))
        for name, outcome in beside:
            report(name, outcome.result())
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
