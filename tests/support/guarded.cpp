// SPDX-License-Identifier: Apache-2.0
#include "support/guarded.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace sluice::test {

Guarded::Guarded(std::span<const std::byte> bytes) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t usable = (bytes.size() + page - 1) / page * page;
  mapped_ = usable + page;
  void* at = ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  mapping_ = static_cast<std::byte*>(at);
  if (::mprotect(mapping_ + usable, page, PROT_NONE) != 0) {
    const int reason = errno;
    ::munmap(mapping_, mapped_);
    throw std::system_error(reason, std::generic_category(), "mprotect");
  }
  bytes_ = {mapping_ + usable - bytes.size(), bytes.size()};
  std::ranges::copy(bytes, bytes_.begin());
}

Guarded::~Guarded() { ::munmap(mapping_, mapped_); }

}  // namespace sluice::test
