// SPDX-License-Identifier: GPL-3.0-or-later
#include "command.h"

#include <memory>

namespace mirrorscope::app {

void addCheck(CLI::App& root, Invocation& invoke) {
    auto files = std::make_shared<std::vector<std::string>>();
    auto set = std::make_shared<std::vector<std::string>>();
    CLI::App* sub = root.add_subcommand("check", "read and bind scenarios; refuses with exit 2 whatever `run` would refuse");
    sub->add_option("FILE", *files, "scenarios")->required();
    sub->add_option("--set", *set, "KEY=VALUE: override a key")->expected(1)->take_all();
    sub->callback([files, set, &invoke] {
        invoke = [files, set] {
            const auto overrides = OverrideArguments{*set, {}}.parse();
            int status = kOk;
            for (const auto& file : *files) {
                try {
                    for (const ScenarioVariant& variant : runnable(file, overrides).variants) {
                        auto chosen = overrides;
                        chosen.insert(chosen.begin(), {std::string(kVariant), variant.name});
                        loadScenario(file, chosen);
                    }
                    std::printf("%s: ok\n", file.c_str());
                } catch (const InputError& error) {
                    std::fprintf(stderr, "%s\n", error.what());
                    status = kUnusable;
                }
            }
            return status;
        };
    });
}

} // namespace mirrorscope::app
