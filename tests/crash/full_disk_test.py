#!/usr/bin/env python3
"""Fills the disk under a running server (a small tmpfs of its own): what was acknowledged is readable, the rest was refused with 503."""
import base64
import json
import os
import subprocess
import sys
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
import programs  # noqa: E402
from history import History  # noqa: E402

DISK_BYTES = 8 << 20
LIMITS = """
[ingest]
flush_interval = "500ms"
flush_bytes = "1MiB"
memory_limit = "4MiB"
wal_segment_bytes = "512KiB"
max_hold = "300ms"
"""


def mount_small_disk(folder):
    os.makedirs(folder, exist_ok=True)
    return subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", folder], capture_output=True, text=True)


def push(server, lines, base):
    values = [[str(base + i), line] for i, line in enumerate(lines)]
    body = json.dumps({"streams": [{"stream": {"app": "full"}, "values": values}]}).encode()
    request = urllib.request.Request(server.url("/loki/api/v1/push"), data=body, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, None
    except urllib.error.HTTPError as e:
        return e.code, e.headers.get("Retry-After")


def acknowledged_is_readable():
    """on a full disk pushes are 503 with Retry-After, nothing acknowledged is lost, and it goes on when there is room"""
    with programs.folder() as folder:
        disk = os.path.join(folder, "server")
        mounted = mount_small_disk(disk)
        assert mounted.returncode == 0, f"cannot mount a tmpfs, neither as root nor inside unshare -rm: {mounted.stderr}"
        server = programs.server(folder, extra=LIMITS)
        try:
            ballast = os.path.join(disk, "ballast")
            with open(ballast, "wb") as f:
                f.write(b"\0" * (3 << 20))  # more than the head may hold (memory_limit): it must fit into an object again
            start = time.time_ns()
            server.start()
            acknowledged, refused, serial = set(), 0, 0
            while refused < 20:
                # Random text, so that neither the log nor the objects become much smaller than it.
                lines = [f"{serial + i} " + base64.b64encode(os.urandom(1500)).decode() for i in range(30)]
                status, retry_after = push(server, lines, start + serial)
                serial += len(lines)
                if status == 204:
                    acknowledged.update(lines)
                else:
                    assert status == 503 and retry_after, (status, retry_after)
                    refused += 1
                assert serial < 100_000, "the disk never became full"
            assert acknowledged
            assert programs.http(server.url("/ready"))[0] == 503, "not ready while the log cannot be appended to"

            def check(when):
                found = [line for _, line, _ in server.lines('{app="full"}', start, start + serial + 1)]
                assert len(found) == len(set(found)), f"{when}: doubled lines"
                assert set(found) == acknowledged, f"{when}: {len(acknowledged - set(found))} lost, {len(set(found) - acknowledged)} not acknowledged"

            check("full")
            server.kill()
            os.remove(ballast)
            server.start()
            check("after kill -9")
            lines = ["there is room again"]
            status, _ = push(server, lines, start + serial)
            serial += 1
            assert status == 204, status
            acknowledged.update(lines)
            assert programs.http(server.url("/flush"), b"")[0] == 204
            check("after the flush")
            server.stop()
            server.start()
            check("after a clean restart")
        finally:
            if server.process:
                server.kill()
            subprocess.run(["umount", disk], capture_output=True)


def full_catalogue(ack):
    with programs.folder() as folder:
        disk = os.path.join(folder, "catalogue")
        mounted = mount_small_disk(disk)
        assert mounted.returncode == 0, mounted.stderr
        server = programs.server(folder, extra=f'[catalog]\nurl = "sqlite://{disk}/catalog.db"\n[ingest]\nack = "{ack}"\nflush_interval = "200ms"\nmax_hold = "1s"\n')
        ballast = os.path.join(disk, "ballast")
        try:
            server.start()
            with History(server, 1, writers=3, pause=0.02) as history:
                time.sleep(0.5)
                with open(ballast, "wb", buffering=0) as f:
                    try:
                        while True:
                            f.write(bytes(4096))
                    except OSError:
                        pass
                time.sleep(3)
                refused = programs.http(server.url("/flush"), b"")[0] if ack == "disk" else 503 if 503 in history.answers() else 0
                before = history.acknowledged()
                os.remove(ballast)
                time.sleep(2)
            assert refused in (500, 503), (refused, history.answers())
            assert history.acknowledged() > before, history.answers()
            for path in ("/flush", "/compact"):
                status, said = programs.http(server.url(path), b"")
                assert status == 204, (path, said)
            history.check()
            server.kill()
            server.start()
            history.check()
            assert server.stop() == 0
        finally:
            if server.process and server.process.poll() is None:
                server.kill()
            subprocess.run(["umount", disk], capture_output=True)


def full_catalogue_disk():
    """ack disk: while the catalogue's disk is full flushes are repeated, pushes are acknowledged, and nothing is lost"""
    full_catalogue("disk")


def full_catalogue_s3():
    """ack s3: while the catalogue's disk is full pushes are held and then 503, and stored when there is room"""
    full_catalogue("s3")


if __name__ == "__main__":
    if os.environ.get("SKIDWAY_OWN_MOUNTS") != "1":
        with programs.folder() as probe:
            if mount_small_disk(probe).returncode == 0:
                subprocess.run(["umount", probe], check=True)
            else:
                os.environ["SKIDWAY_OWN_MOUNTS"] = "1"
                try:
                    os.execvp("unshare", ["unshare", "-rm", sys.executable, os.path.abspath(__file__)])
                except OSError:
                    pass  # the case itself fails and says why
    sys.exit(programs.run_cases([acknowledged_is_readable, full_catalogue_disk, full_catalogue_s3]))
