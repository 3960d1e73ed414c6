// SPDX-License-Identifier: GPL-3.0-or-later
#include "replay/scenario_of.h"

#include "base/text.h"
#include "scenario/yaml_write.h"

#include <fmt/format.h>

#include <algorithm>

namespace mirrorscope {

namespace {
constexpr u64 kBlock = 512; // pages of 2M

struct Slot {
    u64 gfn = 0, end = 0;
    unsigned backing = 1; // level
    bool logging = false;
};

// The lines tell no memslot. What was mapped by large pages had a host with such pages; everything else is taken for small ones.
std::vector<Slot> slotsOf(const RecordedVm& vm) {
    std::vector<Slot> slots;
    const auto add = [&](u64 gfn, u64 end, unsigned backing) {
        if (!slots.empty() && slots.back().end >= gfn && slots.back().backing == backing)
            slots.back().end = std::max(slots.back().end, end);
        else if (slots.empty() || gfn >= slots.back().end)
            slots.push_back({gfn, end, backing, false});
        else if (end > slots.back().end)
            slots.push_back({slots.back().end, end, backing, false});
    };
    // The whole 2M, but for where an access found no slot.
    const auto addAround = [&](u64 gfn, u64 end, u64 first, u64 last) {
        if (const auto below = vm.mmio.lower_bound(first); below != vm.mmio.begin() && *std::prev(below) >= gfn)
            gfn = *std::prev(below) + 1;
        if (const auto above = vm.mmio.upper_bound(last); above != vm.mmio.end() && *above < end)
            end = *above;
        add(gfn, end, 1);
    };
    for (const auto& [block, times] : vm.mapped) {
        const u64 gfn = block * kBlock;
        if (times[2] > times[0] + times[1])
            add(gfn, gfn + kBlock * kBlock, 3);
        else if (times[1] * kBlock > times[0])
            add(gfn, gfn + kBlock, 2);
        else if (const auto small = vm.small.find(block); small != vm.small.end())
            addAround(gfn, gfn + kBlock, small->second.first, small->second.second);
        else
            add(gfn, gfn + kBlock, 2);
    }
    return slots;
}

std::string sizeOf(u64 pages) { return sizeText(pages << 12); }
std::string range(u64 gfn, u64 pages) { return fmt::format("{{gpa: {}, size: {}}}", hex(gfn << 12), sizeOf(pages)); }

class Writer {
public:
    explicit Writer(const RecordedVm& vm) : vm_(vm), slots_(slotsOf(vm)) {}

    std::string text(const std::string& path, std::string_view kernel) {
        std::string file = path;
        for (char& c : file)
            if (static_cast<unsigned char>(c) < ' ' || c == '\x7f')
                c = '?';
        for (const Deed& deed : vm_.deeds)
            step(deed);
        std::string about = fmt::format(
            "What was done to a VM of {}, lines {} to {}: {}, from {} that tell of changes. Each fault, notifier and zap is done again, "
            "one after the other. The "
            "lines tell neither the memslots nor the host's pages: slots are where something was mapped, with large pages where those "
            "were mapped mostly.",
            file, vm_.firstLine, vm_.lastLine, counted(count_, "step"), counted(vm_.changes.size(), "line"));
        if (vm_.withoutChange != 0)
            about += fmt::format(" Left out: {} that changed no entry.", counted(vm_.withoutChange, "fault"));
        if (vm_.unexplained != 0)
            about += fmt::format(" Not understood: {}, first line {}.", counted(vm_.unexplained, "change"), vm_.unexplainedLine);
        if (vm_.inSmm != 0)
            about += fmt::format(" Left out: {} in SMM.", counted(vm_.inSmm, "change"));
        if (vm_.lost != 0)
            about += " Lines were lost: what they told is missing here.";
        std::string out = "mirrorscope: 1\ntitle: " + flowText(yamlScalar("Replay of " + file.substr(file.rfind('/') + 1), true)) +
                          "\nabout: " + blockText(about);
        out += "tags: [trace]\n\nmachine:\n";
        out += fmt::format("  vm: {}\n  kernel: \"{}\"\n  vcpus: {}\n", vm_.isTd ? "tdx" : "default", kernel, vm_.vcpus);
        if (vm_.levels == 5)
            out += vm_.isTd ? "  gpaw: 52\n" : "  levels: 5\n";
        if (vm_.adDisabled)
            out += "  ad-bits: false\n";
        if (cleans_ && !vm_.dirtyByD)
            out += "  pml: false\n";
        if (cleans_ && !vm_.eagerSplit)
            out += "  eager-split: false\n";
        if (recoversNx_ || vm_.nxHuge)
            out += "  nx-huge-pages: true\n";
        out += slots_.empty() ? "" : "  slots:\n";
        constexpr std::array<std::string_view, 4> kBacking{"", "", ", backing: 2M", ", backing: 1G"};
        for (std::size_t i = 0; i < slots_.size(); ++i)
            out += fmt::format("    - {{id: {}, gpa: {}, size: {}{}}}\n", i, hex(slots_[i].gfn << 12),
                               sizeOf(slots_[i].end - slots_[i].gfn), kBacking[slots_[i].backing]);
        // What guests accept no line tells: the image ends before the first fault.
        return out + "\nscript:\n" + (vm_.isTd ? "  - finalize-vm\n" : "") + steps_;
    }

private:
    void put(const Deed& deed, const std::string& step) {
        ++count_;
        steps_ += fmt::format("  - {:<60} # line {}\n", step, deed.line);
    }

