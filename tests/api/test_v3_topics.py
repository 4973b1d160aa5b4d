"""v3 clusters and topics (proxy-api.md 2.1-2.3, 2.6)."""
import pytest

from conftest import call, wait_until

V3 = "application/json"


def cluster(muir):
    return muir.p("GET", "/v3/clusters").json["data"][0]["cluster_id"]


def topics(muir):
    return f"/v3/clusters/{cluster(muir)}/topics"


def create(muir, body, status=201, code=None):
    a = muir.p("POST", topics(muir), body, V3)
    assert a.status == status, a
    assert a.headers["content-type"].startswith(V3)
    if code:
        assert a.code == code, a
    return a


def test_clusters(muir):
    a = muir.p("GET", "/v3/clusters")
    assert a.status == 200 and a.headers["content-type"].startswith(V3)
    c, base = cluster(muir), muir.proxy + "/v3/clusters"
    assert list(a.json) == ["kind", "metadata", "data"]
    assert a.json["kind"] == "KafkaClusterList"
    assert a.json["metadata"] == {"self": base, "next": None}
    one = a.json["data"][0]
    assert list(one) == ["kind", "metadata", "cluster_id", "controller", "acls", "brokers", "broker_configs", "consumer_groups", "topics",
                         "partition_reassignments"]
    assert one["metadata"] == {"self": f"{base}/{c}", "resource_name": f"crn:///kafka={c}"}
    assert one["controller"] is None or one["controller"]["related"].startswith(f"{base}/{c}/brokers/")
    assert one["topics"] == {"related": f"{base}/{c}/topics"}
    assert muir.p("GET", f"/v3/clusters/{c}").json == one


def test_other_clusters(muir, name):
    a = muir.p("GET", "/v3/clusters/other")
    assert (a.status, a.code, a.message) == (404, 404, "HTTP 404 Not Found")
    for method, path, body in (("GET", "", None), ("GET", "/x", None), ("DELETE", "/x", None), ("POST", "", {"topic_name": name})):
        a = muir.p(method, "/v3/clusters/other/topics" + path, body, V3)
        assert (a.status, a.code, a.message) == (404, 404, "Cluster other cannot be found.")
    assert name not in muir.p("GET", "/topics").json


def test_create_get_list_delete(muir, name):
    a = create(muir, {"topic_name": name, "partitions_count": 3, "replication_factor": 1,
                      "configs": [{"name": "cleanup.policy", "value": "compact"}, {"name": "retention.ms", "value": 1000}]})
    c = cluster(muir)
    self = f"{muir.proxy}/v3/clusters/{c}/topics/{name}"
    assert a.headers["location"] == self
    expected = {"kind": "KafkaTopic", "metadata": {"self": self, "resource_name": f"crn:///kafka={c}/topic={name}"}, "cluster_id": c,
                "topic_name": name, "is_internal": False, "replication_factor": 1, "partitions_count": 3,
                "partitions": {"related": f"{self}/partitions"}, "configs": {"related": f"{self}/configs"},
                "partition_reassignments": {"related": f"{self}/partitions/-/reassignment"}, "authorized_operations": []}
    assert a.json == expected and list(a.json) == list(expected)
    assert muir.p("GET", f"{topics(muir)}/{name}").json == expected
    configs = muir.p("GET", f"/topics/{name}").json["configs"]
    assert (configs["cleanup.policy"], configs["retention.ms"]) == ("compact", "1000")
    listed = muir.p("GET", topics(muir)).json
    assert listed["kind"] == "KafkaTopicList"
    assert listed["metadata"] == {"self": f"{muir.proxy}/v3/clusters/{c}/topics", "next": None}
    assert [t for t in listed["data"] if t["topic_name"] == name] == [expected]
    names = [t["topic_name"] for t in listed["data"]]
    assert names == sorted(names) and not any(t["is_internal"] for t in listed["data"])
    a = muir.p("DELETE", f"{topics(muir)}/{name}")
    assert (a.status, a.body) == (204, b"")
    wait_until(lambda: muir.p("GET", f"{topics(muir)}/{name}").status == 404)
    a = muir.p("DELETE", f"{topics(muir)}/{name}")
    assert (a.status, a.code, a.message) == (404, 40403, "This server does not host this topic-partition.")
    a = muir.p("GET", f"{topics(muir)}/{name}")
    assert (a.status, a.code) == (404, 40403)


def test_defaults(muir, name):
    a = create(muir, {"topic_name": name, "partitions_count": None, "configs": None, "validate_only": None})
    assert a.json["partitions_count"] >= 1 and a.json["replication_factor"] == 1


