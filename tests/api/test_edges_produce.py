"""v2 produce at its edges: tables of bodies, types and schemas from proxy-api.md 0.4, 0.5, 1.2, 1.4, 3 and its numbered edge cases (7.N in the ids)."""
import base64
import json
import threading
import uuid

import pytest

from conftest import AVRO, BINARY, JSON, V2, call
from test_consume import Consumer, make_topic, tp
from test_produce import b64, ends, murmur2, produce, stored

FLAT = {"type": "record", "name": "Flat", "namespace": "acme.edge", "fields": [
    {"name": "n", "type": "int"}, {"name": "u", "type": ["null", "string"], "default": None}, {"name": "d", "type": "int", "default": 5}]}
EVERY = {"type": "record", "name": "Every", "namespace": "acme.edge", "fields": [
    {"name": "l", "type": "long"}, {"name": "f", "type": "float"}, {"name": "g", "type": "double"}, {"name": "b", "type": "bytes"},
    {"name": "x", "type": {"type": "fixed", "name": "Two", "size": 2}}, {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["A", "B"]}},
    {"name": "a", "type": {"type": "array", "items": "int"}}, {"name": "m", "type": {"type": "map", "values": "boolean"}},
    {"name": "u", "type": ["null", "long", "Two", {"type": "record", "name": "In", "fields": [{"name": "s", "type": "string"}]}]},
    {"name": "t", "type": {"type": "int", "logicalType": "date"}}]}
GOOD = {"l": 9223372036854775807, "f": 0.5, "g": 1, "b": "\u0000\u00ff", "x": "ab", "e": "B", "a": [1, 2], "m": {"k": True}, "u": None, "t": 19000}


class Topic:
    """One topic for a module's cases, and an instance that has read it up to where the last case ended."""

    def __init__(self, muir, format):
        self.muir, self.name = muir, "t" + uuid.uuid4().hex[:10]
        make_topic(muir, self.name)
        self.reader = Consumer(muir, self.name, "reader", format, partitions=[tp(self.name)], fetch_min_bytes=0)

    def post(self, body, type, **headers):
        return self.muir.p("POST", f"/topics/{self.name}", body, type, headers=headers)

    def new(self, n):
        """The n records that came since the last call; there must be no more than those."""
        got = self.reader.read_n(n)
        assert len(got) == n and got[-1]["offset"] == ends(self.muir, self.name) - 1, got
        return got


@pytest.fixture(scope="module")
def binary(muir):
    return Topic(muir, "binary")


@pytest.fixture(scope="module")
def avro(muir):
    return Topic(muir, "avro")


def table(*rows):
    """Rows (id, ...): a parameter set of the rest each, under that id."""
    return [pytest.param(*row[1:], id=row[0]) for row in rows]


# ---- what is accepted, and what it becomes


@pytest.mark.parametrize("text, value", table(
    ("no padding, 1 byte [7.23]", "/g", b"\xfe"),
    ("no padding, 2 bytes [7.23]", "AAE", b"\0\1"),
    ("padding", "AA==", b"\0"),
    ("plus and slash", "+/+/", b"\xfb\xff\xbf"),
    ("nothing", "", b""),
    ("bits behind the last byte", "AB", b"\0"),
))
def test_base64_taken(binary, text, value):
    a = binary.post({"records": [{"value": text}]}, BINARY)
    assert a.status == 200, a
    assert binary.new(1)[0]["value"] == b64(value)


@pytest.mark.parametrize("value", table(
    ("url alphabet -", "-_-_"), ("url alphabet _", "__8"), ("space before", " AA=="), ("space inside", "A A="), ("line break", "AAAA\nAAAA"),
    ("one character", "A"), ("five characters", "AAAAA"), ("half the padding", "AA="), ("padding too long", "AAA=="), ("only padding", "="),
    ("text behind the padding", "AA==AA=="), ("not base64 [7.21]", "not base64!"), ("beyond ASCII", "é"), ("NUL", "AA\0A"),
    ("number [7.22]", 12), ("object [7.22]", {"a": 1}), ("array", ["AA"]), ("boolean", True),
))
def test_base64_refused(binary, value):
    before = ends(binary.muir, binary.name)
    for records in ([{"value": "AA"}, {"value": value}], [{"value": "AA"}, {"key": value, "value": "AA"}]):
        a = binary.post({"records": records}, BINARY)
        assert (a.status, a.code) == (400, 400), a
        assert a.message.startswith("Bad Request: records[1].")
    assert ends(binary.muir, binary.name) == before


