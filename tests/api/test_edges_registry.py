"""Edges of the registry's HTTP API on both engines. A number in a test's name or id (e36) is that of an edge case in registry-api.md 6; other ids
name the section. What the plain tests beside this file hold is not said again here."""
import concurrent.futures
import json
import random
import re
import socket
import time
import urllib.parse

import pytest

from conftest import V1, call
from test_registry_core import error, fresh, lookup, post, q

V1_NO_VERSION = "application/vnd.schemaregistry+json"


def record(name, *fields):
    return {"type": "record", "name": name, "fields": list(fields)}


def field(name, type, **more):
    return dict({"name": name, "type": type}, **more)


def ask(m, subject, schema, where="", **members):
    return m.r("POST", f"/compatibility/subjects/{q(subject)}/versions{where}",
               {"schema": schema if isinstance(schema, str) else json.dumps(schema), **members})


def versions(m, subject, query=""):
    return m.r("GET", f"/subjects/{q(subject)}/versions{query}").json


def delete(m, subject, version=None, permanent=False):
    path = f"/subjects/{q(subject)}" + ("" if version is None else f"/versions/{version}")
    return m.r("DELETE", path + ("?permanent=true" if permanent else ""))


def registered(m, subject, schema, query="", **members):
    a = post(m, subject, schema, query, **members)
    assert a.status == 200, a
    return a.json


def raw(m, text):
    """Sends text as it is and gives back all that comes until the server closes or is silent."""
    url = urllib.parse.urlsplit(m.registry)
    with socket.create_connection((url.hostname, url.port), timeout=10) as s:
        s.sendall(text)
        got = b""
        while True:
            part = s.recv(65536)
            if not part:
                return got
            got += part


# ---- media types, headers, paths, parameters (1.1, 1.2, errata 1-3) ------------------------------------------------------------

@pytest.mark.parametrize("accept, type, why", [
    (None, V1, "absent"), ("*/*", V1, "anything"), ("*", V1, "the JDK's bare star"), ("application/*", V1, "a range"), ("*/x", V1, "an odd range"),
    (V1, V1, "the type itself"), (V1_NO_VERSION, V1_NO_VERSION, "the unversioned type"), ("application/json", "application/json", "plain JSON"),
    (f"application/json; q=0.2, {V1_NO_VERSION}; q=0.9", V1_NO_VERSION, "weights count"),
    (f"{V1}, {V1_NO_VERSION}, application/json", V1, "what the Python client sends"),
    ("text/plain, application/json", "application/json", "one of two is known"),
    ("APPLICATION/JSON", "application/json", "types have no case"),
    ("application/json;charset=utf-8", "application/json", "a parameter"),
])
def test_accept(muir, accept, type, why):
    a = call(muir.registry, "GET", "/subjects", headers={"Accept": accept} if accept else {})
    assert (a.status, a.headers["content-type"].split(";")[0]) == (200, type), why


@pytest.mark.parametrize("accept", ["text/*", "application/octet-stream", "application/json;q=0", "text/html"])
def test_accept_that_cannot_be_met(muir, accept):
    for method, path in (("GET", "/subjects"), ("DELETE", "/subjects/nobody"), ("GET", "/")):
        a = error(call(muir.registry, method, path, headers={"Accept": accept}), 406, 406, "HTTP 406 Not Acceptable")
        assert a.headers["content-type"] == "application/json"


def test_errors_have_the_negotiated_type(muir):
    for path, status in (("/subjects/nobody/versions", 404), ("/subjects/nobody/versions/0", 422)):
        a = call(muir.registry, "GET", path, headers={"Accept": V1_NO_VERSION})
        assert (a.status, a.headers["content-type"]) == (status, V1_NO_VERSION)
    a = call(muir.registry, "POST", "/subjects/nobody", "x", "text/plain", headers={"Accept": "application/json"})
    assert (a.status, a.headers["content-type"]) == (415, "application/json") or (a.status, a.headers["content-type"]) == (415, V1)


@pytest.mark.parametrize("method, path, allow", [
    ("PUT", "/subjects", {"GET"}), ("PATCH", "/config", {"GET", "PUT", "DELETE"}), ("POST", "/config", {"GET", "PUT", "DELETE"}),
    ("GET", "/subjects/s", {"POST", "DELETE"}), ("GET", "/compatibility/subjects/s/versions/1", {"POST"}), ("DELETE", "/schemas/ids/1", {"GET"}),
    ("PUT", "/subjects/s/versions/1", {"GET", "DELETE"}), ("POST", "/mode/s", {"GET", "PUT", "DELETE"}),
])
def test_wrong_methods(muir, method, path, allow):
    a = error(muir.r(method, path, "{}"), 405, 405, "HTTP 405 Method Not Allowed")
    assert allow <= {m.strip() for m in a.headers["allow"].split(",")} and method not in a.headers["allow"]
    assert "application/json" in a.headers["content-type"] or a.headers["content-type"] == V1


@pytest.mark.parametrize("path, why", [
    ("/Subjects", "literals have a case"), ("/subjects/s/versions/1/referencedBy", "referencedby is lower-case"), ("/schemas/ids", "no id"),
    ("/schemas/ids/1/nothing", "unknown tail"), ("/subjects/s/versions/1/schema/x", "one segment too many"), ("/compatibility", "half a path"),
    ("/schemas/ids/1.5", "no integer"), ("/schemas/ids/0x1", "no integer"), ("/schemas/ids/2147483648", "beyond int32"),
    ("/subjects?offset=x", "a parameter that does not parse"), ("/schemas?limit=99999999999", "beyond int32"), ("/exporters", "not ours"),
])
def test_there_is_no_such_path(muir, path, why):
    a = error(muir.r("GET", path), 404, 404, "HTTP 404 Not Found")
    assert a.headers["content-type"] in ("application/json", V1), why


