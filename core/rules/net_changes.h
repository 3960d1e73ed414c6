// SPDX-License-Identifier: GPL-3.0-or-later
// What a micro-step did to each word, altogether. Nobody sees a word between two changes of the same micro-step, and whoever takes what it
// was from what it is and from one of them is wrong.
#pragma once

#include "machine/journal.h"

#include <vector>

namespace mirrorscope {

// Of the changes of one micro-step: one for each word, at the place of the word's first one; none for a word that is again what it was.
void toNetChanges(std::vector<JournalChange>& changes);

} // namespace mirrorscope
