"""v2 consumer instances on both engines: their life, groups, reads, positions, offsets, formats, and what a client may do wrong."""
import base64
import json
import socket
import threading
import time

import pytest

from conftest import AVRO, BINARY, JSON, V2, call, wait_until


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def produce(muir, topic, records, type=BINARY):
    a = muir.p("POST", f"/topics/{topic}", {"records": records}, type=type)
    assert a.status == 200 and all(o["offset"] is not None for o in a.json["offsets"]), a
    return a.json["offsets"]


def produce_values(muir, topic, values, partition=None):
    place = {} if partition is None else {"partition": partition}
    return produce(muir, topic, [{"value": b64(v), **place} for v in values])


def make_topic(muir, topic, partitions=1):
    cluster = muir.p("GET", "/v3/clusters", headers={"Accept": "application/json"}).json["data"][0]["cluster_id"]
    a = call(muir.proxy, "POST", f"/v3/clusters/{cluster}/topics", {"topic_name": topic, "partitions_count": partitions}, "application/json")
    assert a.status == 201, a


class Consumer:
    """An instance; options are those of its creation."""

    def __init__(self, muir, group, name="c", format="binary", topics=None, partitions=None, **options):
        self.muir, self.accept = muir, f"application/vnd.kafka.{format}.v2+json"
        body = {"name": name, "format": format, "auto.offset.reset": "earliest", "fetch.min.bytes": "1", "consumer.request.timeout.ms": 1500}
        body.update({k.replace("_", "."): v for k, v in options.items()})
        made = muir.p("POST", f"/consumers/{group}", body)
        assert made.status == 200, made
        assert made.json["instance_id"] == name
        self.at = f"/consumers/{group}/instances/{name}"
        assert made.json["base_uri"] == muir.proxy + self.at
        if topics:
            assert self.post("/subscription", {"topics": topics}).status == 204
        if partitions:
            assert self.post("/assignments", {"partitions": partitions}).status == 204

    def post(self, path, body=None):
        return self.muir.p("POST", self.at + path, body)

    def get(self, path, body=None):
        return self.muir.p("GET", self.at + path, body)

    def delete(self, path=""):
        return self.muir.p("DELETE", self.at + path)

    def records(self, query="", **kw):
        return self.muir.p("GET", f"{self.at}/records{query}", headers={"Accept": self.accept}, **kw)

    def read(self, query=""):
        a = self.records(query)
        assert a.status == 200, a
        return a.json

    def read_n(self, n, seconds=30, query=""):
        """At least n records, or as many as come in time."""
        got, end = [], time.monotonic() + seconds
        while len(got) < n and time.monotonic() < end:
            got += self.read(query)
        return got

    def committed(self, *partitions):
        a = self.get("/offsets", {"partitions": [{"topic": t, "partition": p} for t, p in partitions]})
        assert a.status == 200, a
        return {(o["topic"], o["partition"]): o["offset"] for o in a.json["offsets"]}

    def assigned(self):
        return sorted((p["topic"], p["partition"]) for p in self.get("/assignments").json["partitions"])


def values(records):
    return [base64.b64decode(r["value"]).decode() if r["value"] is not None else None for r in records]


def tp(topic, partition=0, **more):
    return {"topic": topic, "partition": partition, **more}


# ---- life


def test_an_instance_from_creation_to_deletion(muir, name):
    c = Consumer(muir, name, topics=[name])
    again = muir.p("POST", f"/consumers/{name}", {"name": "c"})
    assert (again.status, again.code) == (409, 40902)
    assert muir.p("POST", f"/consumers/{name}-2", {"name": "c"}).status == 200
    assert c.get("/subscription").json == {"topics": [name]}
    wrong = muir.p("GET", f"/consumers/{name}-3/instances/c/records")
    assert (wrong.status, wrong.code, wrong.message) == (404, 40403, "Consumer instance not found.")
    assert c.delete().status == 204
    gone = c.delete()
    assert (gone.status, gone.code) == (404, 40403)
    for path in ("/records", "/subscription", "/assignments"):
        assert c.get(path).status == 404


