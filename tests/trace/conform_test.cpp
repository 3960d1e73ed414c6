// SPDX-License-Identifier: GPL-3.0-or-later
// Judging: real kernels are right, our own machine is, and what was tampered with is found where it was.
#include "trace/judge.h"

#include "export/export.h"
#include "scenario/diagnostic.h"
#include "session/session.h"
#include "support/effort.h"
#include "support/lines.h"
#include "trace/recorded.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <regex>
#include <set>
#include <sstream>

using namespace mirrorscope;

namespace {
const std::string kSource = MIRRORSCOPE_SOURCE_DIR;

struct Verdict {
    std::vector<Finding> findings;
    u64 transitions = 0;
    std::size_t tables = 0;
};
Verdict judged(const std::string& text, TraceKernel kernel = TraceKernel::Any) {
    TraceInput input("t", text);
    TraceNames names;
    const Judged j = judgeTrace(input, names, {.kernel = kernel});
    return {j.rebuild->findings(), j.rebuild->transitions(), j.rebuild->tables().count()};
}
std::string told(const std::vector<Finding>& findings) {
    std::string text;
    for (const Finding& f : findings)
        text += std::to_string(f.line) + ": " + std::string(info(f.rule).name) + ": " + f.text + "\n";
    return text;
}

// A recording's changes of entries as they can be judged without any knowledge of KVM: of one tree, entry by entry. What an entry holds
// when a line tells of it must be what the line before told, but for what the CPU adds (A and D of the format) and the fast path's W.
struct Naive {
    static constexpr u64 kSilent = 0x60 | 0x300;
    struct Line {
        std::string kind;
        u64 gfn = 0, level = 0, old = 0, now = 0;
    };
    static bool parse(const std::string& text, Line& line) {
        if (const std::size_t at = text.find("kvm_tdp_mmu_spte_changed: as id 0 "); at != std::string::npos) {
            line.kind = "changed";
            return std::sscanf(text.c_str() + at, "kvm_tdp_mmu_spte_changed: as id 0 gfn %lx level %lu old_spte %lx new_spte %lx",
                               &line.gfn, &line.level, &line.old, &line.now) == 4;
        }
        if (const std::size_t at = text.find("fast_page_fault:"); at != std::string::npos && text.find("fixed 1") != std::string::npos) {
            line.kind = "fast";
            const char* old = std::strstr(text.c_str() + at, " old 0x");
            const char* gva = std::strstr(text.c_str() + at, "gva ");
            if (old == nullptr || gva == nullptr || std::sscanf(gva, "gva %lx", &line.gfn) != 1 ||
                std::sscanf(old, " old 0x%lx new %lx", &line.old, &line.now) != 2)
                return false;
            line.gfn >>= 12;
            line.level = 1;
            return true;
        }
        return false;
    }
    // The first line that no legal run can contain behind those before it, 0 if there is none.
    static u32 firstWrong(const std::vector<std::string>& lines) {
        std::map<std::pair<u64, u64>, u64> held; // (level, gfn) -> value; only what a line told
        std::set<std::string> seen;              // tasks; who was not seen yet may work on another VM
        for (std::size_t i = 0; i < lines.size(); ++i) {
            Line line;
            if (!parse(lines[i], line))
                continue;
            if (line.old == line.now)
                return static_cast<u32>(i + 1);
            if (line.level < 1 || line.level > 5 || (line.gfn & ((1ul << 9 * (line.level - 1)) - 1)) != 0)
                return static_cast<u32>(i + 1);
            const auto at = held.find({line.level, line.gfn});
            const bool frozen = line.old == spte::kFrozen;
            if (frozen)
                return static_cast<u32>(i + 1);
            const bool stranger = seen.insert(lines[i].substr(0, lines[i].find('['))).second;
            if (at != held.end() && !stranger) {
                const u64 was = at->second;
                const bool present = (was & line.old & 0x800) != 0;
                if (was != line.old && !(present && (was & ~line.old) == 0 && ((line.old & ~was) & ~kSilent) == 0))
                    return static_cast<u32>(i + 1);
            }
            if (line.kind == "changed" && (line.old & line.now & 0x800) != 0 && line.level == 1 &&
                ((line.old ^ line.now) & 0x000ffffffffff000) != 0)
                return static_cast<u32>(i + 1);
            // What a table holds that goes, or comes, is told otherwise.
            if (line.level > 1)
                for (auto e = held.begin(); e != held.end();)
                    e = e->first.first < line.level && e->first.second >> 9 * (line.level - 1) == line.gfn >> 9 * (line.level - 1) &&
                                !(line.now == spte::kFrozen)
                            ? held.erase(e)
                            : std::next(e);
            if (line.now == spte::kFrozen)
                held.erase({line.level, line.gfn});
            else
                held[{line.level, line.gfn}] = line.now;
        }
        return 0;
    }
};
} // namespace

