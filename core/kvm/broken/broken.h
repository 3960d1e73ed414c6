// SPDX-License-Identifier: GPL-3.0-or-later
// The values of `machine.break` that concern KVM itself; each stands in the file of its name and puts a function of its own in the place of
// an honest one. Those of the TDX backend are in tdx/backend/broken/.
#pragma once

#include "kvm/protocol.h"

namespace mirrorscope::broken {

void noFreeze(Protocol& protocol);
void noRollback(Protocol& protocol);
void stayFrozen(Protocol& protocol);
void leafBeforeLink(Protocol& protocol);
void hookBeforeChildren(Protocol& protocol);
void freeWithoutRcu(Protocol& protocol);
void ignoreInvalidateSeq(Protocol& protocol);
void noSeqBarrier(Protocol& protocol);
void noEntryBarrier(Protocol& protocol);
void ignoreRootFilter(Protocol& protocol);
void keepInvalidRoot(Protocol& protocol);
void freeBeforeRemove(Protocol& protocol);
void skipFlush(Protocol& protocol);
void unmapValidRootsOnly(Protocol& protocol);
void nextAfterRestart(Protocol& protocol);
void nxRecoveryWithoutFlush(Protocol& protocol);
void flushFromTheLastGfn(Protocol& protocol);
void zapUnderReadLock(Protocol& protocol);
void zapHalfOfTheRoot(Protocol& protocol);
void preparedBeforeItIs(Protocol& protocol);
void populateShared(Protocol& protocol);
void invalidSlotIsNone(Protocol& protocol);
void seqIsInt(Protocol& protocol);
void reloadKeepsObsoleteRoot(Protocol& protocol);
void attributesOfTheRangeOnly(Protocol& protocol);
void clearDirtyOfNothing(Protocol& protocol);
void noEndAfterFailedSplit(Protocol& protocol);
void holeOfTheRangeOnly(Protocol& protocol);
void convertKeepsMapping(Protocol& protocol);
void convertIgnoresReferences(Protocol& protocol);

} // namespace mirrorscope::broken
