// SPDX-License-Identifier: Apache-2.0
#include "control/load_history.hpp"

#include "base/file.hpp"
#include "base/state_file.hpp"
#include "base/unique_fd.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
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

constexpr std::string_view kEnding = ".series";

// As configurations have them: save() is given no other.
bool is_pool_name(std::string_view name) noexcept {
  constexpr std::size_t kLongest = 64;
  return !name.empty() && name.size() <= kLongest &&
         name.find_first_not_of(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") == name.npos;
}

// A file of its own, neither link nor pipe, that begins as save() lets one begin.
bool is_history(const std::filesystem::path& file) {
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat about {};
  if (!fd || ::fstat(fd.get(), &about) != 0 || !S_ISREG(about.st_mode)) return false;
  std::array<std::byte, Series::kHead> head{};
  return ::read(fd.get(), head.data(), head.size()) == ssize_t{head.size()} &&
         Series::begins_checkpoint(head);
}

}  // namespace

std::filesystem::path history_file(const std::filesystem::path& folder, std::string_view pool) {
  return folder / (std::string(pool) + std::string(kEnding));
}

std::vector<RemovedHistory> remove_histories(const std::filesystem::path& folder,
                                             const std::set<std::string, std::less<>>& keep) {
  std::vector<RemovedHistory> removed;
  std::error_code failed;
  std::size_t looked_at = 0;
  for (std::filesystem::directory_iterator at(folder, failed), end; !failed && at != end;
       at.increment(failed)) {
    const auto file = at->path().filename().string();
    if (!file.ends_with(kEnding)) continue;
    auto pool = file.substr(0, file.size() - kEnding.size());
    if (!is_pool_name(pool) || keep.contains(pool)) continue;
    if (++looked_at > LoadHistory::kMostLookedAt) break;
    if (!is_history(at->path())) continue;
    std::error_code stays;
    std::filesystem::remove(at->path(), stays);
    removed.push_back({std::move(pool), stays ? fmt::format("{} cannot be removed: {}",
                                                            at->path().string(), stays.message())
                                              : std::string()});
  }
  return removed;
}

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
