"""The walk in the README, command by command: what stands behind #> must be in what the commands above it printed."""
import os
import re
import subprocess

import pytest

from conftest import TOP


def steps():
    text = open(os.path.join(TOP, "README.md")).read()
    walk = text[text.index("## A walk with curl"):text.index("## Running it")]
    for block in re.findall(r"```sh\n(.*?)```", walk, re.S):
        command = []
        for line in block.splitlines():
            if line.startswith("#> "):
                yield "\n".join(command), line[3:]
                command = []
            else:
                command.append(line)
        if command:
            yield "\n".join(command), ""


def test_every_command_prints_what_the_readme_says(start_muir, engine):
    if engine != "sqlite":
        pytest.skip("the README walks on the embedded log")
    m = start_muir()
    ran = 0
    for command, expected in steps():
        command = command.replace("http://127.0.0.1:8081", m.registry).replace("http://127.0.0.1:8082", m.proxy)
        for _ in range(20):
            got = subprocess.run(["bash", "-ec", command], capture_output=True, text=True, timeout=60)
            assert got.returncode == 0, got
            if expected in got.stdout or "/records" not in command:
                break  # only a read may have to be repeated, while the group forms
            command = command[command.rindex("curl -s http"):] if command.count("curl ") > 1 else command
        assert expected in got.stdout, (command, got.stdout)
        ran += 1
    assert ran >= 8
