"""v2 produce: formats, schemas, partitions, nulls, and what is refused (proxy-api.md 1.4, 3)."""
import base64
import json
import random
import threading

import pytest

from conftest import AVRO, BINARY, JSON, V2, call, wait_until

PERSON = {"type": "record", "name": "Person", "namespace": "acme", "fields": [
    {"name": "name", "type": "string"},
    {"name": "age", "type": "int"},
    {"name": "mail", "type": ["null", "string"], "default": None}]}


def produce(muir, topic, records, type=BINARY, status=200, path="", **members):
    a = muir.p("POST", f"/topics/{topic}{path}", {**members, "records": records}, type)
    assert a.status == status, a
    assert a.headers["content-type"].startswith(V2), a.headers
    return a


def stored(muir, topic, format=BINARY, partitions=1, group=None):
    """All records of a topic, as an instance of that format reads them, by partition and offset."""
    total = 0
    for p in range(partitions):
        total += muir.p("GET", f"/topics/{topic}/partitions/{p}/offsets").json["end_offset"]
    name = {BINARY: "binary", JSON: "json", AVRO: "avro"}[format]
    made = muir.p("POST", f"/consumers/{group or topic}", {"format": name, "auto.offset.reset": "earliest", "fetch.min.bytes": "0",
                                                             "auto.commit.enable": "false"}).json
    base = made["base_uri"]
    here = {"partitions": [{"topic": topic, "partition": p} for p in range(partitions)]}
    assert call(base, "POST", "/assignments", here, V2).status == 204
    assert call(base, "POST", "/positions/beginning", here, V2).status == 204
    got = []

    def more():
        a = call(base, "GET", "/records", headers={"Accept": format})
        assert a.status == 200, a
        got.extend(a.json)
        return len(got) >= total

    wait_until(more)
    call(base, "DELETE", "")
    return sorted(got, key=lambda r: (r["partition"], r["offset"]))


def b64(data):
    return base64.b64encode(data).decode()


def ends(muir, topic):
    a = muir.p("GET", f"/topics/{topic}/partitions/0/offsets")
    return a.json["end_offset"] if a.status == 200 else None


def test_binary_comes_back(muir, name):
    a = produce(muir, name, [{"key": "a2V5", "value": "dmFs"}, {"value": b64(bytes(range(256)))}, {"value": None}, {"key": "aw"}, {}])
    assert a.json == {"offsets": [{"partition": 0, "offset": i, "error_code": None, "error": None} for i in range(5)],
                      "key_schema_id": None, "value_schema_id": None}
    assert list(a.json["offsets"][0]) == ["partition", "offset", "error_code", "error"]
    got = stored(muir, name)
    assert [(r["key"], r["value"]) for r in got] == [("a2V5", "dmFs"), (None, b64(bytes(range(256)))), (None, None), ("aw==", None), (None, None)]


def test_random_bytes_come_back(muir, name):
    rng = random.Random(3)
    values = [rng.randbytes(rng.randrange(0, 400)) for _ in range(1000)]
    produce(muir, name, [{"value": b64(v) if rng.random() < .5 else b64(v).rstrip("=")} for v in values])
    assert [base64.b64decode(r["value"]) for r in stored(muir, name)] == values


def test_no_content_type_is_binary(muir, name):
    a = call(muir.proxy, "POST", f"/topics/{name}", '{"records":[{"value":"dmFs"}]}')
    assert a.status == 200, a
    assert stored(muir, name)[0]["value"] == "dmFs"


@pytest.mark.parametrize("type", ["application/json", V2, "application/vnd.kafka.xml.v2+json", "application/vnd.kafka.binary.v1+json", "text/plain"])
def test_other_content_types_are_refused(muir, name, type):
    a = muir.p("POST", f"/topics/{name}", {"records": [{"value": "dmFs"}]}, type)
    assert (a.status, a.code, a.message) == (415, 415, "HTTP 415 Unsupported Media Type")


def test_accept_must_be_met(muir, name):
    a = muir.p("POST", f"/topics/{name}", {"records": [{"value": "dmFs"}]}, BINARY, headers={"Accept": "application/json"})
    assert a.status == 406


def test_json_is_stored_compact(muir, name):
    text = '{"records":[{"value":{ "b" : 1, "a" : [12345678901234567890123, 1.10, "\\u00e9\\/"] }},{"value":null},{"key":5,"value":"x"}]}'
    assert muir.p("POST", f"/topics/{name}", text, JSON).status == 200
    got = stored(muir, name)
    assert base64.b64decode(got[0]["value"]) == '{"b":1,"a":[12345678901234567890123,1.1,"é/"]}'.encode()
    assert got[1]["value"] is None
    assert (base64.b64decode(got[2]["key"]), base64.b64decode(got[2]["value"])) == (b"5", b'"x"')
    assert [r["value"] for r in stored(muir, name, JSON)][1:] == [None, "x"]


