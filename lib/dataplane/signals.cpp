// SPDX-License-Identifier: Apache-2.0
#include "dataplane/signals.hpp"

namespace sluice::dataplane {

using flow::Awaited;

void Signals::asked_again(std::uint64_t hash, flow::BackendNumber backend, std::uint32_t sequence,
                          std::uint64_t cycles) noexcept {
  const unsigned times = handshakes_.repeat(hash, backend, sequence, micros(cycles));
  if (times == 0) return;
  backends_[backend].repeated_syns.add(1);
  if (times == 1) backends_[backend].syn_repeats.add(1);
}

void Signals::accepted(std::uint64_t hash, flow::BackendNumber backend, std::uint32_t sequence,
                       std::uint64_t cycles) noexcept {
  const auto took =
      handshakes_.finish(hash, Awaited::kHandshake, backend, sequence, micros(cycles));
  if (!took) return;
  backends_[backend].handshake_us.add(*took);
  backends_[backend].handshakes.add(1);
}

void Signals::responded(std::uint64_t hash, flow::BackendNumber backend,
                        std::uint64_t cycles) noexcept {
  const auto took = handshakes_.finish(hash, Awaited::kResponse, backend, 0, micros(cycles));
  if (!took) return;
  backends_[backend].response_us.add(*took);
  backends_[backend].responses.add(1);
}

}  // namespace sluice::dataplane
