// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/lesson/story_view.h"

#include "scenario/catalogue.h"
#include "views/lesson/question_box.h"

#include <QFileInfo>
#include <QLabel>
#include <QPushButton>
#include <QScrollArea>
#include <QTextBrowser>
#include <QUrl>
#include <QVBoxLayout>

namespace mirrorscope::views {

StoryView::StoryView(Context& context, QWidget* parent)
    : QWidget(parent), context_(context), note_(new QLabel(this)), question_(new QuestionBox(context, this)), said_(new QScrollArea(this)),
      about_(new QTextBrowser(this)), course_(new QWidget(this)), previous_(new QPushButton(tr("‹ Before"), this)),
      next_(new QPushButton(tr("Next lesson ›"), this)), where_(new QLabel(this)) {
    setObjectName("story");
    about_->setObjectName("about");
    about_->setFrameShape(QFrame::NoFrame);
    about_->setOpenLinks(false);
    connect(about_, &QTextBrowser::anchorClicked, this, [this](const QUrl& url) { Q_EMIT linkWanted(url.toString()); });
    connect(note_, &QLabel::linkActivated, this, &StoryView::linkWanted);
    previous_->setObjectName("lesson-before");
    next_->setObjectName("lesson-next");
    where_->setObjectName("lesson-where");
    where_->setAlignment(Qt::AlignCenter);
    for (QPushButton* button : {previous_, next_})
        button->setMinimumWidth(30);
    auto* row = new QHBoxLayout(course_);
    row->setContentsMargins(6, 4, 6, 4);
    row->addWidget(previous_);
    row->addWidget(where_, 1);
    row->addWidget(next_);
    course_->hide();
    connect(previous_, &QPushButton::clicked, this, [this] { Q_EMIT linkWanted("mirrorscope://scenario/" + previousFile_); });
    connect(next_, &QPushButton::clicked, this, [this] { Q_EMIT linkWanted("mirrorscope://scenario/" + nextFile_); });
    about_->setAccessibleName(tr("About this scenario"));
    note_->setWordWrap(true);
    note_->setTextFormat(Qt::MarkdownText);
    note_->setMargin(8);
    note_->setAutoFillBackground(true);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    // As tall as what is in it, but the text below keeps some lines; the rest is scrolled to.
    auto* moment = new QWidget(said_);
    auto* column = new QVBoxLayout(moment);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addWidget(note_);
    column->addWidget(question_);
    column->addStretch(1);
    said_->setAccessibleName(tr("What the script says and asks here"));
    said_->setWidget(moment);
    moment->installEventFilter(this);
    said_->setWidgetResizable(true);
    said_->setFrameShape(QFrame::NoFrame);
    said_->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    layout->addWidget(said_);
    layout->addWidget(about_, 1);
    layout->addWidget(course_);
    connect(&context_, &Context::sessionChanged, this, &StoryView::load);
    connect(&context_, &Context::positionChanged, this, &StoryView::showNote);
    connect(&context_, &Context::positionChanged, this, &StoryView::showScore);
    connect(question_, &QuestionBox::predicted, this, &StoryView::showScore);
    connect(question_, &QuestionBox::changed, this, &StoryView::fit);
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
    showCourse();
    showNote();
}

void StoryView::showCourse() {
    const std::size_t number = lessonNumber(context_.session()->scenario().file);
    course_->setVisible(number > 0);
    if (number == 0)
        return;
    const std::vector<std::string> lessons = course();
    const std::size_t at = number - 1;
    const auto fileAt = [&](std::size_t i) { return "lessons/" + QFileInfo(QString::fromStdString(lessons[i])).fileName(); };
    previousFile_ = at > 0 ? fileAt(at - 1) : QString();
    nextFile_ = at + 1 < lessons.size() ? fileAt(at + 1) : QString();
    previous_->setEnabled(at > 0);
    next_->setEnabled(at + 1 < lessons.size());
    next_->setToolTip(at + 1 < lessons.size() ? QString::fromStdString(cardOf(lessons[at + 1]).title) : QString());
    previous_->setToolTip(at > 0 ? QString::fromStdString(cardOf(lessons[at - 1]).title) : QString());
    place_ = tr("%1 of %2").arg(number).arg(lessons.size());
    showScore();
}

void StoryView::showScore() {
    const QuestionBox::Score score = question_->score();
    where_->setText(place_ + (score.predicted == 0 ? QString() : tr(" · %1 of %2 foreseen").arg(score.right).arg(score.asked)));
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
    fit();
}

void StoryView::fit() {
    QWidget* moment = said_->widget();
    const bool says = !note_->isHidden() || !question_->isHidden();
    said_->setVisible(says);
    if (!says)
        return;
    const int wide = std::max(width() - 2, 120);
    const int needs = moment->layout()->hasHeightForWidth() ? moment->layout()->totalHeightForWidth(wide) : moment->sizeHint().height();
    const int most = height() - 4 * fontMetrics().lineSpacing() - (course_->isHidden() ? 0 : course_->sizeHint().height());
    said_->setFixedHeight(std::max(std::min(needs, most), 2 * fontMetrics().lineSpacing()));
}

// Only once all layouts inside have heard of a new text it is known how tall it is.
bool StoryView::eventFilter(QObject* object, QEvent* event) {
    if (object == said_->widget() && event->type() == QEvent::LayoutRequest)
        fit();
    return QWidget::eventFilter(object, event);
}

void StoryView::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    fit();
}

} // namespace mirrorscope::views
