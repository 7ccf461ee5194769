// SPDX-License-Identifier: Apache-2.0
#include "xdp/frames.hpp"

#include "support/dissect.hpp"

#include <algorithm>
#include <utility>

namespace sluice::xdp::test {
namespace {

constexpr std::uint32_t kPass = SLUICE_XDP_PASS;
constexpr std::uint32_t kWorker = SLUICE_XDP_REDIRECT;
constexpr std::uint32_t kFragment = SLUICE_XDP_FRAGMENT;
constexpr std::uint32_t kMalformed = SLUICE_XDP_MALFORMED;

constexpr std::uint8_t kHopByHop = 0, kTcp = 6, kUdp = 17, kRouting = 43, kFragmentHeader = 44,
                       kEsp = 50, kIcmp6 = 58, kOptions = 60;

bool is_v6(const std::string& address) { return address.find(':') != std::string::npos; }

Bytes without_ethernet(const Packet& packet) {
  const Bytes frame = packet;
  return {frame.begin() + 14, frame.end()};
}

void append(Bytes& to, const Bytes& from) { to.insert(to.end(), from.begin(), from.end()); }

std::byte operator""_b(unsigned long long n) { return static_cast<std::byte>(n); }

// What both families have, under names that begin with `family`.
void add_common(std::vector<FrameKind>& all, const std::string& family, const char* vip,
                const char* host, const char* nat) {
  const std::uint8_t icmp = is_v6(vip) ? kIcmp6 : std::uint8_t{1};
  const auto add = [&](const std::string& name, Bytes frame, std::uint32_t stat) {
    all.push_back({family + name, std::move(frame), stat});
  };
  const auto echo = [&](const char* address) {
    return to(address).icmp(is_v6(vip) ? 128 : 8, 0, 7).protocol(icmp).payload(8).bytes();
  };
  add("tcp service", to(vip).tcp(40000, 443).payload(20), kWorker);
  add("udp service", to(vip).udp(40000, 53).payload(20), kWorker);
  add("tcp options", to(vip).tcp(40000, 443).tcp_options(3), kWorker);
  add("padded", to(vip).udp(40000, 53).pad(90), kWorker);
  add("other port", to(vip).tcp(40000, 22), kPass);
  add("port 0 of a service with a port", to(vip).tcp(40000, 0), kPass);
  add("port of the other protocol", to(vip).udp(40000, 443), kPass);
  add("other address", to(host).tcp(40000, 443), kPass);
  add("other protocol", to(vip).tcp(40000, 443).protocol(132), kPass);
  add("no room for tcp", to(vip).protocol(kTcp).payload(19), kMalformed);
  add("no room for udp", to(vip).protocol(kUdp).payload(7), kMalformed);
  add("data offset short", to(vip).tcp(40000, 443).data_offset(4), kMalformed);
  add("data offset long", to(vip).tcp(40000, 443).data_offset(15), kMalformed);
  add("udp length short", to(vip).udp(40000, 53).udp_length(7), kMalformed);
  add("udp length long", to(vip).udp(40000, 53).udp_length(9), kMalformed);
  add("wrong version", to(vip).ip_version(5).tcp(40000, 443), kMalformed);
  add("length beyond the frame", to(vip).total_length(1400).tcp(40000, 443), kMalformed);
  add("lie to the host", to(host).total_length(1400).tcp(1, 443), kPass);
  add("lie to a nat address", to(nat).total_length(1400).udp(1, 443), kMalformed);
  add("nat return", to(nat).udp(443, 40000), kWorker);
  add("nat return from port 0", to(nat).udp(443, 0), kWorker);
  add("echo request", echo(vip), kWorker);
  add("echo request to the host", echo(host), kPass);
  add("echo request to a nat address", echo(nat), kPass);
  add("echo reply", to(vip).icmp(is_v6(vip) ? 129 : 0, 0, 7).protocol(icmp), kPass);
  add("icmp without room", to(vip).protocol(icmp).payload(7), kMalformed);

  add("error about tcp", icmp_error(vip, from(vip).tcp(443, 40000)), kWorker);
  add("error about udp", icmp_error(vip, from(vip).udp(53, 40000)), kWorker);
  add("error about another port", icmp_error(vip, from(vip).tcp(22, 40000)), kPass);
  add("error about nat", icmp_error(nat, from(nat).udp(40000, 443)), kWorker);
  add("error about the host", icmp_error(host, from(host).tcp(443, 40000)), kPass);
  add("error about another's packet", icmp_error(vip, from(host).tcp(443, 40000)), kMalformed);
  add("error about icmp", icmp_error(vip, from(vip).icmp(0, 0, 1)), kPass);
  add("error that quotes no version", icmp_error(vip, from(vip).ip_version(3).tcp(443, 1)),
      kMalformed);
  const std::size_t header = is_v6(vip) ? 40 : 20;
  const Packet whole = from(vip).tcp(443, 40000);
  add("error that quotes 8 bytes", icmp_error(vip, whole, header + 8), kWorker);
  add("error that quotes 7 bytes", icmp_error(vip, whole, header + 7), kMalformed);
  add("error that quotes half a header", icmp_error(vip, whole, header - 1), kMalformed);
  add("error that quotes nothing", icmp_error(vip, whole, 0), kMalformed);
}

void add_ipv4(std::vector<FrameKind>& all) {
  const auto add = [&](std::string name, Bytes frame, std::uint32_t stat) {
    all.push_back({std::move(name), std::move(frame), stat});
  };
  const auto tagged = [](auto... tags) {
    Packet p = Packet().eth();
    (p.vlan(tags), ...);
    return p.ipv4(kClient, kVip).udp(1, 53).bytes();
  };
  add("ip options", to(kVip).options(10).tcp(40000, 443), kWorker);
  add("vlan", tagged(std::uint16_t{5}), kWorker);
  add("qinq", Packet().eth().qinq(7).vlan(5).ipv4(kClient, kVip).udp(1, 53), kWorker);
  add("three tags", tagged(std::uint16_t{5}, std::uint16_t{6}, std::uint16_t{7}), kPass);
  add("every port", to(kWholeVip).tcp(40000, 1), kWorker);
  add("every port, port 0", to(kWholeVip).tcp(40000, 0), kWorker);
  add("every port of another protocol", to(kWholeVip).udp(40000, 1), kPass);
  add("tcp nat return", to(kNat).tcp(443, 40000), kWorker);
  add("from the service", Packet().eth().ipv4(kVip, kClient).tcp(443, 443), kPass);
  add("arp", Packet().eth().arp_request("02:00:00:00:00:02", kClient, kVip), kPass);
  add("don't fragment", to(kVip).df().tcp(40000, 443), kWorker);
  add("first fragment", to(kVip).fragment(0, true).tcp(40000, 443), kFragment);
  add("first fragment of another port", to(kVip).fragment(0, true).tcp(1, 22), kFragment);
  add("first fragment of a long datagram",
      to(kVip).fragment(0, true).udp(1, 53).udp_length(4000).payload(64), kFragment);
  add("first fragment with a cut header", to(kVip).fragment(0, true).protocol(kTcp).payload(16),
      kMalformed);
  add("later fragment", to(kVip).fragment(9, false).tcp(40000, 443), kFragment);
  add("short later fragment", to(kVip).fragment(9, false).protocol(kUdp).payload(3), kFragment);
  add("fragment for nat", to(kNat).fragment(9, true).udp(1, 2), kFragment);
  add("fragment of a protocol without service",
      to(kWholeVip).fragment(9, false).protocol(kUdp).payload(8), kPass);
  add("fragment for the host", to(kHostAddress).fragment(9, true).tcp(1, 443), kPass);
  add("icmp fragment", to(kVip).fragment(0, true).icmp_echo(1, 1), kPass);
  add("short header", to(kVip).header_length(4).tcp(40000, 443), kMalformed);
  add("header beyond total", to(kVip).header_length(15).tcp(1, 443), kMalformed);
  add("total below header", to(kVip).total_length(19).tcp(40000, 443), kMalformed);
  add("lying icmp to a service", to(kVip).total_length(1400).icmp_echo(1, 1), kMalformed);
  add("error that quotes options", icmp_error(kVip, from(kVip).options(10).udp(53, 1)), kWorker);
  add("error that quotes a later fragment",
      icmp_error(kVip, from(kVip).fragment(3, false).udp(53, 1)), kPass);
  add("error that quotes a first fragment",
      icmp_error(kVip, from(kVip).fragment(0, true).udp(53, 1)), kWorker);
  add("error that quotes a short header", icmp_error(kVip, from(kVip).header_length(4).udp(53, 1)),
      kMalformed);
  add("redirect", to(kVip).icmp(5, 1, 0).payload(28), kPass);
}

void add_ipv6(std::vector<FrameKind>& all) {
  const auto add = [&](std::string name, Bytes frame, std::uint32_t stat) {
    all.push_back({std::move(name), std::move(frame), stat});
  };
  const Bytes tcp = segment(kTcp), udp = segment(kUdp), echo = segment(kIcmp6);
  const auto chain = [] { return Extensions(); };
  add("v6 every port", to(kWholeVip6).udp(40000, 1), kWorker);
  add("v6 every port of another protocol", to(kWholeVip6).tcp(40000, 1), kPass);
  add("v6 nat of the other protocol", to(kNat6).tcp(443, 40000), kPass);
  add("v6 vlan", Packet().eth().qinq(7).vlan(5).ipv6(kClient6, kVip6).udp(1, 53), kWorker);
  add("hop by hop", chain().options(kHopByHop, 2).before(kVip6, kTcp, tcp), kWorker);
  add("destination options", chain().options(kOptions).before(kVip6, kUdp, udp), kWorker);
  add("routing done", chain().routing(0).before(kVip6, kTcp, tcp), kWorker);
  add("routing under way", chain().routing(1).before(kVip6, kTcp, tcp), kPass);
  add("options before an echo", chain().options(kHopByHop).before(kVip6, kIcmp6, echo), kWorker);
  add("esp", chain().options(kHopByHop).before(kVip6, kEsp, tcp), kPass);
  add("icmp of the other family", chain().before(kVip6, 1, echo), kPass);
  Extensions eight;
  for (int i = 0; i < 8; ++i) eight.options(kOptions);
  add("eight headers", eight.before(kVip6, kTcp, tcp), kWorker);
  add("nine headers", eight.options(kOptions).before(kVip6, kTcp, tcp), kPass);
  Bytes cut = to(kVip6).protocol(kOptions).payload(16).bytes();
  cut[14 + 40 + 1] = 2_b;  // 24 bytes
  add("options beyond the packet", cut, kMalformed);
  add("options without room", to(kVip6).protocol(kOptions).payload(7), kMalformed);
  add("options for the host", to(kHostAddress6).protocol(kOptions).payload(7), kPass);

  add("v6 first fragment", chain().fragment(0, true).before(kVip6, kTcp, tcp), kFragment);
  add("v6 later fragment", chain().fragment(9, true).before(kVip6, kUdp, Bytes(3)), kFragment);
  add("v6 last fragment", chain().fragment(9, false).before(kVip6, kTcp, Bytes(3)), kFragment);
  add("v6 atomic fragment", chain().fragment(0, false).before(kVip6, kTcp, tcp), kWorker);
  add("v6 atomic fragment twice",
      chain().fragment(0, false).fragment(0, false).before(kVip6, kTcp, tcp), kWorker);
  add("v6 fragment in a fragment",
      chain().fragment(0, true).fragment(0, true).before(kVip6, kTcp, tcp), kPass);
  add("v6 fragment behind options",
      chain().options(kHopByHop).fragment(9, true).before(kVip6, kUdp, Bytes(8)), kFragment);
  add("options in a first fragment",
      chain().fragment(0, true).options(kOptions).before(kVip6, kTcp, tcp), kFragment);
  add("options in a later fragment", chain().fragment(9, true).before(kVip6, kOptions, Bytes(8)),
      kFragment);
  add("options in a later fragment for nat",
      chain().fragment(9, true).before(kNat6, kOptions, Bytes(8)), kFragment);
  add("v6 fragment without room", to(kVip6).protocol(kFragmentHeader).payload(7), kMalformed);
  add("v6 first fragment with a cut header",
      chain().fragment(0, true).before(kVip6, kTcp, Bytes(16)), kMalformed);
  add("v6 fragment for nat", chain().fragment(1, true).before(kNat6, kUdp, Bytes(8)), kFragment);
  add("v6 fragment of a protocol without service",
      chain().fragment(1, true).before(kWholeVip6, kTcp, Bytes(8)), kPass);
  add("icmpv6 fragment", chain().fragment(0, true).before(kVip6, kIcmp6, echo), kPass);

  // An error may quote extension headers, too.
  const auto quoting = [&](const Extensions& headers, std::uint8_t protocol) {
    Bytes quote = headers.before(kClient6, protocol, segment(protocol));
    const Bytes vip = Packet().eth().ipv6(kVip6, kClient6).bytes();
    std::copy_n(vip.begin() + 14 + 8, 16, quote.begin() + 14 + 8);  // its source
    return icmp_error(kVip6, Packet().payload(std::span(quote).subspan(14)));
  };
  const auto turned = [](Bytes frame) {  // the quoted packet came from the service's port
    std::swap_ranges(frame.end() - 20, frame.end() - 18, frame.end() - 18);
    return frame;
  };
  add("error that quotes options v6", turned(quoting(chain().options(kOptions), kTcp)), kWorker);
  add("error that quotes a first fragment v6", turned(quoting(chain().fragment(0, true), kTcp)),
      kWorker);
  add("error that quotes a later fragment v6", quoting(chain().fragment(2, true), kTcp), kPass);
  add("error that quotes nine headers", quoting(eight, kTcp), kPass);
  add("neighbour solicitation", to(kVip6).icmp(135, 0, 0).protocol(kIcmp6).payload(24), kPass);
  add("v6 error type 5", to(kVip6).icmp(5, 0, 0).protocol(kIcmp6).payload(56), kPass);
}

}  // namespace

Packet to(const std::string& destination) {
  return is_v6(destination) ? Packet().eth().ipv6(kClient6, destination)
                            : Packet().eth().ipv4(kClient, destination);
}

Packet from(const std::string& source) {
  return is_v6(source) ? Packet().ipv6(source, kClient6) : Packet().ipv4(source, kClient);
}

Bytes icmp_error(const std::string& destination, const Packet& quote, std::size_t length) {
  Bytes quoted = quote;
  quoted.resize(std::min(quoted.size(), length));
  const bool v6 = is_v6(destination);
  return to(destination).icmp(v6 ? 1 : 3, 1, 0).protocol(v6 ? kIcmp6 : 1).payload(quoted);
}

Extensions& Extensions::options(std::uint8_t kind, std::uint8_t words) {
  Bytes bytes(8U + 8U * words);
  bytes[1] = static_cast<std::byte>(words);
  headers_.push_back({kind, std::move(bytes)});
  return *this;
}

Extensions& Extensions::routing(std::uint8_t segments_left) {
  Bytes bytes(24);
  bytes[1] = 2_b;
  bytes[3] = static_cast<std::byte>(segments_left);
  headers_.push_back({kRouting, std::move(bytes)});
  return *this;
}

Extensions& Extensions::fragment(std::uint16_t offset, bool more) {
  const auto word = unsigned{offset} << 3U | (more ? 1U : 0U);
  Bytes bytes(8);
  bytes[2] = static_cast<std::byte>(word >> 8U);
  bytes[3] = static_cast<std::byte>(word & 0xffU);
  bytes[7] = 77_b;  // of the datagram's id
  headers_.push_back({kFragmentHeader, std::move(bytes)});
  return *this;
}

Bytes Extensions::before(const std::string& destination, std::uint8_t protocol,
                         const Bytes& segment) const {
  Bytes payload;
  for (std::size_t i = 0; i < headers_.size(); ++i) {
    Bytes header = headers_[i].bytes;
    header[0] = static_cast<std::byte>(i + 1 < headers_.size() ? headers_[i + 1].kind : protocol);
    append(payload, header);
  }
  append(payload, segment);
  return to(destination)
      .protocol(headers_.empty() ? protocol : headers_.front().kind)
      .payload(payload);
}

Bytes segment(std::uint8_t protocol) {
  const Packet packet = protocol == kTcp   ? to(kVip6).tcp(40000, 443)
                        : protocol == kUdp ? to(kVip6).udp(40000, 53).payload(12)
                                           : to(kVip6).icmp(128, 0, 7).payload(12);
  const Bytes ip = without_ethernet(packet);
  return {ip.begin() + 40, ip.end()};
}

std::vector<FrameKind> frame_kinds() {
  std::vector<FrameKind> all;
  add_common(all, "", kVip, kHostAddress, kNat);
  add_common(all, "v6 ", kVip6, kHostAddress6, kNat6);
  add_ipv4(all);
  add_ipv6(all);
  return all;
}

}  // namespace sluice::xdp::test
