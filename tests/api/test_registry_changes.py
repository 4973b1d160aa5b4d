"""The registry over HTTP: deletes, configuration, modes, on both engines."""
import json

import pytest

from test_registry_core import error, fresh, lookup, post, q


def texts(n):
    return [json.dumps({"type": "enum", "name": "E", "symbols": [f"S{k}" for k in range(i + 1)]}) for i in range(n)]


def test_deleting_a_version(muir, name):
    a = post(muir, name, fresh()).json
    b = post(muir, name, fresh(1), "?force=true").json
    path = f"/subjects/{name}/versions"
    error(muir.r("DELETE", f"{path}/1?permanent=true"), 404, 40407, f"Subject '{name}' Version 1 was not deleted first before being permanently deleted")
    assert muir.r("DELETE", f"{path}/1").body == b"1"
    error(muir.r("DELETE", f"{path}/1"), 404, 40406, f"Subject '{name}' Version 1 was soft deleted.Set permanent=true to delete permanently")
    assert muir.r("GET", path).json == [2]
    assert muir.r("GET", path + "?deleted=true").json == [1, 2]
    assert muir.r("GET", path + "?deletedOnly=true").json == [1]
    assert muir.r("GET", path + "?deletedAsNegative=true").json == [-1, 2]
    error(muir.r("GET", path + "/1"), 404, 40402, "Version 1 not found.")
    assert muir.r("GET", path + "/1?deleted=true").json["deleted"] is True
    assert muir.r("GET", f"/schemas/ids/{a['id']}").json["deleted"] is True
    assert muir.r("GET", f"/schemas/ids/{a['id']}/subjects").json == []
    assert muir.r("GET", f"/schemas/ids/{a['id']}/versions?deleted=true").json == [{"subject": name, "version": 1}]
    error(muir.r("DELETE", f"{path}/latest?permanent=true"), 404, 40407)
    assert muir.r("DELETE", f"{path}/1?permanent=true").json == 1
    error(muir.r("DELETE", f"{path}/1?permanent=true"), 404, 40402, "Version 1 not found.")
    error(muir.r("GET", f"/schemas/ids/{a['id']}"), 404, 40403)
    assert muir.r("DELETE", f"{path}/latest").json == 2
    error(muir.r("DELETE", f"{path}/latest"), 404, 40402, "Version -1 not found.")
    error(muir.r("GET", path), 404, 40401, f"Subject '{name}' not found.")
    error(muir.r("GET", path + "/latest"), 404, 40401)
    error(muir.r("GET", path + "/latest?deleted=true"), 404, 40402, "Version -1 not found.")
    assert muir.r("DELETE", f"{path}/2?permanent=true").json == 2
    error(muir.r("DELETE", f"{path}/2?permanent=true"), 404, 40401)
    error(muir.r("DELETE", f"{path}/0"), 422, 42202)
    again = post(muir, name, b["schema"]).json
    assert again["version"] == 1 and again["id"] > b["id"]  # forgotten ids are not given again


def test_deleting_a_subject(muir, name):
    path = f"/subjects/{name}"
    error(muir.r("DELETE", path), 404, 40401, f"Subject '{name}' not found.")
    error(muir.r("DELETE", path + "?permanent=true"), 404, 40401)
    s = texts(3)
    for t in s:
        assert post(muir, name, t).status == 200
    muir.r("DELETE", path + "/versions/2")
    muir.r("PUT", f"/config/{name}", {"compatibility": "NONE"})
    error(muir.r("DELETE", path + "?permanent=true"), 404, 40405, f"Subject '{name}' was not deleted first before being permanently deleted")
    assert muir.r("DELETE", path).json == [1, 3]
    error(muir.r("DELETE", path), 404, 40404, f"Subject '{name}' was soft deleted.Set permanent=true to delete permanently")
    assert name not in muir.r("GET", "/subjects").json
    assert name in muir.r("GET", "/subjects?deleted=true").json and name in muir.r("GET", "/subjects?deletedOnly=true").json
    assert muir.r("GET", f"/config/{name}").json == {"compatibilityLevel": "NONE"}
    error(lookup(muir, name, s[0]), 404, 40401)
    assert lookup(muir, name, s[0], "?deleted=true").json["version"] == 1
    assert muir.r("DELETE", path + "?permanent=true").json == [1, 2, 3]
    error(muir.r("DELETE", path + "?permanent=true"), 404, 40401)
    error(muir.r("GET", f"/config/{name}"), 404, 40408)
    assert name not in muir.r("GET", "/subjects?deleted=true").json


