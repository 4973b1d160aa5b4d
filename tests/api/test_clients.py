"""Other people's clients, unchanged: Confluent's Python client against both services, kcat beside the proxy."""
import json
import shutil
import subprocess
import time

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from conftest import AVRO, BINARY, V2, wait_until

CITY = json.dumps({"type": "record", "name": "City", "namespace": "world", "fields": [
    {"name": "name", "type": "string"}, {"name": "people", "type": "long"}, {"name": "twin", "type": ["null", "string"], "default": None}]})


@pytest.fixture
def client(muir):
    return SchemaRegistryClient({"url": muir.registry})


def test_the_client_registers_looks_up_and_deletes(muir, client, name):
    id = client.register_schema(name, Schema(CITY, "AVRO"))
    assert client.register_schema(name, Schema(CITY, "AVRO")) == id
    assert json.loads(client.get_schema(id).schema_str) == json.loads(CITY)
    assert client.lookup_schema(name, Schema(CITY, "AVRO")).version == 1
    assert client.get_latest_version(name).schema_id == id
    assert client.get_versions(name) == [1]
    assert name in client.get_subjects()
    assert client.delete_subject(name) == [1]
    assert client.delete_subject(name, permanent=True) == [1]
    with pytest.raises(SchemaRegistryError) as e:
        SchemaRegistryClient({"url": muir.registry}).get_latest_version(name)  # the first one remembers
    assert e.value.error_code == 40401 and e.value.http_status_code == 404


def test_the_client_is_told_of_an_incompatible_schema(client, name):
    client.register_schema(name, Schema(CITY, "AVRO"))
    worse = json.loads(CITY)
    worse["fields"].append({"name": "river", "type": "string"})
    assert client.test_compatibility(name, Schema(json.dumps(worse), "AVRO")) is False
    with pytest.raises(SchemaRegistryError) as e:
        client.register_schema(name, Schema(json.dumps(worse), "AVRO"))
    assert e.value.http_status_code == 409 and "READER_FIELD_MISSING_DEFAULT_VALUE" in str(e.value)
    assert client.set_compatibility(name, "NONE")
    assert client.get_compatibility(name) == "NONE"
    assert client.register_schema(name, Schema(json.dumps(worse), "AVRO")) > 0


def test_serializer_and_proxy_understand_each_other(muir, request, client, name):
    """Written by Confluent's serializer, read through the proxy; written through the proxy, read by its deserializer."""
    if muir.engine != "kafka":
        pytest.skip("a Kafka client needs a Kafka")
    bootstrap = request.getfixturevalue("kafka")
    theirs = {"name": "Toulouse", "people": 511684, "twin": "Atlanta"}
    producer = Producer({"bootstrap.servers": bootstrap})
    write = AvroSerializer(client, CITY)
    producer.produce(name, value=write(theirs, SerializationContext(name, MessageField.VALUE)))
    assert producer.flush(30) == 0
    ours = muir.p("POST", f"/topics/{name}", {"value_schema": CITY, "records": [{"value": {"name": "Prag", "people": 1357326, "twin": None}}]}, type=AVRO)
    assert ours.status == 200 and ours.json["offsets"][0]["error_code"] is None, ours

    at = f"/consumers/{name}/instances/c"
    assert muir.p("POST", f"/consumers/{name}", {"name": "c", "format": "avro", "auto.offset.reset": "earliest"}).status == 200
    assert muir.p("POST", at + "/subscription", {"topics": [name]}).status == 204
    got, answers = [], []

    def both_read():
        answers.append(muir.p("GET", at + "/records", headers={"Accept": AVRO}))
        assert answers[-1].status == 200, answers
        got.extend(answers[-1].json)
        return len(got) >= 2

    wait_until(both_read)
    assert sorted(r["value"]["name"] for r in got) == ["Prag", "Toulouse"]
    assert {"string": "Atlanta"} in [r["value"]["twin"] for r in got]
    assert muir.p("DELETE", at).status == 204

    read = AvroDeserializer(client)
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": name + "-theirs", "auto.offset.reset": "earliest"})
    consumer.subscribe([name])
    seen, end = [], time.monotonic() + 30
    while len(seen) < 2 and time.monotonic() < end:
        m = consumer.poll(1)
        if m is not None and m.error() is None:
            seen.append(read(m.value(), SerializationContext(name, MessageField.VALUE)))
    consumer.close()
    assert sorted(s["name"] for s in seen) == ["Prag", "Toulouse"]
    assert theirs in seen


def test_kcat_reads_what_the_proxy_wrote(muir, request, name):
    if muir.engine != "kafka":
        pytest.skip("kcat needs a Kafka")
    if shutil.which("kcat") is None:
        pytest.skip("kcat is not installed")
    bootstrap = request.getfixturevalue("kafka")
    a = muir.p("POST", f"/topics/{name}", {"records": [{"key": "a2V5", "value": "dmFsdWU="}, {"value": None, "key": "Z29uZQ=="}]}, type=BINARY)
    assert a.status == 200, a
    got = subprocess.run(["kcat", "-b", bootstrap, "-C", "-t", name, "-o", "beginning", "-e", "-q", "-Z", "-f", "%k=%s;"], capture_output=True, text=True,
                         timeout=60)
    assert got.stdout.split(";")[:-1] and set(got.stdout.split(";")[:-1]) == {"key=value", "gone=NULL"}, got


def test_the_proxy_reads_what_kcat_wrote(muir, request, name):
    if muir.engine != "kafka" or shutil.which("kcat") is None:
        pytest.skip("needs a Kafka and kcat")
    subprocess.run(["kcat", "-b", request.getfixturevalue("kafka"), "-P", "-t", name, "-K:"], input="k:v\n", text=True, check=True, timeout=60)
    at = f"/consumers/{name}/instances/c"
    assert muir.p("POST", f"/consumers/{name}", {"name": "c", "auto.offset.reset": "earliest"}).status == 200
    assert muir.p("POST", at + "/subscription", {"topics": [name]}).status == 204
    got = wait_until(lambda: muir.p("GET", at + "/records", headers={"Accept": BINARY}).json)
    assert got == [{"topic": name, "key": "aw==", "value": "dg==", "partition": 0, "offset": 0}]
    assert muir.p("DELETE", at, headers={"Accept": V2}).status == 204
