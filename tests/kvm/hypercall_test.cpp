// SPDX-License-Identifier: GPL-3.0-or-later
#include "support/run.h"

#include <gtest/gtest.h>

namespace mirrorscope::test {

TEST(MapGpa, is_answered_in_parts_of_2m_and_the_private_pages_go) {
    const std::string text = td(R"(  - vcpu0: {accept: {gpa: 0x3ff000, size: 8K}}
  - vcpu0: {map-gpa: {gpa: 0x200000, size: 5M, as: shared}, id: m}
  - expect: [{tree: secure, gpa: 0x3ff000, is: free}, {tree: mirror, gpa: 0x400000, is: none}]
  - vcpu0: [{write: {gpa: 0x3ff000, as: shared, value: 5}, id: w}, {read: {gpa: 0x3ff000, as: shared}, id: r}]
  - vcpu1: {map-gpa: {gpa: 0x3ff000, as: private}, id: back}
  - vcpu0: {accept: 0x3ff000, id: a}
expect: [{result: m, is: ok}, {result: r, value: 5}, {result: back, is: ok}, {result: a, is: ok}, {violations: 0}]
)");
    Ran run(text);
    EXPECT_TRUE(run.runner.ok()) << run.failures();
    unsigned parts = 0;
    for (const auto& e : eventsOf(text))
        parts += e["kind"] == "lock" && e.value("step", "") == "3" && e["lock"] == "slots_lock" && e["do"] == "acquire";
    EXPECT_EQ(parts, 3u);
}

TEST(MapGpa, what_is_not_aligned_is_refused_to_the_guest) {
    Ran run(td(R"(  - vcpu0: {map-gpa: {gpa: 0x800, as: shared}, id: a}
  - vcpu0: {map-gpa: {gpa: 0, size: 0x1800, as: shared}, id: b}
  - vcpu0: {read: 0, id: r}
expect: [{result: a, is: EINVAL}, {result: b, is: EINVAL}, {result: r, is: ok}, {violations: 0}]
)"));
    EXPECT_TRUE(run.runner.ok()) << run.failures();
}

TEST(Hypercall, the_vcpu_leaves_and_can_be_entered_again) {
    for (const char* machine : {"vm: default, vcpus: 1", "vm: default, vcpus: 2"}) {
        Ran run("mirrorscope: 1\nmachine: {" + std::string(machine) + R"(, slots: [{id: 0, gpa: 0, size: 4M}]}
script:
  - vcpu0: [{hypercall: , id: a}, {halt: , id: b}, {write: 0, id: c}]
expect: [{result: a, is: KVM_EXIT_HYPERCALL}, {result: b, is: KVM_EXIT_HLT}, {result: c, is: ok}]
)");
        EXPECT_TRUE(run.runner.ok()) << run.failures();
    }
}

} // namespace mirrorscope::test
