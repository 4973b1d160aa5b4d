"""Edges of the registry's HTTP API on both engines: requests, names of subjects, contexts, lists, ids. A number in a test's name or id (e36) is
that of an edge case in registry-api.md 6; other ids name the section. What the plain tests beside this file hold is not said again here."""
import concurrent.futures
import json
import random
import re
import socket
import time
import urllib.parse

import pytest

from conftest import V1, call
from test_registry_core import ask, delete, error, fresh, lookup, post, q, registered, versions

V1_NO_VERSION = "application/vnd.schemaregistry+json"


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
