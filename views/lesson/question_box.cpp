// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/lesson/question_box.h"

#ifndef Q_MOC_RUN
#include "scenario/scenario.h"
#endif
#include "views/user_settings.h"

#include <QCryptographicHash>
#include <QFileInfo>
#include <QGridLayout>
#include <QLabel>
#include <QMouseEvent>
#include <QPushButton>
#include <QRadioButton>
#include <QVBoxLayout>

namespace mirrorscope::views {

QuestionBox::QuestionBox(Context& context, QWidget* parent)
    : QFrame(parent), context_(context), before_(new QLabel(this)), asks_(new QLabel(this)), choices_(new QWidget(this)),
      list_(new QGridLayout(choices_)), says_(new QLabel(this)), hint_(new QPushButton(tr("A hint"), this)),
      back_(new QPushButton(tr("Go back to the question"), this)) {
    setObjectName("question");
    setAutoFillBackground(true);
    asks_->setObjectName("question-asks");
    says_->setObjectName("question-says");
    hint_->setObjectName("question-hint");
    before_->setObjectName("question-before");
    for (QLabel* label : {before_, asks_, says_}) {
        label->setWordWrap(true);
        label->setTextFormat(Qt::MarkdownText);
    }
    keepFont(*asks_, {.factor = 1, .bold = true});
    list_->setContentsMargins(0, 0, 0, 0);
    list_->setSpacing(4);
    list_->setColumnStretch(1, 1);
    hint_->setFlat(true);
    back_->setObjectName("question-back");
    connect(back_, &QPushButton::clicked, this, [this] {
        if (const Question* question = present())
            context_.goTo(question->asked);
    });
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(8, 8, 8, 8);
    layout->addWidget(before_);
    layout->addWidget(asks_);
    layout->addWidget(choices_);
    layout->addWidget(says_);
    layout->addWidget(hint_, 0, Qt::AlignLeft);
    layout->addWidget(back_, 0, Qt::AlignLeft);
    hide();
    connect(hint_, &QPushButton::clicked, this, [this] {
        if (const Question* question = present())
            hinted_ = key(*question);
        refresh();
    });
    connect(&context_, &Context::sessionChanged, this, &QuestionBox::load);
    connect(&context_, &Context::positionChanged, this, &QuestionBox::refresh);
    connect(&context_, &Context::themeChanged, this, [this] {
        if (context_.session() != nullptr)
            refresh();
    });
}

namespace {
QString keyOf(const Scenario& scenario, const Step& asked) {
    QByteArray text = QByteArray::fromStdString(asked.text);
    for (const AskChoice& choice : asked.choices)
        text += '\n' + QByteArray::fromStdString(choice.text);
    const QByteArray hash = QCryptographicHash::hash(text, QCryptographicHash::Sha1).toHex().left(12);
    return QFileInfo(QString::fromStdString(scenario.file)).completeBaseName() + "-" + QString::fromLatin1(hash);
}
} // namespace

const QString& QuestionBox::key(const Question& question) const {
    return keys_.at(static_cast<std::size_t>(&question - context_.session()->questions().data()));
}

bool QuestionBox::loaded() const { return context_.session() != nullptr && keys_.size() == context_.session()->questions().size(); }

const Question* QuestionBox::present() const { return loaded() ? context_.session()->questionAt(context_.position()) : nullptr; }

int QuestionBox::prediction(const Question& question) const {
    const auto found = predictions_.find(key(question));
    return found != predictions_.end() && found->second < static_cast<int>(question.step->choices.size()) ? found->second : -1;
}

void QuestionBox::load() {
    predictions_.clear();
    keys_.clear();
    QSettings settings = userSettings();
    settings.beginGroup("predictions");
    for (const Question& question : context_.session()->questions()) {
        const QString& key = keys_.emplace_back(keyOf(context_.session()->scenario(), *question.step));
        if (const QVariant kept = settings.value(key); kept.isValid())
            predictions_[key] = std::max(kept.toInt(), 0);
    }
    if (!context_.continues()) {
        hands_.clear();
        hinted_.clear();
    }
    refresh();
}

QuestionBox::Score QuestionBox::score() const {
    Score score;
    if (!loaded())
        return score;
    for (const Question& question : context_.session()->questions()) {
        ++score.asked;
        const int is = prediction(question);
        if (is < 0 || !question.shownAt(context_.position()))
            continue;
        ++score.predicted;
        score.right += question.right && *question.right == static_cast<std::size_t>(is);
    }
    return score;
}

void QuestionBox::addRow() {
    const std::size_t at = rows_.size();
    Row row{new QRadioButton(choices_), new QLabel(choices_)};
    row.button->setObjectName(QString("choice-%1").arg(at));
    row.button->setAutoExclusive(false);
    row.text->setObjectName(QString("choice-text-%1").arg(at));
    row.text->setWordWrap(true);
    row.text->setTextFormat(Qt::MarkdownText);
    row.text->installEventFilter(this);
    connect(row.button, &QRadioButton::clicked, this, [this, at] { choose(at); });
    list_->addWidget(row.button, static_cast<int>(at), 0, Qt::AlignTop);
    list_->addWidget(row.text, static_cast<int>(at), 1);
    rows_.push_back(row);
}

bool QuestionBox::eventFilter(QObject* object, QEvent* event) {
    if (event->type() == QEvent::MouseButtonRelease)
        for (const Row& row : rows_)
            if (row.text == object && row.button->isEnabled())
                row.button->click();
    return QFrame::eventFilter(object, event);
}

void QuestionBox::choose(std::size_t choice) {
    const Question* question = present();
    if (question == nullptr || choice >= question->step->choices.size())
        return;
    if (context_.presenting()) {
        auto& hands = hands_[key(*question)];
        hands.resize(question->step->choices.size());
        ++hands[choice];
    } else {
        predictions_[key(*question)] = static_cast<int>(choice);
        QSettings settings = userSettings();
        settings.setValue("predictions/" + key(*question), static_cast<int>(choice));
    }
    refresh();
    Q_EMIT predicted();
}

QString QuestionBox::verdict(const Question& question) const {
    const int mine = context_.presenting() ? -1 : prediction(question);
    QString right = question.right ? QString::fromStdString(question.step->choices[*question.right].text) : QString();
    if (!right.isEmpty() && right.back().isLetterOrNumber())
        right += ".";
    const QString says = question.step->choices.empty()                      ? QString()
                         : !question.right                                   ? tr("The run says none of these, or more than one.")
                         : mine < 0                                          ? "✓ " + right
                         : *question.right == static_cast<std::size_t>(mine) ? tr("**You were right:** %1").arg(right)
                                                                             : tr("**The run says otherwise:** %1").arg(right);
    return (says + " " + QString::fromStdString(question.step->why)).trimmed();
}

void QuestionBox::refresh() {
    const Question* question = present();
    setVisible(question != nullptr);
    if (question != nullptr)
        fill(*question);
    Q_EMIT changed();
}

void QuestionBox::fill(const Question& question) {
    QPalette palette = this->palette();
    palette.setColor(QPalette::Window, context_.theme().note);
    setPalette(palette);
    const auto& choices = question.step->choices;
    while (rows_.size() < choices.size())
        addRow();
    const bool shown = question.shownAt(context_.position());
    const int mine = context_.presenting() ? -1 : prediction(question);
    const auto hands = hands_.find(key(question));
    asks_->setText(QString::fromStdString(question.step->text));
    // Where a step has answered one and the next is asked at once, both are told.
    const Question* before = shown ? nullptr : context_.session()->answeredJustBefore(question);
    before_->setVisible(before != nullptr);
    if (before != nullptr)
        before_->setText("*" + QString::fromStdString(before->step->text) + "*\n\n" + verdict(*before));
    // Who has gone on without a word sees what happens, and foresees nothing.
    const bool open = !shown && context_.position() == question.asked;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
        const Row& row = rows_[i];
        row.button->setVisible(i < choices.size());
        row.text->setVisible(i < choices.size());
        if (i >= choices.size())
            continue;
        const QString words = QString::fromStdString(choices[i].text);
        const bool right = shown && question.right && *question.right == i;
        const bool chosen = mine == static_cast<int>(i);
        QString text = QString::fromUtf8(right ? "✓ " : chosen && shown ? "✗ " : "") + words;
        if (hands != hands_.end() && context_.presenting() && hands->second[i] > 0)
            text += tr(" (hands: %1)").arg(hands->second[i]);
        row.text->setText(right ? "**" + text + "**" : text);
        QPalette ring = palette; // the style takes it from the window's colour, which is the note's here
        ring.setColor(QPalette::Window, open ? context_.theme().dim : context_.theme().note.darker(112));
        ring.setColor(QPalette::Base, context_.theme().base);
        row.button->setPalette(ring);
        row.button->setChecked(chosen);
        row.button->setEnabled(open);
        row.text->setEnabled(open || shown); // what can't be chosen is grey
        row.button->setAccessibleName(words);
        const QString tip = shown ? QString() : context_.presenting() ? tr("One more hand for this") : tr("This is what will happen");
        row.button->setToolTip(tip);
        row.text->setToolTip(tip);
    }
    const bool any = hands != hands_.end() && context_.presenting();
    if (shown)
        says_->setText(verdict(question));
    else if (!question.answered)
        says_->setText(tr("This run ends before it can say."));
    else if (mine >= 0 || any)
        says_->setText(tr("Press F10 and see what the run says."));
    else if (!open)
        says_->setText(tr("This was asked at position %1. F10 lets the run answer.").arg(question.asked));
    else if (context_.presenting())
        says_->setText(tr("Who thinks so? Click once for each hand; F10 lets the run answer."));
    else
        says_->setText(tr("What will happen? Choose, then press F10."));
    if (open && hinted_ == key(question))
        says_->setText(QString::fromStdString(question.step->hint));
    back_->setVisible(!open && !shown && mine < 0 && question.answered);
    hint_->setVisible(open && !question.step->hint.empty() && hinted_ != key(question));
}

} // namespace mirrorscope::views
