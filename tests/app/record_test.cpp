// SPDX-License-Identifier: GPL-3.0-or-later
// `record`, on a tracefs that is none.
#include "support/command_line.h"
#include "support/tracefs.h"

namespace mirrorscope::test {

// By itself and by the script that it prints, which any shell runs without the program.
TEST_F(CommandLine, a_host_is_recorded_and_left_as_it_was) {
    const std::filesystem::path root = folder_ / "it's a tracefs";
    const std::string tracing = "--tracing \"" + root.string() + "\"";
    fakeTracefs(root, {"kvm_mmu_split_huge_page"});
    const std::filesystem::path instance = root / "instances/mirrorscope";
    const Result print = call("record --print --seamcalls -o '" + (folder_ / "by script.trace").string() + "' " + tracing);
    ASSERT_EQ(print.status, 0) << print.error;
    EXPECT_NE(print.out.find("# Not in this kernel: kvmmmu:kvm_mmu_split_huge_page (that a huge page was split"), std::string::npos)
        << print.out;
    EXPECT_NE(print.out.find("trace-cmd record -b 20000 -e kvmmmu:kvm_tdp_mmu_spte_changed"), std::string::npos);
    EXPECT_NE(print.out.find("p:mirrorscope/tdh_mem_page_aug tdh_mem_page_aug td=$arg1 gpa=$arg2"), std::string::npos);
    EXPECT_EQ(print.out.find("tdh_mem_range_block"), std::string::npos) << "this kernel has no such function";
    write("rec.sh", print.out);
    for (const bool byScript : {true, false}) {
        SCOPED_TRACE(byScript ? "the script" : "the program");
        const std::filesystem::path out = folder_ / (byScript ? "by script.trace" : "by itself.trace");
        if (byScript) {
            ASSERT_EQ(std::system(("sh '" + (folder_ / "rec.sh").string() + "' 2>'" + (folder_ / "error").string() + "'").c_str()), 0)
                << readFile(folder_ / "error");
        } else {
            const Result r = call("record --seamcalls --seconds 1 -o '" + out.string() + "' " + tracing);
            EXPECT_EQ(r.status, 0) << r.error;
            EXPECT_NE(r.out.find("2 lines"), std::string::npos) << r.out;
        }
        EXPECT_EQ(readFile(out), readFile(instance / "trace_pipe"));
        EXPECT_EQ(readFile(instance / "events/kvmmmu/kvm_tdp_mmu_spte_changed/enable").substr(0, 1), "1");
        EXPECT_EQ(readFile(instance / "events/mirrorscope/enable").substr(0, 1), "1");
        EXPECT_EQ(readFile(instance / "events/enable").substr(0, 1), "0") << "they are switched off at the end";
        EXPECT_EQ(readFile(instance / "tracing_on").substr(0, 1), "0");
        const std::string probes = readFile(root / "kprobe_events");
        EXPECT_NE(probes.find("r:mirrorscope/tdh_mem_track_status tdh_mem_track status=$retval"), std::string::npos) << probes;
        EXPECT_NE(probes.find("-:mirrorscope/tdh_mem_track_status"), std::string::npos) << probes;
        std::filesystem::resize_file(root / "kprobe_events", 0);
    }
    // Those that can be had, and no complaint about the others: of memslots, since that function is not listed here.
    EXPECT_EQ(call("record --probes --seconds 1 -o '" + (folder_ / "probes.trace").string() + "' " + tracing).status, 0);
    const std::string probes = readFile(root / "kprobe_events");
    EXPECT_NE(probes.find("p:mirrorscope/tdh_mem_page_aug"), std::string::npos) << probes;
    EXPECT_EQ(probes.find("kvm_set_memory_region"), std::string::npos) << probes;
    expectOneLine(call("record --print --memslots " + tracing));
    // A kernel that refuses them is recorded without them; who asks for them by name is told.
    std::filesystem::remove(root / "kprobe_events");
    std::filesystem::create_directory(root / "kprobe_events"); // nothing can be written to it
    std::ofstream(instance / "events/mirrorscope/enable") << "0";
    EXPECT_EQ(call("record --probes --seconds 1 -o '" + (folder_ / "refused.trace").string() + "' " + tracing).status, 0);
    EXPECT_EQ(readFile(folder_ / "refused.trace"), readFile(instance / "trace_pipe"));
    EXPECT_EQ(readFile(instance / "events/mirrorscope/enable").substr(0, 1), "0");
    expectOneLine(call("record --seamcalls --seconds 1 -o '" + (folder_ / "refused.trace").string() + "' " + tracing));
    std::filesystem::remove(root / "kprobe_events");
    // A host that cannot do it is told in one line.
    expectOneLine(call("record --tracing /nowhere"));
    fakeTracefs(folder_ / "other", {"kvm_tdp_mmu_spte_changed"});
    const Result other = call("record --print --tracing '" + (folder_ / "other").string() + "'");
    expectOneLine(other);
    EXPECT_NE(other.error.find("kvm_tdp_mmu_spte_changed"), std::string::npos);
    std::filesystem::resize_file(root / "available_filter_functions", 0);
    expectOneLine(call("record --print --seamcalls " + tracing));
    expectOneLine(call("record --seconds 1 -o /nowhere/at/all " + tracing));
    EXPECT_EQ(readFile(instance / "tracing_on").substr(0, 1), "0");
}

} // namespace mirrorscope::test