@pytest.mark.parametrize("sent, kept", table(
    ("order of names [7.24]", '{ "z":1 ,\t"a":{"y":[ ],"b":{ }} }', '{"z":1,"a":{"y":[],"b":{}}}'),
    ("23 digits [7.25]", "12345678901234567890123", "12345678901234567890123"),
    ("negative, 23 digits", "[-12345678901234567890123]", "[-12345678901234567890123]"),
    ("1.10 [7.25]", "1.10", "1.1"), ("1.0", "1.0", "1.0"), ("1e2", "1e2", "100.0"), ("1E10", "1E10", "1.0E10"), ("1e7", "1e7", "1.0E7"),
    ("just under 1e7", "9999999.5", "9999999.5"), ("0.001", "0.001", "0.001"), ("under 0.001", "0.0001", "1.0E-4"), ("-0.0", "-0.0", "-0.0"),
    ("digits in excess", "0.12345678901234567890123", "0.12345678901234568"),
    ("smallest double", "4.9e-324", "4.9E-324"), ("largest double", "1.7976931348623157e308", "1.7976931348623157E308"),
    ("too small", "1e-400", "0.0"), ("too large", "1E400", '"Infinity"'), ("too large, below 0", "[-1E400]", '["-Infinity"]'),
    ("true", "true", "true"), ("false", "false", "false"), ("empty text", '""', '""'), ("text", '"null"', '"null"'),
    ("null inside", '[null,{"a":null}]', '[null,{"a":null}]'),
    ("a name twice", '{"a":1,"b":2,"a":3}', None),
    ("escapes", r'"\u00e9\/\u0041\ud83d\ude00"', '"é/A😀"'), ("controls", r'"\u0000\n\u001f"', None), ("200 levels", "[" * 200 + "]" * 200, "[" * 200 + "]" * 200),
))
def test_json_kept(binary, sent, kept):
    a = binary.post('{"records":[{"key":%s,"value":%s}]}' % (sent, sent), JSON)
    assert a.status == 200, a
    got = binary.new(1)[0]
    assert got["key"] == got["value"]
    text = base64.b64decode(got["value"]).decode()
    if kept is None:  # more than one spelling is right
        assert json.loads(text) == json.loads(sent)
    else:
        assert text == kept


@pytest.mark.parametrize("place", table(
    ("number", 1), ("text [7.15]", "1"), ("text with spaces", " 1 "), ("fraction is cut", 1.7), ("path and record [7.27]", 1)))
def test_partition_taken(muir, name, place):
    make_topic(muir, name, 3)
    a = produce(muir, name, [{"value": "AA", "partition": place}], path="/partitions/0")
    assert a.json["offsets"][0]["partition"] == 1


@pytest.mark.parametrize("place", table(("null", "null"), ("empty text", '""')))
def test_partition_left_to_the_path(muir, name, place):
    make_topic(muir, name, 3)
    a = muir.p("POST", f"/topics/{name}/partitions/2/", '{"records":[{"value":"AA","partition":%s}]}' % place, BINARY)
    assert a.status == 200 and a.json["offsets"][0]["partition"] == 2, a


@pytest.mark.parametrize("body, expected", table(
    ("records twice: the last", '{"records":[{"value":"AA"},{"value":"AA"}],"records":[{"value":"AQ"}]}', ["AQ=="]),
    ("records twice: the first is no longer looked at", '{"records":[],"records":[{"value":"AQ"}]}', ["AQ=="]),
    ("value twice: the last", '{"records":[{"value":"AA","value":"AQ"}]}', ["AQ=="]),
    ("value twice: null at last", '{"records":[{"value":"AA","value":null}]}', [None]),
    ("value twice: null at first", '{"records":[{"value":null,"value":"AA"}]}', ["AA=="]),
    ("schema members are ignored", '{"value_schema":"nonsense","key_schema_id":99999999,"records":[{"value":"AA"}]}', ["AA=="]),
    ("schema members are null", '{"value_schema":null,"value_schema_id":null,"key_schema":null,"key_schema_id":null,"records":[{"value":"AA"}]}', ["AA=="]),
    ("white space around", ' \r\n\t{ "records" : [ { "value" : "AA" } ] } \n', ["AA=="]),
    ("names with escapes", r'{"re\u0063ords":[{"v\u0061lue":"AA"}]}', ["AA=="]),
    ("value with escapes", r'{"records":[{"value":"\u0041\u0041\u003d="}]}', ["AA=="]),
    ("empty records [7.26]", '{"records":[{},{"value":null}]}', [None, None]),
))
def test_bodies_taken(binary, body, expected):
    a = binary.post(body, BINARY)
    assert a.status == 200, a
    assert len(a.json["offsets"]) == len(expected)
    assert [r["value"] for r in binary.new(len(expected))] == expected


