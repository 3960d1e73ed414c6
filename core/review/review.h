// SPDX-License-Identifier: GPL-3.0-or-later
// Tables that reviewers make by hand, computed: each cell is the outcome of runs and explorations, with a scenario that shows it, or, where
// nothing happened, with the number of executions in which it was looked for.
//
//   const ReviewTable table = review(ReviewKind::Dispatch, {});
//   table.cells[0].outcome;  table.cells[0].witness;
//
// One file a table; what each of its rows is made of is a table there.
#pragma once

#include "scenario/scenario.h"

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mirrorscope {

class System;

enum class ReviewKind : u8 { Dispatch, Transitions, Seamcalls, Faults, Rules, Count_ };
inline constexpr unsigned kReviewKinds = static_cast<unsigned>(ReviewKind::Count_);

struct ReviewInfo {
    ReviewKind kind;
    std::string_view name;  // "dispatch"
    std::string_view title; // what a reader asks
    std::string_view help;  // what a row is, what a column is, what an outcome says
    std::span<const std::string_view> rowKeys, columnKeys;
};
const ReviewInfo& info(ReviewKind kind);
std::span<const std::string_view> reviewNames();
std::optional<ReviewKind> reviewFromName(std::string_view name);

struct ReviewCell {
    std::vector<std::string> row, column; // values of the table's keys
    std::string outcome;                  // a word of the table's own; "unknown" where a bound cut off what was looked for
    std::string rule;                     // that was broken, if one was
    std::optional<u64> step;              // the decisive micro-step of the witness
    std::string why;                      // one sentence
    std::string witness;                  // a scenario's text; empty: there is none
    u64 executions = 0;                   // in so many was it looked for
    u64 races = 0;                        // of so many races
    // What a reader may ask with yes or no; nothing: unknown.
    std::vector<std::pair<std::string_view, std::optional<bool>>> facts;
    std::vector<std::pair<std::string_view, std::string>> details;

    std::optional<bool> fact(std::string_view name) const;
    // The row, or the column, in one line.
    std::string rowText() const;
    std::string columnText() const;
};

struct ReviewTable {
    ReviewKind kind = ReviewKind::Dispatch;
    std::vector<ReviewCell> cells;
    bool whole = true; // it was not interrupted
};

struct ReviewOptions {
    // The scenario that stands in place of the built-in set.
    std::optional<Scenario> scenario = {};
    Kernel kernel = Kernel::V6_16; // of which the built-in set is; one's own scenario says its own
    std::string only;              // rows whose text contains this; empty: all
    // Of the built-in set only the files whose name has one of these in it; "more races": those that are in no file. Empty: all.
    std::vector<std::string> files = {};
    // Each exploration ends after so many micro-steps.
    u64 maxTransitions = 30'000'000;
    // How independent pieces of work are done: `each(i)` for every i below `count`, in any order, on any threads. By default one after the
    // other.
    std::function<void(std::size_t count, const std::function<void(std::size_t)>& each)> forEach = {};
    std::function<void(std::size_t done, std::size_t of)> progress = {}; // from any thread
    std::function<bool()> cancelled = {};
    // For tests: done to each machine before anything runs on it.
    std::function<void(System&)> prepare = {};
};

// Throws InputError where the scenario cannot be used.
ReviewTable review(ReviewKind kind, const ReviewOptions& options);

} // namespace mirrorscope
