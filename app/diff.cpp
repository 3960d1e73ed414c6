// SPDX-License-Identifier: GPL-3.0-or-later
#include "command.h"

#include "export/difference.h"
#include "scenario/yaml.h"
#include "trace/recording.h"

#include <fmt/format.h>

#include <memory>

namespace mirrorscope::app {

namespace {
struct DiffArguments {
    std::vector<std::string> files, set, kernels, variants, at;
    std::string format = "text";
};

std::vector<Override> overridesOf(const std::vector<std::string>& set, const std::string& variant) {
    OverrideArguments arguments;
    arguments.set = set;
    arguments.variant = variant;
    return arguments.parse();
}

std::unique_ptr<Session> opened(const std::string& file, const std::vector<Override>& overrides) {
    if (isTraceFile(file))
        return openSession(file, overrides);
    auto session = std::make_unique<Session>(loadScenario(file, overrides), RunOptions{.cancelled = [] { return interrupted(); }});
    if (session->runner().bounded())
        throw UsageError(file + ": the run was stopped by a bound, so that it cannot be compared: " + session->verdict().stopped);
    return session;
}

// What is different of the two sides: one file under two --set, --kernel or --variant, or two files under the same.
struct Sides {
    std::string fileA, fileB, nameA, nameB;
    std::vector<Override> a, b;
};

Sides sidesOf(const DiffArguments& args) {
    Sides sides;
    if (args.files.size() == 2) {
        if (!args.kernels.empty() || args.variants.size() > 1)
            throw UsageError("two files are compared under the same --set and --variant; --kernel is for one file");
        sides.fileA = args.files[0];
        sides.fileB = args.files[1];
        sides.a = sides.b = overridesOf(args.set, args.variants.empty() ? "" : args.variants[0]);
        sides.nameA = sides.fileA;
        sides.nameB = sides.fileB;
        return sides;
    }
    sides.fileA = sides.fileB = args.files[0];
    struct Way {
        const char* name;
        std::vector<std::string> values;
    };
    std::vector<Way> ways;
    for (const Way& way : {Way{"--set", args.set}, Way{"--kernel", args.kernels}, Way{"--variant", args.variants}})
        if (!way.values.empty())
            ways.push_back(way);
    if (ways.size() != 1 || ways[0].values.size() > 2)
        throw UsageError(
            "one file is compared under two --set, two --kernel or two --variant (or one, with the file as it is), or at two --at");
    const auto override = [&](const std::string& value) {
        if (ways[0].name == std::string("--kernel"))
            return overridesOf({"machine.kernel=" + value}, "");
        return ways[0].name == std::string("--set") ? overridesOf({value}, "") : overridesOf({}, value);
    };
    const bool two = ways[0].values.size() == 2;
    if (two)
        sides.a = override(ways[0].values[0]);
    sides.b = override(ways[0].values.back());
    sides.nameA = two ? fmt::format("{} {} {}", sides.fileA, ways[0].name, ways[0].values[0]) : sides.fileA;
    sides.nameB = fmt::format("{} {} {}", sides.fileB, ways[0].name, ways[0].values.back());
    return sides;
}

Difference compared(const DiffArguments& args) {
    if (args.files.size() == 1 && args.at.size() == 2 && args.kernels.empty() && args.variants.size() < 2) {
        const auto session = opened(args.files[0], overridesOf(args.set, args.variants.empty() ? "" : args.variants[0]));
        return differenceWithin(*session, parsePosition(args.at[0], session->end()), parsePosition(args.at[1], session->end()));
    }
    const Sides sides = sidesOf(args);
    const auto a = opened(sides.fileA, sides.a), b = opened(sides.fileB, sides.b);
    if ((a->recorded() == nullptr) != (b->recorded() == nullptr))
        throw UsageError("a recording or a snapshot is compared with another one");
    const std::string atA = args.at.empty() ? "end" : args.at.front(), atB = args.at.empty() ? "end" : args.at.back();
    const Side first{*a, parsePosition(atA, a->end()), sides.nameA}, second{*b, parsePosition(atB, b->end()), sides.nameB};
    return a->recorded() != nullptr ? differenceOfTables(first, second) : differenceOf(first, second);
}

int diff(const DiffArguments& args) {
    interrupted();
    if (args.files.size() > 2)
        throw UsageError("two files at most are compared");
    if (args.at.size() > 2)
        throw UsageError("two positions at most are compared");
    const Difference difference = compared(args);
    put("", args.format == "json" ? differenceJson(difference).dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n"
                                  : differenceText(difference));
    return difference.equal() ? kOk : kFailed;
}
} // namespace

void addDiff(CLI::App& root, Invocation& invoke) {
    auto args = std::make_shared<DiffArguments>();
    CLI::App* sub = root.add_subcommand(
        "diff", "two runs, or two moments of one: what differs, and where they part first; or the tables of two recordings or snapshots");
    sub->add_option("FILE", args->files, "two scenarios, or one that is run in two ways; two recordings or snapshots")->required();
    sub->add_option("--set", args->set, "KEY=VALUE: override a key; of one file the first is one side's, the second the other's")
        ->expected(1)
        ->take_all();
    sub->add_option("--kernel", args->kernels, "the version on one side, and on the other: --kernel 6.16 --kernel fixed")
        ->expected(1)
        ->take_all();
    sub->add_option("--variant", args->variants, "NAME: the variant on one side, and on the other")->expected(1)->take_all();
    sub->add_option("--at", args->at, "up to this position on both sides; twice: on each its own, or of one file two moments")
        ->expected(1)
        ->take_all();
    sub->add_option("--format", args->format, "text or json")->check(CLI::IsMember({"text", "json"}));
    sub->callback([args, &invoke] { invoke = [args] { return diff(*args); }; });
}

} // namespace mirrorscope::app
