// SPDX-License-Identifier: GPL-3.0-or-later
// `export --as json`: the whole state at a position.
#include "base/out_file.h"
#include "base/text.h"
#include "export/export.h"
#include "scenario/runner.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <optional>

namespace mirrorscope {

namespace {

struct Entry {
    Column column;
    Pfn root;
    Gfn gfn;
    Level level;
    u64 raw;
    std::string_view state;
    std::optional<Pfn> pfn;
};

// Every entry that is not in its initial state, a table before what it holds.
void walkTree(const System& system, Column column, Pfn root, Pfn table, Level level, Gfn base, const std::function<void(const Entry&)>& f) {
    if (!system.holdsTable(table, column == Column::Private))
        return;
    const u64 direct = column == Column::Shared ? system.config().directBits() : 0;
    for (unsigned i = 0; i < 512; ++i) {
        const Place place = wordOf(table, i);
        const u64 raw = system.machine().peek(place);
        Entry entry{column, root, {(base.v + i * pagesPer(level)) & ~direct}, level, raw, {}, {}};
        bool below = false;
        bool named = false;
        if (column == Column::Private) {
            const SeptState s = sept::stateOf(raw);
            if (s == SeptState::Free)
                continue;
            entry.state = name(s);
            below = sept::isTable(s);
            named = true;
        } else {
            if (raw == spte::kNonpresent)
                continue;
            const SpteState s = stateOf(system.kvm().masks(), raw, level);
            entry.state = name(s);
            below = s == SpteState::Table;
            named = s == SpteState::Table || s == SpteState::Leaf;
        }
        if (named)
            entry.pfn = ept::pfnOf(raw);
        f(entry);
        if (below && level > Level::k4K)
            walkTree(system, column, root, ept::pfnOf(raw), mirrorscope::below(level), {base.v + i * pagesPer(level)}, f);
    }
}

// All trees of all roots, tree by tree.
void walkAll(const System& system, const std::function<void(const Entry&)>& f) {
    for (const bool mirror : {false, true})
        for (const Pfn root : system.kvm().roots())
            if (const MmuPage page = system.kvm().peekPage(root); page.isMirror() == mirror)
                walkTree(system, mirror ? Column::Mirror : Column::Shared, root, root, page.level(), {0}, f);
    if (const Pfn root = system.secureRoot(); root.v != 0)
        walkTree(system, Column::Private, root, root, levelOf(system.config().levels), {0}, f);
}

} // namespace

std::string stateJson(const Session& session) {
    const System& system = session.system();
    const Kvm& kvm = system.kvm();
    std::string machine;
    for (const auto& [key, value] : session.scenario().machineText)
        machine += fmt::format("{}\"{}\":{}", machine.empty() ? "" : ",", key, jsonString(value));

    std::string direct, mirror, secure, roots;
    walkAll(system, [&](const Entry& e) {
        std::string& out = e.column == Column::Shared ? direct : e.column == Column::Mirror ? mirror : secure;
        out += fmt::format("{}{{\"root\":{},\"gfn\":{},\"level\":{},\"raw\":\"{}\",\"is\":\"{}\",\"pfn\":{}}}", out.empty() ? "" : ",",
                           e.root.v, e.gfn.v, number(e.level), hex16(e.raw), e.state, e.pfn ? std::to_string(e.pfn->v) : "null");
    });
    for (const Pfn root : kvm.roots()) {
        const MmuPage page = kvm.peekPage(root);
        const std::optional<u64> count = session.rootCount(root);
        roots +=
            fmt::format("{}{{\"tree\":\"{}\",\"pfn\":{},\"level\":{}{},\"invalid\":{}{}}}", roots.empty() ? "" : ",",
                        page.isMirror() ? "mirror" : "direct", root.v, number(page.level()),
                        count ? fmt::format(",\"count\":{}", *count) : "", role::isInvalid(page.role), smmJson(role::isSmm(page.role)));
    }
    std::string trees = fmt::format("\"direct\":[{}]", direct);
    std::string td;
    std::string pamt;
    if (system.config().hasMirror())
        trees += fmt::format(",\"mirror\":[{}]", mirror);
    if (system.isTdx()) {
        const TdxModule& module = system.module();
        const Pfn tdr = system.backend().tdr();
        if (tdr.v != 0) {
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
        trees += fmt::format(",\"secure\":[{}]", secure);
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
    if (system.config().recorded && system.config().recorded->secureRoot.v != 0)
        trees += fmt::format(",\"secure\":[{}]", secure);
    std::string rmp;
    for (u64 pfn = 0; system.isSnp() && pfn < system.frames().count(); ++pfn)
        if (const RmpEntry e = system.rmp().peek({pfn}); e.assigned)
            rmp += fmt::format("{}{{\"pfn\":{},\"size\":\"{}\",\"asid\":{},\"gpa\":\"{}\",\"validated\":{}}}", rmp.empty() ? "" : ",", pfn,
                               levelName(e.level), e.asid, hex(e.gfn.v << 12), e.validated);
    std::string tlb;
    for (unsigned v = 0; v < system.config().vcpus; ++v) {
        std::string entries;
        for (u64 i = 0; i < kvm.tlb(v).size(); ++i)
            if (const TlbEntry e = kvm.tlb(v).at(i); kvm.tlbUsable(v))
                entries += fmt::format("{}{{\"gpa\":\"{}\",\"as\":\"{}\",\"level\":{},\"pfn\":{}{}}}", entries.empty() ? "" : ",",
                                       hex(gpaOf(e.gfn)), e.alias == Alias::Shared ? "shared" : "private", number(e.level), e.pfn.v,
                                       smmJson(isSmm(e.gfn)));
        tlb += fmt::format("{}\"vcpu{}\":[{}]", v == 0 ? "" : ",", v, entries);
    }
    std::string locks;
    for (unsigned l = 0; l < kLocks; ++l) {
        const u64 word = system.machine().peek(system.sim().lockPlace(static_cast<LockId>(l)));
        if (word != 0)
            locks += fmt::format("{}{{\"lock\":\"{}\",\"readers\":{},\"writer\":{}}}", locks.empty() ? "" : ",",
                                 name(static_cast<LockId>(l)), word & 0xffff,
                                 word >> 32 != 0 ? "\"" + session.actorName(static_cast<ActorId>((word >> 32) - 1)) + "\"" : "null");
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

std::string stateCsv(const Session& session) {
    constexpr std::string_view trees[] = {"direct", "mirror", "secure"};
    std::string out = "tree,root,gfn,level,raw,is,pfn\n";
    walkAll(session.system(), [&](const Entry& e) {
        out += fmt::format("{},{},{},{},{},{},{}\n", trees[static_cast<unsigned>(e.column)], e.root.v, e.gfn.v, number(e.level),
                           hex16(e.raw), e.state, e.pfn ? std::to_string(e.pfn->v) : "");
    });
    return out;
}

void writeFile(const std::string& file, const std::string& content) {
    OutFile out(file);
    if (!out.write(content) || !out.commit())
        throw std::runtime_error(file + ": cannot be written: " + std::strerror(errno));
}

} // namespace mirrorscope
