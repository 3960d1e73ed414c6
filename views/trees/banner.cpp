// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/trees/banner.h"

#include <QLabel>
#include <QVBoxLayout>

#include <algorithm>

namespace mirrorscope::views {

Banner::Banner(Context& context, QWidget* parent)
    : QFrame(parent), context_(context), sentence_(new QLabel(this)), detail_(new QLabel(this)) {
    setObjectName("banner");
    setAutoFillBackground(true);
    keepFont(*sentence_, {.factor = 1.15, .bold = true});
    for (QLabel* label : {sentence_, detail_}) {
        label->setWordWrap(true);
        label->setTextFormat(Qt::PlainText);
        label->setTextInteractionFlags(Qt::TextSelectableByMouse);
        label->setFocusPolicy(Qt::NoFocus);
        label->setMinimumWidth(10);
    }
    // Two lines are kept free, so that the trees below do not jump from step to step.
    sentence_->setMinimumHeight(sentence_->fontMetrics().lineSpacing() * 2);
    sentence_->setAlignment(Qt::AlignLeft | Qt::AlignVCenter);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(10, 6, 10, 6);
    layout->setSpacing(2);
    layout->addWidget(sentence_);
    layout->addWidget(detail_);
    connect(&context_, &Context::sessionChanged, this, [this] {
        error_.clear();
        refresh();
    });
    connect(&context_, &Context::positionChanged, this, &Banner::refresh);
    connect(&context_, &Context::themeChanged, this, &Banner::restyle);
    restyle();
}

QString Banner::sentence() const { return sentence_->text(); }

void Banner::showError(const QString& message) {
    error_ = message;
    refresh();
}

void Banner::restyle() {
    const Theme& theme = context_.theme();
    QPalette palette = this->palette();
    palette.setColor(QPalette::Window, theme.base);
    palette.setColor(QPalette::WindowText, error_.isEmpty() ? theme.text : theme.violation);
    setPalette(palette);
    sentence_->setPalette(palette);
    palette.setColor(QPalette::WindowText, theme.dim);
    detail_->setPalette(palette);
}

void Banner::refresh() {
    if (!error_.isEmpty()) {
        sentence_->setText(error_);
        detail_->setText(tr("Mend the script and run it (Ctrl+Return). The last good picture stays below."));
        restyle();
        return;
    }
    const Session* session = context_.session();
    if (!session)
        return;
    const u64 at = session->position();
    sentence_->setText(QString::fromStdString(session->sentence(at)));
    QString detail = tr("Position %1 of %2").arg(at).arg(session->end());
    const auto& violations = session->violations();
    const auto now = std::find_if(violations.begin(), violations.end(), [&](const Violation& v) { return v.n + 1 == at; });
    if (now != violations.end())
        detail += QString("  ·  ! %1: %2").arg(QString::fromUtf8(info(now->rule).name.data()), QString::fromStdString(now->text));
    if (session->vmIsDead())
        detail += "  ·  " + tr("the VM is dead: each of its ioctls answers EIO");
    if (at == session->end()) {
        const Runner& runner = session->runner();
        const QString broken = violations.size() == 1 ? tr("1 violation") : tr("%1 violations").arg(violations.size());
        detail += "  ·  " + tr("the end: ");
        detail += !runner.ok()                    ? tr("%1 failed, %2").arg(runner.failed()).arg(broken)
                  : !violations.empty()           ? tr("%1, as the scenario says").arg(broken)
                  : runner.expectations().empty() ? tr("no rule was violated")
                                                  : tr("all expectations hold");
        if (!runner.stopped().empty())
            detail += QString("  ·  %1").arg(QString::fromStdString(runner.stopped()));
        detail += "  ·  Ctrl+F11 goes back";
    } else {
        detail += "  ·  F11: next micro-step   Ctrl+F11: back   F10: next script step";
    }
    detail_->setText(detail);
    restyle();
}

} // namespace mirrorscope::views
