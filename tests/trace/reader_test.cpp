// SPDX-License-Identifier: GPL-3.0-or-later
// Lines as kernels, tools and mailers leave them.
#include "trace/recording.h"

#include "scenario/diagnostic.h"
#include "support/collected.h"

#include <gtest/gtest.h>

#include <random>

using namespace mirrorscope;
using mirrorscope::test::Collected;

namespace {
struct Read {
    TraceNames names;
    Collected got;
    TraceCounts counts;
    explicit Read(std::string_view text, std::size_t piece = ~std::size_t{0}) {
        TextReader reader(names, got);
        while (!text.empty()) {
            reader.feed(text.substr(0, piece));
            text.remove_prefix(std::min(piece, text.size()));
        }
        reader.finish();
        counts = reader.counts();
    }
    std::string task() const { return names.taskOf(got.events.at(0).task).text(); }
    std::string fields() const { return fieldsText(got.events.at(0), names); }
};

std::string tidy(const TraceEvent& e, const TraceNames& names) {
    return std::string(info(e.kind).name) + " " + names.taskOf(e.task).text() + " " + std::to_string(e.cpu) + " " + std::to_string(e.time) +
           " " + std::to_string(e.line) + " " + fieldsText(e, names);
}
} // namespace

// Each shape of ../shared/data/traces-as-posted.md: one event, and what it says.
TEST(TraceLines, each_shape_that_people_post_is_understood) {
    struct Shape {
        const char* text;
        const char* name;
        const char* task;
        u64 time; // ns
        const char* fields;
    };
    constexpr Shape kShapes[] = {
        {"VCPU-0-12345   [078] ..... 72276.115679: kvm_page_fault: address 84d000 error_code 4", "kvm_page_fault", "VCPU-0-12345",
         72276115679000, "address 0x000000000084d000 error_code 0x4"},
        {"VCPU-0-1 [078] ..... 1.5: kvm_tdp_mmu_spte_changed: as\nid 0 gfn 800 level 2 old_spte 100b1b16827 new_spte 100b4a00ea7",
         "kvm_tdp_mmu_spte_changed", "VCPU-0-1", 1500000000, "as id 0 gfn 800 level 2 old_spte 100b1b16827 new_spte 100b4a00ea7"},
        {">> VCPU-0-1 [078] ..... 1.5: kvm_mmu_set_spte: gfn 800\n>> spte 100b4a00ea7 (rwxu) level 2 at 10052fa5020", "kvm_mmu_set_spte",
         "VCPU-0-1", 1500000000, "gfn 800 spte 100b4a00ea7 (rwxu) level 2 at 10052fa5020"},
        {" qemu-system-x86-4711    [002] .....  1404.389384: kvm_tdp_mmu_spte_changed: as id 0 gfn 0 level 4 old_spte 2c583e907 new_spte 0",
         "kvm_tdp_mmu_spte_changed", "qemu-system-x86-4711", 1404389384000, "as id 0 gfn 0 level 4 old_spte 2c583e907 new_spte 0"},
        {"x-1 [002] ..... 1.0: kvm_exit: vcpu 1 reason CR_ACCESS rip 0x12 info1 0x34 info2 0x0 intr_info 0x0 error_code 0x0", "kvm_exit",
         "x-1", 1000000000, "vcpu 1 reason CR_ACCESS info1 0x34 info2 0x0"},
        {"x-1 [002] ..... 1.0: kvm_entry: vcpu 0, rip 0xfff0", "kvm_entry", "x-1", 1000000000, "vcpu 0 rip 0xfff0"},
        {"   vm-99    [059] ....   234.587042: kvm_tdp_mmu_spte_changed: as id 0 gfn 5 level 1 old_spte 1 new_spte 80000000000005a0",
         "kvm_tdp_mmu_spte_changed", "vm-99", 234587042000, "as id 0 gfn 5 level 1 old_spte 1 new_spte 80000000000005a0"},
        {"       CPU 0/KVM-123456 [016] 55709.716256: kvm_mmu_set_spte:     gfn fffff spte 8be2171025 (r-xu) level 1 at 8a53b01ff8",
         "kvm_mmu_set_spte", "CPU 0/KVM-123456", 55709716256000, "gfn fffff spte 8be2171025 (r-xu) level 1 at 8a53b01ff8"},
        {"CPU 0/KVM-1 [016] 1.5: kvm_mmu_get_page:     new sp gfn 0 4 q0 direct wux pae !nxe !wp root 0 sync", "kvm_mmu_get_page",
         "CPU 0/KVM-1", 1500000000, "sp gen 0 gfn 0 l4 8-byte q0 direct wux !nxe ad root 0 sync new"},
        {"workload-158 [001] 9.7: kvm_mmu_get_page: [FAILED TO PARSE] mmu_valid_gen=0 gfn=1024 role=14209 root_count=0 unsync=0 created=1",
         "kvm_mmu_get_page", "workload-158", 9700000000, "sp gen 0 gfn 400 l1 8-byte q0 direct wux nxe ad root 0 sync new"},
        {"qemu-system-x86-1234567 [036] 2316032.840657: kvm_page_fault: vcpu 3 rip 0x7f12 address 0x00000003f7369712 error_code 0x181",
         "kvm_page_fault", "qemu-system-x86-1234567", 2316032840657000, "vcpu 3 address 0x00000003f7369712 error_code 0x181"},
        {"     tdxvm-11-2222   [065] ....   807.856265: kvm_mmu_set_spte: gfn 1151b spte 86000080a5669b37 (rwxu) level 1 at 80b34fc8d8",
         "kvm_mmu_set_spte", "tdxvm-11-2222", 807856265000, "gfn 1151b spte 86000080a5669b37 (rwxu) level 1 at 80b34fc8d8"},
        {"exe-123456  [006] d... 410259.258864: fast_page_fault: vcpu 1 gva 3fef42812000 error_code U sptep 00000000ce97aa9a old 0x0 new 0 "
         "spurious 0 "
         "fixed 0",
         "fast_page_fault", "exe-123456", 410259258864000, "vcpu 1 gva 3fef42812000 old 0x0 new 0 spurious 0 fixed 0"},
        {"exe-1 [006] 1.0: kvm_userspace_exit: reason error (14)", "kvm_userspace_exit", "exe-1", 1000000000, "reason error (14)"},
        {"exe-1 [006] 1.0: kvm_userspace_exit: reason restart (-4)", "kvm_userspace_exit", "exe-1", 1000000000, "reason restart (-4)"},
        {"      41 fast_page_fault: vcpu 4 gva\n20fe612 error_code F sptep 00000000fd98c937 old 0x61000034d4fe877 new\n61000034d4fe877 "
         "spurious 1 fixed 0",
         "fast_page_fault", "?", 0, "vcpu 4 gva 20fe612 old 0x61000034d4fe877 new 61000034d4fe877 spurious 1 fixed 0"},
        {"  <...>-1234567 [226] ...1. 324797.313982: kvm_page_fault: vcpu 219 rip 0x0 address 0x00000018cbc00000 error_code 0x500000004",
         "kvm_page_fault", "<...>-1234567", 324797313982000, "vcpu 219 address 0x00000018cbc00000 error_code 0x500000004"},
        {"kvm_page_fault:       vcpu 1 address 0x32319fe00000 error_code 0xf82", "kvm_page_fault", "?", 0,
         "vcpu 1 address 0x000032319fe00000 error_code 0xf82"},
        {"kvm_mmu_spte_requested: gfn 12 pfn 34 level 1", "kvm_mmu_spte_requested", "?", 0, "gfn 12 pfn 34 level 1"},
        {"2470.944 3 64 pre_fault kvmmmu:kvm_tdp_mmu_spte_changed: as id 1 gfn 1 level 1 old_spte 8000000000000000 new_spte 5",
         "kvm_tdp_mmu_spte_changed", "pre_fault-64", 2470944000000, "as id 1 gfn 1 level 1 old_spte 8000000000000000 new_spte 5"},
        {"qemu-kvm  4711 [003]  1404.389384: kvmmmu:kvm_tdp_mmu_spte_changed: as id 0 gfn 1 level 1 old_spte 1 new_spte 2",
         "kvm_tdp_mmu_spte_changed", "qemu-kvm-4711", 1404389384000, "as id 0 gfn 1 level 1 old_spte 1 new_spte 2"},
        {"qemu-90 (     88) [001] ...1.     4.703: kvm_unmap_hva_range: mmu notifier unmap range: 0x007f00a1878000 -- 0x007f00a1879000",
         "kvm_unmap_hva_range", "qemu-90", 4703000000, "mmu notifier unmap range: 0x00007f00a1878000 -- 0x00007f00a1879000"},
        {"a-1 [000] 1.0: mark_mmio_spte: sptep:00000000a81b6c02 gfn fec00 access 6 gen 2e", "mark_mmio_spte", "a-1", 1000000000,
         "gfn fec00 access 6 gen 2e"},
        {"a-1 [000] 1.0: kvm_mmu_split_huge_page: gfn 40200 spte 8600000240200bb7 level 2 errno -11", "kvm_mmu_split_huge_page", "a-1",
         1000000000, "gfn 40200 spte 8600000240200bb7 level 2 errno -11"},
        {"a-1 [000] 1.0: kvm_rmp_fault: vcpu 2 gpa 0000000012600000 pfn 0x41c600 error_code 0x580000005 rmp_level 2 psmash_ret 0",
         "kvm_rmp_fault", "a-1", 1000000000, "vcpu 2 gpa 0000000012600000 pfn 0x41c600 error_code 0x580000005 rmp_level 2 psmash_ret 0"},
    };
    for (const Shape& shape : kShapes) {
        SCOPED_TRACE(shape.text);
        const Read read(shape.text);
        ASSERT_EQ(read.got.events.size(), 1u);
        EXPECT_EQ(info(read.got.events[0].kind).name, shape.name);
        EXPECT_EQ(read.task(), shape.task);
        EXPECT_EQ(read.got.events[0].time, shape.time);
        EXPECT_EQ(read.fields(), shape.fields);
        EXPECT_EQ(read.counts.skipped, 0u);
    }
}

