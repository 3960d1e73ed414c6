// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/help/explain_view.h"

#include "views/text.h"

#include <QFontDatabase>
#include <QPlainTextEdit>
#include <QSplitter>
#include <QTextBrowser>
#include <QVBoxLayout>

#include <algorithm>

namespace mirrorscope::views {

namespace {
// As much as is read of what is pasted, in characters, and as many answers as are shown: `mirrorscope explain` has no such bounds.
constexpr qsizetype kMostText = 200'000;
constexpr std::size_t kMostAnswers = 100;

QString asHtml(const Explanation& e, std::size_t index) {
    QString html = "<p style=\"margin-bottom:0\"><code>" + text(e.input).toHtmlEscaped() + "</code></p>";
    html += "<p style=\"margin-top:2px\"><b>" + text(e.name).toHtmlEscaped() + "</b><br>" + text(e.text).toHtmlEscaped();
    if (!e.functions.empty()) {
        QStringList functions;
        for (const std::string& name : e.functions)
            functions << text(name).toHtmlEscaped();
        html += "<br>" + ExplainView::tr("in %1").arg("<code>" + functions.join(", ") + "</code>");
    }
    if (!e.scenarioFile.empty())
        html += "<br>" + ExplainView::tr("See it: %1")
                             .arg(QString("<a href=\"mirrorscope://scenario/%1\">%1</a>").arg(text(e.scenarioFile).toHtmlEscaped()));
    else if (!e.scenario.empty())
        html += QString("<br><a href=\"explain:%1\">%2</a>").arg(index).arg(ExplainView::tr("Open a scenario that gets there"));
    return html + "</p>";
}
} // namespace

ExplainView::ExplainView(QWidget* parent) : QDialog(parent), input_(new QPlainTextEdit(this)), answer_(new QTextBrowser(this)) {
    setObjectName("explain");
    setWindowTitle(tr("Explain"));
    input_->setObjectName("explain-input");
    input_->setAccessibleName(tr("A line of dmesg or of a trace"));
    input_->setPlaceholderText(tr("Paste lines of dmesg or of a trace of KVM, a completion status, an SPTE, an error code, a name."));
    input_->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
    input_->setTabChangesFocus(true);
    answer_->setObjectName("explain-answer");
    answer_->setAccessibleName(tr("What it means"));
    answer_->setOpenLinks(false);
    answer_->setFrameShape(QFrame::NoFrame);
    auto* parts = new QSplitter(Qt::Vertical, this);
    parts->addWidget(input_);
    parts->addWidget(answer_);
    parts->setStretchFactor(1, 1);
    parts->setSizes({110, 430});
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(8, 8, 8, 8);
    layout->addWidget(parts);
    resize(760, 560);
    connect(input_, &QPlainTextEdit::textChanged, this, &ExplainView::begin);
    connect(answer_, &QTextBrowser::anchorClicked, this, [this](const QUrl& url) { follow(url.toString()); });
    showFound({}, 0);
}

void ExplainView::explainText(const QString& pasted) {
    if (!pasted.trimmed().isEmpty())
        input_->setPlainText(pasted.left(kMostText));
    show();
    raise();
    activateWindow();
    input_->setFocus();
}

void ExplainView::begin() {
    again_ = worker_.running();
    if (again_)
        return;
    const QString typed = input_->toPlainText();
    const qsizetype leftOut = std::max<qsizetype>(0, typed.size() - kMostText);
    worker_.start([this, leftOut, typed = typed.left(kMostText).toStdString()](const Worker::Task&) -> std::function<void()> {
        std::vector<Explanation> found = mirrorscope::explain(typed);
        return [this, leftOut, found = std::move(found)] {
            showFound(found, leftOut);
            if (again_)
                begin();
        };
    });
}

void ExplainView::showFound(std::vector<Explanation> found, qsizetype leftOut) {
    found_ = std::move(found);
    QString html;
    if (leftOut > 0)
        html += "<p>" + tr("The last %n characters were not read.", nullptr, static_cast<int>(leftOut)) + "</p>";
    const std::size_t shown = std::min(found_.size(), kMostAnswers);
    for (std::size_t i = 0; i < shown; ++i)
        html += asHtml(found_[i], i);
    if (shown < found_.size())
        html += "<p>" + tr("And %1 more; `mirrorscope explain FILE` says all.").arg(found_.size() - shown).toHtmlEscaped() + "</p>";
    if (found_.empty() && !input_->toPlainText().trimmed().isEmpty())
        html =
            tr("Nothing in that is understood. Known are lines of dmesg and of traces of KVM, completion statuses, SPTEs, error codes, and "
               "the names of the glossary.");
    else if (found_.empty())
        html = tr("What it means, where it arises and a scenario that gets there will stand here. Quote marks of mails are passed over.");
    answer_->setHtml(html);
}

void ExplainView::follow(const QString& link) {
    if (!link.startsWith("explain:")) {
        Q_EMIT linkWanted(link);
        return;
    }
    const auto index = link.mid(8).toULongLong();
    if (index < found_.size())
        Q_EMIT scenarioWanted(text(found_[index].name), text(found_[index].scenario));
}

} // namespace mirrorscope::views
