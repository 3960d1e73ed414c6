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
#include <poll.h>
#include <unistd.h>

namespace mirrorscope::app {

namespace {
namespace fs = std::filesystem;

struct RecordArguments {
    std::string out = "kvm.trace", tracing;
    bool print = false, seamcalls = false;
    unsigned seconds = 0;
};

// Writes a control file of tracefs, or says which one could not be.
void tell(const fs::path& file, const std::string& value, int flags = 0) {
    const int fd = open(file.c_str(), O_WRONLY | O_CLOEXEC | flags);
    const bool good = fd >= 0 && writeAll(fd, value);
    const int problem = errno;
    if (fd >= 0)
        close(fd);
    if (!good)
        throw UsageError(fmt::format("{}: {}", file.string(), std::strerror(problem)));
}

// What was switched on is switched off, whatever happens.
class Recording {
public:
    explicit Recording(const Recipe& recipe) : recipe_(recipe), root_(recipe.tracing), here_(root_ / recipe.instance) {
        // One that is left of a recording that was killed is taken over.
        if (std::error_code problem; !fs::create_directory(here_, problem) && problem)
            throw UsageError(fmt::format("{}: {}", here_.string(), problem.message()));
        try {
            for (const SeamcallProbe& probe : recipe.probes)
                for (const std::string& line : probeLines(probe))
                    tell(root_ / "kprobe_events", line + "\n", O_APPEND);
            tell(here_ / "buffer_size_kb", std::to_string(recipe.kilobytes));
            for (const WantedEvent& event : recipe.there)
                tell(here_ / "events" / event.system / event.name / "enable", "1");
            if (!recipe.probes.empty())
                tell(here_ / "events" / "mirrorscope" / "enable", "1");
            tell(here_ / "tracing_on", "1");
        } catch (...) {
            end();
            throw;
        }
    }
    ~Recording() { end(); }
    Recording(const Recording&) = delete;
    Recording& operator=(const Recording&) = delete;

    void stop() { tell(here_ / "tracing_on", "0"); }
    fs::path pipe() const { return here_ / "trace_pipe"; }

private:
    static void tryTo(const fs::path& file, const std::string& value, int flags = 0) {
        try {
            tell(file, value, flags);
        } catch (const UsageError&) { // what cannot be undone stays; there is nobody to tell
        }
    }
    void end() {
        tryTo(here_ / "tracing_on", "0");
        tryTo(here_ / "events" / "enable", "0");
        rmdir(here_.c_str());
        for (const SeamcallProbe& probe : recipe_.probes)
            for (const char* tail : {"", "_status"})
                tryTo(root_ / "kprobe_events", fmt::format("-:mirrorscope/{}{}\n", probe.function, tail), O_APPEND);
    }
    const Recipe& recipe_;
    fs::path root_, here_;
};

int record(const Recipe& recipe, const RecordArguments& args) {
    OutFile out(args.out);
    if (!out.write(""))
        throw UsageError(fmt::format("{}: {}", args.out, std::strerror(errno)));
    interrupted(); // from here on Ctrl-C ends it
    u64 lines = 0, told = 0;
    const bool progress = isatty(STDERR_FILENO) != 0;
    {
        Recording recording(recipe);
        const int pipe = open(recording.pipe().c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (pipe < 0)
            throw UsageError(fmt::format("{}: {}", recording.pipe().string(), std::strerror(errno)));
        const std::unique_ptr<const int, void (*)(const int*)> closes(&pipe, [](const int* fd) { close(*fd); });
        using Clock = std::chrono::steady_clock;
        const auto begun = Clock::now();
        bool on = true;
        std::string buffer(1 << 16, '\0');
        while (true) {
            if (on && (interrupted() || (args.seconds != 0 && Clock::now() - begun >= std::chrono::seconds(args.seconds)))) {
                recording.stop(); // what is in the buffers is still read
                on = false;
            }
            const ssize_t got = read(pipe, buffer.data(), buffer.size());
            if (got > 0) {
                const std::string_view part(buffer.data(), static_cast<std::size_t>(got));
                lines += static_cast<u64>(std::count(part.begin(), part.end(), '\n'));
                if (!out.write(part))
                    throw UsageError(fmt::format("{}: {}", args.out, std::strerror(errno)));
                continue;
            }
            if (!on)
                break;
            if (progress && lines != told)
                std::fprintf(stderr, "\r%llu lines; Ctrl-C ends it", static_cast<unsigned long long>(told = lines));
            constexpr int kMilliseconds = 100;
            pollfd waits{pipe, POLLIN, 0};
            poll(&waits, 1, kMilliseconds);
            if ((waits.revents & POLLHUP) != 0) // a pipe of others that is closed
                usleep(kMilliseconds * 1000);
        }
    }
    if (told != 0)
        std::fputc('\n', stderr);
    if (!out.commit())
        throw UsageError(fmt::format("{}: {}", args.out, std::strerror(errno)));
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
    const Recipe recipe = recipeFor(tracing, args.seamcalls);
    if (!recipe.complete())
        throw UsageError(fmt::format("{}: no kvmmmu:kvm_tdp_mmu_spte_changed: is kvm loaded, of Linux 5.10 or later?", tracing.string()));
    if (args.seamcalls && recipe.probes.empty())
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
    sub->add_option("--tracing", args->tracing, "where tracefs is mounted");
    sub->callback([args, &invoke] { invoke = [args] { return recordCommand(*args); }; });
}

} // namespace mirrorscope::app
