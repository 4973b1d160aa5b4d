#!/usr/bin/env python3
"""make bench: muir beside its yardsticks, in one run, interleaved, medians of at least five rounds.

Server on core 0, load on core 1.  Server CPU is user+sys time of the process from /proc over the requests that wrk counted.  Prints a table and writes
build/bench.json: [{name, unit, value, yardstick, ratio, bar, holds}].  Needs nginx and wrk (Debian); the Kafka rows need a broker: KAFKA=HOST:PORT, or
java and mvn to start one.  `bench.py NAME...` runs only the rows whose name contains one of the words.

Environment: ROUNDS (5), SECONDS (3) a round."""
import base64
import http.client
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROUNDS, SECONDS = int(os.environ.get("ROUNDS", 5)), int(os.environ.get("SECONDS", 3))
TICK = os.sysconf("SC_CLK_TCK")
V1, V2 = "application/vnd.schemaregistry.v1+json", "application/vnd.kafka.v2+json"
BINARY, AVRO = "application/vnd.kafka.binary.v2+json", "application/vnd.kafka.avro.v2+json"
tmp = tempfile.mkdtemp(prefix="muir-bench-")
rows, running = [], []


def build(name):
    return os.path.join(TOP, "build", name)


def cpu_s(pid):
    """user+sys seconds of the process and, for nginx, of its one worker."""
    pids = [pid] + [int(p) for p in subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()]
    total = 0
    for p in pids:
        fields = open(f"/proc/{p}/stat").read().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def call(address, method, path, body=None, headers=None, timeout=120):
    c = http.client.HTTPConnection(address, timeout=timeout)
    c.request(method, path, body if body is None or isinstance(body, (str, bytes)) else json.dumps(body), headers or {})
    r = c.getresponse()
    data = r.read()
    c.close()
    assert r.status < 300, (method, path, r.status, data[:500])
    return data


class Muir:
    def __init__(self, *args, cores="0"):
        self.dir = tempfile.mkdtemp(dir=tmp)
        self.log = os.path.join(self.dir, "log")
        args = list(args) or ["--data", os.path.join(self.dir, "muir.db")]
        began = time.monotonic()
        self.p = subprocess.Popen(["taskset", "-c", cores, build("muir"), "serve", "--registry", "127.0.0.1:0", "--proxy", "127.0.0.1:0", *args],
                                  stderr=open(self.log, "wb"), cwd=self.dir)
        running.append(self.p)
        while True:
            text = open(self.log).read()
            seen = dict(re.findall(r"service=(\w+) address=(\S+)", text))
            if text.count("service.ready") >= 2:
                break
            assert self.p.poll() is None and time.monotonic() - began < 60, text
            time.sleep(0.002)
        self.ready_s = time.monotonic() - began
        self.registry, self.proxy = seen["registry"], seen["proxy"]

    def rss_mb(self):
        return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{self.p.pid}/status").read()).group(1)) / 1024

    def stop(self):
        self.p.send_signal(signal.SIGTERM)
        assert self.p.wait(60) == 0


class Nginx:
    def __init__(self, body):
        self.port = free_port()
        d = tempfile.mkdtemp(dir=tmp)
        quoted = body.replace("\\", "\\\\").replace("'", "\\'").replace("$", "${dollar}")
        open(os.path.join(d, "nginx.conf"), "w").write(f"""
daemon off; worker_processes 1; pid {d}/pid; error_log {d}/error.log;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 100000000; default_type {V1};
  client_body_temp_path {d}/b; proxy_temp_path {d}/p; fastcgi_temp_path {d}/f; uwsgi_temp_path {d}/u; scgi_temp_path {d}/s;
  geo $dollar {{ default "$"; }}
  server {{ listen 127.0.0.1:{self.port}; location / {{ return 200 '{quoted}'; }} }} }}""")
        self.p = subprocess.Popen(["taskset", "-c", "0", "nginx", "-c", os.path.join(d, "nginx.conf"), "-p", d], stderr=subprocess.DEVNULL)
        running.append(self.p)
        time.sleep(0.5)
        self.address = f"127.0.0.1:{self.port}"


