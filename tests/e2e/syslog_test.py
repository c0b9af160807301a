#!/usr/bin/env python3
"""The syslog source with the programs that speak it: logger in all its forms, rsyslog, syslog-ng, TLS clients; back pressure, and
100,000 messages counted at a real server that goes away and is killed."""
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402
from programs import wait  # noqa: E402
import services  # noqa: E402

RELABEL = "".join(f"""
[[source.relabel]]
source_labels = ["__syslog_message_{name}"]
target_label = "{label}"
""" for name, label in [("hostname", "host"), ("app_name", "app"), ("severity", "level"), ("facility", "facility"), ("proc_id", "pid"), ("msg_id", "msgid")])


class Site(programs.Pair):
    """A server, and an agent that listens in every way."""

    def __init__(self, options="", relabel=RELABEL, listen=("tcp", "udp", "unix", "unixgram"), sink='batch_wait = "100ms"'):
        self.temporary = programs.folder()
        self.folder = self.temporary.name
        self.ports = {name: programs.free_port() for name in ("tcp", "udp", "tls")}
        addresses = {name: f"{name}://127.0.0.1:{port}" for name, port in self.ports.items()}
        addresses |= {"unix": f"unix://{self.folder}/stream", "unixgram": f"unixgram://{self.folder}/log"}
        self.server = programs.server(self.folder)
        self.agent = programs.agent(self.folder, f"""
[[source]]
name = "net"
type = "syslog"
listen = {[addresses[name] for name in listen]}
{options}
{relabel}""".replace("'", '"'), self.server.port, sink=sink)

    def comes(self, selector, count, seconds=30):
        try:
            wait(lambda: self.server.count(selector) >= count, seconds)
        except AssertionError:
            raise AssertionError(f"{self.server.count(selector)} of {count} lines of {selector}\n{self.agent.log_tail()}") from None
        assert self.server.count(selector) == count, f"{self.server.count(selector)} instead of {count} lines of {selector}"

    def lines(self, selector):
        return [line for _, line, _ in self.server.lines(selector, 1, time.time_ns() + 3600 * 10**9)]


