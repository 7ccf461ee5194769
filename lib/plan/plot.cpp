// SPDX-License-Identifier: Apache-2.0
#include "plan/plot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <vector>

namespace sluice::plan {
namespace {

// Of the picture, in its own units.
constexpr double kWidth = 1000;
constexpr double kLeft = 70;
constexpr double kRight = 20;
constexpr double kTop = 60;
constexpr double kGap = 40;
constexpr double kBottom = 40;
constexpr double kPanel = 170;
constexpr std::size_t kMostColumns = 900;
constexpr std::size_t kMostMarks = 1500;  // of decisions; more would be a wall

constexpr std::string_view kStyle = R"(<style>
  svg { background: #ffffff; color: #1f2933; }
  .load { fill: #2f6fb0; stroke: #2f6fb0; } .capacity { fill: #c05a1c; stroke: #c05a1c; }
  .queue { fill: #a3285f; stroke: #a3285f; } .ready { fill: #27804a; stroke: #27804a; }
  .need { fill: #7a7f87; stroke: #7a7f87; } .up { fill: #c05a1c; stroke: #c05a1c; } .down { fill: #2f6fb0; stroke: #2f6fb0; }
  .area { fill-opacity: 0.35; stroke-width: 0.8; stroke-linejoin: round; }
  .grid { stroke: currentColor; stroke-opacity: 0.15; } .axis { stroke: currentColor; fill: none; }
  text { font: 12px sans-serif; fill: currentColor; stroke: none; } .title { font-size: 15px; }
  @media (prefers-color-scheme: dark) {
    svg { background: #14181d; color: #d7dde4; }
    .load { fill: #6cb0f0; stroke: #6cb0f0; } .capacity { fill: #f29b5c; stroke: #f29b5c; }
    .queue { fill: #ee7fb2; stroke: #ee7fb2; } .ready { fill: #67cf90; stroke: #67cf90; }
    .need { fill: #9aa3ad; stroke: #9aa3ad; } .up { fill: #f29b5c; stroke: #f29b5c; } .down { fill: #6cb0f0; stroke: #6cb0f0; }
  }
</style>
)";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 200)) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c >= 0x20 && c < 0x7f)
      out += c;
  }
  return out;
}

// Least and greatest value of each column's seconds.
struct Band {
  std::vector<double> low;
  std::vector<double> high;
  [[nodiscard]] double most() const { return *std::ranges::max_element(high); }
};

class Columns {
 public:
  explicit Columns(std::size_t seconds)
      : seconds_(seconds), count_(std::min(seconds, kMostColumns)) {}

  [[nodiscard]] Band band(auto&& value) const {
    Band band;
    for (std::size_t i = 0; i < count_; ++i) {
      const auto [first, last] = range(i);
      double low = value(first);
      double high = low;
      for (std::size_t t = first + 1; t < last; ++t) {
        low = std::min(low, static_cast<double>(value(t)));
        high = std::max(high, static_cast<double>(value(t)));
      }
      band.low.push_back(low);
      band.high.push_back(high);
    }
    return band;
  }

  [[nodiscard]] double x(double second) const {
    return kLeft + (kWidth - kLeft - kRight) * second / static_cast<double>(seconds_);
  }
  [[nodiscard]] double x_of(std::size_t column) const {
    const auto [first, last] = range(column);
    return x(static_cast<double>(first + last) / 2);
  }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  [[nodiscard]] std::size_t seconds() const noexcept { return seconds_; }

 private:
  [[nodiscard]] std::pair<std::size_t, std::size_t> range(std::size_t column) const {
    return {column * seconds_ / count_, (column + 1) * seconds_ / count_};
  }

  std::size_t seconds_;
  std::size_t count_;
};

// 1, 2 or 5 times a power of ten: about four steps up to `most`.
double nice_step(double most) {
  const double raw = std::max(most, 1e-9) / 4;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (raw <= factor * power) return factor * power;
  return 10 * power;
}

// Seconds between two labels: about eight of them.
std::size_t time_step(std::size_t seconds) {
  constexpr std::array<std::size_t, 18> kSteps{1,      2,      5,      10,      30,      60,
                                               300,    600,    1800,   3600,    7200,    10'800,
                                               21'600, 43'200, 86'400, 172'800, 604'800, 1'209'600};
  for (const auto step : kSteps)
    if (seconds / step <= 10) return step;
  return kSteps.back();
}

std::string time_label(std::size_t t, std::size_t step) {
  if (t == 0) return "0";
  if (step % 86'400 == 0) return fmt::format("{} d", t / 86'400);
  if (step % 3600 == 0) return fmt::format("{} h", t / 3600);
  if (step % 60 == 0) return fmt::format("{} min", t / 60);
  return fmt::format("{} s", t);
}

class Picture {
 public:
  Picture(std::string_view title, std::size_t seconds, int panels) : columns_(seconds) {
    const double height = kTop + panels * kPanel + (panels - 1) * kGap + kBottom;
    say("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\">\n",
        kWidth, height);
    say("<title>{}</title>\n{}", escaped(title), kStyle);
    say("<text class=\"title\" x=\"{}\" y=\"22\">{}</text>\n", kLeft, escaped(title));
  }

  [[nodiscard]] const Columns& columns() const noexcept { return columns_; }

  // Begins the next panel: its frame, grid and labels.
  void panel(std::string_view what, double most) {
    top_ = panels_++ == 0 ? kTop : top_ + kPanel + kGap;
    legend_ = kLeft + 8 + 7.0 * static_cast<double>(what.size()) + 20;
    const double step = nice_step(most);
    top_value_ = std::max(step, std::ceil(most / step) * step);
    for (int i = 0; i * step <= top_value_ * 1.0001; ++i) {
      const double value = i * step;
      say("<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>", kLeft,
          kWidth - kRight, y(value), y(value));
      say("<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{:g}</text>\n", kLeft - 6, y(value) + 4,
          value);
    }
    const auto apart = time_step(columns_.seconds());
    for (std::size_t t = 0; t <= columns_.seconds(); t += apart) {
      const double x = columns_.x(static_cast<double>(t));
      say("<line class=\"grid\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\"/>", x,
          top_, top_ + kPanel);
      say("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n", x,
          top_ + kPanel + 16, time_label(t, apart));
    }
    say("<text x=\"{}\" y=\"{:.1f}\">{}</text>\n", kLeft, top_ - 8, what);
  }

  void legend(std::string_view name, std::string_view style) {
    say("<rect class=\"{}\" x=\"{:.0f}\" y=\"{:.1f}\" width=\"12\" height=\"8\"/>", style, legend_,
        top_ - 16);
    say("<text x=\"{:.0f}\" y=\"{:.1f}\">{}</text>\n", legend_ + 17, top_ - 8, name);
    legend_ += 17 + 7.0 * static_cast<double>(name.size()) + 20;
  }

  void area(const Band& band, std::string_view style) {
    say("<path class=\"area {}\" d=\"M", style);
    for (std::size_t i = 0; i < columns_.count(); ++i)
      say("{:.1f} {:.1f} ", columns_.x_of(i), y(band.high[i]));
    for (std::size_t i = columns_.count(); i-- > 0;)
      say("{:.1f} {:.1f} ", columns_.x_of(i), y(band.low[i]));
    say("Z\"/>\n");
  }

  // A tick on the panel's lower edge at each second, upwards or downwards.
  void marks(const std::vector<std::int64_t>& seconds, bool up) {
    say("<path class=\"{}\" fill=\"none\" d=\"", up ? "up" : "down");
    double last = -1;
    for (const auto t : seconds) {
      const double x = columns_.x(static_cast<double>(t));
      if (x - last < (kWidth - kLeft - kRight) / static_cast<double>(kMostMarks)) continue;
      last = x;
      say("M{:.1f} {:.1f}v{} ", x, top_ + kPanel, up ? -10 : 6);
    }
    say("\"/>\n");
  }

  std::string finish() {
    out_ += "</svg>\n";
    return std::move(out_);
  }

 private:
  template <class... A>
  void say(fmt::format_string<A...> format, A&&... args) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<A>(args)...);
  }

  [[nodiscard]] double y(double value) const {
    return top_ + kPanel - kPanel * std::clamp(value / top_value_, 0.0, 1.0);
  }

  Columns columns_;
  std::string out_;
  int panels_ = 0;
  double top_ = 0;
  double top_value_ = 1;
  double legend_ = 0;
};

void draw_load(Picture& picture, const Arrivals& arrivals, const PoolModel& pool,
               const Course& course) {
  const auto& columns = picture.columns();
  const auto load = columns.band([&](std::size_t t) { return arrivals.at(t); });
  const auto capacity = columns.band([&](std::size_t t) { return course.capacity_at(t, pool); });
  picture.panel("requests/s", std::max(load.most(), capacity.most()));
  picture.area(load, "load");
  picture.area(capacity, "capacity");
  picture.legend("demand", "load");
  picture.legend("capacity of ready backends", "capacity");
}

void draw_queue(Picture& picture, const Arrivals& arrivals, const Course& course) {
  const auto waiting = picture.columns().band([&](std::size_t t) {
    return std::max(0.0, arrivals.cumulative()[t + 1] - course.served[t + 1]);
  });
  picture.panel("requests that wait", waiting.most());
  picture.area(waiting, "queue");
}

void draw_backends(Picture& picture, std::span<const std::uint32_t> need, const Course& course) {
  const auto& columns = picture.columns();
  const auto ready = columns.band([&](std::size_t t) { return double{1} * course.ready[t]; });
  const auto needed = columns.band([&](std::size_t t) { return double{1} * need[t]; });
  picture.panel("backends", std::max(ready.most(), needed.most()));
  picture.area(needed, "need");
  picture.area(ready, "ready");
  picture.legend("needed, in hindsight", "need");
  picture.legend("ready", "ready");
  picture.legend("decision: more", "up");
  picture.legend("fewer", "down");
  std::vector<std::int64_t> up;
  std::vector<std::int64_t> down;
  for (const auto& action : course.actions)
    if (action.change != 0) (action.change > 0 ? up : down).push_back(action.t);
  picture.marks(up, true);
  picture.marks(down, false);
}

}  // namespace

std::string plot_svg(std::string_view title, const Arrivals& arrivals, const PoolModel& pool,
                     std::span<const std::uint32_t> need, const Course& course) {
  Picture picture(title, arrivals.seconds(), 3);
  draw_load(picture, arrivals, pool, course);
  draw_queue(picture, arrivals, course);
  draw_backends(picture, need, course);
  return picture.finish();
}

}  // namespace sluice::plan
