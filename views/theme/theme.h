// SPDX-License-Identifier: GPL-3.0-or-later
// Light, dark and high contrast: the palette of the window and the colours of states, which come from the session's table.
#pragma once

#ifndef Q_MOC_RUN // moc 6.4 cannot parse the concepts of libstdc++
#include "session/style.h"
#endif

#include <QColor>
#include <QFont>
#include <QPalette>

class QApplication;
class QWidget;

namespace mirrorscope::views {

enum class ThemeKind : u8 { Light, Dark, HighContrast };

struct Theme {
    ThemeKind kind = ThemeKind::Light;
    bool dark = false; // the background is
    QColor window, base, alternate, text, dim, border, accent, selection, violation, note;
    qreal fill = 0.15; // how strongly a state tints its entry
    QColor of(const StateStyle& style) const { return QColor(QString::fromUtf8(dark ? style.dark.data() : style.light.data(), 7)); }
    QColor of(const GroupStyle& style) const { return QColor(QString::fromUtf8(dark ? style.dark.data() : style.light.data(), 7)); }
};

// Black or white, whichever is read better on that.
QColor inkOn(const QColor& ground);

Theme makeTheme(ThemeKind kind);
// As the desktop has it.
ThemeKind systemTheme();
QPalette paletteOf(const Theme& theme);
// Fusion with our palette: the same picture on every desktop.
void applyTheme(QApplication& application, const Theme& theme);
// A font of a widget's own that stays in step with the text size of all, however often that changes.
struct FontRole {
    qreal factor = 1;
    bool bold = false, mono = false;
};
void keepFont(QWidget& widget, FontRole role);
// The size of all text, in points; everything that has a font of its own follows at once.
void setTextSize(double points);
// Numbers and raw entries.
QFont monospace(const QFont& like);

} // namespace mirrorscope::views
