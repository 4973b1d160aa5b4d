"""v3 clusters and topics, and v2 metadata, at their edges: tables from proxy-api.md 0, 1.2, 1.3, 2.1-2.3, 2.6 and its numbered edge cases (7.N in the ids)."""
import threading
import urllib.parse

import pytest

from conftest import BINARY, JSON, V2, call, wait_until
from test_edges_produce import table
from test_v3_topics import V3, cluster, create, topics


@pytest.fixture(scope="module")
def place(muir):
    return topics(muir)


# ---- create


@pytest.mark.parametrize("members, partitions", table(
    ("count as text", {"partitions_count": "3"}, 3), ("count with a fraction", {"partitions_count": 2.7}, 2), ("empty text", {"partitions_count": ""}, None),
    ("only a name [7.85]", {}, None), ("factor as text", {"replication_factor": "1", "partitions_count": 1}, 1), ("no configs", {"configs": []}, None),
    ("config as number", {"configs": [{"name": "retention.ms", "value": 5000}]}, None), ("config as boolean", {"configs": [{"name": "preallocate", "value": False}]}, None),
    ("no assignments", {"replicas_assignments": {}, "partitions_count": 2}, 2), ("not only validated", {"validate_only": "false"}, None)))
def test_creations_taken(muir, place, name, members, partitions):
    a = create(muir, {"topic_name": name, **members})
    assert a.json["partitions_count"] == (partitions or a.json["partitions_count"]) >= 1 and a.json["replication_factor"] == 1
    assert a.headers["location"] == a.json["metadata"]["self"] == f"{muir.proxy}{place}/{name}"
    assert muir.p("GET", f"{place}/{name}/").json == a.json  # [7.9]
    assert muir.p("DELETE", f"{place}/{name}/").status == 204


@pytest.mark.parametrize("topic", table(("one letter", "Z"), ("dots", "..."), ("dash first", "-x"), ("a dot", ".x"), ("249 characters", "n" * 249), ("digits", "007")))
def test_names_taken(muir, place, topic):
    muir.p("DELETE", f"{place}/{topic}")
    a = wait_until(lambda: (lambda a: a if a.status != 400 else None)(muir.p("POST", place, {"topic_name": topic}, V3)))
    assert a.status == 201 and a.json["topic_name"] == topic, a
    assert muir.p("GET", f"/topics/{topic}").json["name"] == topic
    assert muir.p("DELETE", f"{place}/{topic}").status == 204


@pytest.mark.parametrize("topic", table(("slash [7.82]", "a/b"), ("dots [7.82]", ".."), ("a dot", "."), ("empty", ""), ("space", "a b"), ("250 characters", "n" * 250), ("é", "é"), ("NUL", "a\0b"),
                                        ("line break", "a\n"), ("colon", "a:b")))
def test_names_refused(muir, place, topic):
    """2.6: before the cluster is asked"""
    for where in (place, "/v3/clusters/other/topics"):
        a = muir.p("POST", where, {"topic_name": topic}, V3)
        assert (a.status, a.code, a.message) == (422, 42206, "Payload error. Invalid topic name."), a


@pytest.mark.parametrize("body, status, code", table(
    ("body", None, 422, 42206), ("null", "null", 422, 42206), ("syntax", "{", 400, 400), ("mapping", '{"topic":"x"}', 422, 422), ("name is missing", "{}", 400, 400),
    ("name", '{"topic_name":"a/b"}', 422, 42206), ("cluster", '{"topic_name":"ok"}', 404, 404)))
def test_order_of_checks_with_a_wrong_cluster(muir, body, status, code):
    a = muir.p("POST", "/v3/clusters/other/topics", body, V3)
    assert (a.status, a.code) == (status, code), a
    if status == 404:
        assert a.message == "Cluster other cannot be found."


