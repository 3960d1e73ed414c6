// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/explore/compare_job.h"

#include "export/difference.h"
#include "views/explore/side_by_side.h"

namespace mirrorscope::views {

void CompareJob::start(std::array<Side, 2> sides, bool whereTheyPart) {
    worker_.start([this, sides = std::move(sides), whereTheyPart](const Worker::Task& task) -> std::function<void()> {
        try {
            const RunOptions options{.cancelled = [cancelled = task.cancelled()] { return cancelled->load(); }};
            // Handed over by a pointer that can be copied, as what is handed over must be.
            auto runs = std::make_shared<std::array<std::unique_ptr<Session>, 2>>();
            for (unsigned side = 0; side < 2; ++side)
                (*runs)[side] = std::make_unique<Session>(sides[side].scenario, options, true);
            Session &a = *(*runs)[0], &b = *(*runs)[1];
            const std::string differs =
                differenceText(differenceOf({a, a.end(), sides[0].name.toStdString()}, {b, b.end(), sides[1].name.toStdString()}));
            return [this, runs, whereTheyPart, title = sides[0].name + " — " + sides[1].name, differs] {
                auto* window = new SideBySide(like_, std::move(*runs), QString::fromStdString(differs), window_);
                window->setAttribute(Qt::WA_DeleteOnClose);
                window->setWindowTitle(title);
                window->show();
                if (whereTheyPart)
                    window->showWhereTheyPart();
                Q_EMIT opened();
            };
        } catch (const std::exception& problem) {
            return [this, what = QString::fromUtf8(problem.what())] { Q_EMIT failed(what); };
        }
    });
}

} // namespace mirrorscope::views