def wrk(address, path, connections=64, script=None, seconds=SECONDS):
    """(requests, seconds, errors)"""
    cmd = ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    if script:
        f = os.path.join(tmp, uuid.uuid4().hex + ".lua")
        open(f, "w").write(script)
        cmd += ["-s", f]
    out = subprocess.run([*cmd, f"http://{address}{path}"], capture_output=True, text=True, check=True).stdout
    n, s = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m)", out).group(1, 2)
    bad = sum(int(x) for x in re.findall(r"Non-2xx or 3xx responses: (\d+)", out)) + sum(
        int(x) for m in re.findall(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out) for x in m)
    assert bad == 0, out
    return int(n), float(s)


def cpu_per_request(pid, address, path, **kw):
    before = cpu_s(pid)
    n, _ = wrk(address, path, **kw)
    return (cpu_s(pid) - before) / n * 1e6


def rate(address, path, **kw):
    n, s = wrk(address, path, **kw)
    return n / s


def row(name, unit, values, yardstick=None, bar=None, at_most=True, ratio_of=None):
    """values and yardstick: lists of one figure a round, taken in turn. bar is for the ratio if there is a yardstick, else for the value."""
    value = statistics.median(values)
    yard = statistics.median(yardstick) if yardstick else None
    ratio = statistics.median(a / b for a, b in zip(values, yardstick)) if yardstick else None
    measured = ratio if ratio is not None else value
    holds = None if bar is None else (measured <= bar if at_most else measured >= bar)
    rows.append({"name": name, "unit": unit, "value": round(value, 3), "yardstick": None if yard is None else round(yard, 3),
                 "ratio": None if ratio is None else round(ratio, 3), "bar": bar, "holds": holds,
                 "min": round(min(values), 3), "max": round(max(values), 3), "rounds": len(values)})
    r = rows[-1]
    print(f"{name:64} {r['value']:>12,.1f} {unit:8} {'' if yard is None else f'{yard:,.1f}':>14} {'' if ratio is None else f'{ratio:.2f}x':>8} "
          f"{'' if bar is None else ('<= ' if at_most else '>= ') + format(bar, ',g'):>11} {'' if holds is None else 'holds' if holds else 'MISSED'}",
          flush=True)


def post_script(body, type):
    f = os.path.join(tmp, uuid.uuid4().hex + ".body")
    open(f, "wb").write(body if isinstance(body, bytes) else body.encode())
    return f'''wrk.method = "POST"
local f = io.open("{f}", "rb"); wrk.body = f:read("*a"); f:close()
wrk.headers["Content-Type"] = "{type}"
'''


def schema_1k(i):
    fields = [{"name": f"field_{k:02d}", "type": "string", "doc": "x" * 20} for k in range(14)]
    return json.dumps({"type": "record", "name": f"Record{i}", "namespace": "bench", "fields": fields}, separators=(",", ":"))


def register_many(m, n):
    c = http.client.HTTPConnection(m.registry, timeout=120)
    for i in range(n):
        c.request("POST", f"/subjects/s{i}/versions", json.dumps({"schema": schema_1k(i)}), {"Content-Type": V1})
        r = c.getresponse()
        body = r.read()
        assert r.status == 200, body
    c.close()


def want(*names):
    words = sys.argv[1:]
    return not words or any(w in n for w in words for n in names)


# ---- registry ---------------------------------------------------------------------------------------------------------------------------------------

