// SPDX-License-Identifier: Apache-2.0
// The daemon's parts and what it does with them: set up and run in daemon.cpp, changes of the
// configuration and of the tables in daemon_changes.cpp. For these two files only.
//
// Threads: slow path.
#pragma once

#include "base/event_loop.hpp"
#include "control/announcement.hpp"
#include "control/api.hpp"
#include "control/capture.hpp"
#include "control/event_log.hpp"
#include "control/fast_path.hpp"
#include "control/grace_watch.hpp"
#include "control/health_keeper.hpp"
#include "control/load_keeper.hpp"
#include "control/model.hpp"
#include "control/nat_watch.hpp"
#include "control/native_telemetry.hpp"
#include "control/operator_state.hpp"
#include "control/pace.hpp"
#include "control/reach_finder.hpp"
#include "control/scale_keeper.hpp"
#include "control/standing.hpp"
#include "control/state_keeper.hpp"
#include "control/watchdog.hpp"
#include "control/webhook.hpp"
#include "http/page.hpp"
#include "http/server.hpp"
#include "snapshot/publisher.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::control {

class Daemon {
 public:
  static Result<std::unique_ptr<Daemon>> start(config::Configuration configuration,
                                               const std::string& file, const http::Page& page);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;
  void run();

 private:
  Daemon(std::unique_ptr<EventLoop> loop, const http::Page& page)
      : page_(page), loop_(std::move(loop)) {}
  Result<void> set_up(config::Configuration configuration, const std::string& file);
  Result<void> listen(const config::Admin& admin);
  http::Server::Options server_options(const config::Admin& admin);
  Result<void> make_model(config::Configuration configuration);
  void make_api();
  void save_state() { state_.save(model_->operator_state(), model_->running().state_dir); }
  void on_signal(int signal, const EventLoop::Sender& from);
  Result<Published> reload(std::string_view who);
  void changed(const Published& published, std::string_view who, std::string_view what);
  void admit();
  void protect();
  void follow_next_hops();
  void note_next_hops();
  Result<void> make_health();
  void make_scale();
  Result<void> hear_driver();
  void follow_health();
  Result<void> make_load();
  Result<void> announce(const config::Configuration& configuration);
  Result<void> push_events(const config::Configuration& configuration);
  void step_readiness();
  [[nodiscard]] bool health_is_in_force() const;
  void step_slow_start();
  void step_capture();
  void repair();
  void begin_stop();
  void check_drained();

  const http::Page page_;
  std::unique_ptr<EventLoop> loop_;
  EventLog events_;
  NatWatch nat_watch_;
  Standing standing_;
  StateKeeper state_{events_, standing_};
  std::unique_ptr<FastPath> fast_path_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<snapshot::Publisher> publisher_;
  GraceWatch grace_{*loop_, [this] { return publisher_->reclaim(); }};
  // While ten thousand backends come up, each turn of the loop has news.
  Pace publish_pace_{*loop_, 3, [this] { follow_health(); }};
  Pace save_pace_{*loop_, 9, [this] { health_->save(); }};
  std::unique_ptr<ReachFinder> reach_finder_;
  std::unique_ptr<HealthKeeper> health_;
  std::unique_ptr<DriverEvents> driver_events_;  ///< Null: no XDP filter is there.
  std::unique_ptr<LoadKeeper> load_;
  std::unique_ptr<ScaleKeeper> scale_;
  std::unique_ptr<Announcement> announcement_;  ///< Null: nothing is announced.
  std::unique_ptr<Webhook> webhook_;            ///< Null: nobody wants events pushed.
  std::unique_ptr<Capture> capture_;
  std::unique_ptr<Api> api_;
  std::unique_ptr<NativeTelemetry> native_telemetry_;
  std::unique_ptr<http::Server> server_;
  std::optional<Watchdog> watchdog_;  ///< Absent: nobody watches.
  std::string admit_problem_;         ///< Why the filter lacks services; empty: it has all.
  std::string protect_problem_;       ///< Why it lacks its other duties; empty: it has them.
  std::uint64_t forwarded_before_ = 0;
  EventLoop::Clock::time_point drain_until_{};
  EventLoop::Clock::time_point ready_at_latest_{};
  bool told_ready_ = false;  ///< To who started the daemon.
  EventLoop::TimerId capture_step_ = EventLoop::TimerId::kNone;
};

}  // namespace sluice::control
