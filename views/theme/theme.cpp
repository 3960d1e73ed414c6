// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/theme/theme.h"

#include <QApplication>
#include <QEvent>
#include <QFontDatabase>
#include <QStyle>
#include <QStyleFactory>
#include <QWidget>

#include <cmath>
#include <vector>

namespace mirrorscope::views {

QColor inkOn(const QColor& ground) {
    // Relative luminance as WCAG has it; from 0.179 on black has the higher contrast.
    const auto part = [](double v) { return v <= 0.03928 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4); };
    const double luminance = 0.2126 * part(ground.redF()) + 0.7152 * part(ground.greenF()) + 0.0722 * part(ground.blueF());
    constexpr double kEven = 0.179;
    return luminance > kEven ? QColor(Qt::black) : QColor(Qt::white);
}

Theme makeTheme(ThemeKind kind) {
    switch (kind) {
    case ThemeKind::Dark:
        return {kind,      true,      "#1c2128", "#22272e", "#2b313a", "#e6edf3", "#a5b1bd",
                "#444c56", "#6cb6ff", "#264d73", "#ff8080", "#3a3420", 0.26};
    case ThemeKind::HighContrast:
        return {kind,      true,      "#000000", "#000000", "#141414", "#ffffff", "#e0e0e0",
                "#b0b0b0", "#ffd500", "#003a70", "#ff8a8a", "#262600", 0.38};
    case ThemeKind::Light: break;
    }
    return {ThemeKind::Light, false,     "#f3f4f6", "#ffffff", "#eef1f4", "#1b1f24", "#57606a",
            "#c8ced6",        "#0b5cad", "#cfe3fa", "#c1121f", "#fff6d6", 0.15};
}

ThemeKind systemTheme() {
    // Qt 6.4 has no colour scheme of its own: a desktop's palette tells.
    return QApplication::style()->standardPalette().color(QPalette::Window).lightness() < 128 ? ThemeKind::Dark : ThemeKind::Light;
}

QPalette paletteOf(const Theme& t) {
    QPalette p;
    p.setColor(QPalette::Window, t.window);
    p.setColor(QPalette::WindowText, t.text);
    p.setColor(QPalette::Base, t.base);
    p.setColor(QPalette::AlternateBase, t.alternate);
    p.setColor(QPalette::Text, t.text);
    p.setColor(QPalette::Button, t.window);
    p.setColor(QPalette::ButtonText, t.text);
    p.setColor(QPalette::BrightText, t.violation);
    p.setColor(QPalette::ToolTipBase, t.base);
    p.setColor(QPalette::ToolTipText, t.text);
    p.setColor(QPalette::Highlight, t.selection);
    p.setColor(QPalette::HighlightedText, t.text);
    p.setColor(QPalette::Link, t.accent);
    p.setColor(QPalette::PlaceholderText, t.dim);
    p.setColor(QPalette::Mid, t.border);
    p.setColor(QPalette::Dark, t.border);
    p.setColor(QPalette::Light, t.base);
    for (const auto role : {QPalette::WindowText, QPalette::Text, QPalette::ButtonText})
        p.setColor(QPalette::Disabled, role, t.dim);
    return p;
}

namespace {
// Qt tells them of a change of the application later; who looks at its font or palette now would see the one before.
void tellWindows(QEvent::Type what) {
    for (QWidget* window : QApplication::topLevelWidgets()) {
        QEvent event(what);
        QApplication::sendEvent(window, &event);
    }
}
} // namespace

void applyTheme(QApplication& application, const Theme& theme) {
    application.setStyle(QStyleFactory::create("Fusion"));
    application.setPalette(paletteOf(theme));
    tellWindows(QEvent::ApplicationPaletteChange);
}

namespace {
class FontKeeper;
std::vector<FontKeeper*>& keepers() {
    static std::vector<FontKeeper*> all;
    return all;
}

class FontKeeper : public QObject {
public:
    FontKeeper(QWidget& widget, FontRole role) : QObject(&widget), widget_(widget), role_(role) {
        keepers().push_back(this);
        apply();
    }
    ~FontKeeper() override { std::erase(keepers(), this); }
    void apply() {
        QFont font = role_.mono ? monospace(QApplication::font()) : QApplication::font();
        font.setPointSizeF(QApplication::font().pointSizeF() * role_.factor);
        font.setBold(role_.bold);
        widget_.setFont(font);
    }

private:
    QWidget& widget_;
    FontRole role_;
};
} // namespace

void keepFont(QWidget& widget, FontRole role) { new FontKeeper(widget, role); }

void setTextSize(double points) {
    QFont font = QApplication::font();
    font.setPointSizeF(points);
    QApplication::setFont(font);
    tellWindows(QEvent::ApplicationFontChange);
    for (FontKeeper* keeper : keepers())
        keeper->apply();
}

QFont monospace(const QFont& like) {
    QFont font = QFontDatabase::systemFont(QFontDatabase::FixedFont);
    font.setPointSizeF(like.pointSizeF());
    font.setStyleHint(QFont::Monospace);
    return font;
}

} // namespace mirrorscope::views
