// SPDX-License-Identifier: GPL-3.0-or-later
// What each leaf says on each entry state: a machine is put into the state, the leaf is called, and the answer is read.
//
//   SeptMatrix matrix;
//   const MatrixCell cell = matrix.call({.leaf = Leaf::MemRangeBlock, .level = Level::k4K, .opState = tdcs::Runnable,
//                                        .tracked = true, .state = SeptState::Mapped});
//   cell.status;  cell.after;
//
// Nothing is a constant here: a cell is the outcome of a call on a TD with 4 levels, undone afterwards.
#pragma once

#include "system/system.h"

#include <optional>
#include <string>
#include <vector>

namespace mirrorscope {

struct MatrixCase {
    Leaf leaf = Leaf::MemSeptRd;
    Level level = Level::k4K; // of the entry that is in `state`
    unsigned opState = tdcs::Initialized;
    bool tracked = false; // is the entry's BEPOCH a finished epoch?
    SeptState state = SeptState::Free;
    // What else differs between calls of a leaf on the same state.
    enum class Variant : u8 { Plain, Below, AllowExisting, ChildrenPending, ChildrenMixed, TableNotEmpty } variant = Variant::Plain;
};

struct MatrixCell {
    MatrixCase of;
    bool hasEntry = true; // the leaf looks at an entry; else level, tracked, state and after mean nothing
    bool possible = true; // else there is no such entry at that level
    bool exits = false;   // a TDCALL that ended in a TD exit
    u64 status = 0;
    SeptState after = SeptState::Free; // of the entry
};

class SeptMatrix {
public:
    explicit SeptMatrix(ModuleLine module = ModuleLine::V1_5);
    ~SeptMatrix();
    SeptMatrix(const SeptMatrix&) = delete;
    SeptMatrix& operator=(const SeptMatrix&) = delete;

    MatrixCell call(const MatrixCase& request);
    // Every leaf, level, op_state and entry state. Leaves that look at no entry have one cell for each op_state.
    std::vector<MatrixCell> all();

private:
    std::optional<Pfn> putEntry(const MatrixCase& request);
    Pfn table(Pfn under, u64 bepoch);
    Pfn page(Level size, u64 bepoch);
    void record(Pfn pfn, Level size, PageType type, u64 bepoch);

    std::unique_ptr<System> system_;
    Machine& machine_;
    u64 epoch_ = 3;    // TD_EPOCH while a case runs
    u64 children_ = 0; // of the TD, in 4K pages, while an entry is put
};

// "TDX_SUCCESS", "EXIT", "n/a".
std::string statusOf(const MatrixCell& cell);
// The operand's name, "EPT_VIOLATION" of an exit; empty when there is none.
std::string operandOf(const MatrixCell& cell);
// A scenario that brings a TD into the cell's state by raw SEAMCALLs and makes the call with the id `call`. Nothing when no
// sequence of SEAMCALLs that a scenario can hold leads there.
std::optional<std::string> scenarioOf(const MatrixCell& cell);

} // namespace mirrorscope
