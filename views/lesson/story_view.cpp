// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/lesson/story_view.h"

#include "views/links.h"

#include <QDesktopServices>
#include <QLabel>
#include <QTextBrowser>
#include <QUrl>
#include <QVBoxLayout>

namespace mirrorscope::views {

StoryView::StoryView(Context& context, QWidget* parent)
    : QWidget(parent), context_(context), note_(new QLabel(this)), about_(new QTextBrowser(this)) {
    setObjectName("story");
    about_->setFrameShape(QFrame::NoFrame);
    about_->setOpenLinks(false);
    connect(about_, &QTextBrowser::anchorClicked, this, [this](const QUrl& url) { openLink(url.toString()); });
    connect(note_, &QLabel::linkActivated, this, &StoryView::openLink);
    about_->setAccessibleName(tr("About this scenario"));
    note_->setWordWrap(true);
    note_->setTextFormat(Qt::MarkdownText);
    note_->setMargin(8);
    note_->setAutoFillBackground(true);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(note_);
    layout->addWidget(about_, 1);
    connect(&context_, &Context::sessionChanged, this, &StoryView::load);
    connect(&context_, &Context::positionChanged, this, &StoryView::showNote);
    connect(&context_, &Context::themeChanged, this, [this] {
        if (context_.session())
            load();
    });
}

void StoryView::load() {
    const Scenario& scenario = context_.session()->scenario();
    QString markdown = scenario.title.empty() ? QString() : "### " + QString::fromStdString(scenario.title) + "\n\n";
    markdown += scenario.about.empty() ? QString("*This scenario has no `about`.*") : QString::fromStdString(scenario.about);
    if (!scenario.reference.empty())
        markdown += "\n\n*" + QString::fromStdString(scenario.reference) + "*";
    about_->setMarkdown(markdown);
    showNote();
}

void StoryView::openLink(const QString& link) {
    if (link.startsWith("mirrorscope:"))
        follow(context_, link);
    else
        QDesktopServices::openUrl(QUrl(link));
}

void StoryView::showNote() {
    const std::string note = context_.session()->noteAt(context_.position());
    QPalette palette = this->palette();
    palette.setColor(QPalette::Window, context_.theme().note);
    note_->setPalette(palette);
    // A note is of its moment: later on it says of which.
    const u64 since = context_.session()->noteSince(context_.position());
    const bool later = !note.empty() && context_.position() > since;
    note_->setText((later ? tr("*At position %1:* ").arg(since) : QString()) + QString::fromStdString(note));
    note_->setVisible(!note.empty());
}

} // namespace mirrorscope::views
