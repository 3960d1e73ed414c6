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
// What an entry of that gfn and level holds, in each of the trees that have one: a line goes on where what it met was left.
class Ends {
public:
    void clear() { count_ = 0; }
    bool fit(u64 met) const {
        return count_ == 0 || std::any_of(ends_.begin(), ends_.begin() + count_, [&](u64 end) { return couldBe(end, met); });
    }
    bool hold(u64 spte) const { return std::find(ends_.begin(), ends_.begin() + count_, spte) != ends_.begin() + count_; }
    void goOn(const LineChange& change) {
        auto* end = std::find_if(ends_.begin(), ends_.begin() + count_, [&](u64 left) { return couldBe(left, change.a); });
        if (end == ends_.end()) // of more trees than that the first is forgotten
            end = std::move(ends_.begin() + 1, ends_.end(), ends_.begin());
        else if (end == ends_.begin() + count_)
            ++count_;
        *end = change.b;
    }

private:
    std::array<u64, 8> ends_{};
    std::ptrdiff_t count_ = 0;
};
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

void TraceOrder::lost(const TraceLoss& loss) {
    flush();
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
    Ends ends;
    const std::size_t first = sinceOwn(e);
    for (std::size_t n = 0; n < waiting_.size(); ++n) {
        const auto at = changeOf(waiting_[n]);
        if (!at)
            continue;
        if (at->level > own.level && isLink(*at) && covers(*at, own)) { // a new table: what was there before is another entry
            met = waiting_.size();
            ends.clear();
            continue;
        }
        if (at->gfn != own.gfn || at->level != own.level)
            continue;
        if (n >= first && met == waiting_.size() && couldBe(own.b, at->a) && ends.fit(own.a)) {
            if (!ends.fit(at->a)) // it met what nobody else has left
                return n;
            met = n;
        }
        ends.goOn(*at);
    }
    // Of lines that only take A or D away either order may fit; what the first one found tells.
    const bool bitsOnly = met < waiting_.size() && own.b == changeOf(waiting_[met])->a && couldBe(own.b, own.a) && !ends.hold(own.a);
    return ends.fit(own.a) && !bitsOnly ? waiting_.size() : met;
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
