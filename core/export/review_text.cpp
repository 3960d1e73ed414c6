// SPDX-License-Identifier: GPL-3.0-or-later
#include "export/review_text.h"

#include "base/text.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <map>

namespace mirrorscope {

namespace {
constexpr std::array<std::string_view, 5> kReviewFormats{"text", "md", "html", "json", "csv"};
constexpr std::size_t kReviewWidth = 78;

std::string yesNo(const std::optional<bool>& fact) { return !fact ? "unknown" : *fact ? "yes" : "no"; }

std::string padded(const std::string& text, std::size_t width) {
    const std::size_t is = characters(text);
    return text + std::string(width > is ? width - is : 0, ' ');
}

// One part for each value of the column's first key, one column for each value of the second.
std::vector<ReviewGrid> byColumns(const ReviewTable& table, std::string_view rowHeading) {
    std::vector<ReviewGrid> grids;
    std::map<std::string, std::size_t> parts;
    for (const ReviewCell& cell : table.cells) {
        const auto [part, isNew] = parts.try_emplace(cell.column[0], grids.size());
        if (isNew)
            grids.push_back({cell.column[0], {std::string(rowHeading)}, {}, {}});
        ReviewGrid& grid = grids[part->second];
        auto column = std::find(grid.columns.begin() + 1, grid.columns.end(), cell.column.back());
        if (column == grid.columns.end()) {
            grid.columns.push_back(cell.column.back());
            column = std::prev(grid.columns.end());
        }
        const std::string name = cell.rowText();
        auto row = std::find_if(grid.rows.begin(), grid.rows.end(), [&](const auto& r) { return r[0] == name; });
        if (row == grid.rows.end()) {
            grid.rows.push_back({name});
            grid.cells.push_back({nullptr});
            row = std::prev(grid.rows.end());
        }
        auto& cells = grid.cells[static_cast<std::size_t>(row - grid.rows.begin())];
        const auto at = static_cast<std::size_t>(column - grid.columns.begin());
        row->resize(std::max(row->size(), at + 1));
        cells.resize(std::max(cells.size(), at + 1));
        (*row)[at] = cell.outcome;
        cells[at] = &cell;
    }
    for (ReviewGrid& grid : grids)
        for (std::size_t i = 0; i < grid.rows.size(); ++i) {
            grid.rows[i].resize(grid.columns.size());
            grid.cells[i].resize(grid.columns.size());
        }
    return grids;
}

ReviewGrid ofTransitions(const ReviewTable& table) {
    ReviewGrid grid{"", {"old → new", "lock", "root", "legal", "reached", "attempted", "bug"}, {}, {}};
    for (const ReviewCell& cell : table.cells) {
        std::string change = cell.row[0] + " → " + cell.row[1];
        if (const auto same = cell.fact("same-frame"))
            change += *same ? ", same page" : ", another page";
        grid.rows.push_back({change, cell.row[2], cell.row[3], yesNo(cell.fact("legal")), yesNo(cell.fact("reached")),
                             yesNo(cell.fact("attempted")), yesNo(cell.fact("bug"))});
        grid.cells.push_back(std::vector<const ReviewCell*>(grid.columns.size(), &cell));
    }
    return grid;
}

// Who is in the way of whom, one line for each cell; what KVM does about it.
std::vector<ReviewGrid> ofSeamcalls(const ReviewTable& table) {
    ReviewGrid leaves{"", {"while it runs", "who comes", "is busy with"}, {}, {}};
    ReviewGrid kvm{"what KVM does", {"is busy", "caller", "once", "for long"}, {}, {}};
    ReviewGrid here{"", {"leaf", "what it was answered"}, {}, {}}; // in one's own scenario
    for (const ReviewCell& cell : table.cells) {
        if (cell.column[0] == "here") {
            here.rows.push_back({cell.row[0], cell.outcome});
            here.cells.push_back({&cell, &cell});
            continue;
        }
        if (cell.column[0] == "leaf") {
            if (cell.outcome == "n/a" || cell.outcome == "never busy")
                continue;
            leaves.rows.push_back({cell.row[0], cell.column[1], cell.outcome});
            leaves.cells.push_back({&cell, &cell, &cell});
            continue;
        }
        if (kvm.rows.empty() || kvm.rows.back()[0] != cell.row[0]) {
            kvm.rows.push_back({cell.row[0], cell.details.empty() ? "" : cell.details[0].second, "", ""});
            kvm.cells.push_back({nullptr, nullptr, nullptr, nullptr});
        }
        const std::size_t at = cell.column[1] == "busy once" ? 2 : 3;
        kvm.rows.back()[at] = cell.outcome;
        kvm.cells.back()[at] = &cell;
    }
    return {leaves, kvm, here};
}

// The same with all who are busy with one thing in one line: on paper nobody opens a cell.
ReviewGrid gathered(const ReviewGrid& leaves) {
    ReviewGrid out{"", {"while it runs", "is busy", "for"}, {}, {}};
    for (const auto& row : leaves.rows) {
        const std::string who = row[1].starts_with("TDH.") ? row[1].substr(4) : row[1];
        std::string what = row[2].substr(row[2].starts_with("busy ") ? 5 : 0);
        what = what.substr(0, what.find(" ("));
        const auto at = std::find_if(out.rows.begin(), out.rows.end(), [&](const auto& r) { return r[0] == row[0] && r[1] == what; });
        if (at != out.rows.end())
            (*at)[2] += ", " + who;
        else
            out.rows.push_back({row[0], what, who});
    }
    return out;
}

ReviewGrid ofRules(const ReviewTable& table) {
    ReviewGrid grid{"", {"left out", "rule", "noticed in"}, {}, {}};
    for (const ReviewCell& cell : table.cells) {
        std::string in = cell.details.empty() || cell.details[0].second.empty() ? cell.outcome : cell.details[0].second;
        grid.rows.push_back({cell.row[0], cell.column[0], in.substr(0, in.find(".yaml"))});
        grid.cells.push_back(std::vector<const ReviewCell*>(grid.columns.size(), &cell));
    }
    return grid;
}

std::vector<std::size_t> widthsOf(const ReviewGrid& grid) {
    std::vector<std::size_t> widths;
    for (const std::string& heading : grid.columns)
        widths.push_back(characters(heading));
    for (const auto& row : grid.rows)
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], characters(row[i]));
    return widths;
}

