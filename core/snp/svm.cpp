// SPDX-License-Identifier: GPL-3.0-or-later
#include "snp/svm.h"

#include "kvm/exits.h"

namespace mirrorscope {

VmTraits SnpOps::traits() {
    constexpr u8 kVmgexit = 201; // by the number that exports give to SVM_EXIT_VMGEXIT
    VmTraits traits;
    traits.masks = nptMasks();
    traits.protectedState = true;
    traits.callExit = kVmgexit;
    traits.mapGpa = "snp_begin_psc";
    traits.mapGpaChunk = 0; // a page-state change lists its entries; those that follow one another are one exit
    return traits;
}

// At the first use of a page; later it is assigned already.
int SnpOps::gmem_prepare(Pfn pfn, Gfn gfn) {
    Call call(sim_, "sev_gmem_prepare");
    if (rmp_.get(pfn).assigned)
        return 0;
    return rmpupdate(pfn, {true, false, Level::k4K, Rmp::kAsid, gfn}) == 0 ? 0 : -kEINVAL;
}

// arch/x86/virt/svm/sev.c: an overlap with another CPU's update is tried again, for ever.
int SnpOps::rmpupdate(Pfn pfn, const RmpEntry& to) {
    for (Retry retry(sim_);; retry.again())
        if (const RmpStatus status = rmp_.rmpupdate(pfn, to); status != RmpStatus::FailOverlap)
            return status == RmpStatus::Ok ? 0 : -kEFAULT;
}

void SnpOps::gmem_invalidate(Pfn pfn) {
    Call call(sim_, "sev_gmem_invalidate");
    if (!rmp_.get(pfn).assigned)
        return;
    if (rmp_.levelOf(pfn) == Level::k2M)
        kvm_.WARN_ON_ONCE(rmp_.psmash({pfn.v & ~(pagesPer(Level::k2M) - 1)}) != RmpStatus::Ok, Assert::PsmashFailed);
    kvm_.WARN_ON_ONCE(rmpupdate(pfn, {}) != 0, Assert::RmpUpdateFailed);
}

// What the guest had encrypted is what the host finds there.
void SnpOps::gmem_make_shared(Pfn pfn) {
    const bool wasGuests = rmp_.get(pfn).assigned;
    gmem_invalidate(pfn);
    if (!wasGuests)
        return;
    sim_.step(Site::PageFree);
    Machine& machine = kvm_.machine();
    for (unsigned i = 0; i < 512; ++i)
        machine.set(wordOf(pfn, i), mix(machine.get(wordOf(pfn, i)), Rmp::kAsid));
}

Pfn SnpOps::hardwareRoot(unsigned vcpu, Alias) const { return {kvm_.machine().get(kvm_.vcpuWord(vcpu, Kvm::VcpuWord::RootHpa))}; }

// The last check of the CPU's walk. A private access needs the guest's own, validated page of that GPA; a shared write needs a page of
// the host; a shared read is not checked, for it finds what the host would find: ciphertext.
void SnpOps::checkOwner(Gfn gfn, Alias alias, Access access, EptWalk& walk) const {
    const Pfn pfn{ept::pfnOf(walk.entry).v + (gfn.v & (pagesPer(walk.level) - 1))};
    const RmpEntry entry = rmp_.get(pfn);
    if (alias == Alias::Shared) {
        if (access == Access::Write && entry.assigned)
            walk.outcome = EptWalk::Outcome::NotOwner;
        if (entry.assigned)
            walk.rwx &= ~u64{ept::kWrite}; // so that no write goes through what a read cached
        return;
    }
    if (!entry.assigned || entry.asid != Rmp::kAsid || entry.gfn != gfn || (walk.level == Level::k4K && rmp_.levelOf(pfn) == Level::k2M))
        walk.outcome = EptWalk::Outcome::NotOwner;
    else if (!entry.validated)
        walk.outcome = EptWalk::Outcome::NotValidated;
}

u64 SnpOps::decrypted(Alias alias, Pfn pfn, u64 word) const {
    return alias == Alias::Shared && rmp_.get(pfn).assigned ? mix(word, Rmp::kAsid) : word;
}

Outcome SnpOps::accept(unsigned vcpu, const GuestOp& op, u64 gpa, bool& exits, EptWalk& walk) {
    const Gfn gfn = roundDown({gpa >> 12}, op.level);
    Machine& machine = kvm_.machine();
    sim_.step(Site::TlbFill);
    walk = walkEpt(machine, hardwareRoot(vcpu, Alias::Private), kvm_.config().levels, gfn.v, Access::Read, kvm_.masks().format);
    exits = walk.outcome != EptWalk::Outcome::Translated;
    if (exits)
        return {};
    const Pfn pfn{ept::pfnOf(walk.entry).v + (gfn.v & (pagesPer(walk.level) - 1))};
    sim_.step(Site::RmpSet);
    checkOwner(gfn, Alias::Private, Access::Read, walk);
    exits = walk.outcome == EptWalk::Outcome::NotOwner;
    if (exits)
        return {};
    if (op.level > rmp_.levelOf(pfn) || op.level > walk.level)
        return {Outcome::Kind::Rmp, static_cast<u64>(RmpStatus::FailSizeMismatch), 0};
    if (rmp_.get(pfn).validated) // CF is set
        return {Outcome::Kind::Rmp, static_cast<u64>(RmpStatus::FailNoUpdate), 0};
    rmp_.setValidated(pfn, true);
    return {};
}

HandledExit SnpOps::handle_violation(unsigned vcpu, const GuestOp& op, u64 gpa, const EptWalk& walk) {
    if (walk.outcome == EptWalk::Outcome::NotValidated) {
        // #VC(PAGE_NOT_VALIDATED) in the guest.
        if (!kvm_.config().veHandlerAccepts)
            return {.run = {.details = vcInfo(gpa)}, .guestVe = true};
        bool exits = false;
        EptWalk again;
        accept(vcpu, {.kind = GuestOp::Kind::Accept, .gpa = gpa}, gpa, exits, again);
        return exits ? handle_violation(vcpu, op, gpa, again) : HandledExit{};
    }
    constexpr u8 kNpf = 200; // SVM_EXIT_NPF
    kvm_.vcpu_exit_guest(vcpu);
    sim_.mark({.kind = MarkKind::Exit,
               .code = kNpf,
               .a = {vcpu, gpa, walk.outcome == EptWalk::Outcome::NotOwner, op.alias == Alias::Shared, 0, static_cast<u64>(op.access())}});
    Call call(sim_, "npf_interception");
    HandledExit handled;
    if (walk.outcome == EptWalk::Outcome::Misconfig) { // PFERR_RSVD
        Call mmio(sim_, "handle_mmio_page_fault");
        if (kvm_.isCurrentMmio(walk.entry)) {
            handled.result = 0;
            handled.run = mmioExit(op, gpa);
            return handled;
        }
    }
    const bool isPrivate = op.kind == GuestOp::Kind::Accept || op.alias == Alias::Private; // PFERR_GUEST_ENC
    const int r = kvm_.kvm_mmu_page_fault(vcpu, gpa, op.access(), isPrivate, (walk.entry & npt::kPresent) != 0, handled.run);
    handled.result = r < 0 ? r : 1;
    if (r == RET_PF_EMULATE) {
        handled.result = 0;
        handled.run = mmioExit(op, gpa);
    } else if (r >= 0 && walk.outcome == EptWalk::Outcome::NotOwner) {
        sev_handle_rmp_fault({gpa >> 12});
    }
    return handled;
}

Pfn SnpOps::gmemFrame(Gfn gfn) const {
    const int index = kvm_.slotOf(gfn);
    return index < 0 || !kvm_.slot(index).guestMemfd ? Pfn{0} : kvm_.gmemPage(kvm_.slot(index), gfn);
}

// The NPT maps smaller than the RMP says, or the two differ otherwise: the RMP entry is made small, and the NPT begins anew there. The page
// is taken from guest_memfd, which makes and prepares it where it was lost.
void SnpOps::sev_handle_rmp_fault(Gfn gfn) {
    Call call(sim_, "sev_handle_rmp_fault");
    const int index = kvm_.slotOf(gfn);
    Pfn pfn;
    if (!kvm_.kvm_mem_is_private(gfn) || index < 0 || !kvm_.slot(index).guestMemfd ||
        kvm_.kvm_gmem_get_pfn(kvm_.slot(index), gfn, pfn) != 0)
        return;
    const auto isHuge = [&] { return rmp_.levelOf(pfn) == Level::k2M; };
    if (rmp_.get(pfn).assigned && isHuge() &&
        (rmp_.psmash({pfn.v & ~(pagesPer(Level::k2M) - 1)}) == RmpStatus::Ok || isHuge())) // else somebody was faster
        kvm_.kvm_zap_gfn_range({gfn, {gfn.v + pagesPer(Level::k2M)}});                     // from the page on, wherever its block begins
    if (!kvm_.gmemHasAll(kvm_.slot(index)))
        kvm_.put_page(pfn);
}

Outcome SnpOps::rawRmpupdate(Gfn gfn, bool assigned, Level level) {
    const Pfn pfn = gmemFrame(gfn);
    RmpEntry to;
    to.level = level;
    if (assigned)
        to = {true, false, level, Rmp::kAsid, gfn};
    const RmpStatus status = pfn.v == 0 ? RmpStatus::FailInput : rmp_.rmpupdate(pfn, to);
    return status == RmpStatus::Ok ? Outcome{} : Outcome{Outcome::Kind::Rmp, static_cast<u64>(status), 0};
}

Outcome SnpOps::rawPsmash(Gfn gfn) {
    const Pfn pfn = gmemFrame(gfn);
    const RmpStatus status = pfn.v == 0 ? RmpStatus::FailInput : rmp_.psmash(pfn);
    return status == RmpStatus::Ok ? Outcome{} : Outcome{Outcome::Kind::Rmp, static_cast<u64>(status), 0};
}

} // namespace mirrorscope
