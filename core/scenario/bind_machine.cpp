// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/text.h"
#include "kvm/kvm.h"
#include "scenario/binder.h"
#include "scenario/presets.h"
#include "system/system.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace mirrorscope {

template <class Names>
unsigned Binder::oneOf(const YamlNode& node, const Names& names, const std::string& what) const {
    const std::string& text = word(node, what);
    for (unsigned i = 0; i < names.size(); ++i)
        if (names[i] == text)
            return i;
    unknown(node, what, names);
}

namespace {
// Releases as numbers of the same distance: 6.18 is 18, 7.2 is 22 (7.0 followed 6.19). What is queued behind 7.2 is about 7.4.
std::optional<int> releaseNumber(std::string_view text) {
    if (text == "next")
        return 24;
    const std::size_t dot = text.find('.');
    const auto digits = [](std::string_view part) {
        return !part.empty() && part.size() <= 3 && part.find_first_not_of("0123456789") == std::string_view::npos &&
               (part.size() == 1 || part[0] != '0');
    };
    if (dot == std::string_view::npos || !digits(text.substr(0, dot)) || !digits(text.substr(dot + 1)))
        return std::nullopt;
    const int major = std::stoi(std::string(text.substr(0, dot))), minor = std::stoi(std::string(text.substr(dot + 1)));
    return major < 6 ? -1 : major == 6 ? minor : (major - 6) * 20 + minor;
}

// What is left out of the protocol must be there to be left out.
struct OnlyBefore {
    Break what;
    Kernel since;
    std::string_view why;
};
constexpr OnlyBefore kOnlyBefore[] = {
    {Break::FreeBeforeRemove, Kernel::V6_19, "a page of the secure EPT is not pinned any more"},
    {Break::ZapUnderReadLock, Kernel::V7_2, "the MMU allows it, and no table with something in it is left by then"},
    {Break::PreparedBeforeItIs, Kernel::V7_2, "a page is made the guest's at each fault"},
    {Break::LeafBeforeLink, Kernel::V7_2, "a table is linked where its entry is frozen, by whoever changes it"},
};
} // namespace

Kernel Binder::kernelOf(const YamlNode& node) const {
    const std::string& text = word(node, "kernel");
    const auto found = std::find(kKernels.begin(), kKernels.end(), text);
    if (found != kKernels.end())
        return static_cast<Kernel>(found - kKernels.begin());
    const auto asked = releaseNumber(text);
    if (!asked)
        unknown(node, "kernel", kKernels);
    // Where two are as near, the later one: it has what came in between.
    std::string_view nearest;
    int least = 1'000'000;
    for (const std::string_view known : kKernels)
        if (const auto number = releaseNumber(known); number && std::abs(*number - *asked) <= least) {
            least = std::abs(*number - *asked);
            nearest = known;
        }
    fail(node, "kernel " + text + " is not modelled; the nearest that is: `" + std::string(nearest) + "`?");
}

std::string cannotBeBroken(Break what, Kernel kernel) {
    for (const OnlyBefore& row : kOnlyBefore)
        if (row.what == what && kernel >= row.since)
            return fmt::format("`{}` cannot be broken in kernel {}: {}", info(what).name, name(kernel), row.why);
    return "";
}

void Binder::checkVersion(const YamlNode& map) const {
    for (const OnlyBefore& row : kOnlyBefore)
        if (scenario_.machine.broken(row.what))
            if (const std::string why = cannotBeBroken(row.what, scenario_.machine.kernel); !why.empty())
                fail(*map.find("break"), why);
}

