// SPDX-License-Identifier: GPL-3.0-or-later
#include "rules/checker.h"

#include "rules/net_changes.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace mirrorscope {

Checker::Checker(System& system)
    : system_(system), kinds_(system.regions(), system.machine().hashedWords()), touched_(system.frames().count()) {}

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

void Checker::reset() { seen_ = system_.machine().changeCount(); }

// What the actors have stored counts as done, although others may not see it yet. What others do because of that shows in what they store
// and in what their TLBs hold, and is judged there.
void Checker::afterStep() {
    const u64 changes = system_.machine().changeCount();
    if (seen_ == changes)
        return;
    Sim& sim = system_.sim();
    if (sim.site() == Site::StoreDrain) {
        seen_ = changes;
        return;
    }
    const StoreBuffers::Settled settled(sim.stores());
    lookAtStep();
}

void Checker::lookAtStep() {
    const Machine& machine = system_.machine();
    RuleContext context{system_, *this};
    Pass pass;
    changes_.clear();
    // A page that is made a table, or holds data, is of no rule.
    const auto isNoRules = [&](Pfn frame, u64 old, u64 now) {
        if (system_.frames().peekKind(frame) == FrameKind::Table)
            return old == 0 && now == spte::kNonpresent;
        return !(system_.isTdx() && system_.module().isSeptPage(frame));
    };
    machine.forEachNewChange(
        seen_,
        [&](Place place, u64 delta) {
            if (!system_.sim().stores().isSettled(place))
                changes_.push_back({place.v, delta});
        },
        isNoRules);
    // What was stored and has reached memory at once is in the journal already.
    const auto journalled = static_cast<std::ptrdiff_t>(changes_.size());
    for (const Sim::Stored& store : system_.sim().takeStored())
        if (std::none_of(changes_.begin(), changes_.begin() + journalled, [&](const JournalChange& c) { return c.place == store.place.v; }))
            changes_.push_back({store.place.v, store.old ^ store.now});
    toNetChanges(changes_);
    for (const JournalChange& change : changes_)
        look(context, pass, Place{change.place}, change.delta);
    if (pass.endedInvalidation)
        rules::mapsThePageRange(context, pass.ended);
    seen_ = machine.changeCount(); // the rules' own words are no news to whoever moves next
}

void Checker::look(RuleContext& context, Pass& pass, Place place, u64 delta) {
    const Machine& machine = system_.machine();
    const Kvm& kvm = system_.kvm();
    const auto old = [&] { return machine.peek(place) ^ delta; };
    switch (kinds_.of(place)) {
    case About::None: break;
    case About::Memory: lookAtEntry(context, place, delta); break;
    case About::Tlb: lookAtTlb(context, place); break;
    case About::Held: rules::lockOrderTaken(context, place.v - system_.sim().heldPlace(0).v, old(), machine.peek(place)); break;
    case About::Vm: lookAtVm(context, pass, place, delta); break;
    case About::Assert: rules::kernelAsserts(context, static_cast<Assert>(place.v - kvm.assertWord(Assert{}).v)); break;
    case About::Tdx:
        if (place == system_.backend().word(TdxBackend::Word::PremapGfn) && old() != 0)
            rules::coherentWindowClosed(context, {old() - 1}, Level::k4K);
        break;
    case About::Actor: lookAtActor(context, pass, place, delta); break;
    case About::Frame:
        if (const auto pfn = system_.frames().frameOfMeta(place)) {
            letGo(place, delta);
            rules::noStaleTlbFrame(context, *pfn);
            rules::singleOwner(context, *pfn);
        }
        break;
    case About::Rmp:
        if (const auto assigned = system_.rmp().frameOf(place))
            rules::singleOwner(context, *assigned);
        break;
    case About::Pamt: lookAtPamt(context, place, delta); break;
    case About::PamtPages: touched_.add(system_.module().frameOfPamtBitmap(place).v); break;
    case About::PamtCache:
        if (const Pfn was{machine.look(place) ^ delta}; system_.frames().valid(was)) // (or a count, by which nobody is lost)
            touched_.add(was.v);
        break;
    case About::Keeper: letGo(place, delta); break;
    case About::Slot:
        if (const auto left = kvm.leftBySlot(place, delta))
            rules::mapsThePageRange(context, *left);
        break;
    case About::GmemPinned: letGo(place, delta); [[fallthrough]];
    case About::GmemState:
        if (const auto converted = kvm.gfnOfGmemState(place)) {
            rules::mapsThePageRange(context, {*converted, {converted->v + 1}});
            rules::oneAliasUser(context, *converted, place);
        }
        break;
    case About::Page:
        letGo(place, delta);
        if (const auto gfn = kvm.gfnOfPageWord(place)) {
            if (system_.config().has(Feature::InPlaceConversion))
                rules::oneAliasUser(context, *gfn, place);
            // A page that comes takes nothing from a leaf: none could be there without one.
            if (((machine.look(place) ^ delta) & Kvm::kHostPfn) != 0 && (delta & (Kvm::kHostPfn | Kvm::kHostProtected)) != 0)
                rules::mapsThePageRange(context, {*gfn, {gfn->v + 1}});
        }
        break;
    case About::Attributes:
        if (const auto first = kvm.firstOfAttributes(place))
            for (u64 rest = delta; rest != 0; rest &= rest - 1) {
                const u64 changed = first->v + static_cast<unsigned>(std::countr_zero(rest));
                rules::mapsThePageRange(context, {{changed}, {changed + 1}});
            }
        break;
    }
}

