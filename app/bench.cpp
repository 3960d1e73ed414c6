// SPDX-License-Identifier: GPL-3.0-or-later
// How fast this build is on this machine: what a page costs, how many bytes it leaves, how fast time travels.
#include "command.h"

#include "scenario/runner.h"

#include <fmt/format.h>

#include <chrono>
#include <memory>

namespace mirrorscope::app {

namespace {
struct BenchArguments {
    u64 pages = 65536;
    std::string format = "text";
};

struct Workload {
    const char *name, *vm, *script; // {0}: bytes, {1}: pages. The last step is timed.
};
constexpr Workload kWorkloads[] = {
    {"ordinary fault", "default", "  - vcpu0: {{write: {{gpa: 2M, pages: {1}}}}}\n"},
    {"ordinary zap", "default", "  - vcpu0: {{write: {{gpa: 2M, pages: {1}}}}}\n  - discard: {{gpa: 2M, size: {0}}}\n"},
    {"private fault", "tdx", "  - vcpu0: {{accept: {{gpa: 2M, size: {0}}}}}\n"},
    {"private zap", "tdx", "  - vcpu0: {{accept: {{gpa: 2M, size: {0}}}}}\n  - punch-hole: {{gpa: 2M, size: {0}}}\n"},
};
constexpr const char* kModes[] = {"no history", "history", "history and rules"};

struct Figure {
    double perSecond = 0, stepsPerPage = 0, bytesPerPage = 0, undoPerSecond = 0;
};

double since(std::chrono::steady_clock::time_point start) {
    return std::max(1e-9, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
}

Figure measure(const Workload& work, unsigned mode, u64 pages) {
    const std::string image = std::string(work.vm) == "tdx" ? "  - init-mem-region: {gpa: 0, size: 4K}\n  - finalize-vm\n" : "";
    const Scenario scenario = bindScenario(
        "bench.yaml", fmt::format("mirrorscope: 1\nmachine: {{vm: {}, slots: [{{id: 0, gpa: 0, size: {}}}]}}\nscript:\n{}{}", work.vm,
                                  (pages + 1024) * 4096, image, fmt::format(fmt::runtime(work.script), pages * 4096, pages)));
    Runner runner(scenario, {.check = mode == 2, .maxSteps = ~0ull, .recording = mode != 0});
    for (std::size_t i = 0; i + 1 < scenario.script.size(); ++i)
        runner.runItem(scenario.script[i]);
    Machine& machine = runner.system().machine();
    const u64 steps = machine.steps(), bytes = machine.journalBytes();
    auto start = std::chrono::steady_clock::now();
    runner.runItem(scenario.script.back());
    const auto n = static_cast<double>(pages);
    Figure figure{n / since(start), static_cast<double>(machine.steps() - steps) / n,
                  static_cast<double>(machine.journalBytes() - bytes) / n};
    if (mode == 1) {
        start = std::chrono::steady_clock::now();
        machine.seek(steps);
        figure.undoPerSecond = static_cast<double>(machine.steps() - steps) / since(start);
    }
    return figure;
}

int bench(const BenchArguments& args) {
    interrupted();
    if (args.format == "text")
        put("", fmt::format("{} pages of 4K\n{:<16} {:<18} {:>12} {:>12} {:>14} {:>16}\n", args.pages, "", "", "pages/s", "steps/page",
                            "journal B/page", "undo steps/s"));
    for (const Workload& work : kWorkloads)
        for (unsigned mode = 0; mode < 3; ++mode) {
            if (interrupted())
                return kBounded;
            const Figure f = measure(work, mode, args.pages);
            put("", args.format == "jsonl"
                        ? fmt::format("{{\"kind\":\"bench\",\"workload\":\"{}\",\"mode\":\"{}\",\"pages\":{},\"pages_per_s\":{:.0f},"
                                      "\"steps_per_page\":{:.1f},\"journal_bytes_per_page\":{:.0f},\"undo_steps_per_s\":{:.0f}}}\n",
                                      work.name, kModes[mode], args.pages, f.perSecond, f.stepsPerPage, f.bytesPerPage, f.undoPerSecond)
                        : fmt::format("{:<16} {:<18} {:>12.0f} {:>12.1f} {:>14.0f} {:>16}\n", work.name, kModes[mode], f.perSecond,
                                      f.stepsPerPage, f.bytesPerPage, mode == 1 ? fmt::format("{:.0f}", f.undoPerSecond) : ""));
        }
    return kOk;
}
} // namespace

void addBench(CLI::App& root, Invocation& invoke) {
    auto args = std::make_shared<BenchArguments>();
    CLI::App* sub = root.add_subcommand("bench", "how fast this build is here: faults and zaps, with and without history and rules");
    sub->add_option("--pages", args->pages, "how many 4K pages, 65536 by default")->check(CLI::Range(u64{1}, u64{4} << 20));
    sub->add_option("--format", args->format, "text or jsonl")->check(CLI::IsMember({"text", "jsonl"}));
    sub->callback([args, &invoke] { invoke = [args] { return bench(*args); }; });
}

} // namespace mirrorscope::app
