// SPDX-License-Identifier: Apache-2.0
// A web server of the operator's as actuator.
//
// Threads: the event loop's.
#pragma once

#include "actuate/requests.hpp"
#include "actuate/retrying.hpp"

namespace sluice::actuate {

/// Each order is a POST of text_of() it, with the headers `Idempotency-Key` (its id),
/// `Sluice-Timestamp` (seconds since 1970) and `Sluice-Signature: v1=HMAC`, the HMAC-SHA256 of
/// "TIMESTAMP.BODY" by the key in the secret file. 200 to 299 with parse_answer() is done; 429, 500
/// and above, and no answer are tried again; all other statuses are refusals.
class Webhook final : public Retrying {
 public:
  /// @return kInvalid, kNotFound or kIo: the secret file is not as read_secret() wants it.
  [[nodiscard]] static Result<std::unique_ptr<Webhook>> open(EventLoop& loop,
                                                             const config::Actuator& settings,
                                                             const Context& context,
                                                             OnReport report);
  [[nodiscard]] const Ability& ability() const noexcept override { return ability_; }

 private:
  Webhook(EventLoop& loop, const config::Actuator& settings, const Context& context,
          OnReport report, std::unique_ptr<Requests> requests);
  void attempt(const Order& order, Ended ended) override;

  Ability ability_{.lists = true, .can_sleep = true};
  std::string url_;
  std::string secret_file_;
  std::unique_ptr<Requests> requests_;
};

}  // namespace sluice::actuate
