"""v2 consumer instances at their edges: tables from proxy-api.md 1.2, 1.5-1.8, 4 and its numbered edge cases (7.N in the ids)."""
import http.client
import json
import resource
import socket
import threading
import time

import pytest

from conftest import AVRO, BINARY, JSON, V2, call, wait_until
from test_consume import Consumer, b64, make_topic, produce, produce_values, tp, values
from test_edges_produce import table

JSONSCHEMA = "application/vnd.kafka.jsonschema.v2+json"
PROTOBUF = "application/vnd.kafka.protobuf.v2+json"


@pytest.fixture(scope="module")
def topic(muir):
    """A topic of two partitions, with ten records of ten bytes each in the first, for cases that only read it."""
    name = "edges-of-consumers-" + str(time.time_ns())
    make_topic(muir, name, 2)
    produce_values(muir, name, ["value-%04d" % i for i in range(10)], 0)
    return name


def until_it_fails(c, **kw):
    return wait_until(lambda: (lambda a: a if a.status != 200 else None)(c.records(**kw)))


# ---- create


@pytest.mark.parametrize("body", table(
    ("no body", None), ("null", "null"), ("empty object", "{}"), ("format in capitals [7.47]", {"format": "AVRO"}), ("format null [errata 22]", {"format": None}),
    ("format json", {"format": "json"}), ("text false [7.50]", {"auto.commit.enable": "false"}), ("boolean false [7.50]", {"auto.commit.enable": False}),
    ("capitals", {"auto.commit.enable": "TRUE"}), ("least bytes -1 [7.48]", {"fetch.min.bytes": -1}), ("most bytes [7.48]", {"fetch.min.bytes": "10000000"}),
    ("alias of bytes", {"responseMinBytes": 5}), ("alias of time", {"requestWaitMs": "50"}), ("time 0", {"consumer.request.timeout.ms": 0}),
    ("negative time", {"consumer.request.timeout.ms": -5}), ("all null", {"name": None, "id": None, "auto.offset.reset": None, "auto.commit.enable": None, "fetch.min.bytes": None,
                                                                          "consumer.request.timeout.ms": None}),
    ("none [1.5]", {"auto.offset.reset": "none"}), ("a name twice: the last", '{"format":"xml","format":"json"}')))
def test_creations_taken(muir, name, body):
    a = muir.p("POST", f"/consumers/{name}", body)
    assert a.status == 200 and list(a.json) == ["instance_id", "base_uri"], a
    assert a.json["instance_id"].startswith("rest-consumer-") and a.json["base_uri"] == f"{muir.proxy}/consumers/{name}/instances/{a.json['instance_id']}"
    assert call(a.json["base_uri"], "GET", "/subscription").json == {"topics": []}  # [7.57]
    assert call(a.json["base_uri"], "GET", "/assignments").json == {"partitions": []}
    assert call(a.json["base_uri"], "DELETE", "/").status == 204  # [7.9]


@pytest.mark.parametrize("body, status, code, text", table(
    ("unknown format [7.47]", {"format": "xml"}, 422, 422, "Invalid format type."), ("empty format", {"format": ""}, 422, 422, "Invalid format type."),
    ("reset [7.49]", {"auto.offset.reset": "bogus"}, 422, 42204, "bogus"), ("empty reset", {"auto.offset.reset": ""}, 422, 42204, "auto.offset.reset"),
    ("commit yes [errata 22]", {"auto.commit.enable": "yes"}, 422, 42204, "yes"), ("commit 1", {"auto.commit.enable": 1}, 422, 42204, "auto.commit.enable"),
    ("bytes -2 [7.48]", {"fetch.min.bytes": "-2"}, 422, 40001, "Invalid consumer configuration. It does not abide by the constraints: "),
    ("bytes 10000001 [7.48]", {"responseMinBytes": 10000001}, 422, 40001, "Invalid consumer configuration. It does not abide by the constraints: "),
    ("bytes as text", {"fetch.min.bytes": "many"}, 422, 42204, "many"), ("bytes as a text with an e", {"fetch.min.bytes": "seven"}, 422, 42204, "seven"), ("time true", {"consumer.request.timeout.ms": True}, 422, 42204, "true"),
    ("time beyond 32 bits", {"consumer.request.timeout.ms": 99999999999}, 422, 42204, "99999999999"), ("time as text", {"consumer.request.timeout.ms": "1s"}, 422, 42204, "1s"),
    ("empty name [errata 22]", {"name": ""}, 422, 422, "name"), ("NUL in the name", {"name": "n\0x"}, 422, 422, "NUL"), ("name too long", {"name": "n" * 1001}, 422, 422, "1000"),
    ("name is an object", {"name": {}}, 400, 400, "name"), ("format is a list", {"format": ["json"]}, 400, 400, "format"),
    ("unknown field", {"auto.offset.rest": "earliest"}, 422, 422, "Unrecognized field: auto.offset.rest"), ("text for the body", '"x"', 400, 400, ""),
    ("not JSON", "name=x", 400, 400, "line 1 column 1")))
