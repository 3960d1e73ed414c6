// SPDX-License-Identifier: GPL-3.0-or-later
// The console's words on the session of the window: runs go on in slices beside the user. F5 and the console's lines are the same.
#pragma once

#include "views/context.h"

#ifndef Q_MOC_RUN
#include "console/console.h"
#endif

#include <QStringList>
#include <QTimer>

namespace mirrorscope::views {

class Debugger : public QObject {
    Q_OBJECT
public:
    explicit Debugger(Context& context, QObject* parent = nullptr);
    // One line of the console. What runs already is given up.
    // `stopsAtQuestions`: as who reads the story does, and not who types.
    void run(const QString& line, bool stopsAtQuestions = false);
    bool running() const { return console_ && console_->pending(); }
    QStringList complete(const QString& begun) const;
    // What was carried out so far, with what was done by hand between as `goto`: `run FILE --commands` does the same.
    QString script() const;

Q_SIGNALS:
    // `error`: the line was not carried out.
    void said(QString line, QString output, bool error);
    void cleared(); // another session

private:
    void more();
    void finish(const QString& output);
    void sessionChanged();

    Context& context_;
    std::unique_ptr<Console> console_;
    QTimer slice_;
    QString line_;
    QStringList script_;
    u64 left_ = 0; // where the last line left the session
    bool moving_ = false;
};

} // namespace mirrorscope::views
