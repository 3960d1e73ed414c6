// SPDX-License-Identifier: GPL-3.0-or-later
// The vocabulary: every site, rule, break, counter and entry state with its name and help text.
// Parser, schema, completion, command line, legend, manual and tests are made from these tables.
#pragma once

#include "base/types.h"

#include <array>
#include <optional>
#include <span>
#include <string_view>

namespace mirrorscope {

// A micro-step is one action that another actor could observe; its site says which kind of action it is.
enum class Site : u8 {
    SpteRead,
    SpteCmpxchg,
    SpteStore,
    SpteFreeze,
    SpteSet,
    SpteRestore,
    LockAcquire,
    LockRelease,
    SeqRead,
    SeqBegin,
    SeqEnd,
    GmemGet,
    GmemRemove,
    AttrSet,
    AttrNext,
    HostFault,
    UffdCopy,
    HostUnmap,
    SeamcallEnter,
    SeamcallLeave,
    SeptLock,
    SeptRead,
    SeptSet,
    PamtSet,
    PamtRef,
    EpochAdvance,
    EpochSample,
    TdcallEnter,
    TdcallLeave,
    EptWalk,
    TlbFill,
    EptAd,
    TlbHit,
    TlbFlush,
    TlbRequest,
    VcpuEnter,
    VcpuExit,
    KickSend,
    KickWait,
    KickAck,
    RcuEnter,
    RcuLeave,
    RcuQueue,
    RcuFree,
    PageAlloc,
    PageFree,
    RmpSet,
    VmState,
    SlotSet,
    RootInvalidate,
    SrcuSync,
    CallEnter,
    SlotRead,
    SlotGeneration,
    AttrRead,
    GmemUnlock,
    DirtySet,
    DirtyRingPush,
    DirtyRingCollect,
    DirtyRingReset,
    DirtyTake,
    DirtyRead,
    NotifierCount,
    RootGet,
    RootPut,
    RootList,
    VcpuMode,
    KickMode,
    VmRead,
    RequestTake,
    StoreDrain,
    Fence,
    HostAccess,
    TlbEvict,
    Count_
};
inline constexpr unsigned kSites = static_cast<unsigned>(Site::Count_);

struct SiteInfo {
    Site id;
    std::string_view name;
    std::string_view where; // the kernel or module function it stands in
    std::string_view help;
};
const SiteInfo& info(Site site);
std::optional<Site> siteFromName(std::string_view name);
std::span<const std::string_view> siteNames();

enum class Rule : u8 {
    Coherent,
    FrozenOwned,
    NoStaleTlb,
    MapsThePage,
    DirtyLogComplete,
    NoLostWrite,
    SingleOwner,
    NoLeak,
    ParentBeforeChild,
    OneAlias,
    NoUseAfterFree,
    ModuleAgrees,
    KernelAsserts,
    LockOrder,
    Progress,
    Conforms,
    Count_
};
inline constexpr unsigned kRules = static_cast<unsigned>(Rule::Count_);

struct RuleInfo {
    Rule id;
    std::string_view name;
    std::string_view help;
};
const RuleInfo& info(Rule rule);
std::optional<Rule> ruleFromName(std::string_view name);
std::span<const std::string_view> ruleNames();

// One step of the protocol that `machine.break` turns off.
enum class Break : u8 {
    NoFreeze,
    NoRollback,
    SkipBlock,
    SkipTrack,
    SkipKick,
    SkipTrackKick,
    SkipFlush,
    FreeWithoutRcu,
    IgnoreInvalidateSeq,
    LeafBeforeLink,
    HookBeforeChildren,
    StayFrozen,
    IgnoreRootFilter,
    KeepInvalidRoot,
    FreeBeforeRemove,
    UnmapValidRootsOnly,
    NextAfterRestart,
    NxRecoveryWithoutFlush,
    FlushFromTheLastGfn,
    ZapUnderReadLock,
    ZapHalfOfTheRoot,
    PreparedBeforeItIs,
    PopulateShared,
    InvalidSlotIsNone,
    SeqIsInt,
    ReloadKeepsObsoleteRoot,
    AttributesOfTheRangeOnly,
    ClearDirtyOfNothing,
    NoSeqBarrier,
    NoEntryBarrier,
    PamtWithoutLock,
    PamtCountBeforeLock,
    PamtLockAtZero,
    SplitThoughBlockIsBusy,
    IgnoreAcceptLevel,
    NoEndAfterFailedSplit,
    HoleOfTheRangeOnly,
    ConvertKeepsMapping,
    ConvertIgnoresReferences,
    Count_
};
inline constexpr unsigned kBreaks = static_cast<unsigned>(Break::Count_);

struct BreakInfo {
    Break id;
    std::string_view name;
    std::string_view help;
    bool holds = false; // another design, which no order breaks
};
const BreakInfo& info(Break value);
std::optional<Break> breakFromName(std::string_view name);
std::span<const std::string_view> breakNames();

// What `expect: {count: …}` can ask for beside SEAMCALL leaves and sites.
enum class Counter : u8 {
    TlbFlush,
    Fault,
    Exit,
    Retry,
    Zap,
    PrivateOp,
    PfTaken, // those of struct kvm_vcpu_stat and kvm_vm_stat have the kernel's names
    PfFixed,
    PfEmulate,
    PfSpurious,
    PfFast,
    PfMmioSpteCreated,
    Leaf,
    Table,
    Frame,
    Pages4k,
    Pages2m,
    Pages1g,
    NxLpageSplits,
    Count_
};
inline constexpr unsigned kCounters = static_cast<unsigned>(Counter::Count_);
// Leaf and those after it are counted from the state; those before them are counted as they happen.
inline constexpr unsigned kEventCounters = static_cast<unsigned>(Counter::Leaf);

struct CounterInfo {
    Counter id;
    std::string_view name;
    std::string_view help;
};
const CounterInfo& info(Counter counter);

// What an entry is, as `expect` and the events name it. `Unknown` is one of a recording that no line has told of yet.
enum class SpteState : u8 { None, Table, Leaf, Frozen, Mmio, Unknown, Count_ };
enum class SeptState : u8 { Free, Table, TableBlocked, Mapped, Pending, Blocked, PendingBlocked, Other, Count_ };
std::string_view name(SpteState state);
std::string_view name(SeptState state);
std::optional<SpteState> spteStateFromName(std::string_view name);
std::optional<SeptState> septStateFromName(std::string_view name);
std::span<const std::string_view> spteStateNames(); // without `unknown`, which no machine that runs has
std::span<const std::string_view> septStateNames();

// The VM types of KVM_CREATE_VM.
enum class VmType : u8 { Default, SwProtected, Snp, Tdx };
std::string_view name(VmType type);
std::span<const std::string_view> vmTypeNames();

// What a frame of host memory is used for, as the host sees it (the PAMT is the module's own view).
enum class FrameKind : u8 { Free, Reserved, Cache, Table, ExternalTable, HostPage, Gmem, TdxControl, Raw, PamtPage, Count_ };
std::string_view name(FrameKind kind);
std::string_view help(FrameKind kind);

} // namespace mirrorscope