@pytest.mark.parametrize("body, status, code, text", table(
    ("text behind [errata 2]", '{"topic_name":"NAME"}}', 400, 400, "line 1 column"), ("name is a list", '{"topic_name":["NAME"]}', 400, 400, "topic_name"),
    ("configs: unknown field", '{"topic_name":"NAME","configs":[{"name":"a","operation":"SET"}]}', 422, 422, "Unrecognized field: operation"),
    ("configs: a number", '{"topic_name":"NAME","configs":[1]}', 400, 400, "configs"), ("configs: null", '{"topic_name":"NAME","configs":[null]}', None, None, "configs"),
    ("unknown config [7.86]", '{"topic_name":"NAME","configs":[{"name":"no.such","value":"1"}]}', 400, 40002, "no.such"),
    ("bad config", '{"topic_name":"NAME","configs":[{"name":"cleanup.policy","value":"burn"}]}', 400, 40002, "burn"),
    ("negative count", '{"topic_name":"NAME","partitions_count":-5}', 400, 40002, ""), ("factor 0", '{"topic_name":"NAME","replication_factor":0,"partitions_count":1}', 400, 40002, ""),
    ("factor too large", '{"topic_name":"NAME","replication_factor":40000}', 400, None, ""), ("assignments with a gap", '{"topic_name":"NAME","replicas_assignments":{"1":[BROKER]}}', 400, 40002, ""),
    ("assignments: no broker", '{"topic_name":"NAME","replicas_assignments":{"0":[]}}', 400, 40002, ""), ("assignments: one broker twice", '{"topic_name":"NAME","replicas_assignments":{"0":[BROKER,BROKER]}}', 400, 40002, ""),
    ("validated: bad config [7.83]", '{"topic_name":"NAME","validate_only":true,"configs":[{"name":"retention.ms","value":"x"}]}', 400, 40002, "retention.ms"),
    ("too many assignments", '{"topic_name":"NAME","replicas_assignments":{%s}}' % ",".join(f'"{i}":[]' for i in range(10001)), 422, 422, "10000"),
    ("too many configs", '{"topic_name":"NAME","configs":[%s]}' % ",".join(10001 * ["{}"]), 422, 422, "10000"),
    ("too many partitions", '{"topic_name":"NAME","partitions_count":2000000000,"validate_only":true}', None, None, "")))
def test_creations_refused(muir, place, name, body, status, code, text):
    broker = muir.p("GET", "/brokers").json["brokers"][0]
    a = muir.p("POST", place, body.replace("NAME", name).replace("BROKER", str(broker)), V3)
    assert a.status == (status or a.status) and a.code == (code or a.code) and 400 <= a.status < 500, a
    assert text in a.message and a.message
    assert list(a.json) == ["error_code", "message"]
    assert muir.p("GET", f"{place}/{name}").code == 40403


def test_the_last_of_a_name_twice(muir, place, name):
    a = muir.p("POST", place, '{"topic_name":"%sx","topic_name":"%s","partitions_count":9,"partitions_count":2}' % (name, name), V3)
    assert a.status == 201 and (a.json["topic_name"], a.json["partitions_count"]) == (name, 2), a
    assert muir.p("GET", f"{place}/{name}x").status == 404


def test_an_existing_name(muir, place, name):
    """[7.82] also when it is only validated [7.83]"""
    create(muir, {"topic_name": name, "partitions_count": 2})
    for members in ({}, {"validate_only": True}, {"partitions_count": 5}):
        a = create(muir, {"topic_name": name, **members}, 400, 40002)
        assert name in a.message and "exists" in a.message
    assert muir.p("GET", f"{place}/{name}").json["partitions_count"] == 2


@pytest.mark.parametrize("members", table(("text", {"validate_only": "true"}), ("with assignments [7.84]", {"validate_only": True, "replicas_assignments": {"0": [], "1": []}})))
def test_validate_only_creates_nothing(muir, place, name, members):
    broker = muir.p("GET", "/brokers").json["brokers"][0]
    members = {k: {p: [broker] for p in v} if k == "replicas_assignments" else v for k, v in members.items()}
    a = create(muir, {"topic_name": name, **members}, 200)
    if "replicas_assignments" in members:
        assert (a.json["partitions_count"], a.json["replication_factor"]) == (2, 1)
    assert a.json["kind"] == "KafkaTopic" and a.headers["location"].endswith(name)
    assert muir.p("GET", f"{place}/{name}").status == 404


# ---- media, methods, parameters


@pytest.mark.parametrize("type, status", table(
    ("json", "application/json", 200), ("charset", "application/json; charset=latin1", 200), ("capitals", "Application/JSON", 200), ("none is read as JSON", None, 200), ("any", "*/*", 200),
    ("v2", V2, 415), ("text", "text/plain", 415), ("form", "application/x-www-form-urlencoded", 415)))
