// SPDX-License-Identifier: GPL-3.0-or-later
// What `bench` measures, one row each.
#pragma once

#include "base/types.h"

#include <functional>
#include <string>
#include <vector>

namespace mirrorscope::app {

// What one measurement came to. Items are pages, micro-steps, events …, see `BenchRow::unit`.
struct BenchFigure {
    double items = 0, seconds = 1;
    // Of a workload with a history: micro-steps and bytes of journal for each page, and how many micro-steps a second are undone.
    double stepsPerPage = 0, bytesPerPage = 0, undoPerSecond = 0;

    double perSecond() const { return items / seconds; }
};

struct BenchRow {
    std::string workload, mode, unit;
    std::function<BenchFigure()> measure;
};

// `pages` of 4K for those that map and zap.
std::vector<BenchRow> benchRows(u64 pages);

} // namespace mirrorscope::app
