// SPDX-License-Identifier: GPL-3.0-or-later
#include "rules/checker.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <string_view>
#include <utility>

namespace mirrorscope {

namespace {
// Words that no rule looks at when they change, by the name of their run. (Indexes are none either.)
constexpr std::string_view kOfNoRule[] = {"lock",   "rcu-depth", "srcu-depth", "srcu-waiters", "srcu-wait-for", "vcpu-mutex", "rcu-queue",
                                          "vcpu",   "dirty",     "log-note",   "pml",          "gmem-file",     "vma",        "last-write",
                                          "result", "tdvpr",     "tlb-epoch",  "pamt-cache",   "running-vcpu"};
} // namespace

Checker::Checker(System& system) : system_(system) {
    for (const Regions::Run& run : system.regions().runs()) {
        if (run.begin >= system.machine().hashedWords())
            break;
        const bool ofNone = std::find(std::begin(kOfNoRule), std::end(kOfNoRule), run.name) != std::end(kOfNoRule);
        const About about = ofNone ? About::None : run.name == "tlb" ? About::Tlb : About::Any;
        if (!words_.empty() && words_.back().about == about)
            words_.back().end = run.end;
        else
            words_.push_back({run.end, about});
    }
}

Checker::About Checker::aboutOf(Place place) const {
    const auto found = std::upper_bound(words_.begin(), words_.end(), place.v, [](u64 at, const Words& words) { return at < words.end; });
    return found == words_.end() ? About::None : found->about;
}

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
    const auto lookAtTlb = [&](Place place) {
        for (unsigned v = 0; v < system_.config().vcpus; ++v) {
            const Tlb& tlb = kvm.tlb(v);
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
        }
    };
    const auto look = [&](Place place, u64 delta) {
        if (const About about = aboutOf(place); about != About::Any) {
            if (about == About::Tlb)
                lookAtTlb(place);
        } else if (place.v < memoryWords) {
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

namespace {
// Frames that something was done to: each once, ascending. So many that a list of all times would be long are kept as a bit each.
class Touched {
public:
    explicit Touched(u64 frames) : frames_(frames) {}
    void add(u64 pfn) {
        if (!bits_.empty()) {
            bits_[pfn / 64] |= u64{1} << pfn % 64;
            return;
        }
        list_.push_back(pfn);
        if (list_.size() < kMost)
            return;
        bits_.assign(frames_ / 64 + 1, 0);
        for (const u64 known : std::exchange(list_, {}))
            add(known);
    }
    template <class F>
    void forEach(F&& f) {
        std::sort(list_.begin(), list_.end());
        list_.erase(std::unique(list_.begin(), list_.end()), list_.end());
        for (const u64 pfn : list_)
            f(pfn);
        for (u64 line = 0; line < bits_.size(); ++line)
            for (u64 rest = bits_[line]; rest != 0; rest &= rest - 1)
                f(line * 64 + static_cast<unsigned>(std::countr_zero(rest)));
    }

private:
    static constexpr std::size_t kMost = 1 << 16;
    u64 frames_;
    std::vector<u64> list_, bits_;
};
} // namespace

void Checker::atQuiet() {
    afterStep();
    RuleContext context{system_, *this};
    Touched touched(system_.frames().count());
    const u64 from = quietSeen_;
    quietSeen_ = system_.machine().changeCount();
    bool all = quietAll_;
    system_.machine().forEachNewChange(
        from,
        [&](Place place, u64) {
            all |= place == system_.kvm().vm(Kvm::VmWord::RootCount);
            if (const auto pfn = system_.frames().frameOfMeta(place))
                touched.add(pfn->v);
            else if (system_.isTdx()) // what the module holds is not lost, until it lets go
                if (const auto run = system_.module().framesOfPamt(place); run.count == 1)
                    touched.add(run.first.v);
        },
        [](Pfn, u64, u64) { return true; }); // that is memory
    // With a root goes what hung from it, although nobody touches that: every table is asked for.
    if (all)
        for (const u64 line : system_.frames().usedLines())
            for (u64 pfn = line * 64; pfn < std::min((line + 1) * 64, system_.frames().count()); ++pfn)
                if (quietAll_ || system_.frames().peekKind({pfn}) == FrameKind::Table)
                    touched.add(pfn);
    quietAll_ = false;
    touched.forEach([&](u64 pfn) { rules::noLeak(context, {pfn}); });
    rules::lockOrderQuiet(context);
}

} // namespace mirrorscope
