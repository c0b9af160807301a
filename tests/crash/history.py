"""A history of pushes and what may be found afterwards: nothing acknowledged is missing, nothing is doubled, nothing is invented.

Each writer sends numbered lines to a stream of its own, one push after the other, and sends a push again until it is acknowledged, as
agents do. Every second writer numbers its batches; every third gives a push up after a few failures: its lines may be there or not.
"""
import http.client
import json
import random
import threading
import time
import urllib.error
import urllib.request
import uuid

HOUR = 3600 * 10**9
RETRIES = 3  # of the writers that give up


class Writer(threading.Thread):
    def __init__(self, server, history, index, seed, lines, pause, padding):
        super().__init__(daemon=True)
        self.server, self.index, self.lines, self.pause, self.padding = server, index, lines, pause, padding
        self.rng = random.Random(f"{seed}-{index}")
        self.producer = str(uuid.uuid4()) if index % 2 else None
        self.stream = {"job": "history", "history": history, "writer": str(index)}
        self.gives_up = index % 3 == 2
        self.sent, self.acknowledged, self.refused, self.answers = {}, set(), 0, {}
        self.halted = threading.Event()
        self.first = time.time_ns()

    def run(self):
        batch = 0
        while not self.halted.is_set():
            batch += 1
            begin = len(self.sent)
            lines = {}
            for i in range(begin, begin + self.rng.randrange(1, self.lines + 1)):
                lines[self.first + i] = f"writer {self.index} line {i} " + "".join(self.rng.choices("abcdefgh ", k=self.padding))
            self.sent.update(lines)
            if self.push(lines, batch):
                self.acknowledged.update(lines)
            else:
                self.refused += 1
            self.halted.wait(self.pause)

    def push(self, lines, batch):
        body = json.dumps({"streams": [{"stream": self.stream, "values": [[str(t), line] for t, line in lines.items()]}]})
        headers = {"Content-Type": "application/json"}
        if self.producer:
            headers["X-Skidway-Batch"] = f"{self.producer}/1/{batch}"
        tries = 0
        while True:
            status = self.try_push(body.encode(), headers)
            self.answers[status] = self.answers.get(status, 0) + 1
            if status == 204:
                return True
            tries += 1
            if self.halted.is_set() or (self.gives_up and tries == RETRIES):
                return False
            self.halted.wait(0.05)

    def try_push(self, body, headers):
        request = urllib.request.Request(self.server.url("/loki/api/v1/push"), data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status
        except urllib.error.HTTPError as e:
            if e.code == 503 and not e.headers.get("Retry-After"):
                return "503 without Retry-After"
            return e.code
        except (OSError, http.client.HTTPException) as e:
            return type(e).__name__


class History:
    """Writers that run inside a `with`; check() may be called while they rest and after them."""

    def __init__(self, server, seed, writers=6, lines=20, pause=0.005, padding=40):
        self.server = server
        self.name = uuid.uuid4().hex
        self.writers = [Writer(server, self.name, i, seed, lines, pause, padding) for i in range(writers)]

    def __enter__(self):
        for writer in self.writers:
            writer.start()
        return self

    def __exit__(self, *_):
        self.halt()

    def halt(self):
        """Ends the writers: a push that is not acknowledged by now is tried once more at most."""
        for writer in self.writers:
            writer.halted.set()
        for writer in self.writers:
            writer.join(30)
            assert not writer.is_alive(), "a writer got no answer for 30 s"

    def acknowledged(self):
        return sum(len(writer.acknowledged) for writer in self.writers)

    def wait_for(self, lines, seconds=60):
        """Until so many are acknowledged."""
        until = time.monotonic() + seconds
        while self.acknowledged() < lines:
            assert time.monotonic() < until, f"{self.acknowledged()} of {lines} lines acknowledged in {seconds} s: {self.answers()}"
            time.sleep(0.02)

    def answers(self):
        out = {}
        for writer in self.writers:
            for status, count in writer.answers.items():
                out[status] = out.get(status, 0) + count
        return out

    def faults(self):
        """What is wrong with what the server says now, a sentence each. The writers rest."""
        out = []
        for writer in self.writers:
            if "503 without Retry-After" in writer.answers:
                out.append("a 503 without Retry-After")
            selector = f'{{history="{self.name}",writer="{writer.index}"}}'
            found, counted = self.found_and_counted(writer, selector)
            at = {}
            for t, line, _ in found:
                at.setdefault(t, []).append(line)
            missing = sorted(t for t in writer.acknowledged if writer.sent[t] not in at.get(t, ()))
            doubled = [t for t, lines in at.items() if len(lines) > 1]
            invented = [t for t, lines in at.items() if lines[0] != writer.sent.get(t)]
            for what, times in (("acknowledged and missing", missing), ("doubled", doubled), ("invented", invented)):
                if times:
                    out.append(f"writer {writer.index}: {len(times)} lines {what}, the first {times[0] - writer.first} of {len(writer.sent)}")
            if counted != len(at):
                out.append(f"writer {writer.index}: {len(at)} lines found and {counted} counted")
        return out

    def found_and_counted(self, writer, selector):
        """Of one moment: a push that was given up may still come to be visible, so what was found is the same before and after the counting."""
        found = self.server.lines(selector, writer.first - HOUR, writer.first + HOUR)
        while True:
            counted = self.server.count(selector)
            again = self.server.lines(selector, writer.first - HOUR, writer.first + HOUR)
            if len(again) == len(found):
                return again, counted
            found = again

    def check(self):
        faults = self.faults()
        assert not faults, "\n".join(faults)
