#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The manual page names every command and every option that the program's help has, and no other.
An option stands in the item of its command, or among those of many commands."""

import argparse
import pathlib
import re
import sys
import unittest

import program_help


def items(section: str) -> list[tuple[str, str]]:
    """Head and text of each item of a section's outer list."""
    found, depth = [], 0
    for line in section.splitlines():
        depth += line.startswith(".Bl") - line.startswith(".El")
        if line.startswith(".It ") and depth == 1:
            found.append([line[len(".It "):], line + "\n"])
        elif found and depth > 0:
            found[-1][1] += line + "\n"
    return [(head, text) for head, text in found]


def flags(text: str) -> set[str]:
    return {"-" + name for name in re.findall(r"\bFl (-[a-z][a-z-]*)", text)}


def paths(head: str) -> list[tuple[str, ...]]:
    """Those of "Cm devices Cm add | list": the command alone, and each behind it."""
    head = re.sub(r" O[op] (?!Cm).*", "", head).replace(" Op Cm", " Cm")
    words = re.match(r"(?:Cm (?:[a-z-]+ ?\|? ?)+)+", head)
    names = [part.split(" | ") for part in re.split(r"Cm ", words[0] if words else "") if part]
    names = [[name.strip() for name in part] for part in names]
    if not names:
        return []
    first = [tuple(names[0][0].split())]
    return first + [(*first[0], *more.split()) for part in names[1:] for more in part]


class ManPage(unittest.TestCase):
    program: str
    page: str

    @classmethod
    def setUpClass(cls) -> None:
        cls.commands = program_help.read_all(cls.program)
        text = pathlib.Path(cls.page).read_text(encoding="utf-8")
        cls.sections = dict(re.findall(r"^\.Sh ([A-Z ]+)\n(.*?)(?=^\.Sh |\Z)", text, re.M | re.S))
        cls.shared = flags(cls.sections["OPTIONS OF MANY COMMANDS"])
        general = flags(cls.sections["SYNOPSIS"]) | flags(cls.sections["DESCRIPTION"])
        # Which commands an item is about, and the options that it names.
        cls.items = [([()], general)] + [
            (paths(head), flags(body)) for head, body in items(cls.sections["COMMANDS"])]

    def documented(self, path: tuple[str, ...]) -> set[str]:
        """Also by the item of a command that it is below of."""
        own = {path[:length] for length in range(1, len(path) + 1)} or {()}
        return set().union(*(named for about, named in self.items if own & set(about)))

    def test_it_has_every_command(self) -> None:
        about = {path[:length] for named, _ in self.items for path in named
                 for length in range(len(path) + 1)}
        self.assertEqual({command.path for command in self.commands} - about, set())

    def test_it_has_every_option(self) -> None:
        self.assertGreater(sum(len(command.options) for command in self.commands), 100)
        missing = [
            f"{' '.join(command.path)} {option}"
            for command in self.commands for option in command.options
            if option not in self.shared | self.documented(command.path)]
        self.assertEqual(missing, [])

    def test_it_has_no_option_that_is_gone(self) -> None:
        for about, named in self.items:
            known = {option for command in self.commands for option in command.all_options()
                     if any(command.path[:len(path)] == path for path in about)}
            self.assertEqual(named - known - self.shared, set(), about)
        everywhere = {option for command in self.commands for option in command.options}
        self.assertEqual(self.shared - everywhere, set())

    def test_it_has_every_exit_code(self) -> None:
        self.assertEqual(re.findall(r"^\.It (\d)$", self.sections["EXIT STATUS"], re.M),
                         [str(code) for code in range(9)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    parser.add_argument("--page", required=True)
    options, rest = parser.parse_known_args()
    ManPage.program, ManPage.page = options.program, options.page
    unittest.main(argv=[sys.argv[0], *rest])
