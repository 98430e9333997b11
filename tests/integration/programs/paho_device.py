#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A device with Paho's Python client as it comes: subscribes to its inbox, says "ready", prints the
body of the first push, and replies to it with QoS 1.

    paho_device.py PORT DEVICE TOKEN VERSION TRANSPORT [CA_FILE]
"""

import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

_PATIENCE_S = 60


def main() -> int:
    port, device, token, version, transport, *ca_file = sys.argv[1:]
    five = version == "5"
    kind = {"protocol": mqtt.MQTTv5 if five else mqtt.MQTTv311, "transport": transport}
    if not five:
        kind["clean_session"] = False
    client = mqtt.Client(device, **kind)
    client.username_pw_set(device, token)
    if ca_file:
        client.tls_set(ca_file[0])
    over = threading.Event()
    code = [1]

    def fail(what: str) -> None:
        print(what, file=sys.stderr)
        over.set()

    def on_connect(_client, _data, _flags, reason, _properties=None) -> None:
        if int(getattr(reason, "value", reason)) != 0:
            fail(f"not connected: {reason}")
            return
        client.subscribe(f"wakeline/inbox/{device}", qos=1)

    def on_subscribe(_client, _data, _mid, granted, _properties=None) -> None:
        if int(getattr(granted[0], "value", granted[0])) != 1:
            fail(f"not granted: {granted}")
            return
        print("ready", flush=True)

    def on_message(_client, _data, message) -> None:
        print(message.payload.decode(), flush=True)
        client.publish(f"wakeline/reply/{device}", "heard", qos=1)

    def on_publish(_client, _data, _mid) -> None:
        code[0] = 0
        client.disconnect()
        over.set()

    client.on_connect, client.on_subscribe = on_connect, on_subscribe
    client.on_message, client.on_publish = on_message, on_publish
    if five:
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 3600
        client.connect("localhost", int(port), clean_start=False, properties=properties)
    else:
        client.connect("localhost", int(port))
    client.loop_start()
    if not over.wait(_PATIENCE_S):
        fail("nothing came")
    client.loop_stop()
    return code[0]


if __name__ == "__main__":
    sys.exit(main())