    void step(const Deed& deed) {
        switch (deed.kind) {
        case Deed::Kind::Access: return access(deed);
        case Deed::Kind::Prefault:
            if (deed.pages == 0) // a table, and nothing came of it
                return;
            if (vm_.isTd) {
                for (u64 i = 0; i < deed.pages; ++i)
                    put(deed, fmt::format("kernel: {{call: kvm_tdp_map_page, vcpu: {}, gpa: {}, as: private}}", deed.vcpu,
                                          hex((deed.gfn + i) << 12)));
                return;
            }
            return put(deed, fmt::format("pre-fault: {{vcpu: {}, gpa: {}, size: {}}}", deed.vcpu, hex(deed.gfn << 12), sizeOf(deed.pages)));
        case Deed::Kind::Discard: return put(deed, "discard: " + range(deed.gfn, deed.pages));
        case Deed::Kind::Unmap:
            return put(deed,
                       fmt::format("kernel: {{call: kvm_zap_gfn_range, gpa: {}, size: {}}}", hex(deed.gfn << 12), sizeOf(deed.pages)));
        case Deed::Kind::Age: return put(deed, "age: " + range(deed.gfn, deed.pages));
        case Deed::Kind::Clean: return clean(deed);
        case Deed::Kind::Recover: return recover(deed);
        case Deed::Kind::RecoverNx: recoversNx_ = true; return put(deed, "recover-nx-pages: " + range(deed.gfn, deed.pages));
        case Deed::Kind::ZapAllFast: return put(deed, "zap-all");
        case Deed::Kind::ZapAll: return put(deed, "destroy-vm");
        }
    }

    void access(const Deed& deed) {
        constexpr std::array<std::string_view, 3> kVerbs{"read", "write", "exec"};
        const std::string_view verb = kVerbs[static_cast<unsigned>(deed.access)];
        const std::string gpa = hex(deed.gfn << 12);
        if (vm_.isTd) {
            // What the guest has accepted no line tells: the fault itself is done again.
            for (u64 i = 0; i < deed.times; ++i) {
                const u64 gfn = deed.gfn + i * deed.stride;
                if (shared_.contains(gfn) == deed.isPrivate) {
                    put(deed,
                        fmt::format("set-memory-attributes: {{gpa: {}, as: {}}}", hex(gfn << 12), deed.isPrivate ? "private" : "shared"));
                    if (deed.isPrivate)
                        shared_.erase(gfn);
                    else
                        shared_.insert(gfn);
                }
                put(deed, fmt::format("kernel: {{call: kvm_mmu_do_page_fault, vcpu: {}, gpa: {}, as: {}, access: {}}}", deed.vcpu,
                                      hex(gfn << 12), deed.isPrivate ? "private" : "shared", verb));
            }
            return;
        }
        if (deed.times == 1)
            return put(deed, fmt::format("vcpu{}: {{{}: {}}}", deed.vcpu, verb, gpa));
        put(deed, fmt::format("vcpu{}: {{{}: {{gpa: {}, pages: {}{}}}}}", deed.vcpu, verb, gpa, deed.times,
                              deed.stride == 1 ? "" : ", stride: " + sizeOf(deed.stride)));
    }

    // Of each slot that the range touches: its number, and what of the range is in it.
    template <class F>
    void eachSlot(const Deed& deed, F&& f) {
        for (std::size_t i = 0; i < slots_.size(); ++i)
            if (slots_[i].gfn < deed.gfn + deed.pages && deed.gfn < slots_[i].end)
                f(i, std::max(deed.gfn, slots_[i].gfn), std::min(deed.gfn + deed.pages, slots_[i].end));
    }
    void clean(const Deed& deed) {
        cleans_ = true;
        eachSlot(deed, [&](std::size_t i, u64 gfn, u64 end) {
            if (!slots_[i].logging)
                put(deed, fmt::format("dirty-log: {{id: {}, do: start}}", i));
            else { // KVM_CLEAR_DIRTY_LOG takes whole words of the bitmap
                gfn -= (gfn - slots_[i].gfn) % 64;
                end = std::min(slots_[i].end, end + 63 - (end - slots_[i].gfn + 63) % 64);
                put(deed, fmt::format("dirty-log: {{id: {}, do: clear, gpa: {}, size: {}}}", i, hex(gfn << 12), sizeOf(end - gfn)));
            }
            slots_[i].logging = true;
        });
    }
    void recover(const Deed& deed) {
        eachSlot(deed, [&](std::size_t i, u64 gfn, u64 end) {
            if (slots_[i].logging)
                put(deed, fmt::format("dirty-log: {{id: {}, do: stop}}", i));
            else
                put(deed, "recover-huge-pages: " + range(gfn, end - gfn));
            slots_[i].logging = false;
        });
    }

    const RecordedVm& vm_;
    std::vector<Slot> slots_;
    std::string steps_;
    u64 count_ = 0;
    std::set<u64> shared_; // of a TD: the pages whose attribute says so
    bool cleans_ = false, recoversNx_ = false;
};
} // namespace

std::string scenarioOf(const RecordedVm& vm, const std::string& file, TraceKernel recorded) {
    const bool ours = recorded != TraceKernel::Any && recorded != TraceKernel::V6_12;
    return Writer(vm).text(file, name(ours ? recorded : TraceKernel::V6_16));
}

} // namespace mirrorscope
