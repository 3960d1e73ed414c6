// SPDX-License-Identifier: GPL-3.0-or-later
// The review tables against what reviewers wrote by hand, and against what is made wrong on purpose.
#include "export/review_text.h"
#include "kvm/dispatch/dispatch.h"
#include "review/review.h"
#include "support/effort.h"
#include "support/run.h"
#include "tdx/module/leaves.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace mirrorscope::test {

namespace {
std::string nameOf(const ReviewCell& cell) {
    const auto same = cell.fact("same-frame");
    return cell.rowText() + (same && !*same ? " another" : "") + " / " + cell.columnText();
}
std::map<std::string, std::string> outcomes(const ReviewTable& table) {
    std::map<std::string, std::string> all;
    for (const ReviewCell& cell : table.cells)
        all[nameOf(cell)] = cell.outcome;
    return all;
}
// "punch a hole / tdx role: right became missed" for each.
std::set<std::string> changes(const ReviewTable& before, const ReviewTable& after) {
    const auto a = outcomes(before), b = outcomes(after);
    EXPECT_EQ(a.size(), b.size());
    std::set<std::string> all;
    for (const auto& [name, outcome] : a)
        if (b.at(name) != outcome)
            all.insert(name + ": " + outcome + " became " + b.at(name));
    return all;
}
const ReviewCell& cellOf(const ReviewTable& table, const std::string& name) {
    const auto at = std::find_if(table.cells.begin(), table.cells.end(), [&](const ReviewCell& cell) { return nameOf(cell) == name; });
    if (at == table.cells.end())
        throw std::runtime_error("there is no cell " + name);
    return *at;
}
Protocol& protocolOf(System& system) { return const_cast<Protocol&>(system.kvm().protocol()); }

// Enough of the built-in set for what is asserted of it here; `mirrorscope review` takes all.
ReviewOptions someFiles() {
    ReviewOptions options;
    options.files = {"lessons/", "tdx_lifecycle", "more races"};
    return options;
}
} // namespace

// DISPATCH.md: role is right everywhere; by fault what nobody faults for is missed; the GFN says nothing where there is no shared bit.
TEST(ReviewDispatch, AgreesWithTheThread) {
    const ReviewTable table = review(ReviewKind::Dispatch, {});
    ASSERT_GE(table.cells.size(), 20u * 16u);
    std::set<std::string> missedByFault;
    for (const ReviewCell& cell : table.cells) {
        const std::string &operation = cell.row[0], &vm = cell.column[0], &dispatch = cell.column[1];
        if (cell.outcome == "n/a") {
            EXPECT_FALSE(cell.why.empty()) << nameOf(cell);
            continue;
        }
        if (dispatch == "role" || vm == "default") {
            EXPECT_EQ(cell.outcome, "right") << nameOf(cell) << ": " << cell.why;
        }
        if (vm == "tdx" && (dispatch == "iter" || dispatch == "gfn")) {
            EXPECT_EQ(cell.outcome, "right") << nameOf(cell) << ": " << cell.why;
        }
        if (vm == "snp" && dispatch == "gfn") {
            EXPECT_NE(cell.why.find("would hear of 0 of"), std::string::npos) << nameOf(cell) << ": " << cell.why;
        }
        if (vm == "tdx" && dispatch == "fault" && cell.outcome == "missed")
            missedByFault.insert(operation);
        EXPECT_FALSE(cell.witness.empty()) << nameOf(cell);
    }
    EXPECT_EQ(missedByFault, (std::set<std::string>{"zap a leaf", "zap a table", "punch a hole", "convert to shared",
                                                    "delete a slot with private memory", "teardown"}));
    EXPECT_EQ(cellOf(table, "punch a hole / tdx fault").rule, "coherent");
    EXPECT_EQ(cellOf(table, "map by fault / snp fault").outcome, "needless");
    EXPECT_EQ(cellOf(table, "dirty logging of private memory / tdx role").outcome, "n/a");
}

