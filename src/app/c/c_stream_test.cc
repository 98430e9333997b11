// SPDX-License-Identifier: Apache-2.0
// Streams and run loops of the C ABI, over a connection on the loopback.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <wakeline/wakeline.h>

#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "app/stream_testing.h"
#include "base/check.h"
#include "io/testing.h"
#include "io/unique_fd.h"

namespace wakeline::app::test {
namespace {

class CStreamTest : public testing::Test {
 protected:
  CStreamTest() {
    wakeline_app_options_t options = WAKELINE_APP_OPTIONS_INIT;
    options.host_path = "/nowhere/host.sock";
    WL_CHECK(wakeline_app_create(&options, &app) == WAKELINE_OK);
    WL_CHECK(wakeline_run_loop_create(&loop) == WAKELINE_OK);
    listener.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* name = reinterpret_cast<sockaddr*>(&address);
    WL_CHECK(::bind(listener.get(), name, size) == 0 && ::listen(listener.get(), 1) == 0);
    WL_CHECK(::getsockname(listener.get(), name, &size) == 0);
    port = ntohs(address.sin_port);
  }
  ~CStreamTest() override {
    wakeline_stream_free(stream);
    wakeline_run_loop_free(loop);
    wakeline_app_free(app);
  }
  void open(wakeline_stream_handler_t handler, void* user) {
    ASSERT_EQ(wakeline_stream_to_host(app, "127.0.0.1", port, &stream), WAKELINE_OK);
    ASSERT_EQ(wakeline_stream_set_service_type(stream, WAKELINE_SERVICE_VOIP), WAKELINE_OK);
    ASSERT_EQ(wakeline_stream_open(stream, loop, handler, user), WAKELINE_OK)
        << wakeline_error_message();
    peer.reset(::accept(listener.get(), nullptr, nullptr));
    ASSERT_TRUE(peer);
  }

