// SPDX-License-Identifier: GPL-3.0-or-later
#include "command.h"

#include "base/text.h"
#include "cost/run_cost.h"
#include "trace/input.h"

#include <filesystem>
#include <memory>

namespace mirrorscope::app {

namespace {
struct CostArguments {
    std::string file, costs, format = "text", out;
    OverrideArguments overrides;
    bool table = false;
};

int cost(const CostArguments& args) {
    interrupted();
    const CostTable table = args.costs.empty() ? CostTable() : CostTable::read(args.costs);
    if (args.table) {
        put(args.out, table.yaml());
        return kOk;
    }
    if (args.file.empty())
        throw UsageError("a scenario is expected; or --table, for the costs themselves");
    if (isTraceFile(args.file))
        throw UsageError(args.file + ": a recording has no cost; its lines are not micro-steps");
    const Session session(loadScenario(args.file, args.overrides.parse()));
    const RunCost run = costOf(session, table);
    const std::string name = std::filesystem::path(args.file).filename().string();
    put(args.out, args.format == "csv" ? costCsv(run) : args.format == "json" ? costJson(run, table) : costText(name, run, table));
    return kOk;
}
} // namespace

void addCost(CLI::App& root, Invocation& invoke) {
    auto args = std::make_shared<CostArguments>();
    CLI::App* sub = root.add_subcommand("cost", "what a run costs: SEAMCALLs, exits, IPIs, flushes, locks held, and the time by a table");
    CLI::Option* file = sub->add_option("FILE", args->file, "a scenario");
    CLI::Option* table = sub->add_flag("--table", args->table, "print the table of costs, with sources, as a file that --costs takes");
    sub->add_option("--costs", args->costs, "other costs, in YAML: NAME: ns")->type_name("TABLE");
    addOverrides(*sub, args->overrides);
    CLI::Option* format = sub->add_option("--format", args->format, "text, csv or json");
    format->check(CLI::IsMember({"text", "csv", "json"}));
    table->excludes(file)->excludes(format);
    sub->add_option("-o,--output", args->out, "a file to write, in place of standard output");
    sub->callback([args, &invoke] { invoke = [args] { return cost(*args); }; });
}

} // namespace mirrorscope::app
