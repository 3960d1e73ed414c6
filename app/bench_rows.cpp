// SPDX-License-Identifier: GPL-3.0-or-later
#include "bench_rows.h"

#include "application.h"

#include "explore/explorer.h"
#include "scenario/runner.h"
#include "trace/judge.h"
#include "views/main_window.h"

#include <fmt/format.h>

#include <QEventLoop>
#include <QTemporaryDir>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>

namespace mirrorscope::app {

namespace {
class Clock {
public:
    double seconds() const { return std::max(1e-9, std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count()); }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// {0}: bytes, {1}: pages. The last step is timed. "again": in frames that were in use before, so that neither this host's memory nor the
// machine's tables are new.
struct Workload {
    const char *name, *vm, *script;
};
constexpr Workload kWorkloads[] = {
    {"ordinary fault", "default", "  - vcpu0: {{write: {{gpa: 2M, pages: {1}}}}}\n"},
    {"ordinary fault again", "default",
     "  - vcpu0: {{write: {{gpa: 2M, pages: {1}}}}}\n  - discard: {{gpa: 2M, size: {0}}}\n"
     "  - vcpu0: {{write: {{gpa: 2M, pages: {1}}}}}\n"},
    {"ordinary zap", "default", "  - vcpu0: {{write: {{gpa: 2M, pages: {1}}}}}\n  - discard: {{gpa: 2M, size: {0}}}\n"},
    {"private fault", "tdx", "  - vcpu0: {{accept: {{gpa: 2M, size: {0}}}}}\n"},
    {"private fault again", "tdx",
     "  - vcpu0: {{accept: {{gpa: 2M, size: {0}}}}}\n  - punch-hole: {{gpa: 2M, size: {0}}}\n"
     "  - vcpu0: {{accept: {{gpa: 2M, size: {0}}}}}\n"},
    {"private zap", "tdx", "  - vcpu0: {{accept: {{gpa: 2M, size: {0}}}}}\n  - punch-hole: {{gpa: 2M, size: {0}}}\n"},
};
constexpr const char* kModes[] = {"no history", "history", "history and rules"};

Scenario bulk(const Workload& work, u64 pages) {
    const std::string image = std::string(work.vm) == "tdx" ? "  - init-mem-region: {gpa: 0, size: 4K}\n  - finalize-vm\n" : "";
    return bindScenario("bench.yaml",
                        fmt::format("mirrorscope: 1\nmachine: {{vm: {}, slots: [{{id: 0, gpa: 0, size: {}}}]}}\nscript:\n{}{}", work.vm,
                                    (pages + 1024) * 4096, image, fmt::format(fmt::runtime(work.script), pages * 4096, pages)));
}

BenchFigure pageWork(const Workload& work, unsigned mode, u64 pages) {
    const Scenario scenario = bulk(work, pages);
    Runner runner(scenario, {.check = mode == 2, .maxSteps = ~0ull, .recording = mode != 0});
    for (std::size_t i = 0; i + 1 < scenario.script.size(); ++i)
        runner.runItem(scenario.script[i]);
    Machine& machine = runner.system().machine();
    const u64 steps = machine.steps();
    const Clock clock;
    runner.runItem(scenario.script.back());
    const auto n = static_cast<double>(pages);
    BenchFigure figure{n, clock.seconds(), static_cast<double>(machine.steps() - steps) / n,
                       static_cast<double>(machine.journalBytesFrom(steps)) / n};
    if (mode == 1) {
        const Clock undo;
        machine.seek(steps);
        figure.undoPerSecond = static_cast<double>(machine.steps() - steps) / undo.seconds();
    }
    return figure;
}

// To places far apart in a history that is complete.
BenchFigure seeks(u64 pages) {
    constexpr unsigned kSeeks = 2000;
    const Scenario scenario = bulk(kWorkloads[std::size(kWorkloads) - 1], pages);
    Runner runner(scenario, {.check = false, .maxSteps = ~0ull});
    runner.runAll();
    Machine& machine = runner.system().machine();
    machine.packLeaps();
    std::mt19937_64 random(1);
    const Clock clock;
    for (unsigned i = 0; i < kSeeks; ++i)
        machine.seek(random() % (machine.steps() + 1));
    return {kSeeks, clock.seconds()};
}

BenchFigure explored(ExploreMode mode, u64 most) {
    const Scenario scenario =
        bindScenario("bench.yaml", "mirrorscope: 1\nmachine: {vm: tdx, vcpus: 2, slots: [{id: 0, gpa: 0, size: 4M}]}\n"
                                   "script:\n  - finalize-vm\n  - race:\n"
                                   "      vcpu0: [{accept: {gpa: 0x1000}}]\n"
                                   "      vcpu1: [{accept: {gpa: 0x2000}}, {accept: {gpa: 0x1000}}]\n"
                                   "      host: [{punch-hole: {gpa: 0x1000, size: 4K}}]\n");
    ExploreOptions options;
    options.mode = mode;
    options.all = true;
    options.maxTransitions = most;
    const Clock clock;
    const ExploreResult result = Explorer(scenario, options).run();
    return {static_cast<double>(result.transitions), clock.seconds()};
}

// A text as `trace-cmd report` writes it: entries come and go.
BenchFigure imported() {
    constexpr u64 kEvents = 200'000;
    std::string text;
    for (u64 i = 0; i < kEvents; ++i) {
        const u64 gfn = i / 2 % 512, spte = 0x600000000000977 | (gfn + 0x1000) << 12;
        text +=
            fmt::format(" qemu-4711 [002] ..... {}.{:06}: kvm_tdp_mmu_spte_changed: as id 0 gfn {:x} level 1 old_spte {:x} new_spte {:x}\n",
                        1000 + i / 1000000, i % 1000000, gfn, i % 2 == 0 ? 0 : spte, i % 2 == 0 ? spte : 0);
    }
    TraceInput input("bench.txt", std::move(text));
    TraceNames names;
    const Clock clock;
    const Judged judged = judgeTrace(input, names, {});
    return {static_cast<double>(judged.read.counts.events), clock.seconds()};
}

// One micro-step on, and all that changes in the window is painted (into memory).
class Painted {
public:
    Painted() {
        const std::string file = folder_.filePath("bench.yaml").toStdString();
        std::ofstream(file) << "mirrorscope: 1\nmachine: {vm: tdx, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n  - finalize-vm\n"
                               "  - vcpu0: {accept: {gpa: 0, size: 1M}}\n";
        window_.resize(1366, 768);
        window_.show();
        QEventLoop loop;
        QObject::connect(&window_, &views::MainWindow::opened, &loop, &QEventLoop::quit);
        window_.open(QString::fromStdString(file));
        loop.exec();
        QApplication::processEvents();
    }
    BenchFigure measure() {
        constexpr unsigned kPictures = 100;
        window_.context().goTo(window_.context().session()->end() / 2);
        QApplication::processEvents();
        const Clock clock;
        for (unsigned i = 0; i < kPictures; ++i) {
            window_.context().goTo(window_.context().session()->position() + 1);
            QApplication::processEvents();
        }
        return {kPictures, clock.seconds()};
    }

private:
    Application application_{"offscreen"};
    QTemporaryDir folder_;
    views::MainWindow window_;
};
} // namespace

std::vector<BenchRow> benchRows(u64 pages) {
    std::vector<BenchRow> rows;
    for (const Workload& work : kWorkloads)
        for (unsigned mode = 0; mode < std::size(kModes); ++mode)
            rows.push_back({work.name, kModes[mode], "page", [&work, mode, pages] { return pageWork(work, mode, pages); }});
    rows.push_back({"seek", "anywhere", "seek", [pages] { return seeks(pages); }});
    constexpr u64 kStateful = 300'000, kStateless = 100'000;
    rows.push_back({"explore", "stateful", "micro-step", [] { return explored(ExploreMode::Stateful, kStateful); }});
    rows.push_back({"explore", "stateless", "micro-step", [] { return explored(ExploreMode::Stateless, kStateless); }});
    rows.push_back({"import", "text", "event", imported});
    auto window = std::make_shared<std::unique_ptr<Painted>>();
    rows.push_back({"paint", "a micro-step", "picture", [window] {
                        if (!*window)
                            *window = std::make_unique<Painted>();
                        return (*window)->measure();
                    }});
    return rows;
}

} // namespace mirrorscope::app
