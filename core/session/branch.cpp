// SPDX-License-Identifier: GPL-3.0-or-later
#include "session/branch.h"

#include "base/text.h"
#include "scenario/yaml_write.h"
#include "tdx/module/leaves.h"

#include <fmt/format.h>

#include <algorithm>

namespace mirrorscope {

namespace {
// "3.vcpu0.1" stands in item 3 of the script; "1.299.0" in round 299 of a repeat.
std::vector<std::string> parts(const std::string& path) {
    std::vector<std::string> list;
    for (std::size_t at = 0; at <= path.size();) {
        const std::size_t dot = std::min(path.find('.', at), path.size());
        list.push_back(path.substr(at, dot - at));
        at = dot + 1;
    }
    return list;
}

struct Extent {
    u64 begin = ~u64{0}, end = 0;
    bool any() const { return begin < end; }
    void add(const std::optional<std::pair<u64, u64>>& other) {
        if (!other)
            return;
        begin = std::min(begin, other->first);
        end = std::max(end, other->second);
    }
};

Extent extentOf(const Session& session, const Step& step) {
    Extent extent;
    extent.add(session.extent(step.index));
    for (const auto& [actor, list] : step.actors)
        for (const Step& inner : list)
            extent.add(session.extent(inner.index));
    return extent;
}

std::string item(const std::string& flow) { return "  - " + flow + "\n"; }
std::string flowOf(const WhatIf& what) { return what.step.find(':') == std::string::npos ? what.step : "{" + what.step + "}"; }
std::string onActor(const WhatIf& what) {
    return what.actor == "host"
               ? flowOf(what)
               : "{" + what.actor + ": " + (what.step.find(':') == std::string::npos ? what.step : "{" + what.step + "}") + "}";
}

// Of a step in the middle: who does what, as a race writes it.
std::string withoutActor(const YamlNode& node) {
    if (node.kind == YamlNode::Kind::Map)
        for (const auto& [key, value] : node.entries)
            if (key.text.starts_with("vcpu") || key.text.starts_with("host"))
                return flowText(value);
    return flowText(node);
}
// Without the questions inside of it; nothing if that was all.
std::optional<YamlNode> withoutQuestions(const YamlNode& node) {
    if (node.kind == YamlNode::Kind::Map && node.find("ask") != nullptr)
        return std::nullopt;
    YamlNode rest = node;
    rest.items.clear();
    rest.entries.clear();
    for (const YamlNode& item : node.items)
        if (auto kept = withoutQuestions(item))
            rest.items.push_back(std::move(*kept));
    for (const auto& [key, value] : node.entries)
        if (auto kept = withoutQuestions(value))
            rest.entries.emplace_back(key, std::move(*kept));
    const bool emptied = node.kind == YamlNode::Kind::Map        ? !node.entries.empty() && rest.entries.empty()
                         : node.kind == YamlNode::Kind::Sequence ? !node.items.empty() && rest.items.empty()
                                                                 : false;
    return emptied ? std::nullopt : std::optional(std::move(rest));
}
std::string itemOf(const YamlNode& node) {
    const auto rest = withoutQuestions(node);
    return rest ? item(flowText(*rest)) : "";
}
// What an actor of a race has begun by a position; what the script lets it do later is left out.
std::vector<std::string> begunBy(const Session& session, const Step& race, const std::string& actor, const YamlNode& list, u64 position) {
    std::vector<const YamlNode*> nodes;
    if (list.kind == YamlNode::Kind::Sequence)
        for (const YamlNode& node : list.items)
            nodes.push_back(&node);
    else
        nodes.push_back(&list);
    std::size_t begun = nodes.size();
    for (const auto& [id, steps] : race.actors)
        if (session.actorName(id) == actor && steps.size() == nodes.size()) {
            begun = 0;
            for (std::size_t i = 0; i < steps.size(); ++i)
                if (const auto extent = session.extent(steps[i].index); extent && extent->first < position)
                    begun = i + 1;
        }
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < begun; ++i)
        if (const auto rest = withoutQuestions(*nodes[i]))
            texts.push_back(flowText(*rest));
    return texts;
}
} // namespace

std::string whyNoWhatIf(const Session& session) {
    for (const Step& step : session.scenario().script) {
        const auto extent = step.verb == Verb::DestroyVm ? session.extent(step.index) : std::nullopt;
        if (extent && extent->first < session.position() && session.position() < extent->second)
            return "nothing else can happen in the middle of `destroy-vm`: who destroys a VM is alone with it";
    }
    return {};
}

