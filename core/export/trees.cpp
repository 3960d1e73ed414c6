// SPDX-License-Identifier: GPL-3.0-or-later
// The three trees as text in 78 columns and as SVG, and what a run says about itself.
#include "base/text.h"
#include "export/export.h"
#include "scenario/runner.h"
#include "session/style.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace mirrorscope {

namespace {
// Columns are counted in characters, not in bytes. What does not fit stays in `text`, for the next line.
std::string pad(std::string& text, std::size_t width) {
    const auto isBegin = [](char c) { return (c & 0xc0) != 0x80; };
    std::size_t characters = 0, end = 0, blank = 0;
    for (; end < text.size(); ++end) {
        if (!isBegin(text[end]))
            continue;
        if (characters == width)
            break;
        ++characters;
        if (text[end] == ' ')
            blank = end;
    }
    if (end == text.size()) {
        const std::string out = text + std::string(width - characters, ' ');
        text.clear();
        return out;
    }
    // No word is cut that fits into a line of its own.
    if (blank == 0 || text.find_first_not_of(' ') >= blank)
        blank = end;
    std::string line = text.substr(0, blank);
    text = "  " + text.substr(std::min(text.find_first_not_of(' ', blank), text.size()));
    return pad(line, width);
}

std::string trimmed(std::string line) {
    line.erase(line.find_last_not_of(' ') + 1);
    return line + "\n";
}

std::string rowLabel(const TreeRow& row) {
    return fmt::format("{}{:#x} {}", std::string(row.depth, ' '), row.gfn.v << 12, levelName(row.level));
}

// The RMP takes the place of a second tree.
std::optional<RmpView> rmpBeside(const Session& session, const TreeRow& row) {
    return row.level == Level::k4K && row.more == 0 ? session.rmpAt(row.gfn) : std::nullopt;
}
} // namespace

std::string treesText(const Session& session) {
    std::string out = session.scenario().title.empty() ? "" : wrapped(session.scenario().title, "", 0);
    out += fmt::format("position {} of {}\n", session.position(), session.end());
    out += wrapped(session.sentence(session.position()), "", 2) + "\n";
    const bool tdx = session.hasColumn(Column::Mirror);
    const auto titles = columnTitles(session);
    constexpr std::size_t kWidths[] = {40, 26, 18}; // of one, two and three columns
    const std::size_t width = kWidths[titles.size() - 1];
    std::array<std::string, 1 + kColumns> words{"GPA"};
    std::copy(titles.begin(), titles.end(), words.begin() + 1);
    const auto line = [&] {
        while (std::any_of(words.begin(), words.end(), [](const std::string& word) { return !word.empty(); })) {
            std::string one = pad(words[0], 22);
            for (std::size_t c = 1; c < words.size(); ++c)
                one += (c == 1 ? "" : " ") + pad(words[c], width);
            out += trimmed(one);
        }
    };
    line();
    out += std::string(78, '-') + "\n";
    const auto rows = session.rows();
    if (rows.empty())
        out += session.position() == 0 ? "no table yet: no vCPU has run\n" : "no table yet\n";
    for (const TreeRow& row : rows) {
        if (row.more > 0) {
            out += fmt::format("{}… {} more\n", std::string(row.depth, ' '), row.more);
            continue;
        }
        words[0] = rowLabel(row);
        for (unsigned c = 0; c < (tdx ? kColumns : 1); ++c)
            words[1 + c] = cellText(static_cast<Column>(c), row.cells[c]);
        if (const auto entry = rmpBeside(session, row))
            words[2] = rmpText(*entry);
        line();
    }
    for (const Violation& v : session.violations())
        if (v.n < session.position())
            out += "\n" + wrapped(fmt::format("{} (micro-step {}): {}", info(v.rule).name, v.n, v.text), "! ", 2);
    return out;
}

std::string stepsText(Session& session, u64 from, u64 to) {
    const u64 here = session.position();
    session.seek(from);
    std::string out = treesText(session) + "\n";
    for (u64 n = from; n < to; ++n) {
        session.seek(n + 1);
        out += wrapped(session.sentence(n + 1), fmt::format("{:>6}  ", n + 1), 8);
    }
    out += "\n" + treesText(session);
    session.seek(here);
    return out;
}

