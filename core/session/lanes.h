// SPDX-License-Identifier: GPL-3.0-or-later
// A recorded run from far away: which kinds of micro-steps an actor took between two positions, and what lasted from one micro-step
// to another (SEAMCALLs, locks held and waited for, faults). Built once; a question costs what it spans, however long the run is.
#pragma once

#include "base/types.h"

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace mirrorscope {

class System;

struct Span {
    static constexpr u64 kNoGpa = ~u64{0};
    enum class Kind : u8 { Seamcall, Tdcall, Lock, Wait, Fault, Count_ } kind = Kind::Seamcall;
    u64 begin = 0, end = 0; // micro-steps [begin, end); one that did not end lasts to the end of the run
    ActorId actor = 0;
    u8 code = 0;        // leaf or LockId; of a fault the access
    bool write = false; // of a lock
    bool closed = false;
    bool exits = false;        // a TDCALL that left with a violation instead of a status
    u64 detail = 0;            // completion status; RET_PF_ of a fault
    u64 gpa = 0;               // of a fault, and of a leaf, if that names one
    u32 entered = 0, left = 0; // of a call: the marks that hold its registers
};

// "TDH.MEM.PAGE.AUG" and "TDX_SUCCESS" of a call.
std::string_view leafName(const Span& span);
std::string statusName(const Span& span);

// A register of a SEAMCALL or TDCALL: what it was given, and behind it what it gave back.
struct CallRegister {
    std::string_view reg; // "RCX"
    std::string name;     // "gpa|level"; of RAX the status with its operand
    u64 value = 0;
    bool out = false;
};
std::vector<CallRegister> registersOf(const System& system, const Span& span);

class Lanes {
public:
    // `actors`: those that took a micro-step; further on they are counted by their place in that list.
    void build(const System& system, const std::vector<ActorId>& actors);

    // The kinds of micro-steps (a bit per StepGroup) that the n-th actor took in [from, to).
    u16 groups(u64 from, u64 to, std::size_t actor) const;
    // The first micro-step of the n-th actor at or after `from`, the last one before it; ~0 if there is none.
    u64 next(u64 from, std::size_t actor) const;
    u64 previous(u64 from, std::size_t actor) const;

    // Ascending by begin.
    const std::vector<Span>& seamcalls() const { return seamcalls_; }
    const std::vector<Span>& faults() const { return faults_; }
    const std::vector<Span>& locks(unsigned lock) const { return locks_[lock]; } // held and waited for
    // The index of the first span that begins at or after `n`.
    static std::size_t firstFrom(const std::vector<Span>& spans, u64 n);
    // Of those that began before `n`, the indexes of some that still last, latest first.
    static std::vector<std::size_t> lasting(const std::vector<Span>& spans, u64 n);

private:
    static constexpr u64 kFine = 64, kCoarse = 4096;
    const System* system_ = nullptr;
    std::vector<ActorId> actors_;
    u64 steps_ = 0;
    std::vector<u16> fine_, coarse_; // block * actors + actor
    std::vector<Span> seamcalls_, faults_;
    std::array<std::vector<Span>, 8> locks_;
};

} // namespace mirrorscope
