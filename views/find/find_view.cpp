// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/find/find_view.h"

#include "session/style.h"
#include "views/find/event_model.h"
#include "views/text.h"

#include <QCompleter>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QLocale>
#include <QStringListModel>
#include <QTreeView>
#include <QVBoxLayout>

namespace mirrorscope::views {

namespace {
constexpr std::size_t kShown = 5000;
constexpr int kTypingPause = 250;

void ground(QPalette* palette, QColor colour) {
    colour.setAlphaF(0.24f);
    palette->setColor(QPalette::Base, colour);
}
} // namespace

FindView::FindView(Context& context, QWidget* parent)
    : QWidget(parent), context_(context), filter_(new QLineEdit(this)), status_(new QLabel(this)), list_(new QTreeView(this)),
      model_(new EventModel(context, this)) {
    setObjectName("find");
    filter_->setObjectName("find-filter");
    filter_->setAccessibleName(tr("Filter words"));
    filter_->setPlaceholderText(tr("leaf:BLOCK actor:vcpu1 not status:SUCCESS or frozen"));
    filter_->setClearButtonEnabled(true);
    QString keys = tr(
        "All words must fit, up to an `or`; `not` turns a word round. A word without a key is looked for in sites, functions and states.");
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
    list_->setModel(model_);
    list_->setRootIsDecorated(false);
    list_->setUniformRowHeights(true);
    list_->setAlternatingRowColors(true);
    list_->setFrameShape(QFrame::NoFrame);
    list_->setContextMenuPolicy(Qt::CustomContextMenu);
    connect(list_, &QWidget::customContextMenuRequested, this, [this](const QPoint& at) {
        if (const QModelIndex index = list_->indexAt(at); index.isValid())
            Q_EMIT menuWanted(list_->viewport()->mapToGlobal(at), model_->stepOf(index.row()));
    });
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
        if (model_->rowCount() == 0)
            return;
        const int next = model_->rowBefore(context_.position()) + 1;
        context_.goTo(model_->stepOf(next < model_->rowCount() ? next : 0) + 1);
    });
    const auto go = [this](const QModelIndex& index) { context_.goTo(model_->stepOf(index.row()) + 1); };
    connect(list_, &QTreeView::clicked, this, go);
    connect(list_, &QTreeView::activated, this, go);
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
    next_ = 0;
    std::string error;
    parsed_ = EventFilter::parse(filter_->text().toStdString(), error);
    QPalette palette = this->palette();
    if (!error.empty()) {
        ground(&palette, context_.theme().violation);
    } else if (!parsed_.empty()) {
        ground(&palette, context_.theme().of(styleAt(kStyleSharedLeaf)));
    }
    filter_->setPalette(palette);
    if (error.empty() && parsed_.empty())
        model_->showAll(context_.position());
    else
        model_->showFound();
    fit();
    if (!error.empty() || parsed_.empty()) {
        const bool recorded = context_.isRecording();
        filter_->setPlaceholderText(recorded ? tr("spte_changed gpa:0x180000 or line:1234")
                                             : tr("leaf:BLOCK actor:vcpu1 not status:SUCCESS or frozen"));
        status_->setText(error.empty()
                             ? (recorded ? tr("All events. Words above leave those that fit; Enter goes from one to the next.")
                                         : tr("All micro-steps. Words above leave those that fit; Enter goes from one to the next."))
                             : QString::fromStdString(error));
        markNow();
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
    std::vector<FoundEvent> found;
    const bool first = model_->rowCount() == 0;
    next_ = session->find(parsed_, next_, found, kShown - this->found(), std::chrono::steady_clock::now() + kGuiSlice);
    model_->add(std::move(found));
    if (first)
        fit();
    const bool more = next_ < session->end() && this->found() < kShown;
    const QLocale locale;
    status_->setText(
        more ? tr("%1 found, looking at micro-step %2 of %3…")
                   .arg(this->found())
                   .arg(locale.toString(static_cast<qulonglong>(next_)), locale.toString(static_cast<qulonglong>(session->end())))
        : this->found() < kShown ? this->found() == 1 ? tr("1 micro-step found.") : tr("%1 micro-steps found.").arg(this->found())
                                 : tr("The first %1 are listed.").arg(kShown));
    if (more) {
        slice_.start(0);
        return;
    }
    // Nothing that fits is nothing that is right.
    if (this->found() == 0) {
        QPalette palette = this->palette();
        ground(&palette, context_.theme().of(styleAt(kStylePending)));
        filter_->setPalette(palette);
    }
    markNow();
    Q_EMIT finished();
}

std::size_t FindView::found() const { return model_->all() ? 0 : static_cast<std::size_t>(model_->rowCount()); }

// The columns by what stands in the first rows.
void FindView::fit() {
    const QFontMetrics metrics = list_->fontMetrics();
    // Of a recording: a task, the name of an event, a line.
    const bool recorded = context_.isRecording();
    const int wide[] = {metrics.horizontalAdvance("0000000"), metrics.horizontalAdvance(recorded ? "private_mem_kvm-000" : "vcpu000"),
                        metrics.horizontalAdvance(recorded ? "kvm_tdp_mmu_spte_changed" : "seamcall.leave00"),
                        metrics.horizontalAdvance(recorded ? "line 0000000" : "kvm_mmu_invalidate_begin_00")};
    constexpr int kMargin = 14;
    for (int column = 0; column < EventModel::What; ++column)
        list_->setColumnWidth(column, wide[column] + kMargin);
    list_->header()->setStretchLastSection(true);
}

void FindView::markNow() {
    // Nothing is painted of a pane that nobody sees.
    if (!isVisible())
        return;
    if (!model_->has(context_.position()))
        model_->showAll(context_.position());
    const int row = model_->rowBefore(context_.position());
    const QModelIndex index = row < 0 ? QModelIndex() : model_->index(row, 0);
    list_->setCurrentIndex(index);
    if (index.isValid())
        list_->scrollTo(index);
    const u64 end = context_.session() == nullptr ? 0 : context_.session()->end();
    if (model_->all() && end > EventModel::kWindow) {
        const QLocale locale;
        const auto number = [&](u64 n) { return locale.toString(static_cast<qulonglong>(n)); };
        status_->setText(tr("Positions %1 to %2 of %3, around the present one. Words above look through all of them.")
                             .arg(number(model_->first() + 1), number(model_->first() + EventModel::kWindow), number(end)));
    }
}

void FindView::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    markNow();
}

QString FindView::asText() const {
    QString text = filter_->text().isEmpty() ? QString() : filter_->text() + "\n";
    // Of a whole run, as much as a filter would list.
    for (int row = 0; row < std::min(model_->rowCount(), static_cast<int>(kShown)); ++row) {
        const FoundEvent e = model_->eventAt(row);
        text += QString("%1  %2  %3  %4  %5")
                    .arg(e.n + 1, 8)
                    .arg(QString::fromStdString(e.actor), QString::fromStdString(e.site), QString::fromStdString(e.function),
                         QString::fromStdString(e.what))
                    .trimmed() +
                "\n";
    }
    return text;
}

} // namespace mirrorscope::views
