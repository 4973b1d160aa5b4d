"""./try --exit, as a stranger runs it."""
import os
import subprocess

from conftest import TOP, PROGRAM, free_port


def run_try(*args, env=None):
    return subprocess.run([os.path.join(TOP, "try"), "--exit", *args], capture_output=True, text=True, timeout=600,
                          env={**os.environ, "REGISTRY_PORT": str(free_port()), "PROXY_PORT": str(free_port()), **(env or {})})


def test_try_counts_what_the_file_says(engine, request):
    r = run_try(*(["--kafka", request.getfixturevalue("kafka")] if engine == "kafka" else []))
    assert r.returncode == 0, r.stdout[-3000:] + r.stderr[-3000:]
    assert "5127 records acknowledged" in r.stdout and "5127 records read" in r.stdout
    assert "Every step held." in r.stdout


def test_try_walks_on_a_csv_of_students(engine, request, tmp_path):
    """Rows of the shape of the open data, made here: the real file is not part of the project."""
    rows = ["rentrée;année;niveau;unité;regroupement;libellé;secteur;libellé;sexe;libellé;effectif;a;b"]
    for i in range(300):
        rows.append(f"2004;2004-05;{'Commune' if i % 3 else 'Département'};Toulouse;{['CPGE', 'TOTAL', 'UNIV', 'EC_ART'][i % 4]};É;PU;Public;"
                    f"{i % 2 + 1};F;{'' if i == 7 else f'{i}.0'};oui;")
    csv = tmp_path / "students.csv"
    csv.write_bytes("\r\n".join(rows).encode() + b"\r\n")
    r = run_try("--effectifs", str(csv), *(["--kafka", request.getfixturevalue("kafka")] if engine == "kafka" else []))
    assert r.returncode == 0, r.stdout[-3000:] + r.stderr[-3000:]
    assert "300 records read" in r.stdout and "Every step held." in r.stdout


def test_try_refuses_wrong_arguments():
    r = subprocess.run([os.path.join(TOP, "try"), "--no-such"], capture_output=True, text=True, timeout=60)
    assert r.returncode == 2 and "--no-such" in r.stderr
    r = subprocess.run([os.path.join(TOP, "try"), "--effectifs", "/no/such/file"], capture_output=True, text=True, timeout=60)
    assert r.returncode == 2 and "/no/such/file" in r.stderr


def test_try_fails_on_a_file_without_records(tmp_path):
    csv = tmp_path / "other.csv"
    csv.write_text("name,people\nToulouse,511684\n")
    r = run_try("--effectifs", str(csv))
    assert r.returncode == 1 and f"{csv} has no records: expected lines of at least 11 columns" in r.stderr
    assert "Every step held." not in r.stdout
