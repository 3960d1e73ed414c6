// SPDX-License-Identifier: GPL-3.0-or-later
#include "export/vocabulary.h"

#include "base/text.h"
#include "base/vocab.h"
#include "kvm/asserts.h"
#include "scenario/verbs.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace mirrorscope {

namespace {
using Json = nlohmann::ordered_json;

// One entry: the name, then text that wraps in a column of its own.
std::string entry(std::string_view name, std::string_view help) {
    constexpr std::size_t kIndent = 24;
    std::string first = "  " + std::string(name);
    first += first.size() + 1 > kIndent ? "\n" + std::string(kIndent, ' ') : std::string(kIndent - first.size(), ' ');
    return wrapped(std::string(help), first, kIndent);
}

std::string_view whereName(VerbInfo::Where where) {
    switch (where) {
    case VerbInfo::Where::Guest: return "guest";
    case VerbInfo::Where::Host: return "host";
    case VerbInfo::Where::Flow: return "flow";
    }
    return "";
}

std::vector<std::pair<std::string_view, Operand>> operandsOf(const LeafInfo& leaf) {
    std::vector<std::pair<std::string_view, Operand>> list;
    for (const auto& [reg, operand] :
         {std::pair{"RCX", leaf.rcx}, std::pair{"RDX", leaf.rdx}, std::pair{"R8", leaf.r8}, std::pair{"R9", leaf.r9}})
        if (operand != Operand::None)
            list.emplace_back(reg, operand);
    return list;
}

// "4K to 2M"; empty for a leaf that names no level.
std::string levelsOf(const LeafInfo& leaf) {
    if (leaf.rcx != Operand::GpaLevel)
        return "";
    const std::string low(levelName(levelOf(leaf.minLevel + 1u)));
    if (leaf.maxLevel > 4)
        return low + " to the top of the tree";
    const std::string high(levelName(levelOf(leaf.maxLevel + 1u)));
    return low == high ? low : low + " to " + high;
}

std::string verbsText() {
    std::string out;
    for (const auto& [where, title] : {std::pair{VerbInfo::Where::Guest, "Guest verbs, on a vCPU"},
                                       std::pair{VerbInfo::Where::Host, "Host verbs"}, std::pair{VerbInfo::Where::Flow, "Flow"}}) {
        out += std::string(title) + "\n";
        for (unsigned i = 0; i < kVerbs; ++i) {
            const VerbInfo& verb = info(static_cast<Verb>(i));
            if (verb.where != where)
                continue;
            std::string args;
            for (const ArgInfo& arg : verb.args)
                args += (args.empty() ? " {" : ", ") + std::string(arg.name);
            out += entry(verb.name, std::string(verb.help) + (args.empty() ? "" : ":" + args + "}"));
        }
        out += "\n";
    }
    out += "Keys of `machine`\n";
    for (const MachineKey& key : machineKeys())
        out += entry(key.name, std::string(key.help) + ": " + std::string(key.values) +
                                   (key.fallback.empty() ? "" : " (" + std::string(key.fallback) + ")"));
    out += "\nValues of `break`\n";
    for (unsigned i = 0; i < kBreaks; ++i)
        out += entry(info(static_cast<Break>(i)).name, info(static_cast<Break>(i)).help);
    return out;
}

Json verbsJson() {
    Json list = Json::array();
    for (unsigned i = 0; i < kVerbs; ++i) {
        const VerbInfo& verb = info(static_cast<Verb>(i));
        Json args = Json::array();
        for (const ArgInfo& arg : verb.args)
            args.push_back({{"name", arg.name}, {"type", typeName(arg.type)}, {"required", arg.required}, {"help", arg.help}});
        list.push_back({{"name", verb.name}, {"kind", "verb"}, {"where", whereName(verb.where)}, {"args", args}, {"help", verb.help}});
    }
    for (const MachineKey& key : machineKeys())
        list.push_back({{"name", key.name}, {"kind", "machine"}, {"values", key.values}, {"default", key.fallback}, {"help", key.help}});
    for (unsigned i = 0; i < kBreaks; ++i) {
        const BreakInfo& b = info(static_cast<Break>(i));
        list.push_back({{"name", b.name}, {"kind", "break"}, {"help", b.help}});
    }
    return list;
}
} // namespace

