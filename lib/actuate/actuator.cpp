// SPDX-License-Identifier: Apache-2.0
#include "actuate/actuator.hpp"

#include "actuate/command.hpp"
#include "actuate/kubernetes.hpp"
#include "actuate/simple.hpp"
#include "actuate/webhook.hpp"

#include <utility>

namespace sluice::actuate {
namespace {

template <class A>
Result<std::unique_ptr<Actuator>> opened(EventLoop& loop, const config::Actuator& settings,
                                         const Context& context, Actuator::OnReport report) {
  auto made = A::open(loop, settings, context, std::move(report));
  if (!made) return forward_error(made);
  return std::unique_ptr<Actuator>(std::move(*made));
}

}  // namespace

Result<std::unique_ptr<Actuator>> make(EventLoop& loop, const config::Actuator& settings,
                                       const Context& context, Actuator::OnReport report) {
  switch (settings.type) {
    case config::ActuatorType::kStandby:
      return std::make_unique<Standby>(settings.backends, std::move(report));
    case config::ActuatorType::kCommand:
      return opened<Command>(loop, settings, context, std::move(report));
    case config::ActuatorType::kWebhook:
      return opened<Webhook>(loop, settings, context, std::move(report));
    case config::ActuatorType::kKubernetes:
      return opened<Kubernetes>(loop, settings, context, std::move(report));
    case config::ActuatorType::kMetric:
      break;
  }
  return std::make_unique<MetricCount>(std::move(report));
}

double longest_order_s(const config::Actuator& settings) noexcept {
  const std::chrono::duration<double> attempt = settings.timeout;
  const std::chrono::duration<double> pause = Retrying::kLongestPause;
  constexpr double kRequests = 3;  // of one attempt, at most, with kubernetes
  constexpr double kTurn = 60;     // until its turn comes
  return (settings.retries + 1) * (kRequests * attempt.count() + 1.25 * pause.count()) + kTurn;
}

}  // namespace sluice::actuate
