// SPDX-License-Identifier: Apache-2.0
#include "dataplane/segment_sum.hpp"

#include "packet/checksum.hpp"

#include <rte_mbuf.h>

#include <algorithm>

namespace sluice::dataplane {

std::uint64_t segment_sum(const rte_mbuf& packet, std::size_t offset, std::size_t length) noexcept {
  if (packet.data_len >= offset + length) [[likely]]
    return checksum_sum({rte_pktmbuf_mtod(&packet, const std::byte*) + offset, length});
  std::uint64_t sum = 0;
  bool odd = false;  // an odd number of bytes went before: a word's halves change places
  for (const rte_mbuf* s = &packet; s != nullptr && length != 0; s = s->next) {
    if (offset >= s->data_len) {
      offset -= s->data_len;
      continue;
    }
    const std::size_t here = std::min<std::size_t>(s->data_len - offset, length);
    const std::uint16_t part =
        fold_checksum(checksum_sum({rte_pktmbuf_mtod(s, const std::byte*) + offset, here}));
    sum += odd ? __builtin_bswap16(part) : part;
    odd = odd != (here % 2 != 0);
    length -= here;
    offset = 0;
  }
  return sum;
}

}  // namespace sluice::dataplane
