// SPDX-License-Identifier: GPL-3.0-or-later
// Where kvm_tdp_mmu_spte_changed stands beside what the change brings about, by the release; from 7.2 on machine.trace-line says it.
#include "export/export.h"
#include "support/run.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace mirrorscope::test {

namespace {
// The lines of a run, each as its event's name alone; those of an entry as "line", or as "again" where the same line was told before.
std::string order(const std::string& text) {
    Session session(bindScenario("t.yaml", text));
    std::string out, all;
    writeTrace(
        session,
        [&](const std::string& line) {
            const std::size_t at = line.find(": ");
            if (at == std::string::npos || line[0] == '#')
                return;
            const std::string event = line.substr(at + 2, line.find(": ", at + 2) - at - 2), rest = line.substr(at + 2);
            for (const auto& [begin, word] :
                 {std::pair{"tdh_mem_range_block_status", "BLOCK"}, std::pair{"tdh_mem_track_status", "TRACK"},
                  std::pair{"tdh_mem_page_remove_status", "REMOVE"}, std::pair{"tdh_mem_page_aug_status", "AUG"}})
                if (event == begin)
                    out += std::string(word) + " ";
            if (event != "kvm_tdp_mmu_spte_changed" || rest.find("level 1 ") == std::string::npos)
                return;
            out += all.find(rest) == std::string::npos ? "line " : "again ";
            all += rest;
        },
        true);
    return out;
}

// What becomes of the entries of that level, and splits.
std::string linesOfLevel(unsigned level, const std::string& text) {
    Session session(bindScenario("t.yaml", text));
    std::string out;
    writeTrace(session, [&](const std::string& line) {
        if (line.find("kvm_mmu_split_huge_page: ") != std::string::npos)
            out += "split ";
        else if (line.find(fmt::format("level {} ", level)) != std::string::npos && line.find("spte_changed: ") != std::string::npos)
            out += line.find("907\n") != std::string::npos ? "table " : "leaf ";
    });
    return out;
}

std::string kernel(const std::string& version, const std::string& line = "") {
    return "vcpus: 1, sept-ve-disable: false, ve-handler: none, kernel: \"" + version + "\"" +
           (line.empty() ? "" : ", trace-line: " + line);
}
std::string ofMmio(const std::string& line) {
    return "mirrorscope: 1\nmachine: {vm: default, kernel: \"7.2\", trace-line: " + line +
           ", slots: [{id: 0, gpa: 0, size: 64K}]}\nscript:\n  - vcpu0: {write: 0x1000}\n  - vcpu0: {read: 0x40000}\n";
}
const std::string kMapped = "  - vcpu0: {read: 0x2000}\n", kTaken = kMapped + "  - punch-hole: {gpa: 0x2000, size: 4K}\n";
} // namespace

TEST(TraceLine, stands_before_or_behind_the_operation) {
    EXPECT_EQ(order(td(kTaken, kernel("6.16"))), "line AUG line line BLOCK TRACK REMOVE ");
    EXPECT_EQ(order(td(kTaken, kernel("7.2"))), "line AUG line BLOCK TRACK REMOVE line ");
    EXPECT_EQ(order(td(kTaken, kernel("next", "after"))), "line AUG line BLOCK TRACK REMOVE line ");
    EXPECT_EQ(order(td(kTaken, kernel("7.2", "after-present"))), "line AUG line BLOCK TRACK REMOVE line ");
    EXPECT_EQ(order(td(kTaken, kernel("7.2", "before"))), "line line AUG line BLOCK TRACK REMOVE ");
}

// What fails has a line where it stands before; behind, it has none.
TEST(TraceLine, of_what_fails_there_is_one_only_where_it_stands_before) {
    const std::string busy = "  - inject: {seamcall: TDH.MEM.PAGE.AUG, status: TDX_OPERAND_BUSY}\n" + kMapped;
    EXPECT_EQ(order(td(busy, kernel("6.16"))), "line AUG AUG line ");
    EXPECT_EQ(order(td(busy, kernel("7.2"))), "line AUG AUG line ");
    EXPECT_EQ(order(td(busy, kernel("7.2", "before"))), "line line AUG again AUG ");
    const std::string fails = kMapped + "  - inject: {seamcall: TDH.MEM.RANGE.BLOCK, status: TDX_INTERRUPTED_RESTARTABLE}\n"
                                        "  - punch-hole: {gpa: 0x2000, size: 4K}\n";
    EXPECT_EQ(order(td(fails, kernel("6.16"))), "line AUG line line BLOCK ");
    EXPECT_EQ(order(td(fails, kernel("7.2"))), "line AUG line BLOCK ");
    EXPECT_EQ(order(td(fails, kernel("7.2", "before"))), "line line AUG line BLOCK ");
}

// A split that fails has none either, though KVM goes on as if it had not.
TEST(TraceLine, of_a_split_that_fails_there_is_none) {
    const auto split = [](const std::string& line, const std::string& inject) {
        const std::string text = linesOfLevel(
            2, td("  - vcpu0: {accept: {gpa: 0x200000, size: 2M, level: 2M}}\n" + inject + "  - punch-hole: {gpa: 0x300000, size: 4K}\n",
                  kernel("7.2", line) + ", features: [private-2M]"));
        return text;
    };
    const std::string fails = "  - inject: {seamcall: TDH.MEM.RANGE.BLOCK, status: TDX_OPERAND_INVALID}\n";
    EXPECT_EQ(split("after", ""), "table leaf table split ");
    EXPECT_EQ(split("after", fails), "table leaf split ");
    EXPECT_EQ(split("before", fails), "table leaf table split ");
}

// A store that waits in its CPU's buffer is told by that CPU.
TEST(TraceLine, of_what_waits_in_a_store_buffer_there_is_one) {
    const std::string race = kMapped + "  - race:\n      host: [{punch-hole: {gpa: 0x2000, size: 4K}}]\n";
    for (const char* line : {"after", "before", "after-present"})
        EXPECT_EQ(order(td(race, kernel("7.2", line) + ", memory-model: tso")), order(td(race, kernel("7.2", line)))) << line;
}

TEST(TraceLine, of_what_stays_nonpresent_there_is_none_in_one_draft) {
    EXPECT_EQ(order(ofMmio("after")), "line line ");
    EXPECT_EQ(order(ofMmio("before")), "line line ");
    EXPECT_EQ(order(ofMmio("after-present")), "line ");
}

// It is a matter of the trace alone.
TEST(TraceLine, changes_nothing_of_a_run) {
    const auto events = [](const std::string& text) {
        std::string out;
        Session session(bindScenario("t.yaml", text));
        writeJsonl(session, [&](const std::string& line) {
            if (line.find("\"begin\"") == std::string::npos)
                out += line + "\n";
        });
        return out;
    };
    EXPECT_EQ(events(td(kTaken, kernel("7.2"))), events(td(kTaken, kernel("7.2", "before"))));
    EXPECT_EQ(events(td(kTaken, kernel("7.2"))), events(td(kTaken, kernel("7.2", "after-present"))));
    for (const char* before : {"6.16", "fixed", "6.19"}) {
        EXPECT_NO_THROW(bindScenario("t.yaml", td(kTaken, kernel(before, "after"))));
        EXPECT_THROW(bindScenario("t.yaml", td(kTaken, kernel(before, "before"))), InputError);
    }
}

} // namespace mirrorscope::test
