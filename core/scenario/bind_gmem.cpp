// SPDX-License-Identifier: GPL-3.0-or-later
// The files of guest_memfd that a scenario names: those of machine.slots are there before the script, the others are made by a step.
#include "scenario/binder.h"

#include <algorithm>

namespace mirrorscope {

// Which one of that name it is, made known if it is not.
template <class Named>
unsigned Binder::named(std::vector<Named>& list, const YamlNode& name, const std::string& one, const std::string& many) {
    const std::string& text = word(name, "the name of a " + one);
    if (text.empty())
        fail(name, "a " + one + " has a name");
    const auto at = std::find_if(list.begin(), list.end(), [&](const Named& known) { return known.name == text; });
    if (at == list.end()) {
        constexpr std::size_t kMost = 64;
        if (list.size() == kMost)
            fail(name, "a scenario names at most 64 " + many);
        list.push_back({.name = text});
        return static_cast<unsigned>(list.size() - 1);
    }
    return static_cast<unsigned>(at - list.begin());
}

unsigned Binder::gmemFile(const YamlNode& name) {
    const unsigned file = named(scenario_.machine.gmemFiles, name, "file", "files of guest_memfd");
    gmemNames_.emplace(file, name); // the first place where it stands
    return file;
}

unsigned Binder::memory(const YamlNode& name, const YamlNode* offset, u64 size) {
    auto& memories = scenario_.machine.memories;
    const unsigned index = named(memories, name, "mapping", "mappings");
    const u64 at = offset == nullptr ? 0 : number(*offset, "offset");
    if ((at & 0xfff) != 0 || at > 64ull << 30)
        fail(offset == nullptr ? name : *offset, "an offset in a mapping is whole pages, at most 64G");
    u64 together = 0;
    memories[index].pages = std::max(memories[index].pages, (at + std::min<u64>(size, 64ull << 30) + 4095) >> 12);
    for (const MemoryConfig& m : memories)
        together += m.pages;
    if (together > 64ull << 18)
        fail(name, "all mappings with a name together have at most 64G");
    return index;
}

void Binder::checkGmem(const Step& step, const YamlNode& key) {
    const auto way = static_cast<GmemWay>(step.number("do"));
    const bool creates = way == GmemWay::Create, ranges = way == GmemWay::Allocate || way == GmemWay::Punch;
    const auto only = [&](const char* name, bool here) {
        if (step.has(name) && !here)
            fail(key, std::string("`") + name + "` has no meaning for `do: " + std::string(kGmemWays[step.number("do")]) + "`");
    };
    only("offset", ranges || way == GmemWay::Read || way == GmemWay::Write);
    only("size", ranges || creates);
    only("flags", creates);
    only("foreign", creates);
    only("keep-size", ranges);
    const auto file = static_cast<unsigned>(step.number("file"));
    GmemFileConfig& config = scenario_.machine.gmemFiles[file];
    if (config.foreign && way != GmemWay::Close)
        fail(key, "`" + config.name + "` is none of this VM's guest_memfds; it can only be bound, which is refused, and closed");
    if (!creates)
        return;
    if (config.exists || !gmemCreated_.insert(file).second)
        fail(key, "`" + config.name + "` is the name of a file already");
    const u64 size = step.number("size", 4096);
    if (size > 64ull << 30 && size >> 63 == 0)
        fail(key, "a guest_memfd has at most 64G");
    config.pages = size >> 63 != 0 ? 0 : size >> 12;
    config.foreign = step.number("foreign") != 0;
}

void Binder::resolveGmemFiles() {
    u64 pages = 0;
    for (const auto& [file, name] : gmemNames_) {
        const GmemFileConfig& config = scenario_.machine.gmemFiles[file];
        if (!config.exists && gmemCreated_.count(file) == 0)
            fail(name, "nobody makes the file `" + config.name + "`: `gmem: {file: " + config.name + ", do: create, size: …}`");
        pages += config.pages;
    }
    if (pages > 64ull << 18)
        fail(gmemNames_.begin()->second, "all files of guest_memfd together have at most 64G");
}

} // namespace mirrorscope
