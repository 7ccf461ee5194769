// SPDX-License-Identifier: Apache-2.0
// Constants of the predictive policy that nobody has to set: found by a search over real and
// made-up loads, dense and sparse, at cold starts of 60 and 180 s; see docs/design/autoscaling.md.
//
// Threads: constants.
#pragma once

#include "autoscale/level.hpp"

#include <cstddef>

namespace sluice::autoscale {

// Forecasters of the ensemble that are not in lib/forecast: levels of three memories.
inline constexpr Level::Options kFastLevel{.name = "level_fast",
                                           .level = 1.0,
                                           .trend = 0.023,
                                           .damping = 0.73,
                                           .reversion = 0.14,
                                           .long_mean = 0.0022};
inline constexpr Level::Options kMiddleLevel{.name = "level_middle", .level = 0.124};
inline constexpr Level::Options kSlowLevel{.name = "level_slow", .level = 0.0137};

// Margins.
inline constexpr double kLongMean = 0.0027;  // weight of a step in the long mean
inline constexpr double kTimeShare = 0.11;   // of a step's weight that does not depend on its load
inline constexpr double kErrorWeight = 4;    // of a step at most, however many requests came in it
inline constexpr double kRareErrors =
    0.02;                                  // share of the errors that one event makes: no evidence
inline constexpr double kCountNoise = 16;  // requests: below so many a step, counting is noise
inline constexpr std::size_t kGuesses =
    4;  // steps whose promises are not judged: nothing was known
inline constexpr double kPriorErrors = 80;  // as many as this many errors weighs the prior
inline constexpr double kPriorWidth = 0.636;

// Weights of forecasters.
inline constexpr double kLossTimeShare = 0.36;
inline constexpr double kLossWeight = 2;  // as kErrorWeight, of a step's loss
inline constexpr double kLossMemory = 0.0068;
inline constexpr double kSharpness = 2.33;

// When what stands ready at all times is better than any forecast.
inline constexpr double kConstantStep = 1.12;
inline constexpr double kConstantGain = 0.035;
inline constexpr double kConstantBias = 1.6;    // a constant judged in hindsight flatters itself
inline constexpr double kConstantProof = 1295;  // s of mean load, before which it is not believed
inline constexpr double kEpisodeEvery = 5400;   // s between times of lateness: rarer is no reason
inline constexpr double kLongQueue = 0.25;    // of the horizon, that a queue may take to be served
inline constexpr double kYoungExtra = 0.118;  // more than the record asks for, while it is short
inline constexpr double kYoungSpan = 6400;    // s in which that fades

// Shares of the requests to cover.
inline constexpr double kShareRise = 0.763;
inline constexpr double kShareSet = 0.95;
inline constexpr double kShareKeep = 0.924;

inline constexpr double kBacklogSpan = 26.6;  // s in which a backlog is to be worked off
inline constexpr double kLeastSpan = 100;     // s that a need must have been low for, at least
inline constexpr double kDeadBand = 0.1;      // of the fleet, that is not worth taking away
inline constexpr double kLearning = 285;      // s in which nothing is taken away, and little dared

}  // namespace sluice::autoscale
