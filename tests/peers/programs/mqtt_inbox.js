// SPDX-License-Identifier: Apache-2.0
// What an app with the mqtt package of npm looks like: it subscribes, and prints what comes.
//   node mqtt_inbox.js URL TOPIC CLIENT_ID [USER PASSWORD]
"use strict";
const mqtt = require("mqtt");

const [url, topic, clientId, username, password] = process.argv.slice(2);
const client = mqtt.connect(url, {
  clientId,
  username,
  password,
  protocolVersion: 5,
  clean: false,
  properties: { sessionExpiryInterval: 3600 },
  keepalive: 1200,
});
client.on("connect", () => {
  client.subscribe(topic, { qos: 1 }, (error) => console.log(error ? "refused: " + error : "subscribed"));
});
client.on("message", (_, payload) => console.log("got " + payload));
