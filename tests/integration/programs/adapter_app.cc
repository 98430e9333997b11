// SPDX-License-Identifier: Apache-2.0
// Apps whose network layer is another library's, for the host's tests of the adapters.
//
//   adapter_app asio|libuv|posix|curl
//
// It connects to WAKELINE_TEST_PORT, first the connection on which it reports, then its line, and
// answers each line of text on it with "pong LINE" on the report.
#include <curl/curl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>
#include <wakeline/adapters/asio.h>
#include <wakeline/adapters/curl.h>
#include <wakeline/adapters/libuv.h>
#include <wakeline/adapters/posix.h>
#include <wakeline/app.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>

namespace {

using boost::asio::ip::tcp;

struct Program {
  wakeline::App& app;
  std::uint16_t port;
  int report;

  void say(const std::string& what) const {
    const std::string line = what + "\n";
    send(report, line.data(), line.size(), MSG_NOSIGNAL);
  }
  template <class T>
  void say_tagged(const wakeline::Result<T>& result) const {
    say("tagged " + (result ? "ok" : std::string(wakeline::name(result.error().code))));
  }
  void hear(std::string_view bytes) {
    for (const char each : bytes) {
      if (each == '\n') {
        say("pong " + std::exchange(text, {}));
      } else {
        text += each;
      }
    }
  }
  void watch_app() {
    app.on_woken(
        [this](wakeline::WakeCause cause) { say("woken " + std::string(wakeline::name(cause))); });
  }
  std::string text = {};
};

int run_asio(Program& program) {
  boost::asio::io_context context;
  tcp::socket socket(context);
  socket.connect({boost::asio::ip::address_v4::loopback(), program.port});
  auto tag = wakeline::adapters::tag(program.app, socket);
  program.say_tagged(tag);
  program.watch_app();
  const wakeline::adapters::AsioDispatch dispatch(context.get_executor(), program.app);
  std::array<char, 4096> block;
  std::function<void()> read = [&] {
    socket.async_read_some(boost::asio::buffer(block),
                           [&](boost::system::error_code error, std::size_t size) {
                             if (error) return context.stop();
                             program.hear({block.data(), size});
                             read();
                           });
  };
  read();
  context.run();
  return 0;
}

struct UvLine {
  Program* program;
  wakeline::Result<wakeline::Tag> tag{wakeline::Error{}};
  std::array<char, 4096> block{};
};

int run_libuv(Program& program) {
  uv_loop_t* loop = uv_default_loop();
  UvLine line{&program};
  uv_tcp_t tcp;
  uv_tcp_init(loop, &tcp);
  tcp.data = &line;
  if (wakeline::adapters::tag(program.app, tcp)) return 5;  // it has no socket yet
  program.watch_app();
  const wakeline::adapters::UvDispatch dispatch(loop, program.app);
  if (!dispatch.running()) return 5;
  sockaddr_in address{};
  uv_ip4_addr("127.0.0.1", program.port, &address);
  uv_connect_t connect;
  uv_tcp_connect(&connect, &tcp, reinterpret_cast<const sockaddr*>(&address),
                 [](uv_connect_t* request, int status) {
                   auto* handle = reinterpret_cast<uv_tcp_t*>(request->handle);
                   auto* self = static_cast<UvLine*>(handle->data);
                   if (status != 0) std::exit(5);
                   self->tag = wakeline::adapters::tag(self->program->app, *handle);
                   self->program->say_tagged(self->tag);
                   uv_read_start(
                       request->handle,
                       [](uv_handle_t* reading, std::size_t, uv_buf_t* buffer) {
                         auto* into = static_cast<UvLine*>(reading->data);
                         *buffer = uv_buf_init(into->block.data(), into->block.size());
                       },
                       [](uv_stream_t* reading, ssize_t size, const uv_buf_t* buffer) {
                         if (size < 0) return uv_stop(uv_default_loop());
                         static_cast<UvLine*>(reading->data)
                             ->program->hear({buffer->base, static_cast<std::size_t>(size)});
                       });
                 });
  uv_run(loop, UV_RUN_DEFAULT);
  return 0;
}

int run_posix(Program& program) {
  program.watch_app();
  std::thread network([&] {
    auto line = wakeline::adapters::TaggedSocket::connect(program.app, "localhost", program.port,
                                                          std::chrono::seconds(20));
    if (!line) std::exit(5);
    program.say_tagged(line->tag());
    program.say(line->is_wake_capable() ? "capable yes" : "capable no");
    std::array<char, 4096> block;
    for (;;) {
      const auto got = line->read(block.data(), block.size());
      if (!got) {
        program.say("over " + std::string(wakeline::name(got.error().code)));
        return program.app.stop();
      }
      program.hear({block.data(), *got});
    }
  });
  program.app.run();
  network.join();
  return 0;
}

int run_curl(Program& program) {
  program.watch_app();
  std::thread network([&] {
    CURL* easy = curl_easy_init();
    const std::string url = "http://127.0.0.1:" + std::to_string(program.port) + "/events";
    curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    {
      struct Body {
        Program* program;
        wakeline::adapters::VoipRequest request;
        bool said = false;
      } body{&program, {program.app, easy}};
      curl_easy_setopt(easy, CURLOPT_WRITEDATA, &body);
      curl_easy_setopt(
          easy, CURLOPT_WRITEFUNCTION,
          +[](char* bytes, std::size_t one, std::size_t size, void* to) {
            auto* into = static_cast<Body*>(to);
            if (!std::exchange(into->said, true)) into->program->say_tagged(into->request.tag());
            into->program->hear({bytes, size});
            return one * size;
          });
      curl_easy_perform(easy);
    }
    curl_easy_cleanup(easy);
    program.app.stop();
  });
  program.app.run();
  network.join();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const char* port = std::getenv("WAKELINE_TEST_PORT");
  auto app = wakeline::App::create();
  if (!app || argc != 2 || port == nullptr) return 2;
  const auto number = static_cast<std::uint16_t>(std::atoi(port));
  const auto report = app->connect_tcp("127.0.0.1", number, std::chrono::seconds(20));
  if (!report) return 3;
  Program program{*app, number, *report};
  program.say("report " + std::to_string(getpid()));
  const std::string_view library = argv[1];
  if (library == "asio") return run_asio(program);
  if (library == "libuv") return run_libuv(program);
  if (library == "posix") return run_posix(program);
  if (library == "curl") return run_curl(program);
  return 2;
}
