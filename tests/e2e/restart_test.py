#!/usr/bin/env python3
"""A start with much in the write-ahead log: the server takes pushes at once, says what it cannot answer yet, and nothing is lost, doubled or bought with memory.

usage: restart_test.py [--megabytes N]     raw, in the log (500); by hand: 10000
"""
import argparse
import json
import os
import sys
import threading
import time
import urllib.parse
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "crash")]
import programs  # noqa: E402
from history import History  # noqa: E402

LINES = 8000  # of a push, about a megabyte
PUSH = "/loki/api/v1/push"
UNFLUSHED = '[ingest]\nflush_interval = "24h"\nflush_bytes = "64GiB"\nmemory_limit = "128GiB"\n'
# However fast the machine is, there is time to look: each object of the replay takes a moment longer.
SLOW_STORE = {"SKIDWAY_FAILPOINTS": "flush.before_commit:sleep=120"}
BOUNDED = '[ingest]\nmemory_limit = "80MiB"\n'


class Log:
    """A server that was killed with `megabytes` of entries in its log and none in an object."""

    def __init__(self, folder, megabytes, extra=""):
        self.server = programs.server(folder, extra=UNFLUSHED + extra)
        self.server.start()
        self.began = time.time_ns()
        values = ",".join(f'["{self.began + i}","level=info request={i} path=/api/v1/things/{i % 97} {"abcdefghij klmnop" * 5}{i * 7919 % 10007}"]' for i in range(LINES))
        self.pushes = max(1, megabytes)
        plain = values.encode()
        deflate = zlib.compressobj(1, zlib.DEFLATED, -15)
        packed = deflate.compress(plain) + deflate.flush(zlib.Z_FULL_FLUSH)  # more may follow
        threads = [threading.Thread(target=self._push, args=(range(i, self.pushes, 2), packed, plain)) for i in range(2)]
        self.failed = []
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not self.failed, self.failed[0]
        self.running_peak = self.peak()
        self.server.kill()
        wal = os.path.join(folder, "server", "wal")
        self.bytes = sum(os.path.getsize(os.path.join(wal, name)) for name in os.listdir(wal))

    def _push(self, numbers, packed, plain):
        """One body, compressed once, with another stream in front of it."""
        for number in numbers:
            head = b'{"streams":[{"stream":{"app":"restart","part":"%d"},"values":[' % number
            tail = b"]}]}"
            deflate = zlib.compressobj(1, zlib.DEFLATED, -15)
            first = deflate.compress(head) + deflate.flush(zlib.Z_FULL_FLUSH)
            last = zlib.compressobj(1, zlib.DEFLATED, -15)
            body = first + packed + last.compress(tail) + last.flush()
            crc = zlib.crc32(tail, zlib.crc32(plain, zlib.crc32(head)))
            size = len(head) + len(plain) + len(tail)
            gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + body + crc.to_bytes(4, "little") + size.to_bytes(4, "little")
            status, answer = programs.http(self.server.url(PUSH), gzip, {"Content-Type": "application/json", "Content-Encoding": "gzip"})
            if status != 204:
                self.failed.append((status, answer))
                return

    def peak(self):
        with open(f"/proc/{self.server.process.pid}/status", encoding="utf-8") as f:
            return next(int(line.split()[1]) >> 10 for line in f if line.startswith("VmHWM"))

    def configure(self, before, after):
        with open(self.server.config, encoding="utf-8") as f:
            text = f.read()
        assert before in text
        with open(self.server.config, "w", encoding="utf-8") as f:
            f.write(text.replace(before, after))

    def count(self):
        """(entries, whether the answer says it is partial)"""
        query = urllib.parse.urlencode({"query": 'sum(count_over_time({app="restart"}[1h]))', "time": str(time.time_ns() + 60 * 10**9)})
        status, body = programs.http(self.server.url("/loki/api/v1/query?" + query), timeout=120)
        assert status == 200, body
        answer = json.loads(body)
        result = answer["data"]["result"]
        partial = answer.get("partial", False)
        assert not partial or any("could not be read yet" in warning for warning in answer["warnings"]), answer.get("warnings")
        return int(float(result[0]["value"][1])) if result else 0, partial

    def replaying(self):
        status, body = programs.http(self.server.url("/ready?verbose"))
        assert status == 200, (status, body)
        return b"replay: " in body

    def wait_replayed(self, seconds=300):
        until = time.monotonic() + seconds
        while self.replaying():
            assert time.monotonic() < until, programs.http(self.server.url("/ready?verbose"))
            time.sleep(0.05)


def restart(megabytes):
    """ready at once with much in the log, pushes are taken, queries say that they are partial until all is in sight, in bounded memory"""
    with programs.folder() as folder:
        log = Log(folder, megabytes)
        log.configure(UNFLUSHED, BOUNDED)
        log.server.environment = SLOW_STORE
        started = time.monotonic()
        log.server.start()
        ready = time.monotonic() - started
        history = History(log.server, 1, writers=2)
        with history:
            partial_seen, wrong = 0, []
            while log.replaying():
                found, partial = log.count()
                if not partial and log.replaying() and found < log.pushes * LINES:
                    wrong.append(found)
                partial_seen += partial
            replayed = time.monotonic() - started
            time.sleep(0.3)
        print(f"     {log.bytes >> 20} MiB of log, ready after {ready:.2f} s, replayed after {replayed:.2f} s, {partial_seen} partial answers, peak {log.peak()} MiB "
              f"(while running {log.running_peak})", flush=True)
        assert partial_seen, "the replay ended before anybody asked: nothing was seen of it"
        assert not wrong, f"incomplete and not said so: {wrong}"
        assert ready < 2, ready
        assert log.count() == (log.pushes * LINES, False), (log.count(), log.pushes * LINES)
        assert set(history.answers()) == {204}, history.answers()
        history.check()
        assert log.peak() < min(350, log.running_peak), (log.peak(), log.running_peak)
        assert programs.http(log.server.url("/flush"), b"", timeout=300)[0] == 204
        log.server.kill()
        log.server.environment = {}
        log.server.start()
        assert not log.replaying()
        assert log.count() == (log.pushes * LINES, False)
        history.check()
        log.server.stop()


def killed_while_replaying(megabytes):
    """kill -9 while the log is replayed, again and again, with pushes all the while: each line is there once"""
    with programs.folder() as folder:
        log = Log(folder, megabytes, '[compaction]\ninterval = "300ms"\n')
        log.configure(UNFLUSHED, BOUNDED + 'flush_interval = "100ms"\n')
        with History(log.server, 2, writers=4) as history:
            for pause in (0.05, 0.3, 0.6, 1.0):
                log.server.start()
                time.sleep(pause)
                log.server.kill()
            log.server.start()
            log.wait_replayed()
        assert log.count() == (log.pushes * LINES, False), (log.count(), log.pushes * LINES)
        history.check()
        assert programs.http(log.server.url("/flush"), b"", timeout=300)[0] == 204
        assert programs.http(log.server.url("/compact"), b"", timeout=300)[0] == 204
        assert log.count() == (log.pushes * LINES, False), (log.count(), log.pushes * LINES)
        history.check()
        assert log.server.stop() == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=500)
    megabytes = parser.parse_args().megabytes
    cases = []
    for case, amount in ((restart, megabytes), (killed_while_replaying, megabytes)):
        bound = lambda case=case, amount=amount: case(amount)  # noqa: E731
        bound.__doc__ = case.__doc__
        cases.append(bound)
    return programs.run_cases(cases)


if __name__ == "__main__":
    sys.exit(main())
