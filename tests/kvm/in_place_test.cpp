// SPDX-License-Identifier: GPL-3.0-or-later
// In-place conversion: one page for both sides, whose attribute the file holds; what user space may reach of it, and when it may not
// change.
#include "support/run.h"

#include <gtest/gtest.h>

namespace mirrorscope::test {

namespace {
std::string inPlace(const std::string& vm, const std::string& script, const std::string& more = "",
                    const std::string& slots = "[{id: 0, gpa: 0, size: 4M}]") {
    return "mirrorscope: 1\nmachine: {vm: " + vm + ", vcpus: 2, kernel: next, features: [in-place-conversion]" + more +
           ", slots: " + slots + "}\nscript:\n" + script;
}
const std::string kTd = "tdx, sept-ve-disable: false";
std::string convert(const std::string& range, const std::string& as, const std::string& id) {
    return "  - {set-memory-attributes: {" + range + ", as: " + as + "}, id: " + id + "}\n";
}
std::string hostReads(const std::string& gpa, const std::string& id) { return "  - {host-read: {gpa: " + gpa + "}, id: " + id + "}\n"; }
} // namespace

TEST(InPlace, one_page_goes_from_side_to_side_with_its_content) {
    expectHolds(inPlace("sw-protected",
                        "  - vcpu0: {write: {gpa: 0x1000, value: 5}}\n" + hostReads("0x1000", "a") + expecting("result: a, is: SIGBUS") +
                            expecting("count: frame, is: 5") + convert("gpa: 0x1000, size: 4K", "shared", "b") + hostReads("0x1000", "c") +
                            expecting("result: c, value: 5") +
                            "  - host-write: {gpa: 0x1000, value: 6}\n  - {vcpu1: {read: 0x1000}, id: d}\n" +
                            expecting("result: d, value: 6") + convert("gpa: 0x1000, size: 4K", "private", "e") + hostReads("0x1000", "f") +
                            expecting("result: f, is: SIGBUS") + "  - {vcpu1: {read: 0x1000}, id: g}\n" + expecting("result: g, value: 6") +
                            expecting("count: frame, is: 5"),
                        ", attributes: private"));
}

// A TD's page comes back empty, and what user space left is gone when the guest accepts.
TEST(InPlace, of_a_td_nothing_comes_through) {
    expectHolds(inPlace(kTd, "  - finalize-vm\n  - vcpu0: {write: {gpa: 0x1000, value: 5}}\n" +
                                 convert("gpa: 0x1000, size: 4K", "shared", "a") + hostReads("0x1000", "b") +
                                 expecting("result: b, value: 0") +
                                 "  - host-write: {gpa: 0x1000, value: 6}\n  - {vcpu1: {read: {gpa: 0x1000, as: shared}}, id: c}\n" +
                                 expecting("result: c, value: 6") + convert("gpa: 0x1000, size: 4K", "private", "d") +
                                 expecting("tree: direct, gpa: 0x1000, is: none") + "  - {vcpu0: {read: 0x1000}, id: e}\n" +
                                 expecting("result: e, value: 0")));
}

TEST(InPlace, the_image_is_filled_while_it_is_shared) {
    expectHolds(inPlace(kTd,
                        "  - host-write: {gpa: 0, value: 0x77}\n  - {init-mem-region: {gpa: 0, size: 4K, in-place: true}, id: early}\n" +
                            expecting("result: early, is: EINVAL") + convert("gpa: 0, size: 4K", "private", "a") +
                            "  - {init-mem-region: {gpa: 0, size: 4K, in-place: true}, id: image}\n" + expecting("result: image, is: ok") +
                            "  - finalize-vm\n  - {vcpu0: {read: 0}, id: r}\n" + expecting("result: r, value: 0x77"),
                        ", attributes: shared"));
}

// The host finds what the guest's key made of it, and the page is the host's by then.
TEST(InPlace, of_an_snp_guest_the_host_reads_ciphertext) {
    const Ran ran(inPlace("snp", "  - vcpu0: {accept: 0x1000}\n  - vcpu0: {write: {gpa: 0x1000, value: 5}}\n" +
                                     convert("gpa: 0x1000, size: 4K", "shared", "a") + hostReads("0x1000", "b") +
                                     "  - {vcpu0: {write: {gpa: 0x1000, as: shared, value: 7}}, id: c}\n" + expecting("result: c, is: ok") +
                                     hostReads("0x1000", "d") + expecting("result: d, value: 7") +
                                     convert("gpa: 0x1000, size: 4K", "private", "e") + "  - {vcpu0: {accept: 0x1000}, id: f}\n" +
                                     expecting("result: f, is: ok")));
    EXPECT_EQ(ran.failures(), "");
    const auto found = const_cast<Ran&>(ran).runner.system().result(1);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->kind, Outcome::Kind::Ok);
    EXPECT_NE(found->value, 5u);
    EXPECT_NE(found->value, 0u);
}

TEST(InPlace, what_somebody_holds_stays_shared_and_all_else_with_it) {
    const std::string held = "  - vcpu0: {write: {gpa: 0x2000, value: 4}}\n  - pin-memory: {gpa: 0x2000, size: 8K}\n" +
                             convert("gpa: 0, size: 16K", "private", "a") + expecting("result: a, is: EAGAIN") +
                             expecting("result: a, field: gpa, value: 0x2000") + expecting("tree: direct, gpa: 0x2000, is: leaf") +
                             hostReads("0", "b") + expecting("result: b, is: ok");
    expectHolds(inPlace("sw-protected", held + "  - unpin-memory: {gpa: 0x2000}\n" + convert("gpa: 0, size: 16K", "private", "c") +
                                            expecting("result: c, field: gpa, value: 0x3000") + "  - unpin-memory: {gpa: 0, size: 4M}\n" +
                                            convert("gpa: 0, size: 16K", "private", "d") + expecting("result: d, is: ok") +
                                            "  - {pin-memory: {gpa: 0x2000}, id: e}\n" + expecting("result: e, is: EFAULT")));
    // To be shared is never refused, nor is what is so already.
    expectHolds(inPlace("sw-protected", held + convert("gpa: 0, size: 16K", "shared", "c") + expecting("result: c, is: ok")));
}

