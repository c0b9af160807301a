#!/usr/bin/env python3
"""The benchmarks still work: each row, with tiny sizes. The figures mean nothing here, their presence does."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
import programs


def bench(name, *arguments):
    """The JSON line of a benchmark, as a dict."""
    done = subprocess.run([os.path.join(programs.BUILD, "tests/bench", name), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=300)
    assert done.returncode == 0, done.stdout
    assert "WRONG" not in done.stdout, done.stdout
    return json.loads(done.stdout.splitlines()[-1])


def server_rows():
    """server_bench: pushes, asks and answers every query right"""
    rows = bench("server_bench", "s1", "queries", "--bytes", "10MB")
    for what in ("s1a push p99", "s3 absent id, CPU", "s4 count of a common word, CPU", "s6 last 100 lines of one stream, CPU",
                 "s10 json, status 500, by level, CPU", "s11 rate of all streams, an hour by minutes, CPU"):
        assert rows.get(what, 0) > 0, f"no {what} in {rows}"


def agent_rows():
    """agent_bench: every row, every line exactly once"""
    rows = bench("agent_bench", "a1", "a2", "a3", "a4", "a5", "a7", "append", "catchup", "start", "--bytes", "5MB", "--seconds", "1", "--files", "500")
    for what in ("a1 lines per CPU second", "a2 cores", "a3 bytes read per CPU second", "a4 cores", "a5 bytes read per CPU second", "a7 of it anonymous",
                 "append bytes appended and synced per CPU second", "catchup lines per CPU second", "start again: ready"):
        assert rows.get(what, 0) > 0, f"no {what} in {rows}"


def block_rows():
    """parse_bench and stage_bench: every row, with the right outcome"""
    assert bench("parse_bench", "0.001")["line split, text"] > 0
    rows = bench("stage_bench", "0.001")
    for first in ("cri:", "json:", "logfmt:", "regex:", "template:", "multiline:", "redact:"):
        assert any(name.startswith(first) and rows[name] > 0 for name in rows), f"no {first} in {rows}"


def soak_row():
    """soak_bench.py: what it pushed is found again, the memory is told"""
    done = subprocess.run([sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "soak_bench.py"), "--seconds", "4", "--megabytes", "2", "--streams", "100"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    assert done.returncode in (0, 1) and "resident at most" in done.stdout, done.stdout
    last = done.stdout.splitlines()[-1].replace(";", " ").split()
    assert last[last.index("entries") - 1] == last[-3] != "0", last


CASES = [server_rows, agent_rows, block_rows, soak_row]

if __name__ == "__main__":
    sys.exit(programs.run_cases(CASES))
