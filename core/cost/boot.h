// SPDX-License-Identifier: GPL-3.0-or-later
// How long a TD takes to start: image, vCPUs, memory that is accepted, memory that becomes shared. What each page and each vCPU costs is
// counted in runs of the model that are small enough to be run, and continued in a straight line.
#pragma once

#include "cost/cost_table.h"
#include "machine/config.h"

#include <functional>
#include <optional>
#include <vector>

namespace mirrorscope {

struct BootOptions {
    u64 bytes = 0;      // of private memory
    unsigned vcpus = 1; // any number: it is not simulated
    std::function<bool()> cancelled = [] { return false; };
};

struct BootPhase {
    std::string name; // "image", "vCPUs", "accept", "to shared"
    u64 things = 0;   // pages, or vCPUs
    double ns = 0;
    double seamcalls = 0, exits = 0;
};

struct Boot {
    Kernel kernel = Kernel::V6_16;
    std::optional<Feature> feature = {};
    bool eager = false; // all memory is accepted before the kernel starts; else what is needed
    std::vector<BootPhase> phases;
    double ns = 0;
};

struct BootTable {
    BootOptions of;
    std::vector<Boot> boots;
    u64 least = 0, most = 0; // pages of the runs that were counted
    double off = 0;          // how far a run between the two is from the straight line, as a part of it
    bool whole = true;       // false: it was cancelled
};

// "7.2 2M", "next PAMT"
std::string nameOf(const Boot& boot);
BootTable predictBoots(const BootOptions& options, const CostTable& costs);
std::string bootText(const BootTable& table, const CostTable& costs);
std::string bootCsv(const BootTable& table);
std::string bootSvg(const BootTable& table);

} // namespace mirrorscope
