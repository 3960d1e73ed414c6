// SPDX-License-Identifier: GPL-3.0-or-later
// The scenario reference in Markdown, from the tables.
#include "base/glossary.h"
#include "base/text.h"
#include "base/vocab.h"
#include "export/export.h"
#include "export/vocabulary.h"
#include "scenario/verbs.h"
#include "tdx/module/leaves.h"

#include <fmt/format.h>

namespace mirrorscope {

namespace {
std::string cell(std::string_view text) {
    std::string out;
    for (const char c : text)
        out += c == '|' ? std::string("\\|") : std::string(1, c);
    return out;
}
} // namespace

std::string glossaryMarkdown() {
    std::string out = "# Glossary\n\nMade from the program's own table by `mirrorscope glossary --format markdown`; a test keeps it "
                      "current. In the window each of "
                      "these\nexplains itself on hover.\n\n";
    for (const Term& term : glossary())
        out += fmt::format("- **{}**{}: {} [Shown by](../../scenarios/{})\n", term.name,
                           term.also.empty() ? "" : fmt::format(" ({})", term.also), term.meaning, term.shownBy);
    return out;
}

std::string glossaryText(std::string_view word) {
    std::string out;
    const Term* only = word.empty() ? nullptr : termOf(word);
    for (const Term& term : glossary())
        if (word.empty() || &term == only)
            out += wrapped(fmt::format("{}: {} (scenarios/{})", term.name, term.meaning, term.shownBy), "", 2);
    return out;
}

std::string glossaryJson() {
    std::string out = "[";
    for (const Term& term : glossary())
        out += fmt::format("{}\n{{\"term\":{},\"also\":{},\"meaning\":{},\"shown_by\":{}}}", out.size() == 1 ? "" : ",",
                           jsonString(term.name), jsonString(term.also), jsonString(term.meaning), jsonString(term.shownBy));
    return out + "\n]\n";
}

std::string referenceMarkdown() {
    std::string out =
        "# Scenario reference\n\nMade from the program's own tables by `mirrorscope schema --format markdown`; a test keeps it current.\n"
        "The manual ([manual.md](manual.md)) explains how to write a scenario; this page lists every word.\n";
    out += "\n## `machine`\n\n| key | values | default | meaning |\n| --- | --- | --- | --- |\n";
    for (const MachineKey& key : machineKeys())
        out += fmt::format("| `{}` | {} | {} | {} |\n", key.name, cell(key.values), cell(key.fallback), cell(key.help));
    for (const auto& [where, title] : {std::pair{VerbInfo::Where::Guest, "Guest verbs"}, std::pair{VerbInfo::Where::Host, "Host verbs"},
                                       std::pair{VerbInfo::Where::Flow, "Flow"}}) {
        out += fmt::format("\n## {}\n\n| verb | arguments | does |\n| --- | --- | --- |\n", title);
        for (unsigned i = 0; i < kVerbs; ++i) {
            const VerbInfo& verb = info(static_cast<Verb>(i));
            if (verb.where != where)
                continue;
            std::string args;
            for (const ArgInfo& arg : verb.args)
                args += fmt::format("{}{}`{}`{} {}", args.empty() ? "" : "; ", arg.required ? "**" : "", arg.name, arg.required ? "**" : "",
                                    cell(arg.help));
            out += fmt::format("| `{}` | {} | {} |\n", verb.name, args, cell(verb.help));
        }
    }
    out += "\n## Sites\n\n| site | stands in | the micro-step |\n| --- | --- | --- |\n";
    for (unsigned i = 0; i < kSites; ++i) {
        const SiteInfo& site = info(static_cast<Site>(i));
        out += fmt::format("| `{}` | `{}` | {} |\n", site.name, cell(site.where), cell(site.help));
    }
    out += "\n## Rules\n\n| rule | says |\n| --- | --- |\n";
    for (unsigned i = 0; i < kRules; ++i)
        out += fmt::format("| `{}` | {} |\n", info(static_cast<Rule>(i)).name, cell(info(static_cast<Rule>(i)).help));
    out += "\n## Values of `break`\n\n| value | what is not followed |\n| --- | --- |\n";
    for (unsigned i = 0; i < kBreaks; ++i)
        out += fmt::format("| `{}` | {} |\n", info(static_cast<Break>(i)).name, cell(info(static_cast<Break>(i)).help));
    out += "\n## What `count` can ask for\n\nEvery SEAMCALL leaf and every site, and:\n\n| name | counts |\n| --- | --- |\n";
    for (unsigned i = 0; i < kCounters; ++i)
        out += fmt::format("| `{}` | {} |\n", info(static_cast<Counter>(i)).name, cell(info(static_cast<Counter>(i)).help));
    out += "\n## Leaves for `seamcall`\n\n| leaf | number | does | locks |\n| --- | --- | --- | --- |\n";
    for (const LeafInfo& leaf : leafTable())
        out += fmt::format("| `{}` | {} | {} | {} |\n", leaf.name, leaf.number, cell(leaf.help), cell(leaf.locks));
    return out;
}

} // namespace mirrorscope
