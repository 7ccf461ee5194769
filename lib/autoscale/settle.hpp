// SPDX-License-Identifier: Apache-2.0
// From what is needed to how many backends of each class: the cheapest that will do, within all the
// bounds that the operator gave.
//
// Threads: values of one thread.
#pragma once

#include "autoscale/controller.hpp"
#include "autoscale/decision.hpp"
#include "autoscale/mix.hpp"
#include "autoscale/need.hpp"
#include "config/autoscale.hpp"
#include "forecast/fields.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace sluice::autoscale {

inline constexpr double kMostBackends = 65535;  ///< Of a class, or in all.

/// The pool as it stands.
struct Present {
  double t = 0;
  std::vector<Fleet> fleet = {};
  std::vector<Learned> learned = {};
  unsigned min = 0;  ///< Of the pool, with the schedule.
  unsigned max = 0;
  bool scheduled = false;  ///< The schedule changed one of them.
  double ready = 0;        ///< Requests/s of the ready ones.
  double capacity = 0;     ///< Of the ready and the starting ones.
  unsigned count = 0;      ///< Ready and starting ones.

  [[nodiscard]] unsigned of(std::size_t index) const {
    return fleet[index].ready + fleet[index].starting;
  }
};

/// What becomes of a need.
struct Settled {
  std::vector<unsigned> wanted = {};
  Cause cause = Cause::kHold;
  std::uint16_t limits = 0;
  double uncovered = 0;  ///< Requests/s.
};

class Settling {
 public:
  /// What the pool's bounds, the budget and the classes' bounds ask for holds at once, whatever the
  /// need and whatever is known. Else backends go one hold time after the last ones came, or after
  /// this began, and not while `blind`.
  ///
  /// @param drain_s  how long a backend that is taken away is still paid.
  /// @param burst    bounds on steps up do not hold.
  /// @param blind    nothing may be taken away.
  [[nodiscard]] Settled settle(const Present& present, const Need& need,
                               const config::Autoscale& options,
                               std::span<const config::BackendClass> classes, double drain_s,
                               bool burst, bool blind);
  /// A count in all that was set by hand: within the pool's bounds and the budget.
  [[nodiscard]] Settled set(const Present& present, unsigned count,
                            const config::Autoscale& options,
                            std::span<const config::BackendClass> classes) const;

  void forget_classes() noexcept;  ///< Other classes from now on.
  /// @param origin   now, of the writer or the reader: times are kept relative to it.
  /// @param classes  how many there are.
  void keep(forecast::Fields& fields, double origin, std::size_t classes);

 private:
  [[nodiscard]] Mix mix(const Present& present, const config::Autoscale& options,
                        std::span<const config::BackendClass> classes, double capacity,
                        unsigned least, unsigned most, int direction) const;
  [[nodiscard]] bool may_fall(const Present& present, const config::Autoscale& options,
                              double cold_start_s, double drain_s, std::uint16_t& limits) const;
  void replace(const Present& present, const Need& need, const config::Autoscale& options,
               std::span<const config::BackendClass> classes, double drain_s, Settled& settled);

  std::optional<double> raised_;   ///< When the last step up was.
  std::optional<double> lowered_;  ///< Likewise down.
  std::optional<double> cheaper_;  ///< Since when another mix would be cheaper.
  std::vector<unsigned> target_;   ///< Mix that is on its way to replace the present one.
  double target_since_ = 0;
};

}  // namespace sluice::autoscale
