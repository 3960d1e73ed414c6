// SPDX-License-Identifier: GPL-3.0-or-later
// Snapshots of a kernel's tables: what was read stands in the trees, nothing else does; each entry is judged by itself; a file that is none
// is refused where it is wrong.
#include "trace/snapshot_reader.h"

#include "export/difference.h"
#include "export/export.h"
#include "scenario/diagnostic.h"
#include "support/effort.h"
#include "support/lines.h"
#include "support/run.h"
#include "support/seed.h"
#include "trace/judge.h"
#include "trace/recorded.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <map>
#include <random>
#include <tuple>

namespace mirrorscope::test {

namespace {
using Json = nlohmann::ordered_json;
const std::filesystem::path kData = kSource / "tests/data";
const std::string kLab = (kData / "snapshots/lab-6.12.json").string();

std::unique_ptr<Session> opened(const std::string& text) {
    TraceInput input("s.json", text);
    return openRecording(input);
}
std::string refusal(const std::string& text) {
    try {
        opened(text);
    } catch (const InputError& e) {
        return e.what();
    }
    return {};
}
// Every entry of KVM's trees: which tree, level and gfn; of one that leads to a table only that it does.
using Entries = std::map<std::tuple<std::string, unsigned, u64>, std::string>;
Entries entriesOf(const Json& state) {
    Entries entries;
    for (const auto& [tree, list] : state["trees"].items())
        if (tree != "secure")
            for (const Json& e : list)
                entries[{tree, e["level"], e["gfn"]}] = e.value("is", "") == "table" ? "table" : e["raw"].get<std::string>();
    return entries;
}
std::multiset<std::string> rootsOf(const Json& state) {
    std::multiset<std::string> roots;
    for (const Json& root : state["roots"])
        roots.insert(fmt::format("{} {} {}", root["tree"].get<std::string>(), root["level"].get<unsigned>(), root["invalid"].get<bool>()));
    return roots;
}
std::vector<std::string> findingsIn(const std::string& text) {
    TraceInput input("s.json", text);
    TraceNames names;
    std::vector<std::string> found;
    const Judged judged = judgeTrace(input, names, {});
    for (const Finding& f : judged.rebuild->findings())
        found.push_back(fmt::format("{}: {}", f.line, info(f.rule).name));
    return found;
}
} // namespace

// Read out of Debian's 6.12 by drgn, with its -dbg package.
TEST(Snapshot, of_a_real_kernel_stands_in_the_trees_as_it_was_read) {
    const std::string text = readFile(kLab);
    const Json read = Json::parse(text);
    const auto session = opened(text);
    EXPECT_EQ(session->position(), session->end());
    EXPECT_TRUE(session->isNpt());
    EXPECT_TRUE(session->violations().empty());
    const Json state = Json::parse(stateJson(*session));
    Entries was;
    for (const Json& e : read["trees"]["direct"]) {
        const u64 raw = std::stoull(e["raw"].get<std::string>(), nullptr, 16);
        was[{"direct", e["level"], e["gfn"]}] =
            spte::isTable(raw, levelOf(e["level"].get<unsigned>())) ? "table" : e["raw"].get<std::string>();
    }
    EXPECT_EQ(was.size(), 95u);
    EXPECT_EQ(entriesOf(state), was);
    EXPECT_EQ(rootsOf(state), rootsOf(read));
    // What was not read is not told.
    for (const RootView& root : session->roots())
        EXPECT_FALSE(root.references);
    for (const Json& root : state["roots"])
        EXPECT_FALSE(root.contains("count"));
    // An entry was read; no line says that it changed.
    std::vector<FoundEvent> events;
    std::string error;
    session->find(EventFilter::parse("", error), 0, events, 1000, std::chrono::steady_clock::time_point::max());
    EXPECT_GT(events.size(), 95u);
    for (const FoundEvent& event : events)
        EXPECT_EQ((event.function + event.what).find("line "), std::string::npos) << event.what;
    EXPECT_NE(session->scenario().about.find("6.12.117"), std::string::npos) << session->scenario().about;
}

// What a recording leads to is a snapshot, too: at each position the trees are those that the state tells.
TEST(Snapshot, of_a_recording_is_the_recording_at_that_position) {
    std::vector<std::unique_ptr<Session>> recordings;
    for (const char* name : {"lab-6.12.txt.xz", "private-exits.trace", "prefault.trace.gz"})
        recordings.push_back(openSession((kData / "traces" / name).string(), {}));
    for (const char* folder : {"lessons", "races"})
        for (const auto& file : someOf(shippedScenarios(folder))) {
            Session run(loadScenario(file.string()));
            if (!run.runner().stopped().empty() || run.system().config().vm == VmType::Snp)
                continue;
            std::string trace;
            writeTrace(run, [&](const std::string& line) { trace += line; });
            if (trace.find("spte_changed") != std::string::npos)
                recordings.push_back(opened(trace));
        }
    unsigned compared = 0, mirrored = 0;
    for (const auto& recording : recordings)
        for (const u64 position : {recording->end() / 3, recording->end() * 2 / 3, recording->end()}) {
            recording->seek(position);
            const std::string text = stateJson(*recording);
            const Json state = Json::parse(text);
            SCOPED_TRACE(recording->scenario().file + " at " + std::to_string(position));
            if (text.find("\"unrecorded\"") != std::string::npos || text.find("unknown") != std::string::npos)
                continue; // what is not known is no snapshot's
            const auto again = opened(text);
            const Json read = Json::parse(stateJson(*again));
            EXPECT_EQ(entriesOf(read), entriesOf(state));
            EXPECT_EQ(rootsOf(read), rootsOf(state));
            const Difference d = differenceOfTables({*recording, position, "a"}, {*again, again->end(), "b"});
            EXPECT_TRUE(d.equal()) << differenceText(d);
            ++compared;
            mirrored += state["trees"].contains("mirror");
        }
    EXPECT_GE(compared, effort(40, 10));
    EXPECT_GE(mirrored, effort(10, 2));
}

TEST(Snapshot, has_each_entry_judged_by_itself) {
    const Json state = Json::parse(readFile((kData / "snapshots/lab-6.12-huge.json").string())); // read by QEMU's gdbstub
    EXPECT_TRUE(findingsIn(state.dump()).empty());
    const Json& entries = state["trees"]["direct"];
    const auto with = [&](std::size_t i, u64 flipped) {
        Json other = state;
        const u64 raw = std::stoull(entries[i]["raw"].get<std::string>(), nullptr, 16);
        other["trees"]["direct"][i]["raw"] = fmt::format("{:#018x}", raw ^ flipped);
        return findingsIn(other.dump());
    };
    std::size_t leaf = 0, huge = 0;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const u64 raw = std::stoull(entries[i]["raw"].get<std::string>(), nullptr, 16);
        if (entries[i]["level"] == 1 && spte::isWritable(raw))
            leaf = i;
        if (entries[i]["level"] == 2 && spte::isLarge(raw))
            huge = i;
    }
    ASSERT_NE(leaf, 0u);
    ASSERT_NE(huge, 0u);
    const SpteMasks masks = traitsOf(VmType::Snp).masks;
    EXPECT_EQ(with(leaf, masks.hostWritable), std::vector<std::string>{fmt::format("{}: writable", leaf + 1)});
    EXPECT_EQ(with(leaf, masks.mmuWritable), std::vector<std::string>{fmt::format("{}: writable", leaf + 1)});
    EXPECT_EQ(with(huge, 1 << 13), std::vector<std::string>{fmt::format("{}: place", huge + 1)});
    EXPECT_EQ(with(leaf, 1ull << 57), std::vector<std::string>{fmt::format("{}: value", leaf + 1)});
}