TEST(ReviewDispatch, OnePolicyWrongInOneOperationChangesThatCellAlone) {
    const ReviewTable before = review(ReviewKind::Dispatch, {});
    ReviewOptions wrong;
    wrong.prepare = [](System& system) {
        if (system.config().dispatch == Dispatch::Role && system.config().vm == VmType::Tdx)
            protocolOf(system).carriesOver = [](const Kvm& kvm, Pfn table, Gfn gfn) {
                const auto path = kvm.sim().paths().names(kvm.sim().path());
                const bool converting = std::find(path.begin(), path.end(), "kvm_vm_set_mem_attributes") != path.end();
                return !converting && dispatchByRole(kvm, table, gfn);
            };
    };
    EXPECT_EQ(changes(before, review(ReviewKind::Dispatch, wrong)),
              (std::set<std::string>{"convert to shared / tdx role: right became missed"}));
}

TEST(ReviewDispatch, AWitnessShowsItsCell) {
    ReviewOptions options;
    options.only = "punch a hole";
    const ReviewTable table = review(ReviewKind::Dispatch, options);
    const ReviewCell& cell = cellOf(table, "punch a hole / tdx fault");
    const Ran run(cell.witness);
    EXPECT_TRUE(run.violated(Rule::Coherent));
    ASSERT_TRUE(cell.step);
    EXPECT_EQ(*cell.step, run.runner.checker().violations()[0].n);
}

// A step that is repeated is a row of its own each time; one that was refused, or never came, is not right.
TEST(ReviewDispatch, OfOnesOwnScenarioNothingIsHidden) {
    ReviewOptions options;
    options.scenario = bindScenario("own.yaml", "mirrorscope: 1\nmachine: {vm: tdx, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n"
                                                "  - init-mem-region: {gpa: 0, size: 4K}\n  - finalize-vm\n  - finalize-vm\n"
                                                "  - repeat: {times: 2, do: [{vcpu0: {accept: 0x2000}}, {punch-hole: {gpa: 0x2000}}]}\n");
    const ReviewTable table = review(ReviewKind::Dispatch, options);
    EXPECT_EQ(cellOf(table, "2: finalize-vm, line 6 / tdx role").outcome, "n/a");
    std::set<std::string> rows;
    unsigned missed = 0;
    for (const ReviewCell& cell : table.cells) {
        EXPECT_TRUE(rows.insert(nameOf(cell)).second) << nameOf(cell);
        missed += cell.column[0] == "tdx" && cell.column[1] == "fault" && cell.outcome == "missed";
    }
    EXPECT_GE(missed, 1u);
    const ReviewTable built = review(ReviewKind::Dispatch, {});
    EXPECT_NE(cellOf(built, "convert to shared / snp fault").why.find("0 of 1 change"), std::string::npos);
    EXPECT_NE(cellOf(built, "convert to private / snp fault").why.find("0 of 0 change"), std::string::npos);
}

TEST(ReviewDispatch, OfOnesOwnScenarioEachStepIsARow) {
    ReviewOptions options;
    options.scenario = bindScenario("own.yaml", "mirrorscope: 1\nmachine: {vm: tdx, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n"
                                                "  - init-mem-region: {gpa: 0, size: 4K}\n  - finalize-vm\n  - vcpu0: {accept: 0x2000}\n"
                                                "  - punch-hole: {gpa: 0x2000}\n");
    const ReviewTable table = review(ReviewKind::Dispatch, options);
    EXPECT_EQ(table.cells.size(), 4u * 16u);
    EXPECT_EQ(cellOf(table, "3: punch-hole, line 7 / tdx role").outcome, "right");
    EXPECT_EQ(cellOf(table, "3: punch-hole, line 7 / tdx fault").outcome, "missed");
    EXPECT_EQ(cellOf(table, "2: accept, line 6 / tdx fault").outcome, "right");
    EXPECT_EQ(cellOf(table, "1: finalize-vm, line 5 / default role").outcome, "n/a"); // refused there, by name
}

