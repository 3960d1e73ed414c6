// SPDX-License-Identifier: GPL-3.0-or-later
// Files: packed, binary, sessions; broken ones; and what is read of them.
#include "trace/recorded.h"

#include "export/export.h"
#include "scenario/diagnostic.h"
#include "session/recorded_summary.h"
#include "session/session.h"
#include "support/effort.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

using namespace mirrorscope;

namespace {
const std::string kRecordings = std::string(MIRRORSCOPE_SOURCE_DIR) + "/tests/data/traces/";

struct Nothing final : TraceSink {
    void event(const TraceEvent&) override {}
    void lost(const TraceLoss&) override {}
};

struct Change {
    std::string task;
    u64 gfn, level, old, now;
    bool operator==(const Change&) const = default;
};
struct Changes final : TraceSink {
    explicit Changes(const TraceNames& of) : names(of) {}
    const TraceNames& names;
    std::vector<Change> all;
    void event(const TraceEvent& e) override {
        if (e.kind == TraceKind::SpteChanged || (e.kind == TraceKind::FastPageFault && (e.flags & TraceEvent::kFixed) != 0))
            all.push_back({names.taskOf(e.task).text(), e.gfn, e.level, e.a, e.b});
    }
    void lost(const TraceLoss&) override {}
};
std::vector<Change> changesOf(const std::string& file, TraceCounts* counts = nullptr) {
    TraceInput input(file);
    TraceNames names;
    Changes changes(names);
    const TraceRead read = readTrace(input, names, changes);
    if (counts != nullptr)
        *counts = read.counts;
    return changes.all;
}

std::string unpacked(const std::string& file) {
    TraceInput input(file);
    std::string bytes;
    for (std::string_view piece = input.read(); !piece.empty(); piece = input.read())
        bytes += piece;
    return bytes;
}

std::string complaint(std::string name, std::string bytes) {
    TraceInput input(std::move(name), std::move(bytes));
    TraceNames names;
    Nothing nothing;
    try {
        readTrace(input, names, nothing);
    } catch (const InputError& error) {
        return error.what();
    }
    return "";
}

std::shared_ptr<const RecordedKernel> recordedFrom(const std::string& file) {
    TraceInput input(file);
    return readRecorded(input, TraceKernel::Any, [](u64) { return true; });
}
} // namespace

// One run, as trace.dat of both versions and as text.
TEST(Recording, text_and_binary_of_one_run_tell_the_same) {
    TraceCounts text, binary;
    const auto asText = changesOf(kRecordings + "lab-6.12.txt.xz", &text);
    EXPECT_EQ(asText.size(), 8445u);
    EXPECT_EQ(changesOf(kRecordings + "lab-6.12-v7.dat.gz", &binary), asText);
    EXPECT_EQ(text.kinds, binary.kinds);
    EXPECT_EQ(changesOf(kRecordings + "lab-6.12-lossy.dat.gz", &binary), changesOf(kRecordings + "lab-6.12-lossy.txt.xz", &text));
    EXPECT_EQ(text.lost, binary.lost);
    EXPECT_GT(text.lost, 0u);
    // Version 6 is of another run.
    EXPECT_EQ(changesOf(kRecordings + "lab-6.12-v6.dat.gz").size(), 8445u);
}

TEST(Recording, a_session_file_holds_all_of_it) {
    const std::string file = testing::TempDir() + "/x.session";
    for (const char* name : {"lab-6.12-v7.dat.gz", "private-exits.trace", "lab-6.12-lossy.txt.xz"}) {
        SCOPED_TRACE(name);
        TraceInput input(kRecordings + name);
        TraceNames names;
        SessionFileWriter writer(file, names);
        const TraceRead read = readTrace(input, names, writer);
        EXPECT_FALSE(std::filesystem::exists(file)) << "before it is complete";
        writer.finish(read.counts);
        TraceCounts counts;
        EXPECT_EQ(changesOf(file, &counts), changesOf(kRecordings + name));
        EXPECT_EQ(counts.kinds, read.counts.kinds);
        EXPECT_EQ(counts.lost, read.counts.lost);
        EXPECT_EQ(counts.lines, read.counts.lines);
        EXPECT_LT(std::filesystem::file_size(file), read.counts.events * 16);
        std::filesystem::remove(file);
    }
    // Nothing is left of one that was not finished.
    {
        TraceNames names;
        SessionFileWriter writer(file, names);
    }
    for (const auto& entry : std::filesystem::directory_iterator(testing::TempDir()))
        EXPECT_EQ(entry.path().string().find("x.session"), std::string::npos);
}

