// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/text.h"
#include "kvm/kvm.h"
#include "scenario/binder.h"
#include "snp/rmp.h"
#include "tdx/module/data.h"
#include "tdx/module/leaves.h"

#include <algorithm>

namespace mirrorscope {

void Binder::expectations(const YamlNode& node, std::vector<Expectation>& out) {
    if (node.kind == YamlNode::Kind::Sequence) {
        for (const auto& item : node.items)
            out.push_back(expectation(item));
        return;
    }
    out.push_back(expectation(node));
}

// What `ask` offers says what must hold, too.
AskChoice Binder::choice(const YamlNode& node) {
    AskChoice choice;
    if (node.kind != YamlNode::Kind::Map) {
        choice.text = word(node, "a choice");
        return choice;
    }
    onlyKeys(node, {"text", "expect"}, "a choice");
    const YamlNode* text = node.find("text");
    const YamlNode* when = node.find("expect");
    if (text == nullptr)
        fail(node, "a choice needs `text`");
    choice.text = word(*text, "a choice");
    if (when != nullptr)
        expectations(*when, choice.when);
    return choice;
}

bool Binder::smmOf(const YamlNode& node) const {
    const YamlNode* smm = node.find("smm");
    if (smm != nullptr && scenario_.machine.hasPrivateMem())
        fail(*smm, "a VM with private memory has no address space of SMM");
    return smm != nullptr && boolean(*smm);
}

Expectation Binder::expectation(const YamlNode& node) {
    needMap(node, "an expectation");
    Expectation e;
    e.line = node.line;
    e.text = textOf(node);
    const auto has = [&](const char* key) { return node.find(key) != nullptr; };
    const auto gpa = [&] {
        if (!has("gpa"))
            fail(node, "this expectation needs `gpa`");
        e.gpa = number(*node.find("gpa"), "address");
    };
    if (has("tree")) {
        e.form = Expectation::Form::Tree;
        const YamlNode& tree = *node.find("tree");
        constexpr std::array<std::string_view, 3> trees{"direct", "mirror", "secure"};
        const auto found = std::find(trees.begin(), trees.end(), word(tree, "tree"));
        if (found == trees.end())
            unknown(tree, "tree", trees);
        e.tree = static_cast<Expectation::Tree>(found - trees.begin());
        if (e.tree != Expectation::Tree::Direct && scenario_.machine.vm != VmType::Tdx)
            fail(tree, "a `" + std::string(name(scenario_.machine.vm)) + "` VM has no " + tree.text + " tree");
        gpa();
        const bool secure = e.tree == Expectation::Tree::Secure;
        if (secure)
            onlyKeys(node, {"tree", "gpa", "is", "level"}, "expect");
        else
            onlyKeys(node, {"tree", "gpa", "is", "level", "writable", "executable", "accessed", "dirty", "smm"}, "expect");
        if (const YamlNode* is = node.find("is")) {
            word(*is, "state");
            if (secure && !(e.septState = septStateFromName(is->text)))
                unknown(*is, "state", septStateNames());
            if (!secure && !(e.spteState = spteStateFromName(is->text)))
                unknown(*is, "state", spteStateNames());
        }
        e.smm = smmOf(node);
        if (const YamlNode* l = node.find("level"))
            e.level = level(*l);
        const std::pair<const char*, std::optional<bool>*> flags[] = {
            {"writable", &e.writable}, {"executable", &e.executable}, {"accessed", &e.accessed}, {"dirty", &e.dirty}};
        for (const auto& [key, to] : flags)
            if (const YamlNode* value = node.find(key))
                *to = boolean(*value);
    } else if (has("result")) {
        e.form = Expectation::Form::Result;
        onlyKeys(node, {"result", "is", "value", "operand", "field", "register", "errno"}, "expect");
        e.resultId = word(*node.find("result"), "id");
        pendingResults_.push_back({e.resultId, *node.find("result")});
        e.result = resultSlot(e.resultId);
        if (const YamlNode* value = node.find("value"))
            e.value = number(*value, "word");
        if (const YamlNode* is = node.find("is")) {
            e.is = word(*is, "result");
            std::vector<std::string> known{"ok", "#VE", "#VC", "SIGBUS", "SIGSEGV"};
            known.insert(known.end(), rmpStatusNames().begin(), rmpStatusNames().end());
            for (const auto error : errnoNames())
                known.emplace_back(error);
            for (unsigned i = 1; i < static_cast<unsigned>(KvmExit::Count_); ++i)
                known.emplace_back(name(static_cast<KvmExit>(i)));
            for (int i = 0; i <= RET_PF_SPURIOUS; ++i)
                known.emplace_back(retPfName(i));
            for (const auto status : tdx::statusNames())
                known.push_back("TDX_" + std::string(status));
            if (e.is == "TDX_SUCCESS")
                fail(*is, "success is written `ok`");
            const std::vector<std::string_view> views(known.begin(), known.end());
            if (std::find(known.begin(), known.end(), e.is) == known.end())
                unknown(*is, "result", views);
        }
        if (const YamlNode* operand = node.find("operand")) {
            u32 id = 0;
            if (!tdx::operandFromName(word(*operand, "operand"), id))
                unknown(*operand, "operand", tdx::operandNames());
            e.operand = id;
        }
        if (has("field") && has("register"))
            fail(*node.find("register"), "an expectation asks for a field or for a register");
        for (const char* kind : {"field", "register"}) {
            const YamlNode* which = node.find(kind);
            if (which == nullptr)
                continue;
            const auto known = kind == std::string_view("field") ? fieldNames() : registerNames();
            if (std::find(known.begin(), known.end(), word(*which, kind)) == known.end())
                unknown(*which, kind, known);
            e.field = fieldFromName(which->text);
            if (!e.value)
                fail(*which, std::string("say what the ") + kind + " holds: `value`");
        }
        if (const YamlNode* error = node.find("errno")) {
            const auto known = errnoNames();
            e.error = errnoFromName(word(*error, "errno"));
            if (!e.error)
                unknown(*error, "errno", known);
        }
        if (!has("is") && !e.value && !e.operand && !e.error)
            fail(node, "say what the result is: `is`, `value`, `operand`, `field`, `register` or `errno`");
    } else if (has("count")) {
        e.form = Expectation::Form::Count;
        onlyKeys(node, {"count", "is", "at-least", "at-most"}, "expect");
        const YamlNode& what = *node.find("count");
        const std::string& text = word(what, "what is counted");
        bool found = false, events = false;
        for (unsigned i = 0; i < kCounters && !found; ++i)
            if (info(static_cast<Counter>(i)).name == text) {
                e.counted = Expectation::Count::Counter;
                e.countId = i;
                events = i < kEventCounters;
                found = true;
            }
        if (const auto site = siteFromName(text); site && !found) {
            e.counted = Expectation::Count::Site;
            e.countId = static_cast<unsigned>(*site);
            events = found = true;
        }
        if (const auto leaf = leafFromName(text); leaf && !found) {
            e.counted = Expectation::Count::Leaf;
            e.countId = static_cast<unsigned>(*leaf);
            events = found = true;
        }
        if (!found) {
            std::vector<std::string_view> known(siteNames().begin(), siteNames().end());
            known.insert(known.end(), leafNames().begin(), leafNames().end());
            for (unsigned i = 0; i < kCounters; ++i)
                known.push_back(info(static_cast<Counter>(i)).name);
            unknown(what, "count", known);
        }
        const std::pair<const char*, std::optional<u64>*> bounds[] = {{"is", &e.exactly}, {"at-least", &e.atLeast}, {"at-most", &e.atMost}};
        bool any = false;
        for (const auto& [key, to] : bounds)
            if (const YamlNode* value = node.find(key)) {
                *to = number(*value, "count");
                any = true;
            }
        if (!any)
            fail(node, "say how many: `is`, `at-least` or `at-most`");
        if (events) {
            const u64 most = std::max({e.exactly.value_or(0), e.atLeast.value_or(0), e.atMost.value_or(0)});
            auto& counted = scenario_.countedEvents;
            auto at = std::find_if(counted.begin(), counted.end(),
                                   [&](const Scenario::Counted& c) { return c.what == e.counted && c.id == e.countId; });
            if (at == counted.end())
                at = counted.insert(at, {e.counted, e.countId, 0});
            at->most = std::max(at->most, most == ~u64{0} ? most : most + 1);
        }
    } else if (has("tlb")) {
        e.form = Expectation::Form::Tlb;
        onlyKeys(node, {"tlb", "gpa", "as", "is", "smm"}, "expect");
        e.smm = smmOf(node);
        const YamlNode& who = *node.find("tlb");
        word(who, "vCPU");
        const auto vcpu = actor(who);
        if (!vcpu || *vcpu >= scenario_.machine.vcpus)
            fail(who, "`" + who.text + "` is no vCPU of this machine");
        e.vcpu = *vcpu;
        gpa();
        if (const YamlNode* as = node.find("as"))
            e.alias = alias(*as);
        constexpr std::array<std::string_view, 2> states{"cached", "empty"};
        const YamlNode* is = node.find("is");
        if (is == nullptr)
            fail(node, "say what it is: cached or empty");
        if (word(*is, "state") != "cached" && is->text != "empty")
            unknown(*is, "state", states);
        e.cached = is->text == "cached";
    } else if (has("rmp")) {
        e.form = Expectation::Form::Rmp;
        onlyKeys(node, {"rmp", "is", "level"}, "expect");
        if (scenario_.machine.vm != VmType::Snp)
            fail(node, "only an SNP machine has an RMP");
        e.gpa = number(*node.find("rmp"), "address");
        constexpr std::array<std::string_view, 4> states{"none", "host", "assigned", "validated"};
        const YamlNode* is = node.find("is");
        if (is == nullptr)
            fail(node, "say what it is: none, host, assigned or validated");
        if (std::find(states.begin(), states.end(), word(*is, "state")) == states.end())
            unknown(*is, "state", states);
        e.is = is->text;
        if (const YamlNode* l = node.find("level"))
            e.level = level(*l);
    } else if (has("violations")) {
        e.form = Expectation::Form::Violations;
        onlyKeys(node, {"violations"}, "expect");
        e.exactly = number(*node.find("violations"), "count");
    } else if (has("violation")) {
        e.form = Expectation::Form::Violation;
        onlyKeys(node, {"violation"}, "expect");
        const auto rule = ruleFromName(word(*node.find("violation"), "rule"));
        if (!rule)
            unknown(*node.find("violation"), "rule", ruleNames());
        e.rule = *rule;
    } else {
        constexpr std::array<std::string_view, 7> forms{"tree", "result", "count", "tlb", "rmp", "violations", "violation"};
        if (node.entries.empty())
            fail(node, "an empty expectation");
        unknown(node.entries[0].first, "form of expect", forms);
    }
    return e;
}

void Binder::resolveResults() {
    // An id that only expectations name belongs to no step.
    std::set<std::string> defined;
    const auto collect = [&](const auto& self, const std::vector<Step>& steps) -> void {
        for (const Step& step : steps) {
            if (!step.id.empty())
                defined.insert(step.id);
            for (const auto& [who, list] : step.actors)
                self(self, list);
        }
    };
    collect(collect, scenario_.script);
    for (const auto& pending : pendingResults_)
        if (!defined.contains(pending.id)) {
            std::vector<std::string_view> known(defined.begin(), defined.end());
            unknown(pending.at, "id", known);
        }
}

} // namespace mirrorscope