std::string vocabularyText(Vocabulary what) {
    std::string out;
    switch (what) {
    case Vocabulary::Sites:
        for (unsigned i = 0; i < kSites; ++i) {
            const SiteInfo& site = info(static_cast<Site>(i));
            out += entry(site.name, std::string(site.help) + " [" + std::string(site.where) + "]");
        }
        return out;
    case Vocabulary::Verbs: return verbsText();
    case Vocabulary::Rules:
        for (unsigned i = 0; i < kRules; ++i)
            out += entry(info(static_cast<Rule>(i)).name, info(static_cast<Rule>(i)).help);
        out += "\nWhat kernel-asserts hears\n";
        for (unsigned i = 0; i < kAsserts; ++i) {
            const AssertInfo& row = info(static_cast<Assert>(i));
            out += entry(std::string(row.function) + "()", fmt::format("{}: {}", name(row.kind), conditionText(row)));
        }
        return out;
    }
    return out;
}

std::string vocabularyJson(Vocabulary what) {
    Json list = Json::array();
    switch (what) {
    case Vocabulary::Sites:
        for (unsigned i = 0; i < kSites; ++i) {
            const SiteInfo& site = info(static_cast<Site>(i));
            list.push_back({{"name", site.name}, {"where", site.where}, {"help", site.help}});
        }
        break;
    case Vocabulary::Verbs: list = verbsJson(); break;
    case Vocabulary::Rules:
        for (unsigned i = 0; i < kRules; ++i) {
            const RuleInfo& rule = info(static_cast<Rule>(i));
            list.push_back({{"name", rule.name}, {"help", rule.help}});
            if (rule.id != Rule::KernelAsserts)
                continue;
            for (unsigned a = 0; a < kAsserts; ++a) {
                const AssertInfo& row = info(static_cast<Assert>(a));
                list.back()["asserts"].push_back(
                    {{"function", row.function}, {"kind", name(row.kind)}, {"condition", row.condition}, {"meaning", row.meaning}});
            }
        }
        break;
    }
    return list.dump(1) + "\n";
}

std::string seamcallsText(std::optional<Leaf> only) {
    std::string out;
    for (const LeafInfo& leaf : leafTable()) {
        if (only && leaf.leaf != *only)
            continue;
        std::string operands;
        for (const auto& [reg, operand] : operandsOf(leaf))
            operands += (operands.empty() ? "" : ", ") + std::string(reg) + " " +
                        (operand == Operand::GpaLevel ? "gpa and level" : std::string(name(operand)));
        out += std::string(leaf.name) + " (" + std::to_string(leaf.number) + "): " + std::string(leaf.help) + "\n";
        out += entry("operands", operands.empty() ? "none" : operands);
        if (const std::string levels = levelsOf(leaf); !levels.empty())
            out += entry("levels", levels);
        out += entry("op_state", leaf.opStates);
        out += entry("locks", leaf.locks);
    }
    return out;
}

std::string seamcallsJson(std::optional<Leaf> only) {
    Json list = Json::array();
    for (const LeafInfo& leaf : leafTable()) {
        if (only && leaf.leaf != *only)
            continue;
        Json operands = Json::array();
        for (const auto& [reg, operand] : operandsOf(leaf))
            operands.push_back({{"register", reg}, {"name", operand == Operand::GpaLevel ? "gpa, level" : std::string(name(operand))}});
        list.push_back({{"leaf", leaf.name},
                        {"number", leaf.number},
                        {"function", leaf.function},
                        {"guest", leaf.guest},
                        {"operands", operands},
                        {"levels", levelsOf(leaf)},
                        {"op_states", leaf.opStates},
                        {"locks", leaf.locks},
                        {"help", leaf.help}});
    }
    return list.dump(1) + "\n";
}

} // namespace mirrorscope
