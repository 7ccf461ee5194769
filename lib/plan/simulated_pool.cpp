// SPDX-License-Identifier: Apache-2.0
#include "plan/simulated_pool.hpp"

#include "base/assert.hpp"
#include "plan/rounding.hpp"

#include <algorithm>
#include <cmath>
#include <deque>

namespace sluice::plan {
namespace {

constexpr double kTiny = 1e-9;              // requests: less than that is rounding
constexpr std::size_t kFirstSeconds = 300;  // whose mean rate the pool begins with
constexpr double kFirstUtilisation = 0.7;
constexpr std::size_t kProgressSteps = 200;

struct Batch {
  std::int64_t until;
  std::uint32_t count;
};

// Takes batches whose time has come. @return how many backends they are.
std::uint32_t take_due(std::deque<Batch>& batches, std::int64_t t) {
  std::uint32_t due = 0;
  for (; !batches.empty() && batches.front().until <= t; batches.pop_front())
    due += batches.front().count;
  return due;
}

// Takes `count` backends from the youngest batches. @return how many there were.
std::uint32_t take_back(std::deque<Batch>& batches, std::uint32_t count) {
  std::uint32_t taken = 0;
  while (taken < count && !batches.empty()) {
    const auto some = std::min(count - taken, batches.back().count);
    batches.back().count -= some;
    taken += some;
    if (batches.back().count == 0) batches.pop_back();
  }
  return taken;
}

// The backends of one class.
class Backends {
 public:
  Backends(const ClassModel& model, std::uint32_t drain_s, std::uint32_t ready)
      : model_(&model), drain_s_(drain_s), ready_(ready), asleep_(model.asleep) {}

  void pass(std::int64_t t) {
    const auto up = take_due(starting_, t) + take_due(waking_, t);
    ready_ += up;
    coming_ -= up;
    const auto gone = take_due(draining_, t);
    leaving_ -= gone;
    put_to_sleep(gone);
  }

  void set(std::int64_t t, std::uint32_t wanted) {
    const std::uint32_t now = ready_ + coming_;
    if (wanted > now)
      start(t, wanted - now);
    else if (wanted < now)
      stop(t, now - wanted);
  }

  [[nodiscard]] Count count() const noexcept { return {ready_, coming_, asleep_}; }
  [[nodiscard]] std::uint32_t ready() const noexcept { return ready_; }
  [[nodiscard]] std::uint32_t billed() const noexcept { return ready_ + coming_ + leaving_; }
  [[nodiscard]] std::uint32_t asleep() const noexcept { return asleep_; }
  [[nodiscard]] const ClassModel& model() const noexcept { return *model_; }

 private:
  void start(std::int64_t t, std::uint32_t count) {
    const auto woken = std::min(count, asleep_);
    asleep_ -= woken;
    come(waking_, t, model_->wake_s, woken);
    come(starting_, t, model_->cold_start_s, count - woken);
  }

  void come(std::deque<Batch>& batches, std::int64_t t, std::uint32_t after_s,
            std::uint32_t count) {
    if (count == 0) return;
    if (after_s == 0) {
      ready_ += count;
      return;
    }
    batches.push_back({t + after_s, count});
    coming_ += count;
  }

  void stop(std::int64_t t, std::uint32_t count) {
    const auto cancelled = take_back(starting_, count);
    const auto asleep_again = take_back(waking_, count - cancelled);
    coming_ -= cancelled + asleep_again;
    asleep_ += asleep_again;
    const auto rest = count - cancelled - asleep_again;
    ready_ -= rest;
    if (drain_s_ == 0) return put_to_sleep(rest);
    if (rest == 0) return;
    draining_.push_back({t + drain_s_, rest});
    leaving_ += rest;
  }

  // As many as may sleep; the others are gone.
  void put_to_sleep(std::uint32_t count) {
    asleep_ += std::min(count, model_->asleep - std::min(model_->asleep, asleep_));
  }

