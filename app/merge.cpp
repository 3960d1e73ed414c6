// SPDX-License-Identifier: GPL-3.0-or-later
// Joins what the shards of one exploration found.
#include "command.h"

#include "explore/result_json.h"
#include "explored.h"
#include "scenario/yaml.h"

#include <fmt/format.h>

#include <memory>
#include <set>
#include <sstream>

namespace mirrorscope::app {

namespace {
using Json = nlohmann::ordered_json;

struct MergeArguments {
    std::vector<std::string> files;
    std::string format = "text";
};

struct Shards {
    ExploreResult result;
    std::string of;
    unsigned count = 0;
    std::set<unsigned> present;

    void add(const Json& line, const std::string& at) {
        const ExploreResult part = exploredFromJson(line);
        const std::string shard = line.value("shard", "1/1");
        const auto which = parseShard(shard);
        if (!which)
            throw UsageError(at + ": `" + shard + "` is no shard");
        const auto [n, shards] = *which;
        if (count == 0) {
            count = shards;
            of = line.value("of", "");
            result.mode = part.mode;
        }
        if (shards != count || line.value("of", "") != of || part.mode != result.mode)
            throw UsageError(at + ": a shard of another exploration than those before");
        // A shard that ran twice counts once.
        if (present.insert(n).second)
            join(result, part);
    }
};

int merge(const MergeArguments& args) {
    Shards shards;
    for (const std::string& file : args.files) {
        std::istringstream text(readFile(file));
        std::string line;
        for (unsigned number = 1; std::getline(text, line); ++number) {
            const std::string at = fmt::format("{}:{}", file, number);
            try {
                const Json json = Json::parse(line);
                if (json.value("kind", "") == "explored")
                    shards.add(json, at);
            } catch (const nlohmann::json::exception&) {
                throw UsageError(at + ": not a line of `explore --format jsonl`");
            } catch (const UsageError&) {
                throw;
            } catch (const std::runtime_error& error) {
                throw UsageError(at + ": " + error.what());
            }
        }
    }
    if (shards.count == 0)
        throw UsageError("no result of an exploration is in these files");
    ExploreResult& result = shards.result;
    if (shards.present.size() < shards.count) {
        std::string missing;
        for (unsigned n = 1; n <= shards.count; ++n)
            if (shards.present.count(n) == 0)
                missing += fmt::format("{}{}/{}", missing.empty() ? "" : ", ", n, shards.count);
        std::fprintf(stderr, "missing: %s\n", missing.c_str());
        result.complete = false;
        result.stopped = true;
    }
    const bool ok = result.ok();
    if (args.format == "jsonl") {
        Json json = exploredJson(result);
        json["ok"] = ok;
        json["of"] = shards.of;
        json["shards"] = shards.count;
        putExplored(json);
    } else {
        put("", exploredText(fmt::format("{} of {} shards", shards.present.size(), shards.count), result, ok));
    }
    return exploredStatus(result, ok);
}
} // namespace

void addMerge(CLI::App& root, Invocation& invoke) {
    auto args = std::make_shared<MergeArguments>();
    CLI::App* sub = root.add_subcommand("merge", "join the JSONL results of the shards of one exploration");
    sub->add_option("FILE", args->files, "what `explore --shard I/N --format jsonl` printed")->required();
    sub->add_option("--format", args->format, "text or jsonl")->check(CLI::IsMember({"text", "jsonl"}));
    sub->callback([args, &invoke] { invoke = [args] { return merge(*args); }; });
}

} // namespace mirrorscope::app
