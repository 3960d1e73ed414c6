// SPDX-License-Identifier: GPL-3.0-or-later
// Micro-steps as text with one column an actor, as changelogs of the kernel draw races.
#include "base/text.h"
#include "export/export.h"
#include "scenario/runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

namespace mirrorscope {

namespace {
constexpr std::size_t kPage = 78, kGap = 2, kMostColumns = 4;

// "vcpu0: TDH.MEM.PAGE.AUG begins  (tdh_mem_page_aug)": the part in the middle.
std::string deedOf(std::string sentence, const std::string& actor) {
    if (sentence.starts_with(actor + ": "))
        sentence = sentence.substr(actor.size() + 2);
    return sentence.substr(0, sentence.find("  ("));
}
} // namespace

std::string columnsText(Session& session, u64 from, u64 to) {
    const u64 here = session.position();
    std::vector<ActorId> actors;
    for (u64 n = from; n < to; ++n)
        if (const ActorId actor = session.step(n).actor; std::find(actors.begin(), actors.end(), actor) == actors.end())
            actors.push_back(actor);
    std::sort(actors.begin(), actors.end());
    // Those who have no column share the last one, by name.
    const std::size_t columns = std::min(std::max<std::size_t>(actors.size(), 1), kMostColumns);
    const std::size_t width = (kPage - kGap * (columns - 1)) / columns;
    const auto columnOf = [&](ActorId actor) {
        return std::min(static_cast<std::size_t>(std::find(actors.begin(), actors.end(), actor) - actors.begin()), columns - 1);
    };
    std::string out;
    const auto put = [&](std::size_t column, const std::string& text) {
        if (!text.empty())
            out += std::string(column * (width + kGap), ' ') + text;
        out += "\n";
    };
    out += session.scenario().title.empty() ? "" : wrapped(session.scenario().title, "", 0);
    out += fmt::format("positions {} to {} of {}\n\n", from, to, session.end());
    std::string head, rule;
    for (std::size_t i = 0; i < std::min(columns, actors.size()); ++i) {
        const std::string name = i + 1 == columns && actors.size() > columns ? "others" : session.actorName(actors[i]);
        head += name + std::string(i + 1 == columns ? 0 : width + kGap - name.size(), ' ');
        rule += std::string(name.size(), '-') + std::string(i + 1 == columns ? 0 : width + kGap - name.size(), ' ');
    }
    out += head + "\n" + rule + "\n";
    std::map<ActorId, std::string> inside; // the function that was named last
    std::optional<ActorId> last;           // who used the shared column last
    std::string before;                    // the same again is counted
    std::size_t again = 0, column = 0;
    const auto endRow = [&] {
        if (again > 1)
            put(column, fmt::format("  … {} times", again));
        again = 0;
    };
    for (u64 n = from; n < to; ++n) {
        session.seek(n + 1);
        const StepView view = session.step(n);
        const std::string actor = session.actorName(view.actor);
        const std::string function = view.where.empty() ? std::string() : view.where.back();
        const std::string deed = deedOf(session.sentence(n + 1), actor);
        const std::string key = actor + "\n" + function + "\n" + deed;
        if (key == before) {
            ++again;
            continue;
        }
        endRow();
        before = key;
        again = 1;
        column = columnOf(view.actor);
        const bool shares = column + 1 == columns && actors.size() > columns;
        if (shares && last != view.actor)
            put(column, actor + ":");
        if ((inside[view.actor] != function || (shares && last != view.actor)) && !function.empty())
            for (const std::string& line : linesWithin(function + "()", width))
                put(column, line);
        inside[view.actor] = function;
        if (shares)
            last = view.actor;
        for (const std::string& line : linesWithin(deed, width - 2))
            put(column, "  " + line);
        for (const Violation& v : session.violations())
            if (v.n == n)
                for (const std::string& line : linesWithin(fmt::format("! {}: {}", info(v.rule).name, v.text), width))
                    put(column, line);
    }
    endRow();
    session.seek(here);
    return out;
}

std::pair<u64, u64> racesOf(const Session& session) {
    std::vector<bool> inRace(session.scenario().steps + 1); // by a step's index
    for (const Step& item : session.scenario().script)
        if (item.verb == Verb::Race)
            std::fill(inRace.begin() + item.index, inRace.begin() + lastIndexOf(item) + 1, true);
    u64 first = session.end(), last = 0;
    for (u64 n = 0; n < session.end(); ++n) {
        if (!inRace[session.scriptOf(n)])
            continue;
        first = std::min(first, n);
        last = n + 1;
    }
    return last == 0 ? std::pair<u64, u64>{0, session.end()} : std::pair{first, last};
}

} // namespace mirrorscope
