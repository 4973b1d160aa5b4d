"""The registry over HTTP: register, look up, read, on both engines."""
import hashlib
import json
import urllib.parse
import uuid

import pytest

from conftest import V1, call

RECORD = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]}
WIDER = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}, {"name": "b", "type": "int", "default": 0}]}
NARROW = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}, {"name": "b", "type": "int"}]}


def q(s):
    return urllib.parse.quote(s, safe="")


def fresh(n=0):
    """A schema that nobody else registers."""
    return {"type": "record", "name": "X" + uuid.uuid4().hex, "fields": [{"name": f"f{i}", "type": "int"} for i in range(n + 1)]}


def post(m, subject, schema, query="", **members):
    return m.r("POST", f"/subjects/{q(subject)}/versions{query}", {"schema": schema if isinstance(schema, str) else json.dumps(schema), **members})


def lookup(m, subject, schema, query="", **members):
    return m.r("POST", f"/subjects/{q(subject)}{query}", {"schema": schema if isinstance(schema, str) else json.dumps(schema), **members})


def error(a, status, code, message=None):
    assert (a.status, a.code) == (status, code), a
    if message is not None:
        assert a.message == message
    return a


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


def test_the_first_schema_gets_id_1(start_muir):
    m = start_muir()
    a = post(m, "s", '"string"')
    assert a.status == 200 and a.headers["content-type"] == V1
    guid = str(uuid.UUID(hashlib.md5(b'"string"').hexdigest()))
    assert a.body.decode() == '{"id":1,"version":1,"guid":"%s","schemaType":"AVRO","schema":"\\"string\\""}' % guid
    got = m.r("GET", "/schemas/ids/1").json
    assert list(got) == ["subject", "version", "id", "guid", "schemaType", "schema", "ts", "deleted"]
    assert (got["subject"], got["version"], got["schema"], got["deleted"]) == ("s", 1, '"string"', False)
    got = m.r("GET", "/subjects/s/versions/1").json
    assert list(got) == ["subject", "version", "id", "guid", "schemaType", "schema", "ts", "deleted"]
    assert m.r("GET", "/subjects").json == ["s"]
    assert m.r("GET", "/schemas/types").json == ["AVRO"]


def test_registering_again_changes_nothing(muir, name):
    s = fresh()
    a = post(muir, name, s)
    for text in (json.dumps(s), json.dumps(s, indent=4), json.dumps(dict(reversed(s.items())))):
        b = post(muir, name, text)
        assert b.json == a.json
    assert muir.r("GET", f"/subjects/{name}/versions").json == [1]
    assert post(muir, name + "-2", s).json["id"] == a.json["id"]
    assert post(muir, name + "-2", s).json["version"] == 1


def test_evolution(muir, name):
    first = dict(RECORD, name="E" + name)
    a = post(muir, name, first).json
    b = post(muir, name, dict(WIDER, name="E" + name)).json
    assert b["version"] == 2 and b["id"] != a["id"]
    bad = error(post(muir, name, dict(NARROW, name="E" + name, fields=NARROW["fields"] + [{"name": "c", "type": "int"}])), 409, 40901)
    assert bad.message.startswith(f'Schema being registered is incompatible with an earlier schema for subject "{name}", details: [{{errorType:')
    for part in ("READER_FIELD_MISSING_DEFAULT_VALUE", "{oldSchemaVersion: 2}", "{oldSchema: '", "compatibility: 'BACKWARD'}]"):
        assert part in bad.message
    assert muir.r("GET", f"/subjects/{name}/versions").json == [1, 2]
    assert post(muir, name, {"type": "int"}, "?force=true").json["version"] == 3
    latest = muir.r("GET", f"/subjects/{name}/versions/latest").json
    assert latest["version"] == 3 and latest["schema"] == '"int"'
    for v in ("LATEST", "-1", " 3", "3/"):
        assert muir.r("GET", f"/subjects/{name}/versions/{v.replace(' ', '%20')}").json == latest
    assert muir.r("GET", f"/subjects/{name}/versions/1/schema").json == first