TEST(Conform, real_kernels_are_right) {
    u64 transitions = 0;
    for (const auto& entry : std::filesystem::directory_iterator(kSource + "/tests/data/traces")) {
        if (!entry.is_regular_file())
            continue;
        const std::string file = entry.path().string();
        SCOPED_TRACE(file);
        const TraceKernel kernel = file.find("6.12") != std::string::npos ? TraceKernel::V6_12 : TraceKernel::V6_16;
        for (const TraceKernel by : {kernel, TraceKernel::Any}) {
            TraceInput input(file);
            TraceNames names;
            const Judged j = judgeTrace(input, names, {.kernel = by});
            EXPECT_EQ(j.rebuild->findingCount(), 0u) << told(j.rebuild->findings());
            EXPECT_EQ(j.rebuild->afterLoss() != 0, file.find("lossy") != std::string::npos);
            transitions += j.rebuild->transitions();
        }
    }
    EXPECT_GT(transitions, 80'000u);
}

// From 7.2 on a table is taken apart before the line that unlinks it; of one that is empty its page is all that is told.
TEST(Conform, an_empty_table_goes_before_it_is_unlinked) {
    std::string text;
    unsigned n = 0;
    const auto add = [&](const std::string& task, const std::string& event) {
        text += fmt::format("{:>22} [001]     0.{:06}: {}\n", task, ++n, event);
    };
    const auto page = [&](unsigned level) { return fmt::format("sp gen 0 gfn 0 l{} 8-byte q0 direct wux nxe ad root 0 sync", level); };
    const auto linked = [](unsigned level, bool now) {
        return fmt::format("kvm_tdp_mmu_spte_changed: as id 0 gfn 0 level {} old_spte {:x} new_spte {:x}", level,
                           now ? 0x8000000000000000 : 0x8000000000050907 + (u64{level} << 12),
                           now ? 0x8000000000050907 + (u64{level} << 12) : 0x8000000000000000);
    };
    add("vcpu0-1000", "kvm_mmu_get_page: " + page(4) + " new");
    for (const unsigned level : {4u, 3u, 2u}) {
        add("vcpu0-1000", "kvm_mmu_get_page: " + page(level - 1) + " new");
        add("vcpu0-1000", linked(level, true));
    }
    for (const unsigned level : {2u, 3u, 4u}) {
        add("host-1001", "kvm_mmu_prepare_zap_page: " + page(level - 1));
        add("host-1001", linked(level, false));
    }
    add("host-1001", "kvm_mmu_get_page: " + page(4) + " new");
    const Verdict right = judged(text, TraceKernel::V7_2);
    EXPECT_TRUE(right.findings.empty()) << told(right.findings);
    EXPECT_EQ(right.tables, 1u); // the first root
    // Without those lines, in a trace that has others, it is still missed.
    const std::size_t at = text.find("kvm_mmu_prepare_zap_page: " + page(2));
    text.replace(text.rfind('\n', at) + 1, text.find('\n', at) - text.rfind('\n', at), "");
    EXPECT_FALSE(judged(text, TraceKernel::V7_2).findings.empty());
}

// In 6.16 the line that unlinks a table comes before those of what it held, from 7.2 on behind them, whether or not it held anything.
TEST(Conform, our_runs_tell_of_a_table_that_goes_in_the_order_of_their_kernel) {
    for (const char* file : {"races/08-invalid-root-and-running-vcpu.yaml", "lessons/29-the-end-of-a-td.yaml"})
        for (const char* version : {"6.16", "6.19", "7.2", "next"}) {
            SCOPED_TRACE(std::string(file) + " " + version);
            Session run(loadScenario(kSource + "/scenarios/" + file, {{"machine.kernel", version}}));
            std::string text;
            writeTrace(run, [&](const std::string& line) { text += line; });
            unsigned tables = 0;
            for (const unsigned level : {1u, 2u, 3u}) {
                const std::size_t zap = text.find(fmt::format("kvm_mmu_prepare_zap_page: sp gen 0 gfn 0 l{} ", level));
                if (zap == std::string::npos)
                    continue;
                const std::regex unlinking(
                    fmt::format("gfn 0 level {} old_spte 80000000[0-9a-f]*7 new_spte 80000000000(00000|005a0)\n", level + 1));
                std::smatch found;
                ASSERT_TRUE(std::regex_search(text, found, unlinking)) << level;
                EXPECT_EQ(static_cast<std::size_t>(found.position(0)) > zap, std::string_view(version) > "7") << level;
                ++tables;
            }
            EXPECT_EQ(tables, 3u);
        }
}

// What our machine does is told as a kernel would, and judged; and the trees at the end are those of the run.
TEST(Conform, our_own_runs_are_right_and_are_rebuilt) {
    unsigned rebuilt = 0;
    for (const char* folder : {"lessons", "races", "review"})
        for (const auto& entry : std::filesystem::directory_iterator(kSource + "/scenarios/" + folder)) {
            if (entry.path().extension() != ".yaml")
                continue;
            for (const char* version : {"6.16", "7.2"}) {
                SCOPED_TRACE(entry.path().string() + " " + version);
                std::unique_ptr<Session> run;
                try {
                    run = std::make_unique<Session>(loadScenario(entry.path().string(), {{"machine.kernel", version}}));
                } catch (const InputError&) {
                    continue; // it is about another version
                }
                std::string text;
                writeTrace(*run, [&](const std::string& line) { text += line; });
                const Verdict verdict = judged(text, *traceKernelFromName(version));
                EXPECT_TRUE(verdict.findings.empty()) << told(verdict.findings);
                if (verdict.transitions == 0)
                    continue;
                TraceInput input("run.trace", text);
                const auto opened = openRecording(input);
                Session& again = *opened;
                run->seek(run->end());
                again.seek(again.end());
                // Of what is mapped in the end: the same entries, in the same frames.
                const auto leaves = [](const Session& session) {
                    std::set<std::string> set;
                    const auto state = nlohmann::json::parse(stateJson(session));
                    for (const char* tree : {"direct", "mirror"})
                        for (const auto& e : state["trees"].value(tree, nlohmann::json::array()))
                            if (e["is"] == "leaf")
                                set.insert(std::string(tree) + e["gfn"].dump() + e["level"].dump() + e["pfn"].dump());
                    return set;
                };
                EXPECT_EQ(leaves(*run), leaves(again));
                ++rebuilt;
            }
        }
    EXPECT_GT(rebuilt, 60u);
}

// A corpus: what is wrong with a file stands in its first line.
TEST(Conform, the_corpus_is_judged_as_it_says) {
    unsigned files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(kSource + "/tests/data/traces/bad")) {
        SCOPED_TRACE(entry.path().string());
        const auto lines = test::linesOfFile(entry.path().string());
        ASSERT_TRUE(lines.at(0).starts_with("# expect: "));
        std::istringstream expected(lines[0].substr(10));
        std::string rule, kernel = "any";
        u32 line = 0;
        expected >> rule >> line >> kernel;
        const Verdict verdict = judged(test::joined(lines), traceKernelFromName(kernel).value_or(TraceKernel::Any));
        ASSERT_FALSE(verdict.findings.empty());
        EXPECT_EQ(info(verdict.findings[0].rule).name, rule) << told(verdict.findings);
        EXPECT_EQ(verdict.findings[0].line, line) << told(verdict.findings);
        EXPECT_EQ(verdict.findings.size(), 1u) << told(verdict.findings);
        ++files;
    }
    EXPECT_GE(files, kTraceRules);
}

