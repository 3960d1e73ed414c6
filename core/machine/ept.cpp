// SPDX-License-Identifier: GPL-3.0-or-later
#include "machine/ept.h"

namespace mirrorscope {

namespace {
template <class Reader>
EptWalk walk(Pfn root, unsigned levels, u64 gpn, Access access, const PageFormat& format, const Reader& read) {
    constexpr u64 needs[] = {ept::kRead, ept::kWrite, ept::kExec};
    EptWalk result;
    Pfn table = root;
    for (unsigned n = levels; n > 0; --n) {
        const Level level = levelOf(n);
        const Place place = wordOf(table, tableIndex(gpn, level));
        const u64 entry = read(place);
        result.path[result.depth++] = place;
        result.level = level;
        result.place = place;
        result.entry = entry;
        const u64 rwx = format.rights(entry);
        result.rwx &= rwx;
        if (rwx == 0)
            return result;
        if (format.misconfigured(entry)) {
            result.outcome = EptWalk::Outcome::Misconfig;
            return result;
        }
        if (n == 1 || (entry & ept::kLarge) != 0) {
            if ((result.rwx & needs[static_cast<unsigned>(access)]) != 0)
                result.outcome = EptWalk::Outcome::Translated;
            return result;
        }
        table = ept::pfnOf(entry);
        // An entry can only name a frame that the machine has; a broken one ends the walk as the CPU's bus would.
        if (table.v == 0)
            return result;
    }
    return result;
}
} // namespace

std::string rightsText(u64 rights) {
    return {(rights & ept::kRead) != 0 ? 'r' : '-', (rights & ept::kWrite) != 0 ? 'w' : '-', (rights & ept::kExec) != 0 ? 'x' : '-'};
}

EptWalk walkEpt(const Machine& machine, Pfn root, unsigned levels, u64 gpn, Access access, const PageFormat& format) {
    return walk(root, levels, gpn, access, format, [&](Place place) { return machine.get(place); });
}

EptWalk peekEpt(const Machine& machine, Pfn root, unsigned levels, u64 gpn, Access access, const PageFormat& format) {
    return walk(root, levels, gpn, access, format, [&](Place place) { return machine.peek(place); });
}

} // namespace mirrorscope
