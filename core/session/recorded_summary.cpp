// SPDX-License-Identifier: GPL-3.0-or-later
#include "session/recorded_summary.h"

#include "base/text.h"
#include "machine/frames.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace mirrorscope {

namespace {
constexpr u64 kStorm = 16; // faults at one gfn, with nothing else between

struct EndInfo {
    std::string_view name, help;
};
constexpr std::array<EndInfo, kFaultEnds> kEnds{{
    {"mapped", "a page was mapped, or found mapped already"},
    {"fast", "one exchange without a lock gave the right back"},
    {"MMIO", "the address is emulated"},
    {"tried again", "it had its page, and did not map it: the entry was frozen, another one was faster, or an invalidation came between"},
    {"not mapped", "it asked for no entry: it left to user space, was emulated, or was answered otherwise"},
    {"open", "no entry of the guest followed, by the same task"},
}};
} // namespace

std::string_view name(FaultEnd end) { return kEnds[static_cast<unsigned>(end)].name; }
std::string_view help(FaultEnd end) { return kEnds[static_cast<unsigned>(end)].help; }

RecordedSummary summarize(const RecordedKernel& recorded) {
    RecordedSummary summary;
    const auto& events = recorded.events;
    constexpr std::size_t kNone = ~std::size_t{0};
    struct Task {
        std::size_t fault = kNone;
        bool requested = false, set = false, fast = false, mmio = false;
        u64 stormGfn = ~u64{0}, stormLength = 0, stormFirst = 0;
    };
    std::vector<Task> tasks(recorded.names.tasks());
    std::unordered_map<u64, std::size_t> hotAt;
    std::vector<RecordedSummary::Hot> hot;
    std::int64_t mapped = 0, most = 0;
    bool timed = false;
    const auto endStorm = [&](Task& task, u32 id) {
        if (task.stormLength >= kStorm)
            summary.storms.push_back({task.stormGfn, task.stormLength, task.stormFirst, id});
        task.stormLength = 0;
    };
    for (std::size_t n = 0; n < events.size(); ++n) {
        const TraceEvent& e = events[n];
        Task& task = tasks[e.task];
        if (e.time != 0) {
            summary.first = timed ? std::min(summary.first, e.time) : e.time;
            summary.last = std::max(summary.last, e.time);
            timed = true;
        }
        const auto close = [&] {
            if (task.fault == kNone)
                return;
            RecordedFault& fault = summary.faults[task.fault];
            fault.end = n + 1;
            const u64 begun = events[fault.begin].time;
            fault.nanoseconds = e.time >= begun ? e.time - begun : 0;
            fault.how = task.fast        ? FaultEnd::Fast
                        : task.mmio      ? FaultEnd::Mmio
                        : task.set       ? FaultEnd::Mapped
                        : task.requested ? FaultEnd::Retried
                                         : FaultEnd::NotMapped;
            ++summary.ends[static_cast<unsigned>(fault.how)];
            const auto bucket =
                std::min<unsigned>(RecordedSummary::kBuckets - 1, static_cast<unsigned>(std::bit_width(fault.nanoseconds / 1000)));
            if (summary.durations[bucket]++ == 0)
                summary.firstOfDuration[bucket] = fault.begin;
            task.fault = kNone;
        };
        switch (e.kind) {
        case TraceKind::PageFault: {
            close();
            task.fault = summary.faults.size();
            task.requested = task.set = task.fast = task.mmio = false;
            summary.faults.push_back({.begin = n, .end = events.size(), .gfn = e.gfn});
            const auto [at, isNew] = hotAt.try_emplace(e.gfn, hot.size());
            if (isNew)
                hot.push_back({e.gfn, 0, n});
            ++hot[at->second].faults;
            if (task.stormGfn != e.gfn) {
                endStorm(task, e.task);
                task.stormGfn = e.gfn;
                task.stormFirst = n;
            }
            ++task.stormLength;
            break;
        }
        case TraceKind::Entry: close(); break;
        case TraceKind::SpteRequested: task.requested = true; break;
        case TraceKind::SetSpte: task.set = true; break;
        case TraceKind::FastPageFault: task.fast |= (e.flags & (TraceEvent::kFixed | TraceEvent::kSpurious)) != 0; break;
        case TraceKind::MarkMmio:
        case TraceKind::HandleMmio: task.mmio = true; break;
        case TraceKind::SpteChanged:
            if (e.level >= 1 && e.level <= 3) {
                const Level level = levelOf(e.level);
                const auto pages = static_cast<std::int64_t>(pagesPer(level));
                mapped += (spte::isLeaf(e.b, level) ? pages : 0) - (spte::isLeaf(e.a, level) ? pages : 0);
                if (mapped > most) {
                    most = mapped;
                    summary.peak = n + 1;
                }
            }
            break;
        default: break;
        }
    }
    for (std::size_t t = 0; t < tasks.size(); ++t) {
        endStorm(tasks[t], static_cast<u32>(t));
        summary.ends[static_cast<unsigned>(FaultEnd::Open)] += tasks[t].fault != kNone ? 1 : 0;
    }
    constexpr std::size_t kShown = 8;
    std::partial_sort(hot.begin(), hot.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, hot.size())), hot.end(),
                      [](const auto& a, const auto& b) { return a.faults != b.faults ? a.faults > b.faults : a.gfn < b.gfn; });
    hot.resize(std::min(kShown, hot.size()));
    summary.hottest = std::move(hot);
    std::stable_sort(summary.storms.begin(), summary.storms.end(), [](const auto& a, const auto& b) { return a.faults > b.faults; });
    if (summary.peak == 0)
        summary.peak = events.size();
    return summary;
}

