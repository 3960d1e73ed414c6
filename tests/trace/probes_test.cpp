// SPDX-License-Identifier: GPL-3.0-or-later
// Probes of SEAMCALLs in a recording: what a right TD prints has no finding; a call that is missing, that is answered badly, or of which
// KVM knows nothing has one, at its line. Our own machine is the host.
#include "trace/judge.h"

#include "export/export.h"
#include "session/inspect.h"
#include "support/beside.h"
#include "support/effort.h"
#include "support/lines.h"
#include "support/run.h"
#include "support/seed.h"
#include "trace/recorded.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

namespace mirrorscope::test {

namespace {
std::vector<std::string> probed(Session& session) {
    std::string text;
    writeTrace(
        session, [&](const std::string& line) { text += line; }, true);
    return linesOf(text);
}

struct Found {
    std::string all;
    u64 module = 0, follows = 0, others = 0;
    SeamcallJudge::Told told;
};
Found judged(const std::vector<std::string>& lines, TraceKernel kernel) {
    TraceInput input("t", joined(lines));
    TraceNames names;
    const Judged j = judgeTrace(input, names, {.kernel = kernel});
    Found found;
    found.told = j.rebuild->seamcalls();
    for (const Finding& f : j.rebuild->findings()) {
        found.all += std::to_string(f.line) + ": " + std::string(info(f.rule).name) + ": " + f.text + "\n";
        ++(f.rule == TraceRule::ModuleAgrees ? found.module : f.rule == TraceRule::PrivateFollows ? found.follows : found.others);
    }
    return found;
}
TraceKernel kernelOf(const MachineConfig& machine) { return *traceKernelFromName(name(machine.kernel)); }

const std::string kScript = "  - vcpu0: {write: 0x2000}\n  - vcpu1: {write: 0x201000}\n  - punch-hole: {gpa: 0x2000}\n"
                            "  - vcpu0: {write: 0x3000}\n  - vcpu0: {write: 0x4000}\n  - punch-hole: {gpa: 0x201000}\n";
std::vector<std::string> plain(const std::string& machine = "vcpus: 2, sept-ve-disable: false", const std::string& script = kScript) {
    Session session(bindScenario("t.yaml", td(script, machine)));
    return probed(session);
}
} // namespace

TEST(Probes, of_two_tds_at_once_are_told_apart) {
    const ToldRun first(joined(plain()));
    const ToldRun second(joined(plain("vcpus: 2, sept-ve-disable: false", "  - vcpu0: {write: 0x2000}\n  - vcpu1: {write: 0x3000}\n"
                                                                          "  - punch-hole: {gpa: 0x3000}\n  - vcpu0: {write: 0x6000}\n")));
    std::mt19937_64 random(propertySeed());
    SCOPED_TRACE("seed " + std::to_string(propertySeed()));
    for (unsigned round = 0; round < effort(60, 12); ++round) {
        std::vector<std::string> lines, without; // without: a page of the second that the module was never given
        interleave(first, second, random, [&](const std::string& line, const TraceEvent& e, bool ofFirst) {
            lines.push_back(line);
            const bool probe = e.kind == TraceKind::Seamcall || e.kind == TraceKind::SeamcallStatus;
            if (ofFirst || !probe || static_cast<Leaf>(e.a) != Leaf::MemPageAug)
                without.push_back(line);
        });
        const Found found = judged(lines, TraceKernel::V6_16);
        EXPECT_EQ(found.module + found.follows, 0u) << found.all;
        EXPECT_EQ(found.told.tds, 2u);
        const Found missed = judged(without, TraceKernel::V6_16);
        EXPECT_EQ(missed.module, 0u) << missed.all;
        EXPECT_EQ(missed.follows, 1u) << missed.all; // the tasks of the others print nothing any more
    }
}

TEST(Probes, of_a_right_host_tell_nothing_wrong) {
    unsigned tds = 0, calls = 0;
    for (const char* folder : {"lessons", "races"})
        for (const auto& file : someOf(shippedScenarios(folder))) {
            if (loadScenario(file.string()).machine.vm != VmType::Tdx)
                continue;
            for (const char* kernel : {"6.16", "6.19", "7.2"}) {
                if (loadScenario(file.string()).machine.features.any() && kernel != std::string("6.16"))
                    continue; // of one release
                std::vector<Override> overrides;
                if (loadScenario(file.string()).machine.features.none())
                    overrides.push_back({"machine.kernel", std::string("\"") + kernel + "\""});
                Session session(loadScenario(file.string(), overrides));
                const auto inject = [](const Step& step) {
                    return step.verb == Verb::Inject || step.verb == Verb::Seamcall || step.verb == Verb::Kernel;
                };
                if (!session.violations().empty() || anyStep(session.scenario().script, inject))
                    continue;
                const std::vector<std::string> lines = probed(session);
                const Found found = judged(lines, kernelOf(session.scenario().machine));
                EXPECT_EQ(found.module + found.follows, 0u) << file << " on " << kernel << "\n" << found.all;
                const Found untold = judged(lines, TraceKernel::Any);
                EXPECT_EQ(untold.module + untold.follows, 0u) << file << " on " << kernel << ", which is not told\n" << untold.all;
                EXPECT_LE(found.told.tds, 1u) << file; // a call that names no TD, such as PAGE.RECLAIM, is no second one's
                ++tds;
                calls += static_cast<unsigned>(found.told.calls);
            }
        }
    EXPECT_GT(tds, 10u);
    EXPECT_GT(calls, 200u);
}

// Who pre-faults shared memory prints no fault, and the private table has nothing to follow; wherever 7.2's line stands, whether or not one
// is told which release it was, and whether or not a fault has told of the trees before. Of a private page that is pre-faulted it must
// follow.
TEST(Probes, what_is_shared_and_pre_faulted_asks_nothing_of_the_private_table) {
    const auto withoutAug = [](std::vector<std::string> lines, const std::string& gpa) {
        const auto call = std::find_if(lines.begin(), lines.end(), [&](const std::string& line) {
            return line.find("tdh_mem_page_aug: ") != std::string::npos && line.find("gpa=" + gpa + " ") != std::string::npos;
        });
        EXPECT_NE(call, lines.end());
        lines.erase(call, call + 2); // and its status
        return lines;
    };
    for (const char* machine : {"kernel: 6.16", "kernel: 6.19", "kernel: 7.2", "kernel: 7.2, trace-line: before", "kernel: next"})
        for (const std::string as : {"shared", "private"})
            for (const char* before : {"", "  - vcpu0: {accept: 0x300000}\n"}) {
                SCOPED_TRACE(std::string(machine) + " " + as + before);
                const std::string script = "  - set-memory-attributes: {gpa: 0, size: 2M, as: " + as + "}\n" + before +
                                           "  - host1: {pre-fault: {vcpu: 1, gpa: 0x1000, size: 8K}}\n"
                                           "  - vcpu1: {read: {gpa: 0x1000, as: " +
                                           as + "}}\n  - vcpu0: {accept: 0x301000}\n  - vcpu0: {accept: 0x302000}\n";
                Session session(bindScenario("t.yaml", td(script, std::string("vcpus: 2, sept-ve-disable: false, ") + machine)));
                const std::vector<std::string> lines = probed(session);
                const bool lineIsFirst = std::string_view(machine).ends_with("before");
                for (const TraceKernel kernel : {kernelOf(session.scenario().machine), TraceKernel::Any}) {
                    EXPECT_EQ(judged(lines, kernel).all, "");
                    if (!lineIsFirst) {
                        EXPECT_EQ(judged(withoutAug(lines, "0x301000"), kernel).follows, 1u);
                    }
                    if (!lineIsFirst && as == "private" && kernel < TraceKernel::V7_2 && kernel != TraceKernel::Any) {
                        EXPECT_EQ(judged(withoutAug(lines, "0x1000"), kernel).follows, 1u);
                    }
                }
            }
}

TEST(Probes, say_how_far_the_private_table_is) {
    const Found found = judged(plain(), TraceKernel::V6_16);
    EXPECT_EQ(found.all, "");
    EXPECT_EQ(found.told.leaves, 3u); // the image, and two that were accepted and not let go
    EXPECT_EQ(found.told.tables, 4u);
    // Read without a kernel they say the same; levels of 7.2 count from one.
    EXPECT_EQ(judged(plain(), TraceKernel::Any).told.leaves, 3u);
    EXPECT_EQ(judged(plain("vcpus: 2, sept-ve-disable: false, kernel: \"7.2\""), TraceKernel::Any).told.leaves, 3u);
    // As kprobe_events print them, with addresses and an argument more; cut off, they are no event.
    TraceNames names;
    TraceInput input("t", "qemu-77 [001] d..1. 12.000001: tdh_mem_page_aug: (tdh_mem_page_aug+0x4/0x60) td=0xff11 gpa=0x5000 level=0 "
                          "page=0xffffea0000012340\n"
                          "qemu-77 [001] d..1. 12.000002: tdh_mem_page_aug_status: (tdx_sept_set_private_spte+0x1a/0x90 [kvm_intel] <- "
                          "tdh_mem_page_aug) status=0x8000020000000081\n"
                          "qemu-77 [001] d..1. 12.000003: tdh_mem_track: (tdh_mem_track+0x4/0x60) td=0xff11\n"
                          "qemu-77 [001] d..1. 12.000004: tdh_mem_track_status: (tdx_track+0x1a/0x90 <- tdh_mem_track) status=0x0\n");
    const Judged j = judgeTrace(input, names, {});
    EXPECT_EQ(j.rebuild->seamcalls().calls, 2u);
    EXPECT_EQ(j.rebuild->seamcalls().busy, 1u);
    EXPECT_EQ(j.read.counts.skipped, 0u);
}

// Each probe pair of a page or a table that is taken out is missed, wherever it was.
TEST(Probes, a_change_that_was_not_carried_over_is_found) {
    for (const char* kernel : {"6.16", "6.19", "7.2"}) {
        const std::vector<std::string> lines = plain(std::string("vcpus: 2, sept-ve-disable: false, kernel: \"") + kernel + "\"");
        ASSERT_EQ(judged(lines, *traceKernelFromName(kernel)).all, "");
        unsigned taken = 0;
        for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
            const bool page = lines[i].find("tdh_mem_page_aug: ") != std::string::npos ||
                              lines[i].find("tdh_mem_sept_add: ") != std::string::npos ||
                              lines[i].find("tdh_mem_page_remove: ") != std::string::npos;
            // It is missed when the task goes on; the first call tells that there are probes.
            const std::string task = lines[i].substr(0, lines[i].find('['));
            unsigned later = 0;
            for (std::size_t k = i + 1; k < lines.size(); ++k)
                later += lines[k].starts_with(task) && (lines[k].find("spte_changed") != std::string::npos ||
                                                        lines[k].find("kvm_page_fault") != std::string::npos)
                             ? 1
                             : 0;
            if (!page || later < 2 || taken == 0) {
                taken += page ? 1 : 0;
                continue;
            }
            std::vector<std::string> without = lines;
            const auto at = without.begin() + static_cast<std::ptrdiff_t>(i);
            auto answer = at + 1;
            while (answer != without.end() && answer->find("_status: ") == std::string::npos)
                ++answer;
            ASSERT_NE(answer, without.end());
            without.erase(answer);
            without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
            EXPECT_GE(judged(without, *traceKernelFromName(kernel)).follows, 1u) << kernel << ": without " << lines[i];
            ++taken;
        }
        EXPECT_GE(taken, 4u);
    }
}

