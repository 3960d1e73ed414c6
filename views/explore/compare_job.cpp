// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/explore/compare_job.h"

#include "export/difference.h"
#include "trace/recorded.h"
#include "views/explore/side_by_side.h"

#include <QFileInfo>

namespace mirrorscope::views {

void CompareJob::start(std::array<Side, 2> sides, bool whereTheyPart) {
    const QString title = sides[0].name + " — " + sides[1].name;
    start(title, whereTheyPart, [sides = std::move(sides)](const Worker::Task& task) {
        const RunOptions options{.cancelled = [cancelled = task.cancelled()] { return cancelled->load(); }};
        auto runs = std::make_shared<Runs::element_type>();
        for (unsigned side = 0; side < 2; ++side)
            (*runs)[side] = std::make_unique<Session>(sides[side].scenario, options, true);
        Session &a = *(*runs)[0], &b = *(*runs)[1];
        return Compared{runs,
                        differenceText(differenceOf({a, a.end(), sides[0].name.toStdString()}, {b, b.end(), sides[1].name.toStdString()}))};
    });
}

void CompareJob::startRecorded(std::shared_ptr<const RecordedKernel> open, const QString& other) {
    const QString title = QFileInfo(QString::fromStdString(open->file)).fileName() + " — " + QFileInfo(other).fileName();
    start(title, false, [open = std::move(open), file = other.toStdString()](const Worker::Task& task) {
        const auto goOn = [cancelled = task.cancelled()](u64) { return !cancelled->load(); };
        TraceInput input(file);
        auto runs = std::make_shared<Runs::element_type>();
        (*runs)[0] = std::make_unique<Session>(open, goOn);
        (*runs)[1] = openRecording(input, open->kernel, goOn);
        Session &a = *(*runs)[0], &b = *(*runs)[1];
        return Compared{runs, differenceText(differenceOfTables({a, a.end(), open->file}, {b, b.end(), file}))};
    });
}

void CompareJob::start(const QString& title, bool whereTheyPart, std::function<Compared(const Worker::Task&)> compare) {
    worker_.start([this, title, whereTheyPart, compare = std::move(compare)](const Worker::Task& task) -> std::function<void()> {
        try {
            return [this, whereTheyPart, title, compared = compare(task)] {
                auto* window = new SideBySide(like_, std::move(*compared.runs), QString::fromStdString(compared.differs), window_);
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
