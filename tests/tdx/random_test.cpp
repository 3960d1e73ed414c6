// SPDX-License-Identifier: GPL-3.0-or-later
// Random SEAMCALLs with random operands on random states: after each the PAMT, the secure EPT and the counters agree, no frame has
// two owners, and nothing else was changed by a call that failed. MIRRORSCOPE_RANDOM_CALLS sets how many (20,000).
#include "support/effort.h"
#include "support/run.h"
#include "support/seed.h"

#include <gtest/gtest.h>

#include <random>

namespace mirrorscope::test {

namespace {
class RandomCalls {
public:
    explicit RandomCalls(u64 seed) : random_(seed), system_(config()), module_(system_.module()), machine_(system_.machine()) {
        sim().setActor(sim().hostActor());
        tdr_ = system_.backend().tdr();
    }

    static MachineConfig config() {
        MachineConfig c;
        c.vcpus = 2;
        c.slots.push_back({0, {0}, 16, true, false});
        c.frames = 4096;
        return c;
    }

    void call() {
        const auto& table = leafTable();
        const LeafInfo* leaf;
        do
            leaf = &table[weighted()];
        while (leaf->guest && !enterable());
        const u64 before = machine_.hash();
        const bool rdOnly = leaf->leaf == Leaf::MemSeptRd || leaf->leaf == Leaf::PhymemPageRdmd;
        Regs regs{.rcx = operand(leaf->rcx), .rdx = operand(leaf->rdx), .r8 = operand(leaf->r8), .r9 = operand(leaf->r9)};
        if (random_() % 64 == 0)
            regs.rcx ^= 1ull << random_() % 64;
        if (random_() % 64 == 0)
            regs.rdx ^= 1ull << random_() % 64;
        if (random_() % 200 == 0)
            regs.version = 1;
        last_ = std::string(leaf->name);
        u64 status = 0;
        if (leaf->guest) {
            bool exits = false;
            sim().setActor(0);
            status = module_.tdg_mem_page_accept(system_.backend().tdvpr(0), regs.rcx, exits);
        } else if (leaf->leaf == Leaf::VpEnter || leaf->leaf == Leaf::VpFlush) {
            const unsigned v = static_cast<unsigned>(random_() % 2);
            sim().setActor(static_cast<ActorId>(v));
            regs.rcx = hpa(system_.backend().tdvpr(v));
            if (leaf->leaf == Leaf::VpEnter && inside_[v]) {
                module_.tdExit(system_.backend().tdvpr(v));
                inside_[v] = false;
            } else {
                status = module_.seamcall(leaf->leaf, regs);
                if (leaf->leaf == Leaf::VpEnter && status == 0)
                    inside_[v] = true;
                if (leaf->leaf == Leaf::VpEnter && status != 0)
                    return; // the association stays, whatever fails after it
            }
        } else {
            status = module_.seamcall(leaf->leaf, regs);
        }
        sim().setActor(sim().hostActor());
        succeeded_ += status == 0;
        ++statuses_[tdx::highOf(status)];
        if (status != 0 && tdx::highOf(status) != tdx::OPERAND_BUSY && tdx::highOf(status) != tdx::KEY_CONFIGURED) {
            EXPECT_EQ(machine_.hash(), before) << last_ << " failed with " << tdx::statusName(status) << " and changed something";
        }
        if (status == 0 && rdOnly) {
            EXPECT_EQ(machine_.hash(), before) << last_ << " only reads";
        }
        if (status == 0 && leaf->leaf == Leaf::MemPagePromote)
            return; // the children of the dead table stay locked
    }

    // PAMT, S-EPT and counters from scratch.
    void checkAll() {
        std::map<u64, u64> owned; // TDR -> 4K pages
        for (u64 pfn = 0; pfn < config().frames; ++pfn) {
            Level size = Level::k4K;
            const u64 word = module_.peekPamt({pfn}, &size);
            const PageType type = pamt::type(word);
            EXPECT_EQ(machine_.peek(module_.pamt4k({pfn})) & 3, 0u) << last_ << " left a lock on pfn " << pfn;
            if (type == PageType::Nda || type == PageType::Tdr || (pfn & (pagesPer(size) - 1)) != 0)
                continue;
            EXPECT_EQ(pamt::type(module_.peekPamt(pamt::owner(word))), PageType::Tdr)
                << last_ << ": the owner of pfn " << pfn << " is no TDR";
            owned[pamt::owner(word).v] += pagesPer(size);
        }
        for (u64 pfn = 0; pfn < config().frames; ++pfn)
            if (pamt::type(module_.peekPamt({pfn})) == PageType::Tdr) {
                EXPECT_EQ(module_.peekTdr({pfn}, tdr::ChldCnt), owned[pfn]) << last_ << ": CHLDCNT of TDR " << pfn;
            }
        if (pamt::type(module_.peekPamt(tdr_)) == PageType::Tdr && module_.peekTdr(tdr_, tdr::NumTdcx) >= tdcs::kPages &&
            module_.peekTdr(tdr_, tdr::Lifecycle) == tdr::KeysConfigured) {
            std::set<u64> seen;
            walk(module_.septRoot(tdr_), levelOf(4), seen);
        }
    }

