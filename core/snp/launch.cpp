// SPDX-License-Identifier: GPL-3.0-or-later
// KVM_SEV_SNP_LAUNCH_START, _UPDATE and _FINISH: what the guest finds at its start is put into guest_memfd and measured (Linux v6.16
// arch/x86/kvm/svm/sev.c: snp_launch_start(), snp_launch_update(), sev_gmem_post_populate(), snp_launch_finish()).
#include "kvm/for_each.h"
#include "snp/svm.h"

#include <algorithm>

namespace mirrorscope {

namespace {
// SNP_POLICY_MASK_: what KVM takes, what must be set, what must not.
constexpr u64 kPolicyKnown = 0x1bffff, kPolicyMust = 3 << 16, kPolicySingleSocket = 1 << 20;
} // namespace

u64 SnpOps::launchState() const { return kvm_.machine().get(kvm_.vm(Kvm::VmWord::SnpLaunch)); }

int SnpOps::snp_launch_start(u64 policy, u64 flags) {
    Call call(sim_, "snp_launch_start");
    if (launchState() != kNoContext || flags != 0 || (policy & ~kPolicyKnown) != 0 || (policy & kPolicyMust) != kPolicyMust ||
        (policy & kPolicySingleSocket) != 0)
        return -kEINVAL;
    sim_.step(Site::VmState);
    kvm_.machine().set(kvm_.vm(Kvm::VmWord::SnpLaunch), kContext);
    return 0;
}

// The page is the guest's from here on; the firmware encrypts, measures and validates it.
int SnpOps::sev_gmem_post_populate(Pfn page, Gfn gfn, PageContent content, const void* context, u64 offset) {
    Call call(sim_, "sev_gmem_post_populate");
    if (rmp_.get(page).assigned)
        return -kEEXIST;
    for (unsigned i = 0; content != nullptr && i < 512; ++i)
        kvm_.machine().set(wordOf(page, i), content(context, offset + i * 8));
    if (const int r = rmpupdate(page, {true, false, Level::k4K, Rmp::kAsid, gfn}); r != 0)
        return r;
    sim_.step(Site::RmpSet);
    if (launchState() != kContext) { // the launch is over: the firmware refuses, and gives the page back
        kvm_.WARN_ON_ONCE(rmpupdate(page, {}) != 0, Assert::RmpUpdateFailed); // snp_page_reclaim()
        return -kEIO;
    }
    rmp_.setValidated(page, true);
    return 0;
}

Outcome SnpOps::snp_launch_update(u64 gpa, u64 size, u64 flags, PageContent content, const void* context) {
    Call call(sim_, "snp_launch_update");
    if (launchState() == kNoContext || (size & 0xfff) != 0 || flags != 0)
        return failedWith(kEINVAL);
    const Gfn start{gpa >> 12};
    sim_.writeLock(LockId::SlotsLock);
    const int index = kvm_.slotOf(start);
    int result = index < 0 || !kvm_.slot(index).guestMemfd ? -kEINVAL : 0;
    // Up to the end of the slot; what is left of the range is written back.
    const u64 pages = result != 0 ? 0 : std::min(size >> 12, kvm_.slot(index).base.v + kvm_.slot(index).pages - start.v);
    const bool isPrivateSlot = result == 0;
    u64 done = 0;
    for (; done < pages && result == 0; done += result == 0) {
        sim_.settle(done);
        const Gfn gfn{start.v + done};
        result = kvm_.kvm_gmem_populate(gfn, [&](const Memslot& s) {
            const auto page = kvm_.gmemFolio(s, gfn);
            const int r = page ? sev_gmem_post_populate(*page, gfn, content, context, done * 4096) : -kENOMEM;
            if (r == 0)
                kvm_.markPrepared(s, gfn);
            return r;
        });
    }
    sim_.writeUnlock(LockId::SlotsLock);
    if (result != 0 && done == 0)
        return failedWith(isPrivateSlot ? kEIO : kEINVAL); // whatever went wrong
    Outcome outcome;
    outcome.details.put(Field::Gpa, (start.v + done) << 12);
    outcome.details.put(Field::Size, size - done * 4096);
    return outcome;
}

// Each vCPU's state becomes the guest's, which the firmware refuses when the launch is over.
int SnpOps::snp_launch_finish(u64 flags) {
    Call call(sim_, "snp_launch_finish");
    if (launchState() == kNoContext || flags != 0)
        return -kEINVAL;
    sim_.step(Site::VmState);
    if (launchState() == kFinished)
        return -kEIO;
    kvm_.machine().set(kvm_.vm(Kvm::VmWord::SnpLaunch), kFinished);
    kvm_.machine().set(kvm_.vm(Kvm::VmWord::PreFaultAllowed), 1);
    return 0;
}

// Without a VMSA that the firmware has made the guest's, VMRUN fails (SVM_EXIT_ERR).
EnterResult SnpOps::vcpu_run(unsigned) {
    if (launchState() == kFinished)
        return {};
    return {EnterResult::Kind::Failed, 0, {KvmExit::FailEntry, {}}};
}

} // namespace mirrorscope
