// SPDX-License-Identifier: GPL-3.0-or-later
// What a reader hands on, kept.
#pragma once

#include "trace/text_reader.h"

#include <utility>
#include <vector>

namespace mirrorscope::test {

struct Collected final : TraceSink {
    std::vector<TraceEvent> events;
    std::vector<std::pair<u64, u32>> losses; // how many events, and the line
    void event(const TraceEvent& e) override { events.push_back(e); }
    void lost(const TraceLoss& loss) override { losses.emplace_back(loss.events, loss.line); }
};

} // namespace mirrorscope::test
