// SPDX-License-Identifier: Apache-2.0
// The XDP program of one interface: which is there, and ours put there by a pinned BPF link.
//
// Threads: slow path only.
#pragma once

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "xdp/filter.hpp"

#include <cstdint>
#include <string>

namespace sluice::xdp {

/// The XDP program that an interface carries.
struct Carried {
  std::uint32_t program = 0;  ///< Its id; 0: none.
  Mode mode = Mode::kAuto;    ///< kAuto when there is none, or one in the NIC or in several places.
};
[[nodiscard]] Result<Carried> carried_program(const std::string& interface, unsigned index);

/// A program's name as its author wrote it (BTF), else the kernel's first 15 characters of it.
[[nodiscard]] std::string program_name(std::uint32_t id);

struct OpenLink {
  UniqueFd fd;
  AttachReport report;
};

/// Puts `program` on the interface: by the link pinned at `pin` if that still holds the interface's
/// program (then in one step), else by a new link, which it pins there.
[[nodiscard]] Result<OpenLink> attach_program(const std::string& interface, int program, Mode mode,
                                              const std::string& pin);

/// Takes the program of the link pinned at `pin` off its interface and removes the pin.
[[nodiscard]] Result<void> detach_pinned(const std::string& pin);

}  // namespace sluice::xdp