// What such a kernel may print, and looks odd.
TEST(Conform, the_good_part_of_the_corpus_is_right) {
    for (const auto& entry : std::filesystem::directory_iterator(kSource + "/tests/data/traces/good")) {
        SCOPED_TRACE(entry.path().string());
        const Verdict verdict = judged(test::joined(test::linesOfFile(entry.path().string())));
        EXPECT_TRUE(verdict.findings.empty()) << told(verdict.findings);
        EXPECT_GT(verdict.transitions, 0u);
    }
}

// That a CPU's events are missing is told by its next one, which may come long behind what others did meanwhile.
TEST(Conform, a_loss_explains_what_was_printed_since_that_cpus_last_line) {
    static constexpr unsigned kPages = 400;
    const auto mapped = [](unsigned n, u64 frame, bool comes) {
        const std::string present = fmt::format("{:x}", 0x8600000000000b77 + ((frame + n) << 12)), none = "8000000000000000";
        return fmt::format("kvm_tdp_mmu_spte_changed: as id 0 gfn {:x} level 1 old_spte {} new_spte {}\n", 0x200 + n,
                           comes ? none : present, comes ? present : none);
    };
    std::string before;
    for (unsigned n = 0; n < kPages; ++n)
        before += fmt::format("CPU 0/KVM-100 [000] ..... 1.{:06}: ", 10 + n) + mapped(n, 0x5200, true);
    before += "CPU 1/KVM-101 [001] ..... 1.000900: " + mapped(kPages, 0x5200, true);
    std::string others; // of pages that nobody has told of
    for (unsigned n = 0; n < kPages; ++n)
        others += fmt::format("CPU 1/KVM-101 [001] ..... 1.{:06}: ", 1000 + n) + mapped(n, 0x9200, false);
    const std::string next = "CPU 0/KVM-100 [000] ..... 1.002000: kvm_entry: vcpu 0, rip 0x0\n";
    const auto count = [](const std::string& text) {
        TraceInput input("t", text);
        TraceNames names;
        const Judged j = judgeTrace(input, names, {});
        EXPECT_EQ(j.rebuild->findings().size(), j.rebuild->findingCount());
        EXPECT_EQ(j.rebuild->discontinuities(), kPages);
        TraceInput again("t", text);
        const auto session = openRecording(again);
        EXPECT_EQ(session->violations().size(), j.rebuild->findingCount());
        EXPECT_EQ(session->recorded()->findingCount, j.rebuild->findingCount());
        return j.rebuild->findingCount();
    };
    EXPECT_EQ(count(before + others + next), kPages);
    EXPECT_EQ(count(before + others + "CPU:0 [LOST 800 EVENTS]\n" + next), 0u);
    EXPECT_EQ(count(before + others + "CPU:7 [LOST 800 EVENTS]\n" + next), 0u); // it was silent so far
    // Lost by the CPU itself since its own last line: what it printed before stays as it is.
    EXPECT_EQ(count(before + others + "CPU:1 [LOST 800 EVENTS]\n" + next), kPages);
    EXPECT_EQ(count(before + next + others + "CPU:0 [LOST 800 EVENTS]\n" + next), 0u);
    EXPECT_EQ(count(before + others + next + "CPU:0 [LOST 800 EVENTS]\n" + next), kPages);
    // What no other CPU could make right stays.
    const std::string wrong = "CPU 1/KVM-101 [001] ..... 1.001900: kvm_tdp_mmu_spte_changed: as id 0 gfn 210 level 2 old_spte "
                              "8000000000000000 new_spte 8000000000199907\n"; // gfn 210 is not where a 2M entry begins
    EXPECT_EQ(count(before + others + wrong + "CPU:0 [LOST 800 EVENTS]\n" + next), 1u);
}

