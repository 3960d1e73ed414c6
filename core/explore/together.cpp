// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/together.h"

#include "explore/rests_on.h"
#include "explore/result_json.h"

#include <exception>
#include <utility>
#include <vector>

namespace mirrorscope {

bool isForTogether(const Scenario& scenario, const ExploreOptions& options, ExploreMode mode) {
    const bool isWatched = options.look || options.finalState || options.census != nullptr; // by somebody who knows nothing of threads
    return mode == ExploreMode::Stateful && !options.split && !options.fewestFirst && !isWatched && Explorer::racesOf(scenario) == 1;
}

ExploreResult exploreTogether(const Scenario& scenario, const ExploreOptions& options, unsigned members, const OnThreads& onThreads,
                              Crew::Gives gives) {
    Crew crew(members, gives);
    std::vector<ExploreResult> results(members);
    std::vector<std::exception_ptr> failures(members);
    onThreads(members, [&](std::size_t member) {
        ExploreOptions own = options;
        own.mode = ExploreMode::Stateful;
        own.crew = &crew;
        own.member = static_cast<unsigned>(member);
        if (member != 0) {
            own.progress = nullptr;
            own.cancelled = nullptr;
        }
        try {
            results[member] = Explorer(scenario, own).run();
            if (!results[member].complete)
                crew.stop();
        } catch (...) {
            failures[member] = std::current_exception();
            crew.stop();
        }
    });
    for (const std::exception_ptr& failure : failures)
        if (failure)
            std::rethrow_exception(failure);
    ExploreResult all = std::move(results.front());
    for (std::size_t i = 1; i < results.size(); ++i)
        join(all, results[i]);
    all.assumes = restsOn(scenario, options, all);
    return all;
}

} // namespace mirrorscope
