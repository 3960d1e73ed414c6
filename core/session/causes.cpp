// SPDX-License-Identifier: GPL-3.0-or-later
#include "session/causes.h"

namespace mirrorscope {

std::vector<CauseArrow> causesBetween(const Session& session, u64 first, u64 last) {
    constexpr u64 kNever = ~u64{0};
    std::vector<CauseArrow> list;
    const auto actors = session.actors().size();
    // What each actor did last that something may follow from.
    struct Cause {
        u64 exit = kNever, leave = kNever, kick = kNever, ack = kNever;
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
            mine.leave = kNever;
            break;
        case Site::VcpuEnter: mine.exit = mine.leave = kNever; break;
        case Site::SeamcallEnter:
            if (mine.exit != kNever)
                list.push_back({mine.exit, n, "the exit leads to the SEAMCALL"});
            mine.exit = mine.leave = kNever;
            break;
        case Site::SeamcallLeave: mine.leave = n; break;
        case Site::KickSend:
            if (mine.leave != kNever)
                list.push_back({mine.leave, n, "after the SEAMCALL the vCPUs are kicked"});
            mine.leave = kNever;
            for (std::size_t other = 0; other < actors; ++other)
                if (other != *index)
                    causes[other].kick = n;
            break;
        case Site::KickAck:
            if (mine.kick != kNever)
                list.push_back({mine.kick, n, "the kick arrives"});
            mine.kick = kNever;
            mine.ack = n;
            break;
        case Site::TlbFlush:
            if (mine.ack != kNever)
                list.push_back({mine.ack, n, "the kicked vCPU flushes"});
            mine.ack = kNever;
            break;
        default: break;
        }
    }
    return list;
}

} // namespace mirrorscope
