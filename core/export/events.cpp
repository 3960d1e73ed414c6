// SPDX-License-Identifier: GPL-3.0-or-later
#include "export/events.h"

#include "base/vocab.h"

#include <array>

namespace mirrorscope {

namespace {
using F = EventField;
using T = EventField::Type;

constexpr std::array<std::string_view, 2> kPhase{"enter", "leave"};
constexpr std::array<std::string_view, 2> kBeginEnd{"begin", "end"};
constexpr std::array<std::string_view, 2> kTree{"direct", "mirror"};
constexpr std::array<std::string_view, 2> kAs{"private", "shared"};
constexpr std::array<std::string_view, 3> kTlb{"fill", "hit", "flush"};
constexpr std::array<std::string_view, 3> kLockDo{"acquire", "wait", "release"};
constexpr std::array<std::string_view, 2> kLockMode{"read", "write"};
constexpr std::array<std::string_view, 3> kAccess{"read", "write", "exec"};

const std::array kContext{F{"actor", T::Text, false, {}}, F{"step", T::Text, false, {}}, F{"line", T::Integer, false, {}},
                          F{"site", T::Text, false, siteNames()}, F{"where", T::List, false, {}}};
const std::array kBegin{F{"file", T::Text, true, {}}, F{"title", T::Text, true, {}}, F{"machine", T::Map, true, {}},
                        F{"version", T::Text, true, {}}};
const std::array kStep{F{"verb", T::Text, true, {}}, F{"phase", T::Text, true, kBeginEnd}, F{"result", T::Text, false, {}},
                       F{"value", T::Hex, false, {}}, F{"details", T::Map, false, {}}};
const std::array kSpte{F{"tree", T::Text, true, kTree},
                       F{"root", T::Integer, true, {}},
                       F{"gfn", T::Integer, true, {}},
                       F{"level", T::Integer, true, {}},
                       F{"old", T::Hex, true, {}},
                       F{"new", T::Hex, true, {}},
                       F{"was", T::Text, true, spteStateNames()},
                       F{"is", T::Text, true, spteStateNames()},
                       F{"smm", T::Bool, false, {}}};
const std::array kSept{F{"gfn", T::Integer, true, {}}, F{"level", T::Integer, true, {}},          F{"old", T::Hex, true, {}},
                       F{"new", T::Hex, true, {}},     F{"was", T::Text, true, septStateNames()}, F{"is", T::Text, true, septStateNames()}};
const std::array kSeamcall{F{"leaf", T::Text, true, {}}, F{"phase", T::Text, true, kPhase}, F{"status", T::Text, false, {}},
                           F{"operand", T::TextOrNull, false, {}}, F{"code", T::Hex, false, {}}};
const std::array kPage{F{"pfn", T::Integer, true, {}}, F{"was", T::Text, true, {}}, F{"is", T::Text, true, {}},
                       F{"owner", T::TextOrInteger, true, {}}, F{"level", T::Integer, false, {}}};
const std::array kRmp{F{"pfn", T::Integer, true, {}}, F{"was", T::Text, true, {}}, F{"is", T::Text, true, {}}, F{"gpa", T::Hex, true, {}},
                      F{"size", T::Text, true, {}}};
const std::array kTlbFields{F{"vcpu", T::Integer, true, {}}, F{"do", T::Text, true, kTlb},      F{"gpa", T::Hex, true, {}},
                            F{"as", T::Text, true, kAs},     F{"level", T::Integer, false, {}}, F{"pfn", T::Integer, false, {}},
                            F{"smm", T::Bool, false, {}}};
const std::array kFault{F{"vcpu", T::Integer, true, {}},     F{"gpa", T::Hex, true, {}},     F{"as", T::Text, true, kAs},
                        F{"access", T::Text, true, kAccess}, F{"result", T::Text, true, {}}, F{"smm", T::Bool, false, {}}};
const std::array kExit{F{"vcpu", T::Integer, true, {}}, F{"reason", T::Text, true, {}}, F{"gpa", T::Hex, false, {}},
                       F{"smm", T::Bool, false, {}}};
const std::array kLock{F{"lock", T::Text, true, {}}, F{"do", T::Text, true, kLockDo}, F{"mode", T::Text, true, kLockMode}};
const std::array kExpect{F{"holds", T::Bool, true, {}}, F{"text", T::Text, true, {}}, F{"found", T::Text, true, {}}};
const std::array kViolation{F{"rule", T::Text, true, ruleNames()}, F{"text", T::Text, true, {}}, F{"places", T::List, true, {}}};
const std::array kNote{F{"text", T::Text, true, {}}};
const std::array kEnd{F{"ok", T::Bool, true, {}}, F{"steps", T::Integer, true, {}}, F{"counts", T::Map, true, {}},
                      F{"violations", T::Integer, true, {}}, F{"failed", T::Integer, true, {}}};

const std::array kKinds{
    EventKind{"begin", "the file and its machine, every key with its effective value", kBegin, false},
    EventKind{"step", "a step of the script begins or ends", kStep, false},
    EventKind{"spte", "an entry of KVM's trees changed", kSpte, false},
    EventKind{"sept", "an entry of the secure EPT changed", kSept, false},
    EventKind{"seamcall", "a leaf is entered or left", kSeamcall, true},
    EventKind{"pamt", "the type of a page in the PAMT changed", kPage, false},
    EventKind{"rmp", "an entry of the RMP changed", kRmp, false},
    EventKind{"frame", "what the host uses a frame for changed", kPage, false},
    EventKind{"tlb", "a translation was filled, used or flushed", kTlbFields, false},
    EventKind{"fault", "KVM handled an EPT violation", kFault, false},
    EventKind{"exit", "a vCPU left the guest", kExit, false},
    EventKind{"lock", "a lock of KVM was taken, waited for or released", kLock, false},
    EventKind{"expect", "an expectation was looked at", kExpect, false},
    EventKind{"violation", "a rule was violated", kViolation, false},
    EventKind{"note", "a note, a question or a pause of the script", kNote, false},
    EventKind{"answer", "what the run answers to a question of the script", kNote, false},
    EventKind{"end", "the run's outcome", kEnd, false},
};
} // namespace

std::span<const EventField> contextFields() { return kContext; }
std::span<const EventKind> eventKinds() { return kKinds; }

} // namespace mirrorscope