def logger(*arguments, text=None, lines=None):
    done = subprocess.run(["logger", *arguments, *([text] if text else [])], input=lines, text=True, capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr


def logger_in_all_forms():
    """logger over TCP with octet counting and line feeds, UDP, unix sockets, RFC 3164 and 5424"""
    with Site(options="label_structured_data = true\nuse_incoming_timestamp = true", relabel=RELABEL + """
[[source.relabel]]
source_labels = ["__syslog_message_sd_ex_1_a"]
target_label = "sd"
""") as s:
        tcp, udp = ["-n", "127.0.0.1", "-P", str(s.ports["tcp"]), "--tcp"], ["-n", "127.0.0.1", "-P", str(s.ports["udp"]), "--udp"]
        logger("--rfc5424", *tcp, "--octet-count", "-t", "counted", "-p", "local3.warning", "--id=77", "--msgid", "ID1", "--sd-id", "ex@1", "--sd-param", 'a="b c"',
               text="octet counting")
        logger("--rfc5424", *tcp, "-t", "lines", "-p", "mail.err", text="with a line feed")
        logger("--rfc3164", *tcp, "-t", "old", "--id=5", text="the old form")
        logger("--rfc3164", *tcp, "--octet-count", "-t", "old2", text="the old form, counted")
        logger("--rfc3164", *udp, "-t", "udp3164", "-p", "kern.debug", text="a datagram")
        logger("--rfc5424=notq", *udp, "-t", "udp5424", text="a datagram")
        logger("-u", s.folder + "/log", "-t", "local", "-p", "daemon.info", text="a local datagram")
        logger("-u", s.folder + "/stream", "--tcp", "-t", "stream", text="a local stream")
        logger("--rfc5424", *tcp, "--octet-count", "-t", "many", lines="".join(f"line {i}\n" for i in range(2000)))
        logger("--rfc5424", *tcp, "-t", "manylines", lines="".join(f"line {i}\n" for i in range(2000)))
        host = socket.gethostname()
        for selector, line in [
            (f'{{app="counted",pid="77",msgid="ID1",facility="local3",level="warning",sd="b c",host="{host}"}}', "octet counting"),
            ('{app="lines",facility="mail",level="error"}', "with a line feed"),
            (f'{{app="old",pid="5",facility="user",level="notice",host="{host.split(".")[0]}"}}', "the old form"),
            ('{app="old2"}', "the old form, counted"), ('{app="udp3164",level="debug"}', "a datagram"), ('{app="udp5424"}', "a datagram"),
            ('{app="local",facility="daemon",level="informational"}', "a local datagram"), ('{app="stream"}', "a local stream")]:
            s.comes(selector, 1)
            assert s.lines(selector) == [line], s.lines(selector)
        s.comes('{app="many"}', 2000)
        s.comes('{app="manylines"}', 2000)
        assert s.agent.metric("promtail_syslog_target_entries_total") == 4008
        assert s.agent.metric("promtail_syslog_target_parsing_errors_total") == 0


def rsyslog_forwards():
    """rsyslog: octet counting with RFC 5424, line feeds, and its traditional form over UDP"""
    with Site() as s:
        for name in ("counted", "feeds", "datagrams"):
            with open(f"{s.folder}/{name}.log", "w", encoding="utf-8") as f:
                f.writelines(f"line {i}\n" for i in range(1000))
        with open(s.folder + "/rsyslog.conf", "w", encoding="utf-8") as f:
            f.write(f"""
global(workDirectory="{s.folder}")
module(load="imfile" PollingInterval="1")
input(type="imfile" File="{s.folder}/counted.log" Tag="counted:" ruleset="counted")
input(type="imfile" File="{s.folder}/feeds.log" Tag="feeds[7]:" ruleset="feeds")
input(type="imfile" File="{s.folder}/datagrams.log" Tag="datagrams:" ruleset="datagrams")
ruleset(name="counted") {{ action(type="omfwd" target="127.0.0.1" port="{s.ports['tcp']}" protocol="tcp" TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format") }}
ruleset(name="feeds") {{ action(type="omfwd" target="127.0.0.1" port="{s.ports['tcp']}" protocol="tcp" template="RSYSLOG_ForwardFormat") }}
ruleset(name="datagrams") {{ action(type="omfwd" target="127.0.0.1" port="{s.ports['udp']}" protocol="udp" template="RSYSLOG_TraditionalForwardFormat") }}
""")
        rsyslog = subprocess.Popen(["rsyslogd", "-n", "-f", s.folder + "/rsyslog.conf", "-i", s.folder + "/rsyslog.pid"], stderr=subprocess.DEVNULL)
        try:
            for app in ("counted", "feeds", "datagrams"):
                s.comes(f'{{app="{app}"}}', 1000)
                assert sorted(s.lines(f'{{app="{app}"}}')) == sorted(f"line {i}" for i in range(1000))
            assert s.server.count('{app="feeds",pid="7"}') == 1000
        finally:
            rsyslog.terminate()
            rsyslog.wait(20)


def syslog_ng_forwards():
    """syslog-ng: line feeds and octet counting with RFC 5424, RFC 3164 over UDP, a unix socket, and TLS with a client certificate"""
    argv, environment = services.syslog_ng()
    with programs.folder() as folder:
        certificates(folder)
        with Site(options=f'tls = {{ cert_file = "{folder}/server.pem", key_file = "{folder}/server.key", client_ca_file = "{folder}/ca.pem" }}',
                  listen=("tcp", "udp", "unixgram", "tls")) as s:
            with open(s.folder + "/input.log", "w", encoding="utf-8") as f:
                f.writelines(f"line {i}\n" for i in range(500))
            tcp, udp, tls = s.ports["tcp"], s.ports["udp"], s.ports["tls"]
            source = lambda name: f'source s_{name} {{ file("{s.folder}/input.log" follow-freq(1) program-override("{name}") flags(no-parse) persist-name("{name}")); }};'  # noqa: E731
            destinations = {
                "feeds": f'network("127.0.0.1" port({tcp}) transport("tcp") flags(syslog-protocol) persist-name("d1"))',
                "counted": f'syslog("127.0.0.1" port({tcp}) transport("tcp") persist-name("d2"))',
                "datagrams": f'network("127.0.0.1" port({udp}) transport("udp"))',
                "local": f'unix-dgram("{s.folder}/log")',
                "secure": f'syslog("127.0.0.1" port({tls}) transport("tls") tls(ca-file("{folder}/ca.pem") key-file("{folder}/client.key") cert-file("{folder}/client.pem") peer-verify(yes)))',
            }
            with open(s.folder + "/ng.conf", "w", encoding="utf-8") as f:
                f.write("@version: 3.35\n@define allow-config-dups 1\noptions { time-reopen(1); };\n")
                for name, destination in destinations.items():
                    f.write(f"{source(name)}\ndestination d_{name} {{ {destination}; }};\nlog {{ source(s_{name}); destination(d_{name}); }};\n")
            ng = subprocess.Popen([*argv, "-f", s.folder + "/ng.conf", "-R", s.folder + "/persist", "-p", s.folder + "/ng.pid", "-c", s.folder + "/ctl"],
                                  env=environment, stderr=subprocess.PIPE)
            try:
                for name in destinations:
                    s.comes(f'{{app="{name}"}}', 500)
                assert sorted(s.lines('{app="secure"}')) == sorted(f"line {i}" for i in range(500))
            except AssertionError as e:
                ng.kill()
                raise AssertionError(f"{e}\nsyslog-ng: {ng.stderr.read().decode()[-2000:]}") from None
            finally:
                ng.terminate()
                ng.wait(20)


def certificates(folder, server_name="server"):
    """An authority, a certificate for 127.0.0.1 and one for a client, made with openssl."""
    def run(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
    if not os.path.exists(folder + "/ca.pem"):
        run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=authority")
    with open(folder + "/names", "w", encoding="utf-8") as f:
        f.write("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for name in (server_name, "client"):
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name + ".key", "-out", name + ".csr", "-subj", f"/CN={name}")
        run("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", name + ".pem", "-days", "2", "-extfile", "names")


def tls_connection(folder, port, with_certificate=True):
    context = ssl.create_default_context(cafile=folder + "/ca.pem")
    if with_certificate:
        context.load_cert_chain(folder + "/client.pem", folder + "/client.key")
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=20), server_hostname="localhost")


