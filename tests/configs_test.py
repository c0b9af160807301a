#!/usr/bin/env python3
"""Every example in configs/ is accepted by the `check` command of its program, and every `toml` block of the READMEs as well; the cases
of the stages' examples hold, and every stage has an example."""
import glob
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "e2e"))
import programs  # noqa: E402


def check(path):
    with open(path, encoding="utf-8") as f:
        is_agent = "[[source]]" in f.read()
    done = subprocess.run([programs.AGENT if is_agent else programs.SERVER, "check", "--config", path], capture_output=True, text=True, timeout=20)
    if done.returncode != 0:
        raise AssertionError(f"exit {done.returncode}: {done.stdout}{done.stderr}")


def run_cases_of(path):
    done = subprocess.run([programs.AGENT, "test", "--fixtures", path], capture_output=True, text=True, timeout=20)
    if done.returncode != 0:
        raise AssertionError(f"exit {done.returncode}: {done.stdout}{done.stderr}")


def geoip_database(path):
    """A database in MaxMind's format (2.0) that knows 192.0.2.0/24 and nothing else, for the example of the geoip stage."""
    def control(kind, size):
        return bytes([kind << 5 | size]) if kind < 8 else bytes([size, kind - 7])

    def text(value):
        return control(2, len(value)) + value.encode()

    def table(members):
        return control(7, len(members)) + b"".join(text(k) + v for k, v in members.items())

    def number(kind, size, value):
        return control(kind, size) + value.to_bytes(size, "big")

    nodes = 24
    tree = b""
    for depth in range(nodes):
        onward = nodes + 16 if depth == nodes - 1 else depth + 1  # the record, or the next node
        bit = 0xC0000200 >> (31 - depth) & 1
        tree += b"".join((onward if side == bit else nodes).to_bytes(3, "big") for side in (0, 1))
    record = table({"country": table({"iso_code": text("NZ"), "names": table({"en": text("New Zealand")})})})
    about = table({"binary_format_major_version": number(5, 2, 2), "binary_format_minor_version": number(5, 2, 0), "build_epoch": number(9, 4, 1700000000),
                   "database_type": text("GeoLite2-Country"), "description": table({}), "ip_version": number(5, 2, 4), "languages": control(11, 0),
                   "node_count": number(6, 4, nodes), "record_size": number(5, 2, 24)})
    with open(path, "wb") as f:
        f.write(tree + bytes(16) + record + b"\xab\xcd\xefMaxMind.com" + about)


def every_stage_has_an_example():
    """every stage has an example in configs/stages and cases for it"""
    listed = subprocess.run([programs.AGENT, "stages"], capture_output=True, text=True, timeout=20, check=True).stdout
    names = [line.split()[0] for line in listed.splitlines()]
    missing = [f"{name}{end}" for name in names for end in (".toml", "_cases.toml") if not os.path.exists(os.path.join(programs.ROOT, "configs/stages", name + end))]
    assert names and not missing, missing


def cases():
    yield every_stage_has_an_example
    for path in sorted(glob.glob(os.path.join(programs.ROOT, "configs", "**", "*.toml"), recursive=True)):
        run = run_cases_of if path.endswith("_cases.toml") else check
        case = lambda path=path, run=run: run(path)  # noqa: E731
        case.__doc__ = os.path.relpath(path, programs.ROOT)
        yield case
    folder = programs.folder()
    for readme in ("README.md", "agent/README.md", "server/README.md"):
        with open(os.path.join(programs.ROOT, readme), encoding="utf-8") as f:
            blocks = re.findall(r"^```toml\n(.*?)^```", f.read(), re.S | re.M)
        for i, block in enumerate(b for b in blocks if "[[sink]]" in b or "[http]" in b):  # whole configurations, not single keys
            path = os.path.join(folder.name, f"{readme.replace('/', '-')}-{i}.toml")
            with open(path, "w", encoding="utf-8") as f:
                f.write(block)
            case = lambda path=path, keep=folder: check(path)  # noqa: E731
            case.__doc__ = f"{readme}, configuration {i + 1}"
            yield case


if __name__ == "__main__":
    scratch = programs.folder()
    os.environ["GEOIP_DATABASE"] = os.path.join(scratch.name, "country.mmdb")
    geoip_database(os.environ["GEOIP_DATABASE"])
    sys.exit(programs.run_cases(list(cases())))