void Binder::slot(const YamlNode& node) {
    needMap(node, "a slot");
    constexpr std::array<std::string_view, 13> keys{"id",        "gpa",           "size",         "private", "readonly",
                                                    "dirty-log", "backing",       "gmem-backing", "gmem",    "gmem-offset",
                                                    "memory",    "memory-offset", "as-id"};
    for (const auto& [key, value] : node.entries)
        if (std::find(keys.begin(), keys.end(), key.text) == keys.end())
            unknown(key, "key", keys);
    const auto need = [&](const char* key) -> const YamlNode& {
        const YamlNode* found = node.find(key);
        if (found == nullptr)
            fail(node, std::string("a slot needs `") + key + "`");
        return *found;
    };
    SlotConfig slot;
    const u64 id = number(need("id"), "slot id");
    if (id >= Kvm::kUserMemSlots)
        fail(need("id"), "slot ids are 0..32763");
    slot.id = static_cast<u32>(id);
    const u64 gpa = number(need("gpa"), "address");
    const u64 size = number(need("size"), "size");
    if ((gpa & 0xfff) != 0)
        fail(need("gpa"), "a slot begins at a page boundary");
    if (size == 0 || (size & 0xfff) != 0)
        fail(need("size"), "the size of a slot is a positive multiple of 4K");
    constexpr u64 kMaxEnd = 1ull << 52; // what any host can address
    if (gpa >= kMaxEnd || size > kMaxEnd - gpa)
        fail(need("size"), "slots end at or below 4096T");
    if (size > 64ull << 30)
        fail(need("size"), "a slot has at most 64G");
    if (const YamlNode* space = node.find("as-id")) {
        const u64 which = number(*space, "address space");
        if (which > 1)
            fail(*space, "as-id is 0, or 1 for SMM's address space");
        if (which == 1 && scenario_.machine.hasPrivateMem())
            fail(*space, "a VM with private memory has no address space of SMM");
        slot.id |= static_cast<u32>(which << 16);
    }
    slot.base = inSmm({gpa >> 12}, slot.id >> 16 != 0);
    slot.pages = size >> 12;
    const bool canBePrivate = scenario_.machine.hasPrivateMem();
    slot.guestMemfd = canBePrivate;
    if (const YamlNode* value = node.find("private")) {
        slot.guestMemfd = boolean(*value);
        if (slot.guestMemfd && !canBePrivate)
            fail(*value, "a `default` VM has no private memory");
    }
    if (const YamlNode* value = node.find("readonly"); value != nullptr && boolean(*value)) {
        if (scenario_.machine.vm == VmType::Tdx || scenario_.machine.vm == VmType::Snp)
            fail(*value, "KVM refuses read-only slots for a VM with protected state");
        slot.readonly = true;
    }
    if (const YamlNode* value = node.find("dirty-log"); value != nullptr && boolean(*value)) {
        if (slot.guestMemfd)
            fail(*value, "KVM refuses dirty logging for a slot with guest_memfd");
        slot.dirtyLog = true;
    }
    if (const YamlNode* value = node.find("backing")) {
        slot.backing = level(*value);
        if (slot.backing > Level::k1G)
            fail(*value, "backing is 4K, 2M or 1G");
    }
    if (const YamlNode* value = node.find("gmem-backing")) {
        slot.gmemBacking = level(*value);
        if (slot.gmemBacking > Level::k2M)
            fail(*value, "gmem-backing is 4K or 2M");
        if (!slot.guestMemfd)
            fail(*value, "gmem-backing is of a slot with guest_memfd");
    } else if (slot.guestMemfd && node.find("gmem") == nullptr && scenario_.machine.has(Feature::Private2M)) {
        slot.gmemBacking = Level::k2M;
    }
    if (const YamlNode* value = node.find("memory-offset"); value != nullptr && node.find("memory") == nullptr)
        fail(*value, "memory-offset is in a mapping that `memory` names");
    if (const YamlNode* value = node.find("memory")) {
        if (slot.backing != Level::k4K)
            fail(*value, "a mapping with a name is of 4K pages");
        slot.memory = memory(*value, node.find("memory-offset"), size);
        if (const YamlNode* offset = node.find("memory-offset"))
            slot.memoryOffset = number(*offset, "offset");
    }
    if (const YamlNode* value = node.find("gmem-offset"); value != nullptr && node.find("gmem") == nullptr)
        fail(*value, "gmem-offset is in a file that `gmem` names");
    if (const YamlNode* value = node.find("gmem")) {
        if (!slot.guestMemfd)
            fail(*value, "this slot has no guest_memfd");
        if (slot.gmemBacking != Level::k4K)
            fail(*value, "gmem-backing is of a guest_memfd that is the slot's own");
        slot.gmemFile = gmemFile(*value);
        if (const YamlNode* offset = node.find("gmem-offset"))
            slot.gmemOffset = number(*offset, "offset");
        if ((slot.gmemOffset & 0xfff) != 0 || slot.gmemOffset > 64ull << 30)
            fail(*node.find("gmem-offset"), "an offset in a guest_memfd is whole pages, at most 64G");
        // Whoever is there before the script is large enough for the slots that are.
        GmemFileConfig& file = scenario_.machine.gmemFiles[*slot.gmemFile];
        file.exists = true;
        file.pages = std::max(file.pages, (slot.gmemOffset >> 12) + slot.pages);
    }
    for (const auto& other : scenario_.machine.slots) {
        if (slot.gmemFile && other.gmemFile == slot.gmemFile && slot.gmemOffset < other.gmemOffset + (other.pages << 12) &&
            other.gmemOffset < slot.gmemOffset + (slot.pages << 12))
            fail(*node.find("gmem"), "slots " + std::to_string(other.id & 0xffff) + " and " + std::to_string(slot.id & 0xffff) +
                                         " are bound to the same pages of it");
        if (other.id == slot.id)
            fail(need("id"), "slot " + std::to_string(slot.id & 0xffff) + " stands twice");
        if (slot.base.v < other.base.v + other.pages && other.base.v < slot.base.v + slot.pages)
            fail(need("gpa"), "slots " + std::to_string(other.id & 0xffff) + " and " + std::to_string(slot.id & 0xffff) + " overlap");
    }
    scenario_.machine.slots.push_back(slot);
}

