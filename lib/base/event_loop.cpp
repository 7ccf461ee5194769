// SPDX-License-Identifier: Apache-2.0
#include "base/event_loop.hpp"

#include "base/log.hpp"

#include <sys/epoll.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <exception>

namespace sluice {
namespace {

constexpr std::size_t kEventsPerTurn = 64;  // epoll hands out the rest in the next turns, in order
constexpr std::size_t kTimersPerTurn = 64;  // the rest likewise: ten thousand may be due at once

sigset_t set_of(std::span<const int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int s : signals) sigaddset(&set, s);
  return set;
}

// Descriptor and serial in one word, as epoll carries it.
std::uint64_t tag(int fd, std::uint32_t serial) {
  return (std::uint64_t{serial} << 32U) | static_cast<std::uint32_t>(fd);
}

// What this thread has had of a processor.
std::chrono::nanoseconds processor_time() noexcept {
  timespec spent{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  return std::chrono::seconds(spent.tv_sec) + std::chrono::nanoseconds(spent.tv_nsec);
}

}  // namespace

Result<std::unique_ptr<EventLoop>> EventLoop::open(Now now) {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll)
    return fail(Errc::kIo, "event loop", "cannot make an epoll: {}", std::strerror(errno));
  return std::unique_ptr<EventLoop>(new EventLoop(std::move(now), std::move(epoll)));
}

EventLoop::~EventLoop() = default;

Result<void> EventLoop::add(int fd, std::uint32_t events, FdTask task) {
  if (watches_.contains(fd))
    return fail(Errc::kConflict, "event loop", "descriptor {} is there already", fd);
  const std::uint32_t serial = ++last_serial_;
  epoll_event about{};
  about.events = events;
  about.data.u64 = tag(fd, serial);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &about) != 0)
    return fail(Errc::kIo, "event loop", "cannot wait for descriptor {}: {}", fd,
                std::strerror(errno));
  watches_.emplace(fd, Watch{serial, std::make_shared<FdTask>(std::move(task))});
  return {};
}

Result<void> EventLoop::change(int fd, std::uint32_t events) {
  const auto watch = watches_.find(fd);
  if (watch == watches_.end())
    return fail(Errc::kNotFound, "event loop", "descriptor {} was never added", fd);
  epoll_event about{};
  about.events = events;
  about.data.u64 = tag(fd, watch->second.serial);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &about) != 0)
    return fail(Errc::kIo, "event loop", "cannot wait for descriptor {}: {}", fd,
                std::strerror(errno));
  return {};
}

