// SPDX-License-Identifier: GPL-3.0-or-later
// A table of small scenarios: each row states one thing, and breaks no rule.
#pragma once

#include "support/run.h"

#include <gtest/gtest.h>

namespace mirrorscope::test {

struct Row {
    const char* name;
    const char* machine; // the keys of `machine`
    const char* script;  // its steps, each a line of its own
    const char* expect;  // what holds at the end, beside `{violations: 0}`
};
inline std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }

inline void expectRow(const Row& row) {
    Ran run(std::string("mirrorscope: 1\nmachine: {") + row.machine + "}\nscript:\n" + row.script + "expect: [" + row.expect +
            ", {violations: 0}]\n");
    EXPECT_TRUE(run.runner.ok()) << run.failures();
}

} // namespace mirrorscope::test