def test_names_that_need_encoding(muir, name):
    made = muir.p("POST", f"/consumers/{name}%2Fx", {"name": "a/b é"})
    assert made.status == 200
    path = made.json["base_uri"][len(muir.proxy):]
    assert path == f"/consumers/{name}%2Fx/instances/a%2Fb%20%C3%A9"
    assert muir.p("GET", path + "/subscription").json == {"topics": []}
    assert muir.p("DELETE", path + "/").status == 204
    unnamed = [muir.p("POST", f"/consumers/{name}").json["instance_id"] for _ in range(2)]
    assert unnamed[0] != unnamed[1] and all(n.startswith("rest-consumer-") for n in unnamed)


@pytest.mark.parametrize("body, status, code", [
    ({"format": "xml"}, 422, 422), ({"name": ""}, 422, 422), ({"auto.offset.reset": "bogus"}, 422, 42204), ({"auto.commit.enable": "yes"}, 422, 42204),
    ({"fetch.min.bytes": -2}, 422, 40001), ({"fetch.min.bytes": 10000001}, 422, 40001), ({"nome": "x"}, 422, 422), ("[", 400, 400), ("{}}}", 400, 400),
    ([1], 400, 400)])
def test_a_creation_that_is_refused(muir, name, body, status, code):
    a = muir.p("POST", f"/consumers/{name}", body)
    assert (a.status, a.code) == (status, code), a


def test_content_types(muir, name):
    for type, status in ((V2, 200), (BINARY, 200), (AVRO, 200), ("application/json", 415), ("text/plain", 415)):
        assert muir.p("POST", f"/consumers/{name}", "{}", type=type).status == status
    c = Consumer(muir, name)
    assert c.records().headers["content-type"] == BINARY
    plain = muir.p("GET", c.at + "/records?timeout=1")
    assert plain.status == 200 and plain.headers["content-type"] == BINARY
    v2 = muir.p("GET", c.at + "/records?timeout=1", headers={"Accept": V2})
    assert v2.status == 200 and v2.headers["content-type"] == V2
    assert muir.p("GET", c.at + "/records", headers={"Accept": "application/json"}).status == 406
    assert c.get("/subscription").headers["content-type"] == V2


def test_idle_instances_expire_and_reads_keep_alive(start_muir, name):
    m = start_muir("-o", "consumer.instance.timeout.ms=1500")
    idle = Consumer(m, name, "idle")
    busy = Consumer(m, name, "busy", topics=[name], consumer_request_timeout_ms=2500)
    assert busy.records().status == 200  # lasts longer than an idle instance lives
    assert busy.get("/subscription").status == 200
    assert idle.get("/subscription").code == 40403
    wait_until(lambda: "instance=busy" in m.log, 10)
    assert busy.get("/subscription").code == 40403


# ---- reads


def test_records_come_once_in_order_with_keys_and_tombstones(muir, name):
    produce(muir, name, [{"key": b64("k"), "value": b64("a")}, {"value": b64(b"\x00\xff")}, {"key": b64("t"), "value": None}, {"value": ""}])
    c = Consumer(muir, name, topics=[name])
    got = c.read_n(4)
    assert got == [{"topic": name, "key": "aw==", "value": "YQ==", "partition": 0, "offset": 0},
                   {"topic": name, "key": None, "value": "AP8=", "partition": 0, "offset": 1},
                   {"topic": name, "key": "dA==", "value": None, "partition": 0, "offset": 2},
                   {"topic": name, "key": None, "value": "", "partition": 0, "offset": 3}]
    assert list(got[0]) == ["topic", "key", "value", "partition", "offset"]
    assert c.read("?timeout=100") == []


