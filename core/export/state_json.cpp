// SPDX-License-Identifier: GPL-3.0-or-later
// `export --as json`: the whole state at a position.
#include "base/text.h"
#include "export/export.h"

#include <fmt/format.h>

#include <cstdio>

namespace mirrorscope {

namespace {

void walkTree(const System& system, Column column, Pfn root, Pfn table, Level level, Gfn base, std::string& out) {
    if (!system.holdsTable(table, column == Column::Private))
        return;
    const u64 direct = column == Column::Shared ? system.config().directBits() : 0;
    for (unsigned i = 0; i < 512; ++i) {
        const Place place = wordOf(table, i);
        const u64 raw = system.machine().peek(place);
        const Gfn gfn{(base.v + i * pagesPer(level)) & ~direct};
        std::string_view state;
        bool below = false;
        bool named = false;
        if (column == Column::Private) {
            const SeptState s = sept::stateOf(raw);
            if (s == SeptState::Free)
                continue;
            state = name(s);
            below = s == SeptState::Table || s == SeptState::TableBlocked;
            named = true;
        } else {
            if (raw == spte::kNonpresent)
                continue;
            const SpteState s = stateOf(system.kvm().masks(), raw, level);
            state = name(s);
            below = s == SpteState::Table;
            named = s == SpteState::Table || s == SpteState::Leaf;
        }
        out += fmt::format("{}{{\"root\":{},\"gfn\":{},\"level\":{},\"raw\":\"{}\",\"is\":\"{}\",\"pfn\":{}}}", out.empty() ? "" : ",",
                           root.v, gfn.v, number(level), hex16(raw), state, named ? std::to_string(ept::pfnOf(raw).v) : "null");
        if (below && level > Level::k4K)
            walkTree(system, column, root, ept::pfnOf(raw), mirrorscope::below(level), {base.v + i * pagesPer(level)}, out);
    }
}

} // namespace

std::string stateJson(const Session& session) {
    const System& system = session.system();
    const Kvm& kvm = system.kvm();
    std::string machine;
    for (const auto& [key, value] : session.scenario().machineText)
        machine += fmt::format("{}\"{}\":{}", machine.empty() ? "" : ",", key, jsonString(value));

    std::string direct, mirror, secure, roots;
    for (const Pfn root : kvm.roots()) {
        const MmuPage page = kvm.peekPage(root);
        walkTree(system, page.isMirror() ? Column::Mirror : Column::Shared, root, root, page.level(), {0},
                 page.isMirror() ? mirror : direct);
        roots +=
            fmt::format("{}{{\"tree\":\"{}\",\"pfn\":{},\"level\":{},\"count\":{},\"invalid\":{}}}", roots.empty() ? "" : ",",
                        page.isMirror() ? "mirror" : "direct", root.v, number(page.level()), page.rootCount, role::isInvalid(page.role));
    }
    std::string trees = fmt::format("\"direct\":[{}]", direct);
    std::string td;
    std::string pamt;
    if (system.isTdx()) {
        const TdxModule& module = system.module();
        const Pfn tdr = system.backend().tdr();
        if (tdr.v != 0) {
            const Pfn root = module.septRoot(tdr);
            walkTree(system, Column::Private, root, root, levelOf(system.config().levels), {0}, secure);
            std::string vcpus;
            for (unsigned v = 0; v < system.config().vcpus; ++v) {
                const Pfn tdvpr = system.backend().tdvpr(v);
                vcpus += fmt::format("{}{{\"vcpu\":{},\"state\":\"{}\",\"epoch\":{},\"inside\":{}}}", v == 0 ? "" : ",", v,
                                     tdvps::stateName(module.peekTdvps(tdvpr, tdvps::State)), module.peekTdvps(tdvpr, tdvps::VcpuEpoch),
                                     kvm.inGuest(v));
            }
            std::string mrtd;
            for (const u8 byte : module.mrtd(tdr))
                mrtd += fmt::format("{:02x}", byte);
            td = fmt::format(",\"td\":{{\"lifecycle\":\"{}\",\"op_state\":\"{}\",\"epoch\":{},\"refcount\":[{},{}],\"chldcnt\":{},\"mrtd\":"
                             "\"{}\",\"vcpus\":[{}]}}",
                             tdr::lifecycleName(module.peekTdr(tdr, mirrorscope::tdr::Lifecycle)),
                             tdcs::opStateName(module.peekTdcs(tdr, tdcs::OpState)), module.peekTdcs(tdr, tdcs::TdEpoch),
                             module.peekTdcs(tdr, tdcs::RefCount0), module.peekTdcs(tdr, tdcs::RefCount1),
                             module.peekTdr(tdr, mirrorscope::tdr::ChldCnt), mrtd, vcpus);
        } else {
            td = ",\"td\":null";
        }
        trees += fmt::format(",\"mirror\":[{}],\"secure\":[{}]", mirror, secure);
        for (u64 pfn = 0; pfn < system.frames().count(); ++pfn) {
            Level size = Level::k4K;
            const u64 word = module.peekPamt({pfn}, &size);
            if (mirrorscope::pamt::type(word) == PageType::Nda || (pfn & (pagesPer(size) - 1)) != 0)
                continue;
            pamt += fmt::format("{}{{\"pfn\":{},\"size\":\"{}\",\"type\":\"{}\",\"owner\":{},\"bepoch\":{}}}", pamt.empty() ? "" : ",", pfn,
                                levelName(size), name(mirrorscope::pamt::type(word)), mirrorscope::pamt::owner(word).v,
                                system.machine().peek(module.pamtEntry({pfn}, size) + 1));
        }
    }
    std::string rmp;
    for (u64 pfn = 0; system.isSnp() && pfn < system.frames().count(); ++pfn)
        if (const RmpEntry e = system.rmp().peek({pfn}); e.assigned)
            rmp += fmt::format("{}{{\"pfn\":{},\"size\":\"{}\",\"asid\":{},\"gpa\":\"{}\",\"validated\":{}}}", rmp.empty() ? "" : ",", pfn,
                               levelName(e.level), e.asid, hex(e.gfn.v << 12), e.validated);
    std::string tlb;
    for (unsigned v = 0; v < system.config().vcpus; ++v) {
        std::string entries;
        for (u64 i = 0; i < kvm.tlb(v).size(); ++i)
            if (const TlbEntry e = kvm.tlb(v).at(i); kvm.tlbUsable(v, e.alias))
                entries += fmt::format("{}{{\"gpa\":\"{}\",\"as\":\"{}\",\"level\":{},\"pfn\":{}}}", entries.empty() ? "" : ",",
                                       hex(e.gfn.v << 12), e.alias == Alias::Shared ? "shared" : "private", number(e.level), e.pfn.v);
        tlb += fmt::format("{}\"vcpu{}\":[{}]", v == 0 ? "" : ",", v, entries);
    }
    std::string locks;
    for (unsigned l = 0; l < kLocks; ++l) {
        const u64 word = system.machine().peek(system.sim().lockPlace(static_cast<LockId>(l)));
        if (word != 0)
            locks +=
                fmt::format("{}{{\"lock\":\"{}\",\"readers\":{},\"writer\":{}}}", locks.empty() ? "" : ",", name(static_cast<LockId>(l)),
                            word & 0xffff, word >> 32 != 0 ? "\"" + session.actorName(static_cast<u8>((word >> 32) - 1)) + "\"" : "null");
    }
    std::string violations;
    for (const Violation& v : session.violations())
        if (v.n < session.position())
            violations += fmt::format("{}{{\"n\":{},\"rule\":\"{}\",\"text\":{}}}", violations.empty() ? "" : ",", v.n, info(v.rule).name,
                                      jsonString(v.text));
    std::string counts;
    for (unsigned i = 0; i < kEventCounters; ++i)
        counts += fmt::format("\"{}\":{},", info(static_cast<Counter>(i)).name, system.sim().counter(static_cast<Counter>(i)));
    counts += fmt::format("\"leaf\":{},\"table\":{},\"frame\":{}", kvm.leafCount(), kvm.tableCount(), system.frames().inUse());
    return fmt::format("{{\"position\":{},\"file\":{},\"machine\":{{{}}},\"trees\":{{{}}},\"roots\":[{}],\"tlb\":{{{}}},\"pamt\":[{}],"
                       "\"rmp\":[{}]{},\"locks\":[{}],\"counts\":{{{}}},\"violations\":[{}]}}\n",
                       session.position(), jsonString(session.scenario().file), machine, trees, roots, tlb, pamt, rmp, td, locks, counts,
                       violations);
}

void writeFile(const std::string& file, const std::string& content) {
    const std::string beside = file + ".part";
    std::FILE* stream = std::fopen(beside.c_str(), "wb");
    if (stream == nullptr)
        throw std::runtime_error(file + ": cannot be written");
    const bool written = std::fwrite(content.data(), 1, content.size(), stream) == content.size();
    if (std::fclose(stream) != 0 || !written || std::rename(beside.c_str(), file.c_str()) != 0) {
        std::remove(beside.c_str());
        throw std::runtime_error(file + ": cannot be written");
    }
}

} // namespace mirrorscope
