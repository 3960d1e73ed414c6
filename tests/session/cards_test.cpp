// SPDX-License-Identifier: GPL-3.0-or-later
// Where the tables stand as cards, and where the arrow keys lead.
#include "session/cards.h"

#include "base/text.h"
#include "support/run.h"

#include <gtest/gtest.h>

namespace mirrorscope::test {

namespace {
constexpr CardLengths kLengths{.row = 10, .header = 20, .apart = 5};

Cards cardsOf(const Session& session) { return {session.rows({}), kLengths}; }

// From its top to its bottom.
double bottomOf(const Card& card) { return card.top + kLengths.header + static_cast<double>(card.rows.size()) * kLengths.row; }
} // namespace

TEST(Cards, each_row_stands_in_the_card_of_its_table) {
    Session session(
        bindScenario("test.yaml", td("  - vcpu0: {accept: {gpa: 2M, size: 16K}}\n  - vcpu1: {accept: {gpa: 6M, size: 8K}}\n"
                                     "  - vcpu0: {map-gpa: {gpa: 2M, as: shared}}\n  - vcpu0: {write: {gpa: 2M, as: shared}}\n")));
    session.seek(session.end());
    const Cards cards = cardsOf(session);
    ASSERT_FALSE(cards.rows().empty());
    for (std::size_t row = 0; row < cards.rows().size(); ++row) {
        const Card& card = cards.cardOf(row);
        ASSERT_EQ(card.rows.at(cards.indexInCard(row)), row);
        EXPECT_EQ(card.depth, cards.rows()[row].depth);
        const Level level = cards.rows()[row].level;
        EXPECT_TRUE(roundDown(cards.rows()[row].gfn, above(level)) == card.base) << hex(card.base.v << 12);
        for (unsigned c = 0; c < kColumns; ++c)
            if (cards.rows()[row].cells[c].exists) {
                ASSERT_TRUE(card.frames[c]);
                EXPECT_EQ(card.frames[c]->v, frameOf(cards.rows()[row].cells[c].place).v);
            }
    }
    // A table stands beside the entry that leads there or below it, and no two of a level overlap.
    for (std::size_t a = 0; a < cards.cards().size(); ++a) {
        const Card& card = cards.cards()[a];
        if (card.parentRow) {
            const Card& parent = cards.cardOf(*card.parentRow);
            EXPECT_EQ(parent.depth + 1, card.depth);
            EXPECT_GE(card.top, parent.top + static_cast<double>(cards.indexInCard(*card.parentRow)) * kLengths.row);
        }
        for (std::size_t b = a + 1; b < cards.cards().size(); ++b)
            if (const Card& other = cards.cards()[b]; other.depth == card.depth) {
                EXPECT_TRUE(other.top >= bottomOf(card) + kLengths.apart || card.top >= bottomOf(other) + kLengths.apart)
                    << a << " and " << b;
            }
    }
}

TEST(Cards, a_tree_is_as_high_and_as_deep_as_what_it_has) {
    Session session(bindScenario("test.yaml", td("  - vcpu0: {accept: {gpa: 2M}}\n")));
    session.seek(session.end());
    const Cards cards = cardsOf(session);
    // Nothing is shared: a root at most.
    EXPECT_LE(cards.levels(Column::Shared), 1u);
    EXPECT_EQ(cards.levels(Column::Mirror), 4u);
    EXPECT_EQ(cards.levels(Column::Private), 4u);
    double lowest = 0;
    for (const Card& card : cards.cards())
        lowest = std::max(lowest, bottomOf(card));
    EXPECT_EQ(cards.height(Column::Mirror), lowest);
    EXPECT_LT(cards.height(Column::Shared), cards.height(Column::Mirror));
    EXPECT_TRUE(Cards().rows().empty());
    EXPECT_EQ(Cards().height(Column::Mirror), 0);
}

TEST(Cards, twins_that_differ_are_joined) {
    Session session(bindScenario("test.yaml", td("  - vcpu0: {accept: {gpa: 2M}}\n  - seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: 2M}\n")));
    bool frozen = false;
    for (u64 n = 0; n <= session.end(); ++n) {
        session.seek(n);
        const Cards cards = cardsOf(session);
        for (const std::size_t row : cards.joined()) {
            const Twins twins = twinsOf(cards.rows()[row]);
            EXPECT_TRUE(twins == Twins::Differ || twins == Twins::InFlight);
            frozen |= twins == Twins::InFlight;
        }
    }
    EXPECT_TRUE(frozen) << "no entry was ever seen in flight";
    const Cards last = cardsOf(session);
    ASSERT_EQ(last.joined().size(), 1u) << "blocked behind KVM's back";
    EXPECT_EQ(last.rows()[last.joined()[0]].gfn.v, 512u);
}

TEST(Cards, arrow_keys_go_from_entry_to_table_and_from_tree_to_tree) {
    Session session(bindScenario("test.yaml", td("  - vcpu0: {accept: {gpa: 2M, size: 8K}}\n")));
    session.seek(session.end());
    const Cards cards = cardsOf(session);
    const auto row = [&](u64 gfn, Level level) { return cards.rowOf({gfn}, level).value_or(~std::size_t{0}); };
    ASSERT_LT(row(512, Level::k2M), cards.rows().size());
    const CardEntry entry{Column::Mirror, row(512, Level::k2M)};
    const CardEntry leaf = cards.beside(entry, 1, kColumns);
    EXPECT_EQ(leaf, (CardEntry{Column::Mirror, row(512, Level::k4K)})) << "into the table";
    EXPECT_EQ(cards.beside(leaf, 1, kColumns), (CardEntry{Column::Private, leaf.row})) << "a leaf leads to its twin";
    EXPECT_EQ(cards.beside(leaf, -1, kColumns), entry) << "back to what leads here";
    EXPECT_EQ(cards.below(leaf, 1), (CardEntry{Column::Mirror, row(513, Level::k4K)}));
    EXPECT_EQ(cards.below(cards.below(leaf, 1), -1), leaf);
    const CardEntry top{Column::Mirror, 0};
    EXPECT_EQ(cards.below(top, -1), top) << "nothing is above";
    const CardEntry end{Column::Private, leaf.row};
    EXPECT_EQ(cards.beside(end, 1, kColumns), end) << "nothing is to the right";
}

} // namespace mirrorscope::test