def test_a_read_without_data_lasts_its_time_and_not_longer(muir, name):
    produce_values(muir, name, ["x"])
    c = Consumer(muir, name, partitions=[tp(name)], consumer_request_timeout_ms=600)
    assert len(c.read_n(1)) == 1
    for query, least, most in (("", 0.6, 1.5), ("?timeout=100", 0.1, 0.5), ("?timeout=90000", 0.6, 1.5), ("?timeout=0", 0.6, 1.5)):
        began = time.monotonic()
        assert c.read(query) == []
        assert least - 0.01 <= time.monotonic() - began < most, query
    assert c.records("?timeout=abc").status == 404
    assert c.records("?max_bytes=1x").status == 404


def test_what_is_produced_while_a_read_waits_is_read_at_once(muir, name):
    make_topic(muir, name)
    c = Consumer(muir, name, partitions=[tp(name)], consumer_request_timeout_ms=20000)
    got = []
    t = threading.Thread(target=lambda: got.append((c.read(), time.monotonic())))
    t.start()
    time.sleep(1.5)
    began = time.monotonic()
    produce_values(muir, name, ["now"])
    t.join(30)
    assert values(got[0][0]) == ["now"]
    assert got[0][1] - began < 1


def test_max_bytes(muir, name):
    produce_values(muir, name, ["0123456789"] * 8)
    c = Consumer(muir, name, topics=[name])
    wait_until(lambda: len(c.read("?max_bytes=11")) == 1)
    assert c.read("?max_bytes=1") == []
    assert c.read("?max_bytes=10") == []
    assert [r["offset"] for r in c.read("?max_bytes=30")] == [1, 2]  # what fits exactly is one less
    assert [r["offset"] for r in c.read_n(5, query="?max_bytes=99999999999")] == [3, 4, 5, 6, 7]


def test_min_bytes_makes_a_read_go_on(muir, name):
    produce_values(muir, name, ["x" * 100])
    c = Consumer(muir, name, topics=[name], fetch_min_bytes=150, consumer_request_timeout_ms=15000)
    got = []
    t = threading.Thread(target=lambda: got.extend(c.read()))
    t.start()
    time.sleep(2)
    assert t.is_alive()
    produce_values(muir, name, ["y" * 100])
    t.join(10)
    assert len(got) == 2