def test_creations_refused_leave_the_name_free(muir, name, body, status, code, text):
    if isinstance(body, dict):
        body = {"name": "again", **body}
    a = muir.p("POST", f"/consumers/{name}", body)
    assert (a.status, a.code) == (status, code) and text in a.message, a
    assert a.headers["content-type"].startswith(V2)
    assert muir.p("POST", f"/consumers/{name}", {"name": "again"}).status == 200  # [7.49]


@pytest.mark.parametrize("body, expected", table(
    ("number", {"name": 12}, "12"), ("boolean", {"name": True}, "true"), ("id beats name", {"id": "i", "name": "n"}, "i"), ("id after name", '{"name":"n","id":"i"}', "i"),
    ("name where id is null", {"id": None, "name": "n"}, "n"), ("dots", {"name": ".."}, ".."), ("the words of a path", {"name": "records"}, "records"),
    ("quote and percent", {"name": 'a"%2F'}, 'a"%2F')))
def test_names(muir, name, body, expected):
    a = muir.p("POST", f"/consumers/{name}", body)
    assert a.status == 200 and a.json["instance_id"] == expected, a
    b = muir.p("POST", f"/consumers/{name}", body)
    assert (b.status, b.code) == (409, 40902) and b.message, b  # [7.46]
    assert call(a.json["base_uri"], "GET", "/subscription").status == 200
    assert call(a.json["base_uri"], "DELETE", "").status == 204
    gone = call(a.json["base_uri"], "DELETE", "")
    assert (gone.status, gone.code, gone.message) == (404, 40403, "Consumer instance not found.")  # [7.72]


@pytest.mark.parametrize("group", ["%20", "%20g", "%09g", "g%20", "g%0Ah", "%C3%A9", "%22", "g%2Fh", "%2E%2E", "g" * 1000])
@pytest.mark.parametrize("name", ["plain", " ", "a\nb", "é" * 500])
def test_odd_groups_and_names(muir, engine, group, name):
    """A group that librdkafka would take for another one is refused; everything else is as any other name."""
    a = muir.p("POST", f"/consumers/{group}", {"name": name})
    if engine == "kafka" and group[:3] in ("%20", "%09"):
        assert (a.status, a.code) == (400, 40002) and "white space" in a.message, a
        return
    assert a.status == 200 and a.json["instance_id"] == name, a
    assert call(a.json["base_uri"], "GET", "/subscription").status == 200
    assert call(a.json["base_uri"], "DELETE", "").status == 204


def test_base_uri_is_built_from_the_configuration(start_muir, name):
    """[7.45, 7.51]"""
    m = start_muir("-o", "host.name=proxy.example", "-o", "port=4711", "-o", "id=node7")
    made = m.p("POST", f"/consumers/{name}").json
    assert made["instance_id"].startswith("rest-consumer-node7-")
    assert made["base_uri"] == f"http://proxy.example:4711/consumers/{name}/instances/{made['instance_id']}"
    m.stop()
    m = start_muir("-o", "advertised.listeners=https://a:1,http://b.example:80", same_log_as=m)
    assert m.p("POST", f"/consumers/{name}", {"name": "x"}).json["base_uri"] == f"http://b.example:80/consumers/{name}/instances/x"


def test_base_uri_follows_the_host_header(muir, name):
    a = muir.p("POST", f"/consumers/{name}", {"name": "x"}, headers={"Host": "elsewhere.example:99"})
    assert a.json["base_uri"] == f"http://elsewhere.example:99/consumers/{name}/instances/x"


# ---- calls on an instance


CALLS = [("GET", "/records", None), ("GET", "/subscription", None), ("POST", "/subscription", {"topics": ["t"]}), ("DELETE", "/subscription", None),
         ("GET", "/assignments", None), ("POST", "/assignments", {"partitions": []}), ("POST", "/positions", {"offsets": []}),
         ("POST", "/positions/beginning", {"partitions": []}), ("POST", "/positions/end", {"partitions": []}), ("POST", "/offsets", None),
         ("GET", "/offsets", {"partitions": []}), ("DELETE", "", None)]


@pytest.mark.parametrize("method, path, body", [pytest.param(*c, id=f"{c[0]} {c[1] or '/'}") for c in CALLS])
def test_an_unknown_instance(muir, name, method, path, body):
    """[7.52] Also the right name in the wrong group."""
    muir.p("POST", f"/consumers/{name}", {"name": "c"})
    for at in (f"/consumers/{name}/instances/d", f"/consumers/{name}x/instances/c"):
        a = muir.p(method, at + path, body)
        assert (a.status, a.code, a.message) == (404, 40403, "Consumer instance not found."), a
        assert a.headers["content-type"].startswith(BINARY if path == "/records" else V2)