TEST(TraceLines, what_is_no_event_is_counted_and_never_guessed) {
    const Read read("# tracer: nop\n"
                    "#\n"
                    "# entries-in-buffer/entries-written: 3/8   #P:2\n"
                    "cpus=2\n"
                    "CPU 1 is empty\n"
                    "Here I looked at the first fault, and then:\n"
                    "\n"
                    "a-1 [000] 1.0: kvm_tdp_mmu_spte_changed: as id 0 gfn 1 level 1 old_spte 8000000000000000 new_spte 5\n"
                    " <stack trace>\n"
                    " => handle_changed_spte\n"
                    "....\n"
                    "--\n"
                    "a-1 [000] 1.1: sched_switch: prev_comm=a prev_pid=1\n"
                    "a-1 [000] 1.2: kvm_tdp_mmu_spte_changed: as id 0 gfn 1 level 1 old_spte 80000\n"
                    "CPU:1 [LOST 5 EVENTS]\n"
                    "CPU:0 [93 EVENTS DROPPED]\n"
                    "a-1 [000] 1.3: kvm_entry: vcpu 0, rip 0x0 intr_info 0x00000000 error_code 0x00000000\n");
    EXPECT_EQ(read.counts.lines, 17u);
    EXPECT_EQ(read.counts.events, 2u);
    EXPECT_EQ(read.counts.cut, 1u);
    EXPECT_EQ(read.counts.skipped, 5u); // prose, two of the stack, the dots, the cut line
    EXPECT_EQ(read.counts.lost, 5u + 93u + 5u);
    EXPECT_EQ(read.counts.kinds.at("sched_switch"), 1u);
    EXPECT_EQ(read.counts.kinds.at("kvm_entry"), 1u);
    EXPECT_EQ(read.got.losses, (std::vector<std::pair<u64, u32>>{{5, 3}, {5, 15}, {93, 16}}));
    EXPECT_EQ(read.got.events[1].line, 17u);
}

