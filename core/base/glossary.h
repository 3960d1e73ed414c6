// SPDX-License-Identifier: GPL-3.0-or-later
// Every technical term that stands on the screen, in one sentence, with the shipped scenario that shows it. The window explains by it, and
// resources/docs/glossary.md is made of it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mirrorscope {

struct Term {
    std::string_view name;    // "secure EPT"
    std::string_view also;    // other spellings, separated by ", "
    std::string_view meaning; // one sentence
    std::string_view shownBy; // "lessons/01-first-private-page.yaml"
};
// By name, regardless of case.
std::span<const Term> glossary();
// The one of that name or spelling, whole words, regardless of case; null if there is none.
const Term* termOf(std::string_view word);
// Those that occur in a text as whole words, each once, in the order of the text; of those that overlap the longest.
std::vector<const Term*> termsIn(std::string_view text);

} // namespace mirrorscope
