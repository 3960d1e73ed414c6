// SPDX-License-Identifier: GPL-3.0-or-later
// Lines as people have posted them, and what is said of each.
#include "explain/explain.h"
#include "support/run.h"
#include "tdx/module/data.h"

#include <random>

namespace mirrorscope::test {

namespace {
struct Posted {
    const char *text, *kind, *name, *says, *function;
};
constexpr Posted kPosted[] = {
    {"[  261.262866] SEAMCALL (0x000000000000001c) failed: 0xc000030000000001 RCX 0x0000000000000000 RDX 0x0 R8 0x1 R11 0x0", "seamcall",
     "TDH.PHYMEM.PAGE.RECLAIM: TDX_PAGE_METADATA_INCORRECT", "PT_NDA", "tdx_reclaim_page()"},
    {"tdx: SEAMCALL failed: CPU 94: leaf 33, error 0xc000092100000122.", "seamcall", "TDH.SYS.INIT: TDX_INCORRECT_MSR_VALUE",
     "The MSR is 0x122", ""},
    {"tdx: SEAMCALL failed: CPU 0: leaf 12, error 0xc000060500000000", "seamcall", "TDH.MEM.RD: TDX_TD_NON_DEBUG", "debug", ""},
    {"SEAMCALL (0x0e) failed: 0xc000060500000000", "seamcall", "TDH.MEM.WR: TDX_TD_NON_DEBUG", "debug", ""},
    {"SEAMCALL TDH_MEM_RANGE_BLOCK failed: 0x8000020000000092", "seamcall", "TDH.MEM.RANGE.BLOCK: TDX_OPERAND_BUSY", "SEPT_TREE",
     "tdx_sept_zap_private_spte()"},
    {"VCPU-0-NNNNN   [078] ..... 72276.115679: kvm_page_fault: address 84d000 error_code 4", "fault", "#NPF: read", "0x84d000", ""},
    {">> kvm_tdp_mmu_spte_changed: as\n>> id 0 gfn 800 level 2 old_spte 100b1b16827 new_spte 100b4a00ea7", "transition", "table → leaf",
     "gfn 0x800", "handle_changed_spte()"},
    {"  qemu-system-x86-NNNN [002] ..... 1404.389384: kvm_tdp_mmu_spte_changed: as id 0 gfn 0 level 4 old_spte 2c583e907 new_spte 0",
     "transition", "table → none", "table 2c583e", "handle_changed_spte()"},
    {"vm-NNNN    [059] ....   234.587042: kvm_tdp_mmu_spte_changed: as id 0 gfn 5 level 1 old_spte 86000080a5669b37 new_spte "
     "80000000000005a0",
     "transition", "leaf → frozen", "being removed", "handle_removed_pt()"},
    {"tdxvm-NNNNN-NNNNN   [065] ....   807.856265: kvm_mmu_set_spte: gfn 1151b spte 86000080a5669b37 (rwxu) level 1 at 80b34fc8d8", "spte",
     "leaf, EPT", "0x80a5669", "make_spte()"},
    {"kvm: Invalid SPTE change: cannot replace a present leaf\nSPTE with another present leaf SPTE mapping a\ndifferent PFN!\n"
     "as_id: 0 gfn: 24805 old_spte: 68b805e67 new_spte: 1a9069e27 level: 1",
     "bug", "leaf → leaf", "BUG()", "mmu_invalidate_retry_gfn()"},
    {"kvm_intel: kvm [NNNNN]: TD exit 0xe000060400000000, 0 hkid 0x41 hkid pa 0x8200000000000", "exit", "TD exit: TDX_TD_FATAL", "fatal",
     "tdx_handle_exit()"},
    {"Guest access before accepting 0x4000 on vCPU 0", "exit", "access before TDG.MEM.PAGE.ACCEPT", "EIO", "tdx_handle_ept_violation()"},
    {"SEV-SNP: RMPUPDATE failed for PFN 56700, pg_level: 1, ret: 2", "rmp", "RMPUPDATE: FAIL_PERMISSION", "immutable", "rmpupdate()"},
    {"rmpupdate failed, ret: 4, pfn: 37d4fe8, npages: 1, level: 1, retrying (max: 96)...", "rmp", "RMPUPDATE: FAIL_OVERLAP", "PSMASH", ""},
    {"SEV-SNP: PFN: 0x56600, [0x80000000000007fd - 0x0000000000000000]", "rmp", "RMP: raw", "RMPREAD", ""},
    {"RMPEntry paddr 0x1001ea000 [assigned=1 immutable=1 pagesize=0 gpa=0x2000000001 asid=0 vmsa=0 validated=0]", "rmp", "RMP: firmware's",
     "Immutable", ""},
    {"MemoryFault { flags: 8, gpa: 4096, size: 4096 }", "exit", "KVM_EXIT_MEMORY_FAULT", "0x1000 (of 4K) as private", ""},
    {"KVM: unknown exit reason 24", "exit", "KVM_EXIT_SYSTEM_EVENT", "does not handle", ""},
    {"KVM_TDX_INIT_MEM_REGION failed Resource temporarily unavailable", "errno", "KVM_TDX_INIT_MEM_REGION", "EAGAIN", ""},
    {"  <...>-NNNNNNN [226] ...1. 324797.313982: kvm_page_fault: vcpu 219 rip 0x0 address 0x00000018cbc00000 error_code 0x500000004",
     "fault", "#NPF: read", "C-bit", ""},
    {"kvm_page_fault: vcpu 0 rip 0xffffffff8104c2d0 address 0x000000002d4a1f08 error_code 0x182", "fault", "EPT violation: write",
     "not present", ""},
    {"kvm_page_fault:       vcpu 1 address 0x32319fe00000 error_code 0xf82", "fault", "EPT violation: write", "0x32319fe00000", ""},
    {"fast_page_fault: vcpu 4 gva\n20fe612 error_code F sptep 00000000fd98c937 old 0x61000034d4fe877 new\n61000034d4fe877 spurious 1 fixed "
     "0",
     "fault", "fast page fault, spurious", "TLB", "fast_page_fault()"},
    {"exe-NN  [006] d... 410259.258864: kvm_userspace_exit: reason error (14)", "exit", "EFAULT", "errno 14", ""},
    {"struct kvm_mmu_page role = { word = 0x791 }", "role", "a table of level 1", "direct", ""},
    {"80000000000005a0", "spte", "FROZEN_SPTE", "middle", "set_external_spte_present()"},
    {"5a0", "spte", "FROZEN_SPTE", "middle", ""},
    {"0x8600000191c3ab37", "spte", "leaf, EPT", "0x191c3a", ""},
    {"0x8000020100000000", "status", "TDX_PREVIOUS_TLB_EPOCH_BUSY", "epoch", ""},
    {"TDX_TLB_TRACKING_NOT_DONE", "status", "TDX_TLB_TRACKING_NOT_DONE", "TDH.MEM.TRACK", ""},
    {"spte.freeze", "name", "spte.freeze", "FROZEN", ""},
    {"coherent", "name", "coherent", "secure EPT", ""},
};
} // namespace

TEST(Explain, LinesAsTheyWerePosted) {
    for (const Posted& posted : kPosted) {
        SCOPED_TRACE(posted.text);
        const auto found = explain(posted.text);
        ASSERT_EQ(found.size(), 1u);
        EXPECT_EQ(found[0].kind, posted.kind);
        EXPECT_EQ(found[0].name, posted.name);
        EXPECT_NE(found[0].text.find(posted.says), std::string::npos) << found[0].text;
        if (*posted.function != '\0') {
            EXPECT_NE(std::find(found[0].functions.begin(), found[0].functions.end(), posted.function), found[0].functions.end());
        }
        if (!found[0].scenarioFile.empty()) {
            EXPECT_TRUE(std::filesystem::exists(kSource / "scenarios" / found[0].scenarioFile)) << found[0].scenarioFile;
        }
    }
    EXPECT_TRUE(explain("this is prose between the lines, of nothing").empty());
}

// All at once, as a mail has them: each is found, and none takes a part of another.
TEST(Explain, AMailOfThemAll) {
    std::string mail;
    std::vector<std::string> names;
    for (const Posted& posted : kPosted) {
        mail += "> " + std::string(posted.text) + "\nand then\n";
        names.emplace_back(posted.name);
    }
    std::vector<std::string> found;
    for (const Explanation& e : explain(mail))
        found.push_back(e.name);
    EXPECT_EQ(found, names);
}

// What the module can answer is explained, and where a sequence of SEAMCALLs leads there, the scenario shows that answer.
TEST(Explain, EveryStatusOfTheModule) {
    unsigned shown = 0;
    for (const std::string_view name : tdx::statusNames()) {
        u64 status = 0;
        ASSERT_TRUE(tdx::statusFromName(name, status)) << name;
        const auto e = explainStatus(status);
        ASSERT_TRUE(e) << name;
        EXPECT_FALSE(e->text.empty()) << name;
        if (e->scenario.empty())
            continue;
        const Ran run(e->scenario);
        const auto outcome = run.runner.system().result(*run.scenario.script.back().result);
        ASSERT_TRUE(outcome);
        EXPECT_EQ(outcome->code >> 32, status >> 32) << e->scenario;
        ++shown;
    }
    EXPECT_GE(shown, 6u);
}

TEST(Explain, WhateverIsPasted) {
    std::mt19937 random(20261127);
    for (int i = 0; i < 3000; ++i) {
        std::string text = kPosted[random() % std::size(kPosted)].text;
        for (unsigned n = 1 + random() % 6; n > 0; --n) {
            const std::size_t at = random() % (text.size() + 1);
            switch (random() % 4) {
            case 0: text.insert(at, 1, static_cast<char>(random())); break;
            case 1: text.erase(at, random() % 8); break;
            case 2: text.insert(at, "\n> "); break;
            default: text += kPosted[random() % std::size(kPosted)].text; break;
            }
        }
        for (const Explanation& e : explain(text))
            EXPECT_FALSE(e.kind.empty());
    }
    EXPECT_TRUE(explain("").empty());
    EXPECT_TRUE(explain(std::string(1 << 20, 'x')).empty());
}

} // namespace mirrorscope::test