// Each rule has a file in the corpus.
TEST(Conform, each_rule_is_shown_to_fail) {
    std::set<std::string> shown;
    for (const auto& entry : std::filesystem::directory_iterator(kSource + "/tests/data/traces/bad")) {
        std::istringstream expected(test::linesOfFile(entry.path().string()).at(0).substr(10));
        std::string rule;
        expected >> rule;
        shown.insert(rule);
    }
    for (unsigned i = 0; i < kTraceRules; ++i)
        EXPECT_TRUE(shown.contains(std::string(info(static_cast<TraceRule>(i)).name))) << info(static_cast<TraceRule>(i)).name;
}

// Lines deleted, swapped, doubled, edited: nothing crashes, and what a reader without any knowledge of KVM can tell to be impossible is
// found, at that line or before.
TEST(Conform, tampering_is_found_where_it_shows) {
    const u64 rounds = test::effort(1000, 150);
    constexpr unsigned kSeed = 20261127;
    std::mt19937 random(kSeed);
    const std::vector<std::string> recordings[] = {test::linesOfFile(kSource + "/tests/data/traces/private-exits.trace"),
                                                   test::linesOfFile(kSource + "/tests/data/traces/lab-6.12-pipe.txt.xz")};
    int impossible = 0, found = 0, inTime = 0;
    std::string missed;
    for (u64 round = 0; round < rounds; ++round) {
        std::vector<std::string> lines = recordings[round % 2];
        std::vector<std::size_t> changes;
        for (std::size_t i = 0; i < lines.size(); ++i)
            if (lines[i].find("spte_changed") != std::string::npos)
                changes.push_back(i);
        const std::size_t at = changes[random() % changes.size()];
        switch (random() % 4) {
        case 0: lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(at)); break;
        case 1: lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(at), lines[at]); break;
        case 2: std::swap(lines[at], lines[changes[random() % changes.size()]]); break;
        default: {
            const std::size_t from = lines[at].find("as id") + 6;
            char& c = lines[at][from + random() % (lines[at].size() - from)];
            if (std::isxdigit(static_cast<unsigned char>(c)) != 0)
                c = "0123456789abcdef"[random() % 16];
        }
        }
        const u32 wrong = Naive::firstWrong(lines);
        const Verdict verdict = judged(test::joined(lines));
        if (wrong == 0)
            continue;
        ++impossible;
        found += verdict.findings.empty() ? 0 : 1;
        if (!verdict.findings.empty() && verdict.findings[0].line <= wrong)
            ++inTime;
        else
            missed += "round " + std::to_string(round) + ": line " + std::to_string(wrong) + " " + lines[wrong - 1] + "\n" +
                      told(verdict.findings);
    }
    EXPECT_GT(impossible, rounds / 4);
    EXPECT_GE(inTime, impossible * 99 / 100) << missed << "seed " << kSeed;
    RecordProperty("impossible", impossible);
    RecordProperty("found", found);
}

