// SPDX-License-Identifier: GPL-3.0-or-later
// What a pasted line of dmesg or of a trace means: the text above, what is understood of it below, with the scenario that gets there.
#pragma once

#ifndef Q_MOC_RUN
#include "explain/explain.h"
#endif
#include "views/worker.h"

#include <QDialog>

class QPlainTextEdit;
class QTextBrowser;

namespace mirrorscope::views {

class ExplainView : public QDialog {
    Q_OBJECT
public:
    explicit ExplainView(QWidget* parent = nullptr);
    // Replaces what was pasted before; empty: keeps it.
    void explainText(const QString& pasted);

Q_SIGNALS:
    void linkWanted(QString link);
    void scenarioWanted(QString title, QString text);

private:
    void begin();
    void showFound(std::vector<Explanation> found, qsizetype leftOut);
    void follow(const QString& link);
    QPlainTextEdit* input_;
    QTextBrowser* answer_;
    std::vector<Explanation> found_;
    Worker worker_;
    bool again_ = false; // the text changed while it was looked at
};

} // namespace mirrorscope::views
