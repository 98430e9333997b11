#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The ABI check can fail: it is run over a small library of its own, before and after a change."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

_CHECK = pathlib.Path(__file__).with_name("abi.py")
_CLANG = "clang++-19"
_HEADER = """#pragma once
struct wakeline_size { int width; long height; };
enum { WAKELINE_ONE = 1, WAKELINE_TWO };
namespace wakeline { enum class Kind { kA, kB = 4 }; struct Pair { int a; int b; }; }
"""
_SOURCE = """extern "C" int wakeline_make() { return 1; }
extern "C" int wakeline_more() { return 2; }
"""


class Abi(unittest.TestCase):
    def setUp(self) -> None:
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="wakeline-abi-"))
        self.addCleanup(shutil.rmtree, self.root)
        (self.root / "wakeline").mkdir()
        self.build(_HEADER, _SOURCE)
        self.assertEqual(self.run_check("--update").returncode, 0)

    def build(self, header: str, source: str) -> None:
        (self.root / "wakeline/a.h").write_text(header)
        (self.root / "a.cc").write_text(source)
        command = [_CLANG, "-shared", "-fPIC", "a.cc", "-o", "liba.so"]
        subprocess.run(command, cwd=self.root, check=True)

    def run_check(self, *more: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-B", _CHECK, "--library", self.root / "liba.so", "--include",
             self.root, "--expected", self.root / "expected.txt", "--clang", _CLANG, *more],
            capture_output=True, text=True,
        )

    def expect(self, header: str, source: str, finding: str) -> None:
        self.build(header, source)
        done = self.run_check()
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn(finding, done.stdout)

    def test_the_same_library_passes(self) -> None:
        done = self.run_check()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_what_is_new_passes_and_is_told(self) -> None:
        self.build(_HEADER, _SOURCE + 'extern "C" int wakeline_new() { return 3; }\n')
        done = self.run_check()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("not in the list yet: symbol wakeline_new", done.stdout)

    def test_a_vanished_symbol_is_found(self) -> None:
        self.expect(_HEADER, _SOURCE.splitlines()[0], "gone or changed: symbol wakeline_more")

    def test_a_moved_member_is_found(self) -> None:
        moved = _HEADER.replace("int width; long height;", "long height; int width;")
        self.expect(moved, _SOURCE, "gone or changed: member wakeline_size 0 int width")

    def test_a_grown_struct_is_found(self) -> None:
        grown = _HEADER.replace("int b;", "int b; int c;")
        self.expect(grown, _SOURCE, "gone or changed: struct wakeline::Pair size 8 align 4")

    def test_a_changed_value_is_found(self) -> None:
        self.expect(_HEADER.replace("kB = 4", "kB = 5"), _SOURCE, "value wakeline::Kind::kB 4")
        self.expect(_HEADER.replace("ONE = 1", "ONE = 2"), _SOURCE, "value WAKELINE_TWO 2")

    def test_a_foreign_symbol_is_found(self) -> None:
        self.expect(_HEADER, _SOURCE + "namespace fmt { int a() { return 1; } }\n",
                    "exports what is not ours: _ZN3fmt1aEv (fmt::a())")


if __name__ == "__main__":
    unittest.main()
