// SPDX-License-Identifier: Apache-2.0
#include "client/terminal.hpp"

#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdio>
#include <cstdlib>

// Its macros would rename members of the standard library: last, and without those that it can do
// without.
#define NCURSES_NOMACROS 1
#include <ncurses.h>

namespace sluice::client {

struct Terminal::Screen {
  FILE* in = nullptr;
  FILE* out = nullptr;
  SCREEN* screen = nullptr;

  Screen() = default;
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;
  ~Screen() {
    if (screen != nullptr) {
      ::endwin();
      ::delscreen(screen);
    }
    if (in != nullptr) std::fclose(in);
    if (out != nullptr) std::fclose(out);
  }
};

namespace {

constexpr int kEscapeWaitMs = 25;  // until an escape is a key of its own

FILE* stream(int descriptor, const char* mode) {
  const int copy = ::dup(descriptor);
  return copy < 0 ? nullptr : ::fdopen(copy, mode);
}

enum Pair : short { kGreen = 1, kYellow, kRed };

attr_t attributes(Tone tone) {
  const bool colours = ::has_colors();
  switch (tone) {
    case Tone::kGood:
      return colours ? static_cast<attr_t>(COLOR_PAIR(kGreen)) : A_NORMAL;
    case Tone::kWarning:
      return colours ? static_cast<attr_t>(COLOR_PAIR(kYellow)) : A_BOLD;
    case Tone::kBad:
      return A_BOLD | (colours ? static_cast<attr_t>(COLOR_PAIR(kRed)) : A_NORMAL);
    case Tone::kFaint:
      return A_REVERSE;  // the titles: to be seen without colours as well
    case Tone::kStrong:
      return A_BOLD;
    case Tone::kPlain:
      break;
  }
  return A_NORMAL;
}

}  // namespace

Result<std::unique_ptr<Terminal>> Terminal::open(int in, int out) {
  std::setlocale(LC_CTYPE, "");  // names need not be ASCII
  auto screen = std::make_unique<Screen>();
  screen->in = stream(in, "r");
  screen->out = stream(out, "w");
  if (screen->in != nullptr && screen->out != nullptr)
    screen->screen = ::newterm(nullptr, screen->out, screen->in);
  if (screen->screen == nullptr)
    return fail(Errc::kUnsupported, "top",
                "the terminal '{}' cannot be drawn on; set TERM, or use --once",
                std::getenv("TERM") != nullptr ? printable(std::getenv("TERM")) : "");
  ::cbreak();
  ::noecho();
  ::nonl();
  ::nodelay(stdscr, true);
  ::keypad(stdscr, true);
  ::set_escdelay(kEscapeWaitMs);
  ::curs_set(0);
  if (::has_colors()) {
    ::start_color();
    ::use_default_colors();
    ::init_pair(kGreen, COLOR_GREEN, -1);
    ::init_pair(kYellow, COLOR_YELLOW, -1);
    ::init_pair(kRed, COLOR_RED, -1);
  }
  return std::unique_ptr<Terminal>(new Terminal(std::move(screen)));
}

Terminal::Terminal(std::unique_ptr<Screen> screen) : screen_(std::move(screen)) {}
Terminal::~Terminal() = default;

std::size_t Terminal::height() const {
  return static_cast<std::size_t>(std::max(0, getmaxy(stdscr)));
}
std::size_t Terminal::width() const {
  return static_cast<std::size_t>(std::max(0, getmaxx(stdscr)));
}

void Terminal::draw(const std::vector<TopLine>& lines) {
  ::werase(stdscr);
  for (std::size_t i = 0; i < lines.size() && i < height(); ++i) {
    const auto look = attributes(lines[i].tone);
    ::wattr_on(stdscr, look, nullptr);
    ::wmove(stdscr, static_cast<int>(i), 0);
    ::waddnstr(stdscr, lines[i].text.c_str(), -1);
    ::wattr_off(stdscr, look, nullptr);
  }
  ::wrefresh(stdscr);
}

KeyPress Terminal::key() {
  const int code = ::wgetch(stdscr);
  switch (code) {
    case KEY_UP:
      return {Key::kUp};
    case KEY_DOWN:
      return {Key::kDown};
    case KEY_PPAGE:
      return {Key::kPageUp};
    case KEY_NPAGE:
      return {Key::kPageDown};
    case KEY_HOME:
      return {Key::kHome};
    case KEY_END:
      return {Key::kEnd};
    case KEY_LEFT:
      return {Key::kLeft};
    case KEY_RIGHT:
      return {Key::kRight};
    case '\t':
      return {Key::kTab};
    case '\r':
    case '\n':
    case KEY_ENTER:
      return {Key::kEnter};
    case 27:
      return {Key::kEscape};
    case KEY_BACKSPACE:
    case 127:
    case 8:
      return {Key::kBackspace};
    case KEY_RESIZE:  // the size is asked for with each drawing
      return {Key::kCharacter, 0};
    default:
      break;
  }
  if (code >= ' ' && code <= '~') return {Key::kCharacter, static_cast<char>(code)};
  return {};
}

}  // namespace sluice::client
