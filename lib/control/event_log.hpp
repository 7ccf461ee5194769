// SPDX-License-Identifier: Apache-2.0
// The last events of the node, numbered; each is also a line of the log.
//
// Threads: slow path.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace sluice::control {

enum class Level : std::uint8_t { kInfo, kWarn, kError };
[[nodiscard]] std::string_view name(Level level) noexcept;  ///< "info", "warning", "error"

struct Event {
  std::uint64_t id = 0;  ///< From 1, without gaps.
  std::chrono::system_clock::time_point at;
  Level level = Level::kInfo;
  std::string component;  ///< "config", "next_hops"
  std::string event;      ///< What kind, one word: "reload_refused".
  std::string text;       ///< One line: at most kLongestText bytes, control characters are spaces.
};

class EventLog {
 public:
  using Now = std::function<std::chrono::system_clock::time_point()>;

  /// @param keep  events that are remembered.
  explicit EventLog(std::size_t keep = 4096, Now now = std::chrono::system_clock::now)
      : keep_(keep), now_(std::move(now)) {}

  /// Notes an event. More than kBurst of one kind (component and event) within kWindow are only
  /// counted, and the count is in the text of the next one that is noted. Kinds are words of the
  /// program, never of a client: each is remembered for good.
  void add(Level level, std::string component, std::string event, std::string text);

  /// Notes an event that must not be only counted: what somebody did.
  void note(Level level, std::string component, std::string event, std::string text);

  /// Called after each event that was noted.
  void on_new(std::function<void()> task) { on_new_ = std::move(task); }

  struct Page {
    std::vector<const Event*> events;  ///< Oldest first; valid until the next add().
    std::uint64_t next = 1;            ///< Ask with this id for what comes after.
    std::uint64_t lost = 0;            ///< Events from `since` on that are no longer remembered.
  };
  /// At most `most` events with an id of `since` or more. An id that is yet to come after the next
  /// one is of an earlier life of the daemon: then from the oldest that is remembered.
  [[nodiscard]] Page since(std::uint64_t since, std::size_t most) const;

  [[nodiscard]] std::uint64_t next() const noexcept { return next_id_; }  ///< Id of the next one.

  /// Events that were only counted, of all kinds, ever.
  [[nodiscard]] std::uint64_t suppressed() const noexcept { return suppressed_; }

  static constexpr unsigned kBurst = 100;
  static constexpr std::chrono::seconds kWindow{10};
  static constexpr std::size_t kLongestText = 2048;

 private:
  struct Kind {
    std::chrono::system_clock::time_point window_start;
    unsigned in_window = 0;
    std::uint64_t suppressed = 0;
  };

  std::size_t keep_;
  Now now_;
  std::uint64_t next_id_ = 1;
  std::uint64_t suppressed_ = 0;
  std::deque<Event> events_;
  std::map<std::string, Kind> kinds_;
  std::function<void()> on_new_;
};

}  // namespace sluice::control