bool Binder::machineKey(const std::string& key, const YamlNode& value) {
    MachineConfig& m = scenario_.machine;
    if (key == "vcpus") {
        const u64 n = number(value, "number of vCPUs");
        if (n < 1 || n > 256)
            fail(value, "vcpus is 1..256");
        m.vcpus = static_cast<unsigned>(n);
    } else if (key == "gpaw") {
        const u64 n = number(value, "width");
        if (n != 48 && n != 52)
            fail(value, "gpaw is 48 or 52");
        m.gpaw = static_cast<unsigned>(n);
    } else if (key == "levels") {
        const u64 n = number(value, "number of levels");
        if (n != 4 && n != 5)
            fail(value, "levels is 4 or 5");
        m.levels = static_cast<unsigned>(n);
    } else if (key == "maxphyaddr") {
        const u64 n = number(value, "width");
        if (n < 36 || n > 52)
            fail(value, "maxphyaddr is 36..52");
        m.maxPhysicalAddress = static_cast<unsigned>(n);
    } else if (key == "invalidate-seq") {
        m.invalidateSeq = number(value, "number of invalidations");
    } else if (key == "max-level") {
        const Level l = level(value);
        if (l > Level::k1G)
            fail(value, "max-level is 4K, 2M or 1G");
        m.maxLevel = l;
    } else if (key == "slots") {
        if (value.kind != YamlNode::Kind::Sequence)
            fail(value, "slots are a list");
        for (const auto& item : value.items)
            slot(item);
    } else if (key == "memory") {
        const u64 bytes = number(value, "size");
        if (bytes < 4u << 20 || bytes > 256ull << 30 || (bytes & 0xfff) != 0)
            fail(value, "memory is 4M to 256G, in pages");
        m.frames = bytes >> 12;
    } else if (key == "attributes") {
        m.privateByDefault = alias(value) == Alias::Private;
        if (m.privateByDefault && !m.hasPrivateMem())
            fail(value, "a `default` VM has no private memory");
    } else if (key == "sept-ve-disable") {
        m.septVeDisable = boolean(value);
    } else if (key == "ve-handler") {
        m.veHandlerAccepts = oneOf(value, std::array<std::string_view, 2>{"accept", "none"}, "ve-handler") == 0;
    } else if (key == "ad-bits") {
        m.adBits = boolean(value);
        if (!m.adBits && (m.vm == VmType::Tdx || m.vm == VmType::Snp))
            fail(value, m.vm == VmType::Tdx ? "KVM needs accessed and dirty bits for a TD" : "NPT always has accessed and dirty bits");
    } else if (key == "eager-split") {
        m.eagerSplit = boolean(value);
    } else if (key == "nx-huge-pages") {
        m.nxHugePages = boolean(value);
    } else if (key == "pml") {
        m.pml = boolean(value);
    } else if (key == "init-vcpus") {
        m.initVcpus = static_cast<unsigned>(number(value, "number of vCPUs"));
    } else if (key == "kernel") {
        m.kernel = kernelOf(value);
    } else if (key == "module") {
        m.module = static_cast<ModuleLine>(oneOf(value, kModuleLines, "module"));
    } else if (key == "features") {
        if (value.kind != YamlNode::Kind::Sequence)
            fail(value, "features is a list");
        for (const auto& item : value.items) {
            const std::size_t feature = oneOf(item, kFeatures, "feature");
            m.features.set(feature);
        }
    } else if (key == "trace-line") {
        m.traceLine = static_cast<TraceLine>(oneOf(value, kTraceLines, "trace-line"));
    } else if (key == "dispatch") {
        m.dispatch = static_cast<Dispatch>(oneOf(value, kDispatches, "dispatch"));
    } else if (key == "private-ops") {
        m.observePrivateOps = oneOf(value, std::array<std::string_view, 2>{"none", "observe"}, "private-ops") == 1;
    } else if (key == "memory-model") {
        m.storeBuffers = oneOf(value, std::array<std::string_view, 2>{"sc", "tso"}, "memory-model") == 1;
    } else if (key == "slot-zap-all") {
        m.slotZapAll = boolean(value);
        if (m.vm != VmType::Default)
            fail(value, "KVM_X86_QUIRK_SLOT_ZAP_ALL is of a `default` VM");
    } else if (key == "manual-dirty-log") {
        m.manualDirtyLog = static_cast<ManualDirtyLog>(
            oneOf(value, std::array<std::string_view, 3>{"off", "enable", "initially-set"}, "manual-dirty-log"));
    } else if (key == "dirty-ring") {
        m.dirtyRing = number(value, "number of entries");
        if (m.dirtyRing != 0 &&
            ((m.dirtyRing & (m.dirtyRing - 1)) != 0 || m.dirtyRing < DirtyRing::kSmallest || m.dirtyRing > DirtyRing::kLargest))
            fail(value, "dirty-ring is a power of two, 256..65536");
    } else if (key == "yield") {
        m.yield = static_cast<Yield>(oneOf(value, std::array<std::string_view, 3>{"contended", "always", "never"}, "yield"));
    } else if (key == "break") {
        if (value.kind != YamlNode::Kind::Sequence)
            fail(value, "break is a list");
        for (const auto& item : value.items) {
            const auto b = breakFromName(word(item, "a rule of the protocol"));
            if (!b)
                unknown(item, "value of break", breakNames());
            m.breaks.set(static_cast<unsigned>(*b));
        }
    } else {
        return false;
    }
    return true;
}

