// SPDX-License-Identifier: GPL-3.0-or-later
#include "session/cards.h"

#include <algorithm>

namespace mirrorscope {

Cards::Cards(std::vector<TreeRow> rows, const CardLengths& lengths) : rows_(std::move(rows)), lengths_(lengths) {
    places_.resize(rows_.size());
    // Several roots, one below another, if the rows begin more than once.
    std::array<double, 8> free{};
    for (std::size_t next = 0; next < rows_.size();) {
        const std::size_t root = make(next, rows_[next].depth, std::nullopt);
        place(root, free);
    }
    for (const Card& card : cards_)
        for (unsigned c = 0; c < kColumns; ++c)
            if (card.frames[c]) {
                heights_[c] = std::max(heights_[c], card.top + lengths_.header + static_cast<double>(card.rows.size()) * lengths_.row);
                levels_[c] = std::max(levels_[c], card.depth + 1);
            }
    for (std::size_t row = 0; row < rows_.size(); ++row)
        if (const Twins twins = twinsOf(rows_[row]); twins == Twins::Differ || twins == Twins::InFlight)
            joined_.push_back(row);
}

std::size_t Cards::make(std::size_t& next, unsigned depth, std::optional<std::size_t> parentRow) {
    const std::size_t id = cards_.size();
    const TreeRow& top = rows_[next];
    Card made;
    made.depth = depth;
    made.parentRow = parentRow;
    if (top.level < Level::k256T)
        made.base = roundDown(top.gfn, above(top.level));
    cards_.push_back(std::move(made));
    while (next < rows_.size() && rows_[next].depth == depth) {
        const std::size_t row = next++;
        Card& card = cards_[id];
        places_[row] = {id, card.rows.size(), std::nullopt};
        card.rows.push_back(row);
        for (unsigned c = 0; c < kColumns; ++c)
            if (const TreeCell& cell = rows_[row].cells[c]; cell.exists && !card.frames[c])
                card.frames[c] = frameOf(cell.place);
        if (next < rows_.size() && rows_[next].depth > depth)
            places_[row].child = make(next, depth + 1, row);
    }
    return id;
}

void Cards::place(std::size_t id, std::array<double, 8>& free) {
    Card& card = cards_[id];
    double wanted = 0;
    if (card.parentRow)
        wanted = cardOf(*card.parentRow).top + static_cast<double>(indexInCard(*card.parentRow)) * lengths_.row;
    card.top = std::max(free[card.depth], wanted);
    free[card.depth] = card.top + lengths_.header + static_cast<double>(card.rows.size()) * lengths_.row + lengths_.apart;
    for (const std::size_t row : card.rows)
        if (places_[row].child)
            place(*places_[row].child, free);
}

std::optional<std::size_t> Cards::rowOf(Gfn gfn, Level level) const {
    for (std::size_t i = 0; i < rows_.size(); ++i)
        if (rows_[i].more == 0 && rows_[i].gfn == gfn && rows_[i].level == level)
            return i;
    return std::nullopt;
}

CardEntry Cards::below(const CardEntry& from, int rowsBy) const {
    for (std::size_t row = from.row + static_cast<std::size_t>(rowsBy); row < rows_.size(); row += static_cast<std::size_t>(rowsBy))
        if (const CardEntry next{from.column, row}; shows(next))
            return next;
    return from;
}

CardEntry Cards::beside(const CardEntry& from, int columnsBy, unsigned columns) const {
    if (columnsBy > 0 && places_[from.row].child)
        if (const CardEntry next{from.column, cards_[*places_[from.row].child].rows.front()}; shows(next))
            return next;
    if (columnsBy < 0 && cardOf(from.row).parentRow)
        return {from.column, *cardOf(from.row).parentRow};
    for (unsigned c = static_cast<unsigned>(from.column) + static_cast<unsigned>(columnsBy); c < columns;
         c += static_cast<unsigned>(columnsBy))
        if (const CardEntry next{static_cast<Column>(c), from.row}; shows(next))
            return next;
    return from;
}

} // namespace mirrorscope
