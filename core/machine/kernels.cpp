// SPDX-License-Identifier: GPL-3.0-or-later
#include "machine/kernels.h"

namespace mirrorscope {

namespace {
constexpr KernelPoint kPoints[] = {
    {"operations on the private table",
     {"link, set, remove, free", "the same; remove returns nothing", "set(old, new) and free", ""},
     "7139c8606505; 12d595795de7, 291bcb3a7583, 6eae9ce9461c",
     "the functions in which a SEAMCALL stands"},
    {"who calls them at a fault",
     {"set_external_spte_present(), between freeze and publish", "", "__handle_changed_spte(), between freeze and publish", ""},
     "78d23e299bba, 28c77a037804",
     "the order of table statistics and the SEAMCALL"},
    {"who calls them with mmu_lock held for writing",
     {"tdp_mmu_set_spte() and handle_removed_pt(), after handle_changed_spte()", "", "__handle_changed_spte()", ""},
     "6eae9ce9461c",
     "a mirror's entry that becomes present under the write lock: bugged, later carried over"},
    {"a lost exchange with FROZEN",
     {"the iterator keeps the old value", "", "the iterator gets what is there", ""},
     "02eaaffdd865",
     "tdp_mmu_set_spte_atomic() of a stale iterator"},
    {"a mirror's leaf is zapped under the read lock",
     {"KVM_BUG_ON in the MMU, -EBUSY", "", "allowed by the MMU; the hook's lockdep assertion complains", ""},
     "6b1280a738f9",
     "the transitions of review"},
    {"a page of the image",
     {"mapped in the mirror, added afterwards (nr_premapped)", "added in the hook, while the entry is frozen", "", ""},
     "6b5b71ffabf9, 3ab3283dbb2c",
     "the mirror ahead of the private table; FINALIZE after a TDH.MEM.PAGE.ADD that was busy"},
    {"INIT_MEM_REGION, FINALIZE_VM, INIT_VCPU",
     {"slots_lock, or one vcpu->mutex", "kvm->lock, every vcpu->mutex and slots_lock", "", ""},
     "15945e9ec195",
     "races/30-image-and-new-vcpu.yaml: the VM is bugged, later nothing happens"},
    {"TDH.VP.INIT",
     {"without mmu_lock", "mmu_lock held for writing", "", ""},
     "9a89894f30d5",
     "the lock around it; history/vp-init-beside-a-hole.yaml: with module 2.0, whose TDH.VP.INIT takes the TDR for itself, the VM is "
     "bugged without it"},
    {"TDH.MR.EXTEND that fails", {"-EIO; the TD stays", "the VM is bugged", "", ""}, "ad44aa4c5d3f", "the ioctl's errno and what follows"},
    {"a page in the secure EPT",
     {"pinned (get_page)", "not pinned", "", ""},
     "ce7b5695397b",
     "without BLOCK or TRACK the page goes back to the host while the module has it"},
    {"BLOCK before FINALIZE",
     {"a failure may mean that the page was only counted", "a failure bugs the VM", "", ""},
     "6b5b71ffabf9",
     "zap of an image page that was not added"},
    {"the private page of a removed table",
     {"freed after the grace period", "", "freed at once", ""},
     "110d4d263450",
     "when the frame is freed"},
    {"NX huge pages are recovered",
     {"mmu_lock held for writing", "mmu_lock held for reading", "", ""},
     "v6.18, \"Recover TDP MMU NX huge pages using MMU read lock\"",
     "the mode of the lock"},
    {"a page of the image, asked for twice",
     {"-EEXIST", "", "-EIO: the mirror has it already", ""},
     "v7.0, \"Rework preparation/population\"",
     "the second KVM_TDX_INIT_MEM_REGION"},
    {"the source of a page of the image",
     {"got with the file's lock held; the attribute is looked at before", "",
      "got before the file is locked; the attribute is looked at last", ""},
     "v7.0, \"Rework preparation/population\" (2a62345b3052)",
     "a page that is refused stays in the file"},
    {"guest_memfd's page is made the guest's",
     {"once, before its first use", "", "at each fault", ""},
     "8622ef05709f, ba375af3d04d",
     "an SNP page that the host took back behind KVM's back"},
    {"a slot that is about to go, while it is pre-faulted",
     {"repeated until it is gone, which waits for the repetition", "-EAGAIN", "", ""},
     "3ccbf6f47098",
     "a pre-fault beside the deletion of its slot: for ever in 6.16; later only where the root became invalid besides"},
    {"such a slot, and a private fault",
     {"repeated until it is gone, which waits for the repetition", "the guest is entered again", "", ""},
     "2bc2694fe20b",
     "history/slot-delete-private-fault.yaml"},
    {"a root that becomes invalid while a page is pre-faulted",
     {"stale at each try", "", "", "looked at before each try"},
     "355323a4dc94",
     "races/28-prefault-and-fast-zap.yaml"},
    {"page caches of one image page",
     {"filled for each fault", "filled once for all tries", "", "filled before each try"},
     "3ab3283dbb2c; 6415d9c4ee19",
     "TDH.MEM.SEPT.ADD that is busy again and again: the cache runs empty"},
    {"the line of kvm_tdp_mmu_spte_changed",
     {"before SEAMCALLs with mmu_lock held for writing, behind them at a fault; of a table that goes before those of what it held", "",
      "behind all that its change brings about, and not where that failed (machine.trace-line)", ""},
     "mails of February 2026; the merged text was not to be had",
     "export --as probes"},
    {"KVM_REQ_VM_DEAD", {"taken by who looks", "", "", "stays"}, "8cd280282d12", ""},
    {"dynamic PAMT (machine.features: [dynamic-pamt])",
     {"the module's records of all memory are there from the beginning", "", "",
      "the records of 2M of memory come with their first page that the module gets and go with the last, under pamt_lock"},
     "series v6, 26 May 2026; tip x86/tdx 01a43c55ae5f..e61c837817ac",
     "races/32-the-last-page-of-a-range.yaml; broken/pamt-without-lock.yaml; history/pamt-counted-before-the-lock.yaml; "
     "races/40-the-lock-where-a-count-is-nothing.yaml"},
    {"private pages of 2M (machine.features: [private-2M])",
     {"each private page is 4K", "", "mapped where the file's folio and the guest's accepts allow it; split by BLOCK, TRACK and DEMOTE",
      ""},
     "\"KVM: TDX huge page support for private memory\", v5 of 28 Jan 2026; not merged",
     "lessons/32-private-pages-of-2m.yaml; races/33-parts-of-a-large-page.yaml; races/37-split-with-records.yaml; "
     "races/39-a-split-that-blocks-nothing.yaml; "
     "history/private-2m-conversion-without-memory.yaml; history/private-2m-hole-beside-a-fault.yaml"},
    {"in-place conversion (machine.features: [in-place-conversion])",
     {"the VM holds the attributes; shared memory is a mapping of user space's own", "", "",
      "the file holds its pages' attributes and is shared memory, too; to private only if nobody holds the page (-EAGAIN)"},
     "kvm-x86/next, 23 Sep 2026: 1ae5be958ff7..537ec2b15fdd",
     "lessons/33-one-page-for-both.yaml; races/35-pin-and-convert.yaml; races/36-user-space-and-convert.yaml; "
     "races/38-a-part-becomes-shared-in-place.yaml"},
    {"a violation of a pending page", {"PROT = 0 and no execution by a user", "", "PROT = 0", ""}, "tdx.c of v7.2", ""},
};
} // namespace

std::span<const KernelPoint> kernelPoints() { return kPoints; }

std::string_view doesIn(const KernelPoint& point, std::size_t release) {
    while (release > 0 && point.does[release].empty())
        --release;
    return point.does[release];
}

} // namespace mirrorscope
