// SPDX-License-Identifier: Apache-2.0
// One scrape: the node's metrics as they are at one moment, handed out piece by piece. What a piece
// costs does not depend on how many backends there are, and what a client that reads slowly holds
// is figures, not text.
//
// Threads: slow path; counters are read while workers write them, all when it is made.
#pragma once

#include "control/views.hpp"

#include <cstddef>
#include <memory>
#include <string>

namespace sluice::control {

class MetricsText {
 public:
  /// A piece is so long, and by one sample or one histogram longer.
  static constexpr std::size_t kPiece = std::size_t{16} << 10U;

  /// Reads everything. No label comes from packets or clients.
  /// Cost: about 0.3 us a backend; the scene is not needed afterwards.
  explicit MetricsText(const Scene& scene);
  MetricsText(MetricsText&&) noexcept;
  MetricsText& operator=(MetricsText&&) noexcept;
  ~MetricsText();

  /// Adds the next piece. @return false: there was none left, nothing was added.
  /// Cost: about 40 us; for the first backend of a pool also a pass over its table.
  bool next(std::string& out);

 private:
  struct Figures;
  std::unique_ptr<Figures> figures_;
};

/// The whole of it at once.
[[nodiscard]] std::string metrics(const Scene& scene);

}  // namespace sluice::control
