"""Starts the real program on free loopback ports and speaks HTTP to it, once on each storage engine.

Fixtures: `muir` (module scope, both engines): a running server; `kafka`: a real broker; `start_muir`: a factory for tests that start their own.
MUIR names the program (default build/muir); MUIR_TEST_KAFKA=HOST:PORT uses a broker that runs already instead of starting one;
MUIR_NO_KAFKA=REASON skips what needs one."""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse
import uuid

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(TOP, os.environ.get("MUIR", "build/muir"))

V1 = "application/vnd.schemaregistry.v1+json"
V2 = "application/vnd.kafka.v2+json"
BINARY = "application/vnd.kafka.binary.v2+json"
JSON = "application/vnd.kafka.json.v2+json"
AVRO = "application/vnd.kafka.avro.v2+json"


class Answer:
    """status, headers (lower-case names), body (bytes); .json parses it."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json["error_code"]

    @property
    def message(self):
        return self.json["message"]

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


def call(base, method, path, body=None, type=None, headers=None, timeout=60):
    """One request. body: str or bytes as they are, anything else as JSON. path as it goes on the wire (percent-encode it yourself)."""
    url = urllib.parse.urlsplit(base + path)
    if body is not None and not isinstance(body, (str, bytes)):
        body = json.dumps(body)
    if isinstance(body, str):
        body = body.encode()
    h = dict(headers or {})
    if type:
        h["Content-Type"] = type
    c = http.client.HTTPConnection(url.hostname, url.port, timeout=timeout)
    try:
        c.request(method, (url.path or "/") + ("?" + url.query if url.query else ""), body, h)
        r = c.getresponse()
        data = r.read()
        return Answer(r.status, {k.lower(): v for k, v in r.getheaders()}, data)
    finally:
        c.close()


def wait_until(what, seconds=30, step=0.05):
    """Calls what until it returns something true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        got = what()
        if got:
            return got
        assert time.monotonic() < end, f"did not happen within {seconds} s"
        time.sleep(step)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Muir:
    """A server process. registry and proxy are base URLs; log is what it wrote to stderr so far."""

    def __init__(self, engine, args, directory):
        self.engine, self.directory = engine, directory
        self.log_path = os.path.join(directory, f"log-{uuid.uuid4().hex[:8]}")
        self.args = [PROGRAM, "serve", "--registry", "127.0.0.1:0", "--proxy", "127.0.0.1:0", *args]
        self.process = None
        self.start()

    def start(self, ready=True):
        with open(self.log_path, "ab") as log:
            self.log_from = log.tell()  # what a former run wrote tells other addresses
            self.process = subprocess.Popen(self.args, stderr=log, stdin=subprocess.DEVNULL, cwd=self.directory)
        try:
            seen = wait_until(self._addresses)
            self.registry, self.proxy = "http://" + seen["registry"], "http://" + seen["proxy"]
            if ready:
                self.wait_ready()
        except BaseException:
            self.kill()  # nobody else has it yet
            raise
        return self

    def wait_ready(self, seconds=60):
        for base in (self.registry, self.proxy):
            wait_until(lambda: call(base, "GET", "/health/ready").status == 200, seconds)

    def _addresses(self):
        assert self.process.poll() is None, f"the server ended with {self.process.returncode}:\n{self.log}"
        with open(self.log_path, errors="replace") as f:
            f.seek(self.log_from)
            seen = dict(re.findall(r"server\.listening service=(\w+) address=(\S+)", f.read()))
        return seen if len(seen) == 2 else None

    @property
    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def stop(self, seconds=30):
        """SIGTERM; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self):
        self.process.kill()
        self.process.wait(30)

    # The two services by name.
    def r(self, method, path, body=None, type=V1, **kw):
        return call(self.registry, method, path, body, type if body is not None else None, **kw)

    def p(self, method, path, body=None, type=V2, **kw):
        return call(self.proxy, method, path, body, type if body is not None else None, **kw)

    def register(self, subject, schema, **members):
        a = self.r("POST", f"/subjects/{urllib.parse.quote(subject, safe='')}/versions",
                   {"schema": schema if isinstance(schema, str) else json.dumps(schema), **members})
        assert a.status == 200, a
        return a.json


@pytest.fixture(scope="session")
def kafka():
    """HOST:PORT of a real Apache Kafka with one broker; skipped, with the reason, where none can be had."""
    given = os.environ.get("MUIR_TEST_KAFKA")
    if given:
        yield given
        return
    if os.environ.get("MUIR_NO_KAFKA"):
        pytest.skip("no Kafka: " + os.environ["MUIR_NO_KAFKA"])
    tool = os.path.join(TOP, "tests/kafka/kafka.sh")
    for need in ("java", "mvn"):
        if shutil.which(need) is None:
            pytest.skip(f"no Kafka: {need} is not installed")
    lib = os.environ.get("KAFKA_LIB", os.path.join(TOP, "build/kafka/lib"))
    if not os.path.isdir(lib):
        got = subprocess.run([tool, "fetch", lib], capture_output=True, text=True)
        if got.returncode != 0:
            pytest.skip("no Kafka: its jars could not be fetched: " + got.stderr[-200:])
    directory = tempfile.mkdtemp(prefix="muir-kafka-")
    port = free_port()
    while port > 65000:
        port = free_port()
    try:
        subprocess.run([tool, "start", "--port", str(port), "--lib", lib, directory], check=True, stdout=subprocess.DEVNULL)
        yield f"127.0.0.1:{port}"
    finally:
        subprocess.run([tool, "clean", directory], stdout=subprocess.DEVNULL)
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session", params=["sqlite", "kafka"])
def engine(request):
    if request.param == "kafka":
        request.getfixturevalue("kafka")
    return request.param


def storage_args(request, engine, directory, name="muir.db"):
    """Arguments that give a server of this engine a log of its own."""
    if engine == "sqlite":
        return ["--data", os.path.join(directory, name)]
    mine = uuid.uuid4().hex[:8]
    return ["--kafka", request.getfixturevalue("kafka"), "-o", f"kafkastore.topic=_schemas_{mine}", "-o", f"schema.registry.group.id=sr-{mine}"]


@pytest.fixture(scope="module")
def muir(request, engine, tmp_path_factory):
    directory = str(tmp_path_factory.mktemp(engine))
    m = Muir(engine, storage_args(request, engine, directory), directory)
    yield m
    status = m.stop()
    assert status == 0, f"the server ended with {status}:\n{m.log[-4000:]}"


@pytest.fixture
def start_muir(request, engine, tmp_path):
    """start_muir(*args, same_log_as=None) -> Muir; all are killed at the end of the test if they still run."""
    started = []

    def start(*args, same_log_as=None):
        where = same_log_as.where if same_log_as else storage_args(request, engine, str(tmp_path))
        m = Muir(engine, [*where, *args], str(tmp_path))
        m.where = where
        started.append(m)
        return m

    yield start
    for m in started:
        if m.process.poll() is None:
            m.kill()


@pytest.fixture
def name():
    """A fresh name for a topic, subject or group."""
    return "t" + uuid.uuid4().hex[:10]