def test_doc_makes_another_schema(muir, name):
    s = fresh()
    t = json.loads(json.dumps(s))
    t["fields"][0]["doc"] = "what it is"
    a, b = post(muir, name, s).json, post(muir, name, t).json
    assert a["id"] != b["id"] and b["version"] == 2


def test_lookup(muir, name):
    s = fresh()
    a = post(muir, name, s).json
    got = lookup(muir, name, json.dumps(s, indent=1))
    assert list(got.json) == ["subject", "version", "id", "guid", "schemaType", "schema"]
    assert got.json["id"] == a["id"] and got.json["version"] == 1
    assert lookup(muir, name, json.dumps(s, indent=1)).json == got.json  # now from memory
    error(lookup(muir, name, fresh()), 404, 40403, "Schema not found")
    error(lookup(muir, "no" + name, s), 404, 40401, f"Subject 'no{name}' not found.")
    error(lookup(muir, "no" + name, "{nonsense"), 422, 42201)
    error(lookup(muir, name, s, schemaType="AVROO"), 422, 42201)
    post(muir, name + "i", '{"type":"int","name":"x"}')
    assert lookup(muir, name + "i", '{"type":"int"}').status == 200


def test_lookup_finds_what_differs_only_in_the_order_of_properties(muir, name):
    post(muir, name, '{"type":"record","name":"P%s","fields":[],"p":{"a":1,"b":2}}' % name)
    a = lookup(muir, name, '{"type":"record","name":"P%s","fields":[],"p":{"b":2,"a":1}}' % name)
    assert a.status == 200 and a.json["version"] == 1 and a.json["deleted"] is False
    again = post(muir, name, '{"type":"record","name":"P%s","fields":[],"p":{"b":2,"a":1}}' % name)
    assert again.json["version"] == 1 and again.json["id"] == a.json["id"]


@pytest.mark.parametrize("body, status, code", [
    ("", 422, 422), ("null", 422, 422), ("   ", 422, 422),
    ("{", 400, 400), ('{"schema":"\\"int\\""}}}}', 400, 400), ("[]", 400, 400), ('"x"', 400, 400),
    ('{"schema":{"type":"int"}}', 400, 400), ('{"schema":"\\"int\\"","version":"abc"}', 400, 400),
    ('{"schema":"\\"int\\"","references":5}', 400, 400), ('{"schema":"\\"int\\"","references":[1]}', 400, 400),
    ('{"schema":"\\"int\\"","references":{}}', 400, 400),
    ('{"schema":"\\"int\\"","metadata":"m"}', 400, 400), ('{"schema":"\\"int\\"","schemaType":"AVROO"}', 422, 42201),
    ('{"schema":"\\"in\\""}', 422, 42201), ('{"schema":"not json"}', 422, 42201),
    ('{"schema":"{\\"type\\":\\"record\\",\\"name\\":\\"a-b\\",\\"fields\\":[]}"}', 422, 42201),
    ('{"schema":"{\\"type\\":\\"record\\",\\"name\\":\\"R\\",\\"fields\\":[{\\"name\\":\\"a\\",\\"type\\":\\"int\\"},{\\"name\\":\\"a\\",\\"type\\":\\"int\\"}]}"}', 422, 42201),
    ('{"schema":"{\\"type\\":\\"record\\",\\"name\\":\\"R\\",\\"fields\\":[{\\"name\\":\\"a\\",\\"type\\":\\"int\\",\\"default\\":\\"x\\"}]}"}', 422, 42201),
    ('{"schema":"\\"N\\"","references":[{"name":"N","subject":"nobody","version":1}]}', 422, 42201),
    ('{"schema":"\\"N\\"","references":[{"name":"N","version":1}]}', 422, 42201),
])
def test_what_is_wrong_with_a_body(muir, name, body, status, code):
    for path in (f"/subjects/{name}/versions", f"/subjects/{name}"):
        a = muir.r("POST", path, body)
        if path.endswith(name) and "default" in body:
            continue  # a look-up reads leniently
        error(a, status, code)
        assert len(a.message) > 3
    error(muir.r("GET", f"/subjects/{name}/versions"), 404, 40401)


