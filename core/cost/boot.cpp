// SPDX-License-Identifier: GPL-3.0-or-later
#include "cost/boot.h"

#include "base/text.h"
#include "cost/run_cost.h"
#include "machine/kernels.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace mirrorscope {

namespace {
// What a guest accepts and shares, as far as somebody told.
struct Habits {
    u64 image;      // bytes that are measured
    u64 firmware;   // bytes that a firmware accepts which leaves the rest to the kernel
    double perVcpu; // bytes that the kernel accepts while it starts a vCPU
    double shared;  // part of all memory that becomes the bounce buffer
    u64 sharedLeast, sharedMost;
};
constexpr Habits kHabits{
    .image = 4u << 20,                 // an OVMF of 4M (kata-containers#13535)
    .firmware = 512u << 20,            // IntelTdxX64 with lazy accept (kata-containers#13535: the default of Config-B)
    .perVcpu = 13.0 * (1 << 30) / 248, // dstack#1220: 13 GiB with 248 vCPUs, before watermarks are set
    .shared = 0.06,                    // Linux, arch/x86/mm/mem_encrypt.c: mem_encrypt_setup_arch()
    .sharedLeast = 64u << 20,
    .sharedMost = 1u << 30,
};

// Counts of one run, by which another one is predicted.
struct Counted {
    double ns = 0, seamcalls = 0, exits = 0;

    Counted operator-(const Counted& b) const { return {ns - b.ns, seamcalls - b.seamcalls, exits - b.exits}; }
    Counted operator*(double by) const { return {ns * by, seamcalls * by, exits * by}; }
};

Counted run(const std::string& machine, const std::string& script, const CostTable& costs) {
    const Session session(bindScenario("boot.yaml", "mirrorscope: 1\nmachine: {vm: tdx, " + machine + "}\nscript:\n" + script));
    const RunCost cost = costOf(session, costs);
    Counted out{.ns = cost.ns};
    for (const CostLine& line : cost.lines) {
        if (line.name.starts_with("TDH."))
            out.seamcalls += static_cast<double>(line.times);
        if (line.name == "TDH.VP.ENTER")
            out.exits += static_cast<double>(line.times);
    }
    return out;
}

// What one more thing costs: the slope between two runs; and how far one in the middle is from that line.
constexpr u64 kLeast = 512, kMiddle = 1024, kMost = 1536; // pages; each begins a table of its own
struct Growth {
    Counted each;
    double off = 0;
};
template <class Run>
Growth growth(u64 least, u64 middle, u64 most, Run&& counted) {
    const Counted a = counted(least), b = counted(middle), c = counted(most);
    const Counted each = (c - a) * (1.0 / static_cast<double>(most - least));
    const double line = a.ns + each.ns * static_cast<double>(middle - least);
    return {each, line > 0 ? std::abs(b.ns - line) / line : 0};
}

std::string slotOf(u64 pages) { return fmt::format("slots: [{{id: 0, gpa: 0, size: {}K}}]", pages * 4); }
u64 sharedPages(const BootOptions& options) {
    const double part = kHabits.shared * static_cast<double>(options.bytes);
    const double bytes = std::clamp(part, static_cast<double>(kHabits.sharedLeast), static_cast<double>(kHabits.sharedMost));
    return std::min(static_cast<u64>(bytes), options.bytes / 2) >> 12;
}

// Before init runs.
u64 acceptedPages(const BootOptions& options, bool eager) {
    const u64 all = options.bytes >> 12;
    if (eager)
        return all;
    const double bytes = static_cast<double>(kHabits.firmware) + kHabits.perVcpu * options.vcpus;
    return std::min(all, (static_cast<u64>(bytes) >> 12) + sharedPages(options));
}

} // namespace

