// SPDX-License-Identifier: Apache-2.0
// The same client with libmosquitto: MQTT 5 over TLS, its session kept, one subscription.
#include <mosquitto.h>
#include <mqtt_protocol.h>

#include <cstdio>

#include "client_line.h"

namespace {

std::string topic;

void on_connect(mosquitto* client, void*, int reason) {
  if (reason != 0) std::exit(1);
  mosquitto_subscribe(client, nullptr, topic.c_str(), 1);
}
void on_subscribe(mosquitto*, void*, int, int, const int*) { client_line::say("ready online"); }
void on_message(mosquitto*, void*, const mosquitto_message*) { client_line::say("push -"); }

}  // namespace

int main(int argc, char** argv) {
  const auto arguments = client_line::read(argc, argv);
  client_line::open(arguments.out);
  topic = "wakeline/inbox/" + arguments.device;
  mosquitto_lib_init();
  mosquitto* client = mosquitto_new(arguments.device.c_str(), false, nullptr);
  mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
  mosquitto_username_pw_set(client, arguments.device.c_str(), arguments.token.c_str());
  mosquitto_tls_set(client, arguments.ca_file.c_str(), nullptr, nullptr, nullptr, nullptr);
  mosquitto_connect_callback_set(client, on_connect);
  mosquitto_subscribe_callback_set(client, on_subscribe);
  mosquitto_message_callback_set(client, on_message);
  constexpr int kKeepAlive = 600;  // seconds, as ours
  const int connected =
      mosquitto_connect(client, arguments.host.c_str(), arguments.port, kKeepAlive);
  if (connected != MOSQ_ERR_SUCCESS)
    return std::fprintf(stderr, "%s\n", mosquitto_strerror(connected)), 1;
  return mosquitto_loop_forever(client, -1, 1);
}
