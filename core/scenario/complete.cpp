// SPDX-License-Identifier: GPL-3.0-or-later
#include "scenario/complete.h"

#include "base/text.h"
#include "base/vocab.h"
#include "kvm/types.h"
#include "scenario/kernel_calls.h"
#include "scenario/presets.h"
#include "scenario/verbs.h"
#include "snp/rmp.h"
#include "tdx/module/data.h"
#include "tdx/module/leaves.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace mirrorscope {

namespace {
struct Word {
    std::string_view name, help;
};
constexpr std::array<Word, 10> kRoots{{{"mirrorscope", "version of the language: 1"},
                                       {"title", "one line"},
                                       {"about", "Markdown, shown beside the trees"},
                                       {"tags", "list of words"},
                                       {"reference", "where the behaviour is documented"},
                                       {"machine", "the VM and its memory"},
                                       {"script", "what happens, step by step"},
                                       {"expect", "what must hold at the end, of every interleaving"},
                                       {"sometimes", "what must hold at the end of at least one interleaving"},
                                       {"variants", "other machine keys and expectations of the same script, by name"}}};
constexpr std::array<Word, 13> kSlotKeys{{{"id", "the slot's number"},
                                          {"gpa", "where it begins"},
                                          {"size", "bytes"},
                                          {"private", "backed by guest_memfd"},
                                          {"readonly", "read-only"},
                                          {"dirty-log", "dirty logging on"},
                                          {"backing", "the host's page size: 4K, 2M, 1G"},
                                          {"gmem-backing", "the blocks in which guest_memfd gets its frames: 4K, 2M"},
                                          {"gmem", "the guest_memfd that it is bound to; one of its own by default"},
                                          {"gmem-offset", "where in that file it begins"},
                                          {"memory", "the mapping of user space that it is in front of; one of its own by default"},
                                          {"memory-offset", "where in that mapping it begins"},
                                          {"as-id", "1 for SMM's address space"}}};
constexpr std::array<Word, 25> kExpectKeys{{{"tree", "direct, mirror or secure: the entry at which a walk for `gpa` ends"},
                                            {"gpa", "guest physical address"},
                                            {"is", "the state, the result or the number"},
                                            {"level", "of the entry"},
                                            {"writable", "true or false"},
                                            {"executable", "true or false"},
                                            {"accessed", "true or false"},
                                            {"dirty", "true or false"},
                                            {"smm", "of a direct tree or a TLB: SMM's address space"},
                                            {"result", "the step with that id"},
                                            {"value", "the word that a read found"},
                                            {"operand", "the operand id in a completion status"},
                                            {"field", "what the call tells beside its result: `value` is what it holds"},
                                            {"register", "a register after a SEAMCALL: `value` is what it holds"},
                                            {"errno", "of the ioctl, beside an exit or alone"},
                                            {"count", "a SEAMCALL leaf, a site or a counter"},
                                            {"at-least", "a number"},
                                            {"at-most", "a number"},
                                            {"tlb", "a vCPU"},
                                            {"as", "private or shared"},
                                            {"rmp", "the RMP entry of a page"},
                                            {"assigned", "true or false"},
                                            {"validated", "true or false"},
                                            {"violations", "0: no rule was violated"},
                                            {"violation", "that rule was violated"}}};

template <class Words>
void addAll(std::vector<Completion>& out, const Words& words) {
    for (const auto& word : words)
        out.push_back({std::string(word.name), std::string(word.help)});
}
void addNames(std::vector<Completion>& out, std::span<const std::string_view> names) {
    for (const auto name : names)
        out.push_back({std::string(name), helpOn(name)});
}

bool isWordCharacter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '#';
}

// The keys that enclose a place, outermost first, and whether a value is due there.
struct Where {
    std::vector<std::string> keys;
    bool value = false;
};

std::string_view trimmed(std::string_view s) {
    while (!s.empty() && (s.front() == ' ' || s.front() == '\t'))
        s.remove_prefix(1);
    while (!s.empty() && (s.back() == ' ' || s.back() == '\t' || s.back() == '\r'))
        s.remove_suffix(1);
    return s;
}

