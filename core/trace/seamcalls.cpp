// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/seamcalls.h"

#include "tdx/module/data.h"
#include "tdx/module/leaves.h"
#include "trace/tables.h"

#include <fmt/format.h>

#include <algorithm>

namespace mirrorscope {

namespace {
Leaf leafOf(const TraceEvent& e) { return static_cast<Leaf>(e.a); }
bool isPage(Leaf leaf) { return leaf == Leaf::MemPageAdd || leaf == Leaf::MemPageAug || leaf == Leaf::MemPageRemove; }
// Those that KVM tries once more with all vCPUs out, after which they must not be busy.
bool isKicked(Leaf leaf) {
    return leaf == Leaf::MemRangeBlock || leaf == Leaf::MemTrack || leaf == Leaf::MemPageRemove || leaf == Leaf::MemPageDemote;
}
} // namespace

SeamcallJudge::Task& SeamcallJudge::taskOf(const TraceEvent& e) {
    if (e.task >= tasks_.size())
        tasks_.resize(e.task + 1);
    return tasks_[e.task];
}

// As KVM counts them. A page of level 0 tells that the functions take the module's; one of 1 that they do not, while pages are of 4K.
u8 SeamcallJudge::levelOf(const TraceEvent& call) {
    if (leafOf(call) == Leaf::MemPageAdd)
        return 1; // its function takes none
    if (!levels_ && isPage(leafOf(call)))
        learnLevels(call.level != 0);
    return static_cast<u8>(call.level + (levels_.value_or(false) ? 0 : 1));
}

// What was told before was taken for the module's levels.
void SeamcallJudge::learnLevels(bool ofKernel) {
    levels_ = ofKernel;
    if (!ofKernel)
        return;
    changed_(nullptr);
    for (auto& [address, td] : tds_) {
        std::map<Place, Known> entries;
        for (const auto& [place, known] : std::exchange(td.entries, {}))
            entries.emplace(Place{static_cast<u8>(place.first - 1), place.second}, known);
        for (const auto& [place, known] : entries)
            change(td, place, known);
    }
}

namespace {
// Is it of that entry, whichever way its level counts?
bool mayBeOf(const TraceEvent& call, const std::pair<u8, u64>& place) {
    return call.gfn == place.second && (call.level == place.first || call.level + 1 == place.first);
}
} // namespace

// Either may come first.
void SeamcallJudge::learnFromTable(const Task& task, const Place& mirrored) {
    if (!levels_ && task.table && mayBeOf(*task.table, mirrored))
        learnLevels(task.table->level == mirrored.first);
}

void SeamcallJudge::called(const TraceEvent& e) {
    Task& task = taskOf(e);
    task.call = e;
    if (leafOf(e) == Leaf::PhymemPageReclaim) // which is told of a page alone
        return;
    task.ofSeveral |= task.td.value_or(e.c) != e.c;
    task.td = e.c;
    if (tds_.try_emplace(e.c).second && tds_.size() == 2)
        changed_(nullptr);
}

// The one that a line of the mirror by that task is of, if that is sure.
std::optional<u64> SeamcallJudge::tdOf(const Task& task) const {
    if (tds_.size() == 1)
        return tds_.begin()->first;
    return task.ofSeveral ? std::nullopt : task.td;
}

std::optional<bool> SeamcallJudge::hasFollowed(const TraceEvent& e, Level level) const {
    static const Task kNoCalls;
    const Task& task = e.task < tasks_.size() ? tasks_[e.task] : kNoCalls;
    const auto address = tdOf(task);
    if (!address || !tds_.at(*address).finalized)
        return std::nullopt;
    if (!levels_ && spte::isTable(e.b, level))
        return task.table && mayBeOf(*task.table, {e.level, e.gfn});
    const auto& entries = tds_.at(*address).entries;
    const auto known = entries.find({e.level, e.gfn});
    return known != entries.end() && known->second.state == (spte::isTable(e.b, level) ? State::Table : State::Leaf);
}

void SeamcallJudge::answered(const TraceEvent& e) {
    Task& task = taskOf(e);
    const auto call = std::exchange(task.call, std::nullopt);
    if (!call || call->a != e.a) // its call is not told
        return;
    ++calls_;
    if (e.b == tdx::kSuccess)
        succeeded(task, *call, e);
    else
        refused(task, *call, e);
}

void SeamcallJudge::succeeded(Task& task, const TraceEvent& call, const TraceEvent& answer) {
    task.busy.reset();
    const Leaf leaf = leafOf(call);
    std::optional<State> now;
    switch (leaf) {
    case Leaf::MemPageAug: tds_[call.c].finalized = true; [[fallthrough]];
    case Leaf::MemPageAdd: now = State::Leaf; break;
    case Leaf::MemSeptAdd:
    case Leaf::MemPageDemote: now = State::Table; break;
    case Leaf::MemRangeBlock: now = State::Blocked; break;
    case Leaf::MemPageRemove: now = State::Free; break;
    case Leaf::MrFinalize: tds_[call.c].finalized = true; break;
    default: break;
    }
    if (!now)
        return;
    if (leaf == Leaf::MemSeptAdd) {
        task.table = call;
        for (const Owed& owed : task.owed) // whose line came before
            if (owed.wanted == State::Table)
                learnFromTable(task, owed.place);
    }
    const Place place{levelOf(call), call.gfn};
    change(tds_[call.c], place, {*now, answer.line, *now == State::Leaf ? call.b : 0});
    std::erase_if(task.owed, [&](const Owed& owed) {
        const bool paid = owed.place == place && owed.wanted == *now;
        if (paid && *now == State::Leaf)
            pair(call.b, owed.pfn, answer, owed.line);
        return paid;
    });
}

void SeamcallJudge::change(Td& td, Place place, const Known& now) {
    td.entries[place] = now;
    if (tds_.size() > 1)
        return;
    const PrivateEntry entry{place.first, place.second, now.state, now.page};
    changed_(&entry);
}

// The module was given that page, and the mirror names that frame. How they belong together two pages that agree tell.
void SeamcallJudge::pair(u64 page, u64 pfn, const TraceEvent& e, u32 line) {
    if (page == 0 || pagesDiffer_)
        return;
    const u64 first = page - pfn * kPageStruct;
    if (firstPage_.value_or(first) == first) {
        firstPage_ = first;
        pairs_ += pairs_ == 0 || pfn != lastPfn_ ? 1 : 0;
        lastPfn_ = pfn;
    } else if (pairs_ < 2) {
        pagesDiffer_ = true;
    } else {
        report_(TraceRule::PrivateFollows, e,
                fmt::format("the module was given pfn {:x}, and the mirror names {:x}", pfnOf(page, *firstPage_), pfn), {line});
    }
}

void SeamcallJudge::refused(Task& task, const TraceEvent& call, const TraceEvent& answer) {
    const Leaf leaf = leafOf(call);
    const bool again = task.busy && task.busy->a == call.a && task.busy->gfn == call.gfn;
    if (tdx::isBusy(answer.b)) {
        ++busy_;
        if (!(again && isKicked(leaf))) { // KVM tries again
            task.busy = call;
            return;
        }
    }
    task.busy.reset();
    // Of a page of the image that was counted and not added; so before v6.19.
    if (leaf == Leaf::MemRangeBlock && !tds_[call.c].finalized && tdx::highOf(answer.b) == tdx::EPT_ENTRY_STATE_INCORRECT)
        return;
    const std::string operand = tdx::operandText(answer.b);
    report_(TraceRule::ModuleAgrees, answer,
            fmt::format("{} of gpa {:#x} answered {}{}{}", mirrorscope::info(leaf).name, call.gfn << 12, tdx::statusName(answer.b),
                        operand.empty() ? "" : ", operand " + operand, again ? ", the second time with all vCPUs out" : ""),
            {call.line});
}

void SeamcallJudge::mirrorChanged(const TraceEvent& e, Level level) {
    if (calls_ == 0) // no probe has told anything yet
        return;
    operationEnds(e);
    Task& task = taskOf(e);
    const Place place{e.level, e.gfn};
    const auto address = tdOf(task);
    if (!address && task.ofSeveral)
        return;
    Td* const td = address ? &tds_.at(*address) : nullptr;
    if (spte::isTable(e.b, level))
        learnFromTable(task, place);
    const Known* known = nullptr;
    if (td != nullptr)
        if (const auto found = td->entries.find(place); found != td->entries.end())
            known = &found->second;
    const auto owe = [&](State wanted) {
        if (!known || known->state != wanted)
            task.owed.push_back({place, wanted, e.line, framePart(e.b)});
        else if (wanted == State::Leaf)
            pair(known->page, framePart(e.b), e, known->line);
    };
    const bool wasLeaf = spte::isLeaf(e.a, level), isLeaf = spte::isLeaf(e.b, level);
    const bool wasTable = spte::isTable(e.a, level), isTable = spte::isTable(e.b, level);
    if (!wasLeaf && !wasTable && (isLeaf || isTable))
        owe(isLeaf ? State::Leaf : State::Table);
    else if (wasLeaf && !isLeaf && !isTable && known != nullptr) // what was mapped before the recording may be counted only
        owe(State::Free);
    else if (wasTable && known != nullptr) { // tables go with the TD
        const PrivateEntry gone{e.level, e.gfn};
        td->entries.erase(place);
        if (tds_.size() == 1)
            changed_(&gone);
    }
}

void SeamcallJudge::operationEnds(const TraceEvent& e) {
    for (const Owed& owed : std::exchange(taskOf(e).owed, {}))
        report_(TraceRule::PrivateFollows, e,
                fmt::format("the mirror's change of gfn {:x} level {} (line {}) was not carried over: no {} of it succeeded",
                            owed.place.second, owed.place.first, owed.line,
                            owed.wanted == State::Leaf    ? "TDH.MEM.PAGE.AUG or ADD"
                            : owed.wanted == State::Table ? "TDH.MEM.SEPT.ADD"
                                                          : "TDH.MEM.PAGE.REMOVE"),
                {owed.line});
}

void SeamcallJudge::lost() {
    tds_.clear();
    tasks_.clear();
    calls_ = 0;
    levels_ = levelsOfKernel_;
    changed_(nullptr);
}

SeamcallJudge::Told SeamcallJudge::told() const {
    Told told{.calls = calls_, .busy = busy_, .firstPage = pagesDiffer_ ? std::nullopt : firstPage_};
    told.tds = tds_.size();
    for (const auto& [address, td] : tds_)
        for (const auto& [place, known] : td.entries) {
            told.leaves += known.state == State::Leaf ? 1 : 0;
            told.tables += known.state == State::Table ? 1 : 0;
        }
    return told;
}

} // namespace mirrorscope