// The fourteen rows that a maintainer wrote out in April 2026, for v6.16 (upstream's columns: legal in the TDP MMU, reached on a mirror
// root; of `bug` what v6.16's code does on a mirror).
// And what is forced is made.
TEST(ReviewTransitions, TheFourteenRowsComeOutAsFacts) {
    ReviewOptions options = someFiles();
    if (!wholeEffort())
        options.files = {"lessons/01", "lessons/06", "lessons/29"};
    const ReviewTable table = review(ReviewKind::Transitions, options);
    struct Row {
        const char* name;
        bool legal, reached, bug;
    };
    constexpr Row rows[] = {
        {"none leaf read mirror", true, true, false},
        {"none leaf write mirror", true, false, true},
        {"none table read mirror", true, true, false},
        {"none table write mirror", true, false, true},
        {"none none read mirror", false, false, true},
        {"none none write mirror", false, false, true},
        {"leaf leaf read mirror another", false, false, true},
        {"leaf leaf write mirror another", false, false, true},
        {"leaf table read mirror", true, false, true},
        {"leaf table write mirror", true, false, true},
        {"table leaf read mirror", true, false, true},
        {"table leaf write mirror", true, false, true},
        {"table table read mirror", false, false, true},
        {"table table write mirror", false, false, true},
        {"leaf none read mirror", true, false, true},
        {"leaf none write mirror", true, true, false},
        {"table none read mirror", true, false, true},
        {"table none write mirror", true, true, false},
        // ordinary roots
        {"leaf none read direct", true, true, false},
        {"leaf none write direct", true, true, false},
        {"table none read direct", true, true, false},
        {"none leaf read direct", true, true, false},
        {"leaf table read direct", true, true, false},
        {"leaf leaf read direct", true, true, false},
        {"leaf leaf read direct another", false, false, true},
        {"table table write direct", false, false, true},
        {"none leaf write direct", true, false, false},
    };
    for (const Row& row : rows) {
        const ReviewCell& cell = cellOf(table, std::string(row.name) + " / 6.16");
        EXPECT_EQ(cell.fact("legal"), row.legal) << row.name << ": " << cell.why;
        if (wholeEffort()) {
            EXPECT_EQ(cell.fact("reached"), row.reached) << row.name << ": " << cell.why;
        }
        EXPECT_EQ(cell.fact("bug"), row.bug) << row.name << ": " << cell.why;
        EXPECT_FALSE(cell.witness.empty()) << row.name;
    }
    if (wholeEffort()) {
        EXPECT_EQ(cellOf(table, "none leaf read mirror / 6.16").fact("attempted"), true); // a freeze that was lost
        EXPECT_EQ(cellOf(table, "none none read direct / 6.16").fact("reached"), true);   // MMIO
    }
    // An entry that is not present is passed over when its table goes, with the lock held for writing; of the same page another right
    // changes.
    EXPECT_EQ(cellOf(table, "none frozen write direct / 6.16").fact("bug"), true);
    EXPECT_EQ(cellOf(table, "leaf leaf write direct / 6.16").fact("bug"), false);
    EXPECT_EQ(cellOf(table, "leaf leaf write mirror / 6.16").fact("bug"), true);
    // Somebody else is faster.
    for (const char* row : {"leaf none read direct / 6.16", "leaf table read direct / 6.16", "table leaf read direct / 6.16"})
        EXPECT_TRUE(!wholeEffort() || cellOf(table, row).fact("attempted") == true) << row;
    for (const ReviewCell& cell : table.cells) {
        EXPECT_NE(cell.fact("legal"), std::nullopt) << nameOf(cell);
        EXPECT_NE(cell.fact("bug"), std::nullopt) << nameOf(cell);
        ASSERT_TRUE(cell.step) << nameOf(cell);
        if (!cell.witness.empty()) {
            const Ran run(cell.witness);
            EXPECT_LE(*cell.step, run.runner.system().machine().steps()) << nameOf(cell);
        }
    }
}