// Reads what stands before the place; of the word that is being typed nothing.
Where whereIs(std::string_view text) {
    struct Level {
        int indent;
        std::string key;
    };
    std::vector<Level> block;
    std::vector<std::string> flow; // keys of open flow mappings, "" for a list
    std::string pending;           // the key whose value is open within the present flow mapping
    std::vector<std::string> pendings;
    Where where;
    std::size_t at = 0;
    while (at <= text.size()) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        std::string_view line = text.substr(at, end - at);
        const bool isLast = end == text.size();
        int indent = 0;
        if (flow.empty()) {
            while (indent < static_cast<int>(line.size()) &&
                   (line[static_cast<std::size_t>(indent)] == ' ' || line[static_cast<std::size_t>(indent)] == '-'))
                ++indent;
            if (indent == static_cast<int>(line.size()) && !isLast) {
                at = end + 1;
                continue;
            }
            while (!block.empty() && block.back().indent >= indent)
                block.pop_back();
            pending.clear();
        }
        bool quoted = false;
        char quote = 0;
        std::size_t wordFrom = static_cast<std::size_t>(indent);
        for (std::size_t i = static_cast<std::size_t>(flow.empty() ? indent : 0); i < line.size(); ++i) {
            const char c = line[i];
            if (quoted) {
                quoted = c != quote;
                continue;
            }
            if (c == '"' || c == '\'') {
                quoted = true;
                quote = c;
            } else if (c == '#' && (i == 0 || line[i - 1] == ' ')) {
                break;
            } else if (c == ':' && (i + 1 == line.size() || line[i + 1] == ' ')) {
                const std::string key(trimmed(line.substr(wordFrom, i - wordFrom)));
                if (flow.empty())
                    block.push_back({indent + static_cast<int>(wordFrom) - indent, key});
                pending = key;
                wordFrom = i + 1;
            } else if (c == '{' || c == '[') {
                flow.push_back(c == '{' ? "{" : "[");
                pendings.push_back(pending);
                pending.clear();
                wordFrom = i + 1;
            } else if ((c == '}' || c == ']') && !flow.empty()) {
                flow.pop_back();
                pending = pendings.back();
                pendings.pop_back();
                wordFrom = i + 1;
            } else if (c == ',' && !flow.empty()) {
                if (flow.back() == "{")
                    pending.clear();
                wordFrom = i + 1;
            }
        }
        if (isLast) {
            for (const Level& level : block)
                where.keys.push_back(level.key);
            // In the last line a block key that is still open for its value is the innermost one.
            for (std::size_t f = 0; f < pendings.size(); ++f)
                if (!pendings[f].empty() && (where.keys.empty() || where.keys.back() != pendings[f] || f > 0))
                    where.keys.push_back(pendings[f]);
            if (!pending.empty() && (!flow.empty() || where.keys.empty() || where.keys.back() != pending))
                where.keys.push_back(pending);
            where.value = !pending.empty();
            break;
        }
        at = end + 1;
    }
    return where;
}

void addActors(std::vector<Completion>& out) {
    constexpr unsigned kShown = 4;
    for (unsigned v = 0; v < kShown; ++v)
        out.push_back({fmt::format("vcpu{}", v), "a step on that vCPU"});
    out.push_back({"host", "a step of user space or of the host kernel"});
}

void addStates(std::vector<Completion>& out) {
    addNames(out, spteStateNames());
    for (const auto name : septStateNames())
        if (std::none_of(out.begin(), out.end(), [&](const Completion& c) { return c.text == name; }))
            out.push_back({std::string(name), "a state of the secure EPT"});
}

