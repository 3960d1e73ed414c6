// SPDX-License-Identifier: GPL-3.0-or-later
// One micro-step is one action. What it changes beside one word, and others read, must be in the table of fidelity.md ("One action"): here
// are the words of its rows.
#include "sim/race.h"
#include "support/run.h"
#include "support/seed.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace mirrorscope::test {

namespace {
std::string classOf(const System& system, u64 id) {
    const Place place{static_cast<u32>(id)};
    const std::string name = system.regions().nameOf(place);
    if (name != "memory")
        return name;
    const Pfn frame = frameOf(place);
    if (system.isTdx() && system.module().isSeptPage(frame))
        return "sept";
    switch (system.frames().peekKind(frame)) {
    case FrameKind::Table: return "spte";
    case FrameKind::HostPage:
    case FrameKind::Gmem: return "data";
    default: return "td";
    }
}

// What is one action beside the word that the site names, and how its row in fidelity.md begins.
struct Row {
    std::set<std::string> sites;
    std::set<std::string> words;
    std::string inFidelity;
};
const std::vector<Row>& rows() {
    using Vm = Kvm::VmWord;
    const auto vm = [](Vm word) { return "vm." + std::to_string(static_cast<unsigned>(word)); };
    const auto vcpu = [](Kvm::VcpuWord word) { return "vcpu." + std::to_string(static_cast<unsigned>(word)); };
    static const std::vector<Row> kRows{
        {{"lock.release"}, {"lock", "srcu-depth", "srcu-wait-for"}, "SRCU is entered or left"},
        {{"vcpu.mode"}, {"srcu-depth", "srcu-wait-for"}, "SRCU is entered or left"},
        {{"kick.ack"}, {"srcu-depth", vcpu(Kvm::VcpuWord::Ipi)}, "SRCU is entered or left"},
        {{"vcpu.mode"}, {vcpu(Kvm::VcpuWord::Mode), vcpu(Kvm::VcpuWord::IrqsOff)}, "vcpu->mode is stored"},
        {{"slot.set"},
         {"slot.0", "slot.1", "slot.2", "slot.3", "slot.4", "slot.5", "slot.6", vm(Vm::SlotsGeneration)},
         "all fields of a memslot"},
        {{"slot.set"}, {"srcu-wait-for", "srcu-waiters"}, "synchronize_srcu() begins"},
        {{"seq.begin", "seq.end"},
         {vm(Vm::InvalidateInProgress), vm(Vm::InvalidateStart), vm(Vm::InvalidateEnd), vm(Vm::InvalidateSeq)},
         "an invalidation's count and range"},
        {{"seq.end"}, {"mixed"}, "the flags of mixed huge pages"},
        {{"host.access"}, {"frame", "gmem-pinned"}, "a page is found in user space's page table and pinned"},
        {{"attr.set"}, {"gmem-attribute"}, "the attributes of a range of guest_memfd"},
        {{"spte.read"}, {"sp.0", "spte"}, "512 entries of a table"},
        {{"root.list"}, {"sp.0", "spte", "frame"}, "512 entries of a table"},
        {{"root.list"}, {vm(Vm::RootsHead), "sp." + std::to_string(Kvm::kNextRoot)}, "`possible_nx_huge_pages` and the lists of roots"},
        {{"sept.lock"}, {"sept"}, "512 entries of a table"},
        {{"epoch.sample"}, {"td"}, "VP.ENTER samples TD_EPOCH"},
        {{"epoch.advance"}, {"td"}, "TRACK takes the epoch's lock"},
        {{"uffd.copy"}, {"frame-index", "frame", "host-page"}, "a page of user space is looked up"},
        {{"ring.push"}, {"dirty-ring.0", "dirty-gfn", vcpu(Kvm::VcpuWord::Requests)}, "an entry of a dirty ring"},
        {{"ring.collect"}, {"dirty-ring.2", "dirty-gfn"}, "an entry of a dirty ring"},
        {{"ring.reset"}, {"dirty-ring.1", "dirty-gfn"}, "an entry of a dirty ring"},
        {{"rcu.queue", "rcu.leave"}, {"rcu-queue", "rcu-depth"}, "an RCU callback is queued"},
        {{"rcu.free"}, {"frame", "rcu-queue", "sp.0", "td"}, "an unlinked table's record"},
        {{"host.fault"}, {"frame-index", "frame", "host-page"}, "a page of user space is looked up"},
        {{"gmem.get"}, {"frame-index", "frame", "gmem"}, "a page of guest_memfd is found"},
        {{"gmem.remove", "host.unmap"}, {"frame-index", "frame", "gmem", "host-page"}, "a page leaves guest_memfd"},
        {{"rmp.set"}, {"td", "frame-index", "frame"}, "a page leaves guest_memfd"},
        {{"rmp.set"}, {"tlb", "tlb-index", "rmp"}, "RMPUPDATE and PSMASH"},
        {{"tlb.fill"}, {"frame-index", "tlb", "tlb-index"}, "the last entry of a walk is read"},
        {{"spte.freeze"}, {"frame", "spte"}, "a page of a TD is referenced"},
        {{"pamt.set"}, {"pamt.0", "pamt.1", "td"}, "the PAMT entry of a page"},
        {{"pamt.set"}, {"sept"}, "512 entries of a table"}, // DEMOTE, before the table is linked
        {{"pamt.set"}, {"pamt-bitmap"}, "the record of 2M and the bits of its two pages"},
        {{"page.alloc", "page.free"}, {"frame-index", "frame"}, "a page is taken from the allocator"},
    };
    return kRows;
}
} // namespace

