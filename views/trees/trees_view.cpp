// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/trees/trees_view.h"

#include "base/text.h"
#include "session/style.h"

#include <QEvent>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QScrollBar>
#include <QToolTip>

#include <algorithm>

namespace mirrorscope::views {

TreesView::TreesView(Context& context, QWidget* parent) : QAbstractScrollArea(parent), context_(context) {
    setObjectName("trees");
    setAccessibleName(tr("Shared, mirror and private page tables"));
    setFocusPolicy(Qt::StrongFocus);
    setFrameShape(QFrame::NoFrame);
    setMinimumSize(360, 160);
    connect(&context_, &Context::nothingYetChanged, this, [this] { viewport()->update(); });
    connect(&context_, &Context::sessionChanged, this, [this] {
        if (!context_.continues()) {
            collapsed_.clear();
            opened_.clear();
        }
        refresh(true);
    });
    connect(&context_, &Context::positionChanged, this, [this] { refresh(true); });
    connect(&context_, &Context::selectionChanged, this, [this] {
        refresh(false);
        if (const auto row = selectedRow()) {
            ensureVisible(*row);
            showColumn(context_.selection()->column);
        }
    });
    connect(&context_, &Context::breakpointsChanged, viewport(), qOverload<>(&QWidget::update));
    connect(&context_, &Context::themeChanged, viewport(), qOverload<>(&QWidget::update));
    connect(&context_, &Context::dimmedChanged, viewport(), qOverload<>(&QWidget::update));
    connect(&context_, &Context::markersChanged, viewport(), qOverload<>(&QWidget::update));
    layoutColumns();
}

bool TreesView::shownInvalid() const {
    for (const RootView& root : context_.session()->roots())
        if (root.invalid && root.pfn == context_.session()->shownDirectRoot())
            return true;
    return false;
}

bool TreesView::hasRmp() const { return context_.session() && context_.session()->hasRmp(); }

int TreesView::headerHeight() const { return metrics_.row * 2; }

void TreesView::layoutColumns() {
    metrics_.text = font();
    metrics_.mono = monospace(font());
    const QFontMetrics mono(metrics_.mono);
    metrics_.row = std::max(22, mono.height() + 9);
    metrics_.indent = mono.horizontalAdvance('0') + 4;
    metrics_.columns = context_.session() && !context_.session()->hasColumn(Column::Mirror) ? 1 : 3;
    unsigned deepest = 0;
    for (const TreeRow& row : rows_)
        deepest = std::max(deepest, row.depth);
    const unsigned depth = std::max(4u, deepest);
    const int slotWidth = mono.horizontalAdvance("0 P+S") + 22;
    metrics_.memory = context_.session() && !context_.session()->knowsMemslots() ? 0 : slotWidth;
    // As wide as the highest address of the machine's slots, so that it stays the same from step to step.
    qsizetype highest = 0;
    if (context_.map() != nullptr && !context_.session()->knowsMemslots())
        highest = static_cast<qsizetype>(hex((context_.map()->size() - 1) << 12).size());
    if (const Session* session = context_.session())
        for (const SlotConfig& slot : session->scenario().machine.slots)
            highest = std::max(highest, static_cast<qsizetype>(hex((slot.base.v + slot.pages) << 12).size()));
    const qsizetype digits = std::max(highest, qsizetype{10});
    // The RMP takes the place of a second tree.
    const int columns = metrics_.columns + (hasRmp() ? 1 : 0);
    const auto layOut = [&](int beside, int least) {
        metrics_.label = mono.horizontalAdvance(QString(digits, '0')) + static_cast<int>(depth) * metrics_.indent + beside +
                         (metrics_.narrow ? 0 : slotWidth);
        metrics_.label = std::max(metrics_.label, mono.horizontalAdvance(QString(highest, '0')) + roomBesideAddress(deepest, metrics_) + 1);
        metrics_.cell = std::max(least, (viewport()->width() - metrics_.label) / columns);
        return metrics_.label + metrics_.cell * columns <= viewport()->width();
    };
    metrics_.narrow = false;
    if (!layOut(56, mono.horizontalAdvance("■ leaf 00000 rwx") + 34)) {
        // All trees at once are worth more than the memslots, which a tooltip tells.
        metrics_.narrow = true;
        metrics_.memory = 0;
        metrics_.indent = std::max(4, metrics_.indent / 3);
        layOut(40, mono.horizontalAdvance("■ leaf 00000") + 18);
    }
    const int visible = viewport()->height() - headerHeight();
    verticalScrollBar()->setRange(0, std::max(0, static_cast<int>(rows_.size()) * metrics_.row - visible));
    verticalScrollBar()->setPageStep(visible);
    verticalScrollBar()->setSingleStep(metrics_.row);
    horizontalScrollBar()->setRange(0, std::max(0, metrics_.label + metrics_.cell * columns - viewport()->width()));
    horizontalScrollBar()->setPageStep(viewport()->width());
}

void TreesView::refresh(bool follow) {
    rows_.clear();
    if (Session* session = context_.session()) {
        RowOptions options;
        options.collapsed = collapsed_;
        options.opened = opened_;
        constexpr std::size_t kTablesUnfolded = 64;
        options.tables = kTablesUnfolded;
        if (const auto& s = context_.selection())
            options.keep = {s->gfn, s->level};
        rows_ = session->rows(options);
    }
    layoutColumns();
    if (follow)
        for (std::size_t i = rows_.size(); i-- > 0;)
            if (std::any_of(rows_[i].cells.begin(), rows_[i].cells.end(), [](const TreeCell& c) { return c.changed; })) {
                ensureVisible(i);
                break;
            }
    viewport()->update();
}

std::optional<std::size_t> TreesView::rowAt(int y) const {
    if (y < headerHeight())
        return std::nullopt;
    const auto index = static_cast<std::size_t>((y - headerHeight() + verticalScrollBar()->value()) / metrics_.row);
    return index < rows_.size() ? std::optional(index) : std::nullopt;
}

std::optional<std::size_t> TreesView::selectedRow() const {
    const auto& s = context_.selection();
    if (!s)
        return std::nullopt;
    for (std::size_t i = 0; i < rows_.size(); ++i)
        if (rows_[i].more == 0 && rows_[i].gfn == s->gfn && rows_[i].level == s->level)
            return i;
    return std::nullopt;
}

QString TreesView::addressOf(std::size_t row) const {
    return writtenLabel(QRectF(0, 0, metrics_.label, metrics_.row), rows_[row], metrics_);
}

QRect TreesView::rmpRect(std::size_t row) const { return cellRect(row, static_cast<Column>(metrics_.columns)); }

QRect TreesView::cellRect(std::size_t row, Column column) const {
    return {metrics_.label + static_cast<int>(column) * metrics_.cell - horizontalScrollBar()->value(),
            headerHeight() + static_cast<int>(row) * metrics_.row - verticalScrollBar()->value(), metrics_.cell, metrics_.row};
}

// On a narrow screen the columns are wider than the view.
void TreesView::showColumn(Column column) {
    const int left = static_cast<int>(column) * metrics_.cell;
    QScrollBar* bar = horizontalScrollBar();
    if (metrics_.label + left + metrics_.cell > bar->value() + viewport()->width() || left < bar->value() - metrics_.label)
        bar->setValue(metrics_.label + left + metrics_.cell - viewport()->width());
}

void TreesView::ensureVisible(std::size_t row) {
    const int top = static_cast<int>(row) * metrics_.row;
    const int visible = viewport()->height() - headerHeight();
    QScrollBar* bar = verticalScrollBar();
    if (top < bar->value())
        bar->setValue(top);
    else if (top + metrics_.row > bar->value() + visible)
        bar->setValue(top + metrics_.row - visible);
}

CellMarks TreesView::marksOf(const TreeRow& row, Column column) const {
    CellMarks marks;
    const TreeCell& cell = row.cells[static_cast<unsigned>(column)];
    marks.breakpoint = cell.exists && context_.stops().atPlace(cell.place) != nullptr;
    marks.differs = cell.exists && row.more == 0 && context_.differs(column, row.gfn, row.level);
    const auto& s = context_.selection();
    if (!s || row.more > 0)
        return marks;
    if (row.gfn == s->gfn && row.level == s->level) {
        marks.selected = column == s->column;
        marks.twin = !marks.selected;
    } else if (row.level > s->level) {
        marks.path = row.gfn.v == (s->gfn.v & ~(pagesPer(row.level) - 1));
    }
    return marks;
}

QString TreesView::memoryHelp(const MemoryView& memory) const {
    if (!context_.session()->knowsMemslots())
        return {};
    if (!memory.slot)
        return tr("in no memslot: an access is MMIO");
    const char* const kinds[] = {"", "\nattribute: private", "\nattribute: shared", "\nattributes: private and shared pages"};
    return QString("%1memslot %2%3%4")
        .arg(memory.partly ? tr("partly in ") : "")
        .arg(*memory.slot)
        .arg(memory.flags.empty() ? QString() : ": " + QString::fromStdString(memory.flags))
        .arg(kinds[static_cast<unsigned>(memory.kind)]);
}

void TreesView::wheelEvent(QWheelEvent* event) {
    if ((event->modifiers() & Qt::ControlModifier) == 0)
        QAbstractScrollArea::wheelEvent(event);
    else if (event->angleDelta().y() < 0)
        Q_EMIT mapWanted();
}

void TreesView::paintEvent(QPaintEvent*) {
    const FrameTimes::Timer timer(context_.frameTimes(), "list");
    QPainter p(viewport());
    const Theme& theme = context_.theme();
    p.fillRect(viewport()->rect(), theme.base);
    const int x0 = -horizontalScrollBar()->value();
    const int head = headerHeight();

    if (!context_.session()) {
        p.setPen(theme.dim);
        p.drawText(viewport()->rect(), Qt::AlignCenter, context_.nothingYet());
        return;
    }
    if (rows_.empty()) {
        p.setPen(theme.dim);
        p.drawText(viewport()->rect().adjusted(20, head, -20, 0), Qt::AlignCenter | Qt::TextWordWrap, noTable(*context_.session()));
    }
    const int first = verticalScrollBar()->value() / metrics_.row;
    const int last =
        std::min(static_cast<int>(rows_.size()), (verticalScrollBar()->value() + viewport()->height() - head) / metrics_.row + 1);
    p.setClipRect(0, head, viewport()->width(), viewport()->height() - head);
    for (int i = first; i < last; ++i) {
        const TreeRow& row = rows_[static_cast<std::size_t>(i)];
        const int y = head + i * metrics_.row - verticalScrollBar()->value();
        const CellMarks any = marksOf(row, Column::Shared);
        const bool onPath = any.selected || any.twin || any.path;
        if (i % 2 == 1)
            p.fillRect(0, y, viewport()->width(), metrics_.row, theme.alternate);
        paintLabel(p, QRectF(x0, y, metrics_.label, metrics_.row), row, onPath, theme, metrics_);
        if (row.more == 0 && metrics_.memory > 0)
            paintMemory(p, QRectF(x0 + metrics_.label - metrics_.memory, y, metrics_.memory, metrics_.row),
                        context_.session()->memoryAt(row.gfn, row.level), theme, metrics_.mono);
        if (hasRmp() && row.level == Level::k4K && row.more == 0)
            if (const auto rmp = context_.session()->rmpAt(row.gfn))
                paintRmp(p, rmpRect(static_cast<std::size_t>(i)), *rmp, theme, metrics_.mono);
        for (int c = 0; c < metrics_.columns; ++c) {
            const Column column = columnAt(c);
            const QRectF at = cellRect(static_cast<std::size_t>(i), column);
            if (row.more > 0) {
                if (row.cells[static_cast<unsigned>(c)].exists) {
                    p.setPen(theme.dim);
                    p.setFont(metrics_.mono);
                    p.drawText(at.adjusted(14, 0, 0, 0), Qt::AlignVCenter | Qt::AlignLeft,
                               QString::fromUtf8(styleOf(column, row.cells[static_cast<unsigned>(c)]).sign.data()) + " …");
                }
                continue;
            }
            const TreeCell& cell = row.cells[static_cast<unsigned>(c)];
            const bool dimmed = cell.exists && (context_.dimmed() >> styleIndexOf(column, cell) & 1) != 0;
            p.setOpacity(dimmed ? 0.15 : 1);
            paintCell(p, at, column, cell, marksOf(row, column), theme, metrics_.mono);
            p.setOpacity(1);
        }
        paintTwinLink(p, row, static_cast<std::size_t>(i));
    }
    p.setClipping(false);

    // The header stays.
    p.fillRect(0, 0, viewport()->width(), head, theme.window);
    p.setPen(theme.border);
    p.drawLine(0, head - 1, viewport()->width(), head - 1);
    struct Title {
        QString name, who;
    };
    const bool one = metrics_.columns == 1;
    const Title titles[] = {{one ? tr("direct") : tr("shared"), context_.session()->isNpt() ? tr("the guest's NPT, written by KVM")
                                                                : one                       ? tr("the guest's EPT, written by KVM")
                                                                                            : tr("EPT, written by KVM")},
                            {tr("mirror"), tr("KVM's own copy")},
                            {tr("private"), context_.session()->isTdx()          ? tr("secure EPT (module)")
                                            : context_.session()->tellsPrivate() ? tr("secure EPT, by probes")
                                                                                 : tr("secure EPT: no line tells")}};
    QFont bold = metrics_.text;
    bold.setBold(true);
    const auto heading = [&](const QRect& at, const QString& name, const QString& who) {
        p.setFont(bold);
        p.setPen(theme.text);
        p.drawText(at.adjusted(6, 4, -4, -metrics_.row), Qt::AlignLeft | Qt::AlignVCenter, name);
        p.setFont(metrics_.text);
        p.setPen(theme.dim);
        p.drawText(at.adjusted(6, metrics_.row - 2, -4, -4), Qt::AlignLeft | Qt::AlignVCenter,
                   p.fontMetrics().elidedText(who, Qt::ElideRight, at.width() - 10));
    };
    const bool kinds = context_.session()->scenario().machine.hasPrivateMem();
    heading(QRect(x0, 0, metrics_.label - metrics_.memory, head), "GPA",
            one || metrics_.narrow ? tr("of the guest") : tr("without the shared bit"));
    if (metrics_.memory > 0)
        heading(QRect(x0 + metrics_.label - metrics_.memory, 0, metrics_.memory, head), "slot", kinds ? "P / S" : "");
    for (int c = 0; c < metrics_.columns + (hasRmp() ? 1 : 0); ++c) {
        const QRect at(x0 + metrics_.label + c * metrics_.cell, 0, metrics_.cell, head);
        if (c == metrics_.columns)
            heading(at, "RMP", tr("of the private page there; it has the last word"));
        else
            heading(at, titles[c].name, c == 0 && shownInvalid() ? tr("an invalid root's, being zapped") : titles[c].who);
        p.setPen(theme.border);
        p.drawLine(at.left(), 6, at.left(), viewport()->height());
    }
    if (hasFocus()) {
        p.setPen(QPen(theme.accent, 1));
        p.drawLine(0, 0, viewport()->width(), 0);
    }
}

void TreesView::paintTwinLink(QPainter& p, const TreeRow& row, std::size_t index) const {
    const Twins twins = twinsOf(row);
    if (metrics_.columns < 3 || (twins != Twins::Differ && twins != Twins::InFlight))
        return;
    const Theme& theme = context_.theme();
    const bool flight = twins == Twins::InFlight;
    const QRectF at = cellRect(index, Column::Private);
    const QColor ink = flight ? theme.of(styleAt(kStyleFrozen)) : theme.violation;
    constexpr double kWide = 9;
    const QRectF knob(at.left() - kWide, at.center().y() - kWide, 2 * kWide, 2 * kWide);
    p.setRenderHint(QPainter::Antialiasing);
    p.setPen(QPen(ink, 1.5, flight ? Qt::DashLine : Qt::SolidLine));
    p.setBrush(theme.base);
    p.drawEllipse(knob);
    p.setFont(metrics_.text);
    p.setPen(ink);
    p.drawText(knob, Qt::AlignCenter, flight ? "⇄" : "≠");
}

void TreesView::resizeEvent(QResizeEvent*) {
    layoutColumns();
    if (context_.selection())
        showColumn(context_.selection()->column);
}

void TreesView::changeEvent(QEvent* event) {
    QAbstractScrollArea::changeEvent(event);
    if (event->type() == QEvent::FontChange) {
        layoutColumns();
        viewport()->update();
    }
}

void TreesView::toggle(const TreeRow& row) {
    const std::pair<u64, unsigned> key{row.gfn.v, number(row.level)};
    if (row.expanded) {
        opened_.erase(key);
        collapsed_.insert(key);
    } else {
        collapsed_.erase(key);
        opened_.insert(key);
    }
    refresh(false);
}

void TreesView::mousePressEvent(QMouseEvent* event) {
    const auto index = rowAt(event->pos().y());
    if (!index || event->button() != Qt::LeftButton)
        return;
    const TreeRow row = rows_[*index];
    const int x = event->pos().x() + horizontalScrollBar()->value();
    if (x < metrics_.label) {
        const QRectF label(0, cellRect(*index, Column::Shared).top(), metrics_.label, metrics_.row);
        if (row.expandable && foldMark(label, row, metrics_).adjusted(-5, -5, 5, 5).contains(QPointF(x, event->pos().y()))) {
            toggle(row);
            return;
        }
    }
    if (const auto where = selectionAt(event->pos()); where && row.more == 0)
        context_.select(*where);
}

std::optional<Selection> TreesView::selectionAt(const QPoint& at) const {
    const auto index = rowAt(at.y());
    if (!index)
        return std::nullopt;
    const int x = at.x() + horizontalScrollBar()->value();
    const int column = x < metrics_.label ? (metrics_.columns > 1 ? 1 : 0) : (x - metrics_.label) / metrics_.cell;
    return Selection{columnAt(std::min(column, metrics_.columns - 1)), rows_[*index].gfn, rows_[*index].level};
}

void TreesView::moveSelection(int rowsBy, int columnsBy) {
    if (rows_.empty())
        return;
    int row = static_cast<int>(selectedRow().value_or(0));
    const int column = context_.selection() ? static_cast<int>(context_.selection()->column) : 0;
    int next = row;
    do
        next += rowsBy;
    while (rowsBy != 0 && next >= 0 && next < static_cast<int>(rows_.size()) && rows_[static_cast<std::size_t>(next)].more > 0);
    if (next >= 0 && next < static_cast<int>(rows_.size()))
        row = next;
    const TreeRow& chosen = rows_[static_cast<std::size_t>(row)];
    context_.select(Selection{columnAt(std::clamp(column + columnsBy, 0, metrics_.columns - 1)), chosen.gfn, chosen.level});
}

void TreesView::keyPressEvent(QKeyEvent* event) {
    switch (event->key()) {
    case Qt::Key_Up: moveSelection(-1, 0); return;
    case Qt::Key_Down: moveSelection(1, 0); return;
    case Qt::Key_Left: moveSelection(0, -1); return;
    case Qt::Key_Right: moveSelection(0, 1); return;
    case Qt::Key_Space:
    case Qt::Key_Return:
        if (const auto row = selectedRow(); row && rows_[*row].expandable)
            toggle(TreeRow(rows_[*row]));
        return;
    case Qt::Key_PageUp: verticalScrollBar()->triggerAction(QAbstractSlider::SliderPageStepSub); return;
    case Qt::Key_PageDown: verticalScrollBar()->triggerAction(QAbstractSlider::SliderPageStepAdd); return;
    default: QAbstractScrollArea::keyPressEvent(event);
    }
}

bool TreesView::viewportEvent(QEvent* event) {
    if (event->type() == QEvent::ToolTip && context_.session()) {
        const auto* help = static_cast<QHelpEvent*>(event);
        const auto index = rowAt(help->pos().y());
        const int x = help->pos().x() + horizontalScrollBar()->value() - metrics_.label;
        if (!index || x < -std::max(metrics_.memory, metrics_.narrow ? metrics_.label : 0) || x >= metrics_.columns * metrics_.cell) {
            QToolTip::hideText();
            return true;
        }
        const TreeRow& row = rows_[*index];
        if (x < 0) {
            QToolTip::showText(help->globalPos(), memoryHelp(context_.session()->memoryAt(row.gfn, row.level)));
            return true;
        }
        const Column column = columnAt(x / metrics_.cell);
        const TreeCell& cell = row.cells[static_cast<unsigned>(column)];
        if (cell.exists && row.more == 0)
            QToolTip::showText(help->globalPos(), entryHelp(*context_.session(), column, row));
        return true;
    }
    return QAbstractScrollArea::viewportEvent(event);
}

} // namespace mirrorscope::views