  const ClassModel* model_;
  std::uint32_t drain_s_;
  std::uint32_t ready_;
  std::uint32_t asleep_;
  std::uint32_t coming_ = 0;
  std::uint32_t leaving_ = 0;
  std::deque<Batch> starting_;
  std::deque<Batch> waking_;
  std::deque<Batch> draining_;
};

std::uint32_t most_of(const ClassModel& model, const PoolModel& pool) {
  return model.max == 0 ? pool.max : std::min(model.max, pool.max);
}

class Simulation {
 public:
  Simulation(const Arrivals& arrivals, const PoolModel& pool) : arrivals_(arrivals), pool_(pool) {
    const std::size_t n = arrivals.seconds();
    course_.served.reserve(n + 1);
    course_.ready.reserve(n);
    course_.billed.reserve(n);
    if (pool.classes.size() > 1) course_.capacity.reserve(n);
    concurrency_.reserve(n + 1);
    capacity_.reserve(n + 1);
    for (auto* series : {&course_.served, &concurrency_, &capacity_}) series->push_back(0.0);
    course_.billed_seconds.resize(pool.classes.size());
    course_.asleep_seconds.resize(pool.classes.size());
    service_time_ = static_cast<std::size_t>(
        std::max(1.0, std::nearbyint(pool.classes.front().service_time_s)));
    wanted_.resize(pool.classes.size());
    counts_.resize(pool.classes.size());
    begin();
  }

  Course run(Scaler& scaler, const Progress& progress) {
    const std::size_t n = arrivals_.seconds();
    const std::size_t step = n / kProgressSteps + 1;
    for (std::size_t t = 0; t < n; ++t) {
      for (auto& backends : classes_) backends.pass(static_cast<std::int64_t>(t));
      if (t != 0 && t % scaler.tick_s() == 0) decide(static_cast<std::int64_t>(t), scaler);
      serve(t);
      if (progress && t % step == 0) progress(t);
    }
    for (const auto& backends : classes_) course_.last_ready.push_back(backends.ready());
    return std::move(course_);
  }

 private:
  void begin() {
    const std::size_t n = std::min(arrivals_.seconds(), kFirstSeconds);
    double rate = 0;
    for (std::size_t t = 0; t < n; ++t) rate += arrivals_.at(t);
    rate /= static_cast<double>(n);
    std::uint32_t room = pool_.max;
    std::uint32_t least = pool_.min;
    for (const auto& model : pool_.classes) {
      const auto need = ceil_count(rate / model.capacity / kFirstUtilisation);
      const auto most = std::min(room, most_of(model, pool_));
      const auto count = static_cast<std::uint32_t>(
          std::min<std::int64_t>(most, std::max<std::int64_t>(least, need)));
      classes_.emplace_back(model, pool_.drain_s, count);
      room -= count;
      least -= std::min(least, count);
      rate = std::max(0.0, rate - count * model.capacity * kFirstUtilisation);
    }
  }

  void decide(std::int64_t t, Scaler& scaler) {
    View view;
    view.t = t;
    for (std::size_t i = 0; i < classes_.size(); ++i) {
      counts_[i] = classes_[i].count();
      view.ready += counts_[i].ready;
      view.starting += counts_[i].starting;
      wanted_[i] = counts_[i].ready + counts_[i].starting;
    }
    view.queue = queue_;
    view.inflight = inflight_;
    view.arrivals = std::span(arrivals_.cumulative()).first(static_cast<std::size_t>(t) + 1);
    view.served = course_.served;
    view.concurrency = concurrency_;
    view.capacity = capacity_;
    view.classes = counts_;
    scaler.want(view, wanted_);
    set(t, view.ready + view.starting);
  }

  void set(std::int64_t t, std::uint32_t before) {
    std::int64_t room = pool_.max;
    std::int64_t after = 0;
    bool changed = false;
    for (std::size_t i = 0; i < classes_.size(); ++i) {
      const std::int64_t least = classes_.size() == 1 ? pool_.min : 0;
      const std::int64_t most = std::min<std::int64_t>(room, most_of(classes_[i].model(), pool_));
      const auto count = std::min(std::max(wanted_[i], least), most);
      changed = changed || count != counts_[i].ready + counts_[i].starting;
      classes_[i].set(t, static_cast<std::uint32_t>(count));
      room -= count;
      after += count;
    }
    if (changed) course_.actions.push_back({t, after - before, static_cast<std::uint32_t>(after)});
  }

