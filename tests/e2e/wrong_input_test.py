#!/usr/bin/env python3
"""Wrong input: each gets a message that names the thing, the place and the remedy, the right exit status, and nothing else suffers."""
import json
import os
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402

GOOD_AGENT = """data_dir = "{folder}/data"

[http]
listen = "127.0.0.1:{port}"

[[source]]
name = "host"
type = "file"
path = ["{folder}/logs/*.log"]

[[sink]]
name = "hub"
type = "loki"
url = "http://127.0.0.1:1/loki/api/v1/push"
"""
GOOD_SERVER = """data_dir = "{folder}/data"

[http]
listen = "127.0.0.1:{port}"
"""


def run(binary, *argv, timeout=15):
    done = subprocess.run([binary, *argv], capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout + done.stderr


def config(folder, text, name="c.toml"):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace("{folder}", folder).replace("{port}", str(programs.free_port())))
    return path


def expect(outcome, status, *texts):
    code, output = outcome
    assert code == status, f"exit {code}, not {status}: {output}"
    for text in texts:
        assert text in output, f"{text!r} is not in {output!r}"


def unknown_keys():
    """an unknown key is named with its place and the nearest known key, all at once, in both programs"""
    with programs.folder() as f:
        bad = config(f, GOOD_AGENT.replace('type = "file"', 'type = "file"\nstart_att = "end"').replace("[http]\nlisten", "[http]\nlissten"))
        expect(run(programs.AGENT, "check", "--config", bad), 2, f"{bad}:4:", '"lissten"', '"listen"', f"{bad}:9:", '"start_att"', '"start_at"')
        expect(run(programs.AGENT, "--config", bad), 2, '"lissten"')
        bad = config(f, GOOD_SERVER + '\n[limits]\nmax_line_sise = "1KB"\n')
        expect(run(programs.SERVER, "check", "--config", bad), 2, f"{bad}:7:", '"max_line_sise"', '"max_line_size"')


def bad_toml():
    """text that is not TOML is refused with line and column"""
    with programs.folder() as f:
        bad = config(f, 'data_dir = "x"\n[http\nlisten = 1\n')
        for binary in (programs.AGENT, programs.SERVER):
            expect(run(binary, "check", "--config", bad), 2, f"{bad}:2:")


def missing_configuration():
    """a configuration file that is not there or not readable is named with the reason"""
    for binary in (programs.AGENT, programs.SERVER):
        expect(run(binary, "check", "--config", "/nonexistent/x.toml"), 2, "/nonexistent/x.toml", "no such file")


def wrong_values():
    """a wrong value, an unknown type, stage or sink is named with what would be right"""
    with programs.folder() as f:
        expect(run(programs.AGENT, "check", "--config", config(f, GOOD_AGENT.replace('"file"', '"fille"'))), 2, ":8:", "fille", "file")
        expect(run(programs.AGENT, "check", "--config", config(f, GOOD_AGENT + 'batch_wait = "soon"\n')), 2, "batch_wait", "soon")
        expect(run(programs.AGENT, "check", "--config", config(f, GOOD_AGENT.replace("[[sink]]", '[[source.stage]]\ntype = "jsn"\n\n[[sink]]'))), 2, "jsn", "json")
        expect(run(programs.AGENT, "check", "--config", config(f, GOOD_AGENT.replace("{port}", "99999"))), 2, "99999")
        expect(run(programs.AGENT, "check", "--config", config(f, GOOD_AGENT + 'tenant = "${SKIDWAY_NOT_SET}"\n')), 2, "SKIDWAY_NOT_SET")
        expect(run(programs.SERVER, "check", "--config", config(f, GOOD_SERVER + '\n[ingest]\nack = "s4"\n')), 2, "s4", "disk")


def wrong_usage():
    """an unknown option or command exits 2 and points to --help"""
    for binary in (programs.AGENT, programs.SERVER, programs.CLI):
        expect(run(binary, "--no-such-option"), 2, "--help")
        expect(run(binary, "--help"), 0, "xample")
        expect(run(binary, "--version"), 0, "0.1.0")


def unwritable_data_folder():
    """a data folder that cannot be made or written is named with the reason"""
    with programs.folder() as f:
        open(f + "/file", "w").close()
        for binary, good in ((programs.AGENT, GOOD_AGENT), (programs.SERVER, GOOD_SERVER)):
            expect(run(binary, "--config", config(f, good.replace("{folder}/data", "{folder}/file/data"))), 1, f + "/file/data")


def port_in_use():
    """a port that is taken is named, with what to change"""
    with programs.folder() as f, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for binary, good in ((programs.AGENT, GOOD_AGENT), (programs.SERVER, GOOD_SERVER)):
            expect(run(binary, "--config", config(f, good.replace("{port}", port))), 1, port, "in use")


