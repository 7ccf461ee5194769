// SPDX-License-Identifier: Apache-2.0
// The node at a glance, as `sluicectl status` prints it.
#include "client/show.hpp"

#include "client/shown.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>

namespace sluice::client {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

TEST(ShowStatus, SaysWhyTheNodeIsNotReady) {
  auto answer = status();
  EXPECT_THAT(shown(show_status, answer), HasSubstr("ready          yes\n"));
  answer["ready"] = false;
  answer["not_ready_because"] = "port front has no link";
  EXPECT_THAT(shown(show_status, answer), HasSubstr("ready          NO: port front has no link\n"));
  answer["stopping"] = true;
  EXPECT_THAT(shown(show_status, answer), HasSubstr("ready          no: the daemon is stopping\n"));
}

TEST(ShowStatus, ListsTheFaultsOfARefusedReload) {
  auto answer = status();
  auto& reload = answer["configuration"]["last_reload"];
  reload["ok"] = false;
  for (int i = 0; i < 12; ++i)
    reload["faults"].push_back("/pools/" + std::to_string(i) + ": wrong; mend it");
  const auto text = shown(show_status, answer);
  EXPECT_THAT(text,
              HasSubstr("last reload    REFUSED 3 min ago; the configuration before it stays\n"
                        "               /pools/0: wrong; mend it\n"));
  EXPECT_THAT(text, HasSubstr("               and 4 more: see --json\n"));
  EXPECT_THAT(text, Not(HasSubstr("/pools/8:")));
}

TEST(ShowStatus, SaysWhenTheBooksDoNotBalance) {
  auto answer = status();
  EXPECT_THAT(shown(show_status, answer),
              HasSubstr("rx 100 = forward 98 + host 1 + answer 0 + drop 1: balanced\n"));
  answer["books"]["balanced"] = false;
  answer["books"]["in_flight"] = 3;
  EXPECT_THAT(shown(show_status, answer), HasSubstr("drop 1 + in flight 3: OUT OF BALANCE\n"));
  answer.erase("books");
  EXPECT_THAT(shown(show_status, answer), Not(HasSubstr("alanced")));
}

TEST(ShowStatus, SaysWhenStateIsNotKept) {
  auto answer = status();
  answer["state"] = {{"directory", "/d"}, {"writable", false}, {"problem", "no space left"}};
  EXPECT_THAT(shown(show_status, answer),
              HasSubstr("/d: NOT WRITABLE: no space left; changes are lost at a restart\n"));
}

TEST(ShowStatus, PortWithoutXdpOrInterfaceHasNone) {
  auto answer = status();
  answer["ports"] = json::parse(R"([{"name": "p", "interface": "", "link": "down", "xdp": null}])");
  EXPECT_THAT(shown(show_status, answer), HasSubstr("p     none       down"));
}

TEST(ShowStatus, FitsOneScreenAtItsLongest) {
  auto answer = status();
  answer["configuration"]["last_reload"]["ok"] = false;
  for (int i = 0; i < 1000; ++i)
    answer["configuration"]["last_reload"]["faults"].push_back("/: wrong");
  for (int i = 0; i < 2; ++i) answer["ports"].push_back({{"name", "p"}});
  EXPECT_LE(std::ranges::count(shown(show_status, answer), '\n'), 24);
}

TEST(ShowStatus, ColoursTheWordsNotTheMeaning) {
  const auto answer = status();
  auto coloured = *show_status(View(answer), {true, recorded_now()});
  EXPECT_THAT(coloured, HasSubstr("\x1b[32myes\x1b[0m"));
  EXPECT_THAT(shown(show_status, answer), Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace sluice::client
