// SPDX-License-Identifier: GPL-3.0-or-later
// What one sees of a release (machine/kernels.h): each point tells the releases apart by what a scenario shows.
#include "explore/explorer.h"
#include "kvm/kvm.h"
#include "kvm/protocol.h"
#include "machine/kernels.h"
#include "support/effort.h"
#include "support/run.h"

#include <fmt/format.h>

#include <gtest/gtest.h>

#include <set>

namespace mirrorscope::test {

namespace {
std::string machineOf(Kernel kernel, const std::string& more = "vm: tdx, vcpus: 2") {
    return fmt::format("mirrorscope: 1\nmachine: {{{}, kernel: {}, slots: [{{id: 0, gpa: 0, size: 16M}}]}}\nscript:\n", more, name(kernel));
}

std::vector<nlohmann::json> runOn(Kernel kernel, const std::string& script, const std::string& more = "vm: tdx, vcpus: 2") {
    return eventsOf(machineOf(kernel, more) + script);
}

std::string outcomeOf(const std::vector<nlohmann::json>& events, const std::string& verb, unsigned nth = 0) {
    for (const auto& e : events)
        if (e["kind"] == "step" && e["phase"] == "end" && e["verb"] == verb && nth-- == 0)
            return e["result"].is_string() ? e["result"].get<std::string>() : e["result"].dump();
    return "no such step";
}

bool violates(const std::vector<nlohmann::json>& events, std::string_view rule) {
    return std::any_of(events.begin(), events.end(), [&](const auto& e) { return e["kind"] == "violation" && e["rule"] == rule; });
}

// The position of the n-th event of which that holds.
template <class Is>
u64 positionOf(const std::vector<nlohmann::json>& events, Is&& is, unsigned nth = 0) {
    for (const auto& e : events)
        if (is(e) && nth-- == 0)
            return e["n"];
    return ~u64{0};
}

auto entersLeaf(const char* leaf) {
    return [leaf](const nlohmann::json& e) { return e["kind"] == "seamcall" && e["phase"] == "enter" && e["leaf"] == leaf; };
}

std::string whereOf(const std::vector<nlohmann::json>& events, const char* leaf) {
    for (const auto& e : events)
        if (entersLeaf(leaf)(e))
            return e["where"].dump();
    return "";
}

constexpr Kernel kAll[] = {Kernel::V6_16, Kernel::Fixed, Kernel::V6_19, Kernel::V7_2, Kernel::Next};
bool later(Kernel kernel) { return kernel >= Kernel::V6_19; }
bool central(Kernel kernel) { return kernel >= Kernel::V7_2; }
} // namespace

TEST(Versions, hooks_have_the_names_of_their_release) {
    for (const Kernel kernel : kAll) {
        SCOPED_TRACE(name(kernel));
        const auto events = runOn(kernel, "  - finalize-vm\n  - vcpu0: {accept: 0x4000}\n  - punch-hole: {gpa: 0x4000}\n");
        const auto has = [&](const char* leaf, const char* function) { return whereOf(events, leaf).find(function) != std::string::npos; };
        EXPECT_EQ(has("TDH.MEM.SEPT.ADD", "tdx_sept_map_nonleaf_spte"), central(kernel));
        EXPECT_EQ(has("TDH.MEM.SEPT.ADD", "tdx_sept_link_private_spt"), !central(kernel));
        EXPECT_EQ(has("TDH.MEM.PAGE.AUG", "tdx_sept_map_leaf_spte"), central(kernel));
        EXPECT_EQ(has("TDH.MEM.PAGE.REMOVE", "tdx_sept_remove_leaf_spte"), central(kernel));
        EXPECT_EQ(has("TDH.MEM.PAGE.AUG", "set_external_spte_present"), !central(kernel));
        for (const char* leaf : {"TDH.MEM.SEPT.ADD", "TDH.MEM.PAGE.AUG", "TDH.MEM.RANGE.BLOCK", "TDH.MEM.PAGE.REMOVE"})
            EXPECT_EQ(has(leaf, "__handle_changed_spte"), central(kernel)) << leaf;
    }
}

// The mirror is ahead while an image page is added, or the page is added while its entry is frozen.
TEST(Versions, an_image_page_is_added_behind_the_mirror_or_in_the_hook) {
    for (const Kernel kernel : kAll) {
        SCOPED_TRACE(name(kernel));
        const auto events = runOn(kernel, "  - init-mem-region: {gpa: 0, size: 4K}\n");
        const u64 added = positionOf(events, entersLeaf("TDH.MEM.PAGE.ADD"));
        const u64 published = positionOf(events, [](const auto& e) { return e["kind"] == "spte" && e["is"] == "leaf"; });
        ASSERT_NE(added, ~u64{0});
        EXPECT_EQ(added < published, kernel != Kernel::V6_16);
    }
}

TEST(Versions, a_busy_page_add_is_told_to_user_space_or_tried_again) {
    for (const Kernel kernel : kAll) {
        SCOPED_TRACE(name(kernel));
        const auto events =
            runOn(kernel, "  - init-mem-region: {gpa: 0, size: 4K}\n  - inject: {seamcall: TDH.MEM.PAGE.ADD, status: TDX_OPERAND_BUSY}\n"
                          "  - init-mem-region: {gpa: 0x1000, size: 4K}\n  - finalize-vm\n");
        EXPECT_EQ(outcomeOf(events, "init-mem-region", 1), kernel == Kernel::V6_16 ? "EBUSY" : "ok");
        EXPECT_EQ(outcomeOf(events, "finalize-vm"), kernel == Kernel::V6_16 ? "EINVAL" : "ok");
        EXPECT_EQ(violates(events, "coherent"), kernel == Kernel::V6_16);
    }
}

TEST(Versions, a_failed_extend_is_an_errno_or_the_end) {
    for (const Kernel kernel : kAll) {
        SCOPED_TRACE(name(kernel));
        const auto events = runOn(kernel, "  - inject: {seamcall: TDH.MR.EXTEND, status: TDX_OPERAND_BUSY, after: 1}\n"
                                          "  - init-mem-region: {gpa: 0, size: 4K}\n  - finalize-vm\n");
        EXPECT_EQ(outcomeOf(events, "init-mem-region"), "EIO");
        EXPECT_EQ(outcomeOf(events, "finalize-vm"), later(kernel) ? "EIO" : "ok");
    }
}

TEST(Versions, the_state_of_a_td_changes_under_more_locks) {
    for (const Kernel kernel : kAll) {
        SCOPED_TRACE(name(kernel));
        const auto events = runOn(kernel, "  - init-mem-region: {gpa: 0, size: 4K}\n  - init-vcpu: {vcpu: 1}\n  - finalize-vm\n",
                                  "vm: tdx, vcpus: 2, init-vcpus: 1");
        for (const char* verb : {"init-mem-region", "init-vcpu", "finalize-vm"}) {
            u64 begin = 0, end = 0;
            for (const auto& e : events)
                if (e["kind"] == "step" && e["verb"] == verb)
                    (e["phase"] == "begin" ? begin : end) = e["n"];
            const auto takes = [&](const char* lock, const char* mode) {
                return std::any_of(events.begin(), events.end(), [&](const auto& e) {
                    return e["kind"] == "lock" && e["do"] == "acquire" && e["lock"] == lock && e["mode"] == mode && e["n"] >= begin &&
                           e["n"] <= end;
                });
            };
            EXPECT_EQ(takes("kvm->lock", "write"), later(kernel)) << verb;
            EXPECT_EQ(takes("slots_lock", "write"), later(kernel) || verb != std::string("init-vcpu") || kernel == Kernel::Fixed) << verb;
        }
        // TDH.VP.INIT with mmu_lock held.
        u64 held = 0;
        bool under = false;
        for (const auto& e : events) {
            if (e["kind"] == "lock" && e["lock"] == "mmu_lock" && e["mode"] == "write")
                held += e["do"] == "acquire" ? 1 : e["do"] == "release" ? ~u64{0} : 0;
            under |= entersLeaf("TDH.VP.INIT")(e) && held != 0;
        }
        EXPECT_EQ(under, later(kernel));
    }
}

// Without the pin a page that is not taken away in order goes back to the host while the module has it.
TEST(Versions, a_private_page_is_pinned_or_not) {
    for (const Kernel kernel : kAll) {
        SCOPED_TRACE(name(kernel));
        const auto events = runOn(kernel, "  - finalize-vm\n  - vcpu0: {accept: 0x4000}\n  - punch-hole: {gpa: 0x4000}\n",
                                  "vm: tdx, vcpus: 2, break: [skip-block]");
        EXPECT_TRUE(violates(events, "module-agrees"));
        EXPECT_EQ(violates(events, "single-owner"), later(kernel));
    }
}

TEST(Versions, the_page_of_a_removed_table_is_freed_late_or_at_once) {
    for (const Kernel kernel : kAll) {
        SCOPED_TRACE(name(kernel));
        const auto events = runOn(kernel, "  - finalize-vm\n  - vcpu0: {accept: 0x4000}\n  - destroy-vm\n");
        const auto freed = [](const nlohmann::json& e) {
            return e["kind"] == "frame" && e["is"] == "free" && e["was"].get<std::string>().find("external") != std::string::npos;
        };
        const u64 first = positionOf(events, freed);
        ASSERT_NE(first, ~u64{0});
        const u64 queued = positionOf(events, [](const auto& e) { return e.contains("site") && e["site"] == "rcu.free"; });
        EXPECT_EQ(first < queued, central(kernel));
        EXPECT_FALSE(violates(events, "no-leak"));
    }
}

TEST(Versions, nx_huge_pages_are_recovered_exclusively_or_not) {
    for (const Kernel kernel : kAll) {
        SCOPED_TRACE(name(kernel));
        const std::string script = "  - vcpu0: {exec: 0x3000}\n  - expect: {tree: direct, gpa: 0x3000, is: leaf, level: 4K}\n"
                                   "  - recover-nx-pages: {gpa: 0, size: 4M}\n  - expect: {tree: direct, gpa: 0x3000, is: none}\n";
        const std::string text = fmt::format("mirrorscope: 1\nmachine: {{vm: default, vcpus: 1, kernel: {}, nx-huge-pages: true, "
                                             "slots: [{{id: 0, gpa: 0, size: 4M, backing: 2M}}]}}\nscript:\n{}",
                                             name(kernel), script);
        EXPECT_EQ(Ran(text).failures(), "");
        const auto events = eventsOf(text);
        std::string mode;
        for (const auto& e : events)
            if (e["kind"] == "lock" && e["lock"] == "mmu_lock" && e["do"] == "acquire")
                mode = e["mode"];
        EXPECT_EQ(mode, later(kernel) ? "read" : "write");
    }
}

// What v7.0 turned round: the source first, the attribute last; and who could not load the MMU is told.
TEST(Versions, an_image_page_that_is_shared_or_cannot_be_had) {
    for (const Kernel kernel : kAll) {
        SCOPED_TRACE(name(kernel));
        const std::string shared = "  - set-memory-attributes: {gpa: 0x1000, size: 4K, as: shared}\n";
        const auto events = runOn(kernel, shared + "  - inject: {alloc: fail}\n  - init-mem-region: {gpa: 0x1000, size: 4K}\n");
        EXPECT_EQ(outcomeOf(events, "init-mem-region"), central(kernel) ? "ENOMEM" : "EINVAL");
        const auto kept = runOn(kernel, shared + "  - init-mem-region: {gpa: 0x1000, size: 4K}\n");
        EXPECT_EQ(outcomeOf(kept, "init-mem-region"), "EINVAL");
        EXPECT_EQ(std::any_of(kept.begin(), kept.end(), [](const auto& e) { return e["kind"] == "frame" && e["is"] == "gmem"; }),
                  central(kernel));
    }
}

// A mirror's entry does not become FROZEN by who asks for it: a warning from v7.2 on.
TEST(Versions, nobody_asks_for_frozen) {
    for (const Kernel kernel : kAll) {
        SCOPED_TRACE(name(kernel));
        const auto events = runOn(kernel, "  - finalize-vm\n  - vcpu0: {accept: 0x1000}\n"
                                          "  - kernel: {call: tdp_mmu_set_spte_atomic, gpa: 0x2000, level: 4K, from: none, to: frozen}\n");
        EXPECT_EQ(violates(events, "kernel-asserts"), central(kernel));
    }
}

TEST(Versions, an_image_page_that_is_asked_for_twice) {
    for (const Kernel kernel : kAll) {
        SCOPED_TRACE(name(kernel));
        const auto events = runOn(
            kernel,
            "  - init-mem-region: {gpa: 0, size: 4K}\n  - init-mem-region: {gpa: 0, size: 4K}\n  - finalize-vm\n  - vcpu0: {read: 0}\n");
        EXPECT_EQ(outcomeOf(events, "init-mem-region", 1), central(kernel) ? "EIO" : "EEXIST");
        EXPECT_TRUE(outcomeOf(events, "read").starts_with("ok")) << outcomeOf(events, "read"); // the VM is not bugged
    }
}

// An SNP page that the host took back behind KVM's back is the guest's again at the next fault, or is not.
TEST(Versions, an_snp_page_is_prepared_once_or_at_each_fault) {
    for (const Kernel kernel : kAll) {
        SCOPED_TRACE(name(kernel));
        const auto events = runOn(kernel,
                                  "  - vcpu0: {write: 0x1000}\n  - kernel: {call: kvm_tdp_mmu_zap_leafs, gpa: 0x1000, size: 4K}\n"
                                  "  - rmpupdate: {gpa: 0x1000, assigned: false}\n  - pre-fault: {vcpu: 0, gpa: 0x1000, size: 4K}\n",
                                  "vm: snp, vcpus: 1");
        u64 last = 0;
        std::string is;
        for (const auto& e : events)
            if (e["kind"] == "rmp") {
                last = e["n"];
                is = e["is"];
            }
        EXPECT_NE(last, 0u);
        EXPECT_EQ(is, central(kernel) ? "assigned" : "host");
    }
}

// Who loses an exchange with FROZEN is told what is there from v7.2 on.
TEST(Versions, a_lost_freeze_refreshes_the_iterator_or_not) {
    for (const Kernel kernel : kAll) {
        SCOPED_TRACE(name(kernel));
        Ran ran(machineOf(kernel) + "  - finalize-vm\n  - vcpu0: {accept: 0x4000}\n");
        System& system = ran.runner.system();
        Kvm& kvm = system.kvm();
        const auto at = system.spteAt(system.mirrorRoot(), {4}, Level::k4K);
        TdpIter iter;
        iter.sptep = at.place;
        iter.level = Level::k4K;
        iter.gfn = {4};
        iter.oldSpte = spte::kNonpresent; // what it was before somebody else was faster
        const u64 stale = iter.oldSpte;
        kvm.sim().readLock(LockId::MmuLock);
        EXPECT_EQ(kvm.tdp_mmu_set_spte_atomic(iter, at.value), -kEBUSY);
        kvm.sim().readUnlock(LockId::MmuLock);
        EXPECT_EQ(iter.oldSpte, central(kernel) ? at.value : stale);
    }
}

// Everything shipped runs on every release, or is about some.
TEST(Versions, all_that_is_shipped_runs_on_each) {
    // Without the pin these break one rule more.
    const std::set<std::string> unpinned{"by-fault.yaml", "skip-block.yaml", "skip-kick.yaml", "skip-track-kick.yaml", "skip-track.yaml"};
    const std::set<std::string> refused{"free-before-remove.yaml", "leaf-before-link.yaml"};
    // They name frames by number, as v6.16 hands them out.
    const std::set<std::string> numbered{"mr-finalize.yaml", "phymem-cache-wb.yaml", "vp-init.yaml"};
    unsigned runs = 0;
    for (const Kernel kernel : {Kernel::V6_19, Kernel::V7_2, Kernel::Next})
        for (const auto& file : someOf(shippedScenarios())) {
            const std::string base = file.filename().string();
            if (unpinned.contains(base) || refused.contains(base) || (kernel >= Kernel::V7_2 && numbered.contains(base)) ||
                file.parent_path().filename() == "history")
                continue;
            SCOPED_TRACE(std::string(name(kernel)) + " " + file.string());
            if (kernel != Kernel::Next && loadScenario(file.string()).machine.features.any())
                continue; // it says which release it is of
            const Scenario scenario = loadScenario(file.string(), {{"machine.kernel", std::string(name(kernel))}});
            Runner runner(scenario);
            runner.runAll();
            EXPECT_TRUE(runner.ok());
            ++runs;
        }
    EXPECT_GE(runs, effort(300, 30));
}

// No order of a race between a TD's changes breaks a rule in a later release, but for the one that history names.
TEST(Versions, races_hold_on_each) {
    const std::pair<const char*, Kernel> mended[] = {{"28-prefault-and-fast-zap.yaml", Kernel::Next}};
    const std::vector<const char*> files{
        "01-two-faults-one-page.yaml",      "02-two-faults-one-table.yaml",     "04-fault-and-discard.yaml",
        "05-fault-and-punch-hole.yaml",     "06-fault-and-conversion.yaml",     "12-busy-sept-and-kick.yaml",
        "19-teardown-and-late-fault.yaml",  "20-snp-conversion-and-fault.yaml", "22-link-fails-and-rolls-back.yaml",
        "23-aug-fails-and-rolls-back.yaml", "28-prefault-and-fast-zap.yaml",    "30-image-and-new-vcpu.yaml"};
    for (const char* file : someOf(files))
        for (const Kernel kernel : {Kernel::V6_19, Kernel::V7_2, Kernel::Next}) {
            SCOPED_TRACE(std::string(name(kernel)) + " " + file);
            const Scenario scenario =
                loadScenario((kSource / "scenarios/races" / file).string(), {{"machine.kernel", std::string(name(kernel))}});
            ExploreOptions options;
            options.all = true;
            const ExploreResult result = Explorer(scenario, options).run();
            EXPECT_TRUE(result.complete);
            bool expected = true;
            for (const auto& [name, since] : mended)
                if (name == std::string(file))
                    expected = kernel >= since;
            EXPECT_EQ(result.findings.empty(), expected) << (result.findings.empty() ? "" : result.findings[0].text);
        }
}

} // namespace mirrorscope::test
