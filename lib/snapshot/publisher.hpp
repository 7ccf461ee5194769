// SPDX-License-Identifier: Apache-2.0
// Publishing a snapshot by RCU: one pointer, one release store, and the old one freed once no
// worker can hold it (rte_rcu_qsbr).
//
// Threads: publish(), retire() and reclaim() on the slow path only; a Reader belongs to one worker.
#pragma once

#include "base/result.hpp"
#include "snapshot/snapshot.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

struct rte_rcu_qsbr;

namespace sluice::snapshot {

class Publisher;

/// One worker's view. Between two calls of quiescent() a pointer from current() stays valid.
class Reader {
 public:
  /// Announces the worker; from here on snapshots wait for it. Call it on the worker itself.
  Reader(const Publisher& publisher, unsigned worker) noexcept;
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  /// The published snapshot. Read it once a burst, never twice.
  [[nodiscard]] const Snapshot& current() const noexcept {
    return *current_->load(std::memory_order_acquire);  // pairs with the store in publish()
  }
  /// From here on the worker holds no pointer from an earlier current(). Cost: one plain store and
  /// one load of a line that changes only when a snapshot is retired.
  void quiescent() noexcept;

 private:
  const std::atomic<const Snapshot*>* current_;
  rte_rcu_qsbr* readers_;
  unsigned worker_;
};

class Publisher {
 public:
  /// @param first    what is published from the start; never null.
  /// @param workers  readers have the numbers 0 to workers - 1; at least 1.
  /// @return kExhausted when there is no memory for the readers' marks.
  [[nodiscard]] static Result<std::unique_ptr<Publisher>> create(
      std::unique_ptr<const Snapshot> first, unsigned workers);
  ~Publisher();  ///< After the last Reader is gone.
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  /// Publishes `next` and retires the one before. Does not wait.
  void publish(std::unique_ptr<const Snapshot> next);

  /// Keeps something else that workers may hold a pointer to, and from now on no longer get, until
  /// each of them has passed a quiescent state. Does not wait.
  void retire(std::shared_ptr<const void> what);

  /// Frees what was retired that no reader can hold any more. Does not wait.
  /// @return how many are still held.
  std::size_t reclaim();

  /// The published snapshot, for the slow path, which alone replaces it.
  [[nodiscard]] const Snapshot& current() const noexcept {
    return *current_.load(std::memory_order_relaxed);
  }

 private:
  friend class Reader;
  struct Retired {
    std::shared_ptr<const void> what;  ///< A snapshot, mostly.
    std::uint64_t token;               ///< Held until every reader's count has reached it.
  };
  struct FreeReaders {
    void operator()(rte_rcu_qsbr* readers) const noexcept;
  };

  Publisher(std::unique_ptr<const Snapshot> first, rte_rcu_qsbr* readers) noexcept;

  alignas(64) std::atomic<const Snapshot*> current_;  ///< Read at each poll: nothing else changes
                                                      ///< on its line.
  alignas(64) std::unique_ptr<rte_rcu_qsbr, FreeReaders> readers_;
  std::unique_ptr<const Snapshot> owned_;
  std::deque<Retired> retired_;
};

}  // namespace sluice::snapshot
