#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles every public header alone, with both compilers: C++20 (what a user may still be on), and
C99 for the headers of the C ABI. An adapter needs the library that it is for: packages of the group
`test`."""

import pathlib
import subprocess
import sys
import tempfile

import tree
from tree import Finding

_WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]


def compile_alone(root: pathlib.Path, compiler: str, language: str, std: str, header: str) -> str:
    """The compiler's messages for a source that includes `header`, twice; "" when all is well."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "alone.cc" if language == "c++" else "alone.c")
        include = header.removeprefix("include/")
        source.write_text(f"#include <{include}>\n#include <{include}>\nint wakeline_alone;\n")
        done = subprocess.run(
            [compiler, "-x", language, f"-std={std}", *_WARNINGS, "-I", root / "include", source],
            capture_output=True,
            text=True,
        )
    return "" if done.returncode == 0 else done.stderr.strip() or f"exit {done.returncode}"


def check(root: pathlib.Path, cxx: list[str], c: list[str]) -> tuple[list[Finding], int]:
    headers = [p for p in tree.cxx_files(root) if p.startswith("include/") and p.endswith(".h")]
    findings = []
    for header in headers:
        runs = [(compiler, "c++", "c++20") for compiler in cxx]
        if header == "include/wakeline/wakeline.h" or header.startswith("include/wakeline/c/"):
            runs += [(compiler, "c", "c99") for compiler in c]
        for compiler, language, std in runs:
            messages = compile_alone(root, compiler, language, std, header)
            if messages:
                what = f"does not compile alone with {compiler} -std={std}:\n{messages}"
                findings.append(Finding(header, 0, what))
    return findings, len(headers)


def main() -> None:
    parser = tree.parser(__doc__)
    parser.add_argument("--cxx", action="append", required=True, help="a C++ compiler")
    parser.add_argument("--cc", action="append", required=True, help="a C compiler")
    arguments = parser.parse_args()
    try:
        result = check(arguments.root, arguments.cxx, arguments.cc)
    except OSError as error:
        print(f"a compiler did not start: {error}")
        sys.exit(2)
    tree.finish(*result, "public headers")


if __name__ == "__main__":
    main()
