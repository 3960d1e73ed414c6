// SPDX-License-Identifier: GPL-3.0-or-later
// How fast this build is on this machine: what a page costs, how many bytes it leaves, how fast time travels, how fast orders are tried,
// recordings read and pictures painted; and whether another build was faster.
#include "bench_rows.h"
#include "command.h"

#include "base/text.h"
#include "cost/boot.h"
#include "scenario/yaml.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <sstream>

namespace mirrorscope::app {

namespace {
struct BenchArguments {
    u64 pages = 65536;
    unsigned repeat = 5;
    std::string format = "text", against, only;
    std::string boot, costs, out;
    unsigned vcpus = 1;
    bool predicts = false;
};

// Of several measurements the one in the middle, and how far the others lie from it.
struct BenchResult {
    BenchFigure figure;
    double low = 0, high = 0;
};

BenchResult measured(const BenchRow& row, unsigned repeat) {
    row.measure(); // what is slow but once: code, memory of this host
    std::vector<BenchFigure> all;
    while (all.size() < repeat && !interrupted())
        all.push_back(row.measure());
    if (all.empty())
        return {};
    std::sort(all.begin(), all.end(), [](const BenchFigure& a, const BenchFigure& b) { return a.perSecond() < b.perSecond(); });
    return {all[all.size() / 2], all.front().perSecond(), all.back().perSecond()};
}

using Name = std::pair<std::string, std::string>; // workload, mode

// The lines of `bench --format jsonl` of another build or day.
std::map<Name, BenchResult> readBench(const std::string& file) {
    std::istringstream in(readFile(file));
    std::map<Name, BenchResult> rows;
    unsigned line = 0;
    for (std::string text; std::getline(in, text);) {
        ++line;
        const auto row = nlohmann::json::parse(text, nullptr, false);
        const auto number = [&](const char* key, double otherwise) {
            return row.contains(key) && row[key].is_number() ? row[key].get<double>() : otherwise;
        };
        const auto word = [&](const char* key) { return row.contains(key) && row[key].is_string() ? row[key].get<std::string>() : ""; };
        if (!row.is_object() || word("kind") != "bench")
            throw UsageError(fmt::format("--against {}:{}: a line of `bench --format jsonl` is expected", file, line));
        const double median = number("per_s", number("pages_per_s", 0));
        rows[{word("workload"), word("mode")}] = {{median, 1}, number("low", median), number("high", median)};
    }
    return rows;
}

// How this build's figure is to the other's: faster or slower only if no measurement of one lies among those of the other.
std::string ratio(const BenchResult& now, const std::map<Name, BenchResult>& before, const Name& name) {
    const auto found = before.find(name);
    if (found == before.end() || found->second.figure.perSecond() <= 0)
        return "–";
    const bool apart = now.low > found->second.high || now.high < found->second.low;
    return fmt::format("{:.2f}{}", now.figure.perSecond() / found->second.figure.perSecond(), apart ? "" : " ~");
}

std::string asText(const BenchRow& row, const BenchResult& r, const std::string& beside) {
    const auto percent = [&](double other) { return fmt::format("{:+.0f}", 100 * (other / r.figure.perSecond() - 1)); };
    std::string more;
    if (r.figure.stepsPerPage != 0)
        more = fmt::format("{:.0f} steps, {:.0f} B a page", r.figure.stepsPerPage, r.figure.bytesPerPage);
    if (r.figure.undoPerSecond != 0)
        more += fmt::format(", {:.0f} M steps/s undone", r.figure.undoPerSecond / 1e6);
    return fmt::format("{:<20} {:<17} {:>10.0f} {:<12} {:>10}  {:<7} {}", row.workload, row.mode, r.figure.perSecond(), row.unit + "s/s",
                       percent(r.low) + " " + percent(r.high) + " %", beside, more);
}

std::string asJson(const BenchRow& row, const BenchResult& r, u64 pages) {
    const auto whole = [](double value) { return static_cast<u64>(value + 0.5); };
    nlohmann::ordered_json json{{"kind", "bench"}, {"workload", row.workload}, {"mode", row.mode}};
    if (row.unit == "page") {
        json["pages"] = pages;
        json["pages_per_s"] = whole(r.figure.perSecond());
        json["steps_per_page"] = static_cast<double>(whole(r.figure.stepsPerPage * 10)) / 10;
        json["journal_bytes_per_page"] = whole(r.figure.bytesPerPage);
        json["undo_steps_per_s"] = whole(r.figure.undoPerSecond);
    }
    json["unit"] = row.unit;
    json["per_s"] = whole(r.figure.perSecond());
    json["low"] = whole(r.low);
    json["high"] = whole(r.high);
    return json.dump() + "\n";
}

// A TD's start, predicted: nothing is measured on this machine.
int boot(const BenchArguments& args) {
    const auto bytes = parseNumber(args.boot);
    if (!bytes || *bytes < (64u << 20) || *bytes > u64{64} << 40 || (*bytes & 0xfff) != 0)
        throw UsageError("--boot " + args.boot + ": how much memory the TD has, 64M to 64T, such as 32G");
    if (args.format == "jsonl")
        throw UsageError("--boot prints text, csv or svg");
    const CostTable costs = args.costs.empty() ? CostTable() : CostTable::read(args.costs);
    const BootTable table = predictBoots({*bytes, args.vcpus, [] { return interrupted(); }}, costs);
    put(args.out, args.format == "csv" ? bootCsv(table) : args.format == "svg" ? bootSvg(table) : bootText(table, costs));
    return table.whole ? kOk : kBounded;
}

int bench(const BenchArguments& args) {
    interrupted();
    if (args.predicts)
        return boot(args);
    if (args.format != "text" && args.format != "jsonl")
        throw UsageError("--format " + args.format + " goes with --boot");
    const auto before = args.against.empty() ? std::map<Name, BenchResult>{} : readBench(args.against);
    const bool text = args.format == "text";
    std::vector<BenchRow> rows = benchRows(args.pages);
    std::erase_if(rows, [&](const BenchRow& row) { return !(row.workload + ", " + row.mode).starts_with(args.only); });
    if (rows.empty())
        throw UsageError("--only " + args.only +
                         ": the beginning of a row is expected, such as \"private fault\" or \"explore, stateful\"");
    if (text)
        put("", fmt::format("{} pages of 4K; the median of {}, and how far the others are from it{}\n", args.pages, args.repeat,
                            args.against.empty() ? "" : "; the ratio to " + args.against + ", with ~ where they overlap"));
    for (const BenchRow& row : rows) {
        const BenchResult result = measured(row, args.repeat);
        if (interrupted())
            return kBounded;
        if (!text) {
            put("", asJson(row, result, args.pages));
            continue;
        }
        std::string line = asText(row, result, args.against.empty() ? "" : ratio(result, before, {row.workload, row.mode}));
        line.erase(line.find_last_not_of(' ') + 1);
        put("", line + "\n");
    }
    return kOk;
}
} // namespace

void addBench(CLI::App& root, Invocation& invoke) {
    auto args = std::make_shared<BenchArguments>();
    CLI::App* sub = root.add_subcommand("bench", "how fast this build is here: faults, zaps, seeking, exploring, import, painting");
    CLI::Option* pages = sub->add_option("--pages", args->pages, "how many 4K pages, 65536 by default");
    pages->check(CLI::Range(u64{1}, u64{16} << 20));
    CLI::Option* repeat = sub->add_option("--repeat", args->repeat, "so often after a first time that does not count, 5 by default");
    repeat->check(CLI::Range(1, 1000));
    CLI::Option* only = sub->add_option("--only", args->only, "rows that begin so: \"private fault\", \"explore, stateful\"");
    CLI::Option* against =
        sub->add_option("--against", args->against, "what `bench --format jsonl` wrote for another build: the ratio to that");
    against->type_name("FILE");
    CLI::Option* boot =
        sub->add_option("--boot", args->boot, "no measurement, but a prediction: how long a TD of that size takes to start, per kernel");
    boot->type_name("SIZE")->excludes(pages)->excludes(repeat)->excludes(only)->excludes(against);
    sub->add_option("--vcpus", args->vcpus, "of that TD, 1 by default")->check(CLI::Range(1, 4096))->needs(boot);
    sub->add_option("--costs", args->costs, "other costs than the default ones (`mirrorscope cost --table`)")
        ->type_name("TABLE")
        ->needs(boot);
    sub->add_option("--format", args->format, "text or jsonl; of --boot text, csv or svg")
        ->check(CLI::IsMember({"text", "jsonl", "csv", "svg"}));
    sub->add_option("-o,--output", args->out, "of --boot: a file to write, in place of standard output")->needs(boot);
    sub->callback([args, boot, &invoke] {
        args->predicts = boot->count() > 0;
        invoke = [args] { return bench(*args); };
    });
}

} // namespace mirrorscope::app
