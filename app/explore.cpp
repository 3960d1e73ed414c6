// SPDX-License-Identifier: GPL-3.0-or-later
#include "command.h"

#include "base/text.h"
#include "explore/counterexample.h"
#include "explore/explorer.h"
#include "explore/rests_on.h"
#include "explore/result_json.h"
#include "explore/scale_out.h"
#include "explored.h"
#include "export/export.h"
#include "views/threads.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>

namespace mirrorscope::app {

namespace {
struct ExploreArguments {
    std::string file, mode = "auto", format = "text", save, shard, frontier;
    OverrideArguments overrides;
    double seconds = 0;
    u64 maxSteps = 0;
    unsigned jobs = 1;
    std::optional<unsigned> preemptions;
    bool all = false, fewestFirst = false, eachKernel = false;
};

// Which exploration this is: the scenario's text and what was overridden.
std::string identityOf(const Scenario& scenario) {
    u64 hash = 0;
    const auto add = [&](const std::string& text) {
        for (const char c : text)
            hash = mix(hash, static_cast<u8>(c));
        hash = mix(hash, 0x100);
    };
    add(scenario.source);
    for (const Override& o : scenario.overrides)
        add(o.key + "=" + o.value);
    return fmt::format("{:016x}", hash);
}

// A finding belongs to the race, a `sometimes` that was never seen to its own line.
std::vector<SarifResult> sarifOf(const Scenario& scenario, const std::string& file, const ExploreResult& result) {
    const auto race =
        std::find_if(scenario.script.begin(), scenario.script.end(), [](const Step& step) { return step.verb == Verb::Race; });
    const unsigned line = race == scenario.script.end() ? 0 : race->line;
    std::vector<SarifResult> out;
    for (const ExploreFinding& f : result.findings) {
        std::string text = f.text + "; in this order:";
        for (const auto& runs : f.schedule)
            for (const auto& [actor, count] : runs)
                text += fmt::format(" {} {}", actor, count);
        out.push_back({f.rule, text, file, line});
    }
    for (std::size_t i = 0; i < result.sometimes.size(); ++i)
        if (result.complete && !result.sometimes[i].second)
            out.push_back({"expect", "sometimes " + result.sometimes[i].first + ": never seen", file, scenario.sometimes[i].line});
    if (result.stopped)
        out.push_back({"explore", "stopped by a bound: undecided", file, line, false});
    return out;
}
} // namespace

std::optional<std::pair<unsigned, unsigned>> parseShard(const std::string& text) {
    unsigned shard = 0, shards = 0;
    char rest = 0;
    if (std::sscanf(text.c_str(), "%u/%u%c", &shard, &shards, &rest) != 2 || shard == 0 || shard > shards)
        return std::nullopt;
    return std::pair{shard, shards};
}

void putExplored(const nlohmann::ordered_json& json) {
    put("", json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

std::string exploredText(const std::string& title, const ExploreResult& r, bool ok) {
    std::string out = fmt::format("{}: {} race{}, {}\n", title, r.races, r.races == 1 ? "" : "s", name(r.mode));
    for (const auto& f : r.findings) {
        out += fmt::format("  {}: {}\n", f.rule, f.text);
        if (r.preemptions && &f == &r.findings.front())
            out += fmt::format("    with {} preemption{}, and none with fewer\n", *r.preemptions, *r.preemptions == 1 ? "" : "s");
        for (const auto& race : f.schedule) {
            out += "    schedule:\n";
            for (const auto& [actor, count] : race)
                out += fmt::format("      - {{{}: {}}}\n", actor, count);
        }
    }
    for (const auto& [text, seen] : r.sometimes)
        out += fmt::format("  sometimes {}: {}\n", text, seen ? "seen" : r.complete ? "never seen" : "not seen so far");
    const std::string how = r.complete  ? "exhaustive"
                            : r.full    ? "partial: no more states can be kept"
                            : r.stopped ? "partial: stopped by a bound"
                            : r.cut     ? "partial: all within the bound on preemptions"
                                        : "stopped at the first violation";
    const std::string counts =
        r.mode == ExploreMode::Stateless
            ? fmt::format("{} inequivalent executions reached the end, {} were given up as equivalent to one of them", r.executions,
                          r.redundant)
            : fmt::format("{} executions reached the end, {} states", r.executions, r.states);
    std::string rests = fmt::format("{}", fmt::join(r.assumes, "; "));
    if (const double mistaken = mistakenStates(r); mistaken > 0)
        rests += fmt::format(" (two taken for one: probability below {:.0e})", mistaken);
    out += fmt::format("  {}: {}; {}, {} micro-steps, {:.2f} s\n",
                       r.findings.empty() && r.stopped ? "undecided"
                       : ok                            ? "ok"
                                                       : "NOT OK",
                       how, counts, r.transitions, r.seconds);
    return r.assumes.empty() ? out : out + wrapped(rests, "  rests on: ", 4);
}

int exploredStatus(const ExploreResult& result, bool ok) {
    if (!result.findings.empty())
        return kFailed;
    return result.stopped ? kBounded : ok ? kOk : kFailed;
}

namespace {
int explore(const ExploreArguments& args) {
    if (args.mode == "stateless" && args.preemptions)
        throw UsageError("`--bound-preemptions` needs `--mode stateful`: which executions are equivalent depends on the bound");
    constexpr unsigned kMostShards = 100'000;
    const auto part = parseShard(args.shard.empty() ? "1/1" : args.shard);
    if (!part || part->second > kMostShards)
        throw UsageError("--shard: `" + args.shard + "` is not I/N with 1 <= I <= N");
    const auto [shard, shards] = *part;
    if (args.fewestFirst && (args.all || args.preemptions || args.jobs != 1 || shards != 1 || !args.frontier.empty() ||
                             (args.mode != "auto" && args.mode != "stateful")))
        throw UsageError("--fewest-preemptions ends at the first violation, in one stateful search: it goes with none of --all, "
                         "--bound-preemptions, --jobs, --shard, --frontier and the other modes");
    interrupted();
    const Scenario scenario = runnable(args.file, args.overrides.parse());
    ExploreOptions options;
    options.mode = *exploreModeFromName(args.mode);
    if (options.mode == ExploreMode::Plain && (args.jobs != 1 || !args.shard.empty() || !args.frontier.empty()))
        throw UsageError("--mode plain is not shared out: --jobs, --shard and --frontier have no meaning with it");
    options.preemptions = args.preemptions;
    options.all = args.all;
    options.fewestFirst = args.fewestFirst;
    options.seconds = args.seconds;
    options.maxTransitions = args.maxSteps;
    options.cancelled = [] { return interrupted(); };
    options.progress = [last = std::chrono::steady_clock::now()](const ExploreResult& soFar) mutable {
        constexpr std::chrono::seconds kEvery(2);
        const auto now = std::chrono::steady_clock::now();
        if (now - last < kEvery)
            return;
        last = now;
        std::fprintf(
            stderr, "%s\n",
            fmt::format("{}: {} executions, {} states, {} micro-steps", name(soFar.mode), soFar.executions, soFar.states, soFar.transitions)
                .c_str());
    };
    if (args.eachKernel) {
        if (shards != 1 || !args.frontier.empty() || args.fewestFirst || !args.save.empty() ||
            (args.format != "text" && args.format != "jsonl"))
            throw UsageError("--each-kernel prints one table, as text or jsonl: it goes with none of --shard, --frontier, "
                             "--fewest-preemptions, --save-counterexample");
        return exploreEachKernel(args.file, args.overrides.parse(), options, args.jobs, args.format == "jsonl");
    }
    ExploreResult result;
    if (args.jobs == 1 && shards == 1 && args.frontier.empty()) {
        result = Explorer(scenario, options).run();
    } else {
        ScaleOut scale{.jobs = args.jobs, .shard = shard, .shards = shards, .identity = identityOf(scenario)};
        if (!args.frontier.empty()) {
            if (std::filesystem::exists(args.frontier))
                scale.frontier = readFile(args.frontier);
            scale.save = [&](const std::string& json) { put(args.frontier, json); };
        }
        scale.onThreads = views::onOwnThreads;
        scale.progress = [](u64 done, u64 tasks) {
            std::fprintf(stderr, "%llu of %llu tasks\n", static_cast<unsigned long long>(done), static_cast<unsigned long long>(tasks));
        };
        try {
            result = exploreShared(scenario, options, scale);
        } catch (const FrontierMismatch& mismatch) {
            throw UsageError("--frontier: `" + args.frontier + "`: " + mismatch.what());
        }
    }
    // Whether something is never seen, one shard cannot say.
    const bool ok = result.ok(shards == 1);
    std::string saved;
    if (!args.save.empty() && !result.findings.empty()) {
        const Counterexample small = shrink(scenario, result.findings[0]);
        put(args.save, scenarioOf(scenario, small));
        saved = fmt::format("counterexample: {} run{}, {} micro-steps, {} in {}\n", small.switches, small.switches == 1 ? "" : "s",
                            small.steps, small.confirmed ? "replayed and confirmed," : "NOT confirmed by a replay,", args.save);
    }
    if (args.format == "junit") {
        put("", junitXml({{args.file, result.seconds, ok ? "" : exploredText(args.file, result, ok)}}));
    } else if (args.format == "sarif") {
        put("", sarif(sarifOf(scenario, args.file, result)));
    } else if (args.format == "jsonl") {
        auto json = exploredJson(result);
        json["ok"] = ok;
        json["of"] = identityOf(scenario);
        if (!args.shard.empty())
            json["shard"] = fmt::format("{}/{}", shard, shards);
        putExplored(json);
    } else {
        put("", exploredText(args.shard.empty() ? args.file : fmt::format("{}, shard {}/{}", args.file, shard, shards), result, ok));
    }
    if (!saved.empty())
        std::fprintf(stderr, "%s", saved.c_str());
    return exploredStatus(result, ok);
}
} // namespace

void addExplore(CLI::App& root, Invocation& invoke) {
    auto args = std::make_shared<ExploreArguments>();
    CLI::App* sub = root.add_subcommand("explore", "run every interleaving of the `race` blocks");
    sub->add_option("FILE", args->file, "a scenario")->required();
    sub->add_option("--mode", args->mode, "auto, stateless, stateful or plain")
        ->check(CLI::IsMember(std::vector<std::string>(exploreModeNames().begin(), exploreModeNames().end())));
    sub->add_option("--bound-preemptions", args->preemptions, "at most that many preemptions");
    sub->add_option("--seconds", args->seconds, "stop after that time, exit 3")->check(CLI::PositiveNumber);
    sub->add_option("--max-steps", args->maxSteps, "stop after that many micro-steps, exit 3")->check(CLI::PositiveNumber);
    sub->add_option("--jobs", args->jobs, "so many threads or, in stateless mode, processes")->check(CLI::Range(1, 256));
    sub->add_option("--shard", args->shard, "I/N: one part of N");
    sub->add_option("--frontier", args->frontier, "go on from there, and leave there what is done");
    sub->add_flag("--all", args->all, "go on after the first violation");
    sub->add_flag("--each-kernel", args->eachKernel, "under each release of the kernel, in one table; all violations");
    sub->add_flag("--fewest-preemptions", args->fewestFirst,
                  "look for a bug first where nobody is interrupted, then with one interruption, with two, then everywhere");
    sub->add_option("--save-counterexample", args->save, "write the violating schedule as a scenario");
    addOverrides(*sub, args->overrides);
    sub->add_option("--format", args->format, "text, jsonl, junit or sarif")->check(CLI::IsMember({"text", "jsonl", "junit", "sarif"}));
    sub->callback([args, &invoke] { invoke = [args] { return explore(*args); }; });
}

} // namespace mirrorscope::app
