// SPDX-License-Identifier: GPL-3.0-or-later
#include "tdx/matrix/matrix.h"

#include "base/text.h"

#include <array>

namespace mirrorscope {

namespace {
// What a cell's scenario works on: an address of which KVM builds nothing.
constexpr std::string_view kScenarioGpa = "0x8000000000";
constexpr unsigned kLevels = 4;
constexpr std::array kStates{SeptState::Free,    SeptState::Table,   SeptState::TableBlocked,  SeptState::Mapped,
                             SeptState::Blocked, SeptState::Pending, SeptState::PendingBlocked};
constexpr std::array kOpStates{tdcs::Uninitialized, tdcs::Initialized, tdcs::Runnable};

bool isEntryLeaf(Leaf leaf) { return info(leaf).rcx == Operand::GpaLevel || leaf == Leaf::MrExtend; }

MachineConfig config(ModuleLine module) {
    MachineConfig c;
    c.module = module;
    c.slots.push_back({0, {0}, 16, true, false});
    // A page of 1G must fit beside everything else, aligned. Frames that are never touched cost nothing.
    c.frames = 2ull << 18;
    return c;
}
} // namespace

SeptMatrix::SeptMatrix(ModuleLine module) : system_(std::make_unique<System>(config(module))), machine_(system_->machine()) {}
SeptMatrix::~SeptMatrix() = default;

void SeptMatrix::record(Pfn pfn, Level size, PageType type, u64 bepoch) {
    const Place place = system_->module().pamtEntry(pfn, size);
    machine_.set(place, pamt::make(machine_.peek(place), type, system_->backend().tdr()));
    machine_.set(place + 1, bepoch);
    children_ += pagesPer(size);
}

// A page of guest memory; those of 1G have a place of their own, which the allocator would not find.
Pfn SeptMatrix::page(Level size, u64 bepoch) {
    const Pfn pfn = size == Level::k1G ? Pfn{1ull << 18} : *system_->frames().allocateRun(FrameKind::Raw, 0, pagesPer(size));
    record(pfn, size, PageType::Reg, bepoch);
    return pfn;
}

Pfn SeptMatrix::table(Pfn under, u64 bepoch) {
    const Pfn spt = *system_->frames().allocate(FrameKind::Raw, 0, 0);
    machine_.fill(spt, sept::kFree);
    record(spt, Level::k4K, PageType::Ept, bepoch);
    machine_.set(wordOf(under, 0), sept::kTable | hpa(spt));
    return spt;
}

// The entry of GPA 0 at the case's level in the case's state. Nothing when there can be no such entry.
std::optional<Pfn> SeptMatrix::putEntry(const MatrixCase& request) {
    using Variant = MatrixCase::Variant;
    const bool tables = sept::isTable(request.state);
    if (tables ? request.level == Level::k4K : request.level > Level::k1G && request.state != SeptState::Free)
        return std::nullopt;
    const u64 bepoch = request.tracked ? 1 : epoch_;
    Pfn holder = system_->module().septRoot(system_->backend().tdr());
    for (Level level = levelOf(kLevels); level > request.level; level = below(level))
        holder = table(holder, 0);
    const Place entry = wordOf(holder, 0);
    const auto leaf = [&](u64 state) { machine_.set(entry, state | hpa(page(request.level, bepoch))); };
    switch (request.state) {
    case SeptState::Mapped: leaf(sept::kMapped); break;
    case SeptState::Blocked: leaf(sept::kBlockedLeaf); break;
    case SeptState::Pending: leaf(sept::kPendingLeaf); break;
    case SeptState::PendingBlocked: leaf(sept::kPendingBlocked); break;
    case SeptState::Table:
    case SeptState::TableBlocked: {
        const Pfn spt = table(holder, bepoch);
        const Level child = below(request.level);
        if (request.leaf == Leaf::MemPagePromote && child <= Level::k2M) {
            const bool pending = request.variant == Variant::ChildrenPending;
            const Pfn run = request.level == Level::k1G ? Pfn{1ull << 18} : *system_->frames().allocateRun(FrameKind::Raw, 0, 512);
            for (unsigned i = 0; i < 512; ++i) {
                const Pfn pfn{run.v + i * pagesPer(child)};
                record(pfn, child, PageType::Reg, 0);
                const bool odd = request.variant == Variant::ChildrenMixed && i == 7;
                machine_.set(wordOf(spt, i), (pending != odd ? sept::kPendingLeaf : sept::kMapped) | hpa(pfn));
            }
        } else if (request.variant == Variant::Below && info(request.leaf).guest && child == Level::k4K) {
            machine_.set(wordOf(spt, 0), sept::kPendingLeaf | hpa(page(child, 0))); // what the guest accepts below the table
        } else if (request.variant == Variant::TableNotEmpty) {
            if (child == Level::k4K) {
                machine_.set(wordOf(spt, 3), sept::kMapped | hpa(page(Level::k4K, 0)));
            } else {
                table(spt, 0);
            }
        }
        if (request.state == SeptState::TableBlocked)
            machine_.set(entry, sept::kTableBlocked | hpa(spt));
        break;
    }
    case SeptState::Free:
    case SeptState::Other:
    case SeptState::Count_: break;
    }
    return holder;
}

MatrixCell SeptMatrix::call(const MatrixCase& request) {
    using Variant = MatrixCase::Variant;
    MatrixCell cell;
    cell.of = request;
    cell.hasEntry = isEntryLeaf(request.leaf);
    const LeafInfo& leaf = info(request.leaf);
    const Pfn tdr = system_->backend().tdr();
    TdxModule& module = system_->module();
    Frames& frames = system_->frames();
    Sim& sim = system_->sim();
    const u64 marks = sim.marks().size();

    if (leaf.guest && request.opState != tdcs::Runnable) {
        cell.possible = false; // no vCPU runs
        return cell;
    }
    sim.step(Site::VmState);
    const auto tdcsWord = [&](unsigned word) { return wordOf(module.tdcs(tdr), word); };
    children_ = module.peekTdr(tdr, tdr::ChldCnt);
    std::optional<Pfn> holder;
    if (cell.hasEntry) {
        holder = putEntry(request);
        cell.possible = holder.has_value();
    }
    machine_.set(wordOf(tdr, tdr::ChldCnt), children_);
    machine_.set(tdcsWord(tdcs::TdEpoch), epoch_);
    machine_.set(tdcsWord(tdcs::OpState), request.opState);
    if (cell.possible) {
        const Level level = request.variant == Variant::Below ? Level::k4K : request.level;
        const auto newPage = [&](Level size) { return hpa(*frames.allocateRun(FrameKind::Raw, 0, pagesPer(size))); };
        const auto fill = [&](Operand operand) -> u64 {
            switch (operand) {
            case Operand::GpaLevel: return number(level) - 1;
            case Operand::Tdr: return hpa(tdr);
            case Operand::TdrFlags: return hpa(tdr) | (request.variant == Variant::AllowExisting ? 1 : 0);
            case Operand::Tdvpr: return hpa(system_->backend().tdvpr(0));
            case Operand::Page: return newPage(request.leaf == Leaf::MemPageAug && level == Level::k2M ? Level::k2M : Level::k4K);
            case Operand::Source:
            case Operand::Pair:
            case Operand::Params: return newPage(Level::k4K);
            case Operand::Range: return number(Level::k2M) - 1;
            case Operand::Hkid: return 2;
            case Operand::Gpa:
            case Operand::Resume:
            case Operand::Value:
            case Operand::None: break;
            }
            return 0;
        };
        if (leaf.guest) {
            cell.status = module.tdg_mem_page_accept(system_->backend().tdvpr(0), number(level) - 1, cell.exits);
        } else {
            Regs regs{.rcx = fill(leaf.rcx), .rdx = fill(leaf.rdx), .r8 = fill(leaf.r8), .r9 = fill(leaf.r9)};
            if (leaf.rdx == Operand::Params) { // valid TD_PARAMS
                machine_.set(wordOf(pfnOf(regs.rdx), 1), kLevels);
                machine_.set(wordOf(pfnOf(regs.rdx), 3), 1);
            }
            sim.setActor(leaf.rcx == Operand::Tdvpr ? u8{0} : sim.hostActor());
            cell.status = module.seamcall(request.leaf, regs);
            sim.setActor(sim.hostActor());
        }
        if (holder)
            cell.after = sept::stateOf(machine_.peek(wordOf(*holder, 0)));
    }
    sim.finishStep();
    machine_.rewind(0);
    sim.truncateMarks(marks);
    return cell;
}

std::vector<MatrixCell> SeptMatrix::all() {
    std::vector<MatrixCell> cells;
    for (const LeafInfo& leaf : leafTable())
        for (const unsigned opState : kOpStates) {
            if (!isEntryLeaf(leaf.leaf)) {
                cells.push_back(call({.leaf = leaf.leaf, .opState = opState}));
                continue;
            }
            const unsigned last = leaf.leaf == Leaf::MrExtend ? 2 : std::min<unsigned>(leaf.maxLevel, kLevels - 1);
            for (unsigned level = leaf.minLevel; level <= last; ++level)
                for (const bool tracked : {false, true})
                    for (const SeptState state : kStates)
                        cells.push_back(
                            call({.leaf = leaf.leaf, .level = levelOf(level + 1), .opState = opState, .tracked = tracked, .state = state}));
        }
    return cells;
}

std::string statusOf(const MatrixCell& cell) { return !cell.possible ? "n/a" : cell.exits ? "EXIT" : tdx::statusName(cell.status); }

std::string operandOf(const MatrixCell& cell) {
    if (!cell.possible)
        return "";
    if (cell.exits)
        return "EPT_VIOLATION";
    return tdx::operandText(cell.status);
}

std::optional<std::string> scenarioOf(const MatrixCell& cell) {
    const MatrixCase& c = cell.of;
    const LeafInfo& leaf = info(c.leaf);
    const bool inInit = c.opState == tdcs::Initialized;
    if (!cell.possible || !cell.hasEntry || c.opState == tdcs::Uninitialized ||
        (!sept::isTable(c.state) && c.level > Level::k2M && c.state != SeptState::Free))
        return std::nullopt;
    if (c.leaf == Leaf::MemPagePromote && sept::isTable(c.state))
        return std::nullopt; // 512 children in one piece of memory
    const bool mapped = c.state == SeptState::Mapped || c.state == SeptState::Blocked;
    if (mapped && c.level > Level::k4K && inInit)
        return std::nullopt; // mapped before finalization is what PAGE.ADD makes, at 4K
    const auto step = [](std::string_view name, Level level, std::string_view id = "") {
        std::string text = "  - {seamcall: {leaf: " + std::string(name) + ", gpa: " + std::string(kScenarioGpa);
        text += ", level: " + std::string(levelName(level)) + "}";
        return text + (id.empty() ? "" : ", id: " + std::string(id)) + "}\n";
    };
    const std::string track = "  - {seamcall: {leaf: TDH.MEM.TRACK}}\n";
    std::string text =
        "mirrorscope: 1\ntitle: \"" + std::string(leaf.name) + " on " + std::string(name(c.state)) + " at " +
        std::string(levelName(c.level)) + ", " + std::string(tdcs::opStateName(c.opState)) + (c.tracked ? ", tracked" : "") +
        "\"\nmachine: {vm: tdx, vcpus: 1, slots: [{id: 0, gpa: 0, size: 16M}]}\nscript:\n  - init-mem-region: {gpa: 0, size: 4K}\n";
    for (Level level = levelOf(kLevels); level > c.level; level = below(level))
        text += step("TDH.MEM.SEPT.ADD", level);
    const bool accepted = mapped && (c.level > Level::k4K || !inInit);
    const auto block = [&] {
        std::string t = step("TDH.MEM.RANGE.BLOCK", c.level);
        return t + (c.tracked ? track + track : "");
    };
    std::string build;
    if (sept::isTable(c.state))
        build = step("TDH.MEM.SEPT.ADD", c.level);
    else if (mapped && !accepted)
        build = step("TDH.MEM.PAGE.ADD", c.level);
    else if (c.state != SeptState::Free && !accepted)
        build = step("TDH.MEM.PAGE.AUG", c.level);
    if (inInit) {
        text += build;
    } else {
        text += build + "  - finalize-vm\n";
        if (accepted)
            text += step("TDH.MEM.PAGE.AUG", c.level) + "  - {vcpu0: {accept: {gpa: " + std::string(kScenarioGpa) +
                    ", level: " + std::string(levelName(c.level)) + "}}}\n";
    }
    if (c.state == SeptState::TableBlocked || c.state == SeptState::Blocked || c.state == SeptState::PendingBlocked)
        text += block();
    text += "  - expect: {tree: secure, gpa: " + std::string(kScenarioGpa) + ", is: " + std::string(name(c.state)) +
            ", level: " + std::string(levelName(c.level)) + "}\n";
    text += "  - note: The call.\n";
    if (leaf.guest)
        text +=
            "  - {vcpu0: {accept: {gpa: " + std::string(kScenarioGpa) + ", level: " + std::string(levelName(c.level)) + "}}, id: call}\n";
    else
        text += step(leaf.name, c.level, "call");
    const std::string status = statusOf(cell);
    if (!cell.exits)
        text += "expect: [{result: call, is: " + (status == "TDX_SUCCESS" ? std::string("ok") : status) + "}]\n";
    return text;
}

} // namespace mirrorscope
