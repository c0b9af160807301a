#!/usr/bin/env python3
"""What operators try a configuration with: test --explain, --metrics, --fixtures, stages."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402

CONFIG = """
[[source]]
name = "first"
type = "stdin"

[[source.stage]]
type = "json"
expressions = { level = "" }

[[source]]
name = "web"
type = "file"
path = ["/var/log/web.log"]

[[source.relabel]]
source_labels = ["app"]
target_label = "service"

[[source.stage]]
type = "json"
expressions = { level = "", code = "status" }

[[source.stage]]
type = "labels"
values = { level = "" }

[[source.stage]]
type = "drop"
expression = "healthz"
drop_counter_reason = "probe"
"""

FIXTURES = """
config = "agent.toml"
source = "web"
now = "2026-11-01T10:00:00Z"

[[case]]
name = "levels become a label"
labels = { app = "shop" }
lines = ['{"level":"info"}', '{"level":"warn"}']

  [[case.expect]]
  labels = { app = "shop", service = "shop", level = "info" }
  timestamp = "2026-11-01T10:00:00Z"

  [[case.expect]]
  line = '{"level":"warn"}'

[[case]]
name = "probes are dropped"
lines = ["GET /healthz"]
expect = []
metrics = ['loki_process_dropped_lines_total{reason="probe"} 1']

[[case]]
name = "an entry of its own"
  [[case.entry]]
  line = "x"
  timestamp = "2026-01-01T00:00:00.5Z"
  labels = { a = "b" }
  structured_metadata = { trace = "t1" }
  [[case.expect]]
  line = "x"
  timestamp = "2026-01-01T00:00:00.5Z"
  labels = { a = "b" }
  structured_metadata = { trace = "t1" }
