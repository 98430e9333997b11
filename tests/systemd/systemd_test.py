#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our units under a real systemd: boots one in namespaces of its own, on a copy-on-write view of
this machine, and runs probe.py there. Skipped (77) where the machine forbids that."""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

_HERE = pathlib.Path(__file__).parent
_SKIPPED = 77
_BOUND_S = 200
_NAMESPACES = ["--pid", "--mount", "--cgroup", "--net", "--uts", "--ipc", "--fork", "--kill-child"]


def new_cgroup() -> pathlib.Path | None:
    """An empty cgroup v2 of ours: the root of the one that systemd will see."""
    mounts = pathlib.Path("/proc/self/mounts").read_text().splitlines()
    for mount in mounts:
        _, folder, kind, *_ = mount.split()
        if kind != "cgroup2":
            continue
        path = pathlib.Path(folder) / f"wakeline-systemd-{os.getpid()}"
        try:
            path.mkdir()
        except OSError:
            continue
        return path
    return None


def remove_cgroup(path: pathlib.Path) -> None:
    end = time.monotonic() + 10
    while path.exists() and time.monotonic() < end:
        for folder, _, _ in os.walk(path, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                time.sleep(0.05)


_TRIED = """mount -t tmpfs none /mnt && mkdir /mnt/upper /mnt/work &&
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt"""


def why_not() -> str:
    """Why the units cannot be tried here; empty: they can."""
    if os.geteuid() != 0:
        return "not root"
    for unit in ("system/user@.service", "system/dbus.service", "user/dbus.socket"):
        if not pathlib.Path("/usr/lib/systemd", unit).exists():
            return f"{unit} is not installed"
    words = ["unshare", *_NAMESPACES, "sh", "-c", _TRIED]
    tried = subprocess.run(words, capture_output=True, text=True)
    return "" if tried.returncode == 0 else f"no namespaces: {tried.stderr.strip()}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    parser.add_argument("--units", required=True)
    parser.add_argument("--only", default="", help="a test or class of probe.py")
    arguments = parser.parse_args()
    if reason := why_not():
        print("skipped:", reason)
        return _SKIPPED
    cgroup = new_cgroup()
    if cgroup is None:
        print("skipped: no cgroup v2 to write")
        return _SKIPPED
    out = pathlib.Path(tempfile.mkdtemp(prefix="wakeline-systemd-"))
    try:
        with open(out / "console.log", "wb") as console:
            subprocess.run(
                [*("unshare", *_NAMESPACES, "sh", _HERE / "boot.sh", arguments.program),
                 *(arguments.units, out, arguments.only)],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                timeout=_BOUND_S,
                preexec_fn=lambda: (cgroup / "cgroup.procs").write_text("0"),
            )
        log = out / "probe.log"
        said = log.read_text(errors="replace") if log.exists() else ""
        print(said)
        if said.rstrip().endswith("OK"):
            return 0
        print("--- console\n", (out / "console.log").read_text(errors="replace")[-20_000:])
        return 1
    finally:
        remove_cgroup(cgroup)
        shutil.rmtree(out, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
