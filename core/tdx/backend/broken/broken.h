// SPDX-License-Identifier: GPL-3.0-or-later
// The values of `machine.break` that stand for a whole design of the backend and have a file of their own; the small ones are in
// breaks.cpp.
#pragma once

#include "tdx/backend/protocol.h"

namespace mirrorscope::broken {

// Three ways to count a range's pages for dynamic PAMT, beside what was merged: pamt.cpp.
void pamtWithoutLock(TdxProtocol& protocol);
void pamtCountBeforeLock(TdxProtocol& protocol);
void pamtLockAtZero(TdxProtocol& protocol);

} // namespace mirrorscope::broken
