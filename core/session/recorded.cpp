// SPDX-License-Identifier: GPL-3.0-or-later
// A session of a recorded kernel: its events are the micro-steps.
#include "trace/recorded.h"

#include "base/text.h"
#include "kvm/types.h"
#include "scenario/diagnostic.h"
#include "scenario/runner.h"
#include "session/recorded_summary.h"
#include "session/session.h"

#include <fmt/format.h>

#include <algorithm>

namespace mirrorscope {

namespace {
// As the timeline shows a fault: from the line that tells of it to the entry of the guest.
std::vector<Mark> faultMarks(const RecordedKernel& recorded, const RecordedSummary& summary) {
    std::vector<Mark> marks;
    for (const RecordedFault& fault : summary.faults) {
        if (fault.how == FaultEnd::Open || fault.how == FaultEnd::NotMapped)
            continue; // how it ended is not told
        const TraceEvent& e = recorded.events[fault.begin];
        const ActorId actor = recorded.actorOfTask[e.task];
        const u64 result = fault.how == FaultEnd::Mmio ? RET_PF_EMULATE : fault.how == FaultEnd::Retried ? RET_PF_RETRY : RET_PF_FIXED;
        marks.push_back({.n = fault.begin, .kind = MarkKind::Exit, .actor = actor});
        marks.push_back({.n = fault.end - 1, .kind = MarkKind::Fault, .actor = actor, .a = {e.c & ~u64{0xfff}, 0, result, 0, 0, 0}});
    }
    std::stable_sort(marks.begin(), marks.end(), [](const Mark& a, const Mark& b) { return a.n < b.n; });
    return marks;
}
} // namespace

Session::Session(std::shared_ptr<const RecordedKernel> recorded, const std::function<bool(u64)>& goOn) : recorded_(std::move(recorded)) {
    const RecordedKernel& r = *recorded_;
    const RecordedSummary summary = summarize(r);
    peak_ = summary.peak;
    scenario_.file = r.file;
    const bool snapshot = r.isSnapshot();
    scenario_.title = (snapshot ? "A snapshot of a kernel: " : "A recorded kernel: ") + r.file.substr(r.file.find_last_of('/') + 1);
    scenario_.about = summaryMarkdown(r, summary);
    scenario_.source = "# " + r.file + ": a kernel that was " + (snapshot ? "read at one moment" : "recorded") +
                       ", not a scenario.\n# It is looked at, and cannot be run again.\n";
    scenario_.machine = r.config;
    // Read as the trace of another release it is another recording of the same.
    for (const std::string_view kernel : traceKernelNames())
        scenario_.variants.push_back({std::string(kernel), "as the trace of that kernel"});
    if (r.kernel != TraceKernel::Any)
        scenario_.overrides.push_back({std::string(kVariant), std::string(name(r.kernel))});
    scenario_.machineText = {{"recorded", r.config.recorded->npt ? "NPT" : "EPT"}};
    runner_ = std::make_unique<Runner>(scenario_, RunOptions{.check = false});
    auto violations = r.replay(runner_->system(), goOn);
    if (!violations)
        throw Stopped{};
    runner_->checker().assign(std::move(*violations));
    for (const Mark& mark : faultMarks(r, summary))
        runner_->system().sim().markAt(mark);
    indexScript();
    indexRecorded();
    indexViolations();
    lanes();
    runner_->system().machine().packLeaps();
    seek(snapshot ? end() : 0);
}

std::unique_ptr<Session> openSession(const std::string& file, const std::vector<Override>& overrides) {
    if (!isTraceFile(file))
        return std::make_unique<Session>(loadScenario(file, overrides));
    TraceInput input(file);
    return openRecording(input, kernelOfRecording(file, overrides));
}

std::unique_ptr<Session> openRecording(TraceInput& input, TraceKernel kernel, const std::function<bool(u64)>& goOn, u64 most) {
    std::shared_ptr<const RecordedKernel> recorded = readRecorded(input, kernel, goOn, most);
    if (!recorded)
        throw Session::Stopped{};
    return std::make_unique<Session>(std::move(recorded), goOn);
}

// What one goes to instead of the next step of a script: faults, notifiers, what zaps all, new roots.
void Session::indexRecorded() {
    for (u64 n = 0; n < recorded_->events.size(); ++n) {
        const TraceEvent& e = recorded_->events[n];
        if (e.kind == TraceKind::PageFault || e.kind == TraceKind::UnmapHva || e.kind == TraceKind::AgeHva ||
            e.kind == TraceKind::ZapAllFast || (e.kind == TraceKind::GetPage && e.level >= recorded_->config.levels))
            topStarts_.push_back(n + 1);
    }
}

std::optional<u64> Session::positionOfTraceLine(unsigned line) const {
    // Few are not in the order of their lines.
    const auto& events = recorded_->events;
    auto found = std::lower_bound(events.begin(), events.end(), line, [](const TraceEvent& e, unsigned l) { return e.line < l; });
    constexpr std::ptrdiff_t kNear = 256;
    const auto from = found - std::min(kNear, found - events.begin()), to = found + std::min(kNear, events.end() - found);
    for (auto e = from; e != to; ++e)
        if (e->line == line)
            found = e;
    return found == events.end() ? std::nullopt : std::optional<u64>(static_cast<u64>(found - events.begin()) + 1);
}

// What a recording's line says, or a snapshot's entry.
std::string Session::eventOf(u64 n) const {
    const TraceEvent& e = recorded_->events[n];
    if (!recorded_->isSnapshot())
        return fieldsText(e, recorded_->names);
    return e.kind == TraceKind::SpteChanged ? fmt::format("gfn {:x} level {} holds {:x}", e.gfn, e.level, e.b)
                                            : fmt::format("level {}, from gfn {:x}", e.level, e.gfn);
}

std::string Session::lineOf(u64 n) const {
    const TraceEvent& e = recorded_->events[n];
    if (recorded_->isSnapshot())
        return e.kind == TraceKind::SpteChanged ? fmt::format("Entry {}: {}", e.line, eventOf(n)) : "A table of " + eventOf(n);
    return fmt::format("line {}: {}: {}: {}", e.line, actorName(stepBrief(n).first), mirrorscope::nameOf(e), eventOf(n));
}

bool Session::lineFits(const EventFilter::Word& word, u64 n) const {
    using Key = EventFilter::Word::Key;
    const TraceEvent& e = recorded_->events[n];
    if (word.key == Key::Line)
        return e.line == word.number;
    if (word.key == Key::Cpu)
        return e.cpu == word.number;
    if (word.key == Key::Gpa) {
        const u64 gfn = word.number >> 12;
        const bool sized = e.level >= 1 && e.level <= 5;
        const Level level = sized ? levelOf(e.level) : Level::k4K;
        // Above 4K an entry translates it only as a leaf.
        return e.gfn == gfn ||
               (sized && gfn >= e.gfn && gfn - e.gfn < pagesPer(level) && !spte::isTable(e.a, level) && !spte::isTable(e.b, level));
    }
    if (mirrorscope::nameOf(e).find(word.text) != std::string::npos)
        return true;
    return word.key == Key::Any && fieldsText(e, recorded_->names).find(word.text) != std::string::npos;
}

} // namespace mirrorscope