@pytest.mark.parametrize("method, type", table(("binary", "produceBinary", BINARY), ("json", "produceJson", JSON), ("avro", "produceAvro", AVRO)))
@pytest.mark.parametrize("body, status, text", table(
    ("list for the body", "[]", 400, "Cannot deserialize value of type"), ("number for the body", "1", 400, "Cannot deserialize value of type"),
    ("records null [7.11]", '{"records":null}', 422, "METHOD.request.records must not be empty (was null)"),
    ("records empty [7.11]", '{"records":[ ]}', 422, "METHOD.request.records must not be empty (was [])"),
    ("nothing [7.12]", " \n ", 422, "METHOD.request must not be null (was null)"), ("null [7.12]", " null ", 422, "METHOD.request must not be null (was null)"),
    ("records object", '{"records":{}}', 400, "records"), ("record number", '{"records":[1]}', 400, "records[0]"),
    ("record list", '{"records":[{"value":null},[]]}', 400, "records[1]"), ("record null", '{"records":[{},null]}', 422, "records[1]"),
    ("unknown at the top", '{"records":[{}],"recrods":[]}', 422, "Unrecognized field: recrods"),
    ("unknown before records", '{"topic":"t","records":[{}]}', 422, "Unrecognized field: topic"),
    ("headers of v3 [7.13]", '{"records":[{"headers":[]}]}', 422, "Unrecognized field: headers"),
    ("partition text [7.15]", '{"records":[{"partition":"x"}]}', 400, "records[0].partition"),
    ("partition too large [7.15]", '{"records":[{},{"partition":3000000000}]}', 400, "records[1].partition"),
    ("partition boolean", '{"records":[{"partition":true}]}', 400, "partition"), ("partition list", '{"records":[{"partition":[1]}]}', 400, "partition"),
    ("schema id text", '{"records":[{}],"value_schema_id":"x"}', 400, "value_schema_id"),
    ("schema id boolean", '{"value_schema_id":false,"records":[{}]}', 400, "value_schema_id"),
    ("schema id too large", '{"value_schema_id":3000000000,"records":[{}]}', 400, "value_schema_id"),
    ("schema object", '{"records":[{}],"key_schema":{}}', 400, "key_schema"),
    ("text behind [errata 2]", '{"records":[{}]}]', 400, "line 1 column 17"), ("two bodies", '{"records":[{}]}{"records":[{}]}', 400, "line 1 column 17"),
    ("a comma too many", '{"records":[{},]}', 400, "line 1 column"), ("single quotes", "{'records':[{}]}", 400, "line 1 column"),
    ("NaN", '{"records":[{"value":NaN}]}', 400, "line 1 column"), ("cut", '{"records":[{"value":"A', 400, "line 1 column"),
))
def test_bodies_refused(binary, body, status, text, method, type):
    before = ends(binary.muir, binary.name)
    a = binary.post(body, type)
    assert (a.status, a.code) == (status, status), a
    assert text.replace("METHOD", method) in a.message
    assert list(a.json) == ["error_code", "message"] and a.headers["content-type"].startswith(V2)
    assert ends(binary.muir, binary.name) == before


# ---- media types


@pytest.mark.parametrize("type, status", table(
    ("a type in capitals", BINARY.upper(), 200), ("charset is ignored", BINARY + "; charset=utf-16", 200), ("any", "*/*", 200), ("any application", "application/*", 200),
    ("v2 [7.3]", V2, 415), ("json [7.1]", "application/json", 415), ("form", "application/x-www-form-urlencoded", 415), ("v1", "application/vnd.kafka.avro.v1+json", 415),
    ("unknown embedded [7.18]", "application/vnd.kafka.avro.v3+json", 415), ("no slash", "binary", 415)))
def test_content_type(binary, type, status):
    a = binary.post({"records": [{"value": "AA"}]}, type)
    assert a.status == status, a
    if status == 200:
        assert binary.new(1)[0]["value"] == "AA=="
    else:
        assert (a.code, a.message) == (415, "HTTP 415 Unsupported Media Type")