    u64 succeeded() const { return succeeded_; }
    std::size_t kinds() const { return statuses_.size(); }

private:
    Sim& sim() { return system_.sim(); }
    bool enterable() const { return inside_[0]; }

    // Building a tree is likelier than tearing a TD down.
    unsigned weighted() {
        const auto leaf = static_cast<Leaf>(random_() % kLeaves);
        const bool ends = leaf == Leaf::MngVpflushdone || leaf == Leaf::MngKeyFreeid || leaf == Leaf::VpFlush || leaf == Leaf::MrFinalize;
        if (ends && random_() % 200 != 0)
            return static_cast<unsigned>(Leaf::MemSeptAdd);
        return static_cast<unsigned>(leaf);
    }

    u64 pageOperand() {
        switch (random_() % 8) {
        case 0: return hpa(tdr_);
        case 1: return hpa({random_() % 8192});
        case 2: {
            const u64 page = hpa({random_() % 4096});
            return page | random_() % 4096;
        }
        case 3: return hpa({512 * (random_() % 8)});
        default: return hpa({600 + random_() % 3000});
        }
    }

    u64 operand(Operand what) {
        constexpr u64 kGpas[] = {0, 0x1000, 0x2000, 0x200000, 0x201000, 0x400000, 0x40000000, 0x8000000000, 0x800000000000};
        switch (what) {
        case Operand::GpaLevel: {
            const u64 level = random_() % 10 == 0 ? random_() % 8 : random_() % 4;
            u64 gpa = kGpas[random_() % std::size(kGpas)];
            if (random_() % 4 != 0)
                gpa &= ~((u64{4096} << 9 * std::min<u64>(level, 4)) - 1);
            return gpa | level;
        }
        case Operand::Gpa: {
            const u64 gpa = kGpas[random_() % std::size(kGpas)];
            return gpa + 256 * (random_() % 17);
        }
        case Operand::Tdr:
        case Operand::TdrFlags: return random_() % 32 == 0 ? pageOperand() : hpa(tdr_) | (what == Operand::TdrFlags && random_() % 4 == 0);
        case Operand::Tdvpr: return hpa(system_.backend().tdvpr(static_cast<unsigned>(random_() % 2)));
        case Operand::Page:
        case Operand::Source:
        case Operand::Pair:
        case Operand::Params: return pageOperand();
        case Operand::Range: return random_() % 4 == 0 ? pageOperand() : hpa({512 * (random_() % 8)}) | 1;
        case Operand::Hkid: return random_() % 70;
        case Operand::Resume: return random_() % 3;
        case Operand::Value: return random_();
        case Operand::None: break;
        }
        return 0;
    }

    void walk(Pfn table, Level level, std::set<u64>& seen) {
        EXPECT_TRUE(module_.isSeptPage(table)) << last_ << ": pfn " << table.v << " is linked and no S-EPT page";
        for (unsigned i = 0; i < 512; ++i) {
            const u64 entry = machine_.peek(wordOf(table, i));
            EXPECT_EQ(entry & sept::kLock, 0u) << last_ << " left an entry locked";
            const SeptState state = sept::stateOf(entry);
            if (state == SeptState::Free)
                continue;
            EXPECT_NE(state, SeptState::Other) << last_;
            const Pfn pfn = ept::pfnOf(entry & (sept::isLeaf(entry) ? ~(bytesPer(level) - 1) : ~0ull));
            EXPECT_TRUE(seen.insert(pfn.v).second) << last_ << ": pfn " << pfn.v << " stands in two entries";
            if (sept::isLeaf(entry)) {
                Level size = Level::k4K;
                const u64 word = module_.peekPamt(pfn, &size);
                EXPECT_EQ(pamt::type(word), PageType::Reg) << last_;
                EXPECT_EQ(size, level) << last_;
                EXPECT_EQ(pamt::owner(word), tdr_) << last_;
            } else {
                walk(pfn, below(level), seen);
            }
        }
    }

