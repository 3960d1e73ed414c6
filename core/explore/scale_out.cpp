// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/scale_out.h"

#include "explore/result_json.h"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>

namespace mirrorscope {

namespace {
using Json = nlohmann::ordered_json;

u64 countTasks(const Scenario& scenario, const ExploreOptions& options, unsigned depth) {
    constexpr u64 kMostMicroSteps = 50'000;
    ExploreOptions count = options;
    count.maxTransitions = kMostMicroSteps;
    count.seconds = 0;
    count.finalState = nullptr;
    count.progress = nullptr;
    count.all = true;
    u64 tasks = 0;
    count.split = ExploreSplit{.depth = depth, .take = [&](u64) {
                                   ++tasks;
                                   return false;
                               }};
    return Explorer(scenario, count).run().stopped ? 0 : tasks;
}

} // namespace

ExploreMode modeFor(const Scenario& scenario, const ExploreOptions& options) {
    if (options.preemptions)
        return ExploreMode::Stateful;
    if (options.mode != ExploreMode::Auto)
        return options.mode;
    ExploreOptions attempt = options;
    attempt.mode = ExploreMode::Stateless;
    attempt.maxTransitions = Explorer::kTry;
    attempt.attempt = true;
    attempt.seconds = 0;
    attempt.finalState = nullptr;
    attempt.progress = nullptr;
    return Explorer::undecided(Explorer(scenario, attempt).run()) ? ExploreMode::Stateful : ExploreMode::Stateless;
}

Cut cutInto(const Scenario& scenario, const ExploreOptions& options, u64 wanted) {
    Cut best{1, countTasks(scenario, options, 1)};
    constexpr unsigned kDeepest = 512;
    for (unsigned depth = 4; depth <= kDeepest && best.tasks < wanted; depth += std::max(4u, depth / 4)) {
        const u64 tasks = countTasks(scenario, options, depth);
        if (tasks == 0)
            break;
        best = {depth, tasks};
    }
    return best;
}

namespace {
// Memory that all workers see: whether to stop, and for each task whether somebody has it.
class Common {
public:
    explicit Common(u64 tasks) : size_(tasks + 1) {
        void* memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
            throw std::bad_alloc();
        bytes_ = static_cast<u8*>(memory);
    }
    ~Common() { munmap(bytes_, size_); }
    Common(const Common&) = delete;
    Common& operator=(const Common&) = delete;

    void stop() { std::atomic_ref(bytes_[0]).store(1); }
    bool stopped() { return std::atomic_ref(bytes_[0]).load() != 0; }
    bool claim(u64 task) { return std::atomic_ref(bytes_[task + 1]).exchange(1) == 0; }

private:
    u64 size_;
    u8* bytes_;
};

class Workers {
public:
    Workers(const Scenario& scenario, const ExploreOptions& options, const ScaleOut& scale);
    ExploreResult run();

private:
    struct Worker {
        pid_t pid = -1;
        int pipe = -1;
        std::string text; // the line that is coming
    };
    void readFrontier();
    void saveFrontier() const;
    [[noreturn]] void work(unsigned n, int pipe);
    void start(unsigned n);
    void take(const std::string& line);