@pytest.mark.parametrize("headers, echoed", [
    ([("X-Request-ID", "abc-1")], "abc-1"), ([("x-request-id", " padded ")], "padded"), ([], None), ([("X-Request-ID", "")], None),
    ([("X-Request-ID", "   ")], None), ([("X-Request-ID", "a"), ("X-Request-ID", "b")], None),
])
@pytest.mark.parametrize("path", ["/subjects", "/nowhere", "/subjects/nobody/versions"])
def test_request_ids(muir, headers, echoed, path):
    head = "".join(f"{k}: {v}\r\n" for k, v in headers)
    got = raw(muir, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}\r\n".encode())
    ids = re.findall(rb"(?im)^x-request-id: *(.*?)\r$", got)
    assert len(ids) == 1
    if echoed is not None:
        assert ids[0].decode() == echoed
    else:
        assert re.fullmatch(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", ids[0])


def test_unheeded_headers_do_no_harm(muir, name):
    headers = {"Confluent-Accept-Unknown-Properties": "true", "Confluent-Client-Version": "x", "target-sr-cluster": "lsrc-1", "Charsets": "utf-8",
               "Confluent-Identity-Pool-Id": "p", "Content-Type": V1 + "; charset=UTF-8"}
    assert call(muir.registry, "POST", f"/subjects/{name}/versions", {"schema": '"int"'}, headers=headers).status == 200
    assert call(muir.registry, "GET", f"/subjects/{name}/versions", headers=headers).json == [1]
    assert call(muir.registry, "DELETE", f"/subjects/{name}", headers=headers).json == [1]


@pytest.mark.parametrize("kind, status", [(V1, 200), (V1_NO_VERSION, 200), ("application/json", 200), ("application/octet-stream", 200),
                                          ("Application/JSON; Charset=UTF-8", 200), ("text/html", 415), ("application/xml", 415),
                                          ("application/vnd.schemaregistry.v2+json", 415), ("application/vnd.kafka.v2+json", 415)])
def test_e95_content_types(muir, name, kind, status):
    for method, path, body in (("POST", f"/subjects/{name}/versions", '{"schema":"\\"int\\""}'), ("PUT", f"/config/{name}", '{"compatibility":"NONE"}')):
        a = call(muir.registry, method, path, body, kind)
        assert a.status == status, a
        if status == 415:
            error(a, 415, 415, "HTTP 415 Unsupported Media Type")
            assert a.headers["content-type"] == V1


@pytest.mark.parametrize("value, deleted", [("true", True), ("TRUE", True), ("True", True), ("false", False), ("1", False), ("yes", False), ("", False),
                                            ("maybe", False)])
def test_booleans_in_the_query(muir, name, value, deleted):
    post(muir, name, '"int"')
    delete(muir, name)
    assert (name in muir.r("GET", f"/subjects?deleted={value}").json) == deleted
    assert muir.r("GET", f"/subjects?unknown=1&deleted={value}&limit=-1").status == 200


@pytest.mark.parametrize("version", ["latest", "LATEST", "Latest", "-1", "%201%20", "1%20", "001", "1/", "+1"])
def test_ways_to_write_a_version(muir, name, version):
    post(muir, name, '"int"')
    a = muir.r("GET", f"/subjects/{name}/versions/{version}")
    assert a.status == 200 and a.json["version"] == 1, a


@pytest.mark.parametrize("version", ["0", "-2", "one", "1.0", "2147483648", "%00", "latest1", "1e0"])
def test_e59_versions_that_are_none(muir, name, version):
    post(muir, name, '"int"')
    for method, path in (("GET", f"/subjects/{name}/versions/{version}"), ("GET", f"/subjects/{name}/versions/{version}/schema"),
                         ("GET", f"/subjects/{name}/versions/{version}/referencedby"), ("DELETE", f"/subjects/{name}/versions/{version}"),
                         ("DELETE", f"/subjects/{name}/versions/{version}?permanent=true")):
        a = muir.r(method, path)
        if version == "%00":
            assert a.status in (400, 422)  # NUL in a path may be refused before routing
        else:
            error(a, 422, 42202)
    if version != "%00":
        error(ask(muir, name, '"int"', "/" + version), 422, 42202)
    assert versions(muir, name) == [1]


@pytest.mark.parametrize("body, why", [
    ('{"schema":"\\"int\\"","version":"0","id":"-1"}', "numeric strings are numbers"), ('{"schema":"\\"int\\"","version":1.0}', "a float is cut"),
    ('{"schema":"\\"int\\"","version":1.9}', "a float is cut"),
    ('{"schema":"\\"int\\"","metadata":{"properties":{"a":1,"b":true,"c":1.5}}}', "scalars become text"),
    ('{"schema":"\\"int\\"","references":[]}', "e51 an empty list"),
    (' \r\n\t{"schema":"\\"int\\""}\n', "white space around"), ('{"schema":"\\"int\\"","schema":"\\"int\\""}', "a member twice"),
])
def test_bodies_that_are_taken(muir, name, body, why):
    a = muir.r("POST", f"/subjects/{name}/versions", body)
    assert a.status == 200, (why, a)
    assert a.json["version"] == 1


def test_scalars_become_text(muir, name):
    a = registered(muir, name, '"int"', metadata={"properties": {"a": 1, "b": True, "c": 1.5}})
    assert a["metadata"]["properties"] == {"a": "1", "b": "true", "c": "1.5"}
    error(muir.r("POST", f"/subjects/{name}/versions", '{"schema":5}'), 422, 42201)  # the text "5", which is no Avro
    assert muir.r("PUT", f"/config/{name}", {"normalize": "true", "compatibility": "none"}).json == {"normalize": True, "compatibility": "NONE"}


@pytest.mark.parametrize("body, status, why", [
    (b"\xff\xfe", 400, "no UTF-8"), (b'{"schema":"\xc3\x28"}', 400, "broken UTF-8 inside"), (b'{"schema":"\\ud800"}', None, "half a surrogate pair"),
    (b'{"schema":"\\"int\\"",}', 400, "a comma too many"), (b"{'schema':1}", 400, "single quotes"), (b'{"schema":"\\"int\\"","id":[]}', 400, "id a list"),
    (b'{"schema":"\\"int\\"","version":99999999999}', 400, "beyond int32"), (b'{"schema":"\\"int\\"","id":{}}', 400, "id an object"),
    (b'{"schema":"\\"int\\"","schemaType":{}}', 400, "type an object"), (b'{"schema":["int"]}', 400, "schema a list"),
    (b'{"schema":"\\"int\\"","metadata":{"tags":{"a":"b"}}}', 400, "tags no list"), (b'{"schema":"\\"int\\"","references":"x"}', 400, "e51 text"),
    (b'{"schema":"\\"int\\"","references":[{"name":"a","subject":"b","version":"c"}]}', 400, "a version of letters"),
    (b"true", 400, "a scalar"), (b"1", 400, "a number"), (b"[" * 100000, 400, "very deep"),
])
def test_bodies_that_are_refused(muir, name, body, status, why):
    for method, path in (("POST", f"/subjects/{name}/versions"), ("POST", f"/subjects/{name}"), ("POST", f"/compatibility/subjects/{name}/versions/latest")):
        a = muir.r(method, path, body)
        if status is None:
            assert a.status in (400, 422), (why, a)
        else:
            error(a, status, status)
        assert len(a.message) > 10, "a text one can act on"
    error(muir.r("GET", f"/subjects/{name}/versions"), 404, 40401)


def test_e22_a_body_beyond_the_limit_of_http(start_muir):
    m = start_muir()
    a = m.r("POST", "/subjects/s/versions", {"schema": json.dumps({"type": "record", "name": "R", "fields": [], "doc": "x" * 3000000})})
    assert (a.status, a.code) in ((422, 42209), (413, 413)), a
    assert m.r("GET", "/subjects").json == []
    assert post(m, "s", '"int"').json["id"] == 1


# ---- names of subjects (edge cases 19-21) ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("subject", ['a"b', "{x}", "o'clock", "a/b", "a:b", "::", "%2F", "é漢🎺", " lead", "a\\b", "a?b#c", "null", "latest", "versions",
                                     "..", "a;b,c", "<x>&"])
def test_e20_a_subject_lives_a_whole_life(muir, name, subject):
    s = name + subject
    path = q(s)
    one = fresh()
    a = registered(muir, s, one)
    assert lookup(muir, s, one).json["subject"] == s
    assert ask(muir, s, one, "/latest").json["is_compatible"] is True
    assert muir.r("PUT", f"/config/{path}", {"compatibility": "NONE"}).status == 200
    assert muir.r("GET", f"/config/{path}").json == {"compatibilityLevel": "NONE"}
    assert muir.r("PUT", f"/mode/{path}", {"mode": "READONLY"}).status == 200
    error(post(muir, s, fresh()), 422, 42205, f"Subject {s} in context  is in read-only mode")
    assert muir.r("DELETE", f"/mode/{path}").status == 200
    assert muir.r("GET", f"/schemas/ids/{a['id']}/subjects").json == [s]
    assert muir.r("GET", f"/schemas/ids/{a['id']}?subject={path}").json["subject"] == s
    assert [x["subject"] for x in muir.r("GET", f"/schemas?subjectPrefix={path}").json] == [s]
    assert delete(muir, s, 1).body == b"1"
    assert delete(muir, s, 1, permanent=True).body == b"1"
    error(muir.r("GET", f"/subjects/{path}/versions"), 404, 40401, f"Subject '{s}' not found.")


def test_colons_escaped_or_not_are_the_same_subject(muir, name):
    url = f":.{name}:a~b!$&()*+,;=@c"
    post(muir, url, '"int"')
    assert muir.r("GET", f"/subjects/{url}/versions").json == [1]
    assert muir.r("GET", f"/subjects/{q(url)}/versions").json == [1]
    assert muir.r("GET", f"/subjects/{url.replace(':', '%3a')}/versions").json == [1]
    post(muir, name + "+x", '"int"')
    assert muir.r("GET", f"/subjects/{name}+x/versions").json == [1]  # a plus in a path is a plus
    error(muir.r("GET", f"/subjects/{name}%20x/versions"), 404, 40401, f"Subject '{name} x' not found.")


@pytest.mark.parametrize("char", ["\r", "\n", "\t", "\x01", "\x7f", "\x85"])
def test_e19_control_characters(muir, name, char):
    s = name + char + "x"
    error(post(muir, s, '"int"'), 422, 42208)
    error(muir.r("PUT", f"/config/{q(s)}", {"compatibility": "NONE"}), 422, 42208)
    error(muir.r("PUT", f"/mode/{q(s)}", {"mode": "READONLY"}), 422, 42208)
    assert muir.r("GET", f"/subjects?subjectPrefix={name}&deleted=true").json == []


def test_e21_names_that_look_wrong_are_refused_only_when_told(start_muir):
    m = start_muir()
    assert post(m, "*", '"int"').status == 200
    m.stop()
    m = start_muir("-o", "schema.reject.empty.subject=true", same_log_as=m)
    error(post(m, "*", '"long"'), 422, 42208)
    error(post(m, ":.c:", '"int"'), 422, 42208)
    assert post(m, "s", '"int"').status == 200


# ---- what is a schema (edge cases 5-18; compatibility.md 3) ---------------------------------------------------------------------

def test_e4_ten_again(muir, name):
    made = [registered(muir, f"{name}-{i % 3}", fresh(i), "?force=true") for i in range(10)]
    for i, a in enumerate(made):
        assert registered(muir, f"{name}-{i % 3}", a["schema"]) == a
    assert [versions(muir, f"{name}-{i}") for i in range(3)] == [[1, 2, 3, 4], [1, 2, 3], [1, 2, 3]]


