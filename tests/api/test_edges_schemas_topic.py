"""The registry's topic: the very bytes that are written (registry-api.md 4.2, 4.3), and what is made of a topic that others wrote, on both engines.

The topic is read and written through the program's own proxy, as binary records."""
import base64
import json
import uuid

import pytest

from conftest import BINARY, wait_until
from test_registry_core import error, post, q

SCHEMA = '{"keytype":"SCHEMA","subject":"%s","version":%d,"magic":1}'


def key_of(kind, subject=None):
    return json.dumps({"keytype": kind, **({"subject": subject} if subject is not None else {}), "magic": 0}, separators=(",", ":"))


def schema_value(subject, version, id, text, **more):
    return json.dumps({"subject": subject, "version": version, "id": id, **more, "schema": text, "deleted": False}, separators=(",", ":"))


def b64(text):
    return None if text is None else base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def unb64(text):
    return None if text is None else base64.b64decode(text).decode()


def read_all(m, topic, expected):
    """The (key, value) pairs of the topic, at least that many."""
    group, got = "g" + uuid.uuid4().hex, []
    made = m.p("POST", f"/consumers/{group}", {"name": "i", "format": "binary"})
    assert made.status == 200, made
    base = f"/consumers/{group}/instances/i"
    where = {"partitions": [{"topic": topic, "partition": 0}]}
    assert m.p("POST", base + "/assignments", where).status == 204
    assert m.p("POST", base + "/positions/beginning", where).status == 204

    def more():
        a = m.p("GET", base + "/records?timeout=200", headers={"Accept": BINARY})
        assert a.status == 200, a
        got.extend(a.json)
        return len(got) >= expected and not a.json
    wait_until(more)
    m.p("DELETE", base)
    return [(unb64(r["key"]), unb64(r["value"])) for r in got]


def write(m, topic, records):
    a = m.p("POST", f"/topics/{topic}", {"records": [{"key": b64(k), "value": b64(v), "partition": 0} for k, v in records]}, BINARY)
    assert a.status == 200 and all(o.get("error") is None for o in a.json["offsets"]), a


def topic_of(m):
    given = [x for x in m.where if x.startswith("kafkastore.topic=")]
    return given[0].partition("=")[2] if given else "_schemas"


def make_topic(m, partitions=1, policy="compact"):
    topic = "_foreign_" + uuid.uuid4().hex[:8]
    cluster = m.p("GET", "/v3/clusters", type=None).json["data"][0]["cluster_id"]
    a = m.p("POST", f"/v3/clusters/{cluster}/topics", {"topic_name": topic, "partitions_count": partitions,
                                                       "configs": [{"name": "cleanup.policy", "value": policy}]}, "application/json")
    assert a.status == 201, a
    return topic


@pytest.fixture
def foreign(start_muir):
    """foreign(records) -> a server that starts on a topic that already holds these (key, value) pairs; .topic names it."""
    def start(records):
        m = start_muir()
        topic = make_topic(m)
        write(m, topic, records)
        assert m.stop() == 0
        n = start_muir("-o", f"kafkastore.topic={topic}", same_log_as=m)
        n.topic = topic
        return n
    return start


# ---- what is written ----------------------------------------------------------------------------------------------------------

def run(m, steps):
    for method, path, body in steps:
        a = m.r(method, path, body)
        assert a.status == 200, (method, path, a)


def schema(text, **more):
    return {"schema": text, **more}


