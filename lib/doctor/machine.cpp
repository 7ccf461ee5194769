// SPDX-License-Identifier: Apache-2.0
#include "doctor/machine.hpp"

#include "base/unique_fd.hpp"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fstream>

namespace sluice::doctor {
namespace {

constexpr std::size_t kMostBytes = 64U << 10U;
constexpr unsigned kMostProcessors = 4096;

std::optional<unsigned> whole(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<Link> link_of(const std::string& interface) {
  ifreq request{};
  const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd || interface.empty() || interface.size() >= sizeof request.ifr_name) return std::nullopt;
  std::memcpy(request.ifr_name, interface.data(), interface.size());
  if (::ioctl(fd.get(), SIOCGIFFLAGS, &request) != 0) return std::nullopt;
  Link link;
  link.up = (request.ifr_flags & IFF_UP) != 0 && (request.ifr_flags & IFF_RUNNING) != 0;
  if (::ioctl(fd.get(), SIOCGIFMTU, &request) == 0)
    link.mtu = static_cast<unsigned>(std::max(0, request.ifr_mtu));
  ethtool_drvinfo driver{};
  driver.cmd = ETHTOOL_GDRVINFO;
  request.ifr_data = reinterpret_cast<char*>(&driver);
  if (::ioctl(fd.get(), SIOCETHTOOL, &request) == 0)
    link.driver.assign(driver.driver, ::strnlen(driver.driver, sizeof driver.driver));
  return link;
}

std::filesystem::path Machine::below_root(std::string_view path) const {
  return root_ / std::filesystem::path(path).relative_path();
}

std::optional<std::string> Machine::text(std::string_view path) const {
  std::ifstream file(below_root(path), std::ios::binary);
  if (!file) return std::nullopt;
  std::string content(kMostBytes, '\0');
  file.read(content.data(), static_cast<std::streamsize>(content.size()));
  content.resize(static_cast<std::size_t>(file.gcount()));
  if (file.bad() || (content.empty() && !file.eof())) return std::nullopt;
  content.erase(content.find_last_not_of(" \t\r\n") + 1);
  return content;
}

std::optional<std::uint64_t> Machine::number(std::string_view path) const {
  const auto content = text(path);
  if (!content) return std::nullopt;
  std::uint64_t value = 0;
  const auto* const end = content->data() + content->size();
  const auto [at, error] = std::from_chars(content->data(), end, value);
  if (content->empty() || error != std::errc{} || at != end) return std::nullopt;
  return value;
}

bool Machine::exists(std::string_view path) const {
  std::error_code error;
  return std::filesystem::exists(below_root(path), error);
}

std::vector<std::string> Machine::names(std::string_view path) const {
  std::vector<std::string> list;
  std::error_code error;
  for (std::filesystem::directory_iterator at(below_root(path), error), end; !error && at != end;
       at.increment(error))
    list.push_back(at->path().filename().string());
  std::ranges::sort(list);
  return list;
}

std::string Machine::target(std::string_view path) const {
  std::error_code error;
  return std::filesystem::read_symlink(below_root(path), error).filename().string();
}

std::set<unsigned> Machine::processors(std::string_view path) const {
  return parse_processors(text(path).value_or(""));
}

std::set<unsigned> parse_processors(std::string_view list) {
  std::set<unsigned> all;
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    const auto part = list.substr(0, comma);
    list.remove_prefix(std::min(comma + 1, list.size()));
    const auto dash = part.find('-');
    const auto first = whole(part.substr(0, dash));
    const auto last = dash == part.npos ? first : whole(part.substr(dash + 1));
    if (!first || !last || *last < *first || *last >= kMostProcessors) return {};
    for (unsigned i = *first; i <= *last; ++i) all.insert(i);
  }
  return all;
}

std::string processors_text(const std::set<unsigned>& processors) {
  std::string text;
  for (auto at = processors.begin(); at != processors.end();) {
    const unsigned first = *at;
    unsigned last = first;
    while (++at != processors.end() && *at == last + 1) last = *at;
    text += (text.empty() ? "" : ",") + std::to_string(first);
    if (last != first) text += "-" + std::to_string(last);
  }
  return text;
}

}  // namespace sluice::doctor
