#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The checks can fail: each is run over a small tree with one fault, and over the same tree without
it. Also compiles small libraries and headers, so it needs the compilers that the checks use."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import contract  # noqa: E402
import core_purity  # noqa: E402
import layers  # noqa: E402
import mqtt_statements  # noqa: E402
import public_headers  # noqa: E402
import systemd_units  # noqa: E402
import text_rules  # noqa: E402

_HERE = pathlib.Path(__file__).parent
_SPDX = "// SPDX-License-Identifier: Apache-2.0\n"
_CXX = os.environ.get("WAKELINE_CXX", "g++")


class Tree(unittest.TestCase):
    """A source tree in a folder of its own."""

    def setUp(self) -> None:
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="wakeline-checks-"))
        self.addCleanup(shutil.rmtree, self.root)

    def write(self, path: str, text: str) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")


class Layers(Tree):
    TABLE = {
        "layer": {
            "public": {"folder": "include/wakeline", "may": [], "external": []},
            "adapters": {
                "folder": "include/wakeline/adapters", "may": ["public"], "external": ["posix"]
            },
            "base": {"folder": "src/base", "may": [], "external": ["fmt"]},
            "core/doze": {"folder": "src/core/doze", "may": ["base"], "external": [], "pure": True},
            "core/link": {"folder": "src/core/link", "may": ["base"], "external": [], "pure": True},
            "host": {"folder": "src/host", "may": ["base", "core/doze"], "external": ["posix"]},
            "cli": {"folder": "src/cli", "files": ["src/main.cc"], "may": ["*"], "external": ["*"]},
            "examples": {"folder": "examples", "may": ["public"], "external": []},
            "bench": {"folder": "bench", "may": ["*"], "external": ["*"]},
            "tests": {"folder": "tests", "may": ["*"], "external": ["*"]},
        },
        "c_headers": {"files": ["include/wakeline/wakeline.h", "include/wakeline/c/"]},
        "pure": {"forbidden": ["thread"]},
        "external": {
            "fmt": ["fmt/"],
            "posix": ["unistd.h", "sys/socket.h"],
            "test": ["gtest/"],
            "c_std": ["stdint.h"],
        },
    }

    def setUp(self) -> None:
        super().setUp()
        self.table = layers.Table(self.TABLE)
        self.write("src/base/time.h", "#include <cstdint>\n#include <fmt/format.h>\n")
        self.write("src/core/doze/doze.h", '#include "base/time.h"\n')
        self.write(
            "src/core/doze/doze_test.cc", '#include "core/doze/doze.h"\n#include <gtest/gtest.h>\n'
        )
        self.write("src/core/link/link.h", '#include "base/time.h"\n')
        self.write("src/host/host.cc", '#include "core/doze/doze.h"\n#include <unistd.h>\n')
        self.write("src/main.cc", '#include "host/host.h"\n')
        self.write("src/host/host.h", "#include <memory>\n")
        self.write("include/wakeline/app.h", "#include <string>\n")
        self.write("include/wakeline/wakeline.h", "#include <wakeline/c/app.h>\n")
        self.write("include/wakeline/c/app.h", "#include <stdint.h>\n")
        self.write("examples/bell.cc", "#include <wakeline/app.h>\n")

    def findings(self) -> list[str]:
        paths = layers.tree.cxx_files(self.root)
        return [str(f) for p in paths for f in layers.check_file(self.table, self.root, p)]

    def expect(self, path: str, text: str, finding: str) -> None:
        self.write(path, text)
        found = self.findings()
        self.assertEqual(len(found), 1, found)
        self.assertIn(finding, found[0])

    def test_a_tree_that_keeps_the_table_passes(self) -> None:
        self.assertEqual(self.findings(), [])

    def test_an_include_upwards_is_found(self) -> None:
        self.expect(
            "src/base/time.h", '\n#include "host/host.h"\n', "time.h:2: base includes host/host.h"
        )

    def test_an_include_sideways_is_found(self) -> None:
        self.expect("src/core/doze/x.cc", '#include "core/link/link.h"\n', "of core/link")

    def test_a_test_beside_the_source_keeps_the_rule_of_its_module(self) -> None:
        self.expect("src/core/doze/x_test.cc", '#include "host/host.h"\n', "of host")

    def test_a_relative_include_is_found(self) -> None:
        self.expect("src/core/doze/x.cc", '#include "doze.h"\n', "written from src/")

    def test_a_foreign_header_of_another_layer_is_found(self) -> None:
        self.expect("src/core/doze/x.cc", "#include <sys/socket.h>\n", "(posix)")

    def test_an_unknown_foreign_header_is_found(self) -> None:
        self.expect("src/host/x.cc", "#include <curl/curl.h>\n", "no group")

    def test_a_thread_in_a_pure_layer_is_found(self) -> None:
        self.expect("src/core/link/x.cc", "#include <thread>\n", "is pure")

    def test_tests_and_benchmarks_share_what_is_for_both_and_nothing_more(self) -> None:
        self.write("tests/support/proxy.h", "#include <string>\n")
        self.write("tests/integration/fixture.h", "#include <string>\n")
        self.write("bench/bed.h", "#include <string>\n")
        self.write("bench/wake.cc", '#include "tests/support/proxy.h"\n#include "bed.h"\n')
        self.write("tests/peers/bench_test.cc", '#include "bench/bed.h"\n')
        self.assertEqual(self.findings(), [])
        self.expect("bench/x.cc", '#include "tests/integration/fixture.h"\n', "no such header")

    def test_a_program_takes_nothing_from_the_tests(self) -> None:
        self.write("tests/support/proxy.h", "#include <string>\n")
        self.expect("src/host/x.cc", '#include "tests/support/proxy.h"\n', "no such header")

    def test_a_test_framework_outside_tests_is_found(self) -> None:
        self.expect("src/host/x.cc", "#include <gtest/gtest.h>\n", "(test)")

    def test_an_example_that_sees_the_inside_is_found(self) -> None:
        self.expect("examples/bell.cc", '#include "base/time.h"\n', "examples includes")

    def test_a_public_header_that_sees_the_inside_is_found(self) -> None:
        self.expect("include/wakeline/app.h", '#include "base/time.h"\n', "public includes")

    def test_a_public_header_that_needs_an_adapter_is_found(self) -> None:
        adapter = "#include <unistd.h>\n#include <wakeline/app.h>\n"
        self.write("include/wakeline/adapters/posix.h", adapter)
        self.expect(
            "include/wakeline/app.h", "#include <wakeline/adapters/posix.h>\n", "of adapters"
        )

    def test_a_cxx_header_in_the_c_header_is_found(self) -> None:
        self.expect("include/wakeline/wakeline.h", "#include <string>\n", "C standard library")

    def test_a_cxx_header_of_ours_in_a_c_header_is_found(self) -> None:
        self.expect("include/wakeline/c/app.h", "#include <wakeline/app.h>\n", "of the C ABI")

    def test_a_macro_include_is_found(self) -> None:
        self.expect("src/host/x.cc", "#include HEADER\n", "macro")

    def test_a_folder_without_a_layer_is_found(self) -> None:
        self.expect("src/extra/x.cc", "int x;\n", "no layer")

    def test_the_table_of_the_document_must_say_the_same(self) -> None:
        rows = [
            ("include/wakeline", "std"),
            ("include/wakeline/adapters", "public"),
            ("src/base", "std"),
            ("src/core/doze", "base"),
            ("src/core/link", "base"),
            ("src/host", "base, core/doze"),
            ("src/cli", "all"),
        ]
        def text(pairs: list[tuple[str, str]]) -> str:
            return "".join(f"| `{folder}/` | holds | {may} |\n" for folder, may in pairs)

        self.assertEqual(layers.check_architecture(self.table, text(rows)), [])
        rows[5] = ("src/host", "base, core")
        found = layers.check_architecture(self.table, text(rows))
        self.assertEqual([f.line for f in found], [6])
        found = layers.check_architecture(self.table, text(rows[:5]))
        self.assertEqual([f.what for f in found], [
            "the layer host has no row in the table", "the layer cli has no row in the table"
        ])


