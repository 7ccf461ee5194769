// SPDX-License-Identifier: Apache-2.0
#include "netlink/announcer.hpp"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sluice::netlink {
namespace {

Result<UniqueFd> make_tun(const std::string& name) {
  UniqueFd fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  if (!fd) return fail(Errc::kIo, name, "cannot open /dev/net/tun: {}", std::strerror(errno));
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  std::memcpy(request.ifr_name, name.data(), name.size());
  if (::ioctl(fd.get(), TUNSETIFF, &request) != 0)
    return fail(Errc::kIo, name, "cannot make the link: {}", std::strerror(errno));
  return fd;
}

}  // namespace

Result<std::unique_ptr<Announcer>> Announcer::open(std::string link, bool create) {
  if (link.empty() || link.size() >= IFNAMSIZ)
    return fail(Errc::kInvalid, link, "is no interface name; give 1 to 15 bytes");
  auto socket = Socket::open({});
  if (!socket) return forward_error(socket);
  std::unique_ptr<Announcer> made(new Announcer(std::move(link), UniqueFd(), std::move(*socket)));
  auto index = made->find_link();
  if (!index && index.error().code == Errc::kNotFound && create) {
    auto tun = make_tun(made->link_);
    if (!tun) return forward_error(tun);
    made->made_ = std::move(*tun);
    index = made->find_link();
  }
  if (!index) return forward_error(index);
  if (auto up = made->socket_.ask(Request::set_up(*index), [](const Message&) {}); !up)
    return forward_error(up);
  if (auto cleared = made->set({}); !cleared) return forward_error(cleared);
  return made;
}

Announcer::~Announcer() { (void)set({}); }

Result<int> Announcer::find_link() {
  int index = 0;
  const auto asked = socket_.ask(Request::dump_links(), [&](const Message& message) {
    const auto* const link = std::get_if<Link>(&message.content);
    if (link != nullptr && link->name == link_) index = link->index;
  });
  if (!asked) return forward_error(asked);
  if (index == 0)
    return fail(Errc::kNotFound, link_, "there is no such link; make it, or set announce.create");
  return index;
}

Result<std::set<IpAddress>> Announcer::ours_on(int interface_index) {
  std::set<IpAddress> ours;
  const auto asked = socket_.ask(Request::dump_addresses(), [&](const Message& message) {
    const auto* const at = std::get_if<Assigned>(&message.content);
    if (at != nullptr && at->interface_index == interface_index &&
        at->prefix_length == at->address.bits() &&
        (at->protocol == kMark || put_.contains(at->address)))
      ours.insert(at->address);
  });
  if (!asked) return forward_error(asked);
  return ours;
}

Result<void> Announcer::set(std::span<const IpAddress> addresses) {
  const auto index = find_link();
  if (!index) return forward_error(index);
  const auto there = ours_on(*index);
  if (!there) return forward_error(there);
  const std::set<IpAddress> wanted(addresses.begin(), addresses.end());
  Result<void> result;
  const auto ask = [&](const Request& request, const IpAddress& address, const char* doing,
                       int harmless) {
    int refusal = 0;
    auto asked = socket_.ask(
        request, [](const Message&) {}, &refusal);
    if (asked && (refusal == 0 || refusal == harmless)) return true;
    if (asked)
      asked =
          fail(Errc::kIo, link_, "cannot {} {}: {}", doing, address.text(), std::strerror(refusal));
    if (result) result = asked;
    return false;
  };
  for (const auto& address : wanted)
    if (!there->contains(address) &&
        ask(Request::add_address(*index, address, kMark), address, "add", EEXIST))
      put_.insert(address);
  for (const auto& address : *there)
    if (!wanted.contains(address) &&
        ask(Request::remove_address(*index, address), address, "remove", EADDRNOTAVAIL))
      put_.erase(address);
  return result;
}

}  // namespace sluice::netlink
