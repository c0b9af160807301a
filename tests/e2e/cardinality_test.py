#!/usr/bin/env python3
"""Streams by the hundred thousand: what each costs in memory, and that answers about them are whole.

usage: cardinality_test.py [--streams N]     (a million by hand: tests/bench/push_bench.py streams --assert)
"""
import argparse
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "bench")]
import programs  # noqa: E402
import push_bench  # noqa: E402

# Of the largest resident memory, for each further stream: pushed, flushed, counted, merged and counted again. What a flush takes is bounded and there
# from some 100,000 streams on: the smaller number lies above.
MOST_BYTES = 450
OPTIONS = argparse.Namespace(streams=450_000)


def peak_bytes(count):
    with programs.Server() as server:
        end = push_bench.push_streams(server, count)
        push_bench.count_all(server, count, end)
        push_bench.compact(server)
        push_bench.count_all(server, count, end)
        return push_bench.peak_mib(server.process.pid) * 2**20


def slope():
    """a further stream costs a few hundred bytes at the peak"""
    few, many = OPTIONS.streams // 3, OPTIONS.streams
    each = (peak_bytes(many) - peak_bytes(few)) / (many - few)
    print(f"  {each:.0f} bytes a stream between {few} and {many}")
    assert each <= MOST_BYTES, f"{each:.0f} bytes a stream"


def answers():
    """labels, values, series and statistics of many streams are whole before and after a merge"""
    count = 20_000
    with programs.Server() as server:
        end = push_bench.push_streams(server, count)
        times = {"start": str(end - 3600 * 10**9), "end": str(end)}
        pods = sorted(push_bench.pod_name(n) for n in range(count))
        for state in ("flushed", "merged"):
            assert server.query("labels", **times) == ["app", "namespace", "pod", "service_name"], state
            assert server.query("label/pod/values", **times) == pods, state
            assert server.query("label/pod/values", query='{namespace="shop-7"}', **times) == sorted(push_bench.pod_name(n) for n in range(7, count, 50)), state
            series = server.query("series", **times)
            assert [s["pod"] for s in sorted(series, key=lambda s: s["pod"])] == pods, state
            one = server.query("series", match=f'{{pod="{pods[count // 2]}"}}', **times)
            assert len(one) == 1 and one[0]["pod"] == pods[count // 2], (state, one)
            assert server.query("series", match='{pod="none"}', **times) == [], state
            if state == "flushed":
                push_bench.compact(server)


CASES = [answers, slope]

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", type=int, default=OPTIONS.streams)
    OPTIONS = parser.parse_args()
    sys.exit(programs.run_cases(CASES))