class CorePurity(Tree):
    def library(self, code: str) -> str:
        self.write("x.cc", code)
        subprocess.run(
            [_CXX, "-std=c++20", "-c", "x.cc", "-o", "x.o"], cwd=self.root, check=True
        )
        subprocess.run(["ar", "rc", "libx.a", "x.o"], cwd=self.root, check=True)
        return str(self.root / "libx.a")

    def findings(self, code: str, skipped: str = "") -> list[str]:
        found, looked_at = core_purity.check("nm", [self.library(code)], {skipped})
        self.assertGreater(looked_at + (skipped != ""), 0)
        return [finding.what for finding in found]

    def test_arithmetic_strings_and_memory_are_pure(self) -> None:
        self.assertEqual(self.findings(
            "#include <string>\n#include <vector>\n#include <chrono>\n"
            "std::string f(std::vector<int>& v, std::chrono::seconds s) {"
            " v.push_back(1); return std::to_string(s.count()); }"), [])

    def test_each_way_out_is_found(self) -> None:
        ways = {
            "a clock": "#include <chrono>\nauto f() { return std::chrono::steady_clock::now(); }",
            "a clock ": "#include <ctime>\nauto f() { return std::time(nullptr); }",
            "a socket": "#include <sys/socket.h>\nint f() { return socket(1, 1, 0); }",
            "a descriptor": "#include <unistd.h>\nlong f() { return write(1, \"\", 0); }",
            "an event queue": "#include <sys/epoll.h>\nint f() { return epoll_create1(0); }",
            "a stream": "#include <cstdio>\nvoid f() { std::puts(\"\"); }",
            "a stream ": "#include <iostream>\nvoid f() { std::cout << 1; }",
            "randomness": "#include <cstdlib>\nint f() { return std::rand(); }",
            "randomness ": "#include <random>\nunsigned f() { return std::random_device()(); }",
            "a thread": "#include <thread>\nvoid f() { std::thread([] {}).join(); }",
            "the environment": "#include <cstdlib>\nchar* f() { return std::getenv(\"A\"); }",
            "sleep or a timer": "#include <unistd.h>\nvoid f() { sleep(1); }",
            "the log": "namespace wakeline::base { void log_line(int); }"
                       "void f() { wakeline::base::log_line(1); }",
            "an impure module": "namespace wakeline::io { long now(); }"
                                "long f() { return wakeline::io::now(); }",
        }
        for kind, code in ways.items():
            with self.subTest(kind=kind):
                found = " ".join(self.findings(code))
                self.assertIn(f"reaches {kind.strip()}:", found)

    def test_a_skipped_member_is_not_looked_at(self) -> None:
        code = "#include <cstdio>\nvoid f() { std::puts(\"\"); }"
        self.assertEqual(self.findings(code, skipped="x.o"), [])

    def test_a_library_that_is_not_there_is_a_failure(self) -> None:
        done = subprocess.run(
            [sys.executable, _HERE / "core_purity.py", self.root / "none.a"], capture_output=True
        )
        self.assertEqual(done.returncode, 2)


