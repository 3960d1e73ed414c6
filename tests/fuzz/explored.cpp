// SPDX-License-Identifier: GPL-3.0-or-later
// Any bytes as the result of a shard, which `merge` reads from files that anybody may have written, or as a frontier.
#include "explore/result_json.h"
#include "explore/scale_out.h"

#include <cstddef>
#include <exception>
#include <string>

using namespace mirrorscope;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* bytes, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(bytes), size);
    try {
        ExploreResult sum;
        join(sum, exploredFromJson(nlohmann::ordered_json::parse(text)));
        static_cast<void>(exploredJson(sum).dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    } catch (const std::exception&) { // what is no result is told by an exception, of whichever kind
    }
    return 0;
}
