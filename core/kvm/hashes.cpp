// SPDX-License-Identifier: GPL-3.0-or-later
// What an actor carries with it, as one number: all that will matter where what it has read is forgotten (Forget). By structured bindings,
// so that a member that is new must be named here, too.
#include "base/hash.h"
#include "kvm/structs.h"

namespace mirrorscope {

u64 KvmRun::hash() const {
    const auto& [why, beside] = *this;
    u64 hash = mixAll({static_cast<u64>(why), beside.present, beside.error});
    beside.forEach([&](Field, u64 value) { hash = mix(hash, value); });
    return hash;
}

u64 EnterResult::hash() const {
    const auto& [how, errorNumber, kvmRun] = *this;
    return mixAll({static_cast<u64>(how), static_cast<u64>(errorNumber), kvmRun.hash()});
}

u64 HandledExit::hash() const {
    const auto& [what, kvmRun, ve] = *this;
    return mixAll({static_cast<u64>(what), kvmRun.hash(), ve});
}

u64 Memslot::hash() const {
    const auto& [isUsed, number1, start, length, at, inArrays, inHost, atUser, inGmem, file, mapping, hasGmem, isReadonly, isLogged,
                 isInvalid, hostLevel, gmemLevel] = *this;
    return mixAll({isUsed, number1, start.v, length, static_cast<u64>(at), inArrays, inHost, atUser, inGmem, file ? *file + 1 : 0,
                   mapping ? *mapping + 1 : 0, hasGmem, isReadonly, isLogged, isInvalid, number(hostLevel), number(gmemLevel)});
}

u64 TdpIter::hash() const {
    const auto& [goal, path, entry, frame, bits, top, lowest, here, old, isValid, hasYielded, before] = *this;
    u64 hash = mixAll({goal.v, entry.v, frame.v, bits, number(top), number(lowest), number(here), old, isValid, hasYielded, before.v});
    for (const Pfn table : path)
        hash = mix(hash, table.v);
    return hash;
}

u64 KvmPageFault::hash() const {
    const auto& [cpu, address, frame, executes, writes, wasPresent, isPrefetch, ofPrivate, max, req, goal, disallowed, slotIndex, theSlot,
                 seq, page, writable, kvmRun] = *this;
    return mixAll({cpu, address, frame.v, executes, writes, wasPresent, isPrefetch, ofPrivate, number(max), number(req), number(goal),
                   disallowed, static_cast<u64>(slotIndex), theSlot.hash(), seq, page.v, writable, kvmRun.hash()});
}

} // namespace mirrorscope