  void serve(std::size_t t) {
    double capacity = 0;
    std::uint32_t ready = 0;
    std::uint32_t billed = 0;
    for (std::size_t i = 0; i < classes_.size(); ++i) {
      const auto& backends = classes_[i];
      capacity += backends.ready() * backends.model().capacity;
      ready += backends.ready();
      billed += backends.billed();
      course_.billed_seconds[i] += backends.billed();
      course_.asleep_seconds[i] += backends.asleep();
    }
    const double came = arrivals_.at(t);
    if (queue_ + came > capacity + kTiny) course_.underserved += came;
    const double done = std::min(queue_ + came, capacity);
    queue_ += came - done;
    auto& served = course_.served;
    served.push_back(served.back() + done);
    capacity_.push_back(capacity_.back() + capacity);
    const std::size_t n = served.size() - 1;
    inflight_ = served[n] - served[n - std::min(n, service_time_)] + queue_;
    concurrency_.push_back(concurrency_.back() + inflight_);
    course_.ready.push_back(ready);
    course_.billed.push_back(billed);
    if (classes_.size() > 1) course_.capacity.push_back(capacity);
  }

  const Arrivals& arrivals_;
  const PoolModel& pool_;
  Course course_;
  std::vector<Backends> classes_;
  std::vector<std::int64_t> wanted_;
  std::vector<Count> counts_;
  std::vector<double> concurrency_;
  std::vector<double> capacity_;
  std::size_t service_time_ = 1;
  double queue_ = 0;
  double inflight_ = 0;
};

}  // namespace

PoolModel PoolModel::of_first_class() const {
  PoolModel one = *this;
  one.classes.resize(1);
  one.classes.front().max = 0;
  one.classes.front().asleep = 0;
  return one;
}

Arrivals::Arrivals(const Trace& trace, double factor) : step_s_(trace.step_s) {
  requests_.reserve(trace.requests.size());
  rate_.reserve(trace.requests.size());
  cumulative_.reserve(trace.seconds() + 1);
  cumulative_.push_back(0.0);
  for (const double requests : trace.requests) {
    requests_.push_back(factor == 1.0 ? requests : requests * factor);
    rate_.push_back(requests_.back() / step_s_);
    for (std::uint32_t i = 0; i < step_s_; ++i)
      cumulative_.push_back(cumulative_.back() + rate_.back());
  }
}

Course simulate(const Arrivals& arrivals, const PoolModel& pool, Scaler& scaler,
                const Progress& progress) {
  SLUICE_ASSERT(!pool.classes.empty() && scaler.tick_s() != 0 && arrivals.seconds() != 0,
                "a pool has a class, a scaler a tick and a trace a second");
  return Simulation(arrivals, pool).run(scaler, progress);
}

Course follow(const Arrivals& arrivals, const PoolModel& pool, std::vector<std::uint32_t> ready,
              std::vector<std::uint32_t> billed) {
  SLUICE_ASSERT(ready.size() == arrivals.seconds() && billed.size() == ready.size(),
                "a schedule has a count for every second");
  Course course;
  course.served.reserve(ready.size() + 1);
  course.served.push_back(0.0);
  course.billed_seconds.assign(1, 0);
  course.asleep_seconds.assign(1, 0);
  double queue = 0;
  for (std::size_t t = 0; t < ready.size(); ++t) {
    const double capacity = ready[t] * pool.classes.front().capacity;
    const double came = arrivals.at(t);
    if (queue + came > capacity + kTiny) course.underserved += came;
    const double done = std::min(queue + came, capacity);
    queue += came - done;
    course.served.push_back(course.served.back() + done);
    course.billed_seconds.front() += billed[t];
  }
  course.last_ready.assign(1, ready.back());
  course.ready = std::move(ready);
  course.billed = std::move(billed);
  return course;
}

}  // namespace sluice::plan