TEST(Probes, an_answer_that_bugs_the_vm_is_found_at_its_line) {
    const std::vector<std::string> lines = plain();
    unsigned changed = 0;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const std::size_t status = lines[i].find("status=0x0");
        if (status == std::string::npos)
            continue;
        std::vector<std::string> worse = lines;
        worse[i].replace(status, 10, "status=0xc000030000000001");
        const Found found = judged(worse, TraceKernel::V6_16);
        const bool block = lines[i].find("tdh_mem_range_block") != std::string::npos;
        EXPECT_EQ(found.module, 1u) << lines[i] << "\n" << found.all;
        EXPECT_NE(found.all.find(std::to_string(i + 1) + ": module-agrees: TDH."), std::string::npos) << found.all;
        changed += 1 + (block ? 1 : 0);
    }
    EXPECT_GE(changed, 10u);
}

// Busy is tried again; a page that must go may be busy once.
TEST(Probes, busy_is_no_finding_unless_twice) {
    for (const auto& [times, wanted] : {std::pair{1, 0u}, {2, 1u}}) {
        const std::string busy =
            "  - inject: {seamcall: TDH.MEM.RANGE.BLOCK, status: TDX_OPERAND_BUSY, times: " + std::to_string(times) + "}\n";
        const auto lines =
            plain("vcpus: 2, sept-ve-disable: false", "  - vcpu0: {write: 0x2000}\n" + busy + "  - punch-hole: {gpa: 0x2000}\n");
        EXPECT_EQ(judged(lines, TraceKernel::V6_16).module, wanted) << times;
    }
}

