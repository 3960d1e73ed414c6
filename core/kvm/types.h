// SPDX-License-Identifier: GPL-3.0-or-later
// What passes between KVM, its backends and the script: errnos, RET_PF_*, exits, what a guest does and how a step ends.
#pragma once

#include "kvm/details.h"
#include "machine/ept.h"

#include <string_view>

namespace mirrorscope {

// Negative errnos as the kernel returns them.
enum Errno : int {
    kEINTR = 4,
    kEIO = 5,
    kENOENT = 2,
    kENXIO = 6,
    kE2BIG = 7,
    kEBADF = 9,
    kEAGAIN = 11,
    kENOMEM = 12,
    kEFAULT = 14,
    kEBUSY = 16,
    kEEXIST = 17,
    kENODEV = 19,
    kEINVAL = 22,
    kEFBIG = 27,
    kENOSPC = 28,
    kESPIPE = 29,
    kENOSYS = 38,
    kEOPNOTSUPP = 95,
    kEHWPOISON = 133
};
std::string_view errnoName(int error);
std::optional<u32> errnoFromName(std::string_view name);
std::span<const std::string_view> errnoNames();

// enum in arch/x86/kvm/mmu/mmu_internal.h
enum RetPf : int { RET_PF_CONTINUE, RET_PF_RETRY, RET_PF_EMULATE, RET_PF_WRITE_PROTECTED, RET_PF_INVALID, RET_PF_FIXED, RET_PF_SPURIOUS };
std::string_view retPfName(int value);

enum class KvmExit : u8 { None, MemoryFault, Mmio, Hypercall, Hlt, InternalError, Intr, FailEntry, DirtyRingFull, Count_ };
std::string_view name(KvmExit exit);

// struct kvm_run: why a vCPU leaves to user space, and the members that go with that reason.
struct KvmRun {
    KvmExit reason = KvmExit::None;
    Details details = {};
    u64 hash() const;
};

enum RootTypes : unsigned { KVM_INVALID_ROOTS = 1, KVM_DIRECT_ROOTS = 2, KVM_MIRROR_ROOTS = 4, KVM_VALID_ROOTS = 6, KVM_ALL_ROOTS = 7 };
enum RangeFilter : unsigned { KVM_FILTER_SHARED = 1, KVM_FILTER_PRIVATE = 2 };

// union kvm_mmu_page_role, the bits that matter for TDP.
namespace role {
inline constexpr u64 kDirect = 1 << 7, kInvalid = 1 << 11, kAdDisabled = 1 << 16, kMirror = 1 << 19, kSmm = 1 << 24;
inline constexpr u64 kBase = kDirect | 7 << 8 | 1 << 12 | 1 << 13; // direct, ACC_ALL, efer_nx, cr0_wp
constexpr Level level(u64 word) { return levelOf(word & 15); }
constexpr bool isMirror(u64 word) { return (word & kMirror) != 0; }
constexpr bool isSmm(u64 word) { return (word & kSmm) != 0; } // kvm_mmu_page_as_id()
constexpr bool isInvalid(u64 word) { return (word & kInvalid) != 0; }
} // namespace role

// What the guest does in one script step on a vCPU.
struct GuestOp {
    enum class Kind : u8 { Read, Write, Exec, Accept };
    Kind kind = Kind::Read;
    u64 gpa = 0;
    Alias alias = Alias::Private;
    Level level = Level::k4K; // of accept
    u64 count = 1;
    u64 stride = 4096;
    bool random = false;
    u64 seed = 0;
    u64 value = 0;

    u64 address(u64 i) const;
    // As the CPU sees it; an accept reads.
    Access access() const { return kind == Kind::Write ? Access::Write : kind == Kind::Exec ? Access::Exec : Access::Read; }
};

// How a step ended: `expect: {result: …}` asks for it.
struct Outcome {
    enum class Kind : u8 { Ok, Errno, Exit, RetPf, Ve, Status, Vc, Rmp, Signal };
    Kind kind = Kind::Ok;
    u64 code = 0;  // errno, KvmExit, RET_PF_, the module's 64-bit completion status, what an RMP instruction answered, a signal
    u64 value = 0; // the word that a read found
    Details details = {};
};
inline Outcome leftFor(const KvmRun& run, int error) {
    Outcome outcome{Outcome::Kind::Exit, static_cast<u64>(run.reason), 0, run.details};
    outcome.details.error = static_cast<u32>(error);
    return outcome;
}
// What user space is sent in place of an access of its own.
enum Signal : int { kSIGBUS = 7, kSIGSEGV = 11 };
inline Outcome failedWith(int error) { return {Outcome::Kind::Errno, static_cast<u64>(error), 0}; }

struct EnterResult {
    enum class Kind : u8 { Entered, Again, Failed };
    Kind kind = Kind::Entered;
    int error = 0;   // of Failed
    KvmRun run = {}; // of Failed: user space gets its reason instead
    u64 hash() const;
};

struct HandledExit {
    int result = 1; // 1 resume the guest, 0 to user space, negative errno
    KvmRun run = {};
    bool guestVe = false; // the guest got a #VE, or a #VC, instead
    u64 hash() const;
};

} // namespace mirrorscope
