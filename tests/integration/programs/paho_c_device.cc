// SPDX-License-Identifier: Apache-2.0
// A device with Eclipse Paho's library in C as it comes: subscribes to its inbox, says "ready",
// prints the body of the first push, and replies to it with QoS 1.
//   paho-c-device URL DEVICE TOKEN VERSION [CA_FILE]
#include <MQTTClient.h>

#include <cstdio>
#include <cstring>
#include <string>

namespace {

constexpr int kPatienceMs = 60'000;

int failed(const char* what, int code) {
  std::fprintf(stderr, "%s: %d\n", what, code);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  const std::string device = argv[2];
  const bool five = std::strcmp(argv[4], "5") == 0;
  MQTTClient client = nullptr;
  MQTTClient_createOptions create = MQTTClient_createOptions_initializer;
  if (five) create.MQTTVersion = MQTTVERSION_5;
  if (const int code = MQTTClient_createWithOptions(&client, argv[1], device.c_str(),
                                                    MQTTCLIENT_PERSISTENCE_NONE, nullptr, &create);
      code != MQTTCLIENT_SUCCESS)
    return failed("create", code);

  MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer;
  if (five) options = MQTTClient_connectOptions_initializer5;
  if (!five) options.MQTTVersion = MQTTVERSION_3_1_1;
  options.keepAliveInterval = 600;
  options.connectTimeout = 30;
  options.cleansession = 0;
  options.username = device.c_str();
  options.password = argv[3];
  MQTTClient_SSLOptions tls = MQTTClient_SSLOptions_initializer;
  tls.verify = 1;
  if (argc > 5) {
    tls.trustStore = argv[5];
    options.ssl = &tls;
  }
  const std::string inbox = "wakeline/inbox/" + device;
  int granted = 1;
  if (five) {
    MQTTProperties properties = MQTTProperties_initializer;
    MQTTProperty expiry{};
    expiry.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL;
    expiry.value.integer4 = 3'600;
    MQTTProperties_add(&properties, &expiry);
    const MQTTResponse connected = MQTTClient_connect5(client, &options, &properties, nullptr);
    if (connected.reasonCode != MQTTREASONCODE_SUCCESS)
      return failed("connect", static_cast<int>(connected.reasonCode));
    MQTTResponse_free(connected);
    const MQTTResponse subscribed =
        MQTTClient_subscribe5(client, inbox.c_str(), 1, nullptr, nullptr);
    granted = static_cast<int>(subscribed.reasonCode);
    MQTTResponse_free(subscribed);
  } else {
    if (const int code = MQTTClient_connect(client, &options); code != MQTTCLIENT_SUCCESS)
      return failed("connect", code);
    // It gives the granted QoS back only when it is 0x80 or an error.
    if (const int code = MQTTClient_subscribe(client, inbox.c_str(), 1); code != MQTTCLIENT_SUCCESS)
      return failed("subscribe", code);
  }
  if (granted != 1) return failed("granted", granted);
  std::puts("ready");
  std::fflush(stdout);

  char* topic = nullptr;
  int topic_length = 0;
  MQTTClient_message* message = nullptr;
  const int received = MQTTClient_receive(client, &topic, &topic_length, &message, kPatienceMs);
  if (message == nullptr) return failed("receive", received);
  std::printf("%.*s\n", message->payloadlen, static_cast<const char*>(message->payload));
  std::fflush(stdout);
  MQTTClient_freeMessage(&message);
  MQTTClient_free(topic);

  const std::string reply = "wakeline/reply/" + device;
  MQTTClient_deliveryToken sent = 0;
  char heard[] = "heard";
  const int length = static_cast<int>(std::strlen(heard));
  if (five) {
    const MQTTResponse published =
        MQTTClient_publish5(client, reply.c_str(), length, heard, 1, 0, nullptr, &sent);
    if (published.reasonCode != MQTTREASONCODE_SUCCESS)
      return failed("publish", static_cast<int>(published.reasonCode));
    MQTTResponse_free(published);
  } else if (const int code = MQTTClient_publish(client, reply.c_str(), length, heard, 1, 0, &sent);
             code != MQTTCLIENT_SUCCESS) {
    return failed("publish", code);
  }
  if (const int code = MQTTClient_waitForCompletion(client, sent, kPatienceMs);
      code != MQTTCLIENT_SUCCESS)
    return failed("acknowledged", code);
  if (five)
    MQTTClient_disconnect5(client, 1'000, MQTTREASONCODE_SUCCESS, nullptr);
  else
    MQTTClient_disconnect(client, 1'000);
  MQTTClient_destroy(&client);
  return 0;
}
