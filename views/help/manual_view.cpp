// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/help/manual_view.h"

#include "export/vocabulary.h"

#include <QFile>
#include <QHBoxLayout>
#include <QLineEdit>
#include <QPushButton>
#include <QTextBlock>
#include <QTextBrowser>
#include <QVBoxLayout>

namespace mirrorscope::views {

ManualView::ManualView(QWidget* parent) : QDialog(parent), search_(new QLineEdit(this)), text_(new QTextBrowser(this)) {
    setObjectName("manual");
    setWindowTitle(tr("Manual"));
    search_->setObjectName("manual-search");
    search_->setAccessibleName(tr("Search the manual"));
    search_->setPlaceholderText(tr("search; Enter goes on to the next"));
    search_->setClearButtonEnabled(true);
    text_->setObjectName("manual-text");
    text_->setAccessibleName(tr("Manual"));
    text_->setFrameShape(QFrame::NoFrame);
    text_->setOpenLinks(false);
    auto* manual = new QPushButton(tr("Manual"), this);
    auto* glossary = new QPushButton(tr("Glossary"), this);
    auto* row = new QHBoxLayout;
    row->setContentsMargins(8, 8, 8, 0);
    row->addWidget(search_, 1);
    row->addWidget(manual);
    row->addWidget(glossary);
    for (QPushButton* button : {manual, glossary})
        button->setAutoDefault(false);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addLayout(row);
    layout->addWidget(text_, 1);
    resize(760, 640);
    connect(search_, &QLineEdit::returnPressed, this, [this] { find(false); });
    connect(search_, &QLineEdit::textEdited, this, [this] {
        text_->moveCursor(QTextCursor::Start);
        find(false);
    });
    connect(manual, &QPushButton::clicked, this, [this] { showManual({}); });
    connect(glossary, &QPushButton::clicked, this, [this] { showGlossary(); });
    connect(text_, &QTextBrowser::anchorClicked, this, [this](const QUrl& url) {
        if (url.hasFragment() && url.path().isEmpty())
            goTo(QString(url.fragment()).replace('-', ' '));
        else
            Q_EMIT linkWanted(url.toString());
    });
}

void ManualView::find(bool back) {
    if (search_->text().isEmpty())
        return;
    const auto options = back ? QTextDocument::FindBackward : QTextDocument::FindFlags();
    if (text_->find(search_->text(), options))
        return;
    // Round once.
    text_->moveCursor(back ? QTextCursor::End : QTextCursor::Start);
    text_->find(search_->text(), options);
}

void ManualView::showManual(const QString& heading) {
    if (shown_ != "manual") {
        QFile file(":/docs/manual.md");
        text_->setMarkdown(file.open(QIODevice::ReadOnly) ? QString::fromUtf8(file.readAll()) : QString());
        shown_ = "manual";
    }
    goTo(heading);
    show();
    raise();
    activateWindow();
}

void ManualView::showGlossary(const QString& term) {
    if (shown_ != "glossary") {
        text_->setMarkdown(QString::fromStdString(glossaryMarkdown()));
        shown_ = "glossary";
    }
    text_->moveCursor(QTextCursor::Start);
    if (!term.isEmpty())
        text_->find(term, QTextDocument::FindWholeWords | QTextDocument::FindCaseSensitively);
    show();
    raise();
    activateWindow();
}

void ManualView::goTo(const QString& heading) {
    const QTextDocument* document = text_->document();
    for (QTextBlock block = document->begin(); block.isValid(); block = block.next())
        if (block.blockFormat().headingLevel() > 0 && (heading.isEmpty() || block.text().compare(heading, Qt::CaseInsensitive) == 0)) {
            QTextCursor cursor(block);
            // The heading at the upper edge, not somewhere on the page.
            text_->moveCursor(QTextCursor::End);
            text_->setTextCursor(cursor);
            text_->ensureCursorVisible();
            return;
        }
}

QString ManualView::heading() const {
    QString last;
    for (QTextBlock block = text_->document()->begin(); block.isValid() && block.position() <= text_->textCursor().position();
         block = block.next())
        if (block.blockFormat().headingLevel() > 0)
            last = block.text();
    return last;
}

} // namespace mirrorscope::views