@pytest.mark.parametrize("path, method, body, status, code, text", table(
    ("subscription: no body", "/subscription", "POST", None, 422, 422, "subscribe.subscription must not be null (was null)"),
    ("subscription: null", "/subscription", "POST", "null", 422, 422, "subscribe.subscription must not be null (was null)"),
    ("subscription: list", "/subscription", "POST", "[]", 400, 400, ""), ("subscription: unknown", "/subscription", "POST", {"topic": ["x"]}, 422, 422, "Unrecognized field: topic"),
    ("subscription: text for a list", "/subscription", "POST", {"topics": "x"}, 400, 400, "topics"), ("subscription: object for a topic", "/subscription", "POST", {"topics": [{}]}, 400, 400, "topics"),
    ("subscription: object for a pattern", "/subscription", "POST", {"topic_pattern": {}}, 400, 400, "topic_pattern"),
    ("assignments: no body", "/assignments", "POST", None, 422, 422, "must not be null"), ("assignments: null", "/assignments", "POST", "null", 422, 422, "must not be null"),
    ("assignments: no list", "/assignments", "POST", "{}", 422, 422, "partitions"), ("assignments: list for the body", "/assignments", "POST", "[]", 400, 400, ""),
    ("assignments: null inside", "/assignments", "POST", {"partitions": [None]}, 422, 422, "partitions[0]"),
    ("assignments: no topic", "/assignments", "POST", {"partitions": [{"partition": 0}]}, 422, 422, "topic"),
    ("assignments: no partition", "/assignments", "POST", {"partitions": [{"topic": "t"}]}, 400, 400, "partition"),
    ("assignments: negative", "/assignments", "POST", {"partitions": [{"topic": "t", "partition": -1}]}, 422, 422, "partition"),
    ("assignments: text", "/assignments", "POST", {"partitions": [{"topic": "t", "partition": "x"}]}, 400, 400, "partition"),
    ("assignments: too large", "/assignments", "POST", {"partitions": [{"topic": "t", "partition": 3000000000}]}, 400, 400, "partition"),
    ("assignments: offset", "/assignments", "POST", {"partitions": [{"topic": "t", "partition": 0, "offset": 1}]}, 422, 422, "Unrecognized field: offset"),
    ("positions: no offset", "/positions", "POST", {"offsets": [{"topic": "t", "partition": 0}]}, 400, 400, "offset"),
    ("positions: negative [errata 22]", "/positions", "POST", {"offsets": [{"topic": "t", "partition": 0, "offset": -1}]}, 422, 422, "offset"),
    ("positions: too large", "/positions", "POST", '{"offsets":[{"topic":"t","partition":0,"offset":9223372036854775808}]}', 400, 400, "offset"),
    ("positions: time as words", "/positions", "POST", {"timestamps": [{"topic": "t", "partition": 0, "timestamp": "noon"}]}, 400, 400, "noon"),
    ("positions: 30 February", "/positions", "POST", {"timestamps": [{"topic": "t", "partition": 0, "timestamp": "2026-02-30T00:00:00Z"}]}, 400, 400, "2026-02-30"),
    ("positions: time is null", "/positions", "POST", {"timestamps": [{"topic": "t", "partition": 0, "timestamp": None}]}, 400, 400, "timestamp"),
    ("beginning: no list", "/positions/beginning", "POST", "{}", 422, 422, "partitions"), ("end: no list", "/positions/end", "POST", "{}", 422, 422, "partitions"),
    ("end: no body", "/positions/end", "POST", None, 422, 422, "must not be null"),
    ("commit: negative", "/offsets", "POST", {"offsets": [{"topic": "t", "partition": 0, "offset": -2}]}, 422, 422, "offset"),
    ("commit: partitions", "/offsets", "POST", {"partitions": []}, 422, 422, "Unrecognized field: partitions"), ("commit: not JSON", "/offsets", "POST", "{,}", 400, 400, "line 1 column 2"),
    ("committed: no body", "/offsets", "GET", None, 404, 40402, "Partition not found."), ("committed: null", "/offsets", "GET", "null", 404, 40402, "Partition not found."),
    ("committed: no list", "/offsets", "GET", "{}", 422, 422, "partitions"),
    ("time is no number [7.16]", "/records?timeout=abc", "GET", None, 404, 404, "HTTP 404 Not Found"), ("time with a unit", "/records?timeout=1s", "GET", None, 404, 404, "HTTP 404 Not Found"),
    ("time too large", "/records?timeout=9223372036854775808", "GET", None, 404, 404, "HTTP 404 Not Found"),
    ("bytes as hex", "/records?max_bytes=0x10", "GET", None, 404, 404, "HTTP 404 Not Found"), ("bytes with a fraction", "/records?max_bytes=1.5", "GET", None, 404, 404, "HTTP 404 Not Found"),
    ("wrong method [7.10]", "/records", "POST", "{}", 405, 405, "HTTP 405 Method Not Allowed"), ("unknown path [7.10]", "/position", "POST", "{}", 404, 404, "HTTP 404 Not Found")))
def test_calls_refused(refuser, path, method, body, status, code, text):
    a = refuser.muir.p(method, refuser.at + path, body)
    assert (a.status, a.code) == (status, code) and text in a.message and a.message, a


@pytest.fixture(scope="module")
def refuser(muir, topic):
    return Consumer(muir, topic + "-refuser", partitions=[tp(topic)])


