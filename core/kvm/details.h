// SPDX-License-Identifier: GPL-3.0-or-later
// What is found beside the result of a call: members of struct kvm_run, what an ioctl writes back, a #VE's information, the registers after
// a SEAMCALL. `expect: {result: ID, field: …}` and `{result: ID, register: …}` ask for them.
#pragma once

#include "base/types.h"

#include <array>
#include <optional>
#include <span>
#include <string_view>

namespace mirrorscope {

enum class Field : u8 {
    Flags,         // kvm_run.memory_fault.flags: KVM_MEMORY_EXIT_FLAG_PRIVATE, 8, or 0
    Gpa,           // .memory_fault.gpa, .mmio.phys_addr, .hypercall.args[0]; where an ioctl would go on; of a #VE
    Size,          // bytes: .memory_fault.size; what an ioctl has left to do
    Length,        // bytes: .mmio.len
    IsWrite,       // .mmio.is_write
    Nr,            // .hypercall.nr: KVM_HC_MAP_GPA_RANGE, 12
    Pages,         // of 4K: .hypercall.args[1]; what an ioctl has left to do
    Attributes,    // .hypercall.args[2]: KVM_MAP_GPA_RANGE_ENCRYPTED, 16, or 0
    Status,        // of a TDVMCALL, as the guest finds it: 0, or TDVMCALL_STATUS_...
    Reason,        // of a #VE: the exit reason, 48 for an EPT violation; of a #VC: its error code
    Qualification, // of a #VE: the exit qualification, bits 2:0 read, write, fetch
    Bitmap,        // of KVM_GET_DIRTY_LOG: the 64 pages around the asked one, the lowest bit the first
    Rcx,           // the registers after a SEAMCALL
    Rdx,
    R8,
    R9,
    R10,
    R11,
    Count_
};
inline constexpr unsigned kFields = static_cast<unsigned>(Field::Count_);
std::string_view name(Field field);
std::optional<Field> fieldFromName(std::string_view name);
// Those that are no registers, and the registers.
std::span<const std::string_view> fieldNames();
std::span<const std::string_view> registerNames();
constexpr bool isRegister(Field field) { return field >= Field::Rcx; }

struct Details {
    static constexpr unsigned kMost = 6; // at once
    u32 present = 0;                     // a bit for each field
    u32 error = 0;                       // the errno of the ioctl, where an exit reason is the result
    std::array<u64, kMost> values{};     // of those that are there, in the order of Field

    // In the order of Field.
    void put(Field field, u64 value);
    std::optional<u64> get(Field field) const;
    // Each as (field, value).
    template <class F>
    void forEach(F&& f) const {
        for (unsigned i = 0, n = 0; i < kFields; ++i)
            if ((present >> i & 1) != 0)
                f(static_cast<Field>(i), values[n++]);
    }
};

} // namespace mirrorscope
