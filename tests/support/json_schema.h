// SPDX-License-Identifier: GPL-3.0-or-later
// As much of JSON Schema 2020-12 as the project's own schemas use.
#pragma once

#include <nlohmann/json.hpp>

#include <regex>
#include <string>

namespace mirrorscope::test {

class JsonSchema {
public:
    explicit JsonSchema(nlohmann::json root) : root_(std::move(root)) {}
    // Empty when the value is valid, else what is wrong where.
    std::string check(const nlohmann::json& value) const { return check(value, root_, ""); }

private:
    using Json = nlohmann::json;

    static bool isType(const Json& value, const std::string& type) {
        return type == "object"    ? value.is_object()
               : type == "array"   ? value.is_array()
               : type == "string"  ? value.is_string()
               : type == "integer" ? value.is_number_integer()
               : type == "number"  ? value.is_number()
               : type == "boolean" ? value.is_boolean()
                                   : value.is_null();
    }

    std::string check(const Json& value, const Json& schema, const std::string& at) const {
        if (schema.contains("$ref"))
            return check(value, root_.at(Json::json_pointer(schema["$ref"].get<std::string>().substr(1))), at);
        if (schema.contains("type")) {
            const Json& type = schema["type"];
            bool ok = false;
            for (const Json& t : type.is_array() ? type : Json::array({type}))
                ok |= isType(value, t);
            if (!ok)
                return at + ": not of type " + type.dump();
        }
        if (schema.contains("const") && value != schema["const"])
            return at + ": not " + schema["const"].dump();
        if (schema.contains("enum")) {
            bool ok = false;
            for (const Json& e : schema["enum"])
                ok |= e == value;
            if (!ok)
                return at + ": " + value.dump() + " is none of the values";
        }
        if (schema.contains("minimum") && value.is_number() && value < schema["minimum"])
            return at + ": too small";
        if (schema.contains("pattern") && value.is_string() &&
            !std::regex_search(value.get<std::string>(), std::regex(schema["pattern"].get<std::string>())))
            return at + ": " + value.dump() + " does not match";
        for (const char* any : {"anyOf", "oneOf"})
            if (schema.contains(any)) {
                std::string wrong;
                bool ok = false;
                for (const Json& s : schema[any]) {
                    const std::string w = check(value, s, at);
                    ok |= w.empty();
                    if (wrong.size() < w.size())
                        wrong = w;
                }
                if (!ok)
                    return wrong;
            }
        if (value.is_object()) {
            const Json required = schema.value("required", Json::array());
            for (const Json& key : required)
                if (!value.contains(key.get<std::string>()))
                    return at + ": lacks " + key.dump();
            for (const auto& [key, item] : value.items()) {
                bool known = false;
                if (schema.contains("properties") && schema["properties"].contains(key)) {
                    known = true;
                    if (const std::string w = check(item, schema["properties"][key], at + "/" + key); !w.empty())
                        return w;
                }
                const Json patterns = schema.value("patternProperties", Json::object());
                for (const auto& [pattern, s] : patterns.items())
                    if (std::regex_search(key, std::regex(pattern))) {
                        known = true;
                        if (const std::string w = check(item, s, at + "/" + key); !w.empty())
                            return w;
                    }
                if (!known && schema.contains("additionalProperties") && schema["additionalProperties"] == false)
                    return at + ": unknown key " + key;
            }
        }
        if (value.is_array() && schema.contains("items"))
            for (std::size_t i = 0; i < value.size(); ++i)
                if (const std::string w = check(value[i], schema["items"], at + "/" + std::to_string(i)); !w.empty())
                    return w;
        return "";
    }

    Json root_;
};

} // namespace mirrorscope::test