def test_partitions(muir, name):
    cluster = muir.p("GET", "/v3/clusters").json["data"][0]["cluster_id"]
    assert muir.p("POST", f"/v3/clusters/{cluster}/topics", {"topic_name": name, "partitions_count": 4}, "application/json").status == 201
    a = produce(muir, name, [{"value": "AA", "partition": 3}, {"value": "AA"}], path="/partitions/2")
    assert [o["partition"] for o in a.json["offsets"]] == [3, 2]
    a = produce(muir, name, [{"value": "AA", "partition": "1"}, {"value": "AA", "partition": 0}])
    assert [o["partition"] for o in a.json["offsets"]] == [1, 0]
    keyed = [{"key": b64(b"k%d" % (i % 5)), "value": "AA"} for i in range(40)]
    offsets = produce(muir, name, keyed).json["offsets"]
    for i in range(5):
        assert len({o["partition"] for o in offsets[i::5]}) == 1
    # murmur2 & 0x7fffffff % 4, worked out by hand for the default partitioner of Kafka's clients
    assert murmur2(b"k0") % 4 == offsets[0]["partition"]
    a = muir.p("POST", f"/topics/{name}", {"records": [{"value": "AA", "partition": -1}]}, BINARY)
    assert (a.status, a.code) == (404, 40402)
    for p, status in (("x", 404), ("-1", 404), ("99999999999", 404)):
        assert muir.p("POST", f"/topics/{name}/partitions/{p}", {"records": [{"value": "AA"}]}, BINARY).status == status
    a = produce(muir, name, [{"value": "AA", "partition": 77}, {"value": "AA", "partition": 1}])
    first, second = a.json["offsets"]
    assert first["error_code"] == 50003 and first["offset"] is None and first["partition"] is None and first["error"]
    assert second["error_code"] is None and second["partition"] == 1


def murmur2(data):
    m, mask = 0x5bd1e995, 0xffffffff
    h = (0x9747b28c ^ len(data)) & mask
    whole = len(data) // 4 * 4
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i:i + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return (h ^ h >> 15) & 0x7fffffff


@pytest.mark.parametrize("body, status, code, text", [
    ("", 422, 422, "must not be null"),
    ("null", 422, 422, "must not be null"),
    ("{}", 422, 422, "produceBinary.request.records must not be empty (was null)"),
    ('{"records":[]}', 422, 422, "produceBinary.request.records must not be empty (was [])"),
    ('{"records":[null]}', 422, 422, "must not be null"),
    ('{"records":[{"valeu":"AA"}]}', 422, 422, "Unrecognized field: valeu"),
    ('{"records":[{"value":"AA","timestamp":5}]}', 422, 422, "Unrecognized field: timestamp"),
    ('{"records":[{"value":"AA","partition":"x"}]}', 400, 400, "Cannot deserialize value of type int"),
    ('{"records":[{"value":"AA","partition":3000000000}]}', 400, 400, "Cannot deserialize value of type int"),
    ('{"records":"x"}', 400, 400, "Cannot deserialize value of type"),
    ('{"records":[{"value":"AA"}]}}}}', 400, 400, "expected the end of the text"),
    ('{"records":[{"value":"AA"}', 400, 400, "line 1 column"),
    ('{"records":[{"value":"AA"},{"value":"not base64!"}]}', 400, 400, 'Bad Request: records[1].value: data="not base64!" is not base64'),
    ('{"records":[{"value":"AA"},{"value":12}]}', 400, 400, "Bad Request: records[1].value: expected a base64 string, got number"),
    ('{"records":[{"value":"AA"},{"key":{}}]}', 400, 400, "Bad Request: records[1].key: expected a base64 string, got object"),
    (b'{"records":[{"value":"\xff\xfe"}]}', 400, 400, "UTF-8"),
    ("[" * 100000, 400, 400, ""),
])
def test_refusals_store_nothing(muir, name, body, status, code, text):
    produce(muir, name, [{"value": "AA"}])
    a = muir.p("POST", f"/topics/{name}", body, BINARY)
    assert (a.status, a.code) == (status, code), a
    assert text in a.message
    assert a.headers["content-type"].startswith(V2)
    assert ends(muir, name) == 1


