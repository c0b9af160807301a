#!/usr/bin/env python3
"""Reads the #include lines and fails on any arrow that the layout forbids:

    agent -> pipeline <- server, and inside pipeline only downwards (base first).

Also: a library's headers are included in the one room that is its door, no header shows a library's types, every room with code
introduces itself in a README and is built by a meson.build.
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PIPELINE = ["base", "loop", "http", "config", "db", "model", "codec", "match", "parse", "stage"]

# library header -> rooms that may include it. Test sources may use more (they check a door against its library).
DOORS = [
    (r"uv\.h", ["pipeline/loop"]),
    (r"curl/.*", ["pipeline/http"]),
    (r"llhttp\.h", ["pipeline/http"]),
    (r"wslay/.*", ["pipeline/http"]),
    (r"openssl/.*", ["pipeline/http", "pipeline/base"]),
    (r"toml\+\+/.*|toml\+\+\.h|toml\.hpp", ["pipeline/config"]),
    (r"sqlite3\.h", ["pipeline/db"]),
    (r"google/protobuf/.*|.*\.pb\.h", ["pipeline/codec"]),
    (r"snappy.*\.h", ["pipeline/codec"]),
    (r"zlib\.h", ["pipeline/codec"]),
    (r"zstd.*\.h", ["pipeline/codec"]),
    (r"re2/.*", ["pipeline/match"]),
    (r"libmemcached.*", ["server/cache"]),
    (r"maxminddb\.h", ["pipeline/stage"]),
    (r"simdjson\.h", ["pipeline/codec"]),
    (r"xxhash\.h", ["pipeline/base"]),
    (r"systemd/.*", ["agent/journal"]),
    (r"CLI/.*", ["agent", "server", "server/cli"]),
]


def sources():
    for top in ("agent", "server", "pipeline", "tests"):
        for folder, folders, names in os.walk(os.path.join(ROOT, top)):
            for name in names:
                if name.endswith((".h", ".cc")):
                    yield os.path.relpath(os.path.join(folder, name), ROOT)


def room_of(path):
    parts = path.split("/")[:-1]
    return "/".join(parts[:2])


def forbidden_arrow(source, included):
    """The reason why `source` may not include the project header `included`, or None."""
    a, b = source.split("/")[0], included.split("/")[0]
    if a == "tests":
        return None
    if b not in ("agent", "server", "pipeline"):
        return "a project header outside agent/, server/ and pipeline/"
    if a == "pipeline":
        if b != "pipeline":
            return "pipeline/ may not know its users"
        x, y = room_of(source).split("/")[1], room_of(included).split("/")[1]
        if PIPELINE.index(y) > PIPELINE.index(x):
            return f"{x}/ comes before {y}/"
    elif b not in (a, "pipeline"):
        return "agent/ and server/ meet only in pipeline/"
    return None


def check():
    faults, seen = [], 0
    for path in sources():
        text = open(os.path.join(ROOT, path), encoding="utf-8").read()
        is_test = path.endswith(("_test.cc", "_bench.cc")) or path.startswith("tests/") or "/testing/" in path
        for number, line in enumerate(text.splitlines(), 1):
            m = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
            if not m:
                continue
            seen += 1
            where = f"{path}:{number}: #include {m[2]}"
            if m[1] == '"' and not m[2].endswith(".pb.h"):
                if m[2].endswith("_impl.h") and room_of(m[2]) != room_of(path):
                    faults.append(f"{where}: an _impl.h is for the sources of its own room")
                if "/" not in m[2] or not os.path.exists(os.path.join(ROOT, m[2])) and not os.path.exists(os.path.join(ROOT, m[2] + ".in")):
                    faults.append(f"{where}: written from the repository root, of a file that exists")
                elif why := forbidden_arrow(path, m[2]):
                    faults.append(f"{where}: {why}")
                continue
            for pattern, rooms in DOORS:
                if re.fullmatch(pattern, m[2]):
                    if path.endswith(".h") and not path.endswith("_impl.h"):  # *_impl.h is for the sources of its own room
                        faults.append(f"{where}: no header shows a library's types")
                    elif room_of(path) not in rooms and not is_test:
                        faults.append(f"{where}: the door of this library is {' or '.join(rooms)}")
    rooms = sorted({room_of(p) for p in sources() if not p.startswith("tests/")})
    for room in rooms:
        for need in ("README.md", "meson.build"):
            if not os.path.exists(os.path.join(ROOT, room, need)):
                faults.append(f"{room}: has code but no {need}")
    return faults, seen, rooms


def self_check():
    """The check itself must be able to fail."""
    assert forbidden_arrow("server/query/x.cc", "agent/sink/backoff.h")
    assert forbidden_arrow("pipeline/base/x.cc", "pipeline/model/batch.h")
    assert forbidden_arrow("pipeline/stage/x.cc", "server/store/columns.h")
    assert not forbidden_arrow("agent/source/x.cc", "pipeline/loop/loop.h")
    assert not forbidden_arrow("pipeline/stage/x.cc", "pipeline/base/result.h")


def main():
    self_check()
    faults, seen, rooms = check()
    for fault in faults:
        print(fault)
    print(f"{seen} include lines in {len(rooms)} rooms")
    failed = 1 if faults or seen < 100 else 0
    print(f"{1 - failed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(main())