// A hole that is punched under the read lock: the leaf of the mirror is asked to go, and does not.
TEST(ReviewTransitions, APlantedTransitionChangesItsRowsAlone) {
    ReviewOptions options;
    options.scenario = bindScenario("own.yaml", "mirrorscope: 1\nmachine: {vm: tdx, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n"
                                                "  - init-mem-region: {gpa: 0, size: 4K}\n  - finalize-vm\n  - vcpu0: {accept: 0x2000}\n"
                                                "  - punch-hole: {gpa: 0x2000}\n");
    const ReviewTable before = review(ReviewKind::Transitions, options);
    options.prepare = [](System& system) {
        protocolOf(system).kvm_gmem_punch_hole = [](Kvm& kvm, const GmemRange& range) {
            kvm.sim().readLock(LockId::MmuLock);
            TdpIter iter;
            const std::vector<Pfn> roots = kvm.roots();
            kvm.tdp_iter_start(iter, *std::find_if(roots.begin(), roots.end(), [&](Pfn root) { return kvm.isMirrorRoot(root); }),
                               Level::k4K, range.gfns.start);
            while (iter.valid && iter.level > Level::k4K)
                kvm.tdp_iter_next(iter);
            kvm.tdp_mmu_set_spte_atomic(iter, spte::kNonpresent);
            kvm.sim().readUnlock(LockId::MmuLock);
            return 0;
        };
    };
    EXPECT_EQ(changes(before, review(ReviewKind::Transitions, options)),
              (std::set<std::string>{"leaf none read mirror / 6.16: never became attempted",
                                     "leaf none write mirror / 6.16: reached became never"}));
}

TEST(ReviewTransitions, WhatABoundCutOffIsUnknown) {
    ReviewOptions options;
    options.files = {"races/05"};
    options.maxTransitions = 20;
    const ReviewTable table = review(ReviewKind::Transitions, options);
    const ReviewCell& cell = cellOf(table, "leaf none write mirror / 6.16");
    EXPECT_EQ(cell.outcome, "unknown");
    EXPECT_EQ(cell.fact("reached"), std::nullopt);
    const auto json = nlohmann::json::parse(reviewText(std::span(&table, 1), ReviewFormat::Json));
    bool said = false;
    for (const auto& one : json)
        said |= one["row"] == nlohmann::json{{"old", "leaf"}, {"new", "none"}, {"lock", "write"}, {"root", "mirror"}} &&
                one["reached"] == "unknown";
    EXPECT_TRUE(said);
}

// A change that never came about says nothing; who was interrupted knows less, not something else.
TEST(ReviewTransitions, WhatWasNotLookedAtIsUnknown) {
    ReviewOptions options;
    options.files = {"lessons/01"};
    options.cancelled = [] { return true; };
    const ReviewTable table = review(ReviewKind::Transitions, options);
    EXPECT_FALSE(table.whole);
    for (const ReviewCell& cell : table.cells)
        for (const char* fact : {"legal", "reached", "attempted", "bug"})
            EXPECT_EQ(cell.fact(fact), std::nullopt) << nameOf(cell) << ", " << fact;
}

TEST(ReviewTransitions, WhatMeddlesReachesNothing) {
    ReviewOptions options;
    const std::string begin = "mirrorscope: 1\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: 4M}]";
    options.scenario = bindScenario("own.yaml", begin + "}\nscript:\n  - vcpu0: {write: 0x1000}\n"
                                                        "  - kernel: {call: tdp_mmu_set_spte, gpa: 0x1000, to: none}\n");
    EXPECT_EQ(cellOf(review(ReviewKind::Transitions, options), "leaf none write direct / 6.16").fact("reached"), false);
    options.scenario = bindScenario("own.yaml", begin + ", break: [skip-flush]}\nscript:\n  - vcpu0: {write: 0x1000}\n");
    EXPECT_THROW(review(ReviewKind::Transitions, options), InputError);
    options.scenario = bindScenario("own.yaml", begin + ", kernel: fixed}\nscript:\n  - vcpu0: {write: 0x1000}\n");
    EXPECT_EQ(cellOf(review(ReviewKind::Transitions, options), "none leaf read direct / fixed").fact("reached"), true);
}