// Whoever decides by the fault does not carry over what user space unmaps (design/DISPATCH.md).
TEST(Probes, another_rule_of_dispatch_shows) {
    const std::string machine = "vcpus: 2, sept-ve-disable: false, dispatch: fault";
    EXPECT_GE(judged(plain(machine), TraceKernel::V6_16).follows, 1u);
    EXPECT_GE(judged(plain("vcpus: 2, sept-ve-disable: false, break: [skip-block]"), TraceKernel::V6_16).module, 1u);
    EXPECT_GE(judged(plain("vcpus: 2, sept-ve-disable: false, break: [skip-track]"), TraceKernel::V6_16).module, 1u);
}

// What was lost may have been any of it.
TEST(Probes, nothing_is_said_of_what_was_lost) {
    const std::vector<std::string> lines = plain();
    std::mt19937_64 random(propertySeed());
    for (unsigned round = 0; round < 20; ++round) {
        std::vector<std::string> cut = lines;
        const std::size_t from = 2 + random() % (lines.size() - 4), to = from + 1 + random() % (lines.size() - from - 1);
        cut.erase(cut.begin() + static_cast<std::ptrdiff_t>(from), cut.begin() + static_cast<std::ptrdiff_t>(to));
        cut.insert(cut.begin() + static_cast<std::ptrdiff_t>(from), "CPU:0 [LOST 5 EVENTS]");
        const Found found = judged(cut, TraceKernel::V6_16);
        EXPECT_EQ(found.module + found.follows, 0u) << found.all;
    }
}

