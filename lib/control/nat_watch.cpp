// SPDX-License-Identifier: Apache-2.0
#include "control/nat_watch.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <string>

namespace sluice::control {

void NatWatch::look(const dataplane::Books& books, EventLog& events) {
  for (std::size_t i = 0; i < kWatched.size(); ++i) {
    const VerdictText& verdict = text(kWatched[i]);
    const std::uint64_t drops = books.verdicts[static_cast<std::size_t>(kWatched[i])];
    Shortage& s = shortages_[i];
    if (drops != s.last) {
      if (!s.lasts) {
        s.began = s.last;
        s.lasts = true;
        events.add(Level::kWarn, "nat", std::string(verdict.name), std::string(verdict.remedy));
      }
      s.quiet = 0;
    } else if (s.lasts && ++s.quiet == kQuietLooks) {
      s.lasts = false;
      events.add(Level::kInfo, "nat", std::string(verdict.name) + "_over",
                 fmt::format("packets dropped: {}", drops - s.began));
    }
    s.last = drops;
  }
}

}  // namespace sluice::control
