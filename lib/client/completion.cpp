// SPDX-License-Identifier: Apache-2.0
#include "client/completion.hpp"

#include "client/answer.hpp"
#include "client/command_tree.hpp"
#include "client/view.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>

namespace sluice::client {
namespace {

const std::string kFiles = "!files";
constexpr std::chrono::milliseconds kPatience{1000};

// Words before the last one, read as the parser would, as far as they make sense.
class Walk {
 public:
  Walk(const CLI::App& root, const std::vector<std::string>& words) : at_(&root) {
    for (std::size_t i = 0; i + 1 < words.size(); ++i) take(words[i]);
  }

  [[nodiscard]] const CLI::App& command() const noexcept { return *at_; }
  /// The option whose value comes next; null: none's.
  [[nodiscard]] const CLI::Option* option() const noexcept { return option_; }
  [[nodiscard]] const std::vector<std::string>& arguments() const noexcept { return arguments_; }

  /// The argument without a dash that comes next, by its name; empty: none.
  [[nodiscard]] std::string next_argument() const {
    std::size_t at = 0;
    for (const auto* option : at_->get_options(nullptr))
      if (option->get_positional() && at++ == arguments_.size())
        return option->get_name(true, false);
    return {};
  }

  [[nodiscard]] std::vector<const CLI::App*> chain() const {
    std::vector<const CLI::App*> apps;
    for (const auto* app = at_; app != nullptr; app = app->get_parent()) apps.push_back(app);
    return apps;
  }

  [[nodiscard]] const CLI::Option* find(const std::string& name) const {
    for (const auto* app : chain())
      for (const auto* option : app->get_options(nullptr))
        if (!option->get_positional() && option->check_name(name)) return option;
    return nullptr;
  }

  [[nodiscard]] const std::string& value_of(const std::string& option) const {
    static const std::string none;
    for (const auto& [name, value] : values_)
      if (name == option) return value;
    return none;
  }

 private:
  [[nodiscard]] const CLI::App* command_named(const std::string& word) const {
    const auto found =
        at_->get_subcommands([&](const CLI::App* sub) { return sub->get_name() == word; });
    return found.empty() ? nullptr : found.front();
  }

  void take(const std::string& word) {
    if (word == "=" && option_ != nullptr) return;  // bash takes "--pool=llama" apart
    if (option_ != nullptr) {
      values_.emplace_back("--" + option_->get_lnames().front(), word);
      option_ = nullptr;
    } else if (word.starts_with("-") && word.size() > 1) {
      const auto equals = word.find('=');
      const auto* found = find(word.substr(0, equals));
      if (equals == word.npos && found != nullptr && found->get_items_expected_max() > 0)
        option_ = found;
      else if (found != nullptr && equals != word.npos)
        values_.emplace_back("--" + found->get_lnames().front(), word.substr(equals + 1));
    } else if (const auto* sub = command_named(word); sub != nullptr && arguments_.empty()) {
      at_ = sub;
    } else {
      arguments_.push_back(word);
    }
  }