namespace {
// The leaves of a private tree, and whether they are blocked, with their frames.
std::map<u64, std::pair<bool, u64>> privateLeaves(const Session& session) {
    std::map<u64, std::pair<bool, u64>> leaves;
    constexpr u64 kPages = 2048;
    for (u64 gfn = 0; gfn < kPages; ++gfn) {
        const TreeCell cell = session.cell(Column::Private, {gfn}, Level::k4K);
        if (cell.exists && !cell.initial(Column::Private))
            leaves[gfn] = {cell.sept == SeptState::Blocked || cell.sept == SeptState::PendingBlocked, cell.pfn.v};
    }
    return leaves;
}
std::unique_ptr<Session> recordedOf(const std::vector<std::string>& lines, TraceKernel kernel) {
    TraceInput input("probes.trace", joined(lines));
    return openRecording(input, kernel);
}
} // namespace

// The third pane of a recording with probes is the private table of the host that it was recorded on.
TEST(Probes, fill_the_private_tree_of_a_recording) {
    unsigned trees = 0;
    for (const char* folder : {"lessons", "races"})
        for (const auto& file : someOf(shippedScenarios(folder))) {
            const Scenario scenario = loadScenario(file.string());
            const auto inject = [](const Step& step) {
                return step.verb == Verb::Inject || step.verb == Verb::Seamcall || step.verb == Verb::Kernel;
            };
            if (scenario.machine.vm != VmType::Tdx || anyStep(scenario.script, inject))
                continue;
            Session run(loadScenario(file.string()));
            if (!run.violations().empty())
                continue;
            run.seek(run.end());
            const auto there = privateLeaves(run);
            if (there.empty() || run.vmIsDead())
                continue;
            const auto recorded = recordedOf(probed(run), kernelOf(run.scenario().machine));
            ASSERT_TRUE(recorded->tellsPrivate()) << file;
            recorded->seek(recorded->end());
            EXPECT_EQ(privateLeaves(*recorded), there) << file;
            ++trees;
        }
    EXPECT_GT(trees, 5u);
}

