// SPDX-License-Identifier: GPL-3.0-or-later
// Which line is which: shapes of dmesg and of traces as people post them (Linux v6.16 mmutrace.h, trace.h, tdx.c, sev.c; older wordings).
#include "explain/explain.h"

#include "base/glossary.h"
#include "base/text.h"
#include "kvm/types.h"
#include "scenario/complete.h"
#include "scenario/evaluate.h"
#include "snp/rmp.h"
#include "tdx/module/data.h"
#include "tdx/module/leaves.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

namespace mirrorscope {

namespace {
using Found = std::optional<Explanation>;

bool isWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool has(std::string_view line, std::string_view what) { return line.find(what) != std::string_view::npos; }

// The number behind a key, which is a word or words of its own: "gfn 800", "gfn: 24805", "gfn=0x800". Hex, with or without 0x.
std::optional<u64> numberAfter(std::string_view line, std::string_view key, int base = 16) {
    for (std::size_t at = line.find(key); at != std::string_view::npos; at = line.find(key, at + 1)) {
        std::size_t from = at + key.size();
        if ((at > 0 && isWord(line[at - 1])) || (from < line.size() && isWord(line[from])))
            continue;
        while (from < line.size() && (line[from] == ' ' || line[from] == ':' || line[from] == '=' || line[from] == ','))
            ++from;
        int in = base;
        if (line.substr(from, 2) == "0x") {
            from += 2;
            in = 16;
        }
        u64 value = 0;
        const auto [end, error] = std::from_chars(line.data() + from, line.data() + line.size(), value, in);
        if (error == std::errc() && end != line.data() + from && (end == line.data() + line.size() || !isWord(*end)))
            return value;
    }
    return std::nullopt;
}

std::optional<Level> levelAfter(std::string_view line) {
    const auto level = numberAfter(line, "level", 10);
    return level && *level >= 1 && *level <= 5 ? std::optional(levelOf(static_cast<unsigned>(*level))) : std::nullopt;
}

Found spteChanged(std::string_view line) {
    const bool traced = has(line, "kvm_tdp_mmu_spte_changed"), bug = has(line, "Invalid SPTE change");
    if (!traced && !bug)
        return std::nullopt;
    const auto old = numberAfter(line, "old_spte"), now = numberAfter(line, "new_spte"), gfn = numberAfter(line, "gfn");
    const auto level = levelAfter(line);
    if (!old || !now || !level)
        return std::nullopt;
    Explanation e = explainTransition(*old, *now, *level);
    if (gfn)
        e.text = fmt::format("gfn {:#x}: ", *gfn) + e.text;
    if (bug) {
        e.kind = "bug";
        e.text += " The kernel stops at BUG() in handle_changed_spte().";
    }
    return e;
}

Found setSpte(std::string_view line) {
    if (!has(line, "kvm_mmu_set_spte"))
        return std::nullopt;
    const auto spte = numberAfter(line, "spte");
    Found e = spte ? explainSpte(*spte, levelAfter(line)) : std::nullopt;
    if (e) {
        e->text = fmt::format("A leaf was made for gfn {:#x}. ", numberAfter(line, "gfn").value_or(0)) + e->text;
        e->functions = {"tdp_mmu_map_handle_target_level()", "make_spte()"};
    }
    return e;
}

Found pageFault(std::string_view line) {
    if (!has(line, "kvm_page_fault"))
        return std::nullopt;
    const auto code = numberAfter(line, "error_code");
    if (!code)
        return std::nullopt;
    Explanation e = explainFaultCode(*code);
    if (const auto address = numberAfter(line, "address")) {
        const bool shared = (*address >> 12 & gfnDirectBits(4)) != 0;
        e.text = fmt::format("At {:#x}{}. ", *address, shared ? " (of a TD with 48 bits: its shared alias)" : "") + e.text;
    }
    return e;
}

Found fastFault(std::string_view line) {
    if (!has(line, "fast_page_fault:"))
        return std::nullopt;
    const auto fixed = numberAfter(line, "fixed"), spurious = numberAfter(line, "spurious");
    if (!fixed || !spurious)
        return std::nullopt;
    Explanation e;
    e.kind = "fault";
    e.name = *fixed != 0 ? "fast page fault, fixed" : *spurious != 0 ? "fast page fault, spurious" : "fast page fault, not fast";
    e.text = *fixed != 0      ? "The entry got its right back by one exchange, without a lock."
             : *spurious != 0 ? "The entry allows the access already: another vCPU was faster, or this one's TLB had an old translation."
                              : "The entry could not be mended without mmu_lock; the ordinary fault handler goes on.";
    e.functions = {"fast_page_fault()"};
    e.scenarioFile = "lessons/10-fast-page-fault.yaml";
    return e;
}

// Leaves that are not modelled are known by their numbers, so that a line that names one is understood. (TDX module 1.5:
// seamcall_leaf_opcode_t.)
std::string leafName(u64 number) {
    for (const LeafInfo& row : leafTable())
        if (!row.guest && row.number == number)
            return std::string(row.name);
    constexpr std::pair<u64, std::string_view> others[] = {
        {11, "TDH.MNG.RD"},         {12, "TDH.MEM.RD"},    {13, "TDH.MNG.WR"},   {14, "TDH.MEM.WR"},          {26, "TDH.VP.RD"},
        {31, "TDH.SYS.KEY.CONFIG"}, {32, "TDH.SYS.INFO"},  {33, "TDH.SYS.INIT"}, {34, "TDH.SYS.RD"},          {35, "TDH.SYS.LP.INIT"},
        {36, "TDH.SYS.TDMR.INIT"},  {37, "TDH.SYS.RDALL"}, {43, "TDH.VP.WR"},    {44, "TDH.SYS.LP.SHUTDOWN"}, {45, "TDH.SYS.CONFIG"},
    };
    for (const auto& [n, name] : others)
        if (n == number)
            return std::string(name);
    return fmt::format("leaf {}", number);
}

Found seamcall(std::string_view line) {
    if (!has(line, "SEAMCALL") || !has(line, "fail"))
        return std::nullopt;
    std::optional<u64> status = numberAfter(line, "error");
    if (!status)
        status = numberAfter(line, "failed");
    std::string leaf;
    if (const auto number = numberAfter(line, "leaf", 10))
        leaf = leafName(*number);
    else if (const std::size_t open = line.find("SEAMCALL (0x"); open != std::string_view::npos) {
        u64 value = 0;
        std::from_chars(line.data() + open + 12, line.data() + line.size(), value, 16);
        leaf = leafName(value & 0xffff);
    } else {
        // "SEAMCALL TDH_MEM_RANGE_BLOCK failed: 0x…"
        std::size_t from = line.find("TDH_");
        std::string name;
        for (; from < line.size() && isWord(line[from]); ++from)
            name += line[from] == '_' ? '.' : line[from];
        leaf = name;
    }
    if (!status)
        return std::nullopt;
    Found e = explainStatus(*status, leaf);
    if (!e)
        return std::nullopt;
    e->kind = "seamcall";
    e->name = (leaf.empty() ? "SEAMCALL" : leaf) + ": " + e->name;
    // Where the secure EPT was walked, RCX and RDX tell the entry.
    const u32 high = tdx::highOf(*status);
    if (const auto rcx = numberAfter(line, "RCX"); rcx && high == tdx::PAGE_METADATA_INCORRECT) {
        constexpr std::pair<u64, std::string_view> types[] = {
            {0, "PT_NDA, nobody's"}, {1, "PT_RSVD, reserved"}, {3, "PT_REG, a guest's page"},           {4, "PT_TDR"},
            {5, "PT_TDCX"},          {6, "PT_TDVPR"},          {8, "PT_EPT, a table of the secure EPT"}};
        for (const auto& [type, name] : types)
            if (type == (*rcx & 0xff))
                e->text += fmt::format(" Here the page is {}.", name);
    }
    const bool ofEntry = high == tdx::EPT_WALK_FAILED || high == tdx::EPT_ENTRY_STATE_INCORRECT || high == tdx::GPA_RANGE_NOT_BLOCKED ||
                         (high == tdx::OPERAND_BUSY && static_cast<u32>(*status) == tdx::RCX);
    if (const auto rcx = numberAfter(line, "RCX"), rdx = numberAfter(line, "RDX"); rcx && rdx && ofEntry && *rdx != 0) {
        constexpr std::array<std::string_view, 5> states{"free", "blocked", "pending", "pending and blocked", "present"};
        const unsigned state = static_cast<unsigned>(*rdx >> 8 & 0xff);
        e->text += fmt::format(" RCX, RDX: the entry {:#x} at {}, {}.", *rcx,
                               levelName(levelOf(std::min(5u, static_cast<unsigned>(*rdx & 7) + 1))),
                               state < states.size() ? states[state] : "in another state");
    }
    return e;
}

Found tdExit(std::string_view line) {
    const auto status = has(line, "TD exit") ? numberAfter(line, "TD exit") : std::nullopt;
    Found e = status ? explainStatus(*status, "TDH.VP.ENTER") : std::nullopt;
    if (e) {
        e->kind = "exit";
        e->name = "TD exit: " + e->name;
        e->functions = {"tdx_handle_exit()"};
    }
    return e;
}

Found beforeAccepting(std::string_view line) {
    if (!has(line, "Guest access before accepting"))
        return std::nullopt;
    Explanation e;
    e.kind = "exit";
    e.name = "access before TDG.MEM.PAGE.ACCEPT";
    e.text = "The guest touched a private page that it had not accepted, and its attributes say that no #VE is raised for that "
             "(SEPT_VE_DISABLE): KVM ends the TD, KVM_RUN answers EIO.";
    e.functions = {"tdx_is_sept_violation_unexpected_pending()", "tdx_handle_ept_violation()"};
    e.scenarioFile = "lessons/04-convert-and-back.yaml";
    return e;
}

Found snp(std::string_view line) {
    Explanation e;
    e.kind = "rmp";
    if (has(line, "RMPUPDATE failed") || has(line, "rmpupdate failed")) {
        const auto ret = numberAfter(line, "ret", 10);
        constexpr std::array<std::string_view, 5> texts{
            "it did what it was asked for", "the address or the values are none that it takes",
            "the page is immutable, or its owner is another one: the firmware holds it",
            "another CPU is changing an RMP entry of these 2M at this moment; try again",
            "a larger or a smaller entry covers the page: PSMASH, or another size, has to come first"};
        if (!ret || *ret >= texts.size())
            return std::nullopt;
        e.name = fmt::format("RMPUPDATE: {}", *ret == 0 ? "SUCCESS" : name(static_cast<RmpStatus>(*ret)));
        e.text = std::string(texts[*ret]) + ".";
        e.functions = {"rmpupdate()", "rmp_make_private()", "rmp_make_shared()"};
        e.scenarioFile = "lessons/20-snp-the-host-takes-a-page.yaml";
        return e;
    }
    if (has(line, "PFN") && has(line, "[0x")) {
        const std::size_t open = line.find("[0x");
        u64 low = 0;
        std::from_chars(line.data() + open + 3, line.data() + line.size(), low, 16);
        return has(line, " - 0x") && !has(line, "dumping") ? Found(explainRmpEntry(low)) : std::nullopt;
    }
    if (has(line, "RMPEntry") || has(line, "assigned=")) {
        const auto assigned = numberAfter(line, "assigned", 10), immutable = numberAfter(line, "immutable", 10),
                   large = numberAfter(line, "pagesize", 10), gpa = numberAfter(line, "gpa"), asid = numberAfter(line, "asid", 10),
                   vmsa = numberAfter(line, "vmsa", 10), validated = numberAfter(line, "validated", 10);
        if (!assigned || !gpa || !asid)
            return std::nullopt;
        return explainRmpEntry(*assigned | large.value_or(0) << 1 | immutable.value_or(0) << 2 | (*gpa >> 12 & 0x7fffffffff) << 12 |
                               (*asid & 0x3ff) << 51 | vmsa.value_or(0) << 61 | validated.value_or(0) << 62);
    }
    return std::nullopt;
}

// Numbers of <linux/kvm.h>.
std::string_view exitName(u64 reason) {
    constexpr std::pair<u64, std::string_view> names[] = {
        {0, "KVM_EXIT_UNKNOWN"},
        {2, "KVM_EXIT_IO"},
        {3, "KVM_EXIT_HYPERCALL"},
        {5, "KVM_EXIT_HLT"},
        {6, "KVM_EXIT_MMIO"},
        {8, "KVM_EXIT_SHUTDOWN"},
        {9, "KVM_EXIT_FAIL_ENTRY"},
        {10, "KVM_EXIT_INTR"},
        {17, "KVM_EXIT_INTERNAL_ERROR"},
        {24, "KVM_EXIT_SYSTEM_EVENT"},
        {31, "KVM_EXIT_DIRTY_RING_FULL"},
        {39, "KVM_EXIT_MEMORY_FAULT"},
        {40, "KVM_EXIT_TDX"},
    };
    for (const auto& [n, name] : names)
        if (n == reason)
            return name;
    return "";
}

Explanation memoryFault(u64 flags, u64 gpa, u64 size) {
    constexpr u64 kPrivate = 8;
    Explanation e;
    e.kind = "exit";
    e.name = "KVM_EXIT_MEMORY_FAULT";
    const bool isPrivate = (flags & kPrivate) != 0;
    e.text = fmt::format(
        "The guest accessed {:#x} (of {}) as {} memory, and the attributes say the other, or there is no page of that kind. User space "
        "is asked to convert it (KVM_SET_MEMORY_ATTRIBUTES) and to enter again; KVM_RUN answers EFAULT beside it.",
        gpa, sizeText(size), isPrivate ? "private" : "shared");
    e.functions = {"kvm_mmu_prepare_memory_fault_exit()", "kvm_mmu_faultin_pfn()"};
    e.scenarioFile = "lessons/16-attributes-decide.yaml";
    return e;
}

Found vmm(std::string_view line) {
    if (has(line, "MemoryFault {") || has(line, "KVM_EXIT_MEMORY_FAULT")) {
        const auto flags = numberAfter(line, "flags", 10), gpa = numberAfter(line, "gpa", 10), size = numberAfter(line, "size", 10);
        if (flags && gpa && size)
            return memoryFault(*flags, *gpa, *size);
    }
    if (const auto reason = numberAfter(line, "unknown exit reason", 10)) {
        Explanation e;
        e.kind = "exit";
        e.name = exitName(*reason).empty() ? fmt::format("exit reason {}", *reason) : std::string(exitName(*reason));
        e.text = fmt::format(
            "The VMM does not handle KVM_RUN's exit reason {}. It is older than the kernel's interface, or lacks the feature.", *reason);
        if (*reason == 24)
            e.text += " Of a confidential guest: it asked to be ended, or crashed (KVM_SYSTEM_EVENT_TDX_FATAL, _SEV_TERM).";
        if (*reason == 39)
            e.text += " It should convert the memory and enter again.";
        e.functions = {"kvm_arch_vcpu_ioctl_run()"};
        e.scenarioFile = "lessons/16-attributes-decide.yaml";
        return e;
    }
    if (has(line, "KVM_TDX_INIT_MEM_REGION failed")) {
        Explanation e;
        e.kind = "errno";
        e.name = "KVM_TDX_INIT_MEM_REGION";
        const bool again = has(line, "temporarily unavailable");
        e.text = again ? "EAGAIN: the call was interrupted by a signal after a part of the region; its struct tells what is left, and it "
                         "is to be repeated."
                       : "The region could not be put into the TD's image: see the errno, and dmesg for a SEAMCALL.";
        e.functions = {"tdx_vcpu_init_mem_region()", "tdx_gmem_post_populate()"};
        e.scenarioFile = "lessons/03-built-before-it-runs.yaml";
        return e;
    }
    if (has(line, "kvm_userspace_exit")) {
        const std::size_t open = line.find('(');
        u64 number = 0;
        if (open == std::string_view::npos || std::from_chars(line.data() + open + 1, line.data() + line.size(), number).ec != std::errc())
            return std::nullopt;
        const bool failed = has(line, "reason error") || has(line, "reason restart");
        Explanation e;
        e.kind = "exit";
        e.name = failed ? outcomeName({Outcome::Kind::Errno, number, 0}) : std::string(exitName(number));
        e.text = failed ? fmt::format("KVM_RUN failed with errno {}.", number)
                        : fmt::format("The vCPU leaves to user space, exit reason {}.", number);
        if (failed && number == 14)
            e.text += " With a KVM_EXIT_MEMORY_FAULT beside it where private memory is concerned: the memory is to be converted.";
        e.functions = {"kvm_arch_vcpu_ioctl_run()"};
        e.scenarioFile = "lessons/16-attributes-decide.yaml";
        return e;
    }
    return std::nullopt;
}

Found roleWord(std::string_view line) {
    const auto word = has(line, "role") ? numberAfter(line, "word") : std::nullopt;
    if (!word)
        return std::nullopt;
    Explanation e;
    e.kind = "role";
    e.name = fmt::format("a table of level {}", *word & 15);
    const auto bit = [&](unsigned n) { return (*word >> n & 1) != 0; };
    e.text = fmt::format("struct kvm_mmu_page's role {:#x}: level {}{}{}{}{}{}.", *word, *word & 15, bit(4) ? ", 8-byte entries" : "",
                         bit(7) ? ", direct" : "", bit(11) ? ", invalid (a root that is being zapped)" : "", bit(18) ? ", of SMM" : "",
                         bit(19) ? ", of a mirror root" : "");
    e.functions = {"kvm_mmu_get_page (trace)"};
    e.scenarioFile = "lessons/11-invalid-root-running-vcpu.yaml";
    return e;
}

// A line that is one word: a value, or a name that the program knows.
Found word(std::string_view line) {
    if (line.empty() || has(line, " "))
        return std::nullopt;
    const std::string_view digits = line.substr(line.starts_with("0x") || line.starts_with("0X") ? 2 : 0);
    u64 value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (error == std::errc() && end == digits.data() + digits.size() && digits.size() >= 3) {
        if (value >> 32 != 0)
            if (Found e = explainStatus(value))
                return e;
        return explainSpte(value);
    }
    const std::string_view name = line.ends_with("()") ? line.substr(0, line.size() - 2) : line;
    if (name.starts_with("TDX_"))
        if (u64 status = 0; tdx::statusFromName(name, status))
            return explainStatus(status);
    if (name == "KVM_EXIT_MEMORY_FAULT")
        return memoryFault(0, 0, 4096);
    Explanation e;
    e.kind = "name";
    e.name = std::string(name);
    e.text = helpOn(name);
    if (const Term* term = termOf(name)) {
        // Help on a word is a phrase, a term's meaning a sentence.
        e.text += (e.text.empty() ? "" : e.text.ends_with('.') ? " " : ". ") + std::string(term->meaning);
        e.scenarioFile = std::string(term->shownBy);
    }
    return e.text.empty() ? std::nullopt : Found(e);
}

constexpr Found (*kShapes[])(std::string_view) = {spteChanged,     setSpte, pageFault, fastFault, seamcall, tdExit,
                                                  beforeAccepting, snp,     vmm,       roleWord,  word};

Found one(std::string_view line) {
    for (const auto& shape : kShapes)
        if (Found e = shape(line))
            return e;
    return std::nullopt;
}

// Without what a mail puts before it.
std::string cleaned(std::string_view line) {
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t' || line.front() == '>' || line.front() == '|'))
        line.remove_prefix(1);
    while (!line.empty() && (line.back() == ' ' || line.back() == '\t' || line.back() == '\r'))
        line.remove_suffix(1);
    std::string out;
    for (const char c : line)
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    return out;
}
} // namespace

std::vector<Explanation> explain(std::string_view text) {
    constexpr std::size_t kLongest = 4096, kJoined = 4;
    std::vector<std::string> lines;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        if (std::string line = cleaned(text.substr(0, std::min(end, kLongest))); !line.empty())
            lines.push_back(std::move(line));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    // What begins with one of these may go on in the next lines: mailers break them, and the kernel prints some in several.
    constexpr std::string_view begins[] = {"kvm_tdp_mmu_spte_changed", "Invalid SPTE change",
                                           "kvm_mmu_set_spte",         "kvm_page_fault",
                                           "fast_page_fault",          "SEAMCALL",
                                           "kvm_userspace_exit",       "RMPEntry"};
    std::vector<Explanation> found;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        std::string joined = lines[i];
        Found e = one(joined);
        if (!e && std::any_of(std::begin(begins), std::end(begins), [&](std::string_view begin) { return has(joined, begin); }))
            for (std::size_t more = 1; !e && more <= kJoined && i + more < lines.size() && joined.size() < kLongest; ++more) {
                if (one(lines[i + more]))
                    break; // that is a line of its own
                joined += " " + lines[i + more];
                if (e = one(joined); e)
                    i += more;
            }
        if (!e)
            continue;
        e->input = joined;
        found.push_back(std::move(*e));
    }
    return found;
}

} // namespace mirrorscope
