#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/from-ios.md: each line of code in the second column of its tables compiles, and each line of
a desktop entry there has a key that docs/guides/manifest.md knows."""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

# What a line may name: the objects that the page introduces, and the reader's own functions.
_PRELUDE = """
using namespace wakeline;
struct Mine {
  App& app;
  RunLoop& loop;
  StreamPair& stream;
  PushClient& client;
  BackgroundTask task;
  AudioSession session;
  Notification notification;
  CURL* easy = nullptr;
  int fd = -1;
  char buffer[16];
  std::string guarded, open;
  void ping() {}
  void give_up() {}
  void keep_alive_on() {}
  void handle(StreamEvent) {}
  void answer(const std::string&) {}
  void ring(const std::string&) {}
  void yield_to(CallState) {}
  void compare(const std::vector<NetworkFacts::Address>&) {}
"""
_HEADERS = ["adapters/curl.h", "app.h", "push_client.h", "run_loop.h", "secret.h", "stream.h"]
_FLAGS = ["-std=c++20", "-fsyntax-only", "-Wall", "-Werror", "-Wno-unused-variable",
          "-Wno-unused-but-set-variable", "-Wno-missing-field-initializers"]


def second_column(text: str) -> list[tuple[int, str]]:
    """Line number and code of each row."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) >= 5 and (match := re.fullmatch(r"`([^`]+)`", cells[2])):
            found.append((number, match[1]))
    return found


def source_of(page: pathlib.Path, lines: list[tuple[int, str]]) -> str:
    """Each line in a function of its own, with the page's line number for the compiler's words."""
    text = "".join(f"#include <wakeline/{header}>\n" for header in _HEADERS)
    text += "#include <string>\n#include <thread>\n#include <vector>\n" + _PRELUDE
    for number, code in lines:
        if code.startswith("case "):
            code = f"switch (StreamEvent{{}}) {{ {code} break; default: break; }}"
        text += f"  void line_{number}() {{\n#line {number} \"{page}\"\n    {code}\n  }}\n"
    return text + "};\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--cxx", default="g++")
    arguments = parser.parse_args()
    page = arguments.root / "docs/from-ios.md"
    rows = second_column(page.read_text(encoding="utf-8"))
    entries = [(n, code) for n, code in rows if re.match(r"X-Wakeline-\w+=", code)]
    lines = [(n, code) for n, code in rows if not re.match(r"X-Wakeline-\w+=", code)]
    if not entries or len(lines) < 40:
        print(f"{page}: {len(entries)} entries and {len(lines)} lines: the tables were not read")
        sys.exit(2)

    keys = (arguments.root / "docs/guides/manifest.md").read_text(encoding="utf-8")
    unknown = [(n, code) for n, code in entries if f"| `{code.split('=')[0]}` |" not in keys]
    for number, code in unknown:
        print(f"{page}:{number}: manifest.md knows no key of {code}")
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "page.cc")
        source.write_text(source_of(page, lines), encoding="utf-8")
        done = subprocess.run(
            [arguments.cxx, *_FLAGS, "-I", arguments.root / "include", source],
            capture_output=True, text=True,
        )
    print(done.stderr, end="")
    print(f"{len(lines)} lines of code, {len(entries)} of a desktop entry")
    sys.exit(1 if unknown or done.returncode else 0)


if __name__ == "__main__":
    main()