// A word of memory: of a table of KVM's, of the secure EPT, or of data, which is of no rule.
void Checker::lookAtEntry(RuleContext& context, Place place, u64 delta) {
    const Pfn frame = frameOf(place);
    if (system_.frames().peekKind(frame) == FrameKind::Table) {
        const u64 now = context.machine().peek(place);
        if (now == spte::kNonpresent && delta == now)
            return; // a page is made a table
        letGo(place, delta);
        rules::frozenOwnedEntry(context, place);
        rules::noUseAfterFreeZap(context, place, now ^ delta);
        rules::noStaleTlbReduced(context, place, now ^ delta);
        rules::mapsThePageEntry(context, place, now ^ delta);
        if (system_.isTdx()) {
            rules::coherentTable(context, place);
            rules::oneAliasShared(context, place);
        }
    } else if (system_.isTdx() && system_.module().isSeptPage(frame)) {
        rules::coherentSept(context, place);
        rules::parentBeforeChild(context, place, context.machine().peek(place) ^ delta);
        rules::oneAliasPrivate(context, place);
    } else if (system_.frames().peekKind(frame) == FrameKind::Free) {
        letGo(place, delta); // it may have been a table until this micro-step
    }
}

void Checker::letGo(Place place, u64 delta) {
    letGo_.clear();
    system_.kvm().letGo(place, delta, letGo_);
    for (const Pfn pfn : letGo_)
        touched_.add(pfn.v);
}

void Checker::touchAllInUse() {
    for (const u64 line : system_.frames().usedLines())
        for (u64 pfn = line * 64; pfn < std::min((line + 1) * 64, system_.frames().count()); ++pfn)
            touched_.add(pfn);
}

void Checker::lookAtTlb(RuleContext& context, Place place) {
    const Machine& machine = context.machine();
    for (unsigned v = 0; v < system_.config().vcpus; ++v) {
        const Tlb& tlb = context.kvm().tlb(v);
        if (tlb.ownsUpper(place)) {
            if (const UpperEntry entry = tlb.upperAt(place); entry.table.v != 0)
                rules::noStaleTlbUpper(context, v, entry);
            return;
        }
        if (!tlb.owns(place))
            continue;
        const Place tag = tlb.tagPlace(place);
        if (machine.peek(tag) != 0)
            rules::noStaleTlbEntry(context, v, Tlb::decode(machine.peek(tag), machine.peek(tag + 1)), true);
        return;
    }
}

void Checker::lookAtVm(RuleContext& context, Pass& pass, Place place, u64 delta) {
    // (Only of these words the value is read: others are only added to, and whoever reads one is no longer independent of whoever adds.)
    const auto old = [&] { return context.machine().peek(place) ^ delta; };
    switch (static_cast<Kvm::VmWord>(place.v - context.kvm().vm(Kvm::VmWord{}).v)) {
    case Kvm::VmWord::Bugged: rules::moduleAgrees(context); break;
    case Kvm::VmWord::Destroyed: touchAllInUse(); break; // whatever was the VM's and is not free is lost, whoever kept it
    case Kvm::VmWord::LockdepLock: rules::lockOrderAsserted(context); break;
    case Kvm::VmWord::InvalidateInProgress: pass.endedInvalidation |= old() == 1; break;
    case Kvm::VmWord::InvalidateStart: pass.ended.start = {old()}; break;
    case Kvm::VmWord::InvalidateEnd: pass.ended.end = {old()}; break;
    default: break;
    }
}

void Checker::lookAtActor(RuleContext& context, Pass& pass, Place place, u64 delta) {
    if (context.machine().peek(place) != 0)
        return;
    const u64 word = (place.v - context.kvm().actorWord(0, Kvm::ActorWord{}).v) % static_cast<unsigned>(Kvm::ActorWord::Count_);
    switch (static_cast<Kvm::ActorWord>(word)) {
    case Kvm::ActorWord::Freezing: rules::frozenOwnedRelease(context, Place{delta - 1}); break;
    case Kvm::ActorWord::Clearing: pass.closed = {delta - 1}; break;
    case Kvm::ActorWord::ClearingLevel: // the other goes first
        if (system_.isTdx())
            rules::coherentWindowClosed(context, pass.closed, levelOf(static_cast<unsigned>(delta)));
        break;
    default: break;
    }
}

void Checker::lookAtPamt(RuleContext& context, Place place, u64 delta) {
    const TdxModule::FrameRun run = system_.module().framesOfPamt(place);
    // Locks come and go in the same word; only type and owner matter here.
    if (delta >> 16 == 0)
        return;
    if (run.count == 1)
        rules::tableRemoved(context, run.first, context.machine().peek(place) ^ delta);
    for (u64 i = 0; i < run.count; ++i) {
        rules::noStaleTlbFrame(context, {run.first.v + i});
        rules::singleOwner(context, {run.first.v + i});
        touched_.add(run.first.v + i); // what the module holds is not lost, until it lets go
    }
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
    if (std::exchange(quietAll_, false))
        touchAllInUse();
    touched_.forEach([&](u64 pfn) { rules::noLeak(context, {pfn}); });
    touched_.quiet();
    rules::lockOrderQuiet(context);
}

} // namespace mirrorscope
