// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <boost/json.hpp>

#include "base/random.h"
#include "bed.h"
#include "bench.h"
#include "fleet.h"
#include "folder.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/tls.h"
#include "loopback.h"
#include "server/tokens.h"
#include "store/database.h"

/// `wakeline bench server`: what the push server and its peers cost and reach in the same run.
namespace wakeline::bench {
namespace {

using cli::Outcome;

constexpr const char* kMosquitto = "/usr/sbin/mosquitto";
constexpr const char* kPrefix = "device-";
constexpr const char* kToken = "bench";

struct Plan {
  std::size_t devices;
  std::size_t tls_devices;
  std::size_t pings;
  std::size_t paced;      ///< pushes at 1,000/s
  std::size_t sustained;  ///< pushes as fast as they go
};

Plan plan_of(bool quick) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  if (quick) return {2'000, 500, 20'000, 1'000, 5'000};
  const auto room = static_cast<std::size_t>(limit.rlim_cur) - 600;  // ours, and the server's
  return {std::min<std::size_t>(room, 19'400), std::min<std::size_t>(room, 5'000), 200'000, 10'000,
          100'000};
}

double cpu_ms(pid_t pid) {
  double sum = 0;
  std::error_code error;
  for (const auto& thread :
       std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid), error)) {
    std::ifstream file(thread.path() / "schedstat");
    double run_ns = 0;
    file >> run_ns;
    sum += run_ns / 1e6;
  }
  return sum;
}

double anonymous_bytes(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/smaps_rollup", pid));
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("Pss_Anon:")) return std::atof(line.c_str() + 9) * 1024;
  }
  return 0;
}

/// A server under measurement.
struct Broker {
  std::string name;
  cli::Program program;
  std::uint16_t plain = 0;
  std::uint16_t tls = 0;
  std::uint16_t http = 0;  ///< 0: pushes come by MQTT
  std::string bearer{};
  std::string ca_file{};
};

Outcome<void> register_devices(const std::string& store, std::size_t count) {
  const auto failed = [](base::Error error) {
    return std::unexpected("store: " + base::to_string(error));
  };
  auto database = store::Database::open(store, store::Database::Mode::kWrite);
  if (!database) return failed(database.error());
  auto add = database->prepare(
      "INSERT INTO devices (name, token_hash, created, last_sequence) VALUES (?1, ?2, 0, 0)");
  if (!add) return failed(add.error());
  if (auto ran = database->run("BEGIN"); !ran) return failed(ran.error());
  const auto hash = server::hash_token(base::as_bytes(kToken));
  for (std::size_t i = 0; i < count; ++i) {
    if (auto ran = add->with(kPrefix + std::to_string(i), base::BytesView(hash)).run(); !ran)
      return failed(ran.error());
  }
  if (auto ran = database->run("COMMIT"); !ran) return failed(ran.error());
  return {};
}

Outcome<Broker> start_wakeline(const Folder& folder, std::size_t devices) {
  Broker broker{.name = "wakeline", .program = {}};
  const std::string data = folder.file("wakeline");
  const std::string ready = folder.file("ready.json");
  const std::string log = folder.file("wakeline.log");
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error).string();
  auto program = cli::Program::start(
      {self, "server", "--data-folder", data, "--mqtt", "127.0.0.1:0", "--mqtts", "127.0.0.1:0",
       "--http", "127.0.0.1:0", "--https", "off", "--ready-file", ready},
      log);
  if (!program) return std::unexpected(program.error());
  broker.program = std::move(*program);
  const auto text = cli::await_ready_file(ready, broker.program, log);
  if (!text) return std::unexpected(text.error());
  boost::system::error_code bad;
  const auto ports = boost::json::parse(*text, bad);
  if (bad) return std::unexpected("the ready file is no JSON");
  const auto port = [&](const char* key) {
    return static_cast<std::uint16_t>(ports.at(key).to_number<int>());
  };
  broker.plain = port("mqtt");
  broker.tls = port("mqtts");
  broker.http = port("http");
  broker.ca_file = data + "/certificate.pem";
  auto token = io::read_file(data + "/admin-token", 200);
  if (!token) return std::unexpected("admin-token: " + base::to_string(token.error()));
  broker.bearer = token->substr(0, token->find('\n'));
  if (auto made = register_devices(data + "/store.db", devices); !made)
    return std::unexpected(made.error());
  return broker;
}

