// SPDX-License-Identifier: Apache-2.0
#include "control/daemon.hpp"

#include "control/daemon_parts.hpp"

#include "base/log.hpp"
#include "control/audit.hpp"
#include "control/notify.hpp"
#include "control/scale_sight.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <memory>
#include <optional>
#include <utility>

namespace sluice::control {
namespace {

using std::chrono::system_clock;

constexpr std::array kSignals = {SIGHUP, SIGTERM, SIGINT};
constexpr std::chrono::milliseconds kReclaimEvery{50};  // retired snapshots hold memory, no more
constexpr std::chrono::milliseconds kDrainCheckEvery{500};
constexpr std::chrono::seconds kNatWatchEvery{1};
constexpr std::chrono::milliseconds kSlowStartEvery{100};  // the shortest step there is
constexpr std::chrono::milliseconds kReadinessEvery{20};
constexpr std::chrono::seconds kFirstRound{30};  // of probes, before readiness is told without it
constexpr std::chrono::seconds kRepairEvery{5};  // what failed once may succeed later

// The listeners know what the system refused, not which key of the configuration asked for it.
Error with_remedy(Error error, const config::Admin& admin) {
  if (error.where == admin.http)
    error.message += "; free it, or change /admin/http";
  else if (error.code == Errc::kIo && admin.socket.starts_with(error.where))
    error.message += "; run as root, or name a path in /admin/socket that this user may write";
  return error;
}

// Each backend may have a probe's connection and a scraper's, which is kept: for a thousand of them
// the usual soft limit of 1,024 is too low. What cannot be had is missed later, and told then.
void raise_descriptor_limit() {
  constexpr rlim_t kEnough = 262'144;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kEnough) return;
  limit.rlim_cur = std::min(limit.rlim_max, kEnough);
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

Result<std::unique_ptr<Daemon>> Daemon::start(config::Configuration configuration,
                                              const std::string& file, const http::Page& page) {
  EventLoop::block_signals(kSignals);  // before DPDK and TBB start threads
  raise_descriptor_limit();
  auto loop = EventLoop::open();
  if (!loop) return forward_error(loop);
  std::unique_ptr<Daemon> daemon(new Daemon(std::move(*loop), page));
  if (auto ready = daemon->set_up(std::move(configuration), file); !ready)
    return forward_error(ready);
  return daemon;
}

Result<void> Daemon::set_up(config::Configuration configuration, const std::string& file) {
  standing_.file = file;
  standing_.started = standing_.loaded = standing_.published = standing_.last_reload.at =
      system_clock::now();
  standing_.turns = &loop_->turn_times();
  standing_.grace = &grace_.times();
  if (auto ready = loop_->on_signals(
          kSignals, [this](int signal, const EventLoop::Sender& from) { on_signal(signal, from); });
      !ready)
    return ready;

  // The sockets first: a second daemon of this node is refused before it touches DPDK or the
  // interfaces. Who connects now is answered once the loop runs.
  if (auto ready = listen(configuration.admin); !ready) return ready;
  auto fast_path = FastPath::open(configuration);
  if (!fast_path) return forward_error(fast_path);
  fast_path_ = std::move(*fast_path);
  if (auto ready = make_model(std::move(configuration)); !ready) return ready;
  const auto workers = static_cast<unsigned>(model_->running().receive_queues());
  auto publisher = snapshot::Publisher::create(model_->take_first(), workers);
  if (!publisher) return forward_error(publisher);
  publisher_ = std::move(*publisher);
  model_->publish_to(*publisher_);
  if (auto ready = make_health(); !ready) return ready;
  if (auto ready = hear_driver(); !ready) return ready;
  if (auto ready = make_load(); !ready) return ready;
  make_scale();
  if (auto ready = announce(model_->running()); !ready) return ready;
  if (auto ready = push_events(model_->running()); !ready) return ready;
  make_api();
  auto native = NativeTelemetry::open(*loop_, [this] { return api_->scene(); });
  if (!native) return forward_error(native);
  native_telemetry_ = std::move(*native);

  auto finder = ReachFinder::open(*loop_, [this] { follow_next_hops(); });
  if (!finder) return forward_error(finder);
  reach_finder_ = std::move(*finder);
  model_->resolve_by([this](std::span<const IpAddress> addresses) {
    return reach_finder_->find(addresses, model_->ports());
  });
  follow_next_hops();
  follow_health();
  if (auto running = fast_path_->launch(*publisher_); !running) return running;
  model_->on_published([this] {  // from here on workers hold what is published
    standing_.published = system_clock::now();
    grace_.published();
  });
  if (auto admitted = fast_path_->admit(model_->snapshot(), model_->running(), scale_->awaiting());
      !admitted)
    return admitted;
  if (auto done = fast_path_->protect(model_->running()); !done) return done;
  loop_->every(kReclaimEvery, [this] { publisher_->reclaim(); });
  loop_->every(kReadinessEvery, [this] { step_readiness(); });
  loop_->every(kSlowStartEvery, [this] { step_slow_start(); });
  loop_->every(kRepairEvery, [this] { repair(); });
  if (const auto period = Watchdog::period()) {
    watchdog_.emplace(
        *period, [this](auto limit) { return fast_path_->stuck_worker(limit); }, events_);
    loop_->every(*period, [this] { watchdog_->step(); });
  }
  loop_->every(kNatWatchEvery, [this] { nat_watch_.look(fast_path_->books(), events_); });
  save_state();
  return {};
}

Result<void> Daemon::listen(const config::Admin& admin) {
  auto server =
      http::Server::open(*loop_, server_options(admin), [this](const http::Request& request) {
        const bool page = request.path == "/" && !page_.plain.empty();
        return page ? http::answer(page_, request) : api_->answer(request);
      });
  if (!server) return tl::unexpected(with_remedy(server.error(), admin));
  server_ = std::move(*server);
  events_.on_new([this] {
    server_->wake_deferred();
    if (webhook_) webhook_->wake();
  });
  return {};
}

http::Server::Options Daemon::server_options(const config::Admin& admin) {
  return {.socket = admin.socket,
          .access = {.mode = static_cast<mode_t>(std::stoul(admin.socket_mode, nullptr, 8)),
                     .group = admin.socket_group},
          .http = admin.http,
          .certificate = admin.tls_certificate,
          .key = admin.tls_key,
          .tokens = admin.token_file,
          .admit = [this](const http::Request& request,
                          std::size_t& body_bytes) -> std::optional<http::Response> {
            if (request.path == "/") return std::nullopt;  // the page is none of the API's routes
            return api_->admit(request, body_bytes);
          }};
}

Result<void> Daemon::make_model(config::Configuration configuration) {
  const auto directory = configuration.state_dir;
  auto ports = egress_ports(configuration, fast_path_->macs());
  auto state = state_.load(directory);
  auto model = Model::create(configuration, state, ports, EventLoop::Clock::now);
  if (!model && !state.pools.empty()) {
    // Each is good alone; the file changed while the node was down. Traffic before changes.
    state_.put_aside(directory, model.error());
    state.pools.clear();
    model = Model::create(std::move(configuration), std::move(state), std::move(ports),
                          EventLoop::Clock::now);
  }
  if (!model) return forward_error(model);
  model_ = std::move(*model);
  return {};
}

void Daemon::make_api() {
  capture_ = std::make_unique<Capture>(Capture::Parts{
      .model = *model_,
      .workers = [this] { return fast_path_->workers().size(); },
      .attach = [this](
                    std::size_t worker,
                    dataplane::CaptureTap* tap) { fast_path_->workers()[worker]->capture_to(tap); },
      .publisher = *publisher_,
      .events = events_,
      .now = EventLoop::Clock::now,
      .started = [this] { step_capture(); }});
  api_ = std::make_unique<Api>(
      Api::Parts{.model = *model_,
                 .fast_path = *fast_path_,
                 .standing = standing_,
                 .events = events_,
                 .capture = *capture_,
                 .health = health_.get(),
                 .announcement = announcement_.get(),
                 .scale = scale_.get(),
                 .load = load_.get(),
                 .changed = [this](const Published& p, std::string_view who,
                                   std::string_view what) { changed(p, who, what); },
                 .reload = [this](std::string_view who) { return reload(who); }});
}

Result<void> Daemon::make_health() {
  auto health = HealthKeeper::open(
      {.loop = *loop_,
       .events = events_,
       .signals =
           [this](const std::string& pool, const std::string& name) {
             return fast_path_->signals(model_->number(pool, name));
           },
       .active =
           [this](const std::string& pool, const std::string& name) {
             return fast_path_->active_flows(model_->number(pool, name));
           },
       .changed = [this] { publish_pace_.ask(); },
       .driver_saw = [this](const IpAddress& a) { return fast_path_->driver_saw(a); },
       .probed = [this](const health::Target& target,
                        const health::Outcome& outcome) { load_->probed(target, outcome); }},
      model_->running().state_dir);
  if (!health) return forward_error(health);
  health_ = std::move(*health);
  model_->use_by([this](const std::string& pool, const std::string& backend) {
    return health_->use(pool, backend);
  });
  health_->follow(model_->running(), model_->operator_state(), model_->reaches(), model_->ports());
  return {};
}

Result<void> Daemon::hear_driver() {
  if (fast_path_->driver_events_fd() < 0) return {};
  auto events = DriverEvents::open(
      {.loop = *loop_,
       .events = events_,
       .poll = [this](std::size_t most) { return fast_path_->poll_driver_events(most); },
       .lost = [this] { return fast_path_->driver_events_lost(); },
       .look = [this](const auto& doubtful,
                      const auto& answering) { health_->look_at(doubtful, answering); }},
      fast_path_->driver_events_fd());
  if (!events) return forward_error(events);
  driver_events_ = std::move(*events);
  return {};
}

void Daemon::make_scale() {
  scale_ = std::make_unique<ScaleKeeper>(
      scale_parts({.loop = *loop_,
                   .events = events_,
                   .model = *model_,
                   .health = *health_,
                   .load = *load_,
                   .fast_path = *fast_path_,
                   .changed = [this](const Published& p, std::string_view who,
                                     std::string_view what) { changed(p, who, what); },
                   .awaiting_changed = [this] { admit(); }}),
      model_->running().state_dir, model_->running().node);
  scale_->follow(model_->running());
  scale_->forget_histories(model_->file());
}

Result<void> Daemon::make_load() {
  auto load =
      LoadKeeper::open({.loop = *loop_,
                        .events = events_,
                        .in_service =
                            [this](const std::string& pool, const std::string& name) {
                              return health_->use(pool, name).value_or(Use{}).takes_new_flows;
                            },
                        .changed = [this] { publish_pace_.ask(); }});
  if (!load) return forward_error(load);
  load_ = std::move(*load);
  load_->follow(model_->running());
  model_->load_by([this](const config::Configuration& running, snapshot::Input& input) {
    load_->apply(running, input);
  });
  return {};
}

Result<void> Daemon::announce(const config::Configuration& configuration) {
  if (!configuration.announce) return {};
  auto announcer =
      netlink::Announcer::open(configuration.announce->link, configuration.announce->create);
  if (!announcer)
    return fail(announcer.error().code, "/announce/link", "{}", announcer.error().text());
  announcement_ = std::make_unique<Announcement>(std::move(*announcer), events_);
  return {};
}

Result<void> Daemon::push_events(const config::Configuration& configuration) {
  if (configuration.events.webhook.empty()) return {};
  auto webhook = Webhook::open(*loop_, events_, configuration.events.webhook, configuration.node);
  if (!webhook) return forward_error(webhook);
  webhook_ = std::move(*webhook);
  webhook_->wake();  // what happened before it was there
  return {};
}

Daemon::~Daemon() {
  native_telemetry_.reset();
  announcement_.reset();
  webhook_.reset();
  scale_.reset();
  driver_events_.reset();
  load_.reset();
  server_.reset();
  reach_finder_.reset();
  capture_.reset();
  health_.reset();
  if (fast_path_) fast_path_->stop();  // no reader is left when the publisher goes
  publisher_.reset();
}

void Daemon::run() {
  events_.add(Level::kInfo, "daemon", "started",
              fmt::format("node {} generation {} workers {}", model_->running().node,
                          model_->snapshot().generation, fast_path_->workers().size()));
  ready_at_latest_ = loop_->now() + kFirstRound;
  step_readiness();
  loop_->run();
  notify("STOPPING=1");
  health_->save();
  if (!scale_->pools().empty()) scale_->save();
  scale_->save_histories();
  save_state();  // next hops may have moved the generation on since
  events_.add(Level::kInfo, "daemon", "stopped", fmt::format("node {}", model_->running().node));
}

void Daemon::on_signal(int signal, const EventLoop::Sender& from) {
  if (signal == SIGHUP) {
    const auto before = model_->running();
    if (reload("SIGHUP"))  // a refusal is an event and in the status
      audit(events_, who_signalled(signal, from), "reload", before, model_->running());
  } else if (standing_.stopping) {
    loop_->stop();
  } else {
    begin_stop();
  }
}

void Daemon::step_readiness() {
  const auto trouble = api_->not_ready_because();
  if (announcement_)
    announcement_->step(trouble, model_->running(), loop_->now(), [this](const config::Pool& pool) {
      // The first client starts a backend of a pool that scales: it must come this way.
      return pool.autoscale || std::ranges::any_of(pool.backends, [&](const auto& backend) {
               const auto use = model_->use(pool, backend);
               return use.takes_new_flows || use.keeps_flows;
             });
    });
  if (told_ready_ || standing_.stopping) return;
  if (!health_is_in_force() && loop_->now() < ready_at_latest_) return;
  told_ready_ = true;
  notify("READY=1\nSTATUS=forwarding");
}

// The first answers of all backends are there, and the tables that came of them are published.
bool Daemon::health_is_in_force() const {
  return health_->first_round_done() && !health_->has_news() && !publish_pace_.waits() &&
         !model_->behind();
}

void Daemon::step_slow_start() {
  if (model_->slow_start_is_due()) publish_pace_.ask();
}

void Daemon::step_capture() {
  loop_->cancel(capture_step_);  // of a capture before this one
  if (!capture_->step()) return;
  capture_step_ = loop_->after(Capture::kStep, [this] { step_capture(); });
}

void Daemon::repair() {
  if (!admit_problem_.empty()) admit();
  if (!protect_problem_.empty()) protect();
  health_->save();
  save_state();
}

void Daemon::begin_stop() {
  standing_.stopping = true;
  drain_until_ = loop_->now() + model_->running().drain_timeout;
  forwarded_before_ = fast_path_->books().total(Outcome::kForward);
  events_.add(
      Level::kInfo, "daemon", "stopping",
      fmt::format("not ready any more; stops when traffic has ceased, at the latest in {} s",
                  model_->running().drain_timeout.count()));
  notify("STOPPING=1\nSTATUS=draining");
  server_->wake_deferred();
  step_readiness();
  if (model_->running().drain_timeout.count() == 0) return loop_->stop();
  loop_->every(kDrainCheckEvery, [this] { check_drained(); });
}

void Daemon::check_drained() {
  const auto forwarded = fast_path_->books().total(Outcome::kForward);
  if (forwarded == forwarded_before_ || loop_->now() >= drain_until_) loop_->stop();
  forwarded_before_ = forwarded;
}

Result<void> run_daemon(config::Configuration configuration, const std::string& file,
                        const http::Page& page) {
  auto daemon = Daemon::start(std::move(configuration), file, page);
  if (!daemon) return forward_error(daemon);
  (*daemon)->run();
  return {};
}

}  // namespace sluice::control
