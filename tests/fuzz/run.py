#!/usr/bin/env python3
"""Builds and runs the fuzz targets, each for some seconds from its corpus.

usage: run.py [--build DIR] [--seconds N] [--seed N] [--only NAME] [--keep-corpus DIR]
Findings are left in DIR/findings/NAME. The last line is "N passed, M failed".
"""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def set_up(build):
    if not os.path.exists(os.path.join(build, "build.ninja")):
        env = dict(os.environ, CC="clang-19", CXX="clang++-19")
        subprocess.run(["meson", "setup", build, "--buildtype=debug", "-Doptimization=1", "-Db_sanitize=address,undefined", "-Db_lundef=false",
                        "-Dcpp_args=-fsanitize=fuzzer-no-link"], cwd=ROOT, env=env, check=True, stdout=subprocess.DEVNULL)


def run_target(name, build, seconds, seed, corpus):
    """(passed, what to say about it)"""
    findings = os.path.join(build, "findings", name)
    os.makedirs(findings, exist_ok=True)
    program, findings, corpus, known = (os.path.relpath(path, ROOT) for path in (os.path.join(build, "tests/fuzz", name + "_fuzz"), findings, corpus,
                                                                                  os.path.join(HERE, "corpus", name)))
    argv = [program, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-max_len=4096", f"-artifact_prefix={findings}/", corpus, known]
    if seed:  # addresses are among what is compared: without -R they would differ
        argv = ["setarch", "-R", *argv[:1], f"-seed={seed}", "-reload=0", "-shuffle=0", *argv[1:]]
    env = {"PATH": os.defpath, "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1", "TZ": "UTC"}  # its size moves the stack
    done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=env)
    runs = re.search(r"Done (\d+) runs", done.stdout)
    if done.returncode == 0 and runs and int(runs[1]) > 0:
        return True, f"{runs[1]} inputs"
    return False, done.stdout[-6000:]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=os.path.join(ROOT, "build-fuzz"))
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="the same programs try the same inputs, as far as the time goes; otherwise others each time")
    parser.add_argument("--only", default="")
    parser.add_argument("--keep-corpus", help="a folder for the inputs found, with one folder a target")
    args = parser.parse_args()
    args.build = os.path.abspath(args.build)
    names = sorted(f.removesuffix("_fuzz.cc") for f in os.listdir(HERE) if f.endswith("_fuzz.cc") and args.only in f)
    set_up(args.build)
    subprocess.run(["ninja", "-C", args.build, "--quiet", *(f"tests/fuzz/{name}_fuzz" for name in names)], check=True)
    with tempfile.TemporaryDirectory(prefix="found-", dir=args.build) as scratch, concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        folders = {name: os.path.join(args.keep_corpus or scratch, name) for name in names}
        for folder in folders.values():
            os.makedirs(folder, exist_ok=True)
        outcomes = list(pool.map(lambda name: run_target(name, args.build, args.seconds, args.seed, folders[name]), names))
    failed = 0
    for name, (passed, text) in zip(names, outcomes):
        print(f"{'ok  ' if passed else 'FAIL'} {name}: {text}")
        failed += not passed
    print(f"{len(names) - failed} passed, {failed} failed")
    return 1 if failed or not names else 0


if __name__ == "__main__":
    sys.exit(main())
