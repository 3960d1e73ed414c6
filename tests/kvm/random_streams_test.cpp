// SPDX-License-Identifier: GPL-3.0-or-later
// Random streams of everything that guests and host can do, alone and at the same time, on every kind of VM: no rule is violated, nobody
// is stuck, every step that must work works, and a naive second opinion (support/naive_memory.h) finds the same memory. What fails is
// cut down to a short scenario and printed. MIRRORSCOPE_RANDOM_STEPS sets how many steps of
// scripts for each kind of VM, MIRRORSCOPE_RANDOM_SEED (support/seed.h) others than the suite's.
#include "support/effort.h"
#include "support/naive_memory.h"
#include "support/run.h"
#include "support/seed.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>

namespace mirrorscope::test {

namespace {
using Item = std::vector<StreamOp>; // one step, or several that interleave
struct Stream {
    std::string machine;
    VmType vm = VmType::Tdx;
    std::vector<NaiveMemory::Slot> slots;
    std::vector<Item> items;
    std::vector<std::string> schedules; // of each item
    std::size_t prologue = 0;           // items that must stay
};

constexpr u64 kSecondSlot = 0x4000, kMovedSlot = 0x8000;

class Generator {
public:
    explicit Generator(VmType vm, u64 seed, Kernel kernel = Kernel::Fixed)
        : random_(seed), vm_(vm), kernel_(kernel),
          dynamicPamt_(vm == VmType::Tdx && kernel == Kernel::Next && (seed % 3 == 0 || seed % 6 == 1)),
          private2M_(vm == VmType::Tdx &&
                     (kernel == Kernel::Next ? seed % 3 == 1 || seed % 6 == 2 : kernel == Kernel::V7_2 && seed % 2 == 1)),
          nonBlocking_(private2M_ && !dynamicPamt_ && seed % 4 == 3),
          inPlace_(kernel == Kernel::Next && (vm == VmType::Tdx ? seed % 3 == 2 : vm == VmType::SwProtected && seed % 2 == 0)) {}

    // `broken`: a value of `break`, if any.
    Stream stream(unsigned length, const std::string& broken = "") {
        Stream s;
        s.vm = vm_;
        vcpus_ = 2 + below(7);
        const bool large = below(2) == 0;
        constexpr const char* kNames[] = {"default", "sw-protected", "snp", "tdx"};
        constexpr const char* kYield[] = {"contended", "contended", "always", "never"};
        s.machine = fmt::format("vm: {}, vcpus: {}, kernel: {}, yield: {}", kNames[static_cast<unsigned>(vm_)], vcpus_, name(kernel_),
                                kYield[below(4)]);
        for (const char* flag : {"ad-bits", "pml", "eager-split"})
            if (below(4) == 0 && (!hasAlias() || std::string(flag) != "ad-bits"))
                s.machine += fmt::format(", {}: false", flag);
        std::vector<std::string> features;
        for (const auto& [has, feature] : {std::pair{dynamicPamt_, "dynamic-pamt"}, std::pair{private2M_, "private-2M"},
                                           std::pair{nonBlocking_, "non-blocking-resize"}, std::pair{inPlace_, "in-place-conversion"}})
            if (has)
                features.push_back(feature);
        if (!features.empty())
            s.machine += fmt::format(", features: [{}]", fmt::join(features, ", "));
        if (!broken.empty())
            s.machine += fmt::format(", break: [{}]", broken);
        if (below(4) == 0)
            s.machine += ", nx-huge-pages: true";
        if (vm_ == VmType::Tdx)
            s.machine += below(4) == 0 ? ", sept-ve-disable: false, gpaw: 52" : ", sept-ve-disable: false";
        s.machine += fmt::format(", slots: [{{id: 0, gpa: 0, size: 4M, backing: {}}}, {{id: 1, gpa: 64M, size: 2M, private: false}}]",
                                 large ? "2M" : "4K");
        if (!hasPrivate())
            s.machine.replace(s.machine.find(", private: false"), 16, "");
        backing_ = large ? "2M" : "4K";
        s.slots = {{.base = 0, .pages = 1024, .block = large ? 512u : 1u, .file = hasPrivate()}, {.base = kSecondSlot, .pages = 512}};
        if (vm_ == VmType::Tdx)
            s.items = {{{.verb = "init-mem-region", .arguments = "{gpa: 0, size: 4K}"}}, {{.verb = "finalize-vm"}}};
        if (vm_ == VmType::Tdx || vm_ == VmType::Snp)
            s.items.push_back({conversion(kSecondSlot, 8, true)});
        s.prologue = s.items.size();
        for (unsigned i = 0; i < length; ++i)
            s.items.push_back(below(3) == 0 ? race() : Item{step(static_cast<int>(below(vcpus_ + 2)) - 2)});
        for (const Item& item : s.items)
            s.schedules.push_back(item.size() > 1 ? schedule(item) : "");
        return s;
    }

private:
    u64 below(u64 n) { return random_() % n; }
    bool hasPrivate() const { return vm_ != VmType::Default; }
    bool hasAlias() const { return vm_ == VmType::Tdx || vm_ == VmType::Snp; }

