// SPDX-License-Identifier: GPL-3.0-or-later
// A run as the kernel would have traced it: the events of kvmmmu and kvm that such a kernel prints for what the run did (Linux v6.16
// mmutrace.h, trace.h). What `import` and `conform` read.
#include "export/export.h"
#include "kvm/kvm.h"
#include "scenario/runner.h"
#include "trace/recorded.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <unordered_map>
#include <unordered_set>

namespace mirrorscope {

namespace {
class Tracer {
public:
    Tracer(Session& session, bool seamcalls, const std::function<void(const TraceEvent&, const TraceNames&)>& tell)
        : session_(session), seamcalls_(seamcalls), system_(session.system()), kvm_(system_.kvm()), tell_(tell),
          roleBegin_(kvm_.sp({0}, Kvm::kRole)), line_(system_.config().traceLine),
          late_(system_.config().kernel >= Kernel::V7_2 && line_ != TraceLine::Before) {}

    void all() {
        const auto& marks = system_.sim().marks();
        std::size_t mark = 0;
        for (u64 n = 0; n < session_.end(); ++n) {
            session_.seek(n + 1);
            for (; mark < marks.size() && marks[mark].n <= n; ++mark)
                if (marks[mark].n == n)
                    told(n, marks[mark]);
            step(n);
        }
        for (auto& [actor, owed] : owed_)
            for (; !owed.empty(); owed.pop_back())
                if (owed.back().done)
                    putOf(actor, session_.end() - 1, owed.back().event);
        for (const auto& [actor, last] : behind_)
            putOf(actor, session_.end() - 1, last.event);
    }

private:
    void told(u64 n, const Mark& mark) {
        TraceEvent e;
        if (mark.kind == MarkKind::Seamcall && seamcalls_)
            return probed(n, mark);
        // What the fault was about is told when it has ended: here it is told where it began.
        if (mark.kind != MarkKind::Exit || (mark.code != 48 && mark.code != 200))
            return;
        e.kind = TraceKind::PageFault;
        e.vcpu = static_cast<u16>(mark.a[0]);
        e.gfn = mark.a[1] >> 12;
        e.c = mark.a[1] | (mark.a[3] != 0 ? system_.config().directBits() << 12 : 0); // a TD's exit names the alias
        // The exit qualification of VMX, or SVM's error code.
        constexpr std::array<std::array<u64, 3>, 2> kCodes{{{1, 2, 4}, {0, 2, 16}}};
        e.a = kCodes[kvm_.masks().format.npt ? 1 : 0][std::min<u64>(mark.a[5], 2)];
        put(n, e);
    }

    static constexpr u64 kTd = 0xff11'0000'0400'1000; // where struct kvm_tdx would have its struct tdx_td; a run has one TD

    // As the probes of `record --seamcalls` print it; levels as v6.16's functions take them.
    void probed(u64 n, const Mark& mark) {
        TraceEvent e;
        e.kind = mark.phase == 0 ? TraceKind::Seamcall : TraceKind::SeamcallStatus;
        e.a = mark.code;
        if (mark.phase == 0)
            called(e, mark);
        else
            e.b = mark.a[0];
        put(n, e);
    }
    void called(TraceEvent& e, const Mark& mark) const {
        const auto leaf = static_cast<Leaf>(mark.code);
        e.c = leaf == Leaf::PhymemPageReclaim ? 0 : kTd; // it is told of a page alone
        if (info(leaf).rcx != Operand::GpaLevel)
            return;
        e.gfn = (mark.a[0] & ept::kPfnMask) >> 12;
        e.level = static_cast<u8>((mark.a[0] & 7) + (system_.config().kernel >= Kernel::V7_2 ? 1 : 0));
        constexpr u64 kVmemmap = 0xffff'ea00'0000'0000; // where struct pages are without KASLR (Documentation/arch/x86/x86_64/mm.rst)
        if (leaf == Leaf::MemPageAdd || leaf == Leaf::MemPageAug || leaf == Leaf::MemSeptAdd)
            e.b = kVmemmap + (mark.a[2] >> 12) * SeamcallJudge::kPageStruct;
    }

