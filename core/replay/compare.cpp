// SPDX-License-Identifier: GPL-3.0-or-later
#include "replay/compare.h"

#include "export/export.h"
#include "scenario/runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

namespace mirrorscope {

namespace {
struct Entry {
    bool mirror = false;
    u16 tree = 0;
    u8 level = 1;
    u64 gfn = 0;
    auto operator<=>(const Entry&) const = default;
};
struct Told {
    std::string what, before; // "leaf rwx → not present", "leaf rwx"
    bool going = false;
    u32 line = 0;
};
using Histories = std::map<Entry, std::vector<Told>>;

std::string valueOf(const SpteMasks& masks, u64 value, Level level) {
    if (spte::isFrozenOfAny(value))
        return "frozen";
    if (!spte::isPresent(value))
        return masks.isMmio(value) ? "MMIO" : "not present";
    if (spte::isTable(value, level))
        return "table";
    if (spte::isAccessTracked(value))
        return "leaf, tracked";
    const u64 rights = masks.format.rights(value);
    const char* may = (rights & 2) == 0 && masks.isMmuWritable(value) ? " (may be written)" : "";
    return fmt::format("leaf {}{}", rightsText(rights), may);
}

// The bits that a leaf gains and loses; frames are each kernel's own.
std::string changeOf(const SpteMasks& masks, const ToldChange& change) {
    const Level level = change.level == 0 ? Level::k4K : levelOf(change.level);
    const u64 a = change.old, b = change.now;
    const bool last = change.level == 0 || (spte::isLast(a, level) && spte::isLast(b, level));
    if (!spte::isPresent(a) || !spte::isPresent(b) || !last)
        return valueOf(masks, a, level) + " → " + valueOf(masks, b, level);
    if (change.level == 0)
        return "fast page fault";
    if (framePart(a) != framePart(b))
        return "leaf of another page";
    std::string text = "leaf";
    const auto bit = [&](bool was, bool is, const char* name) {
        if (was != is)
            text += fmt::format(" {}{}", is ? '+' : '-', name);
    };
    if (spte::isAccessTracked(a) != spte::isAccessTracked(b)) {
        bit(!spte::isAccessTracked(a), !spte::isAccessTracked(b), "A");
        return text;
    }
    const u64 was = masks.format.rights(a), is = masks.format.rights(b);
    bit((was & 1) != 0, (is & 1) != 0, "R");
    bit((was & 2) != 0, (is & 2) != 0, "W");
    bit((was & 4) != 0, (is & 4) != 0, "X");
    bit((a & masks.format.dirty) != 0, (b & masks.format.dirty) != 0, "D");
    if (spte::adEnabled(a))
        bit((a & masks.format.accessed) != 0, (b & masks.format.accessed) != 0, "A");
    bit(masks.isMmuWritable(a), masks.isMmuWritable(b), "MMU-writable");
    bit((a & masks.hostWritable) != 0, (b & masks.hostWritable) != 0, "host-writable");
    return text;
}

// Entries that are frozen though nothing was in them are so by how mmu_lock was held, and told for all 512.
bool counts(const ToldChange& change) { return spte::isPresent(change.old) || !spte::isFrozenOfAny(change.now); }

Histories historiesOf(const RecordedVm& vm) {
    Histories histories;
    for (const ToldChange& change : vm.changes)
        if (counts(change)) {
            const Level level = levelOf(std::max<u8>(1, change.level));
            histories[{change.mirror, change.tree, change.level, change.gfn}].push_back(
                {changeOf(vm.masks, change), valueOf(vm.masks, change.old, level), change.going, change.line});
        }
    return histories;
}

// Entries of which lines are missing: they were there before the first one, or hold something else than what the line before left.
std::set<Entry> entriesWithGaps(const RecordedVm& vm) {
    std::set<Entry> entries;
    std::map<Entry, u64> last;
    for (const ToldChange& change : vm.changes) {
        if (change.level == 0)
            continue;
        const Entry entry{change.mirror, change.tree, change.level, change.gfn};
        const auto [held, isNew] = last.try_emplace(entry, 0);
        const bool same = spte::isPresent(held->second) == spte::isPresent(change.old) &&
                          (!spte::isPresent(change.old) || framePart(held->second) == framePart(change.old));
        // A table's entries may begin as the parts of a huge page.
        if (!same && !vm.splits.contains({change.level, change.gfn >> 9 * change.level}))
            entries.insert(entry);
        held->second = change.now;
    }
    return entries;
}

// An access without a slot leaves to user space as it should.
bool isRefused(const StepResult& step) { return step.outcome.starts_with("E") || step.outcome.starts_with("KVM_EXIT_MEMORY_FAULT"); }

bool alike(const Told& kernel, const Told& machine) {
    if (!kernel.going || kernel.before != machine.before)
        return kernel.what == machine.what;
    const auto goes = [](const Told& told) { return told.what.ends_with("→ frozen") || told.what.ends_with("→ not present"); };
    return kernel.what == machine.what || (goes(kernel) && goes(machine));
}
} // namespace

Replayed replayed(const RecordedVm& vm, const std::string& scenario, const std::function<bool()>& goOn) {
    Replayed result;
    RecordedVm ours;
    RunOptions options;
    options.cancelled = [&goOn] { return !goOn(); };
    Session session(bindScenario("replay", scenario), options);
    result.stopped = !goOn();
    if (result.stopped)
        return result;
    for (std::size_t mark = 0; mark < session.system().sim().marks().size(); ++mark)
        if (const auto step = session.resultOf(mark); step && isRefused(*step) && result.refused++ == 0)
            result.firstRefused = step->text();
    result.violations = session.violations().size();
    if (result.violations != 0)
        result.firstViolation = session.violations().front().text;
    std::string text;
    writeTrace(session, [&](const std::string& line) { text += line; });
    TraceInput input("replay", std::move(text));
    std::vector<RecordedVm> vms = readVms(input, {.one = true, .goOn = [&](u64) { return goOn(); }});
    result.stopped = !goOn();
    if (result.stopped)
        return result;
    if (!vms.empty())
        ours = std::move(vms.front());
    const Histories kernel = historiesOf(vm), machine = historiesOf(ours);
    const std::set<Entry> gaps = entriesWithGaps(vm);
    result.changes = static_cast<u64>(std::count_if(vm.changes.begin(), vm.changes.end(), counts));
    result.ours = static_cast<u64>(std::count_if(ours.changes.begin(), ours.changes.end(), counts));
    std::map<std::tuple<std::string, std::string, bool, u8>, ReplayDifference> kinds;
    const auto compare = [&](const Entry& entry, const std::vector<Told>& a, const std::vector<Told>& b) {
        if (gaps.contains(entry)) {
            ++result.leftOut;
            return;
        }
        ++result.entries;
        const auto [x, y] = std::mismatch(a.begin(), a.end(), b.begin(), b.end(), alike);
        if (x == a.end() && y == b.end()) {
            ++result.same;
            return;
        }
        ReplayDifference difference{x == a.end() ? "" : x->what,
                                    y == b.end() ? "" : y->what,
                                    entry.mirror,
                                    entry.level,
                                    0,
                                    entry.gfn,
                                    x != a.end() ? x->line
                                    : a.empty()  ? 0
                                                 : a.back().line};
        ReplayDifference& kind =
            kinds.try_emplace({difference.kernel, difference.ours, entry.mirror, entry.level}, difference).first->second;
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
