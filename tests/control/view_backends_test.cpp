// SPDX-License-Identifier: Apache-2.0
// Answers about every backend of a large node: made in pieces, and yet one answer of one moment.
#include "control/view_backends.hpp"

#include "control/node.hpp"
#include "http/served.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <utility>
#include <vector>

namespace sluice::control {
namespace {

class ViewBackendsTest : public http::HttpServerTest {
 protected:
  void SetUp() override {
    std::string why;
    fast_path = Node::fast_path(why);
    if (fast_path == nullptr) GTEST_SKIP() << why;
  }

  /// Pools "pool-0", ... of so many backends each.
  void make(const std::vector<unsigned>& sizes) {
    auto configuration = sample(1);
    const auto pattern = configuration.pools[0];
    configuration.pools.clear();
    for (const auto size : sizes) {
      auto& pool = configuration.pools.emplace_back(pattern);
      pool.name = fmt::format("pool-{}", configuration.pools.size() - 1);
      pool.backends.clear();
      for (unsigned i = 0; i < size; ++i)
        pool.backends.push_back(
            backend(fmt::format("gpu-{}", i),
                    fmt::format("10.{}.{}.{}", configuration.pools.size(), i >> 8U, i & 255U)));
    }
    if (sizes.empty())
      configuration.services.clear();
    else
      configuration.services[0].pool = "pool-0";
    node = std::make_unique<Node>(*fast_path, configuration);
    health = node->health_keeper(*loop);
    handler = [this](const http::Request& request) { return node->api->answer(request); };
  }
  [[nodiscard]] Scene scene() const {
    return {*node->model, node->fast_path_, node->standing, health.get()};
  }

  /// All pieces, of which none may have more backends than it should.
  static std::string whole(auto& text) {
    std::string all;
    std::size_t pieces = 0;
    for (std::string piece; text.next(piece); piece.clear()) {
      std::size_t backends = 0;
      for (auto at = piece.find("\"active_flows\""); at != std::string::npos;
           at = piece.find("\"active_flows\"", at + 1))
        ++backends;
      EXPECT_LE(backends, kRowsPerPiece);
      EXPECT_FALSE(piece.empty());
      ++pieces;
      all += piece;
    }
    std::string more;
    EXPECT_FALSE(text.next(more)) << "what has ended stays so";
    EXPECT_TRUE(more.empty());
    EXPECT_GE(pieces, 1U);
    return all;
  }

