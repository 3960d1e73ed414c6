// SPDX-License-Identifier: GPL-3.0-or-later
// Dynamic PAMT: records where the module has pages and nowhere else, KVM's counts, and what comes of what fails.
#include "support/run.h"
#include "support/seed.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <random>

namespace mirrorscope::test {

namespace {
const std::string kMachine = "vcpus: 2, kernel: next, features: [dynamic-pamt]";

const std::string kBoth = "vcpus: 2, kernel: next, features: [dynamic-pamt, private-2M], sept-ve-disable: false";

// At quiet: of each 2M the count is how many pages of 4K the module has there, and there is a pair if there are any.
void expectExact(const System& system) {
    const TdxModule& module = system.module();
    std::vector<u64> owned(system.frames().count() / 512 + 1);
    u64 pairs = 0, pamtPages = 0;
    for (Pfn pfn{0}; pfn.v < system.frames().count(); ++pfn.v) {
        Level size = Level::k4K;
        const bool has = pamt::type(module.peekPamt(pfn, &size)) != PageType::Nda;
        owned[pfn.v / 512] += has && size == Level::k4K ? 1 : 0;
        pamtPages += module.isPamtPage(pfn) ? 1 : 0;
    }
    for (u64 range = 0; range < owned.size() && range * 512 < system.frames().count(); ++range) {
        const Pfn first{range * 512};
        ASSERT_EQ(system.backend().peekPamtRef(first), owned[range]) << "range " << range;
        const auto pair = module.pairOf(first);
        ASSERT_EQ(pair.has_value(), owned[range] != 0) << "range " << range;
        if (!pair)
            continue;
        ++pairs;
        for (const Pfn page : *pair) {
            EXPECT_EQ(system.frames().peekKind(page), FrameKind::PamtPage);
            EXPECT_TRUE(module.isPamtPage(page));
        }
    }
    EXPECT_EQ(pamtPages, 2 * pairs) << "a page of no pair holds records";
}
// What a SEAMCALL behind KVM's back breaks is no matter.
bool expectationsHold(const Ran& run) {
    const auto& all = run.runner.expectations();
    return !all.empty() && std::all_of(all.begin(), all.end(), [](const auto& e) { return e.holds; });
}
} // namespace

TEST(DynamicPamt, counts_are_exact_after_every_step) {
    const u64 seed = propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    unsigned most = 0, removed = 0, demoted = 0;
    for (unsigned round = 0; round < 24; ++round) {
        const bool with2M = round % 2 == 1;
        std::string script;
        for (unsigned k = 0; k < 40; ++k) {
            const u64 page = random() % 6, high = random() % 2;
            const u64 gpa = (high << 21) + (page << 12);
            const u64 what = random() % (with2M ? 8 : 6), who = random() % 2;
            switch (what) {
            case 0:
            case 1: script += fmt::format("  - vcpu{}: {{accept: {{gpa: {}, size: 4K}}}}\n", who, gpa); break;
            case 2: script += fmt::format("  - host{}: {{pre-fault: {{vcpu: 0, gpa: {}, size: 4K}}}}\n", 1 + who, gpa); break;
            case 3: script += fmt::format("  - punch-hole: {{gpa: {}, size: 4K}}\n", gpa); break;
            case 4: script += fmt::format("  - vcpu{}: {{map-gpa: {{gpa: {}, size: 4K, as: shared}}}}\n", who, gpa); break;
            case 5: script += fmt::format("  - vcpu{}: {{map-gpa: {{gpa: {}, size: 4K, as: private}}}}\n", who, gpa); break;
            case 6: script += fmt::format("  - vcpu{}: {{accept: {{gpa: {}, size: 2M, level: 2M}}}}\n", who, high << 21); break;
            case 7: script += fmt::format("  - punch-hole: {{gpa: {}, size: 2M}}\n", high << 21); break;
            }
        }
        // However they are counted, one after the other.
        constexpr const char* kDesigns[] = {"", ", break: [pamt-lock-at-zero]", ", break: [pamt-count-before-lock]",
                                            ", break: [pamt-without-lock]"};
        Scenario scenario = bindScenario("t.yaml", td(script + "  - destroy-vm\n", (with2M ? kBoth : kMachine) + kDesigns[round / 2 % 4]));
        SCOPED_TRACE(scenario.source);
        Runner runner(scenario);
        for (const Step& step : scenario.script) {
            runner.runItem(step);
            if (step.verb == Verb::DestroyVm)
                break;
            expectExact(runner.system());
        }
        runner.quiet();
        EXPECT_TRUE(runner.checker().violations().empty());
        EXPECT_EQ(runner.system().frames().inUse(), 0u) << "all that was given for records came back";
        most = std::max(most, static_cast<unsigned>(runner.system().sim().leafCount(static_cast<unsigned>(Leaf::PhymemPamtAdd))));
        demoted += static_cast<unsigned>(runner.system().sim().leafCount(static_cast<unsigned>(Leaf::MemPageDemote)));
        removed += static_cast<unsigned>(runner.system().sim().leafCount(static_cast<unsigned>(Leaf::PhymemPamtRemove)));
    }
    EXPECT_GE(most, 2u);
    EXPECT_GT(removed, 12u);
    EXPECT_GT(demoted, 3u);
}

// What a large page does not need its parts do: the table's pair by PAMT.ADD, unless its range has one, and that of the 512 by DEMOTE.
TEST(DynamicPamt, a_page_of_2M_has_none_until_it_is_split) {
    Ran run(td("  - vcpu0: {accept: {gpa: 0x200000, size: 2M, level: 2M}}\n  - expect: {count: TDH.PHYMEM.PAMT.ADD, is: 1}\n"
               "  - host1: {set-memory-attributes: {gpa: 0x201000, size: 4K, as: shared}}\n"
               "  - expect: {count: TDH.MEM.PAGE.DEMOTE, is: 1}\n  - vcpu0: {read: 0x202000}\n",
               kBoth));
    EXPECT_TRUE(run.runner.ok()) << run.failures();
    expectExact(run.runner.system());
}

// Who counts the calls changes nothing of what they do.
TEST(DynamicPamt, a_split_that_is_counted_has_its_pair) {
    class Splits final : public Census {
    public:
        void told(PrivateOp op, Gfn, Level, int result) override { ok += op == PrivateOp::Split && result == 0; }
        unsigned ok = 0;
    } census;
    const Scenario scenario = bindScenario("t.yaml", td("  - vcpu0: {accept: {gpa: 0x200000, size: 2M, level: 2M}}\n"
                                                        "  - host1: {set-memory-attributes: {gpa: 0x201000, size: 4K, as: shared}}\n",
                                                        kBoth));
    Runner runner(scenario);
    runner.system().kvm().countedBy(census);
    EXPECT_TRUE(runner.runAll());
    EXPECT_TRUE(runner.checker().violations().empty());
    EXPECT_EQ(census.ok, 1u);
}

// tdh_mem_page_demote.c and tdh_mem_page_promote.c of a module with dynamic PAMT: which pages DEMOTE takes, and what it says of others;
// PROMOTE gives them back. WBINVD does not mind that a free page has no records.
TEST(DynamicPamt, a_split_of_the_modules_own_takes_a_pair) {
    const std::string blocked =
        "  - vcpu0: {accept: {gpa: 0x200000, size: 2M, level: 2M}}\n"
        "  - seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: 0x200000, level: 2M}\n  - seamcall: {leaf: TDH.MEM.TRACK}\n";
    const auto answers = [&](const std::string& registers, const std::string& is) {
        Ran run(td(blocked + "  - {seamcall: {leaf: TDH.MEM.PAGE.DEMOTE, gpa: 0x200000, level: 2M" + registers +
                       "}, id: d}\n  - expect: {result: d, is: " + is + "}\n",
                   kBoth));
        EXPECT_TRUE(expectationsHold(run)) << registers << ": " << run.failures();
        const Pfn page = ept::pfnOf(run.runner.system().septAt({0x200}).entry);
        Level size = Level::k4K;
        run.runner.system().module().peekPamt(page, &size);
        EXPECT_EQ(size, is == "ok" ? Level::k4K : Level::k2M) << registers;
        return run.runner.system().module().pairOf(page).has_value();
    };
    EXPECT_TRUE(answers("", "ok"));
    EXPECT_FALSE(answers(", r12: 0x3001", "TDX_OPERAND_INVALID, operand: R12"));
    EXPECT_FALSE(answers(", r13: 0x3001", "TDX_OPERAND_INVALID, operand: R13"));
    EXPECT_FALSE(answers(", r12: 0x4000000000000", "TDX_OPERAND_INVALID, operand: R12"));
    EXPECT_FALSE(answers(", r13: 0x3fffffff000", "TDX_OPERAND_ADDR_RANGE_ERROR, operand: R13"));
    // The TDR is no free page; nor is a page that is in the pair already.
    const Ran made(td("", kBoth));
    const std::string tdr = fmt::format("{:#x}", hpa(made.runner.system().backend().tdr()));
    EXPECT_FALSE(answers(", r12: " + tdr, "TDX_PAGE_NOT_FREE, operand: R12"));
    const std::string last = fmt::format("{:#x}", hpa(Pfn{made.runner.system().frames().count() - 1}));
    EXPECT_FALSE(answers(", r12: " + last + ", r13: " + last, "TDX_PAGE_NOT_FREE, operand: R13"));

    Ran there(td(blocked + "  - {seamcall: {leaf: TDH.MEM.PAGE.DEMOTE, gpa: 0x200000, level: 2M}, id: d}\n"
                           "  - seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: 0x200000, level: 2M}\n  - seamcall: {leaf: TDH.MEM.TRACK}\n"
                           "  - {seamcall: {leaf: TDH.MEM.PAGE.PROMOTE, gpa: 0x200000, level: 2M}, id: p}\n"
                           "  - expect: {result: p, is: ok}\n  - expect: {result: d, is: ok}\n",
                 kBoth));
    EXPECT_TRUE(expectationsHold(there)) << there.failures();
    const Pfn page = ept::pfnOf(there.runner.system().septAt({0x200}).entry);
    EXPECT_FALSE(there.runner.system().module().pairOf(page).has_value());
    const auto& broken = there.runner.checker().violations();
    EXPECT_TRUE(std::none_of(broken.begin(), broken.end(), [](const Violation& v) {
        return v.rule == Rule::NoLeak || v.rule == Rule::SingleOwner;
    })) << there.failures();
    Ran wbinvd(td("  - {seamcall: {leaf: TDH.PHYMEM.PAGE.WBINVD, rcx: " + last + "}, id: w}\n  - expect: {result: w, is: ok}\n", kBoth));
    EXPECT_TRUE(expectationsHold(wbinvd)) << wbinvd.failures();
}

TEST(DynamicPamt, a_get_that_fails_leaves_nothing_behind) {
    for (const char* how : {"alloc: fail", "seamcall: TDH.PHYMEM.PAMT.ADD, status: TDX_OPERAND_BUSY",
                            "seamcall: TDH.MEM.PAGE.AUG, status: TDX_OPERAND_BUSY", "seamcall: TDH.MEM.SEPT.ADD, status: TDX_OPERAND_BUSY"})
        for (unsigned after = 0; after < 30; ++after) {
            SCOPED_TRACE(std::string(how) + " after " + std::to_string(after));
            Scenario scenario =
                bindScenario("t.yaml", td(fmt::format("  - inject: {{{}, after: {}}}\n  - vcpu0: {{accept: 0x201000}}\n"
                                                      "  - host1: {{pre-fault: {{vcpu: 0, gpa: 0x202000, size: 4K}}}}\n  - punch-hole: "
                                                      "{{gpa: 0x201000, size: 4K}}\n",
                                                      how, after),
                                          kMachine));
            Runner runner(scenario);
            runner.runAll();
            expectExact(runner.system());
            for (const Violation& v : runner.checker().violations())
                EXPECT_EQ(v.rule, Rule::KernelAsserts) << v.text; // the warning of PAMT.ADD
        }
}

// Said of v6 by its readers: what a get answers is RET_PF_RETRY to who mapped, and no error ends that.
TEST(DynamicPamt, a_range_that_never_gets_its_records_is_asked_for_for_ever) {
    const Scenario scenario = bindScenario(
        "t.yaml", td("  - vcpu0: {accept: 0x1000}\n  - inject: {seamcall: TDH.PHYMEM.PAMT.ADD, status: TDX_OPERAND_BUSY, times: 1000000}\n"
                     "  - host1: {pre-fault: {vcpu: 0, gpa: 0x2000, size: 4K}}\n",
                     kMachine));
    Runner runner(scenario, {.maxSteps = 50'000});
    runner.runAll();
    EXPECT_TRUE(runner.bounded());
    EXPECT_GT(runner.system().sim().leafCount(static_cast<unsigned>(Leaf::PhymemPamtAdd)), 500u);
    EXPECT_EQ(runner.system().kvm().peekVm(Kvm::VmWord::Dead), 0u) << "nothing bugs the VM";
}

TEST(DynamicPamt, is_there_only_where_it_is_asked_for) {
    const auto leaves = [](const std::string& machine) {
        Ran run(td("  - vcpu0: {accept: 0x1000}\n  - {seamcall: {leaf: TDH.PHYMEM.PAMT.ADD}, id: add}\n"
                   "  - expect: {result: add, is: TDX_OPERAND_INVALID, operand: RAX}\n  - destroy-vm\n",
                   machine));
        EXPECT_TRUE(run.runner.ok()) << run.failures();
        return run.runner.system().sim().leafCount(static_cast<unsigned>(Leaf::PhymemPamtRemove));
    };
    EXPECT_EQ(leaves("vcpus: 2, kernel: next"), 0u);
    EXPECT_EQ(leaves("vcpus: 2"), 0u);
    EXPECT_THROW(bindScenario("t.yaml", td("", "vcpus: 2, features: [dynamic-pamt]")), InputError);
}

// Frames that are given to no avail come back, one that only names a range, too.
TEST(DynamicPamt, raw_calls_leave_no_frame_behind) {
    Ran run(td(
        "  - {seamcall: {leaf: TDH.PHYMEM.PAMT.ADD, page: new}, id: a}\n  - {seamcall: {leaf: TDH.PHYMEM.PAMT.REMOVE, page: new}, id: b}\n"
        "  - {seamcall: {leaf: TDH.PHYMEM.PAMT.ADD}, id: c}\n  - destroy-vm\n",
        kMachine));
    EXPECT_TRUE(run.runner.checker().violations().empty()) << run.failures();
    EXPECT_EQ(run.runner.system().frames().inUse(), 0u);
    Ran full(td("  - inject: {alloc: fail, times: 3}\n  - {seamcall: {leaf: TDH.PHYMEM.PAMT.ADD, page: new}, id: a}\n"
                "  - expect: {result: a, is: ENOMEM}\n",
                kMachine));
    EXPECT_TRUE(full.runner.ok()) << full.failures();
}

// A frame says what it is for, at each moment.
TEST(DynamicPamt, is_seen_frame_by_frame) {
    Session session(bindScenario("t.yaml", td("  - vcpu0: {accept: 0x1000}\n", kMachine)));
    session.seek(session.end());
    const std::vector<PamtRange> ranges = session.pamtRanges();
    ASSERT_GE(ranges.size(), 2u);
    for (const PamtRange& range : ranges) {
        EXPECT_GT(range.pages, 0u);
        const FrameView frame = session.frame(range.pair[0]);
        EXPECT_EQ(frame.kind, FrameView::Kind::Pamt);
        EXPECT_EQ(frame.pamt, "PT_PAMT");
        EXPECT_NE(frame.use.find(fmt::format("pfn {:#x}", range.first.v)), std::string::npos) << frame.use;
    }
    EXPECT_TRUE(Session(bindScenario("t.yaml", td(""))).pamtRanges().empty());
}

} // namespace mirrorscope::test
