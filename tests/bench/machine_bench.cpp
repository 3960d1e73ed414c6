// SPDX-License-Identifier: GPL-3.0-or-later
// How fast the machine runs, is undone and is explored. `bench --benchmark_filter=…`.
#include "explore/explorer.h"
#include "scenario/runner.h"

#include <benchmark/benchmark.h>

#include <fmt/format.h>

#include <optional>

namespace mirrorscope {

namespace {
constexpr u64 kPages = 16384; // 64 MiB

Scenario bulk(const char* vm, const std::string& script) {
    const std::string image = std::string(vm) == "tdx" ? "  - init-mem-region: {gpa: 0, size: 4K}\n  - finalize-vm\n" : "";
    return bindScenario("bench.yaml", fmt::format("mirrorscope: 1\nmachine: {{vm: {}, vcpus: 1, slots: [{{id: 0, gpa: 0, size: 80M}}]}}\n"
                                                  "script:\n{}{}",
                                                  vm, image, script));
}

// Runs the script's last step again and again on fresh machines; only that step is timed.
void lastStep(benchmark::State& state, const Scenario& scenario, const RunOptions& options, u64 items) {
    u64 journal = 0, steps = 0;
    for (auto _ : state) {
        state.PauseTiming();
        std::optional<Runner> runner;
        runner.emplace(scenario, options);
        for (std::size_t i = 0; i + 1 < scenario.script.size(); ++i)
            runner->runItem(scenario.script[i]);
        const u64 before = runner->system().machine().steps();
        const u64 bytes = runner->system().machine().journalBytes();
        state.ResumeTiming();
        runner->runItem(scenario.script.back());
        state.PauseTiming();
        steps = runner->system().machine().steps() - before;
        journal = runner->system().machine().journalBytes() - bytes;
        runner.reset();
        state.ResumeTiming();
    }
    state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * items));
    state.counters["steps/page"] = static_cast<double>(steps) / static_cast<double>(items);
    state.counters["journal B/page"] = static_cast<double>(journal) / static_cast<double>(items);
}

RunOptions mode(int n) { return {.check = n == 2, .maxSteps = ~0ull, .recording = n != 0}; }

void privateFaults(benchmark::State& state) {
    const Scenario s = bulk("tdx", fmt::format("  - vcpu0: {{accept: {{gpa: 0x200000, size: {}}}}}\n", kPages * 4096));
    lastStep(state, s, mode(static_cast<int>(state.range(0))), kPages);
}
void ordinaryFaults(benchmark::State& state) {
    const Scenario s = bulk("default", fmt::format("  - vcpu0: {{write: {{gpa: 0x200000, pages: {}}}}}\n", kPages));
    lastStep(state, s, mode(static_cast<int>(state.range(0))), kPages);
}
void privateZaps(benchmark::State& state) {
    const Scenario s =
        bulk("tdx", fmt::format("  - vcpu0: {{accept: {{gpa: 0x200000, size: {0}}}}}\n  - punch-hole: {{gpa: 0x200000, size: {0}}}\n",
                                kPages * 4096));
    lastStep(state, s, mode(static_cast<int>(state.range(0))), kPages);
}
void ordinaryZaps(benchmark::State& state) {
    const Scenario s =
        bulk("default", fmt::format("  - vcpu0: {{write: {{gpa: 0x200000, pages: {}}}}}\n  - discard: {{gpa: 0x200000, size: {}}}\n",
                                    kPages, kPages * 4096));
    lastStep(state, s, mode(static_cast<int>(state.range(0))), kPages);
}

void undo(benchmark::State& state) {
    const Scenario s = bulk("tdx", fmt::format("  - vcpu0: {{accept: {{gpa: 0x200000, size: {}}}}}\n", kPages * 4096));
    Runner runner(s, {.check = false});
    runner.runAll();
    Machine& machine = runner.system().machine();
    for (auto _ : state) {
        machine.seek(0);
        machine.seek(machine.steps());
    }
    state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * 2 * machine.steps()));
}

void explore(benchmark::State& state) {
    const Scenario s = loadScenario(std::string(MIRRORSCOPE_SOURCE_DIR) + "/scenarios/lessons/05-two-vcpus-one-page.yaml");
    u64 steps = 0, states = 0;
    for (auto _ : state) {
        const ExploreResult result = Explorer(s, {}).run();
        steps += result.transitions;
        states = result.states;
    }
    state.SetItemsProcessed(static_cast<int64_t>(steps));
    state.counters["states"] = static_cast<double>(states);
}
} // namespace

// 0: journal off; 1: journal on; 2: journal and rules on.
BENCHMARK(privateFaults)->ArgName("mode")->Arg(0)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond);
BENCHMARK(ordinaryFaults)->ArgName("mode")->Arg(0)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond);
BENCHMARK(privateZaps)->ArgName("mode")->Arg(0)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond);
BENCHMARK(ordinaryZaps)->ArgName("mode")->Arg(0)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond);
BENCHMARK(undo)->Unit(benchmark::kMillisecond);
BENCHMARK(explore)->Unit(benchmark::kMillisecond);

} // namespace mirrorscope
