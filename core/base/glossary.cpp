// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/glossary.h"

#include <algorithm>
#include <cctype>
#include <map>

namespace mirrorscope {

std::span<const Term> glossary() {
    static constexpr Term kTerms[] = {
        {"accept", "TDG.MEM.PAGE.ACCEPT, accepted",
         "A TD takes a page that was added to it (pending) for its own; before that it cannot use it.",
         "lessons/01-first-private-page.yaml"},
        {"accessed bit", "A bit", "The CPU sets it in an entry when it translates by it; KVM clears it to see which pages are in use.",
         "lessons/15-aging.yaml"},
        {"aging", "mkold, age", "The host asks which pages a guest has used lately, by clearing accessed bits.", "lessons/15-aging.yaml"},
        {"alias", "", "One of the two guest-physical addresses of a page, with the shared bit and without it.",
         "lessons/02-shared-beside-private.yaml"},
        {"AUG", "TDH.MEM.PAGE.AUG, PAGE.AUG",
         "The SEAMCALL that adds a page to a running TD; the page is pending until the guest accepts it.",
         "lessons/01-first-private-page.yaml"},
        {"attribute", "memory attribute, KVM_MEMORY_ATTRIBUTE_PRIVATE",
         "Per guest page: private or shared, set by user space; a fault of the other kind exits to it.",
         "lessons/16-attributes-decide.yaml"},
        {"BLOCK", "TDH.MEM.RANGE.BLOCK",
         "The SEAMCALL that takes a private entry out of use: nobody gets a new translation from it, old ones may still be cached.",
         "lessons/04-convert-and-back.yaml"},
        {"BUSY", "TDX_OPERAND_BUSY", "What the TDX module answers when a lock that it needs is held: it never waits.",
         "races/12-busy-sept-and-kick.yaml"},
        {"cmpxchg", "", "An atomic exchange: the new value is stored only if the old one is still there, else another CPU was faster.",
         "races/01-two-faults-one-page.yaml"},
        {"conversion", "convert, MapGPA",
         "A guest's page changes from private to shared or back: by MapGPA and the attributes, with its mapping zapped between.",
         "lessons/04-convert-and-back.yaml"},
        {"dirty log", "dirty logging",
         "Which guest pages were written since one looked last, found by write protection, the dirty bit or PML.",
         "lessons/06-dirty-log-write-protect.yaml"},
        {"dirty ring", "", "The dirty log as a queue a vCPU, which user space empties.",
         "selftests/dirty_log-ring-resets-what-was-collected.yaml"},
        {"dispatch", "",
         "By what KVM sees that a change of its tables must be carried to the private table: the page's role, the fault, the iterator or "
         "the GFN.",
         "review/by-role.yaml"},
        {"epoch", "TD_EPOCH, TLB epoch",
         "A counter of the TD that TRACK raises: a page may go once every vCPU that was inside before has left.",
         "races/11-track-and-entering-vcpu.yaml"},
        {"EPT", "extended page table", "The page table by which the CPU translates guest-physical to host-physical addresses.",
         "lessons/02-shared-beside-private.yaml"},
        {"EPT violation", "", "An access of the guest that the EPT does not allow: it exits, and KVM handles it as a fault.",
         "lessons/01-first-private-page.yaml"},
        {"fault", "page fault", "What KVM does for an access that no table allows: find the page, map it, and let the guest go on.",
         "lessons/02-shared-beside-private.yaml"},
        {"frozen", "FROZEN_SPTE, freeze",
         "A value that a mirror entry holds while the private table is changed: nobody else may touch it meanwhile.",
         "lessons/01-first-private-page.yaml"},
        {"GFN", "guest frame number", "A guest-physical address without its last 12 bits.", "lessons/01-first-private-page.yaml"},
        {"GPA", "guest-physical address", "What the guest takes for a physical address.", "lessons/01-first-private-page.yaml"},
        {"grace period", "", "The time until everybody who was in an RCU read-side section at its beginning has left it.",
         "broken/free-without-rcu.yaml"},
        {"guest_memfd", "gmem", "A file whose pages belong to a guest and that user space cannot map: where private memory comes from.",
         "lessons/13-the-middle-of-a-huge-page.yaml"},
        {"HKID", "", "The number of the key by which a TD's memory is encrypted.", "seamcalls/mng-create.yaml"},
        {"huge page", "", "A leaf above the lowest level: 2M or 1G by one entry.", "lessons/08-split-and-collapse.yaml"},
        {"invalid root", "obsolete root",
         "A root that is being taken away: no vCPU may load it any more, those that have it leave it at their next entry.",
         "lessons/11-invalid-root-running-vcpu.yaml"},
        {"IPI", "kick, kicked", "An interrupt by which one CPU makes another leave the guest.", "lessons/04-convert-and-back.yaml"},
        {"leaf", "", "An entry that maps a page; or one function of the TDX module.", "lessons/01-first-private-page.yaml"},
        {"memslot", "slot", "A range of guest-physical addresses and what is behind it.", "lessons/12-a-slot-goes-away.yaml"},
        {"micro-step", "", "One action that another CPU could observe: the smallest step of this program.",
         "lessons/01-first-private-page.yaml"},
        {"mirror", "mirrored page table, mirror root",
         "KVM's own copy of the private page table, which it can walk; each change of it is carried to the real one.",
         "lessons/01-first-private-page.yaml"},
        {"MMIO", "", "An address without a memslot: an access to it exits to user space, which emulates a device.",
         "lessons/12-a-slot-goes-away.yaml"},
        {"mmu_invalidate_seq", "sequence count",
         "Rises with each invalidation; a fault that has seen an older value must not map the page that it found.",
         "races/04-fault-and-discard.yaml"},
        {"mmu_lock", "", "The lock of KVM's page tables: faults hold it for reading, at the same time; zaps for reading or writing.",
         "races/01-two-faults-one-page.yaml"},
        {"MMU notifier", "notifier", "By it the host's memory management tells KVM that a page goes away or moves.",
         "races/04-fault-and-discard.yaml"},
        {"NPT", "nested page table", "AMD's name for what Intel calls EPT.", "lessons/18-snp-first-private-page.yaml"},
        {"NX recovery", "nx_huge_page_recovery",
         "A worker that makes huge pages again which had been split because the guest executed from them.", "lessons/09-nx-recovery.yaml"},
        {"PAMT", "", "The TDX module's own record of each physical page: whose it is, what it is used for.", "seamcalls/mem-page-aug.yaml"},
        {"pending", "", "A private page that was added and that the guest has not accepted yet.", "lessons/01-first-private-page.yaml"},
        {"PFN", "pfn, frame", "A host-physical address without its last 12 bits.", "lessons/01-first-private-page.yaml"},
        {"PML", "page-modification log", "The CPU writes the addresses of pages that it makes dirty into a buffer.",
         "lessons/07-dirty-log-pml.yaml"},
        {"pre-fault", "KVM_PRE_FAULT_MEMORY, prefault", "User space has pages mapped before the guest touches them.",
         "lessons/17-pre-fault.yaml"},
        {"private", "private memory, private tree",
         "Memory that only the guest may read: encrypted, and mapped by a table that KVM may not touch.",
         "lessons/01-first-private-page.yaml"},
        {"punch hole", "punch-hole, PUNCH_HOLE", "User space takes a page out of the guest_memfd file; the guest's mapping must go first.",
         "lessons/04-convert-and-back.yaml"},
        {"RCU", "", "Read-copy-update: readers take no lock, and what they may look at is freed only once they have all left.",
         "broken/free-without-rcu.yaml"},
        {"REMOVE", "TDH.MEM.PAGE.REMOVE",
         "The SEAMCALL that takes a page away from a TD; it must be blocked and the TLB epochs must have moved on.",
         "lessons/04-convert-and-back.yaml"},
        {"RET_PF_RETRY", "RET_PF_FIXED, RET_PF_SPURIOUS",
         "How a fault ended: the guest tries again, an entry was made, or another CPU had made it already.",
         "races/01-two-faults-one-page.yaml"},
        {"RMP", "reverse map table",
         "AMD's record of each physical page: which guest's, at which address, validated or not; the CPU checks it after each walk.",
         "lessons/18-snp-first-private-page.yaml"},
        {"role", "role.word", "What kind a page-table page is: its level, whether it mirrors, whether it is invalid.",
         "review/by-role.yaml"},
        {"root", "", "The topmost page of a page table.", "lessons/11-invalid-root-running-vcpu.yaml"},
        {"SEAMCALL", "", "A call from KVM into the TDX module.", "lessons/01-first-private-page.yaml"},
        {"secure EPT", "S-EPT, SEPT, secure", "The private page table, inside the TDX module: only SEAMCALLs change it.",
         "lessons/01-first-private-page.yaml"},
        {"shared", "shared memory, shared tree",
         "Memory that the host may read, too: behind the alias with the shared bit, in an ordinary table.",
         "lessons/02-shared-beside-private.yaml"},
        {"shared bit", "", "The highest bit of a TD's guest-physical address: it says by which of the two tables it is translated.",
         "lessons/02-shared-beside-private.yaml"},
        {"SNP", "SEV-SNP", "AMD's confidential guests: one table as ever, and the RMP has the last word.",
         "lessons/18-snp-first-private-page.yaml"},
        {"SPTE", "spte", "An entry of a page table that KVM makes for a guest.", "lessons/01-first-private-page.yaml"},
        {"suppress #VE", "#VE", "Where this bit is clear an access becomes an exception in the guest in place of an exit.",
         "lessons/02-shared-beside-private.yaml"},
        {"SW_PROTECTED_VM", "sw-protected", "A VM with private memory but without hardware that protects it, for development.",
         "review/by-role-sw-protected.yaml"},
        {"TD", "trust domain", "A guest that the TDX module protects from the host.", "lessons/03-built-before-it-runs.yaml"},
        {"TDCALL", "", "A call from the guest into the TDX module.", "lessons/01-first-private-page.yaml"},
        {"TDP MMU", "tdp_mmu", "The part of KVM that builds page tables for guests with two-dimensional paging.",
         "lessons/02-shared-beside-private.yaml"},
        {"TDR", "", "The root page of a TD, by which SEAMCALLs name it.", "seamcalls/mng-create.yaml"},
        {"TDVPS", "TDVPR", "The pages that hold a vCPU of a TD; TDVPR is the first of them.", "seamcalls/vp-create.yaml"},
        {"TDX module", "TDX", "Intel's firmware between KVM and its confidential guests: it alone touches their private table.",
         "lessons/01-first-private-page.yaml"},
        {"TLB", "translation lookaside buffer",
         "What a CPU remembers of the tables: used without looking at them again, until it is flushed.", "broken/skip-flush.yaml"},
        {"TRACK", "TDH.MEM.TRACK",
         "The SEAMCALL that raises the TD's epoch: with a kick of each vCPU it makes sure that no blocked translation is cached any more.",
         "lessons/04-convert-and-back.yaml"},
        {"twin", "", "The entry of the same address in the other tree: mirror and private, which should say the same.",
         "lessons/01-first-private-page.yaml"},
        {"vCPU", "vcpu", "A CPU of the guest: a thread of the host.", "lessons/05-two-vcpus-one-page.yaml"},
        {"zap", "zapped", "To take an entry, and all below it, out of a page table.", "lessons/21-a-zap-lets-others-in.yaml"},
    };
    return kTerms;
}

namespace {
std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

// Every spelling, in lower case.
const std::map<std::string, const Term*, std::less<>>& spellings() {
    static const auto table = [] {
        std::map<std::string, const Term*, std::less<>> map;
        for (const Term& term : glossary()) {
            map.emplace(lower(term.name), &term);
            for (std::size_t at = 0; at < term.also.size();) {
                const std::size_t end = std::min(term.also.find(", ", at), term.also.size());
                map.emplace(lower(term.also.substr(at, end - at)), &term);
                at = end + 2;
            }
        }
        return map;
    }();
    return table;
}

bool inWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.'; }
} // namespace

const Term* termOf(std::string_view word) {
    const std::string asked = lower(word);
    if (const auto found = spellings().find(asked); found != spellings().end())
        return found->second;
    // The plural of one.
    if (asked.ends_with('s'))
        if (const auto found = spellings().find(asked.substr(0, asked.size() - 1)); found != spellings().end())
            return found->second;
    return nullptr;
}

std::vector<const Term*> termsIn(std::string_view text) {
    const std::string all = lower(text);
    std::vector<const Term*> found;
    constexpr std::size_t kWords = 3; // of the longest spelling
    for (std::size_t at = 0; at < all.size();) {
        if (!inWord(all[at]) && all[at] != '#') {
            ++at;
            continue;
        }
        // The longest of the spellings that begin here.
        std::size_t end = at, best = 0;
        const Term* term = nullptr;
        for (std::size_t words = 0; words < kWords && end < all.size(); ++words) {
            while (end < all.size() && (inWord(all[end]) || all[end] == '-' || all[end] == '#'))
                ++end;
            std::string_view part(all.data() + at, end - at);
            while (part.ends_with('.'))
                part.remove_suffix(1);
            if (const Term* one = termOf(part)) {
                term = one;
                best = end;
            }
            if (end < all.size() && all[end] == ' ')
                ++end;
            else
                break;
        }
        if (term != nullptr && std::find(found.begin(), found.end(), term) == found.end())
            found.push_back(term);
        if (term != nullptr) {
            at = best;
            continue;
        }
        while (at < all.size() && (inWord(all[at]) || all[at] == '-' || all[at] == '#'))
            ++at;
    }
    return found;
}

} // namespace mirrorscope
