// SPDX-License-Identifier: Apache-2.0
// Any bytes as what tells of neighbours: an ARP frame of the wire, a datagram of the kernel about
// links, neighbours (ARP's and ND's), addresses and routes. The readers stay within the bytes.
//
// Input: a byte that chooses the reader, then the frame or the datagram.
#include "doctor/who_has.hpp"
#include "netlink/messages.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <variant>
#include <vector>

namespace {

using namespace sluice;

constexpr std::size_t kSmallestFrame = 42;
constexpr std::size_t kOperation = 21;

void require(bool holds) {
  if (!holds) std::abort();
}

void arp(std::span<const std::byte> frame) {
  const auto reply = doctor::read_arp_reply(frame);
  if (!reply) return;
  require(frame.size() >= kSmallestFrame && reply->first.is_v4());
  require(frame[kOperation] == std::byte{2});
  // What is asked is no answer to it, and what is behind an answer does not matter.
  std::vector<std::byte> other(frame.begin(), frame.begin() + kSmallestFrame);
  require(doctor::read_arp_reply(other) == reply);
  require(!doctor::read_arp_reply(doctor::arp_probe(reply->second, reply->first)));
  other.pop_back();
  require(!doctor::read_arp_reply(other));
}

void kernel(std::span<const std::byte> datagram) {
  using namespace netlink;
  std::size_t messages = 0;
  decode(datagram, [&](const Message& message) {
    if (const auto* link = std::get_if<Link>(&message.content)) {
      require(link->name.size() <= datagram.size());
      require(link->name.find('\0') == link->name.npos);
    }
    if (const auto* to = std::get_if<Assigned>(&message.content))
      require(to->prefix_length <= (to->address.is_v4() ? 32U : 128U));
    ++messages;
  });
  // Each has its header's 16 bytes, but bytes at the end that are no message.
  require(messages <= datagram.size() / 16 + 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  // A heap block of that very size, so that the address sanitizer sees a read beyond it.
  const std::size_t length = size - 1;
  const auto block = std::make_unique<std::byte[]>(length);
  std::copy_n(reinterpret_cast<const std::byte*>(data) + 1, length, block.get());
  const std::span<const std::byte> bytes(block.get(), length);
  if (data[0] % 2 == 0)
    arp(bytes);
  else
    kernel(bytes);
  return 0;
}