class PublicHeaders(Tree):
    def findings(self) -> list[str]:
        return [str(f) for f in public_headers.check(self.root, ["g++", "clang++-19"], ["gcc"])[0]]

    def test_a_complete_header_passes(self) -> None:
        self.write("include/wakeline/a.h", "#pragma once\n#include <string>\nstd::string a();\n")
        self.write("include/wakeline/wakeline.h", "#pragma once\nint wl_a(void);\n")
        self.assertEqual(self.findings(), [])

    def test_a_header_that_needs_another_is_found_by_both_compilers(self) -> None:
        self.write("include/wakeline/a.h", "#pragma once\nstd::string a();\n")
        self.assertEqual(len(self.findings()), 2)

    def test_a_header_without_guard_is_found(self) -> None:
        self.write("include/wakeline/a.h", "struct A {};\n")
        self.assertEqual(len(self.findings()), 2)

    def test_cxx_in_the_c_header_is_found(self) -> None:
        self.write("include/wakeline/wakeline.h", "#pragma once\nbool a(int& x);\n")
        found = self.findings()
        self.assertEqual(len(found), 1)
        self.assertIn("gcc -std=c99", found[0])


class TextRules(Tree):
    def findings(self) -> list[str]:
        return [str(finding) for finding in text_rules.check(self.root)[0]]

    def expect(self, path: str, text: str, *findings: str) -> None:
        self.write(path, text)
        found = self.findings()
        self.assertEqual(len(found), len(findings), found)
        for finding, expected in zip(found, findings):
            self.assertIn(expected, finding)

    def test_a_clean_tree_passes(self) -> None:
        self.write("src/base/a.cc", _SPDX + '// std::cout is not here\nauto a = "printf(1)";\n')
        cmake = "# SPDX-License-Identifier: Apache-2.0\nwakeline_module(base)\n"
        self.write("src/base/CMakeLists.txt", cmake)
        self.write("src/base/README.md", "# base\n[the file](a.cc), [below](#base)\n")
        self.write("src/cli/a.cc", _SPDX + "void f() { std::cout << 1; }\n")
        self.write("tools/x", "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n")
        self.assertEqual(self.findings(), [])

    def test_a_missing_licence_line_is_found(self) -> None:
        self.expect("src/a.cc", "int a;\n", "a.cc:1: the first lines")

    def test_a_script_without_licence_line_is_found(self) -> None:
        self.expect("tools/x", "#!/bin/sh\n", "x:1: the first lines")

    def test_open_ends_are_found(self) -> None:
        for word in ("FIX" "ME", "TO" "DO", "XX" "X"):
            self.expect("docs/a.md", f"one\n{word}: two\n", f"a.md:2: {word}")

    def test_a_debug_print_is_found(self) -> None:
        for code in ("std::cerr << 1;", "printf(s);", "fprintf(stderr, s);", "std::puts(s);"):
            self.expect("src/host/a.cc", _SPDX + f"void f() {{ {code} }}\n", "a.cc:2: prints")

    def test_a_clock_outside_io_is_found(self) -> None:
        code = _SPDX + "auto t = std::chrono::steady_clock::now();\n"
        self.write("src/io/clock.cc", code)
        self.write("src/linux/cpu.cc", _SPDX + "int r = clock_gettime(clock_of_process, &t);\n")
        self.expect("src/host/a.cc", code, "a.cc:2: reads a clock")
        code = _SPDX + "int r = clock_gettime(CLOCK_BOOTTIME, &t);\n"
        self.expect("src/host/a.cc", code, "a.cc:2: reads a clock")

    def test_a_catch_all_is_found(self) -> None:
        self.write("src/main.cc", _SPDX + "int main() try {} catch (...) {}\n")
        self.expect("src/host/a.cc", _SPDX + "void f() try {} catch (...) {}\n", "a.cc:2: catches")

    def test_a_long_line_is_found(self) -> None:
        text = _SPDX + "#pragma once\n" + "//" + "x" * 99 + "\n"
        self.expect("src/a.h", text, "a.h:3: 101 columns")

    def test_a_header_without_pragma_once_is_found(self) -> None:
        self.expect("src/a.h", _SPDX + "// #pragma once\n", "without #pragma once")

    def test_a_guide_that_leaves_its_reader_alone_is_found(self) -> None:
        self.write("docs/guides/manifest.md", "# Keys\n")
        text = "`wakeline top`, `wakeline log --app a`\n## When it does not ring\n"
        self.expect("docs/guides/a.md", text, "a.md: a guide without \"`wakeline doctor`\"")
        self.expect("docs/guides/a.md", text + "`wakeline doctor`\n")

    def test_dead_links_are_found(self) -> None:
        self.write("docs/b.md", "# One `two`\n")
        good = "[b](b.md#one-two) [web](https://a.example/)\n```\n[c](c.md)\n```\n"
        self.expect("docs/a.md", good)
        self.expect(
            "docs/a.md", "[c](c.md)\n[b](b.md#three)\n[d](../../etc)\n",
            "a.md:1: the link c.md", "a.md:2: the link b.md#three", "a.md:3: the link ../../etc",
        )

    def test_a_module_without_readme_is_found(self) -> None:
        cmake = "# SPDX-License-Identifier: Apache-2.0\nwakeline_module(a)\n"
        self.expect("src/a/CMakeLists.txt", cmake, "src/a: a module without README.md")


