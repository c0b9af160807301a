"""Real S3 servers for tests, of Debian's packages: OpenStack Swift with s3api, and Ceph's radosgw. Started and stopped by hand, as root."""
import datetime
import hashlib
import hmac
import os
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

import programs

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def _sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def s3(store, method, path, query="", body=b""):
    """(status, body) of one signed request; `query` encoded and sorted. Not our program's code: it checks what that one did."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    day, host, payload = now[:8], f"127.0.0.1:{store.port}", hashlib.sha256(body).hexdigest()
    canonical = f"{method}\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:{payload}\nx-amz-date:{now}\n\nhost;x-amz-content-sha256;x-amz-date\n{payload}"
    scope = f"{day}/us-east-1/s3/aws4_request"
    key = _sign(_sign(_sign(_sign(("AWS4" + store.secret).encode(), day), "us-east-1"), "s3"), "aws4_request")
    signature = _sign(key, f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}").hex()
    request = urllib.request.Request(f"http://{host}{path}" + ("?" + query if query else ""), data=body or None, method=method, headers={
        "x-amz-date": now, "x-amz-content-sha256": payload,
        "Authorization": f"AWS4-HMAC-SHA256 Credential={store.key}/{scope},SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature={signature}"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()


class ObjectStore:
    """One S3 server with keys and a port. Inside a `with` it runs."""

    def __init__(self, folder):
        self.folder, self.processes = folder, []
        os.makedirs(folder, exist_ok=True)
        self.port = programs.free_port()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def make_bucket(self, name):
        status, body = s3(self, "PUT", f"/{name}")
        assert status == 200, (status, body)

    def keys(self, bucket):
        """All keys of a bucket, by listing it page by page."""
        import re
        keys, token = [], ""
        while True:
            query = "list-type=2" if not token else f"continuation-token={urllib.parse.quote(token, safe='')}&list-type=2"
            status, body = s3(self, "GET", f"/{bucket}", query)
            assert status == 200, (status, body)
            text = body.decode()
            keys += re.findall(r"<Key>([^<]*)</Key>", text)
            more = re.search(r"<NextContinuationToken>([^<]*)<", text)
            if "<IsTruncated>true" not in text or not more:
                return keys
            token = more[1]

    def settings(self, bucket, prefix="", port=None):
        """The [store] table of a server that keeps its objects here; `port`: of a proxy in front."""
        return f"""
