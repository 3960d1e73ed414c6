// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/result_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <set>
#include <stdexcept>

namespace mirrorscope {

using Json = nlohmann::ordered_json;

namespace {
Json racesJson(const Schedule& schedule) {
    Json races = Json::array();
    for (const auto& race : schedule) {
        Json runs = Json::array();
        for (const auto& [actor, steps] : race)
            runs.push_back(Json{{actor, steps}});
        races.push_back(std::move(runs));
    }
    return races;
}

// A number of another kind is refused, and not made one.
u64 asCount(const Json& value) {
    if (!value.is_number_unsigned())
        throw std::runtime_error(value.dump() + " is no count");
    return value.get<u64>();
}

u64 countOf(const Json& json, const char* key, std::optional<u64> otherwise = {}) {
    const auto found = json.find(key);
    return found == json.end() && otherwise ? *otherwise : asCount(json.at(key));
}

Schedule scheduleOf(const Json& races) {
    Schedule schedule;
    for (const Json& runs : races) {
        schedule.emplace_back();
        for (const Json& run : runs)
            for (const auto& [actor, steps] : run.items())
                schedule.back().emplace_back(actor, asCount(steps));
    }
    return schedule;
}
} // namespace

Json exploredJson(const ExploreResult& r) {
    Json json{{"kind", "explored"}, {"mode", name(r.mode)}, {"executions", r.executions}};
    if (r.mode != ExploreMode::Stateless)
        json["states"] = r.states;
    else
        json["redundant"] = r.redundant;
    json["transitions"] = r.transitions;
    json["complete"] = r.complete;
    if (r.stopped)
        json["stopped"] = true;
    if (r.full)
        json["full"] = true;
    if (r.cut)
        json["cut"] = true;
    if (r.preemptions)
        json["preemptions"] = *r.preemptions;
    json["races"] = r.races;
    json["violations"] = Json::array();
    for (const ExploreFinding& f : r.findings) {
        // One flat schedule, as a scenario has it; race by race beside it where there are several.
        Json races = racesJson(f.schedule), schedule = Json::array();
        for (const Json& runs : races)
            schedule.insert(schedule.end(), runs.begin(), runs.end());
        Json finding{{"rule", f.rule}, {"text", f.text}, {"schedule", std::move(schedule)}};
        if (f.schedule.size() != 1)
            finding["races"] = std::move(races);
        json["violations"].push_back(std::move(finding));
    }
    json["sometimes"] = Json::array();
    for (const auto& [text, seen] : r.sometimes)
        json["sometimes"].push_back({{"text", text}, {"seen", seen}});
    json["final_states"] = Json::array();
    for (const ExploreEnd& end : r.ends)
        json["final_states"].push_back(
            {{"hash", fmt::format("{:016x}", end.hash)}, {"results", end.results}, {"races", racesJson(end.schedule)}});
    json["assumes"] = r.assumes;
    json["seconds"] = std::round(r.seconds * 1000) / 1000;
    return json;
}

ExploreResult exploredFromJson(const Json& json) {
    if (json.value("kind", "") != "explored")
        throw std::runtime_error("not the result of an exploration");
    ExploreResult r;
    r.mode = exploreModeFromName(json.at("mode").get<std::string>()).value_or(ExploreMode::Stateful);
    r.executions = countOf(json, "executions");
    r.states = countOf(json, "states", 0);
    r.redundant = countOf(json, "redundant", 0);
    r.transitions = countOf(json, "transitions");
    r.complete = json.at("complete");
    r.stopped = json.value("stopped", false);
    r.full = json.value("full", false);
    r.cut = json.value("cut", false);
    r.races = countOf(json, "races");
    for (const Json& v : json.at("violations")) {
        ExploreFinding f{v.at("rule"), v.at("text"), {}};
        f.schedule = scheduleOf(v.contains("races") ? v.at("races") : Json::array({v.at("schedule")}));
        r.findings.push_back(std::move(f));
    }
    for (const Json& s : json.at("sometimes"))
        r.sometimes.emplace_back(s.at("text"), s.at("seen"));
    if (json.contains("final_states"))
        for (const Json& end : json.at("final_states"))
            r.ends.push_back({std::stoull(end.at("hash").get<std::string>(), nullptr, 16), end.at("results"), scheduleOf(end.at("races"))});
    r.assumes = json.value("assumes", std::vector<std::string>{});
    r.seconds = json.at("seconds");
    return r;
}

void join(ExploreResult& into, const ExploreResult& part) {
    into.mode = part.mode;
    into.executions += part.executions;
    into.states += part.states;
    into.redundant += part.redundant;
    into.transitions += part.transitions;
    into.races = std::max(into.races, part.races);
    into.complete &= part.complete;
    into.stopped |= part.stopped;
    into.full |= part.full;
    into.reduced |= part.reduced;
    into.slept |= part.slept;
    into.cut |= part.cut;
    for (const ExploreFinding& f : part.findings)
        if (std::none_of(into.findings.begin(), into.findings.end(),
                         [&](const ExploreFinding& known) { return known.rule == f.rule && known.text == f.text; }))
            into.findings.push_back(f);
    for (const auto& other : part.sometimes) {
        const auto same = [&](const auto& mine) { return mine.first == other.first; };
        if (const auto known = std::find_if(into.sometimes.begin(), into.sometimes.end(), same); known != into.sometimes.end())
            known->second |= other.second;
        else
            into.sometimes.push_back(other);
    }
    std::set<u64> known;
    for (const ExploreEnd& end : into.ends)
        known.insert(end.hash);
    std::copy_if(part.ends.begin(), part.ends.end(), std::back_inserter(into.ends),
                 [&](const ExploreEnd& end) { return known.count(end.hash) == 0; });
    for (const std::string& text : part.assumes)
        if (std::find(into.assumes.begin(), into.assumes.end(), text) == into.assumes.end())
            into.assumes.push_back(text);
    into.seconds = std::max(into.seconds, part.seconds);
}

ExploreResult since(const ExploreResult& before, const ExploreResult& now) {
    ExploreResult part = now;
    part.executions -= before.executions;
    part.states -= before.states;
    part.redundant -= before.redundant;
    part.transitions -= before.transitions;
    part.findings.erase(part.findings.begin(), part.findings.begin() + static_cast<std::ptrdiff_t>(before.findings.size()));
    part.ends.erase(part.ends.begin(), part.ends.begin() + static_cast<std::ptrdiff_t>(before.ends.size()));
    return part;
}

} // namespace mirrorscope
