// SPDX-License-Identifier: GPL-3.0-or-later
// What the tables share.
#pragma once

#include "explore/counterexample.h"
#include "explore/explorer.h"
#include "review/review.h"
#include "scenario/runner.h"

namespace mirrorscope::review_tables {

ReviewTable dispatch(const ReviewOptions& options);
ReviewTable transitions(const ReviewOptions& options);
ReviewTable seamcalls(const ReviewOptions& options);
ReviewTable faults(const ReviewOptions& options);
ReviewTable rules(const ReviewOptions& options);

// Does the reader want that row?
bool wanted(const ReviewOptions& options, const std::string& row);
// Pieces of work, told to `progress` as they are done. False: it was interrupted, and what had not begun was left out.
bool work(const ReviewOptions& options, std::size_t count, const std::function<void(std::size_t)>& each);

// The shipped scenarios that show the kernel as it is: nothing broken on purpose, nothing called behind KVM's back, nothing injected.
// With those that cannot be bound left out.
std::vector<Scenario> honestScenarios(const ReviewOptions& options);
// The files below the shipped folder that are asked for, sorted.
std::vector<std::string> shippedFiles(const ReviewOptions& options);

// A scenario of the tables' own.
// The same scenario on that kernel.
std::string ofKernel(std::string text, Kernel kernel);
Scenario ownScenario(const std::string& text);

// How each exploration of a table is made: every finding, within the reader's bounds.
ExploreOptions exploration(const ReviewOptions& options);
// scenarioOf(), or nothing where the scenario includes others: a copy elsewhere would not find them.
std::string witnessText(const Scenario& scenario, const Counterexample& example);
void notThere(ReviewCell& cell, std::string why);

} // namespace mirrorscope::review_tables
