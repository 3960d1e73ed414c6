// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/record_job.h"

#include <QCoreApplication>

#include <csignal>
#include <sys/prctl.h>

namespace mirrorscope::views {

RecordJob::RecordJob(QObject* parent) : QObject(parent), program_(QCoreApplication::applicationFilePath()) {
    // A window that is killed takes it along.
    process_.setChildProcessModifier([] { prctl(PR_SET_PDEATHSIG, SIGINT); });
    connect(&process_, &QProcess::finished, this, [this](int code, QProcess::ExitStatus status) {
        constexpr int kOk = 0, kEndedByHand = 3;
        const QString said = QString::fromUtf8(process_.readAllStandardError()).trimmed().section('\n', -1);
        const bool good = status == QProcess::NormalExit && (code == kOk || code == kEndedByHand);
        Q_EMIT ended(file_, good ? QString() : said.isEmpty() ? tr("The recording broke off.") : said);
    });
    connect(&process_, &QProcess::errorOccurred, this, [this](QProcess::ProcessError error) {
        if (error == QProcess::FailedToStart)
            Q_EMIT ended(file_, process_.errorString());
    });
}

RecordJob::~RecordJob() {
    process_.disconnect(this);
    stop();
    constexpr int kMilliseconds = 3000;
    process_.waitForFinished(kMilliseconds);
}

void RecordJob::start(const QString& file) {
    file_ = file;
    process_.start(program_, QStringList{"record", "--probes", "-o", file} + more_);
}

// As Ctrl-C does.
void RecordJob::stop() {
    if (running() && process_.processId() > 0)
        ::kill(static_cast<pid_t>(process_.processId()), SIGINT);
}

} // namespace mirrorscope::views
