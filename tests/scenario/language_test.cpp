// SPDX-License-Identifier: GPL-3.0-or-later
// The language as SCENARIOS describes it.
#include "support/run.h"

#include <gtest/gtest.h>

#include <fstream>

namespace mirrorscope::test {

namespace {
const std::string kOrdinary = "mirrorscope: 1\nmachine: {vm: default, vcpus: 2, slots: [{id: 0, gpa: 0, size: 8M}]}\nscript:\n";
} // namespace

TEST(Language, an_id_stands_beside_the_verb_or_beside_the_actor) {
    expectHolds(kOrdinary + R"(  - {vcpu0: {write: {gpa: 0, value: 3}}, id: a}
  - vcpu0: {read: 0, id: b}
  - vcpu0: [{read: 0, id: c}]
expect: [{result: a, is: ok}, {result: b, value: 3}, {result: c, value: 3}]
)");
}

TEST(Language, written_values_run_on_and_pages_and_stride_spread_them) {
    expectHolds(kOrdinary + R"(  - vcpu0: {write: {gpa: 0x10, pages: 3, stride: 8}}
  - vcpu0: {write: 0x2000}
  - vcpu0: [{read: 0x10, id: a}, {read: 0x18, id: b}, {read: 0x20, id: c}, {read: 0x2003, id: d}]
expect: [{result: a, value: 1}, {result: b, value: 2}, {result: c, value: 3}, {result: d, value: 4}]
)");
}

TEST(Language, a_random_order_visits_each_page_once) {
    expectHolds(kOrdinary + R"(  - vcpu0: {write: {gpa: 0, pages: 100, order: random, seed: 7}}
expect: [{count: leaf, is: 100}, {count: fault, is: 100}]
)");
}

TEST(Language, repeat_and_race_and_blocks_of_steps) {
    expectHolds(kOrdinary + R"(  - repeat: {times: 3, do: [{vcpu0: {write: 0}}, {discard: {gpa: 0}}]}
  - race:
      vcpu0: [{write: 0x1000}, {write: 0x2000}]
      vcpu1: {write: 0x3000}
      host: []
expect: [{count: leaf, is: 3}, {count: zap, is: 3}, {violations: 0}]
)");
}

TEST(Language, include_takes_the_steps_of_another_file) {
    const auto folder = std::filesystem::temp_directory_path() / ("mirrorscope-include-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder / "parts");
    std::ofstream(folder / "parts/write.yaml") << "- vcpu0: {write: {gpa: 0, value: 9}}\n";
    std::ofstream(folder / "main.yaml") << kOrdinary
                                        << "  - include: parts/write.yaml\n  - vcpu0: {read: 0, id: r}\nexpect: [{result: r, value: 9}]\n";
    const Scenario scenario = loadScenario((folder / "main.yaml").string());
    Runner runner(scenario);
    EXPECT_TRUE(runner.runAll());
    EXPECT_TRUE(runner.ok());
    std::ofstream(folder / "parts/write.yaml") << "- include: write.yaml\n";
    EXPECT_THROW(loadScenario((folder / "main.yaml").string()), InputError);
    std::filesystem::remove_all(folder);
}

TEST(Language, a_schedule_goes_until_a_site_has_run_and_reports_what_it_waited_for_in_vain) {
    Ran run(kOrdinary + R"(  - race:
      vcpu0: [{write: 0x1000}]
      host: [{expect: {tree: direct, gpa: 0x1000, is: leaf}}]
    schedule: [{vcpu0: until spte.cmpxchg}, {vcpu0: until spte.cmpxchg}, {vcpu0: until spte.cmpxchg}, {vcpu0: until spte.cmpxchg}, {host: done}, {vcpu0: until spte.freeze}]
)");
    EXPECT_TRUE(run.runner.ok()) << run.failures();
    ASSERT_EQ(run.runner.remarks().size(), 1u);
    EXPECT_NE(run.runner.remarks()[0].find("spte.freeze"), std::string::npos);
}

TEST(Language, each_form_of_expect_can_fail) {
    for (const char* e :
         {"{tree: direct, gpa: 0, is: none}", "{tree: direct, gpa: 0, is: leaf, writable: false}", "{tree: direct, gpa: 0, level: 2M}",
          "{tree: direct, gpa: 0, dirty: false}", "{tree: direct, gpa: 0, accessed: false}", "{tree: direct, gpa: 0, executable: false}",
          "{result: r, value: 1}", "{result: r, is: EIO}", "{result: r, operand: RCX}", "{count: fault, is: 5}",
          "{count: leaf, at-least: 2}", "{count: table, at-most: 0}", "{count: spte.read, is: 0}", "{tlb: vcpu0, gpa: 0, is: empty}",
          "{tlb: vcpu1, gpa: 0, is: cached}", "{violation: coherent}"}) {
        Ran run(kOrdinary + "  - vcpu0: [{write: {gpa: 0, value: 2}}, {read: 0, id: r}]\nexpect: [" + e + "]\n");
        EXPECT_FALSE(run.runner.ok()) << e;
        ASSERT_EQ(run.runner.expectations().size(), 1u);
        EXPECT_FALSE(run.runner.expectations()[0].found.empty()) << e;
    }
}

TEST(Language, addresses_need_no_alignment_and_ranges_of_ioctls_do) {
    expectHolds(td(R"(  - vcpu0: {read: 0xfff, id: r}
  - {set-memory-attributes: {gpa: 0x1234, as: shared}, id: s}
  - {punch-hole: {gpa: 0x10, size: 4K}, id: p}
expect: [{result: r, is: ok}, {result: s, is: EINVAL}, {result: p, is: EINVAL}, {violations: 0}]
)"));
}

TEST(Language, overrides_reach_every_key_and_misspelt_ones_are_refused) {
    const Scenario scenario = bindScenario("f.yaml", kOrdinary, {{"machine.vcpus", "5"}, {"machine.kernel", "fixed"}});
    EXPECT_EQ(scenario.machine.vcpus, 5u);
    EXPECT_EQ(scenario.machine.kernel, Kernel::Fixed);
    EXPECT_THROW(bindScenario("f.yaml", kOrdinary, {{"machine.vcpu", "5"}}), InputError);
    EXPECT_THROW(bindScenario("f.yaml", kOrdinary, {{"machine.vcpus", "none"}}), InputError);
}

TEST(Language, both_widths_of_guest_addresses) {
    for (const char* machine : {"vcpus: 1, gpaw: 48", "vcpus: 1, gpaw: 52"}) {
        SCOPED_TRACE(machine);
        Ran run("mirrorscope: 1\nmachine: {slots: [{id: 0, gpa: 0, size: 16M}], " + std::string(machine) + R"(}
script:
  - init-mem-region: {gpa: 0}
  - finalize-vm
  - set-memory-attributes: {gpa: 0x9000, as: shared}
  - vcpu0: [{accept: 0x4000}, {write: {gpa: 0x4000, value: 1}}, {write: {gpa: 0x9000, as: shared, value: 2}}]
  - vcpu0: [{read: 0x4000, id: p}, {read: {gpa: 0x9000, as: shared}, id: s}]
expect: [{result: p, value: 1}, {result: s, value: 2}, {violations: 0}]
)");
        EXPECT_TRUE(run.runner.ok()) << run.failures();
    }
}

} // namespace mirrorscope::test
