// SPDX-License-Identifier: GPL-3.0-or-later
#include "review/review.h"

#include "review/tables.h"
#include "scenario/presets.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>

namespace mirrorscope {

namespace {
using Names = std::span<const std::string_view>;
constexpr std::array<std::string_view, 1> kOperation{"operation"}, kCause{"cause"}, kLeaf{"leaf"}, kBreak{"break"}, kRule{"rule"};
constexpr std::array<std::string_view, 2> kVmDispatch{"vm", "dispatch"}, kVmLock{"vm", "beside"}, kAgainst{"against", "what"};
constexpr std::array<std::string_view, 4> kTransition{"old", "new", "lock", "root"};
constexpr std::array<std::string_view, 1> kKernel{"kernel"};

constexpr std::array<ReviewInfo, kReviewKinds> kTable{{
    {ReviewKind::Dispatch, "dispatch", "Who decides that the private table must follow?",
     "Each operation under each dispatch on each kind of VM: was the private table updated exactly when it had to be? right; missed: a "
     "change of the mirror was not carried over; needless: the private table was told of what no mirror has; broken: a rule was; n/a: "
     "there is no such operation there.",
     kOperation, kVmDispatch},
    {ReviewKind::Transitions, "transitions", "Which change of an entry may meet handle_changed_spte()?",
     "A row is a call of handle_changed_spte(old, new). legal: on an ordinary root no BUG or WARN fires. reached: an ioctl, a guest or a "
     "worker makes it. attempted: it was asked for and refused before the entry changed. bug: a BUG or a WARN fires, in what reaches it "
     "or, where nothing does, when it is made by force.",
     kTransition, kKernel},
    {ReviewKind::Seamcalls, "seamcalls", "Which SEAMCALL is in the way of which?",
     "While a leaf runs, what another one that comes meanwhile is answered (against), and what KVM does when the leaf itself is answered "
     "TDX_OPERAND_BUSY (kvm).",
     kLeaf, kAgainst},
    {ReviewKind::Faults, "faults", "What does a fault end with?",
     "Each cause of a fault, with nobody beside it, with another vCPU at the same page, and with the host doing what concerns that page: "
     "every result that any interleaving gives.",
     kCause, kVmLock},
    {ReviewKind::Rules, "rules", "Which rule notices a step that is left out?",
     "Each value of `break` with the rules that notice it, and the smallest race in which they do.", kBreak, kRule},
}};

constexpr auto kNames = [] {
    std::array<std::string_view, kReviewKinds> names{};
    for (unsigned i = 0; i < kReviewKinds; ++i)
        names[i] = kTable[i].name;
    return names;
}();

std::string joined(const std::vector<std::string>& words) { return fmt::format("{}", fmt::join(words, " ")); }
} // namespace

const ReviewInfo& info(ReviewKind kind) { return kTable[static_cast<unsigned>(kind)]; }
std::span<const std::string_view> reviewNames() { return kNames; }
std::optional<ReviewKind> reviewFromName(std::string_view name) {
    const auto* at = std::find(kNames.begin(), kNames.end(), name);
    return at == kNames.end() ? std::nullopt : std::optional(static_cast<ReviewKind>(at - kNames.begin()));
}

std::optional<bool> ReviewCell::fact(std::string_view name) const {
    const auto at = std::find_if(facts.begin(), facts.end(), [&](const auto& f) { return f.first == name; });
    return at == facts.end() ? std::nullopt : at->second;
}
std::string ReviewCell::rowText() const { return joined(row); }
std::string ReviewCell::columnText() const { return joined(column); }

ReviewTable review(ReviewKind kind, const ReviewOptions& options) {
    switch (kind) {
    case ReviewKind::Dispatch: return review_tables::dispatch(options);
    case ReviewKind::Transitions: return review_tables::transitions(options);
    case ReviewKind::Seamcalls: return review_tables::seamcalls(options);
    case ReviewKind::Faults: return review_tables::faults(options);
    case ReviewKind::Rules: return review_tables::rules(options);
    case ReviewKind::Count_: break;
    }
    return {};
}

namespace review_tables {

bool wanted(const ReviewOptions& options, const std::string& row) {
    return options.only.empty() || row.find(options.only) != std::string::npos;
}

bool work(const ReviewOptions& options, std::size_t count, const std::function<void(std::size_t)>& each) {
    std::atomic<std::size_t> done = 0;
    std::atomic<bool> whole = true;
    const auto one = [&](std::size_t i) {
        if (options.cancelled && options.cancelled()) {
            whole = false;
            return;
        }
        each(i);
        if (options.progress)
            options.progress(++done, count);
    };
    if (options.forEach)
        options.forEach(count, one);
    else
        for (std::size_t i = 0; i < count; ++i)
            one(i);
    return whole;
}

std::vector<std::string> shippedFiles(const ReviewOptions& options) {
    const auto asked = [&](const std::string& file) {
        return options.files.empty() || std::any_of(options.files.begin(), options.files.end(),
                                                    [&](const std::string& name) { return file.find(name) != std::string::npos; });
    };
    std::vector<std::string> files;
    std::error_code error;
    for (std::filesystem::recursive_directory_iterator it(scenarioFolder(), error), end; !error && it != end; it.increment(error))
        if (it->path().extension() == ".yaml" && asked(it->path().generic_string()))
            files.push_back(it->path().string());
    std::sort(files.begin(), files.end());
    return files;
}

std::vector<Scenario> honestScenarios(const ReviewOptions& options) {
    std::vector<Scenario> scenarios;
    for (const std::string& file : shippedFiles(options)) {
        try {
            Scenario scenario = loadScenario(file, {{"machine.kernel", std::string(name(options.kernel))}});
            const auto meddles = [](const Step& step) {
                return step.verb == Verb::Kernel || step.verb == Verb::Seamcall || step.verb == Verb::Inject ||
                       step.verb == Verb::Rmpupdate || step.verb == Verb::Psmash;
            };
            if (scenario.machine.breaks.none() && scenario.machine.dispatch == Dispatch::Role && !anyStep(scenario.script, meddles))
                scenarios.push_back(std::move(scenario));
        } catch (const InputError&) {
            // a scenario of another version of the language is none of these
        }
    }
    return scenarios;
}

std::string ofKernel(std::string text, Kernel kernel) {
    constexpr std::string_view kMachine = "machine: {";
    if (const std::size_t at = text.find(kMachine); kernel != Kernel::V6_16 && at != std::string::npos)
        text.insert(at + kMachine.size(), fmt::format("kernel: {}, ", name(kernel)));
    return text;
}

Scenario ownScenario(const std::string& text) { return bindScenario("review", text); }

ExploreOptions exploration(const ReviewOptions& options) {
    ExploreOptions explore;
    explore.all = true;
    explore.maxTransitions = options.maxTransitions;
    explore.cancelled = options.cancelled;
    explore.prepare = options.prepare;
    return explore;
}

std::string witnessText(const Scenario& scenario, const Counterexample& example) {
    return scenario.source.find("include:") != std::string::npos ? "" : scenarioOf(scenario, example);
}

void notThere(ReviewCell& cell, std::string why) {
    cell.outcome = "n/a";
    cell.why = std::move(why);
}

} // namespace review_tables

} // namespace mirrorscope