std::vector<WhatIf> whatIfs(const Session& session, u64 gpa, bool shared) {
    std::vector<WhatIf> list;
    if (!whyNoWhatIf(session).empty())
        return list;
    const MachineConfig& machine = session.scenario().machine;
    const bool alias = machine.vm == VmType::Tdx || machine.vm == VmType::Snp;
    const std::string at = hex(gpa), as = alias ? (shared ? ", as: shared" : ", as: private") : "";
    for (unsigned v = 0; v < std::min(machine.vcpus, 8u); ++v) {
        const std::string vcpu = "vcpu" + std::to_string(v);
        for (const auto& [verb, does] : {std::pair{"read", "reads"}, {"write", "writes"}, {"exec", "executes"}})
            list.push_back({vcpu, fmt::format("{}: {{gpa: {}{}}}", verb, at, as), fmt::format("{} {} here", vcpu, does)});
        if (alias && !shared)
            list.push_back({vcpu, fmt::format("accept: {{gpa: {}}}", at), vcpu + " accepts here"});
        if (alias) {
            list.push_back({vcpu, fmt::format("map-gpa: {{gpa: {}, size: 4K, as: shared}}", at), vcpu + " converts it to shared"});
            list.push_back({vcpu, fmt::format("map-gpa: {{gpa: {}, size: 4K, as: private}}", at), vcpu + " converts it to private"});
        }
    }
    const auto host = [&](const std::string& step, const std::string& text) { list.push_back({"host", step, text}); };
    if (machine.hasPrivateMem()) {
        host(fmt::format("punch-hole: {{gpa: {}, size: 4K}}", at), "the host punches a hole here");
        host(fmt::format("set-memory-attributes: {{gpa: {}, size: 4K, as: shared}}", at), "the host makes it shared");
        host(fmt::format("set-memory-attributes: {{gpa: {}, size: 4K, as: private}}", at), "the host makes it private");
        host(fmt::format("pre-fault: {{vcpu: 0, gpa: {}, size: 4K}}", at), "the host pre-faults it");
    }
    if (machine.has(Feature::InPlaceConversion)) {
        host(fmt::format("host-write: {{gpa: {}}}", at), "user space writes through its mapping of the file");
        host(fmt::format("pin-memory: {{gpa: {}, size: 4K}}", at), "a device holds its page");
    }
    host(fmt::format("discard: {{gpa: {}, size: 4K}}", at), "the host discards its page");
    host(fmt::format("migrate: {{gpa: {}, size: 4K}}", at), "the host migrates its page");
    host(fmt::format("protect: {{gpa: {}, size: 4K}}", at), "the host write-protects its page");
    host(fmt::format("age: {{gpa: {}, size: 4K}}", at), "the host ages its page");
    host("zap-all", "the host zaps all roots");
    host(fmt::format("kernel: {{call: kvm_tdp_mmu_zap_leafs, gpa: {}, size: 4K}}", at), "kvm_tdp_mmu_zap_leafs() here");
    if (machine.vm == VmType::Tdx)
        for (const LeafInfo& leaf : leafTable())
            if (!leaf.guest && leaf.rcx == Operand::GpaLevel)
                host(fmt::format("seamcall: {{leaf: {}, gpa: {}{}}}", leaf.name, at, leaf.minLevel > 0 ? ", level: 2M" : ""),
                     fmt::format("SEAMCALL {}", leaf.name));
    return list;
}