Outcome<Broker> start_mosquitto(const Folder& folder, const Broker& ours) {
  Broker broker{.name = "mosquitto", .program = {}};
  broker.plain = free_port();
  broker.tls = free_port();
  broker.ca_file = ours.ca_file;
  const std::string key = folder.file("wakeline/key.pem");
  const std::string config = folder.file("mosquitto.conf");
  std::ofstream(config)
      << "user root\nallow_anonymous true\npersistence false\nmax_queued_messages 0\n"
      << "max_inflight_messages 0\nlog_type error\nset_tcp_nodelay true\n"
      << "listener " << broker.plain << " 127.0.0.1\n"
      << "listener " << broker.tls << " 127.0.0.1\ncertfile " << ours.ca_file << "\nkeyfile " << key
      << "\n";
  auto program = cli::Program::start({kMosquitto, "-c", config}, folder.file("mosquitto.log"));
  if (!program) return std::unexpected(program.error());
  broker.program = std::move(*program);
  if (auto open = await_port(broker.plain); !open) return std::unexpected(open.error());
  return broker;
}

Outcome<Broker> start_holder(const Folder& folder) {
  Broker broker{.name = "floor", .program = {}};
  const std::string log = folder.file("holder.log");
  auto program = cli::Program::start({beside("bench-holder")}, log);
  if (!program) return std::unexpected(program.error());
  broker.program = std::move(*program);
  for (int i = 0; i < 200; ++i) {
    std::ifstream file(log);
    unsigned port = 0;
    if (file >> port) {
      broker.plain = static_cast<std::uint16_t>(port);
      return broker;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return std::unexpected("bench-holder did not tell its port");
}

/// What one broker reached; nothing where it was not measured.
struct Found {
  std::optional<double> plain_bytes, plain_rate, tls_bytes, tls_rate, ping_cpu_s, push_p50_us,
      push_p99_us, pushes, pushes_cpu, storm_s;
};

/// App servers that push over HTTP, each on a connection and a thread of its own.
class Senders {
 public:
  Senders(const Broker& broker, std::size_t threads, std::size_t devices, std::size_t pushes,
          double a_second)
      : broker_(broker), devices_(devices) {
    for (std::size_t t = 0; t < threads; ++t) {
      threads_.emplace_back(
          [this, t, count = pushes / threads, pace = a_second / static_cast<double>(threads)] {
            run(t, count, pace);
          });
    }
  }
  ~Senders() {
    for (std::thread& thread : threads_) thread.join();
  }
  Senders(const Senders&) = delete;
  Senders& operator=(const Senders&) = delete;
  std::size_t answered() const { return answered_; }
  bool failed() const { return failed_; }

 private:
  void run(std::size_t number, std::size_t count, double a_second) {
    io::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(broker_.http);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
      failed_ = true;
      return;
    }
    base::Random random(number + 1);
    const std::int64_t start = monotonic_ns();
    // Without a pace, as many requests at a time as the server reads ahead.
    const std::size_t window = a_second > 0 ? 1 : 16;
    std::size_t sent = 0;
    std::size_t got = 0;
    std::string input;
    while (got < count) {
      for (; sent < count && sent - got < window; ++sent) {
        if (a_second > 0) {
          const auto at =
              start + static_cast<std::int64_t>(1e9 * static_cast<double>(sent) / a_second);
          if (const std::int64_t left = at - monotonic_ns(); left > 0)
            std::this_thread::sleep_for(std::chrono::nanoseconds(left));
        }
        const std::string body = fmt::format(R"({{"device":"{}{}","title":"{}","data":"{:0>90}"}})",
                                             kPrefix, random.next() % devices_, monotonic_ns(), 0);
        const std::string request = fmt::format(
            "POST /v1/push HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n"
            "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
            broker_.bearer, body.size(), body);
        if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) {
          failed_ = true;
          return;
        }
      }
      char block[16'384];
      const ssize_t size = ::recv(fd.get(), block, sizeof block, 0);
      if (size <= 0) {
        failed_ = true;
        return;
      }
      input.append(block, static_cast<std::size_t>(size));
      for (std::size_t at = 0; (at = input.find("HTTP/1.1 ")) != std::string::npos;) {
        const std::size_t end = input.find("\r\n\r\n", at);
        const std::size_t length = input.find("Content-Length: ", at);
        if (end == std::string::npos || length == std::string::npos) break;
        const std::size_t whole =
            end + 4 + static_cast<std::size_t>(std::atoi(input.c_str() + length + 16));
        if (input.size() < whole) break;
        if (input.compare(at + 9, 3, "201") != 0) failed_ = true;
        input.erase(0, whole);
        ++got;
        ++answered_;
      }
    }
  }

  const Broker& broker_;
  std::size_t devices_;
  std::atomic<std::size_t> answered_ = 0;
  std::atomic<bool> failed_ = false;
  std::vector<std::thread> threads_;
};

/// The time that stands in a push: digits after "title":" or at its front.
std::int64_t sent_at(base::BytesView payload) {
  const std::string_view text = base::as_text(payload);
  const std::size_t title = text.find("\"title\":\"");
  const std::size_t from = title == std::string_view::npos ? 0 : title + 9;
  std::int64_t value = 0;
  std::from_chars(text.data() + from, text.data() + text.size(), value);
  return value;
}

/// `a_second` 0: as fast as it goes. Returns: seconds from the first push to the last delivery.
Outcome<double> push_through(Broker& broker, Fleet& fleet, std::size_t count, double a_second,
                             Samples* samples) {
  std::size_t delivered = 0;
  const Fleet::OnPush on_push = [&](std::size_t, base::BytesView payload) {
    ++delivered;
    if (samples != nullptr) samples->add(monotonic_ns() - sent_at(payload));
  };
  const std::int64_t start = monotonic_ns();
  constexpr std::int64_t kLongest = 180'000'000'000;
  Outcome<void> served;
  if (broker.http != 0) {
    const std::size_t threads = a_second > 0 ? 4 : 8;
    const std::size_t whole = count / threads * threads;
    Senders senders(broker, threads, fleet.size(), whole, a_second);
    served = fleet.serve(on_push, [&] {
      return delivered >= whole || senders.failed() || monotonic_ns() - start > kLongest;
    });
    if (served && (senders.failed() || delivered < whole))
      return std::unexpected(fmt::format("{} of {} pushes arrived", delivered, whole));
  } else {
    base::Random random(1);
    std::size_t sent = 0;
    const std::size_t first = fleet.acknowledged();
    constexpr std::size_t kWindow = 1'000;
    served = fleet.serve(on_push, [&] {
      for (; sent < count && sent - (fleet.acknowledged() - first) < kWindow; ++sent) {
        if (a_second > 0 && static_cast<double>(monotonic_ns() - start) / 1e9 * a_second <
                                static_cast<double>(sent))
          break;
        const std::string text = fmt::format("{} {:0>100}", monotonic_ns(), 0);
        static_cast<void>(
            fleet.publish(1 + random.next() % (fleet.size() - 1), base::as_bytes(text)));
      }
      return delivered >= count || monotonic_ns() - start > kLongest;
    });
    if (served && delivered < count)
      return std::unexpected(fmt::format("{} of {} pushes arrived", delivered, count));
  }
  if (!served) return std::unexpected(served.error());
  return static_cast<double>(monotonic_ns() - start) / 1e9;
}

Outcome<void> measure_tls(Broker& broker, const Plan& plan, Found& found) {
  auto tls = io::TlsContext::client(broker.ca_file);
  if (!tls) return std::unexpected("tls: " + base::to_string(tls.error()));
  auto fleet = Fleet::make({broker.tls, *tls, kPrefix, kToken});
  if (!fleet) return std::unexpected(fleet.error());
  const std::size_t few = plan.tls_devices / 5;
  if (auto grown = (*fleet)->grow(few); !grown) return std::unexpected(grown.error());
  const double before = anonymous_bytes(broker.program.pid());
  const auto took = (*fleet)->grow(plan.tls_devices);
  if (!took) return std::unexpected(took.error());
  const auto more = static_cast<double>(plan.tls_devices - few);
  found.tls_bytes = (anonymous_bytes(broker.program.pid()) - before) / more;
  found.tls_rate = more / *took;
  return {};
}

Outcome<Found> measure(Broker& broker, const Plan& plan) {
  Found found;
  auto fleet = Fleet::make({broker.plain, nullptr, kPrefix, kToken});
  if (!fleet) return std::unexpected(fleet.error());
  // The slope: what a server needs for itself is in the first fifth.
  const std::size_t few = plan.devices / 5;
  if (auto grown = (*fleet)->grow(few); !grown) return std::unexpected(grown.error());
  const double before = anonymous_bytes(broker.program.pid());
  const auto took = (*fleet)->grow(plan.devices);
  if (!took) return std::unexpected(took.error());
  const auto more = static_cast<double>(plan.devices - few);
  found.plain_bytes = (anonymous_bytes(broker.program.pid()) - before) / more;
  found.plain_rate = more / *took;

  double cpu = cpu_ms(broker.program.pid());
  if (auto pinged = (*fleet)->ping(plan.pings); !pinged) return std::unexpected(pinged.error());
  found.ping_cpu_s =
      (cpu_ms(broker.program.pid()) - cpu) / 1e3 * 1e5 / static_cast<double>(plan.pings);
  if (broker.name == "floor") return found;

  Samples samples;
  if (auto pushed = push_through(broker, **fleet, plan.paced, 1'000, &samples); !pushed)
    return std::unexpected(pushed.error());
  found.push_p50_us = samples.percentile_us(50);
  found.push_p99_us = samples.percentile_us(99);
  cpu = cpu_ms(broker.program.pid());
  const auto lasted = push_through(broker, **fleet, plan.sustained, 0, nullptr);
  if (!lasted) return std::unexpected(lasted.error());
  found.pushes = static_cast<double>(plan.sustained) / *lasted;
  found.pushes_cpu =
      static_cast<double>(plan.sustained) * 1e3 / (cpu_ms(broker.program.pid()) - cpu);
  const auto back = (*fleet)->storm(90);  // mosquitto's listen backlog is 100
  if (!back) return std::unexpected(back.error());
  found.storm_s = *back;
  fleet->reset();
  if (auto measured = measure_tls(broker, plan, found); !measured)
    return std::unexpected(measured.error());
  return found;
}

void add_figures(Report& report, const std::string& name, const Found& found, const Found* against,
                 const std::string& against_name) {
  const struct {
    const char* what;
    const char* unit;
    std::optional<double> Found::* member;
  } rows[] = {{"user memory of an idle device, plain", "B", &Found::plain_bytes},
              {"connect + subscribe, plain", "1/s", &Found::plain_rate},
              {"user memory of an idle device, TLS", "B", &Found::tls_bytes},
              {"connect + subscribe, TLS", "1/s", &Found::tls_rate},
              {"processor time of 100,000 pings", "s", &Found::ping_cpu_s},
              {"push to a device at 1,000/s: p50", "µs", &Found::push_p50_us},
              {"push to a device at 1,000/s: p99", "µs", &Found::push_p99_us},
              {"pushes, as fast as they go", "1/s", &Found::pushes},
              {"pushes for a second of its processor time", "1/s", &Found::pushes_cpu},
              {"all devices come back", "s", &Found::storm_s}};
  for (const auto& row : rows) {
    const auto& value = found.*row.member;
    if (!value) continue;
    Figure figure{.name = name + ": " + row.what,
                  .value = *value,
                  .unit = row.unit,
                  .ratio = {},
                  .against = {}};
    if (against != nullptr && (against->*row.member) && *(against->*row.member) > 0) {
      figure.ratio = *value / *(against->*row.member);
      figure.against = against_name;
    }
    report.figures.push_back(std::move(figure));
  }
}

}  // namespace

Outcome<Report> run_server(bool quick) {
  const Plan plan = plan_of(quick);
  const Folder folder;
  Report report{.benchmark = "server",
                .command = quick ? "wakeline bench server --quick" : "wakeline bench server",
                .machine = machine_line(),
                .figures = {},
                .notes = {}};
  auto holder = start_holder(folder);
  if (!holder) return std::unexpected(holder.error());
  const auto floor = measure(*holder, plan);
  if (!floor) return std::unexpected("floor: " + floor.error());
  holder->program.stop();
  auto ours = start_wakeline(folder, plan.devices);
  if (!ours) return std::unexpected(ours.error());
  const auto found = measure(*ours, plan);
  if (!found) return std::unexpected("wakeline: " + found.error());
  ours->program.stop();
  std::optional<Found> peer;
  if (::access(kMosquitto, X_OK) == 0) {
    auto mosquitto = start_mosquitto(folder, *ours);
    if (!mosquitto) return std::unexpected(mosquitto.error());
    const auto measured = measure(*mosquitto, plan);
    if (!measured) return std::unexpected("mosquitto: " + measured.error());
    peer = *measured;
  } else {
    report.notes.emplace_back("mosquitto is not installed: no peer in this run");
  }
  add_figures(report, "floor", *floor, nullptr, "");
  if (peer) add_figures(report, "mosquitto", *peer, &*floor, "floor");
  add_figures(report, "wakeline", *found, peer ? &*peer : &*floor, peer ? "mosquitto" : "floor");
  report.notes.push_back(fmt::format(
      "{} devices plain, {} with TLS; memory is the slope of anonymous pages between a fifth and "
      "all of them",
      plan.devices, plan.tls_devices));
  report.notes.emplace_back(
      "wakeline's pushes come over HTTP and are synced to the disk before they are answered and "
      "sent; mosquitto's come over MQTT and are kept in memory");
  return report;
}

}  // namespace wakeline::bench