    u64 page() {
        switch (below(8)) {
        case 0: return kSecondSlot + below(6);
        case 1: return below(12) == 0 ? kMovedSlot + below(4) : below(8);
        case 2: return 0x1fd + below(6);
        default: return below(6);
        }
    }
    StreamOp range(const char* verb, u64 most) {
        StreamOp op{.verb = verb, .gfn = page(), .pages = 1 + below(most)};
        op.arguments = fmt::format("{{gpa: {:#x}, size: {}K}}", op.gfn << 12, 4 * op.pages);
        return op;
    }
    StreamOp large(const char* verb) {
        const u64 gfn = 512 * below(2);
        return {.verb = verb, .gfn = gfn, .pages = 512, .arguments = fmt::format("{{gpa: {:#x}, size: 2M}}", gfn << 12)};
    }
    // (One after the other: in which order arguments are worked out is up to the compiler.)
    StreamOp someConversion(u64 mostPages, const char* verb) {
        const bool shared = below(2) == 0;
        const u64 pages = 1 + below(mostPages);
        return conversion(page(), pages, shared, verb);
    }
    StreamOp conversion(u64 gfn, u64 pages, bool shared, const char* verb = "set-memory-attributes") {
        return {.verb = verb,
                .gfn = gfn,
                .pages = pages,
                .shared = shared,
                .arguments = fmt::format("{{gpa: {:#x}, size: {}K, as: {}}}", gfn << 12, 4 * pages, shared ? "shared" : "private")};
    }
    StreamOp guest(int vcpu) {
        if (const u64 n = below(24); n < 2)
            return {.verb = n == 0 ? "hypercall" : "halt", .actor = vcpu};
        StreamOp op{.actor = vcpu, .gfn = page(), .shared = hasAlias() && below(2) == 0};
        if (hasPrivate() && hasAlias() && below(5) == 0) {
            op = below(2) == 0 ? someConversion(3, "map-gpa") : range("accept", 3);
            if (private2M_ && op.verb == "accept" && below(2) == 0) {
                op.gfn = 512 * below(2);
                op.pages = 512;
                op.arguments = fmt::format("{{gpa: {:#x}, size: 2M, level: 2M}}", op.gfn << 12);
            }
            op.actor = vcpu;
            return op;
        }
        constexpr const char* kVerbs[] = {"read", "write", "write", "exec"};
        op.verb = kVerbs[below(4)];
        if (op.verb == "exec" && op.shared)
            op.verb = "read"; // shared memory is not executable for a TD's guest
        op.pages = op.verb != "read" && below(4) == 0 ? 1 + below(4) : 1;
        op.value = op.verb == "write" ? ++value_ << 8 : 0;
        op.arguments = fmt::format("{{gpa: {:#x}{}{}{}}}", op.gfn << 12, hasAlias() && op.shared ? ", as: shared" : "",
                                   op.pages > 1 ? fmt::format(", pages: {}", op.pages) : "",
                                   op.verb == "write" ? fmt::format(", value: {:#x}", op.value) : "");
        return op;
    }
    StreamOp slotChange() {
        const unsigned slot = static_cast<unsigned>(below(2));
        if (below(2) == 0)
            return {.verb = "delete-memory-region", .slot = slot, .arguments = fmt::format("{{id: {}}}", slot)};
        const u64 base = slot == 0 ? 0 : !hasPrivate() && below(3) == 0 ? kMovedSlot : kSecondSlot;
        return {.verb = "set-memory-region",
                .gfn = base,
                .slot = slot,
                .arguments = fmt::format("{{id: {}, gpa: {:#x}, size: {}{}}}", slot, base << 12, slot == 0 ? "4M" : "2M",
                                         slot == 0      ? ", backing: " + backing_
                                         : hasPrivate() ? ", private: false"
                                                        : "")};
    }
    StreamOp host() {
        switch (below(hasPrivate() ? 20 : 15)) {
        case 0: return range("discard", 4);
        case 1: return range("migrate", 3);
        case 2: return range("protect", 3);
        case 3: return range("age", 4);
        case 4: return slotChange();
        case 5:
        case 6: {
            constexpr const char* kDo[] = {"start", "stop", "get", "clear"};
            const u64 what = below(4);
            return {.verb = "dirty-log", .arguments = fmt::format("{{id: {}, do: {}}}", hasPrivate() ? 1 : below(2), kDo[what])};
        }
        case 7:
            if (private2M_ && !nonBlocking_) // of a private one KVM warns
                return range("age", 4);
            return {.verb = "split-huge-pages", .arguments = below(2) == 0 ? "{level: 4K}" : "{gpa: 0, size: 2M}"};
        case 8: return {.verb = "recover-huge-pages"};
        case 9: return {.verb = "recover-nx-pages"};
        case 10: return {.verb = "zap-all"};
        case 11:
        case 12: {
            StreamOp op = range("pre-fault", 4);
            op.arguments.insert(1, fmt::format("vcpu: {}, ", below(vcpus_)));
            return op;
        }
        case 14:
            if (vm_ == VmType::Tdx)
                return {.verb = "inject", .arguments = "{seamcall: TDH.MEM.PAGE.AUG, status: TDX_OPERAND_BUSY, times: 1}"};
            return range("age", 8);
        case 13:
            if (inPlace_)
                return range(below(3) == 0 ? "pin-memory" : "unpin-memory", 2);
            return {.verb = "kernel", .arguments = fmt::format("{{call: kvm_tdp_mmu_test_age_gfn, gpa: {:#x}, size: 64K}}", page() << 12)};
        case 15: return private2M_ && below(4) == 0 ? large("punch-hole") : range("punch-hole", 3);
        default:
            return private2M_ && below(6) == 0 ? conversion(512 * below(2), 512, below(2) == 0)
                                               : someConversion(4, "set-memory-attributes");
        }
    }
    StreamOp step(int actor) {
        if (actor >= 0)
            return guest(actor);
        return host();
    }

