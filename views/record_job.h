// SPDX-License-Identifier: GPL-3.0-or-later
// This program's `record` in a process of its own, which leaves the host as it was however the window ends.
#pragma once

#include <QObject>
#include <QProcess>
#include <QStringList>

namespace mirrorscope::views {

class RecordJob : public QObject {
    Q_OBJECT
public:
    explicit RecordJob(QObject* parent = nullptr);
    // Stops what is running, and waits until the host is as it was.
    ~RecordJob() override;
    // Records into that file until stop().
    void start(const QString& file);
    void stop();
    bool running() const { return process_.state() != QProcess::NotRunning; }
    // Another program in place of this one, and what it is told besides.
    void setCommand(const QString& program, const QStringList& more) {
        program_ = program;
        more_ = more;
    }

Q_SIGNALS:
    // What went wrong; empty: the file is there.
    void ended(QString file, QString problem);

private:
    QProcess process_;
    QString program_, file_;
    QStringList more_;
};

} // namespace mirrorscope::views
