// SPDX-License-Identifier: GPL-3.0-or-later
// Two scenarios are run beside the window, or two recordings are read, compared, and opened side by side.
#pragma once

#ifndef Q_MOC_RUN // moc 6.4 cannot parse the concepts of libstdc++
#include "scenario/scenario.h"
#include "session/session.h"
#endif
#include "views/worker.h"

#include <QString>

#include <array>

class QWidget;

namespace mirrorscope::views {

class Context;

class CompareJob : public QObject {
    Q_OBJECT
public:
    // `window`: over which the two are shown.
    CompareJob(const Context& like, QWidget* window) : QObject(window), like_(like), window_(window) {}
    struct Side {
        Scenario scenario;
        QString name;
    };
    // What runs is given up. They stand where they part, or at their ends.
    void start(std::array<Side, 2> sides, bool whereTheyPart);
    // Recordings or snapshots: what their tables hold at the ends is compared.
    void startRecorded(std::shared_ptr<const RecordedKernel> open, const QString& other);

Q_SIGNALS:
    void opened();
    void failed(QString problem);

private:
    // Both sessions, by a pointer that can be copied, as what is handed over to the window must be.
    using Runs = std::shared_ptr<std::array<std::unique_ptr<Session>, 2>>;
    struct Compared {
        Runs runs;
        std::string differs;
    };
    void start(const QString& title, bool whereTheyPart, std::function<Compared(const Worker::Task&)> compare);
    const Context& like_;
    QWidget* window_;
    Worker worker_;
};

} // namespace mirrorscope::views