@pytest.mark.parametrize("type, status", table(
    ("absent", None, 200), ("v2", V2, 200), ("binary", BINARY, 200), ("json", JSON, 200), ("avro", AVRO, 200), ("jsonschema", JSONSCHEMA, 200), ("protobuf", PROTOBUF, 200),
    ("with charset", V2 + ";charset=x", 200), ("application/json", "application/json", 415), ("v1", "application/vnd.kafka.v1+json", 415), ("unknown [7.18]", "application/vnd.kafka.xml.v2+json", 415)))
@pytest.mark.parametrize("method, path, body", table(("GET", "GET", "/subscription", None), ("commit", "POST", "/offsets", "{}"), ("records", "GET", "/records?timeout=1", None)))
def test_content_types(refuser, type, status, method, path, body):
    a = call(refuser.muir.proxy, method, refuser.at + path, body, type)
    assert a.status == status, a


@pytest.mark.parametrize("accept, type", table(
    ("absent", None, V2), ("any", "*/*", V2), ("any application", "application/*", V2), ("v2", V2, V2), ("binary is echoed", BINARY, BINARY), ("json is echoed", JSON, JSON),
    ("avro is echoed", AVRO, AVRO), ("the heavier", f"{V2};q=0.5, {JSON};q=0.9", JSON), ("of equals ours", f"{JSON}, {V2}", V2), ("html", "text/html", None), ("v3", "application/json", None)))
def test_accept_of_calls(refuser, accept, type):
    a = refuser.muir.p("GET", refuser.at + "/subscription/", headers={"Accept": accept} if accept else {})
    if type is None:
        assert (a.status, a.code, a.message) == (406, 406, "HTTP 406 Not Acceptable")  # [errata 10]
    else:
        assert a.status == 200 and a.headers["content-type"].startswith(type), a.headers
        e = refuser.muir.p("POST", refuser.at + "/subscription", "[", headers={"Accept": accept} if accept else {})
        assert e.status == 400 and e.headers["content-type"].startswith(type)


@pytest.mark.parametrize("format, accept, status, type", table(
    ("absent", "binary", None, 200, BINARY), ("any [7.7]", "binary", "*/*", 200, BINARY), ("v2 is binary", "binary", V2, 200, V2), ("json by weight [7.6]", "json", f"{V2};q=0.5, {JSON};q=0.9", 200, JSON),
    ("binary by weight [7.6]", "json", f"{JSON};q=0.5, {BINARY};q=0.9", 406, BINARY), ("v2 of a json instance [7.8]", "json", V2, 406, V2), ("any of a json instance [7.7]", "json", "*/*", 406, BINARY),
    ("binary of an avro instance [7.59]", "avro", BINARY, 406, BINARY), ("json of an avro instance [7.59]", "avro", JSON, 406, JSON), ("avro of a binary instance [7.59]", "binary", AVRO, 406, AVRO),
    ("jsonschema of an avro instance", "avro", JSONSCHEMA, 200, JSONSCHEMA), ("protobuf of an avro instance", "avro", PROTOBUF, 200, PROTOBUF), ("avro", "avro", AVRO, 200, AVRO)))
def test_accept_of_records(muir, name, format, accept, status, type):
    c = Consumer(muir, name, format=format)
    a = muir.p("GET", c.at + "/records/?timeout=1", headers={"Accept": accept} if accept else {})
    assert a.status == status and a.headers["content-type"].startswith(type), (a, a.headers)
    if status == 406:
        assert a.code == 40601 and a.message


# ---- subscription and assignment


@pytest.mark.parametrize("body, topics", table(
    ("neither: nothing happens", {}, []), ("both: the topics win", {"topics": ["A"], "topic_pattern": "B.*"}, ["A"]), ("topics null, pattern", {"topics": None, "topic_pattern": "no-such-.*"}, []),
    ("no topics", {"topics": []}, []), ("one twice", {"topics": ["A", "A"]}, ["A"]), ("a number", {"topics": [12]}, ["12"]), ("unknown ones", {"topics": ["A", "B"]}, ["A", "B"]),
    ("a whole name only", {"topic_pattern": "TOPI"}, []), ("a pattern", {"topic_pattern": "TOPIC"}, ["TOPIC"]), ("a pattern with anchors [7.80]", {"topic_pattern": "^TOPIC$"}, ["TOPIC"]),
    ("a choice covers the whole name", {"topic_pattern": "TO|TOPIC"}, ["TOPIC"])))
def test_subscriptions(muir, name, topic, body, topics):
    def real(text):
        return text.replace("TOPIC", topic).replace("A", name + "a").replace("B", name + "b")
    c = Consumer(muir, name)
    a = c.post("/subscription", real(json.dumps(body)))
    assert a.status == 204 and a.body == b"", a
    assert c.get("/subscription").json == {"topics": [real(t) for t in topics]}
    c.delete()


