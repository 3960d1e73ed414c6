// SPDX-License-Identifier: GPL-3.0-or-later
#include "export/exports.h"

#include "export/export.h"

#include <algorithm>

namespace mirrorscope {

namespace {
using Piece = std::function<void(const std::string&)>;
} // namespace

std::span<const ExportInfo> exportTable() {
    static constexpr ExportInfo kTable[] = {
        {"text", "Text, 78 columns…", "txt", [](Session& s, const Piece& piece) { piece(treesText(s)); },
         [](Session& s, u64 from, u64 to, const Piece& piece) { piece(stepsText(s, from, to)); }},
        {"columns", "Steps as text, one column an actor…", "txt",
         [](Session& s, const Piece& piece) {
             const auto [from, to] = racesOf(s);
             piece(columnsText(s, from, to));
         },
         [](Session& s, u64 from, u64 to, const Piece& piece) { piece(columnsText(s, from, to)); }},
        {"svg", "SVG picture…", "svg", [](Session& s, const Piece& piece) { piece(treesSvg(s)); },
         [](Session& s, u64 from, u64 to, const Piece& piece) { piece(treesSvgMoving(s, from, to)); }},
        {"png", "PNG picture…", "png", nullptr},
        {"pdf", "PDF handout…", "pdf", nullptr},
        {"dot", "Graphviz DOT…", "dot", [](Session& s, const Piece& piece) { piece(treesDot(s)); }},
        {"csv", "CSV table…", "csv", [](Session& s, const Piece& piece) { piece(stateCsv(s)); }},
        {"json", "JSON, the whole state…", "json", [](Session& s, const Piece& piece) { piece(stateJson(s)); }},
        {"html", "Web page that steps…", "html", [](Session& s, const Piece& piece) { piece(pageHtml(s, s.position())); },
         [](Session& s, u64 from, u64 to, const Piece& piece) {
             piece(pageHtml(s, from, std::pair{from, to}));
         }},
        {"perfetto", "Perfetto trace of the run…", "json", [](Session& s, const Piece& piece) { writePerfetto(s, piece); }},
        {"trace", "Kernel trace of the run…", "trace", [](Session& s, const Piece& piece) { writeTrace(s, piece); }},
        {"probes", "Kernel trace with SEAMCALL probes…", "trace", [](Session& s, const Piece& piece) { writeTrace(s, piece, true); }},
    };
    return kTable;
}

const ExportInfo* exportOf(std::string_view id) {
    const auto table = exportTable();
    const auto found = std::find_if(table.begin(), table.end(), [&](const ExportInfo& e) { return e.id == id; });
    return found == table.end() ? nullptr : &*found;
}

} // namespace mirrorscope