// What the leaf table says of locks, and what two leaves beside each other are answered: the first thing that the one wants and the other
// has in a way that excludes it.
TEST(ReviewSeamcalls, AgreesWithTheLocksOfTheLeafTable) {
    const ReviewTable table = review(ReviewKind::Seamcalls, {});
    const auto locksOf = [](const std::string& leaf) {
        std::vector<std::pair<std::string, bool>> locks; // resource, exclusive
        const std::string text(info(*leafFromName(leaf)).locks);
        for (const auto& [said, operand] :
             {std::pair("TDVPR", "TDVPR"), std::pair("TDR", "TDR"), std::pair("tree", "SEPT_TREE"), std::pair("epoch", "TD_EPOCH")})
            if (const std::size_t at = text.find(std::string(said) + " "); at != std::string::npos)
                locks.emplace_back(operand, text.compare(at + std::string(said).size() + 1, 9, "exclusive") == 0);
        return locks;
    };
    unsigned checked = 0;
    for (const ReviewCell& cell : table.cells) {
        if (cell.column[0] != "leaf" || cell.outcome == "n/a")
            continue;
        const std::string &runs = cell.row[0], &comes = cell.column[1];
        // A guest takes no lock of the host's; KVM_TDX_INIT_VCPU is several leaves.
        if (info(*leafFromName(runs)).guest || info(*leafFromName(comes)).guest || runs == "TDH.VP.INIT" || comes == "TDH.VP.INIT")
            continue;
        std::string expected;
        for (const auto& [wanted, exclusively] : locksOf(comes))
            for (const auto& [held, exclusive] : locksOf(runs))
                if (expected.empty() && wanted == held && (exclusively || exclusive) &&
                    !(wanted == "TDVPR" && (runs.find("VP.") == std::string::npos || runs == "TDH.VP.CREATE" || comes == "TDH.VP.CREATE")))
                    expected = wanted;
        if (expected.empty()) {
            EXPECT_TRUE(cell.outcome == "never busy" || cell.outcome.find("entry") != std::string::npos ||
                        cell.outcome.find("page") != std::string::npos)
                << nameOf(cell) << ": " << cell.outcome;
        } else {
            EXPECT_NE(cell.outcome.find(expected), std::string::npos) << nameOf(cell) << ": " << cell.outcome << ", not " << expected;
        }
        ++checked;
    }
    EXPECT_GT(checked, 150u);
    EXPECT_EQ(cellOf(table, "TDH.MEM.RANGE.BLOCK / kvm busy for long").outcome, "tries again, then bugs the VM, vCPUs kept out");
    EXPECT_EQ(cellOf(table, "TDH.MEM.PAGE.AUG / kvm busy once").outcome, "tries again");
    EXPECT_EQ(cellOf(table, "TDH.MR.EXTEND / kvm busy once").outcome, "fails with EIO");
    EXPECT_EQ(cellOf(table, "TDH.VP.CREATE / kvm busy once").outcome, "bugs the VM");
}

TEST(ReviewSeamcalls, OneEntryAndItsOwnCallsOnly) {
    const ReviewTable table = review(ReviewKind::Seamcalls, {});
    const auto outcome = [&](const char* runs, const char* comes) { return cellOf(table, std::string(runs) + " / leaf " + comes).outcome; };
    EXPECT_EQ(outcome("TDH.MEM.SEPT.ADD", "TDH.MEM.PAGE.AUG"), "busy the entry (RCX)"); // both of 2M
    EXPECT_EQ(outcome("TDH.MEM.PAGE.REMOVE", "TDH.PHYMEM.PAGE.RDMD"), "busy the page (RCX)");
    EXPECT_EQ(outcome("TDH.MEM.PAGE.ADD", "TDH.VP.FLUSH"), "busy TDR"); // while the TD is built, too
    // The vCPU that accepts has entered before, and what that holds is not ACCEPT's.
    EXPECT_EQ(outcome("TDG.MEM.PAGE.ACCEPT", "TDH.MEM.RANGE.BLOCK"), "busy the entry (RCX)");
    EXPECT_EQ(outcome("TDG.MEM.PAGE.ACCEPT", "TDH.MEM.TRACK").find("TD_EPOCH"), std::string::npos);
    EXPECT_NE(outcome("TDH.VP.ENTER", "TDH.MEM.TRACK").find("a vCPU of the epoch before"), std::string::npos);
    EXPECT_EQ(outcome("TDH.VP.INIT", "TDH.VP.INIT"), "n/a");
}

