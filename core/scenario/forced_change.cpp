// SPDX-License-Identifier: GPL-3.0-or-later
#include "scenario/forced_change.h"

#include "kvm/protocol.h"

namespace mirrorscope {

namespace {
Outcome failed(int error) { return {Outcome::Kind::Errno, static_cast<u64>(error), 0}; }

class Forcing {
public:
    Forcing(Kvm& kvm, const ForcedChange& change) : kvm_(kvm), change_(change) {}

    Outcome run() {
        if (const int r = kvm_.kvm_mmu_reload(change_.vcpu); r != 0)
            return failed(-r);
        if (const int r = kvm_.mmu_topup_memory_caches(change_.vcpu); r != 0)
            return failed(-r);
        if (!findPage())
            return failed(kENOENT);
        const auto lock = [&](bool take) {
            if (take)
                change_.atomic ? kvm_.sim().readLock(LockId::MmuLock) : kvm_.sim().writeLock(LockId::MmuLock);
            else
                change_.atomic ? kvm_.sim().readUnlock(LockId::MmuLock) : kvm_.sim().writeUnlock(LockId::MmuLock);
        };
        lock(true);
        const int r = change();
        lock(false);
        if (page_.v != 0)
            kvm_.put_page(page_); // the fault's reference
        return r == 0 ? Outcome{} : failed(-r);
    }

private:
    // The page of the gfn, or of the next one.
    bool findPage() {
        KvmPageFault fault;
        fault.vcpu = change_.vcpu;
        fault.gfn = {change_.gfn.v + (change_.otherFrame ? pagesPer(change_.level) : 0)};
        fault.write = true;
        fault.isPrivate = kvm_.config().hasPrivateMem() && kvm_.kvm_mem_is_private(fault.gfn);
        fault.slot = kvm_.slotOf(fault.gfn);
        if (fault.slot < 0)
            return false;
        fault.memslot = kvm_.slot(fault.slot);
        if (kvm_.protocol().kvm_mmu_faultin_pfn(kvm_, fault) != RET_PF_CONTINUE)
            return false;
        page_ = fault.pfn;
        return true;
    }

    u64 leaf() const {
        const Pfn pfn{page_.v & ~(pagesPer(change_.level) - 1)};
        return make_spte(kvm_.masks(), change_.level, pfn, false, true, true);
    }

    Pfn newTable(const TdpIter& iter) {
        const Pfn child = kvm_.kvm_mmu_memory_cache_alloc(change_.vcpu, VcpuWord::ShadowCache, FrameKind::Table, 0);
        kvm_.tdp_mmu_init_child_sp(child, iter);
        if (kvm_.protocol().carriesOver(kvm_, child, iter.gfn))
            kvm_.spSet(child, Kvm::kExternal,
                       kvm_.kvm_mmu_memory_cache_alloc(change_.vcpu, VcpuWord::ExternalCache, FrameKind::ExternalTable, child.v).v);
        return child;
    }

    void plant(TdpIter& iter, EntryKind kind) {
        u64 spte = spte::kNonpresent;
        switch (kind) {
        case EntryKind::None: break;
        case EntryKind::Leaf: spte = leaf(); break;
        case EntryKind::Table: spte = make_nonleaf_spte(kvm_.masks(), newTable(iter)); break;
        case EntryKind::Frozen: spte = spte::kFrozen; break;
        }
        kvm_.write_spte_once(Site::SpteStore, iter.sptep, spte);
        iter.oldSpte = spte;
    }

    int set(TdpIter& iter, u64 spte) {
        if (change_.atomic)
            return kvm_.tdp_mmu_set_spte_atomic(iter, spte);
        kvm_.tdp_mmu_iter_set_spte(iter, spte);
        return 0;
    }

    int setTable(TdpIter& iter) {
        const bool split = entryKindOf(iter.oldSpte, iter.level) == EntryKind::Leaf;
        const Pfn child = newTable(iter);
        const int r = split ? kvm_.tdp_mmu_split_huge_page(iter, child, change_.atomic) : kvm_.tdp_mmu_link_sp(iter, child, change_.atomic);
        if (r != 0)
            kvm_.tdp_mmu_free_sp(child);
        return r;
    }

    int change() {
        const Pfn root{kvm_.machine().get(kvm_.vcpuWord(change_.vcpu, change_.mirror ? VcpuWord::MirrorRootHpa : VcpuWord::RootHpa))};
        int r = -kENOENT;
        kvm_.sim().rcuReadLock();
        TdpIter iter;
        kvm_.tdp_iter_start(iter, root, change_.level, change_.gfn);
        while (iter.valid && iter.level != change_.level && spte::isTable(iter.oldSpte, iter.level))
            kvm_.protocol().tdp_iter_next(kvm_, iter);
        if (iter.valid && iter.level == change_.level) {
            if (change_.from && *change_.from != entryKindOf(iter.oldSpte, iter.level))
                plant(iter, *change_.from);
            // Another non-present value: the frame's bits mean nothing there.
            constexpr u64 kOther = 1ull << 12;
            switch (change_.to) {
            case EntryKind::None: r = set(iter, spte::kNonpresent | (spte::isPresent(iter.oldSpte) ? 0 : kOther)); break;
            case EntryKind::Leaf: // of the same page: with another right
                r = set(iter, change_.otherFrame || entryKindOf(iter.oldSpte, iter.level) != EntryKind::Leaf
                                  ? leaf()
                                  : iter.oldSpte & ~u64{ept::kWrite});
                break;
            case EntryKind::Table: r = setTable(iter); break;
            case EntryKind::Frozen: r = set(iter, spte::kFrozen); break;
            }
        }
        kvm_.sim().rcuReadUnlock();
        return r;
    }

    using VcpuWord = Kvm::VcpuWord;
    Kvm& kvm_;
    const ForcedChange& change_;
    Pfn page_;
};
} // namespace

EntryKind entryKindOf(u64 spte, Level level) {
    if (spte::isFrozen(spte))
        return EntryKind::Frozen;
    if (!spte::isPresent(spte))
        return EntryKind::None;
    return spte::isLast(spte, level) ? EntryKind::Leaf : EntryKind::Table;
}

ForcedChange forcedChangeOf(const Kvm& kvm, const Step& step, Gfn gfn, bool atomic) {
    ForcedChange change;
    change.vcpu = static_cast<unsigned>(step.number("vcpu"));
    change.mirror = kvm.kvm_has_mirrored_tdp() && step.number("as") == 0;
    change.level = step.has("level") ? levelOf(static_cast<unsigned>(step.number("level"))) : Level::k4K;
    change.gfn = roundDown(gfn, change.level);
    if (step.has("from"))
        change.from = static_cast<EntryKind>(step.number("from"));
    change.to = static_cast<EntryKind>(step.number("to"));
    change.otherFrame = step.number("frame") != 0;
    change.atomic = atomic;
    return change;
}

Outcome forceChange(Kvm& kvm, const ForcedChange& change) { return Forcing(kvm, change).run(); }

} // namespace mirrorscope
