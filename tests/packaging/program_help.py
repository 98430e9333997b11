# SPDX-License-Identifier: Apache-2.0
"""What `wakeline --help` says of every command: its options, arguments, and commands below it."""

import dataclasses
import re
import subprocess

# Commands whose options may stand behind the commands below them as well; of the server one does.
_PASSES_ON = {("apps",), ("devices",), ("tokens",), ("server",)}
_OF_THE_SERVER = "--data-folder"


@dataclasses.dataclass
class Command:
    path: tuple[str, ...]
    options: dict[str, str] = dataclasses.field(default_factory=dict)  # by long name: kind of value
    arguments: list[str] = dataclasses.field(default_factory=list)  # kinds
    commands: list[str] = dataclasses.field(default_factory=list)
    passed_on: dict[str, str] = dataclasses.field(default_factory=dict)

    def all_options(self) -> dict[str, str]:
        return {**self.passed_on, **self.options}


def read(program: str, path: tuple[str, ...] = ()) -> Command:
    text = subprocess.run([program, *path, "--help"], check=True, capture_output=True,
                          text=True).stdout
    command, section = Command(path), ""
    for line in text.splitlines():
        if re.fullmatch(r"[A-Z][a-z]+:", line):
            section = line
        elif not line:
            section = ""
        entry = re.match(r"  ([-a-z]\S*)(.*?)(?:  |$)", line)
        if not entry:
            continue
        kind = re.sub(r"(Excludes|Needs): .*", "", entry[2]).strip()
        if section == "Options:":
            names = [name for name in entry[1].split(",") if name.startswith("--")]
            command.options[names[0]] = kind
        elif section == "Positionals:":
            command.arguments.append(kind)
        elif section == "Subcommands:":
            command.commands.append(entry[1])
    return command


def read_all(program: str) -> list[Command]:
    """Every command, each before those below it."""
    found, waiting = [], [read(program)]
    while waiting:
        command = waiting.pop(0)
        found.append(command)
        for name in command.commands:
            below = read(program, (*command.path, name))
            if command.path in _PASSES_ON:
                below.passed_on = {
                    option: kind for option, kind in command.options.items()
                    if option != "--help"
                    and (command.path != ("server",) or option == _OF_THE_SERVER)}
            waiting.append(below)
    return found
