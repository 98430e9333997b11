// SPDX-License-Identifier: Apache-2.0
// An app server with the web-push package as it comes, and the app that decrypts what it sent.
//   node web_push.js keys                            {"vapid":{…},"p256dh","auth","secret"}
//   node web_push.js send JSON                       {"status","location"}
//   node web_push.js decrypt SECRET AUTH BODY        the text
"use strict";
const crypto = require("crypto");
const web_push = require("web-push");
const ece = require("http_ece");

const [mode, ...words] = process.argv.slice(2);

function keys() {
  const app = crypto.createECDH("prime256v1");
  const p256dh = app.generateKeys("base64url");
  console.log(JSON.stringify({
    vapid: web_push.generateVAPIDKeys(),
    p256dh,
    auth: crypto.randomBytes(16).toString("base64url"),
    secret: app.getPrivateKey("base64url"),
  }));
}

async function send() {
  const { endpoint, p256dh, auth, vapid, payload, options } = JSON.parse(words[0]);
  web_push.setVapidDetails("mailto:ops@example.org", vapid.publicKey, vapid.privateKey);
  try {
    const answer = await web_push.sendNotification({ endpoint, keys: { p256dh, auth } }, payload, options);
    console.log(JSON.stringify({ status: answer.statusCode, location: answer.headers.location }));
  } catch (error) {
    if (!error.statusCode) throw error;
    console.log(JSON.stringify({ status: error.statusCode, location: "" }));
  }
}

function decrypt() {
  const [secret, auth, body] = words;
  const app = crypto.createECDH("prime256v1");
  app.setPrivateKey(secret, "base64url");
  const text = ece.decrypt(Buffer.from(body, "base64url"), { version: "aes128gcm", privateKey: app, authSecret: auth });
  process.stdout.write(text);
}

({ keys, send, decrypt })[mode]();
