// SPDX-License-Identifier: GPL-3.0-or-later
// The three trees as one list of rows, aligned by GPA; runs of entries that are alike become one row.
#include "base/text.h"
#include "scenario/runner.h"
#include "session/session.h"
#include "session/style.h"

#include <fmt/format.h>

#include <algorithm>

namespace mirrorscope {

// What a value is as an entry, wherever it stands.
TreeCell Session::cellOf(Column column, u64 raw, Level level) const {
    TreeCell cell;
    cell.exists = true;
    cell.raw = raw;
    cell.rights = system().kvm().masks().format.rights(cell.raw);
    if (column == Column::Private) {
        cell.sept = sept::stateOf(cell.raw);
        cell.locked = (cell.raw & sept::kLock) != 0;
    } else {
        const SpteMasks& masks = system().kvm().masks();
        cell.spte = stateOf(masks, cell.raw, level);
        if (cell.spte == SpteState::Leaf && level > Level::k4K)
            cell.huge = pagesPer(level);
        cell.ofGmem = cell.spte == SpteState::Leaf && mapsGmem(cell.raw);
        if (cell.spte == SpteState::Leaf && column == Column::Shared && spte::adEnabled(cell.raw)) {
            cell.accessed = (cell.raw & masks.format.accessed) != 0;
            cell.dirty = (cell.raw & masks.format.dirty) != 0;
        }
    }
    if (!cell.initial(column) && cell.spte != SpteState::Frozen && cell.spte != SpteState::Unknown)
        cell.pfn = ept::pfnOf(cell.raw);
    return cell;
}

std::string Session::valueText(Column column, u64 raw, Level level) const {
    const std::string text = cellText(column, cellOf(column, raw, level));
    return text.substr(text.find(' ') + 1); // the sign is said otherwise
}

TreeCell Session::cellAt(Column column, Place place, Level level) const {
    TreeCell cell = cellOf(column, system().machine().peek(place), level);
    cell.place = place;
    if (const auto it = recent_.find(place.v); it != recent_.end()) {
        const u64 lockBits = column == Column::Private ? sept::kLock | sept::kHostPriority : 0;
        const unsigned age = static_cast<unsigned>(position() - 1 - it->second.step);
        cell.changed = age == 0;
        const bool was = column == Column::Private ? sept::stateOf(it->second.old) != SeptState::Free && it->second.old != 0
                                                   : spte::isPresent(it->second.old);
        if (was && cell.initial(column) && ((it->second.old ^ cell.raw) & ~lockBits) != 0) {
            cell.zapped = it->second.old;
            cell.age = age;
            cell.was = valueText(column, it->second.old, level);
        }
    }
    cell.violation = violating_.contains(place.v);
    return cell;
}

void Session::forEachRecent(Column column, const std::function<void(Gfn, Level, const TreeCell&)>& f) const {
    const auto look = [&](u64 place) {
        const auto where = locate(Place{place});
        if (where && where->column == column)
            f(where->gfn, where->level, cellAt(column, Place{place}, where->level));
    };
    for (const auto& [place, recent] : recent_)
        look(place);
    for (const u64 place : violating_)
        if (!recent_.contains(place))
            look(place);
}

bool Session::mapsGmem(u64 raw) const {
    const Pfn pfn = ept::pfnOf(raw);
    return !system().isTdx() && system().config().hasPrivateMem() && system().frames().valid(pfn) &&
           system().frames().peekKind(pfn) == FrameKind::Gmem;
}

bool TreeCell::leadsToTable(Column column) const {
    return exists && (column == Column::Private ? mirrorscope::sept::isTable(sept) : spte == SpteState::Table);
}

Pfn Session::tableBelow(Column column, const TreeCell& cell) const {
    return cell.leadsToTable(column) && system().holdsTable(ept::pfnOf(cell.raw), column == Column::Private) ? ept::pfnOf(cell.raw)
                                                                                                             : Pfn{0};
}

Pfn Session::rootOf(Column column) const {
    if (column == Column::Shared)
        return shownDirectRoot();
    if (!hasColumn(column))
        return {0};
    if (column == Column::Mirror) {
        // While it is torn down there is only an invalid one.
        Pfn root = system().mirrorRoot();
        for (const Pfn other : system().kvm().roots())
            if (root.v == 0 && system().kvm().peekPage(other).isMirror())
                root = other;
        return root;
    }
    return system().secureRoot();
}

TreeCell Session::cell(Column column, Gfn gfn, Level level) const {
    if (column == Column::Private) {
        const auto walk = system().septAt(gfn, level);
        return walk.reached ? cellAt(column, walk.place, level) : TreeCell{};
    }
    const auto at = system().spteAt(rootOf(column), gfn, level);
    return at.exists && at.level == level ? cellAt(column, at.place, level) : TreeCell{};
}

std::optional<Session::Where> Session::locate(Place place) const {
    const Frames& frames = system().frames();
    const Pfn frame = frameOf(place);
    if (!frames.valid(frame))
        return std::nullopt;
    if (frames.peekKind(frame) == FrameKind::Table) {
        const MmuPage page = system().kvm().peekPage(frame);
        if (page.level() == Level::None)
            return std::nullopt; // a new page, of no tree yet
        return Where{page.isMirror() ? Column::Mirror : Column::Shared, bare(system().kvm().gfnOfEntry(page, indexOf(place))), page.level(),
                     role::isSmm(page.role)};
    }
    if (!system().isSeptPage(frame))
        return std::nullopt;
    if (system().secureRoot() == frame) {
        const Level level = levelOf(system().config().levels);
        return Where{Column::Private, {indexOf(place) * pagesPer(level)}, level};
    }
    if (const auto table = system().septTable(frame))
        return Where{Column::Private, {table->base.v + indexOf(place) * pagesPer(table->level)}, table->level};
    return std::nullopt;
}

namespace {
bool alike(const TreeRow& a, const TreeRow& b) {
    if (a.level != b.level || a.depth != b.depth || b.gfn.v != a.gfn.v + pagesPer(a.level) || a.expandable != b.expandable)
        return false;
    for (unsigned c = 0; c < kColumns; ++c) {
        const TreeCell& x = a.cells[c];
        const TreeCell& y = b.cells[c];
        if (x.exists != y.exists || x.spte != y.spte || x.sept != y.sept || x.changed || y.changed || x.zapped || y.zapped || x.violation ||
            y.violation || x.locked != y.locked || x.ofGmem != y.ofGmem || x.spte == SpteState::Frozen)
            return false;
    }
    return true;
}
} // namespace

Twins twinsOf(const TreeRow& row) {
    const TreeCell& mirror = row.cells[static_cast<unsigned>(Column::Mirror)];
    const TreeCell& secure = row.cells[static_cast<unsigned>(Column::Private)];
    if (row.more > 0 || !row.compared || (!mirror.exists && !secure.exists))
        return Twins::None;
    if (mirror.spte == SpteState::Frozen || secure.locked)
        return Twins::InFlight;
    const bool nothing = !mirror.exists || mirror.spte == SpteState::None;
    switch (secure.exists ? secure.sept : SeptState::Free) {
    case SeptState::Free: return nothing ? Twins::None : Twins::Differ;
    case SeptState::Table: return mirror.spte == SpteState::Table ? Twins::Same : Twins::Differ;
    case SeptState::Mapped:
    case SeptState::Pending: return mirror.spte == SpteState::Leaf && mirror.pfn == secure.pfn ? Twins::Same : Twins::Differ;
    case SeptState::TableBlocked:
    case SeptState::Blocked:
    case SeptState::PendingBlocked:
    case SeptState::Other:
    case SeptState::Count_: break;
    }
    return Twins::Differ;
}

void Session::visit(RowWalk& walk, Gfn base, Level level, unsigned depth, const std::array<Pfn, kColumns>& tables) const {
    const auto& keep = walk.options.keep;
    std::vector<TreeRow>& out = walk.out;
    // The shared half of a TD stands at other indices of its root: those with the shared bit.
    const u64 direct = system().config().directBits();
    std::array<bool, kColumns> hot{}; // tables that changed lately
    for (unsigned c = 0; c < kColumns; ++c)
        hot[c] = recentByFrame_.contains(tables[c].v);
    std::vector<TreeRow> run; // rows that are alike so far
    const auto flush = [&] {
        constexpr std::size_t kShown = 4;
        if (run.size() > kShown && walk.options.alikeAsOne) {
            out.push_back(run[0]);
            out.push_back(run[1]);
            TreeRow more = run[2];
            more.more = run.size() - 3;
            out.push_back(more);
            out.push_back(run.back());
        } else {
            out.insert(out.end(), run.begin(), run.end());
        }
        run.clear();
    };
    for (unsigned i = 0; i < 512; ++i) {
        const Gfn gfn{base.v + i * pagesPer(level)};
        if ((gfn.v & direct) != 0)
            break; // the shared half of the root: shown with the GPA that it belongs to
        const bool kept = keep && keep->first == gfn && keep->second == level;
        // A page that is the guest's by the RMP is shown though nothing maps it.
        const auto frame = hasRmp() && level == Level::k4K && tables[0].v != 0 ? system().gmemFrame(gfn) : std::nullopt;
        const bool assigned = frame && system().rmp().peek(*frame).assigned;
        bool somewhere = assigned || kept;
        for (unsigned c = 0; c < kColumns && !somewhere; ++c)
            if (tables[c].v != 0) {
                const u64 initial = c == static_cast<unsigned>(Column::Private) ? sept::kFree : spte::kNonpresent;
                const u64 gpn = gfn.v | (c == static_cast<unsigned>(Column::Shared) ? direct : 0);
                const Place place = wordOf(tables[c], tableIndex(gpn, level));
                somewhere = system().machine().peek(place) != initial || (hot[c] && recent_.contains(place.v));
            }
        if (!somewhere)
            continue;
        TreeRow row;
        row.gfn = gfn;
        row.level = level;
        row.depth = depth;
        bool interesting = assigned || kept;
        for (unsigned c = 0; c < kColumns; ++c) {
            if (tables[c].v == 0)
                continue;
            const auto column = static_cast<Column>(c);
            const u64 gpn = gfn.v | (column == Column::Shared ? direct : 0);
            row.cells[c] = cellAt(column, wordOf(tables[c], tableIndex(gpn, level)), level);
            interesting |= !row.cells[c].initial(column) || row.cells[c].zapped.has_value();
        }
        // Of a recording it is not known that nothing is there.
        row.compared = recorded_ == nullptr || !row.cells[static_cast<unsigned>(Column::Private)].initial(Column::Private);
        if (!interesting)
            continue;
        std::array<Pfn, kColumns> below{};
        bool any = false;
        for (unsigned c = 0; c < kColumns; ++c) {
            below[c] = tableBelow(static_cast<Column>(c), row.cells[c]);
            any |= below[c].v != 0 && system().frames().valid(below[c]);
        }
        row.expandable = any && level > Level::k4K;
        if (row.expandable) {
            const std::pair key{gfn.v, number(level)};
            const bool leadsToKept = keep && keep->second < level && roundDown(keep->first, level) == gfn;
            // The upper levels are small; what counts is how many last-level tables are unfolded.
            row.expanded =
                !walk.options.collapsed.contains(key) && (level > Level::k2M || walk.unfolded < walk.options.tables || leadsToKept ||
                                                          walk.near.contains(key) || walk.options.opened.contains(key));
            walk.unfolded += row.expanded && level == Level::k2M ? 1 : 0;
        }
        // Folded tables are as alike as pages are; the user's own folds stay where they are.
        const bool folds = row.expandable && !row.expanded && !walk.options.collapsed.contains({gfn.v, number(level)});
        const bool itself = (row.expandable && !folds) || kept; // it stands for no other
        if (!run.empty() && (itself || !alike(run.back(), row)))
            flush();
        if (itself) {
            out.push_back(row);
            if (row.expanded)
                visit(walk, gfn, mirrorscope::below(level), depth + 1, below);
        } else {
            run.push_back(row);
        }
    }
    flush();
}

std::vector<TreeRow> Session::rows(const RowOptions& options) const {
    std::vector<TreeRow> out;
    std::array<Pfn, kColumns> tables;
    for (unsigned c = 0; c < kColumns; ++c)
        tables[c] = rootOf(static_cast<Column>(c));
    if (tables[0].v == 0 && tables[1].v == 0 && tables[2].v == 0)
        return out;
    RowWalk walk{options, out, 0, {}};
    for (const auto& [place, recent] : recent_)
        if (const auto where = locate(Place{place}); where && where->level == Level::k4K)
            walk.near.insert({roundDown(where->gfn, Level::k2M).v, number(Level::k2M)});
    visit(walk, {0}, levelOf(system().config().levels), 0, tables);
    return out;
}

std::string Session::stateName(Column column, const TreeCell& cell) const {
    if (!cell.exists)
        return recorded_ != nullptr && column == Column::Private ? "not told" : "no table";
    if (recorded_ != nullptr && column == Column::Private && cell.initial(column)) {
        const auto writes = history(cell.place);
        const bool held = std::any_of(writes.begin(), writes.end(), [&](const HistoryEntry& write) {
            return write.n < position() && sept::stateOf(write.now) != SeptState::Free;
        });
        return held ? "free" : "free or not told";
    }
    return std::string(column == Column::Private ? name(cell.sept) : name(cell.spte));
}

std::string Session::contentName(Column column, const TreeCell& cell) const {
    std::string text = stateName(column, cell);
    const bool leaf = column == Column::Private ? cell.sept == SeptState::Mapped : cell.spte == SpteState::Leaf;
    if (leaf)
        text += fmt::format(" {}{}", rightsText(cell.rights), cell.dirty ? " dirty" : "");
    return text;
}

std::string Session::stateNameOfRaw(Column column, u64 raw, Level level) const {
    return std::string(column == Column::Private ? name(sept::stateOf(raw)) : name(stateOf(system().kvm().masks(), raw, level)));
}

std::string Session::changeText(Column column, u64 old, u64 now, Level level) const {
    const std::string was = stateNameOfRaw(column, old, level), is = stateNameOfRaw(column, now, level);
    if (column == Column::Private && ((old ^ now) & ~(sept::kLock | sept::kHostPriority)) == 0)
        return is + ((old & ~now & sept::kLock) != 0 ? ", unlocked" : (now & ~old & sept::kLock) != 0 ? ", locked" : ", host priority");
    return was == is && old != now ? is + ", other bits" : was + " → " + is;
}

std::vector<BitField> Session::decode(Column column, u64 raw, Level level) const {
    if (column != Column::Private)
        return decodeSpte(system().kvm().masks(), raw, level);
    std::vector<BitField> fields;
    const auto add = [&](unsigned high, unsigned low, const char* fieldName, const char* fieldHelp) {
        const unsigned width = high - low + 1;
        fields.push_back({high, low, fieldName, raw >> low & (width == 64 ? ~0ull : (1ull << width) - 1), fieldHelp});
    };
    const SeptState state = sept::stateOf(raw);
    add(63, 63, "SVE", "suppress #VE: set in every private entry, a violation exits into the module");
    if (state == SeptState::Free) {
        add(55, 53, "FREE", "TDB, TDBW and TDEX together without a leaf: nothing is here");
        return fields;
    }
    add(56, 56, "TDP", "pending: the guest has not accepted the page");
    add(55, 55, "TDB", "blocked: no new translation can be made");
    add(54, 54, "TDBW", "blocked for writing (export)");
    add(53, 53, "TDEX", "exported");
    add(52, 52, "TDHP", "host priority: a host call lost this entry's lock to the guest");
    add(51, 12, sept::isLeaf(raw) ? "HPA" : "table", sept::isLeaf(raw) ? "frame of the private page" : "frame of the secure EPT page");
    add(11, 11, "TDEL", "entry lock");
    add(7, 7, "PS", "a leaf, at 4K too");
    add(6, 6, "IPAT", "part of the state code of a leaf");
    add(5, 3, "MT", "memory type: 6 = write-back");
    add(2, 2, "X", "executable");
    add(1, 1, "W", "writable");
    add(0, 0, "R", "readable");
    return fields;
}

std::string Session::explain(Column column, const TreeCell& cell, Level level) const {
    if (!cell.exists)
        return "There is no table that could hold this entry.";
    const StateStyle& style = styleOf(column, cell);
    std::string text = fmt::format("{} {}: {}", style.sign, style.name, style.help);
    const auto writes = history(cell.place);
    for (auto it = writes.rbegin(); it != writes.rend(); ++it) {
        if (it->n >= position())
            continue;
        const StepView view = step(it->n);
        return fmt::format("{}; {} by {} at position {}{}", text, changeText(column, it->old, it->now, level), actorName(view.actor),
                           it->n + 1, view.where.empty() ? "" : " in " + view.where.back());
    }
    return text + "; it is so since the beginning";
}

std::optional<Session::Where> Session::lastChange() const {
    std::optional<Where> found;
    const Machine& machine = system().machine();
    if (position() == 0)
        return found;
    machine.forEachChange(position() - 1, [&](Place place, u64 delta) {
        if (found)
            return;
        const auto where = locate(place);
        if (!where)
            return;
        const u64 now = machine.peek(place);
        const bool changed = where->column == Column::Private ? sept::stateOf(now) != sept::stateOf(now ^ delta)
                                                              : stateOf(system().kvm().masks(), now, where->level) !=
                                                                    stateOf(system().kvm().masks(), now ^ delta, where->level);
        if (changed && (now ^ delta) != 0)
            found = where;
    });
    return found;
}

std::optional<Session::Where> Session::frozenNearby() const {
    std::optional<Where> found;
    u64 newest = 0;
    for (const auto& [place, recent] : recent_)
        if (recent.step + 1 > newest && system().machine().peek(Place{place}) == spte::kFrozen)
            if (const auto where = locate(Place{place}); where && where->column == Column::Mirror) {
                newest = recent.step + 1;
                found = where;
            }
    return found;
}

} // namespace mirrorscope
