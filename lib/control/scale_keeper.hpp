// SPDX-License-Identifier: Apache-2.0
// The autoscaler of the daemon: every pool with `autoscale` at its own ticks, what a restart must
// know of them in STATE_DIR/scale.json, and the clock that they go by.
//
// Threads: slow path; saving waits for the disk.
#pragma once

#include "base/event_loop.hpp"
#include "base/result.hpp"
#include "config/configuration.hpp"
#include "control/scale_pool.hpp"

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

namespace sluice::control {

class ScaleKeeper {
 public:
  /// How often attempts at pools without backends are looked for, and the clock is compared.
  static constexpr std::chrono::milliseconds kWatch{200};
  static constexpr std::chrono::seconds kSaveEvery{10};
  /// Each pool's history is written so often, one of them in a kSaveEvery: a daemon that is killed
  /// loses so much of it.
  static constexpr std::chrono::minutes kSaveHistoryEvery{10};
  /// Of the wall's clock against the steady one, in one kWatch: more is a jump.
  static constexpr std::chrono::seconds kJump{5};
  static constexpr unsigned kVersion = 1;  ///< Of the state file.

  /// Reads what was kept in `directory`. @param node  its name: orders begin with it.
  ScaleKeeper(ScaleParts parts, std::string directory, std::string node);
  ScaleKeeper(const ScaleKeeper&) = delete;
  ScaleKeeper& operator=(const ScaleKeeper&) = delete;
  ~ScaleKeeper();

  /// Other pools from now on. Pools that stay keep what was learned. The demands of ScaleParts
  /// must have been told before.
  void follow(const config::Configuration& running);

  /// Null: there is none, or it is not scaled.
  [[nodiscard]] ScalePool* find(std::string_view pool);
  [[nodiscard]] const std::map<std::string, std::unique_ptr<ScalePool>, std::less<>>& pools()
      const noexcept {
    return pools_;
  }
  /// Names of pools whose clients wait for a first backend; see ScalePool::awaits().
  [[nodiscard]] std::set<std::string> awaiting() const;

  /// Writes the state now. Trouble is an event when it begins and when it ends.
  void save();
  /// Removes the histories of pools that are not in the file any more. What `config apply` leaves
  /// out comes back with the next reload: hand in the file, not what runs.
  void forget_histories(const config::Configuration& file);
  /// Likewise all histories, STATE_DIR/history/POOL.series. For the end of the daemon.
  void save_histories();

 private:
  struct Entry {
    EventLoop::TimerId timer = EventLoop::TimerId::kNone;
    std::chrono::milliseconds period{};
    EventLoop::Clock::time_point history_saved{};
  };

  struct Telling {
    const char* event;
    const char* text;
  };

  void load();
  void tell_when_new(const Result<void>& done, std::string& problem, const Telling& again,
                     const Telling& trouble);
  void load_history(ScalePool& pool);
  void save_history(const ScalePool& pool);
  void save_oldest_history();
  void tick(ScalePool& pool);
  void watch();
  void watch_clock();

  ScaleParts parts_;
  std::string directory_;
  std::string id_prefix_;
  std::map<std::string, std::unique_ptr<ScalePool>, std::less<>> pools_;
  std::map<std::string, Entry, std::less<>> entries_;  ///< Beside `pools_`.
  std::unique_ptr<nlohmann::json> kept_;  ///< By pool, of pools that have not come yet.
  std::chrono::milliseconds away_{};
  std::uint64_t life_ = 0;  ///< Of the daemon: greater than any before.
  EventLoop::TimerId watch_timer_ = EventLoop::TimerId::kNone;
  EventLoop::TimerId save_timer_ = EventLoop::TimerId::kNone;
  EventLoop::Clock::time_point watched_{};
  std::chrono::system_clock::time_point wall_watched_{};
  std::string history_problem_;  ///< Why a history could not be written; empty: it could.
  std::string problem_;          ///< Why the state could not be written; empty: it could.
};

}  // namespace sluice::control
