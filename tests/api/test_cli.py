"""The program itself: its verbs, what it refuses at start, and how it ends."""
import os
import signal
import socket
import subprocess
import time

import pytest

from conftest import PROGRAM, V2, call, wait_until


def run(*args, cwd="/", timeout=30):
    return subprocess.run([PROGRAM, *args], capture_output=True, text=True, cwd=cwd, timeout=timeout)


@pytest.mark.parametrize("args", [["--help"], ["serve", "--help"]])
def test_help_fits_one_screen(args):
    r = run(*args)
    assert r.returncode == 0 and "serve" in r.stdout
    assert len(r.stdout.splitlines()) <= 24
    assert max(map(len, r.stdout.splitlines())) <= 120


def test_version_names_the_libraries_in_use():
    r = run("--version")
    assert r.returncode == 0
    assert r.stdout.startswith("muir 0.") and "librdkafka 2." in r.stdout


def test_keys_lists_every_table():
    r = run("serve", "--keys")
    assert r.returncode == 0
    for key in ("kafkastore.topic", "consumer.request.timeout.ms", "auto.create.topics.enable"):
        assert key in r.stdout


@pytest.mark.parametrize("args, tells", [
    (["walk"], "unknown verb 'walk'"),
    (["serve", "--dat", "x"], "unknown argument '--dat'"),
    (["serve", "--data"], "--data needs a value"),
    (["serve", "-o", "timeout.ms"], "expected key=value"),
    (["serve", "-o", "timeout.ms=soon"], "timeout.ms"),
    (["serve", "-o", "log.level=loud"], "debug, info, warn, error or off"),
    (["serve", "-o", "no.such.key=1"], "no.such.key"),
    (["serve", "-o", "schema.compatibility.level=SIDEWAYS"], "SIDEWAYS"),
    (["serve", "-o", "kafkastore.topic=a b"], "kafkastore.topic 'a b': expected 1 to 249 characters"),
    (["serve", "-o", "schema.registry.key.subject.name.strategy=Mine"], "schema.registry.key.subject.name.strategy 'Mine': expected TopicNameStrategy"),
    (["serve", "-o", "schema.registry.value.subject.name.strategy="], "schema.registry.value.subject.name.strategy '': expected TopicNameStrategy"),
    (["serve", "-o", "advertised.listeners=https://a:1, b.example:80"], "advertised.listeners 'b.example:80': expected SCHEME://HOST:PORT"),
    (["serve", "-o", "advertised.listeners=http://"], "advertised.listeners 'http://': expected SCHEME://HOST:PORT"),
    (["serve", "-o", "client.acks=1"], "need --kafka"),
    (["serve", "--data", "x", "--kafka", "y:1"], "exclude each other"),
    (["serve", "--registry", "8081"], "cannot listen on '8081': expected HOST:PORT"),
    (["serve", "--proxy", "127.0.0.1:65536"], "cannot listen on '127.0.0.1:65536': expected HOST:PORT"),
])
def test_wrong_usage_is_status_2_and_says_what_would_be_right(args, tells, tmp_path):
    r = run(*args, cwd=tmp_path)
    assert r.returncode == 2, r
    assert tells in r.stderr
    assert not list(tmp_path.iterdir())


def serve(tmp_path, *args):
    return run("serve", "--registry", "127.0.0.1:0", "--proxy", "127.0.0.1:0", *args, cwd=tmp_path)


def test_a_foreign_file_is_refused(tmp_path):
    f = tmp_path / "notes.txt"
    f.write_text("not a log\n" * 100)
    r = serve(tmp_path, "--data", str(f))
    assert r.returncode == 1 and str(f) in r.stderr
    assert f.read_text() == "not a log\n" * 100


def test_an_address_in_use_is_named(tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        address = "127.0.0.1:%d" % s.getsockname()[1]
        r = run("serve", "--data", str(tmp_path / "a.db"), "--registry", address, "--proxy", "127.0.0.1:0")
    assert r.returncode == 1 and address in r.stderr


def test_an_unknown_kafka_property_is_named(tmp_path):
    r = serve(tmp_path, "--kafka", "127.0.0.1:1", "-o", "client.no.such.property=1")
    assert r.returncode == 1 and "no.such.property" in r.stderr


def test_scram_is_refused_with_what_to_do_where_the_library_cannot(tmp_path):
    version = run("--version").stdout.split("librdkafka ")[1].split()[0]
    if tuple(map(int, version.split("-")[0].split(".")[:3])) >= (2, 6, 1):
        pytest.skip("this librdkafka can log in with SCRAM")
    r = serve(tmp_path, "--kafka", "127.0.0.1:1", "-o", "client.security.protocol=SASL_PLAINTEXT", "-o", "client.sasl.mechanism=SCRAM-SHA-256",
              "-o", "client.sasl.username=a", "-o", "client.sasl.password=b")
    assert r.returncode == 1 and "SCRAM" in r.stderr and "2.6.1" in r.stderr


def test_a_second_process_on_the_same_file_is_refused(start_muir, engine, tmp_path):
    if engine != "sqlite":
        pytest.skip("only the embedded log is one file")
    m = start_muir()
    r = serve(tmp_path, *m.where)
    assert r.returncode == 1 and "muir.db" in r.stderr
    assert m.r("GET", "/subjects").status == 200
    m.kill()  # the lock goes with the process
    assert start_muir(same_log_as=m).r("GET", "/subjects").status == 200


def test_sigterm_ends_with_0_even_with_requests_waiting(start_muir, name):
    m = start_muir("-o", "consumer.request.timeout.ms=30000")
    made = m.p("POST", f"/consumers/{name}", {"name": "c", "format": "binary"})
    assert made.status == 200, made
    at = f"/consumers/{name}/instances/c"
    assert m.p("POST", at + "/subscription", {"topics": [name]}).status == 204
    host, port = m.proxy[7:].split(":")
    waiting = [socket.create_connection((host, int(port))) for _ in range(20)]
    for s in waiting[:10]:
        s.sendall(f"GET {at}/records HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    for s in waiting[10:]:
        s.sendall(b"POST /topics/t HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
    time.sleep(0.5)
    began = time.monotonic()
    assert m.stop() == 0
    assert time.monotonic() - began < 15
    for s in waiting:
        s.close()


def test_what_was_answered_survives_sigterm_and_kill(start_muir, name):
    m = start_muir()
    first = m.register(name, '"string"')
    assert m.stop() == 0
    m = start_muir(same_log_as=m)
    assert m.r("GET", f"/schemas/ids/{first['id']}").json["schema"] == '"string"'
    second = m.register(name + "-2", '"long"')
    m.kill()
    m = start_muir(same_log_as=m)
    assert m.r("GET", f"/subjects/{name}-2/versions/1").json["id"] == second["id"]


def test_health_is_answered_on_both_ports(muir):
    for base in (muir.registry, muir.proxy):
        assert call(base, "GET", "/health/live").status == 200
        ready = call(base, "GET", "/health/ready")
        assert ready.status == 200 and ready.headers["cache-control"] == "no-store"