// Words in columns; the last ones are broken into lines where they do not fit.
std::string gridText(const ReviewGrid& grid) {
    std::vector<std::size_t> widths = widthsOf(grid), least(widths.size(), 0);
    std::size_t all = 0;
    for (const std::size_t width : widths)
        all += width + 2;
    const auto noWordIsCut = [&](const std::vector<std::string>& words) {
        for (std::size_t i = 0; i < words.size(); ++i)
            for (std::size_t from = 0; from < words[i].size();) {
                const std::size_t end = std::min(words[i].find(' ', from), words[i].size());
                least[i] = std::max(least[i], characters(words[i].substr(from, end - from)));
                from = end + 1;
            }
    };
    noWordIsCut(grid.columns);
    for (const auto& row : grid.rows)
        noWordIsCut(row);
    // What is too much is taken from where there is most to take.
    while (all > kReviewWidth + 2) {
        std::size_t most = 0;
        for (std::size_t i = 1; i < widths.size(); ++i)
            if (widths[i] - least[i] > widths[most] - least[most])
                most = i;
        if (widths[most] == least[most])
            break;
        --widths[most];
        --all;
    }
    const auto lines = [&](const std::vector<std::string>& words) {
        std::vector<std::vector<std::string>> broken;
        std::size_t height = 1;
        for (std::size_t i = 0; i < words.size(); ++i) {
            broken.push_back(linesWithin(words[i], widths[i]));
            height = std::max(height, broken[i].size());
        }
        std::string out;
        for (std::size_t l = 0; l < height; ++l) {
            std::string line;
            for (std::size_t i = 0; i < words.size(); ++i)
                line += padded(l < broken[i].size() ? broken[i][l] : "", widths[i]) + "  ";
            line.erase(line.find_last_not_of(' ') + 1);
            out += line + "\n";
        }
        return out;
    };
    std::string out = grid.title.empty() ? "" : grid.title + "\n";
    out += lines(grid.columns);
    for (const auto& row : grid.rows)
        out += lines(row);
    return out + "\n";
}

