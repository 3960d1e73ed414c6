// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/order.h"

#include "trace/tables.h"

#include <algorithm>

namespace mirrorscope {

namespace {
// What a line tells of an entry. fast_page_fault names no level: that of its page, small or large, and prints what the entry holds by then.
struct LineChange {
    u64 gfn = 0;
    unsigned level = 1;
    u64 a = 0, b = 0;
};
std::optional<LineChange> changeOf(const TraceEvent& e) {
    if (e.kind == TraceKind::SpteChanged && e.level >= 1 && e.level <= 5)
        return LineChange{e.gfn, e.level, e.a, e.b};
    if (e.kind != TraceKind::FastPageFault || (e.flags & TraceEvent::kFixed) == 0)
        return std::nullopt;
    const Level level = spte::isLarge(e.a) ? Level::k2M : Level::k4K;
    const bool own = spte::isLeaf(e.b, level) && framePart(e.a) == framePart(e.b);
    return LineChange{roundDown(Gfn{e.gfn}, level).v, number(level), e.a, own ? e.b : e.a | ept::kWrite};
}
std::size_t slotOf(const LineChange& change) { return (change.gfn * 5 + change.level) % TraceOrder::kSlots; }
bool covers(const LineChange& upper, const LineChange& lower) {
    return lower.level < upper.level && lower.gfn >= upper.gfn && lower.gfn - upper.gfn < pagesPer(levelOf(upper.level));
}
// A table where there was none.
bool isLink(const LineChange& change) {
    return change.level >= 2 && spte::isPresent(change.b) && !spte::isLarge(change.b) &&
           (!spte::isPresent(change.a) || spte::isLarge(change.a));
}
bool sameEntry(const TraceEvent& a, const TraceEvent& b) { return a.gfn == b.gfn && a.level == b.level; }
// Could an entry in which `left` was written be met as `met`? The CPU sets A and D in between (of EPT bits 8 and 9, of NPT 5 and 6).
bool couldBe(u64 left, u64 met) {
    constexpr u64 kSilent = 0x360;
    return left == met || (spte::isPresent(left) && spte::isPresent(met) && (left & ~met) == 0 && (met & ~left & ~kSilent) == 0);
}
} // namespace

void TraceOrder::give() {
    if (const auto change = changeOf(waiting_.front()); change)
        --changes_[slotOf(*change)];
    next_.event(waiting_.front());
    waiting_.pop_front();
}

void TraceOrder::flush() {
    while (!waiting_.empty())
        give();
}

// What is missing was done behind the last event of that CPU: of what other CPUs have printed since then each line may have met it.
void TraceOrder::lost(const TraceLoss& loss) {
    std::size_t sure = waiting_.size();
    if (loss.cpu != TraceLoss::kAny)
        while (sure > 0 && waiting_[sure - 1].cpu != loss.cpu)
            --sure;
    TraceLoss doubt = loss;
    doubt.again = true;
    doubt.events = 0;
    for (; !waiting_.empty(); sure -= sure > 0 ? 1 : 0) {
        if (sure == 0)
            next_.lost(doubt);
        give();
    }
    next_.lost(loss);
}

// What was printed behind the task's last line by others, and not long before: only in front of those can its next line belong.
std::size_t TraceOrder::sinceOwn(const TraceEvent& e) const {
    std::size_t at = waiting_.size();
    while (at > 0 && waiting_[at - 1].task != e.task && near(waiting_[at - 1], e))
        --at;
    return at;
}

// A change that somebody has met, changed further and printed already belongs before that line.
std::size_t TraceOrder::beforeWhoMetIt(const TraceEvent& e) const {
    const LineChange own = *changeOf(e);
    // What is not present looks alike in all trees; whoever zaps prints before anybody else may map there.
    if (changes_[slotOf(own)] == 0 || !spte::isPresent(own.b))
        return waiting_.size();
    std::size_t met = waiting_.size();
    u64 before = 0; // what the entry held there
    bool any = false, fitsHere = true;
    const std::size_t first = sinceOwn(e);
    for (std::size_t n = 0; n < waiting_.size(); ++n) {
        const auto at = changeOf(waiting_[n]);
        if (!at)
            continue;
        if (at->level > own.level && isLink(*at) && covers(*at, own)) { // a new table: what was there before is another entry
            met = waiting_.size();
            any = false;
            fitsHere = true;
            continue;
        }
        if (at->gfn != own.gfn || at->level != own.level)
            continue;
        if (n >= first && met == waiting_.size() && couldBe(own.b, at->a) && (!any || couldBe(before, own.a)))
            met = n;
        any = true;
        before = at->b;
        fitsHere = couldBe(before, own.a);
    }
    // Of lines that only take A or D away either order may fit; what the first one found tells.
    const bool bitsOnly = met < waiting_.size() && own.b == changeOf(waiting_[met])->a && couldBe(own.b, own.a) && own.a != before;
    return fitsHere && !bitsOnly ? waiting_.size() : met;
}

// What is below the entry in a table that it leads to only now, and was printed since, was done behind this.
std::size_t TraceOrder::beforeWhoUsedIt(const TraceEvent& e) const {
    std::size_t from = sinceOwn(e);
    const LineChange own = *changeOf(e);
    for (std::size_t n = from; n < waiting_.size(); ++n)
        if (const auto at = changeOf(waiting_[n]); at && at->gfn == own.gfn && at->level == own.level)
            from = n + 1;
    for (std::size_t n = from; n < waiting_.size(); ++n)
        if (const auto at = changeOf(waiting_[n]); at && covers(own, *at) && !spte::isFrozenOfAny(at->b))
            return n;
    return waiting_.size();
}

void TraceOrder::event(const TraceEvent& e) {
    std::size_t at = waiting_.size();
    if (e.kind == TraceKind::SetSpte) {
        for (auto back = waiting_.rbegin(); back != waiting_.rend(); ++back) {
            if (back->task != e.task)
                continue;
            if (back->kind == TraceKind::SpteChanged && sameEntry(*back, e) && back->b == e.a)
                back->c = e.b;
            break;
        }
    } else if (const auto change = changeOf(e); change) {
        at = isLink(*change) ? beforeWhoUsedIt(e) : beforeWhoMetIt(e);
        ++changes_[slotOf(*change)];
    }
    waiting_.insert(waiting_.begin() + static_cast<std::ptrdiff_t>(at), e);
    if (waiting_.size() > kWindow)
        give();
}

} // namespace mirrorscope
