// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/explore/side_by_side.h"

#include "views/trees/banner.h"
#include "views/trees/trees_view.h"

#include <QCheckBox>
#include <QFontDatabase>
#include <QKeyEvent>
#include <QLabel>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QSlider>
#include <QSplitter>

namespace mirrorscope::views {

SideBySide::SideBySide(const Context& like, std::array<std::unique_ptr<Session>, 2> runs, const QString& differs, QWidget* parent)
    : QDialog(parent), linked_(new QCheckBox(tr("move both to the same moment"), this)) {
    setObjectName("side-by-side");
    linked_->setToolTip(tr("The other run goes behind the same micro-step, or behind the last one that it has, too."));
    auto* layout = new QVBoxLayout(this);
    auto* split = new QSplitter(this);
    for (unsigned side = 0; side < 2; ++side) {
        auto* context = new Context(this);
        contexts_[side] = context;
        context->setTheme(like.theme().kind);
        auto* half = new QWidget(split);
        half->setAccessibleName(side == 0 ? tr("The first of two runs") : tr("The second of two runs"));
        auto* column = new QVBoxLayout(half);
        column->setContentsMargins(0, 0, 0, 0);
        auto* banner = new Banner(*context, half);
        banner->tellNoKeys(); // they stand below, for both
        column->addWidget(banner);
        column->addWidget(new TreesView(*context, half), 1);
        auto* slider = new QSlider(Qt::Horizontal, half);
        slider->setAccessibleName(tr("Position"));
        column->addWidget(slider);
        sliders_[side] = slider;
        split->addWidget(half);
        const u64 end = runs[side]->end();
        context->setSession(std::move(runs[side]), end);
        slider->setRange(0, static_cast<int>(std::min<u64>(end, 1 << 30)));
        slider->setValue(slider->maximum());
        connect(slider, &QSlider::valueChanged, this, [this, side](int value) { move(side, static_cast<u64>(value)); });
        connect(context, &Context::positionChanged, this,
                [this, side] { sliders_[side]->setValue(static_cast<int>(contexts_[side]->position())); });
    }
    common_ = contexts_[0]->session()->commonPrefix(*contexts_[1]->session(), ~u64{0});
    linked_->setChecked(true);
    auto* row = new QHBoxLayout;
    auto* parts = new QPushButton(tr("Where they part"), this);
    parts->setObjectName("where-they-part");
    auto* ends = new QPushButton(tr("Ends"), this);
    row->addWidget(parts);
    row->addWidget(ends);
    row->addWidget(linked_);
    row->addStretch(1);
    row->addWidget(
        new QLabel(tr("The runs are the same up to position %1.  F11, Ctrl+F11: each a micro-step forth, back").arg(common_), this));
    auto* told = new QPlainTextEdit(differs, this);
    told->setObjectName("what-differs");
    told->setAccessibleName(tr("What differs"));
    told->setReadOnly(true);
    told->setLineWrapMode(QPlainTextEdit::NoWrap);
    told->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
    told->setTabChangesFocus(true);
    auto* upright = new QSplitter(Qt::Vertical, this);
    upright->addWidget(split);
    upright->addWidget(told);
    upright->setStretchFactor(0, 3);
    upright->setStretchFactor(1, 1);
    layout->addWidget(upright, 1);
    layout->addLayout(row);
    connect(parts, &QPushButton::clicked, this, &SideBySide::showWhereTheyPart);
    connect(ends, &QPushButton::clicked, this, [this] {
        moving_ = true;
        for (Context* context : contexts_)
            context->goTo(context->session()->end());
        moving_ = false;
    });
    resize(parent->window()->size() * 0.9);
}

void SideBySide::showWhereTheyPart() {
    moving_ = true;
    for (Context* context : contexts_)
        context->goTo(std::min(common_ + 1, context->session()->end()));
    moving_ = false;
}

void SideBySide::move(unsigned side, u64 to) {
    if (moving_)
        return;
    moving_ = true;
    contexts_[side]->goTo(to);
    if (linked_->isChecked())
        follow(side);
    moving_ = false;
}

void SideBySide::follow(unsigned side) {
    const u64 at = contexts_[side]->position();
    const Session& other = *contexts_[1 - side]->session();
    contexts_[1 - side]->goTo(at <= common_ ? at : contexts_[side]->session()->sameMoment(at, other));
}

// These keys are of this window, not of the one that it was opened from.
bool SideBySide::event(QEvent* event) {
    if (event->type() == QEvent::ShortcutOverride && static_cast<QKeyEvent*>(event)->key() == Qt::Key_F11) {
        event->accept();
        return true;
    }
    return QDialog::event(event);
}

void SideBySide::keyPressEvent(QKeyEvent* event) {
    if (event->key() != Qt::Key_F11) {
        QDialog::keyPressEvent(event);
        return;
    }
    const bool back = (event->modifiers() & Qt::ControlModifier) != 0;
    moving_ = true;
    for (Context* context : contexts_)
        if (!back || context->position() > 0)
            context->goTo(back ? context->position() - 1 : context->position() + 1);
    moving_ = false;
}

} // namespace mirrorscope::views
