#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `make install` puts in place is enough: programs in C and C++ are built from an installed
tree alone, by find_package and by pkg-config, and run; the tree may be moved."""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

_C = """#include <stdio.h>
#include <string.h>
#include <wakeline/wakeline.h>
int main(void) {
  wakeline_app_t* app = NULL;
  if (wakeline_app_create(NULL, &app) != WAKELINE_OK) return 2;
  wakeline_host_info_t info = WAKELINE_HOST_INFO_INIT;
  if (wakeline_app_host(app, &info) != WAKELINE_ERROR_NO_HOST) return 3;
  if (strcmp(wakeline_version(), WAKELINE_VERSION) != 0) return 4;
  if (wakeline_app_free(app) != WAKELINE_OK) return 5;
  puts(wakeline_version());
  return 0;
}
"""
_CXX = """#include <iostream>
#include <wakeline/app.h>
#include <wakeline/push_client.h>
#include <wakeline/wakeline.h>
int main() {
  const auto app = wakeline::App::create();
  if (!app || app->host().error().code != wakeline::ErrorCode::kNoHost) return 2;
  std::cout << wakeline_version() << '\\n';
}
"""
_CMAKE = """cmake_minimum_required(VERSION 3.25)
project(user LANGUAGES {language})
find_package(wakeline {version} REQUIRED)
add_executable(user user.{suffix})
target_link_libraries(user PRIVATE wakeline::wakeline)
"""
_WARNINGS = ["-Wall", "-Wextra", "-pedantic", "-Werror"]
_LANGUAGES = {
    "C": ("c", _C, "gcc", ["-std=c11", *_WARNINGS]),
    "CXX": ("cc", _CXX, "g++", ["-std=c++20", *_WARNINGS]),
}


class Install(unittest.TestCase):
    build: pathlib.Path
    version: str

    @classmethod
    def setUpClass(cls) -> None:
        cls.root = pathlib.Path(tempfile.mkdtemp(prefix="wakeline-install-"))
        cls.addClassCleanup(shutil.rmtree, cls.root)
        # Under DESTDIR, and then moved to where no configuration has ever named it.
        staged = {**os.environ, "DESTDIR": str(cls.root / "staged")}
        subprocess.run(["cmake", "--install", cls.build, "--prefix", "/opt/wakeline"],
                       env=staged, check=True, stdout=subprocess.DEVNULL)
        cls.prefix = cls.root / "moved"
        (cls.root / "staged/opt/wakeline").rename(cls.prefix)
        [pc] = cls.prefix.glob("**/wakeline.pc")
        cls.library = pc.parent.parent
        cls.environment = {k: v for k, v in os.environ.items() if k != "WAKELINE_HOST"}
        cls.environment["PKG_CONFIG_PATH"] = str(pc.parent)
        cls.environment["LD_LIBRARY_PATH"] = str(cls.library)

    def run_in(self, folder: pathlib.Path, *command: str) -> str:
        done = subprocess.run(command, cwd=folder, env=self.environment, capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, 0, f"{command}\n{done.stdout}{done.stderr}")
        return done.stdout

    def folder_with(self, name: str, language: str) -> pathlib.Path:
        folder = self.root / f"{name}-{language}"
        folder.mkdir()
        suffix, source = _LANGUAGES[language][:2]
        (folder / f"user.{suffix}").write_text(source)
        return folder

    def test_users_build_and_run_by_find_package(self) -> None:
        for language, (suffix, _, _, _) in _LANGUAGES.items():
            with self.subTest(language=language):
                folder = self.folder_with("cmake", language)
                text = _CMAKE.format(language=language, suffix=suffix, version=self.version)
                (folder / "CMakeLists.txt").write_text(text)
                self.run_in(folder, "cmake", "-B", "b", f"-DCMAKE_PREFIX_PATH={self.prefix}")
                self.run_in(folder, "cmake", "--build", "b")
                self.assertEqual(self.run_in(folder, "b/user"), self.version + "\n")

    def test_another_minor_version_is_refused_by_find_package(self) -> None:
        folder = self.folder_with("newer", "C")
        (folder / "CMakeLists.txt").write_text(
            _CMAKE.format(language="C", suffix="c", version="0.99"))
        done = subprocess.run(["cmake", "-B", "b", f"-DCMAKE_PREFIX_PATH={self.prefix}"],
                              cwd=folder, env=self.environment, capture_output=True, text=True)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("compatible with requested version", " ".join(done.stderr.split()))

    def test_users_build_and_run_by_pkg_config(self) -> None:
        self.assertEqual(self.run_in(self.root, "pkg-config", "--modversion", "wakeline"),
                         self.version + "\n")
        flags = self.run_in(self.root, "pkg-config", "--cflags", "--libs", "wakeline").split()
        for language, (suffix, _, compiler, more) in _LANGUAGES.items():
            with self.subTest(language=language):
                folder = self.folder_with("pkg-config", language)
                self.run_in(folder, compiler, *more, f"user.{suffix}", *flags, "-o", "user")
                self.assertEqual(self.run_in(folder, "./user"), self.version + "\n")

    def test_every_example_is_there_and_is_built_from_the_installed_tree(self) -> None:
        source = pathlib.Path(__file__).parent.parent.parent / "examples"
        installed = self.prefix / "share/doc/wakeline/examples"
        files = {file.relative_to(source) for file in source.glob("*/*")
                 if file.suffix in (".c", ".cc", ".h")}
        self.assertEqual({f for f in files if not (installed / f).is_file()}, set())
        self.assertGreaterEqual({str(f.parent) for f in files}, {"adopt", "streams", "doorbell"})
        # Built are those that need nothing else; the others as their authors' libraries are there.
        self.run_in(self.root, "cmake", "-S", installed, "-B", "examples",
                    f"-DCMAKE_PREFIX_PATH={self.prefix}")
        programs = ("adopt", "streams", "doorbell-c")
        self.run_in(self.root, "cmake", "--build", "examples", "--target", *programs)
        for name in programs:
            done = subprocess.run([self.root / "examples" / name], env=self.environment,
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(f"usage: {name} ", done.stderr)

    def test_the_programs_and_their_pages_are_there_and_run(self) -> None:
        self.assertIn(self.version, self.run_in(self.root, self.prefix / "bin/wakeline",
                                                "--version"))
        for name in ("doorbell", "doorbell-c"):
            program = self.prefix / "libexec/wakeline" / name
            done = subprocess.run([program], env={"PATH": os.environ["PATH"]},
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 2, done.stderr)  # it found its library, and asks
            self.assertIn("usage", done.stderr)
        for page in ("share/man/man1/wakeline.1", "share/doc/wakeline/LICENSE",
                     "share/bash-completion/completions/wakeline"):
            self.assertTrue((self.prefix / page).is_file(), page)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True, help="the build folder")
    parser.add_argument("--version", required=True)
    arguments, rest = parser.parse_known_args()
    Install.build, Install.version = arguments.build, arguments.version
    unittest.main(argv=[sys.argv[0], *rest])
