// SPDX-License-Identifier: GPL-3.0-or-later
// The table of releases, for readers.
#include "machine/kernels.h"

#include "base/text.h"
#include "export/vocabulary.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace mirrorscope {

std::string kernelsText() {
    std::string out;
    for (const KernelPoint& point : kernelPoints()) {
        out += fmt::format("{}{}\n", out.empty() ? "" : "\n", point.name);
        for (std::size_t i = 0; i < kReleases.size(); ++i)
            if (!point.does[i].empty())
                out += wrapped(point.does[i], fmt::format("  {:<6}", name(kReleases[i])), 8);
        out += wrapped(point.since, "  ", 4);
        out += wrapped(point.shownBy.empty() ? std::string("nothing of it is to be seen in this model")
                                             : "seen by: " + std::string(point.shownBy),
                       "  ", 4);
    }
    return out;
}

std::string kernelsMarkdown() {
    std::string out =
        "# Releases of the kernel\n\nMade from the program's own table by `mirrorscope kernels --format markdown`; a test keeps it "
        "current. `machine.kernel` chooses one;\n`fixed` is 6.16 with the later fixes of [fidelity.md](fidelity.md). An empty cell "
        "does as the one before it.\n\n    mirrorscope explore "
        "scenarios/races/30-image-and-new-vcpu.yaml --each-kernel\n"
        "    mirrorscope diff scenarios/lessons/03-built-before-it-runs.yaml --kernel 6.16 --kernel 7.2\n"
        "    mirrorscope review --table transitions --kernel 7.2\n\n| point |";
    for (const Kernel kernel : kReleases)
        out += fmt::format(" {} |", name(kernel));
    out += " since | seen by |\n| --- |";
    for (std::size_t i = 0; i < kReleases.size() + 2; ++i)
        out += " --- |";
    out += "\n";
    for (const KernelPoint& point : kernelPoints()) {
        out += fmt::format("| {} |", point.name);
        for (const std::string_view does : point.does)
            out += fmt::format(" {} |", does);
        out += fmt::format(" {} | {} |\n", point.since, point.shownBy.empty() ? "–" : point.shownBy);
    }
    return out;
}

std::string kernelsJson() {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const KernelPoint& point : kernelPoints()) {
        nlohmann::ordered_json row{{"point", point.name}};
        for (std::size_t i = 0; i < kReleases.size(); ++i)
            row[std::string(name(kReleases[i]))] = doesIn(point, i);
        row["since"] = point.since;
        row["seen_by"] = point.shownBy;
        list.push_back(std::move(row));
    }
    return list.dump(1) + "\n";
}

} // namespace mirrorscope
