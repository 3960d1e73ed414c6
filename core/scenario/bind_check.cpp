// SPDX-License-Identifier: GPL-3.0-or-later
// What a step asks for: may it stand there, and can that machine do it?
#include "base/text.h"
#include "kvm/kvm.h"
#include "scenario/binder.h"

#include <algorithm>

namespace mirrorscope {

void Binder::checkPlace(Verb verb, const YamlNode& key, const Context& context) {
    const auto stands = [&](Verb other) { return anyStep(scenario_.script, [other](const Step& step) { return step.verb == other; }); };
    if (verb == Verb::BeginHistory) {
        if (context.fixedActor || context.inRace)
            fail(key, "`begin-history` stands in the script itself, not inside of an actor");
        if (stands(Verb::BeginHistory))
            fail(key, "the history begins once");
        if (stands(Verb::Race))
            fail(key, "the history begins before the first race: what is explored is recorded");
    }
    if (verb == Verb::DestroyVm && context.inRace)
        fail(key, "`destroy-vm` cannot stand in a race: rcu_barrier(), which it waits in, is no action of its own here");
}

void Binder::checkStep(const Step& step, const YamlNode& key) {
    const MachineConfig& m = scenario_.machine;
    const VerbInfo& verb = info(step.verb);
    auto& numbers = const_cast<Step&>(step).numbers;
    const bool tdxOnly = step.verb == Verb::InitMemRegion || step.verb == Verb::FinalizeVm || step.verb == Verb::InitVcpu ||
                         step.verb == Verb::Seamcall || (step.verb == Verb::Inject && step.has("leaf"));
    if (step.verb == Verb::Accept && m.vm != VmType::Tdx && m.vm != VmType::Snp)
        fail(key, "`accept` needs a TD or an SNP guest; this machine is `vm: " + std::string(name(m.vm)) + "`");
    if (tdxOnly && m.vm != VmType::Tdx)
        fail(key, "`" + key.text + "` needs a TD; this machine is `vm: " + std::string(name(m.vm)) + "`");
    const bool launches = step.verb == Verb::SnpLaunchStart || step.verb == Verb::SnpLaunchUpdate || step.verb == Verb::SnpLaunchFinish;
    if ((launches || step.verb == Verb::Rmpupdate || step.verb == Verb::Psmash) && m.vm != VmType::Snp)
        fail(key, "`" + key.text + "` needs an SNP guest; this machine is `vm: " + std::string(name(m.vm)) + "`");
    if (step.verb == Verb::Rmpupdate && step.number("level", 1) > 2)
        fail(key, "an RMP entry is 4K or 2M");
    scenario_.machine.snpLaunch |= launches; // it was not done before
    constexpr u64 kZero = 1;
    if (step.verb == Verb::SnpLaunchUpdate && step.number("type") == kZero && !step.content.empty())
        fail(key, "a page of type zero has no content");
    if (step.verb == Verb::DirtyRing && m.dirtyRing == 0 && step.number("do") == 0)
        fail(key, "there is no ring to collect from: machine.dirty-ring is 0");
    if (step.verb == Verb::DirtyRing && step.number("do") != 0 && (step.has("vcpu") || step.has("gpa") || step.has("smm")))
        fail(key, "`do: reset` is of all rings");
    if (step.verb == Verb::DirtyRing && step.has("smm") && !step.has("gpa"))
        fail(key, "`smm` says in which address space `gpa` is");
    if (step.verb == Verb::Userfaultfd && step.has("value") && step.number("do") == 0)
        fail(key, "`value` belongs to `do: copy`");
    if (step.verb == Verb::Gmem)
        checkGmem(step, key);
    const bool privateOnly = step.verb == Verb::PunchHole || step.verb == Verb::SetMemoryAttributes || step.verb == Verb::MapGpa;
    if (privateOnly && !m.hasPrivateMem())
        fail(key, "`" + key.text + "` needs private memory; this machine is `vm: default`");
    if (verb.where == VerbInfo::Where::Guest && step.verb != Verb::MapGpa && step.has("as") &&
        (m.vm == VmType::Default || m.vm == VmType::SwProtected))
        fail(key, "`as` has no meaning here: a `" + std::string(name(m.vm)) + "` VM has no alias");
    if ((step.has("smm") || step.number("as-id") == 1) && m.hasPrivateMem())
        fail(key, "a VM with private memory has no address space of SMM");
    if (step.number("as-id") > 1)
        fail(key, "as-id is 0, or 1 for SMM's address space");
    const u64 reach = m.gfnsReached() << 12;
    // Those are taken as they come: the module and KVM_PRE_FAULT_MEMORY have an answer to each address.
    const bool anyAddress = step.verb == Verb::Seamcall || step.verb == Verb::PreFault || step.verb == Verb::SetMemoryRegion ||
                            step.verb == Verb::SnpLaunchUpdate;
    if (step.has("gpa") && step.number("gpa") >= reach && !anyAddress)
        fail(key, hex(step.number("gpa")) + " passes the guest physical address width");
    if (step.has("gpa") && (step.has("pages") || step.has("size")) && !anyAddress) {
        const u64 pages = step.number("pages", 1);
        const u64 stride = step.number("stride", 4096);
        const u64 span = step.has("size")                                 ? step.number("size")
                         : (pages - 1) > reach / std::max<u64>(stride, 1) ? ~0ull
                                                                          : (pages - 1) * stride;
        if (span > reach - step.number("gpa"))
            fail(key, "the range passes the guest physical address width");
    }
    if ((step.verb == Verb::Write || step.verb == Verb::HostWrite) && !step.has("value")) {
        // A running number, fixed by the place in the script so that it is the same in every interleaving.
        numbers["value"] = runningValue_;
        runningValue_ += step.number("pages", 1);
    }
    if (step.verb == Verb::Accept && step.has("level") && step.number("level") > 2)
        fail(key, "accept works on 4K and 2M");
    if (step.verb == Verb::SetMemoryRegion) {
        const u64 size = step.number("size");
        // What KVM refuses is refused when it runs; a larger slot than this is beyond the model.
        if (size > 64ull << 30 && size >> 12 <= Kvm::kMemMaxNrPages && (size & 0xfff) == 0)
            fail(key, "a slot has at most 64G here");
        if (step.has("gmem-offset") && !step.has("gmem"))
            fail(key, "gmem-offset is in a file that `gmem` names");
        if (step.has("memory-offset") && !step.has("memory"))
            fail(key, "memory-offset is in a mapping that `memory` names");
        if (step.has("memory") && step.number("backing", 1) > 1)
            fail(key, "a mapping with a name is of 4K pages");
        ++scenario_.machine.laterSlots;
        if (step.has("gmem") && step.has("private") && step.number("private") == 0)
            fail(key, "this slot has no guest_memfd");
        if (step.has("gmem-backing") &&
            (step.number("gmem-backing") > 2 || step.has("gmem") || step.number("private", m.hasPrivateMem()) == 0))
            fail(key, "gmem-backing is 4K or 2M, of a guest_memfd that is the slot's own");
        if (size <= 64ull << 30)
            scenario_.machine.laterPages += (size + 4095) >> 12;
        if (scenario_.machine.laterPages > 64ull << 18)
            fail(key, "the slots that the script makes have more than 64G together");
    }
    if (step.verb == Verb::SetMemoryRegion || step.verb == Verb::SetMemoryAttributes || step.verb == Verb::MapGpa) {
        const u64 gpa = step.number("gpa"), size = step.number("size", 4096);
        if (step.verb == Verb::SetMemoryRegion && (size > 64ull << 30 || gpa >= reach || size > reach - gpa))
            return; // refused when it runs
        laterBytes_ += size;
        if (size > 4ull << 40 || laterBytes_ > 4ull << 40)
            fail(key, "the ranges of such steps have more than 4T together");
        scenario_.machine.laterRanges.push_back({{gpa >> 12}, {(gpa + size + 4095) >> 12}});
    }
    if ((step.verb == Verb::PreFault || step.verb == Verb::InitVcpu || step.verb == Verb::DirtyRing || step.verb == Verb::Kernel) &&
        step.number("vcpu") >= m.vcpus)
        fail(key, "vcpu names a vCPU that is not there");
    constexpr u64 kClear = 3;
    if (step.verb == Verb::DirtyLog && step.has("mask") && step.number("do") != kClear)
        fail(key, "`mask` belongs to `do: clear`");
    if (step.verb == Verb::Inject) {
        const unsigned kinds = unsigned{step.has("alloc")} + step.has("leaf") + step.has("rmpupdate") + step.has("host-fault");
        if (kinds != 1 || step.has("leaf") != step.has("status"))
            fail(key, "inject has one of `seamcall` with `status`, `rmpupdate`, `host-fault`, `alloc: fail`");
        if (step.has("gpa") && !step.has("host-fault"))
            fail(key, "`gpa` belongs to a `host-fault`");
        if (step.has("rmpupdate") && m.vm != VmType::Snp)
            fail(key, "`rmpupdate` needs an SNP guest; this machine is `vm: " + std::string(name(m.vm)) + "`");
    }
    if ((step.verb == Verb::HostRead || step.verb == Verb::HostWrite) && step.has("as") && step.number("as") == 0 && !m.hasPrivateMem())
        fail(key, "a `default` VM has no private memory");
    const bool ofInPlace = step.verb == Verb::PinMemory || step.verb == Verb::UnpinMemory || step.has("in-place");
    if (ofInPlace && !m.has(Feature::InPlaceConversion))
        fail(key, "this needs `features: [in-place-conversion]`");
    if (step.has("in-place") && step.has("content"))
        fail(key, "a page that holds its content already takes none");
    if (step.verb == Verb::MapGpa && step.has("event-after") && m.vm != VmType::Tdx)
        fail(key, "`event-after` needs a TD, whose MapGPA goes part by part");
    if (step.verb == Verb::Seamcall && step.has("tdvpr") && step.number("tdvpr") >= m.vcpus)
        fail(key, "tdvpr names a vCPU that is not there");
}

} // namespace mirrorscope
