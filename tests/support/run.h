// SPDX-License-Identifier: GPL-3.0-or-later
// Short ways to run a scenario from a string, and to find the shipped ones.
#pragma once

#include "export/export.h"
#include "scenario/runner.h"
#include "scenario/yaml.h"
#include "session/session.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace mirrorscope::test {

inline const std::filesystem::path kSource = MIRRORSCOPE_SOURCE_DIR;

// A scenario and its run; the scenario must outlive the runner.
struct Ran {
    explicit Ran(const std::string& text, const RunOptions& options = {})
        : scenario(bindScenario("test.yaml", text)), runner(scenario, options) {
        runner.runAll();
    }
    Scenario scenario;
    Runner runner;

    // Every failed expectation, violation and early stop, for a message.
    std::string failures() const {
        std::string text;
        for (const auto& e : runner.expectations())
            if (!e.holds)
                text += "line " + std::to_string(e.line) + ": " + e.text + ": found " + e.found + "\n";
        for (const Violation& v : runner.checker().violations())
            text += std::string(info(v.rule).name) + ": " + v.text + "\n";
        return text + runner.stopped();
    }
    bool violated(Rule rule) const {
        for (const Violation& v : runner.checker().violations())
            if (v.rule == rule)
                return true;
        return false;
    }
};

// What no-leak says of the quiet machine when it is asked for every frame, and did not say of its own accord: a line each.
inline std::string notNoticed(Runner& runner) {
    const std::vector<Violation>& violations = runner.checker().violations();
    const std::size_t noticed = violations.size();
    runner.checker().lookAtAllWhenQuiet();
    runner.quiet();
    std::string texts;
    for (std::size_t i = noticed; i < violations.size(); ++i)
        texts += "not noticed: " + violations[i].text + "\n";
    return texts;
}

// A step that expects this, and a run in which all that is expected holds and no rule is violated.
inline std::string expecting(const std::string& what) { return "  - expect: {" + what + "}\n"; }
inline void expectHolds(const std::string& text) {
    const Ran ran(text);
    EXPECT_FALSE(ran.runner.expectations().empty()) << text;
    EXPECT_EQ(ran.failures(), "") << text;
}

inline std::vector<nlohmann::json> eventsOf(Session& session) {
    std::vector<nlohmann::json> events;
    writeJsonl(session, [&](const std::string& line) { events.push_back(nlohmann::json::parse(line)); });
    return events;
}

inline std::vector<nlohmann::json> eventsOf(const std::string& text) {
    Session session(bindScenario("test.yaml", text));
    return eventsOf(session);
}

// The kernel's own tests are told a fact a file, without a story: they are run and explored, and not taken through all else each.
inline bool isOneFact(const std::filesystem::path& file) {
    return file.parent_path().filename() == "selftests" && readFile(file.string()).find("\nabout:") == std::string::npos;
}

// All that is in a folder; without one, all but the single facts.
inline std::vector<std::filesystem::path> shippedScenarios(const std::string& folder = "") {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(kSource / "scenarios" / folder))
        if (entry.path().extension() == ".yaml" && !(folder.empty() && isOneFact(entry.path())))
            files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    return files;
}

// The head of a TD with one page at 0, finalized; `script` and what follows are appended.
inline std::string td(const std::string& script, const std::string& machine = "vcpus: 2") {
    return "mirrorscope: 1\nmachine: {vm: tdx, slots: [{id: 0, gpa: 0, size: 32M}], " + machine +
           "}\nscript:\n  - init-mem-region: {gpa: 0, size: 4K}\n  - finalize-vm\n" + script;
}

} // namespace mirrorscope::test
