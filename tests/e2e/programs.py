"""The real programs, for tests that drive them: start, stop, kill, ask."""
import concurrent.futures
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("SKIDWAY_BUILD", os.path.join(ROOT, "build"))
AGENT = os.path.join(BUILD, "agent/skidway-agent")
SERVER = os.path.join(BUILD, "server/skidway-server")
CLI = os.path.join(BUILD, "server/cli/skidway")
ended_alone = []  # programs that were found to have ended when they were to be killed: told beside a case that fails


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def http(url, data=None, headers=None, timeout=30):
    """(status, body) whatever the status is; an OSError when nobody answers."""
    request = urllib.request.Request(url, data=data, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()


def wait(what, seconds=30, why="waited in vain"):
    """What `what` gives once that is something; `why`, a text or what makes one, is said when it does not come in time."""
    until = time.monotonic() + seconds
    while not (value := what()):
        if time.monotonic() > until:
            raise AssertionError(why() if callable(why) else why)
        time.sleep(0.05)
    return value


class Program:
    """One of our programs with its configuration file, its log and its port. `start` may be called again after `kill`."""

    def __init__(self, binary, folder, name, config, port):
        self.binary, self.port, self.name = binary, port, name
        self.config = os.path.join(folder, name + ".toml")
        self.log = os.path.join(folder, name + ".log")
        self.process = None
        self.environment = {}  # beside that of the test
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(config)

    def start(self, ready=True):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.binary, "--config", self.config], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            env=dict(os.environ, **self.environment))
        if ready:
            self.wait_ready()
        return self

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def wait_ready(self, seconds=30):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise AssertionError(f"{self.name} stopped with {self.process.returncode}:\n{self.log_tail()}")
            try:
                if http(self.url("/ready"), timeout=2)[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"{self.name} not ready after {seconds} s:\n{self.log_tail()}")

    def kill(self):
        if self.process.poll() is not None:
            ended_alone.append(f"{self.name} had ended with {self.process.returncode} before it was killed:\n{self.log_tail()}")
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds=30):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                return self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"{self.name} did not stop within {seconds} s of TERM:\n{self.log_tail()}")
        return self.process.returncode if self.process else None

    def log_tail(self, lines=30):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return "".join(f.readlines()[-lines:])

    def metric(self, name):
        """Sum over all series of this name."""
        total = 0.0
        for line in http(self.url("/metrics"))[1].decode().splitlines():
            if line.startswith(name) and line[len(name)] in " {":
                total += float(line.rsplit(" ", 1)[1])
        return total

    def query(self, path, **parameters):
        status, body = http(self.url("/loki/api/v1/" + path + "?" + urllib.parse.urlencode(parameters)))
        if status != 200:
            raise AssertionError(f"{path} {parameters}: {status} {body.decode(errors='replace')}")
        return json.loads(body)["data"]

    def count(self, selector, at=None, window="10y"):
        result = self.query("query", query=f"sum(count_over_time({selector}[{window}]))", time=str(at or time.time_ns() + 3600 * 10**9))["result"]
        return int(float(result[0]["value"][1])) if result else 0

    def lines(self, selector, start, end):
        """All (time, line, stream) of a selector whose streams have strictly rising times, page by page, oldest first."""
        out = []
        while True:
            data = self.query("query_range", query=selector, start=str(start), end=str(end), limit="5000", direction="forward")
            page = sorted((int(t), line, json.dumps(s["stream"], sort_keys=True)) for s in data["result"] for t, line in s["values"])
            out += page
            if len(page) < 5000:
                return out
            start = page[-1][0] + 1


def server(folder, port=None, extra="", retention='period = "0"'):
    port = port or free_port()
    return Program(SERVER, folder, "server", f"""data_dir = "{folder}/server"

[http]
listen = "127.0.0.1:{port}"

[retention]
{retention}

[limits]
max_query_length = "0s"
{extra}""", port)


def agent(folder, sources, server_port, port=None, sink=""):
    port = port or free_port()
    return Program(AGENT, folder, "agent", f"""data_dir = "{folder}/agent"

[http]
listen = "127.0.0.1:{port}"

{sources}

[[sink]]
name = "hub"
type = "loki"
url = "http://127.0.0.1:{server_port}/loki/api/v1/push"
{sink}""", port)


class Pair:
    """What has a `server` and an `agent`: both run inside a `with`, and are killed at its end if they still do."""

    def __enter__(self):
        self.server.start()
        self.agent.start()
        return self

    def __exit__(self, *_):
        for program in (self.agent, self.server):
            if program.process and program.process.poll() is None:
                program.kill()


class Alone:
    """What has a `server` and in `scratch` its folder: runs inside a `with`; at its end it is killed if it still runs, and the folder goes."""

    def __enter__(self):
        self.server.start()
        return self

    def __exit__(self, *_):
        if self.server.process and self.server.process.poll() is None:
            self.server.kill()
        self.scratch.cleanup()


class Server:
    """A server with a folder of its own for the time of a `with`."""

    def __init__(self, extra="", **more):
        self.extra, self.more = extra, more

    def __enter__(self):
        self.folder = folder()
        self.server = server(self.folder.name, extra=self.extra, **self.more).start()
        self.server.folder = self.folder.name
        return self.server

    def __exit__(self, *_):
        if self.server.process.poll() is None:
            self.server.kill()
        self.folder.cleanup()


def push(to, labels, values, headers=()):
    """Pushes [time, line] or [time, line, metadata] of one stream; times are numbers."""
    body = json.dumps({"streams": [{"stream": labels, "values": [[str(at), *rest] for at, *rest in values]}]})
    status, text = http(to.url("/loki/api/v1/push"), body.encode(), {"Content-Type": "application/json", **dict(headers)})
    assert status == 204, (status, text)


def ask(to, path, **parameters):
    """The whole answer, as JSON, of a GET that succeeds."""
    status, text = http(to.url(path + "?" + urllib.parse.urlencode(parameters)))
    assert status == 200, text
    return json.loads(text)


def folder():
    return tempfile.TemporaryDirectory(prefix="skidway-test-")


def in_folder(test):
    """A case for run_cases of a test that wants a folder of its own."""
    def run():
        with folder() as path:
            test(path)
    run.__doc__ = test.__doc__
    return run


def run_cases(cases, at_once=1):
    """Runs functions, prints a line each, and the closing line. The exit status for sys.exit. `at_once`: for cases that mostly wait."""
    def passes(case):
        title = (case.__doc__ or case.__name__).strip().splitlines()[0]
        started = time.monotonic()
        ended_alone.clear()
        try:
            case()
            print(f"ok   {title} ({time.monotonic() - started:.1f} s)", flush=True)
            return True
        except Exception as e:  # a failing case must not hide the others
            places = [f"{os.path.basename(at.filename)}:{at.lineno}" for at in traceback.extract_tb(e.__traceback__)[1:] if at.filename.startswith(ROOT)]
            print(f"FAIL {title}: {type(e).__name__}: {e} (at {', '.join(places)})", *ended_alone, sep="\n", flush=True)
            return False

    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        failed = list(pool.map(passes, cases)).count(False)
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0