WRITTEN = {
    "a first schema": ([("POST", "/subjects/s/versions", schema('"int"'))],
                       [(SCHEMA % ("s", 1), '{"subject":"s","version":1,"id":1,"schemaType":"AVRO","schema":"\\"int\\"","deleted":false}')]),
    "the same again": ([("POST", "/subjects/s/versions", schema('"int"'))] * 2,
                       [(SCHEMA % ("s", 1), '{"subject":"s","version":1,"id":1,"schemaType":"AVRO","schema":"\\"int\\"","deleted":false}')]),
    "text and names beyond ASCII": (
        [("POST", "/subjects/%C3%A9%22%2F/versions", schema('{"type":"enum","name":"E","doc":"\u00e9\\n\\u0001/","symbols":[]}'))],
        [('{"keytype":"SCHEMA","subject":"é\\"/","version":1,"magic":1}',
          '{"subject":"é\\"/","version":1,"id":1,"schemaType":"AVRO","schema":"{\\"type\\":\\"enum\\",\\"name\\":\\"E\\",\\"doc\\":\\"é\\\\n\\\\u0001/\\",'
          '\\"symbols\\":[]}","deleted":false}')]),
    "references and metadata": (
        [("POST", "/subjects/i/versions", schema('{"type":"fixed","name":"F","size":1}')),
         ("POST", "/subjects/o/versions", schema('{"type":"array","items":"F"}', references=[{"version": -1, "subject": "i", "name": "F"}],
                                                 metadata={"properties": {"b": "2", "a": "1"}, "tags": {"t": ["y", "x"]}}))],
        [(SCHEMA % ("i", 1), '{"subject":"i","version":1,"id":1,"schemaType":"AVRO","schema":"{\\"type\\":\\"fixed\\",\\"name\\":\\"F\\",\\"size\\":1}","deleted":false}'),
         (SCHEMA % ("o", 1), '{"subject":"o","version":1,"id":2,"schemaType":"AVRO","references":[{"name":"F","subject":"i","version":1}],'
          '"metadata":{"tags":{"t":["x","y"]},"properties":{"a":"1","b":"2"}},"schema":"{\\"type\\":\\"array\\",\\"items\\":\\"F\\"}","deleted":false}')]),
    "a context's first schema": (
        [("POST", "/subjects/:.c:s/versions", schema('"int"')), ("POST", "/subjects/:.c:s/versions", schema('"long"')), ("POST", "/subjects/:.:d/versions", schema('"int"'))],
        [('{"keytype":"CONTEXT","tenant":"default","context":".c","magic":0}', '{"tenant":"default","context":".c"}'),
         (SCHEMA % (":.c:s", 1), '{"subject":":.c:s","version":1,"id":1,"schemaType":"AVRO","schema":"\\"int\\"","deleted":false}'),
         (SCHEMA % (":.c:s", 2), '{"subject":":.c:s","version":2,"id":2,"schemaType":"AVRO","schema":"\\"long\\"","deleted":false}'),
         (SCHEMA % ("d", 1), '{"subject":"d","version":1,"id":1,"schemaType":"AVRO","schema":"\\"int\\"","deleted":false}')]),
    "deleting a version, softly and for good": (
        [("PUT", "/config/s", {"compatibility": "NONE"}), ("PUT", "/mode/s", {"mode": "readwrite"}), ("POST", "/subjects/s/versions", schema('"int"')),
         ("DELETE", "/subjects/s/versions/1", None), ("DELETE", "/subjects/s/versions/1?permanent=true", None)],
        [(key_of("CONFIG", "s"), '{"subject":"s","compatibilityLevel":"NONE"}'), (key_of("MODE", "s"), '{"subject":"s","mode":"READWRITE"}'),
         (SCHEMA % ("s", 1), '{"subject":"s","version":1,"id":1,"schemaType":"AVRO","schema":"\\"int\\"","deleted":false}'),
         (SCHEMA % ("s", 1), '{"subject":"s","version":1,"id":1,"schemaType":"AVRO","schema":"\\"int\\"","deleted":true}'), (SCHEMA % ("s", 1), None),
         {(key_of("CONFIG", "s"), None), (key_of("MODE", "s"), None)}]),
    "deleting a subject, softly and for good": (
        [("POST", "/subjects/s/versions", schema('"int"')), ("POST", "/subjects/s/versions", schema('"long"')), ("DELETE", "/subjects/s", None),
         ("DELETE", "/subjects/s?permanent=true", None)],
        [(SCHEMA % ("s", 1), '{"subject":"s","version":1,"id":1,"schemaType":"AVRO","schema":"\\"int\\"","deleted":false}'),
         (SCHEMA % ("s", 2), '{"subject":"s","version":2,"id":2,"schemaType":"AVRO","schema":"\\"long\\"","deleted":false}'),
         (key_of("DELETE_SUBJECT", "s"), '{"subject":"s","version":2}'), (SCHEMA % ("s", 2), None), (SCHEMA % ("s", 1), None)]),
    "DELETE_SUBJECT goes up to the highest active version": (
        [("POST", "/subjects/s/versions", schema('"int"')), ("POST", "/subjects/s/versions", schema('"long"')), ("DELETE", "/subjects/s/versions/2", None),
         ("DELETE", "/subjects/s", None)],
        [(SCHEMA % ("s", 1), '{"subject":"s","version":1,"id":1,"schemaType":"AVRO","schema":"\\"int\\"","deleted":false}'),
         (SCHEMA % ("s", 2), '{"subject":"s","version":2,"id":2,"schemaType":"AVRO","schema":"\\"long\\"","deleted":false}'),
         (SCHEMA % ("s", 2), '{"subject":"s","version":2,"id":2,"schemaType":"AVRO","schema":"\\"long\\"","deleted":true}'),
         (key_of("DELETE_SUBJECT", "s"), '{"subject":"s","version":1}')]),
    "e40 a deleted schema comes back": (
        [("POST", "/subjects/s/versions", schema('"int"')), ("DELETE", "/subjects/s/versions/1", None), ("POST", "/subjects/s/versions", schema('"int"'))],
        [(SCHEMA % ("s", 1), '{"subject":"s","version":1,"id":1,"schemaType":"AVRO","schema":"\\"int\\"","deleted":false}'),
         (SCHEMA % ("s", 1), '{"subject":"s","version":1,"id":1,"schemaType":"AVRO","schema":"\\"int\\"","deleted":true}'),
         {(SCHEMA % ("s", 1), None), (SCHEMA % ("s", 2), '{"subject":"s","version":2,"id":1,"schemaType":"AVRO","schema":"\\"int\\"","deleted":false}')}]),
    "config, global and of a subject": (
        [("PUT", "/config", {"compatibility": "full"}), ("PUT", "/config/:.:", {"normalize": True}),
         ("PUT", "/config/s", {"compatibilityGroup": "g", "validateFields": False, "alias": "t", "compatibilityPolicy": "LENIENT", "unknown": 1}),
         ("PUT", "/config/:.c", {"compatibility": "NONE"}), ("PUT", "/config/:.__GLOBAL:", {"compatibility": "NONE"}), ("DELETE", "/config/s", None),
         ("DELETE", "/config", None)],
        [(key_of("CONFIG"), '{"compatibilityLevel":"FULL"}'), (key_of("CONFIG"), '{"normalize":true,"compatibilityLevel":"FULL"}'),
         (key_of("CONFIG", "s"), '{"subject":"s","alias":"t","validateFields":false,"compatibilityPolicy":"LENIENT","compatibilityGroup":"g"}'),
         (key_of("CONFIG", ":.c:"), '{"subject":":.c:","compatibilityLevel":"NONE"}'),
         (key_of("CONFIG", ":.__GLOBAL:"), '{"subject":":.__GLOBAL:","compatibilityLevel":"NONE"}'), (key_of("CONFIG", "s"), None), (key_of("CONFIG"), None)]),
    "modes": (
        [("PUT", "/mode", {"mode": "readonly"}), ("PUT", "/mode/s", {"mode": "READWRITE"}), ("DELETE", "/mode/s", None), ("DELETE", "/mode", None)],
        [(key_of("MODE"), '{"mode":"READONLY"}'), (key_of("MODE", "s"), '{"subject":"s","mode":"READWRITE"}'), (key_of("MODE", "s"), None), (key_of("MODE"), None)]),
    "IMPORT clears what was softly deleted": (
        [("POST", "/subjects/s/versions", schema('"int"')), ("DELETE", "/subjects/s", None), ("PUT", "/mode/s", {"mode": "IMPORT"}),
         ("POST", "/subjects/s/versions", schema('"long"', id=77, version=5))],
        [(SCHEMA % ("s", 1), '{"subject":"s","version":1,"id":1,"schemaType":"AVRO","schema":"\\"int\\"","deleted":false}'),
         (key_of("DELETE_SUBJECT", "s"), '{"subject":"s","version":1}'), (SCHEMA % ("s", 1), None), (key_of("CLEAR_SUBJECT", "s"), '{"subject":"s"}'),
         (key_of("MODE", "s"), '{"subject":"s","mode":"IMPORT"}'),
         (SCHEMA % ("s", 5), '{"subject":"s","version":5,"id":77,"schemaType":"AVRO","schema":"\\"long\\"","deleted":false}')]),
}