@pytest.mark.parametrize("accept, expected", table(
    ("v2", V2, V2), ("json", "application/json", "application/json"), ("the first of both", f"text/plain, application/json, {V2}", "application/json"),
    ("neither", BINARY, "application/json"), ("any", "*/*", "application/json")))
def test_type_of_a_415_body(binary, accept, expected):
    a = binary.post({"records": [{"value": "AA"}]}, "text/plain", Accept=accept)
    assert a.status == 415 and a.headers["content-type"].startswith(expected), a.headers


@pytest.mark.parametrize("accept, status", table(
    ("v2", V2, 200), ("v2 with weight", V2 + ";q=0.1, text/html", 200), ("any", "*/*", 200), ("any application", "application/*;q=0.2", 200),
    ("binary [7.18]", BINARY, 406), ("html", "text/html", 406), ("v2 is refused", V2 + ";q=0", 406)))
def test_accept(binary, accept, status):
    a = binary.post({"records": [{"value": "AA"}]}, BINARY, Accept=accept)
    assert a.status == status, a
    if status == 200:
        assert a.headers["content-type"].startswith(V2)
        binary.new(1)
    else:
        assert (a.code, a.message) == (406, "HTTP 406 Not Acceptable")


@pytest.mark.parametrize("method, path, status", table(
    ("wrong method [7.10]", "PUT", "/topics/x", 405), ("delete [7.10]", "DELETE", "/topics/x/partitions/0", 405),
    ("unknown path [7.10]", "POST", "/topics/x/records", 404), ("partition is no number", "POST", "/topics/x/partitions/1x", 404),
    ("partition is empty", "POST", "/topics/x/partitions/%20", 404)))
def test_paths_refused(muir, method, path, status):
    a = muir.p(method, path, {"records": [{"value": "AA"}]}, BINARY)
    assert (a.status, a.code) == (status, status), a
    assert a.message.startswith(f"HTTP {status} ")


@pytest.mark.parametrize("path", table(("trailing slash [7.9]", "/"), ("partition and trailing slash [7.9]", "/partitions/0/")))
def test_trailing_slash(binary, path):
    a = binary.muir.p("POST", f"/topics/{binary.name}{path}", {"records": [{"value": "AA"}]}, BINARY)
    assert a.status == 200, a
    binary.new(1)


@pytest.mark.parametrize("topic", table(("slash", "a%2Fb"), ("dots", ".%2E"), ("space", "a%20b"), ("beyond ASCII", "%C3%A9"), ("250 characters", "a" * 250),
                                        ("not UTF-8", "%ff"), ("quote", "a%22b")))
def test_a_topic_name_that_cannot_be(muir, topic):
    """In the body or as the status, quickly and with a text."""
    a = muir.p("POST", f"/topics/{topic}", {"records": [{"value": "AA"}]}, BINARY)
    if a.status == 200:
        assert a.json["offsets"][0]["error_code"] == 50002 and a.json["offsets"][0]["error"], a
    else:
        assert 400 <= a.status < 500 and a.message, a


# ---- schemas


@pytest.mark.parametrize("members, record, status, code", table(
    ("key before value [7.29]", {}, {"key": 1, "value": 1}, 422, 42201), ("value without schema [7.29]", {"key_schema": '"int"'}, {"key": 1, "value": 1}, 422, 42202),
    ("key without schema [7.29]", {"value_schema": '"int"'}, {"key": 1}, 422, 42201), ("false is a value", {}, {"value": False}, 422, 42202),
    ("empty text is a key", {}, {"key": ""}, 422, 42201), ("key schema first", {"key_schema": "x", "value_schema_id": 99999999}, {}, 422, 42205),
    ("key schema without keys [7.31]", {"key_schema": '{"type":"x"}', "value_schema": '"int"'}, {"value": 1}, 422, 42205),
    ("no JSON [7.32]", {"value_schema": "int or so"}, {"value": 1}, 422, 42205), ("empty text [7.32]", {"value_schema": ""}, {"value": 1}, 422, 42205),
    ("a number [7.32]", {"value_schema": 5}, {"value": 1}, 422, 42205), ("unknown id [7.33]", {"value_schema_id": 99999999}, {"value": 1}, 422, 42207),
    ("unknown id of the key [7.33]", {"key_schema_id": 99999999}, {}, 422, 42207), ("id 0", {"value_schema_id": 0}, {"value": 1}, 422, 42207),
    ("negative id", {"value_schema_id": -1}, {"value": 1}, 422, 42207),
    ("body before schema", {"value_schema": "x"}, {"valeu": 1}, 422, 422), ("body before schema id", {"value_schema_id": 99999999}, {"partition": []}, 400, 400),
    ("id and text", {"key_schema_id": 1, "key_schema": '"int"'}, {}, 400, 400)))