// However the bytes come.
TEST(TraceLines, pieces_make_no_difference) {
    TraceInput input(std::string(MIRRORSCOPE_SOURCE_DIR) + "/tests/data/traces/private-exits.trace");
    std::string text;
    for (std::string_view piece = input.read(); !piece.empty(); piece = input.read())
        text += piece;
    const Read whole(text);
    EXPECT_EQ(whole.counts.events, 165u);
    for (const std::size_t piece : {1u, 7u, 100u, 4095u}) {
        const Read read(text, piece);
        ASSERT_EQ(read.got.events.size(), whole.got.events.size());
        for (std::size_t i = 0; i < read.got.events.size(); ++i)
            ASSERT_EQ(tidy(read.got.events[i], read.names), tidy(whole.got.events[i], whole.names));
    }
}

// A recording that is written out again says the same.
TEST(TraceLines, what_is_written_is_what_was_read) {
    TraceInput input(std::string(MIRRORSCOPE_SOURCE_DIR) + "/tests/data/traces/prefault.trace.gz");
    TraceNames names;
    Collected first;
    readTrace(input, names, first);
    ASSERT_EQ(first.events.size(), 6684u);
    std::string text;
    for (const TraceEvent& e : first.events)
        text += lineText(e, names) + "\n";
    const Read again(text);
    ASSERT_EQ(again.got.events.size(), first.events.size());
    for (std::size_t i = 0; i < first.events.size(); ++i) {
        TraceEvent e = again.got.events[i];
        e.line = first.events[i].line;
        ASSERT_EQ(tidy(e, again.names), tidy(first.events[i], names));
    }
}

TEST(TraceLines, any_bytes_are_taken) {
    std::mt19937 random(20261127);
    const std::string words[] = {"kvm_tdp_mmu_spte_changed:",
                                 " as id 0",
                                 " gfn 1",
                                 "level",
                                 "[000]",
                                 "1.5:",
                                 "\n",
                                 ":",
                                 "kvm_exit: reason ",
                                 ">",
                                 "(",
                                 "0x",
                                 "ffffffffffffffff",
                                 "CPU:1 [LOST",
                                 " EVENTS]",
                                 "entries-written: 1/",
                                 std::string("\0\xff\x80", 3),
                                 "kvm_mmu_get_page: sp gen 0 gfn 0 l"};
    for (int round = 0; round < 3000; ++round) {
        std::string text;
        for (unsigned i = random() % 40; i > 0; --i)
            text += random() % 3 == 0 ? std::string(1, static_cast<char>(random())) : words[random() % std::size(words)];
        const Read read(text, 1 + random() % 50);
        for (const TraceEvent& e : read.got.events)
            EXPECT_FALSE(tidy(e, read.names).empty());
    }
    // A line without an end is no room without an end.
    const Read endless(std::string(10'000'000, 'a'), 65536);
    EXPECT_EQ(endless.counts.lines, 1u);
}