def test_no_schema_text(muir, name):
    error(muir.r("POST", f"/subjects/{name}/versions", "{}"), 422, 42201, "Empty schema")
    error(muir.r("POST", f"/subjects/{name}/versions", {"schema": ""}), 422, 42201, "Empty schema")
    s = fresh()
    a = post(muir, name, s).json
    assert muir.r("POST", f"/subjects/{name}/versions", "{}").json == a
    b = muir.r("POST", f"/subjects/{name}/versions", {"metadata": {"properties": {"owner": "me"}}}).json
    assert b["version"] == 2 and b["schema"] == a["schema"] and b["metadata"] == {"properties": {"owner": "me"}}


def test_unknown_members_scalars_and_nulls_are_taken(muir, name):
    a = muir.r("POST", f"/subjects/{name}/versions", {"schema": '"int"', "shade": [1], "schemaType": None, "references": None, "metadata": None,
                                                      "ruleSet": None, "version": None, "id": None})
    assert a.status == 200
    assert muir.r("POST", f"/subjects/{name}/versions", '{"schema":"\\"int\\"","version":"1"}').json["version"] == 1


def test_media_types(muir, name):
    a = call(muir.registry, "GET", "/subjects", headers={"Accept": "application/json"})
    assert a.headers["content-type"] == "application/json"
    assert call(muir.registry, "GET", "/subjects", headers={"Accept": "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"}).headers["content-type"] == V1
    a = call(muir.registry, "GET", "/subjects", headers={"Accept": "application/vnd.schemaregistry.v2+json"})
    error(a, 406, 406, "HTTP 406 Not Acceptable")
    a = call(muir.registry, "PUT", "/config", '{"compatibility":"BACKWARD"}', "text/html")
    error(a, 415, 415, "HTTP 415 Unsupported Media Type")
    assert a.headers["content-type"] == V1
    body = '{"schema":"\\"int\\""}'
    for kind in ("application/octet-stream", "application/json; charset=utf-8", None):
        assert call(muir.registry, "POST", f"/subjects/{name}/versions", body, kind).status == 200
    error(call(muir.registry, "POST", f"/subjects/{name}/versions", body, "application/x-www-form-urlencoded"), 415, 415)


def test_paths(muir, name):
    error(muir.r("GET", "/nowhere"), 404, 404, "HTTP 404 Not Found")
    a = error(muir.r("PUT", "/subjects", "{}"), 405, 405, "HTTP 405 Method Not Allowed")
    assert "GET" in a.headers["allow"]
    assert muir.r("GET", "/subjects/").status == 200
    assert muir.r("GET", "/").json == {} and muir.r("POST", "/", "{}").json == {}
    error(muir.r("POST", "/subjects//versions", {"schema": '"int"'}), 404, 40401, "Subject 'versions' not found.")
    assert muir.r("HEAD", "/subjects").body == b""
    error(muir.r("GET", "/subjects?limit=abc"), 404, 404, "HTTP 404 Not Found")


@pytest.mark.parametrize("subject", ['a"b', "{x}", "a:b", "o'clock", "a/b", "é", "a b", "a+b", "100%", "*", "-", "a" * 200])
def test_subjects_of_every_kind(muir, name, subject):
    subject = name + subject
    a = post(muir, subject, '"int"')
    assert a.status == 200
    assert subject in muir.r("GET", "/subjects").json
    assert muir.r("GET", f"/subjects/{q(subject)}/versions/1").json["subject"] == subject
    error(muir.r("GET", f"/subjects/{q(subject)}x/versions/1"), 404, 40401, f"Subject '{subject}x' not found.")


@pytest.mark.parametrize("subject", ["a\nb", "a\tb", "__GLOBAL", "__EMPTY", ":.ctx:", ":.__GLOBAL:x"])
def test_subjects_that_are_refused(muir, subject):
    error(post(muir, subject, '"int"'), 422, 42208)


