// SPDX-License-Identifier: GPL-3.0-or-later
// A subcommand is one file with one function: it adds itself to the parser, and when it was chosen it leaves in `invoke`
// what is to be done. The exit status is that of `invoke`: 0 all holds, 1 something does not, 2 unusable input, 3 a bound.
#pragma once

#include "scenario/scenario.h"

#include <CLI/CLI.hpp>

#include <functional>
#include <string>
#include <vector>

namespace mirrorscope::app {

using Invocation = std::function<int()>;

inline constexpr int kOk = 0, kFailed = 1, kUnusable = 2, kBounded = 3, kInternal = 70; // EX_SOFTWARE

void addRun(CLI::App& root, Invocation& invoke);
void addBench(CLI::App& root, Invocation& invoke);
void addCheck(CLI::App& root, Invocation& invoke);
void addCost(CLI::App& root, Invocation& invoke);
void addConform(CLI::App& root, Invocation& invoke);
void addDiff(CLI::App& root, Invocation& invoke);
void addExplain(CLI::App& root, Invocation& invoke);
void addExplore(CLI::App& root, Invocation& invoke);
void addExport(CLI::App& root, Invocation& invoke);
void addImport(CLI::App& root, Invocation& invoke);
void addMerge(CLI::App& root, Invocation& invoke);
void addMutants(CLI::App& root, Invocation& invoke);
void addRecord(CLI::App& root, Invocation& invoke);
void addReview(CLI::App& root, Invocation& invoke);
void addScreenshot(CLI::App& root, Invocation& invoke);
void addShell(CLI::App& root, Invocation& invoke);
void addSeamcalls(CLI::App& root, Invocation& invoke);
void addVocabulary(CLI::App& root, Invocation& invoke);
int openWindow(const std::string& file);

// Unusable arguments: one line on stderr, exit 2.
struct UsageError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// What a call changes of a scenario: `--variant NAME`, and after it `--set KEY=VALUE` as often as it stands.
struct OverrideArguments {
    std::vector<std::string> set;
    std::string variant;
    std::vector<Override> parse() const;
};
void addOverrides(CLI::App& sub, OverrideArguments& to);
// `--kernel V` of the commands that read traces; the name is one that traceKernelFromName() knows, or empty.
void addTraceKernel(CLI::App& sub, std::string& to);
// A scenario that is to be run. Throws InputError, also for a recording, with what can be done with that.
Scenario runnable(const std::string& file, const std::vector<Override>& overrides);
// "end" or a number not beyond the end.
u64 parsePosition(const std::string& text, u64 end);
// True once Ctrl-C was pressed; the first call arms the handler.
bool interrupted();
// Writes to a file beside and renames, or to standard output for "" and "-".
void put(const std::string& file, const std::string& content);

} // namespace mirrorscope::app
