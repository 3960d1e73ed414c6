// SPDX-License-Identifier: GPL-3.0-or-later
#include "replay/deeds.h"

#include "trace/order.h"

#include <tuple>

namespace mirrorscope {

namespace {
class Doers final : public TraceSink, public TraceWatch {
public:
    Doers(const VmsOptions& options, const TraceNames& names)
        : names_(names), one_(options.one), rebuild_({.kernel = options.kernel, .mostFindings = 0}, this) {}

    void event(const TraceEvent& e) override {
        if (e.task >= tasks_.size())
            tasks_.resize(e.task + 1);
        now_ = &e;
        touched_.reset();
        rebuild_.event(e);
        Task& task = tasks_[e.task];
        switch (e.kind) {
        case TraceKind::SpteChanged:
            if (touched_ && e.asId != 0) {
                ++vms_[vmOfRoot_[*touched_]].inSmm;
            } else if (touched_) {
                changed(e, task, *touched_);
                last_[{*touched_, e.level, e.gfn}] = e.b;
            } else if (e.a != e.b) {
                unplaced(e, task);
            }
            return;
        case TraceKind::FastPageFault:
            if (touched_)
                fixed(e, task, *touched_);
            else if ((e.flags & TraceEvent::kFixed) != 0 && e.a != e.b)
                unplaced(e, task);
            break;
        case TraceKind::PageFault:
            endFault(task);
            task.fault = e;
            if (e.vcpu != 0xffff)
                task.vcpu = e.vcpu;
            break;
        case TraceKind::Entry:
        case TraceKind::UserspaceExit:
            if (e.kind == TraceKind::Entry && e.vcpu != 0xffff)
                task.vcpu = e.vcpu;
            endFault(task);
            break;
        case TraceKind::ZapAllFast: zapAllFast(e, task); break;
        case TraceKind::GetPage:
        case TraceKind::PrepareZapPage:
        case TraceKind::SetSpte: return; // within a deed
        case TraceKind::SpteRequested: task.requests = true; return;
        case TraceKind::SplitHugePage:
            if (task.vm && !task.fault)
                vms_[*task.vm].eagerSplit = true;
            return;
        default: break;
        }
        task.before = e.kind;
        task.requests = false;
        task.open.reset();
        task.zaps = 0;
        task.goingRoot.reset();
    }
    void lost(const TraceLoss& loss) override {
        rebuild_.lost(loss);
        ++lost_;
        for (std::size_t n = 0; n < vms_.size(); ++n)
            vms_[n].lost += known_[n].ended ? 0 : 1;
    }
    u64 findings() const { return rebuild_.findingCount(); }

    void rootMade(const TraceRoot& root, const TraceTable&) override {
        roots_[root.id] = root;
        Task& task = tasks_[now_->task];
        if (one_ && !vms_.empty()) {
            task.vm = 0;
        } else if (!task.vm || !ofSame(known_[*task.vm], root)) {
            task.vm = static_cast<u32>(vms_.size());
            vms_.emplace_back().firstLine = now_->line;
            vms_.back().lost = lost_;
            known_.emplace_back();
        }
        vmOfRoot_[root.id] = *task.vm;
        RecordedVm& vm = vms_[*task.vm];
        vm.levels = std::max(vm.levels, root.levels);
        vm.isTd |= root.mirror || root.alias != 0;
    }
    void rootChanged(const TraceRoot& root) override {
        roots_[root.id] = root;
        vms_[vmOfRoot_[root.id]].isTd |= root.mirror;
    }
    void entrySet(const TraceTable& table, unsigned, u64) override { touched_ = table.root; }

