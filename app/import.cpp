// SPDX-License-Identifier: GPL-3.0-or-later
#include "command.h"
#include "replay.h"

#include "base/text.h"
#include "trace/judge.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <unistd.h>

namespace mirrorscope::app {

namespace {
struct ImportArguments {
    std::string file = "-", out, format = "text", kernel, as = "session";
    unsigned vm = 0;
};

void printText(const std::string& name, const Judged& judged, const TraceNames& names) {
    const TraceCounts& counts = judged.read.counts;
    const Rebuild& rebuild = *judged.rebuild;
    const Rebuild::Left left = rebuild.left();
    const bool snapshot = judged.read.isSnapshot();
    std::string out = wrapped(snapshot ? std::string("a snapshot, read as the shortest recording that leads there")
                                       : fmt::format("{} in {}, of {} ({})", counted(counts.events, "event"),
                                                     counted(counts.lines, judged.read.format == TraceFormat::Dat ? "record" : "line"),
                                                     counted(names.tasks() - 1, "task"), mirrorscope::name(judged.read.format)),
                              name + ": ", 4);
    std::vector<std::pair<std::string, u64>> kinds(counts.kinds.begin(), counts.kinds.end());
    std::stable_sort(kinds.begin(), kinds.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    constexpr std::size_t kShown = 40;
    for (std::size_t i = 0; i < std::min(kinds.size(), kShown); ++i)
        out += fmt::format("{:>12}  {}{}\n", kinds[i].second, kinds[i].first,
                           traceKindFromName(kinds[i].first) ? "" : " (of no concern here)");
    if (counts.skipped != 0)
        out += wrapped(fmt::format("no events: {}{}", counted(counts.skipped, "line"),
                                   counts.cut != 0 ? fmt::format(", {} of them cut off", counts.cut) : std::string()),
                       "", 4);
    if (counts.lost != 0)
        out += wrapped(fmt::format("lost while it was recorded: {}; not what it was before: {}", counted(counts.lost, "event"),
                                   counted(rebuild.afterLoss(), "entry", "entries")),
                       "", 4);
    out += wrapped(fmt::format("{} of entries: {} and {} at the end, {}, {}; {}", counted(rebuild.transitions(), "change"),
                               counted(left.tables, "table"), counted(left.entries, "entry", "entries"), counted(rebuild.splits(), "split"),
                               counted(rebuild.collapses(), "collapse"),
                               !rebuild.formatKnown()       ? "no entry tells the format"
                               : rebuild.masks().format.npt ? "NPT"
                               : rebuild.hasMirror()        ? "EPT, with a mirror"
                                                            : "EPT"),
                   "", 4);
    if (const auto told = rebuild.seamcalls(); told.any())
        out += wrapped(fmt::format("{} by probes, {} busy; of the private table they leave {} and {}", counted(told.calls, "SEAMCALL"),
                                   told.busy, counted(told.leaves, "page"), counted(told.tables, "table")),
                       "", 4);
    if (rebuild.unfinished() != 0)
        out += wrapped(fmt::format("still being taken apart at the end: {}", counted(rebuild.unfinished(), "table")), "", 4);
    if (rebuild.shadowPages() != 0)
        out += wrapped(fmt::format("not followed: {} of shadow paging", counted(rebuild.shadowPages(), "page")), "", 4);
    out += wrapped(rebuild.discontinuities() == 0
                       ? std::string("no discontinuity")
                       : counted(rebuild.discontinuities(), "discontinuity", "discontinuities") + "; `mirrorscope conform` tells them",
                   "", 4);
    if (rebuild.full() != 0)
        out += wrapped(fmt::format("stopped at line {}: {}", rebuild.full(), Rebuild::kFullText), "", 4);
    put("", out);
}

void printJson(const Judged& judged) {
    const TraceCounts& counts = judged.read.counts;
    const Rebuild::Left left = judged.rebuild->left();
    const nlohmann::ordered_json end{{"kind", "imported"},
                                     {"lines", counts.lines},
                                     {"events", counts.events},
                                     {"kinds", counts.kinds},
                                     {"skipped", counts.skipped},
                                     {"lost", counts.lost},
                                     {"discontinuities", judged.rebuild->discontinuities()},
                                     {"entries", left.entries},
                                     {"tables", left.tables},
                                     {"seconds", judged.seconds}};
    put("", end.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

int importCommand(const ImportArguments& args) {
    if (args.as == "scenario")
        return importAsScenario({args.file, args.kernel, args.out, args.format, args.vm});
    TraceInput input(args.file);
    TraceNames names;
    std::unique_ptr<SessionFileWriter> session;
    if (!args.out.empty() && formatOf(input.peek()) == TraceFormat::Snapshot)
        throw UsageError("a snapshot is a file of its own: there is nothing to be saved");
    if (!args.out.empty())
        session = std::make_unique<SessionFileWriter>(args.out, names);
    const bool progress = isatty(STDERR_FILENO) != 0;
    u64 told = 0;
    const auto goOn = [&](u64 events) {
        if (constexpr u64 kToldEvery = 1'000'000; progress && events / kToldEvery != told) {
            told = events / kToldEvery;
            std::fprintf(stderr, "\r%llu events", static_cast<unsigned long long>(events));
        }
        return !interrupted();
    };
    JudgeOptions options;
    options.kernel = traceKernelFromName(args.kernel).value_or(TraceKernel::Any);
    options.events = session.get();
    options.goOn = goOn;
    const Judged judged = judgeTrace(input, names, options);
    if (told != 0)
        std::fputc('\n', stderr);
    if (session)
        session->finish(judged.read.counts);
    if (args.format == "jsonl")
        printJson(judged);
    else
        printText(input.name(), judged, names);
    return judged.read.whole ? kOk : kBounded;
}
} // namespace

void addImport(CLI::App& root, Invocation& invoke) {
    auto args = std::make_shared<ImportArguments>();
    CLI::App* sub = root.add_subcommand("import", "reads a kernel's trace: what is in it, and as a session with time travel");
    sub->add_option("TRACE", args->file, "text of trace, trace_pipe, trace-cmd report or perf script, or trace.dat; `-`: standard input");
    sub->add_option("-o", args->out, "SESSION: the recording as a session file, which `mirrorscope SESSION` opens");
    sub->add_option("--as", args->as, "session, or scenario: what was done to a VM, to be done again on our machine")
        ->check(CLI::IsMember({"session", "scenario"}));
    sub->add_option("--vm", args->vm, "N: of a recording with several VMs that one (the one with the most changes)")
        ->check(CLI::Range(1, 65536));
    addTraceKernel(*sub, args->kernel);
    sub->add_option("--format", args->format, "text or jsonl")->check(CLI::IsMember({"text", "jsonl"}));
    sub->callback([args, &invoke] { invoke = [args] { return importCommand(*args); }; });
}

} // namespace mirrorscope::app
