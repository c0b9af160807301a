#!/usr/bin/env python3
"""logrotate in all its ways, the kubelet's rotation, links and daemons that do not reopen, with kill -9, pauses and restarts in between: every
line is at the server exactly once."""
import collections
import contextlib
import gzip
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402

SOURCES = """
[[source]]
name = "app"
type = "file"
path = ["{folder}/logs/**/*.log", "{folder}/containers/*.log"]
labels = {{ job = "app" }}

[[source]]
name = "pods"
type = "kubernetes"
path = "{folder}/pods"
labels = {{ job = "pods" }}
"""

LOGROTATE = """
"{log}" {{
  rotate 20
  missingok
  su {user} {group}
  size 1
  {ways}
}}
"""


class Writer:
    """A program that logs; `reopens`: after each line that finds its file moved, as most do; otherwise it keeps its file for ever."""

    def __init__(self, path, name, reopens=True, cri=False):
        self.path, self.name, self.reopens, self.cri = path, name, reopens, cri
        self.written = []
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self.file = open(path, "ab", buffering=0)
        self.pause = threading.Event()
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def line(self):
        text = f"{self.name} {len(self.written)} {'x' * random.randrange(80)}"
        self.written.append(text)
        if not self.cri:
            return text
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{time.time_ns() % 10**9:09d}Z stdout F {text}"

    def run(self):
        while not self.ended.is_set():
            with self.lock:
                self.write(random.randrange(1, 12))
            time.sleep(random.random() * 0.02)

    def write(self, count):
        if self.reopens and not self.at_its_path():
            self.file.close()
            self.file = open(self.path, "ab", buffering=0)
        self.file.write("".join(self.line() + "\n" for _ in range(count)).encode())

    def at_its_path(self):
        try:
            there, mine = os.stat(self.path), os.fstat(self.file.fileno())
        except FileNotFoundError:
            return False
        return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)

    def end(self):
        self.ended.set()
        self.thread.join()
        self.file.close()


class Host(programs.Pair):
    def __init__(self):
        self.temporary = programs.folder()
        self.folder = self.temporary.name
        for name in ("logs", "containers", "pods", "docker"):
            os.makedirs(f"{self.folder}/{name}")
        self.server = programs.server(self.folder)
        self.agent = programs.agent(self.folder, SOURCES.format(folder=self.folder), self.server.port, sink='batch_wait = "100ms"')
        self.writers = []

    def __exit__(self, *exception):
        for writer in self.writers:
            writer.ended.set()
        super().__exit__(*exception)

    def writer(self, *arguments, **options):
        self.writers.append(Writer(*arguments, **options))
        return self.writers[-1]

    def crash(self, down=0.0):
        self.agent.kill()
        time.sleep(down)
        self.agent.start()

    def check(self):
        """Waits until all is there, and looks that nothing is there twice."""
        for writer in self.writers:
            writer.end()
        want = collections.Counter(line for writer in self.writers for line in writer.written)
        until = time.monotonic() + 60
        while (have := self.server.count('{job=~".+"}')) < sum(want.values()) and time.monotonic() < until:
            time.sleep(0.2)
        time.sleep(1)
        have = collections.Counter(line for _, line, _ in self.server.lines('{job=~".+"}', 0, time.time_ns() + 10**12))
        lost, extra = want - have, have - want
        assert not lost and not extra, (f"{sum(want.values())} written; lost {sum(lost.values())}, first {sorted(lost)[:3]}; "
                                        f"too many {sum(extra.values())}, first {sorted(extra)[:3]}\n{self.agent.log_tail(600)}")
        return sum(want.values())


