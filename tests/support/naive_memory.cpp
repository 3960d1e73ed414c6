// SPDX-License-Identifier: GPL-3.0-or-later
#include "support/naive_memory.h"

#include <fmt/format.h>

namespace mirrorscope::test {

NaiveMemory::NaiveMemory(const MachineConfig& config, std::vector<Slot> slots, bool privateAtFirst)
    : config_(config), slots_(std::move(slots)), privateAtFirst_(privateAtFirst), instances_(slots_.size()) {
    for (std::size_t i = 0; i < slots_.size(); ++i)
        slots_[i].instance = i;
}

const NaiveMemory::Slot* NaiveMemory::slotAt(u64 gfn) const {
    for (const Slot& s : slots_)
        if (s.there && gfn >= s.base && gfn < s.base + s.pages)
            return &s;
    return nullptr;
}

NaiveMemory::Page* NaiveMemory::page(bool shared, u64 gfn) {
    const Slot* s = slotAt(gfn);
    return s == nullptr ? nullptr : &pages_[{shared && !inPlace(s), s->instance, gfn - s->base}];
}

bool NaiveMemory::isPrivate(u64 gfn) const {
    if (config_.has(Feature::InPlaceConversion) && !inPlace(slotAt(gfn)))
        return false; // the attribute is the file's
    const auto it = attribute_.find(gfn);
    return config_.vm != VmType::Default && (it == attribute_.end() ? privateAtFirst_ : it->second);
}

// Which of a page's two memories an access means.
std::vector<bool> NaiveMemory::kindsOf(const StreamOp& op, u64 gfn) const {
    if (config_.vm == VmType::Default)
        return {true};
    if (config_.vm != VmType::SwProtected)
        return {op.shared};
    if (undecided_.count(gfn) != 0)
        return {false, true};
    return {!isPrivate(gfn)};
}

namespace {
bool isAccess(const StreamOp& op) { return op.verb == "read" || op.verb == "write" || op.verb == "exec"; }
bool isSlotChange(const StreamOp& op) { return op.verb == "delete-memory-region" || op.verb == "set-memory-region"; }
bool isConversion(const StreamOp& op) { return op.verb == "set-memory-attributes" || op.verb == "map-gpa"; }
} // namespace

bool NaiveMemory::mustComplete(const StreamOp& op) const {
    if (!isAccess(op))
        return false;
    for (u64 gfn = op.gfn; gfn < op.gfn + op.pages; ++gfn) {
        const Slot* s = slotAt(gfn);
        if (s == nullptr || (isPrivate(gfn) && !s->file) || (config_.vm == VmType::Tdx && mmio_.count(gfn) != 0))
            return false;
        if ((config_.vm == VmType::Tdx || config_.vm == VmType::Snp) && op.shared == isPrivate(gfn))
            return false;
    }
    return true;
}

bool NaiveMemory::mustFail(const StreamOp& op) const {
    if (!isAccess(op))
        return false;
    for (u64 gfn = op.gfn; gfn < op.gfn + op.pages; ++gfn) {
        if (slotAt(gfn) == nullptr)
            return true;
        // An SNP guest may look at a private page with the C-bit clear and finds noise.
        if ((config_.vm == VmType::Tdx || (config_.vm == VmType::Snp && op.verb == "write")) && op.shared == isPrivate(gfn))
            return true;
    }
    return false;
}

// The page goes, or only its frame.
void NaiveMemory::lose(bool shared, u64 gfn, bool certain, bool content) {
    Page* p = page(shared, gfn);
    if (p == nullptr)
        return;
    p->frame.reset();
    if (!content)
        return;
    if (certain)
        p->values.clear();
    p->values.insert(0);
}

void NaiveMemory::effect(const StreamOp& op, bool certain) {
    const auto each = [&](auto&& f) {
        for (u64 gfn = op.gfn; gfn < op.gfn + op.pages; ++gfn) {
            touched_.insert(gfn);
            if (slotAt(gfn) == nullptr)
                mmio_.insert(gfn);
            f(gfn);
        }
    };
    const auto eachOfBlocks = [&](auto&& f) {
        for (u64 gfn = op.gfn; gfn < op.gfn + op.pages; ++gfn)
            if (const Slot* s = slotAt(gfn))
                for (u64 first = s->base + (gfn - s->base) / s->block * s->block, i = 0; i < s->block; ++i)
                    f(first + i);
    };
    const auto ofHost = [&](u64 gfn) { return !inPlace(slotAt(gfn)); }; // whose shared memory is a mapping of its own
    if (op.verb == "write") {
        each([&](u64 gfn) {
            const auto kinds = kindsOf(op, gfn);
            for (const bool shared : kinds)
                if (Page* p = page(shared, gfn)) {
                    if (certain && op.completed)
                        p->values.clear();
                    p->values.insert(op.value + gfn - op.gfn);
                }
        });
    } else if (op.verb == "discard") {
        eachOfBlocks([&](u64 gfn) {
            if (ofHost(gfn))
                lose(true, gfn, certain, true);
        });
    } else if (op.verb == "migrate") {
        eachOfBlocks([&](u64 gfn) {
            if (ofHost(gfn))
                lose(true, gfn, certain, false);
        });
    } else if (op.verb == "punch-hole") {
        each([&](u64 gfn) {
            if (const Slot* s = slotAt(gfn); s != nullptr && s->file)
                lose(false, gfn, certain, true);
        });
    } else if (isConversion(op)) {
        if (certain && !op.completed && config_.has(Feature::InPlaceConversion))
            return; // somebody held a page of it
        each([&](u64 gfn) {
            if (config_.has(Feature::InPlaceConversion) && !inPlace(slotAt(gfn)))
                return;
            // What becomes a TD's keeps its content until the TD accepts it.
            if (config_.vm == VmType::Tdx && !op.shared && inPlace(slotAt(gfn)))
                if (Page* p = page(false, gfn))
                    p->values.insert(0);
            // What a TD had there is gone; elsewhere a page waits in its file for the way back.
            if (config_.vm == VmType::Tdx && op.shared && (!certain || isPrivate(gfn)))
                if (Page* p = page(false, gfn)) {
                    if (certain)
                        p->values.clear();
                    p->values.insert(0);
                }
            if (certain)
                attribute_[gfn] = !op.shared;
            else
                undecided_.insert(gfn);
        });
    } else if (isSlotChange(op)) {
        if (!op.completed)
            return;
        Slot& s = slots_[op.slot];
        if (op.verb == "delete-memory-region") {
            s.there = false;
        } else {
            if (!s.there) {
                s.instance = instances_++;
                if (config_.has(Feature::InPlaceConversion))
                    attribute_.erase(attribute_.lower_bound(op.gfn), attribute_.lower_bound(op.gfn + s.pages));
            }
            s.there = true;
            s.base = op.gfn;
        }
    } else {
        each([](u64) {});
    }
}

void NaiveMemory::readBack(const StreamOp& op) {
    if (op.verb != "read" || !op.completed || op.pages != 1)
        return;
    const auto kinds = kindsOf(op, op.gfn);
    if (kinds.size() != 1 || slotAt(op.gfn) == nullptr || undecided_.count(op.gfn) != 0)
        return;
    if (config_.vm == VmType::Snp && op.shared == isPrivate(op.gfn))
        return;
    if (const Page* p = page(kinds[0], op.gfn); p->values.count(op.found) == 0)
        complain(fmt::format("a read of {} gfn {:#x} found {:#x}; {:#x} was there", kinds[0] ? "shared" : "private", op.gfn, op.found,
                             *p->values.begin()));
}

void NaiveMemory::alone(const StreamOp& op) {
    if (mustComplete(op) && !op.completed)
        complain(fmt::format("{} of gfn {:#x} did not complete", op.verb, op.gfn));
    if (mustFail(op) && op.completed)
        complain(fmt::format("{} of gfn {:#x} completed", op.verb, op.gfn));
    effect(op, true);
    readBack(op);
}

void NaiveMemory::together(const std::vector<StreamOp>& ops) {
    const auto pass = [&](auto&& wanted) {
        for (const StreamOp& op : ops)
            if (wanted(op))
                effect(op, false);
    };
    // A write may come before or after whatever the others do, so that it counts for every memory that it may have met.
    pass(isConversion);
    const auto rest = [](const StreamOp& op) { return !isConversion(op) && !isSlotChange(op); };
    pass(rest);
    bool slots = false;
    for (const StreamOp& op : ops)
        slots |= isSlotChange(op);
    pass(isSlotChange);
    if (slots)
        pass(rest);
    else
        for (const StreamOp& op : ops)
            readBack(op);
}

void NaiveMemory::look(const System& system, bool shared, u64 gfn, u64 frame) {
    const char* kind = shared ? "shared" : "private";
    Page* p = page(shared, gfn);
    if (p == nullptr)
        return complain(fmt::format("{} gfn {:#x} is mapped and in no slot", kind, gfn));
    if (const auto [it, fresh] = seen_.insert({frame, {shared, gfn}}); !fresh)
        complain(fmt::format("frame {:#x} is mapped at {} gfn {:#x} and at {} gfn {:#x}", frame, it->second.first ? "shared" : "private",
                             it->second.second, kind, gfn));
    if (p->frame.value_or(frame) != frame)
        complain(fmt::format("{} gfn {:#x} is in frame {:#x}; it was in {:#x}, and nobody moved it", kind, gfn, frame, *p->frame));
    p->frame = frame;
    const u64 word = system.machine().peek({static_cast<u32>(frame * 512)});
    if (p->values.count(word) == 0)
        complain(fmt::format("{} gfn {:#x} holds {:#x}; {:#x} was there", kind, gfn, word, *p->values.begin()));
    p->values = {word};
}

void NaiveMemory::walk(const System& system, u64 root, bool secure, u64 gfn) {
    const bool npt = config_.vm == VmType::Snp;
    const u64 sharedBit = config_.vm == VmType::Tdx && !secure ? (config_.gpaw == 52 ? 1ull << 39 : 1ull << 35) : 0;
    u64 table = root;
    for (unsigned level = config_.levels; level > 0; --level) {
        const u64 index = (gfn | sharedBit) >> 9 * (level - 1) & 511;
        const u64 entry = system.machine().peek({static_cast<u32>(table * 512 + index)});
        const bool present = npt ? (entry & 1) != 0 && (entry >> 46 & 0x1f) == 0 : (entry & 1) != 0;
        if (!present)
            return;
        const u64 frame = (entry & 0x0007fffffffff000ull) >> 12;
        if (level > 1 && (entry >> 7 & 1) == 0) {
            table = frame;
            continue;
        }
        const bool shared = config_.vm == VmType::Tdx ? !secure : !isPrivate(gfn);
        if (config_.vm == VmType::Tdx && shared == isPrivate(gfn))
            complain(fmt::format("gfn {:#x} is mapped {}, against its attribute", gfn, shared ? "shared" : "private"));
        return look(system, shared, gfn, frame + (gfn & ((1ull << 9 * (level - 1)) - 1)));
    }
}

void NaiveMemory::compare(const System& system) {
    for (const u64 gfn : undecided_)
        attribute_[gfn] = system.kvm().peekPrivate({gfn});
    undecided_.clear();
    seen_.clear();
    const u64 direct = system.directRoot().v;
    const u64 tdr = config_.vm == VmType::Tdx ? system.backend().tdr().v : 0;
    for (const u64 gfn : touched_) {
        if (direct != 0)
            walk(system, direct, false, gfn);
        if (tdr != 0)
            walk(system, system.module().septRoot({tdr}).v, true, gfn);
    }
}

} // namespace mirrorscope::test
