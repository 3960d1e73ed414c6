// SPDX-License-Identifier: GPL-3.0-or-later
#include "command.h"

#include "base/text.h"
#include "explore/explorer.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <new>

using namespace mirrorscope;
using namespace mirrorscope::app;

namespace {
// `mirrorscope rnu` is a subcommand that was misspelt rather than a file, if there is no such file.
std::string misspelt(const CLI::App& root, const std::string& file) {
    std::vector<std::string> names;
    for (const CLI::App* sub : root.get_subcommands([](const CLI::App*) { return true; }))
        names.push_back(sub->get_name());
    const std::vector<std::string_view> views(names.begin(), names.end());
    const auto meant = nearest(file, views);
    return meant ? *meant : "";
}

int guarded(const Invocation& invoke) {
    try {
        return invoke();
    } catch (const InputError& error) {
        std::fprintf(stderr, "%s\n", error.what());
    } catch (const UsageError& error) {
        std::fprintf(stderr, "mirrorscope: %s\n", error.what());
    } catch (const std::bad_alloc&) {
        std::fprintf(stderr, "mirrorscope: the scenario needs more memory than there is\n");
        return kBounded;
    } catch (const InternalError& error) {
        std::fprintf(stderr, "mirrorscope: internal error, please report it: %s\n", error.what());
        return kInternal;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "mirrorscope: %s\n", error.what());
    }
    return kUnusable;
}
} // namespace

int main(int argc, char** argv) {
    CLI::App root("Mirrorscope: see, step and break mirrored page tables", "mirrorscope");
    root.footer("Exit status: 0 all holds; 1 an expectation failed or a rule was violated; 2 unusable input; 3 stopped by a bound.\n"
                "Without a subcommand the window opens.");
    root.set_version_flag("--version", std::string("mirrorscope ") + MIRRORSCOPE_VERSION);
    root.require_subcommand(0, 1);
    std::string file;
    root.add_option("FILE", file, "a scenario to open in the window");
    Invocation invoke = [&] {
        std::error_code ignored;
        if (!file.empty() && !std::filesystem::exists(file, ignored))
            if (const std::string meant = misspelt(root, file); !meant.empty())
                throw UsageError("`" + file + "` is neither a file nor a subcommand; `" + meant + "`?");
        return openWindow(file);
    };
    addRun(root, invoke);
    addCheck(root, invoke);
    addExplore(root, invoke);
    addDiff(root, invoke);
    addExport(root, invoke);
    addScreenshot(root, invoke);
    addVocabulary(root, invoke);
    addSeamcalls(root, invoke);
    addBench(root, invoke);
    addCost(root, invoke);
    addMerge(root, invoke);
    addMutants(root, invoke);
    addReview(root, invoke);
    addExplain(root, invoke);
    addImport(root, invoke);
    addConform(root, invoke);
    addRecord(root, invoke);
    addShell(root, invoke);
    try {
        root.parse(argc, argv);
    } catch (const CLI::Success& done) {
        return root.exit(done);
    } catch (const CLI::ParseError& error) {
        std::string what = error.what();
        for (char& c : what)
            if (c == '\n')
                c = ' ';
        std::fprintf(stderr, "mirrorscope: %s; see --help\n", what.c_str());
        return kUnusable;
    }
    const int status = guarded(invoke);
    // Whoever reads it may have had enough; that nothing more could be written is another thing.
    errno = 0;
    if ((std::fflush(stdout) != 0 || std::ferror(stdout) != 0) && errno != EPIPE) {
        std::fprintf(stderr, "mirrorscope: standard output: %s\n", std::strerror(errno));
        return kUnusable;
    }
    return status;
}
