// SPDX-License-Identifier: GPL-3.0-or-later
// Writes a file about a position of a scenario, in a thread over a machine of its own: the window goes on.
#pragma once

#ifndef Q_MOC_RUN // moc 6.4 cannot parse the concepts of libstdc++
#include "session/session.h"
#endif
#include "views/worker.h"

#include <QString>

namespace mirrorscope::views {

class ExportJob : public QObject {
    Q_OBJECT
public:
    explicit ExportJob(QObject* parent = nullptr) : QObject(parent) {}
    // Ends what is running. `kind`: the id of a row of exportTable().
    void start(const Scenario& scenario, u64 position, const QString& kind, const QString& file);
    void cancel() { worker_.cancel(); }
    bool running() const { return worker_.running(); }

Q_SIGNALS:
    // What went wrong; empty if nothing did.
    void finished(QString problem);

private:
    Worker worker_;
};

} // namespace mirrorscope::views