@pytest.mark.parametrize("pattern", table(("bracket", "a["), ("group", "(a"), ("nothing to repeat", "*a"), ("long", "a" * 3000 + "["), ("property", "\\p{Nothing}")))
def test_patterns_refused(muir, name, pattern):
    """The reason is told, however long the pattern is; what was subscribed before stays."""
    c = Consumer(muir, name, topics=[name])
    a = c.post("/subscription", {"topic_pattern": pattern})
    assert (a.status, a.code) == (422, 422) and "is not a regular expression: " in a.message and " at character " in a.message, a
    assert c.get("/subscription").json == {"topics": [name]}


def test_nothing_subscribed_leaves_the_instance_free(muir, name, topic):
    c = Consumer(muir, name)
    for body in ({}, {"topics": []}):
        assert c.post("/subscription", body).status == 204
    assert c.post("/assignments", {"partitions": [tp(topic)]}).status == 204
    assert values(c.read_n(1))[0] == "value-0000"
    assert c.post("/assignments", {"partitions": []}).status == 204
    assert c.post("/subscription", {"topics": [topic]}).status == 204


def test_an_assignment_replaces_the_one_before(muir, name, topic):
    c = Consumer(muir, name, partitions=[tp(topic, 0)])
    assert c.post("/assignments", {"partitions": [tp(topic, "1")]}).status == 204
    assert c.assigned() == [(topic, 1)]
    assert c.read("?timeout=300") == []
    a = c.post("/positions", {"offsets": [tp(topic, 0, offset=0)]})
    assert (a.status, a.code, a.message) == (409, 40903, f"Illegal state: No current assignment for partition {topic}-0")  # [7.58]


def test_a_partition_assigned_twice_is_read_once(muir, name, topic):
    c = Consumer(muir, name, partitions=[tp(topic), tp(topic)])
    assert c.assigned() == [(topic, 0)]
    assert [r["offset"] for r in c.read_n(10)] == list(range(10))
    assert c.read("?timeout=200") == []
    assert c.post("/positions", {"offsets": [tp(topic, offset=1), tp(topic, offset=8)]}).status == 204  # the last counts
    assert [r["offset"] for r in c.read_n(2)] == [8, 9]
    assert c.post("/offsets", {"offsets": [tp(topic, offset=1), tp(topic, offset=6)]}).status == 200
    a = c.get("/offsets", {"partitions": [tp(topic), tp(topic)]})
    assert {o["offset"] for o in a.json["offsets"]} == {7}, a


@pytest.mark.parametrize("path, name", table(("assignments", "/assignments", "partitions"), ("end", "/positions/end", "partitions"), ("subscription", "/subscription", "topics")))
def test_a_list_that_is_too_long(refuser, path, name):
    """Nobody has so many; an engine would hold something for each."""
    a = refuser.post(path, {name: ["t"] * 10001 if name == "topics" else [tp("t", i) for i in range(10001)]})
    assert (a.status, a.code) == (422, 422) and f"{name} must not have more than 10000 entries" in a.message, a


def test_an_assigned_topic_need_not_be_there(muir, name):
    c = Consumer(muir, name, partitions=[tp(name), tp(name, 77)])
    assert c.read("?timeout=300") == []
    assert name not in muir.p("GET", "/topics").json


def test_subscribe_unsubscribe_assign(muir, name, topic):
    """[7.55] and back [7.54]"""
    c = Consumer(muir, name, topics=[topic])
    assert len(c.read_n(10)) == 10
    assert c.delete("/subscription").status == 204
    assert c.delete("/subscription").status == 204
    assert c.assigned() == []
    assert c.read("?timeout=100") == []
    assert c.post("/assignments", {"partitions": [tp(topic)]}).status == 204
    assert c.post("/positions", {"offsets": [tp(topic, offset=8)]}).status == 204
    assert values(c.read_n(2)) == ["value-0008", "value-0009"]


# ---- positions and offsets


@pytest.mark.parametrize("body, first", table(
    ("offset", {"offsets": [("offset", 3)]}, 3), ("offset as text", {"offsets": [("offset", "4")]}, 4), ("metadata is taken", {"offsets": [("offset", 5), ("metadata", "m")]}, 5),
    ("offsets null", {"offsets": None, "timestamps": [("timestamp", 0)]}, 0), ("timestamps null", {"offsets": [("offset", 6)], "timestamps": None}, 6),
    ("times after offsets", {"timestamps": [("timestamp", "1970-01-01T00:00:00Z")], "offsets": [("offset", 7)]}, 0),
    ("seconds with a fraction", {"timestamps": [("timestamp", 0.5)]}, 0), ("seconds as text", {"timestamps": [("timestamp", "0")]}, 0),
    ("with a zone", {"timestamps": [("timestamp", "1970-01-01T02:00:00.123+02:00")]}, 0)))
def test_seeks(muir, name, topic, body, first):
    c = Consumer(muir, name, partitions=[tp(topic)], fetch_min_bytes=0)
    sent = {k: v and [dict([("topic", topic), ("partition", 0), *v])] for k, v in body.items()}
    assert c.post("/positions", sent).status == 204
    assert c.read_n(1)[0]["offset"] == first
    c.delete()


