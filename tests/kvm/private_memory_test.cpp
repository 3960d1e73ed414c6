// SPDX-License-Identifier: GPL-3.0-or-later
// What a KVM developer would look for in a trace: the order of the two tables, zaps, conversions, exits.
#include "support/run.h"

#include <gtest/gtest.h>

namespace mirrorscope::test {

namespace {
using Json = nlohmann::json;

// Each change of a mirror entry that sets it: freeze, then a SEAMCALL, then the final value, by the same actor.
void expectFreezeSeamcallSet(const std::vector<Json>& events, bool afterFinalize, unsigned& tables, unsigned& leaves) {
    bool finalized = false;
    for (std::size_t i = 0; i < events.size(); ++i) {
        const Json& e = events[i];
        if (e["kind"] == "seamcall" && e["leaf"] == "TDH.MR.FINALIZE" && e["phase"] == "leave" && e["status"] == "TDX_SUCCESS")
            finalized = true;
        if (e["kind"] != "spte" || e["tree"] != "mirror" || (e["is"] != "table" && e["is"] != "leaf"))
            continue;
        if (e["is"] == "leaf" && !finalized && afterFinalize)
            continue;
        // A split: with mmu_lock held for writing there is nothing to freeze, and the parts stand in a table that nobody reaches yet.
        const auto& where = e["where"];
        if (std::find(where.begin(), where.end(), "kvm_split_cross_boundary_leafs") != where.end())
            continue;
        EXPECT_EQ(e["site"], "spte.set") << e;
        EXPECT_EQ(e["was"], "frozen") << e;
        std::string seen;
        for (std::size_t k = i; k-- > 0 && seen != "freeze";) {
            const Json& before = events[k];
            if (before.value("actor", "") != e["actor"].get<std::string>())
                continue;
            if (before["kind"] == "seamcall" && before["phase"] == "leave" && seen.empty()) {
                seen = before["leaf"];
                EXPECT_EQ(seen, e["is"] == "table" ? "TDH.MEM.SEPT.ADD" : "TDH.MEM.PAGE.AUG") << e;
            }
            if (before["kind"] == "spte" && before["gfn"] == e["gfn"] && before["level"] == e["level"]) {
                EXPECT_EQ(before["site"], "spte.freeze") << e;
                EXPECT_EQ(before["is"], "frozen") << e;
                EXPECT_FALSE(seen.empty()) << "no SEAMCALL between freeze and set: " << e;
                seen = "freeze";
            }
        }
        EXPECT_EQ(seen, "freeze") << e;
        ++(e["is"] == "table" ? tables : leaves);
    }
}
} // namespace

TEST(PrivateMemory, every_lesson_freezes_calls_the_module_and_publishes) {
    unsigned tables = 0, leaves = 0;
    for (const auto& file : shippedScenarios("lessons")) {
        SCOPED_TRACE(file);
        Session session(loadScenario(file));
        if (session.system().isTdx())
            expectFreezeSeamcallSet(eventsOf(session), true, tables, leaves);
    }
    EXPECT_GT(tables, 0u);
    EXPECT_GT(leaves, 0u);
}

TEST(PrivateMemory, an_image_page_is_mapped_without_a_seamcall_for_the_leaf) {
    const auto events = eventsOf("mirrorscope: 1\nmachine: {slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n  - init-mem-region: {gpa: 0}\n");
    unsigned aug = 0, add = 0;
    for (const Json& e : events)
        if (e["kind"] == "seamcall" && e["phase"] == "leave") {
            aug += e["leaf"] == "TDH.MEM.PAGE.AUG";
            add += e["leaf"] == "TDH.MEM.PAGE.ADD";
        }
    EXPECT_EQ(aug, 0u);
    EXPECT_EQ(add, 1u);
}

TEST(PrivateMemory, punch_hole_blocks_tracks_then_removes) {
    const auto events = eventsOf(td("  - vcpu0: {accept: 0x4000}\n  - punch-hole: {gpa: 0x4000}\n"));
    std::vector<std::string> order;
    bool punching = false;
    for (const Json& e : events) {
        if (e["kind"] == "step" && e["verb"] == "punch-hole")
            punching = e["phase"] == "begin";
        if (!punching)
            continue;
        if (e["kind"] == "spte")
            order.push_back("mirror " + std::string(e["is"]));
        if (e["kind"] == "seamcall" && e["phase"] == "leave")
            order.push_back(e["leaf"]);
        if (e["kind"] == "frame" && e["is"] == "free")
            order.push_back("free");
    }
    EXPECT_EQ(order, (std::vector<std::string>{"mirror none", "TDH.MEM.RANGE.BLOCK", "TDH.MEM.TRACK", "TDH.MEM.PAGE.REMOVE",
                                               "TDH.PHYMEM.PAGE.WBINVD", "free"}));
}

TEST(PrivateMemory, remove_succeeds_only_after_the_kick_made_the_vcpu_leave) {
    const auto events = eventsOf(td(R"(  - vcpu0: {accept: 0x4000}
  - race:
      vcpu0: [{read: 0x4000}, {read: 0}]
      host: [{punch-hole: {gpa: 0x4000}}]
    schedule: [{vcpu0: until tlb.fill}, {host: done}, {vcpu0: done}]
expect: [{violations: 0}]
)"));
    u64 tracked = 0, sent = 0, left = 0, acknowledged = 0, removed = 0;
    bool racing = false;
    for (const Json& e : events) {
        racing |= e["kind"] == "step" && e["verb"] == "race";
        if (!racing)
            continue;
        if (e["kind"] == "seamcall" && e["leaf"] == "TDH.MEM.TRACK" && e["phase"] == "leave")
            tracked = e["n"];
        if (e["kind"] == "seamcall" && e["leaf"] == "TDH.MEM.PAGE.REMOVE" && e["phase"] == "leave" && e["status"] == "TDX_SUCCESS")
            removed = e["n"];
    }
    Session session(bindScenario("test.yaml", td(R"(  - vcpu0: {accept: 0x4000}
  - race:
      vcpu0: [{read: 0x4000}, {read: 0}]
      host: [{punch-hole: {gpa: 0x4000}}]
    schedule: [{vcpu0: until tlb.fill}, {host: done}, {vcpu0: done}]
)")));
    for (u64 n = 0; n < session.end(); ++n) {
        const auto [actor, site] = session.stepBrief(n);
        if (n > tracked && site == Site::KickSend && sent == 0)
            sent = n;
        if (sent != 0 && left == 0 && site == Site::VcpuExit && actor == 0)
            left = n;
        if (left != 0 && acknowledged == 0 && site == Site::KickAck)
            acknowledged = n;
    }
    EXPECT_GT(tracked, 0u);
    EXPECT_GT(sent, tracked);
    EXPECT_GT(left, sent);
    EXPECT_GT(acknowledged, left);
    EXPECT_GT(removed, acknowledged);
}

TEST(PrivateMemory, an_access_that_disagrees_with_the_attribute_leaves_to_user_space) {
    Ran run(td(R"(  - vcpu0: {write: {gpa: 0x5000, as: shared}, id: s}
  - set-memory-attributes: {gpa: 0x5000, size: 4K, as: shared}
  - vcpu0: {accept: 0x5000, id: a}
expect: [{result: s, is: KVM_EXIT_MEMORY_FAULT}, {result: a, is: KVM_EXIT_MEMORY_FAULT}, {violations: 0}]
)"));
    EXPECT_TRUE(run.runner.ok()) << run.failures();
}

TEST(PrivateMemory, touching_a_pending_page_kills_the_td_or_is_a_ve) {
    const std::string script = R"(  - {seamcall: {leaf: TDH.MEM.PAGE.AUG, gpa: 0x3000}, id: aug}
  - vcpu0: {read: 0x3000, id: r}
  - vcpu0: {read: 0x0, id: later}
)";
    const auto runIt = [&](const std::string& machine, const std::string& expect) {
        Scenario scenario = bindScenario("test.yaml", td(script + "expect: [" + expect + "]\n", machine));
        Runner runner(scenario, {.check = false});
        runner.runAll();
        for (const auto& e : runner.expectations())
            EXPECT_TRUE(e.holds) << machine << ": " << e.text << " found " << e.found;
    };
    runIt("vcpus: 1", "{result: r, is: EIO}, {result: later, is: EIO}");
    runIt("vcpus: 1, sept-ve-disable: false", "{result: r, is: ok}, {result: r, value: 0}, {result: later, is: ok}");
    runIt("vcpus: 1, sept-ve-disable: false, ve-handler: none", "{result: r, is: '#VE'}, {result: later, is: ok}");
}

TEST(PrivateMemory, contents_of_the_image_are_what_the_guest_reads) {
    Ran run("mirrorscope: 1\nmachine: {slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n"
            "  - init-mem-region: {gpa: 0, size: 4K, content: '0102030405060708'}\n"
            "  - init-mem-region: {gpa: 0x1000, size: 4K, content: 0xff, measure: false}\n  - finalize-vm\n"
            "  - vcpu0: [{read: 0x10, id: a}, {read: 0x1ff8, id: b}]\n"
            "expect: [{result: a, value: 0x0807060504030201}, {result: b, value: 0xffffffffffffffff}, {count: TDH.MR.EXTEND, is: 16}]\n");
    EXPECT_TRUE(run.runner.ok()) << run.failures();
}

TEST(PrivateMemory, destroy_vm_gives_every_frame_back) {
    for (const char* script :
         {"", "  - vcpu0: {accept: {gpa: 0x10000, size: 64K}}\n  - set-memory-attributes: {gpa: 0x100000, size: 8K, as: "
              "shared}\n  - vcpu1: {write: {gpa: 0x100000, as: shared, pages: 2}}\n"}) {
        Ran run(td(std::string(script) + "  - destroy-vm\nexpect: [{count: frame, is: 0}, {violations: 0}]\n"));
        EXPECT_TRUE(run.runner.ok()) << run.failures();
    }
}

} // namespace mirrorscope::test
