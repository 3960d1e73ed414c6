// SPDX-License-Identifier: GPL-3.0-or-later
// Every assertion of the kernel that something here can reach is heard when it would fire. A correct kernel fires none of them, so that
// most need a hand in the machine: a word that a forgotten notifier, a lost reference or a wrong caller would have left otherwise.
#include "kvm/asserts.h"
#include "kvm/protocol.h"
#include "support/run.h"
#include "tdx/backend/backend.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

namespace mirrorscope::test {

namespace {
using Hand = std::function<void(System&)>;
struct Case {
    Assert which;
    std::string machine;
    std::vector<std::string> before;
    Hand hand; // between `before` and `after`; an action of the host
    std::vector<std::string> after;
};

// mmu_lock, held for writing or for reading while this lives.
class MmuLock {
public:
    MmuLock(System& system, bool write) : sim_(system.sim()), write_(write) {
        write_ ? sim_.writeLock(LockId::MmuLock) : sim_.readLock(LockId::MmuLock);
    }
    ~MmuLock() { write_ ? sim_.writeUnlock(LockId::MmuLock) : sim_.readUnlock(LockId::MmuLock); }

private:
    Sim& sim_;
    bool write_;
};

Place entryAt(const Kvm& kvm, Gfn gfn, Level level, bool mirror = false) {
    Pfn table{kvm.machine().look(kvm.vcpuWord(0, mirror ? Kvm::VcpuWord::MirrorRootHpa : Kvm::VcpuWord::RootHpa))};
    for (unsigned l = 4; l > number(level); --l)
        table = ept::pfnOf(kvm.machine().look(wordOf(table, gfn.v >> 9 * (l - 1) & 511)));
    return wordOf(table, gfn.v >> 9 * (number(level) - 1) & 511);
}

Pfn rootOf(const Kvm& kvm) { return {kvm.machine().look(kvm.vcpuWord(0, Kvm::VcpuWord::RootHpa))}; }
Memslot firstSlot(const Kvm& kvm) { return kvm.peekSlot(0); }
Hand setRootCount(u64 count) {
    return [count](System& system) { system.kvm().spSet(rootOf(system.kvm()), Kvm::kRootCount, count); };
}
Hand setVm(Kvm::VmWord word, u64 value) {
    return [word, value](System& system) { system.machine().set(system.kvm().vm(word), value); };
}
// The host's page table leads elsewhere, and no notifier told.
Hand movePage(u64 gfn, u64 pfn) {
    return [gfn, pfn](System& system) { system.machine().set(system.kvm().hostPlace(firstSlot(system.kvm()), {gfn}), pfn); };
}
Hand setEntry(Gfn gfn, Level level, std::function<u64(u64)> change, bool mirror = false) {
    return [=](System& system) {
        const Place place = entryAt(system.kvm(), gfn, level, mirror);
        system.machine().set(place, change(system.machine().look(place)));
    };
}
Hand storeEntry(Gfn gfn, Level level, std::function<u64(u64)> change, bool mirror = false) {
    return [=](System& system) {
        Kvm& kvm = system.kvm();
        const Place place = entryAt(kvm, gfn, level, mirror);
        const u64 old = kvm.machine().look(place);
        const MmuLock lock(system, true);
        kvm.tdp_mmu_set_spte(place, old, change(old), gfn, level);
    };
}
Hand storeAtomic(Gfn gfn, Level level, u64 old, u64 now, bool mirror = false) {
    return [=](System& system) {
        Kvm& kvm = system.kvm();
        TdpIter iter;
        iter.sptep = entryAt(kvm, gfn, level, mirror);
        iter.oldSpte = old != 0 ? old : kvm.machine().look(iter.sptep);
        iter.gfn = gfn;
        iter.level = level;
        const MmuLock lock(system, false);
        kvm.tdp_mmu_set_spte_atomic(iter, now);
    };
}
u64 largerBy(u64 spte, u64 pages) { return spte + (pages << 12); }

const std::string kVm = "vm: default, vcpus: 2, slots: [{id: 0, gpa: 0, size: 4M}]";
const std::string kHugeVm = "vm: default, slots: [{id: 0, gpa: 0, size: 4M, backing: 2M}]";
const std::string kTd = "vm: tdx, slots: [{id: 0, gpa: 0, size: 4M}]";
const std::string kDynamicPamt = kTd + ", kernel: next, features: [dynamic-pamt]";
const std::string kPrivate2M = kTd + ", kernel: \"7.2\", features: [private-2M]";
const std::string kWrite = "vcpu0: {write: 0x1000}";
const std::string kImage = "init-mem-region: {gpa: 0, size: 4K, measure: false}", kFinal = "finalize-vm",
                  kAccept = "vcpu0: {accept: 0x4000}";
const std::string kZap = "kernel: {call: kvm_tdp_mmu_zap_leafs, gpa: 0x4000, size: 4K}";
std::string answer(const std::string& leaf, const std::string& status) {
    return "inject: {seamcall: " + leaf + ", status: " + status + "}";
}

std::vector<Case> cases() {
    const Hand none;
    const auto withoutRights = [](u64 spte) { return spte & ~u64{7}; };
    return {
        // tdp_mmu.c
        {Assert::UninitPages, kVm, {kWrite}, setVm(Kvm::VmWord::TablePages, 9), {"destroy-vm"}},
        {Assert::UninitRoots, kVm, {kWrite}, setRootCount(7), {"destroy-vm"}},
        {Assert::PutValidRoot, kVm, {kWrite}, setRootCount(1), {"destroy-vm"}},
        {Assert::ListedRootDead, kVm, {kWrite}, setRootCount(0), {"kernel: {call: kvm_mmu_load, vcpu: 1}"}},
        {Assert::RemovedShared,
         kTd,
         {kImage, kFinal, kAccept},
         [](System& system) {
             Kvm& kvm = system.kvm();
             const MmuLock lock(system, false);
             kvm.handle_removed_pt(ept::pfnOf(kvm.machine().look(entryAt(kvm, {4}, Level::k2M, true))), true);
         },
         {}},
        {Assert::FreeExternal,
         kTd,
         {kImage, kFinal, kAccept, "inject: {seamcall: TDH.PHYMEM.PAGE.RECLAIM, status: TDX_OPERAND_INVALID, after: 6}"},
         none,
         {"destroy-vm"}},
        {Assert::PresentToPresent,
         kTd,
         {kImage, kFinal, kAccept},
         [](System& system) {
             Kvm& kvm = system.kvm();
             const Place place = entryAt(kvm, {4}, Level::k4K, true);
             const u64 spte = kvm.machine().look(place);
             const MmuLock lock(system, false);
             kvm.set_external_spte_present(place, {4}, spte, spte, Level::k4K);
         },
         {}},
        {Assert::NoExternal,
         kTd,
         {kImage, kFinal, kAccept},
         [](System& system) {
             Kvm& kvm = system.kvm();
             const Place place = entryAt(kvm, {4}, Level::k2M, true);
             const u64 spte = kvm.machine().look(place);
             kvm.spSet(ept::pfnOf(spte), Kvm::kExternal, 0);
             kvm.machine().set(place, spte::kNonpresent);
             const MmuLock lock(system, false);
             kvm.set_external_spte_present(place, {0}, spte::kNonpresent, spte, Level::k2M);
         },
         {}},
        {Assert::LeafPfnChanged, kVm, {kWrite}, storeEntry({1}, Level::k4K, [](u64 spte) { return largerBy(spte, 1); }), {}},
        {Assert::NonpresentChanged, kVm, {kWrite}, storeEntry({2}, Level::k4K, [](u64) { return u64{1} << 63 | 0x123000; }), {}},
        {Assert::TablePfnChanged, kVm, {kWrite}, storeEntry({0}, Level::k2M, [](u64 spte) { return largerBy(spte, 1); }), {}},
        {Assert::AtomicFrozen, kVm, {kWrite}, storeAtomic({1}, Level::k4K, spte::kFrozen, spte::kNonpresent), {}},
        {Assert::AtomicMirrorZap, kTd, {kImage, kFinal, kAccept}, storeAtomic({4}, Level::k4K, 0, spte::kNonpresent, true), {}},
        {Assert::SetFrozen, kVm, {kWrite}, storeEntry({1}, Level::k4K, [](u64) { return spte::kFrozen; }), {}},
        {Assert::SetMirrorPresent,
         kTd,
         {kImage, kFinal},
         storeEntry(
             {9}, Level::k4K, [](u64 spte) { return (spte & ~spte::kFrozen) | u64{1} << 11 | 7 | 40 << 12; }, true),
         {}},
        {Assert::RemoveExternal,
         kTd + ", kernel: 7.2",
         {kImage, kFinal, answer("TDH.MEM.PAGE.AUG", "TDX_OPERAND_BUSY")},
         storeEntry(
             {9}, Level::k4K, [](u64 spte) { return (spte & ~spte::kFrozen) | u64{1} << 11 | 7 | 40 << 12; }, true),
         {}},
        {Assert::ZapRootUnreferenced,
         kVm,
         {kWrite},
         [](System& system) {
             setRootCount(0)(system);
             const MmuLock lock(system, true);
             system.kvm().tdp_mmu_zap_root(rootOf(system.kvm()), false);
         },
         {}},
        {Assert::ZapSpAbsent,
         "vm: default, nx-huge-pages: true, slots: [{id: 0, gpa: 0, size: 4M, backing: 2M}]",
         {"vcpu0: {exec: 0x1000}"},
         setEntry({0}, Level::k2M, [](u64) { return spte::kNonpresent; }),
         {"recover-nx-pages: {}"}},
        {Assert::InvalidateInvalid,
         kVm,
         {kWrite},
         [](System& system) {
             const MmuLock lock(system, true);
             system.kvm().kvm_tdp_mmu_invalidate_roots(KVM_INVALID_ROOTS);
         },
         {}},
        {Assert::SpuriousPfn,
         kVm,
         {kWrite},
         movePage(1, 40),
         {"kernel: {call: kvm_mmu_do_page_fault, vcpu: 0, gpa: 0x1000, access: read}"}},
        {Assert::ReplacedNeedsFlush,
         kVm,
         {"vcpu0: {read: 0x1000}"},
         [=](System& system) {
             setEntry({1}, Level::k4K, withoutRights)(system);
             const Place page = system.kvm().hostPlace(firstSlot(system.kvm()), {1});
             system.machine().set(page, system.machine().look(page) | Kvm::kHostProtected);
         },
         {"kernel: {call: kvm_mmu_do_page_fault, vcpu: 0, gpa: 0x1000, access: read}"}},
        {Assert::SplitMirror,
         kTd,
         {kImage, kFinal, kAccept},
         setEntry(
             {0}, Level::k2M, [](u64 spte) { return (spte | u64{1} << 7) & ~(u64{0x1ff} << 12); }, true),
         {"kernel: {call: kvm_mmu_do_page_fault, vcpu: 0, gpa: 0x5000, access: write}"}},
        {Assert::WrprotLevel, kVm, {kWrite}, none, {"kernel: {call: kvm_tdp_mmu_wrprot_slot, gpa: 0, size: 4M, level: 512G}"}},
        {Assert::RecoverLogged,
         kVm,
         {kWrite, "dirty-log: {id: 0, do: start}"},
         none,
         {"kernel: {call: kvm_tdp_mmu_recover_huge_pages, id: 0}"}},
        {Assert::WriteProtectLevel, kVm, {kWrite}, none, {"kernel: {call: kvm_tdp_mmu_write_protect_gfn, gpa: 0x1000, level: 512G}"}},
        {Assert::IterRoot,
         kVm,
         {kWrite},
         [](System& system) { system.kvm().spSet(rootOf(system.kvm()), Kvm::kRole, 0); },
         {"kernel: {call: kvm_tdp_mmu_zap_all}"}},
        // spte.c, mmu.c
        {Assert::HugeMisaligned,
         kHugeVm,
         {"vcpu0: {write: 0x200000}", "kernel: {call: kvm_zap_gfn_range, gpa: 0x200000, size: 2M}"},
         [](System& system) { // each page stands where its neighbour was
             const Kvm& kvm = system.kvm();
             const Place first = kvm.hostPlace(firstSlot(kvm), {512});
             const u64 page = system.machine().look(first);
             for (u64 i = 0; i < 512; ++i)
                 movePage(512 + i, page + (i + 1) % 512)(system);
         },
         {"kernel: {call: kvm_mmu_do_page_fault, vcpu: 0, gpa: 0x200000, access: read}"}},
        {Assert::FaultNoRoot,
         kVm,
         {},
         [](System& system) {
             KvmRun exit;
             system.kvm().kvm_mmu_page_fault(1, 0x1000, Access::Read, false, false, exit);
         },
         {}},
        {Assert::StaleNoRoot, kVm, {kWrite}, [](System& system) { system.kvm().kvm_tdp_map_page(1, 0x1000, false); }, {}},
        {Assert::NxNoSlot,
         "vm: default, nx-huge-pages: true, slots: [{id: 0, gpa: 0, size: 4M, backing: 2M}]",
         {"vcpu0: {exec: 0x1000}"},
         [](System& system) {
             Kvm& kvm = system.kvm();
             kvm.spSet(ept::pfnOf(kvm.machine().look(entryAt(kvm, {1}, Level::k2M))), Kvm::kGfn, 0x40000);
             kvm.machine().set(kvm.vm(Kvm::VmWord::NrDirtyLogging), 1);
         },
         {"recover-nx-pages: {}"}},
        {Assert::NxStays,
         "vm: default, nx-huge-pages: true, slots: [{id: 0, gpa: 0, size: 4M, backing: 2M}]",
         {"vcpu0: {exec: 0x1000}"},
         setEntry({0}, Level::k2M, [](u64) { return spte::kNonpresent; }),
         {"recover-nx-pages: {}"}},
        // kvm_main.c
        {Assert::CacheEmpty,
         kVm,
         {},
         [](System& system) { system.kvm().kvm_mmu_memory_cache_alloc(1, Kvm::VcpuWord::ShadowCache, FrameKind::Table, 0); },
         {}},
        {Assert::InvalidateNegative,
         kVm,
         {kWrite},
         [](System& system) {
             const MmuLock lock(system, true);
             system.kvm().kvm_mmu_invalidate_end();
         },
         {}},
        {Assert::InvalidateNoRange,
         kVm,
         {kWrite},
         [](System& system) {
             const MmuLock lock(system, true);
             system.kvm().kvm_mmu_invalidate_begin();
             system.kvm().kvm_mmu_invalidate_end();
         },
         {}},
        {Assert::DestroyInvalidating, kVm, {kWrite}, setVm(Kvm::VmWord::InvalidateInProgress, 1), {"destroy-vm"}},
        {Assert::PreFaultEio,
         kTd,
         {kImage, kFinal, answer("TDH.MEM.PAGE.AUG", "TDX_OPERAND_INVALID")},
         none,
         {"pre-fault: {vcpu: 0, gpa: 0x5000, size: 4K}"}},
        // tdx.c
        {Assert::ReclaimFailed, kTd, {kImage, kFinal, answer("TDH.PHYMEM.PAGE.RECLAIM", "TDX_OPERAND_INVALID")}, none, {"destroy-vm"}},
        {Assert::SplitShared,
         kPrivate2M,
         {kFinal, "vcpu0: {accept: {gpa: 0, size: 2M, level: 2M}}", "split-huge-pages: {gpa: 0, size: 2M}"},
         none,
         {}},
        {Assert::PamtAddFailed,
         kDynamicPamt,
         {kImage, kFinal, kAccept, answer("TDH.PHYMEM.PAMT.ADD", "TDX_OPERAND_BUSY")},
         none,
         {"host1: {pre-fault: {vcpu: 0, gpa: 0x5000, size: 4K}}"}}, // in a range of its own
        {Assert::PamtRemoveFailed,
         kDynamicPamt,
         {kImage, kFinal, answer("TDH.PHYMEM.PAMT.REMOVE", "TDX_OPERAND_BUSY")},
         none,
         {"destroy-vm"}},
        {Assert::CacheWbFailed, kTd, {kImage, kFinal, answer("TDH.PHYMEM.CACHE.WB", "TDX_OPERAND_INVALID")}, none, {"destroy-vm"}},
        {Assert::PremapPreFault, kTd, {}, setVm(Kvm::VmWord::PreFaultAllowed, 1), {kImage}},
        {Assert::SetLevel,
         kTd,
         {kImage, kFinal, kAccept},
         [](System& system) {
             ExternalOps& hooks = system.backend();
             hooks.set_external_spte({0x200}, Level::k2M, {512});
         },
         {}},
        {Assert::FetchShared,
         kTd,
         {kImage, kFinal, "set-memory-attributes: {gpa: 0x9000, size: 4K, as: shared}"},
         none,
         {"vcpu0: {exec: {gpa: 0x9000, as: shared}}"}},
        {Assert::RemoveNoHkid,
         kTd,
         {kImage, kFinal, kAccept},
         [](System& system) { system.machine().set(system.backend().word(TdxBackend::Word::Hkid), 0); },
         {kZap}},
        {Assert::FreeWithHkid,
         kTd,
         {kImage, kFinal, kAccept},
         [](System& system) {
             ExternalOps& hooks = system.backend();
             hooks.free_external_spt(
                 {0}, Level::k4K,
                 {system.kvm().spGet(ept::pfnOf(system.machine().look(entryAt(system.kvm(), {4}, Level::k2M, true))), Kvm::kExternal)});
         },
         {}},
        {Assert::PremapNone,
         kTd,
         {answer("TDH.MEM.PAGE.ADD", "TDX_OPERAND_INVALID"), kImage},
         [](System& system) { system.machine().set(system.backend().word(TdxBackend::Word::NrPremapped), 0); },
         {"kernel: {call: kvm_tdp_mmu_zap_leafs, gpa: 0, size: 4K}"}},
        {Assert::PageAddNoPremap,
         kTd,
         {},
         [](System& system) { system.machine().set(system.backend().word(TdxBackend::Word::NrPremapped), ~u64{0}); },
         {kImage}},
    };
}
} // namespace

class KernelAsserts : public testing::TestWithParam<std::size_t> {};

TEST_P(KernelAsserts, are_heard) {
    const Case c = cases()[GetParam()];
    const AssertInfo& row = info(c.which);
    std::string text = "mirrorscope: 1\nmachine: {" + c.machine + "}\nscript:\n  - note: begin\n";
    for (const std::string& step : c.before)
        text += "  - " + step + "\n";
    text += "  - note: now\n";
    for (const std::string& step : c.after)
        text += "  - " + step + "\n";
    SCOPED_TRACE(std::string(row.function) + "(): " + std::string(row.condition) + "\n" + text);
    const Scenario scenario = bindScenario("t.yaml", text);
    Runner runner(scenario);
    for (std::size_t i = 0; i < scenario.script.size(); ++i) {
        try {
            runner.runItem(scenario.script[i]);
        } catch (const Stuck&) { // what it bugs is never done
        }
        if (i != c.before.size() + 1 || !c.hand)
            continue;
        Sim& sim = runner.system().sim();
        sim.setActor(sim.hostActor());
        sim.step(Site::VmState);
        c.hand(runner.system());
        sim.finishStep();
    }
    std::string all;
    const Violation* ours = nullptr;
    for (const Violation& v : runner.checker().violations()) {
        all += v.text + "\n";
        if (v.rule == Rule::KernelAsserts && v.key == static_cast<u64>(c.which))
            ours = &v;
    }
    ASSERT_NE(ours, nullptr) << "heard was:\n" << all;
    EXPECT_NE(ours->text.find(row.function), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Each, KernelAsserts, testing::Range(std::size_t{0}, cases().size()),
                         [](const auto& which) { return "n" + std::to_string(static_cast<unsigned>(cases()[which.param].which)); });

TEST(KernelAssertsTable, says_of_each_that_is_not_heard_why_nothing_can_reach_it) {
    std::set<Assert> heard;
    for (const Case& c : cases())
        heard.insert(c.which);
    for (const AssertInfo& row : asserts())
        EXPECT_EQ(heard.count(row.id) != 0, row.unreachable.empty()) << row.function << "(): " << row.condition;
}

} // namespace mirrorscope::test
