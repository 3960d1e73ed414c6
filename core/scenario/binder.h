// SPDX-License-Identifier: GPL-3.0-or-later
// From a YAML tree to a bound scenario: every word is checked against the vocabulary tables.
#pragma once

#include "scenario/scenario.h"
#include "scenario/yaml.h"

#include <set>
#include <span>

namespace mirrorscope {

class Binder {
public:
    Binder(std::string file, Scenario& scenario) : file_(std::move(file)), scenario_(scenario) {}
    void bind(const YamlNode& root);

private:
    static constexpr unsigned kMaxSteps = 100000; // after `repeat` was unfolded

    [[noreturn]] void fail(const YamlNode& at, const std::string& what) const;
    // "unknown verb `punch-hol`; did you mean `punch-hole`?"
    [[noreturn]] void unknown(const YamlNode& at, const std::string& kind, std::span<const std::string_view> known) const;

    // ---- machine (bind_machine.cpp)
    void variants(const YamlNode* node);
    void machine(const YamlNode* node);
    YamlNode withPreset(const YamlNode& map) const;
    void slot(const YamlNode& node);
    bool machineKey(const std::string& key, const YamlNode& value);

    // ---- values
    u64 number(const YamlNode& node, const std::string& what) const;
    bool boolean(const YamlNode& node) const;
    const std::string& word(const YamlNode& node, const std::string& what) const;
    Level level(const YamlNode& node) const;
    Alias alias(const YamlNode& node) const;
    void needMap(const YamlNode& node, const std::string& what) const;
    void onlyKeys(const YamlNode& node, std::initializer_list<std::string_view> keys, const std::string& where) const;
    Kernel kernelOf(const YamlNode& node) const; // bind_machine.cpp
    void checkVersion(const YamlNode& map) const;
    template <class Names>
    unsigned oneOf(const YamlNode& node, const Names& names, const std::string& what) const;

    // ---- script (bind_script.cpp)
    struct Context {
        ActorId actor;
        bool inRace = false;
        bool fixedActor = false; // inside `actorN:`, where another actor cannot be named
        unsigned depth = 0;      // of includes and repeats
    };
    void steps(const YamlNode& list, const std::string& prefix, const Context& context, std::vector<Step>& out);
    void step(const YamlNode& node, const std::string& path, const Context& context, std::vector<Step>& out,
              const YamlNode* outerId = nullptr);
    void verbStep(const YamlNode& key, const YamlNode* value, const YamlNode* id, const std::string& path, const Context& context,
                  std::vector<Step>& out);
    void arguments(Step& step, const VerbInfo& verb, const YamlNode& key, const YamlNode* value);
    u64 oneWord(const YamlNode& value, std::span<const std::string_view> names, const std::string& what) const;
    void argument(Step& step, const ArgInfo& arg, const YamlNode& value);
    void checkPlace(Verb verb, const YamlNode& key, const Context& context);
    void checkStep(const Step& step, const YamlNode& key);
    void race(const YamlNode& node, const YamlNode* schedule, Step& step, const std::string& path);
    void schedule(const YamlNode& node, Step& step);
    void include(const YamlNode& value, const std::string& path, const Context& context, std::vector<Step>& out);
    std::optional<ActorId> actor(const YamlNode& key) const;
    void content(Step& step, const YamlNode& value);
    std::string besideFile(const YamlNode& value) const;
    unsigned resultSlot(const std::string& id);
    template <class Named>
    unsigned named(std::vector<Named>& list, const YamlNode& name, const std::string& one, const std::string& many);
    // A file of guest_memfd by its name, made known if it is not.
    unsigned gmemFile(const YamlNode& name);
    // A part of user space's memory that slots share, likewise; that slot reaches up to `end`, in bytes.
    unsigned memory(const YamlNode& name, const YamlNode* offset, u64 size);
    void checkGmem(const Step& step, const YamlNode& key);
    void resolveGmemFiles();
    Step& newStep(std::vector<Step>& out, const YamlNode& at, Verb verb, const std::string& path, const Context& context);

    // ---- expectations (bind_expect.cpp)
    void expectations(const YamlNode& node, std::vector<Expectation>& out);
    AskChoice choice(const YamlNode& node);
    Expectation expectation(const YamlNode& node);
    bool smmOf(const YamlNode& node) const; // does `smm: true` stand there?
    void resolveResults();

    std::string file_;
    Scenario& scenario_;
    std::map<std::string, unsigned> resultIds_;
    struct PendingResult {
        std::string id;
        YamlNode at;
    };
    std::vector<PendingResult> pendingResults_;
    std::set<std::string> given_; // machine keys that stand in the file
    std::set<std::string> including_;
    std::map<unsigned, YamlNode> gmemNames_; // where each file is named for the first time
    std::set<unsigned> gmemCreated_;         // by a step
    u64 runningValue_ = 1;
    u64 laterBytes_ = 0; // of the ranges that steps name where slots and attributes change
};

std::string textOf(const YamlNode& node); // as one line of flow YAML

} // namespace mirrorscope
