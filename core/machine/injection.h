// SPDX-License-Identifier: GPL-3.0-or-later
// Calls that are to be answered without being made: the next few of a kind, after the first so many. Three words of the machine, so that
// it is undone and explored as everything else.
#pragma once

#include "machine/machine.h"

#include <optional>
#include <string_view>

namespace mirrorscope {

class Injection {
public:
    Injection() = default;
    Injection(Regions& regions, std::string_view name) : at_(regions.take(3, name, 3)) {}

    void set(Machine& machine, u64 answer, u64 times, u64 after) const {
        machine.set(at_, answer);
        machine.set(at_ + 1, times);
        machine.set(at_ + 2, after);
    }
    // Is there a call that it still waits for?
    bool waits(const Machine& machine) const { return machine.peek(at_ + 1) != 0; }
    // What is set, whether or not its time has come.
    u64 peekAnswer(Machine& machine) const { return machine.get(at_); }
    // A call is made: its answer, if it is one of those.
    std::optional<u64> next(Machine& machine) const {
        const u64 times = machine.get(at_ + 1);
        if (times == 0)
            return std::nullopt;
        if (const u64 after = machine.get(at_ + 2); after != 0) {
            machine.set(at_ + 2, after - 1);
            return std::nullopt;
        }
        machine.set(at_ + 1, times - 1);
        return machine.get(at_);
    }

private:
    Place at_;
};

} // namespace mirrorscope
