// SPDX-License-Identifier: GPL-3.0-or-later
#include "machine/frames.h"
#include "machine/tlb.h"
#include "support/seed.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace mirrorscope {

namespace {
struct Host {
    explicit Host(u64 count, unsigned arenas = 2, unsigned vcpus = 1) {
        regions.take(count * 512, "memory");
        frames = std::make_unique<Frames>(count, arenas, vcpus, regions);
        tlb = std::make_unique<Tlb>(0, 16, regions);
        frames->layOutIndexes(regions);
        tlb->layOutIndexes(regions);
        machine = std::make_unique<Machine>(regions.used(), regions.used(), count);
        frames->attach(*machine);
        tlb->attach(*machine, *frames);
        machine->baseline();
        machine->beginStep({});
    }
    Regions regions;
    std::unique_ptr<Frames> frames;
    std::unique_ptr<Tlb> tlb;
    std::unique_ptr<Machine> machine;
};
} // namespace

TEST(Frames, frame_0_is_never_handed_out_and_the_rest_all_is) {
    Host host(200);
    std::set<u64> got;
    while (const auto pfn = host.frames->allocate(FrameKind::Gmem, 0, 1))
        EXPECT_TRUE(got.insert(pfn->v).second);
    EXPECT_EQ(got.size(), 199u);
    EXPECT_FALSE(got.contains(0));
    EXPECT_EQ(host.frames->inUse(), 199u);
}

TEST(Frames, agrees_with_a_set_over_random_allocations) {
    const u64 seed = test::propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    Host host(5000, 3);
    std::map<u64, bool> used;
    for (unsigned n = 0; n < 20000; ++n) {
        if (random() % 5 < 3 || used.empty()) {
            const auto pfn = host.frames->allocate(FrameKind::HostPage, n, static_cast<unsigned>(random() % 3));
            if (used.size() == 4999) {
                EXPECT_FALSE(pfn);
                continue;
            }
            ASSERT_TRUE(pfn);
            EXPECT_TRUE(used.emplace(pfn->v, true).second);
            EXPECT_EQ(host.frames->peekInfo(*pfn), n);
        } else {
            auto it = used.lower_bound(random() % 5000);
            if (it == used.end())
                it = used.begin();
            host.frames->put({it->first});
            EXPECT_EQ(host.frames->peekKind({it->first}), FrameKind::Free);
            used.erase(it);
        }
    }
    EXPECT_EQ(host.frames->inUse(), used.size());
}

TEST(Frames, a_frame_is_freed_with_its_last_reference_and_cleared) {
    Host host(16);
    const Pfn pfn = *host.frames->allocate(FrameKind::Gmem, 0, 0);
    host.machine->set(wordOf(pfn, 5), 42);
    host.frames->get(pfn);
    host.frames->put(pfn);
    EXPECT_EQ(host.machine->peek(wordOf(pfn, 5)), 42u);
    host.frames->put(pfn);
    EXPECT_EQ(host.frames->peekKind(pfn), FrameKind::Free);
    EXPECT_EQ(host.machine->peek(wordOf(pfn, 5)), 0u);
}

TEST(Frames, a_run_is_aligned_and_free) {
    Host host(2048);
    const auto run = host.frames->allocateRun(FrameKind::Raw, 0, 512);
    ASSERT_TRUE(run);
    EXPECT_EQ(run->v % 512, 0u);
    EXPECT_EQ(host.frames->inUse(), 512u);
}

