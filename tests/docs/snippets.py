#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""README.md and docs/guides: each block of C++ or C compiles without a warning, so that nobody
copies one in which a result is not looked at. "…" stands for code of the reader's."""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

# What a block may name: the objects that the text around it introduces.
_CPP = """
#include <wakeline/app.h>
#include <wakeline/push_client.h>
#include <wakeline/run_loop.h>
#include <wakeline/stream.h>
#include <string>
#include <thread>
wakeline::Result<wakeline::App> app = wakeline::App::create();
int fd = -1;
void log(const std::string&);
#if __has_include(<gloox/client.h>)
#include <gloox/client.h>
#include <gloox/tlsbase.h>
#include <wakeline/adapters/gloox.h>
std::string jid, password, server;
gloox::Client client(server);
#endif
"""
_C = """
#include <wakeline/wakeline.h>
#include <stddef.h>
static wakeline_app_t* app;
static int fd = -1;
void log_line(const char*);
"""
_FLAGS = ["-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-Wno-unused-variable",
          "-Wno-unused-parameter", "-Wno-unused-but-set-variable", "-Wno-unused-function"]
_BLOCK = re.compile(r"^```(cpp|c)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: pathlib.Path) -> list[tuple[str, int, str]]:
    """Language, first line's number and code of each."""
    text = page.read_text(encoding="utf-8")
    return [(m[1], text.count("\n", 0, m.start(2)) + 1, m[2]) for m in _BLOCK.finditer(text)]


def function_of(name: str, page: pathlib.Path, line: int, code: str) -> str:
    """The block as a function, with the page's line numbers for the compiler's words."""
    includes = re.findall(r"^#include.*$", code, re.MULTILINE)
    body = re.sub(r"^#include.*$", "", code, flags=re.MULTILINE).replace("…", "")
    text = f"void {name}(void);\nvoid {name}(void) {{\n#line {line} \"{page}\"\n{body}}}\n"
    if "gloox" in code or "client." in code:
        text = f"#if __has_include(<gloox/client.h>)\n{text}#endif\n"
    return "\n".join(includes) + "\n" + text


def compile_all(command: list[str], source: str, suffix: str, root: pathlib.Path) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "blocks" + suffix)
        file.write_text(source, encoding="utf-8")
        done = subprocess.run([*command, *_FLAGS, "-I", root / "include", file],
                              capture_output=True, text=True)
    print(done.stderr, end="")
    return done.returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--cxx", default="g++")
    parser.add_argument("--cc", default="gcc")
    arguments = parser.parse_args()
    sources = {"cpp": _CPP, "c": _C}
    count = 0
    for page in [arguments.root / "README.md", *sorted(arguments.root.glob("docs/guides/*.md"))]:
        for language, line, code in blocks(page):
            count += 1
            sources[language] += function_of(f"block_{count}", page, line, code)
    if count < 8:
        print(f"{count} blocks: the pages were not read")
        sys.exit(2)
    fine = compile_all([arguments.cxx, "-std=c++20"], sources["cpp"], ".cc", arguments.root)
    fine = compile_all([arguments.cc, "-std=c11"], sources["c"], ".c", arguments.root) and fine
    print(f"{count} blocks")
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