def test_validate_only(muir, name):
    a = create(muir, {"topic_name": name, "partitions_count": 2, "replication_factor": 1, "validate_only": True}, 200)
    assert (a.json["partitions_count"], a.json["replication_factor"]) == (2, 1)
    assert a.headers["location"].endswith(f"/topics/{name}")
    assert muir.p("GET", f"{topics(muir)}/{name}").status == 404
    create(muir, {"topic_name": name, "validate_only": True, "configs": [{"name": "no.such.config", "value": "1"}]}, 400, 40002)


def test_assignments(muir, name):
    broker = muir.p("GET", "/brokers").json["brokers"][0]
    a = create(muir, {"topic_name": name, "partitions_count": 9, "replicas_assignments": {"0": [broker], "1": [broker]}})
    assert (a.json["partitions_count"], a.json["replication_factor"]) == (2, 1)


def test_exists(muir, name):
    create(muir, {"topic_name": name})
    a = create(muir, {"topic_name": name}, 400, 40002)
    assert name in a.message


@pytest.mark.parametrize("body, status, code, text", [
    ("", 422, 42206, "Payload error. Request body is empty. Data is required."),
    ("null", 422, 42206, "Payload error. Request body is empty. Data is required."),
    ("{", 400, 400, "line 1"),
    ("[]", 400, 400, "Cannot deserialize"),
    ("{}", 400, 400, "topic_name"),
    ('{"topic_name":null}', 400, 400, "topic_name"),
    ('{"topic_name":{}}', 400, 400, "topic_name"),
    ('{"topic_name":"a/b"}', 422, 42206, "Payload error. Invalid topic name."),
    ('{"topic_name":""}', 422, 42206, "Payload error. Invalid topic name."),
    ('{"topic_name":".."}', 422, 42206, "Payload error. Invalid topic name."),
    ('{"topic_name":"%s"}' % ("a" * 250), 422, 42206, "Payload error. Invalid topic name."),
    ('{"topic_name":"NAME","partition_count":1}', 422, 422, "Unrecognized field: partition_count"),
    ('{"topic_name":"NAME","partitions_count":"x"}', 400, 400, "partitions_count"),
    ('{"topic_name":"NAME","partitions_count":5000000000}', 400, 400, "partitions_count"),
    ('{"topic_name":"NAME","partitions_count":true}', 400, 400, "partitions_count"),
    ('{"topic_name":"NAME","partitions_count":0}', 400, 40002, ""),
    ('{"topic_name":"NAME","replication_factor":9}', 400, 40002, ""),
    ('{"topic_name":"NAME","validate_only":[]}', 400, 400, "validate_only"),
    ('{"topic_name":"NAME","configs":{}}', 400, 400, "configs"),
    ('{"topic_name":"NAME","configs":[{"value":"1"}]}', 400, 400, "name"),
    ('{"topic_name":"NAME","configs":[{"name":"no.such.config","value":"1"}]}', 400, 40002, ""),
    ('{"topic_name":"NAME","configs":[{"name":"retention.ms","value":"soon"}]}', 400, 40002, ""),
    ('{"topic_name":"NAME","replicas_assignments":{"x":[1]}}', 400, 400, "replicas_assignments"),
    ('{"topic_name":"NAME","replicas_assignments":{"0":1}}', 400, 400, "replicas_assignments"),
    ('{"topic_name":"NAME","replicas_assignments":{"0":[987654]}}', 400, 40002, ""),
])
def test_refusals(muir, name, body, status, code, text):
    a = create(muir, body.replace("NAME", name), status, code)
    assert text in a.message and a.message
    assert name not in muir.p("GET", "/topics").json


def test_content_type(muir, name):
    assert muir.p("POST", topics(muir), {"topic_name": name}, "text/plain").status == 415
    assert call(muir.proxy, "GET", "/v3/clusters", type="text/plain").status == 200
    assert call(muir.proxy, "GET", "/v3/clusters", headers={"Accept": "application/vnd.kafka.v2+json"}).status == 406


def test_links(start_muir):
    m = start_muir("-o", "host.name=proxy.example", "-o", "port=4711", "-o", "confluent.resource.name.authority=here")
    one = m.p("GET", "/v3/clusters").json["data"][0]
    assert one["metadata"]["self"].startswith("http://proxy.example:4711/v3/clusters/")
    assert one["metadata"]["resource_name"] == f"crn://here/kafka={one['cluster_id']}"
    m.stop()
    m = start_muir("-o", "advertised.listeners=https://a:1,http://b.example:80/", same_log_as=m)
    assert m.p("GET", "/v3/clusters").json["metadata"]["self"] == "http://b.example:80/v3/clusters"


def test_switched_off(start_muir):
    m = start_muir("-o", "api.v3.enable=false")
    assert call(m.proxy, "GET", "/v3/clusters").status == 404
    assert m.p("GET", "/topics").status == 200
