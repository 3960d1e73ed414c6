// SPDX-License-Identifier: GPL-3.0-or-later
// SNP: NPT entries with the kernel's bits, the RMP and its instructions, and what a host can and cannot do to a guest.
#include "support/run.h"

#include <gtest/gtest.h>

namespace mirrorscope::test {

namespace {
std::string snp(const std::string& script, const std::string& machine = "vcpus: 2") {
    return "mirrorscope: 1\nmachine: {vm: snp, slots: [{id: 0, gpa: 0, size: 16M}], " + machine + "}\nscript:\n" + script;
}
constexpr RmpEntry owned(Gfn gfn, Level level = Level::k4K) { return {true, false, level, Rmp::kAsid, gfn}; }
} // namespace

// By hand from the bits of Linux v6.16 spte.h and kvm_mmu_reset_all_pte_masks(): P, W, U, A, D, MMU-present, host- and MMU-writable, C.
TEST(Npt, entries_have_the_kernels_bits) {
    const SpteMasks masks = nptMasks();
    EXPECT_EQ(make_spte(masks, Level::k4K, {0x1234}, false, true, true), 0x8000001234e67ull);
    EXPECT_EQ(make_spte(masks, Level::k4K, {0x1234}, true, true, true), 0x8000001234e47ull);
    EXPECT_EQ(make_spte(masks, Level::k2M, {0x1200}, false, false, true), 0x80000012008a5ull);
    EXPECT_EQ(make_spte(masks, Level::k4K, {0x1234}, false, true, false), 0x8008000001234e67ull);
    EXPECT_EQ(make_nonleaf_spte(masks, {0x1234}), 0x8000001234827ull);
    EXPECT_EQ(make_mmio_spte(masks, {0x800}, 2), 0xfc00000800017ull);
    EXPECT_TRUE(masks.isMmio(make_mmio_spte(masks, {0x800}, 2)));
    EXPECT_EQ(get_mmio_spte_generation(make_mmio_spte(masks, {0x800}, 0x4321)), 0x4321u);
    for (const u64 other : {spte::kFrozen, spte::kNonpresent, make_spte(masks, Level::k4K, {0x1234}, false, true, true)})
        EXPECT_FALSE(masks.isMmio(other));
    EXPECT_EQ(ept::pfnOf(0x8000001234e67ull), Pfn{0x1234});
}

TEST(Npt, a_split_keeps_what_the_huge_page_allowed) {
    SpteMasks masks = nptMasks();
    masks.nxHugePages = true;
    const u64 huge = make_spte(masks, Level::k2M, {0x1200}, false, true, true);
    EXPECT_FALSE(masks.isExecutable(huge));
    const u64 small = make_small_spte(masks, huge, Level::k4K, 3);
    EXPECT_TRUE(masks.isExecutable(small));
    EXPECT_EQ(ept::pfnOf(small), Pfn{0x1203});
    EXPECT_EQ(make_huge_spte(masks, small, Level::k2M), huge);
}

TEST(Npt, the_walk_reads_rights_as_amd_has_them) {
    EXPECT_EQ(kNptFormat.rights(npt::kPresent), ept::kRead | ept::kExec);
    EXPECT_EQ(kNptFormat.rights(npt::kPresent | npt::kWrite | npt::kNoExec), ept::kRead | ept::kWrite);
    EXPECT_EQ(kNptFormat.rights(npt::kWrite), 0u);
    EXPECT_FALSE(kNptFormat.misconfigured(npt::kPresent | npt::kCBit));
    EXPECT_TRUE(kNptFormat.misconfigured(npt::kPresent | 1ull << 47));
}

TEST(Rmp, instructions_answer_as_the_manual_says) {
    Ran run(snp("  - vcpu0: {write: 0}\n"));
    System& system = run.runner.system();
    Regions regions;
    Machine machine(system.frames().count() + 64, system.frames().count());
    Rmp table(system.sim(), system.frames(), regions);
    table.attach(machine);
    unsigned dropped = 0;
    table.onChange([&](Pfn) { ++dropped; });

    EXPECT_EQ(table.rmpupdate({513}, owned({1}, Level::k2M)), RmpStatus::FailInput); // not aligned
    EXPECT_EQ(table.rmpupdate({512}, owned({512}, Level::k2M)), RmpStatus::Ok);
    EXPECT_EQ(dropped, 512u);
    EXPECT_EQ(table.levelOf({700}), Level::k2M);
    EXPECT_EQ(table.peek({700}).gfn, Gfn{700});
    EXPECT_EQ(table.rmpupdate({700}, owned({700})), RmpStatus::FailOverlap);
    table.setValidated({512}, true);
    EXPECT_EQ(table.psmash({512}), RmpStatus::Ok);
    EXPECT_EQ(table.psmash({512}), RmpStatus::FailInput);
    EXPECT_EQ(table.levelOf({700}), Level::k4K);
    EXPECT_TRUE(table.peek({700}).validated); // smashing keeps it
    EXPECT_EQ(table.rmpupdate({700}, owned({700})), RmpStatus::Ok);
    EXPECT_FALSE(table.peek({700}).validated); // an update never does
    EXPECT_EQ(table.rmpupdate({700}, {}), RmpStatus::Ok);
    EXPECT_EQ(stateName(table.peek({700})), "host");
    EXPECT_EQ(stateName(table.peek({701})), "validated");
}

TEST(Snp, a_page_is_assigned_before_it_is_mapped_and_taken_back_when_it_is_freed) {
    const auto events = eventsOf(snp("  - vcpu0: {write: 0x1000}\n  - punch-hole: {gpa: 0x1000}\n"));
    std::vector<std::string> order;
    for (const auto& e : events)
        if (e["kind"] == "rmp")
            order.push_back("rmp " + e["is"].get<std::string>());
        else if (e["kind"] == "spte" && e["level"] == 1)
            order.push_back("spte " + e["is"].get<std::string>());
    EXPECT_EQ(order, (std::vector<std::string>{"rmp assigned", "spte leaf", "rmp validated", "spte none", "rmp host"}));
}

TEST(Snp, the_c_bit_decides_and_the_attribute_has_the_last_word) {
    Ran run(snp("  - {vcpu0: {read: {gpa: 0x1000, as: shared}}, id: a}\n  - set-memory-attributes: {gpa: 0x1000, size: 4K, as: shared}\n"
                "  - {vcpu0: {read: 0x1000}, id: b}\n  - {vcpu0: {write: {gpa: 0x1000, as: shared, value: 5}}, id: c}\n"
                "  - {vcpu1: {read: {gpa: 0x1000, as: shared}}, id: d}\n  - {host: {pre-fault: {gpa: 0x2000}}, id: e}\n"
                "expect:\n  - {result: a, is: KVM_EXIT_MEMORY_FAULT}\n  - {result: b, is: KVM_EXIT_MEMORY_FAULT}\n  - {result: c, is: ok}\n"
                "  - {result: d, value: 5}\n  - {result: e, is: ok}\n  - {rmp: 0x2000, is: assigned}\n  - {rmp: 0x1000, is: none}\n  - "
                "{violations: 0}\n"));
    EXPECT_TRUE(run.runner.ok()) << run.failures();
}

TEST(Snp, a_page_of_another_size_is_smashed_and_mapped_anew) {
    Ran run(snp("  - vcpu0: {read: 0x800000}\n"));
    System& system = run.runner.system();
    Kvm& kvm = system.kvm();
    // As if guest_memfd had huge pages: one block, large in the RMP, mapped small.
    const auto block = system.frames().allocateRun(FrameKind::Gmem, 0, 512);
    ASSERT_TRUE(block);
    const Memslot slot = kvm.slot(0);
    for (u64 i = 0; i < 512; ++i) {
        system.frames().setKind({block->v + i}, FrameKind::Gmem, i);
        system.machine().set(kvm.gmemPlace(slot, {i}), block->v + i);
    }
    GuestOp read;
    EXPECT_EQ(kvm.runGuest(0, read).kind, Outcome::Kind::Ok); // assigned and mapped as 4K
    EXPECT_EQ(system.snp().rawRmpupdate({0}, true, Level::k2M).kind, Outcome::Kind::Ok);
    read.gpa = 0x3000;
    EXPECT_EQ(kvm.runGuest(0, read).kind, Outcome::Kind::Ok);
    EXPECT_EQ(system.rmp().levelOf({block->v + 3}), Level::k4K);
    EXPECT_TRUE(system.rmp().peek({block->v + 3}).validated);
}

TEST(Snp, a_shared_look_at_private_memory_shows_ciphertext) {
    Ran run(snp("  - vcpu0: {write: {gpa: 0x1000, value: 7}}\n  - {vcpu0: {read: 0x1000}, id: own}\n"
                "  - {vcpu0: {read: {gpa: 0x1000, as: shared}}, id: other}\nexpect: [{result: own, value: 7}, {result: other, is: ok}]\n"));
    EXPECT_TRUE(run.runner.ok()) << run.failures();
    EXPECT_NE(run.runner.system().result(1)->value, 7u);
}

TEST(Snp, what_is_destroyed_leaves_no_frame_with_the_guest) {
    Ran run(snp("  - vcpu0: {write: {gpa: 0, pages: 20}}\n  - set-memory-attributes: {gpa: 0x4000, size: 16K, as: shared}\n"
                "  - vcpu1: {write: {gpa: 0x4000, as: shared}}\n  - destroy-vm\nexpect: [{violations: 0}, {count: frame, is: 0}]\n"));
    EXPECT_TRUE(run.runner.ok()) << run.failures();
    const System& system = run.runner.system();
    for (u64 pfn = 0; pfn < system.frames().count(); ++pfn)
        EXPECT_FALSE(system.rmp().peek({pfn}).assigned) << pfn;
}

TEST(Snp, the_rules_see_a_frame_with_two_owners) {
    Ran run(snp("  - vcpu0: {write: 0x1000}\n"));
    System& system = run.runner.system();
    Checker checker(system);
    checker.reset();
    system.sim().onStep([&] { checker.afterStep(); });
    const auto page = system.frames().allocate(FrameKind::HostPage, 0, 0);
    system.machine().set(system.rmp().place(*page), 1 | u64{5} << 14);
    system.sim().step(Site::RmpSet);
    system.sim().finishStep();
    ASSERT_EQ(checker.violations().size(), 1u);
    EXPECT_EQ(checker.violations()[0].rule, Rule::SingleOwner);
}

} // namespace mirrorscope::test
