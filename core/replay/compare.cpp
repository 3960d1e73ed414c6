// SPDX-License-Identifier: GPL-3.0-or-later
#include "replay/compare.h"

#include "export/export.h"
#include "scenario/runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace mirrorscope {

namespace {
struct Entry {
    bool mirror = false;
    u8 asId = 0, level = 1;
    u64 gfn = 0;
    auto operator<=>(const Entry&) const = default;
};
struct Told {
    std::string what;
    u32 line = 0;
};
using Histories = std::map<Entry, std::vector<Told>>;

std::string valueOf(const SpteMasks& masks, u64 value, Level level) {
    if ((value | spte::kNonpresent) == spte::kFrozen)
        return "frozen";
    if (!spte::isPresent(value))
        return masks.isMmio(value) ? "MMIO" : "not present";
    if (spte::isTable(value, level))
        return "table";
    return spte::isWritable(value) ? "leaf rw" : "leaf r";
}

// The bits that a leaf gains and loses; frames are each kernel's own.
std::string changeOf(const SpteMasks& masks, const ToldChange& change, bool frozenIsGone) {
    const Level level = change.level == 0 ? Level::k4K : levelOf(change.level);
    const bool leaves = spte::isPresent(change.old) && spte::isPresent(change.now) &&
                        (change.level == 0 || (spte::isLast(change.old, level) && spte::isLast(change.now, level)));
    if (!leaves) {
        const std::string now = valueOf(masks, change.now, level);
        return valueOf(masks, change.old, level) + " → " + (frozenIsGone && (now == "frozen" || now == "not present") ? "gone" : now);
    }
    if (change.level == 0)
        return "fast page fault";
    std::string text = "leaf";
    const auto bit = [&](u64 mask, const char* name) {
        if (((change.old ^ change.now) & mask) != 0)
            text += fmt::format(" {}{}", (change.now & mask) != 0 ? '+' : '-', name);
    };
    bit(ept::kWrite, "W");
    bit(masks.format.dirty, "D");
    if (spte::isAccessTracked(change.old) != spte::isAccessTracked(change.now))
        text += spte::isAccessTracked(change.now) ? " -A" : " +A";
    else
        bit(masks.format.accessed, "A");
    return text;
}

// Entries that are frozen though nothing was in them are so by how mmu_lock was held, and told for all 512.
bool counts(const ToldChange& change) { return spte::isPresent(change.old) || (change.now | spte::kNonpresent) != spte::kFrozen; }

Histories historiesOf(const RecordedVm& vm, bool frozenIsGone) {
    Histories histories;
    for (const ToldChange& change : vm.changes)
        if (counts(change))
            histories[{change.mirror, change.asId, change.level, change.gfn}].push_back(
                {changeOf(vm.masks, change, frozenIsGone), change.line});
    return histories;
}
} // namespace

Replayed replayed(const RecordedVm& vm, const std::string& scenario, const std::function<bool()>& goOn) {
    Replayed result;
    RecordedVm ours;
    {
        Session session(bindScenario("replay", scenario));
        for (std::size_t mark = 0; mark < session.system().sim().marks().size(); ++mark)
            if (const auto step = session.resultOf(mark); step && step->outcome.starts_with("E") && result.refused++ == 0)
                result.firstRefused = step->text();
        std::string text;
        writeTrace(session, [&](const std::string& line) { text += line; });
        TraceInput input("replay", std::move(text));
        std::vector<RecordedVm> vms = readVms(input, {.one = true, .goOn = [&](u64) { return goOn(); }});
        if (!vms.empty())
            ours = std::move(vms.front());
    }
    const Histories kernel = historiesOf(vm, vm.rootsGoWhole), machine = historiesOf(ours, vm.rootsGoWhole);
    result.changes = static_cast<u64>(std::count_if(vm.changes.begin(), vm.changes.end(), counts));
    result.ours = static_cast<u64>(std::count_if(ours.changes.begin(), ours.changes.end(), counts));
    std::map<std::tuple<std::string, std::string, u8>, ReplayDifference> kinds;
    const auto compare = [&](const Entry& entry, const std::vector<Told>& a, const std::vector<Told>& b) {
        ++result.entries;
        const auto [x, y] =
            std::mismatch(a.begin(), a.end(), b.begin(), b.end(), [](const Told& l, const Told& r) { return l.what == r.what; });
        if (x == a.end() && y == b.end()) {
            ++result.same;
            return;
        }
        ReplayDifference difference{x == a.end() ? "" : x->what,
                                    y == b.end() ? "" : y->what,
                                    entry.level,
                                    0,
                                    entry.gfn,
                                    x != a.end() ? x->line
                                    : a.empty()  ? 0
                                                 : a.back().line};
        ReplayDifference& kind = kinds.try_emplace({difference.kernel, difference.ours, entry.level}, difference).first->second;
        ++kind.entries;
        if (difference.line != 0 && (kind.line == 0 || difference.line < kind.line)) {
            kind.line = difference.line;
            kind.gfn = difference.gfn;
        }
    };
    const std::vector<Told> nothing;
    for (const auto& [entry, history] : kernel) {
        const auto there = machine.find(entry);
        compare(entry, history, there == machine.end() ? nothing : there->second);
    }
    for (const auto& [entry, history] : machine)
        if (!kernel.contains(entry))
            compare(entry, nothing, history);
    for (const auto& [key, difference] : kinds)
        result.differences.push_back(difference);
    std::stable_sort(result.differences.begin(), result.differences.end(),
                     [](const auto& a, const auto& b) { return a.entries > b.entries; });
    return result;
}

} // namespace mirrorscope