TEST(Snapshot, two_are_compared_by_their_tables) {
    Json state = Json::parse(readFile(kLab));
    const auto first = opened(state.dump());
    Json& last = state["trees"]["direct"].back();
    last["raw"] = fmt::format("{:#018x}", std::stoull(last["raw"].get<std::string>(), nullptr, 16) ^ 1ull << 20);
    const auto second = opened(state.dump());
    EXPECT_TRUE(differenceOfTables({*first, first->end(), "a"}, {*first, first->end(), "a"}).equal());
    const Difference d = differenceOfTables({*first, first->end(), "a"}, {*second, second->end(), "b"});
    ASSERT_EQ(d.trees.size(), 1u) << differenceText(d);
    EXPECT_NE(d.trees[0].a.find("frame"), std::string::npos) << d.trees[0].a;
}

TEST(Snapshot, that_is_none_is_refused_where_it_is_wrong) {
    const auto state = [](const std::string& machine, const std::string& entries) {
        return "{\"position\":7,\"file\":\"a.yaml\",\"machine\":{" + machine + "},\n\"trees\":{\"direct\":[" + entries +
               "]},\"roots\":[{\"tree\":\"direct\",\"pfn\":9,\"level\":4,\"count\":1,\"invalid\":false}]}";
    };
    const std::string recorded = "\"recorded\":\"EPT\"";
    EXPECT_EQ(refusal(state("\"vm\":\"tdx\"", "")), "s.json:1:1: this is the state of a run at position 7: open a.yaml and go there");
    EXPECT_EQ(refusal(state(recorded, "{\"root\":9,\"gfn\":0,\"level\":6,\"raw\":\"0x0\"}")), "s.json:2:47: there is no level 6");
    EXPECT_EQ(refusal(state(recorded, "{\"root\":9,\"gfn\":0,\"level\":1,\"raw\":\"x\"}")), "s.json:2:56: `raw` is a number, not `x`");
    EXPECT_EQ(refusal(state(recorded, "{\"root\":9,\"level\":4,\"raw\":\"0x1\"}")),
              "s.json:2:51: an entry is `{\"root\", \"gfn\", \"level\", \"raw\"}`");
    EXPECT_EQ(refusal(state(recorded, "{\"root\":9,\"gfn\":0,\"level\":1,\"raw\":\"0x1\"}")),
              "s.json:1:1: entry 1 (gfn 0x0, level 1): no entry before it leads to its table");
    EXPECT_EQ(refusal(state(recorded, "{\"root\":8,\"gfn\":0,\"level\":4,\"raw\":\"0x1\"}")),
              "s.json:1:1: entry 1 of `direct` is of root 0x8, which is not in `roots`");
    EXPECT_NE(refusal(state(recorded, "{\"root\":9,").substr(0, 90)).find("s.json:2:"), std::string::npos);
}

TEST(Snapshot, of_any_bytes_ends_no_program) {
    const std::string text = readFile(kLab);
    std::mt19937_64 random(propertySeed());
    SCOPED_TRACE("seed " + std::to_string(propertySeed()));
    for (unsigned i = 0; i < effort(1000, 150); ++i) {
        std::string broken = text;
        for (unsigned k = 0; k < 1 + random() % 4; ++k) {
            const std::size_t at = random() % broken.size();
            switch (random() % 4) {
            case 0: broken[at] = static_cast<char>("0123456789abcdef{}[],:\"x"[random() % 24]); break;
            case 1: broken.erase(at, random() % 60); break;
            case 2: broken.insert(at, broken.substr(random() % broken.size(), random() % 60)); break;
            default: broken.resize(std::max<std::size_t>(at, 40)); break;
            }
        }
        try {
            opened(broken)->seek(0);
        } catch (const InputError&) {
            continue;
        }
    }
}

} // namespace mirrorscope::test
