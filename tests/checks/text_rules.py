#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of CONTRIBUTING.md that reading the text can check, over every file of the tree."""

import pathlib
import re
from typing import Callable, Iterator

import tree
from tree import Finding

_COLUMNS = 100
_SPDX = "SPDX-License-Identifier: Apache-2.0"
# Written in two pieces, so that this file does not find itself.
_OPEN_ENDS = re.compile(r"\b(" + "|".join(["FIX" "ME", "TO" "DO", "XX" "X"]) + r")\b")

# What writes to the terminal, and who may: the program's own commands, and the check that aborts.
_PRINTS = re.compile(
    r"\bstd::(cout|cerr|clog)\b|\b(std::)?(printf|puts|putchar|perror)\s*\("
    r"|\bfprintf\s*\(\s*std(out|err)|\bfmt::print\b"
)
_MAY_PRINT = ("src/cli/", "src/main.cc", "src/base/check.cc")

# What reads the time, and who may: io, and the log with its time stamps. (The CPU time that a
# process has used is no time of day: its module may take it.)
_CLOCKS = re.compile(
    r"_clock::now\s*\(|\bclock_gettime\s*\(\s*CLOCK_(?!\w+_CPUTIME)|\bgettimeofday\s*\("
    r"|\btime\s*\(\s*(nullptr|NULL|0)\s*\)"
)
_MAY_READ_CLOCKS = ("src/io/", "src/base/log.cc")

# Who may catch everything: main, and the boundary to C.
_CATCH_ALL = re.compile(r"\bcatch\s*\(\s*\.\.\.\s*\)")
_MAY_CATCH_ALL = ("src/main.cc", "src/app/")

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*:")
_FENCE = re.compile(r"^\s*(```|~~~)")


def code_only(text: str) -> str:
    """C++ text with comments and the insides of literals blanked out, line by line the same."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"(?P<tag>[^(\s]*)\(.*?\)(?P=tag)"|"(?:\\.|[^"\\\n])*"'
        r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'",
        re.DOTALL,
    )
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def is_script(path: str, text: str) -> bool:
    return path.endswith((".py", ".sh", ".cmake", "CMakeLists.txt", "Makefile")) or text[:2] == "#!"


def check_licence(path: str, text: str) -> Iterator[Finding]:
    if path.endswith(tree.CXX_SUFFIXES) or is_script(path, text):
        if not any(_SPDX in line for line in text.splitlines()[:3]):
            yield Finding(path, 1, f'the first lines have no "{_SPDX}"')


def check_open_ends(path: str, text: str) -> Iterator[Finding]:
    for number, line in enumerate(text.splitlines(), start=1):
        match = _OPEN_ENDS.search(line)
        if match:
            yield Finding(path, number, f"{match[0]}: do it, or open an issue")


def check_columns(path: str, text: str) -> Iterator[Finding]:
    if path.endswith((*tree.CXX_SUFFIXES, ".py")):
        for number, line in enumerate(text.splitlines(), start=1):
            if len(line) > _COLUMNS:
                yield Finding(path, number, f"{len(line)} columns, over {_COLUMNS}")


def check_pragma_once(path: str, text: str) -> Iterator[Finding]:
    if path.endswith(".h") and not re.search(r"^#pragma once$", text, re.MULTILINE):
        yield Finding(path, 0, "a header without #pragma once")


def check_source(path: str, text: str) -> Iterator[Finding]:
    """What src/ may not do outside the files that are there for it."""
    if not path.startswith("src/") or not path.endswith(tree.CXX_SUFFIXES):
        return
    rules = [
        (_PRINTS, _MAY_PRINT, "prints: use base/log.h, or write in src/cli"),
        (_CLOCKS, _MAY_READ_CLOCKS, "reads a clock: io/clock.h is the one place"),
        (_CATCH_ALL, _MAY_CATCH_ALL, "catches everything: only main and the C boundary may"),
    ]
    for number, line in enumerate(code_only(text).splitlines(), start=1):
        for pattern, may, what in rules:
            if pattern.search(line) and not path.startswith(may):
                yield Finding(path, number, what)


def anchors(text: str) -> set[str]:
    """The anchors that forges give to the headings of a Markdown text."""
    result: set[str] = set()
    fenced = False
    for line in text.splitlines():
        if _FENCE.match(line):
            fenced = not fenced
        heading = None if fenced else re.match(r"#{1,6}\s+(.*?)\s*#*$", line)
        if heading:
            words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
            slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
            count = 1
            unique = slug
            while unique in result:
                unique = f"{slug}-{count}"
                count += 1
            result.add(unique)
    return result


def check_links(root: pathlib.Path, path: str, text: str) -> Iterator[Finding]:
    if not path.endswith(".md"):
        return
    fenced = False
    for number, line in enumerate(text.splitlines(), start=1):
        if _FENCE.match(line):
            fenced = not fenced
        if fenced:
            continue
        for target in _LINK.findall(re.sub(r"`[^`]*`", "", line)):
            if _SCHEME.match(target):
                continue
            name, _, anchor = target.partition("#")
            place = (root / path).parent / name if name else root / path
            if not place.resolve().is_relative_to(root.resolve()) or not place.exists():
                yield Finding(path, number, f"the link {target} leads nowhere")
            elif anchor and place.suffix == ".md":
                if anchor not in anchors(place.read_text(encoding="utf-8")):
                    yield Finding(path, number, f"the link {target} names no heading of that file")


def check_module_readmes(root: pathlib.Path) -> Iterator[Finding]:
    for build in sorted((root / "src").glob("**/CMakeLists.txt")):
        folder = build.parent
        if folder != root / "src" and "wakeline_module(" in build.read_text(encoding="utf-8"):
            covered = [folder, *folder.parents]
            covered = covered[: covered.index(root / "src")]
            if not any((place / "README.md").is_file() for place in covered):
                yield Finding(folder.relative_to(root).as_posix(), 0, "a module without README.md")


# A guide to a program that sleeps says where to look, and what to do when it does not ring.
_GUIDES = "docs/guides/"
_OTHER_GUIDES = ("manifest.md", "server.md")
_GUIDE_NAMES = ("`wakeline top`", "`wakeline log", "`wakeline doctor`", "not ring")


def check_guides(path: str, text: str) -> Iterator[Finding]:
    if not path.startswith(_GUIDES) or path.removeprefix(_GUIDES) in _OTHER_GUIDES:
        return
    for name in _GUIDE_NAMES:
        if name not in text:
            yield Finding(path, 0, f'a guide without "{name}"')


_CHECKS: list[Callable[[str, str], Iterator[Finding]]] = [
    check_licence,
    check_open_ends,
    check_columns,
    check_pragma_once,
    check_source,
    check_guides,
]


def check(root: pathlib.Path) -> tuple[list[Finding], int]:
    findings, looked_at = list(check_module_readmes(root)), 0
    for path in tree.files(root):
        try:
            text = tree.read(root, path)
        except UnicodeDecodeError:
            continue  # pictures and recorded inputs
        looked_at += 1
        for one in _CHECKS:
            findings.extend(one(path, text))
        findings.extend(check_links(root, path, text))
    return findings, looked_at


def main() -> None:
    tree.finish(*check(tree.parser(__doc__).parse_args().root), "files")


if __name__ == "__main__":
    main()
