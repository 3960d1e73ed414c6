// SPDX-License-Identifier: GPL-3.0-or-later
#include "command.h"

#include "export/export.h"

#include <memory>

namespace mirrorscope::app {

namespace {
struct ExportArguments {
    std::string file, at, as = "text", out;
    std::vector<std::string> set;
};

int exportState(const ExportArguments& args) {
    for (const char* later : {"png", "dot", "csv", "html", "perfetto"})
        if (args.as == later)
            throw UsageError("`--as " + args.as + "` is not built yet");
    Session session(loadScenario(args.file, parseOverrides(args.set)));
    session.seek(parsePosition(args.at, session.end()));
    if (args.as == "text")
        put(args.out, treesText(session));
    else if (args.as == "svg")
        put(args.out, treesSvg(session));
    else
        put(args.out, stateJson(session));
    return session.runner().bounded() ? kBounded : kOk;
}
} // namespace

void addExport(CLI::App& root, Invocation& invoke) {
    auto args = std::make_shared<ExportArguments>();
    CLI::App* sub = root.add_subcommand("export", "the three trees at a position, to attach to a mail");
    sub->add_option("FILE", args->file, "a scenario")->required();
    sub->add_option("--at", args->at, "a position (0: before the first micro-step) or `end`");
    sub->add_option("--as", args->as, "text (78 columns), svg or json")
        ->check(CLI::IsMember({"text", "svg", "png", "dot", "csv", "json", "html", "perfetto"}));
    sub->add_option("--set", args->set, "KEY=VALUE: override a key")->expected(1)->take_all();
    sub->add_option("-o,--output", args->out, "the file to write; standard output by default");
    sub->callback([args, &invoke] { invoke = [args] { return exportState(*args); }; });
}

} // namespace mirrorscope::app
