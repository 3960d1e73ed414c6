// SPDX-License-Identifier: GPL-3.0-or-later
// maps-the-page: a present leaf in KVM's trees maps the page that slot, file and attribute give for it, and is writable only where the host
// lets it be written; an MMIO entry stands where its gfn belongs; but between the begin of an invalidation that covers it and its end
// (kvm_mmu_invalidate_begin(), _end(), v6.16).
#include "base/text.h"
#include "rules/checker.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace mirrorscope::rules {

namespace {
struct Backing {
    Pfn pfn;               // 0: none
    bool writable = false; // the host's mapping allows it
};

bool invalidating(const RuleContext& context, Gfn gfn) {
    gfn = bare(gfn);
    const Kvm& kvm = context.kvm();
    return kvm.peekVm(Kvm::VmWord::InvalidateInProgress) != 0 && gfn.v >= kvm.peekVm(Kvm::VmWord::InvalidateStart) &&
           gfn.v < kvm.peekVm(Kvm::VmWord::InvalidateEnd);
}

// Nothing where the memslot is about to go: that invalidates as well.
std::optional<Backing> backingOf(const RuleContext& context, Gfn gfn, bool mirror) {
    const Kvm& kvm = context.kvm();
    const int index = kvm.peekSlotOf(gfn);
    if (index < 0)
        return Backing{};
    const Memslot slot = kvm.peekSlot(index);
    if (slot.invalid)
        return std::nullopt;
    const bool isPrivate = context.system.config().hasPrivateMem() && kvm.peekPrivate(gfn);
    if (context.system.isTdx() && isPrivate != mirror)
        return Backing{};
    if (isPrivate || kvm.gmemHasAll(slot))
        return slot.guestMemfd ? Backing{kvm.peekGmemPage(slot, gfn), !slot.readonly} : Backing{};
    const u64 word = context.machine().peek(kvm.hostPlace(slot, gfn));
    const Kvm::VmaProt prot = kvm.vmaProt(slot, gfn);
    if (prot == Kvm::VmaProt::None)
        return Backing{};
    return Backing{{word & Kvm::kHostPfn}, !slot.readonly && (word & Kvm::kHostProtected) == 0 && prot == Kvm::VmaProt::ReadWrite};
}

// Calls `one` with the pages of a leaf until it says that it has seen enough. Of a huge leaf: its ends (a slot has no holes, nor has a page
// of the host), each page whose attribute is not the first one's, and once there was an mprotect(), which takes pages of the host apart,
// all.
template <class F>
void forEachSuspect(const RuleContext& context, Gfn first, u64 pages, F&& one) {
    const Kvm& kvm = context.kvm();
    if (!one(first) || pages == 1 || !one(Gfn{first.v + pages - 1}))
        return;
    const bool all = kvm.peekVmaChanged();
    if (!all && !context.system.config().hasPrivateMem())
        return;
    const u64 asFirst = kvm.peekPrivate(first) ? ~u64{0} : 0;
    for (u64 i = 0; i < pages; i += 64)
        for (u64 rest = all ? ~u64{0} : kvm.peekPrivateBits({first.v + i}) ^ asFirst; rest != 0; rest &= rest - 1)
            if (!one(Gfn{first.v + i + static_cast<unsigned>(std::countr_zero(rest))}))
                return;
}

void judge(RuleContext& context, const MmuPage& page, Place place, u64 spte) {
    const Kvm& kvm = context.kvm();
    const Gfn gfn = kvm.gfnOfEntry(page, indexOf(place));
    const bool mirror = role::isMirror(page.role);
    forEachSuspect(context, gfn, pagesPer(page.level()), [&](Gfn at) {
        if (invalidating(context, at))
            return false;
        const auto backing = backingOf(context, at, mirror);
        if (!backing)
            return false;
        const Pfn pfn{ept::pfnOf(spte).v + (at.v - gfn.v)};
        const bool writes = spte::isWritable(spte) && !backing->writable;
        if (backing->pfn == pfn && !writes)
            return true;
        context.checker.report(Rule::MapsThePage, mix(mix(at.v, pfn.v), mirror),
                               fmt::format("the {} leaf of {} {} pfn {:#x}, but {}", mirror ? "mirror" : "direct", gpaHex(at),
                                           backing->pfn == pfn ? "lets the guest write to" : "maps", pfn.v,
                                           backing->pfn == pfn      ? "the host does not"
                                           : backing->pfn.v != 0    ? fmt::format("its page is pfn {:#x}", backing->pfn.v)
                                           : kvm.peekSlotOf(at) < 0 ? "no memslot is there"
                                                                    : "it has no page"),
                               {place});
        return false;
    });
}

// An MMIO entry names the gfn that it was made for; one that stands elsewhere takes a page of memory from the guest.
void judgeMmio(RuleContext& context, const MmuPage& page, Place place, u64 spte) {
    const u64 own = get_mmio_spte_gfn(context.kvm().masks(), spte).v;
    const u64 here = bare(context.kvm().gfnOfEntry(page, indexOf(place))).v;
    if (own != here)
        context.checker.report(Rule::MapsThePage, mix(own, here),
                               fmt::format("the direct MMIO entry of {} stands where a walk for {} ends", hex(own << 12), hex(here << 12)),
                               {place});
}

// The leaves of a table within the range. What is read only to find them is not noted: whoever stores a leaf reads the words of the
// invalidation in the same micro-step (judge()), so that the end of it never commutes with that.
void descend(RuleContext& context, Pfn table, const GfnRange& range) {
    const Machine& machine = context.machine();
    const MmuPage page = context.kvm().peekPage(table);
    const u64 pages = pagesPer(page.level());
    const u64 bits = context.system.config().directBits();
    // Below the shared bit a table covers one run of gfns.
    u64 from = 0, to = 512;
    if ((bits & (512 * pages - 1)) == 0) {
        const u64 base = page.gfn.v & ~bits;
        from = range.start.v > base ? std::min<u64>(512, (range.start.v - base) / pages) : 0;
        to = range.end.v > base ? std::min<u64>(512, (range.end.v - base + pages - 1) / pages) : 0;
    }
    for (u64 i = from; i < to; ++i) {
        const unsigned index = static_cast<unsigned>(i);
        const Place place = wordOf(table, index);
        const u64 spte = machine.look(place);
        const u64 first = context.kvm().gfnOfEntry(page, index).v;
        if (!spte::isPresent(spte) || first >= range.end.v || first + pages <= range.start.v)
            continue;
        if (spte::isLeaf(spte, page.level()))
            judge(context, page, place, machine.peek(place));
        else if (context.system.frames().peekKind(ept::pfnOf(spte)) == FrameKind::Table)
            descend(context, ept::pfnOf(spte), range);
    }
}
} // namespace

void mapsThePageEntry(RuleContext& context, Place place, u64 old) {
    const u64 now = context.machine().peek(place);
    const MmuPage page = context.kvm().peekPage(frameOf(place));
    if (page.role != 0 && stateOf(context.kvm().masks(), now, page.level()) == SpteState::Mmio)
        judgeMmio(context, page, place, now);
    if (page.role == 0 || !spte::isLeaf(now, page.level()))
        return;
    if (spte::isLeaf(old, page.level()) && ept::pfnOf(old) == ept::pfnOf(now) && spte::isWritable(old) == spte::isWritable(now))
        return;
    // The parts of a leaf that is being split are judged as the leaf was.
    if (context.kvm().reachable(frameOf(place)) && !role::isInvalid(page.role))
        judge(context, page, place, now);
}

void mapsThePageRange(RuleContext& context, const GfnRange& range) {
    for (const Pfn root : context.kvm().roots())
        if (!role::isInvalid(context.kvm().peekPage(root).role))
            descend(context, root, range);
}

} // namespace mirrorscope::rules