def test_schemas_refused(muir, name, members, record, status, code):
    for body in ({**members, "records": [record]}, {"records": [record], **members}):  # names in either order
        a = muir.p("POST", f"/topics/{name}", body, AVRO)
        assert (a.status, a.code) == (status, code) and a.message, a
    assert ends(muir, name) in (None, 0)


def test_no_records_before_schemas(muir, name):
    """[7.11] Validation comes before the registry is asked."""
    a = muir.p("POST", f"/topics/{name}", {"value_schema_id": 99999999, "records": []}, AVRO)
    assert (a.status, a.code) == (422, 422), a


@pytest.mark.parametrize("change, place", table(
    ("null for an int [7.34]", {"n": None}, "n"), ("union without tag [7.35]", {"u": "x"}, "u"), ("unknown branch", {"u": {"int": 1}}, "u"),
    ("two branches", {"u": {"string": "a", "null": None}}, "u"), ("text for an int", {"n": "1"}, "n"), ("int too large", {"n": 2147483648}, "n"),
    ("fraction for an int", {"n": 1.5}, "n"), ("boolean for an int", {"n": True}, "n"), ("a field without its default", {"d": ...}, "d")))
def test_records_that_do_not_fit(avro, change, place):
    before = ends(avro.muir, avro.name)
    good = {"n": 1, "u": {"string": "x"}, "d": 6}
    bad = {k: v for k, v in {**good, **change}.items() if v is not ...}
    a = avro.post({"value_schema": json.dumps(FLAT), "records": [{"value": good}, {"value": bad}]}, AVRO)
    assert (a.status, a.code) == (400, 400), a
    assert a.message.startswith("Bad Request: records[1].value") and place in a.message
    assert ends(avro.muir, avro.name) == before


@pytest.fixture(scope="module")
def every(muir):
    return Topic(muir, "avro")


@pytest.mark.parametrize("change", table(
    ("long too large", {"l": 9223372036854775808}), ("byte over 255", {"b": "\u0100"}), ("bytes as list", {"b": [1]}), ("fixed too short", {"x": "a"}),
    ("fixed too long", {"x": "abc"}), ("no symbol", {"e": "C"}), ("symbol as number", {"e": 1}), ("array as object", {"a": {}}), ("null in an array", {"a": [None]}),
    ("map as list", {"m": []}), ("text in a map", {"m": {"k": "true"}}), ("record for the record", {"u": {"acme.edge.In": {}}}),
    ("short name of a branch", {"u": {"In": {"s": "x"}}}), ("text for a double", {"g": "1"}), ("date as text", {"t": "2020-01-01"}), ("value is a list", ...)))
def test_types_that_do_not_fit(every, change):
    bad = [] if change is ... else {**GOOD, **change}
    a = every.post({"value_schema": json.dumps(EVERY), "records": [{"value": bad}]}, AVRO)
    assert (a.status, a.code) == (400, 400) and a.message.startswith("Bad Request: records[0].value"), a


@pytest.mark.parametrize("change, back", table(
    ("as it is", {}, {"g": 1.0}), ("smallest long", {"l": -9223372036854775808}, {"g": 1.0}), ("float is told as its double [errata 12]", {"f": 0.1}, {"f": 0.10000000149011612, "g": 1.0}),
    ("int for a float", {"f": 3}, {"f": 3.0, "g": 1.0}), ("full name of a branch", {"u": {"acme.edge.In": {"s": "x"}}}, {"g": 1.0}),
    ("fixed branch", {"u": {"acme.edge.Two": "\u0001\u00fe"}}, {"g": 1.0}), ("long branch", {"u": {"long": 5}}, {"g": 1.0}),
    ("fields in another order, one unknown", {"zz": 1, "l": 7}, {"l": 7, "g": 1.0})))
def test_types_there_and_back(every, change, back):
    sent = {**dict(reversed(GOOD.items())), **change}
    a = every.post({"value_schema": json.dumps(EVERY), "records": [{"value": sent}]}, AVRO)
    assert a.status == 200, a
    expected = {k: {**sent, **back}[k] for k in GOOD}
    got = every.new(1)[0]["value"]
    assert got == expected and list(got) == [f["name"] for f in EVERY["fields"]]
    assert isinstance(got["g"], float)


