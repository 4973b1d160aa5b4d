"""Edges of what is registered, on both engines: schemas, versions, deletes, references. A number in a test's name or id (e36) is
that of an edge case in registry-api.md 6; other ids name the section. What the plain tests beside this file hold is not said again here."""
import json

import pytest

from test_registry_core import ask, delete, error, field, fresh, lookup, post, record, registered, versions


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