def test_e8_logical_types_are_other_schemas_but_compatible(muir, name):
    a = registered(muir, name, record("L" + name, field("t", "long")))
    b = registered(muir, name, record("L" + name, field("t", {"type": "long", "logicalType": "timestamp-millis"})))
    c = registered(muir, name, record("L" + name, field("t", {"type": "long", "logicalType": "timestamp-micros"})))
    assert len({a["id"], b["id"], c["id"]}) == 3 and (b["version"], c["version"]) == (2, 3)


def test_e12_everything_but_the_text_of_the_latest(muir, name):
    registered(muir, name + "-i", record("I" + name))
    ref = [{"name": "I" + name, "subject": name + "-i", "version": 1}]
    a = registered(muir, name, record("O" + name, field("i", "I" + name)), references=ref)
    for body in ("{}", '{"schema":""}', '{"schema":null}'):
        assert muir.r("POST", f"/subjects/{name}/versions", body).json == a
    b = muir.r("POST", f"/subjects/{name}/versions", {"metadata": {"properties": {"x": "y"}}}).json
    assert (b["version"], b["references"], b["schema"]) == (2, ref, a["schema"])


@pytest.mark.parametrize("body", [{"schema": '"int"', "schemaType": "AVROO"}, {"schema": '"int"', "schemaType": "avro "}])
def test_e13_unknown_types(muir, name, body):
    for path in (f"/subjects/{name}/versions", f"/subjects/{name}", f"/compatibility/subjects/{name}/versions/latest", f"/compatibility/subjects/{name}/versions"):
        a = error(muir.r("POST", path, body), 422, 42201)
        assert "Invalid schema type" in a.message and body["schemaType"] in a.message


def test_e14_defaults_must_fit(muir, name):
    bad = record("D" + name, field("a", "int", default="x"))
    error(post(muir, name, bad), 422, 42201)
    error(ask(muir, name, bad), 422, 42201)
    error(ask(muir, name, bad, "/latest"), 422, 42201)
    assert muir.r("PUT", f"/config/{name}", {"validateNewSchemas": False}).status == 200
    assert ask(muir, name, bad).json["is_compatible"] is True
    assert registered(muir, name, bad)["version"] == 1


INVALID = [
    ('""', "an empty name"), ('"nothing"', "an unknown name"), ("5", "a number"), ("null", "null"), ("true", "a boolean"), ("{}", "no type"),
    ('{"type":"record"}', "a record of nothing"), ('{"type":"record","name":"R"}', "no fields"), ('{"type":"record","fields":[]}', "no name"),
    ('{"type":"record","name":"R","fields":{}}', "fields no list"), ('{"type":"record","name":"R","fields":[1]}', "a field that is a number"),
    ('{"type":"record","name":"R","fields":[{"name":"a"}]}', "a field without type"), ('{"type":"record","name":"1R","fields":[]}', "a digit first"),
    ('{"type":"record","name":"R","fields":[{"type":"int"}]}', "a field without name"),
    ('{"type":"record","name":"R","fields":[{"name":"a-b","type":"int"}]}', "a dash in a field"),
    ('{"type":"record","name":"R","fields":[{"name":"a","type":"int","order":"up"}]}', "no such order"),
    ('{"type":"record","name":"R","namespace":"a-bad.namespace","fields":[]}', "e15 a dash in a namespace"),
    ('{"type":"record","name":"a..b","fields":[]}', "an empty part of a namespace"),
    ('{"type":"record","name":"é","fields":[]}', "a letter beyond ASCII"),
    ('{"type":"enum","name":"E"}', "no symbols"), ('{"type":"enum","name":"E","symbols":["A","A"]}', "a symbol twice"),
    ('{"type":"enum","name":"E","symbols":["A-B"]}', "a dash in a symbol"), ('{"type":"enum","name":"E","symbols":["A"],"default":"B"}', "a default that is no symbol"),
    ('{"type":"fixed","name":"F"}', "no size"), ('{"type":"fixed","name":"F","size":-1}', "a negative size"), ('{"type":"fixed","name":"F","size":"4"}', "size as text"),
    ('{"type":"array"}', "no items"), ('{"type":"map"}', "no values"), ('[["int"]]', "a union in a union"), ('["int","int"]', "a branch twice"),
    ('[{"type":"array","items":"int"},{"type":"array","items":"long"}]', "two arrays in a union"),
    ('[{"type":"fixed","name":"F","size":1},{"type":"fixed","name":"F","size":2}]', "a name twice"),
    ('{"type":{"type":"int"}}', "a type that is an object"), ('"int" x', "text after the value"), ('{"type":"record","name":"R","fields":[],"aliases":"x"}', "aliases no list"),
    ('{"type":"record","name":"R","fields":[{"name":"r","type":"S"}]}', "e16-like: a name nobody defines"),
    ('{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":1.5}]}', "a float for an int"),
    ('{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":2147483648}]}', "too large for int"),
    ('{"type":"record","name":"R","fields":[{"name":"a","type":["int","null"],"default":"x"}]}', "fits no branch"),
    ("[" * 50000 + "]" * 50000, "very deep"),
]


@pytest.mark.parametrize("text, why", INVALID, ids=[w for _, w in INVALID])
def test_what_is_no_avro_schema(muir, name, text, why):
    a = error(post(muir, name, text), 422, 42201)
    assert "Invalid schema" in a.message or len(a.message) > 15
    verbose = ask(muir, name, text, "/latest?verbose=true")
    assert verbose.status == 200 and verbose.json["is_compatible"] is False and len(verbose.json["messages"]) == 1
    assert "Invalid schema" in verbose.json["messages"][0]


VALID = [
    ('{"type":"int"}', '"int"', "collapses"), ('{"type":"int","name":"x","namespace":"y","doc":"z"}', '"int"', "e6 names on primitives are dropped"),
    ('{"type":"string","p":1}', '{"type":"string","p":1}', "properties are kept"), ("[]", "[]", "an empty union"),
    ('{ "fields": [], "doc": "d", "name": "n.R%N", "type": "record" }', '{"type":"record","name":"R%N","namespace":"n","doc":"d","fields":[]}', "order of keys"),
    ('{"type":"record","name":"a.R%N","namespace":"b","fields":[]}', '{"type":"record","name":"R%N","namespace":"a","fields":[]}', "dots beat namespace"),
    ('{"type":"record","name":"R%N","doc":5,"fields":[]}', '{"type":"record","name":"R%N","fields":[]}', "a doc that is no text"),
    ('{"type":"record","name":"R%N","fields":[{"type":"int","default":1,"name":"a","order":"ascending","aliases":["b"],"p":{"z":1,"a":2}}]}',
     '{"type":"record","name":"R%N","fields":[{"name":"a","type":"int","default":1,"aliases":["b"],"p":{"z":1,"a":2}}]}', "order of a field's keys"),
    ('{"type":"record","name":"R%N","fields":[{"name":"next","type":["null","R%N"],"default":null}]}',
     '{"type":"record","name":"R%N","fields":[{"name":"next","type":["null","R%N"],"default":null}]}', "recursion"),
    ('{"type":"record","name":"R%N","fields":[{"name":"a","type":["int","null"],"default":null}]}',
     '{"type":"record","name":"R%N","fields":[{"name":"a","type":["int","null"],"default":null}]}', "any branch may give the default"),
    ('{"type":"record","name":"R%N","namespace":"n","fields":[{"name":"a","type":{"type":"fixed","name":"F","namespace":"","size":2}}]}',
     '{"type":"record","name":"R%N","namespace":"n","fields":[{"name":"a","type":{"type":"fixed","name":"F","namespace":"","size":2}}]}', "no namespace inside one"),
    ('{"type":"enum","name":"E%N","default":"A","symbols":["A"],"aliases":["n.B","C"]}',
     '{"type":"enum","name":"E%N","symbols":["A"],"default":"A","aliases":["n.B","C"]}', "an enum's keys"),
    ('{"type":"fixed","name":"F%N","size":0}', '{"type":"fixed","name":"F%N","size":0}', "size 0"),
    ('{"type":"record","name":"R%N","doc":"\\u00e9 \\/ \\" \\\\ \\u0001","fields":[]}', '{"type":"record","name":"R%N","doc":"é / \\" \\\\ \\u0001","fields":[]}', "escapes"),
    ('{"type":"bytes","logicalType":"decimal","precision":4,"scale":9}', '{"type":"bytes","logicalType":"decimal","precision":4,"scale":9}', "a bad logical type is a property"),
    ('{"type":"record","name":"R%N","fields":[{"name":"a","type":"double","default":1}]}', '{"type":"record","name":"R%N","fields":[{"name":"a","type":"double","default":1}]}', "an integer for a double"),
    ('{"type":"error","name":"X%N","fields":[]}', '{"type":"error","name":"X%N","fields":[]}', "an error is a record"),
]


