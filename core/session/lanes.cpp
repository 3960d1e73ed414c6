// SPDX-License-Identifier: GPL-3.0-or-later
#include "session/lanes.h"

#include "session/style.h"
#include "system/system.h"

#include <algorithm>
#include <bit>

namespace mirrorscope {

namespace {
constexpr u64 kNever = ~u64{0};
u16 bitOf(Site site) { return static_cast<u16>(1u << static_cast<unsigned>(groupOf(site))); }
} // namespace

std::string_view leafName(const Span& span) { return info(static_cast<Leaf>(span.code)).name; }
std::string statusName(const Span& span) { return span.exits ? "EXIT" : std::string(tdx::statusName(span.detail)); }

std::vector<CallRegister> registersOf(const System& system, const Span& span) {
    std::vector<CallRegister> list;
    const LeafInfo& leaf = info(static_cast<Leaf>(span.code));
    const auto& marks = system.sim().marks();
    const Mark entered = marks[span.entered];
    const u64* in = entered.a;
    constexpr std::array<std::string_view, 4> kRegs{"RCX", "RDX", "R8", "R9"};
    const std::array operands{leaf.rcx, leaf.rdx, leaf.r8, leaf.r9};
    for (std::size_t i = 0; i < kRegs.size(); ++i)
        if (operands[i] != Operand::None)
            list.push_back({kRegs[i], operands[i] == Operand::GpaLevel ? "gpa, level" : std::string(name(operands[i])), in[i], false});
    if (!span.closed)
        return list;
    list.push_back({"RAX", statusName(span), span.detail, true});
    if (!span.exits && span.kind == Span::Kind::Seamcall) {
        const Mark left = marks[span.left];
        const u64* out = left.a + 1;
        for (std::size_t i = 0; i < kRegs.size(); ++i)
            if (out[i] != in[i])
                list.push_back({kRegs[i], {}, out[i], true});
    }
    return list;
}

void Lanes::build(const System& system, const std::vector<ActorId>& actors) {
    static_assert(kStepGroups <= 16 && kLocks <= 8);
    system_ = &system;
    actors_ = actors;
    const Machine& machine = system.machine();
    const Sim& sim = system.sim();
    steps_ = machine.steps();
    const unsigned most = 2 * sim.actors(); // and the store buffer of each
    std::vector<ActorId> indexOfActor(most);
    for (std::size_t i = 0; i < actors.size(); ++i)
        indexOfActor[actors[i]] = static_cast<ActorId>(i);
    fine_.assign((steps_ / kFine + 1) * actors.size(), 0);
    coarse_.assign((steps_ / kCoarse + 1) * actors.size(), 0);

    // Locks: who holds what is a word per actor.
    std::vector<std::vector<std::size_t>> open(most); // by actor: indexes of the spans that last, in the list of their lock
    const Place firstHeld = sim.heldPlace(0);
    for (u64 n = 0; n < steps_; ++n) {
        const StepRecord& record = machine.step(n);
        const std::size_t a = indexOfActor[record.actor];
        const u16 bit = bitOf(record.site);
        fine_[n / kFine * actors.size() + a] |= bit;
        coarse_[n / kCoarse * actors.size() + a] |= bit;
        if (record.site != Site::LockAcquire && record.site != Site::LockRelease)
            continue;
        machine.forEachChange(n, [&](Place place, u64 delta) {
            if (place < firstHeld || place.v >= firstHeld.v + sim.actors())
                return;
            for (u64 bits = delta; bits != 0; bits &= bits - 1) {
                const auto which = static_cast<unsigned>(std::countr_zero(bits));
                const auto lock = which / 2;
                if (lock >= kLocks)
                    continue;
                auto& list = locks_[lock];
                auto& mine = open[record.actor];
                const auto held =
                    std::find_if(mine.begin(), mine.end(), [&](std::size_t i) { return i >> 8 < list.size() && (i & 0xff) == which; });
                if (held != mine.end()) {
                    list[*held >> 8].end = n + 1;
                    list[*held >> 8].closed = true;
                    mine.erase(held);
                } else {
                    mine.push_back(list.size() << 8 | which);
                    list.push_back({.kind = Span::Kind::Lock,
                                    .begin = n,
                                    .end = steps_,
                                    .actor = record.actor,
                                    .code = static_cast<u8>(lock),
                                    .write = which % 2 == 1});
                }
            }
        });
    }

    // SEAMCALLs, faults and waits: marks in the order of their micro-steps.
    const auto& marks = sim.marks();
    std::vector<std::vector<std::size_t>> calls(most);
    std::vector<u64> exitOf(most, kNever);
    for (std::size_t i = 0; i < marks.size(); ++i) {
        const Mark& mark = marks[i];
        switch (mark.kind) {
        case MarkKind::Seamcall:
        case MarkKind::TdCall:
            if (mark.phase == 0) {
                calls[mark.actor].push_back(seamcalls_.size());
                seamcalls_.push_back(
                    {.kind = mark.kind == MarkKind::Seamcall ? Span::Kind::Seamcall : Span::Kind::Tdcall,
                     .begin = mark.n,
                     .end = steps_,
                     .actor = mark.actor,
                     .code = mark.code,
                     .gpa = info(static_cast<Leaf>(mark.code)).rcx == Operand::GpaLevel ? mark.a[0] & ept::kPfnMask : Span::kNoGpa,
                     .entered = static_cast<u32>(i)});
            } else if (!calls[mark.actor].empty()) {
                Span& span = seamcalls_[calls[mark.actor].back()];
                calls[mark.actor].pop_back();
                span.end = mark.n + 1;
                span.detail = mark.a[0];
                span.exits = mark.kind == MarkKind::TdCall && mark.a[1] != 0;
                span.left = static_cast<u32>(i);
                span.closed = true;
            }
            break;
        case MarkKind::Exit: exitOf[mark.actor] = mark.n; break;
        case MarkKind::Fault:
            faults_.push_back({.kind = Span::Kind::Fault,
                               .begin = exitOf[mark.actor] == kNever ? mark.n : exitOf[mark.actor],
                               .end = mark.n + 1,
                               .actor = mark.actor,
                               .code = mark.code,
                               .closed = true,
                               .detail = mark.a[2],
                               .gpa = mark.a[0]});
            break;
        case MarkKind::LockWait: {
            const auto found = std::find(actors.begin(), actors.end(), mark.actor);
            const u64 got = found == actors.end() ? kNever : next(mark.n + 1, static_cast<std::size_t>(found - actors.begin()));
            locks_[mark.code].push_back({.kind = Span::Kind::Wait,
                                         .begin = mark.n,
                                         .end = got == kNever ? steps_ : got,
                                         .actor = mark.actor,
                                         .code = mark.code,
                                         .write = mark.phase != 0,
                                         .closed = got != kNever});
            break;
        }
        default: break;
        }
    }
    const auto byBegin = [](const Span& a, const Span& b) { return a.begin < b.begin; };
    for (auto* list : {&seamcalls_, &faults_})
        std::stable_sort(list->begin(), list->end(), byBegin);
    for (auto& list : locks_)
        std::stable_sort(list.begin(), list.end(), byBegin);
}

u16 Lanes::groups(u64 from, u64 to, std::size_t actor) const {
    to = std::min(to, steps_);
    u16 bits = 0;
    const auto block = [&](const std::vector<u16>& blocks, u64 n) { return blocks[n * actors_.size() + actor]; };
    // A part of a block is only looked into if there may be something that is not known yet: a micro-step far away costs more than all
    // the blocks beside it.
    const auto lookInto = [&](u64 begin, u64 end) {
        const Machine& machine = system_->machine();
        for (u64 n = begin; n < end && (block(fine_, n / kFine) & ~bits) != 0; ++n)
            if (const StepRecord record = machine.step(n); record.actor == actors_[actor])
                bits |= bitOf(record.site);
    };
    const u64 first = (from + kFine - 1) / kFine * kFine, last = to / kFine * kFine;
    for (u64 n = first; n < last;) {
        const bool coarse = n % kCoarse == 0 && n + kCoarse <= last;
        bits |= coarse ? block(coarse_, n / kCoarse) : block(fine_, n / kFine);
        n += coarse ? kCoarse : kFine;
    }
    if (first > last) {
        lookInto(from, to);
        return bits;
    }
    lookInto(from, first);
    lookInto(last, to);
    return bits;
}

u64 Lanes::next(u64 from, std::size_t actor) const {
    const Machine& machine = system_->machine();
    for (u64 n = from; n < steps_;) {
        if (n % kCoarse == 0 && coarse_[n / kCoarse * actors_.size() + actor] == 0)
            n += kCoarse;
        else if (n % kFine == 0 && fine_[n / kFine * actors_.size() + actor] == 0)
            n += kFine;
        else if (machine.step(n).actor == actors_[actor])
            return n;
        else
            ++n;
    }
    return kNever;
}

u64 Lanes::previous(u64 from, std::size_t actor) const {
    const Machine& machine = system_->machine();
    for (u64 n = std::min(from, steps_); n > 0;) {
        if (n % kCoarse == 0 && coarse_[(n / kCoarse - 1) * actors_.size() + actor] == 0)
            n -= kCoarse;
        else if (n % kFine == 0 && fine_[(n / kFine - 1) * actors_.size() + actor] == 0)
            n -= kFine;
        else if (machine.step(n - 1).actor == actors_[actor])
            return n - 1;
        else
            --n;
    }
    return kNever;
}

std::size_t Lanes::firstFrom(const std::vector<Span>& spans, u64 n) {
    return static_cast<std::size_t>(std::lower_bound(spans.begin(), spans.end(), n, [](const Span& s, u64 at) { return s.begin < at; }) -
                                    spans.begin());
}

std::vector<std::size_t> Lanes::lasting(const std::vector<Span>& spans, u64 n) {
    constexpr std::size_t kLookedAt = 512;
    std::vector<std::size_t> found;
    const std::size_t first = firstFrom(spans, n);
    for (std::size_t i = first; i > 0 && first - i < kLookedAt; --i)
        if (spans[i - 1].end > n)
            found.push_back(i - 1);
    return found;
}

} // namespace mirrorscope
