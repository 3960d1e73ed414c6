// SPDX-License-Identifier: GPL-3.0-or-later
#include "export/matrix.h"

#include "base/text.h"
#include "export/export.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace mirrorscope {

namespace {
// The eight columns; an empty text means that there is none.
struct Row {
    std::string leaf, level, opState, tracked, state, status, operand, after;
};

Row rowOf(const MatrixCell& cell) {
    Row row;
    row.leaf = info(cell.of.leaf).name;
    row.opState = tdcs::opStateName(cell.of.opState);
    row.status = statusOf(cell);
    row.operand = operandOf(cell);
    if (cell.hasEntry) {
        row.level = levelName(cell.of.level);
        row.tracked = cell.of.tracked ? "true" : "false";
        row.state = name(cell.of.state);
        if (cell.possible)
            row.after = name(cell.after);
    }
    return row;
}

std::string csv(std::span<const MatrixCell> cells) {
    std::string out = "leaf,level,op_state,tracked,state,status,operand,after\n";
    for (const MatrixCell& cell : cells) {
        const Row r = rowOf(cell);
        out += fmt::format("{},{},{},{},{},{},{},{}\n", r.leaf, r.level, r.opState, r.tracked, r.state, r.status, r.operand, r.after);
    }
    return out;
}

std::string json(std::span<const MatrixCell> cells) {
    const auto text = [](const std::string& s) { return s.empty() ? std::string("null") : jsonString(s); };
    std::string out;
    for (const MatrixCell& cell : cells) {
        const Row r = rowOf(cell);
        out += fmt::format(
            "{}{{\"leaf\":{},\"level\":{},\"op_state\":{},\"tracked\":{},\"state\":{},\"status\":{},\"operand\":{},\"after\":{}}}",
            out.empty() ? "[\n" : ",\n", text(r.leaf), text(r.level), text(r.opState), r.tracked.empty() ? "null" : r.tracked,
            text(r.state), text(r.status), text(r.operand), text(r.after));
    }
    return (out.empty() ? "[" : out) + "\n]\n";
}

// "→ blocked" when it succeeds and changes the entry, "ok" when it changes nothing, else the status.
std::string shortly(const MatrixCell& cell) {
    if (!cell.possible)
        return "n/a";
    if (cell.status == tdx::kSuccess && !cell.exits)
        return !cell.hasEntry || cell.after == cell.of.state ? "ok" : fmt::format("→ {}", name(cell.after));
    const std::string status = statusOf(cell);
    const std::string operand = operandOf(cell);
    return (status.starts_with("TDX_") ? status.substr(4) : status) + (operand.empty() ? "" : " | " + operand);
}

// "free, table (untracked), table-blocked": the states that give one answer, those that give it in both epochs once.
std::string statesText(const std::vector<MatrixCase>& cases) {
    std::string out;
    for (const MatrixCase& c : cases) {
        const auto twin =
            std::find_if(cases.begin(), cases.end(), [&](const MatrixCase& o) { return o.state == c.state && o.tracked != c.tracked; });
        if (twin != cases.end() && c.tracked)
            continue; // named with its twin
        out += (out.empty() ? "" : ", ") + std::string(name(c.state));
        if (twin == cases.end())
            out += c.tracked ? " (tracked)" : " (untracked)";
    }
    return out;
}

// For each leaf, op_state and level: what it says, and on which states.
std::string text(std::span<const MatrixCell> cells) {
    std::string out;
    for (std::size_t i = 0; i < cells.size();) {
        const Leaf leaf = cells[i].of.leaf;
        out += fmt::format("{}{}\n", out.empty() ? "" : "\n", info(leaf).name);
        while (i < cells.size() && cells[i].of.leaf == leaf) {
            const MatrixCase& first = cells[i].of;
            if (!cells[i].hasEntry) {
                out += fmt::format("  {:<14}{}\n", tdcs::opStateName(first.opState), shortly(cells[i++]));
                continue;
            }
            std::vector<std::pair<std::string, std::vector<MatrixCase>>> answers;
            for (; i < cells.size() && cells[i].of.leaf == leaf && cells[i].of.opState == first.opState && cells[i].of.level == first.level;
                 ++i) {
                const std::string what = shortly(cells[i]);
                auto it = std::find_if(answers.begin(), answers.end(), [&](const auto& a) { return a.first == what; });
                if (it == answers.end())
                    it = answers.insert(answers.end(), {what, {}});
                it->second.push_back(cells[i].of);
            }
            out += fmt::format("  {} at {}\n", tdcs::opStateName(first.opState), levelName(first.level));
            for (const auto& [what, states] : answers)
                out += wrapped(fmt::format("{}: {}", what, statesText(states)), "    ", 6);
        }
    }
    return out;
}

std::string html(std::span<const MatrixCell> cells) {
    std::string out =
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>TDX module 1.5: leaf × entry state × TD state</title>\n"
        "<style>body{font:14px sans-serif;margin:2em;color:#1b1f24}table{border-collapse:collapse;margin:0 0 2em}"
        "th,td{border:1px solid #c8ccd1;padding:3px 8px;text-align:left;font-size:13px}th{background:#f1f3f5}"
        ".ok{background:#dcefe6}.no{background:#fbe9dd}.na{color:#8c959f}caption{text-align:left;font-weight:bold;padding:6px 0}"
        "</style>\n<h1>What each leaf says on each entry state</h1>\n<p>Computed by calling the leaf on a machine put in that "
        "state; TDX module 1.5.01, a TD with 4 levels. U: the entry's epoch is not finished; T: it is.</p>\n";
    for (std::size_t i = 0; i < cells.size();) {
        const Leaf leaf = cells[i].of.leaf;
        out += fmt::format("<table><caption>{}</caption>\n", info(leaf).name);
        std::map<std::string, std::size_t> columns;
        std::string head = "<tr><th>op_state</th><th>level</th><th></th>";
        for (std::size_t k = i; k < cells.size() && cells[k].of.leaf == leaf; ++k)
            if (cells[k].hasEntry && columns.emplace(name(cells[k].of.state), columns.size()).second)
                head += fmt::format("<th>{}</th>", name(cells[k].of.state));
        out += head + (columns.empty() ? "<th>status</th>" : "") + "</tr>\n";
        for (; i < cells.size() && cells[i].of.leaf == leaf;) {
            const MatrixCase& first = cells[i].of;
            out += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td>", tdcs::opStateName(first.opState),
                               cells[i].hasEntry ? levelName(first.level) : "",
                               !cells[i].hasEntry ? ""
                               : first.tracked    ? "T"
                                                  : "U");
            do {
                const MatrixCell& cell = cells[i++];
                const char* kind = !cell.possible ? "na" : cell.status == tdx::kSuccess && !cell.exits ? "ok" : "no";
                out += fmt::format("<td class=\"{}\">{}</td>", kind, shortly(cell));
            } while (i < cells.size() && cells[i].hasEntry && cells[i].of.leaf == leaf && cells[i].of.opState == first.opState &&
                     cells[i].of.level == first.level && cells[i].of.tracked == first.tracked);
            out += "</tr>\n";
        }
        out += "</table>\n";
    }
    return out + "</html>\n";
}
} // namespace

std::string matrixText(std::span<const MatrixCell> cells, MatrixFormat format) {
    switch (format) {
    case MatrixFormat::Text: return text(cells);
    case MatrixFormat::Csv: return csv(cells);
    case MatrixFormat::Json: return json(cells);
    case MatrixFormat::Html: return html(cells);
    }
    return "";
}

} // namespace mirrorscope
