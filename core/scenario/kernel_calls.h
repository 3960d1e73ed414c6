// SPDX-License-Identifier: GPL-3.0-or-later
// The `kernel` verb: one entry point of the TDP MMU called directly, with the lock that its callers hold.
#pragma once

#include "kvm/kvm.h"
#include "scenario/scenario.h"

#include <span>
#include <string_view>

namespace mirrorscope {

struct KernelCall {
    std::string_view name;
    std::string_view arguments; // those that it looks at
    std::string_view help;
    Outcome (*call)(Kvm& kvm, const Step& step, const GfnRange& range);
};

std::span<const KernelCall> kernelCalls();
std::vector<std::string_view> kernelCallNames();

} // namespace mirrorscope
