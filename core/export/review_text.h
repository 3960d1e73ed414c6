// SPDX-License-Identifier: GPL-3.0-or-later
// A review table as text of 78 columns, Markdown, HTML, JSON and CSV (`mirrorscope review`).
#pragma once

#include "review/review.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mirrorscope {

enum class ReviewFormat : u8 { Text, Markdown, Html, Json, Csv };
std::span<const std::string_view> reviewFormatNames();
std::string reviewText(std::span<const ReviewTable> tables, ReviewFormat format);

// A table of words as text is: how its rows and columns are laid out. Shared with the window.
struct ReviewGrid {
    std::string title;                                 // of this part; empty where the table has one part
    std::vector<std::string> columns;                  // headings; the first is that of the row's name
    std::vector<std::vector<std::string>> rows;        // as many words as columns; empty where there is no cell
    std::vector<std::vector<const ReviewCell*>> cells; // behind each word; null beside the row's name
};
std::vector<ReviewGrid> reviewGrids(const ReviewTable& table);

} // namespace mirrorscope
