#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/mqtt-statements.md lists the normative statements of MQTT that a test names, each with its
tests; it is written from the names of the tests (--write), and must not differ from them."""

import pathlib
import re

import contract
import tree
from tree import Finding

DOCUMENT = "docs/mqtt-statements.md"
_NAME = re.compile(r"^(?:Mqtt|Version311)((?:_(?:\d+|And|To))+)(?:_|$)")
_HEAD = """# The statements of MQTT that are tested

Each normative statement that a test names, by its number in the standard (`§`: a section without
a number of its own). The tests speak to a server process. Written from their names, by
`tests/checks/mqtt_statements.py --write`; a check compares them.

| statement | tests |
|---|---|
"""


def numbers_of(name: str) -> list[str]:
    """Mqtt_3_3_2_8_And_9_…: two; …_1_To_7_…: seven; fewer than four numbers: a section."""
    match = _NAME.match(name)
    if match is None:
        return []
    standard = "MQTT" if name.startswith("Mqtt") else "3.1.1: MQTT"
    found: list[str] = []
    group: list[int] = []
    last: list[int] = []
    link = ""

    def close() -> None:
        nonlocal last
        if not group:
            return
        full = last[:3] + group if len(group) == 1 and len(last) == 4 else list(group)
        first = last[3] + 1 if link == "To" else full[-1]
        for number in range(first, full[-1] + 1):
            found.append(label(standard, [*full[:-1], number]))
        last = full
        group.clear()

    for word in match.group(1).strip("_").split("_"):
        if word.isdigit():
            group.append(int(word))
        else:
            close()
            link = word
    close()
    return found


def label(standard: str, numbers: list[int]) -> str:
    if len(numbers) == 4:
        return f"{standard}-{'.'.join(map(str, numbers[:3]))}-{numbers[3]}"
    return f"{standard} §{'.'.join(map(str, numbers))}"


def written(root: pathlib.Path) -> str:
    tests: dict[str, list[str]] = {}
    for test in contract.defined_tests(root):
        for statement in numbers_of(test.split(".")[1]):
            tests.setdefault(statement, []).append(test)

    def order(statement: str) -> tuple[bool, list[int]]:
        return statement.startswith("3.1.1"), [
            int(number) for number in re.findall(r"\d+", statement.split("MQTT")[1])
        ]

    rows = (
        f"| {statement} | {', '.join(f'`{test}`' for test in sorted(tests[statement]))} |\n"
        for statement in sorted(tests, key=order)
    )
    return _HEAD + "".join(rows)


def check(root: pathlib.Path) -> tuple[list[Finding], int]:
    text = written(root)
    rows = text.count("\n| MQTT-")
    place = root / DOCUMENT
    if place.is_file() and tree.read(root, DOCUMENT) == text:
        return [], rows
    what = "is not what the tests' names say: mqtt_statements.py --write"
    return [Finding(DOCUMENT, 0, what)], rows


if __name__ == "__main__":
    parser = tree.parser(__doc__)
    parser.add_argument("--write", action="store_true", help="write the document anew")
    options = parser.parse_args()
    if options.write:
        (options.root / DOCUMENT).write_text(written(options.root), encoding="utf-8")
    tree.finish(*check(options.root), "statements")