namespace {
constexpr int kSvgRow = 22, kSvgLeft = 190, kSvgCell = 200, kSvgTop = 84;

// The picture of the session's position, without the paper; how high it is.
int svgFrame(const Session& session, std::string& out) {
    const auto rows = session.rows();
    const bool tdx = session.hasColumn(Column::Mirror);
    const unsigned columns = tdx ? kColumns : 1;
    const auto textAt = [&](int x, int y, const char* colour, std::string_view what, const char* extra = "") {
        out += fmt::format("<text x=\"{}\" y=\"{}\" fill=\"{}\" {}>{}</text>\n", x, y, colour, extra, xmlText(what));
    };
    textAt(10, 22, "#1b1f24", session.scenario().title, "font-size=\"15\" font-weight=\"bold\"");
    textAt(10, 42, "#57606a",
           fmt::format("position {} of {} — {}", session.position(), session.end(), session.sentence(session.position())));
    const auto titles = columnTitles(session);
    for (std::size_t c = 0; c < titles.size(); ++c)
        textAt(kSvgLeft + static_cast<int>(c) * kSvgCell, 68, "#1b1f24", titles[c], "font-weight=\"bold\"");
    int y = kSvgTop;
    for (const TreeRow& row : rows) {
        if (row.more > 0) {
            textAt(10 + static_cast<int>(row.depth) * 10, y + 10, "#57606a", fmt::format("… {} more", row.more));
            y += kSvgRow;
            continue;
        }
        textAt(10 + static_cast<int>(row.depth) * 10, y + 10, "#1b1f24", fmt::format("{:#x} {}", row.gfn.v << 12, levelName(row.level)));
        const auto cellAt = [&](unsigned c, const TreeCell& cell, const StateStyle& style, const std::string& content) {
            const int x = kSvgLeft + static_cast<int>(c) * kSvgCell;
            out += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"3\" fill=\"{}\" fill-opacity=\"0.16\" "
                               "stroke=\"{}\" stroke-width=\"{}\"/>\n",
                               x, y - 5, kSvgCell - 10, kSvgRow - 3, style.light, cell.violation ? "#C1121F" : style.light,
                               cell.changed || cell.violation ? 2 : 1);
            textAt(x + 6, y + 10, "#1b1f24", content, cell.zapped ? "text-decoration=\"line-through\"" : "");
        };
        for (unsigned c = 0; c < columns; ++c)
            if (const TreeCell& cell = row.cells[c]; cell.exists)
                cellAt(c, cell, styleOf(static_cast<Column>(c), cell), cellText(static_cast<Column>(c), cell));
        if (const auto entry = rmpBeside(session, row))
            cellAt(1, likeRmp(*entry), styleOf(Column::Private, likeRmp(*entry)), rmpText(*entry));
        y += kSvgRow;
    }
    return y + 20;
}

std::string svgPaper(const Session& session, int height, const std::string& body) {
    const int width = kSvgLeft + static_cast<int>(columnTitles(session).size()) * kSvgCell + 20;
    return fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
                       "font-family=\"DejaVu Sans Mono, monospace\" font-size=\"12\">\n"
                       "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{2}</svg>\n",
                       width, height, body);
}
} // namespace

std::string treesSvg(const Session& session) {
    std::string body;
    const int height = svgFrame(session, body);
    return svgPaper(session, height, body);
}

std::string treesSvgMoving(Session& session, u64 from, u64 to) {
    const u64 here = session.position();
    const u64 frames = to - from + 1;
    constexpr double kSeconds = 0.9; // a frame
    std::string body;
    int height = 0;
    for (u64 n = 0; n < frames; ++n) {
        session.seek(from + n);
        const double begin = static_cast<double>(n) / static_cast<double>(frames),
                     end = static_cast<double>(n + 1) / static_cast<double>(frames);
        // Where animation is off, the first frame is seen.
        body +=
            fmt::format("<g visibility=\"{}\"><animate attributeName=\"visibility\" calcMode=\"discrete\" values=\"{}\" keyTimes=\"{}\" "
                        "dur=\"{:.1f}s\" repeatCount=\"indefinite\"/>\n",
                        n == 0 ? "visible" : "hidden",
                        n == 0            ? "visible;hidden"
                        : n + 1 == frames ? "hidden;visible"
                                          : "hidden;visible;hidden",
                        n == 0            ? fmt::format("0;{:.5f}", end)
                        : n + 1 == frames ? fmt::format("0;{:.5f}", begin)
                                          : fmt::format("0;{:.5f};{:.5f}", begin, end),
                        kSeconds * static_cast<double>(frames));
        height = std::max(height, svgFrame(session, body));
        body += "</g>\n";
    }
    session.seek(here);
    return svgPaper(session, height, body);
}