// The records of 2M are one resource: whoever gives them, takes them away or puts a page there is in the way of the others.
TEST(ReviewSeamcalls, DynamicPamtIsOfTheReleaseThatHasIt) {
    ReviewOptions options;
    options.only = "TDH.PHYMEM.PAMT.REMOVE";
    EXPECT_TRUE(review(ReviewKind::Seamcalls, options).cells.empty());
    options.kernel = Kernel::Next;
    const ReviewTable table = review(ReviewKind::Seamcalls, options);
    const auto outcome = [&](const char* comes) { return cellOf(table, "TDH.PHYMEM.PAMT.REMOVE / leaf " + std::string(comes)).outcome; };
    EXPECT_EQ(outcome("TDH.PHYMEM.PAMT.ADD"), "busy RCX");
    EXPECT_EQ(outcome("TDH.PHYMEM.PAMT.REMOVE"), "busy RCX");
    EXPECT_EQ(outcome("TDH.MEM.PAGE.AUG").find("busy the page"), 0u) << outcome("TDH.MEM.PAGE.AUG");
    EXPECT_EQ(outcome("TDH.MEM.TRACK"), "n/a");
    EXPECT_EQ(cellOf(table, "TDH.PHYMEM.PAMT.REMOVE / kvm busy once").outcome, "warns");
}

TEST(ReviewSeamcalls, APlantedLockShowsInWhoNeedsItAlone) {
    ReviewOptions options;
    options.only = "TDH.PHYMEM.PAGE.RDMD"; // is in nobody's way
    const ReviewTable before = review(ReviewKind::Seamcalls, options);
    options.prepare = [](System& system) { // somebody reads the tree for ever
        const Place tree = wordOf(system.module().tdcs(system.backend().tdr()), tdcs::TreeLock);
        system.machine().setLock(tree, system.machine().look(tree) + 4, true);
    };
    const auto changed = changes(before, review(ReviewKind::Seamcalls, options));
    EXPECT_EQ(changed, (std::set<std::string>{
                           "TDH.PHYMEM.PAGE.RDMD / leaf TDH.MEM.RANGE.BLOCK: never busy became busy SEPT_TREE",
                           "TDH.PHYMEM.PAGE.RDMD / leaf TDH.MEM.RANGE.UNBLOCK: never busy became busy SEPT_TREE",
                           "TDH.PHYMEM.PAGE.RDMD / leaf TDH.MEM.SEPT.REMOVE: never busy became busy SEPT_TREE",
                       }));
}

TEST(ReviewFaults, WhatEverybodyKnows) {
    ReviewOptions options;
    options.only = "first touch of private memory, table there";
    const ReviewTable table = review(ReviewKind::Faults, options);
    const std::string row = options.only + " / ";
    EXPECT_EQ(cellOf(table, row + "tdx nobody").outcome, "RET_PF_FIXED");
    EXPECT_EQ(cellOf(table, row + "tdx another vCPU").outcome, "RET_PF_FIXED, RET_PF_RETRY, RET_PF_SPURIOUS");
    EXPECT_EQ(cellOf(table, row + "snp the host").outcome, "RET_PF_FIXED, RET_PF_RETRY");
    EXPECT_EQ(cellOf(table, row + "default nobody").outcome, "n/a");
    options.only = "memory is full"; // an ordinary vCPU has no root yet, a TD's needs a page
    EXPECT_EQ(cellOf(review(ReviewKind::Faults, options), options.only + " / default nobody").outcome, "no fault, ENOMEM");
    EXPECT_EQ(cellOf(review(ReviewKind::Faults, options), options.only + " / tdx nobody").outcome, "EFAULT");
    options.only = "the host's page cannot be had";
    EXPECT_EQ(cellOf(review(ReviewKind::Faults, options), options.only + " / tdx nobody").outcome, "EFAULT");
}

TEST(ReviewRules, EveryStepThatCanBeLeftOutIsNoticed) {
    ReviewOptions options;
    options.maxTransitions = 4'000'000;
    const ReviewTable table = review(ReviewKind::Rules, options);
    std::set<std::string> rows;
    for (const ReviewCell& cell : table.cells) {
        const bool holds = info(*breakFromName(cell.row[0])).holds;
        EXPECT_EQ(cell.outcome, holds ? "holds" : "noticed") << nameOf(cell);
        EXPECT_TRUE(!holds || cell.executions > 0) << nameOf(cell);
        rows.insert(cell.row[0]);
        if (!cell.witness.empty()) {
            const Ran run(cell.witness);
            EXPECT_TRUE(run.runner.ok()) << nameOf(cell) << "\n" << run.failures() << cell.witness;
        }
    }
    for (const std::string_view name : breakNames()) {
        EXPECT_TRUE(rows.contains(std::string(name))) << name;
    }
}

