// SPDX-License-Identifier: Apache-2.0
// Where a command writes: straight to two descriptors, noticing when nobody reads any more.
//
// Threads: one object, one thread.
#pragma once

#include <string>
#include <string_view>

namespace sluice::client {

class Output {
 public:
  Output(int out, int err) noexcept : out_(out), err_(err) {}

  /// Writes all of `text`, waiting for a slow reader. After a failure it writes nothing more.
  void print(std::string_view text);

  /// One line on the error stream, behind "sluicectl: ".
  void complain(std::string_view text);

  /// Replaces the error stream's last line, which must be a terminal's; empty: takes it away.
  void rewrite_line(std::string_view text);

  /// The reader went away (`sluicectl ... | head`): he has what he wanted. SIGPIPE must be ignored.
  [[nodiscard]] bool reader_gone() const noexcept;

  /// errno of the first write that failed, 0 for none; EPIPE when the reader went away.
  [[nodiscard]] int failure() const noexcept { return failure_; }

  [[nodiscard]] int descriptor() const noexcept { return out_; }

 private:
  int out_;
  int err_;
  int failure_ = 0;
};

}  // namespace sluice::client
