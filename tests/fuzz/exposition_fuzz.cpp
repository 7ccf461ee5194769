// SPDX-License-Identifier: Apache-2.0
// Any bytes as a backend's metrics, whole and in pieces: both mean the same, no bound is passed,
// and what comes of it is a load that can be one. Then the same figures as a pool's history.
#include "base/assert.hpp"
#include "scrape/demand.hpp"
#include "scrape/exposition_reader.hpp"
#include "scrape/reading.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace {

using namespace sluice;
using namespace sluice::scrape;
using namespace std::chrono_literals;

struct Outcome {
  Reading reading;
  std::size_t samples = 0;
  std::size_t bad = 0;
  bool refused = false;
};

const std::shared_ptr<const Choices>& choices(std::size_t which) {
  static const std::array made{
      std::make_shared<const Choices>(choices_of({.type = config::MetricsType::kVllm})),
      std::make_shared<const Choices>(choices_of({.type = config::MetricsType::kTriton}))};
  return made[which % made.size()];
}

Outcome read(std::string_view text, std::size_t piece, bool all, std::size_t which) {
  Gathering gathering(choices(which));
  ExpositionReader reader(
      all ? ExpositionReader::Wanted{}
          : [&](std::string_view name) { return gathering.wants(name); },
      [&](const Sample& sample) {
        SLUICE_ASSERT(!sample.name.empty(), "a sample has a name");
        SLUICE_ASSERT(sample.labels.size() <= kLongestLine, "labels are within their line");
        (void)has_label(sample, "request_type", "waiting");
        gathering.take(sample);
      });
  for (std::size_t at = 0; at < text.size(); at += piece)
    if (!reader.take(text.substr(at, piece))) break;
  Outcome outcome;
  const auto summary = reader.end();
  outcome.refused = !summary;
  if (summary) outcome.samples = summary->samples, outcome.bad = summary->bad;
  if (!summary) SLUICE_ASSERT(!summary.error().message.empty(), "a refusal says why");
  outcome.reading = gathering.finish(Time{} + 1h);
  return outcome;
}

void check(const Reading& reading) {
  for (const auto& [value, most] :
       {std::pair(reading.running, kMostInside), std::pair(reading.waiting, kMostInside),
        std::pair(reading.completed, kMostCompleted), std::pair(reading.cache, 1.0)})
    SLUICE_ASSERT(!value || (*value >= 0 && *value <= most), "a signal that has a value is sound");
}

void live(const Reading& first, const Reading& second) {
  Demand demand({.pool = "llama"});
  const std::array members{Member{.name = "a", .ready = true, .capacity = 3, .service_time_s = 2},
                           Member{.name = "b", .ready = true}};
  Time now = Time{} + 1h;
  for (int second_ = 0; second_ < 4; ++second_, now += 1s) {
    for (const char* const name : {"a", "b"}) {
      Reading reading = second_ % 2 == 0 ? first : second;
      reading.at = now;
      demand.read(name, reading);
    }
    const Tick tick = demand.tick(now, members, {});
    for (const double figure : {tick.arrivals, tick.served, tick.queue, tick.inflight, tick.silent})
      SLUICE_ASSERT(std::isfinite(figure) && figure >= 0, "a demand is a number from 0 on");
    const auto state = demand.save(now);
    Demand again({.pool = "llama"});
    SLUICE_ASSERT(again.restore(state, now, 0ms).has_value(), "what is kept can be read");
    SLUICE_ASSERT(again.save(now) == state, "and loses nothing");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  const std::size_t piece = 1 + bytes[0] / 2;
  const std::size_t which = bytes[0] % 2;
  const Outcome whole = read(text, text.size() + 1, /*all=*/true, which);
  const Outcome parts = read(text, piece, /*all=*/true, which);
  SLUICE_ASSERT(whole.refused == parts.refused, "pieces are refused as the whole is");
  SLUICE_ASSERT(whole.refused || (whole.samples == parts.samples && whole.bad == parts.bad),
                "pieces mean what the whole means");
  const Outcome wanted = read(text, piece, /*all=*/false, which);
  check(whole.reading);
  SLUICE_ASSERT(whole.refused || (wanted.reading.running == whole.reading.running &&
                                  wanted.reading.completed == whole.reading.completed),
                "what is passed over is what nobody wants");
  const std::size_t half = text.find("\n\n");
  if (half == std::string_view::npos) return 0;
  live(read(text.substr(0, half + 1), 4096, false, which).reading,
       read(text.substr(half + 2), 4096, false, which).reading);
  return 0;
}