class Contract(Tree):
    def setUp(self) -> None:
        super().setUp()
        self.write("src/a_test.cc", "TEST(Unit, Holds) {}\nRC_GTEST_PROP(Any, History, ()) {}\n")
        self.write("tests/b_test.cc", "TEST_P(Whole, Holds) {}\n// TEST(Not, Here)\n")
        self.rows = {
            rule: f"| {rule} | a rule | `Unit.Holds`, `Any.History` | `Whole.Holds` |"
            for rule in contract.RULES
        }

    def expect(self, *findings: str) -> None:
        self.write(contract.DOCUMENT, "\n".join(self.rows.values()) + "\n")
        found = [str(finding) for finding in contract.check(self.root)[0]]
        self.assertEqual(len(found), len(findings), found)
        for finding, expected in zip(found, findings):
            self.assertIn(expected, finding)

    def test_a_table_whose_tests_exist_passes(self) -> None:
        self.rows["C7"] = "| C7 | a rule | — a matter of the kernel | `Whole.Holds` |"
        self.expect()

    def test_a_rule_without_row_or_with_two_is_found(self) -> None:
        del self.rows["C40"]
        self.rows["again"] = self.rows["C1"]
        self.expect("C1 has 2 rows", "C40 has 0 rows")

    def test_a_rule_without_tests_is_found(self) -> None:
        self.rows["C3"] = "| C3 | a rule | | `Whole.Holds` |"
        self.rows["C4"] = "| C4 | a rule | — none yet | — none yet |"
        self.expect("C3: no unit test", "C4: no test at all")

    def test_a_test_that_does_not_exist_is_found(self) -> None:
        self.rows["C5"] = "| C5 | a rule | `Unit.Held` | `Not.Here`, `Unit.Holds` |"
        self.expect("no test Unit.Held", "no test Not.Here", "Unit.Holds is not in tests/")


