// SPDX-License-Identifier: GPL-3.0-or-later
// A whole machine: memory, simulator, KVM, and the module and backend if it is a TD. Position 0 is the machine as a
// script finds it: after KVM_TDX_INIT_VM and KVM_TDX_INIT_VCPU on a TD, before the image.
#pragma once

#include "kvm/kvm.h"
#include "kvm/observe.h"
#include "kvm/vmx.h"
#include "snp/svm.h"
#include "tdx/backend/backend.h"
#include "tdx/module/module.h"

#include <memory>

namespace mirrorscope {

// What each kind of VM is made of.
VmTraits traitsOf(VmType type);
// The same of a machine, also of one that was recorded.
VmTraits traitsOf(const MachineConfig& config);

class System {
public:
    // `results`: how many step results the script can ask for.
    explicit System(const MachineConfig& config, unsigned results = 0);
    System(const System&) = delete;
    System& operator=(const System&) = delete;

    const MachineConfig& config() const { return config_; }
    Machine& machine() { return *machine_; }
    const Machine& machine() const { return *machine_; }
    Sim& sim() { return sim_; }
    const Sim& sim() const { return sim_; }
    Frames& frames() { return frames_; }
    const Frames& frames() const { return frames_; }
    Kvm& kvm() { return *kvm_; }
    const Kvm& kvm() const { return *kvm_; }
    bool isTdx() const { return module_ != nullptr; }
    TdxModule& module() { return *module_; }
    const TdxModule& module() const { return *module_; }
    bool isSnp() const { return rmp_ != nullptr; }
    const Rmp& rmp() const { return *rmp_; }
    SnpOps& snp() { return *snp_; }
    void injectRmpupdate(RmpStatus status, u64 times, u64 after) { rmp_->inject(status, times, after); }
    // The frame that guest_memfd has for a gfn.
    std::optional<Pfn> gmemFrame(Gfn gfn) const;
    TdxBackend& backend() { return *backend_; }
    const TdxBackend& backend() const { return *backend_; }

    void setResult(unsigned i, const Outcome& outcome);
    // Nothing when that step has not ended yet.
    std::optional<Outcome> result(unsigned i) const;

    // Teardown of the VM, whatever its kind.
    void destroyVm();

    // A guest physical address as it is shown: on a TD with its alias, elsewhere one tree maps both.
    std::string gpaText(Gfn gfn, Alias alias) const;

    // The mirror root, 0 while there is none.
    Pfn mirrorRoot() const;
    // The direct root of the vCPUs, 0 while there is none.
    Pfn directRoot(bool smm = false) const; // of SMM's address space
    // The entry at which a walk of KVM's own tree ends for `gfn`; the tree need not exist.
    struct SpteAt {
        bool exists = false; // the tree exists
        Place place;
        Level level = Level::None;
        u64 value = 0;
    };
    SpteAt spteAt(Pfn root, Gfn gfn, Level level = Level::None) const;
    // Is that frame a table still? An entry may name one that was taken back meanwhile (a TD in teardown).
    bool holdsTable(Pfn pfn, bool secure) const {
        return secure ? isSeptPage(pfn) : frames_.valid(pfn) && frames_.peekKind(pfn) == FrameKind::Table;
    }
    // The root of the secure EPT, 0 while there is none. Of a recording: what probes of SEAMCALLs tell of it.
    Pfn secureRoot() const;
    bool isSeptPage(Pfn pfn) const {
        return isTdx() ? module().isSeptPage(pfn) : config_.recorded && frames_.valid(pfn) && frames_.peekKind(pfn) == FrameKind::Raw;
    }
    // What a page of the secure EPT below its root translates: as its mirror page says, or as noted when a raw SEAMCALL gave it, or a probe
    // told it. Nothing for a page of a second TD, or one that the script named itself.
    struct SeptTable {
        Gfn base;
        Level level = Level::None;
        // As it stands in the record of a frame: what is aligned leaves its low bits to the level.
        u64 info() const { return base.v | number(level); }
    };
    std::optional<SeptTable> septTable(Pfn frame) const;
    // What is which word, for those who list them.
    const Regions& regions() const { return regions_; }
    TdxModule::SeptWalk septAt(Gfn gfn, Level level = Level::k4K) const;

private:
    MachineConfig config_;
    Regions regions_;
    Place memory_;
    Sim sim_;
    Frames frames_;
    std::unique_ptr<Kvm> kvm_;
    std::unique_ptr<TdxModule> module_;
    std::unique_ptr<TdxBackend> backend_;
    std::unique_ptr<VmxOps> vmx_;
    std::unique_ptr<Rmp> rmp_;
    std::unique_ptr<SnpOps> snp_;
    std::unique_ptr<ObserveOps> observe_;
    Place results_;
    unsigned resultCount_;
    std::unique_ptr<Machine> machine_;
};

// The frames that a configuration gets when it names none: its memory twice, tables, and room.
u64 defaultFrames(const MachineConfig& config);

} // namespace mirrorscope
