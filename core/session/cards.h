// SPDX-License-Identifier: GPL-3.0-or-later
// The page tables as cards: each table of an address is one card in every tree that has it, with the same rows at the same height, beside
// the entry that leads to it where there is room. What is painted, hit and walked by keys, without a widget; lengths are the caller's.
#pragma once

#include "session/session.h"

#include <array>
#include <optional>
#include <vector>

namespace mirrorscope {

struct Card {
    unsigned depth = 0;                   // 0: a root
    std::optional<std::size_t> parentRow; // the row whose entry leads here
    Gfn base;                             // the first address of the table
    std::vector<std::size_t> rows;
    double top = 0;
    std::array<std::optional<Pfn>, kColumns> frames; // of the table, in the trees that have it
};

struct CardLengths {
    double row = 1, header = 1, apart = 0.5; // of two cards below one another
};

// Which entry of which tree.
struct CardEntry {
    Column column = Column::Shared;
    std::size_t row = 0;
    bool operator==(const CardEntry&) const = default;
};

class Cards {
public:
    Cards() = default;
    Cards(std::vector<TreeRow> rows, const CardLengths& lengths);

    const std::vector<TreeRow>& rows() const { return rows_; }
    const std::vector<Card>& cards() const { return cards_; }
    const Card& cardOf(std::size_t row) const { return cards_[places_[row].card]; }
    // Where the row stands among those of its card.
    std::size_t indexInCard(std::size_t row) const { return places_[row].index; }
    // From the top of the first card to the bottom of the last, of those that the tree has; 0 if it has none.
    double height(Column column) const { return heights_[static_cast<unsigned>(column)]; }
    // How many levels of that tree have a card.
    unsigned levels(Column column) const { return levels_[static_cast<unsigned>(column)]; }
    // Rows whose mirrored and private entries differ or are in flight.
    const std::vector<std::size_t>& joined() const { return joined_; }

    // The row of that entry, if there is one; of several that are one row (TreeRow::more) none is.
    std::optional<std::size_t> rowOf(Gfn gfn, Level level) const;
    bool shows(const CardEntry& e) const { return rows_[e.row].more == 0 && rows_[e.row].cells[static_cast<unsigned>(e.column)].exists; }
    // Of an arrow key: the nearest entry above or below; right into the table that the entry leads to, else its twin in the next tree;
    // left back. Itself where there is none.
    CardEntry below(const CardEntry& from, int rowsBy) const;
    CardEntry beside(const CardEntry& from, int columnsBy, unsigned columns) const;

private:
    struct PlaceOfRow {
        std::size_t card = 0, index = 0;
        std::optional<std::size_t> child; // the card of the table that the entry leads to
    };
    std::size_t make(std::size_t& next, unsigned depth, std::optional<std::size_t> parentRow);
    void place(std::size_t card, std::array<double, 8>& free);

    std::vector<TreeRow> rows_;
    CardLengths lengths_;
    std::vector<Card> cards_;
    std::vector<PlaceOfRow> places_; // of each row
    std::vector<std::size_t> joined_;
    std::array<double, kColumns> heights_{};
    std::array<unsigned, kColumns> levels_{};
};

} // namespace mirrorscope