    std::vector<RecordedVm> take() {
        for (RecordedVm& vm : vms_)
            vm.masks = rebuild_.masks();
        std::erase_if(vms_, [](const RecordedVm& vm) { return vm.changes.empty(); });
        return std::move(vms_);
    }

private:
    struct Task {
        std::optional<u32> vm; // of which it changed something last, or made a root
        std::optional<TraceEvent> fault;
        bool faultDid = false;
        bool requests = false; // it maps, for a fault or without one
        std::optional<unsigned> vcpu;
        TraceKind before = TraceKind::Count_; // what it did before these changes
        std::optional<u32> goingRoot;         // that it zaps as a whole
        std::size_t zaps = 0, lastOfVm = 0;   // how many deeds of zapping in a row, behind how many deeds of the VM the last stands
        std::optional<std::pair<u32, std::size_t>> open; // the deed that goes on, of which VM
    };

    struct Known {
        bool ended = false, invalidated = false;
        int held = 0;                       // entries of its roots that lead to tables
        std::array<u16, 2> trees{};         // how many it has, direct ones and mirrors
        std::map<unsigned, unsigned> vcpus; // by the number in the lines
    };
    // A root of a VM that has some already: of a TD's shared memory, or in place of an invalid one, or beside one in use.
    static bool ofSame(const Known& vm, const TraceRoot& root) { return !vm.ended && (root.alias != 0 || vm.invalidated || vm.held > 0); }

    void endFault(Task& task) {
        if (task.fault && !task.faultDid && task.vm)
            ++vms_[*task.vm].withoutChange;
        task.fault.reset();
        task.faultDid = false;
    }

    RecordedVm& noted(const TraceEvent& e, Task& task, u32 root, u8 level) {
        task.vm = vmOfRoot_[root];
        RecordedVm& vm = vms_[*task.vm];
        vm.firstLine = std::min(vm.firstLine, e.line);
        vm.lastLine = std::max(vm.lastLine, e.line);
        const TraceRoot& of = roots_[root];
        u16& trees = known_[*task.vm].trees[of.mirror ? 1 : 0];
        const auto [tree, isNew] = trees_.try_emplace(root, trees);
        trees = static_cast<u16>(trees + (isNew ? 1 : 0));
        const bool going = of.invalid || known_[*task.vm].ended || task.goingRoot == root;
        vm.changes.push_back({of.mirror, level, going, tree->second, e.gfn, e.a, e.b, e.line});
        return vm;
    }
    // Numbered in the order in which they are met; more than a machine here has are the last one.
    unsigned vcpuOf(RecordedVm& vm, Task& task) {
        constexpr std::size_t kMost = 256;
        auto& numbers = known_[*task.vm].vcpus;
        const auto number = static_cast<unsigned>(std::min(numbers.size(), kMost - 1));
        const unsigned vcpu = numbers.try_emplace(task.vcpu.value_or(0), number).first->second;
        vm.vcpus = std::max(vm.vcpus, vcpu + 1);
        return vcpu;
    }
    void unplaced(const TraceEvent& e, Task& task) {
        if (vms_.empty())
            return;
        unexplained(e, task.vm ? vms_[*task.vm] : vms_.back());
    }
    static void unexplained(const TraceEvent& e, RecordedVm& vm) {
        if (vm.unexplained++ == 0)
            vm.unexplainedLine = e.line;
    }

    // The fault in which the task is has done something.
    void access(const TraceEvent& e, Task& task, RecordedVm& vm, u32 root) {
        if (task.faultDid)
            return;
        task.faultDid = true;
        Deed deed;
        deed.vcpu = vcpuOf(vm, task);
        const u64 code = task.fault->a;
        // An exit qualification of VMX has the fetch in bit 2, SVM's and the CPU's own error code in bit 4.
        const bool npt = rebuild_.masks().format.npt;
        deed.access = (code & (npt ? 16u : 4u)) != 0 ? Access::Exec : (code & 2) != 0 ? Access::Write : Access::Read;
        deed.gfn = task.fault->gfn;
        if (vm.isTd) {
            deed.isPrivate = roots_[root].mirror;
            deed.gfn &= ~gfnDirectBits(vm.levels);
        }
        deed.line = e.line;
        if (vm.deeds.empty() || !goesOn(vm.deeds.back(), deed))
            vm.deeds.push_back(deed);
    }