@pytest.mark.parametrize("case", list(WRITTEN))
def test_the_bytes_that_are_written(start_muir, case):
    steps, expected = WRITTEN[case]
    m = start_muir()
    run(m, steps)
    flat = sum(len(e) if isinstance(e, set) else 1 for e in expected)
    got = [r for r in read_all(m, topic_of(m), flat) if '"NOOP"' not in r[0]]
    for e in expected:  # a set: these, in any order
        n = len(e) if isinstance(e, set) else 1
        assert (set(got[:n]) if isinstance(e, set) else got[0]) == e
        del got[:n]
    assert got == []


def test_a_refusal_writes_nothing(start_muir):
    m = start_muir()
    post(m, "s", '"int"')
    for method, path, body in (("POST", "/subjects/s/versions", schema('"string"')), ("POST", "/subjects/:.c:s/versions", schema('"nonsense"')),
                               ("DELETE", "/subjects/s?permanent=true", None), ("PUT", "/config/s", {"compatibility": "X"}), ("PUT", "/mode/s", {"mode": "X"}),
                               ("POST", "/subjects/:.c:s/versions", schema('"int"', version=4)), ("PUT", "/mode", {"mode": "IMPORT"}),
                               ("DELETE", "/config/s", None), ("POST", "/subjects/s", schema('"int"')), ("POST", "/compatibility/subjects/s/versions", schema('"int"'))):
        m.r(method, path, body)
    assert len([r for r in read_all(m, topic_of(m), 1) if '"NOOP"' not in r[0]]) == 1
    assert m.r("GET", "/contexts").json == ["."]


