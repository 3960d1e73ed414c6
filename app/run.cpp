// SPDX-License-Identifier: GPL-3.0-or-later
#include "command.h"

#include "console/console.h"
#include "export/export.h"
#include "scenario/runner.h"

#include <fmt/format.h>

#include <chrono>
#include <memory>

namespace mirrorscope::app {

namespace {
struct RunArguments {
    std::vector<std::string> files;
    OverrideArguments overrides;
    std::string format = "text";
    std::string at;
    std::string commands;
    u64 maxSteps = RunOptions{}.maxSteps;
    bool noCheck = false;
};

struct FileResult {
    int status = kOk;
    JunitCase junit;
    std::vector<SarifResult> sarif = {};
};

std::vector<SarifResult> sarifOf(const Session& session, const std::string& file) {
    std::vector<SarifResult> out;
    for (const auto& e : session.runner().expectations())
        if (!e.holds)
            out.push_back({"expect", fmt::format("expected {}; found {}", e.text, e.found), file, e.line});
    for (const Violation& v : session.violations())
        if (!session.runner().namesViolation(v.rule)) {
            const Step* step = session.scenario().step(session.scriptOf(v.n));
            out.push_back(
                {std::string(info(v.rule).name), fmt::format("at micro-step {}: {}", v.n, v.text), file, step == nullptr ? 0 : step->line});
        }
    if (!session.runner().stopped().empty())
        out.push_back({"explore", session.runner().stopped(), file, 0, false});
    return out;
}

std::string failureText(const std::vector<SarifResult>& results) {
    std::string text;
    for (const SarifResult& r : results)
        text += (r.rule == "expect" ? fmt::format("line {}: ", r.line) : r.rule == "explore" ? "" : r.rule + " violated ") + r.text + "\n";
    return text;
}

// The words of the debugger, one a line, from before the first micro-step on. What is wrong with one is said with its place, and
// nothing behind it is done.
void debug(Session& session, const std::string& file) {
    const std::string text = readFile(file == "-" ? "/dev/stdin" : file);
    StopPoints points;
    Console console(session, points);
    unsigned number = 1;
    for (std::size_t begin = 0; begin < text.size() && !console.over(); ++number) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        std::string line = text.substr(begin, end - begin);
        if (line.ends_with('\r'))
            line.pop_back();
        begin = end + 1;
        try {
            put("", console.execute(line));
        } catch (const ConsoleError& error) {
            throw InputError(file, number, static_cast<unsigned>(error.column), error.what());
        }
        if (interrupted())
            break;
    }
}

FileResult runFile(const std::string& file, const RunArguments& args, const std::vector<Override>& overrides) {
    FileResult result;
    result.junit.name = file;
    const auto start = std::chrono::steady_clock::now();
    Session session(runnable(file, overrides),
                    {.check = !args.noCheck, .maxSteps = args.maxSteps, .recording = true, .cancelled = [] { return interrupted(); }});
    result.junit.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const Runner& runner = session.runner();
    if (!args.commands.empty())
        debug(session, args.commands);
    if (args.format == "jsonl") {
        writeJsonl(session, [](const std::string& line) {
            std::fwrite(line.data(), 1, line.size(), stdout);
            std::fputc('\n', stdout);
        });
    } else if (args.format == "text") {
        put("", runText(session, args.files.size() == 1));
        if (!args.at.empty()) {
            session.seek(parsePosition(args.at, session.end()));
            put("", "\n" + treesText(session));
        }
    }
    result.sarif = sarifOf(session, file);
    result.junit.failure = failureText(result.sarif);
    if (runner.bounded())
        result.status = kBounded;
    else if (!runner.ok())
        result.status = kFailed;
    return result;
}

int run(const RunArguments& args) {
    interrupted();
    const auto overrides = args.overrides.parse();
    if (!args.at.empty() && args.format != "text")
        throw UsageError("--at shows the trees after the report, so it goes with --format text; `export --at N --as json` gives a state");
    if (!args.commands.empty() && args.format != "text")
        throw UsageError("--commands prints what the words say, so it goes with --format text");
    std::vector<JunitCase> cases;
    std::vector<SarifResult> found;
    std::size_t good = 0;
    int status = kOk;
    for (const auto& file : args.files) {
        FileResult result;
        try {
            result = runFile(file, args, overrides);
        } catch (const InputError& error) {
            std::fprintf(stderr, "%s\n", error.what());
            result = {kUnusable, {file, 0, error.what()}, {{"input", error.message, error.file, error.line}}};
        }
        // Unusable input outweighs a bound, a bound outweighs a failure.
        const auto weight = [](int s) { return s == kUnusable ? 3 : s == kBounded ? 2 : s; };
        if (weight(result.status) > weight(status))
            status = result.status;
        good += result.status == kOk ? 1 : 0;
        cases.push_back(result.junit);
        found.insert(found.end(), result.sarif.begin(), result.sarif.end());
        if (interrupted())
            break;
    }
    if (args.format == "junit")
        put("", junitXml(cases));
    else if (args.format == "sarif")
        put("", sarif(found));
    else if (args.format == "text" && args.files.size() > 1)
        put("", fmt::format("\n{} of {} files hold\n", good, args.files.size()));
    return status;
}
} // namespace

void addRun(CLI::App& root, Invocation& invoke) {
    auto args = std::make_shared<RunArguments>();
    CLI::App* sub = root.add_subcommand("run", "run scenarios; several are run one after the other, with a summary");
    sub->add_option("FILE", args->files, "scenarios")->required();
    sub->add_option("--format", args->format, "text, jsonl, junit or sarif")->check(CLI::IsMember({"text", "jsonl", "junit", "sarif"}));
    addOverrides(*sub, args->overrides);
    sub->add_option("--at", args->at, "show the trees at this position (0: before the first micro-step) or `end`");
    sub->add_option("--commands", args->commands,
                    "a file with the debugger's words, one a line, `-` for standard input; `help` lists them");
    sub->add_option("--max-steps", args->maxSteps, "stop after that many micro-steps, exit 3")->check(CLI::PositiveNumber);
    sub->add_flag("--no-check", args->noCheck, "do not check the rules");
    sub->callback([args, &invoke] { invoke = [args] { return run(*args); }; });
}

} // namespace mirrorscope::app