// The seed recordings are possible, also for the naive reader.
TEST(Conform, the_naive_reader_finds_nothing_in_what_was_recorded) {
    for (const char* name : {"private-exits.trace", "lab-6.12-pipe.txt.xz", "lab-6.12.txt.xz", "prefault.trace.gz"})
        EXPECT_EQ(Naive::firstWrong(test::linesOfFile(kSource + "/tests/data/traces/" + name)), 0u) << name;
}

TEST(Conform, the_documentation_tells_each_rule) {
    const std::string docs = test::joined(test::linesOfFile(kSource + "/resources/docs/traces.md"));
    for (unsigned i = 0; i < kTraceRules; ++i) {
        const TraceRuleInfo& rule = info(static_cast<TraceRule>(i));
        EXPECT_NE(docs.find("| `" + std::string(rule.name) + "` | " + std::string(rule.help) + " |"), std::string::npos) << rule.name;
    }
}

// Two VMs at once, told apart by what their entries hold and by who works on them.
TEST(Conform, interleaved_vms_are_told_apart) {
    const auto lines = test::linesOfFile(kSource + "/tests/data/traces/private-exits.trace");
    std::string first, text;
    std::vector<std::string> one, other;
    for (const std::string& line : lines)
        if (line.find("-90 ") != std::string::npos && line.find("unmap_hva") == std::string::npos)
            one.push_back(line);
    for (std::string line : one) {
        line.replace(line.find("-90 "), 4, "-99 ");
        for (std::size_t at = 0; (at = line.find(" 108e", at)) != std::string::npos; ++at)
            line.replace(at, 5, " 208e");
        other.push_back(line);
    }
    for (std::size_t i = 0; i < one.size(); ++i)
        text += one[i] + "\n" + other[i] + "\n";
    const Verdict verdict = judged(text);
    EXPECT_TRUE(verdict.findings.empty()) << told(verdict.findings);
    EXPECT_EQ(verdict.tables, 2 * 5u);
}

