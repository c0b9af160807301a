#!/usr/bin/env python3
"""`ack = "s3"`: a push is acknowledged when it is in the bucket and in the catalogue, and not before; whatever the bucket and the server go through.

usage: ack_s3_test.py [--seed N]     (radosgw, started here)
"""
import argparse
import os
import random
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "crash")]
import fault_proxy  # noqa: E402
import object_stores  # noqa: E402
import programs  # noqa: E402
from history import History  # noqa: E402

BUCKET = "skidway-ack"
ACK = '[ingest]\nack = "s3"\n'
IMPATIENT = 'connect_timeout = "500ms"\ntimeout = "2s"\n'
SEED = random.randrange(1 << 30)


class Case(programs.Alone):
    """A server that acknowledges by objects in the store, below a prefix of its own, through a proxy that may spoil it."""

    def __init__(self, store, prefix, extra=ACK, keys=IMPATIENT):
        self.scratch, self.store, self.prefix = programs.folder(), store, prefix
        self.proxy = fault_proxy.FaultProxy(store.port)
        self.server = programs.server(self.scratch.name, extra=store.settings(BUCKET, prefix, self.proxy.port) + keys + extra)

    def __exit__(self, *_):
        super().__exit__()
        self.proxy.close()

    def history(self, **options):
        return History(self.server, SEED, **options)


def in_the_bucket(store):
    """what is acknowledged is in the bucket: the catalogue and the bucket are enough, the disk holds no log"""
    with Case(store, "bucket") as case:
        with case.history(writers=3) as history:
            time.sleep(2)
            history.wait_for(1)
        wal = os.path.join(case.scratch.name, "server", "wal")
        assert not os.path.isdir(wal) or not os.listdir(wal), os.listdir(wal)
        assert any(key.startswith("bucket/") and "/l0/" in key for key in store.keys(BUCKET))
        case.server.kill()
        case.server.start()
        history.check()


def killed(store):
    """kill -9 at any moment: acknowledged lines are there, once"""
    with Case(store, "killed", ACK + '[compaction]\ninterval = "500ms"\n') as case:
        rng = random.Random(SEED)
        with case.history() as history:
            for _ in range(6):
                time.sleep(rng.uniform(0.1, 1.2))
                case.server.kill()
                case.server.start(ready=False)
            history.wait_for(101)
        case.server.wait_ready()
        history.check()


def quick_answers(store):
    """a sender that waits for each answer has it soon, as long as there are few objects; many pushes share an object"""
    with Case(store, "quick") as case:
        with case.history(writers=1, pause=0.6) as history:
            programs.wait(lambda: case.server.metric("skidway_server_ack_early_objects_total") >= 3, why=lambda: f"no early objects: {history.answers()}")
        with case.history(writers=8, pause=0) as crowd:
            time.sleep(3)
            programs.wait(lambda: sum(crowd.answers().values()) >= 30, why="pushes are not answered")
        objects, pushes = case.server.metric("skidway_server_ack_objects_total"), sum(crowd.answers().values())
        assert pushes >= 30 and objects < 25, (objects, pushes)
        history.check()


def held(store, mode):
    with Case(store, f"held-{mode}") as case:
        with case.history(writers=3) as history:
            time.sleep(0.5)
            case.proxy.mode = mode
            time.sleep(5)
            case.proxy.mode = "pass"
            time.sleep(1.5)
        assert set(history.answers()) == {204}, (mode, history.answers())
        history.check()


def held_503(store):
    """while the bucket answers 503 for five seconds pushes are held and then stored: none of them fails"""
    held(store, "503")


def held_hang(store):
    """while the bucket answers nothing for five seconds pushes are held and then stored: none of them fails"""
    held(store, "hang")


def refused(store):
    """in a longer outage a push is 503 with Retry-After after eight seconds, not before; then it goes on by itself"""
    with Case(store, "refused") as case:
        with case.history(writers=2) as history:
            time.sleep(0.5)
            case.proxy.mode = "503"
            started, answers = time.monotonic(), []
            body = b'{"streams":[{"stream":{"job":"probe"},"values":[["%d","probe"]]}]}' % time.time_ns()
            answers.append(programs.http(case.server.url("/loki/api/v1/push"), body, {"Content-Type": "application/json"}))
            took = time.monotonic() - started
            assert answers[0][0] == 503 and 7.5 < took < 9.5, (answers, took)
            status, said = programs.http(case.server.url("/ready"))
            assert status == 503 and b"store: " in said, (status, said)
            case.proxy.mode = "pass"
            programs.wait(lambda: history.answers().get(204, 0) > 10, why=lambda: f"pushes are not taken again: {history.answers()}")
        assert 503 in history.answers(), history.answers()
        history.check()
        case.server.wait_ready(15)


def memory(store):
    """in an outage the pushes that wait are bounded in bytes, and the server stays small"""
    with Case(store, "memory", ACK + 'memory_limit = "16MiB"\nflush_bytes = "4MiB"\nmax_hold = "2s"\n') as case:
        case.proxy.mode = "hang"
        with case.history(writers=12, lines=400, pause=0, padding=2000) as history:
            time.sleep(6)
            with open(f"/proc/{case.server.process.pid}/status", encoding="utf-8") as f:
                peak = next(int(line.split()[1]) >> 10 for line in f if line.startswith("VmHWM"))
            case.proxy.mode = "pass"
            time.sleep(3)
        assert peak < 160, f"{peak} MiB"
        assert 503 in history.answers(), history.answers()
        history.check()