// What a reader will ask about: everything but what is as it should be, and what there is not.
bool explained(ReviewKind kind, const ReviewCell& cell) {
    switch (kind) {
    case ReviewKind::Dispatch: return cell.outcome != "right" && cell.outcome != "n/a";
    case ReviewKind::Seamcalls: return cell.column[0] == "kvm";
    case ReviewKind::Faults: return !cell.rule.empty();
    case ReviewKind::Transitions:
    case ReviewKind::Rules: return true;
    case ReviewKind::Count_: break;
    }
    return false;
}

std::string cellName(ReviewKind kind, const ReviewCell& cell) {
    if (kind == ReviewKind::Transitions) {
        const auto same = cell.fact("same-frame");
        return fmt::format("{} → {}{}, {}, {}", cell.row[0], cell.row[1],
                           !same   ? ""
                           : *same ? " same page"
                                   : " another page",
                           cell.row[2], cell.row[3]);
    }
    return fmt::format("{}, {}", cell.rowText(), fmt::join(cell.column, ", "));
}

// What is said of several cells is said once, with their names before it.
struct Remark {
    std::vector<std::string> cells;
    std::string outcome, why;
};
std::vector<Remark> remarksOf(const ReviewTable& table) {
    std::vector<Remark> remarks;
    for (const ReviewCell& cell : table.cells) {
        if (!explained(table.kind, cell))
            continue;
        const bool placed = cell.step && !cell.rule.empty() && table.kind != ReviewKind::Transitions && table.kind != ReviewKind::Rules;
        const std::string outcome = cell.outcome + (placed ? fmt::format(" ({} at micro-step {})", cell.rule, *cell.step) : "");
        const auto same = std::find_if(remarks.begin(), remarks.end(), [&](const Remark& r) {
            return r.outcome == outcome && r.why == cell.why && r.cells[0].starts_with(cell.rowText());
        });
        if (same == remarks.end())
            remarks.push_back({{cellName(table.kind, cell)}, outcome, cell.why});
        else
            same->cells.push_back(fmt::format("{}", fmt::join(cell.column, ", ")));
    }
    return remarks;
}

std::vector<ReviewGrid> onPaper(const ReviewTable& table) {
    std::vector<ReviewGrid> grids = reviewGrids(table);
    if (table.kind == ReviewKind::Seamcalls) {
        grids[0] = gathered(grids[0]);
        for (auto& row : grids[1].rows)
            row[0] = row[0].substr(row[0].starts_with("TDH.") ? 4 : 0);
    }
    std::erase_if(grids, [](const ReviewGrid& grid) { return grid.rows.empty(); });
    return grids;
}

std::string asText(const ReviewTable& table) {
    const ReviewInfo& what = info(table.kind);
    std::string out = wrapped(what.title, "", 0) + wrapped(what.help, "", 0) + "\n";
    if (!table.whole)
        out += "Interrupted: what is missing was not looked at.\n\n";
    for (const ReviewGrid& grid : onPaper(table))
        out += gridText(grid);
    for (const Remark& remark : remarksOf(table))
        out += wrapped(fmt::format("{}: {}{}", fmt::join(remark.cells, "; "),
                                   remark.why.starts_with(remark.outcome) ? "" : remark.outcome + ": ", remark.why),
                       "", 2);
    return out;
}

std::string cellText(std::string text) {
    std::string out;
    for (const char c : text)
        out += c == '|' ? std::string("\\|") : std::string(1, c);
    return out;
}

