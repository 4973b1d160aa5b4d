"""Kafka away at start: the process waits and says so. Away later: errors within the timeout, and everything recovers by itself."""
import os
import shutil
import subprocess
import time

import pytest

from conftest import BINARY, TOP, Muir, call, free_port, wait_until

TOOL = os.path.join(TOP, "tests/kafka/kafka.sh")


@pytest.fixture
def broker(kafka, engine, tmp_path):
    """A broker of this test's own (kafka: only to know whether one can be had)."""
    if engine != "kafka":
        pytest.skip("the embedded log is never away")
    lib = os.environ.get("KAFKA_LIB", os.path.join(TOP, "build/kafka/lib"))
    if not os.path.isdir(lib) or shutil.which("java") is None:
        pytest.skip("no Kafka jars or java to start a broker of this test's own")
    directory, port = str(tmp_path / "kafka"), 30000 + free_port() % 2500 + 20
    yield directory, port, lib
    subprocess.run([TOOL, "clean", directory], stdout=subprocess.DEVNULL)


def tool(*args):
    subprocess.run([TOOL, *map(str, args)], check=True, stdout=subprocess.DEVNULL, timeout=240)


def test_away_at_start_and_away_later(broker, tmp_path, name):
    directory, port, lib = broker
    m = Muir.__new__(Muir)
    m.engine, m.directory, m.log_path = "kafka", str(tmp_path), str(tmp_path / "log")
    program = os.path.join(TOP, os.environ.get("MUIR", "build/muir"))
    m.args = [program, "serve", "--registry", "127.0.0.1:0", "--proxy", "127.0.0.1:0", "--kafka", f"127.0.0.1:{port}",
              "-o", "produce.timeout.ms=4000", "-o", "timeout.ms=3000"]
    m.start(ready=False)
    try:
        wait_until(lambda: "service.waiting" in m.log, 15)
        for base in (m.registry, m.proxy):
            assert call(base, "GET", "/health/live").status == 200
            assert call(base, "GET", "/health/ready").status == 503
        refused = m.r("GET", "/subjects")
        assert refused.status == 503 and "retry-after" in refused.headers, refused

        tool("start", "--port", port, "--lib", lib, directory)
        m.wait_ready(90)
        first = m.register(name, '"string"')
        sent = m.p("POST", f"/topics/{name}", {"records": [{"value": "AAAA"}]}, type=BINARY)
        assert sent.status == 200 and sent.json["offsets"][0]["offset"] == 0, sent

        tool("kill-broker", 1, directory)
        began = time.monotonic()
        a = m.p("POST", f"/topics/{name}", {"records": [{"value": "AAAA"}]}, type=BINARY)
        assert time.monotonic() - began < 15
        assert a.status >= 500 or a.json["offsets"][0]["error_code"] == 50003, a
        assert m.r("GET", f"/schemas/ids/{first['id']}").status == 200  # what is known is still answered
        write = m.r("POST", f"/subjects/{name}-2/versions", {"schema": '"long"'}, timeout=60)
        assert write.status in (500, 503, 504) and write.message, write
        wait_until(lambda: call(m.proxy, "GET", "/health/ready").status == 503, 30)

        tool("start-broker", 1, directory)
        m.wait_ready(120)
        again = wait_until(lambda: (lambda r: r.status == 200 and r.json["offsets"][0]["error_code"] is None)(
            m.p("POST", f"/topics/{name}", {"records": [{"value": "AAAA"}]}, type=BINARY)), 60)
        assert again
        second = wait_until(lambda: (lambda r: r.status == 200 and r.json)(m.r("POST", f"/subjects/{name}-2/versions", {"schema": '"long"'})), 60)
        assert second["id"] != first["id"]
        assert m.stop(60) == 0
    finally:
        if m.process.poll() is None:
            m.kill()
