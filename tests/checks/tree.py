# SPDX-License-Identifier: Apache-2.0
"""What the checks share: walking the source tree and reporting findings.

Each check is a program `check.py --root FOLDER …`. It prints one line for each finding,
"path:line: what is wrong", and exits 1 when there is one, 2 when it could not look at all.
"""

import argparse
import os
import pathlib
import sys
from typing import Iterator, NamedTuple

CXX_SUFFIXES = (".h", ".cc", ".c")
_SKIPPED_FOLDERS = {".git", ".cache", "build", "__pycache__"}


class Finding(NamedTuple):
    path: str
    line: int  # 1-based; 0 for the whole file
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}" if self.line else f"{self.path}: {self.what}"


def files(root: pathlib.Path) -> Iterator[str]:
    """The paths of all files below `root`, relative and sorted, without what is built."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in _SKIPPED_FOLDERS)
        for name in sorted(names):
            path = pathlib.Path(folder, name)
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(root).as_posix()


def cxx_files(root: pathlib.Path) -> list[str]:
    return [path for path in files(root) if path.endswith(CXX_SUFFIXES)]


def read(root: pathlib.Path, path: str) -> str:
    return (root / path).read_text(encoding="utf-8")


def parser(description: str) -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(description=description)
    result.add_argument("--root", type=pathlib.Path, required=True, help="the source tree")
    return result


def finish(findings: list[Finding], looked_at: int, unit: str) -> None:
    """Prints the findings and ends the program. Nothing to look at is a failure, not a pass."""
    for finding in findings:
        print(finding)
    if looked_at == 0:
        print(f"found no {unit} to check")
        sys.exit(2)
    print(f"{looked_at} {unit}, {len(findings)} findings")
    sys.exit(1 if findings else 0)