std::string asMarkdown(const ReviewTable& table) {
    const ReviewInfo& what = info(table.kind);
    std::string out = fmt::format("## {}\n\n{}\n\n{}", what.title, what.help,
                                  table.whole ? "" : "**Interrupted: what is missing was not looked at.**\n\n");
    for (const ReviewGrid& grid : onPaper(table)) {
        if (!grid.title.empty())
            out += fmt::format("**{}**\n\n", grid.title);
        std::string rule = "|";
        out += "|";
        for (const std::string& heading : grid.columns) {
            out += " " + cellText(heading) + " |";
            rule += " --- |";
        }
        out += "\n" + rule + "\n";
        for (const auto& row : grid.rows) {
            out += "|";
            for (const std::string& word : row)
                out += " " + cellText(word) + " |";
            out += "\n";
        }
        out += "\n";
    }
    for (const Remark& remark : remarksOf(table))
        out += fmt::format("- {}: **{}**: {}\n", fmt::join(remark.cells, "; "), remark.outcome, remark.why);
    return out + "\n";
}

std::string asHtml(const ReviewTable& table, std::size_t& number) {
    const ReviewInfo& what = info(table.kind);
    std::string out = fmt::format("<h2>{}</h2>\n<p>{}</p>\n{}", xmlText(what.title), xmlText(what.help),
                                  table.whole ? "" : "<p><b>Interrupted: what is missing was not looked at.</b></p>\n");
    std::string below;
    std::map<const ReviewCell*, std::size_t> numbers;
    for (const ReviewCell& cell : table.cells) {
        numbers[&cell] = ++number;
        below += fmt::format("<details id=\"c{}\"><summary>{}: <b>{}</b></summary><p>{}</p>{}</details>\n", number,
                             xmlText(cellName(table.kind, cell)), xmlText(cell.outcome), xmlText(cell.why),
                             cell.witness.empty() ? "" : "<pre>" + xmlText(cell.witness) + "</pre>");
    }
    for (const ReviewGrid& grid : reviewGrids(table)) {
        if (!grid.title.empty())
            out += fmt::format("<h3>{}</h3>\n", xmlText(grid.title));
        out += "<table>\n<tr>";
        for (const std::string& heading : grid.columns)
            out += "<th>" + xmlText(heading) + "</th>";
        out += "</tr>\n";
        for (std::size_t r = 0; r < grid.rows.size(); ++r) {
            out += "<tr>";
            for (std::size_t i = 0; i < grid.rows[r].size(); ++i) {
                const ReviewCell* cell = grid.cells[r][i];
                const std::string word = xmlText(grid.rows[r][i]);
                const std::string outcome = cell == nullptr ? "" : cell->outcome.substr(0, cell->outcome.find(' '));
                out += cell == nullptr
                           ? "<td>" + word + "</td>"
                           : fmt::format("<td class=\"{}\"><a href=\"#c{}\">{}</a></td>", xmlText(outcome), numbers.at(cell), word);
            }
            out += "</tr>\n";
        }
        out += "</table>\n";
    }
    return out + below;
}

nlohmann::ordered_json asJson(const ReviewTable& table) {
    const ReviewInfo& what = info(table.kind);
    auto out = nlohmann::ordered_json::array();
    for (const ReviewCell& cell : table.cells) {
        nlohmann::ordered_json row = nlohmann::ordered_json::object(), column = row;
        for (std::size_t i = 0; i < cell.row.size(); ++i)
            row[std::string(what.rowKeys[i])] = cell.row[i];
        for (std::size_t i = 0; i < cell.column.size(); ++i)
            column[std::string(what.columnKeys[i])] = cell.column[i];
        nlohmann::ordered_json one = {{"table", what.name}, {"row", row}, {"column", column}, {"outcome", cell.outcome}};
        for (const auto& [name, fact] : cell.facts)
            one[std::string(name)] = fact ? nlohmann::ordered_json(*fact) : nlohmann::ordered_json("unknown");
        one["rule"] = cell.rule.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(cell.rule);
        one["step"] = cell.step ? nlohmann::ordered_json(*cell.step) : nlohmann::ordered_json();
        one["why"] = cell.why;
        for (const auto& [name, detail] : cell.details)
            one[std::string(name)] = detail;
        one["executions"] = cell.executions;
        one["races"] = cell.races;
        one["witness"] = cell.witness.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(cell.witness);
        out.push_back(std::move(one));
    }
    return out;
}

