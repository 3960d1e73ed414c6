// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/find/find_view.h"
#include "views/text.h"

#include <QCompleter>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QLocale>
#include <QStringListModel>
#include <QTreeWidget>
#include <QVBoxLayout>

namespace mirrorscope::views {

namespace {
constexpr std::size_t kShown = 5000;
constexpr int kTypingPause = 250;
} // namespace

FindView::FindView(Context& context, QWidget* parent)
    : QWidget(parent), context_(context), filter_(new QLineEdit(this)), status_(new QLabel(this)), list_(new QTreeWidget(this)) {
    setObjectName("find");
    filter_->setObjectName("find-filter");
    filter_->setAccessibleName(tr("Filter words"));
    filter_->setPlaceholderText(tr("leaf:BLOCK actor:vcpu1 gpa:0x4000 frozen"));
    filter_->setClearButtonEnabled(true);
    QString keys = tr("All words must fit; a word without a key is looked for in sites, functions and states.");
    QStringList words;
    for (const auto& [key, help] : EventFilter::keys()) {
        keys += QString("\n%1:  %2").arg(text(key), text(help));
        words << text(key) + ":";
    }
    for (const auto site : siteNames())
        words << "site:" + text(site);
    filter_->setToolTip(keys);
    auto* completer = new QCompleter(words, this);
    completer->setCaseSensitivity(Qt::CaseInsensitive);
    filter_->setCompleter(completer);
    status_->setObjectName("find-status");
    status_->setWordWrap(true);
    list_->setObjectName("find-list");
    list_->setAccessibleName(tr("Micro-steps found"));
    list_->setHeaderLabels({tr("step"), tr("what")});
    list_->setRootIsDecorated(false);
    list_->setUniformRowHeights(true);
    list_->setAlternatingRowColors(true);
    list_->setFrameShape(QFrame::NoFrame);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(6, 6, 6, 4);
    layout->addWidget(filter_);
    layout->addWidget(status_);
    layout->addWidget(list_, 1);
    slice_.setSingleShot(true);
    connect(&slice_, &QTimer::timeout, this, &FindView::more);
    auto* typing = new QTimer(this);
    typing->setSingleShot(true);
    typing->setInterval(kTypingPause);
    connect(typing, &QTimer::timeout, this, &FindView::restart);
    connect(filter_, &QLineEdit::textChanged, typing, qOverload<>(&QTimer::start));
    // Enter walks through what was found.
    connect(filter_, &QLineEdit::returnPressed, this, [this] {
        for (const FoundEvent& event : found_)
            if (event.n + 1 > context_.position()) {
                context_.goTo(event.n + 1);
                return;
            }
        if (!found_.empty())
            context_.goTo(found_.front().n + 1);
    });
    const auto go = [this](QTreeWidgetItem* item) { context_.goTo(item->data(0, Qt::UserRole).toULongLong() + 1); };
    connect(list_, &QTreeWidget::itemClicked, this, go);
    connect(list_, &QTreeWidget::itemActivated, this, go);
    connect(&context_, &Context::sessionChanged, this, &FindView::restart);
    connect(&context_, &Context::positionChanged, this, &FindView::markNow);
    restart();
}

void FindView::focusFilter() {
    filter_->setFocus();
    filter_->selectAll();
}

void FindView::find(const QString& filter) {
    filter_->setText(filter);
    restart();
}

void FindView::restart() {
    slice_.stop();
    list_->clear();
    found_.clear();
    next_ = 0;
    std::string error;
    parsed_ = EventFilter::parse(filter_->text().toStdString(), error);
    QPalette palette = this->palette();
    if (!error.empty()) {
        QColor red = context_.theme().violation;
        red.setAlphaF(0.25f);
        palette.setColor(QPalette::Base, red);
    } else if (!parsed_.empty()) {
        QColor green("#009E73");
        green.setAlphaF(0.22f);
        palette.setColor(QPalette::Base, green);
    }
    filter_->setPalette(palette);
    if (!error.empty() || parsed_.empty()) {
        status_->setText(error.empty() ? tr("Every micro-step that fits is listed; Enter goes from one to the next.")
                                       : QString::fromStdString(error));
        Q_EMIT finished();
        return;
    }
    if (context_.session() != nullptr)
        slice_.start(0);
}

void FindView::more() {
    Session* session = context_.session();
    if (session == nullptr)
        return;
    const std::size_t before = found_.size();
    next_ = session->find(parsed_, next_, found_, kShown, std::chrono::steady_clock::now() + kGuiSlice);
    QList<QTreeWidgetItem*> items;
    for (std::size_t i = before; i < found_.size(); ++i) {
        auto* item = new QTreeWidgetItem({QString::number(found_[i].n), QString::fromStdString(found_[i].text)});
        item->setData(0, Qt::UserRole, static_cast<qulonglong>(found_[i].n));
        item->setToolTip(1, item->text(1));
        items << item;
    }
    list_->addTopLevelItems(items);
    if (before == 0 && !found_.empty())
        list_->resizeColumnToContents(0);
    const bool more = next_ < session->end() && found_.size() < kShown;
    const QLocale locale;
    status_->setText(
        more ? tr("%1 found, looking at micro-step %2 of %3…")
                   .arg(found_.size())
                   .arg(locale.toString(static_cast<qulonglong>(next_)), locale.toString(static_cast<qulonglong>(session->end())))
        : found_.size() < kShown ? found_.size() == 1 ? tr("1 micro-step found.") : tr("%1 micro-steps found.").arg(found_.size())
                                 : tr("The first %1 are listed.").arg(kShown));
    if (more) {
        slice_.start(0);
        return;
    }
    markNow();
    Q_EMIT finished();
}

void FindView::markNow() {
    QTreeWidgetItem* current = nullptr;
    for (int i = 0; i < list_->topLevelItemCount(); ++i)
        if (list_->topLevelItem(i)->data(0, Qt::UserRole).toULongLong() < context_.position())
            current = list_->topLevelItem(i);
        else
            break;
    list_->setCurrentItem(current);
}

QString FindView::asText() const {
    QString text = filter_->text() + "\n";
    for (const FoundEvent& event : found_)
        text += QString("%1  %2\n").arg(event.n, 8).arg(QString::fromStdString(event.text));
    return text;
}

} // namespace mirrorscope::views