TEST(Recording, a_session_file_that_was_changed_is_refused) {
    const std::string file = testing::TempDir() + "/y.session";
    {
        TraceInput input(kRecordings + "private-exits.trace");
        TraceNames names;
        SessionFileWriter writer(file, names);
        writer.finish(readTrace(input, names, writer).counts);
    }
    const std::string good = unpacked(file);
    EXPECT_EQ(complaint("s", good), "");
    EXPECT_NE(complaint("s", good.substr(0, 20)).find("ends in its head"), std::string::npos);
    EXPECT_NE(complaint("s", good.substr(0, good.size() - 1)).find("checksum"), std::string::npos);
    std::string later = good;
    later[8] = 3;
    EXPECT_NE(complaint("s", later).find("version 3"), std::string::npos);
    std::mt19937 random(7);
    for (int i = 0; i < 200; ++i) {
        std::string bad = good;
        bad[random() % bad.size()] ^= static_cast<char>(1 << random() % 8);
        EXPECT_NE(bad.substr(0, 8) == good.substr(0, 8) ? complaint("s", bad) : "text", "");
    }
    std::filesystem::remove(file);
}

TEST(Recording, what_is_cut_off_or_broken_is_one_line) {
    for (const char* name : {"prefault.trace.gz", "lab-6.12.txt.xz"}) {
        SCOPED_TRACE(name);
        std::ifstream in(kRecordings + name, std::ios::binary);
        const std::string packed((std::istreambuf_iterator<char>(in)), {});
        EXPECT_EQ(complaint("t", packed), "");
        EXPECT_NE(complaint("t", packed.substr(0, packed.size() / 2)), "");
        std::string bad = packed;
        for (std::size_t i = bad.size() / 3; i < bad.size() / 3 + 64; ++i)
            bad[i] = static_cast<char>(~bad[i]);
        EXPECT_NE(complaint("t", bad), "");
    }
    EXPECT_THROW(TraceInput("/nowhere/at/all"), InputError);
    EXPECT_THROW(TraceInput("/"), InputError);
}

// libtracecmd trusts its input; what brings it down is an input that cannot be read, and this program goes on.
TEST(Recording, a_broken_trace_dat_brings_nothing_down) {
    const std::string good = unpacked(kRecordings + "lab-6.12-v7.dat.gz");
    EXPECT_EQ(complaint("d", good), "");
    EXPECT_NE(complaint("d", good.substr(0, 100)), "");
    std::mt19937 random(20261127);
    int refused = 0;
    for (int i = 0; i < 60; ++i) {
        std::string bad = good;
        const std::size_t from = 10 + random() % (bad.size() - 100);
        for (std::size_t k = 0; k < 1 + random() % 64; ++k)
            bad[from + k] = static_cast<char>(random());
        refused += complaint("d", bad).empty() ? 0 : 1;
    }
    EXPECT_GT(refused, 0);
}

// The window reads beside its own threads, which hold any lock at any moment.
TEST(Recording, a_trace_dat_is_read_whatever_other_threads_do) {
    std::atomic<bool> enough = false;
    std::vector<std::jthread> others;
    for (unsigned n = 0; n < 3; ++n)
        others.emplace_back([&enough] {
            std::vector<std::string> some(200);
            for (std::size_t i = 0; !enough; ++i)
                some[i % some.size()].assign(1 + i * 37 % 5000, 'x');
        });
    for (unsigned n = 0; n < mirrorscope::test::effort(60, 20); ++n)
        EXPECT_EQ(changesOf(kRecordings + "lab-6.12-v7.dat.gz").size(), 8445u);
    enough = true;
}

// Position by position: what the machine shows is what the lines up to there tell.
TEST(Recording, time_travel_shows_what_the_lines_told) {
    for (const char* name : {"private-exits.trace", "lab-6.12-v7.dat.gz"}) {
        SCOPED_TRACE(name);
        Session session(recordedFrom(kRecordings + name));
        const RecordedKernel& recorded = *session.recorded();
        ASSERT_EQ(session.end(), recorded.events.size());
        std::mt19937 random(3);
        for (int i = 0; i < 300; ++i) {
            const u64 n = random() % session.end();
            const TraceEvent& e = recorded.events[n];
            if (e.kind != TraceKind::SpteChanged || spte::isFrozen(e.b))
                continue;
            session.seek(n + 1);
            const TreeCell cell = session.cell(Column::Shared, {e.gfn}, levelOf(e.level));
            ASSERT_TRUE(cell.exists) << "line " << e.line;
            EXPECT_EQ(cell.raw, e.b) << "line " << e.line;
            EXPECT_NE(session.sentence(n + 1).find("line " + std::to_string(e.line) + ":"), std::string::npos);
            EXPECT_EQ(session.positionOfTraceLine(e.line), n + 1);
            const auto history = session.history(cell.place);
            EXPECT_TRUE(std::any_of(history.begin(), history.end(), [&](const HistoryEntry& h) { return h.n == n && h.now == e.b; }));
        }
        session.seek(session.end());
        const u64 hash = session.system().machine().hash();
        session.seek(0);
        session.seek(session.end());
        EXPECT_EQ(session.system().machine().hash(), hash);
        EXPECT_EQ(session.system().machine().hashFromScratch(), hash);
    }
}

