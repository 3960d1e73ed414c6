// SPDX-License-Identifier: GPL-3.0-or-later
// Who decides that an update must also reach the private table? Four answers to the question of the KVM list of May 2024, each
// really deciding; v6.16 has the first. One small file each.
#pragma once

#include "machine/config.h"

namespace mirrorscope {

struct KvmPageFault;

// What the four can look at where an entry changes.
struct DispatchQuery {
    bool mirrorPage = false;             // the table page that holds the entry belongs to a mirror root
    const KvmPageFault* fault = nullptr; // none where nobody faulted: zaps, workers, teardown
    bool iterPrivate = false;            // what the walk that found the entry was told
    u64 rawGfn = 0;                      // of the entry, with the shared bit where the walk has it
    u64 directBits = 0;                  // kvm->arch.gfn_direct_bits
};

bool dispatchByRole(const DispatchQuery& query);
bool dispatchByFault(const DispatchQuery& query);
bool dispatchByIter(const DispatchQuery& query);
bool dispatchByGfn(const DispatchQuery& query);

inline bool carries(Dispatch policy, const DispatchQuery& query) {
    switch (policy) {
    case Dispatch::Role: return dispatchByRole(query);
    case Dispatch::Fault: return dispatchByFault(query);
    case Dispatch::Iter: return dispatchByIter(query);
    case Dispatch::Gfn: return dispatchByGfn(query);
    }
    return false;
}

} // namespace mirrorscope
