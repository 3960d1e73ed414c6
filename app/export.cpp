// SPDX-License-Identifier: GPL-3.0-or-later
#include "command.h"

#include "export/export.h"
#include "export/exports.h"
#include "scenario/runner.h"
#include "views/handout.h"

#include <memory>

namespace mirrorscope::app {

namespace {
struct ExportArguments {
    std::string file, at, to, range, as = "text", out;
    OverrideArguments overrides;
};

std::pair<u64, u64> rangeOf(const ExportArguments& args, const Session& session) {
    const std::size_t dots = args.range.find("..");
    if (dots == std::string::npos)
        throw UsageError("--range: `" + args.range + "` is not A..B, two positions");
    const std::pair range{parsePosition(args.range.substr(0, dots), session.end()),
                          parsePosition(args.range.substr(dots + 2), session.end())};
    if (range.first >= range.second)
        throw UsageError("--range: `" + args.range + "` ends before it begins");
    constexpr u64 kFrames = 200;
    if (args.as == "svg" && range.second - range.first > kFrames)
        throw UsageError("an SVG that moves has at most 200 positions");
    return range;
}

int exportState(const ExportArguments& given) {
    ExportArguments args = given;
    const std::unique_ptr<Session> opened = openSession(args.file, args.overrides.parse());
    Session& session = *opened;
    const u64 at = parsePosition(args.at, session.end());
    session.seek(at);
    if (!args.to.empty()) {
        if (args.as != "svg" || !args.range.empty())
            throw UsageError("--to goes with --as svg; --range A..B is of all that can be of a part of the run");
        args.range = std::to_string(at) + ".." + args.to;
    }
    const ExportInfo* kind = exportOf(args.as);
    const bool painted = kind->write == nullptr;
    if (painted && (args.out.empty() || args.out == "-"))
        throw UsageError("--as " + args.as + " needs -o FILE");
    if (!args.range.empty() && kind->writeRange == nullptr && args.as != "pdf")
        throw UsageError("--as " + args.as + " is of one position or of the whole run: --range has no meaning with it");
    if (painted) {
        views::writePainted(session, kind->id, args.range.empty() ? std::pair<u64, u64>{0, session.end()} : rangeOf(args, session),
                            args.out);
        return session.runner().bounded() ? kBounded : kOk;
    }
    std::string all;
    const auto piece = [&](const std::string& part) { all += part; };
    if (args.range.empty()) {
        kind->write(session, piece);
    } else {
        const auto [from, to] = rangeOf(args, session);
        kind->writeRange(session, from, to, piece);
    }
    put(args.out, all);
    return session.runner().bounded() ? kBounded : kOk;
}
} // namespace

void addExport(CLI::App& root, Invocation& invoke) {
    auto args = std::make_shared<ExportArguments>();
    CLI::App* sub = root.add_subcommand("export", "the three trees at a position, to attach to a mail");
    std::vector<std::string> kinds;
    for (const ExportInfo& kind : exportTable())
        kinds.emplace_back(kind.id);
    sub->add_option("FILE", args->file, "a scenario, or a recording of a kernel")->required();
    sub->add_option("--at", args->at, "a position (0: before the first micro-step) or `end`");
    sub->add_option("--to", args->to, "a later position: an SVG that moves, a frame for each micro-step");
    sub->add_option("--range", args->range, "A..B, two positions: what lies between them, as text, columns, svg, html or pdf");
    sub->add_option(
           "--as", args->as,
           "text (78 columns), columns (steps, one column an actor), svg, png, pdf (a handout), dot, csv, json, html (a page that steps "
           "with the keys) or perfetto (a trace of the run)")
        ->check(CLI::IsMember(kinds));
    addOverrides(*sub, args->overrides);
    sub->add_option("-o,--output", args->out, "the file to write; standard output by default");
    sub->callback([args, &invoke] { invoke = [args] { return exportState(*args); }; });
}

} // namespace mirrorscope::app