def second_process_on_a_data_folder():
    """a second process on the same data folder exits 1 and names the pid of the first"""
    with programs.folder() as f:
        for make in (lambda: programs.server(f), lambda: programs.agent(f, f'[[source]]\nname = "s"\ntype = "file"\npath = ["{f}/*.log"]\n', 1)):
            first = make().start()
            try:
                second = make()
                with open(second.config, "r+", encoding="utf-8") as c:
                    text = c.read().replace(str(second.port), str(programs.free_port()))
                    c.seek(0), c.write(text), c.truncate()
                expect(run(second.binary, "--config", second.config), 1, str(first.process.pid), "LOCK")
            finally:
                first.kill()


def unreadable_log_file():
    """a log file that may not be read is reported by name and the others are read"""
    if os.geteuid() == 0 and not os.path.exists("/proc/self/status"):
        raise AssertionError("no /proc")
    with programs.folder() as f:
        os.makedirs(f + "/logs")
        os.symlink("/nonexistent/target", f + "/logs/dangling.log")
        os.makedirs(f + "/logs/folder.log")
        with open(f + "/logs/good.log", "w", encoding="utf-8") as good:
            good.write("fine\n")
        out = subprocess.run([programs.AGENT, "targets", "--json", "--config", config(f, GOOD_AGENT)], capture_output=True, text=True, timeout=15)
        rows = {os.path.basename(r["path"]): r for r in map(json.loads, out.stdout.splitlines())}
        assert rows["good.log"]["labels"]["filename"] == f + "/logs/good.log", out
        assert "dangling.log" not in rows or rows["dangling.log"]["reason"], rows


def wrong_logql():
    """wrong LogQL is 400 with Loki's text, and the next query works"""
    with programs.folder() as f:
        server = programs.server(f).start()
        try:
            ask = lambda path, **p: programs.http(server.url("/loki/api/v1/" + path + "?" + programs.urllib.parse.urlencode(p)))  # noqa: E731
            status, body = ask("query_range", query='{app="foo"')
            assert (status, body.decode()) == (400, "parse error at line 1, col 11: syntax error: unexpected $end, expecting } or ,"), (status, body)
            status, body = ask("query_range", query='{app=~".*"}')
            assert status == 400 and "at least one regexp or equality matcher" in body.decode(), body
            status, body = ask("query", query='{app="foo"}')
            assert status == 400 and "log queries are not supported as an instant query type" in body.decode(), body
            status, body = ask("query", query='sum_over_time({app="foo"}[5m])')
            assert (status, body.decode()) == (400, "parse error : invalid aggregation sum_over_time without unwrap"), (status, body)
            status, body = ask("query_range", query='{app="foo"}', limit="x")
            assert status == 400, body
            status, body = ask("query_range", query='{app="foo"}', start="2", end="1")
            assert status == 400 and "end timestamp must not be before or equal to start time" in body.decode(), body
            assert ask("nothing_here")[0] == 404
            assert ask("query", query="vector(1)+vector(1)", time="4000000000")[0] == 200
        finally:
            server.kill()


def wrong_pushes():
    """garbage, oversized and half-wrong pushes are refused with a reason, and good entries beside bad ones are stored"""
    with programs.folder() as f:
        server = programs.server(f).start()
        try:
            def push(body, content_type="application/json", **headers):
                headers = {k.replace("_", "-"): v for k, v in headers.items()}
                status, text = programs.http(server.url("/loki/api/v1/push"), body, {"Content-Type": content_type, **headers})
                return status, text.decode()

            def entry(line="fine", stream=None, at="1793527200000000000"):
                return json.dumps({"streams": [{"stream": stream or {"app": "w"}, "values": [[at, line]]}]}).encode()

            assert push(b"\x00\xff garbage", "application/x-protobuf")[0] == 400
            assert push(b"{not json")[0] == 400
            assert push(b'{"streams":[]}')[0] == 422
            assert push(entry(), Content_Encoding="zstd") == (400, 'Content-Encoding "zstd" not supported\n')
            status, text = push(entry(stream={"a b": "x"}))
            assert status == 400 and "labels" in text, text
            status, text = push(json.dumps({"streams": [{"stream": {"app": "w"}, "values": [["1793527200000000000", "x" * 300_000], ["1793527200000000001", "kept"]]}]}).encode())
            assert status == 400 and "max entry size" in text, text
            assert server.count('{app="w"}') == 1
            bomb = b"\xff\xff\xff\xff\x0f" + b"\x00" * 10
            assert push(bomb, "application/x-protobuf")[0] in (400, 413)
            status, _ = push(entry(), X_Skidway_Batch="nonsense")
            assert status == 400
            assert push(entry("after all that", at="1793527200000000009"))[0] == 204
            assert server.count('{app="w"}') == 2
        finally:
            server.kill()


if __name__ == "__main__":
    cases = [unknown_keys, bad_toml, missing_configuration, wrong_values, wrong_usage, unwritable_data_folder, port_in_use, second_process_on_a_data_folder,
             unreadable_log_file, wrong_logql, wrong_pushes]
    wanted = sys.argv[1:]
    sys.exit(programs.run_cases([c for c in cases if not wanted or c.__name__ in wanted]))
