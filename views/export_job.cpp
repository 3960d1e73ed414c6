// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/export_job.h"

#include "export/export.h"
#include "export/exports.h"
#include "views/handout.h"

#include <cstdio>
#include <memory>
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
    const std::string beside = file + ".part";
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(std::fopen(beside.c_str(), "wb"), std::fclose);
    bool good = out != nullptr;
    try {
        kind.write(session, [&](const std::string& piece) {
            if (cancelled)
                throw Cancelled{};
            good = good && std::fwrite(piece.data(), 1, piece.size(), out.get()) == piece.size();
        });
    } catch (const Cancelled&) {
        std::remove(beside.c_str());
        throw;
    }
    if (!good || std::fflush(out.get()) != 0 || std::rename(beside.c_str(), file.c_str()) != 0) {
        std::remove(beside.c_str());
        throw std::runtime_error(file + ": cannot be written");
    }
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
