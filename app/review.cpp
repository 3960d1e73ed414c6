// SPDX-License-Identifier: GPL-3.0-or-later
#include "command.h"

#include "export/review_text.h"
#include "views/threads.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <thread>
#include <unistd.h>

namespace mirrorscope::app {

namespace {
struct ReviewArguments {
    std::string file, table, format = "text", only, out, witnesses, kernel;
    OverrideArguments overrides;
    unsigned jobs = std::max(1u, std::thread::hardware_concurrency());
    u64 maxSteps = 30'000'000;
    bool all = false;
};

std::string fileName(const ReviewCell& cell, std::string_view table) {
    std::string name = fmt::format("{} {} {}", table, cell.rowText(), cell.columnText());
    if (const auto same = cell.fact("same-frame"); same && !*same)
        name += " another";
    for (char& c : name)
        if (std::isalnum(static_cast<unsigned char>(c)) == 0)
            c = '-';
    return name + ".yaml";
}

void saveWitnesses(const std::string& folder, const std::vector<ReviewTable>& tables) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (!std::filesystem::is_directory(folder))
        throw UsageError("--witnesses: `" + folder + "` is no folder and cannot be made one");
    for (const ReviewTable& table : tables)
        for (const ReviewCell& cell : table.cells)
            if (!cell.witness.empty())
                put((std::filesystem::path(folder) / fileName(cell, info(table.kind).name)).string(), cell.witness);
}

int reviewCommand(const ReviewArguments& args) {
    interrupted();
    if (args.all && !args.table.empty())
        throw UsageError("--all makes every table, --table one of them");
    ReviewOptions options;
    if (!args.file.empty())
        options.scenario = runnable(args.file, args.overrides.parse());
    else if (!args.overrides.parse().empty())
        throw UsageError("--set and --variant change a scenario of one's own: name its file");
    if (!args.kernel.empty() && !args.file.empty())
        throw UsageError("--kernel is of the built-in set; one's own scenario takes --set machine.kernel=V");
    if (!args.kernel.empty())
        options.kernel = static_cast<Kernel>(std::find(kKernels.begin(), kKernels.end(), args.kernel) - kKernels.begin());
    options.only = args.only;
    options.maxTransitions = args.maxSteps;
    options.cancelled = [] { return interrupted(); };
    options.forEach = [&](std::size_t count, const std::function<void(std::size_t)>& each) { views::onThreads(args.jobs, count, each); };
    std::vector<ReviewTable> tables;
    const auto make = [&](ReviewKind kind) {
        if (isatty(STDERR_FILENO) != 0)
            options.progress = [kind](std::size_t done, std::size_t of) {
                std::fprintf(stderr, "\r%s: %zu of %zu%s", std::string(info(kind).name).c_str(), done, of, done == of ? "\n" : "");
            };
        tables.push_back(review(kind, options));
    };
    if (args.all) {
        for (const std::string_view name : reviewNames())
            make(*reviewFromName(name));
    } else {
        make(*reviewFromName(args.table.empty() ? "dispatch" : args.table));
    }
    if (!args.only.empty() && std::all_of(tables.begin(), tables.end(), [](const ReviewTable& t) { return t.cells.empty() && t.whole; }))
        throw UsageError("--only: no row has `" + args.only + "` in it");
    const auto formats = reviewFormatNames();
    put(args.out, reviewText(tables, static_cast<ReviewFormat>(std::find(formats.begin(), formats.end(), args.format) - formats.begin())));
    if (!args.witnesses.empty())
        saveWitnesses(args.witnesses, tables);
    const bool whole = std::all_of(tables.begin(), tables.end(), [](const ReviewTable& t) { return t.whole; });
    return whole ? kOk : kBounded;
}
} // namespace

void addReview(CLI::App& root, Invocation& invoke) {
    auto args = std::make_shared<ReviewArguments>();
    CLI::App* sub = root.add_subcommand("review", "tables that are computed: who decides that the private table follows, which changes of "
                                                  "entries there are, what is in the way of what");
    sub->add_option("FILE", args->file, "one's own scenario in place of the built-in set");
    const auto names = reviewNames();
    sub->add_option("--table", args->table, fmt::format("{}; dispatch by default", fmt::join(names, ", ")))
        ->check(CLI::IsMember(std::vector<std::string>(names.begin(), names.end())));
    sub->add_flag("--all", args->all, "every table");
    sub->add_option("--only", args->only, "the rows whose name has this in it");
    const auto formats = reviewFormatNames();
    sub->add_option("--format", args->format, fmt::format("{}", fmt::join(formats, ", ")))
        ->check(CLI::IsMember(std::vector<std::string>(formats.begin(), formats.end())));
    sub->add_option("--kernel", args->kernel, fmt::format("of which the built-in set is: {}", fmt::join(kKernels, ", ")))
        ->check(CLI::IsMember(std::vector<std::string>(kKernels.begin(), kKernels.end())));
    sub->add_option("--jobs", args->jobs, "on so many threads")->check(CLI::Range(1u, 256u));
    sub->add_option("--max-steps", args->maxSteps, "at most that many micro-steps for each exploration")->check(CLI::PositiveNumber);
    sub->add_option("-o,--output", args->out, "a file in place of standard output");
    sub->add_option("--witnesses", args->witnesses, "a folder for the scenarios that show the cells");
    addOverrides(*sub, args->overrides);
    sub->callback([args, &invoke] { invoke = [args] { return reviewCommand(*args); }; });
}

} // namespace mirrorscope::app
