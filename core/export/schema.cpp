// SPDX-License-Identifier: GPL-3.0-or-later
// JSON Schemas made from the tables that the parser and the writer use.
#include "base/vocab.h"
#include "export/events.h"
#include "export/vocabulary.h"
#include "kvm/types.h"
#include "machine/config.h"
#include "scenario/verbs.h"
#include "tdx/module/leaves.h"

#include <nlohmann/json.hpp>

namespace mirrorscope {

namespace {
using Json = nlohmann::ordered_json;

Json names(std::span<const std::string_view> list) {
    Json out = Json::array();
    for (const auto name : list)
        out.push_back(name);
    return out;
}

Json number() {
    return {{"anyOf", {{{"type", "integer"}, {"minimum", 0}}, {{"type", "string"}, {"pattern", "^(0[xX][0-9a-fA-F]+|[0-9]+)[KMGT]?$"}}}}};
}
Json oneOf(std::initializer_list<const char*> values) {
    Json list = Json::array();
    for (const char* value : values)
        list.push_back(value);
    return {{"enum", list}};
}
Json ref(const char* what) { return {{"$ref", std::string("#/$defs/") + what}}; }

Json argument(ArgType type) {
    switch (type) {
    case ArgType::Address:
    case ArgType::Size:
    case ArgType::Number:
    case ArgType::Count:
    case ArgType::SlotId: return ref("number");
    case ArgType::Alias: return oneOf({"private", "shared"});
    case ArgType::Level: return oneOf({"4K", "2M", "1G", "512G", "256T"});
    case ArgType::Order:
    case ArgType::Access:
    case ArgType::RootTypes: return {{"enum", names(argWords(type)->words)}};
    case ArgType::Bool: return {{"type", "boolean"}};
    case ArgType::Name:
    case ArgType::Text: return {{"type", "string"}};
    case ArgType::Content:
        return {{"anyOf",
                 {{{"type", "integer"}, {"minimum", 0}, {"maximum", 255}},
                  {{"type", "string"}},
                  {{"type", "object"},
                   {"properties", {{"file", {{"type", "string"}}}}},
                   {"required", {"file"}},
                   {"additionalProperties", false}}}}};
    case ArgType::PageRef:
    case ArgType::Operand:
        return {{"anyOf",
                 {ref("number"), {{"const", "new"}}, {{"type", "object"}, {"properties", {{"of", ref("number")}}}, {"required", {"of"}}}}}};
    case ArgType::Special: return Json::object();
    }
    return Json::object();
}

// These keys and no others. Editors name what is expected by the title.
Json object(const std::string& title, Json properties, Json required = Json::array()) {
    Json schema{{"type", "object"}, {"title", title}, {"properties", std::move(properties)}, {"additionalProperties", false}};
    if (!required.empty())
        schema["required"] = std::move(required);
    return schema;
}

Json choiceSchema() {
    const Json conditions{{"anyOf", {ref("expectation"), {{"type", "array"}, {"items", ref("expectation")}}}}};
    return {{"anyOf",
             {{{"type", "string"}},
              {{"type", "object"},
               {"properties", {{"text", {{"type", "string"}}}, {"expect", conditions}}},
               {"required", {"text"}},
               {"additionalProperties", false}}}}};
}

Json verbSchema(const VerbInfo& verb) {
    switch (verb.verb) {
    case Verb::Note: return {{"type", "string"}, {"description", verb.help}};
    case Verb::Include: return {{"type", "string"}, {"description", verb.help}};
    case Verb::Expect:
        return {{"anyOf", {ref("expectation"), {{"type", "array"}, {"items", ref("expectation")}}}}, {"description", verb.help}};
    case Verb::Race: return ref("race");
    default: break; // the rest are made from their arguments
    }
    Json properties = Json::object();
    Json required = Json::array();
    for (const ArgInfo& arg : verb.args) {
        Json schema = argument(arg.type);
        if (arg.type == ArgType::Special)
            schema = arg.name == "do" ? ref("steps") : Json{{"type", "array"}, {"items", choiceSchema()}};
        schema["description"] = arg.help;
        properties[std::string(arg.name)] = schema;
        if (arg.required)
            required.push_back(arg.name);
    }
    const bool isOptional = required.empty();
    const Json arguments = object(std::string(verb.name) + "'s arguments", std::move(properties), std::move(required));
    Json forms = Json::array({arguments});
    if (!verb.shorthand.empty())
        forms.push_back(ref("number"));
    if (isOptional)
        forms.push_back({{"type", "null"}});
    Json schema = forms.size() == 1 ? arguments : Json{{"anyOf", forms}};
    schema["description"] = std::string(verb.help);
    return schema;
}

Json stepSchema(bool withActors) {
    Json properties = Json::object();
    Json bare = Json::array();
    for (unsigned i = 0; i < kVerbs; ++i) {
        const VerbInfo& verb = info(static_cast<Verb>(i));
        properties[std::string(verb.name)] = verbSchema(verb);
        bare.push_back(verb.name);
    }
    properties["id"] = {{"type", "string"}, {"description", "a name by which `expect` asks for this step's result"}};
    if (withActors)
        properties["schedule"] = ref("schedule");
    Json step = object("step", std::move(properties));
    if (withActors) {
        step["patternProperties"] = {
            {"^(vcpu[0-9]+|host[0-7]?)$", {{"anyOf", {ref("innerStep"), {{"type", "array"}, {"items", ref("innerStep")}}}}}}};
    }
    return {{"anyOf", {step, {{"enum", bare}}}}};
}

Json machineSchema() {
    Json properties = Json::object();
    for (const MachineKey& key : machineKeys()) {
        Json schema;
        if (key.values == "true, false")
            schema = {{"type", "boolean"}};
        else if (key.name == "slots")
            schema = {{"type", "array"}, {"items", ref("slot")}};
        else if (key.name == "break")
            schema = {{"type", "array"}, {"items", {{"enum", names(breakNames())}}}};
        else if (key.values == "size" || key.values == "number" || key.values.find("..") != std::string_view::npos)
            schema = ref("number");
        else if (key.name == "preset")
            schema = {{"type", "string"}};
        else if (key.name == "features")
            schema = {{"type", "array"}, {"items", {{"enum", kFeatures}}}};
        else {
            // A list of words, as it stands in the table.
            Json words = Json::array();
            std::string values(key.values);
            for (std::size_t at = 0; at < values.size();) {
                const std::size_t end = std::min(values.find(", ", at), values.size());
                const std::string word = values.substr(at, end - at);
                words.push_back(word);
                // A YAML number where nobody writes quotes.
                if (word.find_first_not_of("0123456789") == std::string::npos)
                    words.push_back(std::stoi(word));
                else if (word.find_first_not_of("0123456789.") == std::string::npos && word.find('.') == word.rfind('.'))
                    words.push_back(std::stod(word));
                at = end + 2;
            }
            schema = {{"enum", words}};
        }
        schema["description"] = std::string(key.help) + (key.fallback.empty() ? "" : " (default: " + std::string(key.fallback) + ")");
        properties[std::string(key.name)] = schema;
    }
    return object("machine", std::move(properties));
}

Json expectationSchema() {
    const auto form = [](Json properties, Json required) {
        const std::string title = required.front().get<std::string>() + " that is expected";
        return object(title, std::move(properties), std::move(required));
    };
    const Json flag{{"type", "boolean"}};
    const Json level = argument(ArgType::Level);
    Json bounds{{"count", {{"type", "string"}}}, {"is", ref("number")}, {"at-least", ref("number")}, {"at-most", ref("number")}};
    return {
        {"anyOf",
         {form({{"tree", oneOf({"direct", "mirror"})},
                {"gpa", ref("number")},
                {"is", {{"enum", names(spteStateNames())}}},
                {"level", level},
                {"writable", flag},
                {"executable", flag},
                {"accessed", flag},
                {"dirty", flag},
                {"smm", flag}},
               {"tree", "gpa"}),
          form({{"tree", {{"const", "secure"}}}, {"gpa", ref("number")}, {"is", {{"enum", names(septStateNames())}}}, {"level", level}},
               {"tree", "gpa"}),
          form({{"result", {{"type", "string"}}},
                {"value", ref("number")},
                {"is", {{"type", "string"}}},
                {"operand", {{"type", "string"}}},
                {"field", {{"enum", names(fieldNames())}}},
                {"register", {{"enum", names(registerNames())}}},
                {"errno", {{"enum", names(errnoNames())}}}},
               {"result"}),
          form(bounds, {"count"}),
          form({{"rmp", ref("number")}, {"is", {{"enum", {"none", "host", "assigned", "validated"}}}}, {"level", {{"enum", {"4K", "2M"}}}}},
               {"rmp", "is"}),
          form({{"tlb", {{"type", "string"}, {"pattern", "^vcpu[0-9]+$"}}},
                {"gpa", ref("number")},
                {"as", oneOf({"private", "shared"})},
                {"is", oneOf({"cached", "empty"})},
                {"smm", flag}},
               {"tlb", "gpa", "is"}),
          form({{"violations", {{"const", 0}}}}, {"violations"}), form({{"violation", {{"enum", names(ruleNames())}}}}, {"violation"})}}};
}

Json scheduleSchema() {
    Json way = Json::array({{{"type", "integer"}, {"minimum", 1}}, {{"enum", {"step", "done"}}}});
    Json until = Json::array();
    for (const auto site : siteNames())
        until.push_back("until " + std::string(site));
    way.push_back({{"enum", until}});
    const std::string actor = "^((vcpu[0-9]+|host[0-7]?)([.]stores)?|rcu)$";
    return {{"type", "array"},
            {"description", "the interleaving of the race: whole runs of micro-steps, actor by actor"},
            {"items",
             {{"anyOf",
               {{{"type", "string"}, {"pattern", actor}},
                {{"type", "object"}, {"patternProperties", {{actor, {{"anyOf", way}}}}}, {"additionalProperties", false}}}}}}};
}

Json raceSchema() {
    return {{"type", "object"},
            {"title", "race"},
            {"description", "actors that interleave"},
            {"properties", {{"schedule", ref("schedule")}}},
            {"patternProperties",
             {{"^(vcpu[0-9]+|host[0-7]?)$", {{"anyOf", {ref("innerStep"), {{"type", "array"}, {"items", ref("innerStep")}}}}}}}},
            {"additionalProperties", false}};
}

Json slotSchema() {
    Json properties = Json::object();
    for (const ArgInfo& arg : info(Verb::SetMemoryRegion).args) {
        if (arg.name == "flags") // raw ones are of the ioctl
            continue;
        Json schema = argument(arg.type);
        schema["description"] = arg.help;
        properties[std::string(arg.name)] = schema;
    }
    return object("slot", std::move(properties), {"id", "gpa", "size"});
}

Json head(const char* title) { return {{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", title}}; }

Json field(EventField::Type type) {
    switch (type) {
    case EventField::Type::Integer: return {{"type", "integer"}, {"minimum", 0}};
    case EventField::Type::Hex: return {{"type", "string"}, {"pattern", "^0x[0-9a-f]+$"}};
    case EventField::Type::Text: return {{"type", "string"}};
    case EventField::Type::TextOrNull: return {{"type", {"string", "null"}}};
    case EventField::Type::Bool: return {{"type", "boolean"}};
    case EventField::Type::TextOrInteger: return {{"type", {"string", "integer"}}};
    case EventField::Type::List: return {{"type", "array"}, {"items", {{"type", "string"}}}};
    case EventField::Type::Map: return {{"type", "object"}};
    }
    return Json::object();
}
} // namespace

std::string scenarioSchema() {
    Json schema = head("Mirrorscope scenario");
    schema["type"] = "object";
    schema["properties"] = {{"mirrorscope", {{"const", 1}}},
                            {"title", {{"type", "string"}}},
                            {"about", {{"type", "string"}}},
                            {"tags", {{"type", "array"}, {"items", {{"type", "string"}}}}},
                            {"reference", {{"type", "string"}}},
                            {"machine", ref("machine")},
                            {"script", ref("steps")},
                            {"expect", {{"type", "array"}, {"items", ref("expectation")}}},
                            {"sometimes", {{"type", "array"}, {"items", ref("expectation")}}},
                            {"variants",
                             {{"type", "object"},
                              {"additionalProperties",
                               {{"type", "object"},
                                {"properties",
                                 {{"machine", ref("machine")},
                                  {"expect", {{"type", "array"}, {"items", ref("expectation")}}},
                                  {"sometimes", {{"type", "array"}, {"items", ref("expectation")}}}}},
                                {"additionalProperties", false}}}}}};
    schema["required"] = {"mirrorscope"};
    schema["additionalProperties"] = false;
    schema["$defs"] = {{"number", number()},
                       {"steps", {{"type", "array"}, {"items", ref("step")}}},
                       {"step", stepSchema(true)},
                       {"innerStep", stepSchema(false)},
                       {"machine", machineSchema()},
                       {"slot", slotSchema()},
                       {"race", raceSchema()},
                       {"schedule", scheduleSchema()},
                       {"expectation", expectationSchema()}};
    return schema.dump(1) + "\n";
}

std::string eventSchema() {
    Json schema = head("Mirrorscope event");
    Json kinds = Json::array();
    for (const EventKind& kind : eventKinds()) {
        Json properties{{"n", {{"type", "integer"}, {"minimum", 0}}}, {"kind", {{"const", kind.name}}}};
        Json required{"n", "kind"};
        const auto add = [&](const EventField& f) {
            Json value = f.values.empty() ? field(f.type) : Json{{"enum", names(f.values)}};
            properties[std::string(f.name)] = value;
            if (f.required)
                required.push_back(f.name);
        };
        for (const EventField& f : contextFields())
            add(f);
        for (const EventField& f : kind.fields)
            add(f);
        for (Json& name : required)
            if (!properties.contains(name.get<std::string>()))
                name = "kind";
        Json one{{"type", "object"},
                 {"description", kind.help},
                 {"properties", properties},
                 {"required", required},
                 {"additionalProperties", kind.open}};
        if (kind.name == "seamcall")
            one["description"] = std::string(kind.help) + "; further keys are the leaf's operands by name";
        kinds.push_back(one);
    }
    schema["oneOf"] = kinds;
    return schema.dump(1) + "\n";
}

std::string stateSchema() {
    const Json integer{{"type", "integer"}, {"minimum", 0}};
    const Json hexText{{"type", "string"}, {"pattern", "^0x[0-9a-f]+$"}};
    const auto object = [](Json properties, bool open = false) {
        Json required = Json::array();
        for (const auto& item : properties.items())
            required.push_back(item.key());
        return Json{{"type", "object"}, {"properties", properties}, {"required", required}, {"additionalProperties", open}};
    };
    const auto list = [](Json item) { return Json{{"type", "array"}, {"items", std::move(item)}}; };
    const auto entry = [&](std::span<const std::string_view> states) {
        return object({{"root", integer},
                       {"gfn", integer},
                       {"level", integer},
                       {"raw", hexText},
                       {"is", {{"enum", names(states)}}},
                       {"pfn", {{"type", {"integer", "null"}}}}});
    };
    // Of a recording, what no line has told yet.
    std::vector<std::string_view> spteStates(spteStateNames().begin(), spteStateNames().end());
    spteStates.push_back(name(SpteState::Unknown));
    Json trees{{"type", "object"},
               {"properties",
                {{"direct", list(entry(spteStates))}, {"mirror", list(entry(spteStates))}, {"secure", list(entry(septStateNames()))}}},
               {"required", {"direct"}},
               {"additionalProperties", false}};
    Json schema = head("Mirrorscope state");
    Json root = object({{"tree", oneOf({"direct", "mirror"})}, {"pfn", integer}, {"level", integer}, {"invalid", {{"type", "boolean"}}}});
    root["properties"]["count"] = integer; // not of a recorded kernel
    Json tlbEntry =
        object({{"gpa", hexText}, {"as", oneOf({"private", "shared"})}, {"level", integer}, {"pfn", {{"type", {"integer", "null"}}}}});
    for (Json* of : {&root, &tlbEntry}) // SMM's address space
        (*of)["properties"]["smm"] = {{"const", true}};
    const Json pamt =
        object({{"pfn", integer}, {"size", {{"type", "string"}}}, {"type", {{"type", "string"}}}, {"owner", integer}, {"bepoch", integer}});
    const Json lock = object({{"lock", {{"type", "string"}}}, {"readers", integer}, {"writer", {{"type", {"string", "null"}}}}});
    const Json violation = object({{"n", integer}, {"rule", {{"enum", names(ruleNames())}}}, {"text", {{"type", "string"}}}});
    schema.update(object({{"position", integer},
                          {"file", {{"type", "string"}}},
                          {"machine", {{"type", "object"}}},
                          {"trees", trees},
                          {"roots", list(root)},
                          {"tlb", {{"type", "object"}, {"additionalProperties", list(tlbEntry)}}},
                          {"pamt", list(pamt)},
                          {"rmp", {{"type", "array"}}},
                          {"locks", list(lock)},
                          {"counts", {{"type", "object"}, {"additionalProperties", integer}}},
                          {"violations", list(violation)}}));
    schema["properties"]["td"] = {{"type", {"object", "null"}}};
    // Of a kernel that runs: where and when it was read.
    schema["properties"]["snapshot"] = {{"type", "object"}, {"additionalProperties", {{"type", {"string", "integer"}}}}};
    return schema.dump(1) + "\n";
}

} // namespace mirrorscope