def test_avro_by_id_and_by_text(muir, name):
    vid = muir.register(f"{name}-value", PERSON)["id"]
    ann = {"name": "Ann", "age": 7, "mail": {"string": "a@b"}}
    bob = {"name": "Bob", "age": -1, "mail": None}
    a = produce(muir, name, [{"value": ann}, {"value": bob}], AVRO, value_schema_id=vid)
    assert a.json["value_schema_id"] == vid and a.json["key_schema_id"] is None
    # text, with other white space; key schema registered on the way
    a = produce(muir, name, [{"key": "k", "value": ann}], AVRO, value_schema=json.dumps(PERSON, indent=1), key_schema='"string"')
    assert a.json["value_schema_id"] == vid
    kid = a.json["key_schema_id"]
    assert muir.r("GET", f"/subjects/{name}-key/versions/1").json["id"] == kid
    got = stored(muir, name, AVRO)
    assert [r["value"] for r in got] == [ann, bob, ann]
    assert [r["key"] for r in got] == [None, None, "k"]
    raw = base64.b64decode(stored(muir, name, BINARY, group=name + "b")[0]["value"])
    assert raw == b"\0" + vid.to_bytes(4, "big") + b"\x06Ann\x0e\x02\x06a@b"


def test_members_in_any_order(muir, name):
    vid = muir.register(f"{name}-value", '"int"')["id"]
    for i in range(2):  # the first time the schema is not known to the proxy
        text = '{"records":[{"value":%d}],"value_schema_id":%d}' % (i, vid)
        assert muir.p("POST", f"/topics/{name}", text, AVRO).status == 200
    text = '{"records":[{"key":"k","value":2}],"value_schema_id":%d,"key_schema":"\\"string\\""}' % vid
    assert muir.p("POST", f"/topics/{name}", text, AVRO).status == 200
    assert [r["value"] for r in stored(muir, name, AVRO)] == [0, 1, 2]


@pytest.mark.parametrize("again", [False, True], ids=["first", "cached"])
def test_a_record_that_does_not_fit_says_where(muir, name, again):
    schema = {"type": "record", "name": "R", "fields": [{"name": "address", "type": {
        "type": "record", "name": "A", "fields": [{"name": "zip", "type": "int"}]}}]}
    vid = muir.register(f"{name}-value", schema)["id"]
    good = {"address": {"zip": 1}}
    if again:
        produce(muir, name, [{"value": good}], AVRO, value_schema_id=vid)
    before = ends(muir, name) if again else None
    a = muir.p("POST", f"/topics/{name}", {"value_schema_id": vid, "records": [{"value": good}] * 3 + [{"value": {"address": {"zip": "1"}}}]}, AVRO)
    assert (a.status, a.code) == (400, 400)
    assert a.message == "Bad Request: records[3].value/address/zip: expected int, got string"
    assert ends(muir, name) == before or ends(muir, name) == 0
    a = muir.p("POST", f"/topics/{name}", {"value_schema_id": vid, "records": [{"value": {"address": {"zip": None}}}]}, AVRO)
    assert (a.status, a.code) == (400, 400)


def test_avro_refusals(muir, name):
    muir.register(f"{name}-value", '"int"')
    other = muir.register(f"{name}other-value", '"long"')["id"]
    one = [{"value": 1}]

    def refused(status, code, records=one, **members):
        a = muir.p("POST", f"/topics/{name}", {**members, "records": records}, AVRO)
        assert (a.status, a.code) == (status, code), a
        return a.message

    refused(422, 42202)
    refused(422, 42201, [{"key": 1, "value": 1}], value_schema='"int"')
    assert "Invalid schema" in refused(422, 42205, value_schema="this is not JSON")
    refused(422, 42205, value_schema='{"type":"record","name":"R"}')
    refused(422, 42207, value_schema_id=99999999)
    refused(422, 42207, value_schema_id=other)  # another subject's
    refused(422, 42207, value_schema='"string"')  # incompatible with "int"
    refused(400, 400, value_schema='"int"', value_schema_id=1)
    refused(400, 400, [{"value": None}], value_schema='"int"')
    refused(400, 400, [{"value": 1}], value_schema='"int"', key_schema='"string"')  # no key where one is needed
    refused(400, 400, value_schema_id="x")
    refused(400, 400, value_schema=["int"])
    assert ends(muir, name) in (None, 0)


def test_key_schema_without_keys_is_resolved(muir, name):
    a = produce(muir, name, [{"value": 1}], AVRO, value_schema='"int"', key_schema='["null","string"]')
    assert a.json["key_schema_id"] == muir.r("GET", f"/subjects/{name}-key/versions/1").json["id"]
    assert stored(muir, name)[0]["key"] is None