# ---- what others wrote ----------------------------------------------------------------------------------------------------------

POISON = [
    ("", "an empty key"), ("nonsense", "no JSON"), ("[]", "a list for a key"), ("1", "a number for a key"), ("{}", "no keytype"),
    ('{"keytype":"WHATEVER","magic":0}', "an unknown keytype"), ('{"keytype":5,"magic":0}', "a keytype that is a number"),
    ('{"keytype":"SCHEMA","subject":"p","version":1,"magic":2}', "an unknown magic"), ('{"keytype":"SCHEMA","subject":"p","magic":1}', "no version"),
    ('{"keytype":"SCHEMA","subject":"p","version":0,"magic":1}', "version 0"), ('{"keytype":"SCHEMA","subject":"p","version":"x","magic":1}', "version a text"),
    ('{"keytype":"SCHEMA","subject":"p","version":99999999999,"magic":1}', "version beyond int32"), (b"\xff\xfe\x00", "no UTF-8"),
    ('{"keytype":"SCHEMA","subject":"p","version":1,"magic":1}x', "text after the key"), ('{"keytype":"ASSOC","tenant":"default","resourceName":"r","magic":0}', "associations"),
    ("[" * 5000, "very deep"),
]
BAD_VALUES = ["", "nonsense", "[]", "5", '"x"', "{}", '{"subject":"p","version":1,"id":"x","schema":"\\"int\\""}', '{"subject":"p","version":1,"id":1}',
              '{"subject":"p","version":1,"id":1,"schema":5}', '{"subject":"p","version":1,"id":99999999999,"schema":"\\"int\\""}', b"\xff", "[" * 5000,
              '{"subject":"p","version":1,"id":1,"schemaType":"XML","schema":"x"}', '{"subject":"p","version":1,"id":1,"references":5,"schema":"\\"int\\""}',
              '{"subject":"p","version":1,"id":1,"references":[{"name":"x"}],"schema":"\\"int\\""}',
              '{"subject":"p","version":1,"id":1,"metadata":"m","schema":"\\"int\\""}']


