// SPDX-License-Identifier: GPL-3.0-or-later
// A recorded VM done again on our machine: `import --as scenario`, `conform --replay`.
#pragma once

#include <string>

namespace mirrorscope::app {

struct ReplayArguments {
    std::string file, kernel, out, format;
    unsigned vm = 0; // from 1; 0: the one with the most changes, or each of them
};
int importAsScenario(const ReplayArguments& args);
int conformByReplay(const ReplayArguments& args);

} // namespace mirrorscope::app