def test_a_list_with_one_wrong_partition_moves_none(muir, name, topic):
    c = Consumer(muir, name, partitions=[tp(topic)])
    assert len(c.read_n(10)) == 10
    a = c.post("/positions", {"offsets": [tp(topic, offset=2), tp(topic, 1, offset=0)]})
    assert (a.status, a.code) == (409, 40903), a
    for path in ("/positions/beginning", "/positions/end"):
        a = c.post(path, {"partitions": [tp(topic, 1)]})
        assert (a.status, a.code, a.message) == (409, 40903, f"Illegal state: No current assignment for partition {topic}-1"), a
    assert c.read("?timeout=300") == []


def test_commits_by_list(muir, name, topic):
    """[7.67, 7.70, 7.71] of partitions not read, by an instance that reads nothing."""
    c = Consumer(muir, name, partitions=[tp(topic)], auto_commit_enable=False)
    assert c.post("/offsets?async=maybe", {"offsets": [tp(topic, 0, offset="4", metadata=None), tp(topic, 1, offset=0, metadata=7)]}).json == []
    a = c.get("/offsets", {"partitions": [tp(topic, 1), tp(topic, 0), tp(topic, 9)]})
    assert a.json == {"offsets": [tp(topic, 1, offset=1, metadata="7"), tp(topic, 0, offset=5, metadata="")]}, a
    assert list(a.json["offsets"][0]) == ["topic", "partition", "offset", "metadata"]
    assert c.get("/offsets", {"partitions": []}).json == {"offsets": []}
    assert c.post("/offsets", {"offsets": []}).json == []
    assert c.post("/offsets", "null").json == []  # all [7.69]; nothing was read [7.68]
    assert c.committed((topic, 0), (topic, 1)) == {(topic, 0): 5, (topic, 1): 1}
    for n in (33000, 65536 + 9, 100000):
        a = c.post("/offsets", {"offsets": [tp(topic, 0, offset=7, metadata="m" * n)]})
        assert (a.status, a.code) == (400, 40002) and str(n) in a.message, a
    assert c.committed((topic, 0)) == {(topic, 0): 5}
    a = muir.p("POST", c.at + "/offsets", {"offsets": [tp(name + "none", offset=1)]})
    assert a.status in (200, 404) and (a.status == 200 or a.code == 40403), a


# ---- reads


def test_max_bytes(muir, name, topic):
    """[7.61, 7.62] Ten bytes a record: what fits exactly is one less; 0 and less mean no limit of the client's."""
    c = Consumer(muir, name, partitions=[tp(topic)])
    for query, offsets in (("?max_bytes=1", []), ("?max_bytes=10", []), ("?max_bytes=11", [0]), ("?max_bytes=40", [1, 2, 3]), ("?max_bytes=41", [4, 5, 6, 7])):
        got = wait_until(lambda: c.read(query), 20) if offsets == [0] else c.read(query)
        assert [r["offset"] for r in got] == offsets, query
    for query in ("?max_bytes=0", "?max_bytes=-1"):
        assert c.post("/positions", {"offsets": [tp(topic, offset=8)]}).status == 204
        assert [r["offset"] for r in c.read_n(2, query=query)] == [8, 9]


@pytest.mark.parametrize("options, query, least, most", table(
    ("instance 100 [7.64]", {"consumer_request_timeout_ms": 100}, "", .1, .6), ("as text [7.64]", {"consumer_request_timeout_ms": "150"}, "", .15, .65),
    ("alias", {"requestWaitMs": 200, "consumer_request_timeout_ms": None}, "", .2, .7), ("default [7.60]", {"consumer_request_timeout_ms": None}, "", 1, 1.6),
    ("longer than the proxy's [errata 15]", {"consumer_request_timeout_ms": 1800}, "", 1.8, 2.4), ("0 ends at once", {"consumer_request_timeout_ms": 0}, "", 0, .3),
    ("negative ends at once", {"consumer_request_timeout_ms": -1}, "?timeout=500", 0, .3), ("10 [7.65]", {}, "?timeout=10", .01, .4),
    ("negative means the instance's", {"consumer_request_timeout_ms": 300}, "?timeout=-5", .3, .8), ("more than the instance's", {"consumer_request_timeout_ms": 300}, "?timeout=5000", .3, .8)))
def test_how_long_an_empty_read_lasts(muir, name, topic, options, query, least, most):
    c = Consumer(muir, name, partitions=[tp(topic, 1)], **options)
    began = time.monotonic()
    assert c.read(query) == []
    took = time.monotonic() - began
    assert least - .005 <= took < most, took


@pytest.mark.parametrize("least, quick", table(("0 [7.66]", 0, True), ("fewer than there are [7.66]", 99, True), ("as many as there are", 100, False), ("-1", -1, False)))
def test_min_bytes(muir, name, topic, least, quick):
    c = Consumer(muir, name, partitions=[tp(topic)], fetch_min_bytes=least, consumer_request_timeout_ms=1500)
    assert len(c.read_n(10)) == 10
    assert c.post("/positions/beginning", {"partitions": [tp(topic)]}).status == 204
    began = time.monotonic()
    assert len(c.read_n(1 if quick else 10)) >= 1
    assert (time.monotonic() - began < 1.2) == quick


