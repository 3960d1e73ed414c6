// SPDX-License-Identifier: GPL-3.0-or-later
#include "export/export.h"

#include "base/vocab.h"

#include <nlohmann/json.hpp>

#include <set>

namespace mirrorscope {

namespace {
using Json = nlohmann::ordered_json;

std::string aboutRule(const std::string& name) {
    if (const auto rule = ruleFromName(name))
        return std::string(info(*rule).help);
    return name == "expect"    ? "what the scenario expects at its end"
           : name == "input"   ? "the scenario can be read"
           : name == "explore" ? "the exploration came to its end"
                               : name;
}

// A path as a URI reference: what may not stand in one is written in hexadecimal.
std::string uriOf(const std::string& path) {
    std::string out;
    for (const char c : path) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           std::string_view("/-._~").find(c) != std::string_view::npos;
        constexpr std::string_view kDigits = "0123456789ABCDEF";
        const auto byte = static_cast<u8>(c);
        out += plain ? std::string(1, c) : std::string{'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
    return out;
}
} // namespace

std::string sarif(const std::vector<SarifResult>& results) {
    std::set<std::string> names;
    for (const SarifResult& result : results)
        names.insert(result.rule);
    Json rules = Json::array(), list = Json::array();
    for (const std::string& name : names)
        rules.push_back({{"id", name}, {"shortDescription", {{"text", aboutRule(name)}}}});
    for (const SarifResult& result : results) {
        Json place = {{"artifactLocation", {{"uri", uriOf(result.file)}}}};
        if (result.line != 0)
            place["region"] = {{"startLine", result.line}};
        list.push_back({{"ruleId", result.rule},
                        {"level", result.isError ? "error" : "warning"},
                        {"message", {{"text", result.text}}},
                        {"locations", Json::array({{{"physicalLocation", place}}})}});
    }
    const Json driver = {{"name", "mirrorscope"}, {"version", MIRRORSCOPE_VERSION}, {"rules", rules}};
    const Json run = {{"tool", {{"driver", driver}}}, {"results", list}};
    const Json json = {{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"}, {"version", "2.1.0"}, {"runs", Json::array({run})}};
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace mirrorscope