@pytest.mark.parametrize("text, stored, why", VALID, ids=[v[2] for v in VALID])
def test_what_is_stored_is_the_canonical_text(muir, name, text, stored, why):
    text, stored = text.replace("%N", name), stored.replace("%N", name)
    a = registered(muir, name, text)
    assert a["schema"] == stored
    assert registered(muir, name, stored) == a
    assert lookup(muir, name, text).json["id"] == a["id"]
    assert muir.r("GET", f"/subjects/{name}/versions/1/schema").body.decode() == stored
    assert muir.r("GET", f"/schemas/ids/{a['id']}/schema").body.decode() == stored


@pytest.mark.parametrize("change", [{"doc": "d"}, {"aliases": ["z"]}, {"default": 0}, {"p": 1}, {"order": "ignore"}])
def test_e7_what_makes_another_schema(muir, name, change):
    a = registered(muir, name, record("C" + name, field("a", "int")))
    b = registered(muir, name, record("C" + name, field("a", "int", **change)))
    assert a["id"] != b["id"] and b["version"] == 2
    assert lookup(muir, name, record("C" + name, field("a", "int"))).json["version"] == 1


def test_e29_rules(muir, name):
    """Rules are kept with the schema (a decision of the project: what data-contract clients expect), or dropped whole: never half of it."""
    rules = {"domainRules": [{"name": "r1", "kind": "CONDITION", "mode": "WRITE", "type": "CEL", "expr": "true"}]}
    a = registered(muir, name, '"int"', ruleSet=rules)
    got = muir.r("GET", f"/schemas/ids/{a['id']}").json
    assert got.get("ruleSet") == a.get("ruleSet")
    if "ruleSet" in a:
        assert a["ruleSet"]["domainRules"][0]["name"] == "r1"


# ---- versions and metadata (edge cases 23-28, errata 7) --------------------------------------------------------------------------

def test_e23_e24_explicit_versions(muir, name):
    registered(muir, name, fresh())
    wrong = error(post(muir, name, fresh(), "?force=true", version=3), 422, 42201)
    assert "3" in wrong.message and "2" in wrong.message, "says which version was asked for and which is next"
    two = fresh()
    assert registered(muir, name, two, "?force=true", version=2)["metadata"] == {"properties": {"confluent:version": "2"}}
    error(post(muir, name, fresh(), "?force=true", version=2), 422, 42201)
    assert registered(muir, name, fresh(), "?force=true", version=3)["version"] == 3
    error(post(muir, name, fresh(), "?force=true", version=3), 422, 42201)
    assert versions(muir, name) == [1, 2, 3]


def test_e26_lookup_by_the_version_in_the_metadata(muir, name):
    s = fresh()
    registered(muir, name, s)
    assert registered(muir, name, s, version=2)["version"] == 2
    for wanted, found in (("1", 1), ("2", 2), (None, 1)):
        members = {} if wanted is None else {"metadata": {"properties": {"confluent:version": wanted}}}
        assert lookup(muir, name, s, **members).json["version"] == found, wanted
    delete(muir, name, 1)
    assert lookup(muir, name, s).json["version"] == 2


@pytest.mark.parametrize("given", ["0", "-1"])
def test_e27_the_version_in_the_metadata_is_the_real_one(muir, name, given):
    registered(muir, name, fresh())
    a = registered(muir, name, fresh(), "?force=true", metadata={"properties": {"confluent:version": given}})
    assert (a["version"], a["metadata"]["properties"]["confluent:version"]) == (2, "2")


def test_metadata_is_inherited_until_a_version_without_exists(muir, name):
    s = fresh()
    bare = registered(muir, name, s)
    with_it = registered(muir, name, s, metadata={"properties": {"k": "v"}})
    assert bare["id"] != with_it["id"]
    assert registered(muir, name, s)["id"] == bare["id"]  # errata 7


@pytest.mark.parametrize("metadata, stored", [
    ({}, {}), ({"properties": {}}, {}), ({"tags": {"b": ["2", "1", "2"], "a": []}}, None), ({"sensitive": ["z", "a", "z"]}, {"sensitive": ["a", "z"]}),
    ({"properties": {"é": "漢", "": "e"}}, {"properties": {"": "e", "é": "漢"}}),
])
def test_metadata_as_it_is_kept(muir, name, metadata, stored):
    s = fresh()
    a = registered(muir, name, s, metadata=metadata)
    got = muir.r("GET", f"/subjects/{name}/versions/1").json
    assert got.get("metadata") == a.get("metadata") and got["guid"] == a["guid"]
    if stored is not None:
        assert (got.get("metadata") or {}) == stored
    else:
        assert got["metadata"]["tags"]["b"] == ["1", "2"]
    assert registered(muir, name, s, metadata=metadata)["id"] == a["id"]


# ---- deletes (edge cases 31-46) -----------------------------------------------------------------------------------------------

def test_e33_e34_nothing_to_delete(muir, name):
    for permanent in (False, True):
        error(delete(muir, name, permanent=permanent), 404, 40401, f"Subject '{name}' not found.")
        error(delete(muir, name, 1, permanent), 404, 40401, f"Subject '{name}' not found.")
        error(delete(muir, name, "latest", permanent), 404, 40401, f"Subject '{name}' not found.")
    post(muir, name, '"int"')
    for permanent in (False, True):
        error(delete(muir, name, 7, permanent), 404, 40402, "Version 7 not found.")


def test_e36_e37_numbers_after_deletes(muir, name):
    a, b = fresh(), fresh(1)
    post(muir, name, a)
    post(muir, name, b, "?force=true")
    assert (delete(muir, name, 1).json, delete(muir, name, 2).json) == (1, 2)
    error(muir.r("GET", f"/subjects/{name}/versions"), 404, 40401)
    error(muir.r("GET", f"/subjects/{name}/versions?deletedAsNegative=true"), 404, 40401)
    assert versions(muir, name, "?deleted=true") == [1, 2]
    assert versions(muir, name, "?deleted=true&deletedAsNegative=true") == [-1, -2]
    assert versions(muir, name, "?deletedOnly=true&deletedAsNegative=true") == [-1, -2]
    assert registered(muir, name, fresh(2))["version"] == 3
    assert delete(muir, name, 3).json == 3 and delete(muir, name, 3, True).json == 3 and delete(muir, name, 2, True).json == 2
    assert registered(muir, name, fresh(3))["version"] == 2


def test_e40_e41_an_old_deleted_version_that_is_referenced_stays(muir, name):
    s = record("I" + name)
    a = registered(muir, name, s)
    ref = [{"name": "I" + name, "subject": name, "version": 1}]
    registered(muir, name + "-o", record("O" + name, field("i", "I" + name)), references=ref)
    assert delete(muir, name + "-o", 1).json == 1
    assert delete(muir, name, 1).json == 1
    b = registered(muir, name, s)
    assert (b["id"], b["version"]) == (a["id"], 2)
    assert versions(muir, name, "?deleted=true") == [1, 2]
    assert muir.r("GET", f"/subjects/{name}/versions/1?deleted=true").json["deleted"] is True
    error(delete(muir, name, 1, True), 422, 42206)
    assert delete(muir, name + "-o", 1, True).json == 1
    assert delete(muir, name, 1, True).json == 1


def test_e42_config_and_mode_live_as_long_as_the_subject(muir, name):
    post(muir, name, '"int"')
    muir.r("PUT", f"/config/{name}", {"compatibility": "NONE"})
    muir.r("PUT", f"/mode/{name}", {"mode": "READWRITE"})
    assert delete(muir, name, 1).json == 1
    assert muir.r("GET", f"/config/{name}").status == 200 and muir.r("GET", f"/mode/{name}").status == 200
    assert delete(muir, name, 1, True).json == 1
    error(muir.r("GET", f"/config/{name}"), 404, 40408)
    error(muir.r("GET", f"/mode/{name}"), 404, 40409)


def test_e43_lookup_after_deletes(muir, name):
    s = fresh()
    a = registered(muir, name, s)
    delete(muir, name)
    got = lookup(muir, name, s, "?deleted=true").json
    assert (got["version"], got["id"]) == (1, a["id"])
    error(lookup(muir, name, s), 404, 40401)
    registered(muir, name, s)
    assert lookup(muir, name, s, "?deleted=true").json["version"] == 2
    delete(muir, name, 2)
    registered(muir, name, fresh(), "?force=true")
    error(lookup(muir, name, s), 404, 40403, "Schema not found")


