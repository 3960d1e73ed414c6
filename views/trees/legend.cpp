// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/trees/legend.h"

#include "views/text.h"

#include <QEvent>
#include <QHelpEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QToolTip>

namespace mirrorscope::views {

Legend::Legend(Context& context, QWidget* parent) : QWidget(parent), context_(context) {
    setObjectName("legend");
    QSizePolicy policy(QSizePolicy::Preferred, QSizePolicy::Fixed);
    policy.setHeightForWidth(true);
    setSizePolicy(policy);
    setAccessibleName(tr("Legend of the states"));
    connect(&context_, &Context::themeChanged, this, qOverload<>(&QWidget::update));
    // Another kind of machine has other states.
    connect(&context_, &Context::sessionChanged, this, [this] {
        updateGeometry();
        update();
    });
    connect(&context_, &Context::dimmedChanged, this, qOverload<>(&QWidget::update));
}

std::vector<Legend::Item> Legend::items(int width) const {
    std::vector<Item> list;
    const QFontMetrics metrics = fontMetrics();
    const int height = metrics.height() + 6;
    int x = 8, y = 3;
    const auto add = [&](const QString& sign, const QString& name, const QString& help, const QColor& colour, u32 states = 0) {
        const int w = metrics.horizontalAdvance(sign + "  " + name) + 18;
        if (x + w > width - 4 && x > 8) {
            x = 8;
            y += height;
        }
        list.push_back({QRect(x, y, w, height), sign, name, help, colour, states});
        x += w;
    };
    const bool tdx = !context_.session() || context_.session()->hasColumn(Column::Mirror);
    const bool kinds = !context_.session() || context_.session()->scenario().machine.hasPrivateMem();
    bool leafSeen = false;
    for (const StateStyle& style : stateStyles()) {
        if (style.name == "table-blocked")
            continue; // drawn as blocked
        if ((!tdx && (style.name == "pending" || style.name == "blocked" || style.name == "frozen")) ||
            (!kinds && style.name == "leaf" && !leafSeen)) {
            leafSeen = leafSeen || style.name == "leaf";
            continue;
        }
        QString name = text(style.name);
        if (style.name == "leaf" && kinds)
            name = leafSeen ? tr("shared leaf") : tr("private leaf");
        leafSeen = leafSeen || style.name == "leaf";
        const auto index = static_cast<unsigned>(&style - stateStyles().data());
        const u32 states = 1u << index | (index == kStyleBlocked ? 1u << kStyleTableBlocked : 0);
        add(text(style.sign), name, text(style.help), context_.theme().of(style), states);
    }
    add("Δ", tr("changed now"), tr("changed by the micro-step before this position"), context_.theme().accent);
    add("!", tr("violation"), tr("a rule was violated here"), context_.theme().violation);
    return list;
}

int Legend::heightForWidth(int width) const {
    const auto list = items(width);
    return list.empty() ? 0 : list.back().at.bottom() + 4;
}

QSize Legend::sizeHint() const { return {320, heightForWidth(width() > 100 ? width() : 700)}; }

void Legend::resizeEvent(QResizeEvent*) { updateGeometry(); }

void Legend::paintEvent(QPaintEvent*) {
    QPainter p(this);
    p.fillRect(rect(), context_.theme().window);
    p.setPen(context_.theme().border);
    p.drawLine(0, 0, width(), 0);
    QFont bold = font();
    bold.setBold(true);
    for (const Item& item : items(width())) {
        p.setPen(item.colour);
        p.setFont(bold);
        p.drawText(item.at, Qt::AlignVCenter | Qt::AlignLeft, item.sign);
        const bool dimmed = item.states != 0 && (context_.dimmed() & item.states) != 0;
        QFont plain = font();
        plain.setStrikeOut(dimmed);
        p.setPen(context_.theme().dim);
        p.setFont(plain);
        p.drawText(item.at.adjusted(fontMetrics().horizontalAdvance(item.sign) + 7, 0, 0, 0), Qt::AlignVCenter | Qt::AlignLeft, item.name);
    }
}

QRect Legend::itemRect(unsigned state) const {
    for (const Item& item : items(width()))
        if ((item.states >> state & 1) != 0)
            return item.at;
    return {};
}

void Legend::mousePressEvent(QMouseEvent* event) {
    u32 all = 0, chosen = 0;
    for (const Item& item : items(width())) {
        all |= item.states;
        if (item.at.contains(event->pos()))
            chosen = item.states;
    }
    if (chosen == 0)
        return;
    const u32 others = all & ~chosen;
    if ((event->modifiers() & Qt::ControlModifier) != 0)
        context_.setDimmed(context_.dimmed() == others ? 0 : others);
    else
        context_.setDimmed(context_.dimmed() ^ chosen);
}

bool Legend::event(QEvent* event) {
    if (event->type() == QEvent::ToolTip) {
        const auto* help = static_cast<QHelpEvent*>(event);
        for (const Item& item : items(width()))
            if (item.at.contains(help->pos())) {
                QToolTip::showText(help->globalPos(),
                                   item.states == 0 ? item.help
                                                    : item.help + "\n" + tr("A click dims these entries, Ctrl and a click all others."));
                return true;
            }
    }
    return QWidget::event(event);
}

} // namespace mirrorscope::views
