#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What programs that were built with an earlier libwakeline rely on, against the list of record,
expected.txt: exported symbols, sizes and members of public structs, values of enumerators.

What vanishes or changes is a failure; what is new is told, and joins the list with --update. A
symbol that is not ours (of Boost, fmt, the standard library) is a failure in any case.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile
from typing import Iterator

_OURS = re.compile(r"^(wakeline::|wakeline_)")
_HINT = "If users shall rebuild for it, say so in the commit and run: tools/abi --update"


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def symbols(library: str) -> Iterator[tuple[str, str]]:
    """Each exported symbol with its readable name."""
    for line in run("nm", "-D", "--defined-only", library).splitlines():
        fields = line.split()
        if fields[1] == "A":
            continue  # the version's own name
        name = fields[2].split("@")[0]
        yield name, run("c++filt", name).strip()


def headers(include: pathlib.Path) -> list[str]:
    """The library's own; adapters are compiled into their users' programs."""
    found = sorted(p.relative_to(include).as_posix() for p in include.glob("wakeline/**/*.h"))
    return [header for header in found if "/adapters/" not in header]


def source_of(include: pathlib.Path) -> str:
    return "".join(f"#include <{header}>\n" for header in headers(include))


def layouts(include: pathlib.Path, clang: str, folder: pathlib.Path) -> Iterator[str]:
    """Size and members of every public struct, as clang lays them out."""
    source = folder / "layouts.cc"
    source.write_text(source_of(include))
    dump = run(clang, "-std=c++20", "-I", str(include), "-fsyntax-only", "-Xclang",
               "-fdump-record-layouts-complete", str(source))
    for record in dump.split("*** Dumping AST Record Layout"):
        head = re.search(r"^ +0 \| (?:struct|class|union) (\S+)( \(empty\))?$", record,
                         re.MULTILINE)
        if not head or not _OURS.match(head[1]) or "<" in head[1]:
            continue
        size = re.search(r"\[sizeof=(\d+), .*?align=(\d+)", record, re.DOTALL)
        yield f"struct {head[1]} size {size[1]} align {size[2]}"
        for offset, member in re.findall(r"^ +([\d:-]+) \|   (\S.*)$", record, re.MULTILINE):
            yield f"member {head[1]} {offset} {member}"


def enumerators(include: pathlib.Path) -> Iterator[str]:
    """C++ expressions that name every public enumerator."""
    for header in headers(include):
        text = (include / header).read_text()
        text = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)
        for name, body in re.findall(r"\benum(?: class (\w+)[^{;]*)?\s*\{([^}]*)\}", text):
            for one in body.split(","):
                if word := one.split("=")[0].strip():
                    yield f"wakeline::{name}::{word}" if name else word


def values(include: pathlib.Path, clang: str, folder: pathlib.Path) -> Iterator[str]:
    lines = "".join(
        f'  std::printf("value {one} %lld\\n", static_cast<long long>({one}));\n'
        for one in enumerators(include)
    )
    source, program = folder / "values.cc", folder / "values"
    source.write_text(f"#include <cstdio>\n{source_of(include)}int main() {{\n{lines}}}\n")
    run(clang, "-std=c++20", "-I", str(include), str(source), "-o", str(program))
    yield from run(str(program)).splitlines()


def compare(expected: set[str], actual: set[str]) -> tuple[list[str], list[str]]:
    """What is gone (or is no longer so), and what is new."""
    return sorted(expected - actual), sorted(actual - expected)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", required=True, help="libwakeline.so")
    parser.add_argument("--include", type=pathlib.Path, required=True, help="the public headers")
    parser.add_argument("--expected", type=pathlib.Path, help="the list of record",
                        default=pathlib.Path(__file__).with_name("expected.txt"))
    parser.add_argument("--clang", default="clang++-19")
    parser.add_argument("--update", action="store_true", help="write the list anew")
    arguments = parser.parse_args()

    exported = dict(symbols(arguments.library))
    foreign = [f"{name} ({plain})" for name, plain in exported.items() if not _OURS.match(plain)]
    for symbol in foreign:
        print(f"exports what is not ours: {symbol}")
    actual = {f"symbol {name}" for name in exported}
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        actual.update(layouts(arguments.include, arguments.clang, place))
        actual.update(values(arguments.include, arguments.clang, place))
    if arguments.update:
        arguments.expected.write_text("".join(f"{line}\n" for line in sorted(actual)))
        print(f"{arguments.expected.name}: {len(actual)} lines")
        sys.exit(1 if foreign else 0)

    expected = set(arguments.expected.read_text().splitlines())
    gone, new = compare(expected, actual)
    for line in gone:
        print(f"gone or changed: {line}")
    for line in new:
        print(f"new, and not in the list yet: {line}")
    print(f"{len(expected)} lines, {len(gone)} gone or changed, {len(new)} new")
    if gone:
        print(_HINT)
    sys.exit(1 if gone or foreign or not expected else 0)


if __name__ == "__main__":
    main()