  wakeline_app_t* app = nullptr;
  wakeline_run_loop_t* loop = nullptr;
  wakeline_stream_t* stream = nullptr;
  io::TestFolder folder;
  io::UniqueFd listener;
  io::UniqueFd peer;
  std::uint16_t port = 0;
};

/// What the handler of a test saw, and what it needs for its work.
struct Seen {
  wakeline_stream_t* const* stream;
  wakeline_run_loop_t* loop;
  std::string got = {};
  std::vector<std::string> events = {};
};

void on_event(wakeline_stream_event_t event, void* user) {
  auto& seen = *static_cast<Seen*>(user);
  seen.events.emplace_back(wakeline_stream_event_name(event));
  if (event == WAKELINE_STREAM_HAS_BYTES_AVAILABLE) {
    char bytes[64];
    std::size_t size = 0;
    if (wakeline_stream_read(*seen.stream, bytes, sizeof bytes, &size) == WAKELINE_OK)
      seen.got.append(bytes, size);
    wakeline_run_loop_stop(seen.loop);
  }
  if (event == WAKELINE_STREAM_OPEN_COMPLETED || event == WAKELINE_STREAM_END_ENCOUNTERED)
    wakeline_run_loop_stop(seen.loop);
}

TEST_F(CStreamTest, C32TellsOpeningBytesAndTheEndOnItsRunLoop) {
  Seen seen{&stream, loop};
  ASSERT_NO_FATAL_FAILURE(open(on_event, &seen));
  ASSERT_EQ(wakeline_run_loop_run(loop), WAKELINE_OK);
  EXPECT_EQ(seen.events.front(), "open_completed");
  EXPECT_EQ(wakeline_stream_set_service_type(stream, WAKELINE_SERVICE_DEFAULT),
            WAKELINE_ERROR_WRONG_STATE);
  wakeline_stream_state_t state = -1;
  ASSERT_EQ(wakeline_stream_state(stream, &state), WAKELINE_OK);
  EXPECT_STREQ(wakeline_stream_state_name(state), "open");
  EXPECT_EQ(wakeline_stream_tagged(stream), WAKELINE_OK);
  bool capable = true;
  EXPECT_EQ(wakeline_stream_is_wake_capable(stream, &capable), WAKELINE_OK);
  EXPECT_FALSE(capable);  // there is no host

  std::size_t took = 0;
  ASSERT_EQ(wakeline_stream_write(stream, "ping", 4, &took), WAKELINE_OK);
  EXPECT_EQ(took, 4U);
  char bytes[4];
  ASSERT_EQ(::recv(peer.get(), bytes, sizeof bytes, MSG_WAITALL), 4);
  ASSERT_EQ(::send(peer.get(), "pong", 4, MSG_NOSIGNAL), 4);
  while (seen.got.size() < 4) ASSERT_EQ(wakeline_run_loop_run(loop), WAKELINE_OK);
  EXPECT_EQ(seen.got, "pong");
  peer.reset();
  while (seen.events.back() != "end_encountered")
    ASSERT_EQ(wakeline_run_loop_run(loop), WAKELINE_OK);
  EXPECT_EQ(wakeline_stream_error(stream), WAKELINE_OK);
  EXPECT_EQ(wakeline_stream_free(stream), WAKELINE_OK);
  EXPECT_EQ(wakeline_stream_close(stream), WAKELINE_ERROR_HANDLE);
}

/// As on_event; every event ends run.
void on_any_event(wakeline_stream_event_t event, void* user) {
  on_event(event, user);
  wakeline_run_loop_stop(static_cast<Seen*>(user)->loop);
}

TEST_F(CStreamTest, C32UsesTlsFromTheFirstByte) {
  const TestCertificate certificate(folder.path(), "server", {"localhost"});
  ASSERT_EQ(wakeline_stream_to_host(app, "127.0.0.1", port, &stream), WAKELINE_OK);
  wakeline_tls_options_t tls = WAKELINE_TLS_OPTIONS_INIT;
  tls.name = "localhost";
  const std::string absent = folder.file("absent.pem");
  tls.ca_file = absent.c_str();
  EXPECT_EQ(wakeline_stream_use_tls(stream, &tls), WAKELINE_ERROR_NOT_FOUND);
  tls.ca_file = certificate.file.c_str();
  tls.struct_size = 0;
  EXPECT_EQ(wakeline_stream_use_tls(stream, &tls), WAKELINE_ERROR_INVALID_ARGUMENT);
  tls.struct_size = sizeof tls;
  ASSERT_EQ(wakeline_stream_use_tls(stream, &tls), WAKELINE_OK) << wakeline_error_message();
  EXPECT_EQ(wakeline_stream_use_tls(stream, &tls), WAKELINE_ERROR_WRONG_STATE);
  Seen seen{&stream, loop};
  ASSERT_EQ(wakeline_stream_open(stream, loop, on_any_event, &seen), WAKELINE_OK);
  const std::jthread serving([&] {
    StreamPeer server(listener.get());
    EXPECT_TRUE(server.start_tls(certificate));
    EXPECT_EQ(server.receive(4), "ping");
    server.send("pong");
    server.receive(1);  // until the end
  });
  ASSERT_EQ(wakeline_run_loop_run(loop), WAKELINE_OK);
  EXPECT_EQ(seen.events.front(), "open_completed");
  std::size_t took = 0;
  ASSERT_EQ(wakeline_stream_write(stream, "ping", 4, &took), WAKELINE_OK);
  EXPECT_EQ(took, 4U);
  while (seen.got.size() < 4) ASSERT_EQ(wakeline_run_loop_run(loop), WAKELINE_OK);
  EXPECT_EQ(seen.got, "pong");
  EXPECT_EQ(wakeline_stream_close(stream), WAKELINE_OK);
}

TEST_F(CStreamTest, C32UsesTlsOnAnOpenStreamFromThenOn) {
  const TestCertificate certificate(folder.path(), "server", {"localhost"});
  Seen seen{&stream, loop};
  ASSERT_NO_FATAL_FAILURE(open(on_any_event, &seen));
  ASSERT_EQ(wakeline_run_loop_run(loop), WAKELINE_OK);
  ASSERT_EQ(::send(peer.get(), "OK", 2, MSG_NOSIGNAL), 2);
  while (seen.got.size() < 2) ASSERT_EQ(wakeline_run_loop_run(loop), WAKELINE_OK);
  wakeline_tls_options_t tls = WAKELINE_TLS_OPTIONS_INIT;
  tls.name = "localhost";
  tls.ca_file = certificate.file.c_str();
  ASSERT_EQ(wakeline_stream_use_tls(stream, &tls), WAKELINE_OK) << wakeline_error_message();
  const std::jthread serving([&] {
    StreamPeer server(std::move(peer));
    EXPECT_TRUE(server.start_tls(certificate));
    server.send("kept");
    server.receive(1);  // until the end
  });
  while (seen.got.size() < 6) ASSERT_EQ(wakeline_run_loop_run(loop), WAKELINE_OK);
  EXPECT_EQ(seen.got, "OKkept");
  EXPECT_EQ(wakeline_stream_close(stream), WAKELINE_OK);
}

TEST_F(CStreamTest, ACertificateOfAnotherNameEndsInTheErrorOfTls) {
  const TestCertificate certificate(folder.path(), "server", {"localhost"});
  ASSERT_EQ(wakeline_stream_to_host(app, "127.0.0.1", port, &stream), WAKELINE_OK);
  wakeline_tls_options_t tls = WAKELINE_TLS_OPTIONS_INIT;
  tls.name = "bank.example";
  tls.ca_file = certificate.file.c_str();
  ASSERT_EQ(wakeline_stream_use_tls(stream, &tls), WAKELINE_OK);
  Seen seen{&stream, loop};
  ASSERT_EQ(wakeline_stream_open(stream, loop, on_any_event, &seen), WAKELINE_OK);
  const std::jthread serving([&] { StreamPeer(listener.get()).start_tls(certificate); });
  ASSERT_EQ(wakeline_run_loop_run(loop), WAKELINE_OK);
  EXPECT_EQ(seen.events, std::vector<std::string>{"error_occurred"});
  EXPECT_EQ(wakeline_stream_error(stream), WAKELINE_ERROR_TLS);
  EXPECT_NE(std::string(wakeline_error_message()), "");
}

TEST_F(CStreamTest, AThrowingCallbackEndsRunWithAnErrorAndAFreedLoopCallsNobody) {
  int calls = 0;
  const auto throws = [](void* user) {
    ++*static_cast<int*>(user);
    throw std::runtime_error("not today");
  };
  std::uint64_t timer = 0;
  ASSERT_EQ(wakeline_run_loop_call_after(loop, 0, throws, &calls, &timer), WAKELINE_OK);
  EXPECT_NE(timer, 0U);
  EXPECT_EQ(wakeline_run_loop_run(loop), WAKELINE_ERROR_EXCEPTION);
  EXPECT_STREQ(wakeline_error_message(), "not today");
  ASSERT_EQ(wakeline_run_loop_call_after(loop, 60'000, throws, &calls, &timer), WAKELINE_OK);
  EXPECT_EQ(wakeline_run_loop_cancel(loop, timer), WAKELINE_OK);
  wakeline_run_loop_t* const freed = loop;
  ASSERT_EQ(
      wakeline_run_loop_call_after(
          loop, 0,
          [](void* user) { wakeline_run_loop_free(*static_cast<wakeline_run_loop_t**>(user)); },
          &loop, nullptr),
      WAKELINE_OK);
  EXPECT_EQ(wakeline_run_loop_run(freed), WAKELINE_OK);
  EXPECT_EQ(wakeline_run_loop_stop(freed), WAKELINE_ERROR_HANDLE);
  EXPECT_EQ(calls, 1);
}

TEST_F(CStreamTest, RefusesWhatIsNoStreamByItsOwnError) {
  EXPECT_EQ(wakeline_stream_to_host(app, "", port, &stream), WAKELINE_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(wakeline_stream_to_host(app, nullptr, port, &stream), WAKELINE_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(wakeline_stream_over_socket(app, listener.get(), false, &stream),
            WAKELINE_ERROR_LISTENING);
  ASSERT_EQ(wakeline_stream_to_host(app, "127.0.0.1", port, &stream), WAKELINE_OK);
  EXPECT_EQ(wakeline_stream_open(stream, nullptr, on_event, nullptr), WAKELINE_ERROR_HANDLE);
  EXPECT_EQ(wakeline_stream_open(stream, loop, nullptr, nullptr), WAKELINE_ERROR_NO_HANDLER);
  EXPECT_EQ(wakeline_stream_set_service_type(stream, 2), WAKELINE_ERROR_INVALID_ARGUMENT);
  std::size_t size = 9;
  char byte = 0;
  EXPECT_EQ(wakeline_stream_read(stream, &byte, 1, &size), WAKELINE_ERROR_WRONG_STATE);
  EXPECT_EQ(wakeline_stream_write(stream, nullptr, 1, &size), WAKELINE_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(size, 9U);
  int fd = 0;
  EXPECT_EQ(wakeline_stream_fd(stream, &fd), WAKELINE_OK);
  EXPECT_EQ(fd, -1);
}

}  // namespace
}  // namespace wakeline::app::test
