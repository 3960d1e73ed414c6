// SPDX-License-Identifier: GPL-3.0-or-later
// Puts a few neighbouring events into the order in which what they tell was done, and tells changes of entries where the entry is.
//
// A line is printed after the change it tells of, so that another CPU may have met the change, changed the entry again and printed its own
// line first: a table that is used before the line that links it, a page that is zapped before the line of the fast page fault that made
// it writable. And kvm_mmu_set_spte, which gives the address of the entry, follows the change.
#pragma once

#include "trace/text_reader.h"

#include <array>
#include <deque>

namespace mirrorscope {

class TraceOrder final : public TraceSink {
public:
    static constexpr std::size_t kSlots = 1024;
    explicit TraceOrder(TraceSink& next) : next_(next) {}
    void event(const TraceEvent& event) override;
    void lost(const TraceLoss& loss) override;
    // Nothing more comes, or not for a while.
    void flush();

private:
    static constexpr std::size_t kWindow = 128;
    static constexpr u64 kLate = 20'000'000; // ns: a line that comes later than that came in its order
    // Where a line is put: before which of those that wait.
    std::size_t sinceOwn(const TraceEvent& e) const;
    std::size_t beforeWhoMetIt(const TraceEvent& e) const;
    std::size_t beforeWhoUsedIt(const TraceEvent& e) const;
    bool near(const TraceEvent& a, const TraceEvent& b) const { return b.time - a.time <= kLate; }
    void give();

    TraceSink& next_;
    std::deque<TraceEvent> waiting_;
    std::array<u16, kSlots> changes_{}; // how many lines wait that change an entry of that slot
};

} // namespace mirrorscope
