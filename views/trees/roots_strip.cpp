// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/trees/roots_strip.h"

#include <QHelpEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QPainterPath>
#include <QToolTip>

namespace mirrorscope::views {

RootsStrip::RootsStrip(Context& context, QWidget* parent) : QWidget(parent), context_(context) {
    setObjectName("roots");
    setAccessibleName(tr("Roots and locks"));
    setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Fixed);
    for (const auto signal : {&Context::sessionChanged, &Context::positionChanged, &Context::themeChanged})
        connect(&context_, signal, this, &RootsStrip::refresh);
}

QSize RootsStrip::sizeHint() const { return {200, fontMetrics().height() + 12}; }

QStringList RootsStrip::texts() const {
    QStringList texts;
    for (const Chip& chip : chips_)
        texts << chip.text;
    return texts;
}

void RootsStrip::refresh() {
    chips_.clear();
    const Session* session = context_.session();
    if (session != nullptr) {
        const bool one = !session->hasColumn(Column::Mirror);
        for (const RootView& root : session->roots()) {
            const char* const names[] = {one ? "direct" : "shared", "mirror", "private"};
            const QString name =
                QString("%1 root %2%3").arg(names[static_cast<unsigned>(root.tree)]).arg(root.pfn.v, 0, 16).arg(root.smm ? " (SMM)" : "");
            const QString refs = !root.references        ? QString()
                                 : *root.references == 1 ? QString(", 1 ref")
                                                         : QString(", %1 refs").arg(*root.references);
            if (root.tree == RootView::Tree::Secure)
                chips_.push_back({name, tr("the secure EPT's root, %1 levels, in the TDCS").arg(root.levels), Chip::Kind::Root, {}});
            else if (root.invalid)
                chips_.push_back({name + " invalid" + refs,
                                  "invalid: it is being zapped, and goes with its last reference; a vCPU that has it loads another one "
                                  "before it enters",
                                  Chip::Kind::Invalid,
                                  {}});
            else
                chips_.push_back(
                    {name + refs,
                     root.references
                         ? tr("valid, %1 levels; referenced by the TDP MMU itself, by each vCPU that has it loaded, and by who walks it")
                               .arg(root.levels)
                         : tr("valid, %1 levels; how often it is referenced was not recorded").arg(root.levels),
                     Chip::Kind::Root,
                     {}});
            if (root.tree == RootView::Tree::Direct) {
                Chip& chip = chips_.back();
                chip.direct = root.pfn;
                chip.shown = root.pfn == session->shownDirectRoot();
                if (!chip.shown)
                    chip.help += "\na click shows its tree";
            }
        }
        for (const LockView& lock : session->locks()) {
            QStringList who;
            for (const std::string& holder : lock.holders)
                who << QString::fromStdString(holder);
            const QString name = QString::fromStdString(lock.name);
            chips_.push_back(
                {QString("%1: %2 %3")
                     .arg(name, who.join(", "),
                          lock.writing      ? "writes"
                          : who.size() == 1 ? "reads"
                                            : "read"),
                 name + (lock.writing ? " is held for writing: nobody else is in" : " is held for reading: other readers get in"),
                 Chip::Kind::Lock,
                 {}});
        }
    }
    update();
}

void RootsStrip::paintEvent(QPaintEvent*) {
    QPainter p(this);
    const Theme& theme = context_.theme();
    p.fillRect(rect(), theme.base);
    if (context_.session() == nullptr)
        return;
    p.setRenderHint(QPainter::Antialiasing);
    if (chips_.empty()) {
        p.setPen(theme.dim);
        p.drawText(rect().adjusted(10, 0, -10, 0), Qt::AlignVCenter | Qt::AlignLeft, tr("no root, no lock held"));
        return;
    }
    int x = 10;
    for (std::size_t i = 0; i < chips_.size(); ++i) {
        Chip& chip = chips_[i];
        QFont used = font();
        used.setStrikeOut(chip.kind == Chip::Kind::Invalid);
        p.setFont(used);
        const int width = p.fontMetrics().horizontalAdvance(chip.text) + 18;
        chip.at = QRect();
        if (x + width > this->width() - (i + 1 < chips_.size() ? 30 : 4)) {
            p.setFont(font());
            p.setPen(theme.dim);
            p.drawText(QRect(x, 0, this->width() - x, height()), Qt::AlignVCenter | Qt::AlignLeft, QString("+%1").arg(chips_.size() - i));
            for (std::size_t k = i; k < chips_.size(); ++k)
                chips_[k].at = QRect(x, 0, this->width() - x, height());
            break;
        }
        chip.at = QRect(x, 3, width, height() - 6);
        const QColor ink = chip.kind == Chip::Kind::Root ? theme.accent : chip.kind == Chip::Kind::Invalid ? theme.violation : theme.text;
        QColor fill = ink;
        fill.setAlphaF(theme.dark ? 0.20f : 0.10f);
        QPainterPath shape;
        shape.addRoundedRect(QRectF(chip.at).adjusted(0.5, 0.5, -0.5, -0.5), chip.kind == Chip::Kind::Lock ? 2 : 9,
                             chip.kind == Chip::Kind::Lock ? 2 : 9);
        p.fillPath(shape, fill);
        p.setPen(QPen(ink, chip.shown ? 2 : 1, chip.kind == Chip::Kind::Invalid ? Qt::DashLine : Qt::SolidLine));
        p.drawPath(shape);
        p.setPen(theme.text);
        p.drawText(chip.at, Qt::AlignCenter, chip.text);
        x += width + 8;
    }
}

void RootsStrip::mousePressEvent(QMouseEvent* event) {
    for (const Chip& chip : chips_)
        if (chip.direct && chip.at.contains(event->pos())) {
            context_.showDirectRoot(*chip.direct);
            return;
        }
}

bool RootsStrip::event(QEvent* event) {
    if (event->type() == QEvent::ToolTip) {
        const auto* help = static_cast<QHelpEvent*>(event);
        QStringList lines;
        for (const Chip& chip : chips_)
            if (chip.at.contains(help->pos()))
                lines << chip.text + "\n" + chip.help;
        if (lines.isEmpty())
            QToolTip::hideText();
        else
            QToolTip::showText(help->globalPos(), lines.join("\n\n"));
        return true;
    }
    return QWidget::event(event);
}

} // namespace mirrorscope::views
