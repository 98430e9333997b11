// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "core/doze/types.h"
#include "wire/host_message.h"
#include "wire/host_message_shapes.h"
#include "wire/push.h"

/// docs/protocol.md says what the code does: its examples are read by the codecs, and no message,
/// field, error, event or property is missing.
namespace wakeline {
namespace {

namespace host = wire::host;
namespace fields = wire::json_fields;

const std::string& document() {
  static const std::string text = [] {
    std::ifstream file(WAKELINE_DOCS "/protocol.md");
    return std::string(std::istreambuf_iterator<char>(file), {});
  }();
  return text;
}

// The lines between a heading and the next one of any level; empty when there is no such heading.
std::string section(const std::string& heading) {
  const std::string wanted = "\n" + heading + "\n";
  const std::size_t start = document().find(wanted);
  if (start == std::string::npos) return {};
  const std::size_t body = start + wanted.size();
  return document().substr(body, document().find("\n#", body) - body);
}

// The lines of the ```json blocks of `text`.
std::vector<std::string> examples(const std::string& text) {
  const std::string open = "```json\n";
  std::vector<std::string> lines;
  std::size_t at = text.find(open);
  while (at != std::string::npos) {
    const std::size_t line = at + open.size();
    lines.push_back(text.substr(line, text.find('\n', line) - line));
    at = text.find(open, line);
  }
  return lines;
}

void expect_word(const std::string& text, std::string_view word, std::string_view where) {
  EXPECT_NE(text.find("`" + std::string(word) + "`"), std::string::npos)
      << where << " does not name `" << word << "`";
}

template <class T>
void expect_fields(const std::string& text, std::string_view where) {
  for (const std::string_view field : fields::names<T>()) expect_word(text, field, where);
}

template <std::size_t... kIndex>
void expect_messages(std::index_sequence<kIndex...>) {
  const auto expect = []<class M>(std::type_identity<M>) {
    const std::string type(fields::Shape<M>::kType);
    const std::string text = section("#### `" + type + "`");
    ASSERT_FALSE(text.empty()) << "no section for " << type;
    expect_fields<M>(text, type);
    const auto datagrams = examples(text);
    ASSERT_EQ(datagrams.size(), 1U) << type;
    const auto message = host::decode(datagrams[0]);
    ASSERT_TRUE(message) << message.error().field << ": " << message.error().message;
    EXPECT_TRUE(std::holds_alternative<M>(*message)) << type;
    EXPECT_EQ(*host::encode(*message), datagrams[0]);
  };
  (expect(std::type_identity<std::variant_alternative_t<kIndex, host::Message>>()), ...);
}

TEST(ProtocolDocument, ShowsEveryMessageWithItsFields) {
  expect_messages(std::make_index_sequence<std::variant_size_v<host::Message>>());
  expect_fields<host::Notification>(section("#### `notify`"), "notify");
  expect_fields<host::NotificationAction>(section("#### `notify`"), "notify");
  expect_fields<host::NetworkAddress>(section("#### `network_changed`"), "network_changed");
  expect_fields<host::NetworkRoute>(section("#### `network_changed`"), "network_changed");
  expect_fields<host::AppInfo>(section("#### `app_list`"), "app_list");
}

TEST(ProtocolDocument, ListsEveryError) {
  const std::string text = section("### Error codes");
  for (int i = 0; i < std::to_underlying(base::ErrorCode::kCount); ++i) {
    expect_word(text, base::name(static_cast<base::ErrorCode>(i)), "Error codes");
  }
}

TEST(ProtocolDocument, ListsEveryWordOfTheMessages) {
  const auto expect_all = [](const std::string& heading, auto last) {
    for (int i = 0; i <= std::to_underlying(last); ++i) {
      expect_word(section(heading), name(static_cast<decltype(last)>(i)), heading);
    }
  };
  expect_all("#### `welcome`", host::LaunchReason::kAdopted);
  expect_all("#### `welcome`", host::AppState::kWaiting);
  expect_all("#### `woken`", host::WakeCause::kCall);
  expect_all("#### `call_state_changed`", host::CallState::kActive);
  expect_all("#### `notify`", host::Urgency::kCritical);
  expect_all("#### `control`", host::Command::kClose);
  expect_all("### `POST /v1/push`", wire::Urgency::kHigh);
}

TEST(ProtocolDocument, ListsEveryEventOfTheLedger) {
  const std::string text = section("### Ledger");
  for (int i = 0; i < std::to_underlying(doze::LedgerEvent::kCount); ++i) {
    expect_word(text, doze::name(static_cast<doze::LedgerEvent>(i)), "Ledger");
  }
}

TEST(ProtocolDocument, ListsEveryPropertyOfOurs) {
  namespace property = wire::property;
  const std::string text = section("### Properties of ours");
  for (const std::string_view name :
       {property::kSequence, property::kEpoch, property::kReceived, property::kAttempt,
        property::kSpread, property::kDrain, property::kRetryAfter, property::kUrgency,
        property::kContentEncoding}) {
    expect_word(text, name, "Properties of ours");
  }
}

TEST(ProtocolDocument, ShowsAPushAsItIsReadAndWritten) {
  const auto contents = examples(section("### The body of a PUBLISH"));
  ASSERT_EQ(contents.size(), 1U);
  const auto content = wire::decode_push_content(base::as_bytes(contents[0]));
  ASSERT_TRUE(content);
  EXPECT_EQ(base::as_text(*wire::encode(*content)), contents[0]);

  const std::string text = section("### `POST /v1/push`");
  const auto requests = examples(text);
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_TRUE(wire::parse_push_request(requests[0]));
  const auto wrong = wire::parse_push_request(R"({"device":"d","title":"t","unknown":1})");
  ASSERT_FALSE(wrong);
  // The answer lists the known fields after the colon.
  std::string_view known = wrong.error().message;
  known.remove_prefix(known.find(": ") + 2);
  std::size_t count = 0;
  while (!known.empty()) {
    const std::size_t end = std::min(known.find(", "), known.size());
    expect_word(text, known.substr(0, end), "POST /v1/push");
    known.remove_prefix(std::min(end + 2, known.size()));
    ++count;
  }
  EXPECT_EQ(count, 10U);
}

}  // namespace
}  // namespace wakeline
