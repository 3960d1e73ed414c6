// SPDX-License-Identifier: GPL-3.0-or-later
// Notifiers against memslots that a probe told, in a recording of a real kernel (Debian's 6.12, tests/lab.sh).
#include "trace/judge.h"

#include "support/lines.h"
#include "support/run.h"
#include "trace/recipe.h"

#include <gtest/gtest.h>

namespace mirrorscope::test {

namespace {
std::vector<std::string> recorded() { return linesOfFile((kSource / "tests/data/traces/lab-6.12-memslots.txt.xz").string()); }
Judged judgedAs612(const std::vector<std::string>& lines, TraceNames& names) {
    TraceInput input("t", joined(lines));
    return judgeTrace(input, names, {.kernel = TraceKernel::V6_12});
}
bool sameTask(const std::string& a, const std::string& b) { return a.substr(0, a.find('[')) == b.substr(0, b.find('[')); }
} // namespace

TEST(TraceMemslots, of_a_real_kernel_every_notifier_has_unmapped_its_range) {
    const std::vector<std::string> lines = recorded();
    TraceNames names;
    const Judged j = judgedAs612(lines, names);
    EXPECT_TRUE(j.rebuild->findings().empty());
    EXPECT_EQ(j.rebuild->notCheckedText(), "");
    // Without the probe's lines the same recording says that it was not checked.
    std::vector<std::string> without = lines;
    EXPECT_GE(std::erase_if(without, [](const std::string& line) { return line.find("kvm_set_memory_region") != std::string::npos; }), 4u);
    EXPECT_NE(judgedAs612(without, names).rebuild->notCheckedText().find("memslots"), std::string::npos);
    // Of two VMs no line tells whose range it is.
    std::vector<std::string> two = lines;
    const auto probe = std::find_if(two.begin(), two.end(), [](const std::string& l) { return l.find("kvm=0x") != std::string::npos; });
    ASSERT_NE(probe, two.end());
    std::string other = *probe;
    other.replace(other.find("kvm=0x") + 6, 4, "aaaa");
    two.push_back(other);
    EXPECT_NE(judgedAs612(two, names).rebuild->notCheckedText().find("several VMs"), std::string::npos);
}

// A page that a notifier left is told when its task goes on, wherever that was.
TEST(TraceMemslots, a_page_that_was_left_is_found) {
    const std::vector<std::string> lines = recorded();
    unsigned tried = 0, found = 0;
    for (std::size_t n = 0; n < lines.size(); ++n) {
        if (lines[n].find("kvm_unmap_hva_range") == std::string::npos)
            continue;
        for (std::size_t k = n + 1; k < lines.size(); ++k) {
            if (!sameTask(lines[k], lines[n]))
                continue;
            if (lines[k].find("kvm_tdp_mmu_spte_changed") == std::string::npos)
                break;
            if (++tried % 5 != 0) // of some, each is read anew
                continue;
            std::vector<std::string> left = lines;
            left.erase(left.begin() + static_cast<std::ptrdiff_t>(k));
            TraceNames names;
            const Judged j = judgedAs612(left, names);
            ASSERT_FALSE(j.rebuild->findings().empty()) << lines[k];
            const Finding& first = j.rebuild->findings().front();
            EXPECT_EQ(info(first.rule).name, "notifier") << lines[k] << "\n" << first.text;
            EXPECT_NE(first.text.find("notifier of line " + std::to_string(n + 1)), std::string::npos) << first.text;
            ++found;
        }
    }
    EXPECT_GE(found, 10u);
}

// The words of the recipe are those that are read.
TEST(TraceMemslots, the_recipes_probe_names_what_is_read) {
    for (const Probe& probe : memslotProbes()) {
        const auto lines = probeLines(probe);
        ASSERT_EQ(lines.size(), 1u);
        EXPECT_TRUE(lines[0].starts_with("p:mirrorscope/kvm_set_memory_region "));
        for (const char* field : {" kvm=", " slot=", " gpa=", " size=", " hva="})
            EXPECT_NE(lines[0].find(field), std::string::npos) << field;
        EXPECT_EQ(unprobeLines(probe).size(), 1u);
    }
}

} // namespace mirrorscope::test
