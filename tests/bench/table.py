#!/usr/bin/env python3
"""Puts the figures of build/bench.json (the last `make bench`) between the marks in README.md and docs/performance.md."""
import json
import os
import re

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def figure(x):
    return f"{x:,.0f}" if x >= 1000 else f"{x:.3g}"


def line(r):
    beside = "" if r["yardstick"] is None else figure(r["yardstick"])
    ratio = "" if r["ratio"] is None else f"{r['ratio']:.2f}x"
    return f"| {r['name']} | {figure(r['value'])} {r['unit']} | {beside} | {ratio} | {figure(r['min'])} to {figure(r['max'])} |"


def main():
    rows = json.load(open(os.path.join(TOP, "build/bench.json")))
    table = "\n".join(["| work | muir (median) | beside it | ratio | range of muir's rounds |", "|---|---|---|---|---|", *map(line, rows)])
    for name in ("README.md", "docs/performance.md"):
        path = os.path.join(TOP, name)
        text = open(path).read()
        new, n = re.subn(r"(<!-- bench -->\n).*?(<!-- /bench -->)", lambda m: m.group(1) + table + "\n" + m.group(2), text, flags=re.S)
        assert n == 1, f"{name}: no <!-- bench --> ... <!-- /bench -->"
        open(path, "w").write(new)


if __name__ == "__main__":
    main()
