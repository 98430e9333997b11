#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""systemd itself reads our units: a key that it does not know is one that does nothing."""

import pathlib
import subprocess
import sys
import tempfile

import tree
from tree import Finding

_FOLDER = "packaging/systemd"
_INSTANCE = "1000"


def verify(folder: pathlib.Path, unit: pathlib.Path) -> str:
    """What systemd-analyze says of one unit; "" when all is well."""
    text = unit.read_text(encoding="utf-8")
    # The program is not installed where the check runs.
    text = text.replace("ExecStart=/usr/bin/wakeline", "ExecStart=/bin/true")
    name = unit.name.replace("@.", f"@{_INSTANCE}.")
    folder.joinpath(name).write_text(text, encoding="utf-8")
    user = ["--user"] if "[Install]\nWantedBy=default.target" in text else []
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *user, folder / name],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(folder), "HOME": str(folder)},
    )
    # An unknown key is only printed: every word is a finding.
    said = (done.stdout + done.stderr).strip().replace(str(folder) + "/", "")
    return said or ("" if done.returncode == 0 else f"exit {done.returncode}")


def check(root: pathlib.Path) -> tuple[list[Finding], int]:
    units = sorted((root / _FOLDER).glob("*.service"))
    findings = []
    for unit in units:
        with tempfile.TemporaryDirectory() as folder:
            said = verify(pathlib.Path(folder), unit)
        if said:
            findings.append(Finding(f"{_FOLDER}/{unit.name}", 0, said))
    return findings, len(units)


def main() -> None:
    tree.finish(*check(tree.parser(__doc__).parse_args().root), "units")


if __name__ == "__main__":
    main()
