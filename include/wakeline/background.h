// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <wakeline/export.h>

#include <cstdint>
#include <memory>

namespace wakeline {

class App;
namespace app {
class Core;
}  // namespace app

/// A tagged connection (C3): its bytes wake the suspended app. It ends with this object; the
/// socket itself stays the caller's, and is neither read nor changed nor kept open by it. Close the
/// socket as ever: the tag is gone with the connection (C5). Any thread.
class [[nodiscard]] WAKELINE_API Tag {
 public:
  Tag() = default;  ///< none
  Tag(Tag&&) noexcept;
  Tag& operator=(Tag&&) noexcept;
  ~Tag();

  /// Whether this very connection would wake the app now: a host is there, it has accepted the
  /// tag, and the connection is still the one that was tagged. Asks the host (at most seconds).
  bool is_wake_capable() const;

 private:
  friend class App;
  Tag(std::shared_ptr<app::Core> core, std::uint64_t key);
  void end();

  std::shared_ptr<app::Core> core_;
  std::uint64_t key_ = 0;
};

/// Keeps the app running in the background until it is destroyed (C20): no `on_expire` begins after
/// that, unless another thread is dispatching. Any thread.
class [[nodiscard]] WAKELINE_API BackgroundTask {
 public:
  BackgroundTask() = default;  ///< none
  BackgroundTask(BackgroundTask&&) noexcept;
  BackgroundTask& operator=(BackgroundTask&&) noexcept;
  ~BackgroundTask();  ///< ends it

 private:
  friend class App;
  BackgroundTask(std::shared_ptr<app::Core> core, std::uint64_t key);
  void end();

  std::shared_ptr<app::Core> core_;
  std::uint64_t key_ = 0;
};

/// The app plays or records: it is not suspended (C29). It ends with this object. Any thread.
class [[nodiscard]] WAKELINE_API AudioSession {
 public:
  AudioSession() = default;  ///< none
  AudioSession(AudioSession&&) noexcept;
  AudioSession& operator=(AudioSession&&) noexcept;
  ~AudioSession();

 private:
  friend class App;
  AudioSession(std::shared_ptr<app::Core> core, std::uint64_t key);
  void end();

  std::shared_ptr<app::Core> core_;
  std::uint64_t key_ = 0;
};

/// A wake that was asked for (C40); destroyed before its handler runs, it is cancelled, also where
/// the handler waits to be dispatched already. Any thread.
class [[nodiscard]] WAKELINE_API WakeRequest {
 public:
  WakeRequest() = default;  ///< none
  WakeRequest(WakeRequest&&) noexcept;
  WakeRequest& operator=(WakeRequest&&) noexcept;
  ~WakeRequest();

 private:
  friend class App;
  WakeRequest(std::shared_ptr<app::Core> core, std::uint64_t key);
  void end();

  std::shared_ptr<app::Core> core_;
  std::uint64_t key_ = 0;
};

}  // namespace wakeline