TEST(OneAction, changes_one_word_that_others_read_or_stands_in_the_table) {
    std::map<std::pair<std::string, std::set<std::string>>, std::string> merged;
    for (const auto& entry : std::filesystem::directory_iterator(kSource / "scenarios" / "races")) {
        const Scenario scenario = loadScenario(entry.path().string());
        for (unsigned round = 0; round < 24; ++round) {
            std::mt19937_64 random(propertySeed() + round);
            Runner runner(scenario, {.check = false});
            runner.setIgnoreRaceExpectations(true);
            System& system = runner.system();
            for (const Step& item : scenario.script) {
                if (item.verb != Verb::Race) {
                    runner.runItem(item);
                    continue;
                }
                system.sim().setScript(item.index);
                Race race(system.sim(), runner.raceActors(item));
                struct Taken {
                    unsigned actor;
                    Site site;
                    std::size_t begin, end;
                };
                std::vector<Taken> taken;
                std::map<u64, std::string> names; // as they were when they were written
                unsigned last = 0;
                for (unsigned i = 0; i < race.actors(); ++i)
                    race.start(i);
                while (true) {
                    const std::vector<unsigned> able = race.movable();
                    if (able.empty() || taken.size() > 3'000)
                        break;
                    // Mostly on with the same, as schedules are.
                    if (random() % 8 == 0 || std::find(able.begin(), able.end(), last) == able.end())
                        last = able[random() % able.size()];
                    const std::size_t before = race.accesses(last).size();
                    if (!race.run(last))
                        continue;
                    taken.push_back({last, system.sim().site(), before, race.accesses(last).size()});
                    for (std::size_t n = before; n < race.accesses(last).size(); ++n)
                        if (const WordAccess& a = race.accesses(last)[n]; a.old != a.now && (a.place & WordAccess::kNoWord) == 0)
                            names[a.place] = classOf(system, a.place);
                }
                std::vector<std::set<u64>> reads(race.count());
                for (unsigned i = 0; i < race.count(); ++i)
                    for (const WordAccess& a : race.accesses(i))
                        if (a.kind == WordAccess::Kind::Read)
                            reads[i].insert(a.place);
                for (const Taken& t : taken) {
                    std::set<std::string> classes;
                    std::set<u64> places; // several words of a class are several, too
                    for (std::size_t n = t.begin; n < t.end; ++n) {
                        const WordAccess& a = race.accesses(t.actor)[n];
                        if (a.old == a.now || (a.place & WordAccess::kNoWord) != 0)
                            continue;
                        for (unsigned i = 0; i < race.count(); ++i)
                            if (i != t.actor && reads[i].count(a.place) != 0) {
                                classes.insert(names[a.place]);
                                places.insert(a.place);
                            }
                    }
                    if (places.size() > 1)
                        merged.emplace(std::pair(std::string(info(t.site).name), classes), entry.path().filename().string());
                }
                runner.quiet();
                break; // what follows has the order of one schedule
            }
        }
    }
    const std::string page = readFile((kSource / "resources/docs/fidelity.md").string());
    for (const Row& row : rows())
        EXPECT_NE(page.find("| " + row.inFidelity), std::string::npos) << row.inFidelity;
    std::set<const Row*> seen;
    for (const auto& [what, file] : merged) {
        std::set<std::string> left = what.second;
        for (const Row& row : rows())
            if (row.sites.count(what.first) != 0)
                for (const std::string& word : row.words)
                    if (left.erase(word) != 0)
                        seen.insert(&row);
        std::string rest;
        for (const std::string& word : left)
            rest += " " + word;
        EXPECT_TRUE(left.empty()) << what.first << " of " << file << " also changes" << rest;
    }
    EXPECT_GE(seen.size(), 8u);
}

} // namespace mirrorscope::test