"""


class Folder:
    def __enter__(self):
        self.temporary = programs.folder()
        self.path = self.temporary.name
        self.write("agent.toml", CONFIG)
        return self

    def __exit__(self, *_):
        self.temporary.cleanup()

    def write(self, name, text):
        with open(os.path.join(self.path, name), "w", encoding="utf-8") as f:
            f.write(text)
        return os.path.join(self.path, name)

    def run(self, *argv, stdin=""):
        done = subprocess.run([programs.AGENT, *argv], input=stdin, capture_output=True, text=True, timeout=30, cwd=self.path)
        return done.returncode, done.stdout, done.stderr


def explain_tells_what_each_stage_did():
    """--explain says per stage what it did to labels and extracted values, also those nobody reads, and why a line is gone"""
    with Folder() as f:
        lines = '{"line":"{\\"level\\":\\"warn\\",\\"status\\":500}","labels":{"app":"shop"}}\n{"line":"GET /healthz"}\n'
        code, out, err = f.run("test", "--config", "agent.toml", "--source", "web", "--explain", "--metrics", stdin=lines)
        assert code == 0, err
        for part in ('+ extracted level = "warn"', "+ extracted code = 500", '+ label level = "warn"', "2 labels", '3 drop\n       x dropped, counted under reason "probe"',
                     "=> nothing", "=> {", '"service":"shop"',
                     'relabel  {app="shop"}\n   => {app="shop", service="shop"}\n'):
            assert part in out, (part, out)
        assert "\033[" not in out, "no colours unless on a terminal"
        assert '# metrics\n' in err and 'loki_process_dropped_lines_total{reason="probe"} 1' in err, err


def fixtures_pass():
    """fixtures that hold exit 0 with a line each and a summary"""
    with Folder() as f:
        f.write("web_test.toml", FIXTURES)
        code, out, err = f.run("test", "--fixtures", "web_test.toml")
        assert (code, out) == (0, "ok   levels become a label\nok   probes are dropped\nok   an entry of its own\n3 passed, 0 failed\n"), (code, out, err)


def fixtures_fail_with_a_difference():
    """a fixture that does not hold exits 1 and shows what is missing and what came instead"""
    with Folder() as f:
        f.write("web_test.toml", FIXTURES.replace('service = "shop", level = "info"', 'service = "shop", level = "debug"').replace("expect = []\n", "expect = []\n")
                .replace('"probe"} 1', '"probe"} 7'))
        code, out, err = f.run("test", "--fixtures", os.path.join(f.path, "web_test.toml"), "--config", os.path.join(f.path, "agent.toml"))
        assert code == 1, (code, out, err)
        assert '-  labels {app="shop", level="debug", service="shop"}\n+  labels {app="shop", level="info", service="shop"}\n' in out, out
        assert '-metric loki_process_dropped_lines_total{reason="probe"} 7\n+metric loki_process_dropped_lines_total{reason="probe"} 1\n' in out, out
        assert "web_test.toml:6:1" in out and out.endswith("1 passed, 2 failed\n"), out


def wrong_fixtures_are_refused_with_every_fault():
    """a fixture file or a configuration with faults exits 2 and tells all of them with file, line and column"""
    with Folder() as f:
        f.write("web_test.toml", 'config = "agent.toml"\n[[case]]\nnmae = "x"\n[[case]]\nname = "y"\nlines = ["a"]\n  [[case.expect]]\n  timestamp = "noon"\n  lien = "b"\n')
        code, out, err = f.run("test", "--fixtures", "web_test.toml")
        assert code == 2 and out == "", (code, out)
        for part in ('did you mean "name"?', "has no input", "expects nothing", '"noon" is no RFC 3339 time', 'did you mean "line"?'):
            assert part in err, (part, err)
        assert all(line.startswith("web_test.toml:") for line in err.splitlines()), err
        f.write("web_test.toml", '[[case]]\nname = "x"\nlines = []\nexpect = []\n')
        assert f.run("test", "--fixtures", "web_test.toml")[0] == 2
        f.write("web_test.toml", 'config = "agent.toml"\n[[case]]\nname = "x"\nsource = "wbe"\nlines = ["a"]\nexpect = []\n')
        code, out, err = f.run("test", "--fixtures", "web_test.toml")
        assert code == 2 and 'no source is called "wbe"' in err, err


def each_case_begins_afresh():
    """what one case has counted or left open does not reach the next one"""
    with Folder() as f:
        case = '[[case]]\nname = "n"\nlines = ["GET /healthz"]\nexpect = []\nmetrics = [\'loki_process_dropped_lines_total{reason="probe"} 1\']\n'
        f.write("web_test.toml", 'config = "agent.toml"\nsource = "web"\n' + case + case)
        assert f.run("test", "--fixtures", "web_test.toml")[0] == 0


def stages_are_described():
    """`stages` lists every stage, and describes one with its arguments"""
    with Folder() as f:
        code, out, _ = f.run("stages")
        names = [line.split()[0] for line in out.splitlines()]
        assert code == 0 and names == sorted(names) and "json" in names, out
        for name in names:
            code, out, _ = f.run("stages", name)
            assert code == 0 and f'type = "{name}"' in out, out
        code, _, err = f.run("stages", "jsno")
        assert code == 2 and 'did you mean "json"?' in err, err


def reference_is_up_to_date():
    """pipeline/stage/REFERENCE.md is what `skidway-agent stages --markdown` writes"""
    with Folder() as f:
        with open(os.path.join(programs.ROOT, "pipeline/stage/REFERENCE.md"), encoding="utf-8") as file:
            committed = file.read()
        now = f.run("stages", "--markdown")[1]
        assert committed == now, "write it again: build/agent/skidway-agent stages --markdown > pipeline/stage/REFERENCE.md"


def stage_metrics_are_on_the_metrics_page():
    """what stages count of running sources is on /metrics, with the name of the source"""
    with Folder() as f:
        with programs.folder() as folder:
            server = programs.server(folder).start()
            sources = f"""