def test_registering_again_after_a_soft_delete(muir, name):
    s = json.dumps(fresh())
    a = post(muir, name, s).json
    muir.r("DELETE", f"/subjects/{name}")
    b = post(muir, name, s).json
    assert (b["id"], b["version"]) == (a["id"], 2)
    error(muir.r("GET", f"/subjects/{name}/versions/1?deleted=true"), 404, 40402)
    assert muir.r("GET", f"/subjects/{name}/versions?deleted=true").json == [2]
    other = post(muir, name + "-2", fresh()).json
    muir.r("DELETE", f"/subjects/{name}-2/versions/1")
    assert post(muir, name + "-2", fresh()).json["version"] == 2
    assert muir.r("GET", f"/schemas/ids/{other['id']}").status == 200


def test_an_id_lives_until_its_last_version(muir, name):
    s = json.dumps(fresh())
    i = post(muir, name + "a", s).json["id"]
    post(muir, name + "b", s)
    for subject in ("a", "b"):
        assert muir.r("GET", f"/schemas/ids/{i}").status == 200
        muir.r("DELETE", f"/subjects/{name}{subject}")
        muir.r("DELETE", f"/subjects/{name}{subject}?permanent=true")
    error(muir.r("GET", f"/schemas/ids/{i}"), 404, 40403)


def test_self_references_do_not_block_deleting_the_subject(muir, name):
    inner = {"type": "record", "name": "I" + name, "fields": []}
    post(muir, name, inner)
    ref = [{"name": "I" + name, "subject": name, "version": 1}]
    assert post(muir, name, {"type": "record", "name": "O" + name, "fields": [{"name": "i", "type": "I" + name}]}, "?force=true", references=ref).status == 200
    assert muir.r("DELETE", f"/subjects/{name}").json == [1, 2]
    assert muir.r("DELETE", f"/subjects/{name}?permanent=true").json == [1, 2]


def test_config_of_a_subject(muir, name):
    path = f"/config/{name}"
    error(muir.r("GET", path), 404, 40408, f"Subject '{name}' does not have subject-level compatibility configured")
    assert muir.r("GET", path + "?defaultToGlobal=true").json == {"compatibilityLevel": "BACKWARD"}
    error(muir.r("PUT", path, {"compatibility": "SIDEWAYS"}), 422, 42203,
          "Invalid compatibility level. Valid values are none, backward, forward, full, backward_transitive, forward_transitive, and full_transitive")
    assert muir.r("PUT", path, {"compatibility": "full_transitive"}).json == {"compatibility": "FULL_TRANSITIVE"}
    assert muir.r("GET", path).json == {"compatibilityLevel": "FULL_TRANSITIVE"}
    assert muir.r("PUT", path, {"compatibilityGroup": "g", "normalize": True}).json == {"normalize": True, "compatibility": "FULL_TRANSITIVE",
                                                                                       "compatibilityGroup": "g"}
    assert muir.r("PUT", path, {"compatibilityGroup": None}).json == {"normalize": True, "compatibility": "FULL_TRANSITIVE"}
    error(muir.r("GET", f"/subjects/{name}/versions"), 404, 40401)
    assert name not in muir.r("GET", "/subjects?deleted=true").json
    assert muir.r("DELETE", path).json == {"normalize": True, "compatibilityLevel": "FULL_TRANSITIVE"}
    error(muir.r("DELETE", path), 404, 40401, f"Subject '{name}' not found.")
    assert muir.r("PUT", path, "{}").json == {}
    assert muir.r("GET", path).json == {"compatibilityLevel": "BACKWARD"}
    for body, status in (("", 422), ("[]", 400), ("{", 400), ('{"normalize":"perhaps"}', 400), ('{"alias":[]}', 400)):
        error(muir.r("PUT", path, body), status, status)
    assert muir.r("PUT", path, {"compatibilityPolicy": "whatever"}).json == {}
    error(muir.r("PUT", "/config/a%0Ab", {"compatibility": "NONE"}), 422, 42208)


