// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/order.h"

#include "kvm/spte.h"

#include <algorithm>

namespace mirrorscope {

namespace {
bool covers(const TraceEvent& upper, const TraceEvent& lower) {
    return lower.level < upper.level && lower.level > 0 && upper.level <= 5 && lower.gfn >= upper.gfn &&
           lower.gfn - upper.gfn < pagesPer(levelOf(upper.level));
}
bool sameEntry(const TraceEvent& a, const TraceEvent& b) { return a.gfn == b.gfn && a.level == b.level; }
} // namespace

void TraceOrder::give() {
    if (waiting_.front().kind == TraceKind::SpteChanged)
        --changes_[slotOf(waiting_.front())];
    next_.event(waiting_.front());
    waiting_.pop_front();
}

void TraceOrder::flush() {
    while (!waiting_.empty())
        give();
}

void TraceOrder::lost(u64 events, u32 line) {
    flush();
    next_.lost(events, line);
}

std::deque<TraceEvent>::iterator TraceOrder::beforeWhoMetIt(const TraceEvent& e) {
    // What is not present looks alike in all trees; whoever zaps prints before anybody else may map there.
    if (changes_[slotOf(e)] == 0 || !spte::isPresent(e.b))
        return waiting_.end();
    // But for what the CPU does to the bits.
    const auto meets = [](u64 left, u64 met) {
        return ((left ^ met) & (ept::kPfnMask | spte::kMmuPresent | ept::kLarge)) == 0 && (spte::isPresent(left) || left == met);
    };
    auto met = waiting_.end();
    const TraceEvent* before = nullptr; // what the entry held there
    const TraceEvent* last = nullptr;
    for (auto at = waiting_.begin(); at != waiting_.end(); ++at) {
        if (at->kind != TraceKind::SpteChanged || !sameEntry(*at, e))
            continue;
        if (met == waiting_.end() && at->task != e.task && near(*at, e) && meets(e.b, at->a) && !meets(at->b, at->a) &&
            (before == nullptr || meets(before->b, e.a)))
            met = at;
        before = last = &*at;
    }
    return last == nullptr || meets(last->b, e.a) ? waiting_.end() : met;
}

void TraceOrder::event(const TraceEvent& e) {
    auto at = waiting_.end();
    if (e.kind == TraceKind::SetSpte) {
        for (auto back = waiting_.rbegin(); back != waiting_.rend(); ++back) {
            if (back->task != e.task)
                continue;
            if (back->kind == TraceKind::SpteChanged && sameEntry(*back, e) && back->b == e.a)
                back->c = e.b;
            break;
        }
    } else if (e.kind == TraceKind::FastPageFault && (e.flags & TraceEvent::kFixed) != 0) {
        // Whoever printed first has seen the entry as this fault made it; the last line of all left something that the fault did not find.
        const auto ofEntry = [&](const TraceEvent& other) {
            return other.kind == TraceKind::SpteChanged && other.level >= 1 && other.level <= 3 &&
                   roundDown(Gfn{e.gfn}, levelOf(other.level)).v == other.gfn && near(other, e);
        };
        const auto rights = [](u64 a, u64 b) { return ((a ^ b) & (ept::kPfnMask | ept::kRwx | spte::kMmuPresent)) == 0; };
        const auto last = std::find_if(waiting_.rbegin(), waiting_.rend(), ofEntry);
        if (last != waiting_.rend() && !rights(last->b, e.a))
            for (auto back = waiting_.begin(); back != waiting_.end(); ++back)
                if (ofEntry(*back) && back->task != e.task && rights(back->a, e.b)) {
                    at = back;
                    break;
                }
    } else if (e.kind == TraceKind::SpteChanged && e.level >= 2 && spte::isPresent(e.b) && !spte::isLarge(e.b) && !spte::isPresent(e.a)) {
        // The page for the table was made at this line: what is below it and was printed since then was done in it.
        auto made = waiting_.end();
        for (auto back = waiting_.rbegin(); back != waiting_.rend(); ++back)
            if (back->task == e.task && back->kind == TraceKind::GetPage) {
                made = back.base();
                break;
            }
        for (auto later = made; later != waiting_.end(); ++later)
            if (later->kind == TraceKind::SpteChanged && later->task != e.task && covers(e, *later) && near(*later, e)) {
                at = later;
                break;
            }
    }
    if (e.kind == TraceKind::SpteChanged) {
        if (at == waiting_.end())
            at = beforeWhoMetIt(e);
        ++changes_[slotOf(e)];
    }
    waiting_.insert(at, e);
    if (waiting_.size() > kWindow)
        give();
}

} // namespace mirrorscope