    std::mt19937_64 random_;
    System system_;
    TdxModule& module_;
    Machine& machine_;
    Pfn tdr_;
    bool inside_[2] = {false, false};
    std::string last_;
    u64 succeeded_ = 0;
    std::map<u32, u64> statuses_;
};
} // namespace

TEST(RandomSeamcalls, keep_pamt_secure_ept_and_counters_consistent) {
    const u64 total = wanted("MIRRORSCOPE_RANDOM_CALLS", 20000);
    const u64 seed = propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    u64 succeeded = 0, done = 0;
    for (u64 run = 0; done < total; ++run) {
        RandomCalls calls(seed + run);
        for (unsigned n = 0; n < 500 && done < total; ++n, ++done) {
            calls.call();
            if (n % 10 == 9)
                calls.checkAll();
            if (HasFailure())
                FAIL() << "run " << run << ", call " << n;
        }
        succeeded += calls.succeeded();
    }
    EXPECT_GT(succeeded, total / 20);
}

TEST(Teardown, from_any_cut_of_a_script_ends_with_all_frames_free) {
    const u64 seed = propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const std::vector<std::string> steps{"init-mem-region: {gpa: 0, size: 8K}",
                                         "finalize-vm",
                                         "vcpu0: {accept: {gpa: 0x10000, size: 16K}}",
                                         "vcpu1: {write: {gpa: 0x10000, pages: 4}}",
                                         "set-memory-attributes: {gpa: 0x11000, size: 8K, as: shared}",
                                         "vcpu1: {write: {gpa: 0x11000, as: shared, pages: 2}}",
                                         "vcpu0: {map-gpa: {gpa: 0x11000, size: 8K, as: private}}",
                                         "punch-hole: {gpa: 0x10000}",
                                         "vcpu0: {accept: 0x400000}",
                                         "discard: {gpa: 0x11000, size: 8K}"};
    for (unsigned n = 0; n < 60; ++n) {
        std::string script;
        const std::size_t cut = random() % (steps.size() + 1);
        for (std::size_t i = 0; i < cut; ++i)
            if (i < 2 || random() % 4 != 0)
                script += "  - " + steps[i] + "\n";
        Ran run("mirrorscope: 1\nmachine: {vcpus: 2, slots: [{id: 0, gpa: 0, size: 16M}]}\nscript:\n" + script +
                "  - destroy-vm\nexpect: [{count: frame, is: 0}, {violations: 0}]\n");
        ASSERT_TRUE(run.runner.ok()) << script << run.failures();
        for (u64 pfn = 0; pfn < run.runner.system().frames().count(); ++pfn)
            ASSERT_EQ(pamt::type(run.runner.system().module().peekPamt({pfn})), PageType::Nda) << script << "pfn " << pfn;
    }
}

TEST(Teardown, what_is_forgotten_is_the_modules_error) {
    Scenario scenario = bindScenario("t.yaml", td(R"(  - {seamcall: {leaf: TDH.MNG.VPFLUSHDONE}, id: early}
  - {seamcall: {leaf: TDH.MNG.KEY.FREEID}, id: unblocked}
  - {seamcall: {leaf: TDH.PHYMEM.PAGE.RECLAIM, page: {of: 0}}, id: page}
expect:
  - {result: early, is: TDX_FLUSHVP_NOT_DONE}
  - {result: unblocked, is: TDX_LIFECYCLE_STATE_INCORRECT}
  - {result: page, is: TDX_LIFECYCLE_STATE_INCORRECT}
)"));
    Runner runner(scenario, {.check = false});
    runner.runAll();
    for (const auto& e : runner.expectations())
        EXPECT_TRUE(e.holds) << e.text << " found " << e.found;
    // The HKID is leaked, and with it every page of the TD: KVM gives nothing back that the module may still use.
    Ran forgotten(td("  - inject: {seamcall: TDH.MNG.VPFLUSHDONE, status: TDX_FLUSHVP_NOT_DONE}\n  - destroy-vm\n"));
    EXPECT_FALSE(forgotten.violated(Rule::SingleOwner)) << forgotten.failures();
}

} // namespace mirrorscope::test
