// SPDX-License-Identifier: GPL-3.0-or-later
#include "scenario/verbs.h"

#include <algorithm>
#include <array>

namespace mirrorscope {

namespace {
using T = ArgType;
using W = VerbInfo::Where;
using E = VerbInfo::Entry;

constexpr ArgInfo kGpa{"gpa", T::Address, true, "guest physical address, without the shared bit"};
constexpr ArgInfo kSize{"size", T::Size, false, "bytes of the range; one 4K page by default"};
constexpr ArgInfo kAs{"as", T::Alias, false, "private (default) or shared"};
constexpr ArgInfo kSmm{"smm", T::Bool, false, "in System Management Mode, whose address space is the second one"};
constexpr ArgInfo kPages{"pages", T::Count, false, "how many pages, 1 by default"};
constexpr ArgInfo kStride{"stride", T::Size, false, "from one address to the next, 4K by default"};
constexpr ArgInfo kOrder{"order", T::Order, false, "sequential (default) or random"};
constexpr ArgInfo kSeed{"seed", T::Number, false, "of the random order"};

constexpr ArgInfo kAsId{"as-id", T::Number, false, "1 for SMM's address space, 0 by default"};

constexpr std::array kReadArgs{kGpa, kAs, kPages, kStride, kOrder, kSeed, kSmm};
constexpr std::array kWriteArgs{
    kGpa,
    kAs,
    ArgInfo{"value", T::Number, false, "the 64-bit word written, one more on each further page; a running number by default"},
    kPages,
    kStride,
    kOrder,
    kSeed,
    kSmm};
constexpr std::array kAcceptArgs{kGpa, kSize, ArgInfo{"level", T::Level, false, "4K (default) or 2M"}};
constexpr std::array kMapArgs{kGpa, kSize, kAs,
                              ArgInfo{"refuse-after", T::Number, false, "user space refuses what comes after so many exits"},
                              ArgInfo{"event-after", T::Number, false,
                                      "of a TD: after so many exits an event waits for the vCPU, and the rest is left to the guest"}};
constexpr std::array kRange{kGpa, kSize};
constexpr std::array kEvictArgs{kGpa, kAs, kSmm};
constexpr std::array kMprotectArgs{kGpa, kSize, ArgInfo{"prot", T::Name, true, "read-write, read or none"}};
constexpr ArgInfo kHostAs{
    "as", T::Alias, false,
    "shared (default): the slot's mapping; private: guest_memfd's, which only in-place conversion lets user space map"};
constexpr std::array kHostReadArgs{kGpa, kHostAs, kPages};
constexpr std::array kHostWriteArgs{
    kGpa, kHostAs,
    ArgInfo{"value", T::Number, false, "the 64-bit word written, one more on each further page; a running number by default"}, kPages};
constexpr std::array kSlotArgs{
    ArgInfo{"id", T::SlotId, true, "the slot's number"},
    kGpa,
    ArgInfo{"size", T::Size, true, "bytes"},
    ArgInfo{"private", T::Bool, false, "backed by guest_memfd"},
    ArgInfo{"readonly", T::Bool, false, "read-only"},
    ArgInfo{"dirty-log", T::Bool, false, "dirty logging on"},
    ArgInfo{"backing", T::Level, false, "the host's page size"},
    ArgInfo{"gmem-backing", T::Level, false, "the blocks in which a guest_memfd of its own gets its frames"},
    ArgInfo{"gmem", T::Name, false, "the guest_memfd that it is bound to; one of its own by default"},
    ArgInfo{"gmem-offset", T::Size, false, "where in that file it begins, 0 by default"},
    ArgInfo{"memory", T::Name, false, "the mapping of user space that it is in front of; one of its own by default"},
    ArgInfo{"memory-offset", T::Size, false, "where in that mapping it begins, 0 by default"},
    kAsId,
    ArgInfo{"flags", T::Number, false, "raw flags of the ioctl, beside those of the other keys"}};
constexpr std::array kGmemArgs{ArgInfo{"file", T::Name, true, "its name"},
                               ArgInfo{"do", T::Name, true, "create, allocate, punch, read, write, mmap or close"},
                               ArgInfo{"offset", T::Size, false, "in the file, 0 by default"},
                               ArgInfo{"size", T::Size, false, "of the file, or of the range; one 4K page by default"},
                               ArgInfo{"flags", T::Number, false, "of KVM_CREATE_GUEST_MEMFD, 0 by default"},
                               ArgInfo{"keep-size", T::Bool, false, "FALLOC_FL_KEEP_SIZE, true by default"},
                               ArgInfo{"foreign", T::Bool, false, "create a descriptor that is none of this VM's guest_memfds"}};
constexpr std::array kSlotIdArgs{ArgInfo{"id", T::SlotId, true, "the slot's number"}, kAsId};
constexpr std::array kAttributeArgs{kGpa, kSize, ArgInfo{"as", T::Alias, true, "private or shared"}};
constexpr std::array kImageArgs{
    kGpa, kSize, ArgInfo{"measure", T::Bool, false, "extend MRTD with it, true by default"},
    ArgInfo{"content", T::Content, false, "a byte, a quoted string of hex digits, or {file: NAME}; 0 by default"},
    ArgInfo{"in-place", T::Bool, false, "with in-place conversion: no source; the page holds its content already"}};
constexpr std::array kInitVcpuArgs{ArgInfo{"vcpu", T::Number, true, "which vCPU"}};
constexpr ArgInfo kFlags{"flags", T::Number, false, "of the ioctl, 0 by default"};
constexpr std::array kLaunchStartArgs{ArgInfo{"policy", T::Number, false, "of the guest, 0x30000 by default"}, kFlags};
constexpr std::array kLaunchUpdateArgs{
    kGpa, kSize, ArgInfo{"type", T::Name, false, "normal (default), zero, unmeasured, secrets or cpuid"},
    ArgInfo{"content", T::Content, false, "a byte, a quoted string of hex digits, or {file: NAME}; 0 by default"}, kFlags};
constexpr std::array kLaunchFinishArgs{kFlags};
constexpr std::array kUserfaultfdArgs{kGpa, kSize,
                                      ArgInfo{"do", T::Name, true, "register (for missing pages), or copy: fill pages that are missing"},
                                      ArgInfo{"value", T::Number, false, "of copy: the first word of each page, 0 by default"}};
constexpr std::array kDirtyRingArgs{
    ArgInfo{"do", T::Name, true, "collect: user space takes what is in a ring; reset: KVM_RESET_DIRTY_RINGS"},
    ArgInfo{"vcpu", T::Number, false, "of collect: whose ring, 0 by default"},
    ArgInfo{"gpa", T::Address, false, "of collect: whose 64 pages the field `bitmap` has"}, kSmm};
constexpr std::array kPreFaultArgs{ArgInfo{"vcpu", T::Number, false, "which vCPU, 0 by default"}, kGpa, kSize, kAs};
constexpr std::array kDirtyArgs{
    ArgInfo{"id", T::SlotId, true, "the slot's number"},
    ArgInfo{"do", T::Name, true, "start, stop, get or clear"},
    ArgInfo{"gpa", T::Address, false, "of clear: start of the range; of get: whose 64 pages the field `bitmap` has"},
    kSize,
    ArgInfo{"mask", T::Number, false, "of clear: which of each 64 pages, all by default"},
    kAsId};
constexpr std::array kHugeArgs{ArgInfo{"gpa", T::Address, false, "start of the range, 0 by default"},
                               ArgInfo{"size", T::Size, false, "bytes of the range; everything by default"},
                               ArgInfo{"level", T::Level, false, "target level, 4K by default"}};
constexpr std::array kKernelArgs{ArgInfo{"call", T::Name, true, "the TDP MMU entry point, see below"},
                                 ArgInfo{"vcpu", T::Number, false, "whose root and caches, 0 by default"},
                                 ArgInfo{"gpa", T::Address, false, "0 by default"},
                                 ArgInfo{"size", T::Size, false, "one 4K page by default"},
                                 ArgInfo{"as", T::Alias, false, "private (default) or shared: the alias, or the filter of a range"},
                                 ArgInfo{"level", T::Level, false, "min or target level, 4K by default"},
                                 ArgInfo{"access", T::Access, false, "read (default), write or exec"},
                                 ArgInfo{"prefetch", T::Bool, false, "map as a prefetch, false by default"},
                                 ArgInfo{"id", T::SlotId, false, "the slot, where one is asked for"},
                                 ArgInfo{"mask", T::Number, false, "of 64 pages"},
                                 ArgInfo{"wrprot", T::Bool, false, "clear W in place of D"},
                                 ArgInfo{"types", T::RootTypes, false, "direct (default), mirror, valid or all roots"},
                                 ArgInfo{"from", T::Name, false, "what the entry is made to hold before: none, leaf, table or frozen"},
                                 ArgInfo{"to", T::Name, false, "what it becomes: none (default), leaf, table or frozen"},
                                 ArgInfo{"frame", T::Name, false, "of a leaf: own (default), or another page than the address's"}};
constexpr std::array kSeamcallArgs{ArgInfo{"leaf", T::Name, true, "TDH.…, see `mirrorscope seamcalls`"},
                                   ArgInfo{"gpa", T::Address, false, "0 by default"},
                                   ArgInfo{"level", T::Level, false, "of the entry, 4K by default"},
                                   ArgInfo{"page", T::PageRef, false, "new (default), a pfn, or {of: GPA}"},
                                   ArgInfo{"source", T::PageRef, false, "new (default: a zeroed shared page), a pfn, or {of: GPA}"},
                                   ArgInfo{"tdr", T::Operand, false, "pfn of another page to be taken for the TDR"},
                                   ArgInfo{"tdvpr", T::Operand, false, "which vCPU's TDVPR, 0 by default"},
                                   ArgInfo{"allow-existing", T::Bool, false, "SEPT.ADD: bit 0 of RDX"},
                                   ArgInfo{"hkid", T::Number, false, "MNG.CREATE: the key id"},
                                   ArgInfo{"resume", T::Number, false, "PHYMEM.CACHE.WB: 0 start, 1 resume"},
                                   ArgInfo{"value", T::Number, false, "VP.INIT: the guest's initial RCX"},
                                   ArgInfo{"version", T::Number, false, "of the leaf, 0 by default"},
                                   ArgInfo{"rcx", T::Number, false, "the raw register, in place of what it is made of"},
                                   ArgInfo{"rdx", T::Number, false, "the raw register"},
                                   ArgInfo{"r8", T::Number, false, "the raw register"},
                                   ArgInfo{"r9", T::Number, false, "the raw register"},
                                   ArgInfo{"r10", T::Number, false, "the raw register"},
                                   ArgInfo{"r11", T::Number, false, "the raw register"},
                                   ArgInfo{"r12", T::Number, false, "the raw register"},
                                   ArgInfo{"r13", T::Number, false, "the raw register"}};
constexpr std::array kRmpupdateArgs{kGpa, ArgInfo{"assigned", T::Bool, false, "to the guest (default) or back to the host"},
                                    ArgInfo{"level", T::Level, false, "of the entry, 4K by default"}};
constexpr std::array kPsmashArgs{kGpa};
constexpr std::array kInjectArgs{
    ArgInfo{"seamcall", T::Name, false, "the leaf"},
    ArgInfo{"status", T::Name, false, "the completion status"},
    ArgInfo{"rmpupdate", T::Name, false, "what RMPUPDATE answers: FAIL_INPUT, FAIL_PERMISSION, FAIL_INUSE or FAIL_OVERLAP"},
    ArgInfo{"host-fault", T::Name, false, "how a fault of the host's mapping fails: EFAULT or HWPOISON"},
    ArgInfo{"gpa", T::Address, false, "of a host-fault: only there"},
    ArgInfo{"times", T::Count, false, "how often, 1 by default"},
    ArgInfo{"after", T::Number, false, "after how many calls, 0 by default"},
    ArgInfo{"alloc", T::Name, false, "fail"}};
constexpr std::array kAskArgs{
    ArgInfo{"question", T::Text, true, "what is asked"},
    ArgInfo{"choices", T::Special, false, "list of answers: a text, or `{text, expect}`, right if that holds once the next step has ended"},
    ArgInfo{"answer", T::Text, false, "the right one; not needed where choices say what must hold"},
    ArgInfo{"why", T::Text, false, "the explanation"}, ArgInfo{"hint", T::Text, false, "what helps to find it"}};
constexpr std::array kRepeatArgs{ArgInfo{"times", T::Count, true, "how often"}, ArgInfo{"do", T::Special, true, "list of steps"}};

constexpr std::array<VerbInfo, kVerbs> kTable{{
    {Verb::Read, "read", W::Guest, E::VcpuIoctl, "gpa", kReadArgs, "read a word through the TLB and the real tables"},
    {Verb::Write, "write", W::Guest, E::VcpuIoctl, "gpa", kWriteArgs, "write a word"},
    {Verb::Exec, "exec", W::Guest, E::VcpuIoctl, "gpa", kReadArgs, "fetch an instruction"},
    {Verb::Accept, "accept", W::Guest, E::VcpuIoctl, "gpa", kAcceptArgs, "TDG.MEM.PAGE.ACCEPT, page by page"},
    {Verb::MapGpa, "map-gpa", W::Guest, E::VcpuIoctl, "", kMapArgs, "TDVMCALL MapGPA or page-state change, answered by the VMM"},
    {Verb::Hypercall, "hypercall", W::Guest, E::VcpuIoctl, "", {}, "leave the guest by a hypercall"},
    {Verb::Halt, "halt", W::Guest, E::VcpuIoctl, "", {}, "leave the guest by HLT"},
    {Verb::Evict, "evict", W::Guest, E::Other, "gpa", kEvictArgs,
     "the CPU drops what its TLB and its caches of table entries have for a page"},
    {Verb::SetMemoryRegion, "set-memory-region", W::Host, E::VmIoctl, "", kSlotArgs, "KVM_SET_USER_MEMORY_REGION2"},
    {Verb::DeleteMemoryRegion, "delete-memory-region", W::Host, E::VmIoctl, "", kSlotIdArgs, "KVM_SET_USER_MEMORY_REGION2 with size 0"},
    {Verb::SetMemoryAttributes, "set-memory-attributes", W::Host, E::VmIoctl, "", kAttributeArgs, "KVM_SET_MEMORY_ATTRIBUTES"},
    {Verb::InitMemRegion, "init-mem-region", W::Host, E::VcpuIoctl, "", kImageArgs, "KVM_TDX_INIT_MEM_REGION: PAGE.ADD and MR.EXTEND"},
    {Verb::FinalizeVm, "finalize-vm", W::Host, E::VmIoctl, "", {}, "KVM_TDX_FINALIZE_VM"},
    {Verb::InitVcpu, "init-vcpu", W::Host, E::VcpuIoctl, "vcpu", kInitVcpuArgs, "KVM_TDX_INIT_VCPU: VP.CREATE, ADDCX, INIT"},
    {Verb::SnpLaunchStart, "snp-launch-start", W::Host, E::VmIoctl, "", kLaunchStartArgs, "KVM_SEV_SNP_LAUNCH_START"},
    {Verb::SnpLaunchUpdate, "snp-launch-update", W::Host, E::VmIoctl, "", kLaunchUpdateArgs,
     "KVM_SEV_SNP_LAUNCH_UPDATE: pages that the guest finds at its start"},
    {Verb::SnpLaunchFinish, "snp-launch-finish", W::Host, E::VmIoctl, "", kLaunchFinishArgs, "KVM_SEV_SNP_LAUNCH_FINISH"},
    {Verb::PreFault, "pre-fault", W::Host, E::VcpuIoctl, "", kPreFaultArgs, "KVM_PRE_FAULT_MEMORY"},
    {Verb::PunchHole, "punch-hole", W::Host, E::Other, "", kRange, "fallocate(PUNCH_HOLE) on guest_memfd"},
    {Verb::Gmem, "gmem", W::Host, E::Other, "", kGmemArgs, "what user space does with a guest_memfd that has a name"},
    {Verb::Discard, "discard", W::Host, E::Other, "", kRange, "MADV_DONTNEED on the host mapping"},
    {Verb::Migrate, "migrate", W::Host, E::Other, "", kRange, "the host moves a page"},
    {Verb::Protect, "protect", W::Host, E::Other, "", kRange, "the host write-protects its mapping"},
    {Verb::Age, "age", W::Host, E::Other, "", kRange, "test and clear young"},
    {Verb::Mprotect, "mprotect", W::Host, E::Other, "", kMprotectArgs, "mprotect() of the host mapping"},
    {Verb::HostRead, "host-read", W::Host, E::Other, "gpa", kHostReadArgs, "user space reads a word through its mapping"},
    {Verb::HostWrite, "host-write", W::Host, E::Other, "gpa", kHostWriteArgs, "user space writes a word through its mapping"},
    {Verb::PinMemory, "pin-memory", W::Host, E::Other, "", kRange,
     "a device holds the pages, through user space's mapping (pin_user_pages()); with in-place conversion"},
    {Verb::UnpinMemory, "unpin-memory", W::Host, E::Other, "", kRange, "it lets them go"},
    {Verb::Userfaultfd, "userfaultfd", W::Host, E::Other, "", kUserfaultfdArgs,
     "a userfaultfd of the host mapping: a fault waits until user space brings the page"},
    {Verb::DirtyLog, "dirty-log", W::Host, E::VmIoctl, "", kDirtyArgs, "dirty logging of a slot"},
    {Verb::DirtyRing, "dirty-ring", W::Host, E::Other, "", kDirtyRingArgs, "the dirty rings of machine.dirty-ring"},
    {Verb::SplitHugePages, "split-huge-pages", W::Host, E::Other, "", kHugeArgs, "eager page splitting"},
    {Verb::RecoverHugePages, "recover-huge-pages", W::Host, E::Other, "", kHugeArgs, "collapse small mappings"},
    {Verb::RecoverNxPages, "recover-nx-pages", W::Host, E::Other, "", kHugeArgs, "the NX huge page recovery worker"},
    {Verb::ZapAll, "zap-all", W::Host, E::Other, "", {}, "fast zap of all roots"},
    {Verb::DestroyVm, "destroy-vm", W::Host, E::Other, "", {}, "teardown, HKID release and reclaim"},
    {Verb::Kernel, "kernel", W::Host, E::Other, "", kKernelArgs, "one TDP MMU entry point called directly"},
    {Verb::Seamcall, "seamcall", W::Host, E::Other, "", kSeamcallArgs, "one raw SEAMCALL behind KVM's back"},
    {Verb::Rmpupdate, "rmpupdate", W::Host, E::Other, "", kRmpupdateArgs, "one raw RMPUPDATE of the private page there, behind KVM's back"},
    {Verb::Psmash, "psmash", W::Host, E::Other, "", kPsmashArgs, "one raw PSMASH: a 2M RMP entry becomes 512 of 4K"},
    {Verb::Inject, "inject", W::Host, E::Other, "", kInjectArgs, "answer the next matching calls without making them"},
    {Verb::Note, "note", W::Flow, E::None, "", {}, "a remark in Markdown"},
    {Verb::Ask, "ask", W::Flow, E::None, "", kAskArgs,
     "a question to the audience, before the next step runs; the run answers it; without a window it is printed"},
    {Verb::Pause, "pause", W::Flow, E::None, "", {}, "the window stops here"},
    {Verb::BeginHistory,
     "begin-history",
     W::Flow,
     E::None,
     "",
     {},
     "position 0 is here: what the script did before was done without a history and without rules, at the speed and in the memory of that; "
     "once, in the script itself"},
    {Verb::Expect, "expect", W::Flow, E::None, "", {}, "what must hold here"},
    {Verb::Repeat, "repeat", W::Flow, E::None, "", kRepeatArgs, "the steps in `do`, `times` times"},
    {Verb::Include, "include", W::Flow, E::None, "", {}, "the steps of another file"},
    {Verb::Race, "race", W::Flow, E::None, "", {}, "actors that interleave"},
}};

constexpr auto kNames = [] {
    std::array<std::string_view, kVerbs> names{};
    for (unsigned i = 0; i < kVerbs; ++i)
        names[i] = kTable[i].name;
    return names;
}();

constexpr std::array<std::string_view, 2> kOrders{"sequential", "random"}, kFailures{"EFAULT", "HWPOISON"}, kFrames{"own", "another"};
constexpr std::array<std::string_view, 3> kAccesses{"read", "write", "exec"}, kProtections{"read-write", "read", "none"};
constexpr std::array<std::string_view, 4> kRootTypes{"direct", "mirror", "valid", "all"};
constexpr std::array<std::string_view, 5> kPageTypes{"normal", "zero", "unmeasured", "secrets", "cpuid"};
constexpr ArgWords kArgWords[] = {
    {T::Order, "", "order", "", kOrders},
    {T::Access, "", "access", "", kAccesses},
    {T::RootTypes, "", "kind of roots", "", kRootTypes},
    {T::Name, "host-fault", "failure of a host fault", "a fault of the host's mapping fails", kFailures},
    {T::Name, "prot", "protection", "the host's mapping", kProtections},
    {T::Name, "type", "type of page", "", kPageTypes},
    {T::Name, "from", "kind of entry", "", kEntryKinds},
    {T::Name, "to", "kind of entry", "", kEntryKinds},
    {T::Name, "frame", "frame", "", kFrames},
};

constexpr std::array kMachineKeys{
    MachineKey{"vm", "default, sw-protected, snp, tdx", "tdx", "KVM VM type"},
    MachineKey{"vcpus", "1..256", "1", "vCPUs vcpu0…"},
    MachineKey{"init-vcpus", "0..256", "all", "for how many of a TD's vCPUs KVM_TDX_INIT_VCPU was called"},
    MachineKey{"gpaw", "48, 52", "48", "TDX guest physical address width"},
    MachineKey{"levels", "4, 5", "from gpaw", "EPT levels"},
    MachineKey{"maxphyaddr", "36..52", "52", "the host's physical address width; a GPA without a slot beyond it gets no entry"},
    MachineKey{"max-level", "4K, 2M, 1G", "1G", "largest mapping KVM may install"},
    MachineKey{
        "slots",
        "list of {id, gpa, size, private, readonly, dirty-log, backing, gmem-backing, gmem, gmem-offset, memory, memory-offset, as-id}",
        "[]", "memslots"},
    MachineKey{"invalidate-seq", "number", "0", "mmu_invalidate_seq at the beginning, as if the host had taken so much back before"},
    MachineKey{"memory", "size", "what the slots need, with room", "host physical memory"},
    MachineKey{"attributes", "private, shared", "private for tdx and snp", "initial memory attributes of every page"},
    MachineKey{"sept-ve-disable", "true, false", "true", "access to a page not yet accepted exits to KVM instead of a #VE"},
    MachineKey{"ve-handler", "accept, none", "accept", "what the guest does on #VE for a pending page"},
    MachineKey{"ad-bits", "true, false", "true", "accessed and dirty bits"},
    MachineKey{"pml", "true, false", "true", "dirty logging by D bits"},
    MachineKey{"slot-zap-all", "true, false", "true",
               "KVM_X86_QUIRK_SLOT_ZAP_ALL: an ordinary VM zaps all when a slot goes or moves, not only what it maps"},
    MachineKey{"manual-dirty-log", "off, enable, initially-set", "off",
               "KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2: `get` only reads, `clear` protects"},
    MachineKey{"dirty-ring", "0, 256..65536", "0",
               "KVM_CAP_DIRTY_LOG_RING: entries of each vCPU's dirty ring, which takes the place of the bitmaps; a power of two"},
    MachineKey{"nx-huge-pages", "true, false", "false", "the iTLB multihit mitigation"},
    MachineKey{"eager-split", "true, false", "true", "split huge pages when dirty logging starts"},
    MachineKey{"kernel", "6.16, fixed, 6.19, 7.2, next", "6.16",
               "the protocol as released in that version; fixed: 6.16 with later upstream fixes; next: what is queued behind 7.2"},
    MachineKey{"module", "1.5, 2.0", "1.5", "the TDX module: which leaves there are, and how they answer"},
    MachineKey{"features", "list of names", "[]",
               "what is off by default: dynamic-pamt (kernel: next), private-2M (7.2, next), non-blocking-resize (with private-2M), "
               "in-place-conversion (next)"},
    MachineKey{
        "trace-line", "after, before, after-present", "after",
        "where 7.2 and next print a changed entry (export --as trace): behind the operation on the private table; before it, even if it "
        "fails (the first draft); behind it, but nothing of entries that stay nonpresent (the second draft)"},
    MachineKey{"dispatch", "role, fault, iter, gfn", "role", "which rule decides that the private table must follow"},
    MachineKey{"break", "list of names", "[]", "steps of the protocol that are not followed"},
    MachineKey{"private-ops", "none, observe", "none", "a private backend that only counts"},
    MachineKey{"yield", "contended, always, never", "contended", "when the iterators drop the lock"},
    MachineKey{"memory-model", "sc, tso", "sc", "whether a CPU's plain stores are seen at once, or wait in its store buffer as on x86"},
    MachineKey{"preset", "name", "", "a named machine from resources/machines"},
};
} // namespace

const ArgWords* argWords(ArgType type, std::string_view name) {
    const auto* at = std::find_if(std::begin(kArgWords), std::end(kArgWords),
                                  [&](const ArgWords& row) { return row.type == type && (row.name.empty() || row.name == name); });
    return at == std::end(kArgWords) ? nullptr : at;
}

const VerbInfo& info(Verb verb) { return kTable[static_cast<unsigned>(verb)]; }
std::span<const std::string_view> verbNames() { return kNames; }
std::span<const MachineKey> machineKeys() { return kMachineKeys; }

std::optional<Verb> verbFromName(std::string_view name) {
    for (unsigned i = 0; i < kVerbs; ++i)
        if (kNames[i] == name)
            return static_cast<Verb>(i);
    return std::nullopt;
}

std::string_view typeName(ArgType type) {
    constexpr std::array<std::string_view, 17> names{"address", "size",          "number",  "count",  "private or shared", "level",
                                                     "order",   "true or false", "name",    "text",   "content",           "page",
                                                     "operand", "slot id",       "special", "access", "root types"};
    return names[static_cast<unsigned>(type)];
}

} // namespace mirrorscope
