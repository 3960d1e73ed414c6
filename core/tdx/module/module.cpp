// SPDX-License-Identifier: GPL-3.0-or-later
// Dispatch, injection, and what others may look at.
#include "tdx/module/module.h"

#include "base/hash.h"

#include <openssl/sha.h>

#include <algorithm>

namespace mirrorscope {

TdxModule::TdxModule(const MachineConfig& config, Sim& sim, Frames& frames, Regions& regions)
    : config_(config), sim_(sim), frames_(frames) {
    pamt_[0] = regions.take(frames.count() * 2, "pamt", 2);
    pamt_[1] = regions.take((frames.count() / 512 + 1) * 2, "pamt", 2);
    pamt_[2] = regions.take((frames.count() / (512 * 512) + 1) * 2, "pamt", 2);
    kot_ = regions.take(kHkids, "kot");
    if (config.has(Feature::DynamicPamt))
        pamtBitmap_ = regions.take(frames.count(), "pamt-bitmap");
    inject_.reserve(kLeaves);
    for (unsigned leaf = 0; leaf < kLeaves; ++leaf)
        inject_.emplace_back(regions, "inject-seamcall");
}

TdxModule::Function TdxModule::function(Leaf leaf) {
    switch (leaf) {
    case Leaf::VpEnter: return tdh_vp_enter;
    case Leaf::MngAddcx: return tdh_mng_addcx;
    case Leaf::MemPageAdd: return tdh_mem_page_add;
    case Leaf::MemSeptAdd: return tdh_mem_sept_add;
    case Leaf::VpAddcx: return tdh_vp_addcx;
    case Leaf::MemPageRelocate: return tdh_mem_page_relocate;
    case Leaf::MemPageAug: return tdh_mem_page_aug;
    case Leaf::MemRangeBlock: return tdh_mem_range_block;
    case Leaf::MngKeyConfig: return tdh_mng_key_config;
    case Leaf::MngCreate: return tdh_mng_create;
    case Leaf::VpCreate: return tdh_vp_create;
    case Leaf::MemPageDemote: return tdh_mem_page_demote;
    case Leaf::MrExtend: return tdh_mr_extend;
    case Leaf::MrFinalize: return tdh_mr_finalize;
    case Leaf::VpFlush: return tdh_vp_flush;
    case Leaf::MngVpflushdone: return tdh_mng_vpflushdone;
    case Leaf::MngKeyFreeid: return tdh_mng_key_freeid;
    case Leaf::MngInit: return tdh_mng_init;
    case Leaf::VpInit: return tdh_vp_init;
    case Leaf::MemPagePromote: return tdh_mem_page_promote;
    case Leaf::PhymemPageRdmd: return tdh_phymem_page_rdmd;
    case Leaf::MemSeptRd: return tdh_mem_sept_rd;
    case Leaf::MngKeyReclaimid: return tdh_mng_key_reclaimid;
    case Leaf::PhymemPageReclaim: return tdh_phymem_page_reclaim;
    case Leaf::MemPageRemove: return tdh_mem_page_remove;
    case Leaf::MemSeptRemove: return tdh_mem_sept_remove;
    case Leaf::MemTrack: return tdh_mem_track;
    case Leaf::MemRangeUnblock: return tdh_mem_range_unblock;
    case Leaf::PhymemCacheWb: return tdh_phymem_cache_wb;
    case Leaf::PhymemPageWbinvd: return tdh_phymem_page_wbinvd;
    case Leaf::PhymemPamtAdd: return tdh_phymem_pamt_add;
    case Leaf::PhymemPamtRemove: return tdh_phymem_pamt_remove;
    case Leaf::TdgMemPageAccept:
    case Leaf::Count_: break;
    }
    return nullptr;
}

void TdxModule::inject(Leaf leaf, u64 status, u64 times, u64 after) {
    inject_[static_cast<unsigned>(leaf)].set(*machine_, status, times, after);
}

u64 TdxModule::hashOf(u64 status, const Regs& regs) {
    return mixAll({status, regs.rcx, regs.rdx, regs.r8, regs.r9, regs.r10, regs.r11, regs.r12, regs.r13});
}

u64 TdxModule::seamcall(Leaf leaf, Regs& regs) {
    Call call(sim_, info(leaf).function.data());
    Forget forget(sim_);
    sim_.countLeaf(static_cast<unsigned>(leaf));
    sim_.step(Site::SeamcallEnter);
    sim_.mark({.kind = MarkKind::Seamcall, .code = static_cast<u8>(leaf), .phase = 0, .a = {regs.rcx, regs.rdx, regs.r8, regs.r9, 0, 0}});
    u64 status;
    LeafCall c(*this, regs);
    if (const auto injected = inject_[static_cast<unsigned>(leaf)].next(*machine_)) {
        status = *injected;
    } else {
        // The dispatcher refuses versions of leaves that have none.
        const bool versioned = leaf == Leaf::MemSeptAdd || leaf == Leaf::MemSeptRemove || leaf == Leaf::MemPagePromote ||
                               (leaf == Leaf::VpInit && c.does(Later::VpInitVersion1));
        status = regs.version != 0 && !versioned ? tdx::status(tdx::OPERAND_INVALID, tdx::RAX) : function(leaf)(c);
    }
    forget.but([&] { return mix(hashOf(status, regs), c.toBeReleased()); });
    sim_.step(Site::SeamcallLeave);
    c.releaseAll();
    sim_.mark(
        {.kind = MarkKind::Seamcall, .code = static_cast<u8>(leaf), .phase = 1, .a = {status, regs.rcx, regs.rdx, regs.r8, regs.r9, 0}});
    forget.but([&] { return hashOf(status, regs); });
    return status;
}

TdxModule::FrameRun TdxModule::framesOfPamt(Place place) const {
    const u64 frames = frames_.count();
    u64 span = 1;
    for (const Place& array : pamt_) {
        const u64 entries = (frames + span - 1) / span;
        if (place >= array && place.v < array.v + entries * 2) {
            const u64 first = (place.v - array.v) / 2 * span;
            return {{first}, std::min(span, frames - first)};
        }
        span *= 512;
    }
    return {};
}

void TdxModule::attach(Machine& machine) {
    machine_ = &machine;
    const u64 entries[] = {frames_.count(), frames_.count() / 512 + 1, frames_.count() / (512 * 512) + 1};
    for (unsigned i = 0; i < 3; ++i)
        machine.haveParts(pamt_[i], entries[i] * 2, 2, WordAccess::kLockBits);
}

u64 TdxModule::peekPamt(Pfn pfn, Level* size) const {
    const std::pair<Place, Level> candidates[] = {{pamt1g(pfn), Level::k1G}, {pamt2m(pfn), Level::k2M}, {pamt4k(pfn), Level::k4K}};
    for (const auto& [place, level] : candidates) {
        const u64 word = machine_->peek(place);
        if (pamt::type(word) == PageType::Reg || level == Level::k4K) {
            if (size != nullptr)
                *size = level;
            return word;
        }
    }
    return 0;
}

TdxModule::SeptWalk TdxModule::peekSept(Pfn tdr, Gfn gfn, Level level) const {
    return peekSept(*machine_, septRoot(tdr), static_cast<unsigned>(peekTdcs(tdr, tdcs::EptLevels)), gfn, level);
}

TdxModule::SeptWalk TdxModule::peekSept(const Machine& machine, Pfn root, unsigned levels, Gfn gfn, Level level) {
    SeptWalk walk;
    Pfn table = root;
    for (unsigned n = levels; n > 0; --n) {
        walk.level = levelOf(n);
        walk.place = wordOf(table, tableIndex(gfn.v, walk.level));
        walk.entry = machine.peek(walk.place);
        if (walk.level == level) {
            walk.reached = true;
            break;
        }
        if ((walk.entry & ept::kRwx) == 0 || sept::isLeaf(walk.entry))
            break;
        table = ept::pfnOf(walk.entry);
    }
    return walk;
}

std::optional<Pfn> TdxModule::servedBy(Pfn pfn) const {
    const u64 range = config_.has(Feature::DynamicPamt) ? machine_->peek(pamtBitmap_ + pfn.v) : 0;
    return range == 0 ? std::nullopt : std::optional(Pfn{(range - 1) << 9});
}

std::optional<std::array<Pfn, 2>> TdxModule::pairOf(Pfn pfn) const {
    const u64 word = machine_->peek(pamt2m(pfn));
    if (pamt::type(word) != PageType::Pamt)
        return std::nullopt;
    return std::array<Pfn, 2>{pamt::owner(word), Pfn{machine_->peek(pamt2m(pfn) + 1)}};
}

bool TdxModule::isSeptPage(Pfn pfn) const {
    if (!frames_.valid(pfn))
        return false;
    const u64 word = machine_->peek(pamt4k(pfn));
    if (pamt::type(word) == PageType::Ept)
        return true;
    return pamt::type(word) == PageType::Tdcx && septRoot(pamt::owner(word)) == pfn;
}

std::array<u8, 48> TdxModule::mrtd(Pfn tdr) const {
    std::array<u8, 48> digest{};
    const u64 length = peekTdcs(tdr, tdcs::MrLength);
    SHA384(reinterpret_cast<const unsigned char*>(measured_.data()), length, digest.data());
    return digest;
}

void TdxModule::tdExit(Pfn tdvpr) {
    const auto set = [&](Place place, u64 value) { machine_->set(place, value); };
    if (machine_->get(wordOf(tdvpr, tdvps::State)) != tdvps::Active)
        return;
    const Pfn tdr = pamt::owner(machine_->getBesideLock(pamt4k(tdvpr)));
    set(wordOf(tdvpr, tdvps::State), tdvps::Ready);
    const Place count = wordOf(tdcs(tdr), tdcs::RefCount0 + static_cast<unsigned>(machine_->get(wordOf(tdvpr, tdvps::VcpuEpoch)) & 1));
    machine_->add(count, ~0ull);
    for (const Place place : {pamt4k(tdr), pamt4k(tdvpr), pamt2m(tdvpr), pamt1g(tdvpr)})
        machine_->setLock(place, machine_->look(place) - 4, true); // one reader less
}

TdxModule::Violation TdxModule::classifyViolation(Pfn tdr, u64 gpn) {
    const SeptWalk walk = peekSept(tdr, {gpn}, Level::k4K);
    machine_->note(walk.entry);
    if (sept::stateOf(walk.entry) != SeptState::Pending)
        return Violation::Exit;
    return machine_->get(wordOf(tdcs(tdr), tdcs::PendingVeDisable)) != 0 ? Violation::ExitPending : Violation::Ve;
}

} // namespace mirrorscope
