// SPDX-License-Identifier: GPL-3.0-or-later
// Values of entries: how they read, which there can be, what one can become, and what it becomes without a line.
#include "trace/rebuild.h"

#include <fmt/format.h>

namespace mirrorscope {

namespace {
// Of an EPT: 52 and 53 are the kind of A and D, 54 and 56 saved rights, 57 and 58 writability, 63 suppresses #VE. Of an NPT: 63 is NX.
constexpr u64 kNeverOfEpt = 0xfull << 59 | 1ull << 55, kNeverOfNpt = 0x7ffull << 52;
} // namespace

void Rebuild::learnFormat(u64 spte) {
    if (formatKnown_ || !spte::isPresent(spte))
        return;
    const std::optional<bool> npt = looksLikeNpt(spte);
    formatKnown_ = npt.has_value();
    if (npt.value_or(false))
        masks_ = nptMasksUnencrypted();
}

// Before v6.10 what is not present was 0.
void Rebuild::learnNonpresent(const TraceEvent& e) {
    if (nonpresentKnown_)
        return;
    const auto either = [&](u64 value) { return e.a == value || e.b == value; };
    const bool newer = either(spte::kNonpresent) || either(spte::kFrozen), older = either(0) || either(spte::kOldFrozen);
    nonpresentKnown_ = newer || older;
    if (older && !newer && options_.kernel == TraceKernel::Any) {
        nonpresent_ = 0;
        tables_.forEach([&](const TraceTable& t) { tables_.table(t.id).words.fill(0); });
    }
}

std::string Rebuild::valueText(u64 spte, unsigned level) const {
    const Level at = level >= 1 && level <= 5 ? levelOf(level) : Level::k4K;
    if (isFrozen(spte))
        return "frozen";
    if (!spte::isPresent(spte))
        return isNonpresent(spte) || spte == 0 ? "not present" : masks_.isMmio(spte) ? "MMIO" : fmt::format("{:x}, which is nothing", spte);
    if (spte::isTable(spte, at))
        return fmt::format("table {:x}", framePart(spte));
    return fmt::format("leaf {:x} {}", framePart(spte), rightsText(masks_.format.rights(spte)));
}

std::string Rebuild::entryText(const TraceEvent& e) const {
    return fmt::format("gfn {:x} level {}: {} → {}", e.gfn, e.level, valueText(e.a, e.level), valueText(e.b, e.level));
}

// Where both read alike, the bits are told as well.
std::string Rebuild::mismatchText(const TraceEvent& e, u64 held) const {
    const char* behind = held == e.b ? ": that is told already" : "";
    if (spte::isPresent(held) == spte::isPresent(e.a) && held != e.b)
        return fmt::format("{} (from {:x}), but it was {} ({:x})", entryText(e), e.a, valueText(held, e.level), held);
    return fmt::format("{}, but it was {}{}", entryText(e), valueText(held, e.level), behind);
}

// Levels, and what they are aligned to. False: there is no such entry.
bool Rebuild::placeIsRight(const TraceEvent& e) {
    if (e.level < 1 || e.level > 5 || e.gfn >> 40 != 0) {
        report(TraceRule::Place, e, fmt::format("gfn {:x} level {}: there is no such entry", e.gfn, e.level));
        return false;
    }
    const Level level = levelOf(e.level);
    if ((e.gfn & (pagesPer(level) - 1)) != 0) {
        report(TraceRule::Place, e, fmt::format("gfn {:x} is not aligned to level {}", e.gfn, e.level));
        return false;
    }
    for (const u64 spte : {e.a, e.b})
        if (spte::isLeaf(spte, level) && level > Level::k4K) {
            if (level > Level::k1G)
                report(TraceRule::Place, e, fmt::format("{}: a leaf of level {}", entryText(e), e.level));
            else if ((framePart(spte) & (pagesPer(level) - 1)) != 0)
                report(TraceRule::Place, e,
                       fmt::format("{}: the frame {:x} is not aligned to level {}", entryText(e), framePart(spte), e.level));
            else
                continue;
            break;
        }
    return true;
}

// A TD's MMIO entries have no bit that marks them: they only lack the one that suppresses #VE. Of a tree that is older than the
// recording it is not known whether it is a TD's.
bool Rebuild::isMmio(u64 spte, const TraceRoot& root) const {
    const bool perhapsTd = root.alias != 0 || (root.inherited && !masks_.format.npt);
    return masks_.isMmio(spte) || (perhapsTd && spte != 0 && !spte::isPresent(spte) && (spte & masks_.mmioMask) == 0);
}

// What a new value can be, whatever the entry held.
void Rebuild::checkValue(const TraceEvent& e, Level level, const TraceRoot& root) {
    if (!spte::isPresent(e.b)) {
        if (isNonpresent(e.b) || isFrozen(e.b) || !formatKnown_)
            return;
        if (isMmio(e.b, root) && spte::isPresent(e.a))
            report(TraceRule::Mmio, e, fmt::format("{}: the page was there, and went without a line", entryText(e)));
        else if (!isMmio(e.b, root))
            report(TraceRule::Value, e,
                   fmt::format("gfn {:x} level {}: {:x} is neither present, nor MMIO, nor frozen", e.gfn, e.level, e.b));
        else if ((e.b >> 12 & 0xffffff) != (e.gfn & 0xffffff))
            report(TraceRule::Mmio, e, fmt::format("gfn {:x} level {}: the MMIO entry {:x} is of another gfn", e.gfn, e.level, e.b));
        else if (!spte::isPresent(e.a) && !isNonpresent(e.a) && !isFrozen(e.a) && !isMmio(e.a, root))
            report(TraceRule::Value, e, fmt::format("{}: what it was is no value at all", entryText(e)));
        return;
    }
    if (!formatKnown_)
        return;
    const bool leaf = spte::isLeaf(e.b, level);
    if (leaf) {
        // A page that access tracking has closed keeps its rights elsewhere.
        const bool host = (e.b & masks_.hostWritable) != 0, mmu = (e.b & masks_.mmuWritable) != 0;
        if (mmu && !host)
            report(TraceRule::Writable, e, fmt::format("{}: MMU-writable, and not host-writable", entryText(e)));
        else if (spte::isWritable(e.b) && !mmu)
            report(TraceRule::Writable, e, fmt::format("{}: writable, and not MMU-writable", entryText(e)));
    }
    const char* wrong = nullptr;
    if (leaf && level == Level::k4K && spte::isLarge(e.b))
        wrong = "a page of 4K with the bit of a large one";
    else if (!masks_.format.npt && nonpresentKnown_ && nonpresent_ == spte::kNonpresent && (e.b & spte::kNonpresent) == 0)
        wrong = "present, and #VE is not suppressed";
    else if (!spte::isAccessTracked(e.b) && masks_.format.rights(e.b) == 0)
        wrong = "present, and nobody may do anything";
    else if (!leaf && masks_.format.rights(e.b) != ept::kRwx)
        wrong = "a table's, and takes rights from all that is below it";
    else if (leaf && !masks_.format.npt && (e.b & (ept::kRead | ept::kWrite)) == ept::kWrite)
        wrong = "writable and not readable, which is a misconfiguration";
    else if (leaf && !masks_.format.npt && ((e.b >> 3 & 7) == 2 || (e.b >> 3 & 7) == 3 || (e.b >> 3 & 7) == 7))
        wrong = "of a memory type that there is not";
    else if (!masks_.format.npt && spte::adEnabled(e.b) && (e.b & spte::kSavedBits) != 0)
        wrong = "one whose rights are saved elsewhere, though A and D are in use";
    else if ((e.b & (masks_.format.npt ? kNeverOfNpt : kNeverOfEpt)) != 0)
        wrong = "present, and has bits that KVM gives none";
    if (wrong != nullptr)
        report(TraceRule::Value, e, fmt::format("gfn {:x} level {}: {:x} is {}", e.gfn, e.level, e.b, wrong));
}

// A leaf that stays: of the same frame, and with A and D of the same kind, which is the root's.
void Rebuild::checkRewrite(const TraceEvent& e, Level level, const std::vector<u32>& since) {
    if (!spte::isLeaf(e.a, level) || !spte::isLeaf(e.b, level))
        return;
    if (framePart(e.a) != framePart(e.b))
        report(TraceRule::Frame, e, fmt::format("{}: the kernel stops at BUG()", entryText(e)), since);
    else if (formatKnown_ && !masks_.format.npt && ((e.a ^ e.b) & spte::kAdMask) != 0)
        report(TraceRule::Value, e, fmt::format("{}: {:x} has A and D of another kind than {:x}", entryText(e), e.b, e.a), since);
}

// A leaf for a table maps what the table's leaves did: frames do not change below a gfn without a notifier, which zaps them first.
void Rebuild::checkCollapse(const TraceEvent& e, const TraceTable& parts) {
    if (parts.vague || confused(parts.root))
        return;
    for (unsigned i = 0; i < 512; ++i)
        if (const u64 part = parts.words[i];
            parts.knows(i) && spte::isLeaf(part, parts.level) && framePart(part) != framePart(e.b) + i * pagesPer(parts.level)) {
            report(TraceRule::Frame, e,
                   fmt::format("{}: of the table's leaves that of gfn {:x} was {:x}", entryText(e), e.gfn + i * pagesPer(parts.level),
                               framePart(part)),
                   parts.toldAt(i));
            return;
        }
}

// KVM's own tables are no guest's memory.
void Rebuild::checkNoTable(const TraceEvent& e, u64 pfn) {
    const TraceTable* table = tables_.findByPfn(pfn);
    const TraceTable* parent = table == nullptr ? nullptr : tables_.parentOf(*table);
    if (parent != nullptr && parent->knows(table->index) && spte::isTable(parent->words[table->index], parent->level) &&
        framePart(parent->words[table->index]) == pfn)
        report(TraceRule::Table, e,
               fmt::format("{}: the guest gets the page that is the table of gfn {:x} level {}", entryText(e), table->base,
                           number(table->level)),
               {table->line});
}

// Two notifiers that age one page at once clear its accessed bit after each other, and both print what they met without it
// (kvm_tdp_mmu_age_spte(), without mmu_lock since v6.15).
bool Rebuild::agedTwice(const TraceEvent& e, const Candidate& at) const {
    if (!agesWithoutLock() || at.table == nullptr)
        return false;
    // Write protection that took what aging has taken already; aging that met what was zapped a moment ago.
    constexpr u32 kJust = 256; // lines
    if (!spte::isPresent(e.b) && at.held == Held::Exact)
        return at.table->lines[at.index] != 0 && e.line - at.table->lines[at.index] < kJust;
    if (spte::isLeaf(e.b, at.table->level) && spte::isAccessTracked(e.b))
        return at.held <= Held::Unknown;
    return spte::isLeaf(e.b, at.table->level) && spte::adEnabled(e.b) && (e.b & masks_.format.accessed) == 0 &&
           (at.held == Held::Exact || at.held == Held::Unknown);
}

Rebuild::Held Rebuild::compare(const TraceTable& table, unsigned index, u64 old) const {
    if (!table.knows(index))
        return Held::Unknown;
    const u64 held = table.words[index];
    if (held == old)
        return Held::Exact;
    // What of it may be another root's.
    const auto otherwise = [&] { return table.vague || confused(table.root) ? Held::Unknown : Held::Mismatch; };
    const Level level = table.level;
    if (!spte::isPresent(held) || !spte::isPresent(old) || spte::isLast(held, level) != spte::isLast(old, level))
        return otherwise();
    u64 silent = spte::adEnabled(held) ? masks_.format.accessed : 0; // the CPU sets it
    const u64 added = old & ~held, taken = held & ~old;
    if (spte::isLast(held, level)) {
        if (spte::adEnabled(held))
            silent |= masks_.format.dirty;
        if (table.derived[index] && !masks_.format.npt) // executable again, if large pages are not
            silent |= spte::isAccessTracked(held) ? u64{ept::kExec} << spte::kSavedShift : u64{ept::kExec};
        // The fast path gives rights back. Where its lines are recorded they have told so.
        if (!fastTold_ && (held & masks_.hostWritable) != 0 && (held & masks_.mmuWritable) != 0)
            silent |= ept::kWrite;
        if (!fastTold_ && spte::isAccessTracked(held) && (spte::restoreAccessTrack(held) & ~(old & ~u64{ept::kWrite})) == 0)
            return Held::Silent;
    }
    const u64 mayGo = table.derived[index] && masks_.format.npt ? npt::kNoExec : 0;
    return (added & ~silent) == 0 && (taken & ~mayGo) == 0 ? Held::Silent : otherwise();
}

} // namespace mirrorscope
