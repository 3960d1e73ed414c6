// SPDX-License-Identifier: GPL-3.0-or-later
// Any bytes as the words of a filter of events: refused with a reason, or tried on every micro-step of a run.
#include "scenario/yaml.h"
#include "session/find.h"
#include "session/session.h"

#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace mirrorscope;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* bytes, std::size_t size) {
    static Session session(loadScenario(std::string(MIRRORSCOPE_SOURCE_DIR) + "/scenarios/lessons/01-first-private-page.yaml"), {});
    std::string error;
    const EventFilter filter = EventFilter::parse(std::string_view(reinterpret_cast<const char*>(bytes), size), error);
    if (!error.empty())
        return 0;
    for (u64 n = 0; n < session.end(); ++n)
        static_cast<void>(session.matches(filter, n));
    return 0;
}
