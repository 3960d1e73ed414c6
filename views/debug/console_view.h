// SPDX-License-Identifier: GPL-3.0-or-later
// A line to type the debugger's words in, and what they said.
#pragma once

#include "views/context.h"

#include <QWidget>

class QLineEdit;
class QPlainTextEdit;
class QCompleter;
class QStringListModel;

namespace mirrorscope::views {

class Debugger;

class ConsoleView : public QWidget {
    Q_OBJECT
public:
    ConsoleView(Context& context, Debugger& debugger, QWidget* parent = nullptr);
    QString asText() const;

Q_SIGNALS:
    // The lines so far, to be written to a file.
    void saveWanted(QString script);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    void take();
    void offer();
    void walk(int by);
    Context& context_;
    Debugger& debugger_;
    QPlainTextEdit* output_;
    QLineEdit* line_;
    QCompleter* completer_;
    QStringListModel* words_;
    QStringList typed_;
    qsizetype at_ = 0; // in what was typed before
};

} // namespace mirrorscope::views
