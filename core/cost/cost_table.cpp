// SPDX-License-Identifier: GPL-3.0-or-later
#include "cost/cost_table.h"

#include "base/text.h"
#include "scenario/yaml.h"
#include "tdx/module/leaves.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace mirrorscope {

namespace {
// What takes time beside calls.
constexpr std::array<std::string_view, 8> kNames{"micro-step", "ipi", "tlb-flush", "page", "cleared", "exit", "seamcall", "tdcall"};
constexpr std::string_view kPart = "part of the 8 us of a private 4K fault (dstack#1220: Granite Rapids, 7.0); the division is ours";
constexpr std::string_view kGuess = "a guess beside those";

struct DefaultRow {
    std::string_view name;
    double ns;
    std::string_view source;
};
constexpr DefaultRow kDefaults[] = {
    {"micro-step", 25, kPart}, // of KVM, outside of calls
    {"TDH.VP.ENTER", 2800, kPart},
    {"TDH.MEM.PAGE.AUG", 1900, kPart},
    {"TDG.MEM.PAGE.ACCEPT", 1000, kPart}, // twice a page: the first one ends in the violation
    {"page", 300, kPart},
    {"cleared", 250, "a guess: a further 4K page that an accept of 2M clears, 16 GB/s"},
    {"exit", 1200, "of a VM that is no TD: a guess"},
    {"ipi", 1500, kGuess},
    {"tlb-flush", 500, kGuess},
    {"seamcall", 1200, kGuess},
    {"tdcall", 800, kGuess},
    {"TDH.MEM.PAGE.ADD", 3000, "a guess: copies and encrypts a page"},
    {"TDH.MR.EXTEND", 1500, "a guess: SHA-384 over 256 bytes"},
    {"TDH.PHYMEM.PAGE.WBINVD", 1500, "a guess: writes 64 lines back"},
    {"TDH.VP.INIT", 5000, kGuess},
    {"TDH.PHYMEM.CACHE.WB", 2e6, "a guess: a whole cache"},
};
} // namespace

CostTable::CostTable() {
    for (const DefaultRow& row : kDefaults)
        rows_.push_back({std::string(row.name), row.ns, std::string(row.source)});
}

const Cost* CostTable::find(std::string_view name) const {
    const auto found = std::find_if(rows_.begin(), rows_.end(), [&](const Cost& row) { return row.name == name; });
    return found == rows_.end() ? nullptr : &*found;
}

double CostTable::ns(std::string_view name) const {
    if (const Cost* row = find(name))
        return row->ns;
    return find(name.starts_with("TDG.") ? "tdcall" : "seamcall")->ns;
}

std::string CostTable::yaml() const {
    std::string out;
    for (const Cost& cost : rows_)
        out += fmt::format("{}: {{ns: {}, source: {}}}\n", cost.name, cost.ns, nlohmann::json(cost.source).dump());
    return out;
}

CostTable CostTable::read(const std::string& file) {
    const YamlNode table = parseYaml(file, readFile(file));
    const auto fail = [&](const YamlNode& at, const std::string& what) { throw InputError(file, at.line, at.column, what); };
    if (table.kind != YamlNode::Kind::Map)
        fail(table, "a table of costs is a map: NAME: ns");
    CostTable out;
    out.default_ = false;
    for (const auto& [key, value] : table.entries) {
        if (std::find(kNames.begin(), kNames.end(), key.text) == kNames.end() && !leafFromName(key.text)) {
            std::vector<std::string_view> known(kNames.begin(), kNames.end());
            for (const std::string_view leaf : leafNames())
                known.push_back(leaf);
            const auto meant = nearest(key.text, known);
            fail(key, "`" + key.text + "` is nothing that costs time" + (meant ? "; did you mean `" + *meant + "`?" : ""));
        }
        const YamlNode* ns = &value;
        std::string source = file;
        if (value.kind == YamlNode::Kind::Map) {
            for (const auto& [word, ignored] : value.entries)
                if (word.text != "ns" && word.text != "source")
                    fail(word, "a cost has `ns` and `source`");
            ns = value.find("ns");
            if (ns == nullptr)
                fail(value, "a cost needs `ns`");
            if (const YamlNode* given = value.find("source")) {
                if (given->kind != YamlNode::Kind::Scalar)
                    fail(*given, "a source is text");
                source = given->text;
            }
        }
        char* end = nullptr;
        const double number = std::strtod(ns->text.c_str(), &end);
        const bool whole = end == ns->text.c_str() + ns->text.size() && ns->text.find_first_of(" \t\n") == std::string::npos;
        if (ns->kind != YamlNode::Kind::Scalar || ns->text.empty() || !whole || !(number >= 0 && number <= 1e12))
            fail(*ns, "nanoseconds are a number from 0 to 1e12");
        auto row = std::find_if(out.rows_.begin(), out.rows_.end(), [name = key.text](const Cost& one) { return one.name == name; });
        if (row == out.rows_.end())
            row = out.rows_.insert(row, Cost{});
        *row = {key.text, number, source};
    }
    return out;
}

} // namespace mirrorscope
