// SPDX-License-Identifier: Apache-2.0
// What the daemon does when a configuration, health, load or next hops have changed.
#include "control/daemon_parts.hpp"

#include "config/decode.hpp"
#include "control/api_parse.hpp"
#include "control/notify.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

namespace sluice::control {

using std::chrono::system_clock;

Result<Published> Daemon::reload(std::string_view who) {
  if (standing_.stopping) {
    events_.add(Level::kWarn, "config", "reload_refused",
                fmt::format("by {}: the node is stopping", who));
    return fail(Errc::kConflict, "reload", "the node is stopping; its next start reads the file");
  }
  notify_reloading();
  standing_.last_reload = {.ok = false, .at = system_clock::now(), .faults = {}};
  const auto refuse = [&](const Error& error) -> Result<Published> {
    if (standing_.last_reload.faults.empty()) standing_.last_reload.faults.push_back(error.text());
    events_.add(Level::kError, "config", "reload_refused",
                fmt::format("by {}: {}; the old configuration stays", who,
                            fmt::join(standing_.last_reload.faults, " | ")));
    notify("READY=1\nSTATUS=forwarding; the last reload was refused");
    return tl::unexpected(error);
  };
  auto decoded = config::load(standing_.file);
  if (!decoded) return refuse(decoded.error());
  for (const auto& fault : decoded->faults) standing_.last_reload.faults.push_back(fault.text());
  if (!decoded->faults.empty())
    return refuse(
        {Errc::kInvalid, standing_.file, fmt::format("has {} faults", decoded->faults.size())});
  if (auto error = needs_restart(model_->file(), decoded->configuration)) return refuse(*error);
  if (auto read = server_->reload(); !read) return refuse(read.error());
  auto published = model_->replace_file(std::move(decoded->configuration));
  if (!published) return refuse(published.error());
  standing_.last_reload.ok = true;
  for (const auto& warning : decoded->warnings)
    events_.add(Level::kWarn, "config", "warning", warning.text());
  changed(*published, who, "reload");
  scale_->forget_histories(model_->file());
  notify("READY=1\nSTATUS=forwarding");
  return published;
}

void Daemon::changed(const Published& published, std::string_view who, std::string_view what) {
  if (published.loaded) standing_.loaded = system_clock::now();
  health_->follow(model_->running(), model_->operator_state(), model_->reaches(), model_->ports());
  load_->follow(model_->running());
  scale_->follow(model_->running());
  if (published.changed) {
    events_.add(Level::kInfo, "config", "changed",
                fmt::format("{} by {}: generation {}, {} of {} entries moved, least possible {}",
                            what, who, published.generation, published.movement.moved,
                            published.movement.total, published.movement.least));
    admit();
  } else {
    events_.add(Level::kInfo, "config", "changed",
                fmt::format("{} by {}: the tables stay as they are, generation {}", what, who,
                            published.generation));
  }
  protect();
  follow_health();
  save_state();
  note_next_hops();
}

void Daemon::admit() {
  const auto admitted =
      fast_path_->admit(model_->snapshot(), model_->running(), scale_->awaiting());
  auto problem = admitted ? std::string() : admitted.error().text();
  if (problem == admit_problem_) return;
  admit_problem_ = std::move(problem);
  if (admit_problem_.empty())
    events_.add(Level::kInfo, "xdp", "services_set", "the filter has every service again");
  else
    events_.add(Level::kError, "xdp", "services_not_set",
                admit_problem_ + "; services that are new go to Linux until it succeeds");
}

void Daemon::protect() {
  const auto done = fast_path_->protect(model_->running());
  auto problem = done ? std::string() : done.error().text();
  if (problem == protect_problem_) return;
  protect_problem_ = std::move(problem);
  if (protect_problem_.empty())
    events_.add(Level::kInfo, "xdp", "duties_set", "the filter has its duties again");
  else
    events_.add(Level::kError, "xdp", "duties_not_set",
                protect_problem_ + "; it denies, limits and answers as before until it succeeds");
}

void Daemon::follow_next_hops() {
  auto reaches = reach_finder_->find(model_->addresses_to_resolve(), model_->ports());
  auto published = model_->set_kernel_reaches(std::move(reaches));
  if (!published) {
    events_.add(Level::kError, "next_hops", "not_published", published.error().text());
  } else if (published->changed) {
    health_->follow(model_->running(), model_->operator_state(), model_->reaches(),
                    model_->ports());
  }
  if (model_->behind()) publish_pace_.ask();
  note_next_hops();
}

void Daemon::note_next_hops() {
  for (const auto& line : reach_finder_->take_news())
    events_.add(Level::kInfo, "next_hops", "next_hop", line);
}

// Who takes flows by health, by load or by how long it has been back has changed.
void Daemon::follow_health() {
  const auto published = model_->follow_health();
  if (!published)
    events_.add(Level::kError, "health", "not_published", published.error().text());
  else if (published->changed)
    admit();
  if (published && model_->behind()) publish_pace_.ask();  // the other pools, after a rest
  save_pace_.ask();
}

}  // namespace sluice::control
