// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/tables.h"

#include <stdexcept>

namespace mirrorscope {

u32 TraceTables::addRoot(unsigned levels, u64 nonpresent) {
    TraceRoot root;
    root.id = static_cast<u32>(roots_.size());
    root.levels = levels;
    roots_.push_back(root);
    liveRoots_.push_back(root.id);
    roots_.back().table = addTable(root.id, levelOf(levels), 0, nonpresent).id;
    return root.id;
}

void TraceTables::retire(u32 root) {
    roots_[root].retired = true;
    std::erase(liveRoots_, root);
}

TraceTable& TraceTables::addTable(u32 root, Level level, u64 base, u64 nonpresent) {
    if (live_ >= kMostTables)
        throw std::length_error("the trace has more tables at once than are followed (" + std::to_string(kMostTables) + ")");
    const u32 id = static_cast<u32>(tables_.size());
    tables_.push_back(std::make_unique<TraceTable>(losses_));
    TraceTable& t = *tables_[id];
    t.id = id;
    t.root = root;
    t.level = level;
    t.base = base;
    t.words.fill(nonpresent);
    t.knowAll(true);
    byPlace_[key(root, level, base)] = id;
    lastKey_ = ~u64{0};
    ++live_;
    return t;
}

TraceTable* TraceTables::find(u32 root, Level level, u64 gfn) {
    constexpr unsigned kGfnBits = 40; // of the largest address there is
    if (gfn >> kGfnBits != 0)
        return nullptr;
    const u64 k = key(root, level, gfn);
    if (k == lastKey_)
        return last_;
    const auto found = byPlace_.find(k);
    if (found == byPlace_.end())
        return nullptr;
    lastKey_ = k;
    last_ = tables_[found->second].get();
    return last_;
}

TraceTable* TraceTables::findByPfn(u64 pfn) {
    const auto found = byPfn_.find(pfn);
    return found == byPfn_.end() ? nullptr : tables_[found->second].get();
}

void TraceTables::setPfn(TraceTable& table, u64 pfn) {
    if (const auto old = byPfn_.find(table.pfn); old != byPfn_.end() && old->second == table.id)
        byPfn_.erase(old);
    table.pfn = pfn;
    byPfn_[pfn] = table.id;
}

void TraceTables::forgetPfn(TraceTable& table) {
    if (const auto at = byPfn_.find(table.pfn); at != byPfn_.end() && at->second == table.id)
        byPfn_.erase(at);
    table.pfn = TraceTable::kNoPfn;
}

void TraceTables::unlink(TraceTable& table) {
    if (const auto at = byPlace_.find(key(table.root, table.level, table.base)); at != byPlace_.end() && at->second == table.id) {
        byPlace_.erase(at);
        --live_;
    }
    if (const auto at = byPfn_.find(table.pfn); at != byPfn_.end() && at->second == table.id)
        byPfn_.erase(at);
    lastKey_ = ~u64{0};
}

void TraceTables::drop(u32 id) {
    unlink(*tables_[id]);
    tables_[id].reset();
}

} // namespace mirrorscope
