// SPDX-License-Identifier: GPL-3.0-or-later
#include "support/run.h"

#include <gtest/gtest.h>

namespace mirrorscope::test {

TEST(Backend, a_failure_for_good_bugs_the_vm_and_rolls_the_mirror_back) {
    Ran run(td(R"(  - inject: {seamcall: TDH.MEM.PAGE.AUG, status: TDX_PAGE_METADATA_INCORRECT}
  - vcpu0: [{accept: 0x2000, id: a}, {read: 0, id: r}]
expect:
  - {result: a, is: EIO}
  - {result: r, is: EIO}
  - {tree: mirror, gpa: 0x2000, is: none}
  - {violation: module-agrees}
)"));
    EXPECT_TRUE(run.runner.ok()) << run.failures();
}

TEST(Backend, an_image_page_whose_add_fails_keeps_the_td_from_being_finalized) {
    Ran run(R"(mirrorscope: 1
machine: {slots: [{id: 0, gpa: 0, size: 4M}]}
script:
  - inject: {seamcall: TDH.MEM.PAGE.ADD, status: TDX_OPERAND_BUSY}
  - {init-mem-region: {gpa: 0}, id: image}
  - {finalize-vm: , id: finalize}
  - expect: {tree: mirror, gpa: 0, is: leaf}
  - punch-hole: {gpa: 0}
  - expect: {tree: mirror, gpa: 0, is: none}
  - {finalize-vm: , id: again}
expect: [{result: image, is: EBUSY}, {result: finalize, is: EINVAL}, {result: again, is: ok}, {violation: coherent}]
)");
    EXPECT_TRUE(run.runner.ok()) << run.failures();
}

TEST(Backend, the_image_is_refused_after_finalization_and_twice) {
    Ran run(R"(mirrorscope: 1
machine: {slots: [{id: 0, gpa: 0, size: 4M}]}
script:
  - init-mem-region: {gpa: 0}
  - {init-mem-region: {gpa: 0}, id: twice}
  - {init-mem-region: {gpa: 0x800000}, id: outside}
  - {init-mem-region: {gpa: 0x1000, size: 100}, id: unaligned}
  - finalize-vm
  - {init-mem-region: {gpa: 0x1000}, id: late}
  - {finalize-vm: , id: again}
expect:
  - {result: twice, is: EEXIST}
  - {result: outside, is: EINVAL}
  - {result: unaligned, is: EINVAL}
  - {result: late, is: EINVAL}
  - {result: again, is: EINVAL}
  - {violations: 0}
)");
    EXPECT_TRUE(run.runner.ok()) << run.failures();
}

TEST(Backend, a_vcpu_that_runs_before_finalization_is_refused) {
    Ran run("mirrorscope: 1\nmachine: {slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n  - init-mem-region: {gpa: 0}\n"
            "  - {vcpu0: {read: 0}, id: r}\nexpect: [{result: r, is: EINVAL}]\n");
    EXPECT_TRUE(run.runner.ok()) << run.failures();
}

} // namespace mirrorscope::test
