// SPDX-License-Identifier: GPL-3.0-or-later
// Marks: what happened beside the changes of state, such as a SEAMCALL's operands, a fault's result or a note.
#pragma once

#include "base/types.h"

namespace mirrorscope {

enum class MarkKind : u8 {
    StepBegin,
    StepDetails, // right before the StepEnd that it belongs to
    StepEnd,
    Seamcall,
    TdCall,
    Fault,
    Exit,
    LockWait,
    TlbHit,
    Expect,
    Note,
    Violation,
    Pause,
    Ask,
    Answer, // a bit for each choice of the question that holds
};

struct Mark {
    u64 n = 0;      // the micro-step that it belongs to
    u32 script = 0; // script step
    MarkKind kind = MarkKind::Note;
    ActorId actor = 0;
    u8 code = 0;  // leaf, verb, lock, rule
    u8 phase = 0; // 0 begin or enter, 1 end or leave
    u64 a[6] = {};
};

} // namespace mirrorscope
