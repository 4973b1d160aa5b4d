"""Two registries over one Kafka: they give the same ids, and killing either loses nothing that was answered."""
import json
import random
import threading
import time

import pytest

from conftest import call, storage_args, Muir, wait_until


def text(n):
    return json.dumps({"type": "record", "name": f"R{n}", "fields": [{"name": f"f{n}", "type": "int"}]})


def post(base, subject, schema, timeout=30):
    return call(base, "POST", f"/subjects/{subject}/versions", {"schema": schema}, "application/json", timeout=timeout)


@pytest.fixture
def nodes(request, kafka, tmp_path):
    where = storage_args(request, "kafka", str(tmp_path))
    started = []

    def start():
        m = Muir("kafka", where, str(tmp_path))
        started.append(m)
        return m

    yield start
    for m in started:
        if m.process.poll() is None:
            m.kill()


def at_once(calls):
    """Runs all calls at the same moment; their results in order."""
    results = [None] * len(calls)
    gate = threading.Barrier(len(calls))

    def run(i):
        gate.wait()
        results[i] = calls[i]()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(calls))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


def test_the_same_schema_at_once_has_one_id(nodes):
    a, b = nodes(), nodes()
    for round in range(10):
        got = at_once([lambda m=m: post(m.registry, f"s{round}", text(round)) for m in (a, b) * 3])
        assert [g.status for g in got] == [200] * 6, got
        assert len({g.json["id"] for g in got}) == 1 and {g.json["version"] for g in got} == {1}
    for m in (a, b):
        wait_until(lambda: len(m.r("GET", "/subjects").json) == 10)
        for round in range(10):
            assert m.r("GET", f"/subjects/s{round}/versions").json == [1]


def test_different_schemas_at_once_have_different_ids(nodes):
    a, b = nodes(), nodes()
    got = at_once([lambda i=i: post((a, b)[i % 2].registry, f"s{i}", text(i)) for i in range(40)])
    assert [g.status for g in got] == [200] * 40, got
    assert sorted(g.json["id"] for g in got) == list(range(1, 41))
    assert sorted(post((a, b)[i % 2].registry, f"s{i}", text(i)).json["id"] for i in range(40)) == list(range(1, 41))


def test_versions_of_one_subject_are_handed_out_once(nodes):
    a, b = nodes(), nodes()
    assert a.r("PUT", "/config/s", {"compatibility": "NONE"}).status == 200
    got = at_once([lambda i=i: post((a, b)[i % 2].registry, "s", text(i)) for i in range(12)])
    assert [g.status for g in got] == [200] * 12, got
    assert sorted(g.json["version"] for g in got) == list(range(1, 13))


def test_a_write_is_seen_where_it_was_made_and_soon_elsewhere(nodes):
    a, b = nodes(), nodes()
    for i in range(10):
        writer, reader = (a, b) if i % 2 else (b, a)
        made = post(writer.registry, "s%d" % i, text(i)).json
        assert writer.r("GET", f"/schemas/ids/{made['id']}").status == 200
        wait_until(lambda: reader.r("GET", f"/schemas/ids/{made['id']}").status == 200, 5)
    # a refusal does not come from belief: what the other node just changed counts
    assert a.r("PUT", "/mode/t", {"mode": "READONLY"}).status == 200
    assert post(b.registry, "t", text(0)).code == 42205
    assert a.r("DELETE", "/mode/t").status == 200
    assert post(b.registry, "t", text(0)).status == 200


class Client(threading.Thread):
    """Registers schemas of its own, one after the other, through whatever node it is told to, and remembers the answers."""

    def __init__(self, name, bases):
        super().__init__()
        self.name, self.bases, self.answered, self.ambiguous, self.stop = name, bases, {}, 0, False
        self.wrong = []

    def run(self):
        n = 0
        while not self.stop:
            subject, schema = f"{self.name}-{n % 5}-{n}", text(f"{self.name}_{n}")
            base = random.choice(self.bases)
            try:
                a = post(base[0], subject, schema, timeout=20)
            except OSError:
                self.ambiguous += 1
                time.sleep(0.02)
                continue  # the same again, wherever: it must not become a second one
            except Exception as e:  # a half answer
                self.ambiguous += 1
                time.sleep(0.02)
                continue
            if a.status == 200:
                self.answered[subject] = (a.json["id"], a.json["version"], schema)
                n += 1
            elif a.status in (500, 503):
                self.ambiguous += 1
                time.sleep(0.02)
            else:
                self.wrong.append(a)
                n += 1


def test_killing_either_node_loses_no_answered_registration(nodes):
    random.seed(5)
    live = [nodes(), nodes()]
    bases = [[m.registry] for m in live]
    clients = [Client(f"c{i}", bases) for i in range(4)]
    for c in clients:
        c.start()
    kills = 0
    end = time.monotonic() + 20
    while time.monotonic() < end:
        time.sleep(random.uniform(0.1, 0.8))
        victim = random.randrange(2)
        live[victim].kill()
        kills += 1
        live[victim] = nodes()
        bases[victim][0] = live[victim].registry
    for c in clients:
        c.stop = True
    for c in clients:
        c.join()
    answered = {s: v for c in clients for s, v in c.answered.items()}
    assert not any(c.wrong for c in clients), [c.wrong for c in clients]
    assert len(answered) > 50 and kills >= 5, (len(answered), kills)
    assert len({i for i, _, _ in answered.values()}) == len(answered)  # different schemas, different ids
    cold = nodes()
    for m in live + [cold]:
        wait_until(lambda: len(m.r("GET", "/subjects").json) >= len(answered))
        held = {}
        for offset in range(0, 100000, 1000):
            page = m.r("GET", f"/schemas?offset={offset}&limit=1000").json
            held.update({s["subject"]: (s["id"], s["version"], json.loads(s["schema"])) for s in page})
            if len(page) < 1000:
                break
        for subject, (i, version, schema) in answered.items():
            assert held[subject] == (i, version, json.loads(schema)), subject
        assert len(held) == len({i for i, _, _ in held.values()})
    listings = [m.r("GET", "/schemas").json for m in live + [cold]]
    assert listings[0] == listings[1] == listings[2]
    print(f"{len(answered)} registrations answered, {kills} kills, {sum(c.ambiguous for c in clients)} without an answer")
