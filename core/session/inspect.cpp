// SPDX-License-Identifier: GPL-3.0-or-later
#include "session/inspect.h"

#include "base/text.h"
#include "scenario/runner.h"
#include "session/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <tuple>

namespace mirrorscope {

TablePageView Session::tablePage(Pfn pfn) const {
    TablePageView view;
    view.pfn = pfn;
    const Frames& frames = system().frames();
    if (!frames.valid(pfn))
        return view;
    const Kvm& kvm = system().kvm();
    const FrameKind kind = frames.peekKind(pfn);
    view.external = system().isSeptPage(pfn);
    if (kind != FrameKind::Table && !view.external)
        return view;
    view.exists = true;
    if (view.external) {
        if (system().secureRoot() == pfn) {
            view.root = true;
            view.level = levelOf(system().config().levels);
        } else if (const auto table = system().septTable(pfn)) {
            view.level = table->level;
            view.gfn = table->base;
            view.twin = kind == FrameKind::ExternalTable ? kvm.mirrorOfExternal(pfn) : Pfn{0};
        }
        for (unsigned i = 0; i < 512; ++i)
            view.present += sept::stateOf(system().machine().peek(wordOf(pfn, i))) != SeptState::Free ? 1 : 0;
        return view;
    }
    const MmuPage page = kvm.peekPage(pfn);
    view.mirror = page.isMirror();
    view.invalid = role::isInvalid(page.role);
    view.role = page.role;
    view.level = page.level();
    view.gfn = page.gfn;
    view.rootCount = rootCount(pfn);
    view.root = !page.ptep;
    if (page.ptep)
        view.parent = frameOf(*page.ptep);
    view.twin = page.externalSpt;
    for (unsigned i = 0; i < 512; ++i) {
        const u64 raw = system().machine().peek(wordOf(pfn, i));
        view.present += spte::isPresent(raw) ? 1 : 0;
        view.frozen += spte::isFrozen(raw) ? 1 : 0;
    }
    return view;
}

std::optional<std::size_t> Session::indexOfActor(ActorId actor) const {
    const auto found = std::find(actors_.begin(), actors_.end(), actor);
    return found == actors_.end() ? std::nullopt : std::optional(static_cast<std::size_t>(found - actors_.begin()));
}

std::optional<ActorId> Session::actorFromName(const std::string& name) const {
    for (unsigned actor = 0; actor < system().sim().actors(); ++actor)
        if (actorName(static_cast<ActorId>(actor)) == name)
            return static_cast<ActorId>(actor);
    return std::nullopt;
}

std::optional<RmpEntry> Session::rmpOf(Pfn pfn) const {
    return system().isSnp() && pfn.v < frameCount() ? std::optional(system().rmp().peek(pfn)) : std::nullopt;
}

ActorView Session::actorView(ActorId actor) const {
    constexpr u64 kNoStep = ~u64{0};
    ActorView view;
    view.name = actorName(actor);
    view.isVcpu = actor < system().config().vcpus;
    if (view.isVcpu)
        view.tlb = cachedBy(actor);
    const auto index = indexOfActor(actor);
    if (!index)
        return view;
    const Machine& machine = system().machine();
    const u64 last = lanes().previous(position(), *index), next = lanes().next(position(), *index);
    // It is inside of an operation if its last and its next micro-step belong to the same one.
    view.busy = last != kNoStep && next != kNoStep && machine.step(last).script == machine.step(next).script;
    if (view.busy)
        view.stack = system().sim().paths().names(machine.step(last).path);
    for (unsigned lock = 0; lock < kLocks; ++lock)
        for (const std::size_t i : Lanes::lasting(lanes().locks(lock), position()))
            if (const Span& span = lanes().locks(lock)[i]; span.kind == Span::Kind::Wait && span.actor == actor)
                view.waitsFor = name(static_cast<LockId>(lock));
    // The outline: some micro-steps of the same operation before and after.
    constexpr unsigned kAround = 24;
    const u32 script = view.busy         ? machine.step(last).script
                       : next != kNoStep ? machine.step(next).script
                       : last != kNoStep ? machine.step(last).script
                                         : 0;
    std::vector<u64> steps;
    for (u64 n = lanes().previous(position(), *index); n != kNoStep && steps.size() < kAround && machine.step(n).script == script;
         n = n == 0 ? kNoStep : lanes().previous(n, *index))
        steps.insert(steps.begin(), n);
    std::size_t after = 0;
    for (u64 n = next; n != kNoStep && after < kAround && machine.step(n).script == script; n = lanes().next(n + 1, *index), ++after)
        steps.push_back(n);
    for (const u64 n : steps) {
        const StepView step = this->step(n);
        view.outline.push_back({.n = n,
                                .depth = static_cast<unsigned>(step.where.size()),
                                .function = step.where.empty() ? std::string() : step.where.back(),
                                .site = std::string(info(step.site).name),
                                .what = std::string(info(step.site).help),
                                .done = n < position(),
                                .next = n == next});
    }
    return view;
}

std::vector<TlbLine> Session::cachedBy(ActorId vcpu) const {
    std::vector<TlbLine> list;
    const Tlb& tlb = system().kvm().tlb(vcpu);
    const bool usable = system().kvm().tlbUsable(vcpu);
    constexpr u64 kShown = 256;
    for (u64 i = 0; i < std::min(tlb.size(), kShown); ++i) {
        TlbLine line;
        line.vcpu = vcpu;
        line.entry = tlb.at(i);
        line.usable = usable;
        const bool smm = (line.entry.gfn.v & kSmmGfn) != 0;
        line.address = (isTdx() || hasRmp()) && !smm ? aliasedGpa(line.entry.gfn, line.entry.alias) : gpaHex(line.entry.gfn);
        line.rights = fmt::format("{}{}{}", line.entry.rwx & 1 ? "r" : "-", line.entry.rwx & 2 ? "w" : "-", line.entry.rwx & 4 ? "x" : "-");
        const Column column = isTdx() && line.entry.alias == Alias::Private ? Column::Private : Column::Shared;
        line.column = static_cast<int>(column);
        if (smm) {
            line.now = "in the tree of SMM";
        } else if (const auto where = entryAt(line.entry.gfn, column)) {
            const TreeCell cell = this->cell(column, where->gfn, where->level);
            const bool leaf = column == Column::Private ? cell.sept == SeptState::Mapped : cell.spte == SpteState::Leaf;
            line.now = stateName(column, cell) + (leaf ? fmt::format(" {:x}", cell.pfn.v) : "");
            // Both name the frame of a page: of the one that was translated, of the first that the entry maps.
            const u64 page = line.entry.pfn.v - (line.entry.gfn.v - where->gfn.v);
            line.stale = usable && (!leaf || cell.pfn.v != page);
        } else {
            line.now = "no table";
            line.stale = usable;
        }
        list.push_back(std::move(line));
    }
    return list;
}

std::vector<TlbLine> Session::cachedTranslations() const {
    std::vector<TlbLine> list;
    for (unsigned v = 0; v < system().config().vcpus; ++v) {
        const auto mine = cachedBy(static_cast<ActorId>(v));
        list.insert(list.end(), mine.begin(), mine.end());
    }
    return list;
}

LockPane Session::lockPane(unsigned lock) const {
    LockPane view;
    view.name = name(static_cast<LockId>(lock));
    const auto& spans = lanes().locks(lock);
    const auto use = [&](const Span& span) {
        return LockPane::Use{span.begin, span.end, actorName(span.actor), span.write, span.kind == Span::Kind::Wait};
    };
    // A lock that was taken by micro-step n is held at position n + 1.
    for (const std::size_t i : Lanes::lasting(spans, position()))
        view.now.push_back(use(spans[i]));
    constexpr std::size_t kAround = 200;
    const std::size_t here = Lanes::firstFrom(spans, position());
    for (std::size_t i = here > kAround ? here - kAround : 0; i < std::min(spans.size(), here + kAround); ++i)
        view.history.push_back(use(spans[i]));
    return view;
}

std::string fieldDifference(const std::vector<BitField>& before, const std::vector<BitField>& after) {
    std::string text;
    const auto add = [&](const std::string& field, const std::string& change) {
        text += (text.empty() ? "" : ", ") + field + " " + change;
    };
    for (const BitField& f : after) {
        const auto was = std::find_if(before.begin(), before.end(), [&](const BitField& b) { return b.high == f.high && b.low == f.low; });
        if (was == before.end()) {
            if (f.value != 0)
                add(f.name, fmt::format("= {:x}", f.value));
        } else if (was->value != f.value) {
            add(f.name, fmt::format("{:x} → {:x}", was->value, f.value));
        }
    }
    for (const BitField& b : before)
        if (b.value != 0 && std::none_of(after.begin(), after.end(), [&](const BitField& f) { return b.high == f.high && b.low == f.low; }))
            add(b.name, fmt::format("{:x} → –", b.value));
    return text;
}

StateDifference Session::difference(u64 a, u64 b) {
    StateDifference result;
    Machine& machine = runner_->system().machine();
    const u64 here = position();
    const auto changes = machine.difference(a, b);
    const u64 memoryWords = system().frames().count() * 512;
    // What each side has in its trees, of the places that differ. A table that was unlinked is in no tree, whatever is in it.
    using Key = std::tuple<u64, int, int>; // gfn, the higher level first, column
    std::map<Key, std::array<std::optional<u64>, 2>> sides;
    unsigned side = 0;
    const auto note = [&](const Where& at, const TreeCell& entry) {
        sides[{at.gfn.v, -static_cast<int>(number(at.level)), static_cast<int>(at.column)}][side] = entry.raw;
    };
    const std::function<void(Column, Level, Pfn)> wholeTable = [&](Column column, Level level, Pfn table) {
        for (unsigned i = 0; i < 512 && table.v != 0; ++i) {
            const TreeCell entry = cellAt(column, wordOf(table, i), level);
            const auto where = entry.initial(column) ? std::nullopt : locate(entry.place);
            if (!where)
                continue;
            note(*where, entry);
            if (level > Level::k4K)
                wholeTable(column, mirrorscope::below(level), tableBelow(column, entry));
        }
    };
    std::array<std::array<Pfn, kColumns>, 2> roots{};
    for (side = 0; side < 2; ++side) {
        machine.seek(side == 0 ? a : b);
        for (unsigned c = 0; c < kColumns; ++c)
            roots[side][c] = rootOf(static_cast<Column>(c));
        for (const auto& [p, delta] : changes) {
            const Place place{p};
            // A page that the module gave back is no table any more, though no entry says so.
            for (auto run = p >= memoryWords && system().isTdx() ? system().module().framesOfPamt(place) : TdxModule::FrameRun{};
                 run.count > 0; ++run.first.v, --run.count)
                if (const auto at = system().module().isSeptPage(run.first) ? locate(wordOf(run.first, 0)) : std::nullopt)
                    wholeTable(at->column, at->level, run.first);
            if (p >= memoryWords)
                continue;
            const auto where = locate(place);
            if (!where)
                continue;
            const TreeCell inTree = cell(where->column, where->gfn, where->level);
            if (!inTree.exists || inTree.place != place)
                continue;
            note(*where, inTree);
            // With a table that was linked or unlinked, what it holds came or went, changed or not.
            if (delta != 0 && where->level > Level::k4K)
                wholeTable(where->column, mirrorscope::below(where->level), tableBelow(where->column, inTree));
        }
    }
    // So it did with a root.
    for (side = 0; side < 2; ++side) {
        if (roots[0] != roots[1])
            machine.seek(side == 0 ? a : b);
        for (unsigned c = 0; c < kColumns; ++c)
            if (roots[0][c] != roots[1][c])
                wholeTable(static_cast<Column>(c), levelOf(system().config().levels), roots[side][c]);
    }
    u64 memory = 0;
    for (const auto& [p, delta] : changes) {
        const Place place{p};
        if (p < memoryWords) {
            ++memory;
            continue;
        }
        bool tlb = false;
        for (unsigned v = 0; v < system().config().vcpus && !tlb; ++v)
            tlb = system().kvm().tlb(v).owns(place);
        if (system().frames().frameOfMeta(place))
            ++result.frames;
        else if (system().isTdx() && system().module().framesOfPamt(place).count != 0)
            ++result.pamt;
        else if (tlb)
            ++result.tlb;
        else
            ++result.other;
    }
    result.other += memory - std::min<u64>(memory, sides.size());
    for (const auto& [key, values] : sides) {
        const auto& [gfn, minusLevel, c] = key;
        const auto column = static_cast<Column>(c);
        const Level level = levelOf(static_cast<unsigned>(-minusLevel));
        const u64 lockBits = column == Column::Private ? sept::kLock | sept::kHostPriority : 0;
        const u64 empty = column == Column::Private ? sept::kFree : spte::kNonpresent;
        const u64 before = values[0].value_or(empty), after = values[1].value_or(empty);
        if (((before ^ after) & ~lockBits) == 0)
            continue;
        ++result.entryCount;
        if (result.entries.size() < kShownDifferences)
            result.entries.push_back(
                {c, {gfn}, level, before, after, stateNameOfRaw(column, before, level), stateNameOfRaw(column, after, level)});
    }
    machine.seek(here);
    return result;
}

} // namespace mirrorscope