def test_e100_poison_is_passed_over(foreign):
    records = [(SCHEMA % ("a", 1), schema_value("a", 1, 1, '"int"'))]
    for key, _ in POISON:
        records += [(key, schema_value("p", 1, 9, '"int"')), (key, "")] + [(key, None)]
    records += [(SCHEMA % ("p", 1), v) for v in BAD_VALUES]
    records += [(key_of(kind, s), v) for kind in ("CONFIG", "MODE", "DELETE_SUBJECT", "CLEAR_SUBJECT") for s in ("p", None) for v in ("nonsense", "[]", "")]
    records += [(key_of("MODE", "p"), '{"mode":"SLEEP"}'), (key_of("CONFIG", "p2"), '{"compatibilityLevel":"SIDEWAYS"}'), (key_of("DELETE_SUBJECT", "a"), None),
                (key_of("DELETE_SUBJECT", "a"), "{}"), (key_of("CLEAR_SUBJECT", "a"), None), (key_of("NOOP"), None), (SCHEMA % ("nobody", 7), None),
                (key_of("CONFIG", "nobody"), None), (key_of("MODE"), None)]
    records += [(SCHEMA % ("a", 2), schema_value("a", 2, 2, '"long"'))]
    m = foreign(records)
    assert m.r("GET", "/subjects?deleted=true").json == ["a"]
    assert m.r("GET", "/subjects/a/versions").json == [1, 2]
    assert m.r("GET", "/config").json == {"compatibilityLevel": "BACKWARD"} and m.r("GET", "/mode").json == {"mode": "READWRITE"}
    error(m.r("GET", "/mode/p"), 404, 40409)
    assert m.log.count("schemas.skipped") >= len(BAD_VALUES) and "offset=" in m.log
    # and while it runs
    write(m, m.topic, records[1:-1] + [(SCHEMA % ("b", 1), schema_value("b", 1, 3, '"float"'))])
    wait_until(lambda: m.r("GET", "/subjects").json == ["a", "b"])
    assert post(m, "c", '"string"').json["id"] == 4


KEYS = [
    ('{"subject":"s","version":1,"magic":1,"keytype":"SCHEMA"}', "Karapace's order"), ('{"keytype":"SCHEMA","subject":"s","version":1,"magic":1,"seq":4,"node":0}', "Redpanda's members"),
    ('{"keytype":"SCHEMA","subject":"s","version":1,"magic":0}', "magic 0"), (' { "keytype" : "SCHEMA" , "subject" : "s" , "version" : 1 , "magic" : 1 } ', "white space"),
    ('{"keytype":"SCHEMA","tenant":null,"subject":"\\u0073","version":1,"magic":1,"more":{"a":[1]}}', "escapes and unknown members"),
    ('{"keytype":"SCHEMA","subject":":.:s","version":1,"magic":1}', "the default context by its name"),
]


VALUES = [
    ('{"subject":"%s","version":1,"id":5,"schema":"\\"int\\""}', "no type, no deleted"), ('{"schema":"\\"int\\"","id":5}', "nothing but text and id"),
    ('{"subject":"%s","version":1,"id":5,"md5":"AAAA","schemaType":null,"references":null,"metadata":null,"ruleSet":null,"schema":"\\"int\\"","deleted":null,'
     '"offset":3,"ts":4}', "nulls"),
    ('{"subject":"%s","version":1,"id":5,"schemaType":"AVRO","references":[],"schema":"\\"int\\"","deleted":false,"schemaTags":[1],"x":{"y":[]}}',
     "unknown members"),
    ('{"deleted":false,"schema":"\\"int\\"","id":5,"version":1,"subject":"%s"}', "another order"),
]


def test_forms_of_keys_and_values(foreign):
    records, subjects = [], []
    for key, why in KEYS:
        subjects.append(why)
        records.append((key.replace('"s"', f'"{why}"').replace('":.:s"', f'":.:{why}"').replace('"\\u0073"', f'"\\u{ord(why[0]):04x}{why[1:]}"'), schema_value(why, 1, 5, '"int"')))
    for value, why in VALUES:
        subjects.append("v " + why)
        records.append((SCHEMA % ("v " + why, 1), value.replace("%s", "v " + why)))
    m = foreign(records)
    assert m.r("GET", "/subjects").json == sorted(subjects)
    for subject in subjects:
        got = m.r("GET", f"/schemas/ids/5?subject={q(subject)}").json
        assert (got["subject"], got["version"], got["schemaType"], got["schema"], got["deleted"]) == (subject, 1, "AVRO", '"int"', False)
        assert "references" not in got and "metadata" not in got and "ruleSet" not in got
        assert post(m, subject, '"int"').json["id"] == 5
        path = f"/subjects/{q(subject)}/versions/1"
        assert m.r("DELETE", path).json == 1 and m.r("DELETE", path + "?permanent=true").json == 1, subject
    assert m.r("GET", "/subjects?deleted=true").json == []
    assert post(m, "t", '"long"').json["id"] == 6


