// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "trace/recipe.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

namespace mirrorscope::test {

// A tracefs as far as a recording looks at it; its trace_pipe ends.
inline void fakeTracefs(const std::filesystem::path& root, const std::set<std::string>& leftOut = {}) {
    namespace fs = std::filesystem;
    const auto file = [](const fs::path& at, const std::string& text) {
        fs::create_directories(at.parent_path());
        std::ofstream(at) << text;
    };
    const fs::path instance = root / "instances/mirrorscope";
    for (const WantedEvent& event : wantedEvents())
        if (!leftOut.contains(std::string(event.name)))
            for (const fs::path& at : {root, instance})
                file(at / "events" / event.system / event.name / "enable", "0");
    for (const char* name : {"tracing_on", "buffer_size_kb", "events/enable", "events/mirrorscope/enable"})
        file(instance / name, "0");
    file(instance / "trace_pipe", " task-1 [000] .... 1.0: kvm_exit: reason EPT_VIOLATION\n task-1 [000] .... 1.1: kvm_entry: vcpu 0\n");
    file(root / "kprobe_events", "");
    file(root / "available_filter_functions", "schedule\ntdh_mem_page_aug [tdx]\ntdh_mem_track\n");
}

} // namespace mirrorscope::test