def test_tombstones(muir, name):
    produce(muir, name, [{"value": None}, {}], AVRO)  # no schema: nothing to encode
    produce(muir, name, [{"value": None}, {"value": {"int": 5}}], AVRO, value_schema='["null","int"]')
    assert [r["value"] for r in stored(muir, name, AVRO)] == [None, None, None, 5]


def test_many_at_once(muir, name):
    """Requests of many connections: each gets its own answer, nothing is lost."""
    seen, failures = [], []

    def client(k):
        try:
            for i in range(25):
                a = produce(muir, name, [{"value": b64(b"%d-%d-%d" % (k, i, j))} for j in range(3)])
                seen.extend((o["offset"], b"%d-%d-%d" % (k, i, j)) for j, o in enumerate(a.json["offsets"]))
        except Exception as e:  # noqa: BLE001 - shown below
            failures.append(repr(e))

    threads = [threading.Thread(target=client, args=(k,)) for k in range(16)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not failures
    assert sorted(o for o, _ in seen) == list(range(16 * 25 * 3))
    got = {r["offset"]: base64.b64decode(r["value"]) for r in stored(muir, name)}
    assert got == dict(seen)


def test_too_large_a_record(muir, name):
    produce(muir, name, [{"value": "AA"}])
    a = produce(muir, name, [{"value": b64(b"x" * 3_000_000)}, {"value": "AA"}])
    first, second = a.json["offsets"]
    assert first["error_code"] == 50002 and first["error"]
    assert second["error_code"] is None


def test_limit_of_records(start_muir, name):
    m = start_muir("-o", "produce.request.max.records=10")
    assert m.p("POST", f"/topics/{name}", {"records": [{}] * 10}, BINARY).status == 200
    a = m.p("POST", f"/topics/{name}", {"records": [{}] * 11}, BINARY)
    assert (a.status, a.code) == (413, 413)
    assert "produce.request.max.records" in a.message


def test_without_auto_creation(start_muir, name):
    m = start_muir("-o", "auto.create.topics.enable=false")
    a = produce(m, name, [{"value": "AA"}, {"value": "AA"}])
    assert [o["error_code"] for o in a.json["offsets"]] == [50003, 50003]
    assert m.p("GET", f"/topics/{name}").status == 404


def test_without_a_registry(start_muir, name):
    m = start_muir("-o", "schema.registry.url=")
    a = m.p("POST", f"/topics/{name}", {"value_schema": '"int"', "records": [{"value": 1}]}, AVRO)
    assert (a.status, a.code) == (422, 42206)
    assert a.message == "Payload error. Schema Registry must be configured when using schemas."


def test_registry_away(start_muir, name):
    m = start_muir("-o", "schema.registry.url=http://127.0.0.1:1")
    a = m.p("POST", f"/topics/{name}", {"value_schema": '"int"', "records": [{"value": 1}]}, AVRO)
    assert (a.status, a.code) == (500, 50003), a


def test_record_name_strategy(start_muir, name):
    m = start_muir("-o", "schema.registry.value.subject.name.strategy=RecordNameStrategy")
    ann = {"name": "Ann", "age": 7, "mail": None}
    vid = produce(m, name, [{"value": ann}], AVRO, value_schema=json.dumps(PERSON)).json["value_schema_id"]
    assert m.r("GET", "/subjects/acme.Person/versions/latest").json["id"] == vid
    produce(m, name, [{"value": ann}], AVRO, value_schema_id=vid)
    a = m.p("POST", f"/topics/{name}", {"value_schema": '"int"', "records": [{"value": 1}]}, AVRO)
    assert (a.status, a.code) == (400, 400), a


def test_a_full_buffer_slows_down_but_loses_nothing(request, engine, start_muir, name):
    if engine != "kafka":
        pytest.skip("the embedded log's buffer cannot be made small")
    m = start_muir("-o", "producer.queue.buffering.max.messages=1000")
    codes = []

    def client():
        for _ in range(5):
            codes.append(m.p("POST", f"/topics/{name}", {"records": [{"value": "AA"}] * 600}, BINARY).status)

    threads = [threading.Thread(target=client) for _ in range(12)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert codes == [200] * 60
    assert ends(m, name) == 60 * 600
    a = m.p("POST", f"/topics/{name}", {"records": [{"value": "AA"}] * 1001}, BINARY)  # can never fit
    assert a.status == 503 and "retry-after" in a.headers, a
    assert ends(m, name) == 60 * 600
