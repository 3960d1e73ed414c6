// SPDX-License-Identifier: GPL-3.0-or-later
#include "system/system.h"

#include "base/text.h"
#include "kvm/protocol.h"

#include <algorithm>

namespace mirrorscope {

namespace {
MachineConfig withFrames(MachineConfig config) {
    if (config.frames == 0)
        config.frames = defaultFrames(config);
    return config;
}
} // namespace

VmTraits traitsOf(VmType type) {
    switch (type) {
    case VmType::Tdx: return TdxBackend::traits();
    case VmType::Snp: return SnpOps::traits();
    case VmType::Default:
    case VmType::SwProtected: break;
    }
    return VmxOps::traits();
}

VmTraits traitsOf(const MachineConfig& config) {
    VmTraits traits = traitsOf(config.vm);
    if (config.recorded && config.recorded->npt)
        traits.masks = nptMasksUnencrypted();
    return traits;
}

u64 defaultFrames(const MachineConfig& config) {
    u64 pages = 0;
    for (const auto& slot : config.slots)
        pages += slot.pages;
    pages += config.laterPages;
    for (const auto& file : config.gmemFiles)
        pages += file.pages;
    // A larger VM gets so much that can be touched at a time.
    return std::min(pages * 2 + pages / 64 + 4096 + 64 * config.vcpus, Frames::kMost);
}

namespace {
constexpr unsigned kResultWords = 4 + Details::kMost;
}

System::System(const MachineConfig& config, unsigned results)
    : config_(withFrames(config)), memory_(regions_.take(config_.frames * 512, "memory")), sim_(config_, regions_),
      frames_(config_.frames, sim_.actors(), config_.vcpus, regions_), resultCount_(results) {
    kvm_ = std::make_unique<Kvm>(config_, traitsOf(config_), sim_, frames_, regions_);
    if (config_.vm == VmType::Tdx)
        module_ = std::make_unique<TdxModule>(config_, sim_, frames_, regions_);
    if (module_)
        backend_ = std::make_unique<TdxBackend>(*kvm_, *module_, regions_);
    if (config_.vm == VmType::Snp)
        rmp_ = std::make_unique<Rmp>(sim_, frames_, regions_);
    results_ = regions_.take(u64{results} * kResultWords, "result");
    const u64 hashed = regions_.used();
    sim_.layOutIndexes(regions_);
    frames_.layOutIndexes(regions_);
    kvm_->layOutIndexes(regions_);

    machine_ = std::make_unique<Machine>(regions_.used(), hashed, frames_.count());
    for (const auto& [begin, end] : regions_.sparse())
        machine_->expectFewWrites(begin, end);
    sim_.attach(*machine_, frames_);
    frames_.attach(*machine_);
    kvm_->attach(*machine_);
    if (module_) {
        module_->attach(*machine_);
        kvm_->setOps(backend_.get(), backend_.get());
        backend_->build();
    } else {
        if (config_.observePrivateOps)
            observe_ = std::make_unique<ObserveOps>(sim_);
        if (rmp_) {
            rmp_->attach(*machine_);
            snp_ = std::make_unique<SnpOps>(*kvm_, *rmp_);
            kvm_->setOps(observe_.get(), snp_.get(), snp_.get());
        } else {
            vmx_ = std::make_unique<VmxOps>(*kvm_);
            kvm_->setOps(observe_.get(), vmx_.get());
        }
    }
    sim_.baseline();
}

void System::setResult(unsigned i, const Outcome& outcome) {
    const Place at = results_ + u64{i} * kResultWords;
    machine_->set(at, static_cast<u64>(outcome.kind) + 1);
    machine_->set(at + 1, outcome.code);
    machine_->set(at + 2, outcome.value);
    machine_->set(at + 3, outcome.details.present | u64{outcome.details.error} << 32);
    for (unsigned d = 0; d < Details::kMost; ++d)
        machine_->set(at + (4 + d), outcome.details.values[d]);
}

std::optional<Outcome> System::result(unsigned i) const {
    const Place at = results_ + u64{i} * kResultWords;
    if (i >= resultCount_ || machine_->peek(at) == 0)
        return std::nullopt;
    Outcome outcome{static_cast<Outcome::Kind>(machine_->peek(at) - 1), machine_->peek(at + 1), machine_->peek(at + 2)};
    outcome.details.present = static_cast<u32>(machine_->peek(at + 3));
    outcome.details.error = static_cast<u32>(machine_->peek(at + 3) >> 32);
    for (unsigned d = 0; d < Details::kMost; ++d)
        outcome.details.values[d] = machine_->peek(at + (4 + d));
    return outcome;
}

// In the order of kvm_destroy_vm(): a file of guest_memfd holds the VM, so that the files are closed first, and private leaves go while a
// TD still has its HKID.
void System::destroyVm() {
    {
        Call release(sim_, "kvm_gmem_release");
        for (unsigned i = 0; i < kvm_->slotCount(); ++i)
            if (const Memslot slot = kvm_->slot(static_cast<int>(i)); slot.used && slot.guestMemfd)
                kvm_->protocol().kvm_gmem_punch_hole(*kvm_, GmemRange::behind(slot.range()));
    }
    Call call(sim_, "kvm_destroy_vm");
    if (backend_)
        backend_->tdx_mmu_release_hkid();
    {
        Call release(sim_, "kvm_mmu_notifier_release");
        sim_.writeLock(LockId::MmuLock);
        kvm_->kvm_tdp_mmu_zap_all();
        sim_.writeUnlock(LockId::MmuLock);
    }
    kvm_->WARN_ON_ONCE(kvm_->peekVm(Kvm::VmWord::InvalidateInProgress) != 0, Assert::DestroyInvalidating);
    if (backend_)
        backend_->tdx_vcpu_free();
    kvm_->kvm_mmu_destroy();
    kvm_->kvm_mmu_uninit_tdp_mmu();
    if (backend_)
        backend_->tdx_vm_destroy();
    kvm_->freeGuestMemory();
}

std::optional<Pfn> System::gmemFrame(Gfn gfn) const {
    for (unsigned i = 0; i < kvm_->slotCount(); ++i)
        if (const Memslot slot = kvm_->peekSlot(static_cast<int>(i)); slot.contains(gfn) && slot.guestMemfd)
            if (const Pfn pfn = kvm_->peekGmemPage(slot, gfn); pfn.v != 0)
                return pfn;
    return std::nullopt;
}

std::string System::gpaText(Gfn gfn, Alias alias) const { return isTdx() ? aliasedGpa(gfn, alias) : gpaHex(gfn); }

Pfn System::mirrorRoot() const {
    return kvm_->findRoot([&](Pfn root) {
        const MmuPage page = kvm_->peekPage(root);
        return page.isMirror() && !role::isInvalid(page.role);
    });
}

Pfn System::directRoot(bool smm) const {
    return kvm_->findRoot([&](Pfn root) {
        const MmuPage page = kvm_->peekPage(root);
        return !page.isMirror() && !role::isInvalid(page.role) && role::isSmm(page.role) == smm;
    });
}

System::SpteAt System::spteAt(Pfn root, Gfn gfn, Level level) const {
    SpteAt at;
    if (root.v == 0)
        return at;
    at.exists = true;
    const MmuPage page = kvm_->peekPage(root);
    const u64 bits = page.isMirror() ? 0 : config_.directBits();
    Pfn table = root;
    for (unsigned n = number(page.level()); n > 0; --n) {
        at.level = levelOf(n);
        at.place = wordOf(table, tableIndex(gfn.v | bits, at.level));
        at.value = machine_->peek(at.place);
        if (at.level == level || !spte::isTable(at.value, at.level))
            break;
        table = ept::pfnOf(at.value);
    }
    return at;
}

std::optional<System::SeptTable> System::septTable(Pfn frame) const {
    if (frames_.peekKind(frame) == FrameKind::Raw) {
        const u64 info = frames_.peekInfo(frame);
        const Level level = levelOf(static_cast<unsigned>(info & 511));
        return level == Level::None ? std::nullopt : std::optional(SeptTable{{info & ~u64{511}}, level});
    }
    const MmuPage page = kvm_->peekPage(kvm_->mirrorOfExternal(frame));
    return page.isMirror() ? std::optional(SeptTable{page.gfn, page.level()}) : std::nullopt;
}

Pfn System::secureRoot() const {
    if (config_.recorded)
        return isSeptPage(config_.recorded->secureRoot) ? config_.recorded->secureRoot : Pfn{0};
    if (!module_ || backend_->tdr().v == 0)
        return {0};
    const Pfn root = module_->septRoot(backend_->tdr());
    return isSeptPage(root) ? root : Pfn{0};
}

TdxModule::SeptWalk System::septAt(Gfn gfn, Level level) const {
    const Pfn root = secureRoot();
    return root.v == 0 ? TdxModule::SeptWalk{} : TdxModule::peekSept(*machine_, root, config_.levels, gfn, level);
}

} // namespace mirrorscope
