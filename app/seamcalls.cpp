// SPDX-License-Identifier: GPL-3.0-or-later
#include "command.h"

#include "base/text.h"
#include "export/matrix.h"
#include "export/vocabulary.h"

#include <algorithm>
#include <memory>

namespace mirrorscope::app {

namespace {
struct SeamcallsArguments {
    std::string leaf, format = "text", out, module = std::string(kModuleLines[0]);
    bool matrix = false;
};

int seamcalls(const SeamcallsArguments& args) {
    std::optional<Leaf> only;
    if (!args.leaf.empty()) {
        only = leafFromName(args.leaf);
        if (!only)
            only = leafFromName("TDH." + args.leaf);
        if (!only) {
            const auto meant = nearest(args.leaf, leafNames());
            throw UsageError("`" + args.leaf + "` is no leaf" + (meant ? "; did you mean `" + *meant + "`?" : ""));
        }
    }
    if (!args.matrix) {
        if (args.format != "text" && args.format != "json")
            throw UsageError("--format " + args.format + " goes with --matrix; the list is text or json");
        put(args.out, args.format == "json" ? seamcallsJson(only) : seamcallsText(only));
        return kOk;
    }
    std::vector<MatrixCell> cells = SeptMatrix(args.module == kModuleLines[1] ? ModuleLine::V2_0 : ModuleLine::V1_5).all();
    if (only)
        std::erase_if(cells, [&](const MatrixCell& cell) { return cell.of.leaf != *only; });
    const MatrixFormat format = args.format == "csv"    ? MatrixFormat::Csv
                                : args.format == "json" ? MatrixFormat::Json
                                : args.format == "html" ? MatrixFormat::Html
                                                        : MatrixFormat::Text;
    put(args.out, matrixText(cells, format));
    return kOk;
}
} // namespace

void addSeamcalls(CLI::App& root, Invocation& invoke) {
    auto args = std::make_shared<SeamcallsArguments>();
    CLI::App* sub = root.add_subcommand("seamcalls", "the leaves of the TDX module, and what each says on each entry state");
    sub->add_option("LEAF", args->leaf, "only this one, as in TDH.MEM.PAGE.AUG");
    sub->add_flag("--matrix", args->matrix, "leaf × entry state × TD state, each cell computed by calling the leaf");
    sub->add_option("--module", args->module, "of the matrix: the TDX module that answers, 1.5 by default")
        ->check(CLI::IsMember({kModuleLines[0], kModuleLines[1]}))
        ->needs("--matrix");
    sub->add_option("--format", args->format, "text or json; of the matrix csv and html, too")
        ->check(CLI::IsMember({"text", "csv", "json", "html"}));
    sub->add_option("-o,--output", args->out, "a file to write, in place of standard output");
    sub->callback([args, &invoke] { invoke = [args] { return seamcalls(*args); }; });
}

} // namespace mirrorscope::app