def test_ids(muir, name):
    a = post(muir, name, fresh()).json
    post(muir, name + "-b", a["schema"])
    i = a["id"]
    assert sorted(muir.r("GET", f"/schemas/ids/{i}/subjects").json) == [name, name + "-b"]
    assert sorted(muir.r("GET", f"/schemas/ids/{i}/versions").json, key=str) == [{"subject": name, "version": 1}, {"subject": name + "-b", "version": 1}]
    assert muir.r("GET", f"/schemas/ids/{i}/schema").json == json.loads(a["schema"])
    assert muir.r("GET", f"/schemas/ids/{i}?subject={name}-b").json["subject"] == name + "-b"
    assert muir.r("GET", f"/schemas/ids/{i}?subject=nobody").json["schema"] == a["schema"]
    assert "maxId" not in muir.r("GET", f"/schemas/ids/{i}").json
    assert muir.r("GET", f"/schemas/ids/{i}?fetchMaxId=true").json["maxId"] >= i
    for tail in ("", "/schema", "/subjects", "/versions"):
        error(muir.r("GET", f"/schemas/ids/2000000000{tail}"), 404, 40403, "Schema 2000000000 not found")
        error(muir.r("GET", f"/schemas/ids/invalid{tail}"), 404, 404, "HTTP 404 Not Found")
        error(muir.r("GET", f"/schemas/ids/99999999999{tail}"), 404, 404)


def test_guids(muir, name):
    a = post(muir, name, fresh()).json
    for guid in (a["guid"], a["guid"].upper(), a["guid"].replace("-", "")):
        got = muir.r("GET", f"/schemas/guids/{guid}").json
        assert list(got) == ["guid", "schemaType", "schema"] and got["schema"] == a["schema"]
        assert muir.r("GET", f"/schemas/guids/{guid}/ids").json == [{"context": ".", "id": a["id"]}]
    error(muir.r("GET", "/schemas/guids/nonsense"), 404, 40403, "Schema nonsense not found")
    unknown = str(uuid.uuid4())
    error(muir.r("GET", f"/schemas/guids/{unknown}"), 404, 40403)
    assert muir.r("GET", f"/schemas/guids/{unknown}/ids").json == []


def test_lists_have_pages_and_prefixes(muir, name):
    subjects = [f"{name}-{i}" for i in range(5)]
    for s in subjects:
        post(muir, s, '"int"')
    path = f"/subjects?subjectPrefix={name}-"
    assert muir.r("GET", path).json == subjects
    assert muir.r("GET", f"/subjects?subjectPrefix=:*:{name}-").json == subjects
    assert muir.r("GET", path + "&offset=1&limit=2").json == subjects[1:3]
    assert muir.r("GET", path + "&offset=9").json == []
    assert muir.r("GET", path + "&offset=-1&limit=0").json == subjects
    listed = muir.r("GET", f"/schemas?subjectPrefix={name}-").json
    assert [s["subject"] for s in listed] == subjects and list(listed[0]) == ["subject", "version", "id", "guid", "schemaType", "schema", "ts", "deleted"]
    post(muir, subjects[0], '"long"')
    assert len(muir.r("GET", f"/schemas?subjectPrefix={name}-").json) == 6
    latest = muir.r("GET", f"/schemas?subjectPrefix={name}-&latestOnly=true").json
    assert len(latest) == 5 and latest[0]["version"] == 2
    assert muir.r("GET", f"/subjects/{subjects[0]}/versions?offset=1&limit=1").json == [2]


def test_versions_that_are_none(muir, name):
    post(muir, name, '"int"')
    for v in ("0", "-2", "earliest", "99999999999", "1.0"):
        error(muir.r("GET", f"/subjects/{name}/versions/{v}"), 422, 42202,
              f"The specified version '{v}' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\"")
    error(muir.r("GET", f"/subjects/{name}/versions/2"), 404, 40402, "Version 2 not found.")
    error(muir.r("GET", f"/subjects/no{name}/versions/2"), 404, 40401, f"Subject 'no{name}' not found.")
    error(muir.r("GET", f"/subjects/no{name}/versions"), 404, 40401)