def test_content_type(muir, place, name, type, status):
    a = call(muir.proxy, "POST", place, {"topic_name": name, "validate_only": True}, type)
    assert a.status == status, a
    if status == 415:
        assert (a.code, a.message) == (415, "HTTP 415 Unsupported Media Type") and a.headers["content-type"].startswith(V3)


@pytest.mark.parametrize("method, path, status", table(
    ("cluster list", "POST", "/v3/clusters", 405), ("cluster", "DELETE", "/v3/clusters/{c}", 405), ("topics", "PUT", "/v3/clusters/{c}/topics", 405),
    ("topic", "POST", "/v3/clusters/{c}/topics/t", 405), ("unknown [7.10]", "GET", "/v3/cluster", 404), ("the root of v3", "GET", "/v3", 404), ("below", "GET", "/v3/clusters/{c}/topics/t/nothing", 404)))
def test_methods_and_paths(muir, method, path, status):
    a = muir.p(method, path.format(c=cluster(muir)), None)
    assert (a.status, a.code) == (status, status) and a.message.startswith(f"HTTP {status} "), a
    assert a.headers["content-type"].startswith("application/")
    if status == 405:
        assert "OPTIONS" in a.headers["allow"] and method not in a.headers["allow"].split(", ")


@pytest.mark.parametrize("path", ["/v3/clusters", "/v3/clusters/{c}", "/v3/clusters/{c}/topics", "/topics", "/brokers", "/"])
def test_options_and_head(muir, path):
    path = path.format(c=cluster(muir))
    assert muir.p("OPTIONS", path).status == 200
    got, head = muir.p("GET", path), muir.p("HEAD", path)
    assert (head.status, head.body) == (200, b"") and head.headers["content-type"] == got.headers["content-type"]
    assert muir.p("GET", path + ("" if path == "/" else "/")).status == 200  # [7.9]


@pytest.mark.parametrize("path", table(("unknown [7.81]", "other"), ("a part", "{half}"), ("capitals", "{upper}"), ("space", "{c}%20"), ("dash", "-"), ("dots", "%2E%2E"), ("slash", "a%2Fb"),
                                       ("percent", "100%25s%25n")))
def test_wrong_clusters(muir, path):
    c = cluster(muir)
    wrong = path.format(c=c, half=c[:-1], upper=c.swapcase())
    a = muir.p("GET", f"/v3/clusters/{wrong}")
    assert (a.status, a.code, a.message) == (404, 404, "HTTP 404 Not Found"), a
    for method, where in (("GET", "/topics"), ("GET", "/topics/t"), ("DELETE", "/topics/t")):
        a = muir.p(method, f"/v3/clusters/{wrong}{where}")
        assert (a.status, a.code, a.message) == (404, 404, f"Cluster {urllib.parse.unquote(wrong)} cannot be found."), a


@pytest.mark.parametrize("topic, code", table(("unknown [7.88]", "no-such-topic", 40403), ("slash", "a%2Fb", None), ("space", "a%20b", None), ("250 characters", "n" * 250, None), ("dots", "%2E%2E", None),
                                              ("not UTF-8", "%ff%fe", None), ("quote", "%22", None)))
@pytest.mark.parametrize("method, path", table(("v3 get", "GET", "{place}/{t}"), ("v3 delete", "DELETE", "{place}/{t}"), ("v2 get", "GET", "/topics/{t}"), ("v2 partition", "GET", "/topics/{t}/partitions/0"),
                                               ("v2 offsets", "GET", "/topics/{t}/partitions/0/offsets")))
def test_topics_that_are_not_there(muir, place, method, path, topic, code):
    a = muir.p(method, path.format(place=place, t=topic))
    assert 400 <= a.status < 500 and a.message, a
    if code:
        assert (a.status, a.code, a.message) == (404, code, "This server does not host this topic-partition.")


@pytest.mark.parametrize("query", ["includeAuthorizedOperations=true", "include_authorized_operations=true", "nonsense=1", "a=%20&b"])
def test_queries_do_no_harm(muir, place, name, query):
    create(muir, {"topic_name": name})
    a = muir.p("GET", f"{place}/{name}?{query}")
    assert a.status == 200 and isinstance(a.json["authorized_operations"], list), a
    assert name in [t["topic_name"] for t in muir.p("GET", f"{place}?{query}").json["data"]]