TEST(Probes, another_page_than_the_mirror_names_is_found) {
    for (const char* kernel : {"6.16", "6.19", "7.2"}) {
        const std::vector<std::string> lines = plain(std::string("vcpus: 2, sept-ve-disable: false, kernel: \"") + kernel + "\"");
        unsigned given = 0;
        for (std::size_t i = 0; i < lines.size(); ++i) {
            const std::size_t at = lines[i].find(" page=0x");
            // The first two that agree tell where struct pages are.
            if (lines[i].find("tdh_mem_page_a") == std::string::npos || at == std::string::npos || ++given <= 2)
                continue;
            std::vector<std::string> changed = lines;
            constexpr std::size_t kBefore = 8;
            changed[i] = lines[i].substr(0, at + kBefore) +
                         fmt::format("{:x}", std::stoull(lines[i].substr(at + kBefore), nullptr, 16) + 3 * SeamcallJudge::kPageStruct);
            const Found found = judged(changed, *traceKernelFromName(kernel));
            EXPECT_EQ(found.follows, 1u) << kernel << " " << lines[i] << "\n" << found.all;
            EXPECT_EQ(found.module + found.others, 0u) << found.all;
            EXPECT_NE(found.all.find("the module was given pfn"), std::string::npos) << found.all;
        }
        EXPECT_GT(given, 3u);
    }
}

// A list of events names each by what stood in the trace, as the line itself does.
TEST(Probes, are_called_by_their_functions) {
    const std::vector<std::string> lines = plain();
    const auto recorded = recordedOf(lines, TraceKernel::V6_16);
    for (u64 n = 0; n < recorded->end(); ++n) {
        const std::string& line = lines.at(recorded->recorded()->events[n].line - 1);
        EXPECT_NE(line.find(" " + recorded->eventAt(n).site + ": "), std::string::npos) << line;
    }
}

TEST(Probes, the_private_tree_travels_in_time) {
    const auto recorded = recordedOf(plain(), TraceKernel::V6_16);
    std::vector<std::string> states;
    std::string last;
    for (u64 n = 0; n <= recorded->end(); ++n) {
        recorded->seek(n);
        const std::string now = recorded->stateName(Column::Private, recorded->cell(Column::Private, {2}, Level::k4K));
        if (now != last)
            states.push_back(now);
        last = now;
    }
    EXPECT_EQ(states, (std::vector<std::string>{"not told", "free or not told", "mapped", "blocked", "free"}));
    // Where both are told, the twins agree at the end.
    unsigned same = 0;
    for (const TreeRow& row : recorded->rows()) {
        EXPECT_NE(twinsOf(row), Twins::Differ);
        same += twinsOf(row) == Twins::Same ? 1 : 0;
    }
    EXPECT_GT(same, 3u);
    // Its export says the same, and its tables are pages of the secure EPT.
    EXPECT_NE(stateJson(*recorded).find("\"secure\":[{"), std::string::npos);
    const TreeCell leaf = recorded->cell(Column::Private, {3}, Level::k4K);
    ASSERT_TRUE(leaf.exists);
    const TablePageView page = recorded->tablePage(frameOf(leaf.place));
    EXPECT_TRUE(page.external);
    EXPECT_EQ(page.level, Level::k4K);
    EXPECT_EQ(leaf.pfn, recorded->cell(Column::Mirror, {3}, Level::k4K).pfn);
    // Behind lost lines nothing is known of it.
    std::vector<std::string> lines = plain();
    lines.push_back("CPU:0 [LOST 7 EVENTS]");
    lines.push_back(lines[lines.size() - 2]);
    const auto cut = recordedOf(lines, TraceKernel::V6_16);
    cut->seek(cut->end() - 1);
    EXPECT_TRUE(cut->cell(Column::Private, {3}, Level::k4K).exists);
    cut->seek(cut->end());
    EXPECT_FALSE(cut->cell(Column::Private, {3}, Level::k4K).exists);
}

} // namespace mirrorscope::test