def test_explicit_versions(muir, name):
    s = fresh()
    post(muir, name, s)
    error(post(muir, name, fresh(), "?force=true", version=3), 422, 42201)
    two = post(muir, name, s, version=-1).json
    assert two["version"] == 1  # it is the latest
    b = post(muir, name, '"int"', "?force=true", version=2).json
    assert b["version"] == 2 and b["metadata"]["properties"]["confluent:version"] == "2"
    error(post(muir, name, s, id=5), 422, 42205)
    old = post(muir, name, s, "?force=true", version=-1).json  # an older text, asked for as the latest
    assert old["version"] == 3 and old["metadata"]["properties"]["confluent:version"] == "3"


def test_metadata(muir, name):
    s = json.dumps(fresh())
    a = post(muir, name, s, metadata={"properties": {"b": 1, "a": "x"}, "tags": {"t": ["z", "y", "z"]}, "sensitive": []}).json
    assert a["metadata"] == {"tags": {"t": ["y", "z"]}, "properties": {"a": "x", "b": "1"}}
    assert list(a["metadata"]["properties"]) == ["a", "b"]
    assert post(muir, name, s).json["id"] == a["id"]  # inherited
    b = post(muir, name, s, metadata={"properties": {"a": "y"}}).json
    assert b["version"] == 2 and b["id"] != a["id"]
    got = muir.r("GET", f"/schemas/ids/{b['id']}").json
    assert got["metadata"] == {"properties": {"a": "y"}}
    assert lookup(muir, name, s, metadata={"properties": {"a": "y"}}).json["version"] == 2


def test_normalize(muir, name):
    one = '{"type":"record","name":"N%s","fields":[],"p":{"z":1,"a":2}}' % name
    two = '{"type":"record","name":"N%s","fields":[],"p":{"a":2,"z":1}}' % name
    a = post(muir, name, one, "?normalize=true").json
    assert '"p":{"a":2,"z":1}' in a["schema"]
    assert post(muir, name, two, "?normalize=true").json["id"] == a["id"]
    assert lookup(muir, name, one, "?normalize=true").json["id"] == a["id"]
    other = name + "-c"
    assert muir.r("PUT", f"/config/{other}", {"normalize": True}).json == {"normalize": True}
    assert post(muir, other, one).json["id"] == a["id"]


def test_references(muir, name):
    inner = {"type": "record", "name": f"Inner{name}", "namespace": "n", "fields": [{"name": "a", "type": "int"}]}
    outer = {"type": "record", "name": f"Outer{name}", "fields": [{"name": "i", "type": f"n.Inner{name}"}]}
    post(muir, name + "-i", inner)
    error(post(muir, name + "-o", outer), 422, 42201)
    refs = [{"name": f"n.Inner{name}", "subject": name + "-i", "version": -1}]
    a = post(muir, name + "-o", outer, references=refs).json
    refs[0]["version"] = 1
    assert a["references"] == refs
    assert muir.r("GET", f"/schemas/ids/{a['id']}").json["references"] == refs
    assert post(muir, name + "-o", outer, references=refs).json["id"] == a["id"]
    assert lookup(muir, name + "-o", outer, references=refs).json["id"] == a["id"]
    whole = json.loads(json.dumps(outer))
    whole["fields"][0]["type"] = inner
    assert lookup(muir, name + "-o", whole).json["id"] == a["id"]  # everything inlined
    resolved = json.loads(muir.r("GET", f"/subjects/{name}-o/versions/1?format=resolved").json["schema"])
    assert resolved["fields"][0]["type"]["fields"] == inner["fields"]
    assert json.loads(muir.r("GET", f"/schemas/ids/{a['id']}?format=RESOLVED").json["schema"]) == resolved
    assert muir.r("GET", f"/schemas/ids/{a['id']}?format=resolved").json["guid"] == a["guid"]
    assert muir.r("GET", f"/schemas/ids/{a['id']}?format=whatever").json["schema"] == a["schema"]
    assert muir.r("GET", f"/subjects/{name}-i/versions/1/referencedby").json == [a["id"]]
    message = f"One or more references exist to the schema {{magic=1,keytype=SCHEMA,subject={name}-i,version=1}}."
    error(muir.r("DELETE", f"/subjects/{name}-i/versions/1"), 422, 42206, message)
    error(muir.r("DELETE", f"/subjects/{name}-i"), 422, 42206, message)
    assert muir.r("DELETE", f"/subjects/{name}-o/versions/1").json == 1
    assert muir.r("GET", f"/subjects/{name}-i/versions/1/referencedby").json == []
    assert muir.r("GET", f"/subjects/{name}-i/versions/1/referencedby?deleted=true").json == [a["id"]]
    assert muir.r("DELETE", f"/subjects/{name}-i/versions/1").json == 1
    error(muir.r("DELETE", f"/subjects/{name}-i/versions/1?permanent=true"), 422, 42206, message)
    error(post(muir, name + "-p", outer, references=refs), 422, 42201)  # soft-deleted targets are no targets
    assert muir.r("DELETE", f"/subjects/{name}-o/versions/1?permanent=true").json == 1
    assert muir.r("DELETE", f"/subjects/{name}-i/versions/1?permanent=true").json == 1