    // Two to four actors, one or two steps each. One of them at most changes slots: else nobody could say what is there afterwards.
    Item race() {
        Item item;
        const u64 actors = 2 + below(3);
        bool slots = false;
        std::set<int> used;
        for (u64 a = 0; a < actors; ++a) {
            int actor = static_cast<int>(below(vcpus_ + 2)) - 2;
            if (!used.insert(actor).second)
                continue;
            for (u64 n = 1 + below(2); n > 0; --n) {
                StreamOp op = step(actor);
                const bool change = op.verb == "delete-memory-region" || op.verb == "set-memory-region";
                if ((change && slots) || op.verb == "inject")
                    continue;
                // A root that becomes invalid under a private fault, or while memory is pre-faulted: history has those.
                if (kernel_ != Kernel::Fixed && (change || op.verb == "zap-all"))
                    continue;
                slots |= change;
                op.actor = actor;
                item.push_back(op);
            }
        }
        if (item.empty())
            item.push_back(guest(0));
        return item;
    }
    std::string schedule(const Item& item) {
        std::string text;
        for (u64 n = below(14); n > 0; --n) {
            const u64 microSteps = 1 + below(40);
            text += fmt::format("{}{{{}: {}}}", text.empty() ? "" : ", ", actorName(item[below(item.size())].actor), microSteps);
        }
        return text;
    }

public:
    static std::string actorName(int actor) { return actor >= 0 ? fmt::format("vcpu{}", actor) : actor == -1 ? "host" : "host1"; }

private:
    std::mt19937_64 random_;
    VmType vm_;
    Kernel kernel_;
    bool dynamicPamt_, private2M_, nonBlocking_, inPlace_;
    u64 vcpus_ = 1;
    u64 value_ = 0;
    std::string backing_;
};

std::string textOf(const Stream& s) {
    std::string text = "mirrorscope: 1\nmachine: {" + s.machine + "}\nscript:\n";
    unsigned id = 0;
    const auto call = [](const StreamOp& op) { return op.arguments.empty() ? op.verb + ": {}" : op.verb + ": " + op.arguments; };
    for (std::size_t i = 0; i < s.items.size(); ++i) {
        const Item& item = s.items[i];
        if (item.size() == 1) {
            const StreamOp& op = item[0];
            text += op.actor >= 0 ? fmt::format("  - {{{}: {{{}}}, id: r{}}}\n", Generator::actorName(op.actor), call(op), id++)
                                  : fmt::format("  - {{{}, id: r{}}}\n", call(op), id++);
            continue;
        }
        text += "  - race:\n";
        std::set<int> actors;
        for (const StreamOp& op : item)
            actors.insert(op.actor);
        for (const int actor : actors) {
            std::string steps;
            for (const StreamOp& op : item)
                if (op.actor == actor)
                    steps += fmt::format("{}{{{}, id: r{}}}", steps.empty() ? "" : ", ", call(op), id++);
            text += fmt::format("      {}: [{}]\n", Generator::actorName(actor), steps);
        }
        if (!s.schedules[i].empty())
            text += fmt::format("      schedule: [{}]\n", s.schedules[i]);
    }
    return text;
}

struct Verdict {
    std::string complaint; // empty: all is well
    std::size_t item = 0;
    u64 steps = 0;
};

Verdict judge(const Stream& stream) {
    Verdict verdict;
    const Scenario scenario = bindScenario("stream.yaml", textOf(stream));
    Runner runner(scenario, {.maxSteps = 5'000'000});
    NaiveMemory memory(scenario.machine, stream.slots, stream.vm == VmType::Tdx || stream.vm == VmType::Snp);
    const auto outcome = [&](StreamOp op, const Step& step) {
        const auto result = step.result ? runner.system().result(*step.result) : std::nullopt;
        op.completed = result && result->kind == Outcome::Kind::Ok;
        op.found = result ? result->value : 0;
        return op;
    };
    try {
        for (std::size_t i = 0; i < stream.items.size() && verdict.complaint.empty(); ++i) {
            verdict.item = i;
            const Step& step = scenario.script[i];
            runner.runItem(step);
            if (step.verb != Verb::Race) {
                memory.alone(outcome(stream.items[i][0], step));
            } else {
                std::vector<StreamOp> ops;
                for (const auto& [actor, steps] : step.actors) {
                    std::size_t n = 0;
                    for (const StreamOp& op : stream.items[i])
                        if (Generator::actorName(op.actor) == runner.system().sim().actorName(actor))
                            ops.push_back(outcome(op, steps[n++]));
                }
                memory.together(ops);
            }
            memory.compare(runner.system());
            verdict.complaint = notNoticed(runner);
            for (const Violation& v : runner.checker().violations())
                if (verdict.complaint.size() < 1000)
                    verdict.complaint += std::string(info(v.rule).name) + ": " + v.text + "\n";
            for (const std::string& text : memory.complaints())
                verdict.complaint += "naive memory: " + text + "\n";
        }
        if (verdict.complaint.empty()) {
            runner.system().sim().startOver();
            runner.system().destroyVm();
            if (const u64 left = runner.system().frames().inUse(); left != 0)
                verdict.complaint = fmt::format("{} frames are left after destroy-vm", left);
        }
    } catch (const Stuck& stuck) {
        verdict.complaint = "stuck: " + std::string(stuck.what);
    } catch (const BoundReached& bound) {
        verdict.complaint = bound.what;
    }
    verdict.steps = runner.system().machine().steps();
    return verdict;
}

// Leaves out whatever it can while the stream still fails.
Stream minimal(Stream s) {
    for (std::size_t chunk = s.items.size() / 2; chunk > 0; chunk /= 2)
        for (std::size_t at = s.items.size(); at >= chunk + s.prologue; at -= chunk) {
            Stream shorter = s;
            const auto from = static_cast<std::ptrdiff_t>(at - chunk), to = static_cast<std::ptrdiff_t>(at);
            shorter.items.erase(shorter.items.begin() + from, shorter.items.begin() + to);
            shorter.schedules.erase(shorter.schedules.begin() + from, shorter.schedules.begin() + to);
            if (!judge(shorter).complaint.empty())
                s = shorter;
        }
    return s;
}

class RandomStreams : public testing::TestWithParam<VmType> {};

void streams(VmType vm, Kernel kernel, u64 total) {
    const u64 seed = propertySeed();
    u64 done = 0, runs = 0, micro = 0;
    for (; done < total; ++runs) {
        Stream stream = Generator(vm, seed + runs, kernel).stream(60);
        const Verdict verdict = judge(stream);
        micro += verdict.steps;
        for (const Item& item : stream.items)
            done += item.size();
        if (verdict.complaint.empty())
            continue;
        stream.items.resize(verdict.item + 1);
        stream.schedules.resize(verdict.item + 1);
        stream = minimal(stream);
        FAIL() << "seed " << seed + runs << ":\n" << verdict.complaint << "\nshortened:\n" << textOf(stream) << judge(stream).complaint;
    }
    std::cout << fmt::format("seed {}: {} streams, {} steps, {} micro-steps\n", seed, runs, done, micro);
}
} // namespace

TEST_P(RandomStreams, keep_every_rule_and_the_memory_that_a_naive_map_says) {
    streams(GetParam(), Kernel::Fixed, wanted("MIRRORSCOPE_RANDOM_STEPS", 4'000));
}

// The same in each later release.
TEST_P(RandomStreams, keep_every_rule_in_each_release) {
    const u64 total = wanted("MIRRORSCOPE_RANDOM_STEPS", 1'500);
    for (const Kernel kernel : {Kernel::V6_19, Kernel::V7_2, Kernel::Next}) {
        SCOPED_TRACE(name(kernel));
        streams(GetParam(), kernel, total);
    }
}

// The streams would be worth nothing if they found nothing: each of these bugs they meet soon.
TEST(BrokenStreams, are_noticed) {
    const std::pair<VmType, const char*> cases[] = {{VmType::Tdx, "no-freeze"},
                                                    {VmType::Tdx, "no-rollback"},
                                                    {VmType::Tdx, "skip-block"},
                                                    {VmType::Tdx, "skip-track"},
                                                    {VmType::Tdx, "skip-kick"},
                                                    {VmType::Tdx, "skip-track-kick"},
                                                    {VmType::Tdx, "ignore-invalidate-seq"},
                                                    {VmType::Tdx, "leaf-before-link"},
                                                    {VmType::Tdx, "stay-frozen"},
                                                    {VmType::Tdx, "ignore-root-filter"},
                                                    {VmType::Tdx, "keep-invalid-root"},
                                                    {VmType::Tdx, "free-before-remove"},
                                                    {VmType::Tdx, "next-after-restart"},
                                                    {VmType::Default, "skip-flush"},
                                                    {VmType::Default, "ignore-invalidate-seq"},
                                                    {VmType::Default, "keep-invalid-root"},
                                                    {VmType::Default, "free-without-rcu"}};
    for (const auto& [vm, broken] : cases) {
        const u64 seed = propertySeed();
        // free-without-rcu needs an actor just between its read of an entry and its way down: about one stream in a hundred.
        constexpr u64 kMost = 4000;
        u64 n = 0;
        std::string complaint;
        while (complaint.empty() && n < kMost)
            complaint = judge(Generator(vm, seed + n++).stream(60, broken)).complaint;
        EXPECT_FALSE(complaint.empty()) << broken << " was not noticed in " << n << " streams from seed " << seed;
        std::cout << fmt::format("{}: stream {}: {}\n", broken, n, complaint.substr(0, complaint.find('\n')));
    }
}

// What is lost is noticed where it is lost, whatever was left out of the protocol, and at the end of the VM.
TEST(BrokenStreams, lose_nothing_unnoticed) {
    const u64 seed = propertySeed();
    u64 n = 0, lost = 0, ran = 0;
    for (unsigned broken = 0; broken < kBreaks; ++broken)
        for (const VmType vm : {VmType::Tdx, VmType::Default})
            for (u64 k = 0; k < effort(3, 1); ++k, ++n) {
                const Stream stream = Generator(vm, seed + n).stream(60, std::string(info(static_cast<Break>(broken)).name));
                std::optional<Scenario> scenario;
                try {
                    scenario = bindScenario("stream.yaml", textOf(stream) + "  - destroy-vm\n");
                } catch (const InputError&) {
                    break; // it is of another kind of VM, or of a release
                }
                SCOPED_TRACE("seed " + std::to_string(seed + n));
                Runner runner(*scenario, {.maxSteps = 200'000});
                try {
                    for (const Step& step : scenario->script) {
                        runner.runItem(step);
                        ASSERT_EQ(notNoticed(runner), "") << textOf(stream);
                    }
                } catch (const Stuck&) {
                } catch (const BoundReached&) {
                }
                ++ran;
                const auto& found = runner.checker().violations();
                lost += std::any_of(found.begin(), found.end(), [](const Violation& v) { return v.rule == Rule::NoLeak; }) ? 1 : 0;
            }
    EXPECT_GT(ran, effort(120, 40));
    EXPECT_GT(lost, 0u);
}

std::string kindOfVm(const testing::TestParamInfo<VmType>& vm) {
    constexpr const char* kNames[] = {"ordinary", "sw_protected", "snp", "tdx"};
    return kNames[static_cast<unsigned>(vm.param)];
}
INSTANTIATE_TEST_SUITE_P(Every, RandomStreams, testing::Values(VmType::Default, VmType::SwProtected, VmType::Snp, VmType::Tdx), kindOfVm);

} // namespace mirrorscope::test
