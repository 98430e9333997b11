#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads every #include of the tree against the table in layers.toml."""

import pathlib
import re
import tomllib

import tree
from tree import Finding

_INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>|(\S+))')
_ROW = re.compile(r"^\|\s*`(?P<folder>[^`]+)/`\s*\|.*\|\s*(?P<may>[^|]*?)\s*\|\s*$")


class Table:
    """layers.toml, with the questions that the check asks of it."""

    def __init__(self, data: dict) -> None:
        self.layers: dict[str, dict] = data["layer"]
        self.external: dict[str, list[str]] = data["external"]
        self.c_headers: list[str] = data.get("c_headers", {}).get("files", [])
        self.pure_forbidden: set[str] = set(data.get("pure", {}).get("forbidden", []))
        for name, layer in self.layers.items():
            for other in layer["may"]:
                if other != "*" and other not in self.layers:
                    raise ValueError(f"layer {name} may include {other}, which is no layer")
            for group in layer["external"]:
                if group != "*" and group not in self.external:
                    raise ValueError(f"layer {name} names the unknown group {group}")

    def is_c_header(self, path: str) -> bool:
        """`files` names headers, and folders of headers by a "/" at their end."""
        return any(path == c or (c.endswith("/") and path.startswith(c)) for c in self.c_headers)

    def layer_of(self, path: str) -> str | None:
        """The layer with the longest folder that holds `path`, or that names it as a file."""
        best, length = None, -1
        for name, layer in self.layers.items():
            if path in layer.get("files", []):
                return name
            folder = layer["folder"] + "/"
            if path.startswith(folder) and len(folder) > length:
                best, length = name, len(folder)
        return best

    def groups_of(self, header: str) -> list[str]:
        return [
            group
            for group, patterns in self.external.items()
            if any(header.startswith(p) if p.endswith("/") else header == p for p in patterns)
        ]


def is_test(path: str) -> bool:
    """Tests and fuzz targets beside the source, and their helpers (doze_testing.h)."""
    name = path.rsplit("/", 1)[-1]
    return re.search(r"(_test|_fuzz)\.cc$|_testing\.(h|cc)$", name) is not None


def check_quoted(table: Table, root: pathlib.Path, layer: str, header: str) -> str | None:
    for folder in ("src", "include"):
        if (root / folder / header).is_file():
            target = table.layer_of(f"{folder}/{header}")
            break
    else:
        # What is no module (tests, benchmarks, examples) may include its own headers by name.
        own = table.layers[layer]["folder"]
        if not own.startswith(("src", "include")) and list((root / own).rglob(header)):
            return None
        # Tests may stand on the beds of the benchmarks ("bench/bed.h").
        if own.startswith("tests") and header.startswith("bench/") and (root / header).is_file():
            return None
        # And benchmarks on what tests break connections with.
        if own == "bench" and header.startswith("tests/support/") and (root / header).is_file():
            return None
        return f'"{header}": no such header below src/ or include/ (includes are written from src/)'
    return check_layer(table, layer, target, header)


def check_layer(table: Table, layer: str, target: str | None, header: str) -> str | None:
    may = table.layers[layer]["may"]
    if target is None:
        return f"{header} belongs to no layer of layers.toml"
    if target == layer or "*" in may or target in may:
        return None
    allowed = ", ".join(may) or "nothing of ours"
    return f"{layer} includes {header} of {target}; it may include {allowed}"


def check_angle(table: Table, root: pathlib.Path, path: str, layer: str, header: str) -> str | None:
    rules = table.layers[layer]
    if header.startswith("wakeline/"):
        if not (root / "include" / header).is_file():
            return f"<{header}>: no such header below include/"
        if table.is_c_header(path) and not table.is_c_header(f"include/{header}"):
            return f"<{header}> is not of the C ABI"
        return check_layer(table, layer, table.layer_of(f"include/{header}"), header)

    groups = table.groups_of(header)
    is_std = "c_std" in groups or ("/" not in header and "." not in header)
    if table.is_c_header(path):
        return None if "c_std" in groups else f"<{header}> is not of the C standard library"
    if rules.get("pure") and header in table.pure_forbidden:
        return f"{layer} is pure: <{header}> is for clocks, threads, randomness or IO"
    if is_std:
        return None
    if not groups:
        return f"<{header}> belongs to no group of layers.toml"
    allowed = set(rules["external"])
    if is_test(path):
        allowed.add("test")
        if not rules.get("pure"):
            allowed.add("posix")
    if "*" in allowed or allowed.intersection(groups):
        return None
    return f"{layer} includes <{header}> ({' or '.join(groups)}); it may use " + (
        ", ".join(sorted(allowed)) or "std only"
    )


def check_file(table: Table, root: pathlib.Path, path: str) -> list[Finding]:
    layer = table.layer_of(path)
    if layer is None:
        return [Finding(path, 0, "belongs to no layer of layers.toml")]
    findings = []
    for number, line in enumerate(tree.read(root, path).splitlines(), start=1):
        match = _INCLUDE.match(line)
        if match is None:
            continue
        quoted, angle, macro = match.groups()
        if macro:
            what = f"#include {macro}: the layer of a macro cannot be checked"
        elif quoted and table.is_c_header(path):
            what = f'"{quoted}": a C header includes C headers only'
        elif quoted:
            what = check_quoted(table, root, layer, quoted)
        else:
            what = check_angle(table, root, path, layer, angle)
        if what:
            findings.append(Finding(path, number, what))
    return findings


def check_architecture(table: Table, text: str) -> list[Finding]:
    """The table of ARCHITECTURE.md has one row for each layer of src/ and include/, and the same
    third column: "std", "all", or the names of layers (`core`: every core layer)."""
    path = "ARCHITECTURE.md"
    by_folder = {rules["folder"]: name for name, rules in table.layers.items()}
    seen, findings = set(), []
    for number, line in enumerate(text.splitlines(), start=1):
        match = _ROW.match(line)
        if match is None:
            continue
        name = by_folder.get(match["folder"])
        if name is None:
            findings.append(Finding(path, number, f"{match['folder']} is no layer of layers.toml"))
            continue
        seen.add(name)
        words = {word.strip() for word in match["may"].split(",")}
        if "core" in words:
            words.remove("core")
            words.update(layer for layer in table.layers if layer.startswith("core/"))
        says = {"*"} if words == {"all"} else words - {"std"}
        if says != set(table.layers[name]["may"]):
            may = ", ".join(table.layers[name]["may"]) or "std"
            findings.append(Finding(path, number, f"layers.toml lets {name} include: {may}"))
    for name, rules in table.layers.items():
        if name not in seen and rules["folder"].startswith(("src", "include")):
            findings.append(Finding(path, 0, f"the layer {name} has no row in the table"))
    return findings


def check(root: pathlib.Path, table: Table) -> tuple[list[Finding], int]:
    paths = tree.cxx_files(root)
    findings = [finding for path in paths for finding in check_file(table, root, path)]
    architecture = root / "ARCHITECTURE.md"
    text = architecture.read_text(encoding="utf-8") if architecture.is_file() else ""
    return findings + check_architecture(table, text), len(paths)


def main() -> None:
    arguments = tree.parser(__doc__).parse_args()
    with open(pathlib.Path(__file__).parent / "layers.toml", "rb") as file:
        table = Table(tomllib.load(file))
    tree.finish(*check(arguments.root, table), "sources")


if __name__ == "__main__":
    main()