std::string csvQuoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text)
        out += c == '"' ? std::string("\"\"") : std::string(1, c);
    return out + "\"";
}

std::string asCsv(const ReviewTable& table) {
    const ReviewInfo& what = info(table.kind);
    std::string out = "table";
    for (const auto keys : {what.rowKeys, what.columnKeys})
        for (const std::string_view key : keys)
            out += "," + std::string(key);
    out += ",outcome";
    if (table.kind == ReviewKind::Transitions)
        out += ",legal,reached,attempted,bug,same-frame";
    out += ",violated,step,executions,why\n";
    for (const ReviewCell& cell : table.cells) {
        out += what.name;
        for (const auto& values : {cell.row, cell.column})
            for (const std::string& value : values)
                out += "," + csvQuoted(value);
        out += "," + csvQuoted(cell.outcome);
        if (table.kind == ReviewKind::Transitions)
            for (const char* name : {"legal", "reached", "attempted", "bug", "same-frame"}) {
                const bool has = std::any_of(cell.facts.begin(), cell.facts.end(), [&](const auto& f) { return f.first == name; });
                out += "," + (has ? yesNo(cell.fact(name)) : std::string());
            }
        out += fmt::format(",{},{},{},{}\n", cell.rule, cell.step ? std::to_string(*cell.step) : "", cell.executions, csvQuoted(cell.why));
    }
    return out;
}
} // namespace

std::span<const std::string_view> reviewFormatNames() { return kReviewFormats; }

std::vector<ReviewGrid> reviewGrids(const ReviewTable& table) {
    switch (table.kind) {
    case ReviewKind::Dispatch: return byColumns(table, "operation");
    case ReviewKind::Transitions: return {ofTransitions(table)};
    case ReviewKind::Seamcalls: return ofSeamcalls(table);
    case ReviewKind::Faults: return byColumns(table, "cause");
    case ReviewKind::Rules: return {ofRules(table)};
    case ReviewKind::Count_: break;
    }
    return {};
}

std::string reviewText(std::span<const ReviewTable> tables, ReviewFormat format) {
    std::string out;
    std::size_t number = 0;
    switch (format) {
    case ReviewFormat::Text:
        for (const ReviewTable& table : tables)
            out += (out.empty() ? "" : "\n") + asText(table);
        return out;
    case ReviewFormat::Markdown:
        for (const ReviewTable& table : tables)
            out += asMarkdown(table);
        return out;
    case ReviewFormat::Html:
        for (const ReviewTable& table : tables)
            out += asHtml(table, number);
        return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Mirrorscope review</title>\n<style>\n"
               ":root { color-scheme: light dark }\n"
               "body { font: 15px/1.4 sans-serif; margin: 2em auto; max-width: 60em; padding: 0 1em }\n"
               "table { border-collapse: collapse; margin: 1em 0 } th, td { border: 1px solid #8888; padding: .2em .6em; text-align: left "
               "}\n"
               "td a { color: inherit; text-decoration: none } td.missed, td.broken { background: #e5484d44 }\n"
               "td.needless { background: #f5a62344 } td.right { background: #30a46c33 } pre { overflow: auto; font-size: 13px }\n"
               "</style></head><body>\n" +
               out + "</body></html>\n";
    case ReviewFormat::Json: {
        auto json = nlohmann::ordered_json::array();
        for (const ReviewTable& table : tables)
            for (auto& cell : asJson(table))
                json.push_back(std::move(cell));
        return json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
    }
    case ReviewFormat::Csv:
        for (const ReviewTable& table : tables)
            out += asCsv(table);
        return out;
    }
    return out;
}

} // namespace mirrorscope
