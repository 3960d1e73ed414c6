// SPDX-License-Identifier: GPL-3.0-or-later
#include "command.h"

#include "base/glossary.h"
#include "base/text.h"
#include "export/vocabulary.h"

#include <memory>

namespace mirrorscope::app {

void addVocabulary(CLI::App& root, Invocation& invoke) {
    const auto add = [&](const char* name, const char* help, Vocabulary what) {
        auto format = std::make_shared<std::string>("text");
        CLI::App* sub = root.add_subcommand(name, help);
        sub->add_option("--format", *format, "text or json")->check(CLI::IsMember({"text", "json"}));
        sub->callback([format, what, &invoke] {
            invoke = [format, what] {
                put("", *format == "json" ? vocabularyJson(what) : vocabularyText(what));
                return kOk;
            };
        });
    };
    add("sites", "the sites at which a micro-step can stand", Vocabulary::Sites);
    add("verbs", "the verbs of the language, the keys of `machine`, the values of `break`", Vocabulary::Verbs);
    add("rules", "the rules that are checked", Vocabulary::Rules);

    auto term = std::make_shared<std::string>(), as = std::make_shared<std::string>("text");
    CLI::App* terms = root.add_subcommand("glossary", "every technical term in one sentence, with the scenario that shows it");
    terms->add_option("TERM", *term, "one of them");
    terms->add_option("--format", *as, "text, markdown or json")->check(CLI::IsMember({"text", "markdown", "json"}));
    terms->callback([term, as, &invoke] {
        invoke = [term, as] {
            if (!term->empty() && termOf(*term) == nullptr) {
                std::vector<std::string_view> names;
                for (const Term& t : glossary())
                    names.push_back(t.name);
                const auto meant = nearest(*term, names);
                throw UsageError("`" + *term + "` is not in the glossary" + (meant ? "; `" + *meant + "`?" : ""));
            }
            put("", *as == "markdown" ? glossaryMarkdown() : *as == "json" ? glossaryJson() : glossaryText(*term));
            return kOk;
        };
    });

    auto releases = std::make_shared<std::string>("text");
    CLI::App* kernels = root.add_subcommand("kernels", "what the releases of `machine.kernel` do otherwise, point by point");
    kernels->add_option("--format", *releases, "text, markdown or json")->check(CLI::IsMember({"text", "markdown", "json"}));
    kernels->callback([releases, &invoke] {
        invoke = [releases] {
            put("", *releases == "markdown" ? kernelsMarkdown() : *releases == "json" ? kernelsJson() : kernelsText());
            return kOk;
        };
    });

    auto of = std::make_shared<std::string>("scenario");
    auto format = std::make_shared<std::string>("json");
    CLI::App* sub = root.add_subcommand("schema", "the JSON Schema of scenarios, events or states");
    sub->add_option("OF", *of, "scenario, events or state")->check(CLI::IsMember({"scenario", "events", "state"}));
    sub->add_option("--format", *format, "json, or markdown for the scenario reference")->check(CLI::IsMember({"json", "markdown"}));
    sub->callback([of, format, &invoke] {
        invoke = [of, format] {
            if (*format == "markdown")
                put("", referenceMarkdown());
            else
                put("", *of == "scenario" ? scenarioSchema() : *of == "events" ? eventSchema() : stateSchema());
            return kOk;
        };
    });
}

} // namespace mirrorscope::app
