#!/usr/bin/env python3
"""Streams by the million: what they cost in memory, and that answers about them are whole.

usage: cardinality_test.py [--streams N]
"""
import argparse
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "bench")]
import programs  # noqa: E402
import push_bench  # noqa: E402

MOST_MIB = 512  # of a server that took a million streams, counted them, merged them and counted again
OPTIONS = argparse.Namespace(streams=1_000_000)


def million():
    """a million streams in an hour are pushed, counted, merged and counted again within 512 MiB"""
    with programs.Server() as server:
        end = push_bench.push_streams(server, OPTIONS.streams)
        push_bench.count_all(server, OPTIONS.streams, end)
        push_bench.compact(server)
        push_bench.count_all(server, OPTIONS.streams, end)
        peak = push_bench.peak_mib(server.process.pid)
    print(f"     {OPTIONS.streams} streams, highest RSS {peak:.0f} MiB", flush=True)
    assert peak <= MOST_MIB, f"RSS was {peak:.0f} MiB, allowed are {MOST_MIB}"


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


CASES = [answers, million]

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", type=int, default=OPTIONS.streams)
    OPTIONS = parser.parse_args()
    sys.exit(programs.run_cases(CASES))
