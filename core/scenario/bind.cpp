// SPDX-License-Identifier: GPL-3.0-or-later
// The top of a scenario, and the values that all parts share.
#include "base/text.h"
#include "scenario/binder.h"

#include <algorithm>

namespace mirrorscope {

void Binder::fail(const YamlNode& at, const std::string& what) const { throw InputError(file_, at.line, at.column, what); }

void Binder::unknown(const YamlNode& at, const std::string& kind, std::span<const std::string_view> known) const {
    std::string what = "unknown " + kind + " `" + at.text + "`";
    if (const auto meant = nearest(at.text, known))
        what += "; did you mean `" + *meant + "`?";
    fail(at, what);
}

void Binder::needMap(const YamlNode& node, const std::string& what) const {
    if (node.kind != YamlNode::Kind::Map)
        fail(node, what + " is a mapping, not " + std::string(node.kindName()));
}

void Binder::onlyKeys(const YamlNode& node, std::initializer_list<std::string_view> keys, const std::string& where) const {
    for (const auto& [key, value] : node.entries)
        if (std::find(keys.begin(), keys.end(), key.text) == keys.end())
            unknown(key, "key", std::span(keys.begin(), keys.size()));
    (void)where;
}

const std::string& Binder::word(const YamlNode& node, const std::string& what) const {
    if (node.kind != YamlNode::Kind::Scalar)
        fail(node, what + " is a word, not " + std::string(node.kindName()));
    return node.text;
}

u64 Binder::number(const YamlNode& node, const std::string& what) const {
    if (node.kind != YamlNode::Kind::Scalar || node.quoted)
        fail(node, what + " is a number, not " + (node.kind == YamlNode::Kind::Scalar ? "text" : std::string(node.kindName())));
    const auto value = parseNumber(node.text);
    if (!value)
        fail(node, "`" + node.text + "` is no " + what + "; write decimal or 0x hex with an optional K, M, G or T");
    return *value;
}

bool Binder::boolean(const YamlNode& node) const {
    if (node.kind == YamlNode::Kind::Scalar && node.text == "true")
        return true;
    if (node.kind == YamlNode::Kind::Scalar && node.text == "false")
        return false;
    fail(node, "expected true or false" + (node.kind == YamlNode::Kind::Scalar ? ", not `" + node.text + "`" : std::string()));
}

Level Binder::level(const YamlNode& node) const {
    constexpr std::array<std::string_view, 5> names{"4K", "2M", "1G", "512G", "256T"};
    if (const auto l = levelFromName(word(node, "a level")))
        return *l;
    unknown(node, "level", names);
}

Alias Binder::alias(const YamlNode& node) const {
    constexpr std::array<std::string_view, 2> names{"private", "shared"};
    const std::string& text = word(node, "an alias");
    if (text == "private")
        return Alias::Private;
    if (text == "shared")
        return Alias::Shared;
    unknown(node, "alias", names);
}

std::string textOf(const YamlNode& node) {
    std::string text;
    switch (node.kind) {
    case YamlNode::Kind::Null: return "";
    case YamlNode::Kind::Scalar: return node.quoted ? "\"" + node.text + "\"" : node.text;
    case YamlNode::Kind::Sequence:
        for (const auto& item : node.items)
            text += (text.empty() ? "" : ", ") + textOf(item);
        return "[" + text + "]";
    case YamlNode::Kind::Map:
        for (const auto& [key, value] : node.entries)
            text += (text.empty() ? "" : ", ") + key.text + ": " + textOf(value);
        return "{" + text + "}";
    }
    return text;
}

// {NAME: {machine, expect, sometimes}}; what is in them is bound when one is chosen.
void Binder::variants(const YamlNode* node) {
    if (node == nullptr)
        return;
    needMap(*node, "variants");
    for (const auto& [name, variant] : node->entries) {
        if (name.text.empty())
            fail(name, "a variant has a name");
        const auto isCalledSo = [&called = name.text](const ScenarioVariant& v) { return v.name == called; };
        if (std::any_of(scenario_.variants.begin(), scenario_.variants.end(), isCalledSo))
            fail(name, "variant `" + name.text + "` stands twice");
        needMap(variant, "a variant");
        onlyKeys(variant, {"machine", "expect", "sometimes"}, "variant");
        if (const YamlNode* keys = variant.find("machine"))
            needMap(*keys, "machine");
        scenario_.variants.push_back({name.text, textOf(variant)});
    }
}

void Binder::bind(const YamlNode& root) {
    if (root.kind != YamlNode::Kind::Map)
        fail(root, "a scenario is a mapping that begins with `mirrorscope: 1`, not " + std::string(root.kindName()));
    constexpr std::array<std::string_view, 10> keys{"mirrorscope", "title",  "about",  "tags",      "reference",
                                                    "machine",     "script", "expect", "sometimes", "variants"};
    for (const auto& [key, value] : root.entries)
        if (std::find(keys.begin(), keys.end(), key.text) == keys.end())
            unknown(key, "key", keys);
    const YamlNode* version = root.find("mirrorscope");
    if (version == nullptr)
        fail(root, "`mirrorscope: 1` is missing: the language version");
    if (number(*version, "language version") != 1)
        fail(*version, "language version " + version->text + " is not known; this program reads version 1");

    const auto text = [&](const char* key, std::string& to) {
        if (const YamlNode* node = root.find(key))
            to = word(*node, key);
    };
    text("title", scenario_.title);
    text("about", scenario_.about);
    text("reference", scenario_.reference);
    if (const YamlNode* tags = root.find("tags")) {
        if (tags->kind != YamlNode::Kind::Sequence)
            fail(*tags, "tags are a list");
        for (const auto& tag : tags->items)
            scenario_.tags.push_back(word(tag, "a tag"));
    }
    variants(root.find("variants"));
    machine(root.find("machine"));

    const YamlNode* script = root.find("script");
    if (script == nullptr)
        fail(root, "`script` is missing: the list of steps");
    const Context context{static_cast<ActorId>(scenario_.machine.vcpus), false, false, 0};
    if (script->kind != YamlNode::Kind::Null)
        steps(*script, "", context, scenario_.script);
    if (const YamlNode* expect = root.find("expect"))
        expectations(*expect, scenario_.expectations);
    if (const YamlNode* sometimes = root.find("sometimes"))
        expectations(*sometimes, scenario_.sometimes);
    resolveResults();
    resolveGmemFiles();
    scenario_.results = static_cast<unsigned>(resultIds_.size());
}

namespace {
// `--set machine.vcpus=2`: the value replaces what the file says, or is added.
void apply(YamlNode& root, const Override& change) {
    YamlNode value = parseYaml("--set " + change.key, change.value);
    YamlNode* at = &root;
    std::string rest = change.key;
    while (true) {
        const auto dot = rest.find('.');
        const std::string key = rest.substr(0, dot);
        YamlNode* next = nullptr;
        for (auto& [k, v] : at->entries)
            if (k.text == key)
                next = &v;
        if (next == nullptr) {
            YamlNode name;
            name.kind = YamlNode::Kind::Scalar;
            name.text = key;
            name.line = at->line;
            name.column = at->column;
            at->kind = YamlNode::Kind::Map;
            at->entries.emplace_back(name, YamlNode{});
            next = &at->entries.back().second;
        }
        if (dot == std::string::npos) {
            value.line = next->line;
            value.column = next->column;
            *next = std::move(value);
            return;
        }
        at = next;
        rest = rest.substr(dot + 1);
    }
}
} // namespace

namespace {
// Its keys of `machine` in the place of those that stand there, and its expectations instead of all others of their kind.
void applyVariant(const std::string& file, YamlNode& root, const std::string& name) {
    const YamlNode* variants = root.find("variants");
    if (variants == nullptr || variants->kind != YamlNode::Kind::Map)
        throw InputError(file, 1, 1, "there is no variant `" + name + "`: the file has none");
    const YamlNode* chosen = variants->find(name);
    if (chosen == nullptr) {
        std::vector<std::string_view> known;
        for (const auto& [key, value] : variants->entries)
            known.push_back(key.text);
        const auto meant = nearest(name, known);
        throw InputError(file, variants->line, variants->column,
                         "there is no variant `" + name + "`" + (meant ? "; did you mean `" + *meant + "`?" : ""));
    }
    const YamlNode variant = *chosen;
    const auto put = [](YamlNode& map, const YamlNode& key, const YamlNode& value) {
        const auto at = std::find_if(map.entries.begin(), map.entries.end(), [&](const auto& e) { return e.first.text == key.text; });
        if (at != map.entries.end())
            at->second = value;
        else
            map.entries.emplace_back(key, value);
    };
    for (const auto& [key, value] : variant.entries) {
        if (key.text != "machine") {
            put(root, key, value);
            continue;
        }
        const YamlNode* machine = root.find("machine");
        YamlNode merged = machine == nullptr ? YamlNode{} : *machine;
        merged.kind = YamlNode::Kind::Map;
        for (const auto& [name_, value_] : value.entries)
            put(merged, name_, value_);
        put(root, key, merged);
    }
}
} // namespace

YamlNode documentOf(const std::string& file, const std::string& text, const std::vector<Override>& overrides) {
    YamlNode root = parseYaml(file, text);
    for (const auto& change : overrides) {
        if (root.kind != YamlNode::Kind::Map)
            break;
        if (change.key == kVariant)
            applyVariant(file, root, change.value);
        else
            apply(root, change);
    }
    return root;
}

Scenario bindScenario(const std::string& file, const std::string& text, const std::vector<Override>& overrides) {
    Scenario scenario;
    scenario.file = file;
    scenario.source = text;
    scenario.overrides = overrides;
    Binder(file, scenario).bind(documentOf(file, text, overrides));
    return scenario;
}

std::string Scenario::variant() const {
    for (std::size_t i = overrides.size(); i-- > 0;)
        if (overrides[i].key == kVariant)
            return overrides[i].value;
    return {};
}

Scenario loadScenario(const std::string& file, const std::vector<Override>& overrides) {
    return bindScenario(file, readFile(file), overrides);
}

namespace {
// Steps are numbered in the order of the text, those of a race after the race.
const Step* find(const std::vector<Step>& steps, u32 index) {
    const auto after =
        std::upper_bound(steps.begin(), steps.end(), index, [](u32 wanted, const Step& step) { return wanted < step.index; });
    if (after == steps.begin())
        return nullptr;
    const Step& step = *std::prev(after);
    if (step.index == index)
        return &step;
    for (const auto& [actor, list] : step.actors)
        if (const Step* found = find(list, index))
            return found;
    return nullptr;
}
} // namespace

const Step* Scenario::step(u32 index) const { return find(script, index); }

} // namespace mirrorscope
