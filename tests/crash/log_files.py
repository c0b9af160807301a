"""Log files as containers and programs write and rotate them, and the check that a query finds each of their lines exactly once."""
import collections
import gzip
import os
import random
import shutil
import time

CRI_FILES, PLAIN_FILES, ROTATE_BYTES = 20, 5, 48 * 1024


def compress(path):
    with open(path, "rb") as plain, gzip.open(path + ".tmp", "wb", compresslevel=1) as packed:
        shutil.copyfileobj(plain, packed)
    os.rename(path + ".tmp", path + ".gz")
    os.remove(path)


class LogFile:
    """A file that is appended to and rotated by renaming, then compressed if wanted; knows every line that a query must find."""

    compress = False

    def __init__(self, path, name, rng):
        self.path, self.name, self.rng = path, name, rng
        self.compress_later = []
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self.file = open(path, "ab", buffering=0)
        self.number, self.rotations, self.expected = 0, 0, []

    def text(self):
        self.number += 1
        line = f"{self.name} line {self.number} " + "x" * self.rng.randrange(0, 120)
        self.expected.append(line)
        return line

    def rotate(self, rotated):
        self.rotations += 1
        os.rename(self.path, rotated)
        self.file.close()
        self.file = open(self.path, "ab", buffering=0)
        if self.compress:
            self.compress_later.append(rotated)
            if len(self.compress_later) > 1:  # the newest stays as it is, as kubelet and logrotate (delaycompress) do it
                compress(self.compress_later.pop(0))

    def rotate_if_large(self):
        if self.file.tell() > ROTATE_BYTES:
            self.rotate(f"{self.path}.{20260000 + self.rotations:08d}-{self.rotations % 1000000:06d}")


class CriFile(LogFile):
    last_time = 0

    def line(self, stream, tag, text):
        now = max(time.time_ns(), self.last_time + 1)
        self.last_time = now
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9))
        return f"{stamp}.{now % 10**9:09d}Z {stream} {tag} {text}\n".encode()

    def write(self):
        out = []
        for _ in range(self.rng.randrange(1, 6)):
            stream = self.rng.choice(["stdout", "stderr"])
            text = self.text()
            if self.rng.random() < 0.2:  # in two or three parts, with a whole line of the other stream between them
                cuts = sorted(self.rng.sample(range(1, len(text)), self.rng.choice([1, 2])))
                parts = [text[a:b] for a, b in zip([0] + cuts, cuts + [len(text)])]
                for part in parts[:-1]:
                    out.append(self.line(stream, "P", part))
                    if self.rng.random() < 0.5:
                        out.append(self.line("stderr" if stream == "stdout" else "stdout", "F", self.text()))
                out.append(self.line(stream, "F", parts[-1]))
            else:
                out.append(self.line(stream, "F", text))
        whole = b"".join(out)
        cut = self.rng.randrange(len(whole)) if self.rng.random() < 0.3 else 0  # a write that ends inside a line
        if cut:
            self.file.write(whole[:cut])
        self.file.write(whole[cut:])
        self.rotate_if_large()


class PlainFile(LogFile):
    def write(self):
        self.file.write("".join(self.text() + "\n" for _ in range(self.rng.randrange(1, 4))).encode())
        self.rotate_if_large()


def make_files(folder, rng):
    files = []
    for i in range(CRI_FILES):
        pod = f"pod{i:02d}"
        files.append((f'{{pod="{pod}"}}', CriFile(f"{folder}/pods/crash_{pod}_{i:08d}-0000-4000-8000-000000000000/main/0.log", pod, random.Random(rng.random()))))
    for i in range(PLAIN_FILES):
        path = f"{folder}/plain/app{i}.log"
        files.append((f'{{job="plain",filename="{path}"}}', PlainFile(path, f"app{i}", random.Random(rng.random()))))
    return files


def wait_for(server, files, seconds):
    """Until the server has as many lines as were written, or nothing has moved for `seconds`."""
    wanted = sum(len(f.expected) for _, f in files)
    last, moved = -1, time.monotonic()
    while time.monotonic() - moved < seconds:
        got = server.count('{job=~".+"}')
        if got >= wanted:
            time.sleep(1.5)  # a doubled line would arrive now
            return server.count('{job=~".+"}'), wanted
        if got != last:
            last, moved = got, time.monotonic()
        time.sleep(0.3)
    return last, wanted


def verify(server, files, since):
    faults = []
    for selector, file in files:
        found = collections.Counter(line for _, line, _ in server.lines(selector, since, time.time_ns() + 3600 * 10**9))
        wanted = collections.Counter(file.expected)
        lost, extra = wanted - found, found - wanted
        if lost:
            faults.append(f"{file.name}: {sum(lost.values())} of {len(file.expected)} lines lost, first: {next(iter(lost))[:60]!r}")
        if extra:
            faults.append(f"{file.name}: {sum(extra.values())} lines doubled or invented, first: {next(iter(extra))[:60]!r}")
    return faults
