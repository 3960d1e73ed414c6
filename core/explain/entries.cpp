// SPDX-License-Identifier: GPL-3.0-or-later
// Values: entries of page tables, their changes, the codes of faults, entries of the RMP.
#include "explain/explain.h"

#include "base/text.h"
#include "kvm/spte.h"
#include "scenario/forced_change.h"
#include "system/system.h"

#include <fmt/format.h>

namespace mirrorscope {

namespace {
bool isNpt(u64 spte) { return spte::isPresent(spte) && looksLikeNpt(spte).value_or(false); }

EntryKind kindOf(u64 spte, Level level) { return spte::isFrozenOfAny(spte) ? EntryKind::Frozen : entryKindOf(spte, level); }

std::string briefly(u64 spte, Level level) {
    switch (kindOf(spte, level)) {
    case EntryKind::Frozen: return "FROZEN";
    case EntryKind::None: return "not present";
    case EntryKind::Table: return fmt::format("table {:x}", ept::pfnOf(spte).v);
    case EntryKind::Leaf: break;
    }
    return fmt::format("leaf, page {:x}", ept::pfnOf(spte).v);
}
} // namespace

std::optional<Explanation> explainSpte(u64 spte, std::optional<Level> level) {
    Explanation e;
    e.kind = "spte";
    if (spte::isFrozenOfAny(spte)) {
        e.name = "FROZEN_SPTE";
        e.text = "An actor is in the middle of changing this entry: of a mirror, the secure EPT is being updated and the final value "
                 "follows; in a table that was removed, the value for good. Whoever meets it tries again (RET_PF_RETRY).";
        e.functions = {"set_external_spte_present()", "handle_removed_pt()"};
        e.scenarioFile = "lessons/01-first-private-page.yaml";
        return e;
    }
    if (spte == 0 || spte == spte::kNonpresent) {
        e.name = "SHADOW_NONPRESENT_VALUE";
        e.text = spte == 0 ? "Nothing is mapped here (0 is the value of kernels before v6.10, and of NPT)."
                           : "Nothing is mapped here. Bit 63 suppresses #VE, so that a guest's access exits to the host.";
        return e;
    }
    const bool npt = isNpt(spte);
    const SpteMasks masks = npt ? nptMasks() : traitsOf(VmType::Default).masks;
    if (!spte::isPresent(spte)) {
        for (const VmType vm : {VmType::Default, VmType::Snp})
            if (const SpteMasks& of = traitsOf(vm).masks; of.isMmio(spte)) {
                e.name = fmt::format("MMIO, {}", vm == VmType::Snp ? "NPT" : "EPT");
                e.text = fmt::format(
                    "An access to gfn {:#x} is emulated: there is no memslot. Made for the memslots' generation {:#x}; with another "
                    "one the entry is stale.",
                    get_mmio_spte_gfn(of, spte).v, get_mmio_spte_generation(spte));
                e.functions = {"make_mmio_spte()", "handle_mmio_page_fault()"};
                return e;
            }
        return std::nullopt;
    }
    const Level at = level.value_or(spte::isLarge(spte) ? Level::k2M : Level::k4K);
    const bool table = level ? spte::isTable(spte, *level) : !npt && (spte & (7ull << 3)) == 0 && !spte::isLarge(spte);
    e.name = fmt::format("{}, {}", table ? "table" : "leaf", npt ? "NPT" : "EPT");
    e.text = table ? fmt::format("Leads to the table in frame {:#x}.", ept::pfnOf(spte).v)
                   : fmt::format("Maps frame {:#x}{}.", ept::pfnOf(spte).v, spte::isLarge(spte) ? ", a large page" : "");
    for (const BitField& field : decodeSpte(masks, spte, table ? Level::k2M : at))
        if (field.name != "pfn" && field.name != "table")
            e.text += fmt::format(" {} {}: {};",
                                  field.high == field.low ? std::to_string(field.high) : fmt::format("{}:{}", field.high, field.low),
                                  field.name, field.value);
    e.text.back() = '.';
    if (!npt && !table && (spte & spte::kHostWritable) != 0 && (spte & spte::kMmuWritable) == 0)
        e.text += " The host may write the page and KVM protects it: the dirty log, or a notifier.";
    e.functions = {table ? "make_nonleaf_spte()" : "make_spte()"};
    e.scenarioFile = "lessons/01-first-private-page.yaml";
    return e;
}

Explanation explainTransition(u64 oldSpte, u64 newSpte, Level level) {
    const EntryKind was = kindOf(oldSpte, level), now = kindOf(newSpte, level);
    Explanation e;
    e.kind = "transition";
    e.name = fmt::format("{} → {}", kEntryKinds[static_cast<unsigned>(was)], kEntryKinds[static_cast<unsigned>(now)]);
    e.text = fmt::format("{} becomes {}, at {}. ", briefly(oldSpte, level), briefly(newSpte, level), levelName(level));
    e.functions = {"handle_changed_spte()"};
    using enum EntryKind;
    if (was == Leaf && now == Leaf && ept::pfnOf(oldSpte) != ept::pfnOf(newSpte)) {
        e.text +=
            "A present leaf may never become one of another page: a guest could still use the old one through its TLB. An MMU notifier was "
            "missed, or did not keep a fault away (mmu_invalidate_retry_gfn()); this is BUG() in the kernel.";
        e.functions.push_back("mmu_invalidate_retry_gfn()");
        e.scenarioFile = "broken/ignore-invalidate-seq.yaml";
    } else if (was == Leaf && now == Leaf) {
        const u64 taken = oldSpte & ~newSpte & ept::kRwx;
        e.text +=
            taken != 0 ? "Rights are taken: the dirty log, NX, or access tracking." : "Rights, or the accessed and dirty bits, change.";
        e.scenarioFile = "lessons/06-dirty-log-write-protect.yaml";
    } else if (now == Leaf && was == None) {
        e.text += "A fault, or a prefault, maps a page.";
        e.functions.insert(e.functions.begin(), "tdp_mmu_map_handle_target_level()");
        e.scenarioFile = "lessons/01-first-private-page.yaml";
    } else if (now == Leaf && was == Table) {
        e.text += "Small pages give way to a large one: the table below is removed.";
        e.functions.insert(e.functions.begin(), "recover_huge_pages_range()");
        e.scenarioFile = "lessons/08-split-and-collapse.yaml";
    } else if (now == Table && was == Leaf) {
        e.text += "A large page is split: the table holds its parts.";
        e.functions.insert(e.functions.begin(), "tdp_mmu_split_huge_page()");
        e.scenarioFile = "lessons/08-split-and-collapse.yaml";
    } else if (now == Table && was == Table) {
        e.text += "A table never becomes another one: WARN in the kernel.";
    } else if (now == Table) {
        e.text += "A table is linked.";
        e.functions.insert(e.functions.begin(), "tdp_mmu_link_sp()");
        e.scenarioFile = "lessons/01-first-private-page.yaml";
    } else if (now == None && was == Leaf) {
        e.text += "A page is zapped: a notifier, a hole in guest_memfd, a conversion, a memslot that goes, or teardown.";
        e.functions.insert(e.functions.begin(), "tdp_mmu_zap_leafs()");
        e.scenarioFile = "lessons/04-convert-and-back.yaml";
    } else if (now == None && was == Table) {
        e.text += "A table is unlinked, and all that it holds goes with it.";
        e.functions.insert(e.functions.begin(), "tdp_mmu_zap_root()");
        e.scenarioFile = "lessons/11-invalid-root-running-vcpu.yaml";
    } else if (now == Frozen) {
        e.text += "The table that holds the entry is being removed.";
        e.functions.insert(e.functions.begin(), "handle_removed_pt()");
    } else if (was == None && now == None) {
        e.text += "An MMIO entry is made or goes; any other change between values that are not present is a WARN.";
    } else {
        e.text += "Only who froze an entry may give it another value, and that is told as a change from what it was before.";
    }
    return e;
}

Explanation explainFaultCode(u64 code) {
    Explanation e;
    e.kind = "fault";
    const auto has = [&](unsigned bit) { return (code >> bit & 1) != 0; };
    std::string access;
    const auto add = [&](bool on, std::string_view what) {
        if (on)
            access += (access.empty() ? "" : ", ") + std::string(what);
    };
    // An EPT violation has bits 7 and 8 about the linear address; a #NPF bits from 32 on.
    if (code >> 32 == 0 && (has(7) || (code & 7) != 0) && !(code != 2 && (code & 0x38) == 0 && !has(7))) {
        add(has(0), "read");
        add(has(1), "write");
        add(has(2), "instruction fetch");
        e.name = "EPT violation: " + access;
        e.text = fmt::format("Exit qualification {:#x}: {}; the entry allowed {}{}.", code, access.empty() ? "no access" : access,
                             (code & 0x38) == 0 ? "nothing (it was not present)"
                                                : fmt::format("{}{}{}", has(3) ? "r" : "-", has(4) ? "w" : "-", has(5) ? "x" : "-"),
                             has(7) ? has(8) ? "; the access itself, not the walk of the guest's tables"
                                             : "; while the guest's own tables were walked"
                                    : "");
        if (code == 2)
            e.text += " Of a TD's private memory KVM always says 0x2, whatever the guest did: a write.";
        e.functions = {"handle_ept_violation()", "tdx_handle_ept_violation()"};
        e.scenarioFile = "lessons/01-first-private-page.yaml";
        return e;
    }
    add(has(1), "write");
    add(has(4), "instruction fetch");
    if (access.empty())
        access = "read";
    e.name = "#NPF: " + access;
    std::string more;
    for (const auto& [bit, what] : {std::pair{0u, "an entry was there and forbade it"},
                                    {2u, "user access"},
                                    {3u, "a reserved bit was set (MMIO)"},
                                    {31u, "the RMP forbade it"},
                                    {32u, "the final address"},
                                    {33u, "while the guest's own tables were walked"},
                                    {34u, "of encrypted memory (the C-bit)"},
                                    {35u, "the sizes of the page and its RMP entry differ"},
                                    {36u, "a VMPL has no right to it"},
                                    {49u, "private, as KVM says itself (PFERR_PRIVATE_ACCESS)"}})
        if (has(bit))
            more += (more.empty() ? "" : "; ") + std::string(what);
    e.text = fmt::format("Error code {:#x}: {}; {}.", code, access, more.empty() ? "nothing was mapped" : more);
    e.functions = {"npf_interception()", "kvm_mmu_page_fault()"};
    e.scenarioFile = has(34) || has(31) ? "lessons/18-snp-first-private-page.yaml" : "lessons/06-dirty-log-write-protect.yaml";
    return e;
}

Explanation explainRmpEntry(u64 low) {
    Explanation e;
    e.kind = "rmp";
    const auto bits = [&](unsigned high, unsigned first) { return low >> first & ((1ull << (high - first + 1)) - 1); };
    e.functions = {"snp_dump_rmpentry()"};
    e.scenarioFile = "lessons/20-snp-the-host-takes-a-page.yaml";
    if (low == 0) {
        e.name = "RMP: the host's";
        e.text = "The page belongs to the host.";
        return e;
    }
    constexpr u64 kReserved = 1ull << 63 | 0x1ffull << 3;
    if ((low & kReserved) != 0) {
        e.name = "RMP: raw";
        e.text = "Reserved bits of the layout of Milan and Genoa are set: this CPU has another one, which RMPREAD tells.";
        return e;
    }
    e.name = fmt::format("RMP: {}", (low & 1) == 0 ? "the host's" : bits(60, 51) == 0 ? "firmware's" : "a guest's");
    e.text = fmt::format("assigned {}, {} page, immutable {}, gpa {:#x}, ASID {}, VMSA {}, validated {}.", low & 1,
                         bits(1, 1) != 0 ? "2M" : "4K", bits(2, 2), bits(50, 12) << 12, bits(60, 51), bits(61, 61), bits(62, 62));
    if ((low & 1) != 0 && bits(2, 2) != 0)
        e.text += " Immutable: the firmware holds it, and RMPUPDATE is refused.";
    if ((low & 1) != 0 && bits(62, 62) == 0)
        e.text += " The guest has not validated it yet (PVALIDATE): its access gets a #VC.";
    return e;
}

} // namespace mirrorscope