def test_two_reads_share_the_records(muir, name):
    produce_values(muir, name, [str(i) for i in range(50)])
    c = Consumer(muir, name, topics=[name], consumer_request_timeout_ms=3000)
    got = []
    threads = [threading.Thread(target=lambda: got.extend(c.read("?max_bytes=40"))) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
    got += c.read_n(50 - len(got))
    assert sorted(r["offset"] for r in got) == list(range(50))


def test_a_client_that_goes_away_loses_nothing(muir, name):
    produce_values(muir, name, ["a", "b", "c"])
    c = Consumer(muir, name, topics=[name], fetch_min_bytes=-1, consumer_request_timeout_ms=20000)
    host, port = muir.proxy[7:].split(":")
    for _ in range(3):
        s = socket.create_connection((host, int(port)))
        s.sendall(f"GET {c.at}/records HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        time.sleep(1.5)  # by now it holds them
        s.close()
    time.sleep(1.2)
    got = []
    wait_until(lambda: got.extend(c.read("?timeout=500")) or len(got) == 3)
    assert [r["offset"] for r in got] == [0, 1, 2]


def test_a_wrong_format_takes_no_records(muir, name):
    produce(muir, name, [{"value": {"a": 1}}], JSON)
    c = Consumer(muir, name, format="json", topics=[name])
    for accept in (BINARY, V2, AVRO, "*/*"):
        a = muir.p("GET", c.at + "/records", headers={"Accept": accept})
        assert (a.status, a.code) == (406, 40601), a
    a = muir.p("HEAD", c.at + "/records", headers={"Accept": JSON})
    assert a.status == 200 and a.body == b""
    assert [r["value"] for r in c.read_n(1)] == [{"a": 1}]


def test_deletion_ends_a_waiting_read(muir, name):
    c = Consumer(muir, name, topics=[name], consumer_request_timeout_ms=30000)
    got = []
    t = threading.Thread(target=lambda: got.append(c.records()))
    t.start()
    time.sleep(0.5)
    began = time.monotonic()
    assert c.delete().status == 204
    t.join(20)
    assert time.monotonic() - began < 10
    assert (got[0].status, got[0].code) == (404, 40403)


def test_other_calls_do_not_wait_for_a_read(muir, name):
    make_topic(muir, name)
    c = Consumer(muir, name, partitions=[tp(name)], consumer_request_timeout_ms=8000)
    t = threading.Thread(target=c.records)
    t.start()
    time.sleep(0.3)
    began = time.monotonic()
    assert c.get("/assignments").json == {"partitions": [tp(name)]}
    assert c.post("/offsets", {"offsets": [tp(name, offset=3)]}).status == 200
    assert c.committed((name, 0)) == {(name, 0): 4}
    assert time.monotonic() - began < 4
    assert t.is_alive()
    c.delete()
    t.join(30)


def test_sixty_long_reads_at_once(muir, name):
    make_topic(muir, name)
    cs = [Consumer(muir, f"{name}-{i}", partitions=[tp(name)], consumer_request_timeout_ms=2000) for i in range(60)]
    took = []

    def read(c):
        began = time.monotonic()
        assert c.read() == []
        took.append(time.monotonic() - began)

    threads = [threading.Thread(target=read, args=(c,)) for c in cs]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert len(took) == 60 and min(took) >= 1.99 and max(took) < 6
    for c in cs:
        assert c.delete().status == 204


# ---- formats


def test_json(muir, name):
    sent = [{"z": 1, "a": [True, None, 1.5]}, "text", 12345678901234567890123, [], None]
    produce(muir, name, [{"key": i, "value": v} for i, v in enumerate(sent)], JSON)
    c = Consumer(muir, name, format="json", topics=[name])
    got = c.read_n(5)
    assert [r["value"] for r in got] == sent and [r["key"] for r in got] == [0, 1, 2, 3, 4]


def test_poison_in_json_is_told_after_what_came_before_and_left_by_a_seek(muir, name):
    produce(muir, name, [{"value": 1}], JSON)
    produce_values(muir, name, ["{not json"])
    produce(muir, name, [{"value": 2}], JSON)
    c = Consumer(muir, name, format="json", topics=[name])
    assert [r["value"] for r in c.read_n(1)] == [1]
    for _ in range(2):
        a = wait_until(lambda: (lambda a: a if a.status != 200 else None)(c.records()))
        assert (a.status, a.code) == (408, 40801) and f"{name}-0 at offset 1" in a.message
    assert c.post("/positions", {"offsets": [tp(name, offset=2)]}).status == 204
    assert [r["value"] for r in c.read_n(1)] == [2]


def test_avro(muir, name):
    schema = {"type": "record", "name": "R", "namespace": "n", "fields": [
        {"name": "i", "type": "int"}, {"name": "u", "type": ["null", "string"]}, {"name": "b", "type": "bytes"}]}
    sent = [{"i": 1, "u": None, "b": "\u0000\u00ff"}, {"i": -2, "u": {"string": "é"}, "b": ""}]
    a = muir.p("POST", f"/topics/{name}", {"key_schema": '"string"', "value_schema": json.dumps(schema),
                                           "records": [{"key": "k", "value": v} for v in sent]}, type=AVRO)
    assert a.status == 200, a
    produce(muir, name, [{"value": None}])
    c = Consumer(muir, name, format="avro", topics=[name])
    got = c.read_n(3)
    assert [r["value"] for r in got] == sent + [None] and [r["key"] for r in got] == ["k", "k", None]


def test_avro_read_by_a_process_that_did_not_write_it(start_muir, name):
    m = start_muir()
    a = m.p("POST", f"/topics/{name}", {"value_schema": '["null","string"]', "records": [{"value": {"string": "x"}}]}, type=AVRO)
    assert a.status == 200, a
    assert m.stop() == 0
    m = start_muir(same_log_as=m)  # its cache is empty
    c = Consumer(m, name, format="avro", topics=[name])
    assert [r["value"] for r in c.read_n(1)] == ["x"]


def test_avro_that_cannot_be_shown(muir, name):
    produce(muir, name, [{"value": b64(b"plain")}, {"value": b64(b"\x00\x7f\xff\xff\xff\x02")}])
    c = Consumer(muir, name, format="avro", topics=[name])
    first = wait_until(lambda: (lambda a: a if a.status != 200 else None)(c.records()))
    assert (first.status, first.code) == (408, 40801) and "magic byte" in first.message
    assert c.post("/positions", {"offsets": [tp(name, offset=1)]}).status == 204
    second = wait_until(lambda: (lambda a: a if a.status != 200 else None)(c.records()))
    assert (second.status, second.code) == (408, 40801) and "2147483647" in second.message


# ---- subscription, assignment, positions


def test_subscription_and_assignment_exclude_each_other(muir, name):
    make_topic(muir, name)
    c = Consumer(muir, name, topics=[name])
    a = c.post("/assignments", {"partitions": [tp(name)]})
    assert (a.status, a.code) == (409, 40903) and a.message.startswith("Illegal state: ")
    assert c.delete("/subscription").status == 204
    assert c.get("/subscription").json == {"topics": []}
    assert c.post("/assignments", {"partitions": [tp(name)]}).status == 204
    assert c.assigned() == [(name, 0)]
    assert c.post("/subscription", {"topics": [name]}).code == 40903
    assert c.delete("/subscription").status == 204
    assert c.assigned() == []
    assert c.post("/subscription", {"topics": [name]}).status == 204


def test_a_second_subscription_replaces_the_first(muir, name):
    produce_values(muir, name + "-a", ["a"])
    produce_values(muir, name + "-b", ["b"])
    c = Consumer(muir, name, topics=[name + "-a"])
    assert c.post("/subscription", {"topics": [name + "-b"]}).status == 204
    assert c.get("/subscription").json == {"topics": [name + "-b"]}
    got = c.read_n(1)
    while got and got[0]["topic"] != name + "-b":
        got = c.read_n(1)
    assert values(got) == ["b"]


def test_a_pattern_finds_topics_made_later(muir, name):
    produce_values(muir, name + "-1", ["one"])
    produce_values(muir, "x" + name + "-1", ["not this"])
    c = Consumer(muir, name)
    assert c.post("/subscription", {"topic_pattern": name + r"-\d"}).status == 204
    assert values(c.read_n(1)) == ["one"]
    assert c.get("/subscription").json == {"topics": [name + "-1"]}
    produce_values(muir, name + "-2", ["two"])
    assert values(c.read_n(1, 90)) == ["two"]
    bad = Consumer(muir, name + "-bad").post("/subscription", {"topic_pattern": "("})
    assert (bad.status, bad.code) == (422, 422)


def test_an_unknown_topic_can_be_subscribed_and_read_when_it_appears(muir, name):
    c = Consumer(muir, name, topics=[name])
    assert c.read("?timeout=300") == []
    produce_values(muir, name, ["x"])
    assert values(c.read_n(1, 90)) == ["x"]


def test_seeks(muir, name):
    make_topic(muir, name, 2)
    produce_values(muir, name, ["0", "1", "2", "3"], 0)
    produce_values(muir, name, ["a", "b"], 1)
    c = Consumer(muir, name, partitions=[tp(name, 0), tp(name, 1)])
    assert sorted(values(c.read_n(6))) == ["0", "1", "2", "3", "a", "b"]
    assert c.post("/positions", {"offsets": [tp(name, 0, offset=2)]}).status == 204
    assert values(c.read_n(2)) == ["2", "3"]
    assert c.post("/positions/beginning", {"partitions": [tp(name, 1)]}).status == 204
    assert values(c.read_n(2)) == ["a", "b"]
    assert c.post("/positions/beginning", {"partitions": []}).status == 204
    assert c.post("/positions/end", {"partitions": [tp(name, 0)]}).status == 204
    assert values(c.read_n(2)) == ["a", "b"]
    produce_values(muir, name, ["4"], 0)
    assert values(c.read_n(1)) == ["4"]
    assert c.post("/positions", {"offsets": [tp(name, 0, offset=1000)]}).status == 204  # past the end
    wrong = c.post("/positions", {"offsets": [tp(name, 7, offset=0)]})
    assert (wrong.status, wrong.code, wrong.message) == (409, 40903, f"Illegal state: No current assignment for partition {name}-7")
    assert c.post("/positions", {"offsets": [tp(name, 0, offset=-1)]}).status == 422
    for path in ("/positions", "/positions/beginning", "/positions/end"):
        for body in (None, "null", {}):
            assert c.post(path, body).status == 422
        assert c.post(path, "{").status == 400


def test_a_seek_after_a_read_cut_by_max_bytes(muir, name):
    produce_values(muir, name, ["0123456789"] * 5)
    c = Consumer(muir, name, topics=[name])
    assert [r["offset"] for r in c.read_n(1, query="?max_bytes=11")] == [0]
    assert c.post("/positions/beginning", {"partitions": [tp(name)]}).status == 204
    assert [r["offset"] for r in c.read_n(5)] == [0, 1, 2, 3, 4]


def test_a_seek_to_a_time(muir, name):
    produce_values(muir, name, ["before"])
    time.sleep(1.1)
    between = time.time()
    time.sleep(0.3)
    produce_values(muir, name, ["behind"])
    c = Consumer(muir, name, partitions=[tp(name)])
    iso = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(between)) + "Z"
    for stamp, expected in ((between, ["behind"]), (iso, ["behind"]), (between - 3600, ["before", "behind"])):
        a = c.post("/positions", {"timestamps": [tp(name, timestamp=stamp)]})
        assert a.status == 204, a
        assert values(c.read_n(len(expected))) == expected
    assert c.post("/positions", {"timestamps": [tp(name, timestamp=between + 3600)]}).status == 204
    assert c.read("?timeout=200") == []
    assert c.post("/positions", {"timestamps": [tp(name, timestamp="yesterday")]}).status == 400


# ---- groups and offsets


def test_two_instances_split_the_partitions(muir, name):
    make_topic(muir, name, 4)
    for p in range(4):
        produce_values(muir, name, [f"{p}-{i}" for i in range(5)], p)
    a = Consumer(muir, name, "a", topics=[name])
    got = a.read_n(20)
    assert len(got) == 20
    assert a.post("/offsets").status == 200
    b = Consumer(muir, name, "b", topics=[name])

    def settled():
        a.read("?timeout=100"), b.read("?timeout=100")
        return len(a.assigned()) == 2 and len(b.assigned()) == 2 and not set(a.assigned()) & set(b.assigned())
    wait_until(settled, 60)
    for p in range(4):
        produce_values(muir, name, [f"{p}-new{i}" for i in range(5)], p)
    got = {"a": [], "b": []}
    end = time.monotonic() + 40
    while len(got["a"]) + len(got["b"]) < 20 and time.monotonic() < end:
        for n, c in (("a", a), ("b", b)):
            got[n] += c.read("?timeout=200")
    assert sorted(values(got["a"] + got["b"])) == sorted(f"{p}-new{i}" for p in range(4) for i in range(5))
    assert {(name, r["partition"]) for r in got["a"]} == set(a.assigned())
    assert {(name, r["partition"]) for r in got["b"]} == set(b.assigned())
    assert b.delete().status == 204
    wait_until(lambda: (a.read("?timeout=200"), len(a.assigned()) == 4)[1], 60)


def test_commits(muir, name):
    make_topic(muir, name, 2)
    produce_values(muir, name, [str(i) for i in range(12)], 0)
    c = Consumer(muir, name, topics=[name], auto_commit_enable=False)
    assert c.committed((name, 0)) == {}
    assert c.post("/offsets").json == []
    assert c.committed((name, 0)) == {}
    assert len(c.read_n(12)) == 12
    assert c.post("/offsets", {"offsets": [tp(name, 0, offset=9, metadata="here")]}).json == []
    a = c.get("/offsets", {"partitions": [tp(name, 0), tp(name, 1)]})
    assert a.json == {"offsets": [tp(name, 0, offset=10, metadata="here")]}
    assert c.get("/offsets").status == 404
    assert c.delete().status == 204
    d = Consumer(muir, name, "d", topics=[name], auto_commit_enable="false")
    assert values(d.read_n(2)) == ["10", "11"]
    assert d.post("/offsets", {}).json == []
    assert d.committed((name, 0)) == {(name, 0): 12}
    for body, status in (("{", 400), ({"offsets": [{}]}, 422), ({"offsets": [tp(name, 0)]}, 400), ({"offsets": 1}, 400), ({"offset": []}, 422)):
        assert d.post("/offsets", body).status == status, body


def test_only_what_was_given_is_committed_without_a_list(muir, name):
    produce_values(muir, name, ["0123456789"] * 10)
    c = Consumer(muir, name, topics=[name], auto_commit_enable=False)
    got = c.read_n(2, query="?max_bytes=25")
    assert len(got) == 2
    assert c.post("/offsets").status == 200
    assert c.committed((name, 0)) == {(name, 0): 2}  # though more was polled


def test_auto_commit_on_delete(muir, name):
    produce_values(muir, name, ["a", "b"])
    c = Consumer(muir, name, topics=[name])
    assert len(c.read_n(2)) == 2
    assert c.delete().status == 204
    produce_values(muir, name, ["c"])
    d = Consumer(muir, name, "d", topics=[name])
    assert values(d.read_n(1)) == ["c"]


def test_commits_survive_a_restart(start_muir, name):
    m = start_muir()
    produce_values(m, name, ["a", "b", "c"])
    c = Consumer(m, name, topics=[name], auto_commit_enable=False)
    assert len(c.read_n(3)) == 3
    assert c.post("/offsets", {"offsets": [tp(name, 0, offset=1)]}).status == 200
    m.kill()
    m = start_muir(same_log_as=m)
    assert m.p("GET", c.at + "/records").code == 40403
    d = Consumer(m, name, "d", topics=[name])  # another member: the killed one may still count until its session ends
    assert values(d.read_n(1, 90)) == ["c"]
    assert m.stop() == 0  # closes it, and commits
    m = start_muir(same_log_as=m)
    assert Consumer(m, name, "e", topics=[name]).committed((name, 0)) == {(name, 0): 3}


def test_a_thousand_idle_instances(start_muir, engine, name):
    if engine == "kafka":
        pytest.skip("a Kafka consumer has threads and sockets of its own: a thousand in one process is not meant")
    m = start_muir()
    cs = [Consumer(m, f"{name}-{i}", topics=[name]) for i in range(1000)]
    produce_values(m, name, ["x"])
    for i in (0, 500, 999):
        assert values(cs[i].read_n(1)) == ["x"]
    began = time.monotonic()
    assert m.stop() == 0
    assert time.monotonic() - began < 10


def test_a_stop_ends_waiting_reads(start_muir, name):
    m = start_muir("-o", "shutdown.graceful.ms=500")
    c = Consumer(m, name, topics=[name], consumer_request_timeout_ms=60000)
    threads = [threading.Thread(target=lambda: c.records()) for _ in range(5)]
    for t in threads:
        t.daemon = True
        t.start()
    time.sleep(0.5)
    began = time.monotonic()
    assert m.stop() == 0
    assert time.monotonic() - began < 15
