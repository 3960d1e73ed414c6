// SPDX-License-Identifier: GPL-3.0-or-later
// The rows of `mirrorscope bench` under Google Benchmark, with its filters, repetitions and formats: `bench --benchmark_filter=…`.
#include "bench_rows.h"

#include <benchmark/benchmark.h>

using namespace mirrorscope;

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    constexpr u64 kPages = 16384; // 64 MiB
    for (const app::BenchRow& row : app::benchRows(kPages))
        benchmark::RegisterBenchmark((row.workload + ", " + row.mode).c_str(),
                                     [row](benchmark::State& state) {
                                         for (auto unused : state) {
                                             static_cast<void>(unused);
                                             const app::BenchFigure figure = row.measure();
                                             state.SetIterationTime(figure.seconds);
                                             state.SetItemsProcessed(state.items_processed() + static_cast<int64_t>(figure.items));
                                             state.counters["steps/page"] = figure.stepsPerPage;
                                             state.counters["journal B/page"] = figure.bytesPerPage;
                                         }
                                     })
            ->UseManualTime()
            ->Unit(benchmark::kMillisecond);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
