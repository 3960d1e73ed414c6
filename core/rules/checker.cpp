// SPDX-License-Identifier: GPL-3.0-or-later
#include "rules/checker.h"

#include <algorithm>
#include <bit>

namespace mirrorscope {

void Checker::report(Rule rule, u64 key, std::string text, std::vector<Place> places) {
    if (rule == ignored_ || !known_.insert(mix(key, static_cast<u64>(rule))).second)
        return;
    const u64 steps = system_.machine().steps();
    Violation violation;
    violation.n = steps == 0 ? 0 : steps - 1;
    violation.rule = rule;
    violation.actor = steps == 0 ? system_.sim().hostActor() : system_.machine().step(steps - 1).actor;
    violation.script = steps == 0 ? 0 : system_.machine().step(steps - 1).script;
    violation.key = key;
    violation.text = std::move(text);
    violation.places = std::move(places);
    violations_.push_back(std::move(violation));
    system_.sim().mark({.kind = MarkKind::Violation, .code = static_cast<u8>(rule), .a = {violations_.size() - 1, 0, 0, 0, 0, 0}});
}

void Checker::truncate(std::size_t size) {
    for (std::size_t i = size; i < violations_.size(); ++i)
        known_.erase(mix(violations_[i].key, static_cast<u64>(violations_[i].rule)));
    violations_.resize(size);
}

void Checker::assign(std::vector<Violation> violations) {
    violations_ = std::move(violations);
    known_.clear();
    for (const Violation& v : violations_)
        known_.insert(mix(v.key, static_cast<u64>(v.rule)));
}

void Checker::reset() {
    seen_ = system_.machine().changeCount();
    quietSeen_ = std::min(quietSeen_, seen_);
}

// What the actors have stored counts as done, although others may not see it yet. What others do because of that shows in what they store
// and in what their TLBs hold, and is judged there.
void Checker::afterStep() {
    Sim& sim = system_.sim();
    if (sim.site() == Site::StoreDrain) {
        seen_ = system_.machine().changeCount();
        return;
    }
    const StoreBuffers::Settled settled(sim.stores());
    lookAtStep();
}

void Checker::lookAtStep() {
    const Machine& machine = system_.machine();
    const Kvm& kvm = system_.kvm();
    const Frames& frames = system_.frames();
    RuleContext context{system_, *this};
    const u64 memoryWords = frames.count() * 512;
    const Place actorsBegin = kvm.actorWord(0, Kvm::ActorWord::Freezing);
    const Place actorsEnd = kvm.actorWord(system_.sim().actors(), Kvm::ActorWord::Freezing);
    const Place heldBegin = system_.sim().heldPlace(0);
    const Place heldEnd = system_.sim().heldPlace(system_.sim().actors());
    const Place bugged = kvm.vm(Kvm::VmWord::Bugged);
    const Place lockdep = kvm.vm(Kvm::VmWord::LockdepLock);
    const Place assertsBegin = kvm.assertWord(Assert{}), assertsEnd = assertsBegin + kAsserts;
    const Place premap = system_.isTdx() ? system_.backend().word(TdxBackend::Word::PremapGfn) : bugged;

    const Place invalidations = kvm.vm(Kvm::VmWord::InvalidateInProgress);
    const Place invalidateStart = kvm.vm(Kvm::VmWord::InvalidateStart), invalidateEnd = kvm.vm(Kvm::VmWord::InvalidateEnd);
    Gfn closed;
    bool endedInvalidation = false;
    GfnRange ended;

    const u64 from = seen_;
    seen_ = machine.changeCount();
    const auto look = [&](Place place, u64 delta) {
        if (place.v < memoryWords) {
            const Pfn frame = frameOf(place);
            const FrameKind kind = frames.peekKind(frame);
            if (kind == FrameKind::Table) {
                const u64 now = machine.peek(place);
                if (now == spte::kNonpresent && delta == now)
                    return; // a page is made a table
                rules::frozenOwnedEntry(context, place);
                rules::noUseAfterFreeZap(context, place, machine.peek(place) ^ delta);
                rules::noStaleTlbReduced(context, place, machine.peek(place) ^ delta);
                rules::mapsThePageEntry(context, place, machine.peek(place) ^ delta);
                if (system_.isTdx()) {
                    rules::coherentTable(context, place);
                    rules::oneAliasShared(context, place);
                }
            } else if (system_.isTdx() && system_.module().isSeptPage(frame)) {
                rules::coherentSept(context, place);
                rules::parentBeforeChild(context, place, machine.peek(place) ^ delta);
                rules::oneAliasPrivate(context, place);
            }
        } else if (place >= heldBegin && place < heldEnd) {
            rules::lockOrderTaken(context, place.v - heldBegin.v, machine.peek(place) ^ delta, machine.peek(place));
        } else if (place == bugged) {
            rules::moduleAgrees(context);
        } else if (place == lockdep) {
            rules::lockOrderAsserted(context);
        } else if (place >= assertsBegin && place < assertsEnd) {
            rules::kernelAsserts(context, static_cast<Assert>(place.v - assertsBegin.v));
        } else if (place == premap) {
            if (const u64 old = machine.peek(place) ^ delta; old != 0)
                rules::coherentWindowClosed(context, {old - 1}, Level::k4K);
        } else if (place >= actorsBegin && place < actorsEnd) {
            const unsigned word = (place.v - actorsBegin.v) % static_cast<unsigned>(Kvm::ActorWord::Count_);
            const u64 now = machine.peek(place);
            if (word == static_cast<unsigned>(Kvm::ActorWord::Freezing) && now == 0)
                rules::frozenOwnedRelease(context, Place{delta - 1});
            if (word == static_cast<unsigned>(Kvm::ActorWord::Clearing) && now == 0)
                closed = {delta - 1};
            if (word == static_cast<unsigned>(Kvm::ActorWord::ClearingLevel) && now == 0 && system_.isTdx()) // the other goes first
                rules::coherentWindowClosed(context, closed, levelOf(static_cast<unsigned>(delta)));
        } else if (const auto pfn = frames.frameOfMeta(place)) {
            rules::noStaleTlbFrame(context, *pfn);
            rules::singleOwner(context, *pfn);
        } else if (const auto assigned = system_.isSnp() ? system_.rmp().frameOf(place) : std::nullopt) {
            rules::singleOwner(context, *assigned);
        } else if (const auto run = system_.isTdx() ? system_.module().framesOfPamt(place) : TdxModule::FrameRun{}; run.count != 0) {
            // Locks come and go in the same word; only type and owner matter here.
            if (delta >> 16 == 0)
                return;
            if (run.count == 1)
                rules::tableRemoved(context, run.first, machine.peek(place) ^ delta);
            for (u64 i = 0; i < run.count; ++i) {
                rules::noStaleTlbFrame(context, {run.first.v + i});
                rules::singleOwner(context, {run.first.v + i});
            }
        } else if (place == invalidations) {
            if (const u64 old = machine.peek(place) ^ delta; old == 1)
                endedInvalidation = true;
        } else if (place == invalidateStart) {
            ended.start = {machine.peek(place) ^ delta};
        } else if (place == invalidateEnd) {
            ended.end = {machine.peek(place) ^ delta};
        } else if (const auto left = kvm.leftBySlot(place, delta)) {
            rules::mapsThePageRange(context, *left);
        } else if (const auto converted = kvm.gfnOfGmemState(place)) {
            rules::mapsThePageRange(context, {*converted, {converted->v + 1}});
            rules::oneAliasUser(context, *converted, place);
        } else if (const auto gfn = kvm.gfnOfPageWord(place)) {
            if (system_.config().has(Feature::InPlaceConversion))
                rules::oneAliasUser(context, *gfn, place);
            // A page that comes takes nothing from a leaf: none could be there without one.
            const u64 old = machine.look(place) ^ delta;
            if ((old & Kvm::kHostPfn) != 0 && (delta & (Kvm::kHostPfn | Kvm::kHostProtected)) != 0)
                rules::mapsThePageRange(context, {*gfn, {gfn->v + 1}});
        } else if (const auto attributes = kvm.firstOfAttributes(place)) {
            for (u64 rest = delta; rest != 0; rest &= rest - 1) {
                const u64 changed = attributes->v + static_cast<unsigned>(std::countr_zero(rest));
                rules::mapsThePageRange(context, {{changed}, {changed + 1}});
            }
        } else {
            for (unsigned v = 0; v < system_.config().vcpus; ++v) {
                const Tlb& tlb = kvm.tlb(v);
                if (tlb.ownsUpper(place)) {
                    if (const UpperEntry entry = tlb.upperAt(place); entry.table.v != 0)
                        rules::noStaleTlbUpper(context, v, entry);
                    break;
                }
                if (!tlb.owns(place))
                    continue;
                const Place tag = tlb.tagPlace(place);
                if (machine.peek(tag) != 0)
                    rules::noStaleTlbEntry(context, v, Tlb::decode(machine.peek(tag), machine.peek(tag + 1)), true);
            }
        }
    };
    // A page that is made a table, or holds data, is of no rule.
    const auto isNoRules = [&](Pfn frame, u64 old, u64 now) {
        if (frames.peekKind(frame) == FrameKind::Table)
            return old == 0 && now == spte::kNonpresent;
        return !(system_.isTdx() && system_.module().isSeptPage(frame));
    };
    machine.forEachNewChange(
        from,
        [&](Place place, u64 delta) {
            if (!system_.sim().stores().isSettled(place))
                look(place, delta);
        },
        isNoRules);
    for (const Sim::Stored& store : system_.sim().takeStored())
        if (store.old != store.now)
            look(store.place, store.old ^ store.now);
    if (endedInvalidation)
        rules::mapsThePageRange(context, ended);
    seen_ = machine.changeCount(); // the rules' own words are no news to whoever moves next
}

void Checker::endOperation(bool whole) {
    afterStep();
    RuleContext context{system_, *this};
    const StoreBuffers::Settled settled(system_.sim().stores());
    rules::noStaleTlbOperationEnds(context, whole);
    seen_ = system_.machine().changeCount();
}

void Checker::guestRead(unsigned vcpu, Gfn gfn, Alias alias, u64 word, u64 value, std::optional<Place> record) {
    RuleContext context{system_, *this};
    if (record)
        rules::noLostWrite(context, vcpu, gfn, alias, word, value, *record);
}

void Checker::tableRead(Place entry) {
    RuleContext context{system_, *this};
    rules::noUseAfterFreeRead(context, entry);
}

void Checker::atQuiet() {
    afterStep();
    RuleContext context{system_, *this};
    std::vector<u64> touched;
    const u64 from = quietSeen_;
    quietSeen_ = system_.machine().changeCount();
    bool all = quietAll_;
    system_.machine().forEachNewChange(
        from,
        [&](Place place, u64) {
            all |= place == system_.kvm().vm(Kvm::VmWord::RootCount);
            if (const auto pfn = system_.frames().frameOfMeta(place))
                touched.push_back(pfn->v);
            else if (system_.isTdx()) // what the module holds is not lost, until it lets go
                if (const auto run = system_.module().framesOfPamt(place); run.count == 1)
                    touched.push_back(run.first.v);
        },
        [](Pfn, u64, u64) { return true; }); // that is memory
    // With a root goes what hung from it, although nobody touches that: every table is asked for.
    if (all)
        for (const u64 line : system_.frames().usedLines())
            for (u64 pfn = line * 64; pfn < std::min((line + 1) * 64, system_.frames().count()); ++pfn)
                if (quietAll_ || system_.frames().peekKind({pfn}) == FrameKind::Table)
                    touched.push_back(pfn);
    std::sort(touched.begin(), touched.end());
    touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
    quietAll_ = false;
    for (const u64 pfn : touched)
        rules::noLeak(context, {pfn});
    rules::lockOrderQuiet(context);
}

} // namespace mirrorscope
