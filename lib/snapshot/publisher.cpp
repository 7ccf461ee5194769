// SPDX-License-Identifier: Apache-2.0
#include "snapshot/publisher.hpp"

#include "base/assert.hpp"

#include <rte_rcu_qsbr.h>

#include <cstdlib>
#include <utility>

namespace sluice::snapshot {

Reader::Reader(const Publisher& publisher, unsigned worker) noexcept
    : current_(&publisher.current_), readers_(publisher.readers_.get()), worker_(worker) {
  SLUICE_ASSERT(rte_rcu_qsbr_thread_register(readers_, worker_) == 0,
                "a reader's number is below the publisher's count of workers");
  rte_rcu_qsbr_thread_online(readers_, worker_);
}

Reader::~Reader() {
  rte_rcu_qsbr_thread_offline(readers_, worker_);
  rte_rcu_qsbr_thread_unregister(readers_, worker_);
}

void Reader::quiescent() noexcept { rte_rcu_qsbr_quiescent(readers_, worker_); }

Result<std::unique_ptr<Publisher>> Publisher::create(std::unique_ptr<const Snapshot> first,
                                                     unsigned workers) {
  SLUICE_ASSERT(first != nullptr && workers > 0, "a publisher starts with a snapshot and readers");
  const std::size_t size = rte_rcu_qsbr_get_memsize(workers);
  auto* readers = static_cast<rte_rcu_qsbr*>(std::aligned_alloc(RTE_CACHE_LINE_SIZE, size));
  if (readers == nullptr || rte_rcu_qsbr_init(readers, workers) != 0) {
    std::free(readers);
    return fail(Errc::kExhausted, "", "no memory to keep track of {} workers", workers);
  }
  return std::unique_ptr<Publisher>(new Publisher(std::move(first), readers));
}

Publisher::Publisher(std::unique_ptr<const Snapshot> first, rte_rcu_qsbr* readers) noexcept
    : current_(first.get()), readers_(readers), owned_(std::move(first)) {}

Publisher::~Publisher() = default;

void Publisher::FreeReaders::operator()(rte_rcu_qsbr* readers) const noexcept {
  std::free(readers);
}

void Publisher::publish(std::unique_ptr<const Snapshot> next) {
  SLUICE_ASSERT(next != nullptr, "there is always a snapshot");
  // Release: a worker that sees the pointer sees the tables. Pairs with Reader::current().
  current_.store(next.get(), std::memory_order_release);
  auto old = std::exchange(owned_, std::move(next));
  // The token is drawn after the store: who has passed a quiescent state since sees the new
  // pointer.
  retire(std::move(old));
}

void Publisher::retire(std::shared_ptr<const void> what) {
  retired_.push_back({std::move(what), rte_rcu_qsbr_start(readers_.get())});
}

std::size_t Publisher::reclaim() {
  while (!retired_.empty() &&
         rte_rcu_qsbr_check(readers_.get(), retired_.front().token, /*wait=*/false) == 1)
    retired_.pop_front();
  return retired_.size();
}

}  // namespace sluice::snapshot