def test_e44_deleted_only(muir, name):
    post(muir, name, '"int"')
    post(muir, name, '"long"')
    delete(muir, name, 1)
    assert versions(muir, name, "?deletedOnly=true") == [1]
    assert versions(muir, name, "?deletedOnly=true&deleted=true") == [1]
    for query in ("deletedOnly=true", "deletedOnly=true&deleted=true"):
        assert muir.r("GET", f"/subjects?{query}&subjectPrefix={name}").json == []
    delete(muir, name, 2)
    assert muir.r("GET", f"/subjects?deletedOnly=true&deleted=true&subjectPrefix={name}").json == [name]
    post(muir, name + "b", '"int"')
    assert versions(muir, name + "b", "?deletedOnly=true") == []


def test_e45_deleted_versions_are_not_compared(muir, name):
    registered(muir, name, record("C" + name, field("a", "int")))
    registered(muir, name, '"string"', "?force=true")
    new = record("C" + name, field("a", "long"))
    error(post(muir, name, new), 409, 40901)
    delete(muir, name, 2)
    assert ask(muir, name, new, "/latest").json["is_compatible"] is True
    error(ask(muir, name, new, "/2"), 404, 40402)
    assert registered(muir, name, new)["version"] == 3


def test_e39_ids_of_deleted_versions(muir, name):
    s = fresh()
    i = registered(muir, name + "a", s)["id"]
    registered(muir, name + "b", s)
    delete(muir, name + "a")
    assert muir.r("GET", f"/schemas/ids/{i}/subjects").json == [name + "b"]
    assert sorted(muir.r("GET", f"/schemas/ids/{i}/subjects?deleted=true").json) == [name + "a", name + "b"]
    assert muir.r("GET", f"/schemas/ids/{i}/versions").json == [{"subject": name + "b", "version": 1}]
    assert muir.r("GET", f"/schemas/ids/{i}/subjects?deleted=true&limit=1&offset=1").status == 200
    assert muir.r("GET", f"/schemas/ids/{i}/subjects?subject={name}a").json == []


# ---- references (edge cases 47-55) --------------------------------------------------------------------------------------------

def test_e49_deleted_targets_are_no_targets(muir, name):
    inner, outer = record("I" + name), record("O" + name, field("i", "I" + name))
    ref = [{"name": "I" + name, "subject": name + "-i", "version": 1}]
    registered(muir, name + "-i", inner)
    registered(muir, name + "-o", outer, references=ref)
    for permanent in (False, True):
        delete(muir, name + "-o", 1, permanent)
    for permanent in (False, True):
        delete(muir, name + "-i", 1, permanent)
        a = error(post(muir, name + "-o", outer, references=ref), 422, 42201)
        assert name + "-i" in a.message, "names the reference that is missing"
        error(ask(muir, name + "-o", outer, references=ref), 422, 42201)


@pytest.mark.parametrize("ref", [{"name": "N"}, {"subject": "s", "version": 1}, {"name": "N", "subject": "s"}, {"name": None, "subject": "s", "version": 1}, {}])
def test_references_that_lack_something(muir, name, ref):
    error(post(muir, name, '"int"', references=[ref]), 422, 42201)


def test_e53_the_order_of_references(muir, name):
    refs = []
    for part in "ab":
        registered(muir, f"{name}-{part}", record(part + name))
        refs.append({"name": part + name, "subject": f"{name}-{part}", "version": 1})
    s = record("O" + name, field("a", "a" + name), field("b", "b" + name))
    a = registered(muir, name, s, "?normalize=true", references=refs[::-1])
    assert a["references"] == refs
    assert lookup(muir, name, s, "?normalize=true", references=refs[::-1]).json["id"] == a["id"]
    assert registered(muir, name, s, "?normalize=true", references=refs + refs[:1])["id"] == a["id"]
    error(lookup(muir, name, s, references=refs[::-1]), 404, 40403)


def test_e55_references_inside_a_context(muir, name):
    c = f":.{name}:"
    registered(muir, c + "i", record("I" + name))
    registered(muir, "i" + name, '"int"')
    ref = [{"name": "I" + name, "subject": "i", "version": -1}]
    a = registered(muir, c + "o", record("O" + name, field("i", "I" + name)), references=ref)
    ref[0]["version"] = 1
    assert a["references"] == ref
    assert muir.r("GET", f"/subjects/{c}o/versions/1").json["references"] == ref
    assert muir.r("GET", f"/subjects/{c}i/versions/1/referencedby").json == [a["id"]]
    error(delete(muir, c + "i"), 422, 42206)
    over = registered(muir, name + "-x", record("X" + name, field("i", "I" + name)), references=[dict(ref[0], subject=c + "i")])
    assert over["references"][0]["subject"] == c + "i"


def test_references_of_references(muir, name):
    registered(muir, name + "1", record("A" + name))
    registered(muir, name + "2", record("B" + name, field("a", "A" + name)), references=[{"name": "A" + name, "subject": name + "1", "version": 1}])
    last = registered(muir, name + "3", record("C" + name, field("b", "B" + name)), references=[{"name": "B" + name, "subject": name + "2", "version": -1}])
    resolved = json.loads(muir.r("GET", f"/schemas/ids/{last['id']}?format=resolved").json["schema"])
    assert resolved["fields"][0]["type"]["fields"][0]["type"] == record("A" + name)
    assert muir.r("GET", f"/subjects/{name}1/versions/latest/referencedby").json == [muir.r("GET", f"/subjects/{name}2/versions/1").json["id"]]


# ---- compatibility (edge cases 58-66; compatibility.md 1, 3.6, 3.7) -------------------------------------------------------------

READS = [  # reader, writer, does reader read writer, error types in order
    ('"long"', '"int"', []), ('"float"', '"int"', []), ('"double"', '"int"', []), ('"float"', '"long"', []), ('"double"', '"long"', []), ('"double"', '"float"', []),
    ('"string"', '"bytes"', []), ('"bytes"', '"string"', []), ('"int"', '"long"', ["TYPE_MISMATCH"]), ('"float"', '"double"', ["TYPE_MISMATCH"]),
    ('"string"', '"int"', ["TYPE_MISMATCH"]), ('"null"', '"int"', ["TYPE_MISMATCH"]), ('"boolean"', '"int"', ["TYPE_MISMATCH"]),
    ('["null","int"]', '"int"', []), ('"int"', '["int"]', []), ('"int"', '["null","int"]', ["TYPE_MISMATCH"]),
    ('["int"]', '"long"', ["MISSING_UNION_BRANCH"]), ('["int"]', '["int","string"]', ["MISSING_UNION_BRANCH"]), ('["string","long"]', '["int","bytes"]', []),
    ('["null"]', '["int","string"]', ["MISSING_UNION_BRANCH"] * 2),
    ('{"type":"array","items":"long"}', '{"type":"array","items":"int"}', []), ('{"type":"map","values":"int"}', '{"type":"map","values":"long"}', ["TYPE_MISMATCH"]),
    ('{"type":"fixed","name":"F","size":2}', '{"type":"fixed","name":"F","size":3}', ["FIXED_SIZE_MISMATCH"]),
    ('{"type":"fixed","name":"F","size":2}', '{"type":"fixed","name":"G","size":3}', ["NAME_MISMATCH", "FIXED_SIZE_MISMATCH"]),
    ('{"type":"fixed","name":"a.F","size":2}', '{"type":"fixed","name":"b.F","size":2}', []),
    ('{"type":"enum","name":"E","symbols":["A"]}', '{"type":"enum","name":"E","symbols":["A","B"]}', ["MISSING_ENUM_SYMBOLS"]),
    ('{"type":"enum","name":"E","symbols":["A"],"default":"A"}', '{"type":"enum","name":"E","symbols":["A","B"]}', []),
    ('{"type":"enum","name":"E","symbols":["A"]}', '{"type":"enum","name":"E","symbols":["A","B"],"default":"A"}', ["MISSING_ENUM_SYMBOLS"]),
    ('{"type":"record","name":"R","fields":[]}', '{"type":"record","name":"S","fields":[]}', ["NAME_MISMATCH"]),
    ('{"type":"record","name":"R","aliases":["S"],"fields":[]}', '{"type":"record","name":"S","fields":[]}', []),
    ('{"type":"record","name":"R","fields":[]}', '{"type":"record","name":"S","aliases":["R"],"fields":[]}', ["NAME_MISMATCH"]),
    ('{"type":"error","name":"R","fields":[]}', '{"type":"record","name":"R","fields":[]}', []),
    ('{"type":"record","name":"R","fields":[{"name":"b","type":"int","aliases":["a"]}]}', '{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}', []),
    ('{"type":"record","name":"R","fields":[{"name":"b","type":"int"}]}', '{"type":"record","name":"R","fields":[]}', ["READER_FIELD_MISSING_DEFAULT_VALUE"]),
    ('{"type":"record","name":"R","fields":[{"name":"b","type":["null","int"],"default":null}]}', '{"type":"record","name":"R","fields":[]}', []),
    ('{"type":"record","name":"R","fields":[{"name":"e","type":{"type":"enum","name":"E","symbols":["A"],"default":"A"}}]}', '{"type":"record","name":"R","fields":[]}', ["TYPE_MISMATCH"]),
    ('{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":1}]}', '{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}', ["TYPE_MISMATCH"]),
    ('{"type":"record","name":"R","fields":[{"name":"c","type":"int","aliases":["a","b"]}]}',
     '{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"int"}]}', None),
]