// A page that the file lets go is the device's until that lets it go, too.
TEST(InPlace, a_pinned_page_outlives_its_place_in_the_file) {
    const Ran ran(inPlace("sw-protected",
                          "  - host-write: {gpa: 0x1000, value: 1}\n  - pin-memory: {gpa: 0x1000}\n" + expecting("count: frame, is: 1") +
                              "  - punch-hole: {gpa: 0x1000}\n" + hostReads("0x1000", "a") + expecting("result: a, value: 0") +
                              expecting("count: frame, is: 2") + convert("gpa: 0x1000, size: 4K", "private", "b") +
                              expecting("result: b, is: ok") + "  - destroy-vm\n" + expecting("count: frame, is: 0"),
                          ", attributes: shared"));
    EXPECT_EQ(ran.failures(), "");
}

TEST(InPlace, a_hole_takes_what_is_shared_too) {
    expectHolds(inPlace(kTd, "  - finalize-vm\n" + convert("gpa: 0x1000, size: 4K", "shared", "a") +
                                 "  - vcpu0: {write: {gpa: 0x1000, as: shared, value: 3}}\n  - vcpu0: {write: 0x2000}\n" +
                                 "  - punch-hole: {gpa: 0, size: 16K}\n" + expecting("tree: direct, gpa: 0x1000, is: none") +
                                 expecting("tree: mirror, gpa: 0x2000, is: none") +
                                 "  - {vcpu0: {read: {gpa: 0x1000, as: shared}}, id: b}\n" + expecting("result: b, value: 0")));
}

// The attribute is the file's: it stays with a file that has a name, and goes with one that is the slot's own.
TEST(InPlace, the_attribute_is_the_files) {
    const std::string again = convert("gpa: 0x1000, size: 4K", "shared", "a") + hostReads("0x1000", "b") + expecting("result: b, is: ok") +
                              "  - delete-memory-region: {id: 0}\n";
    expectHolds(inPlace("sw-protected",
                        again + "  - set-memory-region: {id: 0, gpa: 0, size: 4M}\n" + hostReads("0x1000", "c") +
                            expecting("result: c, is: SIGBUS"),
                        ", attributes: private"));
    expectHolds(inPlace("sw-protected",
                        again + "  - set-memory-region: {id: 0, gpa: 0, size: 4M, gmem: ram}\n" + hostReads("0x1000", "c") +
                            expecting("result: c, is: ok") + hostReads("0x2000", "d") + expecting("result: d, is: SIGBUS"),
                        ", attributes: private", "[{id: 0, gpa: 0, size: 4M, gmem: ram}]"));
    // Where there is no file, nothing is private.
    expectHolds(inPlace(kTd, "  - finalize-vm\n" + convert("gpa: 0x3ff000, size: 8K", "private", "a") + expecting("result: a, is: ok") +
                                 "  - {vcpu0: {read: 0x400000}, id: b}\n" + expecting("result: b, is: KVM_EXIT_MEMORY_FAULT")));
}

TEST(InPlace, the_rules_see_who_can_still_reach_the_page) {
    const std::string script = "  - host-write: {gpa: 0x1000, value: 1}\n  - pin-memory: {gpa: 0x2000}\n" +
                               convert("gpa: 0x1000, size: 4K", "private", "a") + convert("gpa: 0x2000, size: 4K", "private", "b");
    EXPECT_FALSE(Ran(inPlace("sw-protected", script)).violated(Rule::OneAlias));
    EXPECT_TRUE(Ran(inPlace("sw-protected", script, ", break: [convert-keeps-mapping]")).violated(Rule::OneAlias));
    EXPECT_TRUE(Ran(inPlace("sw-protected", script, ", break: [convert-ignores-references]")).violated(Rule::OneAlias));
}

TEST(InPlace, is_refused_where_it_is_not) {
    const auto refused = [](const std::string& machine, const std::string& script) {
        try {
            bindScenario("t.yaml", "mirrorscope: 1\nmachine: {" + machine + ", slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n" + script);
        } catch (const InputError& error) {
            return std::string(error.what());
        }
        return std::string();
    };
    const std::string features = ", features: [in-place-conversion]", finalize = "  - note: a\n";
    EXPECT_NE(refused("vm: tdx, kernel: \"7.2\"" + features, finalize).find("`kernel: next`"), std::string::npos);
    EXPECT_NE(refused("vm: default, kernel: next" + features, finalize).find("private memory"), std::string::npos);
    EXPECT_NE(refused("vm: tdx, kernel: next", "  - pin-memory: {gpa: 0}\n").find("in-place-conversion"), std::string::npos);
    EXPECT_NE(refused("vm: tdx, kernel: next", "  - init-mem-region: {gpa: 0, in-place: true}\n").find("in-place-conversion"),
              std::string::npos);
    EXPECT_EQ(refused("vm: snp, kernel: next" + features, finalize), "");
}

} // namespace mirrorscope::test
