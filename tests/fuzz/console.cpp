// SPDX-License-Identifier: GPL-3.0-or-later
// Any bytes as the debugger's words, a line each, on a finished run; and as the beginning of a word to be completed.
#include "console/console.h"
#include "scenario/yaml.h"

#include <cstddef>
#include <string>
#include <string_view>

using namespace mirrorscope;

namespace {
const char* const kScenario = "mirrorscope: 1\nmachine: {vm: tdx, vcpus: 2, slots: [{id: 0, gpa: 0, size: 64K}]}\nscript:\n"
                              "  - {init-mem-region: {gpa: 0, size: 4K}}\n  - finalize-vm\n  - {vcpu0: {accept: 0x1000}, id: a}\n"
                              "  - {vcpu1: {write: {gpa: 0x2000, as: shared, value: 7}}}\n  - {punch-hole: {gpa: 0x1000}}\n";
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* bytes, std::size_t size) {
    static Session session(bindScenario("fuzz.yaml", kScenario), {});
    session.seek(0);
    StopPoints points;
    Console console(session, points);
    std::string_view rest(reinterpret_cast<const char*>(bytes), size);
    for (unsigned line = 0; !rest.empty() && line < 50 && !console.over(); ++line) {
        const std::string_view word = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(word.size() + 1, rest.size()));
        static_cast<void>(console.complete(word));
        try {
            static_cast<void>(console.execute(word));
        } catch (const ConsoleError&) { // refused, with its place
        }
    }
    return 0;
}