void EventLoop::remove(int fd) noexcept {
  if (watches_.erase(fd) != 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

EventLoop::TimerId EventLoop::arm(TimerId id, Clock::time_point at, Timer timer) {
  timers_.emplace(Deadline{at, id}, std::move(timer));
  deadlines_[id] = at;
  return id;
}

EventLoop::TimerId EventLoop::after(std::chrono::milliseconds delay, Task task) {
  return arm(TimerId{++last_timer_}, now_() + std::max(delay, std::chrono::milliseconds{0}),
             Timer{std::chrono::milliseconds{0}, std::make_shared<Task>(std::move(task))});
}

EventLoop::TimerId EventLoop::every(std::chrono::milliseconds period, Task task) {
  period = std::max(period, std::chrono::milliseconds{1});
  return arm(TimerId{++last_timer_}, now_() + period,
             Timer{period, std::make_shared<Task>(std::move(task))});
}

void EventLoop::cancel(TimerId timer) noexcept {
  const auto found = deadlines_.find(timer);
  if (found == deadlines_.end()) return;
  timers_.erase(Deadline{found->second, timer});
  deadlines_.erase(found);
}

void EventLoop::defer(Task task) { deferred_.push_back(std::move(task)); }

void EventLoop::block_signals(std::span<const int> signals) {
  const sigset_t set = set_of(signals);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

Result<void> EventLoop::on_signals(std::span<const int> signals, SignalTask task) {
  if (signals_) return fail(Errc::kConflict, "event loop", "signals are taken already");
  block_signals(signals);
  const sigset_t set = set_of(signals);
  UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return fail(Errc::kIo, "event loop", "cannot make a signalfd: {}", std::strerror(errno));
  auto added = add(fd.get(), EPOLLIN, [number = fd.get(), task = std::move(task)](std::uint32_t) {
    signalfd_siginfo about{};
    if (::read(number, &about, sizeof about) == ssize_t{sizeof about})
      task(static_cast<int>(about.ssi_signo),
           {.process = static_cast<pid_t>(about.ssi_pid), .user = about.ssi_uid});
  });
  if (added) signals_ = std::move(fd);
  return added;
}

void EventLoop::run() {
  while (!stopped_) turn(std::chrono::hours{1});
}

int EventLoop::wait_ms(std::chrono::milliseconds at_most) const {
  if (!deferred_.empty()) return 0;
  if (!timers_.empty()) {
    // Rounded up: a wait that ends just before its timer would turn in vain.
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(timers_.begin()->first.first - now_());
    at_most = std::min(at_most, left);
  }
  return static_cast<int>(std::clamp<std::int64_t>(at_most.count(), 0, 3'600'000));
}

bool EventLoop::turn(std::chrono::milliseconds at_most) {
  std::array<epoll_event, kEventsPerTurn> ready;
  const int n = ::epoll_wait(epoll_.get(), ready.data(), kEventsPerTurn, wait_ms(at_most));
  const auto begun = std::chrono::steady_clock::now();  // not now_(): what the machine needs
  const auto begun_processor = processor_time();
  bool called = false;
  for (int i = 0; i < n; ++i) {  // n is -1 when a signal interrupts: then only timers are due
    const auto& event = ready[static_cast<std::size_t>(i)];
    const auto watch = watches_.find(static_cast<int>(event.data.u64 & 0xffffffffU));
    if (watch == watches_.end() || watch->second.serial != event.data.u64 >> 32U) continue;
    const auto task = watch->second.task;  // held: it may remove itself while it runs
    const std::uint32_t what = event.events;
    call([&] { (*task)(what); });
    called = true;
  }
  called |= call_timers();
  called |= call_deferred();
  note_turn(std::chrono::steady_clock::now() - begun, processor_time() - begun_processor);
  return called;
}

void EventLoop::note_turn(std::chrono::nanoseconds time,
                          std::chrono::nanoseconds processor_time) noexcept {
  const auto count = [](TurnTimes::Counts& counts, std::chrono::nanoseconds took) {
    const double seconds = std::chrono::duration<double>(took).count();
    const auto at = std::ranges::lower_bound(TurnTimes::kBounds, seconds);
    ++counts[static_cast<std::size_t>(at - TurnTimes::kBounds.begin())];
  };
  count(turn_times_.by_time, time);
  count(turn_times_.by_processor_time, processor_time);
  turn_times_.time += time;
  turn_times_.processor_time += processor_time;
  turn_times_.longest = std::max(turn_times_.longest, time);
}

bool EventLoop::call_timers() {
  const auto now = now_();
  const TimerId newest{last_timer_};  // those armed by a callback wait for the next turn
  std::size_t called = 0;
  for (auto next = timers_.begin();
       called < kTimersPerTurn && next != timers_.end() && next->first.first <= now;) {
    const auto [at, id] = next->first;
    if (id > newest) {
      ++next;
      continue;
    }
    const Timer timer = next->second;
    timers_.erase(next);
    deadlines_.erase(id);
    // Armed again before the call, so that the callback can cancel it.
    if (timer.period.count() != 0)
      arm(id, at + timer.period > now ? at + timer.period : now + timer.period, timer);
    call(*timer.task);
    ++called;
    next = timers_.begin();  // the callback may have changed anything
  }
  return called != 0;
}

bool EventLoop::call_deferred() {
  const auto tasks = std::exchange(deferred_, {});
  for (const auto& task : tasks) call(task);
  return !tasks.empty();
}

void EventLoop::call(const Task& task) noexcept {
  std::string what = "not a std::exception";
  try {
    task();
    return;
  } catch (const std::exception& e) {
    what = e.what();
  } catch (...) {
  }
  if (std::has_single_bit(++thrown_))
    log("control")->error("callback_threw count={} what={}", thrown_, what);
}

}  // namespace sluice