@pytest.mark.parametrize("kind, old, path, seen, new", [
    ("CONFIG", '{"subject":null,"compatibilityLevel":"FULL"}', "/config", {"compatibilityLevel": "FULL"}, {"compatibility": "NONE"}),
    ("CONFIG", '{"compatibilityLevel":"FULL"}', "/config", {"compatibilityLevel": "FULL"}, {"compatibility": "NONE"}),
    ("MODE", '{"subject":null,"mode":"READONLY"}', "/mode", {"mode": "READONLY"}, {"mode": "READWRITE"}),
])
def test_old_global_keys(foreign, start_muir, kind, old, path, seen, new):
    """A key with "subject":null is another key for compaction: what we write must not be undone when only the old one is left behind ours."""
    null_key = '{"keytype":"%s","subject":null,"magic":0}' % kind
    m = foreign([(null_key, old)])
    assert m.r("GET", path).json == seen
    m.r("PUT", path, new)
    assert m.r("DELETE", path).status == 200
    default = {"compatibilityLevel": "BACKWARD"} if kind == "CONFIG" else {"mode": "READWRITE"}
    assert m.r("GET", path).json == default
    last = dict(r for r in read_all(m, m.topic, 2) if '"NOOP"' not in r[0])
    assert last.get(null_key, "kept") is None, "the old form is deleted too"
    m.stop()
    m = start_muir("-o", f"kafkastore.topic={m.topic}", same_log_as=m)
    assert m.r("GET", path).json == default


def test_what_the_records_do_in_order(foreign):
    records = []
    for v in (1, 2, 3):
        records.append((SCHEMA % ("s", v), schema_value("s", v, v, '{"type":"int","v":%d}' % v)))
    records += [(key_of("DELETE_SUBJECT", "s"), '{"subject":"s","version":2}'), (SCHEMA % ("s", 2), schema_value("s", 2, 2, '{"type":"int","v":2}'))]
    records += [(SCHEMA % ("s", 3), None)]
    records += [(SCHEMA % ("t", 1), schema_value("t", 1, 1, '"another text under a known id"'))]
    records += [(SCHEMA % ("u", 4), schema_value("u", 4, 2, '{"type":"int","v":2}')), (key_of("CLEAR_SUBJECT", "u"), '{"subject":"u"}')]
    records += [(SCHEMA % ("w", 1), schema_value("w", 1, 90, '"bytes"')), (SCHEMA % ("w", 1), None)]
    records += [('{"keytype":"CONTEXT","tenant":"default","context":".c","magic":0}', '{"tenant":"default","context":".c"}'),
                ('{"keytype":"CONTEXT","tenant":"default","context":".d","magic":0}', '{"tenant":"default","context":".d"}'),
                ('{"keytype":"CONTEXT","tenant":"default","context":".d","magic":0}', None)]
    m = foreign(records)
    assert m.r("GET", "/subjects/s/versions?deletedAsNegative=true").json == [-1, 2]
    assert m.r("GET", "/subjects?deleted=true").json == ["s", "u"]
    assert json.loads(m.r("GET", "/schemas/ids/1").json["schema"]) == {"type": "int", "v": 1}
    error(m.r("GET", "/schemas/ids/3"), 404, 40403)
    error(m.r("GET", "/schemas/ids/90"), 404, 40403)
    assert sorted(m.r("GET", "/schemas/ids/2/subjects").json) == ["s", "u"]
    assert m.r("GET", "/contexts").json == [".", ".c"]
    assert "schemas.ignored" in m.log
    assert post(m, "n", '"float"').json["id"] == 91  # the highest id ever seen counts
    assert post(m, "s", '{"type":"int","v":3}').json["version"] == 3


