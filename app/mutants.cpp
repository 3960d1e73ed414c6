// SPDX-License-Identifier: GPL-3.0-or-later
// Does checking notice what goes wrong? Each value of `break`, on the scenarios that use it.
#include "command.h"

#include "explore/mutants.h"
#include "export/export.h"
#include "scenario/presets.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

namespace mirrorscope::app {

namespace {
struct MutantArguments {
    std::vector<std::string> names;
    std::string format = "text", folder;
    u64 maxSteps = 4'000'000;
};

std::vector<std::string> scenariosBelow(const std::filesystem::path& folder) {
    std::vector<std::string> files;
    std::error_code error;
    for (std::filesystem::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
        if (it->path().extension() == ".yaml")
            files.push_back(it->path().string());
    if (files.empty())
        throw UsageError("no scenario is below `" + folder.string() + "`; --scenarios names the folder");
    std::sort(files.begin(), files.end());
    return files;
}

std::string honestText(const Mutant& m) {
    if (m.rule.empty())
        return "";
    return !m.honest          ? "VIOLATED"
           : m.honestComplete ? fmt::format("holds, {} executions{}", m.honestExecutions,
                                            m.honestStates == 0 ? "" : fmt::format(", {} states", m.honestStates))
                              : fmt::format("holds so far, {} states", m.honestStates);
}

int mutants(const MutantArguments& args) {
    interrupted();
    const std::filesystem::path root = args.folder.empty() ? std::filesystem::path(scenarioFolder()) : std::filesystem::path(args.folder);
    const auto files = scenariosBelow(root);
    for (const std::string& name : args.names)
        if (const auto value = breakFromName(name); !value)
            throw UsageError("`" + name + "` is no value of `break`; see `mirrorscope verbs`");
        else if (info(*value).holds)
            throw UsageError("`" + name + "` is another design, which holds: no rule is to catch it");
    bool good = true;
    std::string json;
    const auto all = tryMutants(files, args.names, args.maxSteps, [&](const Mutant& m) {
        good &= !m.rule.empty() && m.honest;
        const std::string file = m.scenario.empty() ? "" : std::filesystem::relative(m.scenario, root).generic_string();
        if (args.format == "text") {
            put("", fmt::format("{:<22} {:<22} {:<36} {:>8} executions {:>9} micro-steps   without it: {}\n", m.name,
                                m.rule.empty() ? "NOT CAUGHT" : m.rule, file.empty() ? "in no scenario" : file, m.executions, m.transitions,
                                honestText(m)));
            return;
        }
        json +=
            fmt::format("{}{{\"name\":{},\"rule\":{},\"text\":{},\"scenario\":{},\"executions\":{},\"transitions\":{},\"honest\":{},"
                        "\"honest_complete\":{},\"honest_executions\":{},\"honest_states\":{}}}",
                        json.empty() ? "" : ",\n ", jsonString(m.name), m.rule.empty() ? "null" : jsonString(m.rule), jsonString(m.text),
                        jsonString(file), m.executions, m.transitions, m.honest, m.honestComplete, m.honestExecutions, m.honestStates);
    });
    if (args.format == "json")
        put("", "[" + json + "]\n");
    else
        put("", fmt::format("{} of {} are caught\n", std::count_if(all.begin(), all.end(), [](const Mutant& m) { return !m.rule.empty(); }),
                            all.size()));
    return good ? kOk : kFailed;
}
} // namespace

void addMutants(CLI::App& root, Invocation& invoke) {
    auto args = std::make_shared<MutantArguments>();
    CLI::App* sub =
        root.add_subcommand("mutants", "each value of `break`: which rule catches it, in which scenario, after how many executions");
    sub->add_option("NAME", args->names, "values of `break`; all of them by default");
    sub->add_option("--scenarios", args->folder, "where to look, the shipped scenarios by default");
    sub->add_option("--max-steps", args->maxSteps, "at most that many micro-steps for each")->check(CLI::PositiveNumber);
    sub->add_option("--format", args->format, "text or json")->check(CLI::IsMember({"text", "json"}));
    sub->callback([args, &invoke] { invoke = [args] { return mutants(*args); }; });
}

} // namespace mirrorscope::app
