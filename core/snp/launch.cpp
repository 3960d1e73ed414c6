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

// sev_mem_enc_ioctl(): one command at a time.
template <class F>
auto SnpOps::sev_mem_enc_ioctl(F&& command) {
    sim_.writeLock(LockId::KvmLock);
    const auto result = command();
    sim_.writeUnlock(LockId::KvmLock);
    return result;
}

int SnpOps::snp_launch_start(u64 policy, u64 flags) {
    Call call(sim_, "snp_launch_start");
    return sev_mem_enc_ioctl([&] {
        if (launchState() != Kvm::kNoContext || flags != 0 || (policy & ~kPolicyKnown) != 0 || (policy & kPolicyMust) != kPolicyMust ||
            (policy & kPolicySingleSocket) != 0)
            return -kEINVAL;
        sim_.step(Site::VmState);
        kvm_.machine().set(kvm_.vm(Kvm::VmWord::SnpLaunch), Kvm::kContext);
        return 0;
    });
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
    if (launchState() != Kvm::kContext) { // the launch is over: the firmware refuses, and gives the page back
        kvm_.WARN_ON_ONCE(rmpupdate(page, {}) != 0, Assert::RmpUpdateFailed); // snp_page_reclaim()
        return -kEIO;
    }
    rmp_.setValidated(page, true);
    for (unsigned i = 0; content == nullptr && i < 512; ++i)
        kvm_.machine().set(wordOf(page, i), 0);
    return 0;
}

Outcome SnpOps::snp_launch_update(u64 gpa, u64 size, u64 flags, PageContent content, const void* context) {
    Call call(sim_, "snp_launch_update");
    const Gfn start{gpa >> 12};
    u64 done = 0;
    const int result = sev_mem_enc_ioctl([&] {
        if (launchState() == Kvm::kNoContext || (size & 0xfff) != 0 || flags != 0)
            return -kEINVAL;
        sim_.writeLock(LockId::SlotsLock);
        const int index = kvm_.slotOf(start);
        int r = index < 0 || !kvm_.slot(index).guestMemfd ? -kEINVAL : 0;
        if (r == 0) {
            r = kvm_.kvm_gmem_populate(start, size >> 12, done, [&](const Memslot& s, Gfn gfn) {
                const auto page = kvm_.gmemFolio(s, gfn);
                const int populated = page ? sev_gmem_post_populate(*page, gfn, content, context, (gfn.v - start.v) * 4096) : -kENOMEM;
                if (populated == 0)
                    kvm_.markPrepared(s, gfn);
                return populated;
            });
            r = r != 0 && done == 0 ? -kEIO : 0; // whatever went wrong
        }
        sim_.writeUnlock(LockId::SlotsLock);
        return r;
    });
    if (result != 0)
        return failedWith(-result);
    // Up to the end of the slot, or what could not be had; what is left of the range is written back.
    Outcome outcome;
    outcome.details.put(Field::Gpa, (start.v + done) << 12);
    outcome.details.put(Field::Size, size - done * 4096);
    return outcome;
}

// Each vCPU's state becomes the guest's, which the firmware refuses when the launch is over.
int SnpOps::snp_launch_finish(u64 flags) {
    Call call(sim_, "snp_launch_finish");
    return sev_mem_enc_ioctl([&] {
        if (launchState() == Kvm::kNoContext || flags != 0)
            return -kEINVAL;
        sim_.step(Site::VmState);
        if (launchState() == Kvm::kFinished)
            return -kEIO;
        kvm_.machine().set(kvm_.vm(Kvm::VmWord::SnpLaunch), Kvm::kFinished);
        kvm_.machine().set(kvm_.vm(Kvm::VmWord::PreFaultAllowed), 1);
        return 0;
    });
}

// Without a VMSA that the firmware has made the guest's, VMRUN fails (SVM_EXIT_ERR).
EnterResult SnpOps::vcpu_run(unsigned) {
    if (launchState() == Kvm::kFinished)
        return {};
    return {EnterResult::Kind::Failed, 0, {KvmExit::FailEntry, {}}};
}

} // namespace mirrorscope
