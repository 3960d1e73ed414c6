// SPDX-License-Identifier: GPL-3.0-or-later
#include "command.h"
#include "replay.h"

#include "base/text.h"
#include "trace/judge.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <memory>

namespace mirrorscope::app {

namespace {
struct ConformArguments {
    std::string file = "-", kernel, format = "text";
    bool follow = false, replay = false;
    unsigned vm = 0;
};

// Prints findings; so many are held back, since events that turn out to be missing later may explain them.
class Printer final : public TraceWatch {
public:
    Printer(std::string file, bool json, std::size_t held) : file_(std::move(file)), json_(json), most_(held) {}
    void found(const Finding& finding) override {
        held_.push_back(finding);
        while (held_.size() > most_) {
            print(held_.front());
            held_.pop_front();
        }
    }
    void withdrawn(u64 number, TraceRule rule, u32 line) override {
        const auto at = std::lower_bound(held_.begin(), held_.end(), number, [](const Finding& f, u64 n) { return f.number < n; });
        if (at != held_.end() && at->number == number) {
            held_.erase(at);
            return;
        }
        if (json_) {
            const nlohmann::ordered_json json{{"kind", "withdrawn"}, {"rule", info(rule).name}, {"line", line}};
            std::printf("%s\n", json.dump().c_str());
        } else {
            std::fputs(wrapped(fmt::format("withdrawn: {}: events of another CPU are missing, from before that line on", info(rule).name),
                               fmt::format("{}:{}: ", file_, line), 4)
                           .c_str(),
                       stdout);
        }
        std::fflush(stdout);
    }
    void finish() {
        for (const Finding& finding : held_)
            print(finding);
        held_.clear();
    }

private:
    void print(const Finding& finding) {
        constexpr u64 kMost = 1000; // of text; what follows is counted
        if (json_) {
            const nlohmann::ordered_json json{{"kind", "finding"},    {"rule", info(finding.rule).name},         {"line", finding.line},
                                              {"text", finding.text}, {"function", info(finding.rule).function}, {"lines", finding.lines}};
            std::printf("%s\n", json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
        } else if (++printed_ <= kMost) {
            std::string text = fmt::format("{}: {}", info(finding.rule).name, finding.text);
            if (!finding.lines.empty())
                text += fmt::format(" (see line {})", fmt::join(finding.lines, ", "));
            text += fmt::format(". The rule: {}, {}.", info(finding.rule).help, info(finding.rule).function);
            std::fputs(wrapped(text, fmt::format("{}:{}: ", file_, finding.line), 4).c_str(), stdout);
        }
        std::fflush(stdout);
    }

    std::string file_;
    bool json_;
    std::size_t most_;
    std::deque<Finding> held_;
    u64 printed_ = 0;
};

int conformCommand(const ConformArguments& args) {
    if (args.replay)
        return conformByReplay({args.file, args.kernel, {}, args.format, args.vm});
    const TraceKernel kernel = traceKernelFromName(args.kernel).value_or(TraceKernel::Any);
    TraceInput input(args.file);
    TraceNames names;
    const bool json = args.format == "jsonl";
    constexpr std::size_t kHeld = 100'000;
    Printer printer(input.name(), json, args.follow ? 0 : kHeld);
    Judged judged;
    try {
        judged = judgeTrace(
            input, names,
            {.kernel = kernel, .watch = &printer, .events = nullptr, .goOn = [](u64) { return !interrupted(); }, .follow = args.follow});
    } catch (...) {
        printer.finish(); // what was found before the file ended in the middle of a word
        throw;
    }
    printer.finish();
    const Rebuild& rebuild = *judged.rebuild;
    if (json) {
        const nlohmann::ordered_json end{{"kind", "conformed"},
                                         {"transitions", rebuild.transitions()},
                                         {"findings", rebuild.findingCount()},
                                         {"events", judged.read.counts.events},
                                         {"lost", judged.read.counts.lost},
                                         {"not-checked", {"notifier-range"}},
                                         {"seconds", judged.seconds}};
        std::printf("%s\n", end.dump().c_str());
    } else {
        const bool snapshot = judged.read.isSnapshot();
        std::string text = fmt::format("{}, {}",
                                       snapshot ? counted(rebuild.transitions(), "entry", "entries") + " of a snapshot"
                                                : counted(rebuild.transitions(), "transition"),
                                       rebuild.findingCount() == 0 ? "no finding" : counted(rebuild.findingCount(), "finding"));
        if (kernel != TraceKernel::Any)
            text += fmt::format(", by the rules of {}", args.kernel);
        if (rebuild.afterLoss() != 0)
            text += fmt::format("; not what it was, where events were lost: {}", counted(rebuild.afterLoss(), "entry", "entries"));
        if (rebuild.unfinished() != 0)
            text += fmt::format("; still being taken apart at the end: {}", counted(rebuild.unfinished(), "table"));
        if (rebuild.shadowPages() != 0)
            text += fmt::format("; not followed: {} of shadow paging", counted(rebuild.shadowPages(), "page"));
        if (rebuild.full() != 0)
            text += fmt::format("; stopped at line {}: {}", rebuild.full(), Rebuild::kFullText);
        else if (!judged.read.whole)
            text += "; stopped before the end";
        const std::string notChecked = snapshot ? "What became of an entry before is not told." : rebuild.notCheckedText();
        std::fputs(wrapped(text + (notChecked.empty() ? "." : ". " + notChecked), input.name() + ": ", 4).c_str(), stdout);
    }
    return rebuild.full() != 0 || (!judged.read.whole && !args.follow) ? kBounded : rebuild.findingCount() != 0 ? kFailed : kOk;
}
} // namespace

void addConform(CLI::App& root, Invocation& invoke) {
    auto args = std::make_shared<ConformArguments>();
    CLI::App* sub = root.add_subcommand("conform", "does each change in a kernel's trace follow the rules of that kernel?");
    sub->add_option("TRACE", args->file, "text, trace.dat, a session or a snapshot; `-`: standard input");
    addTraceKernel(*sub, args->kernel);
    CLI::Option* follow = sub->add_flag("--follow", args->follow, "of trace_pipe: findings as they come");
    CLI::Option* replay =
        sub->add_flag("--replay", args->replay, "does our machine change the same entries when the same is done to it?")->excludes(follow);
    sub->add_option("--vm", args->vm, "N: of a recording with several VMs that one (each)")->check(CLI::Range(1, 65536))->needs(replay);
    sub->add_option("--format", args->format, "text or jsonl")->check(CLI::IsMember({"text", "jsonl"}));
    sub->callback([args, &invoke] { invoke = [args] { return conformCommand(*args); }; });
}

} // namespace mirrorscope::app