def tls_clients():
    """TLS: clients without a certificate are refused, openssl s_client and others heard, a renewed certificate is taken up"""
    with programs.folder() as folder:
        certificates(folder)
        with Site(options=f'tls = {{ cert_file = "{folder}/server.pem", key_file = "{folder}/server.key", client_ca_file = "{folder}/ca.pem" }}', listen=("tls",)) as s:
            client = tls_connection(folder, s.ports["tls"])
            first = client.getpeercert(binary_form=True)
            for i in range(1000):
                message = f"<13>1 - - tls - - - message {i} {'x' * (i % 300)}".encode()
                client.sendall(f"{len(message)} ".encode() + message)
            client.close()
            subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{s.ports['tls']}", "-CAfile", folder + "/ca.pem", "-cert", folder + "/client.pem", "-key",
                            folder + "/client.key"], input="<13>1 - - s_client - - - hello\n", text=True, capture_output=True, timeout=20, check=False)
            s.comes('{app="tls"}', 1000)
            s.comes('{app="s_client"}', 1)
            try:
                refused = tls_connection(folder, s.ports["tls"], with_certificate=False)
                refused.sendall(b"<13>1 - - refused - - - x\n")
                assert refused.recv(1) == b"", "a client without a certificate was heard"
            except OSError:
                pass
            certificates(folder)
            def renewed():
                with tls_connection(folder, s.ports["tls"]) as again:
                    return again.getpeercert(binary_form=True) != first
            wait(renewed)
            assert s.server.count('{app="refused"}') == 0