    void step(u64 n) {
        const Machine& machine = system_.machine();
        const StepView view = session_.step(n);
        const ActorId actor = whose(view);
        auto& owed = owed_[actor];
        for (; view.site != Site::StoreDrain && !owed.empty() && handled(view) <= owed.back().depth; owed.pop_back())
            if (owed.back().done)
                put(n, owed.back().event);
        if (const auto last = behind_.find(actor);
            last != behind_.end() && view.site != Site::StoreDrain && !within(view, last->second.function)) {
            put(n, last->second.event);
            behind_.erase(last);
        }
        // Not where a page is made or freed, and not what the CPU sets.
        const bool changes = view.site == Site::SpteCmpxchg || view.site == Site::SpteStore || view.site == Site::SpteFreeze ||
                             view.site == Site::SpteSet || view.site == Site::SpteRestore || view.site == Site::StoreDrain;
        const u64 memory = system_.frames().count() * 512;
        std::array<bool, 6> counted{}; // by level: what succeeds is, and at once
        machine.forEachChange(n, [&](Place place, u64 delta) {
            for (unsigned level = 1; level <= 3; ++level)
                counted[level] |= place == kvm_.pageStatistic(levelOf(level));
            if (place.v >= memory)
                return page(n, place, delta);
            const Pfn frame = frameOf(place);
            if (!changes || system_.frames().peekKind(frame) != FrameKind::Table)
                return;
            const MmuPage table = kvm_.peekPage(frame);
            if (table.level() != Level::None && (removes(view) || linked(table, frame)))
                entry(n, view, place, table, machine.peek(place) ^ delta, machine.peek(place));
        });
        if (!owed.empty())
            owed.back().done |= counted[owed.back().event.level];
    }

    // Whose store it was that left his CPU's buffer.
    ActorId whose(const StepView& view) const {
        return view.site == Site::StoreDrain ? static_cast<ActorId>(view.actor - Sim::storesOf(system_.config().vcpus, 0)) : view.actor;
    }
    static bool within(const StepView& view, std::string_view function) {
        return std::find(view.where.begin(), view.where.end(), function) != view.where.end();
    }
    static bool isIn(const StepView& view, std::string_view function) { return !view.where.empty() && view.where.back() == function; }
    // How many changes are being followed up, one in the other.
    static std::ptrdiff_t handled(const StepView& view) {
        return std::count(view.where.begin(), view.where.end(), std::string_view("__handle_changed_spte"));
    }
    static bool removes(const StepView& view) { return isIn(view, "handle_removed_pt"); }
    // A page that is no table yet is filled without a line.
    bool linked(const MmuPage& table, Pfn frame) const {
        return !table.ptep || ept::pfnOf(system_.machine().peek(*table.ptep)) == frame ||
               !spte::isPresent(system_.machine().peek(*table.ptep));
    }

    // A page gets its role when it becomes one of the tables.
    void page(u64 n, Place place, u64 delta) {
        if (place < roleBegin_ || (place.v - roleBegin_.v) % Kvm::kSpWords != 0)
            return;
        const Pfn frame{(place.v - roleBegin_.v) / Kvm::kSpWords};
        if (!system_.frames().valid(frame) || kvm_.sp(frame, Kvm::kRole) != place)
            return;
        const u64 now = system_.machine().peek(place);
        if ((now ^ delta) != 0 || now == 0)
            return;
        TraceEvent e;
        e.kind = TraceKind::GetPage;
        e.flags = TraceEvent::kNew;
        e.a = now;
        e.level = static_cast<u8>(now & 15);
        e.gfn = bare(kvm_.peekPage(frame).gfn).v;
        removed_.erase(frame.v);
        put(n, e);
    }

