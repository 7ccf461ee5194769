// SPDX-License-Identifier: Apache-2.0
#include "scrape/reading.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace sluice::scrape {
namespace {

Fault fault_of(double value) noexcept {
  if (!std::isfinite(value)) return Fault::kNotANumber;
  if (value < 0) return Fault::kNegative;
  return value > kMostCompleted ? Fault::kAbsurd : Fault::kNone;
}

double most_of(Signal signal) noexcept {
  if (signal == Signal::kCache) return 1;
  return signal == Signal::kCompleted ? kMostCompleted : kMostInside;
}

bool matches(const Sample& sample, const Alternative& alternative) {
  return sample.name == alternative.name &&
         std::ranges::all_of(alternative.labels, [&](const auto& label) {
           return has_label(sample, label.first, label.second);
         });
}

}  // namespace

std::string_view name(Fault fault) noexcept {
  switch (fault) {
    case Fault::kNone:
      return "none";
    case Fault::kMissing:
      return "missing";
    case Fault::kNotANumber:
      return "not a number";
    case Fault::kNegative:
      return "negative";
    case Fault::kAbsurd:
      break;
  }
  return "absurd";
}

std::optional<double> Reading::inside() const noexcept {
  for (const Signal signal : {Signal::kRunning, Signal::kWaiting}) {
    const Fault fault = faults[static_cast<std::size_t>(signal)];
    if (fault != Fault::kNone && fault != Fault::kMissing) return std::nullopt;
  }
  if (!running && !waiting) return std::nullopt;
  return running.value_or(0) + waiting.value_or(0);
}

std::string Reading::trouble() const {
  std::string text;
  for (std::size_t i = 0; i < kSignals; ++i) {
    const auto signal = static_cast<Signal>(i);
    if (faults[i] == Fault::kNone) continue;
    if (signal == Signal::kCache && faults[i] == Fault::kMissing) continue;
    text += fmt::format("{}{} is {}", text.empty() ? "" : ", ", name(signal), name(faults[i]));
  }
  return text;
}

Gathering::Gathering(std::shared_ptr<const Choices> choices) : choices_(std::move(choices)) {
  for (std::size_t i = 0; i < kSignals; ++i) tallies_[i].resize((*choices_)[i].alternatives.size());
}

bool Gathering::wants(std::string_view name) const noexcept {
  return std::ranges::any_of(*choices_, [&](const Choice& choice) {
    return std::ranges::any_of(choice.alternatives,
                               [&](const Alternative& one) { return one.name == name; });
  });
}

void Gathering::take(const Sample& sample) noexcept {
  for (std::size_t i = 0; i < kSignals; ++i) {
    const auto& alternatives = (*choices_)[i].alternatives;
    for (std::size_t j = 0; j < alternatives.size(); ++j) {
      if (!matches(sample, alternatives[j])) continue;
      Tally& tally = tallies_[i][j];
      ++tally.count;
      if (const Fault fault = fault_of(sample.value); fault != Fault::kNone) {
        tally.fault = fault;
        continue;
      }
      tally.sum += sample.value;
      tally.greatest = std::max(tally.greatest, sample.value);
    }
  }
}

Reading Gathering::finish(Time at) {
  using Of = config::MetricChoice::Of;
  Reading reading;
  reading.at = at;
  const std::array<std::optional<double>*, kSignals> values{&reading.running, &reading.waiting,
                                                            &reading.completed, &reading.cache};
  for (std::size_t i = 0; i < kSignals; ++i) {
    auto& tallies = tallies_[i];
    const auto told = std::ranges::find_if(tallies, [](const Tally& t) { return t.count != 0; });
    Fault& fault = reading.faults[i];
    if (told == tallies.end()) {
      fault = Fault::kMissing;
    } else if (fault = told->fault; fault == Fault::kNone) {
      const Of of = (*choices_)[i].of;
      const double value = of == Of::kMax    ? told->greatest
                           : of == Of::kMean ? told->sum / static_cast<double>(told->count)
                                             : told->sum;
      if (value > most_of(static_cast<Signal>(i)))
        fault = Fault::kAbsurd;
      else
        *values[i] = value;
    }
    std::ranges::fill(tallies, Tally{});
  }
  return reading;
}

}  // namespace sluice::scrape
