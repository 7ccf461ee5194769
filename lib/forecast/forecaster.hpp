// SPDX-License-Identifier: Apache-2.0
// What every forecaster of load is: values of a series go in, one step apart, and what is expected
// some steps ahead comes out. See docs/design/forecasting.md for what each is worth.
//
// Threads: a value of one thread. No clock, no randomness beyond the seed.
#pragma once

#include "base/result.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace sluice::forecast {

class Fields;

constexpr double kMostValue = 1e12;          ///< Greater values count as this one.
constexpr std::size_t kLongestAhead = 4096;  ///< Steps.
constexpr std::size_t kLongestSeason = std::size_t{1} << 16U;

/// Values a step apart, evenly: the caller resamples. The same values give the same results on
/// every machine, and a saved and restored forecaster goes on as if nothing had happened.
class Forecaster {
 public:
  virtual ~Forecaster() = default;

  /// @param value  of the step that has just ended: finite, not negative.
  void observe(double value);

  /// What is expected `ahead` steps (1 to kLongestAhead; beyond counts as the last) after the last
  /// value observed: finite, 0 to kMostValue; 0 as long as nothing was observed.
  [[nodiscard]] double at(std::size_t ahead) const;

  [[nodiscard]] virtual std::string_view name() const noexcept = 0;  ///< "holt_winters", ...

  /// Which member said most of what at() says; its own name if it has no members.
  [[nodiscard]] virtual std::string_view leader() const noexcept { return name(); }

  /// How many steps ahead its forecasts matter: what it fits to, and weighs its members by. It may
  /// change at any time; errors of promises made for another horizon are then no longer awaited.
  void set_horizon(std::size_t ahead);
  [[nodiscard]] std::size_t horizon() const noexcept { return horizon_; }

  /// Everything that later results depend on, exactly.
  [[nodiscard]] nlohmann::json save() const;

  /// Goes on from there, with the horizon that was saved. The options are those of its making.
  /// @return kInvalid, and nothing has changed, when the state is not one of ours.
  [[nodiscard]] Result<void> restore(const nlohmann::json& state);

  /// Writes or reads everything that is kept: save() and restore() as part of a greater state.
  void keep(Fields& kept);

 protected:
  explicit Forecaster(std::size_t horizon = 1) noexcept;
  Forecaster(const Forecaster&) = default;
  Forecaster& operator=(const Forecaster&) = default;

 private:
  virtual void step(double value) = 0;
  [[nodiscard]] virtual double expect(std::size_t ahead) const = 0;  ///< May be beyond bounds.
  virtual void horizon_changed() {}
  /// Names what is kept, with bounds, once for writing and reading; the horizon is set by then.
  virtual void fields(Fields& kept) = 0;

  std::size_t horizon_;
};

enum class Kind : std::uint8_t {
  kLastValue,
  kQuantile,
  kLinear,
  kHoltWinters,
  kArima,
  kKalman,
  kNetwork,
  kEnsemble,
};
[[nodiscard]] std::string_view name_of(Kind kind) noexcept;

struct Options {
  std::size_t season = 0;  ///< Period of the load in steps, at most kLongestSeason; 0: found.
  std::uint64_t seed = 1;
  std::size_t horizon = 5;  ///< See set_horizon().
};

/// Cost of observe() and at() at the horizon together: 9 us of the ensemble, fits that come now and
/// then included; 6 us of ARIMA, 2 us of the network, some 0.1 us of the others.
[[nodiscard]] std::unique_ptr<Forecaster> make(Kind kind, const Options& options = {});

}  // namespace sluice::forecast
