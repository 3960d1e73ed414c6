// SPDX-License-Identifier: GPL-3.0-or-later
// `record`: how to record on this host, and as root the recording.
#include "command.h"

#include "base/out_file.h"
#include "base/text.h"
#include "trace/recipe.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <unistd.h>

namespace mirrorscope::app {

namespace {
namespace fs = std::filesystem;

struct RecordArguments {
    std::string out = "kvm.trace", tracing;
    bool print = false, seamcalls = false, memslots = false, probes = false;
    unsigned seconds = 0;
};

[[noreturn]] void fail(const std::string& file, int problem = errno) {
    throw UsageError(fmt::format("{}: {}", file, std::strerror(problem)));
}

// Writes a control file of tracefs. False where it could not be; errno says why.
bool write(const fs::path& file, const std::string& value, int flags = 0) {
    const int fd = open(file.c_str(), O_WRONLY | O_CLOEXEC | flags);
    const bool good = fd >= 0 && writeAll(fd, value);
    const int problem = errno;
    if (fd >= 0)
        close(fd);
    errno = problem;
    return good;
}
void tell(const fs::path& file, const std::string& value, int flags = 0) {
    if (!write(file, value, flags))
        fail(file);
}

// What was switched on is switched off, whatever happens.
class Recording {
public:
    // `asFarAsItGoes`: without the probes that this kernel refuses.
    Recording(const Recipe& recipe, bool asFarAsItGoes) : root_(recipe.tracing), here_(root_ / recipe.instance) {
        // One that is left of a recording that was killed is taken over.
        if (std::error_code problem; !fs::create_directory(here_, problem) && problem)
            fail(here_, problem.value());
        try {
            write(here_ / "events" / "enable", "0"); // its probes are not in use any more, and are made anew
            for (const Probe& probe : recipe.probes) {
                takeAway(probe);
                probes_.push_back(probe);
                if (make(probe))
                    continue;
                if (!asFarAsItGoes)
                    fail(root_ / "kprobe_events");
                takeAway(probe);
                probes_.pop_back();
            }
            tell(here_ / "buffer_size_kb", std::to_string(recipe.kilobytes));
            for (const WantedEvent& event : recipe.there)
                tell(here_ / "events" / event.system / event.name / "enable", "1");
            if (!probes_.empty())
                tell(here_ / "events" / kProbeGroup / "enable", "1");
            tell(here_ / "tracing_on", "1");
            pipe_ = open((here_ / "trace_pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
            if (pipe_ < 0)
                fail(here_ / "trace_pipe");
        } catch (...) {
            end();
            throw;
        }
    }
    ~Recording() { end(); }
    Recording(const Recording&) = delete;
    Recording& operator=(const Recording&) = delete;

    void stop() { tell(here_ / "tracing_on", "0"); }
    // What there is of it by now; empty: nothing.
    std::string_view next() {
        const ssize_t got = read(pipe_, buffer_.data(), buffer_.size());
        return {buffer_.data(), got > 0 ? static_cast<std::size_t>(got) : 0};
    }

private:
    // What cannot be undone stays: there is nobody to tell.
    void end() {
        if (pipe_ >= 0)
            close(pipe_);
        write(here_ / "tracing_on", "0");
        write(here_ / "events" / "enable", "0");
        rmdir(here_.c_str());
        for (const Probe& probe : probes_)
            takeAway(probe);
    }
    bool make(const Probe& probe) {
        const auto lines = probeLines(probe);
        return std::all_of(lines.begin(), lines.end(),
                           [&](const std::string& line) { return write(root_ / "kprobe_events", line + "\n", O_APPEND); });
    }
    void takeAway(const Probe& probe) {
        for (const std::string& line : unprobeLines(probe))
            write(root_ / "kprobe_events", line + "\n", O_APPEND);
    }
    fs::path root_, here_;
    std::vector<Probe> probes_; // that are there
    int pipe_ = -1;
    std::string buffer_ = std::string(1 << 16, '\0');
};

int record(const Recipe& recipe, const RecordArguments& args) {
    OutFile out(args.out);
    if (!out.write(""))
        fail(args.out);
    interrupted(); // from here on Ctrl-C ends it
    u64 lines = 0, told = 0;
    const bool progress = isatty(STDERR_FILENO) != 0;
    {
        Recording recording(recipe, args.probes);
        using Clock = std::chrono::steady_clock;
        const auto begun = Clock::now();
        for (bool on = true;;) {
            if (on && (interrupted() || (args.seconds != 0 && Clock::now() - begun >= std::chrono::seconds(args.seconds)))) {
                recording.stop(); // what is in the buffers is still read
                on = false;
            }
            if (const std::string_view part = recording.next(); !part.empty()) {
                lines += static_cast<u64>(std::count(part.begin(), part.end(), '\n'));
                if (!out.write(part))
                    fail(args.out);
                continue;
            }
            if (!on)
                break;
            if (progress && lines != told)
                std::fprintf(stderr, "\r%llu lines; Ctrl-C ends it", static_cast<unsigned long long>(told = lines));
            constexpr unsigned kMicroseconds = 100'000;
            usleep(kMicroseconds);
        }
    }
    if (told != 0)
        std::fputc('\n', stderr);
    if (!out.commit())
        fail(args.out);
    std::fputs(wrapped(lines == 0 ? std::string("nothing happened: did a guest run?")
                                  : fmt::format("{}; `mirrorscope {}` opens it, `mirrorscope conform {}` judges it", counted(lines, "line"),
                                                args.out, args.out),
                       args.out + ": ", 4)
                   .c_str(),
               stdout);
    return args.seconds == 0 ? kBounded : kOk; // somebody ended it
}

int recordCommand(const RecordArguments& args) {
    const fs::path tracing = args.tracing.empty() ? tracefs() : fs::path(args.tracing);
    if (tracing.empty())
        throw UsageError("there is no tracefs here: mount -t tracefs nodev /sys/kernel/tracing, as root");
    std::error_code problem;
    if (!fs::exists(tracing / "events", problem))
        throw UsageError(
            fmt::format("{}: {}", tracing.string(), problem ? problem.message() : "no tracefs, or not to be read: are you root?"));
    const Recipe recipe = recipeFor(tracing, args.seamcalls || args.probes, args.memslots || args.probes);
    if (!recipe.complete())
        throw UsageError(fmt::format("{}: no kvmmmu:kvm_tdp_mmu_spte_changed: is kvm loaded, of Linux 5.10 or later?", tracing.string()));
    const auto probes = [&](bool ofSeamcalls) {
        return std::any_of(recipe.probes.begin(), recipe.probes.end(), [&](const Probe& probe) { return probe.answers == ofSeamcalls; });
    };
    if (args.memslots && !probes(false))
        throw UsageError(fmt::format("{}: the function that changes memslots is not there to be probed, or not to be read",
                                     (tracing / "available_filter_functions").string()));
    if (args.seamcalls && !probes(true))
        throw UsageError(
            fmt::format("{}: none of the functions that make SEAMCALLs is there to be probed: no host of TDs, or not to be read",
                        (tracing / "available_filter_functions").string()));
    if (args.print) {
        std::fputs(scriptOf(recipe, args.out).c_str(), stdout);
        return kOk;
    }
    if (access((tracing / "instances").c_str(), W_OK) != 0)
        throw UsageError("recording takes root; `mirrorscope record --print` prints what is to be done");
    return record(recipe, args);
}
} // namespace

void addRecord(CLI::App& root, Invocation& invoke) {
    auto args = std::make_shared<RecordArguments>();
    CLI::App* sub = root.add_subcommand("record", "records what KVM does on this host, or says how");
    sub->add_flag("--print", args->print, "the commands for this host, as a script");
    sub->add_option("-o", args->out, "the recording, as text (kvm.trace)");
    sub->add_option("--seconds", args->seconds, "S: end by itself")->check(CLI::Range(1, 86400));
    sub->add_flag("--seamcalls", args->seamcalls, "of a TDX host: probes of the functions that make SEAMCALLs, too");
    sub->add_flag("--memslots", args->memslots, "a probe of memslots, too, so that notifiers can be checked; begin before the guest does");
    sub->add_flag("--probes", args->probes, "both, as far as this kernel lets them be made");
    sub->add_option("--tracing", args->tracing, "where tracefs is mounted");
    sub->callback([args, &invoke] { invoke = [args] { return recordCommand(*args); }; });
}

} // namespace mirrorscope::app
