// SPDX-License-Identifier: Apache-2.0
// Any bytes as a configuration: decoding ends with faults that a terminal can show, or with a
// configuration that survives encoding and decoding and differs in nothing from itself.
#include "base/assert.hpp"
#include "config/decode.hpp"
#include "config/difference.hpp"
#include "config/encode.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

using sluice::config::decode;
using sluice::config::Fault;

namespace {

bool is_one_printable_line(const Fault& fault) {
  return fault.pointer.starts_with('/') && !fault.what.empty() && !fault.remedy.empty() &&
         std::ranges::none_of(fault.text(), [](char c) {
           return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
         });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto decoded = decode(std::string_view(reinterpret_cast<const char*>(bytes), size));
  for (const auto* list : {&decoded.faults, &decoded.warnings})
    for (const auto& fault : *list)
      SLUICE_ASSERT(is_one_printable_line(fault), "a fault is one printable line");
  if (!decoded.faults.empty()) return 0;

  const auto again = decode(encode(decoded.configuration));
  SLUICE_ASSERT(again.faults.empty(), "what was encoded has no faults");
  SLUICE_ASSERT(again.configuration == decoded.configuration, "encoding loses nothing");
  SLUICE_ASSERT(difference(decoded.configuration, again.configuration).empty(),
                "equal configurations do not differ");
  return 0;
}
