// SPDX-License-Identifier: GPL-3.0-or-later
// What a recorded change can break, and what was found.
#pragma once

#include "trace/event.h"

namespace mirrorscope {

// The kernels whose traces are told apart. `Any`: what one of them allows.
enum class TraceKernel : u8 { Any, V6_12, V6_16, Fixed, V6_19, V7_2, Next };
std::optional<TraceKernel> traceKernelFromName(std::string_view name);
std::string_view name(TraceKernel kernel); // empty for `Any`
std::span<const std::string_view> traceKernelNames();

enum class TraceRule : u8 {
    Discontinuity,
    NoChange,
    Frame,
    Frozen,
    Place,
    Table,
    ChildPage,
    Value,
    Writable,
    Mmio,
    Removed,
    RemovalOrder,
    InvalidRoot,
    EntryAddress,
    ModuleAgrees,
    PrivateFollows,
    Notifier,
    Count_
};
inline constexpr unsigned kTraceRules = static_cast<unsigned>(TraceRule::Count_);

struct TraceRuleInfo {
    TraceRule id;
    std::string_view name;
    std::string_view help;
    std::string_view function; // of the kernel, that would have had to do it
    bool byTheLine = false;    // wrong by the line itself: nothing that another CPU did, or that was not recorded, would make it right
};
const TraceRuleInfo& info(TraceRule rule);

struct Finding {
    u64 number = 0; // of those that were found, from 0
    TraceRule rule = TraceRule::Discontinuity;
    u32 line = 0;
    u64 event = 0;          // which of the events, from 0
    std::string text;       // values decoded; one sentence
    std::vector<u32> lines; // others that matter
};

} // namespace mirrorscope
