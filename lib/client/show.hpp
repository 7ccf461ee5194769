// SPDX-License-Identifier: Apache-2.0
// Answers of the admin API as an operator reads them. Fields: docs/reference/api.md.
//
// Threads: values.
#pragma once

#include "base/result.hpp"
#include "client/flow.hpp"
#include "client/table.hpp"
#include "client/text.hpp"
#include "client/view.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace sluice::client {

struct Look {
  bool colour = false;
  TimePoint now;  ///< What "ago" counts from.
};

// Each prints whole lines. A field that is missing or of the wrong type shows as "?"; kIo where the
// answer is so different that nothing of it can be shown (the list itself is missing).
[[nodiscard]] Result<std::string> show_status(const View& answer, const Look& look);
[[nodiscard]] Result<std::string> show_services(const View& answer, const Look& look);
[[nodiscard]] Result<std::string> show_pools(const View& answer, const Look& look);
[[nodiscard]] Result<std::string> show_backends(const View& answer, const Look& look);
[[nodiscard]] Result<std::string> show_flows(const View& answer, const Look& look);
[[nodiscard]] Result<std::string> show_workers(const View& answer, const Look& look);
[[nodiscard]] Result<std::string> show_health(const View& answer, const Look& look);
/// Pools that are scaled; of one pool that is asked for, its classes and latest decisions, too.
/// @param pool  what was asked for; empty: all.
[[nodiscard]] Result<std::string> show_scale(const View& answer, const Look& look,
                                             const std::string& pool);
/// How a pool stands after `scale set` and its like, one line.
[[nodiscard]] Result<std::string> show_scaled(const View& answer, const Look& look);
/// Reasons with packets, most first; with `all` every reason in the daemon's order.
[[nodiscard]] Result<std::string> show_drops(const View& answer, const Look& look, bool all);
[[nodiscard]] Result<std::string> show_trace(const View& answer, const Look& look,
                                             const Flow& flow);
/// The changes of `config diff`, one a line: what is added, removed, or changed from what to what.
[[nodiscard]] Result<std::string> show_changes(const View& answer, const Look& look);
/// The same, and what it would move: things added, removed and changed, slots, flows, and what only
/// a restart can change. As much of it as the daemon says.
[[nodiscard]] Result<std::string> show_foreseen(const View& answer, const Look& look);
/// The outcome of a change: the new generation and what it moved beside the least possible.
[[nodiscard]] Result<std::string> show_outcome(const View& answer, const Look& look);
/// One event on one line.
[[nodiscard]] std::string show_event(const View& event, const Look& look);

/// A backend's next hop: "02:00:00:00:01:11 on front (kernel)" or "unresolved: PROBLEM".
[[nodiscard]] std::string next_hop_text(const View& next_hop);
/// up is good; degraded, draining, maintenance and starting are warnings; the rest is bad.
[[nodiscard]] Tone tone_of_state(const View& state);
/// Elements of the list `key`; kIo where the answer has none.
[[nodiscard]] Result<std::vector<View>> list_of(const View& answer, std::string_view key);

}  // namespace sluice::client
