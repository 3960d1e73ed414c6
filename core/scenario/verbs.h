// SPDX-License-Identifier: GPL-3.0-or-later
// The table of verbs, their arguments, and the keys of `machine`: parser, schema, help and manual are made from it.
#pragma once

#include "base/types.h"

#include <array>
#include <optional>
#include <span>
#include <string_view>

namespace mirrorscope {

enum class Verb : u8 {
    Read,
    Write,
    Exec,
    Accept,
    MapGpa,
    Hypercall,
    Halt,
    Evict,
    SetMemoryRegion,
    DeleteMemoryRegion,
    SetMemoryAttributes,
    InitMemRegion,
    FinalizeVm,
    InitVcpu,
    SnpLaunchStart,
    SnpLaunchUpdate,
    SnpLaunchFinish,
    PreFault,
    PunchHole,
    Gmem,
    Discard,
    Migrate,
    Protect,
    Age,
    Mprotect,
    HostRead,
    HostWrite,
    PinMemory,
    UnpinMemory,
    Userfaultfd,
    DirtyLog,
    DirtyRing,
    SplitHugePages,
    RecoverHugePages,
    RecoverNxPages,
    ZapAll,
    DestroyVm,
    Kernel,
    Seamcall,
    Rmpupdate,
    Psmash,
    Inject,
    Note,
    Ask,
    Pause,
    BeginHistory,
    Expect,
    Repeat,
    Include,
    Race,
    Count_
};
// What `gmem: {do: …}` can be.
enum class GmemWay : u8 { Create, Allocate, Punch, Read, Write, Mmap, Close };
inline constexpr std::array<std::string_view, 7> kGmemWays{"create", "allocate", "punch", "read", "write", "mmap", "close"};

// What an entry is before and after `kernel: {call: tdp_mmu_set_spte…, from: …, to: …}`.
enum class EntryKind : u8 { None, Leaf, Table, Frozen };
inline constexpr std::array<std::string_view, 4> kEntryKinds{"none", "leaf", "table", "frozen"};

inline constexpr unsigned kVerbs = static_cast<unsigned>(Verb::Count_);

enum class ArgType : u8 {
    Address,
    Size,
    Number,
    Count,
    Alias,
    Level,
    Order,
    Bool,
    Name,
    Text,
    Content,
    PageRef,
    Operand,
    SlotId,
    Special,
    Access,
    RootTypes
};

struct ArgInfo {
    std::string_view name;
    ArgType type;
    bool required;
    std::string_view help;
};

struct VerbInfo {
    Verb verb;
    std::string_view name;
    enum class Where : u8 { Guest, Host, Flow } where;
    // How it gets into the kernel; ioctls fail if the VM is dead. KVM_RUN is one of a vCPU.
    enum class Entry : u8 { None, VmIoctl, VcpuIoctl, Other } entry;
    std::string_view shorthand; // the argument that a bare value gives; empty: none
    std::span<const ArgInfo> args;
    std::string_view help;
};

// The words that an argument takes; the step keeps which of them it is.
struct ArgWords {
    ArgType type;
    std::string_view name; // of the argument, where the type alone does not say it
    std::string_view what; // for messages
    std::string_view help; // for completion
    std::span<const std::string_view> words;
};
// Null: it takes something else, or its words depend on more.
const ArgWords* argWords(ArgType type, std::string_view name = {});

const VerbInfo& info(Verb verb);
std::optional<Verb> verbFromName(std::string_view name);
std::span<const std::string_view> verbNames();
std::string_view typeName(ArgType type);

struct MachineKey {
    std::string_view name;
    std::string_view values;
    std::string_view fallback; // the default as text
    std::string_view help;
};
std::span<const MachineKey> machineKeys();

} // namespace mirrorscope