void addValues(std::vector<Completion>& out, ArgType type, std::string_view name) {
    switch (type) {
    case ArgType::Alias:
        out.push_back({"private", "the private alias"});
        out.push_back({"shared", "the shared alias"});
        break;
    case ArgType::Level:
        for (const char* level : {"4K", "2M", "1G"})
            out.push_back({level, ""});
        break;
    case ArgType::Bool:
        out.push_back({"true", ""});
        out.push_back({"false", ""});
        break;
    case ArgType::PageRef: out.push_back({"new", "a free frame"}); break;
    default: break;
    }
    if (const ArgWords* known = argWords(type, name))
        for (const std::string_view word : known->words)
            out.push_back({std::string(word), std::string(known->help)});
    if (name == "leaf" || name == "seamcall")
        addNames(out, leafNames());
    if (name == "call")
        for (const KernelCall& call : kernelCalls())
            out.push_back({std::string(call.name), std::string(call.help)});
    if (name == "status")
        for (const auto status : tdx::statusNames())
            out.push_back({"TDX_" + std::string(status), "a completion status"});
    if (name == "do")
        for (const char* what : {"start", "stop", "get", "clear"})
            out.push_back({what, "dirty logging"});
    if (name == "do")
        for (const auto what : kGmemWays)
            out.push_back({std::string(what), "a guest_memfd with a name"});
    if (name == "rmpupdate")
        addNames(out, rmpStatusNames().first(4));
    if (name == "alloc")
        out.push_back({"fail", "the next allocations fail"});
}
} // namespace

std::string_view wordAt(std::string_view text, std::size_t offset) {
    std::size_t from = std::min(offset, text.size()), to = from;
    while (from > 0 && isWordCharacter(text[from - 1]))
        --from;
    while (to < text.size() && isWordCharacter(text[to]))
        ++to;
    std::string_view word = text.substr(from, to - from);
    // Of a list's item the dash is no part of the word.
    while (word.starts_with('-') || word.starts_with('.'))
        word.remove_prefix(1);
    return word;
}

std::string helpOn(std::string_view word) {
    if (const auto verb = verbFromName(word))
        return std::string(info(*verb).help);
    for (const MachineKey& key : machineKeys())
        if (key.name == word)
            return fmt::format("{} ({}; {} by default)", key.help, key.values, key.fallback);
    if (const auto site = siteFromName(word))
        return fmt::format("{} — {}", info(*site).help, info(*site).where);
    if (const auto rule = ruleFromName(word))
        return std::string(info(*rule).help);
    if (const auto value = breakFromName(word))
        return std::string(info(*value).help);
    for (unsigned i = 0; i < kCounters; ++i)
        if (info(static_cast<Counter>(i)).name == word)
            return std::string(info(static_cast<Counter>(i)).help);
    if (const auto leaf = leafFromName(word))
        return fmt::format("{}: {}", info(*leaf).help, info(*leaf).locks);
    for (const KernelCall& call : kernelCalls())
        if (call.name == word)
            return std::string(call.help);
    for (const auto& words : {std::span<const Word>(kRoots), std::span<const Word>(kSlotKeys), std::span<const Word>(kExpectKeys)})
        for (const Word& w : words)
            if (w.name == word)
                return std::string(w.help);
    for (unsigned v = 0; v < kVerbs; ++v)
        for (const ArgInfo& arg : info(static_cast<Verb>(v)).args)
            if (arg.name == word)
                return std::string(arg.help);
    return {};
}

