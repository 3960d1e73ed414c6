// SPDX-License-Identifier: GPL-3.0-or-later
#include "command.h"

#include "explore/counterexample.h"
#include "explore/explorer.h"
#include "export/export.h"

#include <fmt/format.h>

#include <memory>

namespace mirrorscope::app {

namespace {
struct ExploreArguments {
    std::string file, mode = "auto", format = "text", save, shard;
    std::vector<std::string> set;
    double seconds = 0;
    u64 maxSteps = 0;
    unsigned jobs = 1;
    std::optional<unsigned> preemptions;
    bool all = false;
};

// The runs of one race as entries of a `schedule`.
std::string scheduleJson(const ExploreFinding& finding) {
    std::string out;
    for (const auto& race : finding.schedule)
        for (const auto& [actor, count] : race)
            out += fmt::format("{}{{\"{}\":{}}}", out.empty() ? "" : ",", actor, count);
    return "[" + out + "]";
}

std::string jsonText(const ExploreResult& r, bool ok) {
    std::string violations, sometimes;
    for (const auto& f : r.findings)
        violations += fmt::format("{}{{\"rule\":{},\"text\":{},\"schedule\":{}}}", violations.empty() ? "" : ",", jsonString(f.rule),
                                  jsonString(f.text), scheduleJson(f));
    for (const auto& [text, seen] : r.sometimes)
        sometimes += fmt::format("{}{{\"text\":{},\"seen\":{}}}", sometimes.empty() ? "" : ",", jsonString(text), seen);
    return fmt::format("{{\"kind\":\"explored\",\"mode\":\"{}\",\"ok\":{},\"executions\":{},\"states\":{},\"transitions\":{},"
                       "\"complete\":{},\"races\":{},"
                       "\"violations\":[{}],\"sometimes\":[{}],\"seconds\":{:.3f}}}\n",
                       name(r.mode), ok, r.executions, r.states, r.transitions, r.complete, r.races, violations, sometimes, r.seconds);
}

std::string plainText(const std::string& file, const ExploreResult& r, bool ok) {
    std::string out = fmt::format("{}: {} race{}, {}\n", file, r.races, r.races == 1 ? "" : "s", name(r.mode));
    for (const auto& f : r.findings) {
        out += fmt::format("  {}: {}\n", f.rule, f.text);
        for (const auto& race : f.schedule) {
            out += "    schedule:\n";
            for (const auto& [actor, count] : race)
                out += fmt::format("      - {{{}: {}}}\n", actor, count);
        }
    }
    for (const auto& [text, seen] : r.sometimes)
        out += fmt::format("  sometimes {}: {}\n", text, seen ? "seen" : r.complete ? "never seen" : "not seen so far");
    const std::string how = r.complete  ? "exhaustive"
                            : r.stopped ? "partial: stopped by a bound"
                            : r.cut     ? "partial: all within the bound on preemptions"
                                        : "stopped at the first violation";
    const std::string counts =
        r.mode == ExploreMode::Stateless
            ? fmt::format("{} inequivalent executions reached the end, {} were given up as equivalent to one of them", r.executions,
                          r.redundant)
            : fmt::format("{} executions reached the end, {} states", r.executions, r.states);
    return out + fmt::format("  {}: {}; {}, {} micro-steps, {:.2f} s\n",
                             ok                                ? "ok"
                             : r.findings.empty() && r.stopped ? "undecided"
                                                               : "NOT OK",
                             how, counts, r.transitions, r.seconds);
}

int explore(const ExploreArguments& args) {
    if (args.mode == "stateless" && args.preemptions)
        throw UsageError("`--bound-preemptions` needs `--mode stateful`: which executions are equivalent depends on the bound");
    if (args.jobs > 1)
        throw UsageError("`--jobs` is not built yet");
    if (!args.shard.empty())
        throw UsageError("`--shard` is not built yet");
    interrupted();
    const Scenario scenario = loadScenario(args.file, parseOverrides(args.set));
    ExploreOptions options;
    options.mode = args.mode == "stateless" ? ExploreMode::Stateless : args.mode == "stateful" ? ExploreMode::Stateful : ExploreMode::Auto;
    options.preemptions = args.preemptions;
    options.all = args.all;
    options.seconds = args.seconds;
    options.maxTransitions = args.maxSteps;
    options.cancelled = [] { return interrupted(); };
    options.progress = [](u64 states, u64 transitions) {
        std::fprintf(stderr, "%llu states, %llu micro-steps\n", static_cast<unsigned long long>(states),
                     static_cast<unsigned long long>(transitions));
    };
    const ExploreResult result = Explorer(scenario, options).run();
    const bool ok = result.ok();
    std::string saved;
    if (!args.save.empty() && !result.findings.empty()) {
        const Counterexample small = shrink(scenario, result.findings[0]);
        put(args.save, scenarioOf(scenario, parseOverrides(args.set), small));
        saved = fmt::format("counterexample: {} run{}, {} micro-steps, {} in {}\n", small.switches, small.switches == 1 ? "" : "s",
                            small.steps, small.confirmed ? "replayed and confirmed," : "NOT confirmed by a replay,", args.save);
    }
    put("", args.format == "jsonl" ? jsonText(result, ok) : plainText(args.file, result, ok));
    if (!saved.empty())
        std::fprintf(stderr, "%s", saved.c_str());
    if (!result.findings.empty())
        return kFailed;
    if (result.stopped)
        return kBounded;
    return ok ? kOk : kFailed;
}
} // namespace

void addExplore(CLI::App& root, Invocation& invoke) {
    auto args = std::make_shared<ExploreArguments>();
    CLI::App* sub = root.add_subcommand("explore", "run every interleaving of the `race` blocks");
    sub->add_option("FILE", args->file, "a scenario")->required();
    sub->add_option("--mode", args->mode, "auto, stateless or stateful")->check(CLI::IsMember({"auto", "stateless", "stateful"}));
    sub->add_option("--bound-preemptions", args->preemptions, "at most that many preemptions");
    sub->add_option("--seconds", args->seconds, "stop after that time, exit 3")->check(CLI::PositiveNumber);
    sub->add_option("--max-steps", args->maxSteps, "stop after that many micro-steps, exit 3")->check(CLI::PositiveNumber);
    sub->add_option("--jobs", args->jobs, "worker threads");
    sub->add_option("--shard", args->shard, "I/N: one part of N");
    sub->add_flag("--all", args->all, "go on after the first violation");
    sub->add_option("--save-counterexample", args->save, "write the violating schedule as a scenario");
    sub->add_option("--set", args->set, "KEY=VALUE: override a key")->expected(1)->take_all();
    sub->add_option("--format", args->format, "text or jsonl")->check(CLI::IsMember({"text", "jsonl"}));
    sub->callback([args, &invoke] { invoke = [args] { return explore(*args); }; });
}

} // namespace mirrorscope::app
