// SPDX-License-Identifier: GPL-3.0-or-later
// Any bytes as a scenario: refused in one line, or bound and run to its end or bound; the YAML, the binding, every verb.
#include "scenario/runner.h"
#include "scenario/yaml.h"

#include <cstddef>
#include <cstdlib>
#include <string>

using namespace mirrorscope;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* bytes, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(bytes), size);
    try {
        const Scenario scenario = bindScenario("fuzz.yaml", text);
        // Large machines are right, and slow; others test them.
        constexpr u64 kPages = 1 << 14;
        u64 pages = scenario.machine.laterPages + scenario.machine.frames;
        for (const SlotConfig& slot : scenario.machine.slots)
            pages += slot.pages;
        if (pages > kPages || scenario.machine.vcpus > 8)
            return 0;
        RunOptions options;
        options.maxSteps = 3'000;
        Runner runner(scenario, options);
        runner.runAll();
    } catch (const InputError& error) {
        if (std::string(error.what()).find('\n') != std::string::npos)
            std::abort(); // one line
    }
    return 0;
}