def error_types(messages):
    return [m.group(1) for m in (re.match(r"\{errorType:'(\w+)', description:'.*', additionalInfo:'.*'\}$", x, re.S) for x in messages) if m]


@pytest.mark.parametrize("level", ["BACKWARD", "FORWARD"])
def test_who_reads_whom(muir, name, level):
    wrong = []
    muir.r("PUT", f"/config/:.{name}:", {"compatibility": level})
    pairs = [(f":.{name}:{i}", *((w, r) if level == "BACKWARD" else (r, w)), r, w, found) for i, (r, w, found) in enumerate(READS)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:  # written together, they share transactions
        list(pool.map(lambda p: registered(muir, p[0], p[1]), pairs))
        statuses = dict(pool.map(lambda p: (p[0], post(muir, p[0], p[2]).status), [p for p in pairs if p[5] != []]))
    for subject, old, new, reader, writer, found in pairs:
        a = ask(muir, subject, new, "/latest?verbose=true").json
        types = error_types(a["messages"])
        fine = a["is_compatible"] is False and types == [] and len(a["messages"]) >= 2 if found is None else \
            a["is_compatible"] is (found == []) and types == found and (found == []) == (a["messages"] == [])
        if fine and found:
            assert a["messages"][len(found)] == "{oldSchemaVersion: 1}" and a["messages"][-1] == f"{{validateFields: 'false', compatibility: '{level}'}}"
            assert len(a["messages"]) == len(found) + 3
            words = re.search(r"description:'(.*?)', additionalInfo", a["messages"][0]).group(1)
            assert "new" in words and "old" in words
        if not fine or statuses.get(subject, 409) != 409:
            wrong.append((reader, writer, statuses.get(subject), a))
    assert not wrong


def test_additional_info_and_paths(muir, name):
    old = record("R", field("a", {"type": "map", "values": record("Q", field("x", "int"))}), field("f", {"type": "fixed", "name": "F", "size": 4}),
                 field("e", {"type": "enum", "name": "E", "symbols": ["B", "A", "C"]}), field("u", ["int", "string"]))
    new = record("R", field("a", {"type": "map", "values": record("Q", field("x", "string"))}), field("f", {"type": "fixed", "name": "F", "size": 8}),
                 field("e", {"type": "enum", "name": "E", "symbols": ["C"]}), field("u", ["int"]), field("n", "int"))
    registered(muir, name, old)
    messages = ask(muir, name, new, "/latest?verbose=true").json["messages"]
    expected = [("TYPE_MISMATCH", "/fields/0/type/values/fields/0/type", "reader type: STRING not compatible with writer type: INT"),
                ("FIXED_SIZE_MISMATCH", "/fields/1/type/size", "expected: 4, found: 8"), ("MISSING_ENUM_SYMBOLS", "/fields/2/type/symbols", "[A, B]"),
                ("MISSING_UNION_BRANCH", "/fields/3/type/1", "reader union lacking writer type: STRING"), ("READER_FIELD_MISSING_DEFAULT_VALUE", "/fields/4", "n")]
    for message, (type, path, info) in zip(messages, expected):
        assert message.startswith(f"{{errorType:'{type}'") and path in message and message.endswith(f"additionalInfo:'{info}'}}"), message
    assert len(messages) == 8
    a = error(post(muir, name, new), 409, 40901)
    assert a.message.endswith("details: [" + ", ".join(messages) + "]")


def test_the_old_schema_is_cut(muir, name):
    registered(muir, name, dict(record("R", field("a", "int")), doc="x" * 20000))
    messages = ask(muir, name, record("R", field("a", "string")), "/latest?verbose=true").json["messages"]
    assert "<truncated>" in messages[2] and messages[2].startswith("{oldSchema: '") and messages[2].endswith("...'}")
    assert 10240 < len(messages[2]) < 10300


def test_e58_who_is_unknown_is_compatible(muir, name):
    for where in ("", "/latest", "/-1", "/LATEST", "/"):
        assert ask(muir, name, '"int"', where).json == {"is_compatible": True}
        assert ask(muir, name, '"int"', where + "?verbose=true").json == {"is_compatible": True, "messages": []}
    error(ask(muir, name, '"int"', "/1"), 404, 40402, "Version 1 not found.")
    post(muir, name, '"int"')
    delete(muir, name)
    assert ask(muir, name, '"string"', "/latest").json == {"is_compatible": True}
    error(ask(muir, name, '"string"', "/1"), 404, 40402)


def test_e60_forward_transitive(muir, name):
    muir.r("PUT", f"/config/{name}", {"compatibility": "FORWARD_TRANSITIVE"})
    registered(muir, name, record("R", field("a", "int"), field("b", "int")))
    registered(muir, name, record("R", field("a", "int"), field("b", "int"), field("c", "int")))
    muir.r("PUT", f"/config/{name}", {"compatibility": "NONE"})
    registered(muir, name, record("R", field("c", "int")))
    muir.r("PUT", f"/config/{name}", {"compatibility": "FORWARD_TRANSITIVE"})
    new = record("R", field("c", "int"), field("d", "int"))
    assert ask(muir, name, new, "/latest").json["is_compatible"] is True
    a = ask(muir, name, new, "?verbose=true").json
    assert a["is_compatible"] is False
    assert "{oldSchemaVersion: 2}" in a["messages"] and "{oldSchemaVersion: 1}" not in a["messages"]  # stops at the first that fails


def test_full_levels(muir, name):
    muir.r("PUT", f"/config/{name}", {"compatibility": "FULL"})
    registered(muir, name, record("R", field("a", "int")))
    a = ask(muir, name, record("R"), "/latest?verbose=true").json  # only the forward half fails
    assert error_types(a["messages"]) == ["READER_FIELD_MISSING_DEFAULT_VALUE"] and len(a["messages"]) == 2
    assert a["messages"][1] == "{validateFields: 'false', compatibility: 'FULL'}"
    b = ask(muir, name, record("R", field("a", "int"), field("b", "int")), "/latest?verbose=true").json  # only the backward half
    assert len(b["messages"]) == 4 and b["messages"][1] == "{oldSchemaVersion: 1}"
    assert ask(muir, name, record("R", field("a", "int"), field("b", "int", default=1)), "/latest").json["is_compatible"] is True


def test_e65_a_level_of_none_lets_it_in(muir, name):
    registered(muir, name, '"int"')
    error(post(muir, name, '"string"'), 409, 40901)
    muir.r("PUT", f"/config/{name}", {"compatibility": "NONE"})
    assert registered(muir, name, '"string"')["version"] == 2
    assert ask(muir, name, '"null"', "?verbose=true").json == {"is_compatible": True, "messages": []}


def test_e63_without_the_property_on_both_sides_they_are_compared(muir, name):
    muir.r("PUT", f"/config/{name}", {"compatibilityGroup": "major"})
    registered(muir, name, '"int"')
    error(post(muir, name, '"string"'), 409, 40901)
    assert registered(muir, name, '"string"', metadata={"properties": {"major": "1"}})["version"] == 2
    error(post(muir, name, '"boolean"', metadata={"properties": {"major": "1"}}), 409, 40901)
    assert registered(muir, name, '"long"', metadata={"properties": {"other": "1"}})["version"] == 3  # compared with version 1, not with the latest


def test_e66_reserved_fields_and_who_asks_for_them(muir, name):
    reserved = {"properties": {"confluent:reserved": "old , older"}}
    registered(muir, name, record("R"), metadata=reserved)
    taken = record("R", field("older", "int", default=0))
    assert ask(muir, name, taken, metadata=reserved).json["is_compatible"] is True
    muir.r("PUT", f"/config/{name}", {"validateFields": True})
    a = ask(muir, name, taken, "?verbose=true", metadata=reserved).json
    assert a["is_compatible"] is False and "older" in a["messages"][0] and "validateFields: 'true'" in a["messages"][-1]
    error(post(muir, name, taken, metadata=reserved), 409, 40901)
    muir.r("PUT", f"/config/{name}", {"validateFields": False})
    assert registered(muir, name, taken, metadata=reserved)["version"] == 2


def test_checks_change_nothing_and_heed_no_mode(muir, name):
    registered(muir, name, '"int"')
    muir.r("PUT", f"/mode/{name}", {"mode": "READONLY"})
    highest = muir.r("GET", "/schemas/ids/1?fetchMaxId=true").json.get("maxId")
    assert ask(muir, name, fresh(), "/1").json["is_compatible"] is False
    assert versions(muir, name) == [1] and muir.r("GET", "/schemas/ids/1?fetchMaxId=true").json.get("maxId") == highest


# ---- configuration, modes (edge cases 67-84) --------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def own(request, engine, tmp_path_factory):
    """A server whose global settings a test may change, if it puts them back."""
    from conftest import Muir, storage_args
    directory = str(tmp_path_factory.mktemp(engine + "-own"))
    m = Muir(engine, storage_args(request, engine, directory), directory)
    yield m
    assert m.stop() == 0


@pytest.fixture
def settings(own):
    yield own
    for path in ("/mode?recursive=true", "/mode/:.__GLOBAL:", "/config", "/config/:.__GLOBAL:"):
        own.r("DELETE", path)
    assert (own.r("GET", "/mode?defaultToGlobal=true").json, own.r("GET", "/config?defaultToGlobal=true").json) == \
        ({"mode": "READWRITE"}, {"compatibilityLevel": "BACKWARD"})


@pytest.mark.parametrize("level", ["NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"])
def test_levels_have_no_case(settings, level):
    m = settings
    assert m.r("PUT", "/config", {"compatibility": level.title()}).json == {"compatibility": level}
    assert m.r("GET", "/config").json == {"compatibilityLevel": level}


@pytest.mark.parametrize("body", [{"compatibility": ""}, {"compatibility": "BACKWARDS"}, {"compatibility": " FULL"}, {"compatibility": 5}])
def test_levels_that_are_none(settings, name, body):
    for path in ("/config", f"/config/{name}"):
        error(settings.r("PUT", path, body), 422, 42203)
    error(settings.r("GET", f"/config/{name}"), 404, 40408)


def test_e67_e71_e72_what_a_subject_inherits(settings, name):
    m = settings
    m.r("PUT", "/config", {"compatibility": "FULL", "normalize": True, "validateFields": True, "compatibilityGroup": "g"})
    error(m.r("GET", f"/config/{name}"), 404, 40408)
    assert m.r("GET", f"/config/{name}?defaultToGlobal=true").json["compatibilityLevel"] == "FULL"
    m.r("PUT", f"/config/{name}", {"compatibility": "NONE"})
    assert m.r("GET", f"/config/{name}").json == {"compatibilityLevel": "NONE"}
    assert m.r("GET", f"/config/{name}?defaultToGlobal=true").json == {"normalize": True, "validateFields": True, "compatibilityLevel": "NONE",
                                                                       "compatibilityGroup": "g"}
    one = '{"type":"record","name":"N%s","fields":[],"p":{"z":1,"a":2}}' % name
    assert '{"a":2,"z":1}' in registered(m, name, one)["schema"]
    m.r("PUT", f"/config/{name}-n", {"normalize": False})
    assert m.r("GET", f"/config/{name}-n?defaultToGlobal=true").json["compatibilityLevel"] == "BACKWARD"
    assert '{"z":1,"a":2}' in registered(m, name + "-n", one)["schema"]


def test_e73_aliases(settings, name):
    m = settings
    target = name + "/target"
    registered(m, target, '"int"')
    m.r("PUT", f"/config/{name}", {"alias": target})
    assert m.r("GET", f"/subjects/{name}/versions/1").json["subject"] == target
    assert registered(m, name, '"long"')["version"] == 2  # writes too
    assert lookup(m, name, '"int"').json["subject"] == target
    assert versions(m, name) == [1, 2]
    m.r("PUT", f"/config/{name}b", {"alias": name})  # one level only
    error(m.r("GET", f"/subjects/{name}b/versions"), 404, 40401)
    m.r("PUT", "/config", {"alias": target})
    error(m.r("GET", f"/subjects/no{name}/versions"), 404, 40401)
    m.r("PUT", f"/config/{name}c%2Fd", {"alias": target})  # an alias with a slash
    assert m.r("GET", f"/subjects/{name}c%2Fd/versions").json == [1, 2]
    assert m.r("GET", f"/config/{name}").json == {"alias": target, "compatibilityLevel": "BACKWARD"}  # config is the alias's own


def test_e70_null_clears_one_field(settings, name):
    m = settings
    m.r("PUT", "/config", {"compatibility": "FULL", "normalize": True})
    assert m.r("PUT", "/config", {"compatibility": None}).json == {"normalize": True}
    assert m.r("GET", "/config").json == {"normalize": True, "compatibilityLevel": "BACKWARD"}
    assert m.r("PUT", "/config", {"unknown": 1}).json == {"normalize": True}


def test_e74_e75_read_only_everywhere(settings, name):
    m = settings
    s = fresh()
    registered(m, name, s)
    m.r("PUT", f"/config/{name}", {"compatibility": "NONE"})
    for mode in ("READONLY", "READONLY_OVERRIDE"):
        assert m.r("PUT", "/mode", {"mode": mode}).json == {"mode": mode}
        for a in (post(m, name, fresh()), post(m, "n" + name, fresh()), delete(m, name), delete(m, name, 1), m.r("PUT", f"/config/{name}", "{}"),
                  m.r("DELETE", f"/config/{name}"), m.r("DELETE", "/config"), post(m, name, fresh(), id=77777)):
            assert "is in read-only mode" in error(a, 422, 42205).message
        error(post(m, name, "nonsense"), 422, 42201)  # parsed before the mode is asked
        error(m.r("DELETE", f"/config/no{name}"), 404, 40401)
        assert registered(m, name, s)["version"] == 1 and lookup(m, name, s).status == 200
        assert m.r("PUT", f"/mode/{name}", {"mode": "READWRITE"}).status == 200
        assert m.r("PUT", f"/config/{name}", "{}").status == 200
        m.r("DELETE", f"/mode/{name}")
    assert registered(m, f":.{name}:s", s)["version"] == 1  # the bare mode is the default context's


def test_e77_e79_import(settings, name):
    m = settings
    m.r("PUT", f"/config/{name}", {"normalize": True})
    assert m.r("PUT", f"/mode/{name}", {"mode": "import"}).json == {"mode": "import"}
    text = '{"type":"record","name":"N%s","fields":[],"p":{"z":1,"a":2}}' % name
    a = registered(m, name, text, id=40001, version=3)
    assert a["version"] == 3 and '{"z":1,"a":2}' in a["schema"]
    assert registered(m, name, '"string"', id=40002, version=1)["version"] == 1  # incompatible, out of order
    assert versions(m, name) == [1, 3]
    error(post(m, name, fresh()), 422, 42205)
    assert registered(m, name, '"string"')["version"] == 1
    error(post(m, name, '"long"', id=40001), 422, 42205)
    assert registered(m, name, '"string"', id=40003, version=9)["id"] == 40003
    m.r("DELETE", f"/mode/{name}")
    error(post(m, name, '"double"', id=40009), 422, 42205)
    assert registered(m, name, '"string"', id=-1)["id"] in (40002, 40003)  # -1 is none


def test_e76_import_needs_an_empty_place(settings, name):
    m = settings
    registered(m, name, '"int"')
    for path in (f"/mode/{name}", "/mode", "/mode/:.__GLOBAL:"):
        a = error(m.r("PUT", path, {"mode": "IMPORT"}), 422, 42205)
        assert "found existing subjects" in a.message
    assert m.r("PUT", "/mode?force=true", {"mode": "IMPORT"}).status == 200
    m.r("DELETE", "/mode")


def test_e80_null_clears_a_mode(settings, name):
    m = settings
    m.r("PUT", f"/mode/{name}", {"mode": "READONLY"})
    assert m.r("PUT", f"/mode/{name}", {"mode": None}).body == b'{"mode":null}'
    assert m.r("GET", f"/mode/{name}?defaultToGlobal=true").json == {"mode": "READWRITE"}
    assert registered(m, name, '"int"')["version"] == 1


def test_e81_forward_is_for_all_or_nobody(settings, name):
    m = settings
    for path in (f"/mode/{name}", "/mode", "/mode/:.:"):
        a = error(m.r("PUT", path, {"mode": "FORWARD"}), 422, 42204)
        assert a.message == "Forward mode only supported on global level"
    assert m.r("PUT", "/mode/:.__GLOBAL:", {"mode": "FORWARD"}).json == {"mode": "FORWARD"}
    error(post(m, name, fresh()), 422, 42205)


def test_e82_global_read_only(settings, name):
    m = settings
    m.r("PUT", "/mode/:.__GLOBAL:", {"mode": "READONLY"})
    assert m.r("GET", "/mode").json == {"mode": "READWRITE"}
    assert m.r("GET", "/mode?defaultToGlobal=true").json == {"mode": "READONLY"}
    assert m.r("GET", f"/mode/{name}?defaultToGlobal=true").json == {"mode": "READONLY"}
    for subject in (name, f":.{name}:s"):
        error(post(m, subject, fresh()), 422, 42205)


def test_e83_modes_of_a_context(settings, name):
    m = settings
    c = f":.{name}:"
    m.r("PUT", f"/mode/{c}s", {"mode": "READONLY"})
    m.r("PUT", f"/mode/{name}", {"mode": "READONLY"})
    error(m.r("DELETE", f"/mode/{c}"), 404, 40401)
    assert m.r("DELETE", f"/mode/{c}?recursive=true").body == b"{}"
    error(m.r("GET", f"/mode/{c}s"), 404, 40409)
    assert m.r("GET", f"/mode/{name}").json == {"mode": "READONLY"}


def test_e84_the_default_context_by_its_name(settings, name):
    m = settings
    assert m.r("PUT", "/mode/:.:", {"mode": "READONLY"}).status == 200
    assert m.r("GET", "/mode").json == {"mode": "READONLY"} == m.r("GET", "/mode/:.:").json
    assert m.r("DELETE", "/mode").json == {"mode": "READONLY"}
    m.r("PUT", "/config", {"compatibility": "FULL"})
    assert m.r("GET", "/config/:.:").json == {"compatibilityLevel": "FULL"}
    m.r("PUT", f"/config/:.:{name}", {"compatibility": "NONE"})
    assert m.r("GET", f"/config/{name}").json == {"compatibilityLevel": "NONE"}


def test_settings_of_contexts(settings, name):
    m = settings
    c = f":.{name}:"
    m.r("PUT", "/config", {"compatibility": "NONE"})
    assert m.r("GET", f"/config/{c}s?defaultToGlobal=true").json == {"compatibilityLevel": "BACKWARD"}
    m.r("PUT", "/config/:.__GLOBAL:", {"compatibility": "FORWARD"})
    assert m.r("GET", f"/config/{c}s?defaultToGlobal=true").json == {"compatibilityLevel": "FORWARD"}
    m.r("PUT", f"/config/{c}", {"compatibility": "FULL"})
    assert m.r("GET", f"/config/:.{name}").json == {"compatibilityLevel": "FULL"}
    assert m.r("GET", f"/config/{c}s?defaultToGlobal=true").json == {"compatibilityLevel": "FULL"}
    registered(m, c + "s", record("R"))
    error(post(m, c + "s", record("R", field("a", "int", default=0), field("b", "int"))), 409, 40901)
    m.r("DELETE", f"/config/{c}")


# ---- contexts, lists, ids (edge cases 85-94, errata 4, 6, 8, 9) -----------------------------------------------------------------------

def test_e85_e88_contexts(muir, name):
    c = f":.{name}:"
    t = fresh(1)
    mine = registered(muir, c + "only" + name, fresh())
    registered(muir, name + "-d", t)
    assert {c + "only" + name, name + "-d"} <= set(muir.r("GET", "/subjects").json)
    assert {c + "only" + name, name + "-d"} <= set(muir.r("GET", "/subjects?subjectPrefix=:*:").json)
    assert c + "only" + name not in muir.r("GET", "/subjects?subjectPrefix=").json
    assert c + "only" + name not in [x["subject"] for x in muir.r("GET", "/schemas").json]
    assert c + "only" + name in [x["subject"] for x in muir.r("GET", "/schemas?subjectPrefix=:*:").json]
    error(muir.r("GET", f"/subjects/only{name}/versions"), 404, 40401)
    error(delete(muir, "only" + name), 404, 40401)
    # a qualified name must hold the id
    error(muir.r("GET", f"/schemas/ids/{mine['id']}?subject={c}nobody"), 404, 40403)
    assert muir.r("GET", f"/schemas/ids/{mine['id']}?subject={c}").json["subject"] == c + "only" + name
    assert muir.r("GET", f"/schemas/guids/{mine['guid']}/ids").json == [{"context": f".{name}", "id": mine["id"]}]
    assert muir.r("GET", f"/schemas/ids/{mine['id']}/subjects?subject={c}").json == [c + "only" + name]


def test_e90_prefixes_of_contexts(muir, name):
    for c in (f"{name}-prod", f"{name}-prod-eu", f"{name}-dev"):
        registered(muir, f":.{c}:s", '"int"')
    assert muir.r("GET", f"/contexts?contextPrefix=.{name}-prod").json == [f".{name}-prod", f".{name}-prod-eu"]
    assert muir.r("GET", f"/contexts?contextPrefix=.{name}-PROD").json == []
    assert muir.r("GET", f"/contexts?contextPrefix=.{name}&offset=1&limit=1").json == [f".{name}-prod"]


def test_e91_pages(muir, name):
    for i in range(3):
        post(muir, name, f'{{"type":"int","v":{i}}}')
    listed = muir.r("GET", f"/schemas?subjectPrefix={name}").json
    assert [x["version"] for x in listed] == [1, 2, 3]
    assert muir.r("GET", f"/schemas?subjectPrefix={name}&offset=1&limit=1").json == listed[1:2]
    assert muir.r("GET", f"/schemas?subjectPrefix={name}&offset=9&limit=1").json == []
    delete(muir, name, 3)
    assert [x["version"] for x in muir.r("GET", f"/schemas?subjectPrefix={name}&latestOnly=true").json] == [2]
    both = muir.r("GET", f"/schemas?subjectPrefix={name}&latestOnly=true&deleted=true").json
    assert [(x["version"], x["deleted"]) for x in both] == [(3, True)]
    assert muir.r("GET", f"/subjects/{name}/versions?deleted=true&offset=2&limit=1").json == [3]


def test_answers_carry_what_they_should(muir, name):
    s = fresh()
    a = post(muir, name, s)
    assert list(a.json) == ["id", "version", "guid", "schemaType", "schema"] == list(post(muir, name, s).json)
    assert list(lookup(muir, name, s).json) == ["subject", "version", "id", "guid", "schemaType", "schema"]
    got = muir.r("GET", f"/schemas/ids/{a.json['id']}?subject={name}").json
    assert got["id"] == a.json["id"] and got["deleted"] is False and got["ts"] > 1600000000000
    assert muir.r("GET", f"/schemas/ids/{a.json['id']}?fetchMaxId=TRUE").json["maxId"] >= a.json["id"]
    again = muir.r("GET", f"/subjects/{name}/versions/1").json
    assert again["ts"] == got["ts"]
    delete(muir, name)
    assert muir.r("GET", f"/subjects/{name}/versions/1?deleted=true").json["ts"] >= got["ts"]


def test_associations_are_quickly_none(muir, name):
    a = muir.r("GET", f"/associations/resources/-/{name}?resourceType=topic&associationType=value")
    assert a.status == 404 or a.json == []


@pytest.mark.parametrize("method, path", [("GET", "/subjects"), ("GET", "/subjects/{s}/versions/1"), ("GET", "/schemas/types"), ("GET", "/config")])
def test_head_is_get_without_a_body(muir, name, method, path):
    post(muir, name, '"int"')
    path = path.replace("{s}", name)
    a, b = muir.r("GET", path), muir.r("HEAD", path)
    assert b.status == a.status and b.body == b"" and b.headers["content-type"] == a.headers["content-type"]


# ---- everybody at once -------------------------------------------------------------------------------------------------------------

def test_deletes_race_with_registrations(start_muir):
    """Few schemas, few subjects, many clients: an id never changes its meaning, nobody sees a server error, and a restart finds the same."""
    m = start_muir()
    texts = [json.dumps({"type": "int", "v": i}) for i in range(4)]
    wrong, end = [], time.monotonic() + 1.5

    def client(k):
        rnd = random.Random(k)
        while time.monotonic() < end:
            subject, text = f"s{rnd.randrange(2)}", rnd.choice(texts)
            steps = [lambda: post(m, subject, text), lambda: post(m, subject, text), lambda: delete(m, subject, "latest"), lambda: delete(m, subject),
                     lambda: delete(m, subject, permanent=True), lambda: delete(m, subject, rnd.randrange(1, 6), True)]
            step = rnd.randrange(len(steps))
            a = steps[step]()
            if a.status not in ((200,) if step < 2 else (200, 404)):
                wrong.append(a)
            if step < 2 and a.status == 200:
                held = m.r("GET", f"/schemas/ids/{a.json['id']}")
                if held.status == 200 and json.loads(held.json["schema"]) != json.loads(text):
                    wrong.append((a, held))

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(client, range(8)))
    assert not wrong, wrong[:3]
    listed = m.r("GET", "/schemas?deleted=true").json
    assert len({(x["id"], x["schema"]) for x in listed}) == len({x["id"] for x in listed}) == len({x["schema"] for x in listed})
    assert m.stop() == 0
    assert start_muir(same_log_as=m).r("GET", "/schemas?deleted=true").json == listed
