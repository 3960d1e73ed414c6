// SPDX-License-Identifier: GPL-3.0-or-later
// Marks: what happened beside the changes of state, such as a SEAMCALL's operands, a fault's result or a note.
#pragma once

#include "base/chunks.h"
#include "base/group_pack.h"
#include "base/types.h"

#include <vector>

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

struct MarkChunk {
    using Packer = GroupPacker;
    std::vector<Mark> marks;

    void clear() { marks.clear(); }
    std::string pack(Packer& packer) const;
    void unpack(std::string_view packed);
};

// All of them, in the order in which they were made; of a long run most are packed.
class Marks {
public:
    explicit Marks(unsigned bits = 12, unsigned fresh = 8, unsigned read = 24) : bits_(bits), chunks_(fresh, read) {}
    u64 size() const { return ((chunks_.size() - 1) << bits_) + chunks_.last().marks.size(); }
    Mark operator[](u64 n) const { return chunks_[n >> bits_].marks[n & ((u64{1} << bits_) - 1)]; }
    void push(const Mark& mark) {
        if (chunks_.last().marks.size() >> bits_ != 0)
            chunks_.append();
        chunks_.last().marks.push_back(mark);
    }
    void truncate(u64 size);

private:
    unsigned bits_;
    Chunks<MarkChunk> chunks_;
};

} // namespace mirrorscope
