// SPDX-License-Identifier: Apache-2.0
#include "snapshot/service_table.hpp"

#include "base/byte_order.hpp"

#include <algorithm>

namespace sluice::snapshot {
namespace {

std::size_t keys_of(const std::vector<ServiceTable::Entry>& entries, bool v4) {
  // Each service may bring a key for its address and one for its protocol.
  return 3 * static_cast<std::size_t>(std::ranges::count_if(
                 entries, [&](const auto& e) { return e.address.is_v4() == v4; }));
}

}  // namespace

ServiceTable::ServiceTable(const std::vector<Entry>& entries)
    : v4_(keys_of(entries, true)), v6_(keys_of(entries, false)) {
  using detail::Ask;
  for (const Entry& e : entries) {
    insert(e.address, bits_of(Be16::from_host(e.port).wire(), e.protocol, Ask::kService), e.index);
    const auto any = bits_of(0, 0, Ask::kAddress);
    if (!holds(e.address, any)) insert(e.address, any, e.index);
    const auto portless = bits_of(0, e.protocol, Ask::kProtocol);
    if (e.port == 0 || !holds(e.address, portless)) insert(e.address, portless, e.index);
    any_port_ = any_port_ || e.port == 0;
  }
}

void ServiceTable::insert(const IpAddress& address, std::uint64_t bits, std::uint32_t index) {
  const auto words = address.words();
  if (address.is_v4())
    v4_.insert(key4(words[0], bits), index);
  else
    v6_.insert(key6(words.data(), bits), index);
}

bool ServiceTable::holds(const IpAddress& address, std::uint64_t bits) const noexcept {
  const auto words = address.words();
  return (address.is_v4() ? v4_.find(key4(words[0], bits)) : v6_.find(key6(words.data(), bits))) !=
         kNone;
}

}  // namespace sluice::snapshot