def test_global_config_and_inheritance(start_muir):
    m = start_muir("-o", "schema.compatibility.level=FORWARD")
    assert m.r("GET", "/config").json == {"compatibilityLevel": "FORWARD"}
    assert m.r("DELETE", "/config").json == {"compatibilityLevel": "FORWARD"}
    assert m.r("PUT", "/config", {"compatibility": "NONE", "normalize": True}).json == {"normalize": True, "compatibility": "NONE"}
    assert m.r("GET", "/config/:.:").json == {"normalize": True, "compatibilityLevel": "NONE"}
    assert m.r("GET", "/config/s?defaultToGlobal=true").json["compatibilityLevel"] == "NONE"
    m.r("PUT", "/config/s", {"alias": "t"})
    assert m.r("GET", "/config/s?defaultToGlobal=true").json == {"alias": "t", "normalize": True, "compatibilityLevel": "FORWARD"}
    post(m, "t", '"int"')
    assert m.r("GET", "/subjects/s/versions/1").json["subject"] == "t"
    assert post(m, "u", '"int"').status == 200 and post(m, "u", '"string"').status == 200
    assert m.r("DELETE", "/config").json == {"normalize": True, "compatibilityLevel": "NONE"}
    assert m.r("GET", "/config").json == {"compatibilityLevel": "FORWARD"}


def test_read_only(muir, name):
    s = json.dumps(fresh())
    post(muir, name, s)
    error(muir.r("GET", f"/mode/{name}"), 404, 40409, f"Subject '{name}' does not have subject-level mode configured")
    assert muir.r("GET", f"/mode/{name}?defaultToGlobal=true").json == {"mode": "READWRITE"}
    assert muir.r("PUT", f"/mode/{name}", {"mode": "readonly"}).json == {"mode": "readonly"}
    assert muir.r("GET", f"/mode/{name}").json == {"mode": "READONLY"}
    message = f"Subject {name} in context  is in read-only mode"
    error(post(muir, name, fresh()), 422, 42205, message)
    error(muir.r("DELETE", f"/subjects/{name}"), 422, 42205, message)
    error(muir.r("DELETE", f"/subjects/{name}/versions/1"), 422, 42205, message)
    error(muir.r("PUT", f"/config/{name}", {"compatibility": "NONE"}), 422, 42205, message)
    assert post(muir, name, s).json["version"] == 1
    assert lookup(muir, name, s).status == 200
    assert muir.r("POST", f"/compatibility/subjects/{name}/versions/latest", {"schema": s}).json["is_compatible"] is True
    error(muir.r("DELETE", f"/config/{name}"), 404, 40401)
    assert muir.r("DELETE", f"/mode/{name}").json == {"mode": "READONLY"}
    error(muir.r("DELETE", f"/mode/{name}"), 404, 40401)
    assert muir.r("DELETE", f"/mode/{name}?recursive=true").json == {}
    assert post(muir, name, fresh(), "?force=true").status == 200


