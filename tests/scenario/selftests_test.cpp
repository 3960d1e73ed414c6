// SPDX-License-Identifier: GPL-3.0-or-later
// scenarios/selftests: what the kernel's own tests say of memory, a file for each assertion. They are run and explored with all other
// shipped scenarios; here is that each says whose assertion it is.
#include "scenario/scenario.h"
#include "support/run.h"

#include <gtest/gtest.h>

#include <map>

namespace mirrorscope::test {

namespace {
// The tests below tools/testing/selftests/kvm (v6.16), and those of the TDX series of the kernel's list; how many files each has at least.
const std::map<std::string, std::size_t> kTests{{"access_tracking_perf", 8},
                                                {"demand_paging", 5},
                                                {"dirty_log", 20},
                                                {"dirty_log_page_splitting", 20},
                                                {"guest_memfd", 30},
                                                {"memslot_perf", 20},
                                                {"memslot_modification_stress", 5},
                                                {"mmu_stress", 10},
                                                {"nx_huge_pages", 25},
                                                {"pre_fault_memory", 25},
                                                {"private_mem_conversions", 70},
                                                {"private_mem_kvm_exits", 9},
                                                {"set_memory_region", 25},
                                                {"sev_smoke", 5},
                                                {"tdx_lifecycle", 1},
                                                {"tdx_shared_mem", 5},
                                                {"tdx_upm", 30},
                                                {"tdx_vm", 3}};
} // namespace

TEST(Selftests, each_file_names_its_test) {
    std::map<std::string, std::size_t> files;
    for (const auto& file : shippedScenarios("selftests")) {
        SCOPED_TRACE(file);
        const std::string name = file.stem().string();
        const std::string test = name.substr(0, name.find('-'));
        EXPECT_TRUE(kTests.contains(test)) << test << " is no test of the kernel's";
        ++files[test];
        const Scenario scenario = loadScenario(file.string());
        EXPECT_FALSE(scenario.title.empty());
        EXPECT_LE(scenario.title.size(), 70u) << scenario.title;
        EXPECT_NE(std::find(scenario.tags.begin(), scenario.tags.end(), "selftests"), scenario.tags.end());
        EXPECT_TRUE(scenario.reference.find("selftests/kvm/") != std::string::npos ||
                    scenario.reference.find("kvm list") != std::string::npos)
            << scenario.reference;
        EXPECT_TRUE(scenario.expectations.size() >= 2 ||
                    anyStep(scenario.script, [](const Step& step) { return step.verb == Verb::Expect; }))
            << "it states nothing but that no rule is broken";
    }
    for (const auto& [test, least] : kTests)
        EXPECT_GE(files[test], least) << test;
}

} // namespace mirrorscope::test