// Kind, references and what the kind says are one word, and the vCPUs of several frames are, too: none touches another.
TEST(Frames, a_record_keeps_its_parts_apart) {
    const u64 seed = test::propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    struct Known {
        FrameKind kind = FrameKind::Free;
        unsigned references = 0;
        u64 info = 0;
        std::set<unsigned> vcpus;
    };
    for (const unsigned vcpus : {1u, 8u, 9u, 64u, 100u}) {
        Host host(40, 2, vcpus);
        std::map<u64, Known> known;
        for (unsigned n = 0; n < 4000; ++n) {
            const u64 pfn = 1 + random() % 39;
            Known& frame = known[pfn];
            const u64 info = random() & ((u64{1} << 40) - 1);
            const auto vcpu = static_cast<unsigned>(random() % vcpus);
            if (frame.kind == FrameKind::Free) {
                frame.kind = FrameKind::Gmem;
                frame.info = info;
                frame.references = 1;
                host.frames->take({pfn}, frame.kind, info);
            } else if (random() % 4 == 0) {
                ++frame.references;
                host.frames->get({pfn});
            } else if (random() % 4 == 0) {
                host.frames->put({pfn});
                if (--frame.references == 0)
                    frame = {FrameKind::Free, 0, 0, frame.vcpus};
            } else if (random() % 4 == 0) {
                frame.kind = FrameKind::Raw;
                frame.info = info;
                host.frames->setKind({pfn}, frame.kind, info);
            } else if (frame.vcpus.insert(vcpu).second) {
                host.frames->setCached({pfn}, vcpu, true);
            } else {
                frame.vcpus.erase(vcpu);
                host.frames->setCached({pfn}, vcpu, false);
            }
            for (const auto& [p, expected] : known) {
                ASSERT_EQ(host.frames->peekKind({p}), expected.kind);
                ASSERT_EQ(host.frames->references({p}), expected.references);
                ASSERT_EQ(host.frames->peekInfo({p}), expected.info);
                for (unsigned v = 0; v < vcpus; ++v) {
                    ASSERT_EQ(host.frames->isCached({p}, v), expected.vcpus.contains(v));
                    ASSERT_EQ(host.frames->looksCached({p}, v), expected.vcpus.contains(v));
                }
            }
        }
    }
}

TEST(Tlb, keeps_what_was_found_until_it_is_flushed) {
    Host host(64);
    host.tlb->insert({{5}, Alias::Private, Level::k4K, {9}, 7, true});
    host.tlb->insert({{5}, Alias::Shared, Level::k4K, {10}, 3, false});
    ASSERT_TRUE(host.tlb->lookup({5}, Alias::Private));
    EXPECT_EQ(host.tlb->lookup({5}, Alias::Private)->pfn, Pfn{9});
    EXPECT_EQ(host.tlb->lookup({5}, Alias::Shared)->rwx, 3u);
    EXPECT_FALSE(host.tlb->lookup({6}, Alias::Private));
    EXPECT_EQ(host.frames->cachedBy({9}, 0), 1u);
    host.tlb->flush();
    EXPECT_FALSE(host.tlb->lookup({5}, Alias::Private));
    EXPECT_EQ(host.frames->cachedBy({9}, 0), 0u);
    EXPECT_EQ(host.tlb->size(), 0u);
}

// The TLB's count of who leads where is not kept, but known: a frame's bit is set while an entry leads there, and no longer.
TEST(Tlb, frames_know_whether_it_leads_to_them_whatever_comes_and_goes) {
    const u64 seed = test::propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    Host host(64);
    constexpr u64 kTables = 6, kPages = 32; // frames 1 to 6, and those from 32 on
    std::map<u64, u64> pageOf;              // gfn's, fixed: a translation that changes goes first
    for (unsigned n = 0; n < 4000; ++n) {
        host.machine->beginStep({});
        const Gfn gfn{random() % 4 << 18 | random() % 4 << 9 | random() % 8};
        switch (random() % 12) {
        case 0: host.tlb->flush(); break;
        case 1: host.tlb->forget(gfn, Alias::Private); break;
        case 2: host.tlb->drop(GfnRange{gfn, {gfn.v + 600}}); break;
        case 3: host.tlb->drop(Pfn{32 + random() % kPages}); break;
        case 4:
        case 5:
        case 6: {
            const u64 page = pageOf.emplace(gfn.v, 32 + random() % kPages).first->second;
            host.tlb->insert(TlbEntry{gfn, Alias::Private, Level::k4K, {page}, 7, true});
            break;
        }
        default: {
            const Level level = levelOf(2 + static_cast<unsigned>(random() % 3));
            host.tlb->insert(UpperEntry{roundDown(gfn, level), Alias::Private, level, {1 + random() % kTables}, 7});
        }
        }
        std::set<u64> led;
        for (u64 i = 0; i < host.tlb->size(); ++i)
            led.insert(host.tlb->at(i).pfn.v);
        host.tlb->forEachUpper([&](const UpperEntry& entry) { led.insert(entry.table.v); });
        for (u64 pfn = 0; pfn < 64; ++pfn)
            ASSERT_EQ(host.frames->isCached({pfn}, 0), led.contains(pfn)) << "frame " << pfn << " after " << n;
    }
}

} // namespace mirrorscope
