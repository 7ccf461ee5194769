// SPDX-License-Identifier: Apache-2.0
#include "actuate/webhook.hpp"

#include "actuate/message.hpp"
#include "actuate/secret.hpp"

#include <chrono>
#include <utility>

namespace sluice::actuate {

Webhook::Webhook(EventLoop& loop, const config::Actuator& settings, const Context& context,
                 OnReport report, std::unique_ptr<Requests> requests)
    : Retrying(loop, std::move(report), settings.retries, context.seed),
      url_(settings.url),
      secret_file_(settings.secret_file),
      requests_(std::move(requests)) {}

Result<std::unique_ptr<Webhook>> Webhook::open(EventLoop& loop, const config::Actuator& settings,
                                               const Context& context, OnReport report) {
  const auto secret = read_secret(settings.secret_file);
  if (!secret) return forward_error(secret);
  auto requests = Requests::open(loop, settings.ca_file, settings.timeout);
  if (!requests) return forward_error(requests);
  return std::unique_ptr<Webhook>(
      new Webhook(loop, settings, context, std::move(report), std::move(*requests)));
}

void Webhook::attempt(const Order& order, Ended ended) {
  using How = Outcome::How;
  const auto secret = read_secret(secret_file_);
  if (!secret) return ended({.how = How::kAgain, .error = secret.error().text()});
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto stamp = std::to_string(std::chrono::duration_cast<std::chrono::seconds>(now).count());
  Requests::Request request{.method = "POST", .url = url_, .body = text_of(order)};
  request.longest = kLongestAnswer;
  request.headers = {"Content-Type: application/json", "Idempotency-Key: " + order.id,
                     "Sluice-Timestamp: " + stamp,
                     "Sluice-Signature: v1=" + hmac_sha256(*secret, stamp + "." + request.body)};
  requests_->ask(request, [order, ended](const Requests::Answer& answer) {
    if (answer.status == 0)
      return ended({.how = answer.timed_out ? How::kTimedOut : How::kAgain,
                    .error = "the webhook: " + printable(answer.error)});
    if (answer.status < 200 || answer.status > 299) {
      const bool again = answer.status == 429 || answer.status >= 500;
      const std::string said = printable(answer.body);
      return ended({.how = again ? How::kAgain : How::kRefused,
                    .error = fmt::format("the webhook answered {}{}{}", answer.status,
                                         said.empty() ? "" : ": ", said),
                    .after = answer.after});
    }
    auto report = parse_answer(order, answer.body);
    if (!report)
      return ended({.how = How::kAgain, .error = "the webhook: " + report.error().text()});
    ended({.report = std::move(*report)});
  });
}

}  // namespace sluice::actuate