// The keys of the named machine, but for those that stand here.
YamlNode Binder::withPreset(const YamlNode& map) const {
    YamlNode merged = map;
    const YamlNode* preset = map.find("preset");
    if (preset == nullptr)
        return merged;
    const auto names = machinePresetNames();
    const auto text = machinePreset(word(*preset, "a named machine"));
    if (!text)
        unknown(*preset, "machine", names);
    const YamlNode root = parseYaml(preset->text + ".yaml", std::string(*text));
    for (const auto& entry : root.find("machine")->entries)
        if (map.find(entry.first.text) == nullptr)
            merged.entries.push_back(entry);
    return merged;
}

void Binder::machine(const YamlNode* node) {
    MachineConfig& m = scenario_.machine;
    static const YamlNode empty = [] {
        YamlNode n;
        n.kind = YamlNode::Kind::Map;
        return n;
    }();
    const YamlNode& given = node == nullptr || node->kind == YamlNode::Kind::Null ? empty : *node;
    needMap(given, "machine");
    const YamlNode map = withPreset(given);
    std::vector<std::string_view> names;
    for (const auto& key : machineKeys())
        names.push_back(key.name);

    // The VM type first: the other keys depend on it.
    if (const YamlNode* vm = map.find("vm")) {
        m.vm = static_cast<VmType>(oneOf(*vm, vmTypeNames(), "VM type"));
    }
    m.privateByDefault = m.vm == VmType::Tdx || m.vm == VmType::Snp;
    // And what is on, since a slot depends on that.
    if (const YamlNode* features = map.find("features"))
        machineKey("features", *features);
    for (const auto& [key, value] : map.entries) {
        given_.insert(key.text);
        if (key.text != "vm" && key.text != "features" && key.text != "preset" && !machineKey(key.text, value))
            unknown(key, "machine key", names);
    }
    if (m.initVcpus && *m.initVcpus > m.vcpus)
        fail(*map.find("init-vcpus"), "init-vcpus is at most vcpus, " + std::to_string(m.vcpus));
    if (!given_.contains("levels"))
        m.levels = m.vm == VmType::Tdx && m.gpaw == 52 ? 5 : 4;
    if (m.vm == VmType::Tdx && (m.gpaw == 52) != (m.levels == 5))
        fail(*(map.find("levels") != nullptr ? map.find("levels") : map.find("gpaw")),
             "a TD with GPAW 52 has 5 levels, with GPAW 48 it has 4");
    if (m.has(Feature::DynamicPamt) && (m.kernel != Kernel::Next || m.vm != VmType::Tdx))
        fail(*map.find("features"), "dynamic-pamt is of a TD and of `kernel: next`");
    if (m.traceLine != TraceLine::After && !m.since(Kernel::V7_2))
        fail(*map.find("trace-line"), "trace-line is of `kernel: 7.2` or `next`");
    if (m.has(Feature::Private2M) && (!m.since(Kernel::V7_2) || m.vm != VmType::Tdx))
        fail(*map.find("features"), "private-2M is of a TD and of `kernel: 7.2` or `next`");
    if (m.has(Feature::NonBlockingResize) && (!m.has(Feature::Private2M) || m.has(Feature::DynamicPamt)))
        fail(*map.find("features"), "non-blocking-resize stands beside private-2M, and not with dynamic-pamt");
    if (m.has(Feature::InPlaceConversion) && (m.kernel != Kernel::Next || !m.hasPrivateMem()))
        fail(*map.find("features"), "in-place-conversion is of a VM with private memory and of `kernel: next`");
    checkVersion(map);
    const u64 limit = m.gfnsReached();
    u64 pages = 0;
    for (const auto& slot : m.slots) {
        if (bare(slot.base).v + slot.pages > limit)
            fail(*map.find("slots"), "slot " + std::to_string(slot.id & 0xffff) + " passes the guest physical address width");
        pages += slot.pages;
    }
    const u64 reserved = Kvm::dirtyRingReserved(Kvm::cpuDirtyLog(m, traitsOf(m.vm)));
    if (m.dirtyRing != 0 && m.dirtyRing < reserved)
        fail(*map.find("dirty-ring"),
             "KVM keeps " + std::to_string(reserved) + " entries of a ring for itself; 1024 is the next that it takes");
    if (m.frames != 0 && m.frames < 256 + 64 * m.vcpus)
        fail(*map.find("memory"), "memory is too small for the machine's own tables");
    if (pages > (64ull << 30 >> 12))
        fail(*map.find("slots"), "all slots together have at most 64G");

    // What a reader of the output gets to see: every key with its effective value.
    for (const auto& key : machineKeys()) {
        std::string value = map.find(key.name) != nullptr ? textOf(*map.find(key.name)) : std::string(key.fallback);
        if (key.name == "levels")
            value = std::to_string(m.levels);
        else if (key.name == "attributes")
            value = m.privateByDefault ? "private" : "shared";
        else if (key.name == "max-level" && !given_.contains("max-level"))
            value = m.vm != VmType::Tdx ? "1G" : m.has(Feature::Private2M) ? "1G (private 2M)" : "1G (private 4K)";
        scenario_.machineText.emplace_back(std::string(key.name), value);
    }
}

} // namespace mirrorscope