// What was there before the recording is unknown until a line tells of it.
TEST(Recording, what_is_older_than_the_recording_is_unknown) {
    const std::string all = unpacked(kRecordings + "private-exits.trace");
    std::size_t from = 0;
    for (int i = 0; i < 37; ++i)
        from = all.find('\n', from) + 1;
    TraceInput input("late.trace", all.substr(from));
    const auto opened = openRecording(input);
    Session& session = *opened;
    EXPECT_TRUE(session.violations().empty());
    const RecordedKernel& recorded = *session.recorded();
    const auto first = std::find_if(recorded.events.begin(), recorded.events.end(),
                                    [](const TraceEvent& e) { return e.kind == TraceKind::SpteChanged && e.gfn == 0x182; });
    ASSERT_NE(first, recorded.events.end());
    session.seek(static_cast<u64>(first - recorded.events.begin()));
    // Its neighbour was mapped before line 38.
    EXPECT_EQ(session.cell(Column::Shared, {0x180}, Level::k4K).spte, SpteState::Unknown);
    session.seek(session.position() + 1);
    EXPECT_EQ(session.cell(Column::Shared, {0x182}, Level::k4K).spte, SpteState::Leaf);
    EXPECT_EQ(session.stateName(Column::Shared, session.cell(Column::Shared, {0x180}, Level::k4K)), "unknown");
}

TEST(Recording, the_summary_tells_how_faults_ended) {
    const auto recorded = recordedFrom(kRecordings + "lab-6.12-v7.dat.gz");
    const RecordedSummary summary = summarize(*recorded);
    u64 faults = 0, told = 0;
    for (const TraceEvent& e : recorded->events)
        faults += e.kind == TraceKind::PageFault ? 1 : 0;
    EXPECT_EQ(summary.faults.size(), faults);
    for (const u64 n : summary.ends)
        told += n;
    EXPECT_EQ(told, faults);
    EXPECT_GT(summary.ends[static_cast<unsigned>(FaultEnd::Fast)], 0u);
    EXPECT_GT(summary.ends[static_cast<unsigned>(FaultEnd::Mapped)], 0u);
    u64 timed = 0;
    for (const u64 n : summary.durations)
        timed += n;
    EXPECT_EQ(timed, faults - summary.ends[static_cast<unsigned>(FaultEnd::Open)]);
    const std::string text = summaryMarkdown(*recorded, summary);
    EXPECT_NE(text.find("each as such a kernel makes it"), std::string::npos);
    EXPECT_NE(text.find("Split into small pages: 6 huge pages;"), std::string::npos);
}

// A TD's two trees of KVM are told apart; of the third no line tells, and nothing is said to differ from it.
TEST(Recording, a_td_has_two_trees_that_are_told) {
    Session run(loadScenario(std::string(MIRRORSCOPE_SOURCE_DIR) + "/scenarios/lessons/04-convert-and-back.yaml"));
    std::string text;
    writeTrace(run, [&](const std::string& line) { text += line; });
    TraceInput input("td.trace", text);
    const auto opened = openRecording(input);
    Session& session = *opened;
    ASSERT_TRUE(session.recorded()->config.recorded->mirrored);
    session.seek(session.openingPosition());
    EXPECT_EQ(session.cell(Column::Mirror, {4}, Level::k4K).spte, SpteState::Leaf);
    const TreeCell secure = session.cell(Column::Private, {4}, Level::k4K);
    EXPECT_EQ(session.stateName(Column::Private, secure), "not told");
    for (const TreeRow& row : session.rows())
        EXPECT_EQ(twinsOf(row), Twins::None);
}

TEST(Recording, a_recording_is_exported_as_the_trace_that_it_is) {
    Session session(recordedFrom(kRecordings + "private-exits.trace"));
    std::string text;
    writeTrace(session, [&](const std::string& line) { text += line; });
    TraceInput input("again.trace", text);
    TraceNames names;
    Changes changes(names);
    readTrace(input, names, changes);
    EXPECT_EQ(changes.all, changesOf(kRecordings + "private-exits.trace"));
}

// Tables above what a machine has frames for: numbered anew, and all else as told.
TEST(Recording, frames_of_a_large_host_are_numbered_anew) {
    std::string text = unpacked(kRecordings + "private-exits.trace");
    // 0x108e43 becomes 0xff08e43, and so on: 1 TiB.
    for (std::size_t at = 0; (at = text.find(" 108e", at)) != std::string::npos; at += 8)
        text.replace(at, 5, " ff08e");
    TraceInput input("large.trace", text);
    const std::shared_ptr<const RecordedKernel> recorded = readRecorded(input, TraceKernel::Any, [](u64) { return true; });
    EXPECT_TRUE(recorded->renumbered);
    EXPECT_EQ(recorded->findingCount, 0u);
    Session session(recorded);
    session.seek(session.openingPosition());
    const TreeCell leaf = session.cell(Column::Shared, {0x211}, Level::k4K);
    EXPECT_EQ(leaf.spte, SpteState::Leaf);
    EXPECT_EQ(leaf.raw, 0x1029aae67u);
}