[[source]]
name = "app"
type = "file"
path = ["{folder}/app.log"]
[[source.stage]]
type = "redact"
types = ["email"]
"""
            agent = programs.agent(folder, sources, server.port).start()
            try:
                with open(folder + "/app.log", "w", encoding="utf-8") as log:
                    log.write("mail from a.person@example.com\n")
                for _ in range(100):
                    page = programs.http(agent.url("/metrics"))[1].decode()
                    if any('source="app"' in line and "redact" in line and line.endswith(" 1") for line in page.splitlines()):
                        return
                    programs.time.sleep(0.1)
                raise AssertionError([line for line in page.splitlines() if "redact" in line])
            finally:
                agent.kill()
                server.kill()


def entries_go_to_the_tenant_that_a_stage_names():
    """the tenant stage sends entries of one file to several tenants (X-Scope-OrgID), also after kill -9"""
    with programs.folder() as folder:
        server = programs.server(folder, extra='\n[tenancy]\nmode = "header"\n').start()
        sources = f"""
[[source]]
name = "app"
type = "file"
path = ["{folder}/app.log"]
labels = {{ job = "app" }}
[[source.stage]]
type = "split_json"
[[source.stage]]
type = "json"
expressions = {{ team = "" }}
[[source.stage]]
type = "tenant"
source = "team"
"""
        agent = programs.agent(folder, sources, server.port, sink='tenant = "others"\nbatch_wait = "100ms"').start()

        def count(tenant):
            query = programs.urllib.parse.urlencode({"query": 'sum(count_over_time({job="app"}[1h]))', "time": str(programs.time.time_ns() + 60 * 10**9)})
            status, body = programs.http(server.url("/loki/api/v1/query?" + query), headers={"X-Scope-OrgID": tenant})
            assert status == 200, body
            result = programs.json.loads(body)["data"]["result"]
            return int(float(result[0]["value"][1])) if result else 0

        def wait(want):
            for _ in range(200):
                got = [count(tenant) for tenant in ("a", "b", "others")]
                if got == want:
                    return
                programs.time.sleep(0.1)
            raise AssertionError((got, want))

        try:
            with open(folder + "/app.log", "a", encoding="utf-8") as log:
                log.write('[{"team":"a","n":1},{"team":"b","n":1},{"n":1}]\n' * 50)
            wait([50, 50, 50])
            server.kill()
            with open(folder + "/app.log", "a", encoding="utf-8") as log:
                log.write('[{"team":"a","n":2},{"team":"b","n":2}]\n[{"team":"b","n":3}]\n' * 50)
            programs.time.sleep(0.7)
            agent.kill()
            server.start()
            agent.start()
            wait([100, 150, 50])
            programs.time.sleep(0.3)
            wait([100, 150, 50])
        finally:
            agent.kill()
            server.kill()


SOURCE = '[[source]]\nname = "%s"\ntype = "file"\npath = ["/var/log/%s.log"]\n'
SINK = '[[sink]]\nname = "%s"\ntype = "discard"\n'


def files_of_a_folder_belong_to_the_configuration():
    """conf.d/*.toml beside the file adds sources and sinks in name order; include names other files, or none"""
    with Folder() as f:
        os.mkdir(f.path + "/conf.d")
        os.mkdir(f.path + "/more")
        f.write("agent.toml", SOURCE % ("a", "a") + SINK % "hub")
        f.write("conf.d/20-b.toml", SOURCE % ("b", "b") + 'sinks = ["spare"]\n')
        f.write("conf.d/10-c.toml", SOURCE % ("c", "${C:-c}") + SINK % "spare")
        f.write("conf.d/ignored.txt", "nonsense")
        f.write("more/d.toml", SOURCE % ("d", "d"))
        assert f.run("check", "--config", "agent.toml")[:2] == (0, "agent.toml: ok (3 sources, 2 sinks)\n"), f.run("check", "--config", "agent.toml")
        assert f.run("check", "--config", f.path + "/agent.toml")[0] == 0
        f.write("agent.toml", 'include = ["more/*.toml", "conf.d/10-c.toml"]\n' + SOURCE % ("a", "a") + SINK % "hub")
        assert "3 sources, 2 sinks" in f.run("check", "--config", "agent.toml")[1]
        f.write("agent.toml", "include = []\n" + SOURCE % ("a", "a") + SINK % "hub")
        assert "1 sources, 1 sinks" in f.run("check", "--config", "agent.toml")[1]


def faults_of_included_files_are_told_with_their_file():
    """every fault of all files comes at once, under its file; of a name used twice both places are named"""
    with Folder() as f:
        os.mkdir(f.path + "/conf.d")
        f.write("agent.toml", 'include = ["conf.d/*.toml", "absent.toml"]\n' + SOURCE % ("a", "a") + SINK % "hub" + "sorce = 1\n")
        f.write("conf.d/1.toml", SOURCE % ("a", "x") + 'lables = { a = "b" }\n[[source.stage]]\ntype = "jsn"\n')
        f.write("conf.d/2.toml", "broken =\n")
        f.write("conf.d/3.toml", 'data_dir = "/x"\n[[source]]\nname = "e"\ntype = "file"\npath = ["${NO_SUCH_VARIABLE}"]\n[[source.stage]]\ntype = "drop"\nexpresion = "x"\n')
        code, out, err = f.run("check", "--config", "agent.toml")
        assert code == 2 and not out, out
        for part in ("agent.toml:1:11: there is no file absent.toml", 'agent.toml:9:1: unknown key "sorce" in [[sink]]', 'conf.d/1.toml:2:8: two sources are called "a", the other one at agent.toml:2:1',
                     'conf.d/1.toml:5:1: unknown key "lables" in [[source]]; did you mean "labels"?', 'conf.d/1.toml:7:8: unrecognized block name "stage.jsn"; did you mean "json"?',
                     "conf.d/2.toml:1:", 'conf.d/3.toml:1:12: "data_dir" does not belong into an included file; move it to agent.toml', "conf.d/3.toml:5:9: environment variable NO_SUCH_VARIABLE",
                     'did you mean "expression"?'):
            assert part in err, (part, err)


def what_is_no_file_in_the_folder_is_refused():
    """a FIFO that nobody writes to, a huge file and a folder that cannot be read are told, and hold nothing up"""
    with Folder() as f:
        os.mkdir(f.path + "/conf.d")
        f.write("agent.toml", SOURCE % ("a", "a") + SINK % "hub")
        os.mkfifo(f.path + "/conf.d/1.toml")
        os.mkdir(f.path + "/conf.d/2.toml")
        os.symlink("/dev/zero", f.path + "/conf.d/3.toml")
        f.write("conf.d/4.toml", "#" * ((16 << 20) + 1))
        code, _, err = f.run("check", "--config", "agent.toml")
        assert code == 2, err
        for part in ("conf.d/1.toml is not a regular file", "conf.d/2.toml is not a regular file", "conf.d/3.toml is not a regular file", "conf.d/4.toml is larger than 16 MiB"):
            assert part in err, (part, err)
    with Folder() as f:
        f.write("agent.toml", SOURCE % ("a", "a") + SINK % "hub")
        os.symlink("conf.d", f.path + "/conf.d")  # also root cannot read it
        code, _, err = f.run("check", "--config", "agent.toml")
        assert code == 2 and "read conf.d: too many levels of symbolic links" in err, (code, err)


if __name__ == "__main__":
    cases = [explain_tells_what_each_stage_did, fixtures_pass, fixtures_fail_with_a_difference, wrong_fixtures_are_refused_with_every_fault, each_case_begins_afresh,
             files_of_a_folder_belong_to_the_configuration, faults_of_included_files_are_told_with_their_file, what_is_no_file_in_the_folder_is_refused, entries_go_to_the_tenant_that_a_stage_names, stages_are_described, reference_is_up_to_date, stage_metrics_are_on_the_metrics_page]
    wanted = sys.argv[1:]
    sys.exit(programs.run_cases([c for c in cases if not wanted or c.__name__ in wanted]))