    // Page after page is one deed.
    static bool goesOn(Deed& last, const Deed& deed) {
        constexpr u64 kWidest = 512;
        const bool alike =
            last.kind == Deed::Kind::Access && last.vcpu == deed.vcpu && last.access == deed.access && last.isPrivate == deed.isPrivate;
        if (alike && last.times == 1 && deed.gfn > last.gfn && deed.gfn - last.gfn <= kWidest) {
            last.stride = deed.gfn - last.gfn;
            last.times = 2;
            return true;
        }
        if (!alike || last.times == 1 || deed.gfn != last.gfn + last.times * last.stride)
            return false;
        ++last.times;
        return true;
    }

    // The guest has used the page since the last line: the CPU has set A or D. That was before what is going on now.
    void used(const TraceEvent& e, Task& task, RecordedVm& vm, u32 root, Deed::Kind kind) {
        const auto last = last_.find({root, e.level, e.gfn});
        if (last == last_.end() || vm.isTd)
            return;
        const SpteMasks& masks = rebuild_.masks();
        const u64 set = e.a & ~last->second & (masks.format.accessed | masks.format.dirty);
        if (!spte::isPresent(last->second) || !spte::adEnabled(e.a) || set == 0)
            return;
        Deed deed;
        deed.access = (set & masks.format.dirty) != 0 && spte::isWritable(e.a) ? Access::Write : Access::Read;
        deed.gfn = e.gfn;
        deed.line = e.line;
        const Deed* open = going(task, kind);
        const bool goingOn = open != nullptr && e.gfn >= open->gfn + open->pages;
        const std::size_t at = goingOn ? task.open->second : vm.deeds.size();
        if (at > 0 && goesOn(vm.deeds[at - 1], deed))
            return;
        vm.deeds.insert(vm.deeds.begin() + static_cast<std::ptrdiff_t>(at), deed);
        if (goingOn)
            ++task.open->second;
    }

    void fixed(const TraceEvent& e, Task& task, u32 root) {
        // Its level stands in no line; that of the leaf is what was changed.
        RecordedVm& vm = noted(e, task, root, 0);
        if (task.fault)
            access(e, task, vm, root);
    }