def test_order_within_a_partition(muir, name):
    """[7.63]"""
    make_topic(muir, name, 3)
    for i in range(5):
        for p in range(3):
            produce_values(muir, name, [f"{p}-{i}-{k}" for k in range(7)], p)
    c = Consumer(muir, name, partitions=[tp(name, p) for p in range(3)])
    got = c.read_n(105)
    assert len(got) == 105
    for p in range(3):
        assert [r["offset"] for r in got if r["partition"] == p] == list(range(35))


def test_poison_between_two_partitions(muir, name):
    """[7.76, errata 14] The one partition goes on after a seek past the record, and nothing of the other is lost or comes twice."""
    make_topic(muir, name, 2)
    produce(muir, name, [{"value": i, "partition": 0} for i in range(3)], JSON)
    produce_values(muir, name, ["{"], 0)
    produce(muir, name, [{"value": 4, "partition": 0}], JSON)
    produce(muir, name, [{"value": i, "partition": 1} for i in range(5)], JSON)
    c = Consumer(muir, name, format="json", partitions=[tp(name, 0), tp(name, 1)])
    got, failed = [], 0
    end = time.monotonic() + 30
    while len(got) < 9 and time.monotonic() < end:
        a = c.records()
        if a.status == 200:
            got += a.json
            continue
        assert (a.status, a.code) == (408, 40801) and f"{name}-0 at offset 3" in a.message, a
        failed += 1
        if failed == 2:  # the next read fails again
            assert c.post("/positions", {"offsets": [tp(name, 0, offset=4)]}).status == 204
    assert failed == 2
    assert sorted((r["partition"], r["offset"]) for r in got) == [(0, 0), (0, 1), (0, 2), (0, 4), (1, 0), (1, 1), (1, 2), (1, 3), (1, 4)]


@pytest.mark.parametrize("key, value, text", table(
    ("no magic byte [7.77]", None, b"plain text", "magic byte"), ("too short [7.77]", None, b"\0\0\0", ""), ("empty [7.77]", None, b"", ""),
    ("unknown id", None, b"\0\0\xff\xff\xff\2", "16777215"), ("the key [7.78]", b"plain", None, "")))
def test_avro_that_cannot_be_read(muir, name, key, value, text):
    produce(muir, name, [{"key": key and b64(key), "value": None if value is None else b64(value)}])
    c = Consumer(muir, name, format="avro", partitions=[tp(name)])
    a = until_it_fails(c)
    assert (a.status, a.code) == (408, 40801) and f"{name}-0 at offset 0" in a.message and text in a.message, a
    assert a.headers["content-type"].startswith(AVRO)


def test_avro_cut_short(muir, name):
    a = muir.p("POST", f"/topics/{name}", {"value_schema": '"string"', "records": [{"value": "x"}]}, AVRO)
    schema = a.json["value_schema_id"].to_bytes(4, "big")
    produce(muir, name, [{"value": b64(b"\0" + schema + b"\x0aab")}, {"value": b64(b"\0" + schema + b"\x02abc")}])
    c = Consumer(muir, name, format="avro", partitions=[tp(name)])
    assert [r["value"] for r in c.read_n(1)] == ["x"]
    a = until_it_fails(c)
    assert (a.status, a.code) == (408, 40801) and "at offset 1" in a.message, a


# ---- several things at once


def test_many_calls_at_once_on_one_instance(muir, name):
    """Whatever happens at the same time, each call is answered as if it were alone: no 5xx, no record lost for good."""
    make_topic(muir, name, 2)
    produce_values(muir, name, ["x%d" % i for i in range(200)], 0)
    c = Consumer(muir, name, partitions=[tp(name, 0), tp(name, 1)], consumer_request_timeout_ms=100, auto_commit_enable=False)
    wrong, stop = [], time.monotonic() + 3
    calls = [("GET", "/records", None, {200}), ("GET", "/records?max_bytes=9", None, {200}), ("GET", "/records", None, {406}), ("GET", "/assignments", None, {200}),
             ("POST", "/positions/beginning", {"partitions": []}, {204}), ("POST", "/positions", {"offsets": [tp(name, 0, offset=150)]}, {204}), ("POST", "/offsets", None, {200}),
             ("POST", "/offsets", {"offsets": [tp(name, 0, offset=5)]}, {200}), ("GET", "/offsets", {"partitions": [tp(name, 0)]}, {200}),
             ("POST", "/subscription", {"topics": [name]}, {409}), ("POST", "/assignments", {"partitions": [tp(name, 0), tp(name, 1)]}, {204})]

    def client(method, path, body, statuses):
        while time.monotonic() < stop:
            a = muir.p(method, c.at + path, body, headers={"Accept": JSON if 406 in statuses else BINARY})
            if a.status not in statuses:
                wrong.append((method, path, a))
                return

    threads = [threading.Thread(target=client, args=x) for x in calls]
    [t.start() for t in threads]
    [t.join(30) for t in threads]
    assert not wrong, wrong
    assert c.post("/positions/beginning", {"partitions": [tp(name, 0)]}).status == 204
    assert [r["offset"] for r in c.read_n(200)] == list(range(200))