[store]
url = "s3://{bucket}/{prefix}"
endpoint = "http://127.0.0.1:{port or self.port}"
region = "us-east-1"
access_key_id = "{self.key}"
secret_access_key = "{self.secret}"
"""

    def run(self, name, *argv, seconds=60):
        with open(f"{self.folder}/{name}.log", "ab") as log:
            done = subprocess.run(argv, stdout=log, stderr=log, env=dict(os.environ, PATH=PATH), timeout=seconds)
        assert done.returncode == 0, self.log(name)

    def spawn(self, name, *argv):
        with open(f"{self.folder}/{name}.log", "ab") as log:
            process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=dict(os.environ, PATH=PATH), start_new_session=True)
        process.service = name
        self.processes.append(process)
        return process

    def log(self, name):
        with open(f"{self.folder}/{name}.log", encoding="utf-8", errors="replace") as f:
            return f"{name}:\n" + f.read()[-3000:]

    def wait_answer(self, url, seconds=60):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            dead = [p.service for p in self.processes if p.poll() is not None]
            assert not dead, self.log(dead[0])
            try:
                programs.http(url, timeout=2)
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"{url} does not answer: {self.log(self.processes[-1].service)}")

    def stop(self):
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.processes = []

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()


class Swift(ObjectStore):
    """Proxy with s3api, account, container and object server; data stays in the folder over stop() and start()."""
    name, conditional_put = "Swift", False
    key, secret = "test:tester", "testing"

    def start(self):
        etc = f"{self.folder}/etc"
        ports = {"proxy": self.port}
        if not os.path.isdir(etc):
            os.makedirs(etc)
            os.makedirs(f"{self.folder}/srv/d1")
            self.ports = {kind: programs.free_port() for kind in ("account", "container", "object")}
            self._make_rings(etc)
        ports.update(self.ports)
        for kind in ("account", "container", "object"):
            self._write(f"{etc}/{kind}-server.conf", f"""[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {ports[kind]}
workers = 0
user = root
swift_dir = {etc}
devices = {self.folder}/srv
mount_check = false
fallocate_reserve = 0
log_level = WARNING
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
[{kind}-replicator]
[{kind}-updater]
[{kind}-auditor]
""")
        self._write(f"{etc}/proxy-server.conf", f"""[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {self.port}
workers = 0
user = root
swift_dir = {etc}
log_level = WARNING
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats bulk s3api tempauth copy slo dlo symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{programs.free_port()}
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
location = us-east-1
storage_domain = localhost
dns_compliant_bucket_names = true
check_bucket_owner = false
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[filter:symlink]
use = egg:swift#symlink
""")
        for kind in ("account", "container", "object", "proxy"):
            self.spawn(kind, f"/usr/bin/swift-{kind}-server", f"{etc}/{kind}-server.conf")
        for kind in ("account", "container", "object"):
            self.wait_answer(f"http://127.0.0.1:{ports[kind]}/healthcheck")
        self.wait_answer(f"{self.endpoint}/healthcheck")
        return self

    def _make_rings(self, etc):
        os.makedirs("/etc/swift", exist_ok=True)
        if not os.path.exists("/etc/swift/swift.conf"):
            self._write("/etc/swift/swift.conf", "[swift-hash]\nswift_hash_path_suffix = changeme\nswift_hash_path_prefix = changeme\n")
        for kind, port in self.ports.items():
            builder = f"{etc}/{kind}.builder"
            self.run("rings", "swift-ring-builder", builder, "create", "2", "1", "0")
            self.run("rings", "swift-ring-builder", builder, "add", "--region", "1", "--zone", "1", "--ip", "127.0.0.1", "--port", str(port), "--device", "d1",
                     "--weight", "1")
            self.run("rings", "swift-ring-builder", builder, "rebalance", "--seed", "1")

    @staticmethod
    def _write(path, text):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)


class Radosgw(ObjectStore):
    """One monitor, one OSD in memory, and the gateway: what is in it is gone after stop()."""
    name, conditional_put = "radosgw", True
    key, secret = "AKIATEST", "secret"

    def start(self):
        root, keyring = self.folder, f"{self.folder}/keyring"
        for part in ("mon", "osd", "rgw", "log", "run"):
            os.makedirs(f"{root}/{part}", exist_ok=True)
        self.tls_port, self.ca_file = programs.free_port(), f"{root}/cert.pem"
        self.run("keys", "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                 "subjectAltName=IP:127.0.0.1", "-keyout", f"{root}/key.pem", "-out", self.ca_file)
        self.run("keys", "ceph-authtool", "-C", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        for name, caps in (("client.admin", {"mon": "allow *", "osd": "allow *", "mgr": "allow *", "mds": "allow *"}),
                           ("client.rgw", {"mon": "allow *", "osd": "allow *", "mgr": "allow *"}),
                           ("osd.0", {"mon": "allow profile osd", "osd": "allow *", "mgr": "allow profile osd"})):
            arguments = [word for kind, cap in caps.items() for word in ("--cap", kind, cap)]
            self.run("keys", "ceph-authtool", keyring, "--gen-key", "-n", name, *arguments)
        monitor = [programs.free_port(), programs.free_port()]
        addresses = f"[v2:127.0.0.1:{monitor[0]},v1:127.0.0.1:{monitor[1]}]"
        fsid = str(uuid.uuid4())
        with open(f"{root}/ceph.conf", "w", encoding="utf-8") as f:
            f.write(f"""[global]
fsid = {fsid}
keyring = {keyring}
mon host = {addresses}
mon initial members = a
auth allow insecure global id reclaim = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 1
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 4294967296
public addr = 127.0.0.1
cluster addr = 127.0.0.1
run dir = {root}/run
log file = {root}/log/$name.log
admin socket = {root}/run/$name.asok
pid file =
debug ms = 0
[mon.a]
mon data = {root}/mon
[osd.0]
osd data = {root}/osd
[client.rgw]
rgw data = {root}/rgw
rgw dns name = localhost
rgw frontends = beast endpoint=127.0.0.1:{self.port} ssl_endpoint=127.0.0.1:{self.tls_port} ssl_certificate={self.ca_file} ssl_private_key={root}/key.pem
rgw enable usage log = false
rgw thread pool size = 32
""")
        configured = ["-c", f"{root}/ceph.conf"]
        self.run("monmap", "monmaptool", "--create", "--clobber", "--fsid", fsid, "--addv", "a", addresses, f"{root}/monmap")
        self.run("mkfs", "ceph-mon", *configured, "-i", "a", "--mkfs", "--monmap", f"{root}/monmap", "--keyring", keyring)
        self.spawn("mon", "ceph-mon", *configured, "-i", "a", "-f")
        osd = str(uuid.uuid4())
        self.run("ceph", "ceph", *configured, "--connect-timeout", "20", "osd", "new", osd)
        self.run("mkfs", "ceph-osd", *configured, "-i", "0", "--mkfs", "--osd-uuid", osd)
        self.spawn("osd", "ceph-osd", *configured, "-i", "0", "-f")
        self._wait_for_osd(configured)
        self.run("user", "radosgw-admin", *configured, "-n", "client.rgw", "user", "create", "--uid=test", "--display-name=test",
                 f"--access-key={self.key}", f"--secret-key={self.secret}")
        self.spawn("rgw", "radosgw", *configured, "-n", "client.rgw", "-f")
        self.wait_answer(self.endpoint)
        return self

    def _wait_for_osd(self, configured):
        until = time.monotonic() + 40
        while time.monotonic() < until:
            said = subprocess.run(["ceph", *configured, "osd", "stat"], capture_output=True, text=True, timeout=20, env=dict(os.environ, PATH=PATH))
            if "1 up" in said.stdout:
                return
            time.sleep(0.1)
        raise AssertionError(self.log("osd"))


ALL = (Swift, Radosgw)
