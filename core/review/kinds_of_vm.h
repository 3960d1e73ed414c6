// SPDX-License-Identifier: GPL-3.0-or-later
// The kinds of VM, and how each makes the accesses that the tables speak of. Slot 0 holds private memory, where there is such; slot 1 is
// ordinary memory from 16M on, with host pages of 2M.
#pragma once

#include "base/vocab.h"

#include <span>
#include <string>
#include <string_view>

namespace mirrorscope::review_tables {

inline constexpr std::string_view kSlots = "[{id: 0, gpa: 0, size: 4M}, {id: 1, gpa: 16M, size: 4M, private: false, backing: 2M}]";

struct KindOfVm {
    VmType type;
    std::string_view keys, begin;         // of `machine`; the first steps
    std::string_view onPrivate, onShared; // a guest's first access; {} is the address
};
std::span<const KindOfVm> kindsOfVm();

// "@p 0x1000" and "@s 0x1000" are a guest's first access of private and of shared memory, as that kind of VM makes it; "@0" and "@1" before
// a step name the vCPU that does it, "@r", "@w" and "@x" read, write or execute ordinary memory.
// One step in flow style; `braced`: as a part of a mapping, so that a word alone becomes `word: {}`.
std::string stepOf(const KindOfVm& vm, std::string_view step, bool braced);
// "a; b" as the lines of a script.
std::string stepsOf(const KindOfVm& vm, std::string_view steps);

} // namespace mirrorscope::review_tables
