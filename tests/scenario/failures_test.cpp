// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever can fail fails once, at each of its calls in the shipped scenarios: every rule holds all the same, and after teardown no frame
// is left.
#include "scenario/evaluate.h"
#include "support/effort.h"
#include "support/run.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>

namespace mirrorscope::test {

namespace {
struct Failure {
    const char* name;
    std::function<bool(const Scenario&)> fits;
    std::function<void(System&, u64 after)> inject;
    std::function<bool(System&)> waits;
    std::set<Rule> allowed;             // what the kernel itself breaks once it has warned
    std::set<std::string> answers = {}; // how the step may end in which the failure is told; empty: it is not asked
};

// How each step ended, in order: "ENOMEM", "KVM_EXIT_MEMORY_FAULT EFAULT", "ok".
std::vector<std::pair<u32, std::string>> answersOf(const Runner& runner) {
    std::vector<std::pair<u32, std::string>> answers;
    const auto& marks = runner.system().sim().marks();
    for (std::size_t i = 0; i < marks.size(); ++i) {
        if (marks[i].kind != MarkKind::StepEnd || static_cast<Verb>(marks[i].code) == Verb::Race)
            continue;
        const Outcome outcome = outcomeOf(runner.system().sim(), i);
        std::string text = outcomeName(outcome);
        if (outcome.details.error != 0)
            text += " " + std::string(errnoName(static_cast<int>(outcome.details.error)));
        answers.emplace_back(marks[i].script, text);
    }
    return answers;
}

// The first step that ends otherwise than without the failure.
std::string firstOther(const Runner& runner, const std::vector<std::pair<u32, std::string>>& usual) {
    std::map<u32, std::string> expected(usual.begin(), usual.end());
    for (const auto& [step, answer] : answersOf(runner))
        if (expected[step] != answer)
            return answer;
    return "";
}

// Scenarios of the honest protocol that end by themselves soon, and in which nothing fails yet.
const std::vector<Scenario>& honest() {
    static const std::vector<Scenario> scenarios = [] {
        std::vector<Scenario> all;
        for (const char* folder : {"lessons", "races", "selftests"})
            for (const auto& file : someOf(shippedScenarios(folder))) {
                if (isOneFact(file))
                    continue;
                Scenario scenario = loadScenario(file.string());
                if (anyStep(scenario.script, [](const Step& step) { return step.verb == Verb::Inject; }))
                    continue;
                Runner runner(scenario, {.maxSteps = 12'000});
                if (runner.runAll() && runner.checker().violations().empty())
                    all.push_back(std::move(scenario));
            }
        return all;
    }();
    return scenarios;
}

void destroy(Runner& runner) {
    System& system = runner.system();
    if (system.kvm().peekVm(Kvm::VmWord::Destroyed) != 0)
        return;
    system.sim().startOver();
    system.sim().setActor(system.sim().hostActor());
    system.destroyVm();
    runner.quiet();
}

// v6.16: tdx_vcpu_init_mem_region() goes on when kvm_mmu_reload() had no memory for a root, and an entry that TDH.MEM.PAGE.ADD was to
// follow stays when that fails (6b5b71ffabf9 mends it).
bool knownOfTheKernel(const Scenario& scenario, const Failure& failure, const Violation& v) {
    // From v6.19 on nothing pins a page that the module did not give back: its file frees it (ce7b5695397b says so).
    if (scenario.machine.since(Kernel::V6_19) && v.rule == Rule::SingleOwner &&
        (failure.name == std::string_view("TDH.MEM.RANGE.BLOCK") || failure.name == std::string_view("TDH.MEM.PAGE.REMOVE")))
        return true;
    // Nor one of a leaf that could not be split.
    if (scenario.machine.has(Feature::Private2M) && v.rule == Rule::SingleOwner &&
        (failure.name == std::string_view("TDH.MEM.TRACK") || failure.name == std::string_view("TDH.MEM.PAGE.DEMOTE")))
        return true;
    // Who waits for user space to bring a page waits for ever when user space had no memory for it.
    if (failure.name == std::string_view("allocation") && v.rule == Rule::Progress && v.text.find("host.fault") != std::string::npos)
        return true;
    if (failure.name == std::string_view("TDH.MEM.PAGE.ADD") && v.rule == Rule::Coherent)
        return true;
    return v.rule == Rule::KernelAsserts && (v.text.find("v6.16 ignores that kvm_mmu_reload() failed") != std::string::npos ||
                                             v.text.find("no root, or one of no level") != std::string::npos);
}

// How often it was tried.
unsigned failAtEach(const Scenario& scenario, const Failure& failure) {
    if (!failure.fits(scenario))
        return 0;
    std::vector<std::pair<u32, std::string>> answers;
    if (!failure.answers.empty()) {
        Runner usual(scenario, {.maxSteps = 60'000});
        usual.runAll();
        answers = answersOf(usual);
    }
    for (unsigned after = 0;; ++after) {
        Runner runner(scenario, {.maxSteps = 60'000});
        System& system = runner.system();
        failure.inject(system, after);
        const std::string where = fmt::format("{}: {} number {}", scenario.file, failure.name, after);
        try {
            runner.runAll();
            EXPECT_FALSE(runner.bounded()) << where << ": " << runner.stopped();
            if (failure.waits(system))
                return after;
            // EIO: KVM_SEV_SNP_LAUNCH_UPDATE's word for all that fails, and KVM_TDX_INIT_MEM_REGION's without a root (see above).
            const bool launches = scenario.machine.snpLaunch || !runner.checker().violations().empty();
            if (!failure.answers.empty()) {
                const std::string answer = firstOther(runner, answers);
                EXPECT_TRUE(answer.empty() || failure.answers.contains(answer) || (launches && answer == "EIO"))
                    << where << ": a step ended with " << answer;
            }
            destroy(runner);
        } catch (const std::exception& error) {
            ADD_FAILURE() << where << ": " << error.what();
            return after;
        }
        const auto& violations = runner.checker().violations();
        // Once the kernel has warned, or bugged the VM, what follows from that may follow.
        const bool excused =
            !violations.empty() && (violations.front().rule == Rule::KernelAsserts || violations.front().rule == Rule::ModuleAgrees);
        for (const Violation& v : violations)
            EXPECT_TRUE(knownOfTheKernel(scenario, failure, v) || (excused && failure.allowed.count(v.rule) != 0))
                << where << ": " << info(v.rule).name << ": " << v.text;
        if (failure.allowed.empty()) {
            EXPECT_EQ(system.frames().inUse(), 0u) << where;
        }
    }
    return 0;
}

const Failure kFailures[] = {
    {"allocation",
     [](const Scenario&) { return true; },
     [](System& s, u64 after) { s.frames().injectFailure(1, after); },
     [](System& s) { return s.frames().failureWaits(); },
     {},
     {"ENOMEM", "KVM_EXIT_MEMORY_FAULT ENOMEM", "EFAULT", "SIGBUS", "ok"}},
    {"host fault",
     [](const Scenario&) { return true; },
     [](System& s, u64 after) { s.kvm().injectHostFault(kEFAULT, std::nullopt, 1, after); },
     [](System& s) { return s.kvm().hostFaultWaits(); },
     {},
     {"EFAULT", "SIGSEGV"}},
    {"poison",
     [](const Scenario&) { return true; },
     [](System& s, u64 after) { s.kvm().injectHostFault(kEHWPOISON, std::nullopt, 1, after); },
     [](System& s) { return s.kvm().hostFaultWaits(); },
     {},
     {"EINTR", "KVM_EXIT_INTR EINTR", "SIGBUS"}},
    {"RMPUPDATE",
     [](const Scenario& s) { // what a raw step was to do and did not do, KVM knows nothing of
         return s.machine.vm == VmType::Snp && !anyStep(s.script, [](const Step& step) { return step.verb == Verb::Rmpupdate; });
     },
     [](System& s, u64 after) { s.injectRmpupdate(RmpStatus::FailInUse, 1, after); },
     [](System& s) { return s.rmp().injectionWaits(); },
     {Rule::KernelAsserts, Rule::SingleOwner, Rule::Progress},
     {"KVM_EXIT_MEMORY_FAULT EINVAL", "EINVAL", "EIO", "ok"}},
};
} // namespace

class Failures : public testing::TestWithParam<unsigned> {};

TEST_P(Failures, break_no_rule_and_lose_no_frame) {
    const std::vector<Scenario>& scenarios = honest();
    EXPECT_GE(scenarios.size(), effort(40, 10));
    const Failure& failure = kFailures[GetParam()];
    unsigned tried = 0;
    for (const Scenario& scenario : scenarios)
        tried += failAtEach(scenario, failure);
    RecordProperty("tried", static_cast<int>(tried));
    std::cout << failure.name << ": " << tried << " points of " << scenarios.size() << " scenarios\n";
    EXPECT_GE(tried, effort(6, 0));
}

INSTANTIATE_TEST_SUITE_P(Each, Failures, testing::Range(0u, static_cast<unsigned>(std::size(kFailures))));

// TDH leaves, busy and with an error: KVM may bug the VM over it (module-agrees says so), and nothing else happens.
TEST(Failures, of_each_SEAMCALL_are_those_that_KVM_expects) {
    unsigned tried = 0;
    for (const Scenario& scenario : honest()) {
        if (scenario.machine.vm != VmType::Tdx)
            continue;
        for (const u64 status : {tdx::status(tdx::OPERAND_INVALID, tdx::RCX), tdx::status(tdx::OPERAND_BUSY, tdx::RCX)})
            for (unsigned leaf = 0; leaf < kLeaves; ++leaf) {
                const Failure failure{info(static_cast<Leaf>(leaf)).name.data(),
                                      [](const Scenario& s) { return s.machine.vm == VmType::Tdx; },
                                      [&](System& s, u64 after) { s.module().inject(static_cast<Leaf>(leaf), status, 1, after); },
                                      [&](System& s) { return s.module().injectionWaits(static_cast<Leaf>(leaf)); },
                                      {Rule::ModuleAgrees, Rule::KernelAsserts, Rule::Coherent, Rule::NoLeak}};
                tried += failAtEach(scenario, failure);
            }
    }
    std::cout << tried << " points\n";
    EXPECT_GT(tried, effort(100, 20));
}

} // namespace mirrorscope::test