def bench_registry():
    n = 10000
    m = Muir()
    register_many(m, n)
    path = "/schemas/ids/1"
    body = call(m.registry, "GET", path).decode()
    nginx = Nginx(body)
    post = post_script(json.dumps({"schema": schema_1k(0)}), V1)
    rand = f'math.randomseed(7)\nrequest = function() return wrk.format("GET", "/schemas/ids/" .. math.random(1, {n})) end'
    same = 'request = function() return wrk.format("GET", "/schemas/ids/1") end'
    get, ngx, random_ids, single, posts = [], [], [], [], []
    for _ in range(ROUNDS):
        ngx.append(cpu_per_request(nginx.p.pid, nginx.address, "/"))
        get.append(cpu_per_request(m.p.pid, m.registry, path))
        single.append(cpu_per_request(m.p.pid, m.registry, path, script=same))
        random_ids.append(cpu_per_request(m.p.pid, m.registry, path, script=rand))
        posts.append(cpu_per_request(m.p.pid, m.registry, "/subjects/s0/versions", script=post))
    row(f"GET /schemas/ids/1 ({len(body)} B), beside nginx", "us CPU", get, ngx, 1.0)
    row("GET /schemas/ids/{10,000 at random}, beside one id", "us CPU", random_ids, single, 1.1)
    row("POST of a registered 1 KB schema, beside the GET", "us CPU", posts, get, 4.0)
    time.sleep(2)
    row("idle memory after 10,000 schemas of 1 KB were registered", "MB", [m.rss_mb()], bar=40)
    m.stop()
    idle = Muir("--data", os.path.join(m.dir, "muir.db"))
    time.sleep(2)
    row("idle memory with 10,000 schemas of 1 KB", "MB", [idle.rss_mb()], bar=40)
    idle.stop()
    starts = []
    for _ in range(ROUNDS):
        again = Muir("--data", os.path.join(m.dir, "muir.db"), cores="0,1")
        starts.append(again.ready_s)
        again.stop()
    row("start to ready with 10,000 schemas, embedded", "s", starts, bar=0.3)


def bench_start_kafka(bootstrap):
    args = ["--kafka", bootstrap, "-o", f"kafkastore.topic=_bench_{uuid.uuid4().hex[:6]}", "-o", f"schema.registry.group.id=b{uuid.uuid4().hex[:6]}"]
    m = Muir(*args)
    register_many(m, 10000)
    m.stop()
    starts = []
    for _ in range(ROUNDS):
        again = Muir(*args, cores="0,1")
        starts.append(again.ready_s)
        again.stop()
    row("start to ready with 10,000 schemas, Kafka", "s", starts, bar=1.5)


# ---- proxy --------------------------------------------------------------------------------------------------------------------------------------------

def binary_body(n, size):
    value = base64.b64encode(os.urandom(size)).decode()
    return json.dumps({"records": [{"value": value}] * n})


EIGHT = {"type": "record", "name": "Reading", "fields": [
    {"name": "id", "type": "long"}, {"name": "station", "type": "string"}, {"name": "time", "type": "long"}, {"name": "kind", "type": "string"},
    {"name": "value", "type": "double"}, {"name": "ok", "type": "boolean"}, {"name": "note", "type": ["null", "string"]}, {"name": "level", "type": "int"}]}


def avro_body(m, topic, n):
    made = json.loads(call(m.registry, "POST", f"/subjects/{topic}-value/versions", {"schema": json.dumps(EIGHT)}, {"Content-Type": V1}))
    value = {"id": 1234567, "station": "toulouse-blagnac-0042", "time": 1700000000123, "kind": "temperature-outside", "value": 21.375, "ok": True,
             "note": {"string": "calibrated in the spring"}, "level": 3}
    return json.dumps({"value_schema_id": made["id"], "records": [{"value": value}] * n})


def create_topic(m, topic):
    cluster = json.loads(call(m.proxy, "GET", "/v3/clusters"))["data"][0]["cluster_id"]
    call(m.proxy, "POST", f"/v3/clusters/{cluster}/topics", {"topic_name": topic, "partitions_count": 1}, {"Content-Type": "application/json"})


def tool_rate(*args, unit="records_per_s"):
    out = subprocess.run(["taskset", "-c", "0", *args], capture_output=True, text=True, check=True).stdout
    return json.loads(out.strip().splitlines()[-1])[unit]


