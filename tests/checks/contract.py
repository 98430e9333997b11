#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every rule of the contract that the host or the library keeps names its tests in
docs/contract.md, and each test that is named there exists."""

import pathlib
import re
from typing import Iterator

import tree
from tree import Finding

DOCUMENT = "docs/contract.md"
RULES = [f"C{number}" for number in [*range(1, 34), 35, 36, 39, 40]]

_ROW = re.compile(r"^\|\s*(C\d+)\s*\|")
_TEST = re.compile(r"`(\w+\.\w+)`")
_DEFINED = re.compile(
    r"^(?:TEST|TEST_F|TEST_P|RC_GTEST_PROP|RC_GTEST_FIXTURE_PROP)\(\s*(\w+)\s*,\s*(\w+)\s*[,)]",
    re.MULTILINE,
)
# The columns of a row behind id and rule, and where the tests of each must be.
_COLUMNS = {"unit": "src/", "integration": "tests/"}


def defined_tests(root: pathlib.Path) -> dict[str, str]:
    """Suite.Name of every test in the tree, with the folder it is in: "src/" or "tests/"."""
    found = {}
    for path in tree.cxx_files(root):
        if path.endswith("_test.cc"):
            for suite, name in _DEFINED.findall(tree.read(root, path)):
                found[f"{suite}.{name}"] = "tests/" if path.startswith("tests/") else "src/"
    return found


def check_row(line: str, number: int, defined: dict[str, str]) -> Iterator[Finding]:
    cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
    if len(cells) != 2 + len(_COLUMNS):
        yield Finding(DOCUMENT, number, f"{cells[0]}: a row has id, rule, {', '.join(_COLUMNS)}")
        return
    named = 0
    for cell, (column, folder) in zip(cells[2:], _COLUMNS.items()):
        tests = _TEST.findall(cell)
        named += len(tests)
        if not tests and not re.match(r"— \w", cell):
            yield Finding(DOCUMENT, number, f"{cells[0]}: no {column} test, and no reason: '— …'")
        for test in tests:
            if test not in defined:
                yield Finding(DOCUMENT, number, f"{cells[0]}: there is no test {test}")
            elif defined[test] != folder:
                yield Finding(DOCUMENT, number, f"{cells[0]}: {test} is not in {folder}")
    if named == 0:
        yield Finding(DOCUMENT, number, f"{cells[0]}: no test at all")


def check(root: pathlib.Path) -> tuple[list[Finding], int]:
    if not (root / DOCUMENT).is_file():
        return [], 0
    defined = defined_tests(root)
    findings, rows = [], []
    for number, line in enumerate(tree.read(root, DOCUMENT).splitlines(), 1):
        if match := _ROW.match(line):
            rows.append(match[1])
            findings.extend(check_row(line, number, defined))
    for rule in RULES:
        if rows.count(rule) != 1:
            findings.append(Finding(DOCUMENT, 0, f"{rule} has {rows.count(rule)} rows"))
    return findings, len(rows)


def main() -> None:
    tree.finish(*check(tree.parser(__doc__).parse_args().root), "rules")


if __name__ == "__main__":
    main()
