// SPDX-License-Identifier: Apache-2.0
// The same client with Eclipse Paho's asynchronous library in C: MQTT 5 over TLS, its session kept,
// one subscription.
#include <MQTTAsync.h>

#include <cstdio>

#include "client_line.h"

namespace {

std::string topic;

void on_subscribed(void*, MQTTAsync_successData5*) { client_line::say("ready online"); }
void on_failed(void*, MQTTAsync_failureData5* why) {
  std::fprintf(stderr, "paho: %s\n", why != nullptr && why->message != nullptr ? why->message : "");
  std::exit(1);
}
void on_connected(void* client, MQTTAsync_successData5*) {
  MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
  options.onSuccess5 = on_subscribed;
  options.onFailure5 = on_failed;
  MQTTAsync_subscribe(static_cast<MQTTAsync>(client), topic.c_str(), 1, &options);
}
int on_message(void*, char* of, int, MQTTAsync_message* message) {
  client_line::say("push -");
  MQTTAsync_freeMessage(&message);
  MQTTAsync_free(of);
  return 1;
}
void on_lost(void*, char*) { std::exit(1); }

}  // namespace

int main(int argc, char** argv) {
  const auto arguments = client_line::read(argc, argv);
  client_line::open(arguments.out);
  topic = "wakeline/inbox/" + arguments.device;
  const std::string address = "ssl://" + arguments.host + ":" + std::to_string(arguments.port);
  MQTTAsync client = nullptr;
  MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer5;
  if (MQTTAsync_createWithOptions(&client, address.c_str(), arguments.device.c_str(),
                                  MQTTCLIENT_PERSISTENCE_NONE, nullptr,
                                  &create) != MQTTASYNC_SUCCESS)
    return 1;
  MQTTAsync_setCallbacks(client, client, on_lost, on_message, nullptr);
  MQTTAsync_SSLOptions tls = MQTTAsync_SSLOptions_initializer;
  tls.trustStore = arguments.ca_file.c_str();
  tls.verify = 1;
  MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer5;
  options.keepAliveInterval = 600;  // seconds, as ours
  options.cleanstart = 0;
  options.username = arguments.device.c_str();
  options.password = arguments.token.c_str();
  options.ssl = &tls;
  options.onSuccess5 = on_connected;
  options.onFailure5 = on_failed;
  options.context = client;
  if (MQTTAsync_connect(client, &options) != MQTTASYNC_SUCCESS) return 1;
  for (;;) ::pause();
}
