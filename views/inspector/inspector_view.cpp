// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/inspector/inspector_view.h"

#include "base/text.h"
#include "session/style.h"

#include <QHeaderView>
#include <QLabel>
#include <QTreeWidget>
#include <QVBoxLayout>

namespace mirrorscope::views {

namespace {
QString text(std::string_view s) { return QString::fromUtf8(s.data(), static_cast<int>(s.size())); }

QTreeWidget* table(const QStringList& columns, QWidget* parent) {
    auto* tree = new QTreeWidget(parent);
    tree->setHeaderLabels(columns);
    tree->setRootIsDecorated(false);
    tree->setUniformRowHeights(true);
    tree->setAlternatingRowColors(true);
    tree->setFrameShape(QFrame::NoFrame);
    tree->setTextElideMode(Qt::ElideRight);
    tree->header()->setStretchLastSection(true);
    return tree;
}
} // namespace

InspectorView::InspectorView(Context& context, QWidget* parent)
    : QWidget(parent), context_(context), title_(new QLabel(this)), twins_(new QLabel(this)), raw_(new QLabel(this)),
      fields_(table({"bits", "field", "value", "meaning"}, this)), history_(table({"step", "was → is", "written by"}, this)) {
    setObjectName("inspector");
    fields_->setWordWrap(true); // meanings are sentences
    fields_->setUniformRowHeights(false);
    fields_->setObjectName("fields");
    history_->setObjectName("history");
    history_->setAccessibleName("History of the selected entry");
    fields_->setAccessibleName("Bit fields of the selected entry");
    title_->setWordWrap(true);
    twins_->setWordWrap(true);
    title_->setTextInteractionFlags(Qt::TextSelectableByMouse);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(8, 8, 8, 4);
    layout->setSpacing(6);
    layout->addWidget(title_);
    layout->addWidget(twins_);
    raw_->setTextInteractionFlags(Qt::TextSelectableByMouse);
    raw_->setAccessibleName("Raw value of the selected entry");
    layout->addWidget(raw_);
    layout->addWidget(fields_, 3);
    auto* heading = new QLabel("<b>History</b> — click to go there, N and Shift+N to walk, W for the last writer", this);
    heading->setWordWrap(true);
    layout->addWidget(heading);
    layout->addWidget(history_, 2);
    connect(&context_, &Context::selectionChanged, this, &InspectorView::refresh);
    connect(&context_, &Context::positionChanged, this, &InspectorView::refresh);
    connect(&context_, &Context::themeChanged, this, &InspectorView::refresh);
    connect(&context_, &Context::sessionChanged, this, [this] { place_.reset(); });
    connect(history_, &QTreeWidget::itemClicked, this,
            [this](QTreeWidgetItem* item) { context_.goTo(item->data(0, Qt::UserRole).toULongLong() + 1); });
    connect(history_, &QTreeWidget::itemActivated, this,
            [this](QTreeWidgetItem* item) { context_.goTo(item->data(0, Qt::UserRole).toULongLong() + 1); });
    refresh();
}

std::optional<Place> InspectorView::selectedPlace() const {
    const Session* session = context_.session();
    const auto& s = context_.selection();
    if (!session || !s)
        return std::nullopt;
    const TreeCell cell = session->cell(s->column, s->gfn, s->level);
    return cell.exists ? std::optional(cell.place) : std::nullopt;
}

void InspectorView::refresh() {
    fields_->clear();
    const Session* session = context_.session();
    const auto& s = context_.selection();
    if (!session || !s) {
        title_->setText("Select an entry in one of the trees to see its bits, its twins and who wrote it.");
        twins_->clear();
        raw_->clear();
        history_->clear();
        place_.reset();
        return;
    }
    constexpr const char* trees[] = {"shared tree", "mirror", "private tree"};
    const bool tdx = session->hasColumn(Column::Mirror);
    const auto column = s->column;
    const TreeCell cell = session->cell(column, s->gfn, s->level);
    const QString gpa = QString::fromStdString(aliasedGpa(s->gfn, column == Column::Shared && tdx ? Alias::Shared : Alias::Private));
    title_->setText(QString("<b>%1</b> entry of <b>%2</b> at %3")
                        .arg(tdx ? trees[static_cast<unsigned>(column)] : "direct", tdx ? gpa : QString::fromStdString(hex(s->gfn.v << 12)),
                             text(levelName(s->level))));
    QString twins;
    for (unsigned c = 0; c < (tdx ? kColumns : 1); ++c) {
        const auto other = static_cast<Column>(c);
        const TreeCell twin = session->cell(other, s->gfn, s->level);
        const QString colour = twin.exists ? context_.theme().of(styleOf(other, twin)).name() : context_.theme().dim.name();
        const QString state = twin.exists ? text(styleOf(other, twin).sign) + " " + QString::fromStdString(session->stateName(other, twin))
                                          : QString("no table");
        twins += QString("%1<span style='color:%2'>%3</span>")
                     .arg(c == 0 ? "" : " &nbsp;·&nbsp; ", context_.theme().dim.name(), tdx ? trees[c] : "state");
        twins += QString(" <b style='color:%1'>%2</b>").arg(colour, state.toHtmlEscaped());
    }
    twins_->setText(twins);
    raw_->clear();
    if (cell.exists) {
        const QFont mono = monospace(font());
        raw_->setFont(mono);
        raw_->setText(QString::fromStdString(hex16(cell.raw)));
        for (const BitField& f : session->decode(column, cell.raw, s->level)) {
            const QString bits = f.high == f.low ? QString::number(f.high) : QString("%1:%2").arg(f.high).arg(f.low);
            auto* item = new QTreeWidgetItem(fields_, {bits, QString::fromStdString(f.name),
                                                       QString::fromStdString(f.high == f.low ? std::to_string(f.value) : hex(f.value)),
                                                       QString::fromStdString(f.help)});
            item->setFont(2, mono);
            for (int c = 0; c < 3; ++c)
                item->setToolTip(c, QString::fromStdString(f.help));
            item->setToolTip(3, QString::fromStdString(f.help));
            if (f.value == 0)
                for (int c = 0; c < 4; ++c)
                    item->setForeground(c, context_.theme().dim);
        }
        for (int c = 0; c < 3; ++c)
            fields_->resizeColumnToContents(c);
    }
    refreshHistory();
}

void InspectorView::refreshHistory() {
    const auto place = selectedPlace();
    const Session* session = context_.session();
    const auto& s = context_.selection();
    if (!place) {
        history_->clear();
        entries_.clear();
        place_.reset();
        return;
    }
    if (place_ != place->v) {
        place_ = place->v;
        entries_ = session->history(*place);
        history_->clear();
        for (const HistoryEntry& entry : entries_) {
            const StepView step = session->step(entry.n);
            auto* item = new QTreeWidgetItem(
                history_,
                {QString::number(entry.n), QString::fromStdString(session->changeText(s->column, entry.old, entry.now, s->level)),
                 QString("%1, %2").arg(QString::fromStdString(session->actorName(step.actor)),
                                       step.where.empty() ? text(info(step.site).name) : QString::fromStdString(step.where.back()))});
            item->setData(0, Qt::UserRole, static_cast<qulonglong>(entry.n));
            for (int c = 0; c < 3; ++c)
                item->setToolTip(c, QString::fromStdString(session->describe(entry)));
        }
        history_->resizeColumnToContents(0);
        history_->resizeColumnToContents(1);
    }
    // What lies in the future is dim; the entry that was written last is current.
    const u64 at = session->position();
    QTreeWidgetItem* current = nullptr;
    for (int i = 0; i < history_->topLevelItemCount(); ++i) {
        QTreeWidgetItem* item = history_->topLevelItem(i);
        const bool past = item->data(0, Qt::UserRole).toULongLong() < at;
        for (int c = 0; c < 3; ++c)
            item->setForeground(c, past ? context_.theme().text : context_.theme().dim);
        if (past)
            current = item;
    }
    history_->setCurrentItem(current);
    if (current == nullptr)
        history_->clearSelection();
}

bool InspectorView::goToChange(int direction) {
    const u64 at = context_.position();
    if (direction > 0) {
        for (const HistoryEntry& entry : entries_)
            if (entry.n + 1 > at) {
                context_.goTo(entry.n + 1);
                return true;
            }
    } else {
        for (auto it = entries_.rbegin(); it != entries_.rend(); ++it)
            if (it->n + 1 < at) {
                context_.goTo(it->n + 1);
                return true;
            }
    }
    return false;
}

bool InspectorView::goToWriter() {
    const u64 at = context_.position();
    for (auto it = entries_.rbegin(); it != entries_.rend(); ++it)
        if (it->n + 1 <= at) {
            context_.goTo(it->n + 1);
            return true;
        }
    return false;
}

} // namespace mirrorscope::views
