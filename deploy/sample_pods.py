#!/usr/bin/env python3
"""Writes a small tree of pod logs in the CRI format, as a kubelet would, for trying Skidway on a machine without Kubernetes.

usage: sample_pods.py DIR [--lines N] [--follow]
  --lines N   write N lines to each container's file and stop
  --follow    then write a few lines a second until stopped
"""
import argparse
import datetime
import os
import random
import time

PODS = [  # namespace, pod, uid, container, what it says
    ("shop", "cart-6d8f7c9b54-x2x7k", "0b9e2f5c-5a1e-4a6e-9b46-0d6c3b0f7a11", "cart",
     'level={level} msg="{verb} item" sku={n} user=u{n} took={ms}ms'),
    ("shop", "checkout-7c4d5b8f6d-9wq2m", "5f0c7d0e-0a43-4d2a-8f5e-6f1d2c3b4a59", "checkout",
     '{{"level":"{level}","msg":"{verb} order","order":{n},"status":{status},"took_ms":{ms}}}'),
    ("infra", "ingress-0", "c0ffee00-1234-4abc-9def-001122334455", "nginx",
     '10.0.{a}.{b} - - "GET /items/{n} HTTP/1.1" {status} {ms}'),
]


def cri_line(template):
    now = datetime.datetime.now(datetime.timezone.utc)
    level = random.choices(["info", "warn", "error"], [90, 7, 3])[0]
    text = template.format(level=level, verb=random.choice(["add", "remove", "update"]), n=random.randrange(10_000),
                           ms=random.randrange(1, 900), status=random.choice([200, 200, 200, 404, 500]),
                           a=random.randrange(256), b=random.randrange(256))
    stamp = now.strftime("%Y-%m-%dT%H:%M:%S.%f") + "%03dZ" % random.randrange(1000)
    return f"{stamp} {'stderr' if level == 'error' else 'stdout'} F {text}\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir")
    parser.add_argument("--lines", type=int, default=0)
    parser.add_argument("--follow", action="store_true")
    args = parser.parse_args()
    files = []
    for namespace, pod, uid, container, template in PODS:
        folder = os.path.join(args.dir, f"{namespace}_{pod}_{uid}", container)
        os.makedirs(folder, exist_ok=True)
        files.append((open(os.path.join(folder, "0.log"), "a", buffering=1, encoding="utf-8"), template))
    for _ in range(args.lines):
        for file, template in files:
            file.write(cri_line(template))
    while args.follow:
        file, template = random.choice(files)
        file.write(cri_line(template))
        time.sleep(0.3)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
