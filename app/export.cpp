// SPDX-License-Identifier: GPL-3.0-or-later
#include "command.h"

#include "export/export.h"
#include "export/exports.h"
#include "scenario/runner.h"
#include "views/picture.h"

#include <memory>

namespace mirrorscope::app {

namespace {
struct ExportArguments {
    std::string file, at, to, as = "text", out;
    OverrideArguments overrides;
};

int exportState(const ExportArguments& args) {
    Session session(loadScenario(args.file, args.overrides.parse()));
    const u64 at = parsePosition(args.at, session.end());
    session.seek(at);
    if (!args.to.empty()) {
        const u64 to = parsePosition(args.to, session.end());
        constexpr u64 kFrames = 200;
        if (args.as != "svg" || to <= at || to - at > kFrames)
            throw UsageError("--to goes with --as svg: up to 200 positions after --at");
        put(args.out, treesSvgMoving(session, at, to));
    } else if (const ExportInfo* kind = exportOf(args.as); kind->write == nullptr) {
        if (args.out.empty() || args.out == "-")
            throw UsageError("--as " + args.as + " needs -o FILE");
        views::svgToPng(treesSvg(session), args.out);
    } else {
        std::string all;
        kind->write(session, [&](const std::string& piece) { all += piece; });
        put(args.out, all);
    }
    return session.runner().bounded() ? kBounded : kOk;
}
} // namespace

void addExport(CLI::App& root, Invocation& invoke) {
    auto args = std::make_shared<ExportArguments>();
    CLI::App* sub = root.add_subcommand("export", "the three trees at a position, to attach to a mail");
    std::vector<std::string> kinds;
    for (const ExportInfo& kind : exportTable())
        kinds.emplace_back(kind.id);
    sub->add_option("FILE", args->file, "a scenario")->required();
    sub->add_option("--at", args->at, "a position (0: before the first micro-step) or `end`");
    sub->add_option("--to", args->to, "a later position: an SVG that moves, a frame for each micro-step");
    sub->add_option("--as", args->as,
                    "text (78 columns), svg, png, dot, csv, json, html (a page that steps with the keys) or perfetto (a trace of the run)")
        ->check(CLI::IsMember(kinds));
    addOverrides(*sub, args->overrides);
    sub->add_option("-o,--output", args->out, "the file to write; standard output by default");
    sub->callback([args, &invoke] { invoke = [args] { return exportState(*args); }; });
}

} // namespace mirrorscope::app
