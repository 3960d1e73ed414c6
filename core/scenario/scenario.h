// SPDX-License-Identifier: GPL-3.0-or-later
// A bound scenario: a machine, a script whose words are all understood, and what must hold.
#pragma once

#include "kvm/details.h"
#include "machine/config.h"
#include "scenario/diagnostic.h"
#include "scenario/verbs.h"
#include "scenario/yaml.h"
#include "sim/sim.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace mirrorscope {

struct Expectation {
    enum class Form : u8 { Tree, Result, Count, Tlb, Rmp, Violations, Violation };
    Form form = Form::Tree;
    unsigned line = 0;
    std::string text; // as written, for reports

    enum class Tree : u8 { Direct, Mirror, Secure };
    Tree tree = Tree::Mirror;
    u64 gpa = 0;
    std::optional<SpteState> spteState;
    std::optional<SeptState> septState;
    std::optional<Level> level;
    std::optional<bool> writable, executable, accessed, dirty;
    bool smm = false; // of a direct tree or a TLB: SMM's address space

    unsigned result = 0; // which result
    std::string resultId;
    std::optional<u64> value; // of a read
    std::string is;           // how it ended: "ok", "EIO", …; the state of an RMP entry
    std::optional<u32> operand;
    std::optional<Field> field; // of its details; `value` is then what it holds
    std::optional<u32> error;   // the errno beside an exit

    enum class Count : u8 { Counter, Site, Leaf };
    Count counted = Count::Counter;
    unsigned countId = 0;
    std::optional<u64> exactly, atLeast, atMost;

    unsigned vcpu = 0;
    Alias alias = Alias::Private;
    bool cached = true;

    Rule rule = Rule::Coherent;
};

struct PageRef {
    enum class Kind : u8 { New, Pfn, Of };
    Kind kind = Kind::New;
    u64 value = 0; // pfn or GPA
};

// An answer that `ask` offers. It is right if all that it says holds once the step behind the question has ended; one without
// conditions is right if it is the `answer`.
inline constexpr std::size_t kMostChoices = 64;
struct AskChoice {
    std::string text;
    std::vector<Expectation> when;
};

// One step after `repeat` and `include` were unfolded.
struct Step {
    Verb verb = Verb::Note;
    u32 index = 0; // flat number from 1; 0 stands for "no step"
    ActorId actor = 0;
    unsigned line = 0;
    std::string path; // "3" or "3.vcpu0.1"
    std::string id;
    std::optional<unsigned> result; // where its outcome is kept

    std::map<std::string, u64, std::less<>> numbers; // arguments by name
    std::map<std::string, PageRef, std::less<>> pages;
    std::string text; // note, question, leaf name
    std::vector<AskChoice> choices;
    std::string answer, why, hint;
    std::string content; // bytes that repeat over an image region
    std::vector<Expectation> expectations;

    // race
    std::vector<std::pair<ActorId, std::vector<Step>>> actors;
    struct ScheduleEntry {
        enum class Kind : u8 { Steps, UntilSite, Step, Done };
        ActorId actor = 0;
        Kind kind = Kind::Steps;
        u64 count = 1;
        Site site = Site::SpteRead;
        unsigned line = 0;
    };
    std::vector<ScheduleEntry> schedule;

    u64 number(std::string_view name, u64 fallback = 0) const {
        const auto it = numbers.find(name);
        return it == numbers.end() ? fallback : it->second;
    }
    bool has(std::string_view name) const { return numbers.find(name) != numbers.end(); }
};

// Why that step of the protocol cannot be left out in that release; empty if it can.
std::string cannotBeBroken(Break what, Kernel kernel);

// What the run says to a question: the choice that held (`right`: a bit for each), and why.
std::string answerText(const Step& question, u64 right);

// Does that hold of a step, or of one of a race's actors?
template <class Is>
bool anyStep(const std::vector<Step>& steps, Is&& is) {
    for (const Step& step : steps) {
        if (is(step))
            return true;
        for (const auto& [actor, own] : step.actors)
            if (anyStep(own, is))
                return true;
    }
    return false;
}

// The steps of a race are numbered without a gap: from its own number to this one.
inline u32 lastIndexOf(const Step& step) {
    u32 last = step.index;
    for (const auto& [actor, steps] : step.actors)
        for (const Step& inner : steps)
            last = std::max(last, lastIndexOf(inner));
    return last;
}

// What a call changes of what a file says.
struct Override {
    std::string key; // "machine.dispatch", or kVariant
    std::string value;
};
// `--variant NAME`: those machine keys and expectations.
inline constexpr std::string_view kVariant = "variant";

struct ScenarioVariant {
    std::string name;
    std::string text; // "{machine: {kernel: fixed}, expect: [{violations: 0}]}"
};

struct Scenario {
    std::string file;
    std::string source;              // the text as it was read
    std::vector<Override> overrides; // with which it was bound, in that order
    std::string title, about, reference;
    std::vector<std::string> tags;
    MachineConfig machine;
    // Every key of `machine` with its effective value, as text.
    std::vector<std::pair<std::string, std::string>> machineText;
    std::vector<Step> script;
    std::vector<Expectation> expectations;
    std::vector<Expectation> sometimes;
    std::vector<ScenarioVariant> variants; // that the file has, in its order
    unsigned results = 0;
    u32 steps = 0; // flat numbers 1 … steps
    // What some expectation counts of events is part of what a state is, up to where one more makes no difference to any of them.
    struct Counted {
        Expectation::Count what = Expectation::Count::Counter;
        unsigned id = 0;
        u64 most = 0;
    };
    std::vector<Counted> countedEvents;

    const Step* step(u32 index) const;
    // The variant that it is; empty: as it stands.
    std::string variant() const;
};

// Reads, checks and binds. Throws InputError.
Scenario loadScenario(const std::string& file, const std::vector<Override>& overrides = {});
Scenario bindScenario(const std::string& file, const std::string& text, const std::vector<Override>& overrides = {});
// The YAML that is bound: the file's, with the overrides in it.
YamlNode documentOf(const std::string& file, const std::string& text, const std::vector<Override>& overrides);

} // namespace mirrorscope