def test_compatibility(muir, name):
    path = f"/compatibility/subjects/{name}/versions"
    def ask(schema, where="", **kw):
        return muir.r("POST", path + where, {"schema": schema if isinstance(schema, str) else json.dumps(schema), **kw})
    assert ask(RECORD).json == {"is_compatible": True}
    assert ask(RECORD, "/latest").json == {"is_compatible": True}
    error(ask(RECORD, "/1"), 404, 40402, "Version 1 not found.")
    error(ask(RECORD, "/earliest"), 422, 42202)
    post(muir, name, RECORD)
    assert ask(WIDER, "/latest?verbose=true").json == {"is_compatible": True, "messages": []}
    bad = ask(NARROW, "/?verbose=true").json
    assert bad["is_compatible"] is False and len(bad["messages"]) == 4
    assert bad["messages"][0].startswith("{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE'") and bad["messages"][1] == "{oldSchemaVersion: 1}"
    assert bad["messages"][3] == "{validateFields: 'false', compatibility: 'BACKWARD'}"
    assert ask(NARROW, "/1").json == {"is_compatible": False}
    error(ask("{nonsense", "/1"), 422, 42201)
    invalid = ask("{nonsense", "/1?verbose=true")
    assert invalid.status == 200 and invalid.json["is_compatible"] is False and "Invalid schema" in invalid.json["messages"][0]
    muir.r("PUT", f"/config/{name}", {"compatibility": "none"})
    assert ask(NARROW, "/1").json == {"is_compatible": True}


def test_transitive_levels(muir, name):
    one = {"type": "record", "name": "T" + name, "fields": [{"name": "a", "type": "int"}]}
    two = {"type": "record", "name": "T" + name, "fields": []}
    three = {"type": "record", "name": "T" + name, "fields": [{"name": "a", "type": "string", "default": ""}]}
    post(muir, name, one)
    post(muir, name, two)
    muir.r("PUT", f"/config/{name}", {"compatibility": "BACKWARD_TRANSITIVE"})
    body = {"schema": json.dumps(three)}
    assert muir.r("POST", f"/compatibility/subjects/{name}/versions/latest", body).json["is_compatible"] is True
    a = muir.r("POST", f"/compatibility/subjects/{name}/versions?verbose=true", body).json
    assert a["is_compatible"] is False and "{oldSchemaVersion: 1}" in a["messages"]
    error(post(muir, name, three), 409, 40901)


