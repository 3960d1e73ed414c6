// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/text.h"
#include "scenario/binder.h"
#include "scenario/kernel_calls.h"
#include "snp/rmp.h"
#include "tdx/module/data.h"
#include "tdx/module/leaves.h"

#include <algorithm>
#include <filesystem>

namespace mirrorscope {

std::optional<ActorId> Binder::actor(const YamlNode& key) const {
    const std::string& text = key.text;
    const unsigned vcpus = scenario_.machine.vcpus;
    const auto digits = [&](std::size_t from) -> std::optional<unsigned> {
        if (from >= text.size() || text.size() - from > 3 ||
            !std::all_of(text.begin() + static_cast<long>(from), text.end(), [](char c) { return c >= '0' && c <= '9'; }))
            return std::nullopt;
        return static_cast<unsigned>(std::stoul(text.substr(from)));
    };
    if (text.starts_with("vcpu")) {
        if (const auto n = digits(4)) {
            if (*n >= vcpus)
                fail(key, "`" + text + "` is not there: the machine has " + std::to_string(vcpus) +
                              (vcpus == 1 ? " vCPU, vcpu0" : " vCPUs, vcpu0..vcpu" + std::to_string(vcpus - 1)));
            return static_cast<ActorId>(*n);
        }
    }
    if (text == "host")
        return static_cast<ActorId>(vcpus);
    if (text.starts_with("host")) {
        if (const auto n = digits(4)) {
            if (*n == 0 || *n >= Sim::kHosts)
                fail(key, "`" + text + "` is not there: the host's actors are host, host1..host" + std::to_string(Sim::kHosts - 1));
            return static_cast<ActorId>(vcpus + *n);
        }
    }
    return std::nullopt;
}

unsigned Binder::resultSlot(const std::string& id) {
    return resultIds_.emplace(id, static_cast<unsigned>(resultIds_.size())).first->second;
}

Step& Binder::newStep(std::vector<Step>& out, const YamlNode& at, Verb verb, const std::string& path, const Context& context) {
    if (++scenario_.steps > kMaxSteps)
        fail(at, "the script has more than " + std::to_string(kMaxSteps) + " steps");
    Step step;
    step.verb = verb;
    step.index = scenario_.steps;
    step.actor = context.actor;
    step.line = at.line;
    step.path = path;
    out.push_back(std::move(step));
    return out.back();
}

void Binder::steps(const YamlNode& list, const std::string& prefix, const Context& context, std::vector<Step>& out) {
    if (list.kind != YamlNode::Kind::Sequence)
        fail(list, "expected a list of steps, not " + std::string(list.kindName()));
    for (std::size_t i = 0; i < list.items.size(); ++i)
        step(list.items[i], (prefix.empty() ? "" : prefix + ".") + std::to_string(i), context, out);
}

void Binder::step(const YamlNode& node, const std::string& path, const Context& context, std::vector<Step>& out, const YamlNode* outerId) {
    if (node.kind == YamlNode::Kind::Scalar) {
        verbStep(node, nullptr, outerId, path, context, out);
        return;
    }
    if (node.kind != YamlNode::Kind::Map || node.entries.empty())
        fail(node, "a step is a verb or a mapping `verb: arguments`, not " + std::string(node.kindName()));
    const YamlNode* id = outerId; // `vcpu0: {read: 0}` may carry its id inside or beside
    const YamlNode* schedule = nullptr;
    const std::pair<YamlNode, YamlNode>* main = nullptr;
    for (const auto& entry : node.entries) {
        if (entry.first.text == "id") {
            if (id != nullptr)
                fail(entry.first, "this step has an id already");
            id = &entry.second;
        } else if (entry.first.text == "schedule")
            schedule = &entry.second;
        else if (main == nullptr)
            main = &entry;
        else
            fail(entry.first, "a step has one verb; `" + main->first.text + "` stands here already");
    }
    if (main == nullptr)
        fail(node, "a step needs a verb");
    const auto& [key, value] = *main;
    if (schedule != nullptr && key.text != "race")
        fail(*schedule, "`schedule` belongs to a race");
    if (const auto who = actor(key)) {
        if (context.fixedActor)
            fail(key, "an actor cannot name another one here");
        Context inner = context;
        inner.actor = *who;
        inner.fixedActor = true;
        if (value.kind == YamlNode::Kind::Sequence) {
            if (id != nullptr)
                fail(*id, "`id` belongs to one step, not to the list of `" + key.text + "`");
            steps(value, path + "." + key.text, inner, out);
        } else {
            step(value, path, inner, out, id);
        }
        return;
    }
    if (key.text == "race") {
        if (context.fixedActor || context.inRace)
            fail(key, "a race stands in the script itself, not inside of an actor");
        Step& raceStep = newStep(out, key, Verb::Race, path, context);
        const std::size_t at = out.size() - 1;
        Step copy = std::move(raceStep);
        race(value, schedule, copy, path);
        out[at] = std::move(copy);
        return;
    }
    verbStep(key, &value, id, path, context, out);
}

void Binder::verbStep(const YamlNode& key, const YamlNode* value, const YamlNode* id, const std::string& path, const Context& context,
                      std::vector<Step>& out) {
    const auto verb = verbFromName(key.text);
    if (!verb) {
        std::vector<std::string_view> known(verbNames().begin(), verbNames().end());
        known.insert(known.end(), {"vcpu0", "host"});
        unknown(key, "verb", known);
    }
    const VerbInfo& what = info(*verb);
    if (what.where == VerbInfo::Where::Guest && context.actor >= scenario_.machine.vcpus)
        fail(key, "`" + key.text + "` is done by a guest: write `vcpu0: {" + key.text + ": …}`");
    if (*verb == Verb::Race)
        fail(key, "a race is a mapping of actors");
    if (*verb == Verb::Repeat || *verb == Verb::Include) {
        if (context.depth >= 16)
            fail(key, "`" + key.text + "` is nested too deeply");
        if (value == nullptr)
            fail(key, "`" + key.text + "` needs arguments");
        Context inner = context;
        ++inner.depth;
        if (*verb == Verb::Include) {
            include(*value, path, inner, out);
            return;
        }
        needMap(*value, "repeat");
        onlyKeys(*value, {"times", "do"}, "repeat");
        const YamlNode* times = value->find("times");
        const YamlNode* body = value->find("do");
        if (times == nullptr || body == nullptr)
            fail(*value, "repeat needs `times` and `do`");
        const u64 n = number(*times, "count");
        for (u64 i = 0; i < n; ++i) {
            const u32 before = scenario_.steps;
            steps(*body, path + "." + std::to_string(i), inner, out);
            if (scenario_.steps == before)
                break; // an empty body, however often
        }
        return;
    }
    checkPlace(*verb, key, context);
    Step& made = newStep(out, key, *verb, path, context);
    Step step = std::move(made);
    const std::size_t at = out.size() - 1;
    if (id != nullptr) {
        step.id = word(*id, "id");
        step.result = resultSlot(step.id);
    }
    arguments(step, what, key, value);
    checkStep(step, key);
    out[at] = std::move(step);
}

std::string Binder::besideFile(const YamlNode& value) const {
    namespace fs = std::filesystem;
    const fs::path name = word(value, "a file name");
    const fs::path base = fs::path(file_).parent_path();
    // Never outside of the scenario's own root: the directory of the outermost file.
    const fs::path rooted = (base / name).lexically_normal();
    const fs::path relative = rooted.lexically_relative(base.empty() ? fs::path(".") : base.lexically_normal());
    if (name.is_absolute() || relative.empty() || *relative.begin() == "..")
        fail(value, "`" + name.string() + "` leads outside of the scenario's directory");
    std::error_code error;
    const fs::path real = fs::weakly_canonical(fs::absolute(rooted), error);
    const fs::path realBase = fs::weakly_canonical(fs::absolute(base.empty() ? fs::path(".") : base), error);
    const fs::path realRelative = real.lexically_relative(realBase);
    if (error || realRelative.empty() || *realRelative.begin() == "..")
        fail(value, "`" + name.string() + "` leads outside of the scenario's directory");
    return rooted.string();
}

void Binder::include(const YamlNode& value, const std::string& path, const Context& context, std::vector<Step>& out) {
    const std::string file = besideFile(value);
    if (!including_.insert(file).second)
        fail(value, "`" + value.text + "` includes itself");
    std::string text;
    try {
        text = readFile(file);
    } catch (const InputError& error) {
        fail(value, "`" + value.text + "` " + error.message);
    }
    const YamlNode root = parseYaml(file, text);
    const std::string outer = std::exchange(file_, file);
    const YamlNode* list = root.kind == YamlNode::Kind::Map ? root.find("script") : &root;
    if (list == nullptr)
        fail(root, "an included file is a list of steps, or has a `script`");
    steps(*list, path, context, out);
    file_ = outer;
    including_.erase(file);
}

void Binder::content(Step& step, const YamlNode& value) {
    if (value.kind == YamlNode::Kind::Map) {
        onlyKeys(value, {"file"}, "content");
        const YamlNode* file = value.find("file");
        if (file == nullptr)
            fail(value, "content is a byte, a quoted string of hex digits, or {file: NAME}");
        const std::string name = besideFile(*file);
        try {
            step.content = readFile(name);
        } catch (const InputError& error) {
            fail(*file, "`" + file->text + "` " + error.message);
        }
        // A file is as long as it is; what comes after it is zero.
        step.numbers["content-file"] = 1;
        return;
    }
    if (value.kind != YamlNode::Kind::Scalar)
        fail(value, "content is a byte, a quoted string of hex digits, or {file: NAME}");
    if (!value.quoted) {
        const u64 byte = number(value, "byte");
        if (byte > 255)
            fail(value, "a byte is 0..255; quote the value to give hex digits");
        step.content.assign(1, static_cast<char>(byte));
        return;
    }
    const std::string& hexDigits = value.text;
    if (hexDigits.empty() || hexDigits.size() % 2 != 0 || hexDigits.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos)
        fail(value, "`" + hexDigits + "` is no even number of hex digits");
    for (std::size_t i = 0; i < hexDigits.size(); i += 2)
        step.content.push_back(static_cast<char>(std::stoul(hexDigits.substr(i, 2), nullptr, 16)));
}

u64 Binder::oneWord(const YamlNode& value, std::span<const std::string_view> names, const std::string& what) const {
    const auto found = std::find(names.begin(), names.end(), word(value, what));
    if (found == names.end())
        unknown(value, what, names);
    return static_cast<u64>(found - names.begin());
}

void Binder::argument(Step& step, const ArgInfo& arg, const YamlNode& value) {
    const std::string name(arg.name);
    if (const ArgWords* known = argWords(arg.type, name)) {
        step.numbers[name] = oneWord(value, known->words, std::string(known->what));
        return;
    }
    switch (arg.type) {
    case ArgType::Address: step.numbers[name] = number(value, "address"); break;
    case ArgType::Size: step.numbers[name] = number(value, "size"); break;
    case ArgType::Number:
    case ArgType::Operand: step.numbers[name] = number(value, "number"); break;
    case ArgType::SlotId: {
        const u64 id = number(value, "slot id");
        if (id > 0xffffffff)
            fail(value, "a slot id has 32 bits");
        step.numbers[name] = id;
        break;
    }
    case ArgType::Count: {
        const u64 n = number(value, "count");
        if (n == 0 && name != "times")
            fail(value, "`" + name + "` is at least 1");
        step.numbers[name] = n;
        break;
    }
    case ArgType::Alias: step.numbers[name] = alias(value) == Alias::Shared; break;
    case ArgType::Level: step.numbers[name] = mirrorscope::number(level(value)); break;
    case ArgType::Order:
    case ArgType::Access:
    case ArgType::RootTypes: break; // words
    case ArgType::Bool: step.numbers[name] = boolean(value); break;
    case ArgType::Name:
        if (name == "leaf" || name == "seamcall") {
            const auto leaf = leafFromName(word(value, "a leaf"));
            if (!leaf)
                unknown(value, "leaf", leafNames());
            if (info(*leaf).guest)
                fail(value, "`" + value.text + "` is a TDCALL; a guest executes it by `accept`");
            step.numbers["leaf"] = static_cast<u64>(*leaf);
            step.text = value.text;
        } else if (name == "status") {
            u64 status = 0;
            if (!tdx::statusFromName(word(value, "a status"), status))
                unknown(value, "status", tdx::statusNames());
            step.numbers["status"] = status;
        } else if (name == "alloc") {
            oneWord(value, std::array<std::string_view, 1>{"fail"}, "way");
            step.numbers[name] = 1;
        } else if (name == "rmpupdate") {
            const auto known = rmpStatusNames().first(4);
            step.numbers[name] = static_cast<u64>(*rmpStatusFromName(known[oneWord(value, known, "answer of RMPUPDATE")]));
        } else if (name == "do") {
            constexpr std::array<std::string_view, 2> ring{"collect", "reset"}, uffd{"register", "copy"};
            step.numbers[name] = step.verb == Verb::Gmem        ? oneWord(value, kGmemWays, "way")
                                 : step.verb == Verb::DirtyRing ? oneWord(value, ring, "way")
                                 : step.verb == Verb::Userfaultfd
                                     ? oneWord(value, uffd, "way")
                                     : oneWord(value, std::array<std::string_view, 4>{"start", "stop", "get", "clear"}, "way");
        } else if (name == "file" || name == "gmem") {
            step.numbers[name] = gmemFile(value);
        } else if (name == "memory") {
            step.numbers[name] = 0; // bound below, with its size
        } else if (name == "call") {
            const auto names = kernelCallNames();
            step.numbers[name] = oneWord(value, names, "kernel function");
            step.text = value.text;
        }
        break;
    case ArgType::Text:
        (name == "question" ? step.text : name == "answer" ? step.answer : name == "hint" ? step.hint : step.why) = word(value, name);
        break;
    case ArgType::Content: content(step, value); break;
    case ArgType::PageRef: {
        PageRef ref;
        if (value.kind == YamlNode::Kind::Map) {
            onlyKeys(value, {"of"}, name);
            if (value.find("of") == nullptr)
                fail(value, "a page is new, a pfn, or {of: GPA}");
            ref = {PageRef::Kind::Of, number(*value.find("of"), "address")};
        } else if (value.kind != YamlNode::Kind::Scalar || value.text != "new") {
            ref = {PageRef::Kind::Pfn, number(value, "page: new, a pfn, or {of: GPA}")};
        }
        step.pages[name] = ref;
        break;
    }
    case ArgType::Special:
        if (value.kind != YamlNode::Kind::Sequence)
            fail(value, "`" + name + "` is a list");
        if (value.items.empty() || value.items.size() > kMostChoices)
            fail(value, "`" + name + "` has 1.." + std::to_string(kMostChoices) + " of them");
        for (const auto& item : value.items)
            step.choices.push_back(choice(item));
        break;
    }
}

void Binder::arguments(Step& step, const VerbInfo& verb, const YamlNode& key, const YamlNode* value) {
    const bool none =
        value == nullptr || value->kind == YamlNode::Kind::Null || (value->kind == YamlNode::Kind::Map && value->entries.empty());
    if (verb.verb == Verb::Expect) {
        if (none)
            fail(key, "expect needs what must hold");
        expectations(*value, step.expectations);
        return;
    }
    if (verb.verb == Verb::Note) {
        if (none)
            fail(key, "note needs a text");
        step.text = word(*value, "a note");
        return;
    }
    if (none) {
        for (const auto& arg : verb.args)
            if (arg.required)
                fail(key, "`" + key.text + "` needs `" + std::string(arg.name) + "`");
        return;
    }
    if (verb.args.empty())
        fail(*value, "`" + key.text + "` has no arguments");
    if (value->kind == YamlNode::Kind::Scalar && !verb.shorthand.empty()) {
        for (const auto& arg : verb.args)
            if (arg.name == verb.shorthand)
                argument(step, arg, *value);
        return;
    }
    if (value->kind != YamlNode::Kind::Map)
        fail(*value, "`" + key.text + "` takes a mapping of arguments, not " + std::string(value->kindName()));
    std::vector<std::string_view> names;
    for (const auto& arg : verb.args)
        names.push_back(arg.name);
    for (const auto& [name, argValue] : value->entries) {
        const auto found = std::find(names.begin(), names.end(), name.text);
        if (found == names.end())
            unknown(name, "argument of " + key.text, names);
        argument(step, verb.args[static_cast<std::size_t>(found - names.begin())], argValue);
    }
    for (const auto& arg : verb.args)
        if (arg.required && value->find(arg.name) == nullptr)
            fail(key, "`" + key.text + "` needs `" + std::string(arg.name) + "`");
    if (const YamlNode* name = value->find("memory"))
        step.numbers["memory"] = memory(*name, value->find("memory-offset"), step.number("size"));
}

void Binder::race(const YamlNode& node, const YamlNode* scheduleNode, Step& step, const std::string& path) {
    needMap(node, "race");
    for (const auto& [key, value] : node.entries) {
        // `schedule` may stand inside of the race, too.
        if (key.text == "schedule") {
            if (scheduleNode != nullptr)
                fail(key, "`schedule` stands twice");
            scheduleNode = &value;
            continue;
        }
        const auto who = actor(key);
        if (!who) {
            constexpr std::array<std::string_view, 3> known{"vcpu0", "host", "schedule"};
            unknown(key, "actor", known);
        }
        Context inner{*who, true, true, 0};
        std::vector<Step> list;
        if (value.kind == YamlNode::Kind::Sequence)
            steps(value, path + "." + key.text, inner, list);
        else if (value.kind != YamlNode::Kind::Null)
            this->step(value, path + "." + key.text + ".0", inner, list);
        step.actors.emplace_back(*who, std::move(list));
    }
    if (step.actors.empty())
        fail(node, "a race needs actors");
    if (scheduleNode != nullptr)
        schedule(*scheduleNode, step);
}

void Binder::schedule(const YamlNode& node, Step& step) {
    if (node.kind != YamlNode::Kind::Sequence)
        fail(node, "a schedule is a list");
    for (const auto& item : node.items) {
        Step::ScheduleEntry entry;
        entry.line = item.line;
        const YamlNode* key = &item;
        const YamlNode* value = nullptr;
        if (item.kind == YamlNode::Kind::Map) {
            if (item.entries.size() != 1)
                fail(item, "an entry of a schedule names one actor");
            key = &item.entries[0].first;
            value = &item.entries[0].second;
        } else if (item.kind != YamlNode::Kind::Scalar) {
            fail(item, "an entry of a schedule is an actor or {actor: how far}");
        }
        // RCU callbacks run in every race; the explorer's schedules say when, and when a store leaves its buffer.
        const bool rcu = key->text == "rcu";
        const bool stores = key->text.ends_with(Sim::kStoresOf);
        YamlNode owner = *key;
        if (stores)
            owner.text.resize(owner.text.size() - Sim::kStoresOf.size());
        const unsigned vcpus = scenario_.machine.vcpus;
        const auto who = rcu ? std::optional(Sim::rcuActorOf(vcpus)) : actor(owner);
        const bool takesPart =
            rcu || (who && std::any_of(step.actors.begin(), step.actors.end(), [&](const auto& a) { return a.first == *who; }));
        if (!who) {
            constexpr std::array<std::string_view, 2> known{"vcpu0", "host"};
            unknown(*key, "actor", known);
        }
        if (!takesPart)
            fail(*key, "`" + key->text + "` takes no part in this race");
        entry.actor = stores ? Sim::storesOf(vcpus, *who) : *who;
        if (value != nullptr) {
            const std::string& text = word(*value, "how far");
            if (text == "step") {
                entry.kind = Step::ScheduleEntry::Kind::Step;
            } else if (text == "done") {
                entry.kind = Step::ScheduleEntry::Kind::Done;
            } else if (text.starts_with("until ")) {
                entry.kind = Step::ScheduleEntry::Kind::UntilSite;
                YamlNode siteNode = *value;
                siteNode.text = text.substr(6);
                siteNode.text.erase(0, siteNode.text.find_first_not_of(' '));
                const auto site = siteFromName(siteNode.text);
                if (!site)
                    unknown(siteNode, "site", siteNames());
                entry.site = *site;
            } else if (!value->quoted && parseNumber(text)) {
                entry.count = number(*value, "number of micro-steps");
            } else {
                constexpr std::array<std::string_view, 3> known{"step", "done", "until"};
                unknown(*value, "way to go", known);
            }
        }
        step.schedule.push_back(entry);
    }
}

} // namespace mirrorscope
