// SPDX-License-Identifier: GPL-3.0-or-later
// The window's speed, measured inside of it: QT_QPA_PLATFORM=offscreen build/release/tests/bench/window_bench
// Counters are milliseconds: median, 99th percentile, longest.
#include "views/main_window.h"
#include "views/timeline/timeline_view.h"
#include "views/trees/map_view.h"
#include "views/trees/tree_pane.h"

#include <benchmark/benchmark.h>

#include <QAction>
#include <QApplication>
#include <QElapsedTimer>
#include <QEventLoop>
#include <QFile>
#include <QTemporaryDir>

#include <algorithm>
#include <random>

using namespace mirrorscope;
using namespace mirrorscope::views;

namespace {
void openAndWait(MainWindow& window, const QString& file) {
    QEventLoop loop;
    QObject::connect(&window, &MainWindow::opened, &loop, &QEventLoop::quit);
    window.open(file);
    loop.exec();
    QApplication::processEvents();
}

// 9.7 million micro-steps: a range is accepted and punched, again and again.
QString tenMillion() {
    static QTemporaryDir folder;
    const QString name = folder.filePath("ten-million.yaml");
    QFile file(name);
    if (file.open(QIODevice::WriteOnly))
        file.write("mirrorscope: 1\nmachine: {vm: tdx, vcpus: 4, slots: [{id: 0, gpa: 0, size: 1G}]}\nscript:\n  - finalize-vm\n"
                   "  - repeat:\n      times: 300\n      do:\n        - vcpu0: {accept: {gpa: 0, size: 2M}}\n"
                   "        - host: {punch-hole: {gpa: 0, size: 2M}}\n");
    return name;
}
// Six million entries at 4K.
QString dense() {
    static QTemporaryDir folder;
    const QString name = folder.filePath("dense.yaml");
    QFile file(name);
    if (file.open(QIODevice::WriteOnly))
        file.write("mirrorscope: 1\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: 24G, backing: 2M}]}\nscript:\n"
                   "  - vcpu0: {read: {gpa: 0, pages: 12288, stride: 2M}}\n  - split-huge-pages: {gpa: 0, size: 24G, level: 4K}\n");
    return name;
}

struct Times {
    std::vector<double> all;
    void add(double ms) { all.push_back(ms); }
    void report(benchmark::State& state) {
        std::sort(all.begin(), all.end());
        const auto at = [&](double share) {
            return all.empty() ? 0 : all[std::min(all.size() - 1, static_cast<std::size_t>(share * static_cast<double>(all.size())))];
        };
        state.counters["p50"] = at(0.5);
        state.counters["p99"] = at(0.99);
        state.counters["max"] = all.empty() ? 0 : all.back();
    }
};

double milliseconds(const QElapsedTimer& timer) { return static_cast<double>(timer.nsecsElapsed()) / 1e6; }

void startToFirstPaint(benchmark::State& state) {
    Times times;
    for (auto unused : state) {
        static_cast<void>(unused);
        QElapsedTimer timer;
        timer.start();
        MainWindow window;
        window.show();
        openAndWait(window, MainWindow::firstLesson());
        window.grab();
        times.add(milliseconds(timer));
    }
    times.report(state);
}

void openTenMillion(benchmark::State& state) {
    for (auto unused : state) {
        static_cast<void>(unused);
        MainWindow window;
        window.show();
        QElapsedTimer timer;
        timer.start();
        QObject::connect(&window, &MainWindow::begun, &window, [&] {
            window.grab();
            state.counters["first picture ms"] = milliseconds(timer);
        });
        openAndWait(window, tenMillion());
        state.counters["steps"] = static_cast<double>(window.context().session()->end());
    }
}

void seekInTenMillion(benchmark::State& state) {
    MainWindow window;
    window.show();
    openAndWait(window, tenMillion());
    std::mt19937_64 random(1);
    const u64 end = window.context().session()->end();
    window.context().frameTimes().clear();
    Times painted;
    for (auto unused : state) {
        static_cast<void>(unused);
        const u64 to = random() % (end + 1);
        QElapsedTimer timer;
        timer.start();
        window.context().goTo(to);
        QApplication::processEvents();
        painted.add(milliseconds(timer));
    }
    painted.report(state);
    state.counters["seek p99"] = window.context().frameTimes().percentile("seek", 0.99);
    state.counters["refresh p99"] = window.context().frameTimes().percentile("seek and refresh", 0.99);
    state.counters["timeline p99"] = window.context().frameTimes().percentile("timeline", 0.99);
}

void mapAtEveryZoom(benchmark::State& state) {
    MainWindow window;
    window.resize(2560, 1440);
    window.show();
    openAndWait(window, state.range(0) == 0 ? QString(MIRRORSCOPE_SOURCE_DIR) + "/resources/machines/huge.yaml" : dense());
    window.context().goTo(window.context().session()->end());
    window.action(Command::FormMap)->trigger();
    auto* map = window.findChild<MapView*>("map");
    for (int i = 0; i < 200; ++i) // what is counted once
        QApplication::processEvents();
    window.context().frameTimes().clear();
    for (auto unused : state) {
        static_cast<void>(unused);
        map->showAll();
        for (double span = map->span(); span > 1; span /= 1.3) {
            map->show(1024.0 * 512 * 0.37 - span / 2, span);
            map->repaint();
        }
    }
    FrameTimes& times = window.context().frameTimes();
    state.counters["frames"] = static_cast<double>(times.count("map"));
    state.counters["p50"] = times.percentile("map", 0.5);
    state.counters["p99"] = times.percentile("map", 0.99);
    state.counters["max"] = times.percentile("map", 1);
}

void microStepByKey(benchmark::State& state) {
    MainWindow window;
    window.show();
    openAndWait(window,
                state.range(0) == 0 ? MainWindow::firstLesson() : QString(MIRRORSCOPE_SOURCE_DIR) + "/resources/machines/huge.yaml");
    Times times;
    window.context().goTo(state.range(0) == 0 ? 0 : window.context().session()->end() / 2);
    for (auto unused : state) {
        static_cast<void>(unused);
        if (window.context().position() == window.context().session()->end())
            window.context().goTo(0);
        QElapsedTimer timer;
        timer.start();
        window.action(Command::MicroForward)->trigger();
        QApplication::processEvents();
        times.add(milliseconds(timer));
    }
    times.report(state);
}

void timelineAtEveryZoom(benchmark::State& state) {
    MainWindow window;
    window.resize(2560, 1440);
    window.show();
    openAndWait(window, tenMillion());
    auto* timeline = window.findChild<TimelineView*>("timeline");
    window.context().frameTimes().clear();
    const auto end = static_cast<double>(window.context().session()->end());
    for (auto unused : state) {
        static_cast<void>(unused);
        for (double span = end; span > 50; span /= 1.4) {
            timeline->show(end * 0.4, span);
            timeline->repaint();
        }
    }
    FrameTimes& times = window.context().frameTimes();
    state.counters["p50"] = times.percentile("timeline", 0.5);
    state.counters["p99"] = times.percentile("timeline", 0.99);
    state.counters["max"] = times.percentile("timeline", 1);
}
} // namespace

BENCHMARK(startToFirstPaint)->Unit(benchmark::kMillisecond)->Iterations(5);
BENCHMARK(openTenMillion)->Unit(benchmark::kMillisecond)->Iterations(2);
BENCHMARK(seekInTenMillion)->Unit(benchmark::kMillisecond)->Iterations(300);
BENCHMARK(timelineAtEveryZoom)->Unit(benchmark::kMillisecond)->Iterations(3);
BENCHMARK(mapAtEveryZoom)->ArgName("dense")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond)->Iterations(3);
BENCHMARK(microStepByKey)->ArgName("huge")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond)->Iterations(150);

int main(int argc, char** argv) {
    QApplication application(argc, argv);
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
