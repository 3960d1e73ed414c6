// SPDX-License-Identifier: GPL-3.0-or-later
#include "review/kinds_of_vm.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace mirrorscope::review_tables {

namespace {
constexpr std::array<KindOfVm, 4> kKinds{{
    {VmType::Default, "private-ops: observe", "", "write: {0}", "{1}: {0}"},
    {VmType::SwProtected, "private-ops: observe", "set-memory-attributes: {gpa: 0, size: 4M, as: private}", "write: {0}", "{1}: {0}"},
    {VmType::Snp, "private-ops: observe", "set-memory-attributes: {gpa: 16M, size: 4M, as: shared}", "write: {0}",
     "{1}: {{gpa: {0}, as: shared}}"},
    {VmType::Tdx, "", "set-memory-attributes: {gpa: 16M, size: 4M, as: shared}; init-mem-region: {gpa: 0, size: 4K}; finalize-vm",
     "accept: {0}", "{1}: {{gpa: {0}, as: shared}}"},
}};
} // namespace

std::span<const KindOfVm> kindsOfVm() { return kKinds; }

std::string stepOf(const KindOfVm& vm, std::string_view step, bool braced) {
    std::string vcpu = "vcpu0";
    if (step.starts_with("@0 ") || step.starts_with("@1 ")) {
        vcpu = fmt::format("vcpu{}", step[1]);
        step.remove_prefix(3);
    } else if (!step.starts_with("@")) {
        const bool bare = step.find(": ") == std::string_view::npos;
        return std::string(step) + (bare && braced ? ": {}" : "");
    }
    if (!step.starts_with("@"))
        return fmt::format("{}: {{{}}}", vcpu, step);
    const char what = step[1];
    const std::string_view verb = what == 'r' ? "read" : what == 'x' ? "exec" : "write";
    const std::string_view address = step.substr(3);
    return fmt::format("{}: {{{}}}", vcpu, fmt::format(fmt::runtime(what == 'p' ? vm.onPrivate : vm.onShared), address, verb));
}

std::string stepsOf(const KindOfVm& vm, std::string_view steps) {
    std::string out;
    while (!steps.empty()) {
        const std::size_t end = std::min(steps.find("; "), steps.size());
        out += "  - " + stepOf(vm, steps.substr(0, end), false) + "\n";
        steps.remove_prefix(std::min(end + 2, steps.size()));
    }
    return out;
}

} // namespace mirrorscope::review_tables
