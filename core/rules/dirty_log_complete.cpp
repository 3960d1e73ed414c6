// SPDX-License-Identifier: GPL-3.0-or-later
// dirty-log-complete: a guest's write that had ended when a slot's log was read is in that log, in an earlier one, or still pending in what
// the kernel reads later: in the bitmap again or still, in the PML buffer of a vCPU that is inside, or with a fault that has made the entry
// writable and marks the page next.
#include "base/text.h"
#include "rules/checker.h"

#include <fmt/format.h>

#include <bit>

namespace mirrorscope {

namespace {
using Note = Kvm::LogNote;

bool pending(const RuleContext& context, Gfn gfn) {
    const Kvm& kvm = context.kvm();
    const Machine& machine = context.machine();
    for (unsigned a = 0; a < context.system.sim().actors(); ++a)
        if (machine.peek(kvm.actorWord(a, Kvm::ActorWord::Marking)) == gfn.v + 1)
            return true;
    for (unsigned v = 0; v < context.system.config().vcpus; ++v) {
        const u64 count = machine.peek(kvm.vcpuWord(v, Kvm::VcpuWord::PmlCount));
        for (u64 i = 0; i < count; ++i)
            if (inSmm({machine.peek(kvm.pmlEntry(v, i))}, isSmm(gfn)) == gfn)
                return true;
    }
    return false;
}

// Each word of the slot's bitmap from page `first` on, with the gfn of its lowest bit.
template <class F>
void forEachWord(const Kvm& kvm, const Memslot& slot, u64 first, u64 end, F&& f) {
    for (u64 page = first & ~u64{63}; page < end; page += 64)
        f(kvm.dirtyWord(slot, {slot.base.v + page}), Gfn{slot.base.v + page});
}
} // namespace

void rules::dirtyLogComplete(RuleContext& context, const Memslot& slot, u64 first, u64 end) {
    const Kvm& kvm = context.kvm();
    Machine& machine = context.checker.machine();
    forEachWord(kvm, slot, first, end, [&](Place word, Gfn base) {
        const Place written = kvm.logNote(word, Note::Written), due = kvm.logNote(word, Note::Due), told = kvm.logNote(word, Note::Told);
        u64 missing = machine.peek(due) & ~machine.peek(told);
        if (missing != 0) // what stands in the bitmap now is told by the next log
            missing &= ~machine.peek(word);
        for (u64 rest = missing; rest != 0; rest &= rest - 1) {
            const Gfn gfn{base.v + static_cast<unsigned>(std::countr_zero(rest))};
            if (!pending(context, gfn) && !kvm.inDirtyRing(slot, gfn))
                context.checker.report(Rule::DirtyLogComplete, gfn.v,
                                       fmt::format("the guest had written to {} of slot {} when its log was read, and no log says so",
                                                   gpaHex(gfn), slot.id & 0xffff),
                                       {word});
        }
        // Who reads the log copies what it names, so that nothing older is missing from then on.
        if (machine.peek(told) != 0) {
            machine.set(written, machine.peek(written) & ~machine.peek(told));
            machine.set(told, 0);
        }
        if (machine.peek(due) != 0)
            machine.set(due, 0);
    });
}

void Checker::guestWrote(const Memslot& slot, Gfn gfn) {
    if (!slot.dirtyLog)
        return;
    const Kvm& kvm = system_.kvm();
    machine().setBits(kvm.logNote(kvm.dirtyWord(slot, gfn), Note::Written), 1ull << (gfn.v - slot.base.v) % 64);
}

void Checker::logStarts(const Memslot& slot) {
    forEachWord(system_.kvm(), slot, 0, slot.pages, [&](Place word, Gfn) {
        if (const Place written = system_.kvm().logNote(word, Note::Written); machine().peek(written) != 0)
            machine().set(written, 0);
    });
}

void Checker::logRead(const Memslot& slot, u64 first, u64 end) {
    forEachWord(system_.kvm(), slot, first, end, [&](Place word, Gfn) {
        if (const u64 written = machine().peek(system_.kvm().logNote(word, Note::Written)); written != 0)
            machine().set(system_.kvm().logNote(word, Note::Due), written);
    });
}

void Checker::logTaken(Place word, u64 bits) {
    if (bits != 0)
        machine().setBits(system_.kvm().logNote(word, Note::Told), bits);
}

void Checker::logWasRead(const Memslot& slot, u64 first, u64 end) {
    RuleContext context{system_, *this};
    rules::dirtyLogComplete(context, slot, first, end);
}

} // namespace mirrorscope