def bench_json():
    speeds = [tool_rate(build("bench/bench_json"), "/usr/share/iso-codes/json/iso_3166-2.json", "200", unit="mb_per_s") for _ in range(ROUNDS)]
    row("JSON reader over iso_3166-2.json", "MB/s", speeds, bar=200, at_most=False)


def bench_produce(bootstrap):
    where = ["--kafka", bootstrap, "-o", f"kafkastore.topic=_bench_{uuid.uuid4().hex[:6]}", "-o", f"schema.registry.group.id=b{uuid.uuid4().hex[:6]}"]
    m = Muir(*where)
    t = "bench-" + uuid.uuid4().hex[:6]
    for kind in ("raw", "binary", "avro", "single"):
        create_topic(m, f"{t}-{kind}")
    binary, avro = post_script(binary_body(1000, 100), BINARY), post_script(avro_body(m, f"{t}-avro", 1000), AVRO)
    raw, b, a, singles, cpu = [], [], [], [], []
    for _ in range(ROUNDS):
        raw.append(tool_rate(build("bench/bench_kafka_raw"), "produce", bootstrap, f"{t}-raw", "1000000", "100"))
        b.append(1000 * rate(m.proxy, f"/topics/{t}-binary", connections=8, script=binary))
        a.append(1000 * rate(m.proxy, f"/topics/{t}-avro", connections=8, script=avro))
        before = cpu_s(m.p.pid)
        n, s = wrk(m.proxy, f"/topics/{t}-single", script=post_script(binary_body(1, 100), BINARY))
        singles.append(n / s)
        cpu.append((cpu_s(m.p.pid) - before) / n * 1e6)
    row("v2 binary produce, 1,000 x 100 B a request, Kafka", "rec/s", b, raw, 0.5, at_most=False)
    row("v2 Avro produce (8 fields), 1,000 a request, Kafka", "rec/s", a, raw, 0.35, at_most=False)
    row("single-record binary produce, 64 connections, Kafka", "req/s", singles, bar=20000, at_most=False)
    row("single-record binary produce, server CPU", "us CPU", cpu, bar=25)
    m.stop()


def bench_embedded_produce():
    m = Muir()
    create_topic(m, "binary")
    body = post_script(binary_body(1000, 100), BINARY)
    direct, through = [], []
    for i in range(ROUNDS):
        direct.append(tool_rate(build("bench/bench_sqlite"), os.path.join(tmp, f"direct{i}.db"), "500000", "100", "1000"))
        through.append(1000 * rate(m.proxy, "/topics/binary", connections=8, script=body))
    row("v2 binary produce, 1,000 x 100 B a request, embedded", "rec/s", through, direct, 0.5, at_most=False)
    m.stop()


class RecordReader:
    """Reads records of one partition as fast as Python can: an answer's bytes go into one buffer, and only its last offset is looked at."""

    def __init__(self, address, path):
        host, port = address.split(":")
        self.s = socket.create_connection((host, int(port)), timeout=120)
        self.request = f"GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: {BINARY}\r\n\r\n".encode()
        self.buffer = bytearray(1 << 20)

    def read(self):
        """One past the last offset of the next answer; 0 if it holds no records."""
        self.s.sendall(self.request)
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.s.recv(4096)
        head, _, tail = head.partition(b"\r\n\r\n")
        assert b" 200 " in head[:20], head
        left = int(re.search(rb"content-length: (\d+)", head, re.I).group(1)) - len(tail)
        while left > 0:
            k = self.s.recv_into(self.buffer, min(left, len(self.buffer)))
            tail = (tail + self.buffer[max(0, k - 100):k])[-100:]
            left -= k
        last = re.search(rb'"offset":(\d+)\}\]$', tail)
        return int(last.group(1)) + 1 if last else 0