def test_a_subject_may_differ_from_the_global_mode(start_muir):
    m = start_muir()
    assert m.r("GET", "/mode").json == {"mode": "READWRITE"}
    m.r("PUT", "/mode", {"mode": "READONLY"})
    error(post(m, "s", '"int"'), 422, 42205)
    m.r("PUT", "/mode/s", {"mode": "READWRITE"})
    assert post(m, "s", '"int"').status == 200
    error(m.r("PUT", "/config", {"compatibility": "NONE"}), 422, 42205, "Subject null in context  is in read-only mode")
    assert m.r("PUT", "/mode", {"mode": None}).json == {"mode": None}
    assert m.r("GET", "/mode").json == {"mode": "READWRITE"}
    assert m.r("DELETE", "/mode").json == {"mode": "READWRITE"}
    m.r("PUT", "/mode/:.__GLOBAL:", {"mode": "READONLY"})
    assert m.r("GET", "/mode?defaultToGlobal=true").json == {"mode": "READONLY"}
    error(post(m, "t", '"int"'), 422, 42205)
    m.r("PUT", "/mode/:.__GLOBAL:", {"mode": "FORWARD"})
    assert m.r("GET", "/mode/:.__GLOBAL:").json == {"mode": "FORWARD"}
    m.r("DELETE", "/mode/:.__GLOBAL:")
    m.r("PUT", "/mode/u", {"mode": "READONLY"})
    assert m.r("DELETE", "/mode?recursive=true").json == {"mode": "READWRITE"}
    error(m.r("GET", "/mode/u"), 404, 40409)


@pytest.mark.parametrize("body, status, code", [('{"mode":"SLEEP"}', 422, 42204), ("{}", 422, 42204), ('{"mode":[]}', 400, 400), ("", 422, 422),
                                                ('{"mode":"FORWARD"}', 422, 42204)])
def test_modes_that_are_refused(muir, name, body, status, code):
    error(muir.r("PUT", f"/mode/{name}", body), status, code)
    error(muir.r("PUT", "/mode", body), status, code)


def test_modes_that_may_not_change(start_muir):
    m = start_muir("-o", "mode.mutability=false")
    error(m.r("PUT", "/mode", {"mode": "READONLY"}), 422, 42205, "Mode changes are not allowed")
    error(m.r("PUT", "/mode", {"mode": "NONE"}), 422, 42204)
    error(m.r("DELETE", "/mode/s"), 404, 40401)


def test_import(muir, name):
    s, t = json.dumps(fresh()), json.dumps(fresh(1))
    post(muir, name, s)
    error(muir.r("PUT", f"/mode/{name}", {"mode": "IMPORT"}), 422, 42205, "Cannot import since found existing subjects")
    muir.r("DELETE", f"/subjects/{name}")
    assert muir.r("PUT", f"/mode/{name}", {"mode": "IMPORT"}).status == 200
    assert name not in muir.r("GET", "/subjects?deleted=true").json
    error(post(muir, name, s), 422, 42205, f"Subject {name} in context  is not in read-write mode")
    base = 1000000 + int(name[1:6], 16)
    a = post(muir, name, s, id=base, version=5)
    assert a.status == 200 and (a.json["id"], a.json["version"]) == (base, 5)
    assert muir.r("GET", f"/subjects/{name}/versions").json == [5]
    assert post(muir, name, s).json["id"] == base  # it is there
    error(post(muir, name, t, id=base), 422, 42205, f"Overwrite new schema with id {base} is not permitted.")
    b = post(muir, name, t, id=base + 1).json
    assert b["version"] == 6
    assert post(muir, name, s, id=base + 2, version=7).json["id"] == base + 2  # one schema, two ids
    raw = '{"type":"record","name":"N%s","fields":[],"p":{"z":1,"a":2}}' % name
    assert '"p":{"z":1,"a":2}' in post(muir, name, raw, "?normalize=true", id=base + 3).json["schema"]
    over = post(muir, name, t, id=base + 1, version=5).json  # the version gets another schema
    assert over["version"] == 5
    assert muir.r("GET", f"/subjects/{name}/versions/5").json["id"] == base + 1
    muir.r("PUT", f"/mode/{name}", {"mode": "READWRITE"})
    assert post(muir, name + "-n", fresh()).json["id"] > base + 3
    error(post(muir, name + "-n", fresh(), id=base + 9), 422, 42205)
    forced = name + "-f"
    post(muir, forced, s)
    assert muir.r("PUT", f"/mode/{forced}?force=true", {"mode": "IMPORT"}).status == 200
    muir.r("DELETE", f"/mode/{forced}")


def test_deleting_needs_no_escape_for_odd_names(muir, name):
    subject = name + 'a/"b'
    post(muir, subject, '"int"')
    assert muir.r("DELETE", f"/subjects/{q(subject)}").json == [1]