class MqttStatements(Tree):
    def test_numbers_are_read_from_names(self) -> None:
        for name, numbers in {
            "Mqtt_3_1_0_1_TheFirst": ["MQTT-3.1.0-1"],
            "Mqtt_3_8_4_1_To_3_Every": ["MQTT-3.8.4-1", "MQTT-3.8.4-2", "MQTT-3.8.4-3"],
            "Mqtt_3_2_2_9_And_11_And_4_3_2_1_Is": ["MQTT-3.2.2-9", "MQTT-3.2.2-11", "MQTT-4.3.2-1"],
            "Mqtt_4_12_Auth": ["MQTT §4.12"],
            "Version311_3_1_2_24_And_3_8_4": ["3.1.1: MQTT-3.1.2-24", "3.1.1: MQTT §3.8.4"],
            "Mqtt_4_13_1_1_AndTooMuch": ["MQTT-4.13.1-1"],
            "KeepsMqtt_1_1_1_1": [],
        }.items():
            self.assertEqual(mqtt_statements.numbers_of(name), numbers, name)

    def test_a_document_that_is_missing_or_old_is_found(self) -> None:
        self.write("tests/a_test.cc", "TEST(A, Mqtt_3_1_0_1_IsSo) {}\n")
        self.assertEqual(len(mqtt_statements.check(self.root)[0]), 1)
        self.write(mqtt_statements.DOCUMENT, mqtt_statements.written(self.root))
        self.assertEqual(mqtt_statements.check(self.root), ([], 1))
        self.write("tests/a_test.cc", "TEST(A, Mqtt_3_1_0_2_IsSo) {}\n")
        self.assertEqual(len(mqtt_statements.check(self.root)[0]), 1)


class Formatting(Tree):
    def test_a_source_that_is_not_formatted_is_found(self) -> None:
        for name in (".clang-format", "tools/format"):
            place = self.root / name
            place.parent.mkdir(exist_ok=True)
            shutil.copy(_HERE.parent.parent / name, place)
        self.write("src/a.cc", "int a = 1;\n")
        command = [self.root / "tools/format", "--check"]
        self.assertEqual(subprocess.run(command, capture_output=True).returncode, 0)
        self.write("src/a.cc", "int  a=1;\n")
        self.assertNotEqual(subprocess.run(command, capture_output=True).returncode, 0)


@unittest.skipUnless(shutil.which("systemd-analyze"), "systemd is not installed")
class SystemdUnits(Tree):
    UNIT = "[Service]\nType=exec\nExecStart=/usr/bin/wakeline host\n"

    def findings(self, text: str, name: str = "a.service") -> list[str]:
        self.write(f"packaging/systemd/{name}", text)
        return [finding.what for finding in systemd_units.check(self.root)[0]]

    def test_a_good_unit_passes_also_a_template(self) -> None:
        self.assertEqual(self.findings(self.UNIT), [])
        self.assertEqual(self.findings(self.UNIT + "User=%i\n", "b@.service"), [])

    def test_a_key_that_systemd_does_not_know_is_found(self) -> None:
        (found,) = self.findings(self.UNIT + "Delegated=yes\n")
        self.assertIn("Unknown key 'Delegated'", found)


if __name__ == "__main__":
    unittest.main()