std::vector<Completion> completionsAt(std::string_view text, std::size_t offset) {
    std::size_t from = std::min(offset, text.size());
    while (from > 0 && isWordCharacter(text[from - 1]))
        --from;
    // A dash that begins a list's item is no part of the word that is being typed.
    if (from < offset && text[from] == '-')
        ++from;
    Where where = whereIs(text.substr(0, from));
    std::vector<Completion> out;
    if (where.keys.empty()) {
        addAll(out, kRoots);
        return out;
    }
    if (where.keys.front() == "variants") {
        // Below a variant's name stands what stands at the top.
        if (where.keys.size() <= 2) {
            for (const Word& word : kRoots)
                if (where.keys.size() == 2 && (word.name == "machine" || word.name == "expect" || word.name == "sometimes"))
                    out.push_back({std::string(word.name), std::string(word.help)});
            return out;
        }
        where.keys.erase(where.keys.begin(), where.keys.begin() + 2);
    }
    const std::string& root = where.keys.front();
    const std::string& last = where.keys.back();
    if (root == "machine") {
        if (where.keys.size() == 1) {
            addAll(out, machineKeys());
            return out;
        }
        if (where.keys[1] == "slots") {
            if (!where.value || last == "slots")
                addAll(out, kSlotKeys);
            else if (last == "backing" || last == "gmem-backing")
                addValues(out, ArgType::Level, last);
            else if (last == "private" || last == "readonly" || last == "dirty-log")
                addValues(out, ArgType::Bool, last);
            return out;
        }
        if (last == "break") {
            addNames(out, breakNames());
            return out;
        }
        for (const MachineKey& key : machineKeys())
            if (key.name == last) {
                if (key.values == "bool" || key.values == "true, false")
                    addValues(out, ArgType::Bool, last);
                for (std::size_t at = 0; at < key.values.size();) {
                    const std::size_t comma = std::min(key.values.find(", ", at), key.values.size());
                    const std::string_view value = key.values.substr(at, comma - at);
                    if (value.find(' ') == std::string_view::npos && value.find("..") == std::string_view::npos && value != "bool" &&
                        key.values != "true, false")
                        out.push_back({std::string(value), std::string(key.help)});
                    at = comma + 2;
                }
            }
        return out;
    }
    const auto innermost = std::find_if(where.keys.rbegin(), where.keys.rend(), [](const std::string& key) {
        return verbFromName(key) || key == "expect" || key == "sometimes" || key == "schedule";
    });
    if (root == "expect" || root == "sometimes" || (innermost != where.keys.rend() && *innermost == "expect")) {
        if (last == "expect" || last == "sometimes")
            addAll(out, kExpectKeys);
        else if (last == "tree")
            for (const char* tree : {"direct", "mirror", "secure"})
                out.push_back({tree, ""});
        else if (last == "is")
            addStates(out);
        else if (last == "violation")
            addNames(out, ruleNames());
        else if (last == "field")
            addNames(out, fieldNames());
        else if (last == "register")
            addNames(out, registerNames());
        else if (last == "errno")
            addNames(out, errnoNames());
        else if (last == "count") {
            for (unsigned i = 0; i < kCounters; ++i)
                out.push_back({std::string(info(static_cast<Counter>(i)).name), std::string(info(static_cast<Counter>(i)).help)});
            addNames(out, siteNames());
            addNames(out, leafNames());
        } else if (last == "level")
            addValues(out, ArgType::Level, last);
        else if (last == "as")
            addValues(out, ArgType::Alias, last);
        else if (last == "tlb")
            addActors(out);
        else if (last == "smm" || last == "writable" || last == "executable" || last == "accessed" || last == "dirty")
            addValues(out, ArgType::Bool, last);
        return out;
    }
    if (innermost != where.keys.rend() && *innermost == "schedule") {
        if (last == "schedule") {
            addActors(out);
            return out;
        }
        out.push_back({"until", "until its next micro-step at a site has run"});
        out.push_back({"step", "to the end of its current script step"});
        out.push_back({"done", "to the end of its list"});
        addNames(out, siteNames());
        return out;
    }
    if (innermost == where.keys.rend() || *innermost == "race" || *innermost == "repeat" || last.starts_with("vcpu") ||
        last.starts_with("host")) {
        if (last == "race")
            out.push_back({"schedule", "fixes the interleaving"});
        if (last == "repeat")
            addAll(out, info(Verb::Repeat).args);
        else {
            if (!last.starts_with("vcpu") && !last.starts_with("host"))
                addActors(out);
            if (last != "race")
                for (unsigned v = 0; v < kVerbs; ++v)
                    out.push_back({std::string(info(static_cast<Verb>(v)).name), std::string(info(static_cast<Verb>(v)).help)});
        }
        return out;
    }
    const VerbInfo& verb = info(*verbFromName(*innermost));
    if (last == verb.name) {
        addAll(out, verb.args);
        return out;
    }
    for (const ArgInfo& arg : verb.args)
        if (arg.name == last)
            addValues(out, arg.type, arg.name);
    return out;
}

} // namespace mirrorscope
