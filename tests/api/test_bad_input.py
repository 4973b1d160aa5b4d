"""What nobody should send. The server refuses it with a text, answers others meanwhile, stays within its memory limits, and lives."""
import json
import os
import random
import re
import socket
import time

import pytest

from conftest import AVRO, BINARY, JSON, V1, V2, call

POSTS = [("registry", "/subjects/bad/versions", V1), ("registry", "/subjects/bad", V1), ("registry", "/compatibility/subjects/bad/versions", V1),
         ("proxy", "/topics/bad", BINARY), ("proxy", "/topics/bad", JSON), ("proxy", "/topics/bad", AVRO), ("proxy", "/consumers/bad", V2)]


def base(muir, service):
    return getattr(muir, service)


def lives(muir):
    assert muir.process.poll() is None, muir.log[-3000:]
    assert muir.r("GET", "/subjects").status == 200
    assert muir.p("GET", "/topics").status == 200


def rss_mb(muir):
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{muir.process.pid}/status").read()).group(1)) / 1024


def raw(muir, service, data, seconds=10):
    """Sends bytes as they are; all that comes back until the server closes or seconds are over."""
    host, port = base(muir, service)[7:].split(":")
    got = b""
    with socket.create_connection((host, int(port)), timeout=seconds) as s:
        s.sendall(data)
        try:
            while True:
                more = s.recv(65536)
                if not more:
                    break
                got += more
        except (socket.timeout, ConnectionResetError):
            pass
    return got


@pytest.mark.parametrize("service, path, type", POSTS)
@pytest.mark.parametrize("what, body", [
    ("nothing", b""),
    ("white space", b"  \r\n"),
    ("not JSON", b"schema=1"),
    ("half an object", b'{"schema": "x'),
    ("a lone surrogate", b'{"schema": "\\ud800"}'),
    ("invalid UTF-8", b'{"schema": "\xff\xfe"}'),
    ("an overlong form", b'{"schema": "\xc0\xaf"}'),
    ("NUL", b"\x00" * 100),
    ("100,000 levels of [", b"[" * 100000),
    ("100,000 levels of {", b'{"a":' * 100000),
    ("deep inside records", b'{"records":[{"value":' + b"[" * 100000),
    ("text behind the value", b'{"schema": "\\"int\\""}}}}'),
    ("null", b"null"), ("a list", b"[]"), ("a number", b"7"), ("a string", b'"x"'),
])
def test_a_wrong_body_is_refused_with_a_text(muir, service, path, type, what, body):
    a = call(base(muir, service), "POST", path, body, type)
    if path.startswith("/consumers") and body.strip() in (b"", b"null"):
        assert a.status == 200, a  # the one body that may be absent
        return
    assert 400 <= a.status < 500, a
    assert a.code >= 400 and a.message, a


def test_random_bytes_as_bodies(muir):
    rng = random.Random(20261124)
    for i in range(300):
        service, path, type = POSTS[i % len(POSTS)]
        body = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 400)))
        if i % 2:  # or something valid, with one byte changed
            text = bytearray(json.dumps({"schema": '{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}',
                                         "records": [{"value": "AAAA"}], "name": "x%d" % i}).encode())
            text[rng.randrange(len(text))] = rng.randrange(256)
            body = bytes(text)
        a = call(base(muir, service), "POST", path, body, type)
        assert a.status < 500, (body, a)
    lives(muir)


def test_random_bytes_on_the_wire(muir):
    rng = random.Random(7)
    for i in range(40):
        got = raw(muir, ("registry", "proxy")[i % 2], bytes(rng.randrange(256) for _ in range(rng.randrange(1, 600))) + b"\r\n\r\n", seconds=1)
        assert got == b"" or got.startswith(b"HTTP/1."), got
    lives(muir)


@pytest.mark.parametrize("service", ["registry", "proxy"])
@pytest.mark.parametrize("what, head", [
    ("Content-Length with Transfer-Encoding", "POST /subjects/a/versions HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
    ("two different Content-Lengths", "POST /subjects/a/versions HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n"),
    ("two Hosts", "GET /subjects HTTP/1.1\r\nHost: x\r\nHost: y\r\n"),
    ("NUL in a header", "GET /subjects HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n"),
    ("a length with a sign", "POST /subjects/a/versions HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n"),
    ("a bare LF", "GET /subjects HTTP/1.1\nHost: x\r\n"),
])
def test_smuggling_shapes_close_the_connection(muir, service, what, head):
    second = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    got = raw(muir, service, (head + "\r\n" + "0\r\n\r\n" + second).encode("latin-1"), seconds=5)
    assert got.startswith(b"HTTP/1.1 400"), got
    assert got.count(b"HTTP/1.") == 1, got
    assert b'"error_code":400' in got


@pytest.mark.parametrize("service", ["registry", "proxy"])
def test_a_body_over_the_limit_is_413(start_muir, service):
    m = start_muir("-o", "registry.request.max.bytes=100k", "-o", "proxy.request.max.bytes=100k")
    path, type = ("/subjects/a/versions", V1) if service == "registry" else ("/topics/a", JSON)
    for body in (b"x" * 102401, b'{"schema":"' + b"a" * 200000):
        a = call(base(m, service), "POST", path, body, type)
        assert a.status == 413 and a.code == 413 and "102400" in a.message.replace(",", ""), a
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {type}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    got = raw(m, service, head + (b"1000\r\n" + b"x" * 4096 + b"\r\n") * 60 + b"0\r\n\r\n", seconds=5)
    assert got.startswith(b"HTTP/1.1 413"), got[:300]
    lives(m)


@pytest.mark.parametrize("service", ["registry", "proxy"])
def test_headers_over_the_limit_are_431_in_json(muir, service):
    a = call(base(muir, service), "GET", "/subjects", headers={"X-Long": "x" * 20000})
    assert a.status == 431 and a.code == 431 and a.headers["content-type"].startswith("application/"), a
    lives(muir)


def test_half_sent_requests_left_open_do_not_hold_up_others(start_muir):
    m = start_muir("-o", "idle.timeout.ms=3000")
    opened = []
    for service in ("registry", "proxy"):
        host, port = base(m, service)[7:].split(":")
        for part in (b"", b"GE", b"GET /subjects HTTP/1.1\r\nHost:", b"POST /topics/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{"):
            for _ in range(100):
                s = socket.create_connection((host, int(port)))
                s.sendall(part)
                opened.append(s)
    began = time.monotonic()
    for _ in range(50):
        lives(m)
    assert time.monotonic() - began < 5
    time.sleep(5)  # over idle.timeout.ms: the server has given them up
    closed = 0
    for s in opened:
        s.settimeout(2)
        try:
            while s.recv(4096):
                pass
            closed += 1
        except ConnectionResetError:
            closed += 1
        except socket.timeout:
            pass
        s.close()
    assert closed == len(opened)


def test_memory_stays_within_its_limits(start_muir):
    m = start_muir("-o", "proxy.request.max.bytes=1m")
    lives(m)
    before = rss_mb(m)
    for i in range(200):
        body = (b'{"records":[' + b'{"value":"AAAA"},' * 50000)[:900000]  # never complete
        assert call(m.proxy, "POST", "/topics/m", body, BINARY).status == 400
        assert call(m.registry, "POST", "/subjects/m/versions", b"[" * 900000, V1).status == 400
    if "asan" not in os.environ.get("MUIR", ""):
        assert rss_mb(m) < before + 120
    lives(m)
