// SPDX-License-Identifier: Apache-2.0
// The table of `sluicectl health`.
#include "client/show.hpp"
#include "client/table.hpp"
#include "client/text.hpp"

#include <fmt/format.h>

namespace sluice::client {
namespace {

std::string decimal(const View& value) {
  const auto number = value.real();
  return number ? fmt::format("{:.1f}", *number) : "?";
}

std::string last_text(const View& last) {
  if (!last.present()) return "-";
  if (last["ok"].is_true()) return fmt::format("ok in {} ms", decimal(last["took_ms"]));
  const auto detail = last["detail"].text(80);
  return last["fault"].text(20) + (detail.empty() ? "" : ": " + detail);
}

std::string checks_note(const View& backend) {
  std::string note;
  const auto add = [&](std::string text) { note += (note.empty() ? "" : ", ") + std::move(text); };
  if (!backend["operator"].is("none"))
    add(fmt::format("{} by operator, {} by checks", backend["operator"].text(20),
                    backend["checked"].text(20)));
  const auto rest = backend["ejected_for_s"].real().value_or(0);
  const auto times = backend["ejections"].whole().value_or(0);
  if (rest > 0)
    add(fmt::format("ejected for {} more{}", duration_text(rest),
                    times > 1 ? fmt::format(", {} times lately", times) : std::string()));
  if (backend["hold_s"].real().value_or(0) > 0)
    add(fmt::format("has to do well for {}: fell {} times", backend["hold_s"].duration(),
                    backend["flaps"].count()));
  return note;
}

std::string row_text(const View& backend) {
  const auto good = backend["good_in_a_row"].whole().value_or(0);
  const auto bad = backend["failed_in_a_row"].whole().value_or(0);
  if (good == 0 && bad == 0) return "-";
  return bad != 0 ? fmt::format("{} failed", bad) : fmt::format("{} good", good);
}

}  // namespace

Result<std::string> show_health(const View& answer, const Look& look) {
  const auto pools = list_of(answer, "pools");
  if (!pools) return forward_error(pools);
  Table table({{"POOL"},
               {"BACKEND"},
               {"STATE"},
               {"SINCE", Align::kRight},
               {"LAST CHECK", Align::kLeft, 80},
               {"IN A ROW"},
               {"CHECKS", Align::kRight},
               {"FAILED", Align::kRight},
               {"NOTE", Align::kLeft, 80, true},
               {"REMEDY", Align::kLeft, 240, true}});
  std::string panics;
  for (const auto& pool : *pools) {
    const auto backends = list_of(pool, "backends");
    if (!backends) return forward_error(backends);
    if (pool["panic"].is_true())
      panics += fmt::format("pool {} is in panic: too few backends are usable, all get flows\n",
                            pool["name"].text());
    const bool looked_at = pool["probed"].is_true() || pool["watched"].is_true();
    for (const auto& b : *backends) {
      const auto good = b["probes"]["good"].whole();
      const auto failed = b["probes"]["failed"].whole();
      table.add({{pool["name"].text()},
                 {b["name"].text(), Tone::kStrong},
                 {b["state"].text(), tone_of_state(b["state"])},
                 {b["since_s"].duration()},
                 {looked_at ? last_text(b["last"]) : "no checks"},
                 {row_text(b)},
                 {good && failed ? count_text(*good + *failed) : "?"},
                 {b["probes"]["failed"].count()},
                 {checks_note(b), Tone::kWarning},
                 {b["remedy"].is_string() ? b["remedy"].text(400) : ""}});
    }
  }
  return panics + (table.empty() ? "no pools\n" : table.text(look.colour));
}

}  // namespace sluice::client
