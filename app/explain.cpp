// SPDX-License-Identifier: GPL-3.0-or-later
#include "command.h"

#include "base/text.h"
#include "explain/explain.h"
#include "scenario/presets.h"
#include "scenario/yaml.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <filesystem>
#include <memory>

namespace mirrorscope::app {

namespace {
struct ExplainArguments {
    std::vector<std::string> words;
    std::string format = "text", save;
};

std::string standardInput() {
    constexpr std::size_t kMost = 64u << 20;
    std::string text;
    char buffer[1 << 16];
    for (std::size_t n = 0; text.size() < kMost && (n = std::fread(buffer, 1, sizeof buffer, stdin)) > 0;)
        text.append(buffer, n);
    return text;
}

// What was pasted: the words, a file that is called so, or standard input.
std::string pasted(const ExplainArguments& args) {
    if (args.words.empty() || (args.words.size() == 1 && args.words[0] == "-"))
        return standardInput();
    std::error_code error;
    if (args.words.size() == 1 && std::filesystem::is_regular_file(args.words[0], error))
        return readFile(args.words[0]);
    return fmt::format("{}", fmt::join(args.words, " "));
}

// A shipped one is read where it is.
std::string scenarioOf(const Explanation& e) {
    return e.scenarioFile.empty() ? e.scenario : readFile((std::filesystem::path(scenarioFolder()) / e.scenarioFile).string());
}

int explainCommand(const ExplainArguments& args) {
    const std::string text = pasted(args);
    const std::vector<Explanation> found = explain(text);
    if (found.empty())
        throw UsageError(
            "explain: nothing in that is understood; it knows lines of dmesg and of traces of KVM, completion statuses, SPTEs and the "
            "names of `mirrorscope glossary`, `sites` and `rules`");
    if (!args.save.empty()) {
        const auto with = std::find_if(found.begin(), found.end(), [](const Explanation& e) { return !scenarioOf(e).empty(); });
        if (with == found.end())
            throw UsageError("explain: no scenario is known that gets there");
        put(args.save, scenarioOf(*with));
    }
    if (args.format == "json") {
        auto json = nlohmann::ordered_json::array();
        for (const Explanation& e : found) {
            const std::string scenario = scenarioOf(e);
            json.push_back({{"input", e.input},
                            {"kind", e.kind},
                            {"name", e.name},
                            {"text", e.text},
                            {"functions", e.functions},
                            {"scenario", scenario.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(scenario)}});
        }
        put("", json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
        return kOk;
    }
    std::string out;
    for (const Explanation& e : found) {
        out += (out.empty() ? "" : "\n") + wrapped(e.input, "> ", 2);
        out += wrapped(e.name, "", 0) + wrapped(e.text, "  ", 2);
        if (!e.functions.empty())
            out += wrapped(fmt::format("in {}", fmt::join(e.functions, ", ")), "  ", 4);
        if (!e.scenarioFile.empty())
            out += wrapped("see it: mirrorscope scenarios/" + e.scenarioFile, "  ", 4);
        else if (!e.scenario.empty())
            out += "  a scenario gets there: --save FILE\n";
    }
    put("", out);
    return kOk;
}
} // namespace

void addExplain(CLI::App& root, Invocation& invoke) {
    auto args = std::make_shared<ExplainArguments>();
    CLI::App* sub = root.add_subcommand(
        "explain", "a pasted line of dmesg or of a trace, a completion status, an SPTE: what it means and what leads to it");
    sub->add_option("TEXT", args->words, "the line, a file, or standard input");
    sub->add_option("--format", args->format, "text or json")->check(CLI::IsMember({"text", "json"}));
    sub->add_option("--save", args->save, "a scenario that gets there");
    sub->callback([args, &invoke] { invoke = [args] { return explainCommand(*args); }; });
}

} // namespace mirrorscope::app
