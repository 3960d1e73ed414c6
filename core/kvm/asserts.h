// SPDX-License-Identifier: GPL-3.0-or-later
// The assertions of the modelled functions of Linux v6.16: each KVM_BUG_ON, WARN_ON, KVM_MMU_WARN_ON and BUG is a row of one table, and
// is heard (rule `kernel-asserts`) when it would fire. What a SEAMCALL's status fires is heard by `module-agrees` instead.
//
//   if (KVM_BUG_ON(!spte::isPresent(newSpte), Assert::AtomicMirrorZap))
//       return -kEBUSY;
#pragma once

#include "base/types.h"

#include <span>
#include <string>
#include <string_view>

namespace mirrorscope {

enum class Assert : u8 {
    // tdp_mmu.c
    UninitPages,
    UninitRoots,
    PutValidRoot,
    RootTypes,
    ListedRootDead,
    RemoveExternal,
    RemovedShared,
    FreeExternal,
    ExternalLevel,
    ExternalGfn,
    PresentToPresent,
    NoExternal,
    ChangedLevel,
    ChangedGfn,
    LeafPfnChanged,
    NonpresentChanged,
    TablePfnChanged,
    MmuNotHostWritable,
    WritableNotMmu,
    AtomicFrozen,
    AtomicMirrorZap,
    SetFrozen,
    SetMirrorPresent,
    SetYielded,
    ReschedYielded,
    ReschedPast,
    ZapRootUnreferenced,
    ZapSpOfRoot,
    ZapSpAbsent,
    ZapValidRoot,
    InvalidateInvalid,
    MapLevel,
    SpuriousPfn,
    ReplacedNeedsFlush,
    SplitMirror,
    MapPastGoal,
    AgeInvalid,
    WrprotLevel,
    ClearDirtyWrprot,
    ClearDirtyMaskWrprot,
    RecoverLogged,
    WriteProtectLevel,
    // tdp_iter.c, tdp_iter.h
    IterRoot,
    VePossible,
    // spte.c, spte.h
    MmioGeneration,
    SpteReserved,
    HugeWritableLogged,
    SmallOfNothing,
    HugeOfNothing,
    SavedBits,
    SpteAbsent,
    // mmu.c
    HugeMisaligned,
    FaultAlias,
    FaultNoSlot,
    PrefaultUnfixed,
    FaultNoRoot,
    StaleNoRoot,
    FaultReservedPrivate,
    FaultInvalid,
    FaultContinue,
    NxNotDisallowed,
    NxNotDirect,
    NxNoSlot,
    NxStays,
    AttributesNoPrivate,
    AttributesRange,
    // guest_memfd.c
    GmemOffset,
    GmemOrder,
    // kvm_main.c, kvm_host.h
    CacheEmpty,
    RangeEmpty,
    RangeAddOutside,
    InvalidateNegative,
    InvalidateNoRange,
    NotifierUnbalanced,
    DestroyInvalidating,
    SlotsInUpdate,
    SlotPages,
    AttributeStore,
    RetryNoRange,
    PreFaultEio,
    // dirty_ring.c
    DirtyRingFull,
    // vmx/tdx.c
    ReclaimFailed,
    PamtAddFailed,
    PamtRemoveFailed,
    PamtNoVcpu,
    PamtSplitTwice,
    SplitNoPair,
    SplitShared,
    SplitLevel,
    CacheWbFailed,
    SharedBit,
    PremapPreFault,
    SetLevel,
    DropLevel,
    DropNoHkid,
    ZapLevel,
    PremapNone,
    FreeWithHkid,
    RemoveNoHkid,
    FetchShared,
    PageAddNotMapped,
    PageAddNoPremap,
    // svm/sev.c
    PsmashFailed,
    RmpUpdateFailed,
    Count_
};
inline constexpr unsigned kAsserts = static_cast<unsigned>(Assert::Count_);

struct AssertInfo {
    // Bug stops the host; KvmBug also marks the VM bugged; MmuWarn exists with CONFIG_KVM_PROVE_MMU only.
    enum class Kind : u8 { Warn, MmuWarn, KvmBug, Bug };
    Assert id;
    Kind kind;
    std::string_view file; // of Linux v6.16
    std::string_view function;
    std::string_view condition; // when it fires
    std::string_view meaning;
    std::string_view unreachable; // why nothing here can make it fire; empty: something can
};
const AssertInfo& info(Assert id);
std::span<const AssertInfo> asserts();
std::string_view name(AssertInfo::Kind kind);     // as the kernel writes it
std::string conditionText(const AssertInfo& row); // with what it means

} // namespace mirrorscope
