#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The completion for bash offers what the help of every command has: commands, options, and the
values of options and arguments by their kinds."""

import argparse
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

import program_help

# Each line of stdin is the words of a command line, quoted; the answer ends with an empty line.
_ASK = """source "$0"
while IFS= read -r line; do
  eval "COMP_WORDS=($line)" && COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
  _wakeline </dev/null
  printf '%s\\n' "${COMPREPLY[@]}" | sed '/^$/d'
  echo
done
"""


class Completion(unittest.TestCase):
    program: str
    script: str
    commands: list[program_help.Command]

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory(prefix="wakeline-completion-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        (cls.folder / "a file").touch()
        (cls.folder / "below").mkdir()
        cls.commands = program_help.read_all(cls.program)
        cls.errors = open(cls.folder / "below/errors", "w+", encoding="utf-8")
        cls.addClassCleanup(cls.errors.close)
        cls.bash = subprocess.Popen(
            ["bash", "--norc", "-c", _ASK, os.path.abspath(cls.script)], cwd=cls.folder,
            env={**os.environ, "XDG_STATE_HOME": str(cls.folder / "below")},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=cls.errors, text=True)
        cls.addClassCleanup(cls.bash.communicate)

    def complete(self, *words: str) -> list[str]:
        self.bash.stdin.write(shlex.join([self.program, *words]) + "\n")
        self.bash.stdin.flush()
        offered = list(iter(lambda: self.bash.stdout.readline().rstrip("\n"), ""))
        self.errors.seek(0)
        self.assertEqual(self.errors.read(), "", words)
        return offered

    def expect_values(self, kind: str, *words: str) -> None:
        offered = self.complete(*words, "")
        choice = re.search(r"\{(.*)\}", kind)
        if choice:
            self.assertEqual(sorted(offered), sorted(choice[1].split(",")), words)
        elif kind.startswith("FOLDER"):
            self.assertEqual(offered, ["below"], words)
        elif kind.startswith("FILE"):
            self.assertEqual(sorted(offered), ["a file", "below"], words)
        elif kind.startswith("SCENARIO"):
            self.assertTrue({"crashing", "commuter", "a file"} <= set(offered), words)
        elif kind.startswith("PROGRAM"):
            self.assertTrue({"bash", "a file"} <= set(offered), words)
        else:
            self.assertEqual(offered, [], words)

    def test_it_offers_every_command(self) -> None:
        self.assertGreater(len(self.commands), 40)
        for command in self.commands:
            if command.commands:
                self.assertEqual(self.complete(*command.path, ""), command.commands)

    def test_it_offers_every_option_of_every_command(self) -> None:
        for command in self.commands:
            offered = self.complete(*command.path, "-")
            self.assertEqual(offered, sorted(command.all_options()), command.path)

    def test_it_offers_values_of_options_by_their_kind(self) -> None:
        looked_at = 0
        for command in self.commands:
            for option, kind in command.all_options().items():
                if kind.startswith(("FILE", "FOLDER")) or "{" in kind:
                    self.expect_values(kind, *command.path, option)
                    looked_at += 1
        self.assertGreater(looked_at, 20)
        self.assertEqual(self.complete("host", "--profile", "=", "ios-"), ["ios-classic"])
        self.assertEqual(self.complete("host", "--profile", "=")[0], "linux")

    def test_it_offers_arguments_by_their_kind(self) -> None:
        for command in self.commands:
            words = list(command.path)
            for kind in command.arguments:
                self.expect_values(kind, *words)
                words.append("x")

    def test_every_option_for_a_file_or_folder_says_so(self) -> None:
        for command in self.commands:
            for option, kind in command.options.items():
                if re.search(r"-file$|^--(output|report|config|ca|doorbell)$", option):
                    self.assertTrue(kind.startswith("FILE"), (command.path, option, kind))
                if re.search(r"-folder$|^--(apps|cgroup-parent)$", option):
                    self.assertTrue(kind.startswith("FOLDER"), (command.path, option, kind))

    def test_the_value_of_an_option_is_no_command(self) -> None:
        self.assertEqual(sorted(self.complete("server", "--data-folder", "devices", "backup", "")),
                         ["a file", "below"])
        self.assertIn("--check-config", self.complete("server", "--data-folder", "stats", "--"))

    def test_the_words_of_another_program_are_files(self) -> None:
        for words in (["run", "sh"], ["run", "--", "sh"], ["run", "--voip", "all", "sh", "-c"]):
            self.assertEqual(sorted(self.complete(*words, "")), ["a file", "below"], words)
            self.assertEqual(self.complete(*words, "--"), [], words)
        self.assertIn("--voip", self.complete("run", "--"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    parser.add_argument("--script", required=True)
    options, rest = parser.parse_known_args()
    Completion.program = os.path.abspath(options.program)
    Completion.script = options.script
    unittest.main(argv=[sys.argv[0], *rest])
