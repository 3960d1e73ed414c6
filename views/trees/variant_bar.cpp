// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/trees/variant_bar.h"

#include "views/text.h"

#include <QFileInfo>
#include <QHBoxLayout>
#include <QLabel>
#include <QToolButton>

namespace mirrorscope::views {

VariantBar::VariantBar(Context& context, QWidget* parent)
    : QWidget(parent), context_(context), layout_(new QHBoxLayout(this)), title_(new QLabel(this)) {
    setObjectName("variants");
    layout_->setContentsMargins(10, 2, 10, 2);
    layout_->addWidget(title_);
    layout_->addStretch(1);
    connect(&context_, &Context::sessionChanged, this, &VariantBar::refresh);
    refresh();
}

void VariantBar::refresh() {
    const Session* session = context_.session();
    for (QToolButton* button : buttons_) {
        button->hide();
        button->deleteLater(); // it may be the one that was clicked
    }
    buttons_.clear();
    names_.clear();
    // A trace that was pasted cannot be read again.
    const bool recording = context_.isRecording();
    setVisible(session != nullptr && !session->scenario().variants.empty() &&
               (!recording || QFileInfo::exists(QString::fromStdString(session->scenario().file))));
    title_->setText(recording ? tr("Read as the trace of:") : tr("Variant:"));
    if (isHidden())
        return;
    const QString shown = QString::fromStdString(session->scenario().variant());
    const auto add = [&](const QString& name, const QString& title, const QString& help) {
        auto* button = new QToolButton(this);
        button->setText(title);
        button->setToolTip(help);
        button->setCheckable(true);
        button->setChecked(name == shown);
        button->setAutoRaise(true);
        connect(button, &QToolButton::clicked, this, [this, name, button, is = name == shown] {
            button->setChecked(is); // what is shown is shown until the other run is there
            Q_EMIT chosen(name);
        });
        layout_->insertWidget(layout_->count() - 1, button);
        button->show();
        buttons_.push_back(button);
        names_ << name;
    };
    if (recording)
        add({}, tr("any kernel"), tr("what one of them may do is no finding"));
    else
        add({}, tr("as it stands"), tr("the machine and the expectations of the scenario itself"));
    for (const ScenarioVariant& variant : session->scenario().variants)
        add(text(variant.name), text(variant.name), text(variant.text));
}

QString VariantBar::next() const {
    const Session* session = context_.session();
    const qsizetype at = session == nullptr ? -1 : names_.indexOf(QString::fromStdString(session->scenario().variant()));
    return names_.isEmpty() ? QString() : names_[(at + 1) % names_.size()];
}

} // namespace mirrorscope::views