def test_full_has_five_messages(muir, name):
    post(muir, name, {"type": "record", "name": "F" + name, "fields": [{"name": "a", "type": "int"}]})
    muir.r("PUT", f"/config/{name}", {"compatibility": "FULL"})
    a = muir.r("POST", f"/compatibility/subjects/{name}/versions?verbose=true",
               {"schema": json.dumps({"type": "record", "name": "F" + name, "fields": [{"name": "a", "type": "string"}]})}).json
    assert len(a["messages"]) == 5 and a["messages"][2] == "{oldSchemaVersion: 1}" and "'FULL'" in a["messages"][4]


def test_groups_and_reserved_fields(muir, name):
    post(muir, name, RECORD, metadata={"properties": {"major": "1", "confluent:reserved": "old"}})
    muir.r("PUT", f"/config/{name}", {"compatibilityGroup": "major"})
    error(post(muir, name, NARROW, metadata={"properties": {"major": "1", "confluent:reserved": "old"}}), 409, 40901)
    assert post(muir, name, NARROW, metadata={"properties": {"major": "2", "confluent:reserved": "old"}}).json["version"] == 2
    muir.r("PUT", f"/config/{name}", {"validateFields": True, "compatibility": "NONE", "compatibilityGroup": None})
    lost = error(post(muir, name, WIDER, metadata={"properties": {"major": "2"}}), 409, 40901)
    assert "reserved field old" in lost.message and "validateFields: 'true', compatibility: 'NONE'" in lost.message
    taken = dict(RECORD, fields=[{"name": "old", "type": "int"}])
    error(post(muir, name, taken, metadata={"properties": {"confluent:reserved": "old"}}), 409, 40901)


def test_contexts_are_kept_apart(muir, name):
    s = fresh()
    a, b = post(muir, name, s).json, post(muir, f":.{name}:s", s).json
    assert b["id"] == 1 and a["guid"] == b["guid"]
    assert muir.r("GET", f"/schemas/ids/1?subject=:.{name}:").json["subject"] == f":.{name}:s"
    assert f".{name}" in muir.r("GET", "/contexts").json and muir.r("GET", "/contexts").json[0] == "."
    assert muir.r("GET", f"/subjects?subjectPrefix=:.{name}:").json == [f":.{name}:s"]
    assert f":.{name}:s" in muir.r("GET", "/subjects").json
    assert f":.{name}:s" not in muir.r("GET", "/subjects?subjectPrefix=").json
    assert muir.r("GET", f"/subjects/:.:{name}/versions/1").json["subject"] == name


def test_metadata_endpoints(muir):
    a = muir.r("GET", "/v1/metadata/id")
    assert list(a.json) == ["scope"] and a.json["scope"]["path"] == [] and a.json["scope"]["clusters"]["kafka-cluster"]
    assert a.json["scope"]["clusters"]["schema-registry-cluster"]
    assert a.headers["cache-control"] == "no-cache, no-store, must-revalidate" and a.headers["x-xss-protection"] == "1; mode=block"
    assert "version" in muir.r("GET", "/v1/metadata/version").json


def test_everything_is_there_after_a_restart(start_muir, name):
    m = start_muir()
    post(m, "a", RECORD)
    post(m, "a", WIDER, metadata={"properties": {"k": "v"}})
    post(m, "b", '"int"')
    m.r("DELETE", "/subjects/b")
    m.r("PUT", "/config/a", {"compatibility": "FULL"})
    m.r("PUT", "/mode/c", {"mode": "READONLY"})
    paths = ["/subjects?deleted=true", "/schemas?deleted=true", "/config/a", "/mode/c", "/subjects/b/versions?deleted=true", "/schemas/ids/3", "/contexts"]
    before = [m.r("GET", p).body for p in paths]
    assert m.stop() == 0
    m = start_muir(same_log_as=m)
    assert [m.r("GET", p).body for p in paths] == before
    assert post(m, "d", '"long"').json["id"] == 4


def test_a_schema_that_is_too_large_for_a_record(muir, name):
    a = post(muir, name, {"type": "record", "name": "Big" + name, "fields": [], "doc": "x" * 1500000})
    error(a, 422, 42209)
    assert post(muir, name, fresh()).status == 200