@pytest.mark.parametrize("schema, sent, back", table(
    ("union of null and text [errata 11]", ["null", "string"], {"string": "x"}, "x"),
    ("union of null and record [errata 11]", ["null", FLAT], {"acme.edge.Flat": {"n": 1, "u": {"string": "y"}, "d": 2}}, {"n": 1, "u": {"string": "y"}, "d": 2}),
    ("null of a union is a tombstone [7.30]", ["null", "string"], None, None),
    ("bytes", "bytes", "\u0000\u00e9", "\u0000\u00e9"), ("boolean", "boolean", False, False), ("double", "double", 1e10, 1e10), ("empty text", "string", "", "")))
def test_roots_there_and_back(muir, name, schema, sent, back):
    text = json.dumps(schema)
    a = produce(muir, name, [{"key": sent, "value": sent}], AVRO, key_schema=text, value_schema=text)
    got = stored(muir, name, AVRO)[0]
    assert got["value"] == back and got["key"] == back
    if schema == "bytes":  # 3.2: no length before them
        raw = base64.b64decode(stored(muir, name, BINARY, group=name + "b")[0]["value"])
        assert raw == b"\0" + a.json["value_schema_id"].to_bytes(4, "big") + b"\0\xe9"


@pytest.mark.parametrize("record", table(("absent", {"value": 1}), ("null", {"key": None, "value": 1})))
def test_a_key_schema_needs_a_key(muir, name, record):
    """[errata 13]"""
    a = muir.p("POST", f"/topics/{name}", {"key_schema": '"string"', "value_schema": '"int"', "records": [{"key": "k", "value": 1}, record]}, AVRO)
    assert (a.status, a.code) == (400, 400) and "records[1].key" in a.message, a
    assert ends(muir, name) in (None, 0)


@pytest.mark.parametrize("kind", table(("json", JSON), ("avro", AVRO), ("binary", BINARY)))
def test_the_partition_is_that_of_the_encoded_key(muir, name, kind):
    """[7.28]"""
    make_topic(muir, name, 6)
    members = {"key_schema": '"string"', "value_schema": '"int"'} if kind == AVRO else {}
    keys = ["k%d" % i for i in range(12)] * 2
    shown = [b64(k.encode()) for k in keys] if kind == BINARY else keys
    value = "AA" if kind == BINARY else 1
    a = produce(muir, name, [{"key": k, "value": value} for k in shown], kind, **members)
    places = [o["partition"] for o in a.json["offsets"]]
    encode = {BINARY: lambda k: k.encode(), JSON: lambda k: json.dumps(k).encode(),
              AVRO: lambda k: b"\0" + a.json["key_schema_id"].to_bytes(4, "big") + bytes([len(k) * 2]) + k.encode()}[kind]
    assert places == [murmur2(encode(k)) % 6 for k in keys]


def test_an_empty_record_in_place_of_null(start_muir, name):
    """3.7: null.request.body.always.publishes.empty.record"""
    m = start_muir("-o", "null.request.body.always.publishes.empty.record=true")
    produce(m, name, [{"key": None, "value": None}, {"key": "k", "value": 1}], AVRO, key_schema='"string"', value_schema='"int"')
    assert [(r["key"], r["value"]) for r in stored(m, name, AVRO)] == [(None, None), ("k", 1)]


# ---- several things at once


def test_produce_while_the_topic_is_deleted(muir, name):
    """Every request is answered, each entry with an offset or an error; none with a server error that says nothing."""
    make_topic(muir, name)
    cluster = muir.p("GET", "/v3/clusters").json["data"][0]["cluster_id"]
    wrong, stop = [], threading.Event()

    def client():
        while not stop.is_set():
            a = muir.p("POST", f"/topics/{name}", {"records": [{"value": "AA"}] * 5}, BINARY)
            if a.status != 200 or any((o["offset"] is None) == (o["error_code"] is None) for o in a.json["offsets"]):
                wrong.append(a)

    threads = [threading.Thread(target=client) for _ in range(4)]
    [t.start() for t in threads]
    try:
        for _ in range(5):
            a = muir.p("DELETE", f"/v3/clusters/{cluster}/topics/{name}")
            assert a.status in (204, 404), a
    finally:
        stop.set()
        [t.join(60) for t in threads]
    assert not any(t.is_alive() for t in threads)
    assert not wrong, wrong[:3]
    assert muir.p("GET", "/topics").status == 200