def test_a_topic_deleted_under_its_readers(muir, name):
    """Reads go on answering, and read the new topic of that name."""
    make_topic(muir, name)
    produce_values(muir, name, ["old1", "old2"])
    cs = [Consumer(muir, name, "group", topics=[name], consumer_request_timeout_ms=300), Consumer(muir, name + "2", "own", partitions=[tp(name)], consumer_request_timeout_ms=300)]
    for c in cs:
        assert values(c.read_n(2)) == ["old1", "old2"]
    cluster = muir.p("GET", "/v3/clusters").json["data"][0]["cluster_id"]
    assert muir.p("DELETE", f"/v3/clusters/{cluster}/topics/{name}").status == 204
    for c in cs:
        for _ in range(3):
            a = c.records()
            assert a.status == 200 and a.json == [] or a.status == 404, a
    wait_until(lambda: muir.p("GET", f"/topics/{name}").status == 404)
    wait_until(lambda: muir.p("POST", f"/v3/clusters/{cluster}/topics", {"topic_name": name, "partitions_count": 1}, "application/json").status == 201)
    wait_until(lambda: all(o["offset"] is not None for o in muir.p("POST", f"/topics/{name}", {"records": [{"value": b64("new")}]}, BINARY).json["offsets"]))
    for c in cs:
        assert wait_until(lambda: (lambda a: a.status == 200 and a.json)(c.records()), 60)[0]["value"] == b64("new")
        assert c.delete().status == 204


def test_clients_that_vanish(muir, name):
    """In the middle of every kind of request; the instance and the server are as before."""
    produce_values(muir, name, ["a", "b"])
    c = Consumer(muir, name, partitions=[tp(name)], consumer_request_timeout_ms=5000, fetch_min_bytes=-1)
    host, port = muir.proxy[7:].split(":")
    heads = [f"GET {c.at}/records HTTP/1.1\r\nHost: x\r\n\r\n", f"POST {c.at}/offsets HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{{", f"GET {c.at}/reco",
             f"POST {c.at}/positions/beginning HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\n\r\n" + '{"partitions":[]}', f"POST /consumers/{name}x HTTP/1.1\r\nHost: x\r\n\r\n",
             f"POST /topics/{name} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{{\"rec"]
    for i in range(60):
        s = socket.create_connection((host, int(port)))
        s.sendall(heads[i % len(heads)].encode())
        if i % 3 == 0:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset rather than an end
        s.close()
    time.sleep(1.5)
    assert c.post("/positions/beginning", {"partitions": []}).status == 204
    assert values(c.read("?timeout=1500")) == ["a", "b"]
    assert muir.p("GET", f"/topics/{name}/partitions/0/offsets").json["end_offset"] == 2


def test_instances_leave_descriptors_for_others(start_muir, engine, name):
    """An instance over Kafka takes several: before they run out creation is refused, so that there are some left to delete instances with."""
    if engine != "kafka":
        pytest.skip("an instance on the embedded log has none")
    m = start_muir()
    resource.prlimit(m.process.pid, resource.RLIMIT_NOFILE, (300, 300))
    made = []
    while (a := m.p("POST", f"/consumers/{name}")).status == 200:
        made.append(a.json["base_uri"])
        assert len(made) < 100
    assert (a.status, a.code) == (503, 503) and "ulimit -n" in a.message and "retry-after" in a.headers, a
    assert len(made) > 5
    for uri in made[:3]:
        assert call(uri, "DELETE", "").status == 204
    assert m.p("POST", f"/consumers/{name}").status == 200
    assert m.stop() == 0


def test_sigterm_in_the_middle_of_everything(start_muir, name):
    """It ends with 0 within its time, and every request that was answered was answered well."""
    m = start_muir("-o", "shutdown.graceful.ms=1000")
    make_topic(m, name)
    produce_values(m, name, ["x"] * 50)
    cs = [Consumer(m, f"{name}-{i}", topics=[name], consumer_request_timeout_ms=20000) for i in range(4)]
    wrong, end = [], threading.Event()

    def client(what):
        while not end.is_set():
            try:
                a = what()
            except (OSError, http.client.HTTPException):
                return
            if a.status not in (200, 204, 404, 409, 503):
                wrong.append(a)

    work = [c.records for c in cs] + [lambda c=c: c.post("/offsets") for c in cs] + [lambda: m.p("POST", f"/topics/{name}", {"records": [{"value": "AA"}] * 20}, BINARY)] * 3 + \
           [lambda: m.p("POST", f"/consumers/{name}new", {}), lambda: m.p("GET", "/topics")]
    threads = [threading.Thread(target=client, args=(w,), daemon=True) for w in work]
    [t.start() for t in threads]
    time.sleep(1)
    began = time.monotonic()
    status = m.stop(40)
    took = time.monotonic() - began
    end.set()
    assert status == 0, m.log[-3000:]
    assert took < 15
    assert not wrong, wrong[:3]
