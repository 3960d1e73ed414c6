// SPDX-License-Identifier: GPL-3.0-or-later
// Ten times as much of something costs ten times as many instructions, and not a hundred times. They are counted (cachegrind), so that
// neither this machine nor what else runs on it has a say.
#include "support/command_line.h"
#include "support/effort.h"

#include "base/sanitizer.h"

#include <fmt/format.h>

#include <functional>

namespace mirrorscope::test {

namespace {
struct Growing {
    const char* name;
    std::string command; // {}: the file
    const char* head;
    std::function<std::string(unsigned)> item;
    unsigned some = 1000; // of it, and ten times as much: both too little for the history to be packed, or both so much that it is
    const char* tail = "";
};

constexpr const char* kOrdinary = "mirrorscope: 1\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: 64M}]}\nscript:\n";
constexpr const char* kLine =
    "qemu-4711 [002] ..... {}.{:06}: kvm_tdp_mmu_spte_changed: as id 0 gfn {:x} level 1 old_spte {:x} new_spte {:x}\n";

std::vector<Growing> growing() {
    const auto page = [](unsigned i) { return i % 8192 * 4096; };
    return {
        {"steps", "run {}", kOrdinary, [=](unsigned i) { return fmt::format("  - vcpu0: {{read: 0x{:x}}}\n", page(i % 4)); }},
        {"notes", "run {}", kOrdinary, [](unsigned i) { return fmt::format("  - note: \"the {}th\"\n", i); }},
        {"results", "run {}", kOrdinary, [](unsigned i) { return fmt::format("  - {{vcpu0: {{read: 0x0}}, id: r{}}}\n", i); }},
        {"expectations", "run {}", kOrdinary, [](unsigned) { return "  - expect: {tree: direct, gpa: 0x0, is: none}\n"; }},
        {"violations", "run {}",
         "mirrorscope: 1\nmachine: {vm: default, break: [skip-flush], slots: [{id: 0, gpa: 0, size: 64M}]}\nscript:\n",
         [=](unsigned i) {
             return fmt::format("  - vcpu0: {{write: 0x{0:x}}}\n  - discard: {{gpa: 0x{0:x}}}\n  - vcpu0: {{evict: 0x{0:x}}}\n", page(i));
         },
         100},
        {"events", "run {} --format jsonl", kOrdinary, [=](unsigned i) { return fmt::format("  - vcpu0: {{write: 0x{:x}}}\n", page(i)); },
         300},
        {"pages of a TD", "run {}", "mirrorscope: 1\nmachine: {vm: tdx, slots: [{id: 0, gpa: 0, size: 64M}]}\nscript:\n  - finalize-vm\n",
         [=](unsigned i) { return fmt::format("  - vcpu0: {{accept: {{gpa: 0x{:x}}}}}\n", page(i)); }, 100},
        {"steps of an actor in a race", "run {}",
         "mirrorscope: 1\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: 64M}]}\nscript:\n"
         "  - race:\n      host: [{age: {gpa: 0x0}}]\n      vcpu0:\n",
         [=](unsigned i) { return fmt::format("        - read: 0x{:x}\n", page(i % 4)); }},
        {"text of the trees", "export {} --at end --as text", kOrdinary,
         [=](unsigned i) { return fmt::format("  - vcpu0: {{write: 0x{:x}}}\n", page(i)); }, 300},
        {"lines of a recording", "import {}", "",
         [](unsigned i) {
             return fmt::format(fmt::runtime(kLine), 10, i, i / 2 % 512, i % 2 == 0 ? 0 : 0x6000001000977,
                                i % 2 == 0 ? 0x6000001000977 : 0);
         }},
        {"findings", "conform {}", "",
         [](unsigned i) {
             return fmt::format(fmt::runtime(kLine), 10, i, i % 512, 0x6000001000977 + i % 7 * 4096, 0x6000002000977 + i % 5 * 4096);
         }},
        {"breakpoints", "run '" + (kSource / "scenarios/lessons/01-first-private-page.yaml").string() + "' --commands {}", "",
         [](unsigned i) { return fmt::format("break spte.freeze if gfn == {}\n", i + 100); }, 1000, "continue\n"},
    };
}
} // namespace

class Growth : public CommandLine, public testing::WithParamInterface<Growing> {
protected:
    u64 instructions(unsigned items) {
        const Growing& what = GetParam();
        std::string text = what.head;
        for (unsigned i = 0; i < items; ++i)
            text += what.item(i);
        text += what.tail;
        const std::string file = write("growing.yaml", text), log = (folder_ / "log").string();
        const std::string call =
            fmt::format("valgrind --tool=cachegrind --cache-sim=no --cachegrind-out-file=/dev/null --log-file='{}' {} {} >'{}' 2>&1", log,
                        program(), fmt::format(fmt::runtime(what.command), file), (folder_ / "out").string());
        const int status = std::system(call.c_str());
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) <= 1) << readFile((folder_ / "out").string()).substr(0, 400);
        const std::string told = readFile(log);
        const std::size_t at = told.find("refs:");
        if (at == std::string::npos) {
            ADD_FAILURE() << told;
            return 1;
        }
        std::string digits;
        for (const char c : told.substr(at + 5, told.find('\n', at) - at - 5))
            if (c >= '0' && c <= '9')
                digits += c;
        return std::stoull(digits);
    }
};
// Counting takes fifty times as long as running: a part of them, unless all is asked for.
std::vector<Growing> growingNow() {
    std::vector<Growing> some;
    if (kSanitized)
        return some; // cachegrind cannot run what has a sanitizer: the optimized build has these tests
    const std::vector<Growing> all = growing();
    for (std::size_t i = 0; i < all.size(); i += wholeEffortWanted() ? 1 : 4)
        some.push_back(all[i]);
    return some;
}
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Growth);
INSTANTIATE_TEST_SUITE_P(Each, Growth, testing::ValuesIn(growingNow()), [](const auto& one) {
    std::string name = one.param.name;
    std::replace(name.begin(), name.end(), ' ', '_');
    return name;
});

TEST_P(Growth, is_linear) {
    const u64 little = instructions(1), some = instructions(GetParam().some), much = instructions(GetParam().some * 10);
    ASSERT_GT(some, little);
    const double ratio = static_cast<double>(much - little) / static_cast<double>(some - little);
    RecordProperty("instructions", fmt::format("{} {} {}", little, some, much));
    EXPECT_LT(ratio, 12) << "ten times as many " << GetParam().name << ": " << some - little << " and " << much - little << " instructions";
}

} // namespace mirrorscope::test