// One's own scenario instead: what was answered in its interleavings.
TEST(ReviewFaults, OfOnesOwnScenario) {
    ReviewOptions options;
    options.scenario = loadScenario((kSource / "scenarios/lessons/05-two-vcpus-one-page.yaml").string());
    const std::string& source = options.scenario->source;
    const auto line = std::count(source.begin(), source.begin() + static_cast<std::ptrdiff_t>(source.find("id: first")), '\n') + 1;
    const ReviewTable faults = review(ReviewKind::Faults, options);
    EXPECT_EQ(cellOf(faults, fmt::format("line {}: accept, vcpu0 / tdx as written", line)).outcome,
              "RET_PF_FIXED, RET_PF_RETRY, RET_PF_SPURIOUS");
    const ReviewTable calls = review(ReviewKind::Seamcalls, options);
    EXPECT_EQ(cellOf(calls, "TDH.MEM.PAGE.AUG / here any").outcome, "TDX_OPERAND_BUSY RCX, TDX_SUCCESS");
    const Ran run(cellOf(calls, "TDH.MEM.PAGE.AUG / here any").witness); // the order of the last answer
    EXPECT_TRUE(run.runner.ok()) << run.failures();
}

TEST(ReviewText, FitsAMailAndHasTheKeysOfItsContract) {
    std::vector<ReviewTable> tables;
    ReviewOptions options;
    options.files = {wholeEffort() ? "broken/" : "broken/by-fault", "races/05"};
    for (const std::string_view name : reviewNames()) {
        options.only = name == "faults" ? "no slot there" : "";
        tables.push_back(review(*reviewFromName(name), options));
    }
    const std::string text = reviewText(tables, ReviewFormat::Text);
    for (std::size_t from = 0; from < text.size();) {
        const std::size_t end = text.find('\n', from);
        const std::string line = text.substr(from, end - from);
        const auto columns = std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; });
        EXPECT_LE(columns, 78) << line;
        from = end + 1;
    }
    const auto json = nlohmann::json::parse(reviewText(tables, ReviewFormat::Json));
    std::size_t cells = 0;
    for (const ReviewTable& table : tables)
        cells += table.cells.size();
    ASSERT_EQ(json.size(), cells);
    const std::set<std::string> dispatched{"right", "missed", "needless", "broken", "n/a", "unknown"};
    for (const auto& one : json) {
        for (const char* key : {"table", "row", "column", "outcome", "rule", "step", "why", "executions", "witness"}) {
            EXPECT_TRUE(one.contains(key)) << one;
        }
        if (one["table"] == "dispatch") {
            EXPECT_TRUE(one["row"].contains("operation") && one["column"].contains("vm") && one["column"].contains("dispatch"));
            EXPECT_TRUE(dispatched.contains(one["outcome"])) << one["outcome"];
        }
        if (one["table"] == "transitions")
            for (const char* key : {"legal", "reached", "attempted", "bug"}) {
                EXPECT_TRUE(one[key].is_boolean()) << one;
            }
    }
    // The others say the same of as many cells.
    const std::string csv = reviewText(tables, ReviewFormat::Csv);
    EXPECT_EQ(static_cast<std::size_t>(std::count(csv.begin(), csv.end(), '\n')), cells + tables.size());
    EXPECT_NE(reviewText(tables, ReviewFormat::Markdown).find("| punch a hole | right | missed | right | right |"), std::string::npos);
    const std::string html = reviewText(tables, ReviewFormat::Html);
    std::size_t details = 0;
    for (std::size_t at = html.find("<details "); at != std::string::npos; at = html.find("<details ", at + 1))
        ++details;
    EXPECT_EQ(details, cells);
}

} // namespace mirrorscope::test
