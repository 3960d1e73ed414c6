// SPDX-License-Identifier: GPL-3.0-or-later
#include "command.h"

#include "base/text.h"
#include "export/export.h"
#include "scenario/diagnostic.h"
#include "scenario/yaml.h"
#include "trace/findings.h"
#include "trace/recording.h"

#include <fmt/format.h>

#include <atomic>
#include <csignal>

namespace mirrorscope::app {

void addOverrides(CLI::App& sub, OverrideArguments& to) {
    sub.add_option("--variant", to.variant, "NAME: the machine keys and expectations of that variant of the scenario");
    sub.add_option("--set", to.set, "KEY=VALUE: override a key, as in machine.vcpus=2")->expected(1)->take_all();
}

void addTraceKernel(CLI::App& sub, std::string& to) {
    const auto names = traceKernelNames();
    sub.add_option("--kernel", to, "V: the kernel that was recorded; without it, what any of them allows")
        ->check(CLI::IsMember(std::vector<std::string>(names.begin(), names.end())));
}

std::vector<Override> OverrideArguments::parse() const {
    std::vector<Override> list;
    if (!variant.empty())
        list.push_back({std::string(kVariant), variant});
    for (const auto& text : set) {
        const std::size_t equal = text.find('=');
        if (equal == std::string::npos || equal == 0)
            throw UsageError(fmt::format("--set {}: KEY=VALUE is expected, as in machine.vcpus=2", text));
        if (text.substr(0, equal) == kVariant)
            throw UsageError("--set variant=…: a variant is chosen by --variant NAME");
        list.push_back({text.substr(0, equal), text.substr(equal + 1)});
    }
    return list;
}

Scenario runnable(const std::string& file, const std::vector<Override>& overrides) {
    if (isTraceFile(file))
        throw InputError(
            file, 1, 1,
            "a recording or a snapshot of a kernel, not a scenario: `import` says what is in it, `conform` judges it, and the window "
            "opens it");
    return loadScenario(file, overrides);
}

u64 parsePosition(const std::string& text, u64 end) {
    if (text.empty() || text == "end")
        return end;
    const auto n = parseNumber(text);
    if (!n)
        throw UsageError(fmt::format("--at {}: a position or `end` is expected", text));
    if (*n > end)
        throw UsageError(fmt::format("--at {}: the run ends at position {}", text, end));
    return *n;
}

namespace {
std::atomic<bool> signalled{false};
static_assert(std::atomic<bool>::is_always_lock_free);
} // namespace

bool interrupted() {
    static const bool armed = [] {
        std::signal(SIGINT, [](int) { signalled = true; });
        return true;
    }();
    return armed && signalled;
}

void put(const std::string& file, const std::string& content) {
    if (!file.empty() && file != "-") {
        writeFile(file, content);
        return;
    }
    std::fwrite(content.data(), 1, content.size(), stdout);
}

} // namespace mirrorscope::app