BootTable predictBoots(const BootOptions& options, const CostTable& costs) {
    BootTable table;
    table.of = options;
    table.least = kLeast;
    table.most = kMost;
    constexpr std::pair<Kernel, std::optional<Feature>> kVersions[] = {{Kernel::V6_16, {}}, {Kernel::V6_19, {}},
                                                                       {Kernel::V7_2, {}},  {Kernel::V7_2, Feature::Private2M},
                                                                       {Kernel::Next, {}},  {Kernel::Next, Feature::DynamicPamt}};
    for (const auto& [kernel, feature] : kVersions) {
        const bool large = feature == Feature::Private2M;
        const std::string version = fmt::format("kernel: \"{}\", {}", name(kernel),
                                                feature ? fmt::format("features: [{}], ", kFeatures[static_cast<unsigned>(*feature)]) : "");
        const auto machine = [&](u64 pages, const std::string& more = "vcpus: 1") { return version + more + ", " + slotOf(pages); };
        const Growth image = growth(16, 32, 48, [&](u64 pages) {
            return run(machine(kMost), fmt::format("  - init-mem-region: {{gpa: 0, size: {}K}}\n", 4 * pages), costs);
        });
        const Growth vcpu = growth(2, 3, 4, [&](u64 vcpus) {
            std::string script;
            for (u64 v = 0; v < vcpus; ++v)
                script += fmt::format("  - init-vcpu: {}\n", v);
            return run(machine(kLeast, "vcpus: 4, init-vcpus: 0"), script, costs);
        });
        const auto accepting = [&](u64 pages, const std::string& more = "") {
            return run(
                machine(kMost),
                fmt::format("  - finalize-vm\n  - vcpu0: {{accept: {{gpa: 0, size: {}K{}}}}}\n", 4 * pages, large ? ", level: 2M" : "") +
                    more,
                costs);
        };
        const Growth accept = growth(kLeast, kMiddle, kMost, [&](u64 pages) { return accepting(pages); });
        // The bounce buffer is in one piece, so that of large pages whole ones become shared.
        const u64 unit = large ? 512 : 16;
        const Growth share = growth(unit, 2 * unit, 3 * unit, [&](u64 pages) {
            return accepting(large ? kMost : kLeast, fmt::format("  - vcpu0: {{map-gpa: {{gpa: 0, size: {}K, as: shared}}}}\n", 4 * pages));
        });
        for (const Growth* one : {&image, &vcpu, &accept, &share})
            table.off = std::max(table.off, one->off);
        for (const bool eager : {false, true}) {
            Boot boot;
            boot.kernel = kernel;
            boot.feature = feature;
            boot.eager = eager;
            const auto phase = [&](const char* what, u64 things, const Growth& of) {
                const Counted all = of.each * static_cast<double>(things);
                boot.phases.push_back({what, things, all.ns, all.seamcalls, all.exits});
                boot.ns += all.ns;
            };
            phase("image", std::min(kHabits.image, options.bytes) >> 12, image);
            phase("vCPUs", options.vcpus, vcpu);
            phase("accept", acceptedPages(options, eager), accept);
            phase("to shared", sharedPages(options), share);
            table.boots.push_back(std::move(boot));
        }
        if (options.cancelled()) {
            table.whole = false;
            break;
        }
    }
    return table;
}

std::string nameOf(const Boot& boot) {
    return std::string(name(boot.kernel)) + (!boot.feature ? "" : *boot.feature == Feature::Private2M ? " 2M" : " PAMT");
}

std::string bootText(const BootTable& table, const CostTable& costs) {
    const double gib = static_cast<double>(table.of.bytes) / (1u << 30);
    std::string out = wrapped(fmt::format("A TD of {:g} GiB and {} vCPU{} until init runs, in seconds on one CPU.", gib, table.of.vcpus,
                                          table.of.vcpus == 1 ? "" : "s"),
                              "", 0);
    // As wide as what stands in it.
    std::vector<std::vector<std::string>> rows{{"kernel", "accept", "image", "vCPUs", "accept", "(pages)", "to shared", "all"}};
    const auto seconds = [](double ns) {
        return ns < 1e10 ? fmt::format("{:.3f}", ns / 1e9) : ns < 1e15 ? fmt::format("{:.1f}", ns / 1e9) : fmt::format("{:.1e}", ns / 1e9);
    };
    for (const Boot& boot : table.boots) {
        std::vector<std::string>& row = rows.emplace_back();
        row = {nameOf(boot), boot.eager ? "eager" : "lazy"};
        for (const BootPhase& phase : boot.phases) {
            row.push_back(seconds(phase.ns));
            if (phase.name == "accept")
                row.push_back(fmt::format("({})", phase.things));
        }
        row.push_back(seconds(boot.ns));
    }
    std::vector<std::size_t> widths(rows[0].size());
    for (const auto& row : rows)
        for (std::size_t c = 0; c < row.size(); ++c)
            widths[c] = std::max(widths[c], row[c].size());
    out += "\n";
    for (const auto& row : rows) {
        std::string line;
        for (std::size_t c = 0; c < row.size(); ++c)
            line += c < 2 ? fmt::format("  {:<{}}", row[c], widths[c]) : fmt::format("{}{:>{}}", c == 5 ? " " : "  ", row[c], widths[c]);
        out += line + "\n";
    }
    out += "\n";
    const auto say = [&](const std::string& text) { out += wrapped(text, "", 2); };
    say(fmt::format(
        "Counted in runs of up to {} pages and 4 vCPUs, and continued in a straight line; a run between is at most {:.1f} % beside it.",
        table.most, 100 * table.off));
    say(fmt::format("Times are by the {} costs (`mirrorscope cost --table`): a prediction is as good as they are.",
                    costs.isDefault() ? "default" : "given"));
    say(fmt::format(
        "Lazy: the firmware accepts {} MiB, the kernel {:.0f} MiB for each vCPU that it starts and its bounce buffer; eager: all.",
        kHabits.firmware >> 20, kHabits.perVcpu / (1 << 20)));
    say("PAMT: with features: [dynamic-pamt]; 2M: with features: [private-2M], a guest that accepts 2M at a time; else pages are of 4K. "
        "Memory "
        "becomes shared before other vCPUs run, so that nobody is kicked.");
    say("Not in it: other load of the host, and what the guest does beside accepting.");
    return out;
}

