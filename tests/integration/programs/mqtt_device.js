// SPDX-License-Identifier: Apache-2.0
// A device with the mqtt package as it comes: subscribes to its inbox, says "ready", prints the
// body of the first push, and replies to it with QoS 1.
//   node mqtt_device.js URL DEVICE TOKEN VERSION
"use strict";
const mqtt = require("mqtt");

const [url, device, token, version] = process.argv.slice(2);
const client = mqtt.connect(url, {
  clientId: device,
  username: device,
  password: token,
  protocolVersion: Number(version),
  clean: false,
  properties: Number(version) === 5 ? { sessionExpiryInterval: 3600 } : undefined,
  reconnectPeriod: 0,
});

function fail(what) {
  console.error(what);
  process.exit(1);
}
setTimeout(() => fail("nothing came"), 60000);
client.on("error", (error) => fail(error.message));
client.on("connect", () => {
  client.subscribe("wakeline/inbox/" + device, { qos: 1 }, (error, granted) => {
    if (error || granted[0].qos !== 1) fail("not granted: " + error);
    console.log("ready");
  });
});
client.on("message", (topic, payload) => {
  console.log(payload.toString());
  client.publish("wakeline/reply/" + device, "heard", { qos: 1 }, (error) => {
    if (error) fail("not published: " + error);
    client.end(false, {}, () => process.exit(0));
  });
});