def logrotate(host, log, ways):
    import grp
    import pwd
    config = f"{host.folder}/logrotate-{os.path.basename(log)}.conf"
    with open(config, "w", encoding="utf-8") as f:
        f.write(LOGROTATE.format(log=log, ways=ways, user=pwd.getpwuid(os.getuid()).pw_name, group=grp.getgrgid(os.getgid()).gr_name))
    os.chmod(config, 0o600)
    done = subprocess.run(["logrotate", "--force", "--state", config + ".state", config], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def rotate_kubelet(writer, number):
    """As the kubelet: compresses all but the latest rotated one through a .tmp, then renames the live one."""
    folder, name = os.path.split(writer.path)
    rotated = sorted(f for f in os.listdir(folder) if f.startswith(name + ".") and not f.endswith((".gz", ".tmp")))
    for old in rotated:
        path = os.path.join(folder, old)
        with open(path, "rb") as source, gzip.open(path + ".tmp", "wb") as target:
            shutil.copyfileobj(source, target)
        os.rename(path + ".tmp", path + ".gz")
        os.remove(path)
    os.rename(writer.path, f"{writer.path}.20261121-{number:06d}")


def each_way_of_logrotate():
    """logrotate: create, compress, delaycompress and dateext lose no line, agent up, killed, down and paused"""
    ways = {"create": "create", "compress": "create\ncompress", "delay": "create\ncompress\ndelaycompress",
            "dates": "create\ncompress\ndateext\ndateformat -%Y%m%d-%s"}
    with Host() as host:
        writers = {name: host.writer(f"{host.folder}/logs/{name}.log", name) for name in ways}

        def rotate():
            for name, way in ways.items():
                # What a program writes to its old file after gzip has read that is nowhere but in the file gzip removes: a kill of the agent loses it.
                with writers[name].lock if name in ("compress", "dates") else contextlib.nullcontext():
                    logrotate(host, writers[name].path, way)

        time.sleep(1)
        for round_ in range(10):
            if round_ in (3, 7):
                host.agent.kill()
            if round_ == 5:
                host.server.kill()
            rotate()
            time.sleep(1.1 if round_ in (3, 7) else 0.4)  # -%s: once a second
            if round_ in (3, 7):  # twice while it is down
                rotate()
            time.sleep(0.5)
            if round_ in (3, 7):
                host.agent.start()
            if round_ == 5:
                time.sleep(0.5)
                host.crash()
                host.server.start()
            time.sleep(0.6)  # -%s: not twice in a second
        total = host.check()
        print(f"     {total} lines, {len(ways) * 12} rotations")


def copytruncate():
    """logrotate: copytruncate loses and doubles no line, compressed or not, agent up, paused, killed and down"""
    with Host() as host:
        writers = {name: host.writer(f"{host.folder}/logs/{name}.log", name, reopens=False) for name in ("plain", "packed")}
        time.sleep(0.5)

        def rotate():
            for name, writer in writers.items():
                with writer.lock:  # logrotate itself loses what is written between its copy and its truncate
                    logrotate(host, writer.path, "copytruncate" + ("\ncompress" if name == "packed" else ""))

        for round_ in range(12):
            if round_ == 4:
                host.server.kill()
            if round_ in (6, 9):
                host.agent.kill()
            rotate()
            time.sleep(0.3)
            if round_ in (6, 9):
                rotate()
                host.agent.start()
            if round_ == 7:
                host.server.start()
        print(f"     {host.check()} lines")


def kubelet():
    """the kubelet's rotation and compression lose no line, ten times a second and while the agent is down"""
    with Host() as host:
        writers = [host.writer(f"{host.folder}/pods/ns_pod{i}_uid/c/0.log", f"pod{i}", cri=True) for i in range(3)]
        time.sleep(0.5)
        for round_ in range(60):
            if round_ in (20, 40):
                host.agent.kill()
            for writer in writers:
                with writer.lock:
                    rotate_kubelet(writer, round_)
                    writer.write(3)
            if round_ in (26, 46):
                host.agent.start()
            time.sleep(0.1)
        print(f"     {host.check()} lines")


class PiecesWriter:
    """A container whose lines of standard error come in pieces, with lines of standard output in between."""

    def __init__(self, host, name):
        self.host, self.name, self.path = host, name, f"{host.folder}/pods/ns_{name}_uid/c/0.log"
        os.makedirs(os.path.dirname(self.path))
        self.written, self.open, self.rotations = [], "", 0
        self.ended = threading.Event()
        open(self.path, "wb").close()
        host.writers.append(self)

    def put(self, stream, flag, text):
        with open(self.path, "ab") as f:
            f.write((time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{time.time_ns() % 10**9:09d}Z {stream} {flag} {text}\n").encode())

    def piece(self, last=False):
        text = f"{self.name}-{len(self.written)}-" + "p" * random.randrange(20_000)
        self.open += text
        self.put("stderr", "F" if last else "P", text)
        if last:
            self.written.append(self.open)
            self.open = ""

    def line(self):
        self.written.append(f"{self.name} {len(self.written)}")
        self.put("stdout", "F", self.written[-1])

    def rotate(self):
        self.rotations += 1
        rotate_kubelet(self, self.rotations)
        open(self.path, "wb").close()

    def end(self):
        if self.open:
            self.piece(last=True)


def pieces():
    """a CRI line whose pieces are in two files, or three, is one entry, at once, with kill -9 between any two steps, and while the agent or the server is down"""
    with Host() as host:
        quick = PiecesWriter(host, "quick")
        quick.piece()
        time.sleep(1)
        quick.rotate()
        quick.line()
        time.sleep(0.5)
        begin = time.monotonic()
        quick.piece(last=True)
        until = begin + 10
        while host.server.count('{job="pods"}') < 2 and time.monotonic() < until:
            time.sleep(0.05)
        assert time.monotonic() < begin + 5, "the line does not come at once"

        writers = [PiecesWriter(host, f"pod{i}") for i in range(4)]
        steps = [PiecesWriter.piece, PiecesWriter.line, PiecesWriter.rotate, PiecesWriter.line, PiecesWriter.piece, PiecesWriter.rotate, PiecesWriter.line,
                 lambda writer: writer.piece(last=True), PiecesWriter.line]
        for round_ in range(4):
            if round_ == 2:
                host.server.kill()
            for number, step in enumerate(steps):
                for i, writer in enumerate(writers):
                    step(writer)
                    if (number + i + round_) % 9 == 0:
                        time.sleep(random.random() * 0.3)
                        host.crash(0.2 if i == 2 else 0)
                time.sleep(0.1)
            if round_ == 2:
                host.crash()
                host.server.start()
        print(f"     {host.check()} lines")


def links():
    """/var/log/containers -> pods -> docker: what docker rotates and compresses is followed, also while the agent is down"""
    with Host() as host:
        real = f"{host.folder}/docker/id-json.log"
        writer = host.writer(real, "docker")
        os.makedirs(f"{host.folder}/run")
        os.symlink("../docker/id-json.log", f"{host.folder}/run/0.log")
        os.symlink(f"{host.folder}/run/0.log", f"{host.folder}/containers/web.log")
        time.sleep(2)

        def rotate(compress):
            with writer.lock:
                for i in range(8, 0, -1):
                    for end in ("", ".gz"):
                        if os.path.exists(f"{real}.{i}{end}"):
                            os.rename(f"{real}.{i}{end}", f"{real}.{i + 1}{end}")
                os.rename(real, f"{real}.1")
                writer.write(1)
            if compress:
                subprocess.run(["gzip", "-f", f"{real}.2"], check=False, stderr=subprocess.DEVNULL)

        for round_ in range(3):
            rotate(False)
            time.sleep(1.5)  # a link's folder is polled every second
        host.agent.kill()
        rotate(True)
        rotate(True)
        host.agent.start()
        time.sleep(1)
        print(f"     {host.check()} lines")


def several_workers():
    """four workers and a pattern that matches the rotated names too, rotation without a pause, kill -9: each line once, those of one writer in their order"""
    with Host() as host:
        host.agent.kill()
        with open(host.agent.config, "r+", encoding="utf-8") as f:
            text = f.read().replace('data_dir =', 'workers = 4\ndata_dir =').replace(f'"{host.folder}/logs/**/*.log"', f'"{host.folder}/logs/*.log*"')
            text = text.replace('labels = { job = "app" }', 'labels = { job = "app" }\n[[source.stage]]\ntype = "label_drop"\nvalues = ["filename"]')
            f.seek(0)
            f.write(text)
            f.truncate()
        host.agent.start()
        names = [f"app{i}" for i in range(6)]
        for name in names:
            host.writer(f"{host.folder}/logs/{name}.log", name)
        until = time.monotonic() + 15
        rotations = 0
        while time.monotonic() < until:
            for name in names:
                log = f"{host.folder}/logs/{name}.log"
                for i in range(200, 0, -1):
                    if os.path.exists(f"{log}.{i}"):
                        os.rename(f"{log}.{i}", f"{log}.{i + 1}")
                if os.path.exists(log):
                    os.rename(log, f"{log}.1")
                    rotations += 1
            time.sleep(0.1)
            if random.random() < 0.02:
                host.crash(down=random.choice([0, 0.3]))
        count = host.check()
        numbers = collections.defaultdict(list)
        for at, line, _ in sorted(host.server.lines('{job="app"}', 0, time.time_ns() + 10**12)):
            name, number = line.split()[:2]
            numbers[name].append(int(number))
        out_of_order = {name: sum(1 for a, b in zip(all_of, all_of[1:]) if b < a) for name, all_of in numbers.items()}
        assert set(numbers) == set(names) and not any(out_of_order.values()), (out_of_order, rotations)
        print(f"     {count} lines through {rotations} rotations")


def odd_names_and_deletion():
    """names with odd bytes, a file replaced by a folder, a deleted log that its daemon goes on writing to"""
    with Host() as host:
        odd = [b"\xff\xfe.log", b"new\nline.log", b" '\"\\$*?[.log", b"-rf.log", "\u20ac.log".encode()]
        for i, name in enumerate(odd):
            host.writer(os.path.join(f"{host.folder}/logs".encode(), name).decode(errors="surrogateescape"), f"odd{i}")
        daemon = host.writer(f"{host.folder}/logs/daemon.log", "daemon", reopens=False)
        replaced = host.writer(f"{host.folder}/logs/replaced.log", "replaced")
        time.sleep(1)
        os.remove(daemon.path)
        replaced.end()
        os.remove(replaced.path)
        host.writer(f"{host.folder}/logs/replaced.log/inside.log", "inside")
        time.sleep(12)  # longer than a deleted file without a writer is kept
        host.crash()  # from now on the daemon's lines have no name any more
        written = len(daemon.written)
        targets = json.loads(programs.http(host.agent.url("/targets?format=json"))[1].decode())
        assert any(target["path"].endswith("/\\xff\\xfe.log") for target in targets), targets
        assert host.agent.metric("skidway_agent_source_open_files") >= len(odd) + 1
        daemon.end()
        have = sum(1 for _, line, _ in host.server.lines('{job="app"}', 0, time.time_ns() + 10**12) if line.startswith("daemon "))
        assert have > written * 0.8, f"{have} of {written} lines of a deleted file"
        daemon.written = [line for line in daemon.written if int(line.split()[1]) < have]
        print(f"     {host.check()} lines")


if __name__ == "__main__":
    sys.exit(programs.run_cases([each_way_of_logrotate, copytruncate, kubelet, pieces, links, several_workers, odd_names_and_deletion]))
