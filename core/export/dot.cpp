// SPDX-License-Identifier: GPL-3.0-or-later
// The trees as a graph for Graphviz, and their entries as a table.
#include "base/text.h"
#include "export/export.h"
#include "session/style.h"

#include <fmt/format.h>

#include <map>

namespace mirrorscope {

namespace {

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\')
            out += '\\';
        out += c;
    }
    return out + "\"";
}
} // namespace

std::string treesDot(const Session& session) {
    const bool tdx = session.hasColumn(Column::Mirror);
    const auto rows = session.rows();
    std::string out = fmt::format("// {}, position {} of {}\ndigraph trees {{\n  rankdir=LR; compound=true;\n"
                                  "  node [shape=box, style=\"rounded,filled\", fontname=\"DejaVu Sans Mono\", fontsize=10];\n",
                                  session.scenario().title, session.position(), session.end());
    for (unsigned c = 0; c < (tdx ? kColumns : 1); ++c) {
        const auto column = static_cast<Column>(c);
        out += fmt::format("  subgraph cluster_{0} {{ label=\"{0}\";\n", tdx ? treeName(static_cast<Column>(c)) : "direct");
        // The last row of each depth above is the parent.
        std::map<unsigned, std::string> parents;
        for (std::size_t i = 0; i < rows.size(); ++i) {
            const TreeRow& row = rows[i];
            const TreeCell& cell = row.cells[c];
            if (!cell.exists || (cell.initial(column) && !cell.zapped))
                continue;
            const std::string id = fmt::format("{}{}", treeName(static_cast<Column>(c))[0], i);
            const StateStyle& style = styleOf(column, cell);
            const std::string label = row.more > 0
                                          ? fmt::format("… {} more", row.more)
                                          : fmt::format("{} {}\n{}", hex(row.gfn.v << 12), levelName(row.level), cellText(column, cell));
            std::string escaped = quoted(label);
            for (std::size_t at = escaped.find('\n'); at != std::string::npos; at = escaped.find('\n', at))
                escaped.replace(at, 1, "\\n");
            out += fmt::format("    {} [label={}, color=\"{}\", fillcolor=\"{}22\", penwidth={}];\n", id, escaped,
                               cell.violation ? "#C1121F" : style.light, style.light, cell.changed || cell.violation ? 3 : 1);
            if (row.depth > 0 && parents.contains(row.depth - 1))
                out += fmt::format("    {} -> {};\n", parents[row.depth - 1], id);
            parents[row.depth] = id;
        }
        out += "  }\n";
    }
    // Twins that differ or are in flight.
    for (std::size_t i = 0; tdx && i < rows.size(); ++i)
        if (const Twins twins = twinsOf(rows[i]); (twins == Twins::Differ || twins == Twins::InFlight) &&
                                                  !rows[i].cells[1].initial(Column::Mirror) && rows[i].cells[2].exists &&
                                                  !rows[i].cells[2].initial(Column::Private))
            out += fmt::format("  m{0} -> p{0} [style={1}, color=\"{2}\", constraint=false, label=\"{3}\", dir=none];\n", i,
                               twins == Twins::InFlight ? "dashed" : "bold", twins == Twins::InFlight ? "#00A3C4" : "#C1121F",
                               twins == Twins::InFlight ? "in flight" : "differ");
    return out + "}\n";
}

} // namespace mirrorscope
