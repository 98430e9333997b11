# SPDX-License-Identifier: Apache-2.0
"""Runs under a real systemd, as root (boot.sh): starts our units and looks at what they do."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import unittest
import urllib.request

_USER = "waker"
_UID = 1234
_PATIENCE_S = 20
_AS_USER = [
    *("runuser", "-u", _USER, "--", "env", f"HOME=/home/{_USER}"),
    *(f"XDG_RUNTIME_DIR=/run/user/{_UID}",),
    *(f"DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/{_UID}/bus",),
]
_CGROUPS = pathlib.Path("/sys/fs/cgroup")


def run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise AssertionError(f"{words} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout.strip()


def eventually(holds, what: str):
    """The first true value of `holds`."""
    end = time.monotonic() + _PATIENCE_S
    while not (value := holds()):
        if time.monotonic() > end:
            raise AssertionError(f"not in time: {what}")
        time.sleep(0.02)
    return value


def cgroup_of(pid: int) -> pathlib.Path:
    lines = pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    path = next(line[3:] for line in lines if line.startswith("0::"))
    return _CGROUPS / path.lstrip("/")


def capabilities(pid: int) -> set[int]:
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    word = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff"))
    return {bit for bit in range(64) if int(word, 16) >> bit & 1}


class HostUnit:
    """What the user's unit and the system's unit have in common."""

    control: list[str]
    unit: str

    @classmethod
    def setUpClass(cls) -> None:
        run("systemctl", "start", f"user@{_UID}.service")

    def systemctl(self, *words: str) -> str:
        return run(*self.control, *words)

    def show(self, name: str) -> str:
        return self.systemctl("show", "--value", "-p", name, self.unit)

    def main_pid(self) -> int:
        return int(self.show("MainPID"))

    def wakeline(self, *words: str) -> str:
        return run(*_AS_USER, "wakeline", *words)

    def app(self) -> dict:
        return json.loads(self.wakeline("apps", "info", "--json", "echo"))

    def sleeps(self) -> bool:
        return "frozen 1" in (cgroup_of(self.pid) / "cgroup.events").read_text()

    def ring(self) -> None:
        """The app is asleep, and answers."""
        eventually(self.sleeps, "the app sleeps")
        self.stream.write("one\n")
        self.stream.flush()
        self.assertEqual(self.stream.readline(), "pong one\n")

    def await_ready(self, former: int) -> int:
        """The number of the next host, once it answers."""
        pid = eventually(
            lambda: (now := self.main_pid()) != former and now, "the unit has begun anew"
        )

        def answers() -> bool:
            words = [*_AS_USER, "wakeline", "apps", "list"]
            return subprocess.run(words, capture_output=True).returncode == 0

        eventually(answers, "the host answers")
        return pid

    def setUp(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        listener.settimeout(_PATIENCE_S)
        port = listener.getsockname()[1]
        manifest = pathlib.Path(f"/home/{_USER}/echo.desktop")
        manifest.write_text(
            "[Desktop Entry]\nType=Application\nName=Echo\n"
            f"Exec=/usr/bin/python3 /usr/lib/echo_app.py {port}\nX-Wakeline-Voip=tcp:{port}\n"
        )
        self.systemctl("start", self.unit)
        self.addCleanup(self.systemctl, "stop", self.unit)
        self.await_ready(0)
        self.wakeline("apps", "install", str(manifest))
        self.wakeline("apps", "launch", "echo")
        connection, _ = listener.accept()
        self.addCleanup(connection.close)
        connection.settimeout(_PATIENCE_S)
        self.stream = connection.makefile("rw")
        self.addCleanup(self.stream.close)
        self.pid = int(self.stream.readline().split()[1])

    def hold_an_app_through_an_upgrade(self) -> pathlib.Path:
        """Returns the cgroup of the unit."""
        host = self.main_pid()
        # The app is in a cgroup of its own, below the delegated one of the unit.
        unit_folder = _CGROUPS / self.show("ControlGroup").lstrip("/")
        self.assertIn(unit_folder, cgroup_of(self.pid).parents)
        self.assertEqual(capabilities(self.pid), set())
        self.ring()
        eventually(self.sleeps, "the app sleeps")
        self.systemctl("reload", self.unit)
        eventually(lambda: not self.sleeps(), "the app is let run")
        self.await_ready(0)
        self.assertEqual(self.main_pid(), host)
        self.ring()
        return unit_folder

    def stop_cleanly(self, unit_folder: pathlib.Path) -> None:
        eventually(self.sleeps, "the app sleeps")
        self.systemctl("stop", self.unit)
        self.assertEqual(self.stream.read(), "")  # the app has ended
        self.assertEqual(self.show("ActiveState"), "inactive")
        self.assertEqual(self.show("Result"), "success")
        self.assertFalse(unit_folder.exists())


class UserUnit(HostUnit, unittest.TestCase):
    control = [*_AS_USER, "systemctl", "--user"]
    unit = "wakeline-host.service"

    def test_it_holds_an_app_and_lets_it_run_when_host_and_guardian_are_dead(self) -> None:
        unit_folder = self.hold_an_app_through_an_upgrade()
        eventually(self.sleeps, "the app sleeps")
        host = self.main_pid()
        own = [int(pid) for pid in (unit_folder / "cgroup.procs").read_text().split()]
        self.assertIn(host, own)
        self.assertEqual(len(own), 2, own)
        # At once: the guardian does not see the host's end.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in own:
                os.kill(pid, number)
        self.await_ready(host)
        self.ring()
        self.assertEqual(int(self.app()["pid"]), self.pid)
        self.stop_cleanly(unit_folder)


class SystemUnit(HostUnit, unittest.TestCase):
    control = ["systemctl"]
    unit = f"wakeline-host@{_UID}.service"

    def test_it_holds_an_app_with_what_a_users_unit_cannot_give(self) -> None:
        cap_net_admin, cap_sys_nice, cap_wake_alarm = 12, 23, 35
        wanted = {cap_net_admin, cap_sys_nice, cap_wake_alarm}
        self.assertEqual(capabilities(self.main_pid()), wanted)
        self.assertLess(os.getpriority(os.PRIO_PROCESS, self.main_pid()), 0)
        self.assertEqual(os.getpriority(os.PRIO_PROCESS, self.pid), 0)
        self.stop_cleanly(self.hold_an_app_through_an_upgrade())


class ServerUnit(unittest.TestCase):
    unit = "wakeline-server.service"

    def show(self, name: str) -> str:
        return run("systemctl", "show", "--value", "-p", name, self.unit)

    def test_it_serves_in_its_hardening_and_hands_over_to_a_new_process(self) -> None:
        config = run("wakeline", "server", "--print-config")
        config = config.replace('operators = "off"', 'operators = "127.0.0.1:9180"')
        path = pathlib.Path("/etc/wakeline/server.toml")
        path.parent.mkdir(exist_ok=True)
        path.write_text(config)

        def healthy() -> bool:
            with urllib.request.urlopen("http://127.0.0.1:9180/healthz", timeout=5) as answer:
                return answer.status == 200

        run("systemctl", "start", self.unit)  # Type=notify: it serves when this returns
        self.addCleanup(run, "systemctl", "stop", self.unit)
        self.assertTrue(healthy())
        first = int(self.show("MainPID"))
        self.assertEqual(capabilities(first), set())
        self.assertNotEqual(os.stat(f"/proc/{first}").st_uid, 0)
        token = pathlib.Path("/var/lib/wakeline-server/admin-token").read_text().strip()
        self.assertTrue(token)
        run("systemctl", "reload", self.unit)
        self.assertEqual(int(self.show("MainPID")), first)
        os.kill(first, signal.SIGHUP)
        eventually(lambda: int(self.show("MainPID")) not in (0, first), "the next process is known")
        self.assertEqual(self.show("ActiveState"), "active")
        self.assertTrue(healthy())
        run("systemctl", "stop", self.unit)
        said = run("journalctl", "--no-pager", "-u", self.unit)
        self.assertEqual(self.show("Result"), "success", said)


if __name__ == "__main__":
    unittest.main(verbosity=2, failfast=True)
