// SPDX-License-Identifier: GPL-3.0-or-later
// What panes that paint themselves do alike with events.
#pragma once

#include <QHelpEvent>
#include <QKeyEvent>
#include <QString>
#include <QToolTip>

#include <initializer_list>

namespace mirrorscope::views {

// The focused pane wins: a key without a modifier that it has a use for is no command's. True if it was one.
inline bool keepsKey(QEvent* event, std::initializer_list<Qt::Key> own) {
    if (event->type() != QEvent::ShortcutOverride)
        return false;
    const auto* key = static_cast<QKeyEvent*>(event);
    for (const Qt::Key mine : own)
        if (key->modifiers() == Qt::NoModifier && key->key() == mine) {
            event->accept();
            return true;
        }
    return false;
}

// An empty text hides what was shown.
inline void showHelp(const QHelpEvent& event, const QString& text) {
    if (text.isEmpty())
        QToolTip::hideText();
    else
        QToolTip::showText(event.globalPos(), text);
}

} // namespace mirrorscope::views
