// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/group_pack.h"
#include "support/seed.h"

#include <gtest/gtest.h>

#include <random>

namespace mirrorscope {

namespace {
struct Given {
    GroupKey key;
    std::vector<u64> numbers;
    bool operator==(const Given&) const = default;
};

std::string packed(GroupPacker& packer, const std::vector<Given>& groups) {
    for (const Given& group : groups)
        packer.add(group.key, group.numbers.data(), static_cast<u32>(group.numbers.size()));
    return packer.finish();
}

std::vector<Given> unpacked(const std::string& bytes, std::size_t count) {
    GroupUnpacker unpacker(bytes);
    std::vector<Given> groups(count);
    for (Given& group : groups) {
        group.numbers.resize(unpacker.next(group.key));
        unpacker.numbers(group.numbers.data(), static_cast<u32>(group.numbers.size()));
    }
    return groups;
}
} // namespace

TEST(GroupPack, gives_back_what_it_was_given) {
    const u64 seed = test::propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    GroupPacker packer; // one for all: it begins anew each time
    for (unsigned round = 0; round < 60; ++round) {
        std::vector<Given> groups(random() % 400);
        const u64 keys = 1 + random() % 6, kinds = 1 + random() % 7;
        u64 counter = random();
        for (Given& group : groups) {
            const u64 key = random() % keys;
            group.key = {static_cast<u32>(key), key == 3 ? static_cast<u32>(random()) : 0, key == 4 ? ~0u : 0, 0};
            group.numbers.resize(random() % 64 == 0 ? random() % 9000 : key * 9 % 40);
            for (u64& number : group.numbers)
                switch (random() % kinds) {
                case 0: number = key; break;
                case 1: number = counter += 4096; break;
                case 2: number = ~u64{0} >> random() % 64; break;
                case 3: number = random(); break;
                case 4: number = 0; break;
                case 5: number = u64{1} << random() % 64; break;
                default: number = random() % 3; break;
                }
        }
        ASSERT_EQ(unpacked(packed(packer, groups), groups.size()), groups) << "round " << round;
    }
}

TEST(GroupPack, what_comes_again_and_again_costs_next_to_nothing) {
    GroupPacker packer;
    std::vector<Given> groups;
    for (u64 i = 0; i < 10'000; ++i) {
        groups.push_back({{1, 2, 3, 4}, {0x1000, 1, 0x2000 + i, 0x600000000000977 + i * 4096}});
        groups.push_back({{1, 2, 5, 4}, {0x3000, i ^ (i + 1)}}); // a counter counts
        groups.push_back({{1, 2, 6, 4}, {}});
    }
    const std::string bytes = packed(packer, groups);
    EXPECT_LT(bytes.size(), groups.size() / 5);
    EXPECT_EQ(unpacked(bytes, groups.size()), groups);
}

} // namespace mirrorscope
