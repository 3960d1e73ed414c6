// SPDX-License-Identifier: GPL-3.0-or-later
// What a right kernel prints is right however it was recorded: from the middle on, without some of the events, without tasks, with losses,
// two VMs at once. Our own machine is the kernel, whose runs are right.
#include "trace/judge.h"

#include "export/export.h"
#include "scenario/diagnostic.h"
#include "session/session.h"
#include "support/beside.h"
#include "support/effort.h"
#include "support/run.h"
#include "support/seed.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>

using namespace mirrorscope;

namespace {
using test::ToldRun;

std::vector<std::unique_ptr<ToldRun>> runs() {
    std::vector<std::unique_ptr<ToldRun>> all;
    for (const char* folder : {"lessons", "races", "selftests"})
        for (const auto& file : test::someOf(test::shippedScenarios(folder))) {
            const std::string name = file.filename().string();
            if (name.find("page_splitting") != std::string::npos)
                continue;
            Session session(loadScenario(file.string()));
            if (session.system().config().kernel >= Kernel::V7_2)
                continue; // what follows is judged as of 6.16, and two VMs of one host have one kernel
            std::string text;
            writeTrace(session, [&](const std::string& line) { text += line; });
            auto run = std::make_unique<ToldRun>(text);
            run->name = name;
            if (run->events.size() > 4)
                all.push_back(std::move(run));
        }
    return all;
}

bool isNpt(const ToldRun& run) {
    return std::any_of(run.events.begin(), run.events.end(), [](const TraceEvent& e) {
        return e.kind == TraceKind::SpteChanged && spte::isPresent(e.b) && looksLikeNpt(e.b).value_or(false);
    });
}

std::string textOf(const std::vector<TraceEvent>& events, const TraceNames& names) {
    std::string text;
    for (const TraceEvent& e : events)
        text += lineText(e, names) + "\n";
    return text;
}

// The findings, one a line; empty: none.
std::string findingsOf(const std::string& text, TraceKernel kernel) {
    TraceInput input("t", text);
    TraceNames names;
    try {
        const Judged j = judgeTrace(input, names, {.kernel = kernel});
        std::string told;
        for (const Finding& f : j.rebuild->findings())
            told += std::to_string(f.line) + ": " + std::string(info(f.rule).name) + ": " + f.text + "\n";
        return told;
    } catch (const InputError&) {
        return {}; // nothing of it is left
    }
}

class RightKernels : public testing::Test {
protected:
    static void SetUpTestSuite() { runs_ = new std::vector<std::unique_ptr<ToldRun>>(runs()); }
    static void TearDownTestSuite() {
        delete runs_;
        runs_ = nullptr;
    }
    // Of each run what `change` makes of it.
    template <class F>
    void each(F&& change) {
        ASSERT_GT(runs_->size(), test::effort(200, 25));
        for (const auto& run : *runs_) {
            const std::string text = change(*run);
            for (const TraceKernel kernel : {TraceKernel::Any, TraceKernel::V6_16}) {
                const std::string found = findingsOf(text, kernel);
                if (found.empty())
                    continue;
                const std::string file = testing::TempDir() + "wrong-" + run->name + ".trace";
                std::ofstream(file) << text;
                ADD_FAILURE() << run->name << ", seed " << seed_ << ", kept in " << file << ":\n" << found;
                break;
            }
        }
    }
    const u64 seed_ = test::propertySeed();
    std::mt19937_64 random_{seed_};
    static std::vector<std::unique_ptr<ToldRun>>* runs_;
};
std::vector<std::unique_ptr<ToldRun>>* RightKernels::runs_ = nullptr;

std::vector<TraceEvent> without(const std::vector<TraceEvent>& events, std::initializer_list<TraceKind> kinds) {
    std::vector<TraceEvent> left;
    for (const TraceEvent& e : events)
        if (std::find(kinds.begin(), kinds.end(), e.kind) == kinds.end())
            left.push_back(e);
    return left;
}
} // namespace

TEST_F(RightKernels, from_the_middle_on) {
    for (int round = 0; round < 3; ++round)
        each([&](const ToldRun& run) {
            auto from = static_cast<std::ptrdiff_t>(random_() % (run.events.size() - 1));
            // Not between the two roots of a TD, which are made at once.
            const auto makesRoot = [&](std::ptrdiff_t n) {
                const TraceEvent& e = run.events[static_cast<std::size_t>(n)];
                return e.kind == TraceKind::GetPage && e.gfn == 0 && e.level >= 4;
            };
            while (from > 0 && makesRoot(from) && makesRoot(from - 1))
                --from;
            return textOf({run.events.begin() + from, run.events.end()}, run.names);
        });
}

TEST_F(RightKernels, with_the_changes_alone) {
    each([](const ToldRun& run) {
        return textOf(without(run.events, {TraceKind::GetPage, TraceKind::PrepareZapPage, TraceKind::SetSpte, TraceKind::FastPageFault,
                                           TraceKind::PageFault, TraceKind::SplitHugePage}),
                      run.names);
    });
}

TEST_F(RightKernels, with_some_events_only) {
    each([](const ToldRun& run) { return textOf(without(run.events, {TraceKind::GetPage}), run.names); });
    each([](const ToldRun& run) { return textOf(without(run.events, {TraceKind::PrepareZapPage}), run.names); });
    each([](const ToldRun& run) { return textOf(without(run.events, {TraceKind::SetSpte, TraceKind::PageFault}), run.names); });
}

TEST_F(RightKernels, without_tasks) {
    each([](const ToldRun& run) {
        std::string text;
        for (const TraceEvent& e : run.events)
            text += std::string(info(e.kind).name) + ": " + fieldsText(e, run.names) + "\n";
        return text;
    });
}

// A CPU's buffer was full: some of its lines are missing, and its next one says so.
TEST_F(RightKernels, with_losses) {
    for (int round = 0; round < 3; ++round)
        each([&](const ToldRun& run) {
            const std::size_t from = random_() % run.events.size();
            const u16 cpu = run.events[from].cpu;
            std::size_t left = 1 + random_() % 20;
            // Of what is lost at the very end no line tells.
            const auto later = std::count_if(run.events.begin() + static_cast<std::ptrdiff_t>(from), run.events.end(),
                                             [&](const TraceEvent& e) { return e.cpu == cpu; });
            left = std::min(left, static_cast<std::size_t>(later) - 1);
            std::string text;
            bool lost = false;
            for (std::size_t n = 0; n < run.events.size(); ++n) {
                if (n >= from && run.events[n].cpu == cpu && left > 0) {
                    --left;
                    lost = true;
                    continue;
                }
                if (lost && run.events[n].cpu == cpu) {
                    text += "CPU:" + std::to_string(cpu) + " [LOST 7 EVENTS]\n";
                    lost = false;
                }
                text += lineText(run.events[n], run.names) + "\n";
            }
            return text;
        });
}

// Two VMs at once, in frames of their own, each with its tasks.
TEST_F(RightKernels, beside_another_vm) {
    for (int round = 0; round < 2; ++round)
        each([&](const ToldRun& run) {
            std::size_t n = random_() % runs_->size();
            while (isNpt(*(*runs_)[n]) != isNpt(run)) // a host has one kind of CPU
                n = (n + 1) % runs_->size();
            const ToldRun& other = *(*runs_)[n];
            std::string text;
            const bool addresses = round == 0; // else no line tells in which table an entry is
            test::interleave(run, other, random_, [&](const std::string& line, const TraceEvent& e, bool) {
                if (addresses || e.kind != TraceKind::SetSpte)
                    text += line + "\n";
            });
            return text;
        });
}
