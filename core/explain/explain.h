// SPDX-License-Identifier: GPL-3.0-or-later
// What a pasted line means: of dmesg, of a trace, a completion status, an SPTE, a name.
//
//   for (const Explanation& e : explain("SEAMCALL (0x1c) failed: 0xc000030000000001 RCX 0x0 …"))
//       e.text;  e.functions;  e.scenario;
//
// Quote marks of mails are passed over, and lines that a mailer has broken are joined. What is not understood is left out.
#pragma once

#include "base/types.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mirrorscope {

struct Explanation {
    std::string input;                  // as it was pasted, on one line
    std::string kind;                   // "status", "seamcall", "spte", "transition", "fault", "exit", "rmp", "bug", "name", …
    std::string name;                   // "TDX_PAGE_METADATA_INCORRECT", "leaf, EPT"
    std::string text;                   // what it means, what leads to it; sentences
    std::vector<std::string> functions; // of the kernel, or of the module, in which it arises
    std::string scenario;               // the text of one that gets there; empty: none is known
    std::string scenarioFile;           // of a shipped one, below scenarios/
};
std::vector<Explanation> explain(std::string_view text);

// ---- the parts, for those who have the value already

// A completion status of the TDX module, with or without the leaf that answered it.
std::optional<Explanation> explainStatus(u64 status, std::string_view leaf = {});
// An entry of a page table; nothing if no format of it is known.
std::optional<Explanation> explainSpte(u64 spte, std::optional<Level> level = {});
// What a change of an entry is, in KVM's own words.
Explanation explainTransition(u64 oldSpte, u64 newSpte, Level level);
// The error code of a #NPF, or the exit qualification of an EPT violation, as kvm_page_fault prints it.
Explanation explainFaultCode(u64 code);
// 64 raw bits of an RMP entry.
Explanation explainRmpEntry(u64 low);

} // namespace mirrorscope