def bench_consume(bootstrap):
    n, where = 1000000, ["--kafka", bootstrap, "-o", f"kafkastore.topic=_bench_{uuid.uuid4().hex[:6]}", "-o", f"schema.registry.group.id=b{uuid.uuid4().hex[:6]}",
                         "-o", "consumer.request.timeout.ms=5000"]
    m = Muir(*where)
    topic = "bench-" + uuid.uuid4().hex[:6]
    create_topic(m, topic)
    tool_rate(build("bench/bench_kafka_raw"), "produce", bootstrap, topic, str(n), "100")
    raw, through = [], []
    for i in range(ROUNDS):
        raw.append(tool_rate(build("bench/bench_kafka_raw"), "consume", bootstrap, topic, str(n), "100"))
        group = uuid.uuid4().hex[:8]
        base = f"/consumers/{group}/instances/me"
        call(m.proxy, "POST", f"/consumers/{group}", {"name": "me", "format": "binary", "auto.offset.reset": "earliest", "fetch.min.bytes": "1"},
             {"Content-Type": V2})
        call(m.proxy, "POST", base + "/assignments", {"partitions": [{"topic": topic, "partition": 0}]}, {"Content-Type": V2})
        reader, got, began = RecordReader(m.proxy, base + "/records?max_bytes=8000000"), 0, None
        while got < n:
            got = max(got, reader.read())
            if began is None and got:
                began, first = time.monotonic(), got  # as the raw consumer: from the first records on
        through.append((got - first) / (time.monotonic() - began))
        call(m.proxy, "DELETE", base)
    row("v2 binary consume, 1 million records of 100 B, Kafka", "rec/s", through, raw, 0.35, at_most=False)
    m.stop()


def kafka():
    if os.environ.get("KAFKA"):
        return os.environ["KAFKA"], None
    if not (shutil.which("java") and shutil.which("mvn")):
        return None, None
    tool, lib, d = os.path.join(TOP, "tests/kafka/kafka.sh"), os.environ.get("KAFKA_LIB", os.path.join(TOP, "build/kafka/lib")), os.path.join(tmp, "kafka")
    port = free_port() % 20000 + 20000
    env = {**os.environ, "KAFKA_HEAP": "-Xms256m -Xmx512m", "KAFKA_JAVA_OPTS": "-XX:+UseSerialGC"}
    subprocess.run([tool, "fetch", lib], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["taskset", "-c", "1", tool, "start", "--port", str(port), "--lib", lib, d], check=True, env=env, stdout=subprocess.DEVNULL)
    return f"127.0.0.1:{port}", (tool, d)


def main():
    cluster = None
    print(f"{'work':64} {'value':>12} {'unit':8} {'yardstick':>14} {'ratio':>8} {'bar':>11}")
    try:
        if want("JSON"):
            bench_json()
        if want("GET", "POST", "idle memory", "start to ready, embedded", "registry"):
            bench_registry()
        if want("embedded produce"):
            bench_embedded_produce()
        if want("Kafka", "produce", "consume", "start"):
            bootstrap, cluster = kafka()
            if bootstrap is None:
                print("SKIPPED: the Kafka rows (no KAFKA=HOST:PORT, and java or mvn are missing)")
            else:
                for name, bench in (("produce", bench_produce), ("consume", bench_consume), ("start Kafka", bench_start_kafka)):
                    if want(name):
                        bench(bootstrap)
    finally:
        for p in running:
            if p.poll() is None:
                p.terminate()
        if cluster:
            subprocess.run([cluster[0], "clean", cluster[1]], stdout=subprocess.DEVNULL)
        shutil.rmtree(tmp, ignore_errors=True)
    with open(build("bench.json"), "w") as f:
        json.dump(rows, f, indent=1)
    missed = [r["name"] for r in rows if r["holds"] is False]
    print(f"{sum(r['holds'] is True for r in rows)} bars hold, {len(missed)} missed" + (": " + "; ".join(missed) if missed else ""))


if __name__ == "__main__":
    main()