  FastPath* fast_path = nullptr;
  std::unique_ptr<Node> node;
  std::unique_ptr<HealthKeeper> health;
};

constexpr unsigned kPiece = kRowsPerPiece;

TEST_F(ViewBackendsTest, PiecesAreWhatOneTurnWouldHaveAnsweredByteForByte) {
  for (const auto& sizes : std::vector<std::vector<unsigned>>{{},
                                                              {0},
                                                              {0, 0, 1, 0},
                                                              {1},
                                                              {kPiece - 1},
                                                              {kPiece},
                                                              {kPiece + 1},
                                                              {2 * kPiece, 3},
                                                              {1, 2 * kPiece + 1, 0, kPiece, 5},
                                                              std::vector<unsigned>(150, 1)}) {
    make(sizes);
    auto backends = BackendsText::read(scene(), "").value();
    EXPECT_EQ(whole(backends), json_answer(backends.json()).body) << testing::PrintToString(sizes);
    HealthText states(scene(), "");
    EXPECT_EQ(whole(states), json_answer(states.json()).body) << testing::PrintToString(sizes);
  }
}

TEST_F(ViewBackendsTest, TheyHoldAllBackendsOrThoseOfTheOnePool) {
  make({3, kPiece + 6, 2});
  EXPECT_EQ(BackendsText::read(scene(), "").value().json()["backends"].size(), kPiece + 11U);
  auto one = BackendsText::read(scene(), "pool-1").value();
  const auto list = Json::parse(whole(one))["backends"];
  ASSERT_EQ(list.size(), kPiece + 6U);
  EXPECT_EQ(list[kPiece]["name"], fmt::format("gpu-{}", kPiece));
  EXPECT_EQ(list[kPiece]["pool"], "pool-1");
  HealthText states(scene(), "pool-1");
  const auto pools = Json::parse(whole(states))["pools"];
  ASSERT_EQ(pools.size(), 1U);
  EXPECT_EQ(pools[0]["backends"].size(), kPiece + 6U);
  const auto none = BackendsText::read(scene(), "pool-9");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::kNotFound);
  EXPECT_TRUE(HealthText(scene(), "pool-9").json()["pools"].empty());
}

// The table is replaced between two pieces: half of the backends are gone, and others are there.
TEST_F(ViewBackendsTest, AnAnswerIsOfTheGenerationInWhichItWasAskedFor) {
  make({3 * kPiece, 4});
  auto backends = BackendsText::read(scene(), "").value();
  HealthText states(scene(), "");
  const auto backends_then = json_answer(backends.json()).body;
  const auto states_then = json_answer(states.json()).body;
  std::string of_backends;
  std::string of_states;
  ASSERT_TRUE(backends.next(of_backends));
  ASSERT_TRUE(states.next(of_states));

  auto other = node->model->running();
  other.pools.pop_back();
  auto& list = other.pools[0].backends;
  list.erase(list.begin(), list.begin() + 2 * kPiece);
  list.push_back(backend("late", "10.9.0.1"));
  ASSERT_TRUE(node->model->apply_only(other)) << "published";
  node->publisher->reclaim();
  health->follow(node->model->running(), {}, node->model->reaches(), node->model->ports());

  while (backends.next(of_backends)) {
  }
  while (states.next(of_states)) {
  }
  EXPECT_EQ(of_backends, backends_then);
  EXPECT_EQ(of_states, states_then);
  EXPECT_EQ(view_backends(scene(), "")->at("backends").size(), kPiece + 1U) << "the next answer";
}

TEST_F(ViewBackendsTest, AClientThatReadsSlowlyGetsItsGenerationWholeWhileOthersAreAnswered) {
  make({2000});
  start();
  const auto numbered = view_backends(scene(), "")->at("backends");
  http::Client slow = local();
  slow.send("GET /api/v1/backends HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  turn_until([&] { return asked.size() == 1; });
  auto other = node->model->running();
  other.pools[0].backends.resize(10);
  ASSERT_TRUE(node->model->apply_only(other));
  const auto quick = Json::parse(http::unchunked(ask("GET /api/v1/backends")));
  EXPECT_EQ(quick["backends"].size(), 10U);
  EXPECT_FALSE(slow.closed());
  const auto late = Json::parse(http::unchunked(slow.read_all()));
  EXPECT_EQ(late["backends"], numbered);
}

TEST_F(ViewBackendsTest, AClientThatGoesInMidAnswerTakesItsRowsAlongAndHarmsNobody) {
  make({2000});
  for (const bool of_health : {false, true}) {
    auto mark = std::make_shared<int>();
    const std::weak_ptr<int> alive = mark;
    handler = [&](const http::Request& request) -> http::Answer {
      if (!mark) return node->api->answer(request);
      http::Response made{.status = 200, .body = {}, .headers = {}};
      if (of_health)
        made.pieces = [mark = std::exchange(mark, {}), text = HealthText(scene(), "")](
                          std::string& out) mutable { return text.next(out); };
      else
        made.pieces = [mark = std::exchange(mark, {}),
                       text = BackendsText::read(scene(), "").value()](std::string& out) mutable {
          return text.next(out);
        };
      return made;
    };
    if (!server) start();
    http::Client client = local();
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    turn_until([&] {
      client.receive();
      return !client.got().empty();
    });
    EXPECT_FALSE(alive.expired()) << "it is long";
    client.close();
    turn_until([&] { return alive.expired(); });
    EXPECT_NE(ask("GET /api/v1/pools").find("200 OK"), std::string::npos);
  }
}

}  // namespace
}  // namespace sluice::control
