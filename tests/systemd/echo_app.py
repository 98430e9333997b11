# SPDX-License-Identifier: Apache-2.0
"""A program that knows nothing of us: it answers each line of its server, in a blocking loop."""

import os
import socket
import sys

line = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
stream = line.makefile("rw", buffering=1)
print("pid", os.getpid(), file=stream)
for text in stream:
    print("pong", text.strip(), file=stream)
