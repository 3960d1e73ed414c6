// SPDX-License-Identifier: GPL-3.0-or-later
#include "session/causes.h"

namespace mirrorscope {

std::vector<CauseArrow> causesBetween(const Session& session, u64 first, u64 last) {
    constexpr u64 kNothing = ~u64{0};
    std::vector<CauseArrow> list;
    const auto actors = session.actors().size();
    // What each actor did last that something may follow from.
    struct Cause {
        u64 exit = kNothing, leave = kNothing, kick = kNothing, ack = kNothing;
    };
    std::vector<Cause> causes(actors);
    for (u64 n = first; n <= last && n < session.end(); ++n) {
        const auto [actor, site] = session.stepBrief(n);
        const auto index = session.indexOfActor(actor);
        if (!index)
            continue;
        Cause& mine = causes[*index];
        switch (site) {
        case Site::VcpuExit:
            mine.exit = n;
            mine.leave = kNothing;
            break;
        case Site::VcpuEnter: mine.exit = mine.leave = kNothing; break;
        case Site::SeamcallEnter:
            if (mine.exit != kNothing)
                list.push_back({mine.exit, n, "the exit leads to the SEAMCALL"});
            mine.exit = mine.leave = kNothing;
            break;
        case Site::SeamcallLeave: mine.leave = n; break;
        case Site::KickSend:
            if (mine.leave != kNothing)
                list.push_back({mine.leave, n, "after the SEAMCALL the vCPUs are kicked"});
            mine.leave = kNothing;
            for (std::size_t other = 0; other < actors; ++other)
                if (other != *index)
                    causes[other].kick = n;
            break;
        case Site::KickAck:
            if (mine.kick != kNothing)
                list.push_back({mine.kick, n, "the kick arrives"});
            mine.kick = kNothing;
            mine.ack = n;
            break;
        case Site::TlbFlush:
            if (mine.ack != kNothing)
                list.push_back({mine.ack, n, "the kicked vCPU flushes"});
            mine.ack = kNothing;
            break;
        default: break;
        }
    }
    return list;
}

} // namespace mirrorscope
