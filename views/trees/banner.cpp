// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/trees/banner.h"

#include "trace/recorded.h"
#include "views/text.h"

#include <QLabel>
#include <QLocale>
#include <QVBoxLayout>

#include <algorithm>

namespace mirrorscope::views {

Banner::Banner(Context& context, QWidget* parent)
    : QFrame(parent), context_(context), sentence_(new QLabel(this)), violation_(new QLabel(this)), detail_(new QLabel(this)) {
    setObjectName("banner");
    setAutoFillBackground(true);
    keepFont(*sentence_, {.factor = 1.15, .bold = true});
    violation_->setObjectName("banner-violation");
    detail_->setObjectName("banner-detail");
    violation_->setAutoFillBackground(true);
    violation_->setMargin(6);
    violation_->hide();
    keepFont(*violation_, {.bold = true});
    for (QLabel* label : {sentence_, violation_, detail_}) {
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
    layout->addWidget(violation_);
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

QString Banner::warning() const { return violation_->isHidden() ? QString() : violation_->text(); }

void Banner::showError(const QString& message) {
    error_ = message;
    refresh();
}

void Banner::restyle() {
    const Theme& theme = context_.theme();
    QPalette palette = this->palette();
    palette.setColor(QPalette::Window, theme.base);
    palette.setColor(QPalette::WindowText, context_.session() || error_.isEmpty() ? theme.text : theme.violation);
    setPalette(palette);
    sentence_->setPalette(palette);
    QPalette red = palette;
    red.setColor(QPalette::Window, theme.violation);
    red.setColor(QPalette::WindowText, inkOn(theme.violation));
    violation_->setPalette(red);
    palette.setColor(QPalette::WindowText, theme.dim);
    detail_->setPalette(palette);
}

void Banner::refresh() {
    const Session* session = context_.session();
    if (!session) {
        sentence_->setText(error_);
        violation_->hide();
        detail_->setText(error_.isEmpty() ? QString() : tr("Mend the script and run it (Ctrl+Return)."));
        restyle();
        return;
    }
    const u64 at = session->position();
    sentence_->setText(QString::fromStdString(session->sentence(at)));
    // What this micro-step broke, all of it: nobody overlooks a rule.
    QStringList broken;
    if (!error_.isEmpty())
        broken << tr("%1\nMend the script and run it (Ctrl+Return). What is shown is the last run.").arg(error_);
    for (const Violation& v : session->violations())
        if (v.n + 1 == at)
            broken << QString("! %1: %2%3")
                          .arg(text(info(v.rule).name), QString::fromStdString(v.text),
                               session->expects(v.rule) ? tr(" (as the scenario says)") : QString());
    // And what was expected here and is not so.
    constexpr qsizetype kMostFailures = 4;
    qsizetype failed = 0;
    const auto& failures = session->failures();
    for (auto it = std::lower_bound(failures.begin(), failures.end(), at,
                                    [](const Session::Failure&failure, u64 position) { return failure.position < position; });
         it != failures.end() && it->position == at; ++it)
        if (++failed <= kMostFailures)
            broken << tr("! line %1: %2").arg(it->line).arg(text(it->text));
    if (failed > kMostFailures)
        broken << tr("and %1 more expectations that do not hold").arg(failed - kMostFailures);
    violation_->setText(broken.join("\n"));
    violation_->setVisible(!broken.isEmpty());
    const QLocale locale;
    QStringList detail{tr("Position %1 of %2")
                           .arg(locale.toString(static_cast<qulonglong>(at)), locale.toString(static_cast<qulonglong>(session->end())))};
    const Question* question = session->questionAt(at);
    if (question != nullptr && question->asked == at)
        detail << tr("the story asks what will happen next");
    else if (std::binary_search(session->pauses().begin(), session->pauses().end(), at))
        detail << tr("the script pauses here");
    // What a step returned is said when it has.
    const std::span<const std::size_t> returns = at > 0 ? session->returnsIn(at, at) : std::span<const std::size_t>{};
    constexpr std::size_t kMost = 2;
    for (const std::size_t mark : returns.first(std::min(returns.size(), kMost)))
        if (const auto result = session->resultOf(mark))
            detail << QString::fromStdString(result->actor + ": " + result->text());
    if (returns.size() > kMost)
        detail << tr("%1 more steps returned").arg(returns.size() - kMost);
    if (session->vmIsDead())
        detail << tr("the VM is dead: each of its ioctls answers EIO");
    if (at == session->end() && session->recorded() == nullptr)
        detail << (session->verdict().bounded ? tr("what there is of the run ends here; what follows is not known")
                                              : tr("the end: ") + endText());
    if (keys_)
        detail << keysAt(at);
    detail_->setText(detail.join("  ·  "));
    restyle();
}

QString Banner::keysAt(u64 at) const {
    const bool end = at == context_.session()->end();
    if (context_.isRecording() && context_.session()->recorded()->isSnapshot())
        return end ? tr("a snapshot: all its entries; Ctrl+F11 goes back") : tr("F11: next entry   Ctrl+F11: back");
    if (context_.isRecording())
        return end ? tr("the end of the trace; Ctrl+F11 goes back") : tr("F11: next line   Ctrl+F11: back   F10: next fault or notifier");
    if (context_.presenting())
        return tr("F11: next micro-step   Ctrl+F11: back   Esc ends the presentation");
    return end ? tr("Ctrl+F11 goes back") : tr("F11: next micro-step   Ctrl+F11: back   F10: next script step");
}

QString Banner::endText() const {
    const Session& session = *context_.session();
    const Session::Verdict verdict = session.verdict();
    const std::size_t count = session.violations().size();
    const QString broken = count == 1 ? tr("1 violation") : tr("%1 violations").arg(count);
    const QString failed = verdict.failed == 1 ? tr("1 expectation does not hold") : tr("%1 expectations do not hold").arg(verdict.failed);
    QString said = verdict.failed > 0          ? (count == 0 ? failed : tr("%1, %2").arg(failed, broken))
                   : !verdict.ok               ? broken
                   : count > 0                 ? tr("%1, as the scenario says").arg(broken)
                   : session.vmIsDead()        ? tr("what the scenario expects holds")
                   : verdict.expectations == 0 ? tr("no rule was violated")
                                               : tr("all expectations hold");
    if (!verdict.stopped.empty())
        said += QString("  ·  %1").arg(QString::fromStdString(verdict.stopped));
    return said;
}

} // namespace mirrorscope::views
