// SPDX-License-Identifier: Apache-2.0
#include "control/load_history.hpp"

#include "base/file.hpp"
#include "base/state_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>
#include <system_error>

namespace sluice::control {
namespace {

using forecast::Series;

double seconds_of(LoadHistory::Wall wall) {
  return std::chrono::duration<double>(wall.time_since_epoch()).count();
}

std::int64_t rounded_down(std::int64_t t, std::int64_t step) {
  return t / step * step - (t % step < 0 ? step : 0);
}

}  // namespace

void LoadHistory::follow(Wall wall, double seconds) {
  const double now = seconds_of(wall);
  const auto newest = series_.newest();
  double expected = clock_ ? *clock_ + seconds : now;
  // After a restart any time may have passed, but less than none, or all that is kept.
  constexpr auto kKept = static_cast<double>(60 * Series::kMinutes);
  if (const auto last = static_cast<double>(newest.value_or(0));
      !clock_ && newest && (now < last - kJump || now > last + kKept))
    expected = last + seconds;
  clock_ = expected;
  if (std::abs(now - expected) <= kJump) {
    clock_ = now;
    astray_s_ = 0;
  } else if ((astray_s_ += seconds) >= kSettle) {
    clock_ = now;
    astray_s_ = 0;
    series_.go_back_to(static_cast<std::int64_t>(std::clamp(now, 0.0, 1e12)) - 1);
  }
}

void LoadHistory::add(Wall wall, double seconds, std::optional<double> requests) {
  if (!(seconds > 0) || (requests && !(*requests >= 0))) return;
  follow(wall, seconds);
  if (requests) {
    requests_ += *requests;
    known_s_ += seconds;
  }
  if (*clock_ < 1 || *clock_ > static_cast<double>(Series::kMostTime)) return;
  // The second that the clock shows is not over.
  const auto over = static_cast<std::int64_t>(*clock_) - 1;
  const auto newest = series_.newest();
  if (newest && over <= *newest) return;
  if (known_s_ > 0) {
    auto whole = std::max<std::int64_t>(1, std::llround(known_s_));
    // Rounding must leave no hole between two that follow one another.
    if (newest && over - *newest - whole == 1) ++whole;
    (void)series_.add(over, requests_ / known_s_, whole);
  }
  requests_ = known_s_ = 0;
}

LoadHistory::Stretch LoadHistory::stretch(std::int64_t step_s,
                                          std::optional<std::int64_t> from_s) const {
  Stretch out{.step_s = step_s};
  const auto newest = series_.newest();
  if (!newest) return out;
  const std::int64_t kept = step_s == 1 ? Series::kSeconds : 60 * (Series::kMinutes - 1);
  const std::int64_t end = rounded_down(*newest + 1, step_s);  // a minute that is not over is not
  const std::int64_t first =
      std::max<std::int64_t>(rounded_down(*newest + step_s - kept, step_s), 0);
  out.from_s =
      std::clamp(rounded_down(from_s.value_or(first), step_s), first, std::max(first, end));
  auto points = static_cast<std::size_t>((end - out.from_s) / step_s);
  if (!from_s) {
    const auto all = series_.means(out.from_s, step_s, points);
    const auto known = std::ranges::find_if(all, [](double value) { return !std::isnan(value); });
    out.from_s += (known - all.begin()) * step_s;
    points -= static_cast<std::size_t>(known - all.begin());
  }
  out.requests_per_s = series_.means(out.from_s, step_s, std::min(points, kMostPoints));
  if (points > kMostPoints)
    out.next_s = out.from_s + static_cast<std::int64_t>(kMostPoints) * step_s;
  return out;
}

std::string LoadHistory::load(const std::filesystem::path& file) {
  const auto content = read_file(file, kLongestFile);
  if (!content && content.error().code == Errc::kNotFound) return {};
  std::string problem;
  if (!content && content.error().code != Errc::kInvalid) return content.error().text();
  if (!content) {
    problem = content.error().message;
  } else if (auto series = Series::restore(std::as_bytes(std::span(*content))); series) {
    series_ = std::move(*series);
    return {};
  } else {
    problem = series.error().where.empty()
                  ? series.error().message
                  : fmt::format("{}: {}", series.error().where, series.error().message);
  }
  return fmt::format("{}: {}; {}", file.string(), problem, put_aside(file));
}

Result<void> LoadHistory::save(const std::filesystem::path& file) const {
  std::error_code failed;
  const auto folder = file.parent_path();
  std::filesystem::create_directories(folder, failed);
  if (failed) return fail(Errc::kIo, folder.string(), "cannot be made: {}", failed.message());
  const auto bytes = series_.checkpoint();
  return write_file_atomically(
      file, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

}  // namespace sluice::control
