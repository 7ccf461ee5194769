// SPDX-License-Identifier: Apache-2.0
// Writes the seeds of packet_fuzz, one file a kind of packet, into the folder that is given: built
// rather than kept as binary files, so that they can be read and follow the builder.
#include "support/packet.hpp"

#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace {

using sluice::test::Bytes;
using sluice::test::Packet;

constexpr const char* kClient = "198.51.100.1";
constexpr const char* kVip = "203.0.113.10";

struct Seed {
  std::string name;
  Bytes packet;
};

Packet to_service() { return Packet().eth().ipv4(kClient, kVip); }

std::vector<Seed> seeds() {
  return {
      {"tcp", to_service().tcp(40000, 443).payload(8)},
      {"tcp_options", to_service().options(2).tcp(40000, 443).tcp_options(5)},
      {"udp", to_service().udp(40000, 443).payload(8)},
      {"udp_padded", to_service().udp(40000, 443).payload(1).pad()},
      {"icmp", to_service().icmp_echo(1, 1).payload(8)},
      {"fragment_first", to_service().fragment(0, true).udp(40000, 443).payload(8)},
      {"fragment_last", to_service().fragment(3, false).protocol(17).payload(8)},
      {"vlan", Packet().eth().vlan(5).ipv4(kClient, kVip).tcp(40000, 443)},
      {"qinq", Packet().eth().qinq(7).vlan(5).ipv4(kClient, kVip).udp(40000, 443)},
      {"three_tags", Packet().eth().qinq(7).vlan(5).vlan(6).ipv4(kClient, kVip).udp(1, 2)},
      {"ipip", Packet().eth().ipip("10.0.0.1", "10.0.0.2").ipv4(kClient, kVip).tcp(1, 2)},
      {"ipv6", Packet().eth().ipv6("2001:db8::1", "2001:db8::2").tcp(40000, 443)},
      {"arp", Packet().eth().arp_request(sluice::test::kClientMac, "10.0.0.1", "10.0.0.2")},
  };
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  const std::filesystem::path folder(argv[1]);
  std::filesystem::create_directories(folder);
  for (const auto& seed : seeds()) {
    const std::size_t split = seed.packet.size() - 1;  // the first segment lacks the last byte
    std::ofstream file(folder / seed.name, std::ios::binary | std::ios::trunc);
    file.put(static_cast<char>(split >> 8)).put(static_cast<char>(split & 0xff));
    file.write(reinterpret_cast<const char*>(seed.packet.data()),
               static_cast<std::streamsize>(seed.packet.size()));
    if (!file.flush()) {
      std::fprintf(stderr, "%s: cannot write it\n", (folder / seed.name).c_str());
      return 1;
    }
  }
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
