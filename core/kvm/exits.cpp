// SPDX-License-Identifier: GPL-3.0-or-later
#include "kvm/exits.h"

namespace mirrorscope {

KvmRun mmioExit(const GuestOp& op, u64 gpa) {
    KvmRun run{KvmExit::Mmio};
    run.details.put(Field::Gpa, gpa & ~kSmmGpa & ~7ull);
    run.details.put(Field::Length, 8);
    run.details.put(Field::IsWrite, op.kind == GuestOp::Kind::Write);
    return run;
}

KvmRun mapGpaExit(const GfnRange& range, bool makePrivate) {
    constexpr u64 kMapGpaRange = 12, kEncrypted = 1 << 4; // KVM_HC_MAP_GPA_RANGE, KVM_MAP_GPA_RANGE_ENCRYPTED
    KvmRun run{KvmExit::Hypercall};
    run.details.put(Field::Gpa, range.start.v << 12);
    run.details.put(Field::Nr, kMapGpaRange);
    run.details.put(Field::Pages, range.end.v - range.start.v);
    run.details.put(Field::Attributes, makePrivate ? kEncrypted : 0);
    return run;
}

Details veInfo(const GuestOp& op, u64 gpa) {
    constexpr u64 kEptViolation = 48;
    Details details;
    details.put(Field::Gpa, gpa);
    details.put(Field::Reason, kEptViolation);
    details.put(Field::Qualification, 1ull << static_cast<unsigned>(op.access()));
    return details;
}

Details vcInfo(u64 gpa) {
    constexpr u64 kPageNotValidated = 0x404;
    Details details;
    details.put(Field::Gpa, gpa);
    details.put(Field::Reason, kPageNotValidated);
    return details;
}

} // namespace mirrorscope