std::string branchOf(const Session& session, u64 position, const WhatIf& what) {
    const Scenario& scenario = session.scenario();
    const YamlNode document = documentOf(scenario.file, scenario.source, scenario.overrides);
    const std::string title = scenario.title.empty() ? scenario.file : scenario.title;
    std::string out = fmt::format("mirrorscope: 1\ntitle: {}\nabout: {}",
                                  flowText(yamlScalar(title + ": what if " + (what.text.empty() ? what.step : what.text), true)),
                                  blockText(fmt::format("The same as \"{}\" up to position {}; then {}.", title, position,
                                                        what.text.empty() ? what.step : what.text)));
    // Effective values, as far as the file or --set gave them.
    if (const YamlNode* machine = document.find("machine"))
        out += "machine: " + flowText(*machine) + "\n";
    out += "script:\n";
    const YamlNode* script = document.find("script");
    const auto top = [&](const Step& step) { return static_cast<std::size_t>(std::stoul(parts(step.path)[0])); };
    bool branched = false;
    std::size_t race = 0;
    for (std::size_t i = 0; script != nullptr && i < script->items.size() && !branched; ++i) {
        const YamlNode& node = script->items[i];
        Extent whole;
        std::vector<const Step*> steps;
        for (const Step& step : scenario.script)
            if (top(step) == i) {
                steps.push_back(&step);
                const Extent e = extentOf(session, step);
                if (e.any()) {
                    whole.begin = std::min(whole.begin, e.begin);
                    whole.end = std::max(whole.end, e.end);
                }
            }
        if (whole.any() && whole.begin >= position)
            break;
        const bool isExpect = node.kind == YamlNode::Kind::Map && node.find("expect") != nullptr;
        if (!whole.any() || whole.end <= position) {
            if (!isExpect)
                out += itemOf(node);
            for (const Step* step : steps)
                race += step->verb == Verb::Race ? 1 : 0;
            continue;
        }
        // The position lies inside of this item.
        const YamlNode* repeat = node.kind == YamlNode::Kind::Map ? node.find("repeat") : nullptr;
        const YamlNode* body = repeat != nullptr ? repeat->find("do") : nullptr;
        for (const Step* step : steps) {
            const Extent e = extentOf(session, *step);
            const auto path = parts(step->path);
            const YamlNode* source = &node;
            if (body != nullptr && path.size() >= 3 && std::stoul(path[2]) < body->items.size())
                source = &body->items[std::stoul(path[2])];
            const bool includes = node.kind == YamlNode::Kind::Map && node.find("include") != nullptr;
            if (includes) {
                out += item(flowText(node)); // an included file is taken whole
                break;
            }
            if (e.any() && e.begin >= position)
                break;
            if (!e.any() || e.end <= position) {
                if (body != nullptr)
                    out += itemOf(*source);
                race += step->verb == Verb::Race ? 1 : 0;
                continue;
            }
            branched = true;
            if (step->verb == Verb::Race) {
                const YamlNode* actors = source->find("race");
                out += "  - race:\n";
                bool joined = false;
                for (const auto& [key, value] : actors->entries) {
                    if (key.text == "schedule")
                        continue;
                    std::string list;
                    for (const std::string& one : begunBy(session, *step, key.text, value, position))
                        list += (list.empty() ? "" : ", ") + one;
                    if (key.text == what.actor) {
                        list += (list.empty() ? "" : ", ") + flowOf(what);
                        joined = true;
                    }
                    if (!list.empty())
                        out += "      " + key.text + ": [" + list + "]\n";
                }
                if (!joined)
                    out += "      " + what.actor + ": [" + flowOf(what) + "]\n";
                out += "    schedule:\n";
                const auto orders = session.ordersUpTo(position);
                if (race < orders.size())
                    for (const auto& [actor, count] : orders[race])
                        out += fmt::format("      - {{{}: {}}}\n", actor, count);
                out += fmt::format("      - {{{}: done}}\n", what.actor);
                break;
            }
            const std::string actor = session.actorName(step->actor);
            if (actor == what.actor) {
                // One actor does one thing after the other.
                out += item(flowText(*source)) + item(onActor(what));
                break;
            }
            u64 taken = 0;
            for (u64 n = e.begin; n < position; ++n)
                taken += session.stepBrief(n).first == step->actor ? 1 : 0;
            out += fmt::format("  - race:\n      {}: [{}]\n      {}: [{}]\n    schedule:\n      - {{{}: {}}}\n      - {{{}: done}}\n",
                               actor, withoutActor(*source), what.actor, flowOf(what), actor, taken, what.actor);
            break;
        }
    }
    if (!branched)
        out += item(onActor(what));
    return out;
}

std::string playground(const std::string& title, const std::vector<std::pair<std::string, std::string>>& machine) {
    std::string out = fmt::format("mirrorscope: 1\ntitle: {}\nabout: |\n  A machine to play with: right-click an address, or Ctrl+I, and "
                                  "let somebody do something there.\nmachine:\n",
                                  flowText(yamlScalar(title, true)));
    for (const auto& [key, value] : machine)
        out += fmt::format("  {}: {}\n", key, value);
    return out + "script: []\n";
}

} // namespace mirrorscope
