// SPDX-License-Identifier: GPL-3.0-or-later
// One self-contained page that steps with the keys: the entries as they are at the first position, and what each micro-step changed.
#include "base/text.h"
#include "export/export.h"
#include "scenario/runner.h"
#include "session/style.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>

namespace mirrorscope {

namespace {
// The page's own program: builds the rows of a position from the changes, forwards and backwards.
constexpr std::string_view kScript = R"js(
const LEVELS = {1: "4K", 2: "2M", 3: "1G", 4: "512G", 5: "256T"};
let at = -1, cells = new Map();
const key = e => e[0] + ":" + e[1] + ":" + e[2];
function set(e, value) { if (value === "") cells.delete(key(e)); else cells.set(key(e), value); }
function reset() { cells = new Map(); for (const e of D.start) set(e, e[3]); at = D.first; }
function to(n) {
  n = Math.max(D.first, Math.min(D.first + D.steps.length, n));
  if (at < 0) reset();
  while (at < n) { for (const e of D.steps[at - D.first].c) set(e, e[4]); at++; }
  while (at > n) { at--; for (const e of [...D.steps[at - D.first].c].reverse()) set(e, e[3]); }
  draw();
}
function shown(column, g, l) {
  const v = cells.get(column + ":" + g + ":" + l);
  // What went away lately stays for a while.
  for (let k = 1; k <= 12 && at - k >= D.first; k++)
    for (const e of D.steps[at - k - D.first].c)
      if (e[0] === column && e[1] === g && e[2] === l) {
        if (v === undefined && e[3] !== "" && D.styles[e[3].split("|")[0]][0] !== "\u00b7") return ["zapped", e[3].split("|")[1], k === 1, (13 - k) / 13];
        if (v !== undefined && k === 1) return [v.split("|")[0], v.split("|")[1], true, 1];
        if (v !== undefined) return [v.split("|")[0], v.split("|")[1], false, 1];
      }
  // Where a table is, an entry that holds nothing is one all the same.
  if (v === undefined)
    return inTable(column, g, l) ? ["none", "\u00b7 " + (D.columns[column] === "private" ? "free" : "none"), false, 1] : null;
  return [v.split("|")[0], v.split("|")[1], false, 1];
}
function inTable(column, g, l) {
  if (D.columns[column] === "RMP") return false;
  if (l === D.levels) return [...cells.keys()].some(k => k.startsWith(column + ":"));
  const up = cells.get(column + ":" + (g - g % Math.pow(512, l)) + ":" + (l + 1));
  return up !== undefined && up.startsWith("table");
}
// As much of Markdown as stories and notes use.
function prose(text, into) {
  into.textContent = "";
  const inline = s => s.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/\*\*([^*]+)\*\*/g, "<b>$1</b>").replace(/\*([^*]+)\*/g, "<i>$1</i>").replace(/`([^`]+)`/g, "<code>$1</code>");
  for (const part of text.split(/\n\s*\n/)) {
    const items = part.split(/\n(?=\s*(?:[-*]|\d+\.)\s)/), list = items.filter(i => /^\s*(?:[-*]|\d+\.)\s/.test(i)).length === items.length;
    const block = document.createElement(!list ? "p" : items.every(i => /^\s*\d/.test(i)) ? "ol" : "ul");
    if (list) for (const i of items) { const li = document.createElement("li"); li.innerHTML = inline(i.replace(/^\s*(?:[-*]|\d+\.)\s/, "")); block.append(li); }
    else block.innerHTML = inline(part);
    into.append(block);
  }
}
function draw() {
  const rows = new Map();
  const add = (g, l) => rows.set(g + ":" + l, [g, l]);
  for (const k of cells.keys()) { const p = k.split(":"); add(+p[1], +p[2]); }
  for (let k = 1; k <= 12 && at - k >= D.first; k++) for (const e of D.steps[at - k - D.first].c) add(e[1], e[2]);
  const sorted = [...rows.values()].sort((a, b) => a[0] - b[0] || b[1] - a[1]);
  const body = document.getElementById("rows");
  body.textContent = "";
  for (const [g, l] of sorted) {
    const tr = document.createElement("tr");
    const th = document.createElement("th");
    th.style.paddingLeft = (D.levels - l) * 1.1 + "em";
    th.textContent = "0x" + (g * 4096).toString(16) + "  " + LEVELS[l];
    th.scope = "row";
    tr.append(th);
    for (let c = 0; c < D.columns.length; c++) {
      const td = document.createElement("td"), s = shown(c, g, l);
      if (s) {
        const span = document.createElement("span"), style = D.styles[s[0]];
        span.className = "e " + s[0] + (s[2] ? " now" : "");
        span.style.setProperty("--light", style[1]);
        span.style.setProperty("--dark", style[2]);
        span.style.opacity = s[3];
        span.textContent = (s[2] ? "\u0394 " : "") + (s[0] === "zapped" ? "\u2715 " : "") + s[1];
        td.append(span);
      }
      tr.append(td);
    }
    body.append(tr);
  }
  const step = at > D.first ? D.steps[at - D.first - 1] : null;
  document.getElementById("sentence").textContent = step ? step.s : "Before the first micro-step of this page.";
  document.getElementById("where").textContent = "Position " + at + " of " + D.end + (step && step.w ? " \u00b7 " + step.w : "");
  let note = "";
  for (const [from, text] of D.notes) if (from <= at) note = text;
  const box = document.getElementById("note");
  box.hidden = note === "";
  prose(note, box);
  document.getElementById("violation").textContent = step && step.v ? "! " + step.v : "";
  document.getElementById("slider").value = at;
}
document.addEventListener("keydown", e => {
  const go = {ArrowRight: 1, n: 1, F11: 1, " ": 1, ArrowLeft: -1, p: -1, PageDown: 20, PageUp: -20}[e.key];
  if (go) { to(at + go); e.preventDefault(); }
  else if (e.key === "Home") { to(D.first); e.preventDefault(); }
  else if (e.key === "End") { to(D.first + D.steps.length); e.preventDefault(); }
  else if (e.key === "f" || e.key === "F") {
    for (let n = at; n < D.first + D.steps.length; n++)
      if (D.steps[n - D.first].c.some(x => x[4].startsWith("frozen|"))) { to(n + 1); break; }
  }
});
prose(D.about, document.getElementById("story"));
const legend = document.getElementById("legend");
for (const [name, style] of Object.entries(D.styles)) {
  if (!style[3]) continue;
  const item = document.createElement("div"), sign = document.createElement("span");
  sign.className = "sign " + name;
  sign.style.setProperty("--light", style[1]);
  sign.style.setProperty("--dark", style[2]);
  sign.textContent = style[0] + " " + name.replace("-", " ");
  item.append(sign, " " + style[3]);
  legend.append(item);
}
const slider = document.getElementById("slider");
slider.min = D.first; slider.max = D.first + D.steps.length;
slider.addEventListener("input", () => to(+slider.value));
for (const b of document.querySelectorAll("button[data-by]")) b.addEventListener("click", () => to(at + +b.dataset.by));
// page.html#412 opens there.
const wanted = () => location.hash.length > 1 ? +location.hash.slice(1) : D.open;
addEventListener("hashchange", () => to(wanted()));
to(wanted());
)js";

constexpr std::string_view kStyle = R"css(
:root { color-scheme: light dark; --bg: #ffffff; --fg: #1b1f24; --dim: #57606a; --line: #c8ced6; --note: #fff6d6; --accent: #0b5cad; --bad: #c1121f; }
@media (prefers-color-scheme: dark) { :root { --bg: #1c2128; --fg: #e6edf3; --dim: #a5b1bd; --line: #444c56; --note: #3a3420; --accent: #6cb6ff; --bad: #ff8080; } }
body { background: var(--bg); color: var(--fg); font: 15px/1.4 system-ui, "DejaVu Sans", sans-serif; margin: 1.5em auto; max-width: 78em; padding: 0 1em; }
h1 { font-size: 1.3em; margin: 0 0 .3em; }
#sentence { font-weight: bold; min-height: 2.8em; font-size: 1.1em; }
#where, .keys { color: var(--dim); }
#note { background: var(--note); padding: .2em .8em; }
#note p { margin: .3em 0; }
details { margin: .6em 0; }
summary { cursor: pointer; color: var(--accent); }
#legend div { margin: 2px 0; }
#legend .sign { min-width: 11em; font: 13px "DejaVu Sans Mono", monospace; }
#violation { color: var(--bad); font-weight: bold; min-height: 1.4em; }
#slider { width: 100%; }
table { border-collapse: collapse; width: 100%; font: 13px "DejaVu Sans Mono", monospace; }
th { text-align: left; font-weight: normal; white-space: pre; }
thead th { font-weight: bold; border-bottom: 1px solid var(--line); padding: .3em .4em; }
td { padding: 1px .4em; }
.e, .sign { --c: var(--light); display: inline-block; min-width: 15em; border-left: 4px solid var(--c); padding: 1px .5em; border-radius: 3px; background: color-mix(in srgb, var(--c) 16%, transparent); white-space: pre; }
@media (prefers-color-scheme: dark) { .e, .sign { --c: var(--dark); background: color-mix(in srgb, var(--c) 26%, transparent); } }
.e.frozen, .sign.frozen { background: repeating-linear-gradient(45deg, color-mix(in srgb, var(--c) 45%, transparent) 0 4px, transparent 4px 9px); }
.e.blocked, .e.table-blocked, .sign.blocked, .sign.table-blocked { background: repeating-linear-gradient(135deg, color-mix(in srgb, var(--c) 40%, transparent) 0 4px, transparent 4px 9px); }
.e.zapped { text-decoration: line-through; }
.e.now { outline: 2px solid var(--accent); }
button { font: inherit; padding: .2em .8em; margin-right: .3em; }
)css";

std::string styleKey(Column column, const TreeCell& cell) {
    const StyleIndex index = styleIndexOf(column, cell);
    return index == kStyleSharedLeaf ? "shared-leaf" : index == kStylePrivateLeaf ? "private-leaf" : std::string(styleAt(index).name);
}

// "style|text", or "" for an entry that is not shown.
std::string valueOf(const Session& session, Session::Where where) {
    TreeCell cell = session.cell(where.column, where.gfn, where.level);
    cell.zapped.reset();
    if (!cell.exists || cell.initial(where.column))
        return {};
    return styleKey(where.column, cell) + "|" + cellText(where.column, cell) + (cell.accessed ? " A" : "") + (cell.dirty ? " D" : "") +
           (cell.locked ? " lock" : "");
}

// The same of the RMP, which stands where a TD has its mirror: what is the guest's.
constexpr unsigned kRmpColumn = 1;
std::string rmpValueOf(const Session& session, Gfn gfn) {
    const auto rmp = session.rmpAt(gfn);
    if (!rmp || !rmp->entry.assigned)
        return {};
    return styleKey(Column::Private, likeRmp(*rmp)) + "|" + rmpText(*rmp);
}
} // namespace

std::string pageHtml(Session& session, u64 open, std::optional<std::pair<u64, u64>> range) {
    // A page of the whole run as long as it is small enough to mail; else what lies around the position.
    constexpr u64 kSteps = 20'000;
    const u64 here = session.position();
    const u64 first = range                                          ? range->first
                      : session.end() <= kSteps || open < kSteps / 2 ? 0
                                                                     : std::min(open - kSteps / 2, session.end() - kSteps);
    const u64 last = std::min(range ? range->second : session.end(), first + kSteps);
    const bool tdx = session.hasColumn(Column::Mirror);
    session.seek(first);
    // What each entry was before: the values as they were written into the page.
    std::map<std::tuple<unsigned, unsigned, u64>, std::string> known;
    std::string start;
    RowOptions all;
    all.alikeAsOne = false;
    const auto put = [&](unsigned column, Gfn gfn, Level level, const std::string& value) {
        if (value.empty())
            return;
        known[{column, number(level), gfn.v}] = value;
        start += fmt::format("{}[{},{},{},{}]", start.empty() ? "" : ",", column, gfn.v, number(level), jsonString(value));
    };
    for (const TreeRow& row : session.rows(all))
        for (unsigned c = 0; c < (tdx ? kColumns : 1); ++c)
            for (u64 k = 0; k < std::min<u64>(std::max<u64>(row.more, 1), 4096); ++k) {
                const Session::Where where{static_cast<Column>(c), {row.gfn.v + k * pagesPer(row.level)}, row.level};
                put(c, where.gfn, where.level, valueOf(session, where));
                if (session.hasRmp() && row.level == Level::k4K)
                    put(kRmpColumn, where.gfn, row.level, rmpValueOf(session, where.gfn));
            }
    std::string steps;
    for (u64 n = first; n < last; ++n) {
        session.seek(n + 1);
        std::string changes;
        const auto change = [&](unsigned column, Gfn gfn, Level level, const std::string& value) {
            std::string& was = known[{column, number(level), gfn.v}];
            const bool table = was.starts_with("table") || value.starts_with("table");
            if (was == value)
                return false;
            changes += fmt::format("{}[{},{},{},{},{}]", changes.empty() ? "" : ",", column, gfn.v, number(level), jsonString(was),
                                   jsonString(value));
            was = value;
            return table;
        };
        session.system().machine().forEachChange(n, [&](Place place, u64 delta) {
            if (session.hasRmp() && session.system().rmp().frameOf(place)) {
                const u64 now = session.system().machine().peek(place);
                for (const u64 word : {now, now ^ delta})
                    if (const RmpEntry entry = Rmp::decode(word); entry.assigned)
                        change(kRmpColumn, entry.gfn, Level::k4K, rmpValueOf(session, entry.gfn));
                return;
            }
            const auto where = session.locate(place);
            if (!where)
                return;
            const std::function<void(const Session::Where&)> look = [&](const Session::Where& w) {
                const bool table = change(static_cast<unsigned>(w.column), w.gfn, w.level, valueOf(session, w));
                // With a table that was linked or unlinked, what it holds came or went.
                for (u64 i = 0; table && w.level > Level::k4K && i < 512; ++i)
                    look({w.column, {w.gfn.v + i * pagesPer(below(w.level))}, below(w.level)});
            };
            look(*where);
        });
        std::string violation;
        for (const Violation& v : session.violations())
            if (v.n == n)
                violation = fmt::format("{}: {}", info(v.rule).name, v.text);
        const Step* script = session.scenario().step(session.scriptOf(n));
        steps += fmt::format("{}{{\"s\":{},\"w\":{},\"c\":[{}]{}}}", n == first ? "" : ",\n", jsonString(session.sentence(n + 1)),
                             jsonString(script == nullptr ? std::string() : fmt::format("step {}, line {}", script->path, script->line)),
                             changes, violation.empty() ? "" : ",\"v\":" + jsonString(violation));
    }
    // The notes that come into force on the way.
    std::string notes, before;
    for (u64 n = first; n <= last; ++n)
        if (const std::string note = session.storyAt(n); note != before) {
            notes += fmt::format("{}[{},{}]", notes.empty() ? "" : ",", n, jsonString(note));
            before = note;
        }
    session.seek(here);
    std::string styles;
    for (unsigned s = 0; s < stateStyles().size(); ++s) {
        const StateStyle& style = styleAt(s);
        const std::string name = s == kStyleSharedLeaf ? "shared-leaf" : s == kStylePrivateLeaf ? "private-leaf" : std::string(style.name);
        // What this machine does not have is not explained.
        const bool has = tdx || !(s == kStyleFrozen || s == kStylePending || s == kStyleBlocked || s == kStyleTableBlocked);
        styles += fmt::format("{}{}:[{},{},{},{}]", s == 0 ? "" : ",", jsonString(name), jsonString(style.sign), jsonString(style.light),
                              jsonString(style.dark), jsonString(has ? style.help : std::string_view()));
    }
    std::string columns, headings;
    for (const std::string_view title : columnTitles(session)) {
        columns += (columns.empty() ? "[" : ",") + jsonString(title);
        headings += fmt::format("<th scope=\"col\">{}</th>", title);
    }
    columns += "]";
    std::string data = fmt::format(
        "const D = {{\"first\":{},\"end\":{},\"open\":{},\"levels\":{},\"columns\":{},\"styles\":{{{}}},\"start\":[{}],\"steps\":[{}],"
        "\"notes\":[{}],\"about\":{}}};",
        first, session.end(), std::clamp(open, first, last), session.system().config().levels, columns, styles, start, steps, notes,
        jsonString(session.scenario().about));
    // Nothing in the data may end the script, or begin a comment or another script in it.
    for (std::size_t at = data.find('<'); at != std::string::npos; at = data.find('<', at + 1))
        data.replace(at, 1, "\\u003c");
    const std::string title = session.scenario().title.empty() ? session.scenario().file : session.scenario().title;
    return fmt::format("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
                       "content=\"width=device-width\">\n<title>{0}</title>\n"
                       "<style>{1}</style>\n</head>\n<body>\n<h1>{0}</h1>\n<div id=\"note\" hidden></div>\n<div id=\"sentence\" "
                       "role=\"status\"></div>\n<div "
                       "id=\"violation\"></div>\n<div id=\"where\"></div>\n"
                       "<p><button data-by=\"-1\">‹ back</button><button data-by=\"1\">step ›</button> <span class=\"keys\">→ and ← step, "
                       "Page keys take 20, "
                       "Home and End, F: next frozen entry</span></p>\n"
                       "<input id=\"slider\" type=\"range\" aria-label=\"position\">\n<table>\n<thead><tr><th "
                       "scope=\"col\">GPA</th>{2}</tr></thead>\n<tbody id=\"rows\"></tbody>\n</table>\n<details "
                       "open><summary>Story</summary><div id=\"story\"></div></details>\n"
                       "<details><summary>What the signs mean</summary><div id=\"legend\"></div></details>\n"
                       "<script>{3}\n{4}</script>\n</body>\n</html>\n",
                       xmlText(title), kStyle, headings, data, kScript);
}

} // namespace mirrorscope