    const Scenario& scenario_;
    ExploreOptions options_;
    const ScaleOut& scale_;
    Cut cut_;
    std::vector<bool> done_;
    ExploreResult total_;      // of the tasks that are done
    ExploreResult unfinished_; // of those that were begun only
    HashSet seen_{HashSet::Use::Shared}, seenStacks_{HashSet::Use::Shared};
    std::unique_ptr<Common> common_;
    std::vector<Worker> workers_;
    unsigned ended_ = 0; // workers that said so
};

Workers::Workers(const Scenario& scenario, const ExploreOptions& options, const ScaleOut& scale)
    : scenario_(scenario), options_(options), scale_(scale) {
    options_.mode = modeFor(scenario, options);
    constexpr u64 kPerShard = 64;
    cut_ = cutInto(scenario, options_, std::max<u64>(kPerShard * 4, kPerShard * scale.shards));
    done_.resize(cut_.tasks);
    total_.mode = options_.mode;
    unfinished_.mode = options_.mode;
    common_ = std::make_unique<Common>(cut_.tasks);
    readFrontier();
}

void Workers::readFrontier() {
    if (scale_.frontier.empty())
        return;
    try {
        const Json json = Json::parse(scale_.frontier);
        if (json.at("kind") != "frontier")
            throw FrontierMismatch("it is no frontier");
        if (json.at("of") != scale_.identity || json.at("shard") != scale_.shard || json.at("shards") != scale_.shards ||
            json.at("depth") != cut_.depth || json.at("tasks") != cut_.tasks || json.at("mode") != name(options_.mode))
            throw FrontierMismatch("it belongs to another exploration");
        for (const Json& task : json.at("done")) {
            if (!task.is_number_unsigned())
                throw FrontierMismatch("it cannot be read");
            done_.at(task.get<u64>()) = true;
        }
        total_ = exploredFromJson(json.at("result"));
    } catch (const FrontierMismatch&) {
        throw;
    } catch (const std::exception&) {
        throw FrontierMismatch("it cannot be read");
    }
}

void Workers::saveFrontier() const {
    if (!scale_.save)
        return;
    Json done = Json::array();
    for (u64 task = 0; task < cut_.tasks; ++task)
        if (done_[task])
            done.push_back(task);
    const Json json{{"kind", "frontier"},    {"of", scale_.identity},   {"mode", name(options_.mode)},
                    {"shard", scale_.shard}, {"shards", scale_.shards}, {"depth", cut_.depth},
                    {"tasks", cut_.tasks},   {"done", std::move(done)}, {"result", exploredJson(total_)}};
    scale_.save(json.dump() + "\n");
}

// In a process of its own. Each finished task is one line in the pipe; what is left at the end is the last one.
void Workers::work(unsigned n, int pipe) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const auto tell = [&](const Json& json) {
        const std::string line = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
        for (std::size_t at = 0; at < line.size();) {
            const ssize_t written = write(pipe, line.data() + at, line.size() - at);
            if (written <= 0)
                _exit(1);
            at += static_cast<std::size_t>(written);
        }
    };
    ExploreResult told;
    ExploreOptions options = options_;
    options.progress = nullptr;
    options.cancelled = [&] { return common_->stopped() || (options_.cancelled && options_.cancelled()); };
    ExploreSplit split{.depth = cut_.depth};
    split.take = [&](u64 task) { return task % scale_.shards == scale_.shard - 1 && !done_[task] && common_->claim(task); };
    split.done = [&](u64 task, const ExploreResult& soFar) {
        Json json = exploredJson(since(told, soFar));
        json["task"] = task;
        tell(json);
        told = soFar;
    };
    split.countsTop = n == 0 && scale_.shard == 1 && scale_.frontier.empty();
    if (options_.mode == ExploreMode::Stateful && scale_.jobs > 1) {
        split.seen = &seen_;
        split.seenStacks = &seenStacks_;
        split.backwards = n % 2 == 1;
    }
    options.split = split;
    const ExploreResult result = Explorer(scenario_, options).run();
    if (!result.findings.empty() && !options_.all)
        common_->stop();
    tell(exploredJson(since(told, result)));
    _exit(0);
}

void Workers::start(unsigned n) {
    int ends[2];
    if (pipe(ends) != 0)
        throw std::runtime_error("no pipe for a worker");
    const pid_t pid = fork();
    if (pid < 0)
        throw std::runtime_error("no process for a worker");
    if (pid == 0) {
        close(ends[0]);
        work(n, ends[1]);
    }
    close(ends[1]);
    workers_.push_back({pid, ends[0], {}});
}

void Workers::take(const std::string& line) {
    const Json json = Json::parse(line);
    const ExploreResult part = exploredFromJson(json);
    if (const auto task = json.find("task"); task != json.end()) {
        const bool complete = total_.complete;
        join(total_, part);
        total_.complete = complete;
        done_[task->get<u64>()] = true;
        return;
    }
    ++ended_;
    join(unfinished_, part);
}

ExploreResult Workers::run() {
    for (unsigned n = 0; n < scale_.jobs; ++n)
        start(n);
    auto lastSaved = std::chrono::steady_clock::now();
    unsigned open = scale_.jobs, seconds = 0;
    while (open > 0) {
        std::vector<pollfd> waiting;
        for (const Worker& w : workers_)
            waiting.push_back({w.pipe, POLLIN, 0});
        constexpr int kMilliseconds = 100;
        poll(waiting.data(), waiting.size(), kMilliseconds);
        if (options_.cancelled && options_.cancelled())
            common_->stop();
        for (std::size_t i = 0; i < workers_.size(); ++i) {
            Worker& w = workers_[i];
            if (w.pipe < 0 || (waiting[i].revents & (POLLIN | POLLHUP)) == 0)
                continue;
            char buffer[65536];
            const ssize_t n = read(w.pipe, buffer, sizeof buffer);
            if (n <= 0) {
                close(w.pipe);
                w.pipe = -1;
                --open;
                continue;
            }
            w.text.append(buffer, static_cast<std::size_t>(n));
            for (std::size_t end; (end = w.text.find('\n')) != std::string::npos; w.text.erase(0, end + 1))
                take(w.text.substr(0, end));
        }
        if (const auto now = std::chrono::steady_clock::now(); now - lastSaved > std::chrono::seconds(1)) {
            lastSaved = now;
            saveFrontier();
            constexpr unsigned kEvery = 5;
            if (scale_.progress && ++seconds % kEvery == 0)
                scale_.progress(static_cast<u64>(std::count(done_.begin(), done_.end(), true)),
                                (cut_.tasks + scale_.shards - 1) / scale_.shards);
        }
    }
    for (const Worker& w : workers_)
        waitpid(w.pid, nullptr, 0);
    saveFrontier();
    join(total_, unfinished_);
    // A worker that was killed leaves its task undone.
    if (ended_ < scale_.jobs) {
        total_.complete = false;
        total_.stopped = true;
    }
    if (!total_.findings.empty() && !options_.all) {
        total_.complete = false;
        total_.stopped = false;
    }
    return total_;
}
} // namespace

ExploreResult exploreShared(const Scenario& scenario, const ExploreOptions& options, const ScaleOut& scale) {
    const auto start = std::chrono::steady_clock::now();
    ExploreResult result;
    ExploreOptions alone = options;
    alone.mode = modeFor(scenario, options);
    // What one process sees of a reduced search is more than what many see of the whole.
    const bool isReduced = alone.mode == ExploreMode::Stateful && Explorer::isReduced(scenario, options);
    const bool isWhole = scale.shards == 1 && !scale.save && scale.frontier.empty();
    if (isWhole && scale.jobs > 1 && scale.onThreads && isForTogether(scenario, options, alone.mode))
        result = exploreTogether(scenario, alone, scale.jobs, scale.onThreads);
    else if (isWhole && (isReduced || scale.jobs == 1))
        result = Explorer(scenario, alone).run();
    else if (Explorer::racesOf(scenario) != 0)
        result = Workers(scenario, options, scale).run();
    else if (scale.shard == 1)
        result = Explorer(scenario, options).run(); // one order only: there is nothing to share out
    else
        result.mode = ExploreMode::Stateless;
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return result;
}

} // namespace mirrorscope
