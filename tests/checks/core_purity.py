#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads the undefined symbols of the pure libraries: wire and core name no clock, socket, file,
random device, thread or environment, neither directly nor through an impure module of ours.

Given archives are read with `nm -uC`; an archive behind --skip-members keeps out the named members
(base's log and its failing check are the two that write)."""

import argparse
import re
import subprocess
import sys

from tree import Finding, finish

# C functions, by what they reach. Whole names.
_FORBIDDEN_C = {
    "a clock": """clock clock_gettime clock_getres gettimeofday time timespec_get localtime
        localtime_r mktime ftime times""",
    "sleep or a timer": """sleep usleep nanosleep clock_nanosleep alarm setitimer timer_create
        timer_settime timerfd_create timerfd_settime""",
    "a socket": """socket socketpair connect bind listen accept accept4 shutdown send sendto sendmsg
        sendmmsg recv recvfrom recvmsg recvmmsg getaddrinfo gethostbyname getsockopt setsockopt""",
    "a descriptor": """open open64 openat openat64 creat close read write pread pread64 pwrite
        pwrite64 readv writev ioctl fcntl fcntl64 dup dup2 dup3 pipe pipe2 mmap mmap64 syscall""",
    "an event queue": """epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait poll ppoll
        select pselect eventfd signalfd inotify_init inotify_init1""",
    "a stream": """fopen fopen64 fdopen fclose fread fwrite fputs fputc puts putchar printf fprintf
        vprintf vfprintf dprintf perror fflush stdout stderr stdin __printf_chk __fprintf_chk
        __vfprintf_chk""",
    "randomness": """rand rand_r srand random srandom random_r drand48 lrand48 mrand48 getrandom
        getentropy arc4random arc4random_uniform RAND_bytes RAND_priv_bytes""",
    "a process": """fork vfork clone execve execvp posix_spawn posix_spawnp system kill waitpid
        getpid gettid""",
    "the environment": "getenv secure_getenv setenv environ __environ setlocale",
}
_BY_NAME = {name: kind for kind, names in _FORBIDDEN_C.items() for name in names.split()}

# Demangled names, anywhere in the symbol.
_FORBIDDEN_CXX = [
    ("a clock", re.compile(r"std::chrono::.*\bnow\(\)")),
    ("a thread", re.compile(r"^(pthread|thrd|mtx|cnd|sem)_|std::(this_)?thread\b|std::jthread\b")),
    ("a lock", re.compile(r"std::(_V2::)?(recursive_|shared_|timed_)?(mutex|condition_variable)")),
    ("randomness", re.compile(r"std::random_device\b")),
    ("a stream", re.compile(r"std::(__\w+::)?(cout|cerr|clog|cin)\b|basic_[io]?f(stream|ilebuf)")),
    ("a file", re.compile(r"std::filesystem\b")),
    ("a stream", re.compile(r"fmt::v\d+::(vprint|print)\b")),
    ("the log", re.compile(r"\bspdlog::|wakeline::base::(set_)?log(_line|_enabled|_level)?\b")),
    ("an impure module", re.compile(r"wakeline::(io|sys|app|host|store|server|cli)::")),
    ("a socket", re.compile(r"boost::asio::|boost::beast::")),
]


def kind_of(symbol: str) -> str | None:
    """What a forbidden symbol reaches; None for an innocent one."""
    plain = symbol.split("@", 1)[0]  # glibc's versions: clock_gettime@GLIBC_2.17
    if plain in _BY_NAME:
        return _BY_NAME[plain]
    for kind, pattern in _FORBIDDEN_CXX:
        if pattern.search(symbol):
            return kind
    return None


def undefined_symbols(nm: str, library: str) -> list[tuple[str, str]]:
    """(member, demangled symbol) of each undefined symbol, in nm's order."""
    output = subprocess.run(
        [nm, "--undefined-only", "--demangle", library], check=True, capture_output=True, text=True
    ).stdout
    result, member = [], library.rsplit("/", 1)[-1]
    for line in output.splitlines():
        header = re.fullmatch(r"(\S+\.o):", line)
        symbol = re.fullmatch(r"\s+[UwvV] (.+)", line)
        if header:
            member = header[1]
        elif symbol:
            result.append((member, symbol[1]))
    return result


def check(nm: str, libraries: list[str], skipped: set[str]) -> tuple[list[Finding], int]:
    findings, looked_at = [], 0
    for library in libraries:
        for member, symbol in undefined_symbols(nm, library):
            if member in skipped:
                continue
            looked_at += 1
            kind = kind_of(symbol)
            if kind:
                findings.append(Finding(f"{library}({member})", 0, f"reaches {kind}: {symbol}"))
    return findings, looked_at


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nm", default="nm")
    parser.add_argument("--skip-members", default="", help="names of members, with commas")
    parser.add_argument("libraries", nargs="+")
    arguments = parser.parse_args()
    try:
        result = check(arguments.nm, arguments.libraries, set(arguments.skip_members.split(",")))
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"{arguments.nm} could not read the libraries: {error}")
        sys.exit(2)
    finish(*result, "undefined symbols")


if __name__ == "__main__":
    main()