namespace {
std::string step(u64 position, std::string_view text) { return fmt::format("[{}](mirrorscope://step/{})", text, position); }
// A TD's shared memory is where its shared bit is left away.
std::string address(const RecordedKernel& r, u64 gfn) {
    const u64 direct = r.config.directBits();
    return fmt::format("[{0}{1}](mirrorscope://gpa/{1})", (gfn & direct) != 0 ? "shared " : "", hex((gfn & ~direct) << 12));
}
std::string microseconds(unsigned bucket) {
    const u64 most = u64{1} << bucket;
    return most < 1000        ? fmt::format("< {} µs", most)
           : most < 1'000'000 ? fmt::format("< {} ms", most / 1000)
                              : fmt::format("< {} s", most / 1'000'000);
}
std::string findingsMarkdown(const RecordedKernel& r) {
    std::string out;
    constexpr std::size_t kShown = 8;
    for (std::size_t i = 0; i < std::min(kShown, r.findings.size()); ++i)
        out += fmt::format("- {}: {}: {}\n",
                           step(r.findings[i].event + 1, fmt::format("{} {}", r.isSnapshot() ? "entry" : "line", r.findings[i].line)),
                           info(r.findings[i].rule).name, r.findings[i].text);
    return out + (r.findingCount > kShown ? fmt::format("- and {} more: V goes to the next one\n\n", r.findingCount - kShown) : "\n");
}

std::string renumberedMarkdown(const RecordedKernel& r) {
    return !r.renumbered
               ? std::string()
               : fmt::format("Frames of tables lie above {} GiB and are numbered anew in the trees; {} tell the kernel's own.\n\n",
                             Frames::kMost >> 18, r.isSnapshot() ? "entries" : "lines");
}

std::string snapshotMarkdown(const RecordedKernel& r) {
    std::string out = r.read.about + "\n";
    if (r.findingCount == 0)
        out += "**Each entry is as such a kernel makes it**, as far as it tells by itself.\n\n";
    else
        out += fmt::format("**{}**, which no such kernel makes so:\n\n", counted(r.findingCount, "finding")) + findingsMarkdown(r);
    out += renumberedMarkdown(r);
    std::array<u64, 6> pages{};
    u64 tables = 0, frozen = 0;
    for (const TraceEvent& e : r.events)
        if (e.kind == TraceKind::SpteChanged) {
            const Level level = levelOf(e.level);
            tables += spte::isTable(e.b, level);
            pages[e.level] += spte::isLeaf(e.b, level);
            frozen += spte::isFrozen(e.b);
        }
    out += "What is there:\n\n" + fmt::format("- {} below the roots\n", counted(tables, "table"));
    for (unsigned level = 1; level < pages.size(); ++level)
        if (pages[level] != 0)
            out += fmt::format("- {} of {}\n", counted(pages[level], "page"), levelName(levelOf(level)));
    if (frozen != 0)
        out += fmt::format("- {}, which somebody was changing at that moment\n", counted(frozen, "frozen entry", "frozen entries"));
    if (r.config.recorded->mirrored)
        out += "\nA TD: the mirror is KVM's own. Its secure EPT and the PAMT are encrypted for the host, and were not read.\n";
    return out;
}
} // namespace