def a_hundred_thousand():
    """100,000 messages over TCP, each once, while the server goes away and is killed; TCP holds the sender meanwhile"""
    with Site(sink='batch_wait = "100ms"\nbatch_bytes = "256KiB"') as s:
        total, sent = 100_000, [0]

        def send():
            with socket.create_connection(("127.0.0.1", s.ports["tcp"])) as client:
                for begin in range(0, total, 500):
                    pieces = []
                    for i in range(begin, begin + 500):
                        message = f"<13>1 - - load - - - message {i} {'x' * (i % 200)}"
                        pieces.append(f"{len(message)} {message}")
                    client.sendall("".join(pieces).encode())
                    sent[0] = begin + 500
        sender = threading.Thread(target=send)
        sender.start()
        wait(lambda: sent[0] >= 20_000)
        s.server.kill()
        time.sleep(2)
        s.server.start()
        wait(lambda: sent[0] >= 60_000)
        s.server.kill()
        s.server.start()
        sender.join(60)
        s.comes('{app="load"}', total, 60)
        numbers = {int(re.match(r"message (\d+) ", line + " ")[1]) for line in s.lines('{app="load"}')}
        assert len(numbers) == total
        assert s.agent.metric("skidway_agent_syslog_entries_total") == total


def datagrams_that_find_no_room():
    """UDP: what the kernel drops while the agent stands still is counted, and nothing else is missing"""
    with Site(options='receive_buffer = "64KiB"', listen=("udp",)) as s:
        total = 20_000
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        os.kill(s.agent.process.pid, 19)
        for i in range(total):
            client.sendto(f"<13>1 - - flood - - - message {i}".encode(), ("127.0.0.1", s.ports["udp"]))
        os.kill(s.agent.process.pid, 18)

        def all_accounted_for():
            nonlocal total
            client.sendto(b"<13>1 - - flood - - - tells the count", ("127.0.0.1", s.ports["udp"]))
            total += 1
            time.sleep(1.2)
            lost = s.agent.metric("skidway_agent_syslog_kernel_dropped_datagrams_total")
            return lost > 0 and s.server.count('{app="flood"}') + lost == total
        wait(all_accounted_for)


def reload_while_messages_come():
    """other relabel rules leave connections alone; other options of the source begin it anew, and what had come is delivered"""
    with Site(listen=("tcp",)) as s:
        with open(s.agent.config, encoding="utf-8") as f:
            config = f.read()

        def change(text):
            with open(s.agent.config, "w", encoding="utf-8") as f:
                f.write(text)
            status, answer = programs.http(s.agent.url("/-/reload"), b"")
            assert status == 200, answer
        client = socket.create_connection(("127.0.0.1", s.ports["tcp"]))
        client.sendall(b"<13>1 - - one - - - before\n")
        s.comes('{app="one"}', 1)
        change(config.replace('target_label = "app"', 'target_label = "program"'))
        client.sendall(b"<13>1 - - one - - - after\n")
        s.comes('{program="one"}', 1)
        client.sendall("".join(f"<13>1 - - two - - - message {i}\n" for i in range(3000)).encode())
        time.sleep(0.5)
        change(config.replace('type = "syslog"', 'type = "syslog"\nmax_message_length = "16KiB"').replace('target_label = "app"', 'target_label = "program"'))
        assert client.recv(1) == b"", "the connection is closed"
        with socket.create_connection(("127.0.0.1", s.ports["tcp"])) as again:
            again.sendall(b"<13>1 - - three - - - " + b"x" * 10_000 + b"\n")
        s.comes('{program="two"}', 3000)
        s.comes('{program="three"}', 1)
        assert len(s.lines('{program="three"}')[0]) == 10_000


def stopping_delivers():
    """what was received when the agent gets TERM is at the server, the last message without a line feed too"""
    with Site() as s:
        client = socket.create_connection(("127.0.0.1", s.ports["tcp"]))
        client.sendall("".join(f"<13>1 - - end - - - message {i}\n" for i in range(5000)).encode() + b"<13>1 - - end - - - last")
        time.sleep(0.3)
        s.agent.stop()
        s.comes('{app="end"}', 5001)


if __name__ == "__main__":
    sys.exit(programs.run_cases([logger_in_all_forms, rsyslog_forwards, syslog_ng_forwards, tls_clients, a_hundred_thousand, datagrams_that_find_no_room, reload_while_messages_come, stopping_delivers]))
