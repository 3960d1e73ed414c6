// SPDX-License-Identifier: GPL-3.0-or-later
// The manual and the glossary inside of the program, searchable, opened at the place that belongs to what one is looking at.
#pragma once

#include <QDialog>

class QLineEdit;
class QTextBrowser;

namespace mirrorscope::views {

class ManualView : public QDialog {
    Q_OBJECT
public:
    explicit ManualView(QWidget* parent = nullptr);
    // `heading`: of a section; empty: the beginning.
    void showManual(const QString& heading);
    // `term`: one of the glossary; empty: the beginning.
    void showGlossary(const QString& term = {});
    // The heading at the upper edge.
    QString heading() const;

Q_SIGNALS:
    void linkWanted(QString link);

private:
    void find(bool back);
    void goTo(const QString& heading);
    QLineEdit* search_;
    QTextBrowser* text_;
    QString shown_;
};

} // namespace mirrorscope::views
