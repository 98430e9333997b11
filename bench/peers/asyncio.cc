// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "bed.h"
#include "io/file.h"
#include "loopback.h"
#include "peers/subject.h"

namespace wakeline::bench {
namespace {

constexpr int kClientTimeoutMs = 30'000;

/// A client as the documentation of asyncio has it, with a sign of life like those of WebSocket
/// libraries.
constexpr const char* kClient = R"(import asyncio, sys

async def stay_alive(writer):
    while True:
        await asyncio.sleep(20)
        writer.write(b"alive\n")
        await writer.drain()

async def main():
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    alive = asyncio.create_task(stay_alive(writer))
    async for line in reader:
        writer.write(b"got " + line)
        await writer.drain()
    alive.cancel()

asyncio.run(main())
)";

/// A Python client whose server we are.
class Asyncio final : public Subject {
 public:
  const char* name() const override { return "asyncio"; }
  std::vector<Need> needs() const override { return {{"python3", "python3"}}; }
  Outcome<void> start_server(const std::string& folder) override {
    auto door = Door::open();
    if (!door) return std::unexpected(door.error());
    door_ = std::move(*door);
    script_ = folder + "/client.py";
    if (!io::write_file(script_, kClient)) return std::unexpected(script_ + ": cannot be written");
    return {};
  }
  std::uint16_t port() const override { return door_.port(); }
  Outcome<std::string> command(Side /*side*/, const std::string& /*folder*/) override {
    return fmt::format("exec {} {} {}", find_program("python3"), script_, door_.port());
  }
  Outcome<void> on_started(Side side, Screen& /*screen*/) override {
    auto socket = door_.accept(kClientTimeoutMs);
    if (!socket) return std::unexpected(socket.error());
    lines_[side] = TextLine(std::move(*socket));
    return {};
  }
  const char* reaction() const override { return "a line from its server → its answer"; }
  Outcome<std::int64_t> ring(Side side, Screen& /*screen*/) override {
    const std::string word = ring_word(number_++);
    TextLine& line = lines_[side];
    line.skip();
    const std::int64_t start = monotonic_ns();
    if (const auto sent = line.send(word + "\n"); !sent) return std::unexpected(sent.error());
    if (const auto got = line.await("got " + word); !got) return std::unexpected(got.error());
    return monotonic_ns() - start;
  }

 private:
  Door door_;
  std::string script_;
  std::array<TextLine, kSides> lines_;
  int number_ = 0;
};

}  // namespace

std::unique_ptr<Subject> make_asyncio() { return std::make_unique<Asyncio>(); }

}  // namespace wakeline::bench
