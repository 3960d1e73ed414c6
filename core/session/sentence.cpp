// SPDX-License-Identifier: GPL-3.0-or-later
// What a micro-step did, in one sentence with its subject: which lock, which leaf with which answer, which vCPU, which entry.
#include "base/text.h"
#include "scenario/runner.h"
#include "session/session.h"
#include "trace/recorded.h"

#include <fmt/format.h>

namespace mirrorscope {

namespace {
using VmWord = KvmWords::VmWord;
using VcpuWord = KvmWords::VcpuWord;

struct WordText {
    VmWord word;
    std::string_view text; // {0} was, {1} is
};
constexpr WordText kVmWords[] = {
    {VmWord::Dead, "the VM is dead: each of its ioctls answers EIO from here on"},
    {VmWord::VmBugged, "the VM is bugged"},
    {VmWord::Bugged, "the VM is bugged, by what a SEAMCALL answered"},
    {VmWord::InvalidateInProgress, "mmu_invalidate_in_progress {0} → {1}"},
    {VmWord::InvalidateSeq, "mmu_invalidate_seq {0} → {1}"},
    {VmWord::MnActiveInvalidate, "mn_active_invalidate_count {0} → {1}, which keeps the memslots as they are"},
    {VmWord::PreFaultAllowed, "pre_fault_allowed {0} → {1}"},
    {VmWord::SnpLaunch, "the launch of the guest: stage {0} → {1}"},
    {VmWord::NrDirtyLogging, "nr_memslots_dirty_logging {0} → {1}"},
    {VmWord::SlotsGeneration, "the memslots' generation {0:x} → {1:x}"},
};

std::string requestNames(u64 bits) {
    std::string names;
    for (const auto& [bit, name] : {std::pair{KvmWords::kReqTlbFlush, "KVM_REQ_TLB_FLUSH"},
                                    {KvmWords::kReqFreeObsoleteRoots, "KVM_REQ_MMU_FREE_OBSOLETE_ROOTS"},
                                    {KvmWords::kReqVmDead, "KVM_REQ_VM_DEAD"},
                                    {KvmWords::kReqCpuDirtyLogging, "KVM_REQ_UPDATE_CPU_DIRTY_LOGGING"},
                                    {KvmWords::kReqDirtyRingSoftFull, "KVM_REQ_DIRTY_RING_SOFT_FULL"}})
        if ((bits & bit) != 0)
            names += (names.empty() ? "" : ", ") + std::string(name);
    return names;
}
} // namespace

// The words of KVM that the micro-step changed, at the position behind it.
std::string Session::changedWords(u64 n) const {
    const Machine& machine = system().machine();
    const Kvm& kvm = system().kvm();
    std::string text;
    constexpr std::array<std::string_view, 3> kModes{"OUTSIDE_GUEST_MODE", "IN_GUEST_MODE", "EXITING_GUEST_MODE"};
    machine.forEachChange(n, [&](Place place, u64 delta) {
        const u64 now = machine.peek(place), was = now ^ delta;
        for (const WordText& word : kVmWords)
            if (text.empty() && place == kvm.vm(word.word))
                text = fmt::format(fmt::runtime(word.text), was, now);
        for (unsigned v = 0; v < system().config().vcpus && text.empty(); ++v) {
            const std::string who = fmt::format("vcpu{}", v);
            if (place == kvm.vcpuWord(v, VcpuWord::Mode) && now < kModes.size() && was < kModes.size())
                text = fmt::format("{}'s mode {} → {}", who, kModes[was], kModes[now]);
            else if (place == kvm.vcpuWord(v, VcpuWord::Requests))
                text = (now & ~was) != 0 ? fmt::format("{} is asked for {}", who, requestNames(now & ~was))
                                         : fmt::format("{} takes {}", who, requestNames(was & ~now));
            else if (place == kvm.vcpuWord(v, VcpuWord::Ipi))
                text = now != 0 ? fmt::format("{} gets an IPI", who) : fmt::format("{} has served the IPI", who);
            else if (place == kvm.vcpuWord(v, VcpuWord::RootHpa) || place == kvm.vcpuWord(v, VcpuWord::MirrorRootHpa))
                text = now == 0 ? fmt::format("{} gives its root {:x} back", who, was) : fmt::format("{} has root {:x}", who, now);
        }
    });
    return text;
}

std::string Session::sentence(u64 at) const {
    if (recorded_)
        return at != 0                   ? lineOf(at - 1)
               : recorded_->isSnapshot() ? "Before the first entry of the snapshot. F11 goes to the next one."
                                         : "Before the first line of the trace. F11 goes to the next one.";
    if (end() == 0)
        return "The script takes no micro-step.";
    if (at == 0)
        return runner_->before() != 0 ? "The history begins here: of what the script did before, there is none. F11 steps."
                                      : "Before the first micro-step. F11 steps, F10 runs one script step.";
    const u64 n = at - 1;
    const StepView view = step(n);
    const Machine& machine = system().machine();
    std::string text;
    // What it did to the trees says more than the site.
    if (at == position())
        machine.forEachChange(n, [&](Place place, u64 delta) {
            const auto where = locate(place);
            if (!where || !text.empty())
                return;
            const u64 now = machine.peek(place), old = now ^ delta;
            const auto nameOf = [&](u64 raw) {
                return where->column == Column::Private ? name(sept::stateOf(raw))
                                                        : name(stateOf(system().kvm().masks(), raw, where->level));
            };
            if (nameOf(old) == nameOf(now))
                return;
            constexpr std::array<std::string_view, kColumns> trees{"shared tree", "mirror", "private tree"};
            text = fmt::format("{} entry of GPA {} at {}: {} → {}", trees[static_cast<unsigned>(where->column)],
                               gpaHex(inSmm(where->gfn, where->smm)), levelName(where->level), nameOf(old), nameOf(now));
        });
    const auto spanOf = [&](const std::vector<Span>& spans, bool begins) -> const Span* {
        if (begins) {
            const std::size_t i = Lanes::firstFrom(spans, n);
            return i < spans.size() && spans[i].begin == n ? &spans[i] : nullptr;
        }
        for (const std::size_t i : Lanes::lasting(spans, at - 1))
            if (spans[i].end == at && spans[i].closed)
                return &spans[i];
        const std::size_t i = Lanes::firstFrom(spans, n);
        return i < spans.size() && spans[i].begin == n && spans[i].end == at ? &spans[i] : nullptr;
    };
    switch (text.empty() ? view.site : Site::Count_) {
    case Site::LockAcquire:
    case Site::LockRelease:
        for (unsigned lock = 0; lock < kLocks && text.empty(); ++lock)
            if (const Span* span = spanOf(lanes().locks(lock), view.site == Site::LockAcquire);
                span != nullptr && span->kind == Span::Kind::Lock && span->actor == view.actor)
                text = fmt::format("{} is {}{}", name(static_cast<LockId>(lock)), view.site == Site::LockAcquire ? "taken" : "released",
                                   view.site == Site::LockRelease ? ""
                                   : span->write                  ? " for writing"
                                                                  : " for reading");
        break;
    case Site::SeamcallEnter:
    case Site::TdcallEnter:
        if (const Span* span = spanOf(lanes().seamcalls(), true))
            text = fmt::format("{} begins{}", leafName(*span), span->gpa == Span::kNoGpa ? "" : fmt::format(", of GPA {}", hex(span->gpa)));
        break;
    case Site::SeamcallLeave:
    case Site::TdcallLeave:
        if (const Span* span = spanOf(lanes().seamcalls(), false))
            text = fmt::format("{} answers {}", leafName(*span), statusName(*span));
        break;
    default:
        if (text.empty() && at == position())
            text = changedWords(n);
        if (text.empty() && view.site == Site::VmState && isTdx() && at == position() && td().exists)
            text = fmt::format("KVM has the TD as {}", td().kvmState);
        if (text.empty() && view.site == Site::VmState && !view.where.empty())
            text = fmt::format("the state of the VM that {}() keeps changes", view.where.back());
    }
    if (text.empty())
        text = info(view.site).help;
    return fmt::format("{}: {}{}", actorName(view.actor), text, view.where.empty() ? "" : "  (" + view.where.back() + ")");
}

} // namespace mirrorscope