def slow_tail(store):
    """where one answer in ten of the bucket comes five seconds late, another request is sent and the pushes do not wait for it"""
    body = b'{"streams":[{"stream":{"job":"probe"},"values":[["%d","probe"]]}]}'
    with Case(store, "tail", keys='connect_timeout = "500ms"\n') as case:
        took, refused = [], []

        def probe(until):
            while time.monotonic() < until:
                started = time.monotonic()
                status, said = programs.http(case.server.url("/loki/api/v1/push"), body % time.time_ns(), {"Content-Type": "application/json"})
                took.append(time.monotonic() - started)
                if status != 204:
                    refused.append((status, said))

        with case.history(writers=2, pause=0.05) as history:
            time.sleep(1)
            case.proxy.mode = "slow tail"
            probes = [threading.Thread(target=probe, args=(time.monotonic() + 14,)) for _ in range(6)]
            for thread in probes:
                thread.start()
            for thread in probes:
                thread.join()
            case.proxy.mode = "pass"
        assert not refused and set(history.answers()) == {204}, (refused[:3], history.answers())
        took.sort()
        assert took[-1] < 2 or case.server.metric("skidway_server_s3_hedges_won_total") > 0, took[-10:]
        assert took[len(took) * 95 // 100] < 3.5, took[-10:]
        history.check()


def lost_answers(store):
    """a PUT whose answer got lost is known as our own, and its pushes are acknowledged"""
    with Case(store, "lost") as case:
        with case.history(writers=3) as history:
            for _ in range(4):
                time.sleep(0.4)
                case.proxy.mode = "lost answer"
                time.sleep(0.8)
                case.proxy.mode = "pass"
            time.sleep(1)
        assert set(history.answers()) == {204}, history.answers()
        assert case.server.metric("skidway_server_s3_own_writes_found_total") > 0
        history.check()


def spoilt(store):
    """what is damaged on its way to the bucket is refused there and sent again: nothing acknowledged is damaged"""
    with Case(store, "spoilt") as case:
        with case.history(writers=3, padding=2000) as history:
            for _ in range(3):
                time.sleep(0.5)
                case.proxy.mode = "spoil"
                time.sleep(1)
                case.proxy.mode = "pass"
            time.sleep(1)
        assert set(history.answers()) == {204}, history.answers()
        history.check()


def stopped(store):
    """SIGTERM: what waits is written and acknowledged, then the server ends with 0"""
    with Case(store, "stopped", ACK + 'linger = "5s"\n') as case:
        answers = []
        body = b'{"streams":[{"stream":{"job":"last"},"values":[["%d","last words"]]}]}' % time.time_ns()
        for _ in range(8):  # the early objects are used up
            programs.http(case.server.url("/loki/api/v1/push"), body, {"Content-Type": "application/json"})

        def push():
            answers.append(programs.http(case.server.url("/loki/api/v1/push"), body.replace(b"last words", b"very last"), {"Content-Type": "application/json"}))

        taken = case.server.metric("skidway_server_push_body_bytes_total")
        sender = threading.Thread(target=push)
        sender.start()
        programs.wait(lambda: case.server.metric("skidway_server_push_body_bytes_total") > taken, why="the push is not taken up")
        assert case.server.stop() == 0
        sender.join()
        assert answers[0][0] == 204, answers
        case.server.start()
        assert case.server.count('{job="last"}') == 2


def go_over(case):
    """From now on it acknowledges by objects."""
    with open(case.server.config, encoding="utf-8") as f:
        text = f.read().replace('ack = "disk"', 'ack = "s3"')
    with open(case.server.config, "w", encoding="utf-8") as f:
        f.write(text)


def from_disk(store):
    """a server that acknowledged by its log and now by objects brings what is left in the log into the bucket first"""
    with Case(store, "from-disk", '[ingest]\nack = "disk"\nflush_interval = "1h"\n') as case:
        with case.history(writers=3) as history:
            time.sleep(1)
        case.server.kill()
        go_over(case)
        case.server.start()
        with case.history(writers=3) as later:
            later.wait_for(1)
        case.server.kill()
        case.server.start()
        history.check()
        later.check()


def from_long_disk(store):
    """the same where the log is long, and brought in while the server runs: killed meanwhile, it goes on there"""
    long_log = '[ingest]\nack = "disk"\nflush_interval = "1h"\nflush_bytes = "250KiB"\nmemory_limit = "512KiB"\n'
    with Case(store, "from-long-disk", long_log) as case:
        with case.history(writers=1, lines=20, padding=1000) as history:
            programs.wait(lambda: case.server.metric("skidway_server_head_bytes") > 120_000, why="the log stays short")
        case.server.kill()
        go_over(case)
        case.server.environment = {"SKIDWAY_FAILPOINTS": "flush.sealed:sleep=2500"}
        case.server.start(ready=False)
        with case.history(writers=1) as meanwhile:
            time.sleep(2)
            case.server.kill()
        case.server.environment = {}
        case.server.start()
        with case.history(writers=1) as later:
            later.wait_for(1)
        for one in (history, meanwhile, later):
            one.check()


def main():
    global SEED
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    SEED = arguments.seed
    print(f"seed {SEED}", flush=True)
    with programs.folder() as folder, object_stores.Radosgw(folder + "/service") as store:
        store.make_bucket(BUCKET)
        cases = []
        # The longest first.
        for case in (slow_tail, killed, refused, held_503, held_hang, memory, quick_answers, lost_answers, spoilt, stopped, from_disk, from_long_disk, in_the_bucket):
            if arguments.only not in case.__name__:
                continue
            bound = lambda case=case: case(store)  # noqa: E731
            bound.__doc__ = case.__doc__
            cases.append(bound)
        return programs.run_cases(cases, at_once=4)


if __name__ == "__main__":
    sys.exit(main())
