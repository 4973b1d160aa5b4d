"""The route tables and openapi/*.yaml say the same."""
import glob
import os
import re

import pytest
import yaml

from conftest import TOP

SERVICES = sorted(os.path.basename(f)[:-5] for f in glob.glob(os.path.join(TOP, "openapi/*.yaml")))
METHODS = {"get", "put", "post", "delete", "patch", "head", "options"}


def routes_in_source(room):
    """Rows of the route tables: {"GET", "/path", handler, ...}."""
    found = set()
    for f in glob.glob(os.path.join(TOP, room, "*.c")):
        found |= set(re.findall(r'\{"([A-Z]+)",\s*"(/[^"]*)",\s*\w+,\s*[&\w]+\}', open(f).read()))
    return found


def routes_in_openapi(service):
    paths = yaml.safe_load(open(os.path.join(TOP, "openapi", service + ".yaml")))["paths"]
    return {(m.upper(), p) for p, operations in paths.items() for m in operations if m in METHODS}


@pytest.mark.parametrize("service", SERVICES)
def test_every_route_is_described_and_nothing_else(service):
    source, described = routes_in_source(service), routes_in_openapi(service)
    assert source, f"no route table found in {service}/"
    assert source == described, f"only in {service}/*.c: {source - described}; only in openapi: {described - source}"


@pytest.mark.parametrize("service", SERVICES)
def test_it_is_valid_openapi(service):
    from openapi_spec_validator import validate
    validate(yaml.safe_load(open(os.path.join(TOP, "openapi", service + ".yaml"))))


def test_both_services_are_described():
    assert SERVICES == ["proxy", "registry"]
