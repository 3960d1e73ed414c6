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

// The CPU's walk, an entry at a time: it goes on from the lowest table that it remembers, and remembers each that it comes through.
Kvm::Accessed Kvm::fillTlb(unsigned vcpu, const GuestOp& op, Gfn gfn, EptWalk& walk) {
    Tlb& tlb = tlbs_[vcpu];
    const u64 gpn = gfn.v | (op.alias == Alias::Shared ? config_.directBits() : 0);
    const bool sets = config_.adBits && vcpuOps_->setsAccessed(op.alias);
    walk = {};
    Pfn table;
    Level level = levelOf(config_.levels);
    for (unsigned n = 2; n <= config_.levels && table.v == 0; ++n)
        if (const auto kept = tlb.upper(gfn, op.alias, levelOf(n))) {
            table = kept->table;
            walk.rwx = kept->rwx;
            level = levelOf(n - 1);
        }
    const auto read = [&](Site site) {
        sim_.step(site);
        if (table.v == 0)
            table = vcpuOps_->hardwareRoot(vcpu, op.alias);
        walk.place = wordOf(table, tableIndex(gpn, level));
        walk.level = level;
        walk.entry = machine_->get(walk.place);
        if (watch_ != nullptr)
            watch_->tableRead(walk.place);
    };
    const auto leadsOn = [&] {
        return level > Level::k4K && (walk.rwx & masks().format.rights(walk.entry)) != 0 && !masks().format.misconfigured(walk.entry) &&
               (walk.entry & ept::kLarge) == 0 && ept::pfnOf(walk.entry).v != 0;
    };
    for (;; level = below(level)) {
        read(level > Level::k4K ? Site::EptWalk : Site::TlbFill);
        if (!leadsOn()) {
            sim_.becomes(Site::TlbFill);
            break;
        }
        if (const u64 accessed = masks().format.accessed; sets && (walk.entry & accessed) == 0) {
            if (!findsAgain(walk, accessed))
                return Accessed::Again;
            machine_->set(walk.place, walk.entry |= accessed);
        }
        walk.rwx &= masks().format.rights(walk.entry);
        table = ept::pfnOf(walk.entry);
        tlb.insert(UpperEntry{roundDown(gfn, level), op.alias, level, table, walk.rwx});
    }
    return endWalk(vcpu, op, gfn, walk);
}

// The walk has found its last entry.
Kvm::Accessed Kvm::endWalk(unsigned vcpu, const GuestOp& op, Gfn gfn, EptWalk& walk) {
    Tlb& tlb = tlbs_[vcpu];
    const Access kind = op.access();
    const PageFormat& format = masks().format;
    walk.rwx &= format.rights(walk.entry);
    const auto judge = [&] {
        walk.outcome = walk.rwx != 0 && format.misconfigured(walk.entry) ? EptWalk::Outcome::Misconfig
                       : (walk.rwx & neededFor(kind)) != 0 && (kind != Access::Exec || vcpuOps_->mayFetch(op.alias))
                           ? EptWalk::Outcome::Translated
                           : EptWalk::Outcome::Violation;
        if (walk.outcome == EptWalk::Outcome::Translated)
            vcpuOps_->checkOwner(gfn, op.alias, kind, walk);
    };
    judge();
    const bool sets = config_.adBits && vcpuOps_->setsAccessed(op.alias);
    const u64 wanted = !sets ? 0 : kind == Access::Write ? format.accessed | format.dirty : format.accessed;
    if (walk.outcome == EptWalk::Outcome::Translated && (walk.entry & wanted) != wanted) {
        // The secure EPT has A/D off.
        if (!findsAgain(walk, wanted))
            return Accessed::Again;
        judge();
        if (walk.outcome == EptWalk::Outcome::Translated) {
            if (kind == Access::Write && (walk.entry & format.dirty) == 0 && !logByCpu(vcpu, gfn))
                return Accessed::LogFull;
            machine_->set(walk.place, walk.entry |= wanted);
        }
    }
    if (walk.outcome == EptWalk::Outcome::Violation)
        tlb.forget(gfn, op.alias);
    if (walk.outcome != EptWalk::Outcome::Translated)
        return Accessed::Stopped;
    const u64 offset = gfn.v & (pagesPer(walk.level) - 1);
    tlb.insert(
        TlbEntry{gfn, op.alias, walk.level, {ept::pfnOf(walk.entry).v + offset}, walk.rwx, !sets || (walk.entry & format.dirty) != 0});
    return Accessed::Done;
}

// Bits are set by a locked operation on the entry, which must still be what the walk has read, whatever of them are set by now.
bool Kvm::findsAgain(EptWalk& walk, u64 bits) {
    sim_.step(Site::EptAd);
    const u64 found = machine_->get(walk.place);
    if (((found ^ walk.entry) & ~bits) != 0)
        return false;
    walk.entry = found;
    return true;
}

void Kvm::evict(unsigned vcpu, Gfn gfn, Alias alias) {
    sim_.step(Site::TlbEvict);
    tlbs_[vcpu].forget(gfn, alias);
}

// One access of the guest. Stopped: `walk` says where.
Kvm::Accessed Kvm::access(unsigned vcpu, const GuestOp& op, u64 gpa, u64 value, Outcome& outcome, EptWalk& walk) {
    Tlb& tlb = tlbs_[vcpu];
    const Gfn gfn{gpa >> 12};
    // Only this vCPU changes its TLB, so looking at it before the step is no race.
    const bool forbidden = op.access() == Access::Exec && !vcpuOps_->mayFetch(op.alias);
    if (forbidden || !usable(tlb.lookup(gfn, op.alias), op.access()))
        if (const Accessed filled = fillTlb(vcpu, op, gfn, walk); filled != Accessed::Done)
            return filled;
    sim_.step(Site::TlbHit);
    const auto entry = tlb.lookup(gfn, op.alias);
    if (!usable(entry, op.access()))
        return Accessed::Again; // the RMP check was dropped with its page
    sim_.mark({.kind = MarkKind::TlbHit, .a = {gpaOf(gfn), op.alias == Alias::Shared, vcpu, entry->pfn.v, isSmm(gfn), 0}});
    const u64 number = gpa >> 3 & 511;
    const Place word = wordOf(entry->pfn, static_cast<unsigned>(number));
    // Looked up only where somebody needs it: a read that nobody watches is the hot path.
    const auto record = op.kind == GuestOp::Kind::Write || watch_ != nullptr ? lastWrite(gfn, op.alias) : std::nullopt;
    if (op.kind == GuestOp::Kind::Write) {
        machine_->set(word, value);
        if (watch_ != nullptr)
            if (const int index = peekSlotOf(gfn); index >= 0)
                watch_->guestWrote(peekSlot(index), gfn);
        if (record)
            noteWrite(*record, number, value);
    } else {
        outcome.value = vcpuOps_->decrypted(op.alias, entry->pfn, machine_->get(word));
        if (watch_ != nullptr)
            watch_->guestRead(vcpu, gfn, op.alias, number, outcome.value, record);
    }
    return Accessed::Done;
}

} // namespace mirrorscope
