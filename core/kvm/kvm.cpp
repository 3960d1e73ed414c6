// SPDX-License-Identifier: GPL-3.0-or-later
// Layout, names and what others may look at.
#include "kvm/protocol.h"

#include <algorithm>

namespace mirrorscope {

namespace {
struct ErrnoName {
    int error;
    std::string_view name;
};
constexpr ErrnoName kErrnos[] = {{kENOENT, "ENOENT"},      {kEINTR, "EINTR"},   {kEIO, "EIO"},
                                 {kENXIO, "ENXIO"},        {kE2BIG, "E2BIG"},   {kEBADF, "EBADF"},
                                 {kEAGAIN, "EAGAIN"},      {kENOMEM, "ENOMEM"}, {kEFAULT, "EFAULT"},
                                 {kEBUSY, "EBUSY"},        {kEEXIST, "EEXIST"}, {kENODEV, "ENODEV"},
                                 {kEINVAL, "EINVAL"},      {kEFBIG, "EFBIG"},   {kENOSPC, "ENOSPC"},
                                 {kESPIPE, "ESPIPE"},      {kENOSYS, "ENOSYS"}, {kEOPNOTSUPP, "EOPNOTSUPP"},
                                 {kEHWPOISON, "EHWPOISON"}};
constexpr auto kErrnoNames = [] {
    std::array<std::string_view, std::size(kErrnos)> names{};
    for (std::size_t i = 0; i < names.size(); ++i)
        names[i] = kErrnos[i].name;
    return names;
}();
} // namespace

std::span<const std::string_view> errnoNames() { return kErrnoNames; }

std::string_view errnoName(int error) {
    for (const ErrnoName& known : kErrnos)
        if (known.error == error)
            return known.name;
    return "E?";
}

std::optional<u32> errnoFromName(std::string_view name) {
    for (const ErrnoName& known : kErrnos)
        if (known.name == name)
            return static_cast<u32>(known.error);
    return std::nullopt;
}

std::string_view retPfName(int value) {
    constexpr std::array<std::string_view, 7> names{"RET_PF_CONTINUE", "RET_PF_RETRY", "RET_PF_EMULATE", "RET_PF_WRITE_PROTECTED",
                                                    "RET_PF_INVALID",  "RET_PF_FIXED", "RET_PF_SPURIOUS"};
    return value >= 0 && value < 7 ? names[static_cast<unsigned>(value)] : errnoName(-value);
}

std::string_view name(KvmExit exit) {
    constexpr std::array<std::string_view, static_cast<unsigned>(KvmExit::Count_)> names{"none",
                                                                                         "KVM_EXIT_MEMORY_FAULT",
                                                                                         "KVM_EXIT_MMIO",
                                                                                         "KVM_EXIT_HYPERCALL",
                                                                                         "KVM_EXIT_HLT",
                                                                                         "KVM_EXIT_INTERNAL_ERROR",
                                                                                         "KVM_EXIT_INTR",
                                                                                         "KVM_EXIT_FAIL_ENTRY",
                                                                                         "KVM_EXIT_DIRTY_RING_FULL"};
    return names[static_cast<unsigned>(exit)];
}

u64 GuestOp::address(u64 i) const {
    if (!random)
        return gpa + i * stride;
    // A bijection of 0..count-1 that looks random: cycle-walk an odd multiplication over the next power of two.
    u64 domain = 1;
    while (domain < count)
        domain <<= 1;
    const u64 factor = mix(seed, 1) | 1;
    u64 k = i;
    do {
        k = (k * factor + mix(seed, 2)) & (domain - 1);
    } while (k >= count);
    return gpa + k * stride;
}

Kvm::Kvm(const MachineConfig& config, const VmTraits& traits, Sim& sim, Frames& frames, Regions& regions)
    : config_(config), traits_(traits), sim_(sim), frames_(frames), protocol_(std::make_unique<Protocol>()), attributes_(config, regions) {
    for (const auto& slot : config.slots)
        slotPages_ += slot.pages;
    slotPages_ += config.laterPages;
    maxSlots_ = std::min<u64>(config.slots.size() + config.laterSlots, 2 * kUserMemSlots);
    vm_ = regions.take(static_cast<unsigned>(VmWord::Count_), "vm", static_cast<unsigned>(VmWord::Count_));
    vcpu_ = regions.take(config.vcpus * static_cast<unsigned>(VcpuWord::Count_), "vcpu", static_cast<unsigned>(VcpuWord::Count_));
    actor_ = regions.take(sim.actors() * static_cast<unsigned>(ActorWord::Count_), "actor", static_cast<unsigned>(ActorWord::Count_));
    asserts_ = regions.take(kAsserts, "assert");
    slots_ = regions.take(maxSlots_ * kSlotWords, "slot", kSlotWords);
    dirty_ = regions.take(slotPages_ / 64 + 64 * (maxSlots_ + 1), "dirty");
    logNotes_ = regions.take((slotPages_ / 64 + 64 * (maxSlots_ + 1)) * static_cast<unsigned>(LogNote::Count_), "log-note");
    if (config.dirtyRing != 0)
        for (unsigned v = 0; v < config.vcpus; ++v)
            rings_.emplace_back(config.dirtyRing, dirtyRingReserved(cpuDirtyLog()), regions);
    pml_ = regions.take(config.vcpus * kPmlEntries, "pml");
    gmemPages_ = slotPages_;
    for (const auto& file : config.gmemFiles) {
        gmemBase_.push_back(gmemPages_);
        gmemPages_ += file.pages;
    }
    gmem_ = regions.take(gmemPages_, "gmem");
    if (config.has(Feature::InPlaceConversion)) {
        gmemAttribute_ = regions.take(gmemPages_, "gmem-attribute");
        gmemPinned_ = regions.take(gmemPages_, "gmem-pinned");
    }
    gmemFiles_ = regions.take(config.gmemFiles.size(), "gmem-file");
    hostPages_ = slotPages_;
    for (const auto& memory : config.memories) {
        memoryBase_.push_back(hostPages_);
        hostPages_ += memory.pages;
    }
    host_ = regions.take(hostPages_, "host-page");
    vma_ = regions.take(hostPages_ / kPagesPerVmaWord + 2, "vma");
    hostFaults_ = Injection(regions, "inject-host-fault");
    lastWrite_ = regions.take((gmemPages_ + hostPages_) * 2, "last-write");
    sp_ = regions.takeSparse(frames.count() * kSpWords, "sp", kSpWords); // few frames are tables
    for (unsigned v = 0; v < config.vcpus; ++v)
        tlbs_.emplace_back(v, slotPages_ * (config.directBits() != 0 ? 2 : 1), regions);
    traits_.masks.adEnabled = config.adBits;
    traits_.masks.nxHugePages = config.nxHugePages;
    sim.onRcuFree([this](u64 spt) { releaseTable({spt}); });
    applyDispatch(config.dispatch, *protocol_);
    applyVersion(config, *protocol_);
    applyBreaks(config, *protocol_);
}

Kvm::~Kvm() = default;

void Kvm::layOutIndexes(Regions& indexes) {
    pageStats_ = indexes.take(4, "statistic");
    for (Tlb& tlb : tlbs_)
        tlb.layOutIndexes(indexes);
    if (config_.traceLine == TraceLine::Before)
        intended_ = indexes.take(sim_.actors(), "intended");
}

void Kvm::attach(Machine& machine) {
    machine_ = &machine;
    for (Tlb& tlb : tlbs_)
        tlb.attach(machine, frames_);
    for (unsigned file = 0; file < config_.gmemFiles.size(); ++file)
        if (config_.gmemFiles[file].exists)
            machine.set(gmemFiles_ + file, config_.gmemFiles[file].pages + 1);
    attachSlots();
    machine.set(vm(VmWord::InvalidateSeq), config_.invalidateSeq);
    machine.set(vm(VmWord::PreFaultAllowed), traits_.preFaultAllowed && !config_.snpLaunch);
    machine.set(vm(VmWord::SnpLaunch), config_.snpLaunch ? kNoContext : kFinished);
    for (unsigned v = 0; v < config_.vcpus; ++v)
        machine.set(vcpuWord(v, VcpuWord::PmlOn), cpuDirtyLog() && machine.peek(vm(VmWord::NrDirtyLogging)) != 0);
}

MmuPage Kvm::peekPage(Pfn spt) const {
    MmuPage page;
    page.role = machine_->peek(sp(spt, kRole));
    page.gfn = {machine_->peek(sp(spt, kGfn))};
    if (const u64 ptep = machine_->peek(sp(spt, kPtep)); ptep != 0)
        page.ptep = Place{ptep - 1};
    page.externalSpt = {machine_->peek(sp(spt, kExternal))};
    return page;
}

std::vector<Pfn> Kvm::roots() const {
    std::vector<Pfn> result;
    findRoot([&](Pfn root) {
        result.push_back(root);
        return false;
    });
    return result;
}

bool Kvm::reachable(Pfn spt, bool* frozenAbove) const {
    Pfn table = spt;
    for (unsigned depth = 0; depth < 6; ++depth) {
        if (frames_.peekKind(table) != FrameKind::Table)
            return false;
        const u64 ptep = machine_->peek(sp(table, kPtep)); // (of all that peekPage() reads no more than this is asked for)
        if (ptep == 0)
            return machine_->peek(sp(table, kRole)) != 0;
        const Place above{ptep - 1};
        const u64 entry = machine_->peek(above);
        if (frozenAbove != nullptr && spte::isFrozen(entry))
            *frozenAbove = true;
        if (!spte::isPresent(entry) || ept::pfnOf(entry) != table)
            return false;
        table = frameOf(above);
    }
    return false;
}

bool Kvm::guestMemoryNames(Pfn pfn) const {
    const u64 info = frames_.peekInfo(pfn);
    const bool pinned = config_.has(Feature::InPlaceConversion) && info < gmemPages_ && machine_->peek(gmemPinned_ + info) == pfn.v;
    return pinned || (info < gmemPages_ && (machine_->peek(gmem_ + info) & kHostPfn) == pfn.v) ||
           (info < hostPages_ && (machine_->peek(host_ + info) & kHostPfn) == pfn.v);
}

bool Kvm::cachedByVcpu(Pfn pfn) const {
    for (unsigned v = 0; v < config_.vcpus; ++v)
        for (const auto cache : {VcpuWord::ShadowCache, VcpuWord::ExternalCache})
            for (unsigned i = 1; i <= machine_->peek(vcpuWord(v, cache)); ++i)
                if (machine_->peek(vcpuWord(v, cache) + i) == pfn.v)
                    return true;
    return false;
}

void Kvm::kvm_vm_dead() {
    sim_.step(Site::VmState);
    machine_->set(vm(VmWord::Dead), 1);
    kvm_make_all_cpus_request(kReqVmDead);
}

void Kvm::kvm_bug(unsigned leaf, u64 status) {
    if (machine_->peek(vm(VmWord::VmBugged)) != 0)
        return; // it is told once
    sim_.step(Site::VmState);
    machine_->set(vm(VmWord::BugLeaf), leaf + 1);
    machine_->set(vm(VmWord::BugStatus), status);
    machine_->set(vm(VmWord::Bugged), 1);
    machine_->set(vm(VmWord::VmBugged), 1);
    kvm_vm_dead();
}

bool Kvm::WARN_ON_ONCE(bool condition, Assert which) {
    if (condition)
        machine_->set(assertWord(which), machine_->peek(assertWord(which)) + 1);
    return condition;
}

// Told unless the VM is bugged already. A BUG() would stop the host here; the machine goes on, so that one can look at it.
bool Kvm::KVM_BUG_ON(bool condition, Assert which) {
    if (!condition || machine_->peek(vm(VmWord::VmBugged)) != 0)
        return condition;
    WARN_ON_ONCE(true, which);
    sim_.step(Site::VmState);
    machine_->set(vm(VmWord::VmBugged), 1);
    kvm_vm_dead();
    return true;
}

u64 Kvm::peekFired() const {
    u64 fired = 0;
    for (unsigned i = 0; i < kAsserts; ++i)
        fired += machine_->peek(assertWord(static_cast<Assert>(i)));
    return fired;
}

void Kvm::countedBy(Census& census) {
    census_ = &census;
    if (external_ == nullptr)
        return;
    counted_ = std::make_unique<CountedOps>(*external_, census);
    external_ = counted_.get();
}

void Kvm::lockdep_assert_held(LockId lock) {
    if (sim_.heldByMe(lock))
        return;
    machine_->set(vm(VmWord::LockdepFunction), sim_.path());
    machine_->set(vm(VmWord::LockdepLock), static_cast<u64>(lock) * 2 + 1);
}

void Kvm::lockdep_assert_held_write(LockId lock) {
    if (sim_.heldForWriting(lock))
        return;
    machine_->set(vm(VmWord::LockdepFunction), sim_.path());
    machine_->set(vm(VmWord::LockdepLock), static_cast<u64>(lock) * 2 + 2);
}

std::optional<Pfn> Kvm::alloc_page(FrameKind kind, u64 info) {
    sim_.step(Site::PageAlloc);
    return frames_.allocate(kind, info, sim_.actor());
}

void Kvm::free_page(Pfn pfn) {
    sim_.step(Site::PageFree);
    frames_.free(pfn);
}

void Kvm::put_page(Pfn pfn) {
    sim_.step(Site::PageFree);
    dropReference(pfn);
}

void Kvm::dropReference(Pfn pfn) {
    if (gmemOps_ != nullptr && frames_.peekKind(pfn) == FrameKind::Gmem && frames_.references(pfn) == 1)
        gmemOps_->gmem_invalidate(pfn);
    frames_.put(pfn);
}

} // namespace mirrorscope