std::string bootCsv(const BootTable& table) {
    std::string out = "kernel,features,accept,page,phase,things,seconds,seamcalls,exits\n";
    for (const Boot& boot : table.boots)
        for (const BootPhase& phase : boot.phases)
            out += fmt::format("{},{},{},{},{},{},{:.6f},{:.0f},{:.0f}\n", name(boot.kernel),
                               boot.feature ? kFeatures[static_cast<unsigned>(*boot.feature)] : "", boot.eager ? "eager" : "lazy",
                               boot.feature == Feature::Private2M ? "2M" : "4K", phase.name, phase.things, phase.ns / 1e9, phase.seamcalls,
                               phase.exits);
    return out;
}

std::string bootSvg(const BootTable& table) {
    constexpr int kLeft = 130, kRow = 30, kWidth = 520, kTop = 70;
    constexpr const char* kColours[] = {"#0072b2", "#e69f00", "#009e73", "#cc79a7"};
    double most = 1;
    for (const Boot& boot : table.boots)
        most = std::max(most, boot.ns);
    const int height = kTop + kRow * static_cast<int>(table.boots.size()) + 20;
    std::string out = fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
                                  "font-family=\"DejaVu Sans, sans-serif\" font-size=\"12\">\n"
                                  "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
                                  kLeft + kWidth + 90, height);
    out +=
        fmt::format("<text x=\"10\" y=\"22\" font-size=\"15\" font-weight=\"bold\">A TD of {:g} GiB and {} vCPU{} until init runs</text>\n",
                    static_cast<double>(table.of.bytes) / (1u << 30), table.of.vcpus, table.of.vcpus == 1 ? "" : "s");
    int x = 10;
    for (std::size_t i = 0; i < 4 && !table.boots.empty(); ++i) {
        out += fmt::format("<rect x=\"{}\" y=\"36\" width=\"12\" height=\"12\" fill=\"{}\"/><text x=\"{}\" y=\"47\">{}</text>\n", x,
                           kColours[i], x + 17, table.boots[0].phases[i].name);
        x += 110;
    }
    int y = kTop;
    for (const Boot& boot : table.boots) {
        out += fmt::format("<text x=\"10\" y=\"{}\">{}, {}</text>\n", y + 15, nameOf(boot), boot.eager ? "eager" : "lazy");
        double at = kLeft;
        for (std::size_t i = 0; i < boot.phases.size(); ++i) {
            const double width = boot.phases[i].ns / most * kWidth;
            out += fmt::format("<rect x=\"{:.1f}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\" fill=\"{}\"/>\n", at, y, width, kRow - 10,
                               kColours[i]);
            at += width;
        }
        out += fmt::format("<text x=\"{:.1f}\" y=\"{}\">{:.1f} s</text>\n", at + 6, y + 15, boot.ns / 1e9);
        y += kRow;
    }
    return out + "</svg>\n";
}

} // namespace mirrorscope