@pytest.mark.parametrize("host, base", table(("a name", "elsewhere.example:99", "http://elsewhere.example:99"), ("without port", "elsewhere.example", "http://elsewhere.example"), ("IPv6", "[::1]:8", "http://[::1]:8")))
def test_links_follow_the_host_header(muir, host, base):
    a = muir.p("GET", "/v3/clusters", headers={"Host": host})
    assert a.json["metadata"]["self"] == f"{base}/v3/clusters"
    one = a.json["data"][0]
    relations = {"acls": "/acls", "brokers": "/brokers", "broker_configs": "/broker-configs", "consumer_groups": "/consumer-groups", "topics": "/topics",
                 "partition_reassignments": "/topics/-/partitions/-/reassignment"}
    assert {k: one[k] for k in relations} == {k: {"related": one["metadata"]["self"] + v} for k, v in relations.items()}


def test_a_host_header_cannot_break_the_json(muir):
    a = muir.p("GET", "/v3/clusters", headers={"Host": 'a"b\\c'})
    assert a.status == 400 or a.json["kind"] == "KafkaClusterList", a


def test_the_internal_topic(muir, engine, place, name):
    """[7.93] __consumer_offsets is left out of lists; where it exists, it can be asked for."""
    at = muir.p("POST", f"/consumers/{name}", {"name": "c"}).json["base_uri"]
    create(muir, {"topic_name": name})
    assert call(at, "POST", "/offsets", {"offsets": [{"topic": name, "partition": 0, "offset": 1}]}, V2).status == 200
    assert not [t for t in muir.p("GET", place).json["data"] if t["is_internal"] or t["topic_name"].startswith("__")]
    assert "__consumer_offsets" not in muir.p("GET", "/topics").json
    if engine == "kafka":
        a = muir.p("GET", f"{place}/__consumer_offsets")
        assert a.status == 200 and a.json["is_internal"] is True, a


# ---- v2 metadata


@pytest.mark.parametrize("type, accept, status", table(
    ("v2 for type", V2, None, 200), ("any type", "*/*", None, 200), ("json of v2 [7.5]", JSON, None, 415), ("application/json", "application/json", None, 415), ("v2", None, V2, 200), ("any", None, "*/*", 200),
    ("application/json only [7.4, errata 10]", None, "application/json", 406), ("binary", None, BINARY, 406), ("v2 among others", None, f"text/html, {V2};q=0.1", 200)))
@pytest.mark.parametrize("path", ["/topics", "/topics/{t}/partitions"])
def test_v2_negotiation(muir, path, type, accept, status, v2_topic):
    a = call(muir.proxy, "GET", path.format(t=v2_topic), None, type, {"Accept": accept} if accept else {})
    assert a.status == status, a
    if status == 200:
        assert a.headers["content-type"].startswith(V2)
    else:
        assert a.code == status and a.message.startswith(f"HTTP {status} ") and "content-type" in a.headers


@pytest.fixture(scope="module")
def v2_topic(muir):
    name = f"edges-of-metadata-{muir.engine}-{id(muir)}"
    muir.p("DELETE", f"{topics(muir)}/{name}")
    wait_until(lambda: muir.p("POST", topics(muir), {"topic_name": name}, V3).status == 201)
    return name


@pytest.mark.parametrize("body, status", table(("object", "{}", 200), ("any object", '{"a":[1]}', 200), ("nothing", None, 200)))
def test_root(muir, body, status):
    a = muir.p("POST", "/", body)
    assert (a.status, a.body) == (status, b"{}"), a


# ---- several things at once


def test_one_of_many_creations_wins(muir, place, name):
    got = []
    threads = [threading.Thread(target=lambda: got.append(muir.p("POST", place, {"topic_name": name}, V3))) for _ in range(8)]
    [t.start() for t in threads]
    [t.join(60) for t in threads]
    assert sorted(a.status for a in got) == [201] + [400] * 7
    assert {a.code for a in got if a.status == 400} == {40002}
    got.clear()
    threads = [threading.Thread(target=lambda: got.append(muir.p("DELETE", f"{place}/{name}"))) for _ in range(8)]
    [t.start() for t in threads]
    [t.join(60) for t in threads]
    assert {a.status for a in got} <= {204, 404} and 204 in {a.status for a in got}
