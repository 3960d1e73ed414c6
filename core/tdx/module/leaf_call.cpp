// SPDX-License-Identifier: GPL-3.0-or-later
// The checks that leaves share, in the module's order (reference: TDX module 1.5.01, helpers.c, sept_manager.c,
// pamt_manager.c).
#include "base/hash.h"
#include "tdx/module/module.h"

#include <cassert>

namespace mirrorscope {

namespace {
// 16-bit locks: bit 0 exclusive, bit 1 host priority, readers from bit 2.
constexpr u64 kExclusive = 1, kReader = 4, kLockBits = 0xffff, kBusyForWriter = kLockBits & ~2ull;
} // namespace

bool LeafCall::lock(Place place, Mode mode) {
    const u64 word = machine.look(place);
    const bool shared = mode == Mode::Shared;
    const bool taken = (word & (shared ? kExclusive : kBusyForWriter)) != 0;
    machine.note(taken);
    if (taken) {
        machine.noteLock(place);
        return false;
    }
    machine.setLock(place, word + (shared ? kReader : kExclusive), shared);
    assert(heldCount_ < held_.size());
    held_[heldCount_++] = {place, mode};
    return true;
}

void LeafCall::releaseAll() {
    if (entryLocked_)
        unlockEntry();
    while (heldCount_ > 0) {
        const Held& held = held_[--heldCount_];
        const bool shared = held.mode == Mode::Shared;
        machine.setLock(held.place, machine.look(held.place) - (shared ? kReader : kExclusive), shared);
    }
}

u64 LeafCall::toBeReleased() const {
    u64 hash = entryLocked_ ? walk.place.v : ~u64{0};
    for (unsigned i = 0; i < heldCount_; ++i)
        hash = mix(hash, held_[i].place.v << 1 | (held_[i].mode == Mode::Shared));
    return hash;
}

u64 LeafCall::walkPamt(Pfn pfn, u32 op, Mode mode, Level size, Level& found) {
    for (const Level l : {Level::k1G, Level::k2M, Level::k4K}) {
        const auto endsAbove = [&] {
            const PageType type = pamt::type(machine.getBesideLock(pamtOf(pfn, l)));
            return type == PageType::Reg || (l == Level::k2M && dynamicPamt() && type != PageType::Pamt);
        };
        const bool last = l == size || endsAbove();
        if (!lock(pamtOf(pfn, l), last ? mode : Mode::Shared))
            return tdx::status(tdx::OPERAND_BUSY, op);
        found = l;
        if (last)
            break;
    }
    return tdx::kSuccess;
}

u64 LeafCall::explicitPage(u64 hpaPage, u32 op, PageType wanted, Mode mode, Level size) {
    if ((hpaPage & (bytesPer(size) - 1)) != 0 || hpaPage >= kMaxHpa)
        return tdx::status(tdx::OPERAND_INVALID, op);
    const Pfn pfn{hpaPage >> 12};
    if (pfn.v + pagesPer(size) > frames().count())
        return tdx::status(tdx::OPERAND_ADDR_RANGE_ERROR, op);
    Level found = Level::k4K;
    if (const u64 s = walkPamt(pfn, op, mode, size, found); s != 0)
        return s;
    const PageType type = pamt::type(machine.getBesideLock(pamtOf(pfn, found)));
    if (found != size && type == PageType::Nda && wanted == PageType::Nda && dynamicPamt())
        return tdx::status(tdx::MISSING_PAMT_PAGE_PAIR, op);
    if (found != size || type != wanted)
        return tdx::status(tdx::PAGE_METADATA_INCORRECT, op);
    if (wanted == PageType::Nda)
        for (u64 i = 0; i < pagesPer(size) && dynamicPamt(); ++i)
            if (isPamtPage({pfn.v + i}))
                return tdx::status(tdx::PAGE_METADATA_INCORRECT, op);
    if (size == Level::k2M && wanted == PageType::Nda)
        for (u64 i = 0; i < 512; ++i)
            if (pamt::type(machine.getBesideLock(m.pamt4k({pfn.v + i}))) != PageType::Nda)
                return tdx::status(tdx::PAGE_METADATA_INCORRECT, op);
    return tdx::kSuccess;
}

u64 LeafCall::implicitPage(Pfn pfn, u32 op, Mode mode, Level size) {
    return lock(pamtOf(pfn, size), mode) ? tdx::kSuccess : tdx::status(tdx::OPERAND_BUSY, op);
}

u64 LeafCall::checkTd(Mode mode, unsigned states) {
    if (tdrWord(tdr::Fatal) != 0)
        return tdx::status(tdx::TD_FATAL);
    if (tdrWord(tdr::Lifecycle) != tdr::KeysConfigured)
        return tdx::status(tdx::TD_KEYS_NOT_CONFIGURED);
    if (tdrWord(tdr::NumTdcx) < tdcs::kPages)
        return tdx::status(tdx::TDCS_NOT_ALLOCATED);
    if (mode == Mode::Shared && !lock(wordOf(m.tdcs(tdr), tdcs::OpStateLock), Mode::Shared))
        return tdx::status(tdx::OPERAND_BUSY, tdx::OP_STATE);
    if ((states >> tdcsWord(tdcs::OpState) & 1) == 0)
        return tdx::status(tdx::OP_STATE_INCORRECT);
    return tdx::kSuccess;
}

u64 LeafCall::enterTd(u64 hpaTdr, u32 op, Mode mode, unsigned states) {
    if (const u64 s = explicitPage(hpaTdr, op, PageType::Tdr, mode); s != 0)
        return s;
    tdr = pfnOf(hpaTdr);
    return checkTd(mode, states);
}

u64 LeafCall::enterTdImplicit(Pfn owner, unsigned states, Mode mode) {
    if (const u64 s = implicitPage(owner, tdx::TDR, mode); s != 0)
        return s;
    tdr = owner;
    return checkTd(Mode::Shared, states);
}

unsigned LeafCall::topLevel() const { return static_cast<unsigned>(tdcsWord(tdcs::EptLevels)) - 1; }

u64 LeafCall::checkPrivateGpa(u64 address, u32 op) const {
    const unsigned sharedBit = tdcsWord(tdcs::Gpaw) != 0 ? 51 : 47;
    // The shared bit must be clear, and nothing may stand above the width.
    if (address >> sharedBit != 0)
        return tdx::status(tdx::OPERAND_INVALID, op);
    return tdx::kSuccess;
}

u64 LeafCall::takeGpa(unsigned minLevel, unsigned maxLevel) {
    const u64 rcx = rcxIn_;
    const unsigned l = rcx & 7;
    gpa = rcx & ept::kPfnMask;
    if ((rcx & ~(ept::kPfnMask | 7)) != 0 || l < minLevel || l > maxLevel)
        return tdx::status(tdx::OPERAND_INVALID, tdx::RCX);
    level = levelOf(l + 1);
    if ((gpa & (bytesPer(level) - 1)) != 0)
        return tdx::status(tdx::OPERAND_INVALID, tdx::RCX);
    return checkPrivateGpa(gpa, tdx::RCX);
}

u64 LeafCall::walkOnly() {
    walk = {};
    Pfn table = m.septRoot(tdr);
    for (unsigned n = static_cast<unsigned>(tdcsWord(tdcs::EptLevels)); n > 0; --n) {
        walk.level = levelOf(n);
        walk.place = wordOf(table, tableIndex(gpa >> 12, walk.level));
        walk.entry = machine.get(walk.place);
        if (walk.level == level) {
            walk.reached = true;
            return tdx::kSuccess;
        }
        if ((walk.entry & ept::kRwx) == 0 || sept::isLeaf(walk.entry))
            break;
        table = ept::pfnOf(walk.entry);
    }
    return fail(tdx::EPT_WALK_FAILED);
}

u64 LeafCall::walkAndLock(Mode tree) {
    sim.step(Site::SeptLock);
    if (!lock(wordOf(m.tdcs(tdr), tdcs::TreeLock), tree))
        return tdx::status(tdx::OPERAND_BUSY, tdx::SEPT_TREE);
    sim.step(Site::SeptRead);
    if (const u64 s = walkOnly(); s != 0)
        return s;
    sim.step(Site::SeptLock);
    const u64 entry = machine.get(walk.place);
    if ((entry & sept::kLock) != 0) {
        machine.set(walk.place, entry | sept::kHostPriority);
        return fail(tdx::OPERAND_BUSY);
    }
    walk.entry = (entry & ~sept::kHostPriority) | sept::kLock;
    machine.set(walk.place, walk.entry);
    entryLocked_ = true;
    return tdx::kSuccess;
}

void LeafCall::unlockEntry() {
    machine.set(walk.place, machine.get(walk.place) & ~sept::kLock);
    entryLocked_ = false;
}

// A fresh value forgets a lost host's priority, in 1.5.01.
u64 LeafCall::keptPriority() const { return does(Later::KeepsHostPriority) ? machine.get(walk.place) & sept::kHostPriority : 0; }

void LeafCall::storeEntry(u64 value) {
    sim.step(Site::SeptSet);
    machine.set(walk.place, value | keptPriority() | (entryLocked_ ? sept::kLock : 0));
    walk.entry = value;
}

void LeafCall::storeEntryAndUnlock(u64 value) {
    sim.step(Site::SeptSet);
    machine.set(walk.place, value | keptPriority());
    walk.entry = value;
    entryLocked_ = false; // whoever locks it from here on is somebody else
}

void LeafCall::extended(u64 entry, Level l) {
    r.rcx = sept::view(entry);
    r.rdx = (number(l) - 1) | u64{sept::archState(entry)} << 8;
}

u64 LeafCall::fail(u32 high, u32 operand) {
    extended(walk.entry, walk.level);
    return tdx::status(high, operand);
}

u64 LeafCall::stateIncorrect() { return fail(tdx::EPT_ENTRY_STATE_INCORRECT); }

bool LeafCall::tracked(u64 b) const {
    const u64 epoch = tdcsWord(tdcs::TdEpoch);
    if (b >> 63 != 0 || b >= epoch)
        return false;
    if (b + 1 < epoch)
        return true;
    return tdcsWord(tdcs::RefCount0 + static_cast<unsigned>(b & 1)) == 0;
}

u64 LeafCall::checkTracking(u64 b) {
    if (!trackedState())
        return tdx::kSuccess;
    if (!sept::isAnyBlocked(walk.entry))
        return fail(tdx::GPA_RANGE_NOT_BLOCKED);
    if (!tracked(b))
        return tdx::status(tdx::TLB_TRACKING_NOT_DONE, tdx::RCX);
    return tdx::kSuccess;
}

void LeafCall::setPage(Pfn pfn, Level size, PageType type, Pfn owner, bool clearBepoch) {
    const Place place = pamtOf(pfn, size);
    machine.set(place, pamt::make(machine.look(place), type, owner));
    if (clearBepoch)
        machine.set(place + 1, 0);
}

void LeafCall::measure(std::string_view bytes) {
    std::string& stream = m.measured();
    const u64 length = tdcsWord(tdcs::MrLength);
    stream.resize(length); // what an undone execution measured is gone
    stream += bytes;
    u64 hash = tdcsWord(tdcs::MrHash);
    for (const char byte : bytes)
        hash = (hash ^ static_cast<u8>(byte)) * 0x100000001b3ull;
    setTdcs(tdcs::MrLength, length + bytes.size());
    setTdcs(tdcs::MrHash, hash);
}

} // namespace mirrorscope
