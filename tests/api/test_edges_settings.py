"""Edges of what governs a registration, on both engines: compatibility, configuration, modes. A number in a test's name or id (e36) is
that of an edge case in registry-api.md 6; other ids name the section. What the plain tests beside this file hold is not said again here."""
import concurrent.futures
import re

import pytest

from test_registry_core import ask, delete, error, field, fresh, lookup, post, record, registered, versions


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


def test_the_name_of_a_group_counts_to_its_end(muir, name):
    major = "m" * 300
    muir.r("PUT", f"/config/{name}", {"compatibilityGroup": major})
    registered(muir, name, '"int"', metadata={"properties": {major: "1"}})
    assert registered(muir, name, '"string"', metadata={"properties": {major: "2"}})["version"] == 2
    error(post(muir, name, '"boolean"', metadata={"properties": {major: "2"}}), 409, 40901)


def test_many_messages_take_little_memory(muir, name):
    def peak_mb():
        return int(re.search(r"VmHWM:\s*(\d+) kB", open(f"/proc/{muir.process.pid}/status").read()).group(1)) // 1024

    registered(muir, name, record("R"))
    before = peak_mb()
    messages = ask(muir, name, record("R", *[field(f"f{i}", "int") for i in range(9000)]), "/latest?verbose=true").json["messages"]
    assert len(messages) == 9003
    assert peak_mb() - before < 200  # it was 650 when each message copied all that were before it


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
