// SPDX-License-Identifier: Apache-2.0
#include "control/event_log.hpp"

#include "base/log.hpp"

#include <algorithm>

namespace sluice::control {
namespace {

// A text may hold what a client or a file said: it must not forge lines of the log.
std::string one_line(std::string text) {
  constexpr std::string_view kCut = "...";
  if (text.size() > EventLog::kLongestText) {
    text.resize(EventLog::kLongestText - kCut.size());
    // Not in the middle of a character: its later bytes are 10xxxxxx, its first is not.
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0U) == 0x80U)
      text.pop_back();
    if (!text.empty() && (static_cast<unsigned char>(text.back()) & 0x80U) != 0) text.pop_back();
    text += kCut;
  }
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return text;
}

}  // namespace

std::string_view name(Level level) noexcept {
  switch (level) {
    case Level::kInfo:
      return "info";
    case Level::kWarn:
      return "warning";
    case Level::kError:
      return "error";
  }
  return "unknown";
}

void EventLog::add(Level level, std::string component, std::string event, std::string text) {
  const auto now = now_();
  Kind& kind = kinds_[component + "/" + event];
  if (now - kind.window_start >= kWindow || now < kind.window_start) {
    kind.window_start = now;
    kind.in_window = 0;
  }
  if (++kind.in_window > kBurst) {
    ++kind.suppressed;
    ++suppressed_;
    return;
  }
  if (kind.suppressed != 0) {
    text = one_line(std::move(text)) +
           fmt::format(" ({} more of this kind were not noted)", kind.suppressed);
    kind.suppressed = 0;
  }
  note(level, std::move(component), std::move(event), std::move(text));
}

void EventLog::note(Level level, std::string component, std::string event, std::string text) {
  text = one_line(std::move(text));
  const auto severity = level == Level::kError  ? spdlog::level::err
                        : level == Level::kWarn ? spdlog::level::warn
                                                : spdlog::level::info;
  log(component)->log(severity, "{} {}", event, text);
  events_.push_back(
      {next_id_++, now_(), level, std::move(component), std::move(event), std::move(text)});
  if (events_.size() > keep_) events_.pop_front();
  if (on_new_) on_new_();
}

EventLog::Page EventLog::since(std::uint64_t since, std::size_t most) const {
  Page page;
  const std::uint64_t first = next_id_ - events_.size();
  if (since > next_id_) since = first;
  const std::uint64_t from = std::clamp<std::uint64_t>(since, first, next_id_);
  const std::uint64_t asked = std::max<std::uint64_t>(since, 1);
  page.lost = asked < first ? first - asked : 0;
  const auto count = std::min<std::uint64_t>(most, next_id_ - from);
  for (std::uint64_t i = 0; i < count; ++i) page.events.push_back(&events_[from - first + i]);
  page.next = from + count;
  return page;
}

}  // namespace sluice::control
