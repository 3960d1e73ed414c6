// SPDX-License-Identifier: GPL-3.0-or-later
// TDG.MEM.PAGE.ACCEPT (tdg_mem_page_accept.c), executed by a vCPU that is inside: no tree lock, no op_state check.
#include "base/hash.h"
#include "tdx/module/module.h"

namespace mirrorscope {

u64 TdxModule::tdg_mem_page_accept(Pfn tdvpr, u64 rcx, bool& exits) {
    Call call(sim_, "tdg_mem_page_accept");
    exits = false;
    Forget forget(sim_);
    sim_.countLeaf(static_cast<unsigned>(Leaf::TdgMemPageAccept));
    sim_.step(Site::TdcallEnter);
    sim_.mark({.kind = MarkKind::TdCall, .code = static_cast<u8>(Leaf::TdgMemPageAccept), .phase = 0, .a = {rcx, 0, 0, 0, 0, 0}});
    Regs regs{.rcx = rcx};
    LeafCall c(*this, regs);
    c.tdr = pamt::owner(machine_->getBesideLock(pamt4k(tdvpr)));

    c.takeInputs();
    const auto body = [&]() -> u64 {
        if (const u64 s = c.takeGpa(0, 1); s != 0)
            return s;
        // The walk takes no lock; whether the entry is a leaf is remembered from this copy.
        sim_.step(Site::SeptRead);
        if (c.walkOnly() != 0) {
            if (sept::stateOf(c.walk.entry) == SeptState::Mapped)
                return tdx::status(tdx::PAGE_ALREADY_ACCEPTED, number(c.walk.level) - 1);
            exits = true;
            return tdx::kSuccess;
        }
        const bool wasLeaf = sept::isLeaf(c.walk.entry);
        forget.but(mix(c.walk.place.v, wasLeaf));
        sim_.step(Site::SeptLock);
        const u64 entry = machine_->get(c.walk.place);
        if ((entry & (sept::kLock | sept::kHostPriority)) != 0)
            return tdx::status(tdx::OPERAND_BUSY, tdx::RCX);
        machine_->set(c.walk.place, entry | sept::kLock);
        const bool isLeaf = c.does(Later::AcceptUnderTheLock) ? sept::isLeaf(entry) : wasLeaf;
        const auto unlock = [&] { machine_->set(c.walk.place, machine_->get(c.walk.place) & ~sept::kLock); };
        const SeptState state = sept::stateOf(entry);
        const u32 moduleLevel = number(c.level) - 1;
        u64 result = tdx::kSuccess;
        if (state != SeptState::Free && !isLeaf) {
            result = tdx::status(tdx::PAGE_SIZE_MISMATCH, moduleLevel);
        } else if (state == SeptState::Mapped) {
            result = tdx::status(tdx::PAGE_ALREADY_ACCEPTED, moduleLevel);
        } else if (state == SeptState::Pending) {
            const Pfn page = ept::pfnOf(entry & ~(bytesPer(c.level) - 1));
            for (u64 i = 0; i < pagesPer(c.level); ++i)
                machine_->fill({page.v + i}, 0);
            sim_.step(Site::SeptSet);
            machine_->set(c.walk.place, sept::kMapped | hpa(page) | c.keptPriority());
            return result; // the store released the lock
        } else {
            exits = true;
        }
        forget.but(mixAll({c.walk.place.v, result, exits}));
        sim_.step(Site::SeptLock);
        unlock();
        return result;
    };
    const u64 status = body();
    forget.but(mix(status, exits));
    sim_.step(Site::TdcallLeave);
    sim_.mark({.kind = MarkKind::TdCall, .code = static_cast<u8>(Leaf::TdgMemPageAccept), .phase = 1, .a = {status, exits, 0, 0, 0, 0}});
    return status;
}

} // namespace mirrorscope
