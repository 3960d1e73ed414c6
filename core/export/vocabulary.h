// SPDX-License-Identifier: GPL-3.0-or-later
// The vocabulary tables as text, JSON, JSON Schema and Markdown: what `sites`, `verbs`, `rules` and `schema` print.
#pragma once

#include "tdx/module/leaves.h"

#include <optional>
#include <string>

namespace mirrorscope {

enum class Vocabulary { Sites, Verbs, Rules };

// Columns of at most 78 characters, long help wrapped.
std::string vocabularyText(Vocabulary what);
// A list of objects, one an entry.
std::string vocabularyJson(Vocabulary what);

// The leaves of the TDX module, or one of them: operands, levels, op_states, locks.
std::string seamcallsText(std::optional<Leaf> only = {});
std::string seamcallsJson(std::optional<Leaf> only = {});

// JSON Schema (2020-12) of a scenario, of one event of the JSONL stream, of the state.
std::string scenarioSchema();
std::string eventSchema();
std::string stateSchema();

// The glossary: resources/docs/glossary.md; one term or all as text; a list of objects.
std::string glossaryMarkdown();
std::string glossaryText(std::string_view term);
// What releases do otherwise (machine/kernels.h).
std::string kernelsText();
std::string kernelsMarkdown();
std::string kernelsJson();
std::string glossaryJson();

// The scenario reference, resources/docs/scenario-reference.md.
std::string referenceMarkdown();

} // namespace mirrorscope
