// SPDX-License-Identifier: GPL-3.0-or-later
// What the CPU does while the guest runs: it translates, sets accessed and dirty bits, and reads or writes memory.
#include "kvm/kvm.h"

namespace mirrorscope {

namespace {
constexpr u64 neededFor(Access access) { return access == Access::Read ? ept::kRead : access == Access::Write ? ept::kWrite : ept::kExec; }
bool usable(const std::optional<TlbEntry>& e, Access access) {
    return e && (e->rwx & neededFor(access)) != 0 && (access != Access::Write || e->dirty);
}
} // namespace

Kvm::Accessed Kvm::fillTlb(unsigned vcpu, const GuestOp& op, Gfn gfn, EptWalk& walk) {
    const Access kind = op.access();
    sim_.step(Site::TlbFill);
    const u64 gpn = gfn.v | (op.alias == Alias::Shared ? config_.directBits() : 0);
    walk = walkEpt(*machine_, vcpuOps_->hardwareRoot(vcpu, op.alias), config_.levels, gpn, kind, masks().format);
    for (unsigned i = 0; watch_ != nullptr && i < walk.depth; ++i)
        watch_->tableRead(walk.path[i]);
    if (walk.outcome == EptWalk::Outcome::Translated)
        vcpuOps_->checkOwner(gfn, op.alias, kind, walk);
    if (walk.outcome != EptWalk::Outcome::Translated)
        return Accessed::Stopped;
    // The CPU sets accessed bits on the way and the dirty bit of the leaf; the secure EPT has A/D off.
    const bool sets = config_.adBits && vcpuOps_->setsAccessed(op.alias);
    if (sets) {
        for (unsigned i = 0; i < walk.depth; ++i)
            machine_->set(walk.path[i], machine_->get(walk.path[i]) | masks().format.accessed);
        if (kind == Access::Write && (machine_->get(walk.place) & masks().format.dirty) == 0) {
            if (!logByCpu(vcpu, gfn))
                return Accessed::LogFull;
            machine_->set(walk.place, machine_->get(walk.place) | masks().format.dirty);
        }
    }
    const u64 leaf = machine_->get(walk.place);
    const u64 offset = gfn.v & (pagesPer(walk.level) - 1);
    tlbs_[vcpu].insert({gfn, op.alias, walk.level, {ept::pfnOf(leaf).v + offset}, walk.rwx, !sets || (leaf & masks().format.dirty) != 0});
    return Accessed::Done;
}

// One access of the guest. Stopped: `walk` says where.
Kvm::Accessed Kvm::access(unsigned vcpu, const GuestOp& op, u64 gpa, u64 value, Outcome& outcome, EptWalk& walk) {
    Tlb& tlb = tlbs_[vcpu];
    const Gfn gfn{gpa >> 12};
    // Only this vCPU changes its TLB, so looking at it before the step is no race.
    if (!usable(tlb.lookup(gfn, op.alias), op.access()))
        if (const Accessed filled = fillTlb(vcpu, op, gfn, walk); filled != Accessed::Done)
            return filled;
    sim_.step(Site::TlbHit);
    const auto entry = tlb.lookup(gfn, op.alias);
    if (!usable(entry, op.access()))
        return Accessed::Again; // the RMP check was dropped with its page
    sim_.mark({.kind = MarkKind::TlbHit, .a = {gfn.v << 12, op.alias == Alias::Shared, vcpu, entry->pfn.v, 0, 0}});
    const u64 number = gpa >> 3 & 511;
    const Place word = wordOf(entry->pfn, static_cast<unsigned>(number));
    // Looked up only where somebody needs it: a read that nobody watches is the hot path.
    const auto record = op.kind == GuestOp::Kind::Write || watch_ != nullptr ? lastWrite(gfn, op.alias) : std::nullopt;
    if (op.kind == GuestOp::Kind::Write) {
        machine_->set(word, value);
        if (record) {
            machine_->set(*record, number + 1);
            machine_->set(*record + 1, value);
        }
    } else {
        outcome.value = vcpuOps_->decrypted(op.alias, entry->pfn, machine_->get(word));
        if (watch_ != nullptr)
            watch_->guestRead(vcpu, gfn, op.alias, number, outcome.value, record);
    }
    return Accessed::Done;
}

} // namespace mirrorscope
