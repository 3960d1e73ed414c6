// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/recorded.h"

#include "scenario/diagnostic.h"
#include "trace/order.h"
#include "trace/recorded_tables.h"

#include <algorithm>
#include <stdexcept>

namespace mirrorscope {

namespace {
// What an actor of the machine is to be called, and how many of them have a name of their own.
constexpr std::size_t kMostActors = 500;
// Events are numbered with 32 bits where they are kept; each needs some 100 bytes with what it did.
constexpr std::size_t kMostEvents = 200'000'000;

// Keeps the events in the order that TraceOrder gives them.
class Keep final : public TraceSink {
public:
    Keep(std::vector<TraceEvent>& events, Rebuild& rebuild) : events_(events), rebuild_(rebuild) {}
    void event(const TraceEvent& e) override {
        events_.push_back(e);
        rebuild_.event(e);
    }
    void lost(const TraceLoss& loss) override {
        losses.push_back({events_.size(), loss});
        rebuild_.lost(loss);
    }
    std::vector<RecordedKernel::Loss> losses;

private:
    std::vector<TraceEvent>& events_;
    Rebuild& rebuild_;
};

// Where tables are, before the machine is made.
class FrameCensus final : public TraceWatch {
public:
    void rootMade(const TraceRoot& root, const TraceTable& table) override {
        levels = std::max(levels, root.levels);
        add(table);
    }
    void rootChanged(const TraceRoot& root) override { mirrored |= root.mirror; }
    void tableMade(const TraceTable& table) override { add(table); }
    void tableMoved(const TraceTable& table) override { add(table); }
    void entrySet(const TraceTable& table, unsigned, u64 word) override {
        if (spte::isTable(word, table.level))
            named.emplace(framePart(word), 0);
        else if (spte::isLeaf(word, table.level) && table.level <= Level::k1G)
            endOfPages = std::max(endOfPages, framePart(word) + pagesPer(table.level));
    }
    void privateChanged(const PrivateEntry* entry) override {
        constexpr unsigned kLevels = 5; // a tree of five levels is known by a line that may follow
        if (entry != nullptr && entry->level != 0 && entry->level <= kLevels) {
            const bool isTable = entry->state == PrivateEntry::State::Table;
            for (const PrivateTable& table : privatePath(kLevels, entry->level - (isTable ? 1u : 0u), {entry->gfn}))
                inPrivate.emplace(table, 0);
        }
        if (inPrivate.size() > TraceTables::kMostTables)
            throw std::length_error("tables of the private tree");
    }
    unsigned levels = 4;
    bool mirrored = false;
    u64 endOfPages = 0; // frames of the guest's memory are below
    std::unordered_map<u64, u32> named;
    PrivateFrames inPrivate;

private:
    void add(const TraceTable& table) { named.emplace(TraceTables::frameOf(table), 0); }
};

// Where each table is in the machine.
void placeFrames(RecordedKernel& r, FrameCensus census) {
    // Frames with the numbers that the lines give them, if a machine can have so many.
    constexpr u64 kMostFrames = Frames::kMost;
    u64 highest = 0, unknown = 0;
    for (const auto& [frame, at] : census.named)
        if (frame >= TraceTables::kUnknownFrame)
            ++unknown;
        else
            highest = std::max(highest, frame);
    std::erase_if(census.inPrivate, [&](const auto& table) { return table.first.first > r.config.levels; });
    if (!r.config.recorded->mirrored)
        census.inPrivate.clear();
    r.renumbered = highest + 1 + unknown + census.inPrivate.size() > kMostFrames;
    std::vector<u64> frames;
    for (const auto& [frame, at] : census.named)
        frames.push_back(frame);
    std::sort(frames.begin(), frames.end());
    if (r.renumbered && frames.size() + census.inPrivate.size() + 2 > kMostFrames)
        throw InputError(r.file, 1, 1, "more tables than can be shown; `mirrorscope conform` and `import` have no such bound");
    u64 next = r.renumbered ? 1 : highest + 1;
    for (const u64 frame : frames)
        r.frames[frame] = static_cast<u32>(r.renumbered || frame >= TraceTables::kUnknownFrame ? next++ : frame);
    if (const u64 pages = census.inPrivate.size(); pages != 0 && census.endOfPages > next && census.endOfPages + pages + 1 < kMostFrames)
        next = census.endOfPages; // so that no page's number is a table's as well
    for (auto& [table, frame] : census.inPrivate)
        frame = static_cast<u32>(next++);
    if (const auto root = census.inPrivate.find({static_cast<u8>(r.config.levels), 0}); root != census.inPrivate.end())
        r.config.recorded->secureRoot = {root->second};
    r.privateFrames = std::move(census.inPrivate);
    r.config.frames = next + 1;
}
} // namespace

TraceKernel kernelOfRecording(const std::string& file, const std::vector<Override>& overrides) {
    TraceKernel kernel = TraceKernel::Any;
    for (const Override& override : overrides) {
        if (override.key != kVariant)
            throw InputError(file, 1, 1, "a recording has no key that could be overridden");
        const auto named = traceKernelFromName(override.value);
        if (!named)
            throw InputError(file, 1, 1, "a recording's variants are the kernels that it can be read as, not `" + override.value + "`");
        kernel = *named;
    }
    return kernel;
}

std::unique_ptr<RecordedKernel> readRecorded(TraceInput& input, TraceKernel kernel, const std::function<bool(u64)>& goOn, u64 most) {
    auto recorded = std::make_unique<RecordedKernel>();
    RecordedKernel& r = *recorded;
    r.file = input.name();
    r.kernel = kernel;
    FrameCensus census;
    Rebuild rebuild({.kernel = kernel}, &census);
    Keep keep(r.events, rebuild);
    TraceOrder order(keep);
    r.read = readTrace(input, r.names, order, [&](u64 events) {
        if (events > kMostEvents)
            throw InputError(r.file, 1, 1, "more events than are shown; `mirrorscope conform` and `import` have no such bound");
        if (rebuild.full() != 0)
            throw InputError(r.file, rebuild.full(), 1, Rebuild::kFullText);
        const bool wanted = goOn(events);
        r.bounded = wanted && events >= most;
        return wanted && !r.bounded;
    });
    if (!r.read.whole && !r.bounded)
        return nullptr;
    order.flush();
    if (r.events.empty())
        throw InputError(r.file, 1, 1, "no event of KVM's traces is in it");
    r.losses = std::move(keep.losses);
    r.findings = rebuild.findings();
    r.findingCount = rebuild.findingCount();
    r.transitions = rebuild.transitions();
    r.splits = rebuild.splits();
    r.collapses = rebuild.collapses();
    r.shadowPages = rebuild.shadowPages();
    r.left = rebuild.left();
    r.notChecked = rebuild.notCheckedText();
    r.seamcalls = rebuild.seamcalls();
    for (const TraceEvent& e : r.events)
        if (e.kind == TraceKind::SpteChanged && e.level >= 1 && e.level <= 2 && e.gfn >> 40 == 0)
            r.endGfn = std::max(r.endGfn, e.gfn + pagesPer(levelOf(e.level)));

    // Tasks are actors, in the order of their first events; those that enter a guest first.
    const std::size_t tasks = r.names.tasks();
    std::vector<bool> entered(tasks), seen(tasks);
    std::vector<u32> inOrder;
    for (const TraceEvent& e : r.events) {
        entered[e.task] = entered[e.task] || e.kind == TraceKind::Entry;
        if (!seen[e.task]) {
            seen[e.task] = true;
            inOrder.push_back(e.task);
        }
    }
    std::stable_partition(inOrder.begin(), inOrder.end(), [&](u32 task) { return entered[task]; });
    r.actorOfTask.assign(tasks, 0);
    for (const u32 task : inOrder) {
        if (r.actors.size() == kMostActors)
            r.actors.push_back("others");
        else if (r.actors.size() < kMostActors)
            r.actors.push_back(r.names.taskOf(task).text());
        r.actorOfTask[task] = static_cast<ActorId>(r.actors.size() - 1);
    }

    r.config.vm = VmType::Default;
    r.config.recorded = MachineConfig::Recorded{rebuild.masks().format.npt, rebuild.hasMirror() || census.mirrored};
    r.config.levels = census.levels;
    r.config.gpaw = census.levels == 5 ? 52 : 48;
    r.config.vcpus = static_cast<unsigned>(std::max<std::size_t>(1, r.actors.size()));
    placeFrames(r, std::move(census));
    return recorded;
}

std::optional<std::vector<Violation>> RecordedKernel::replay(System& system, const std::function<bool(u64)>& goOn) const {
    Machine& machine = system.machine();
    system.sim().nameActors(actors);
    RecordedTables written(system, frames, privateFrames, seamcalls.firstPage);
    Rebuild rebuild({.kernel = kernel}, &written);
    auto loss = losses.begin();
    constexpr u64 kAskedEvery = 4096;
    for (u64 n = 0; n < events.size(); ++n) {
        if (n % kAskedEvery == 0 && !goOn(n))
            return std::nullopt;
        const TraceEvent& e = events[n];
        const ActorId actor = actorOfTask[e.task];
        system.sim().setActor(actor);
        machine.beginStep({.path = written.pathOf(e),
                           .site = spte::isFrozen(e.b) && e.kind == TraceKind::SpteChanged ? Site::SpteFreeze : info(e.kind).site,
                           .actor = actor});
        // What is not known any more is not known from this line on; up to the one before it was.
        for (; loss != losses.end() && loss->before == n; ++loss)
            rebuild.lost(loss->what);
        rebuild.event(e);
    }
    return written.takeViolations();
}

} // namespace mirrorscope
