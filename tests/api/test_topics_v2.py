"""v2 metadata: brokers, topics, partitions, offsets; root and health (proxy-api.md 1.2, 1.3)."""
import pytest

from conftest import BINARY, JSON, V2, call


def make(muir, name, partitions=1, **members):
    cluster = muir.p("GET", "/v3/clusters").json["data"][0]["cluster_id"]
    a = muir.p("POST", f"/v3/clusters/{cluster}/topics", {"topic_name": name, "partitions_count": partitions, **members}, "application/json")
    assert a.status == 201, a


def test_root_and_health(muir):
    for method in ("GET", "POST"):
        a = call(muir.proxy, method, "/")
        assert (a.status, a.body) == (200, b"{}"), a
    for path in ("/health/live", "/health/ready"):
        a = muir.p("GET", path)
        assert a.status == 200 and a.headers["cache-control"] == "no-store", a


def test_brokers(muir):
    a = call(muir.proxy, "GET", "/brokers", type="text/whatever")
    assert a.status == 200 and a.headers["content-type"].startswith(V2)
    assert len(a.json["brokers"]) == 1 and isinstance(a.json["brokers"][0], int)


def test_list(muir, name):
    assert name not in muir.p("GET", "/topics").json
    make(muir, name)
    topics = muir.p("GET", "/topics/").json
    assert name in topics
    assert not [t for t in topics if t.startswith("__")]


def test_topic(muir, name):
    make(muir, name, 3, configs=[{"name": "cleanup.policy", "value": "compact"}])
    a = muir.p("GET", f"/topics/{name}")
    assert a.status == 200 and list(a.json) == ["name", "configs", "partitions"]
    assert a.json["name"] == name
    assert a.json["configs"]["cleanup.policy"] == "compact"
    assert a.json["configs"]["retention.ms"] == "604800000"
    assert all(v is None or isinstance(v, str) for v in a.json["configs"].values())
    parts = muir.p("GET", f"/topics/{name}/partitions").json
    assert parts == a.json["partitions"] and [p["partition"] for p in parts] == [0, 1, 2]
    broker = muir.p("GET", "/brokers").json["brokers"][0]
    assert parts[1] == {"partition": 1, "leader": broker, "replicas": [{"broker": broker, "leader": True, "in_sync": True}]}
    assert muir.p("GET", f"/topics/{name}/partitions/1").json == parts[1]


def test_offsets(muir, name):
    make(muir, name, 2)
    assert muir.p("GET", f"/topics/{name}/partitions/1/offsets").json == {"beginning_offset": 0, "end_offset": 0}
    muir.p("POST", f"/topics/{name}/partitions/1", {"records": [{"value": "AA"}] * 3}, BINARY)
    a = muir.p("GET", f"/topics/{name}/partitions/1/offsets")
    assert a.body == b'{"beginning_offset":0,"end_offset":3}'


@pytest.mark.parametrize("path, code", [
    ("/topics/{none}", 40403), ("/topics/{none}/partitions", 40403), ("/topics/{none}/partitions/0", 40403),
    ("/topics/{none}/partitions/0/offsets", 40403), ("/topics/{name}/partitions/7", 40402), ("/topics/{name}/partitions/7/offsets", 40402),
    ("/topics/{name}/partitions/-1", 40402), ("/topics/{name}/partitions/x", 404), ("/topics/{name}/partitions/x/offsets", 404),
    ("/topics/{name}/partitions/99999999999", 404), ("/nothing", 404), ("/topics/{name}/partitions/0/nothing", 404),
])
def test_not_found(muir, name, path, code):
    make(muir, name)
    a = muir.p("GET", path.format(name=name, none=name + "none"))
    assert (a.status, a.code) == (404, code), a
    if code == 40403:
        assert a.message == "This server does not host this topic-partition."
    assert name + "none" not in muir.p("GET", "/topics").json  # asking creates nothing


def test_negotiation(muir):
    assert call(muir.proxy, "GET", "/topics", headers={"Accept": "application/json"}).status == 406
    assert call(muir.proxy, "GET", "/topics", headers={"Accept": "application/*"}).status == 200
    assert call(muir.proxy, "GET", "/topics", type=JSON).status == 415
    assert call(muir.proxy, "GET", "/topics", type=V2).status == 200


def test_methods(muir, name):
    a = muir.p("DELETE", f"/topics/{name}")
    assert (a.status, a.code) == (405, 405)
    assert {"GET", "POST"} <= {m.strip() for m in a.headers["allow"].split(",")}
    assert call(muir.proxy, "OPTIONS", "/topics").status == 200
    a = call(muir.proxy, "HEAD", "/topics")
    assert (a.status, a.body) == (200, b"")


def test_switched_off(start_muir, name):
    m = start_muir("-o", "api.v2.enable=false")
    assert m.p("GET", "/topics").status == 404
    assert m.p("POST", f"/topics/{name}", {"records": [{}]}, BINARY).status == 404
    assert call(m.proxy, "GET", "/v3/clusters").status == 200
    assert call(m.proxy, "GET", "/health/live").status == 200
