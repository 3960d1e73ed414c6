// SPDX-License-Identifier: GPL-3.0-or-later
// Every technical term on the screen explains itself on hover, whichever pane it stands in: by the glossary.
#pragma once

#include <QObject>

class QWidget;

namespace mirrorscope::views {

class GlossaryTip : public QObject {
    Q_OBJECT
public:
    // Of all widgets of that window.
    explicit GlossaryTip(QWidget* window);
    bool eventFilter(QObject* watched, QEvent* event) override;
    // What would be said at a point of a widget; empty: nothing there is a term.
    static QString textAt(QWidget& widget, const QPoint& at);
    // The terms of a text, a line each, at most a few.
    static QString explain(const QString& text);

private:
    QWidget* window_;
};

} // namespace mirrorscope::views