    void changed(const TraceEvent& e, Task& task, u32 rootId) {
        const TraceRoot& root = roots_[rootId];
        RecordedVm& vm = noted(e, task, rootId, e.level);
        const Level level = levelOf(e.level);
        const SpteMasks& masks = rebuild_.masks();
        const bool wasLeaf = spte::isLeaf(e.a, level), isLeaf = spte::isLeaf(e.b, level);
        const bool wasTable = spte::isTable(e.a, level), isTable = spte::isTable(e.b, level);
        if (spte::isFrozenOfAny(e.b)) { // belongs to what unlinked its table
            vm.rootsGoWhole |= spte::isPresent(e.a) && vm.changes.back().going;
            return;
        }
        if (e.level == root.levels && (wasTable || isTable)) {
            int& held = known_[vmOfRoot_[rootId]].held;
            held += isTable ? 1 : 0;
            held -= wasTable && !isTable ? 1 : 0;
        }
        if (wasLeaf && isTable)
            vm.splits.insert({static_cast<u8>(e.level - 1), e.gfn >> 9 * (e.level - 1u)});
        if (isLeaf) {
            vm.adDisabled |= !spte::adEnabled(e.b);
            vm.nxHuge |= level > Level::k4K && !masks.isExecutable(e.b) && !spte::isAccessTracked(e.b);
            if (!wasLeaf || framePart(e.a) != framePart(e.b))
                mapped(vm, e);
        } else if (!spte::isPresent(e.b) && masks.isMmio(e.b)) {
            vm.mmio.insert(e.gfn);
        }
        // Another task may have begun to fault while this one waits: a deed stands where it first shows.
        const bool zapped = (wasLeaf || wasTable) && !spte::isPresent(e.b);
        if (zapped)
            return zap(e, task, vm, root, wasTable);
        if (task.fault)
            return access(e, task, vm, rootId);
        if (!spte::isPresent(e.a) || task.requests) {
            // All of it down to the leaf is one.
            const u64 pages = pagesPer(level);
            Deed* deed = going(task, Deed::Kind::Prefault);
            if (deed == nullptr || (!isTable && deed->pages != 0 && e.gfn != deed->gfn + deed->pages)) {
                deed = &begin(e, task, vm, Deed::Kind::Prefault);
                deed->vcpu = vcpuOf(vm, task);
                deed->pages = 0;
            }
            if (!isTable) {
                if (deed->pages == 0)
                    deed->gfn = e.gfn;
                deed->pages = e.gfn + pages - deed->gfn;
            }
            return;
        }
        if (wasLeaf && isLeaf) {
            const u64 taken = e.a & ~e.b;
            const u64 dirty = masks.format.dirty | ept::kWrite;
            vm.dirtyByD |= (taken & masks.format.dirty) != 0 && (taken & ept::kWrite) == 0;
            if ((taken & dirty) != 0 && !(spte::isAccessTracked(e.b) && !spte::isAccessTracked(e.a)))
                return marked(e, task, vm, rootId, Deed::Kind::Clean);
            if ((taken & masks.format.accessed) != 0 || spte::isAccessTracked(e.b))
                return marked(e, task, vm, rootId, Deed::Kind::Age);
        } else if (wasLeaf && isTable) {
            vm.eagerSplit = true;
            return extend(e, task, vm, Deed::Kind::Clean);
        } else if (wasTable && isLeaf) {
            return extend(e, task, vm, Deed::Kind::Recover);
        }
        unexplained(e, vm);
    }

    void zap(const TraceEvent& e, Task& task, RecordedVm& vm, const TraceRoot& root, bool wasTable) {
        if (root.invalid)
            return; // of the line that made it so
        if (wasTable && e.level >= 3)
            task.goingRoot = root.id;
        if (wasTable && e.level == root.levels) {
            if (vm.deeds.empty() || vm.deeds.back().kind != Deed::Kind::ZapAll) {
                // Leaf by leaf, then what holds them: all of it is one (tdp_mmu_zap_root()).
                while (task.zaps > 0 && task.lastOfVm == vm.deeds.size()) {
                    vm.deeds.pop_back();
                    --task.zaps;
                    --task.lastOfVm;
                }
                begin(e, task, vm, Deed::Kind::ZapAll);
            }
            known_[vmOfRoot_[root.id]].ended = true;
            return;
        }
        // Before v6.14 what gives way to a huge page is zapped, and the next fault maps that.
        const std::size_t deeds = vm.deeds.size();
        const Deed::Kind kind =
            wasTable ? (names_.taskOf(e.task).comm.starts_with("kvm-nx") || vm.nxHuge ? Deed::Kind::RecoverNx : Deed::Kind::Recover)
            : task.before == TraceKind::UnmapHva ? Deed::Kind::Discard
                                                 : Deed::Kind::Unmap;
        extend(e, task, vm, kind);
        // Of those that are the last of the VM.
        if (vm.deeds.size() > deeds)
            task.zaps = task.zaps > 0 && task.lastOfVm == deeds ? task.zaps + 1 : 1;
        task.lastOfVm = vm.deeds.size();
    }

    void zapAllFast(const TraceEvent& e, Task& task) {
        // Not told of which: of the one on which the task works, else of the one on which somebody worked last.
        constexpr u32 kNone = ~u32{0};
        u32 vm = task.vm && !known_[*task.vm].ended ? *task.vm : kNone;
        for (u32 n = 0; n < vms_.size() && (vm == kNone || vm != task.vm.value_or(kNone)); ++n)
            if (!known_[n].ended && (vm == kNone || vms_[n].lastLine > vms_[vm].lastLine))
                vm = n;
        if (vm == kNone)
            return;
        vms_[vm].deeds.push_back({.kind = Deed::Kind::ZapAllFast, .line = e.line});
        known_[vm].invalidated = true;
    }

