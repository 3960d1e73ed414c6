// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/export_job.h"

#include "base/out_file.h"
#include "export/export.h"
#include "export/exports.h"
#include "views/handout.h"

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace mirrorscope::views {

namespace {
struct Cancelled {};

// Written beside and renamed.
void write(Session& session, u64 position, const ExportInfo& kind, const std::string& file, const std::atomic<bool>& cancelled) {
    session.seek(std::min(position, session.end()));
    if (kind.write == nullptr) {
        writePainted(session, kind.id, {0, session.end()}, file);
        return;
    }
    OutFile out(file);
    bool good = true;
    kind.write(session, [&](const std::string& piece) {
        if (cancelled)
            throw Cancelled{};
        good = good && out.write(piece);
    });
    if (!good || !out.commit())
        throw std::runtime_error(file + ": cannot be written: " + std::strerror(errno));
}
} // namespace

void ExportJob::start(const Scenario& scenario, u64 position, const QString& kind, const QString& file) {
    worker_.start([this, scenario, position, kind = kind.toStdString(),
                   file = file.toStdString()](const Worker::Task& task) -> std::function<void()> {
        const Worker::Cancelled& cancelled = task.cancelled();
        QString problem;
        try {
            Session session(scenario, RunOptions{.cancelled = [cancelled] { return cancelled->load(); }});
            if (!*cancelled)
                write(session, position, *exportOf(kind), file, *cancelled);
        } catch (const Cancelled&) {
            problem = tr("The export was cancelled.");
        } catch (const std::exception& error) {
            problem = QString::fromStdString(error.what());
        }
        return [this, problem] { Q_EMIT finished(problem); };
    });
}

} // namespace mirrorscope::views