    void entry(u64 n, const StepView& view, Place place, const MmuPage& table, u64 old, u64 now) {
        const bool removing = removes(view), freezes = view.site == Site::SpteFreeze && !removing;
        // The private table is being updated: KVM tells of it when that is done, or before it begins, as of one change.
        if (freezes) {
            frozen_[place.v] = old;
            if (line_ != TraceLine::Before)
                return;
            now = system_.machine().peek(kvm_.intended(whose(view)));
        } else if (const auto was = frozen_.find(place.v); was != frozen_.end() && spte::isFrozen(old)) {
            old = was->second;
            frozen_.erase(was);
        }
        if (view.site == Site::SpteRestore || old == now ||
            (line_ == TraceLine::AfterPresent && !spte::isPresent(old) && !spte::isPresent(now)))
            return;
        TraceEvent e;
        e.asId = role::isSmm(table.role) ? 1 : 0;
        e.level = static_cast<u8>(number(table.level()));
        e.gfn = bare(kvm_.gfnOfEntry(table, indexOf(place))).v;
        e.a = old;
        e.b = now;
        if (isIn(view, "fast_page_fault")) {
            e.kind = TraceKind::FastPageFault;
            e.flags = TraceEvent::kFixed;
            e.vcpu = whose(view);
            e.c = e.gfn << 12;
            return put(n, e);
        }
        if (removing && removed_.insert(frameOf(place).v).second)
            putZap(n, table);
        // Of a table that is empty nothing else tells.
        const bool unlinks = spte::isTable(old, table.level()) && !spte::isTable(now, table.level());
        const MmuPage gone = unlinks ? kvm_.peekPage(ept::pfnOf(old)) : MmuPage{};
        const bool goes = unlinks && gone.level() != Level::None && removed_.insert(ept::pfnOf(old).v).second;
        const bool told = line_ == TraceLine::Before && view.site == Site::SpteSet; // when it was frozen
        const bool carried = late_ && role::isMirror(table.role) && view.site != Site::SpteSet && spte::isPresent(old);
        if (goes && late_)
            putZap(n, gone);
        if (late_ && (goes || carried))
            owed_[whose(view)].push_back({e, handled(view), unlinks});
        else if (!told)
            put(n, e);
        if (goes && !late_)
            putZap(n, gone);
        if (freezes)
            return;
        if (within(view, "tdp_mmu_split_huge_page")) {
            TraceEvent split;
            split.kind = TraceKind::SplitHugePage;
            split.level = e.level;
            split.gfn = e.gfn;
            split.a = old;
            behind_[whose(view)] = {split, "tdp_mmu_split_huge_page"};
        }
        // The address tells which table the entry is in.
        if (within(view, "tdp_mmu_map_handle_target_level") && spte::isLeaf(now, table.level())) {
            TraceEvent set;
            set.kind = TraceKind::SetSpte;
            set.level = e.level;
            set.gfn = e.gfn;
            set.a = now;
            set.b = u64{place.v} * 8;
            behind_[whose(view)] = {set, "handle_removed_pt"};
        }
    }

    void putZap(u64 n, const MmuPage& table) {
        TraceEvent zap;
        zap.kind = TraceKind::PrepareZapPage;
        zap.a = table.role;
        zap.level = static_cast<u8>(number(table.level()));
        zap.gfn = bare(table.gfn).v;
        put(n, zap);
    }
    void put(u64 n, TraceEvent e) { putOf(whose(session_.step(n)), n, e); }
    void putOf(ActorId actor, u64 n, TraceEvent e) {
        e.task = names_.task(session_.actorName(actor), 1000u + actor);
        e.cpu = actor;
        e.time = (n + 1) * kTraceStep;
        tell_(e, names_);
    }

    Session& session_;
    bool seamcalls_;
    const System& system_;
    const Kvm& kvm_;
    const std::function<void(const TraceEvent&, const TraceNames&)>& tell_;
    Place roleBegin_;
    TraceNames names_;
    TraceLine line_;
    bool late_;                           // what a change brings about is told before its own line
    std::unordered_map<u64, u64> frozen_; // place -> what it was
    struct Behind {
        TraceEvent event;
        std::string_view function; // told when that has been left
    };
    std::map<ActorId, Behind> behind_; // by whom
    struct Owed {
        TraceEvent event;
        std::ptrdiff_t depth; // changes that were being followed up then
        bool done;            // a table goes in any case; an operation may fail, and then nothing is told
    };
    std::map<ActorId, std::vector<Owed>> owed_; // the outermost first
    std::unordered_set<u64> removed_;           // tables that are being taken apart
};
} // namespace

void traceOf(Session& session, bool seamcalls, const std::function<void(const TraceEvent&, const TraceNames&)>& tell) {
    const u64 here = session.position();
    Tracer(session, seamcalls, tell).all();
    session.seek(here);
}

void writeTrace(Session& session, const std::function<void(const std::string&)>& write, bool seamcalls) {
    // A kernel's own trace is written as it was told, in the words of today.
    if (const RecordedKernel* recorded = session.recorded()) {
        write("# tracer: nop\n#\n");
        auto loss = recorded->losses.begin();
        for (std::size_t n = 0; n < recorded->events.size(); ++n) {
            for (; loss != recorded->losses.end() && loss->before == n; ++loss)
                write(fmt::format("CPU:{} [LOST {} EVENTS]\n", loss->what.cpu == TraceLoss::kAny ? recorded->events[n].cpu : loss->what.cpu,
                                  loss->what.events));
            write(lineText(recorded->events[n], recorded->names) + "\n");
        }
        return;
    }
    write("# tracer: nop\n#\n");
    traceOf(session, seamcalls, [&](const TraceEvent& e, const TraceNames& names) { write(lineText(e, names) + "\n"); });
}

} // namespace mirrorscope
