// SPDX-License-Identifier: GPL-3.0-or-later
// Writes a file about a position of a scenario, in a thread over a machine of its own: the window goes on.
#pragma once

#ifndef Q_MOC_RUN // moc 6.4 cannot parse the concepts of libstdc++
#include "session/session.h"
#endif

#include <QObject>
#include <QString>

#include <atomic>
#include <memory>
#include <span>
#include <thread>

namespace mirrorscope::views {

struct ExportKind {
    const char* id;     // as `export --as` has it
    const char* name;   // in the menu
    const char* suffix; // of the file
};
std::span<const ExportKind> exportKinds();

class ExportJob : public QObject {
    Q_OBJECT
public:
    explicit ExportJob(QObject* parent = nullptr);
    ~ExportJob() override;
    // Ends what is running.
    void start(const Scenario& scenario, u64 position, const QString& kind, const QString& file);
    void cancel();
    bool running() const { return running_; }

Q_SIGNALS:
    // What went wrong; empty if nothing did.
    void finished(QString problem);

private:
    std::thread thread_;
    std::shared_ptr<std::atomic<bool>> cancel_;
    unsigned generation_ = 0;
    bool running_ = false;
};

} // namespace mirrorscope::views