    static void mapped(RecordedVm& vm, const TraceEvent& e) {
        const u64 block = e.gfn >> 9;
        if (e.level > 3)
            return;
        if (e.level == 1) {
            const auto [at, isNew] = vm.small.try_emplace(block, e.gfn, e.gfn);
            at->second.first = std::min(at->second.first, e.gfn);
            at->second.second = std::max(at->second.second, e.gfn);
        }
        ++vm.mapped[block][e.level - 1u];
    }

    Deed* going(Task& task, Deed::Kind kind) {
        if (!task.open)
            return nullptr;
        std::vector<Deed>& deeds = vms_[task.open->first].deeds;
        // Whatever somebody else did since then lies between.
        if (task.open->first != *task.vm || task.open->second + 1 != deeds.size() || deeds.back().kind != kind)
            return nullptr;
        return &deeds.back();
    }
    Deed& begin(const TraceEvent& e, Task& task, RecordedVm& vm, Deed::Kind kind) {
        vm.deeds.push_back({.kind = kind, .gfn = e.gfn, .line = e.line});
        task.open = {*task.vm, vm.deeds.size() - 1};
        return vm.deeds.back();
    }
    void marked(const TraceEvent& e, Task& task, RecordedVm& vm, u32 root, Deed::Kind kind) {
        used(e, task, vm, root, kind);
        extend(e, task, vm, kind);
    }
    // Of ranges: it goes on upwards.
    void extend(const TraceEvent& e, Task& task, RecordedVm& vm, Deed::Kind kind) {
        const u64 pages = pagesPer(levelOf(e.level));
        if (Deed* open = going(task, kind); open != nullptr && e.gfn >= open->gfn + open->pages) {
            open->pages = e.gfn + pages - open->gfn;
            return;
        }
        begin(e, task, vm, kind).pages = pages;
    }

    const TraceNames& names_;
    bool one_;
    Rebuild rebuild_;
    const TraceEvent* now_ = nullptr;
    std::optional<u32> touched_; // the root whose entry this event changed
    std::vector<Task> tasks_;
    std::unordered_map<u32, TraceRoot> roots_;
    std::unordered_map<u32, u32> vmOfRoot_;
    std::vector<RecordedVm> vms_;
    std::vector<Known> known_; // of each of vms_
    u64 lost_ = 0;
    std::unordered_map<u32, u16> trees_;           // which of its VM's, by root
    std::map<std::tuple<u32, u8, u64>, u64> last_; // what each entry held behind its last line
};
} // namespace

std::vector<RecordedVm> vmsOf(const RecordedKernel& recorded, const std::function<bool(u64)>& goOn) {
    Doers doers({.kernel = recorded.kernel}, recorded.names);
    auto loss = recorded.losses.begin();
    constexpr u64 kAskedEvery = 4096;
    for (u64 n = 0; n < recorded.events.size(); ++n) {
        if (n % kAskedEvery == 0 && !goOn(n))
            return {};
        for (; loss != recorded.losses.end() && loss->before == n; ++loss)
            doers.lost(loss->what);
        doers.event(recorded.events[n]);
    }
    return doers.take();
}

std::vector<RecordedVm> readVms(TraceInput& input, const VmsOptions& options, u64* findings) {
    TraceNames names;
    Doers doers(options, names);
    TraceOrder order(doers);
    const TraceRead read = readTrace(input, names, order, options.goOn);
    order.flush();
    if (findings != nullptr)
        *findings = doers.findings();
    return read.whole ? doers.take() : std::vector<RecordedVm>{};
}

} // namespace mirrorscope