std::string junitXml(const std::vector<JunitCase>& cases) {
    std::size_t failures = 0;
    double seconds = 0;
    std::string body;
    for (const auto& c : cases) {
        seconds += c.seconds;
        body += fmt::format("  <testcase classname=\"mirrorscope\" name=\"{}\" time=\"{:.3f}\"", xmlText(c.name), c.seconds);
        if (c.failure.empty()) {
            body += "/>\n";
            continue;
        }
        ++failures;
        body += fmt::format(">\n    <failure message=\"{}\">{}</failure>\n  </testcase>\n",
                            xmlText(c.failure.substr(0, c.failure.find('\n'))), xmlText(c.failure));
    }
    return fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"mirrorscope\" tests=\"{}\" "
                       "failures=\"{}\" errors=\"0\" time=\"{:.3f}\">\n{}</testsuite>\n</testsuites>\n",
                       cases.size(), failures, seconds, body);
}

namespace {
// A note, each line of it behind a sign of its own.
std::string commented(const std::string& text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        std::string lines = wrapped(text.substr(at, end - at), "    ", 4);
        for (std::size_t line = 0; line < lines.size(); line = lines.find('\n', line) + 1)
            lines.replace(line, 4, "  # ");
        out += lines;
        at = end + 1;
    }
    return out;
}
} // namespace

std::string runText(const Session& session, bool verbose) {
    const Runner& runner = session.runner();
    const Scenario& scenario = session.scenario();
    std::string out = fmt::format("{}: {}\n", scenario.file, scenario.title);
    if (verbose) {
        if (runner.before() != 0)
            out += fmt::format("  (the history begins after {} micro-steps, of which nothing is told)\n", runner.before());
        const auto& marks = session.system().sim().marks();
        for (std::size_t i = 0; i < marks.size(); ++i) {
            const Step* step = scenario.step(marks[i].script);
            if (step == nullptr)
                continue;
            if (marks[i].kind == MarkKind::Note)
                out += commented(step->text);
            if (marks[i].kind == MarkKind::Ask) {
                out += wrapped(step->text, "  ? ", 4);
                for (const AskChoice& choice : step->choices)
                    out += wrapped(choice.text, "    - ", 6);
            }
            if (marks[i].kind == MarkKind::Answer)
                out += wrapped(answerText(*step, marks[i].a[0]), "  ! ", 4);
            if (const auto result = session.resultOf(i)) {
                out += fmt::format("  {:<12} {:<6} {} → {}\n", result->path, result->actor, result->call, result->outcome);
                if (!result->details.empty())
                    out += fmt::format("  {:<20}{}\n", "", result->details);
            }
        }
    }
    for (const auto& e : runner.expectations())
        if (!e.holds)
            out += fmt::format("  line {}: expected {}\n    found {} at position {}\n", e.line, e.text, e.found, e.n);
    for (const Violation& v : session.violations())
        out += fmt::format("  {}{} violated by {} at micro-step {}: {}\n", info(v.rule).name,
                           runner.namesViolation(v.rule) ? " (as expected)" : "", session.actorName(v.actor), v.n, v.text);
    for (const auto& remark : runner.remarks())
        out += "  " + remark + "\n";
    if (!runner.stopped().empty())
        out += "  " + runner.stopped() + "\n";
    out += fmt::format("  {}: {} micro-steps, {} expectations, {} failed, {} violations\n", runner.ok() ? "ok" : "NOT OK", session.end(),
                       runner.expectations().size(), runner.failed(), session.violations().size());
    return out;
}

} // namespace mirrorscope
