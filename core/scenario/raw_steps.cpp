// SPDX-License-Identifier: GPL-3.0-or-later
// Steps that are one raw call: a system call on a guest_memfd, a SEAMCALL behind KVM's back.
#include "kvm/protocol.h"
#include "scenario/runner.h"

#include <algorithm>
#include <array>

namespace mirrorscope {

// System calls on a guest_memfd. It has neither read nor write, nor mmap (v6.16 guest_memfd.c: kvm_gmem_fops).
int Runner::gmemFile(const Step& step) {
    Kvm& kvm = system_.kvm();
    const auto file = static_cast<unsigned>(step.number("file"));
    const auto way = static_cast<GmemWay>(step.number("do"));
    const u64 size = step.number("size", 4096);
    switch (way) {
    case GmemWay::Create:
        if (kvm.peekVm(Kvm::VmWord::Destroyed) != 0)
            return -kEBADF;
        return kvm.vmDead() ? -kEIO : kvm.kvm_gmem_create(file, size, step.number("flags"));
    case GmemWay::Allocate:
    case GmemWay::Punch:
        return kvm.kvm_gmem_fallocate(file, step.number("keep-size", 1) != 0, way == GmemWay::Punch, step.number("offset"), size);
    case GmemWay::Read:
    case GmemWay::Write: // with an offset: pread() and pwrite(), for which such a file has no FMODE_PREAD
        return !kvm.gmemIsOpen(file) ? -kEBADF : step.has("offset") ? -kESPIPE : -kEINVAL;
    case GmemWay::Mmap: return !kvm.gmemIsOpen(file) ? -kEBADF : system_.config().has(Feature::InPlaceConversion) ? 0 : -kENODEV;
    case GmemWay::Close: return kvm.kvm_gmem_release(file);
    }
    return -kEINVAL;
}

u64 Runner::contentWord(const void* context, u64 offset) {
    const auto& s = *static_cast<const Step*>(context);
    const std::string& bytes = s.content;
    u64 value = 0;
    for (unsigned i = 0; i < 8 && !bytes.empty(); ++i) {
        const u64 at = offset + i;
        const bool once = s.has("content-file");
        if (once && at >= bytes.size())
            break;
        value |= u64{static_cast<u8>(bytes[at % bytes.size()])} << 8 * i;
    }
    return value;
}

std::optional<Pfn> Runner::operandPage(const Step& step, const char* name, Level size, FrameKind kind) {
    const auto it = step.pages.find(name);
    const PageRef ref = it == step.pages.end() ? PageRef{} : it->second;
    switch (ref.kind) {
    case PageRef::Kind::Pfn: return Pfn{ref.value};
    case PageRef::Kind::Of: {
        const auto walk = system_.septAt({ref.value >> 12});
        if (sept::isLeaf(walk.entry) && sept::stateOf(walk.entry) != SeptState::Free)
            return Pfn{ept::pfnOf(walk.entry).v + (ref.value >> 12 & (pagesPer(walk.level) - 1))};
        const int slot = system_.kvm().slotOf({ref.value >> 12});
        if (slot < 0)
            return Pfn{0};
        const Memslot s = system_.kvm().slot(slot);
        const u64 gmem = system_.machine().peek(system_.kvm().gmemPlace(s, {ref.value >> 12}));
        return Pfn{gmem != 0 ? gmem : system_.machine().peek(system_.kvm().hostPlace(s, {ref.value >> 12}))};
    }
    case PageRef::Kind::New: break;
    }
    system_.sim().step(Site::PageAlloc);
    return size == Level::k4K ? system_.frames().allocate(kind, 0, system_.sim().actor())
                              : system_.frames().allocateRun(kind, 0, pagesPer(size));
}

// One SEAMCALL behind KVM's back. Frames that it gives to the module are `raw`; what comes back from the module is
// freed, if it was raw.
Outcome Runner::rawSeamcall(const Step& step) {
    const auto leaf = static_cast<Leaf>(step.number("leaf"));
    const LeafInfo& what = info(leaf);
    Frames& frames = system_.frames();
    TdxModule& module = system_.module();
    const Pfn tdr = step.has("tdr") ? Pfn{step.number("tdr")} : system_.backend().tdr();
    const Level level = levelOf(static_cast<unsigned>(step.number("level", 1)));
    Pfn given{0}, source{0};
    bool allocated = false;
    u64 run = 1;
    bool full = false;
    // Frames for PAMT entries, and one that only names its 2M. (On an actor's stack, which exploring copies, nothing owns memory.)
    struct {
        std::array<Pfn, 6> pages{};
        unsigned count = 0;
        void push_back(Pfn pfn) { pages.at(count++) = pfn; }
        const Pfn* begin() const { return pages.data(); }
        const Pfn* end() const { return pages.data() + count; }
    } more;
    const auto fill = [&](Operand operand) -> u64 {
        switch (operand) {
        case Operand::GpaLevel: return step.number("gpa") | (number(level) - 1);
        case Operand::Gpa: return step.number("gpa");
        case Operand::Tdr: return hpa(tdr);
        case Operand::Params: {
            // A shared page with valid TD_PARAMS, those of this machine.
            const auto page = operandPage(step, "source", Level::k4K, FrameKind::Cache);
            if (!page) {
                full = true;
                return 0;
            }
            source = *page;
            system_.backend().writeTdParams(*page);
            return hpa(*page);
        }
        case Operand::TdrFlags: return hpa(tdr) | (step.number("allow-existing") != 0 ? 1 : 0);
        case Operand::Tdvpr: return hpa(system_.backend().tdvpr(static_cast<unsigned>(step.number("tdvpr"))));
        case Operand::Page: {
            const Level size = leaf == Leaf::MemPageAug && level == Level::k2M ? Level::k2M : Level::k4K;
            const auto it = step.pages.find("page");
            const bool isNew = it == step.pages.end() || it->second.kind == PageRef::Kind::New;
            const auto page = operandPage(step, "page", size, FrameKind::Raw);
            if (!page) {
                full = true;
                return 0;
            }
            given = *page;
            allocated = isNew;
            run = isNew ? pagesPer(size) : 1;
            return hpa(given);
        }
        case Operand::Range: { // 2M around a page, the first by default
            if (!step.pages.contains("page"))
                return number(Level::k2M) - 1;
            const auto page = operandPage(step, "page", Level::k4K, FrameKind::Raw);
            if (!page) {
                full = true;
                return 0;
            }
            if (step.pages.at("page").kind == PageRef::Kind::New)
                more.push_back(*page);
            return hpa({page->v & ~511ull}) | (number(Level::k2M) - 1);
        }
        case Operand::Pair: {
            const auto page = operandPage(step, "pair", Level::k4K, FrameKind::Raw); // no word of the language: a new one
            if (!page) {
                full = true;
                return 0;
            }
            more.push_back(*page);
            return hpa(*page);
        }
        case Operand::Source: {
            const auto page = operandPage(step, "source", Level::k4K, FrameKind::Cache);
            if (!page) {
                full = true;
                return 0;
            }
            const auto it = step.pages.find("source");
            if (it == step.pages.end() || it->second.kind == PageRef::Kind::New)
                source = *page;
            return hpa(*page);
        }
        case Operand::Hkid: return step.number("hkid", 2);
        case Operand::Resume: return step.number("resume");
        case Operand::Value: return step.number("value");
        case Operand::None: break;
        }
        return 0;
    };
    Regs regs;
    regs.rcx = step.has("rcx") ? step.number("rcx") : fill(what.rcx);
    regs.rdx = step.has("rdx") ? step.number("rdx") : fill(what.rdx);
    regs.r8 = step.has("r8") ? step.number("r8") : fill(what.r8);
    regs.r9 = step.has("r9") ? step.number("r9") : fill(what.r9);
    regs.version = static_cast<unsigned>(std::min<u64>(step.number("version"), 255));
    if (regs.version != 0 && leaf == Leaf::MemSeptAdd && !step.has("r9"))
        regs.r9 = ~0ull; // no table for an L2 VM
    regs.r10 = step.number("r10", regs.version != 0 ? ~0ull : 0);
    regs.r11 = step.number("r11", regs.version != 0 ? ~0ull : 0);
    const bool dynamic = system_.config().has(Feature::DynamicPamt) && level == Level::k2M;
    for (const auto& [word, reg] : {std::pair{"r12", &regs.r12}, std::pair{"r13", &regs.r13}})
        *reg = step.has(word) ? step.number(word) : dynamic && leaf == Leaf::MemPageDemote ? fill(Operand::Pair) : 0;
    // What was given and is not the module's.
    const auto giveBack = [&](Pfn pfn) {
        if (frames.valid(pfn) && frames.peekKind(pfn) == FrameKind::Raw && pamt::type(module.peekPamt(pfn)) == PageType::Nda &&
            !module.isPamtPage(pfn))
            system_.kvm().free_page(pfn);
    };
    if (full) {
        for (const Pfn page : more)
            giveBack(page);
        return {Outcome::Kind::Errno, kENOMEM, 0};
    }

    // A raw table remembers what it translates, so that what hangs below it can be named.
    if ((leaf == Leaf::MemSeptAdd || leaf == Leaf::MemPageDemote) && allocated)
        frames.setKind(given, FrameKind::Raw, System::SeptTable{roundDown({step.number("gpa") >> 12}, level), below(level)}.info());
    const u64 status = module.seamcall(leaf, regs);
    const auto vcpu = static_cast<unsigned>(step.number("tdvpr"));
    if (status == tdx::kSuccess && leaf == Leaf::VpEnter)
        module.tdExit(system_.backend().tdvpr(vcpu));
    // The module flushes the CPU that it runs on: at an entry into a new epoch, and by VP.FLUSH.
    if (status == tdx::kSuccess && ((leaf == Leaf::VpEnter && regs.r10 != 0) || leaf == Leaf::VpFlush))
        system_.kvm().tlb(vcpu).flush();
    if (status == tdx::kSuccess && leaf == Leaf::VpEnter)
        system_.backend().noteModuleFlush(vcpu);
    if (allocated)
        for (u64 i = 0; i < run; ++i)
            giveBack({given.v + i});
    if (source.v != 0)
        system_.kvm().free_page(source);
    if (leaf == Leaf::PhymemPamtRemove && status == tdx::kSuccess)
        for (const u64 page : {regs.rdx, regs.r8})
            more.push_back(pfnOf(page));
    if (leaf == Leaf::MemPagePromote && status == tdx::kSuccess && dynamic)
        for (const u64 page : {regs.r12, regs.r13})
            more.push_back(pfnOf(page));
    for (const Pfn page : more)
        giveBack(page);
    if (status == tdx::kSuccess)
        for (const u64 out : {regs.rcx, what.rcx == Operand::Page && leaf == Leaf::PhymemPageReclaim ? hpa(given) : 0}) {
            const u64 pages = leaf == Leaf::MemPageRemove ? pagesPer(level) : 1;
            for (u64 i = 0; i < pages && (out & 0xfff) == 0 && out != 0; ++i)
                giveBack({(out >> 12) + i});
        }
    Outcome outcome{Outcome::Kind::Status, status, 0};
    outcome.details.put(Field::Rcx, regs.rcx);
    outcome.details.put(Field::Rdx, regs.rdx);
    // The other leaves leave theirs as they were.
    if (leaf == Leaf::PhymemPageRdmd || leaf == Leaf::PhymemPageReclaim || leaf == Leaf::MemSeptRd || leaf == Leaf::PhymemPamtRemove)
        outcome.details.put(Field::R8, regs.r8);
    if (leaf == Leaf::PhymemPageRdmd)
        outcome.details.put(Field::R9, regs.r9);
    return outcome;
}

} // namespace mirrorscope
