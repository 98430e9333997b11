// SPDX-License-Identifier: Apache-2.0
// The vendor's push service as its documentation describes it, over HTTP/2 and TLS, on a free port of
// loopback:   node apns_endpoint.js CERTIFICATE KEY PUBLIC_KEY
// Prints its port, then a line of JSON for each request. What it answers goes by the device token:
//   dead…  410 Unregistered        b05e…  429 at the first request, then 200
//   bad0…  400 BadDeviceToken      4040…  404 BadPath at the first request, then 200
//   0a…    GOAWAY at the first request of all, then 200
"use strict";
const crypto = require("crypto");
const fs = require("fs");
const http2 = require("http2");

const [certificate, key, public_key] = process.argv.slice(2);
const trusted = crypto.createPublicKey(fs.readFileSync(public_key));
const seen = new Map();

function check_token(authorization) {
  const match = /^bearer ([^.]+)\.([^.]+)\.([^.]+)$/.exec(authorization || "");
  if (!match) return "MissingProviderToken";
  const [, header, claims, signature] = match;
  const signed = crypto.verify("sha256", Buffer.from(header + "." + claims),
    { key: trusted, dsaEncoding: "ieee-p1363" }, Buffer.from(signature, "base64url"));
  const { alg, kid } = JSON.parse(Buffer.from(header, "base64url"));
  const { iss, iat } = JSON.parse(Buffer.from(claims, "base64url"));
  if (!signed || alg !== "ES256" || !kid || !iss) return "InvalidProviderToken";
  if (Math.abs(Date.now() / 1000 - iat) > 3600) return "ExpiredProviderToken";
  return "";
}

function answer(headers, body) {
  const token = headers[":path"].split("/").pop();
  const times = (seen.get(token) || 0) + 1;
  seen.set(token, times);
  if (headers[":method"] !== "POST" || !headers[":path"].startsWith("/3/device/")) return [405, "MethodNotAllowed"];
  const wrong = check_token(headers.authorization);
  if (wrong) return [403, wrong];
  if (!headers["apns-topic"]) return [400, "MissingTopic"];
  if (!["alert", "background", "voip"].includes(headers["apns-push-type"])) return [400, "InvalidPushType"];
  if (body.length > (headers["apns-push-type"] === "voip" ? 5120 : 4096)) return [413, "PayloadTooLarge"];
  JSON.parse(body);
  if (token.startsWith("dead")) return [410, "Unregistered"];
  if (token.startsWith("bad0")) return [400, "BadDeviceToken"];
  if (token.startsWith("4040") && times === 1) return [404, "BadPath"];
  if (token.startsWith("b05e") && times === 1) return [429, "TooManyRequests"];
  return [200, ""];
}

const server = http2.createSecureServer({ cert: fs.readFileSync(certificate), key: fs.readFileSync(key), ALPNProtocols: ["h2"] });
server.on("sessionError", () => {});
server.on("stream", (stream, headers) => {
  const parts = [];
  stream.on("error", () => {});
  stream.on("data", (part) => parts.push(part));
  stream.on("end", () => {
    const body = Buffer.concat(parts);
    const token = headers[":path"].split("/").pop();
    if (token.startsWith("0a") && !seen.has(token)) {
      seen.set(token, 0);
      console.log(JSON.stringify({ goaway: true }));
      stream.session.goaway(http2.constants.NGHTTP2_NO_ERROR, 0);
      stream.session.destroy();
      return;
    }
    const [status, reason] = answer(headers, body);
    console.log(JSON.stringify({ path: headers[":path"], topic: headers["apns-topic"], type: headers["apns-push-type"],
      expiration: headers["apns-expiration"], collapse: headers["apns-collapse-id"], status, body: body.toString() }));
    stream.respond({ ":status": status, "apns-id": crypto.randomUUID() });
    stream.end(reason ? JSON.stringify({ reason }) : "");
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.on("SIGTERM", () => process.exit(0));
