// SPDX-License-Identifier: GPL-3.0-or-later
// no-stale-tlb, of rights: when an operation that took rights away is over, no TLB and no remembered table entry grants a write or an exec,
// or a translation at all, that the tables do not. Aging takes nothing away: it needs no flush.
#include "base/text.h"
#include "rules/checker.h"

#include <fmt/format.h>

#include <algorithm>

namespace mirrorscope::rules {

namespace {
// What an entry gives its walk; one that is tracked for access gives what its saved bits will.
u64 rightsOf(const SpteMasks& masks, u64 spte) {
    if (!spte::isPresent(spte))
        return 0;
    return spte::isAccessTracked(spte) ? spte >> spte::kSavedShift & (ept::kRead | ept::kExec) : masks.format.rights(spte);
}

// The same with the write that aging took from it, which is no loss.
u64 grantedBy(const SpteMasks& masks, u64 spte) {
    return rightsOf(masks, spte) |
           (spte::isPresent(spte) && spte::isAccessTracked(spte) && masks.isMmuWritable(spte) ? u64{ept::kWrite} : 0);
}

// What the tables translate now, from the vCPU's root to the entry of a level.
struct Found {
    bool translated = false;
    Pfn pfn; // the page, or the table
    u64 rwx = 0;
};

Found find(const RuleContext& context, unsigned vcpu, Gfn gfn, Alias alias, Level last) {
    const Kvm& kvm = context.kvm();
    const MachineConfig& config = context.system.config();
    const u64 gpn = gfn.v | (alias == Alias::Shared ? config.directBits() : 0);
    Found found;
    found.rwx = ept::kRwx;
    Pfn table{context.machine().peek(kvm.vcpuWord(vcpu, Kvm::VcpuWord::RootHpa))};
    for (unsigned n = config.levels; n > 0 && table.v != 0; --n) {
        const Level level = levelOf(n);
        const u64 spte = context.machine().peek(wordOf(table, tableIndex(gpn, level)));
        found.rwx &= grantedBy(kvm.masks(), spte);
        if (found.rwx == 0)
            return found;
        const bool leaf = spte::isLeaf(spte, level);
        table = ept::pfnOf(spte);
        if (!leaf && level != last)
            continue;
        found.translated = leaf == (last == Level::k4K); // a remembered table is none any more where there is a leaf
        found.pfn = leaf ? Pfn{table.v + (gfn.v & (pagesPer(level) - 1))} : table;
        return found;
    }
    return found;
}

// What an actor's operation has taken away so far, in two words of its own: from where and which rights (bits 62:60), and up to where; the
// latter is 0 where it has taken nothing. What a translation lost before, to aging or to another operation, is no matter of this one.
struct Taken {
    GfnRange range;
    u64 rwx = 0;
};
constexpr unsigned kTakenShift = 60;

Taken takenBy(const RuleContext& context, unsigned actor) {
    const Kvm& kvm = context.kvm();
    const u64 start = context.machine().peek(kvm.actorWord(actor, Kvm::ActorWord::ReducedStart));
    const u64 end = context.machine().peek(kvm.actorWord(actor, Kvm::ActorWord::ReducedEnd));
    return {{{start & ((u64{1} << kTakenShift) - 1)}, {end}}, start >> kTakenShift};
}

// Somebody else has taken from there, too, and has yet to flush.
bool coveredByOthers(const RuleContext& context, Gfn gfn) {
    const Sim& sim = context.system.sim();
    for (unsigned a = 0; a < sim.actors(); ++a) {
        if (a == sim.actor())
            continue;
        if (const Taken taken = takenBy(context, a); gfn < taken.range.end && gfn >= taken.range.start)
            return true;
    }
    return false;
}

std::string_view lost(u64 rwx, const Found& found) {
    return !found.translated || (found.rwx & ept::kRead) == 0 ? "reach" : (rwx & ~found.rwx & ept::kWrite) != 0 ? "write to" : "execute at";
}

void ask(RuleContext& context, unsigned vcpu, const TlbEntry& entry, u64 taken) {
    if (context.system.isTdx() && entry.alias == Alias::Private)
        return; // the module tracks what it has blocked
    const Found found = find(context, vcpu, entry.gfn, entry.alias, Level::k4K);
    const bool same = found.translated && found.pfn == entry.pfn;
    if ((same && (entry.rwx & ~found.rwx & taken) == 0) || coveredByOthers(context, entry.gfn))
        return;
    context.checker.report(Rule::NoStaleTlb, mix(mix(vcpu, entry.gfn.v), 1),
                           fmt::format("vcpu{} can still {} {} through its TLB, though what took that away is over", vcpu,
                                       same ? lost(entry.rwx, found) : "reach", context.system.gpaText(entry.gfn, entry.alias)),
                           {context.kvm().vcpuWord(vcpu, Kvm::VcpuWord::RootHpa)});
}

void ask(RuleContext& context, unsigned vcpu, const UpperEntry& entry, u64 taken) {
    if (context.system.isTdx() && entry.alias == Alias::Private)
        return;
    const Found found = find(context, vcpu, entry.gfn, entry.alias, entry.level);
    const bool same = found.translated && found.pfn == entry.table;
    if ((same && (entry.rwx & ~found.rwx & taken) == 0) || coveredByOthers(context, entry.gfn))
        return;
    context.checker.report(
        Rule::NoStaleTlb, mix(mix(vcpu, entry.gfn.v | number(entry.level)), 2),
        fmt::format("vcpu{} can still walk through the table at {} that it remembers, pfn {:#x}, though what took it away "
                    "is over",
                    vcpu, context.system.gpaText(entry.gfn, entry.alias), entry.table.v),
        {context.kvm().vcpuWord(vcpu, Kvm::VcpuWord::RootHpa)});
}
} // namespace

void noStaleTlbReduced(RuleContext& context, Place place, u64 old) {
    const Kvm& kvm = context.kvm();
    const u64 now = context.machine().peek(place);
    const u64 had = rightsOf(kvm.masks(), old);
    if (had == 0 || (ept::pfnOf(old) == ept::pfnOf(now) && (had & ~grantedBy(kvm.masks(), now)) == 0))
        return;
    const MmuPage page = kvm.peekPage(frameOf(place));
    if (page.role == 0 || role::isMirror(page.role))
        return;
    const u64 pages = pagesPer(page.level());
    const u64 first = kvm.gfnOfEntry(page, indexOf(place)).v;
    Machine& machine = context.checker.machine();
    const unsigned actor = machine.step(machine.steps() - 1).actor;
    Taken taken = takenBy(context, actor);
    taken.range.start.v = taken.range.end.v == 0 ? first : std::min(taken.range.start.v, first);
    taken.range.end.v = std::max(taken.range.end.v, first + pages);
    taken.rwx |= ept::pfnOf(old) == ept::pfnOf(now) ? had & ~grantedBy(kvm.masks(), now) : had;
    machine.set(kvm.actorWord(actor, Kvm::ActorWord::ReducedStart), taken.rwx << kTakenShift | taken.range.start.v);
    machine.set(kvm.actorWord(actor, Kvm::ActorWord::ReducedEnd), taken.range.end.v);
}

void noStaleTlbOperationEnds(RuleContext& context, bool whole) {
    const Kvm& kvm = context.kvm();
    Machine& machine = context.checker.machine();
    const unsigned actor = context.system.sim().actor();
    const Taken taken = takenBy(context, actor);
    const GfnRange range = taken.range;
    if (range.end.v == 0)
        return;
    machine.set(kvm.actorWord(actor, Kvm::ActorWord::ReducedStart), 0);
    machine.set(kvm.actorWord(actor, Kvm::ActorWord::ReducedEnd), 0);
    for (unsigned v = 0; whole && v < context.system.config().vcpus; ++v) {
        const Tlb& tlb = kvm.tlb(v);
        if (tlb.empty() || !kvm.tlbUsable(v))
            continue;
        if (range.end.v - range.start.v < tlb.size()) {
            for (Gfn gfn = range.start; gfn < range.end; ++gfn.v)
                for (const Alias alias : {Alias::Private, Alias::Shared})
                    if (const auto entry = tlb.peek(gfn, alias))
                        ask(context, v, *entry, taken.rwx);
        } else {
            const u64 size = tlb.size();
            for (u64 i = 0; i < size; ++i)
                if (const TlbEntry entry = tlb.at(i); entry.gfn >= range.start && entry.gfn < range.end)
                    ask(context, v, entry, taken.rwx);
        }
        tlb.forEachUpper([&](const UpperEntry& entry) {
            if (entry.gfn < range.end && entry.gfn.v + pagesPer(entry.level) > range.start.v)
                ask(context, v, entry, taken.rwx);
        });
    }
}

} // namespace mirrorscope::rules