// Roots that nobody uses are not kept without end.
TEST(Conform, roots_without_end_take_no_room_without_end) {
    std::string text;
    for (int i = 0; i < 20'000; ++i)
        text += "a-1 [000] 1.0: kvm_mmu_get_page: sp gen 0 gfn 0 l4 8-byte q0 direct wux nxe ad root 0 sync new\n";
    const Verdict verdict = judged(text);
    EXPECT_TRUE(verdict.findings.empty());
    EXPECT_LT(verdict.tables, 2000u);
}

// A line is printed after what it tells of: another CPU may have printed first.
TEST(Conform, neighbours_may_be_told_in_another_order) {
    const std::string begin = "a-1 [000] 1.000001: kvm_mmu_get_page: sp gen 0 gfn 0 l4 8-byte q0 direct wux nxe ad root 0 sync new\n"
                              "a-1 [000] 1.000002: kvm_mmu_get_page: sp gen 0 gfn 0 l3 8-byte q0 direct wux nxe ad root 0 sync new\n";
    const std::string link =
        "a-1 [000] 1.000003: kvm_tdp_mmu_spte_changed: as id 0 gfn 0 level 4 old_spte 8000000000000000 new_spte 101827\n";
    const std::string get = "b-2 [001] 1.000004: kvm_mmu_get_page: sp gen 0 gfn 0 l2 8-byte q0 direct wux nxe ad root 0 sync new\n";
    const std::string used =
        "b-2 [001] 1.000005: kvm_tdp_mmu_spte_changed: as id 0 gfn 0 level 3 old_spte 8000000000000000 new_spte 102827\n";
    EXPECT_TRUE(judged(begin + link + get + used).findings.empty());
    std::string late = link;
    late.replace(late.find("1.000003"), 8, "1.000006");
    EXPECT_TRUE(judged(begin + get + used + late).findings.empty()) << told(judged(begin + get + used + late).findings);
    // But not without that line at all, if the task is known to work on that root.
    std::string known = used;
    known.replace(known.find("b-2"), 3, "a-1");
    EXPECT_FALSE(judged(begin + known).findings.empty());
}

// No kernel freezes entries of a root's own page: it is said, and whoever is told to is not followed once the root is gone.
TEST(Conform, a_root_that_is_taken_apart_and_gone_is_left_alone) {
    const std::string text =
        "a-1 [000] 1.000001: kvm_mmu_get_page: sp gen 0 gfn 0 l4 8-byte q0 direct wux nxe ad root 0 sync new\n"
        "a-1 [000] 1.000002: kvm_mmu_get_page: sp gen 0 gfn 0 l3 8-byte q0 direct wux nxe ad root 0 sync new\n"
        "a-1 [000] 1.000003: kvm_tdp_mmu_spte_changed: as id 0 gfn 0 level 4 old_spte 8000000000000000 new_spte 101827\n"
        "a-1 [000] 1.000004: kvm_tdp_mmu_spte_changed: as id 0 gfn 0 level 4 old_spte 101827 new_spte 80000000000005a0\n"
        "b-2 [001] 1.000005: kvm_mmu_get_page: sp gen 0 gfn 0 l4 8-byte q0 direct wux nxe ad root 0 sync new\n"
        "b-2 [001] 1.000006: kvm_mmu_get_page: sp gen 0 gfn 0 l3 8-byte q0 direct wux nxe ad root 0 sync new\n"
        "b-2 [001] 1.000007: kvm_tdp_mmu_spte_changed: as id 0 gfn 0 level 4 old_spte 8000000000000000 new_spte 102827\n";
    EXPECT_LE(judged(text).tables, 2u) << told(judged(text).findings);
}

// Nor do two tasks take one table apart.
TEST(Conform, a_table_that_two_take_apart_is_one_task_s) {
    const std::string text =
        "a-1 [000] 1.000001: kvm_mmu_get_page: sp gen 0 gfn 0 l4 8-byte q0 direct wux nxe ad root 0 sync new\n"
        "a-1 [000] 1.000002: kvm_mmu_get_page: sp gen 0 gfn 0 l3 8-byte q0 direct wux nxe ad root 0 sync new\n"
        "a-1 [000] 1.000003: kvm_tdp_mmu_spte_changed: as id 0 gfn 0 level 4 old_spte 8000000000000000 new_spte 101827\n"
        "a-1 [000] 1.000004: kvm_mmu_get_page: sp gen 0 gfn 0 l2 8-byte q0 direct wux nxe ad root 0 sync new\n"
        "a-1 [000] 1.000005: kvm_tdp_mmu_spte_changed: as id 0 gfn 0 level 3 old_spte 8000000000000000 new_spte 102827\n"
        "b-2 [001] 1.000006: kvm_userspace_exit: reason error (14)\n"
        "a-1 [000] 1.000007: kvm_tdp_mmu_spte_changed: as id 0 gfn 0 level 4 old_spte 101827 new_spte 8000000000000000\n"
        "b-2 [001] 1.000008: kvm_tdp_mmu_spte_changed: as id 0 gfn 0 level 3 old_spte 102827 new_spte 80000000000005a0\n"
        "a-1 [000] 1.000009: kvm_userspace_exit: reason error (14)\n"
        "b-2 [001] 1.000010: kvm_tdp_mmu_spte_changed: as id 0 gfn 40000 level 3 old_spte 103827 new_spte 80000000000005a0\n"
        "c-3 [001] 1.000011: kvm_tdp_mmu_spte_changed: as id 0 gfn 40000 level 3 old_spte 8000000000000000 new_spte 103827\n";
    EXPECT_FALSE(judged(text).findings.empty());
}
