// SPDX-License-Identifier: GPL-3.0-or-later
#include "sim/marks.h"
#include "support/seed.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace mirrorscope {

TEST(Marks, are_read_as_they_were_made_also_where_most_are_packed) {
    const u64 seed = test::propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    Marks marks(3, 2, 1);
    std::vector<Mark> kept;
    u64 n = 0;
    for (unsigned round = 0; round < 2000; ++round) {
        if (random() % 50 == 0) {
            kept.resize(random() % (kept.size() + 1));
            marks.truncate(kept.size());
        } else {
            Mark mark{.n = n += random() % 5, .script = static_cast<u32>(random() % 3), .kind = static_cast<MarkKind>(random() % 15)};
            mark.actor = static_cast<ActorId>(random() % 4);
            mark.code = static_cast<u8>(random());
            mark.phase = static_cast<u8>(random() % 2);
            for (u64& word : mark.a)
                word = random() % 2 == 0 ? 0 : random();
            kept.push_back(mark);
            marks.push(mark);
        }
        ASSERT_EQ(marks.size(), kept.size());
        for (unsigned k = 0; k < 4 && !kept.empty(); ++k) {
            const u64 i = random() % kept.size();
            const Mark mark = marks[i];
            ASSERT_EQ(mark.n, kept[i].n) << i;
            ASSERT_EQ(mark.script, kept[i].script) << i;
            ASSERT_EQ(mark.kind, kept[i].kind) << i;
            ASSERT_EQ(mark.actor, kept[i].actor) << i;
            ASSERT_EQ(mark.code, kept[i].code) << i;
            ASSERT_EQ(mark.phase, kept[i].phase) << i;
            ASSERT_TRUE(std::equal(std::begin(mark.a), std::end(mark.a), std::begin(kept[i].a))) << i;
        }
    }
}

} // namespace mirrorscope
