// SPDX-License-Identifier: GPL-3.0-or-later
// Private pages of 2M: where they are mapped, what the guest's accept makes of them, how they are split, and what comes of what fails.
#include "support/run.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

namespace mirrorscope::test {

namespace {
std::string td2M(const std::string& script, const std::string& more = "", const std::string& slots = "[{id: 0, gpa: 0, size: 8M}]") {
    return "mirrorscope: 1\nmachine: {vm: tdx, vcpus: 2, kernel: \"7.2\", features: [private-2M], sept-ve-disable: false" + more +
           ", slots: " + slots + "}\nscript:\n" + script;
}
const std::string kAccepted = "  - finalize-vm\n  - vcpu0: {accept: {gpa: 0x200000, size: 2M, level: 2M}}\n";
std::string inPlace2M(const std::string& script, const std::string& more = "") {
    return "mirrorscope: 1\nmachine: {vm: tdx, vcpus: 2, kernel: next, features: [private-2M, in-place-conversion], sept-ve-disable: "
           "false" +
           more + ", slots: [{id: 0, gpa: 0, size: 8M}]}\nscript:\n" + script;
}
std::string become(const std::string& as, const std::string& gpa, const std::string& size, const std::string& id) {
    return "  - {set-memory-attributes: {gpa: " + gpa + ", size: " + size + ", as: " + as + "}, id: " + id + "}\n" +
           expecting("result: " + id + ", is: ok");
}
std::string acceptsLarge(const std::string& id, const std::string& is) {
    return "  - {vcpu0: {accept: {gpa: 0x200000, size: 2M, level: 2M}}, id: " + id + "}\n" + expecting("result: " + id + ", is: " + is);
}
} // namespace

TEST(Private2M, what_the_guest_accepts_as_2M_is_one_entry_in_each_tree) {
    expectHolds(td2M(kAccepted + expecting("tree: mirror, gpa: 0x2ab000, level: 2M, is: leaf") +
                     expecting("tree: secure, gpa: 0x2ab000, level: 2M, is: mapped") + expecting("count: TDH.MEM.PAGE.AUG, is: 1") +
                     "  - vcpu1: {write: 0x3ff000}\n" + expecting("count: TDH.MEM.PAGE.AUG, is: 1")));
}

// Without the feature, of an older kernel's kind, or where guest_memfd has no large folio, all is as it was.
TEST(Private2M, nothing_is_large_without_a_reason) {
    const std::string small = expecting("tree: mirror, gpa: 0x200000, level: 4K, is: leaf") + expecting("count: TDH.MEM.PAGE.AUG, is: 1");
    const std::string touch = "  - finalize-vm\n  - vcpu0: {write: 0x200000}\n";
    expectHolds(td2M(touch + small, ", max-level: 4K"));
    expectHolds(td2M(touch + small, "", "[{id: 0, gpa: 0, size: 8M, gmem-backing: 4K}]"));
    expectHolds(td2M(touch + small, "", "[{id: 0, gpa: 0x1ff000, size: 8K}]"));
    expectHolds(
        "mirrorscope: 1\nmachine: {vm: tdx, kernel: \"7.2\", sept-ve-disable: false, slots: [{id: 0, gpa: 0, size: 8M, gmem-backing: "
        "2M}]}\nscript:\n" +
        touch + small);
    // The image is of 4K pages, and what stands in a table stays there.
    expectHolds(td2M("  - init-mem-region: {gpa: 0x200000, size: 4K}\n  - finalize-vm\n"
                     "  - vcpu0: {accept: {gpa: 0x200000, size: 2M, level: 2M}, id: large}\n  - vcpu0: {write: 0x201000}\n" +
                     expecting("result: large, is: TDX_PAGE_SIZE_MISMATCH") +
                     expecting("tree: mirror, gpa: 0x201000, level: 4K, is: leaf")));
}

TEST(Private2M, a_smaller_accept_splits_and_nothing_large_is_mapped_there_again) {
    const std::string split = "  - finalize-vm\n  - vcpu0: {write: 0x201000}\n";
    // The access maps 2M, and the #VE handler accepts 4K of it.
    expectHolds(td2M(split + expecting("tree: mirror, gpa: 0x201000, level: 4K, is: leaf") +
                     expecting("tree: secure, gpa: 0x201000, level: 4K, is: mapped") +
                     expecting("tree: secure, gpa: 0x202000, level: 4K, is: pending") + expecting("count: TDH.MEM.PAGE.AUG, is: 1") +
                     expecting("count: TDH.MEM.PAGE.DEMOTE, is: 1") + expecting("count: TDH.MEM.RANGE.BLOCK, is: 1") +
                     expecting("count: TDH.MEM.TRACK, is: 1") + expecting("count: leaf, is: 512")));
    // Who accepts by himself, before he touches it, gets what he asks for.
    expectHolds(td2M("  - finalize-vm\n  - vcpu0: {accept: 0x201000}\n" + expecting("tree: mirror, gpa: 0x201000, level: 4K, is: leaf") +
                     expecting("count: TDH.MEM.PAGE.DEMOTE, is: 0") +
                     "  - vcpu0: {accept: {gpa: 0x200000, size: 2M, level: 2M}, id: later}\n" +
                     expecting("result: later, is: TDX_PAGE_SIZE_MISMATCH")));
    // The mark stays over a conversion, and goes with the slot.
    const std::string both = "  - set-memory-attributes: {gpa: 0x200000, size: 2M, as: shared}\n"
                             "  - set-memory-attributes: {gpa: 0x200000, size: 2M, as: private}\n";
    expectHolds(td2M("  - finalize-vm\n  - vcpu0: {accept: 0x600000}\n" + both +
                     "  - vcpu0: {accept: {gpa: 0x200000, size: 2M, level: 2M}, id: other}\n" + expecting("result: other, is: ok")));
}

// What is zapped beyond the range would have to be accepted again, and its content would be gone.
TEST(Private2M, a_part_goes_and_the_rest_keeps_its_content) {
    const std::string written = kAccepted + "  - vcpu0: {write: {gpa: 0x2ff000, value: 7}}\n";
    const std::string kept = expecting("tree: mirror, gpa: 0x300000, is: none") + expecting("tree: secure, gpa: 0x300000, is: free") +
                             expecting("tree: mirror, gpa: 0x301000, level: 4K, is: leaf") + "  - vcpu1: {read: 0x2ff000, id: r}\n" +
                             expecting("result: r, value: 7") + expecting("count: TDH.MEM.PAGE.DEMOTE, is: 1") +
                             expecting("count: TDH.MEM.PAGE.REMOVE, is: 1");
    expectHolds(td2M(written + "  - set-memory-attributes: {gpa: 0x300000, size: 4K, as: shared}\n" + kept));
    expectHolds(td2M(written + "  - punch-hole: {gpa: 0x300000, size: 4K}\n" + kept));
    expectHolds(td2M(written + "  - vcpu0: {map-gpa: {gpa: 0x300000, size: 4K, as: shared}}\n" + kept));
    // All of it goes as one.
    const std::string whole = expecting("count: TDH.MEM.PAGE.DEMOTE, is: 0") + expecting("count: TDH.MEM.PAGE.REMOVE, is: 1") +
                              expecting("count: TDH.PHYMEM.PAGE.WBINVD, is: 512") +
                              expecting("tree: secure, gpa: 0x200000, level: 2M, is: free");
    expectHolds(td2M(kAccepted + "  - punch-hole: {gpa: 0x200000, size: 2M}\n" + whole));
    expectHolds(td2M(kAccepted + "  - punch-hole: {gpa: 0, size: 8M}\n" + whole));
}

// No table for the split: nothing has changed. (As posted, the conversion's invalidation is never ended.)
TEST(Private2M, without_memory_for_a_table_the_hole_and_the_conversion_fail_and_leave_no_trace) {
    const std::string none = kAccepted + "  - inject: {alloc: fail}\n";
    const std::string stays = expecting("tree: secure, gpa: 0x300000, level: 2M, is: mapped");
    expectHolds(td2M(none + "  - {punch-hole: {gpa: 0x300000, size: 4K}, id: hole}\n" + expecting("result: hole, is: ENOMEM") + stays +
                     "  - {punch-hole: {gpa: 0x300000, size: 4K}, id: again}\n" + expecting("result: again, is: ok") +
                     "  - vcpu0: {accept: 0x300000, id: used}\n" + expecting("result: used, is: ok")));
    const std::string convert = "set-memory-attributes: {gpa: 0x300000, size: 4K, as: shared}";
    const std::string script = none + "  - {" + convert + ", id: first}\n" + expecting("result: first, is: ENOMEM") + stays + "  - {" +
                               convert + ", id: second}\n" + expecting("result: second, is: ok") +
                               "  - vcpu0: {read: {gpa: 0x300000, as: shared}}\n";
    expectHolds(td2M(script));
    EXPECT_TRUE(Ran(td2M(script, ", break: [no-end-after-failed-split]")).violated(Rule::Progress));
}

TEST(Private2M, what_answers_badly_bugs_the_vm_and_busy_is_tried_once_more) {
    const std::string convert = "  - set-memory-attributes: {gpa: 0x300000, size: 4K, as: shared}\n";
    for (const char* leaf : {"TDH.MEM.RANGE.BLOCK", "TDH.MEM.PAGE.DEMOTE"}) {
        SCOPED_TRACE(leaf);
        const auto injected = [&](const char* status, unsigned times) {
            return td2M(kAccepted + fmt::format("  - inject: {{seamcall: {}, status: {}, times: {}}}\n", leaf, status, times) + convert);
        };
        expectHolds(injected("TDX_OPERAND_BUSY", 1) + expecting("tree: mirror, gpa: 0x301000, level: 4K, is: leaf"));
        EXPECT_TRUE(Ran(injected("TDX_OPERAND_BUSY", 2)).violated(Rule::ModuleAgrees));
        EXPECT_TRUE(Ran(injected("TDX_INTERRUPTED_RESTARTABLE", 1)).violated(Rule::ModuleAgrees));
    }
}

// Under the read lock nothing is tried, so that who asks for that is told, and the entry stays.
TEST(Private2M, is_not_split_under_the_read_lock) {
    const Ran ran(td2M(kAccepted + "  - split-huge-pages: {gpa: 0x200000, size: 2M}\n" +
                       expecting("tree: secure, gpa: 0x200000, level: 2M, is: mapped") + expecting("count: TDH.MEM.RANGE.BLOCK, is: 0")));
    EXPECT_TRUE(ran.violated(Rule::KernelAsserts));
    EXPECT_FALSE(ran.violated(Rule::ModuleAgrees));
    EXPECT_FALSE(ran.violated(Rule::Coherent));
}

// The what-if: DEMOTE takes a leaf as it is, so that nobody must leave the guest, under either lock; and only where the module has it.
TEST(Private2M, a_split_that_blocks_nothing_needs_no_track_and_no_kick) {
    const auto nonBlocking = [](std::string text) {
        return text.replace(text.find("[private-2M]"), 12, "[private-2M, non-blocking-resize]");
    };
    const std::string split = expecting("tree: secure, gpa: 0x200000, level: 4K, is: mapped") +
                              expecting("tree: mirror, gpa: 0x3ff000, level: 4K, is: leaf") + expecting("count: TDH.MEM.TRACK, is: 0") +
                              "  - {vcpu0: {read: 0x3ff000}, id: kept}\n" + expecting("result: kept, value: 7");
    const std::string written = kAccepted + "  - vcpu0: {write: {gpa: 0x3ff000, value: 7}}\n";
    expectHolds(nonBlocking(
        td2M(written + "  - split-huge-pages: {gpa: 0x200000, size: 2M}\n" + expecting("count: TDH.MEM.RANGE.BLOCK, is: 0") + split)));
    // A part of the range goes: it is blocked by itself, and the rest is not.
    expectHolds(nonBlocking(td2M(written + "  - punch-hole: {gpa: 0x300000, size: 4K}\n" + expecting("count: TDH.MEM.RANGE.BLOCK, is: 1") +
                                 expecting("count: TDH.MEM.TRACK, is: 1") + expecting("count: TDH.MEM.PAGE.DEMOTE, is: 1"))));
    // Busy under the read lock: the leaf stays, and it is tried again until it is not busy.
    const std::string busy = "  - inject: {seamcall: TDH.MEM.PAGE.DEMOTE, status: TDX_OPERAND_BUSY, times: 3}\n";
    expectHolds(nonBlocking(td2M(written + busy + "  - split-huge-pages: {gpa: 0x200000, size: 2M}\n" +
                                 expecting("count: TDH.MEM.PAGE.DEMOTE, is: 4") + split)));
    const std::string raw = "  - {seamcall: {leaf: TDH.MEM.PAGE.DEMOTE, gpa: 0x200000, level: 2M}, id: raw}\n";
    EXPECT_TRUE(Ran(td2M(kAccepted + raw + expecting("result: raw, is: TDX_GPA_RANGE_NOT_BLOCKED"))).runner.ok());
    EXPECT_TRUE(Ran(nonBlocking(td2M(kAccepted + raw + expecting("result: raw, is: ok") + expecting("violation: coherent")))).runner.ok());
}

// The rules see what a wrong protocol does to a large page.
TEST(Private2M, the_rules_see_what_is_left_out) {
    const std::string hole = kAccepted + "  - punch-hole: {gpa: 0x300000, size: 4K}\n";
    EXPECT_TRUE(Ran(td2M(hole, ", break: [skip-track]")).violated(Rule::ModuleAgrees));
    const Ran asksForEver(td2M("  - finalize-vm\n  - vcpu0: {write: 0x201000}\n", ", break: [ignore-accept-level]"));
    EXPECT_TRUE(asksForEver.violated(Rule::Progress));
    // Freed while the module has it: of 512 pages one is enough.
    const Ran raw(td2M(kAccepted + "  - seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: 0x200000, level: 2M}\n"));
    EXPECT_TRUE(raw.violated(Rule::Coherent));
}

// User space may map a single page of what is shared, so that the folio is taken apart, too; what is all private again is large again.
TEST(Private2M, a_part_becomes_shared_in_place_and_the_folio_is_large_again_when_all_of_it_is_private) {
    const std::string apart = kAccepted + "  - vcpu0: {write: {gpa: 0x2ff000, value: 7}}\n" + become("shared", "0x300000", "4K", "one") +
                              "  - host-write: {gpa: 0x300000, value: 6}\n" + expecting("tree: mirror, gpa: 0x300000, is: none") +
                              expecting("tree: mirror, gpa: 0x301000, level: 4K, is: leaf") +
                              expecting("count: TDH.MEM.PAGE.DEMOTE, is: 1") + expecting("count: TDH.MEM.PAGE.REMOVE, is: 1") +
                              "  - {vcpu1: {read: {gpa: 0x300000, as: shared}}, id: seen}\n" + expecting("result: seen, value: 6") +
                              "  - {vcpu1: {read: 0x2ff000}, id: kept}\n" + expecting("result: kept, value: 7") +
                              expecting("tree: direct, gpa: 0x300000, level: 4K, is: leaf");
    // A table stays where it is, so that the page is mapped in it.
    expectHolds(inPlace2M(apart + become("private", "0x300000", "4K", "back") + "  - {vcpu0: {accept: 0x300000}, id: again}\n" +
                          expecting("result: again, is: ok") + expecting("tree: mirror, gpa: 0x300000, level: 4K, is: leaf")));
    // All of it went as one leaf, and comes back as one.
    expectHolds(inPlace2M(kAccepted + become("shared", "0x200000", "2M", "all") + "  - host-write: {gpa: 0x300000, value: 6}\n" +
                          "  - vcpu0: {read: {gpa: 0x300000, as: shared}}\n" +
                          expecting("tree: direct, gpa: 0x300000, level: 4K, is: leaf") + become("private", "0x200000", "1M", "half") +
                          "  - vcpu1: {read: {gpa: 0x3ff000, as: shared}}\n" + become("private", "0x300000", "1M", "back") +
                          acceptsLarge("again", "ok") + expecting("tree: secure, gpa: 0x300000, level: 2M, is: mapped") +
                          expecting("count: TDH.MEM.PAGE.DEMOTE, is: 0")));
    // So does a file that was shared from the beginning, if its pages were had together.
    expectHolds(inPlace2M("  - host-write: {gpa: 0x200000, value: 6}\n  - finalize-vm\n" + become("private", "0x200000", "2M", "all") +
                              acceptsLarge("large", "ok"),
                          ", attributes: shared"));
}

TEST(Private2M, what_is_held_or_has_a_hole_stays_small) {
    const std::string shared =
        "  - finalize-vm\n" + become("shared", "0x200000", "2M", "all") + "  - host-write: {gpa: 0x300000, value: 6}\n";
    expectHolds(inPlace2M(shared +
                          "  - pin-memory: {gpa: 0x300000}\n"
                          "  - {set-memory-attributes: {gpa: 0x200000, size: 2M, as: private}, id: held}\n" +
                          expecting("result: held, is: EAGAIN") + expecting("result: held, field: gpa, value: 0x300000") +
                          "  - unpin-memory: {gpa: 0x300000}\n" + become("private", "0x200000", "2M", "back") +
                          acceptsLarge("large", "ok")));
    expectHolds(inPlace2M(shared + "  - punch-hole: {gpa: 0x300000, size: 4K}\n" + become("private", "0x200000", "2M", "back") +
                          acceptsLarge("small", "TDX_PAGE_SIZE_MISMATCH")));
}

// No table for the split: the pages stay private, and nothing that was begun is left open.
TEST(Private2M, without_memory_for_a_table_a_conversion_in_place_changes_nothing) {
    expectHolds(inPlace2M(kAccepted +
                          "  - inject: {alloc: fail}\n"
                          "  - {set-memory-attributes: {gpa: 0x300000, size: 8K, as: shared}, id: none}\n" +
                          expecting("result: none, is: ENOMEM") + expecting("tree: secure, gpa: 0x300000, level: 2M, is: mapped") +
                          "  - {host-read: {gpa: 0x300000}, id: hidden}\n" + expecting("result: hidden, is: SIGBUS") +
                          become("shared", "0x300000", "8K", "then") + "  - vcpu0: {read: {gpa: 0x300000, as: shared}}\n" +
                          "  - vcpu1: {read: 0x2ff000}\n"));
}

TEST(Private2M, nothing_is_left_behind) {
    const Ran ran(td2M(kAccepted + "  - vcpu1: {write: 0x401000}\n  - vcpu0: {accept: {gpa: 0x600000, size: 2M, level: 2M}}\n"
                                   "  - punch-hole: {gpa: 0x300000, size: 8K}\n  - punch-hole: {gpa: 0x600000, size: 2M}\n"
                                   "  - delete-memory-region: {id: 0}\n  - set-memory-region: {id: 0, gpa: 0, size: 4M}\n"
                                   "  - vcpu0: {accept: {gpa: 0x100000, size: 4K}}\n  - destroy-vm\n"));
    EXPECT_EQ(ran.failures(), "");
    EXPECT_EQ(const_cast<Ran&>(ran).runner.system().frames().inUse(), 0u);
    const Ran inPlace(inPlace2M(kAccepted + become("shared", "0x300000", "4K", "a") + "  - host-write: {gpa: 0x300000, value: 6}\n" +
                                become("private", "0x300000", "4K", "b") + "  - destroy-vm\n"));
    EXPECT_EQ(inPlace.failures(), "");
    EXPECT_EQ(const_cast<Ran&>(inPlace).runner.system().frames().inUse(), 0u);
}

} // namespace mirrorscope::test
