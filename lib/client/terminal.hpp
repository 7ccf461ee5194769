// SPDX-License-Identifier: Apache-2.0
// A whole terminal for lines of text and for keys: all that is of ncurses stays in terminal.cpp.
//
// Threads: one; one object a process at a time.
#pragma once

#include "base/result.hpp"
#include "client/top_model.hpp"

#include <cstddef>
#include <memory>
#include <vector>

namespace sluice::client {

class Terminal {
 public:
  /// Takes the terminal of descriptors `in` and `out`. @return kUnsupported: TERM names none that
  ///   can be drawn on.
  [[nodiscard]] static Result<std::unique_ptr<Terminal>> open(int in, int out);
  ~Terminal();  ///< Gives it back as it was.
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  [[nodiscard]] std::size_t height() const;  ///< Of now: it changes when the window does.
  [[nodiscard]] std::size_t width() const;
  void draw(const std::vector<TopLine>& lines);
  /// The next key that is there already; kNone: none is.
  [[nodiscard]] KeyPress key();

 private:
  struct Screen;
  explicit Terminal(std::unique_ptr<Screen> screen);
  std::unique_ptr<Screen> screen_;
};

}  // namespace sluice::client