  const CLI::App* at_;
  const CLI::Option* option_ = nullptr;
  std::vector<std::string> arguments_;
  std::vector<std::pair<std::string, std::string>> values_;
};

std::vector<std::string> of_option(const Walk& walk, const NamesOf& names) {
  const auto name = walk.option()->get_lnames().front();
  if (name == "pool") return names(NameKind::kPool, {});
  if (name == "service") return names(NameKind::kService, {});
  if (name == "verdict") return names(NameKind::kVerdict, {});
  if (name == "view") return {"backends", "services", "workers"};
  if (name == "backend")
    return walk.command().get_name() == "capture"
               ? names(NameKind::kPoolAndBackend, {})
               : names(NameKind::kBackend, walk.value_of("--pool"));
  for (const auto* file : {"socket", "config", "trace", "plot", "out"})
    if (name == file) return {kFiles};
  return {};
}

std::vector<std::string> of_argument(const Walk& walk, const NamesOf& names) {
  const auto name = walk.next_argument();
  if (name == "POOL") return names(NameKind::kPool, {});
  if (name == "NAME" && walk.command().get_name() != "add")
    return names(NameKind::kBackend, walk.arguments().front());
  if (name == "FILE") return {kFiles};
  if (name == "PROTOCOL") return {"tcp", "udp"};
  return {};
}

std::vector<std::string> options_of(const Walk& walk) {
  std::vector<std::string> all;
  for (const auto* app : walk.chain())
    for (const auto* option : app->get_options(nullptr))
      for (const auto& name : option->get_lnames()) all.push_back("--" + name);
  return all;
}

std::vector<std::string> commands_of(const CLI::App& app) {
  std::vector<std::string> all;
  for (const auto* sub : app.get_subcommands(nullptr))
    if (!sub->get_group().empty()) all.push_back(sub->get_name());
  return all;
}

// Where a name of each kind stands in an answer.
struct Source {
  std::string target;
  std::string_view list;
  std::string_view name;
};

Source source_of(NameKind kind, const std::string& pool) {
  switch (kind) {
    case NameKind::kPool:
      return {"/api/v1/pools", "pools", "name"};
    case NameKind::kService:
      return {"/api/v1/services", "services", "name"};
    case NameKind::kVerdict:
      return {"/api/v1/drops", "drops", "reason"};
    case NameKind::kBackend:
    case NameKind::kPoolAndBackend:
      break;
  }
  return {pool.empty() ? "/api/v1/backends" : "/api/v1/backends?pool=" + escaped(pool), "backends",
          "name"};
}

std::vector<std::string> names_from(Http& http, NameKind kind, const std::string& pool) {
  const auto source = source_of(kind, pool);
  const auto answer = http.send({source.target, std::nullopt});
  std::vector<std::string> names;
  if (kind == NameKind::kVerdict) names = {"forward", "host"};
  if (!answer || answer->status != 200) return names;
  const auto value = parse_answer(answer->body);
  if (!value) return names;
  const auto items = View(*value)[source.list].items();
  if (!items) return names;
  for (const auto& item : *items) {
    auto name = item[source.name].text();
    if (kind == NameKind::kPoolAndBackend) name.insert(0, item["pool"].text() + "/");
    names.push_back(std::move(name));
  }
  return names;
}

// A name of the daemon that a shell could take for anything but a word is left out.
bool is_plain(const std::string& word) {
  return word == kFiles || word.find_first_not_of(
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                               "_.-/=") == word.npos;
}

}  // namespace

std::string bash_completion() {
  return R"(# bash completion of sluicectl; for this shell: source <(sluicectl completion bash)
_sluicectl() {
  local IFS=$'\n' word found
  found=$("${COMP_WORDS[0]}" complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) || return 0
  COMPREPLY=()
  if [[ $found == '!files' ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
    return 0
  fi
  for word in $found; do COMPREPLY+=("$word"); done
}
complete -F _sluicectl sluicectl
)";
}

std::vector<std::string> candidates(const std::vector<std::string>& words, const NamesOf& names) {
  Typed typed;
  CLI::App root("", "sluicectl");
  add_commands(root, typed);
  const std::string begun = words.empty() || words.back() == "=" ? "" : words.back();
  const Walk walk(root, words);
  std::vector<std::string> found;
  if (walk.option() != nullptr) {
    found = of_option(walk, names);
  } else if (begun.starts_with("-")) {
    found = options_of(walk);
  } else {
    found = commands_of(walk.command());
    if (found.empty()) found = of_argument(walk, names);
  }
  std::erase_if(found, [&](const std::string& word) {
    return !is_plain(word) || (word != kFiles && !word.starts_with(begun));
  });
  std::ranges::sort(found);
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

std::string complete(const std::string& usual_socket, const std::vector<std::string>& words) {
  std::string out;
  std::string socket = usual_socket;
  for (std::size_t i = 0; i + 2 < words.size(); ++i)
    if (words[i] == "--socket") socket = words[i + 1] == "=" ? words[i + 2] : words[i + 1];
  Http http(socket, kPatience);
  const auto names = [&](NameKind kind, const std::string& pool) {
    return names_from(http, kind, pool);
  };
  for (const auto& word : candidates(words, names)) out += word + "\n";
  return out;
}

}  // namespace sluice::client