std::string summaryMarkdown(const RecordedKernel& r, const RecordedSummary& summary) {
    if (r.isSnapshot())
        return snapshotMarkdown(r);
    std::string out = fmt::format(
        "What a kernel did, by its trace: {} of {} in {:.3f} s. Each is a position: F11 and Shift+F11 step, F10 goes "
        "to the next fault or notifier. The events are in the pane *Events*, and `line:N` finds a line.\n\n",
        counted(r.events.size(), "event"), counted(r.names.tasks() - 1, "task"), static_cast<double>(summary.last - summary.first) / 1e9);
    if (r.bounded)
        out += "This is its beginning; the rest is not read yet, and what is said here is of the beginning only.\n\n";
    if (r.findingCount == 0) {
        out += fmt::format("**{} of entries, each as such a kernel makes it.** {}\n\n", counted(r.transitions, "change"), r.notChecked);
    } else {
        out += fmt::format("**{} in {} of entries**, which no such kernel makes so:\n\n", counted(r.findingCount, "finding"),
                           counted(r.transitions, "change")) +
               findingsMarkdown(r);
    }
    if (r.read.counts.lost != 0 || !r.losses.empty())
        out += fmt::format("**{} lost**{}: what entries held is not known behind that.\n\n", counted(r.read.counts.lost, "event"),
                           r.losses.empty()
                               ? std::string()
                               : ", first at " + step(r.losses.front().before, fmt::format("line {}", r.losses.front().what.line)));
    out += renumberedMarkdown(r);
    if (r.config.recorded->mirrored)
        out += r.seamcalls.tds > 1
                   ? fmt::format("{}, each judged by its own SEAMCALLs; the private pane would mix them, and is not filled.\n\n",
                                 counted(r.seamcalls.tds, "TD"))
               : r.privateFrames.empty()
                   ? std::string("A TD: the mirror is KVM's own; of the private tree no line tells (a SEAMCALL has no tracepoint).\n\n")
                   : fmt::format(
                         "A TD: the mirror is KVM's own; the private tree is what probes of SEAMCALLs tell of it: {} in {}. Not whether "
                         "the guest has accepted a page{}. Frames of its tables are numbered here.\n\n",
                         counted(r.seamcalls.leaves, "page"), counted(r.seamcalls.tables, "table"),
                         r.seamcalls.firstPage ? "" : ", nor in which frame it is");
    if (r.shadowPages != 0)
        out += fmt::format("Not followed: {} of shadow paging.\n\n", counted(r.shadowPages, "page"));
    out += fmt::format(
        "{} is where most is mapped; at the end there is left: {} and {}. Split into small pages: {}; made of small ones: {}.\n\n",
        step(summary.peak, fmt::format("Position {}", summary.peak)), counted(r.left.tables, "table"),
        counted(r.left.entries, "entry", "entries"), counted(r.splits, "huge page"), r.collapses);
    if (!summary.faults.empty()) {
        out += fmt::format("**{}**, by how they ended:\n\n", counted(summary.faults.size(), "fault"));
        for (unsigned i = 0; i < kFaultEnds; ++i)
            if (summary.ends[i] != 0) {
                const auto how = static_cast<FaultEnd>(i);
                const auto first =
                    std::find_if(summary.faults.begin(), summary.faults.end(), [&](const RecordedFault& f) { return f.how == how; });
                out += fmt::format("- {} {}: {}\n", summary.ends[i],
                                   first == summary.faults.end() ? std::string(name(how)) : step(first->begin + 1, name(how)), help(how));
            }
        out += "\nand how long they took, up to the next entry of the guest:\n\n";
        const u64 longest = *std::max_element(summary.durations.begin(), summary.durations.end());
        for (unsigned i = 0; i < RecordedSummary::kBuckets; ++i)
            if (summary.durations[i] != 0) {
                constexpr u64 kWide = 24;
                std::string bar;
                for (u64 k = 0; k < std::max<u64>(1, summary.durations[i] * kWide / longest); ++k)
                    bar += "▆";
                out += fmt::format("- {} {} {}\n", step(summary.firstOfDuration[i] + 1, microseconds(i)), bar, summary.durations[i]);
            }
        out += "\nwhere most of them were:\n\n";
        for (const auto& hot : summary.hottest)
            out += fmt::format("- {}: {}, the {}\n", address(r, hot.gfn), counted(hot.faults, "fault"), step(hot.first + 1, "first"));
        out += "\n";
    }
    for (std::size_t i = 0; i < std::min<std::size_t>(3, summary.storms.size()); ++i)
        out += fmt::format("**A storm**: {} faults of {} at {}, one after the other, {}.\n\n", summary.storms[i].faults,
                           r.names.taskOf(summary.storms[i].task).text(), address(r, summary.storms[i].gfn),
                           step(summary.storms[i].first + 1, "from here"));
    out += "Events by kind:\n\n";
    std::vector<std::pair<std::string, u64>> kinds(r.read.counts.kinds.begin(), r.read.counts.kinds.end());
    std::stable_sort(kinds.begin(), kinds.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    for (const auto& [kind, n] : kinds) {
        const auto known = traceKindFromName(kind);
        out += fmt::format("- {} {}{}\n", n, kind, known ? fmt::format(": {}", info(*known).help) : std::string(", of no concern here"));
    }
    if (r.read.counts.skipped != 0)
        out += fmt::format("- no events: {}{}\n", counted(r.read.counts.skipped, "line"),
                           r.read.counts.cut != 0 ? fmt::format(", {} of them cut off", r.read.counts.cut) : std::string());
    return out;
}

} // namespace mirrorscope