def test_what_is_no_schema_by_our_rules_stays_readable(foreign):
    dashed = '{"type":"record","name":"R","namespace":"a-bad.namespace","fields":[]}'
    m = foreign([(SCHEMA % ("bad", 1), schema_value("bad", 1, 1, "this is no Avro")), (SCHEMA % ("dash", 1), schema_value("dash", 1, 2, dashed)),
                 (SCHEMA % ("json", 1), schema_value("json", 1, 3, '{"type":"object"}', schemaType="JSON")),
                 (SCHEMA % ("proto", 1), schema_value("proto", 1, 4, 'syntax = "proto3";', schemaType="PROTOBUF")),
                 (SCHEMA % ("spaced", 1), schema_value("spaced", 1, 5, '{ "type" : "string" }')),
                 (SCHEMA % ("gone", 1), schema_value("gone", 1, 6, '"N"', references=[{"name": "N", "subject": "nobody", "version": 3}]))])
    assert m.r("GET", "/schemas/ids/1").json["schema"] == "this is no Avro"  # e100
    assert m.r("GET", "/schemas/ids/1/schema").body == b"this is no Avro"
    assert (m.r("GET", "/schemas/ids/3").json["schemaType"], m.r("GET", "/subjects/proto/versions/latest").json["schemaType"]) == ("JSON", "PROTOBUF")
    assert m.r("GET", "/schemas/ids/5").json["schema"] == '{ "type" : "string" }'
    assert m.r("GET", "/schemas/ids/6").json["references"] == [{"name": "N", "subject": "nobody", "version": 3}]
    assert len(m.r("GET", "/schemas").json) == 6
    # e15: readable, found, and extendable
    assert m.r("GET", "/subjects/dash/versions/1/schema").body.decode() == dashed
    assert m.r("POST", "/subjects/dash", {"schema": dashed}).json["id"] == 2
    wider = '{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":0}]}'
    assert post(m, "dash", wider).json["version"] == 2
    # a version of another type is an incompatible one, whether or not it can be read here
    for subject, theirs in (("json", "JSON"), ("proto", "PROTOBUF")):
        differs = f"Incompatible because of different schema type: the new schema is AVRO, the old one {theirs}"
        a = post(m, subject, '"int"')
        assert (a.status, a.code) == (409, 40901) and differs in a.message, a
        a = m.r("POST", f"/compatibility/subjects/{subject}/versions/latest?verbose=true", {"schema": '"int"'})
        assert a.json == {"is_compatible": False, "messages": [differs, "{validateFields: 'false', compatibility: 'BACKWARD'}"]}
    # nothing that cannot be parsed gives a server error
    for subject in ("bad", "json", "gone"):
        a = post(m, subject, '"int"')
        assert a.status in (409, 422), a
        assert len(a.message) > 20
        assert m.r("POST", f"/subjects/{subject}", {"schema": '"int"'}).code == 40403
        assert m.r("POST", f"/compatibility/subjects/{subject}/versions/latest?verbose=true", {"schema": '"int"'}).status in (200, 422)
        assert post(m, subject, '"int"', "?force=true").json["version"] == 2
        assert m.r("DELETE", f"/subjects/{subject}").json == [1, 2]
        assert m.r("DELETE", f"/subjects/{subject}?permanent=true").json == [1, 2]
    assert m.r("GET", "/schemas/ids/6?format=resolved").status in (200, 404, 422)
    assert m.r("GET", "/schemas/ids/5?format=resolved").json["schema"] in ('"string"', '{ "type" : "string" }')


@pytest.mark.parametrize("partitions, policy, words", [(2, "compact", "2 partitions"), (1, "delete", "cleanup.policy")])
def test_a_topic_that_will_not_do(start_muir, partitions, policy, words):
    m = start_muir()
    topic = make_topic(m, partitions, policy)
    m.stop()
    from conftest import Muir
    n = Muir.__new__(Muir)
    n.engine, n.directory = m.engine, m.directory
    n.log_path = m.log_path + "-refused"
    n.args = m.args + ["-o", f"kafkastore.topic={topic}"]
    try:
        n.start(ready=False)
        wait_until(lambda: words in n.log)
        a = n.r("GET", "/health/ready")
        assert a.status == 503 and words in a.body.decode()
        assert n.r("GET", "/subjects").status == 503 or n.r("GET", "/subjects").json == []
        assert post(n, "s", '"int"').status in (500, 503)
    finally:
        n.kill()
