// SPDX-License-Identifier: GPL-3.0-or-later
#include "scenario/runner.h"

#include "base/text.h"
#include "kvm/protocol.h"
#include "scenario/kernel_calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <bitset>

namespace mirrorscope {

Runner::Runner(const Scenario& scenario, const RunOptions& options)
    : scenario_(scenario), options_(options), system_(scenario.machine, scenario.results), checker_(system_) {
    Sim& sim = system_.sim();
    const bool later = anyStep(scenario.script, [](const Step& s) { return s.verb == Verb::BeginHistory; });
    system_.machine().setRecording(options.recording && !later);
    system_.machine().keepHash(options.recording);
    if (options.recording)
        sim.onStep([this] {
            if (!system_.machine().recording()) {
                checkBound(++before_, kBeforeForOne, " before `begin-history`");
                return;
            }
            if (options_.check)
                checker_.afterStep();
            checkBound(system_.machine().steps(), 1, "");
        });
    noteNamed();
    checker_.reset();
    if (checking())
        checker_.watch();
}

// `forOne`: so many of these count as one. (Asked after each micro-step: nothing is divided or made that need not be.)
void Runner::checkBound(u64 steps, u64 forOne, std::string_view where) {
    const bool tooMany = steps >= options_.maxSteps && steps / forOne >= options_.maxSteps;
    if (!tooMany && steps - askedAt_ < RunOptions::kAskedEvery * forOne)
        return;
    askedAt_ = steps;
    endIfAsked(tooMany, steps, where);
}

void Runner::endIfAsked(bool tooMany, u64 steps, std::string_view where) const {
    if (tooMany)
        throw BoundReached{fmt::format("stopped after {} micro-steps{} (--max-steps)", steps, where)};
    if (options_.cancelled && options_.cancelled())
        throw BoundReached{fmt::format("interrupted after {} micro-steps{}", steps, where)};
}

bool Runner::checking() const { return options_.check && system_.machine().recording(); }

std::size_t Runner::runToHistory() {
    std::size_t item = 0;
    for (; options_.recording && !system_.machine().recording(); ++item)
        runItem(scenario_.script[item]);
    return item;
}

void Runner::beginHistory() {
    if (!options_.recording)
        return;
    system_.sim().beginHistory();
    checker_.reset();
    if (!checking())
        return;
    checker_.watch();
    checker_.lookAtAllWhenQuiet();
}

std::size_t Runner::failed() const {
    return static_cast<std::size_t>(std::count_if(expectations_.begin(), expectations_.end(), [](const auto& e) { return !e.holds; }));
}

bool Runner::namesViolation(Rule rule) const { return named_[static_cast<std::size_t>(rule)]; }

// Once: a long script may have as many violations.
void Runner::noteNamed() {
    const auto note = [&](const std::vector<Expectation>& list) {
        for (const Expectation& e : list)
            if (e.form == Expectation::Form::Violation)
                named_[static_cast<std::size_t>(e.rule)] = true;
        return false;
    };
    note(scenario_.expectations);
    note(scenario_.sometimes);
    anyStep(scenario_.script, [&](const Step& step) { return note(step.expectations); });
}

std::size_t Runner::unnamedViolations() const {
    const auto& violations = checker_.violations();
    return static_cast<std::size_t>(
        std::count_if(violations.begin(), violations.end(), [&](const Violation& v) { return !namesViolation(v.rule); }));
}

void Runner::quiet() {
    system_.sim().finishStep();
    system_.sim().rcuBarrier();
    if (checking())
        checker_.atQuiet();
}

bool Runner::runAll() {
    try {
        for (const Step& step : scenario_.script)
            runItem(step);
        finish();
    } catch (const BoundReached& bound) {
        stopped_ = bound.what;
        bounded_ = true;
    } catch (const Stuck& stuck) {
        checker_.report(Rule::Progress, mix(system_.machine().steps(), 1), stuck.what);
        stopped_ = stuck.what;
        demonstrated_ = namesViolation(Rule::Progress);
        if (demonstrated_)
            finish();
    }
    return stopped_.empty() || demonstrated_;
}

void Runner::finish() {
    answer();
    for (const auto& e : scenario_.expectations)
        expectation(e);
}

void Runner::runItem(const Step& step) {
    system_.sim().startOver();
    if (step.verb == Verb::Race)
        runRace(step);
    else
        execute(step);
    quiet();
    if (info(step.verb).where != VerbInfo::Where::Flow || step.verb == Verb::Race)
        answer();
}

void Runner::answer(std::optional<ActorId> whose) {
    for (std::size_t i = 0; i < asked_.size();) {
        const auto [who, question] = asked_[i];
        if (whose && who != *whose) {
            ++i;
            continue;
        }
        asked_.erase(asked_.begin() + static_cast<std::ptrdiff_t>(i));
        system_.sim().finishStep();
        const bool judged =
            std::any_of(question->choices.begin(), question->choices.end(), [](const AskChoice& c) { return !c.when.empty(); });
        u64 right = 0;
        for (std::size_t c = 0; c < question->choices.size(); ++c) {
            const AskChoice& choice = question->choices[c];
            const auto holds = [&](const Expectation& e) { return evaluate(e, system_, checker_).holds; };
            if (judged ? !choice.when.empty() && std::all_of(choice.when.begin(), choice.when.end(), holds)
                       : choice.text == question->answer)
                right |= 1ull << c;
        }
        system_.sim().mark({.script = question->index, .kind = MarkKind::Answer, .a = {right, 0, 0, 0, 0, 0}});
    }
}

void Runner::expectation(const Expectation& e) {
    system_.sim().finishStep();
    const Evaluation result = evaluate(e, system_, checker_);
    ExpectationResult record{system_.machine().steps(), e.line, system_.sim().script(), result.holds, e.text, result.found};
    expectations_.push_back(std::move(record));
    system_.sim().mark({.kind = MarkKind::Expect, .phase = result.holds, .a = {expectations_.size() - 1, 0, 0, 0, 0, 0}});
}

// One step by its actor; on a fiber inside of a race.
void Runner::execute(const Step& step) {
    Sim& sim = system_.sim();
    const u32 outer = sim.script();
    sim.setActor(step.actor);
    sim.setScript(step.index);
    switch (step.verb) {
    case Verb::Expect:
        if (!(ignoreRaceExpectations_ && outer != 0))
            for (const auto& e : step.expectations)
                expectation(e);
        break;
    case Verb::Note: sim.mark({.kind = MarkKind::Note}); break;
    case Verb::Ask:
        sim.mark({.kind = MarkKind::Ask});
        if (system_.machine().recording())
            asked_.push_back({outer != 0 ? step.actor : kOfTheScript, &step});
        break;
    case Verb::Pause: sim.mark({.kind = MarkKind::Pause}); break;
    case Verb::BeginHistory: beginHistory(); break;
    default: {
        sim.settle(0);
        sim.mark({.kind = MarkKind::StepBegin, .code = static_cast<u8>(step.verb)});
        const Outcome outcome = call(step);
        // A single function of the kernel leaves its flush to its callers.
        if (checking())
            checker_.endOperation(step.verb != Verb::Kernel);
        if (step.result)
            system_.setResult(*step.result, outcome);
        if (const auto& v = outcome.details.values; outcome.details.present != 0)
            sim.mark({.kind = MarkKind::StepDetails, .a = {v[0], v[1], v[2], v[3], v[4], v[5]}});
        sim.mark({.kind = MarkKind::StepEnd,
                  .code = static_cast<u8>(step.verb),
                  .phase = 1,
                  .a = {static_cast<u64>(outcome.kind), outcome.code, outcome.value, step.verb == Verb::Read || step.verb == Verb::HostRead,
                        outcome.details.present, outcome.details.error}});
        if (outer != 0)
            answer(step.actor);
        break;
    }
    }
    sim.setScript(outer);
}

// What a step looks at first belongs to a micro-step of its own, so that nobody has seen anything before he moved. An ioctl of a dead VM is
// refused there (Linux v6.16 kvm_main.c: kvm_vm_ioctl(), kvm_vcpu_ioctl()).
Outcome Runner::call(const Step& step) {
    using Entry = VerbInfo::Entry;
    const Entry entry = info(step.verb).entry;
    Sim& sim = system_.sim();
    if (entry == Entry::Other) {
        sim.step(Site::CallEnter);
        return perform(step);
    }
    Call ioctl(sim, entry == Entry::VmIoctl ? "kvm_vm_ioctl" : "kvm_vcpu_ioctl");
    sim.step(Site::CallEnter);
    if (system_.kvm().peekVm(Kvm::VmWord::Destroyed) != 0) // its descriptors are closed
        return {Outcome::Kind::Errno, kEBADF, 0};
    return system_.kvm().vmDead() ? Outcome{Outcome::Kind::Errno, kEIO, 0} : perform(step);
}

namespace {
// The address space stands above the number: in bits 31:16, as in the ioctl.
u32 slotIdOf(const Step& step) { return static_cast<u32>(step.number("id") | step.number("as-id") << 16); }
} // namespace

namespace {
bool hasSmmSlots(const Kvm& kvm) {
    for (unsigned i = 0; i < kvm.slotCount(); ++i)
        if (const Memslot s = kvm.peekSlot(static_cast<int>(i)); s.used && isSmm(s.base))
            return true;
    return false;
}
} // namespace

Outcome Runner::perform(const Step& step) {
    Kvm& kvm = system_.kvm();
    const u64 gpa = step.number("gpa");
    // A range is whole pages: those that it touches.
    const u64 size = step.number("size", 4096);
    const GfnRange range{{gpa >> 12}, {size == 0 ? gpa >> 12 : (gpa + size + 4095) >> 12}};
    // Workers look at everything unless they are told otherwise.
    const GfnRange wide = step.has("size") ? range : GfnRange{range.start, {kSmmGfn - 1}};
    const bool aligned = ((gpa | size) & 0xfff) == 0 && size != 0;
    const auto errnoOf = [](int r) { return r == 0 ? Outcome{} : Outcome{Outcome::Kind::Errno, static_cast<u64>(-r), 0}; };

    switch (step.verb) {
    case Verb::Read:
    case Verb::Write:
    case Verb::Exec:
    case Verb::Accept: {
        GuestOp op;
        op.kind = step.verb == Verb::Read    ? GuestOp::Kind::Read
                  : step.verb == Verb::Write ? GuestOp::Kind::Write
                  : step.verb == Verb::Exec  ? GuestOp::Kind::Exec
                                             : GuestOp::Kind::Accept;
        op.gpa = gpa | (step.number("smm") != 0 ? kSmmGpa : 0);
        op.alias = step.number("as") != 0 ? Alias::Shared : Alias::Private;
        op.stride = step.number("stride", 4096);
        op.count = step.number("pages", 1);
        op.random = step.number("order") != 0;
        op.seed = step.number("seed");
        op.value = step.number("value");
        if (step.verb == Verb::Accept) {
            op.level = levelOf(static_cast<unsigned>(step.number("level", 1)));
            op.stride = bytesPer(op.level);
            op.gpa = gpa & ~(op.stride - 1);
            // The page that holds the address, or those that the range touches.
            if (step.has("size"))
                op.count = std::max<u64>(1, (gpa + step.number("size") - op.gpa + op.stride - 1) / op.stride);
        }
        return kvm.runGuest(step.actor, op);
    }
    case Verb::MapGpa: {
        constexpr u64 kNever = ~0ull;
        return kvm.mapGpa(step.actor, gpa, size, step.number("as") == 0,
                          {step.number("refuse-after", kNever), step.number("event-after", kNever)});
    }
    case Verb::Hypercall: return kvm.leaveGuest(step.actor, KvmExit::Hypercall);
    case Verb::Halt: return kvm.leaveGuest(step.actor, KvmExit::Hlt);
    case Verb::Evict:
        kvm.evict(step.actor, inSmm(range.start, step.number("smm") != 0), step.number("as") != 0 ? Alias::Shared : Alias::Private);
        return {};
    case Verb::SetMemoryAttributes: {
        if (!aligned)
            return errnoOf(-kEINVAL);
        std::optional<Gfn> held;
        Outcome outcome = errnoOf(kvm.setMemoryAttributes(range, step.number("as") == 0, held));
        if (held) // error_offset
            outcome.details.put(Field::Gpa, held->v << 12);
        return outcome;
    }
    case Verb::InitMemRegion: {
        if (!aligned)
            return errnoOf(-kEINVAL);
        return system_.backend().tdx_vcpu_init_mem_region(range, step.number("measure", 1) != 0,
                                                          step.number("in-place") != 0 ? nullptr : contentWord, &step);
    }
    case Verb::FinalizeVm: return errnoOf(system_.backend().tdx_td_finalize());
    case Verb::InitVcpu: return errnoOf(system_.backend().tdx_vcpu_init(static_cast<unsigned>(step.number("vcpu"))));
    case Verb::SnpLaunchStart: return errnoOf(system_.snp().snp_launch_start(step.number("policy", 0x30000), step.number("flags")));
    case Verb::SnpLaunchUpdate: {
        constexpr u64 kZero = 1;
        return system_.snp().snp_launch_update(gpa, size, step.number("flags"), step.number("type") == kZero ? nullptr : contentWord,
                                               &step);
    }
    case Verb::SnpLaunchFinish: return errnoOf(system_.snp().snp_launch_finish(step.number("flags")));
    case Verb::PunchHole:
        if (kvm.peekVm(Kvm::VmWord::Destroyed) != 0) // the files are closed
            return errnoOf(-kEBADF);
        return aligned ? errnoOf(kvm.protocol().kvm_gmem_punch_hole(kvm, GmemRange::behind(range))) : errnoOf(-kEINVAL);
    case Verb::Gmem: return errnoOf(gmemFile(step));
    case Verb::Discard:
        if (!aligned)
            return errnoOf(-kEINVAL);
        kvm.discard(range);
        return {};
    case Verb::SetMemoryRegion: {
        SlotConfig slot;
        slot.id = slotIdOf(step);
        slot.base = inSmm(gfnOfAddress(gpa), slot.id >> 16 == 1);
        slot.pages = step.number("size") >> 12;
        slot.guestMemfd = step.number("private", system_.config().hasPrivateMem()) != 0;
        slot.readonly = step.number("readonly") != 0;
        slot.dirtyLog = step.number("dirty-log") != 0;
        slot.backing = levelOf(static_cast<unsigned>(step.number("backing", 1)));
        const bool large = system_.config().has(Feature::Private2M) && !step.has("gmem");
        slot.gmemBacking = levelOf(static_cast<unsigned>(step.number("gmem-backing", large ? 2 : 1)));
        if (step.has("gmem")) {
            slot.guestMemfd = true;
            slot.gmemFile = static_cast<unsigned>(step.number("gmem"));
            slot.gmemOffset = step.number("gmem-offset");
        }
        if (step.has("memory")) {
            slot.memory = static_cast<unsigned>(step.number("memory"));
            slot.memoryOffset = step.number("memory-offset");
        }
        constexpr u64 kLogDirty = 1, kReadonly = 2, kGuestMemfd = 4; // KVM_MEM_
        const u64 flags = step.number("flags");
        if ((flags & ~(kLogDirty | kReadonly | kGuestMemfd)) != 0)
            return errnoOf(-kEINVAL);
        slot.dirtyLog |= (flags & kLogDirty) != 0;
        slot.readonly |= (flags & kReadonly) != 0;
        slot.guestMemfd |= (flags & kGuestMemfd) != 0;
        const u64 bytes = step.number("size");
        if (((gpa | bytes) & 0xfff) != 0 || gpa + bytes < gpa || !kvm.isSlotId(slot.id))
            return errnoOf(-kEINVAL);
        return errnoOf(kvm.kvm_set_memory_region(slot));
    }
    case Verb::DeleteMemoryRegion: return errnoOf(kvm.deleteMemoryRegion(slotIdOf(step)));
    case Verb::PreFault:
        return kvm.kvm_vcpu_pre_fault_memory(static_cast<unsigned>(step.number("vcpu")), gpa, size, step.number("as") != 0);
    case Verb::Migrate: return aligned ? errnoOf(kvm.migrate(range)) : errnoOf(-kEINVAL);
    case Verb::Protect:
        if (!aligned)
            return errnoOf(-kEINVAL);
        kvm.protect(range);
        return {};
    case Verb::Age: return aligned ? Outcome{Outcome::Kind::Ok, 0, kvm.kvm_mmu_notifier_clear_young(range)} : errnoOf(-kEINVAL);
    case Verb::Mprotect:
        if (!aligned)
            return errnoOf(-kEINVAL);
        kvm.mprotect(range, static_cast<Kvm::VmaProt>(step.number("prot")));
        return {};
    case Verb::HostRead:
    case Verb::HostWrite: {
        if (step.number("as", 1) == 0 && !system_.config().has(Feature::InPlaceConversion)) { // mmap() of a guest_memfd
            Outcome unmapped{Outcome::Kind::Signal, kSIGSEGV, 0};
            unmapped.details.error = kENODEV;
            return unmapped;
        }
        Outcome outcome;
        for (u64 i = 0; i < step.number("pages", 1) && outcome.kind == Outcome::Kind::Ok; ++i)
            outcome = kvm.hostAccess(gpa + i * 4096, step.verb == Verb::HostWrite, step.number("value") + i);
        return outcome;
    }
    case Verb::PinMemory: return errnoOf(aligned ? kvm.pin_user_pages(range) : -kEINVAL);
    case Verb::UnpinMemory: kvm.unpin_user_pages(range); return {};
    case Verb::Userfaultfd:
        if (!aligned)
            return errnoOf(-kEINVAL);
        return errnoOf(step.number("do") == 0 ? kvm.userfaultfd_register(range) : kvm.userfaultfd_copy(range, step.number("value")));
    case Verb::DirtyRing: {
        if (step.number("do") != 0)
            return kvm.vmDead() ? errnoOf(-kEIO) : kvm.kvm_vm_ioctl_reset_dirty_pages();
        u64 bitmap = 0;
        const auto asked = step.has("gpa") ? std::optional(inSmm(range.start, step.number("smm") != 0)) : std::nullopt;
        Outcome outcome{Outcome::Kind::Ok, 0, kvm.collectDirtyRing(static_cast<unsigned>(step.number("vcpu")), asked, bitmap)};
        if (asked)
            outcome.details.put(Field::Bitmap, bitmap);
        return outcome;
    }
    case Verb::DirtyLog: {
        const u32 id = slotIdOf(step);
        const Gfn asked = inSmm(range.start, id >> 16 == 1);
        switch (step.number("do")) {
        case 0: return errnoOf(kvm.setDirtyLogging(id, true));
        case 1: return errnoOf(kvm.setDirtyLogging(id, false));
        case 2: return kvm.kvm_get_dirty_log_protect(id, step.has("gpa") ? std::optional(asked) : std::nullopt);
        }
        if ((step.has("gpa") && (gpa & 0xfff) != 0) || (step.has("size") && (size & 0xfff) != 0))
            return errnoOf(-kEINVAL); // the ioctl counts in pages
        const int index = kvm.slotById(id);
        if (index < 0)
            return kvm.kvm_clear_dirty_log_protect(id, 0, 0, 0); // which says why
        const Memslot slot = kvm.slot(index);
        const u64 first = step.has("gpa") ? asked.v - slot.base.v : 0;
        return kvm.kvm_clear_dirty_log_protect(id, first, step.has("size") ? size >> 12 : slot.pages - std::min(first, slot.pages),
                                               step.number("mask", ~0ull));
    }
    case Verb::SplitHugePages:
        for (const bool smm : {false, true})
            if (!smm || hasSmmSlots(kvm))
                kvm.kvm_mmu_slot_try_split_huge_pages({inSmm(wide.start, smm), inSmm(wide.end, smm)},
                                                      levelOf(static_cast<unsigned>(step.number("level", 1))));
        return {};
    case Verb::RecoverHugePages:
        // Done when dirty logging has ended, which a slot with guest_memfd never has.
        // Only kvm_mmu_slot_apply_flags() does it, with slots_lock held.
        system_.sim().writeLock(LockId::SlotsLock);
        for (unsigned i = 0; i < kvm.slotCount(); ++i)
            if (const Memslot s = kvm.slot(static_cast<int>(i));
                s.used && !s.guestMemfd && !s.dirtyLog && bare(s.base) < wide.end && wide.start.v < bare(s.base).v + s.pages)
                kvm.kvm_mmu_recover_huge_pages(static_cast<int>(i));
        system_.sim().writeUnlock(LockId::SlotsLock);
        return {};
    case Verb::RecoverNxPages: return {Outcome::Kind::Ok, 0, kvm.kvm_recover_nx_huge_pages(wide)};
    case Verb::ZapAll: {
        Call call(system_.sim(), "kvm_mmu_invalidate_mmio_sptes");
        system_.sim().writeLock(LockId::SlotsLock);
        kvm.kvm_mmu_zap_all_fast();
        system_.sim().writeUnlock(LockId::SlotsLock);
        return {};
    }
    case Verb::Kernel: return kernelCalls()[step.number("call")].call(kvm, step, range);
    case Verb::DestroyVm:
        if (kvm.peekVm(Kvm::VmWord::Destroyed) == 0)
            system_.destroyVm();
        return {};
    case Verb::Seamcall: return rawSeamcall(step);
    case Verb::Rmpupdate:
        return system_.snp().rawRmpupdate(range.start, step.number("assigned", 1) != 0,
                                          levelOf(static_cast<unsigned>(step.number("level", 1))));
    case Verb::Psmash: return system_.snp().rawPsmash(range.start);
    case Verb::Inject:
        system_.sim().step(Site::VmState);
        if (step.has("rmpupdate"))
            system_.injectRmpupdate(static_cast<RmpStatus>(step.number("rmpupdate")), step.number("times", 1), step.number("after"));
        else if (step.has("host-fault"))
            kvm.injectHostFault(step.number("host-fault") == 0 ? kEFAULT : kEHWPOISON,
                                step.has("gpa") ? std::optional(range.start) : std::nullopt, step.number("times", 1), step.number("after"));
        else if (step.has("alloc"))
            system_.frames().injectFailure(step.number("times", 1), step.number("after"));
        else
            system_.module().inject(static_cast<Leaf>(step.number("leaf")), step.number("status"), step.number("times", 1),
                                    step.number("after"));
        return {};
    case Verb::Note:
    case Verb::Ask:
    case Verb::Pause:
    case Verb::BeginHistory:
    case Verb::Expect:
    case Verb::Repeat:
    case Verb::Include:
    case Verb::Race:
    case Verb::Count_: break; // no calls: they are done where steps are taken
    }
    return {};
}

namespace {
// The vCPUs whose ioctls these steps are.
std::bitset<256> vcpusOf(const std::vector<Step>& steps, const MachineConfig& machine) {
    std::bitset<256> vcpus;
    for (const Step& step : steps) {
        // "All the locks" (v6.19).
        const bool takesAll = step.verb == Verb::InitMemRegion || step.verb == Verb::FinalizeVm || step.verb == Verb::InitVcpu;
        for (unsigned v = 0; takesAll && machine.since(Kernel::V6_19) && v < machine.vcpus; ++v)
            vcpus.set(v);
        if (info(step.verb).where == VerbInfo::Where::Guest)
            vcpus.set(step.actor);
        else if (step.verb == Verb::InitMemRegion)
            vcpus.set(0);
        else if (step.verb == Verb::PreFault || step.verb == Verb::InitVcpu ||
                 (step.verb == Verb::Kernel && kernelCalls()[step.number("call")].arguments.substr(0, 4) == "vcpu"))
            vcpus.set(step.number("vcpu"));
    }
    return vcpus;
}
} // namespace

std::vector<Race::Actor> Runner::raceActors(const Step& step) {
    std::vector<Race::Actor> actors;
    for (const auto& [actor, list] : step.actors) {
        const auto* steps = &list;
        actors.push_back({actor,
                          [this, steps] {
                              for (const Step& s : *steps)
                                  execute(s);
                          },
                          vcpusOf(list, scenario_.machine)});
    }
    return actors;
}

void Runner::deadlock(const Race& race) {
    for (unsigned i = 0; i < race.actors(); ++i)
        if (!race.done(i)) {
            system_.sim().setActor(race.actorOf(i));
            break;
        }
    throw Stuck{"nobody can go on: " + race.whoWaits()};
}

void Runner::runRace(const Step& step) {
    Sim& sim = system_.sim();
    sim.setScript(step.index);
    sim.mark({.kind = MarkKind::StepBegin, .code = static_cast<u8>(Verb::Race)});
    {
        Race race(sim, raceActors(step));
        runSchedule(step, race);
        // What the schedule leaves open: each actor to its end, the next one only when it blocks. Stores are seen at once.
        for (unsigned i = 0; i < race.actors(); ++i)
            race.drainStores(i);
        while (!race.over()) {
            bool moved = false;
            for (unsigned i = 0; i < race.count() && !moved; ++i)
                while (!race.done(i) && race.enabled(i)) {
                    race.run(i);
                    if (!race.serves(i))
                        race.drainStores(i);
                    moved = true;
                }
            if (!moved)
                deadlock(race);
        }
    }
    sim.setActor(sim.hostActor());
    sim.mark({.kind = MarkKind::StepEnd, .code = static_cast<u8>(Verb::Race), .phase = 1});
    sim.setScript(0);
}

void Runner::runSchedule(const Step& step, Race& race) {
    using Kind = Step::ScheduleEntry::Kind;
    for (const auto& entry : step.schedule) {
        unsigned lane = 0;
        while (lane < race.count() && race.actorOf(lane) != entry.actor)
            ++lane;
        if (lane == race.count()) // a store buffer, where memory is sequentially consistent
            continue;
        // A schedule says when stores leave their buffer; those that it forgets leave when their CPU has to wait for that.
        const auto canGo = [&] {
            if (!race.serves(lane) && !race.done(lane) && race.pendingSite(lane) == Site::Fence)
                race.drainStores(lane);
            return !race.done(lane) && race.enabled(lane);
        };
        if (entry.kind == Kind::Done) {
            while (canGo())
                race.run(lane);
        } else if (entry.kind == Kind::Steps) {
            for (u64 i = 0; i < entry.count && canGo();)
                i += race.run(lane);
        } else if (entry.kind == Kind::Step) {
            const u64 marks = system_.sim().marks().size();
            bool ended = false;
            while (canGo() && !ended) {
                race.run(lane);
                for (u64 m = marks; m < system_.sim().marks().size(); ++m)
                    ended |= system_.sim().marks()[m].kind == MarkKind::StepEnd && system_.sim().marks()[m].actor == entry.actor;
            }
        } else {
            bool reached = false;
            while (canGo() && !reached) {
                race.start(lane);
                if (!canGo())
                    break;
                reached = race.run(lane) && system_.sim().site() == entry.site;
            }
            if (!reached)
                remarks_.push_back(
                    fmt::format("line {}: {} did not reach {}", entry.line, system_.sim().actorName(entry.actor), info(entry.site).name));
        }
    }
}

} // namespace mirrorscope
