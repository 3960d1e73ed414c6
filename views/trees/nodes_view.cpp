// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/trees/nodes_view.h"

#include "base/text.h"
#include "session/style.h"

#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QPainterPath>
#include <QScrollBar>
#include <QToolTip>
#include <QWheelEvent>

#include <algorithm>
#include <cmath>

namespace mirrorscope::views {

namespace {
constexpr double kSmallest = 0.35, kLargest = 2.5;
constexpr std::size_t kTablesUnfolded = 24;
constexpr double kTitle = 26, kMargin = 12, kApart = 12;
} // namespace

NodesView::NodesView(Context& context, QWidget* parent) : QAbstractScrollArea(parent), context_(context) {
    setObjectName("nodes");
    setAccessibleName(tr("Page tables as cards, level by level"));
    setFocusPolicy(Qt::StrongFocus);
    setFrameShape(QFrame::NoFrame);
    setMinimumSize(360, 160);
    connect(&context_, &Context::nothingYetChanged, this, [this] { viewport()->update(); });
    connect(&context_, &Context::sessionChanged, this, [this] {
        if (!context_.continues()) {
            opened_.clear();
            fitted_ = false;
        }
        refresh(true);
    });
    connect(&context_, &Context::positionChanged, this, [this] { refresh(true); });
    connect(&context_, &Context::selectionChanged, this, [this] {
        refresh(false);
        showSelection();
    });
    for (const auto signal : {&Context::breakpointsChanged, &Context::themeChanged, &Context::dimmedChanged, &Context::markersChanged})
        connect(&context_, signal, viewport(), qOverload<>(&QWidget::update));
    refresh(false);
}

unsigned NodesView::panes() const {
    const Session* session = context_.session();
    return session != nullptr && !session->hasColumn(Column::Mirror) ? 1 : 3;
}

void NodesView::refresh(bool follow) {
    const Session* session = context_.session();
    // What is not seen is laid out when it is shown.
    const bool later = !isVisible() && !cards_.rows().empty() && session != nullptr;
    std::vector<TreeRow> rows;
    if (session != nullptr && !later) {
        RowOptions options;
        options.opened = opened_;
        options.tables = kTablesUnfolded;
        if (const auto& s = context_.selection())
            options.keep = {s->gfn, s->level};
        rows = session->rows(options);
    }
    layoutCards(std::move(rows));
    if (later)
        return;
    const auto changed = [&]() -> std::optional<CardEntry> {
        for (std::size_t row = cards_.rows().size(); row-- > 0;)
            for (unsigned c = 0; c < panes(); ++c)
                if (cards_.rows()[row].cells[c].changed)
                    return CardEntry{static_cast<Column>(c), row};
        return std::nullopt;
    };
    if (follow)
        if (const auto entry = changed()) {
            const QRectF at = toView(rowRect(static_cast<unsigned>(entry->column), entry->row));
            if (!QRectF(viewport()->rect()).contains(at.center()))
                show(at);
        }
    viewport()->update();
}

void NodesView::show(const QRectF& at) {
    horizontalScrollBar()->setValue(horizontalScrollBar()->value() + static_cast<int>(at.center().x()) - viewport()->width() / 2);
    verticalScrollBar()->setValue(verticalScrollBar()->value() + static_cast<int>(at.center().y()) - viewport()->height() / 2);
}

void NodesView::layoutCards(std::vector<TreeRow> rows) {
    mono_ = monospace(font());
    const QFontMetrics metrics(mono_);
    row_ = metrics.height() + 7;
    header_ = metrics.height() + 8;
    card_ = metrics.horizontalAdvance("000000 ■ leaf 00000 rwx") + 22;
    cards_ = Cards(std::move(rows), {.row = row_, .header = header_, .apart = kApart});
    layoutBars();
}

QString NodesView::paneTitle(unsigned pane) const {
    if (panes() == 1)
        return tr("direct: the guest's, written by KVM");
    switch (static_cast<Column>(pane)) {
    case Column::Shared: return tr("shared: EPT, written by KVM");
    case Column::Mirror: return tr("mirror: KVM's own copy");
    case Column::Private: return tr("private: secure EPT, the module's");
    }
    return {};
}

// A tree without a table needs no more than its title.
QSizeF NodesView::neededBy(unsigned pane) const {
    QFont bold = font();
    bold.setBold(true);
    const double title = QFontMetricsF(bold).horizontalAdvance(paneTitle(pane)) + 2 * kMargin;
    const auto column = static_cast<Column>(pane);
    const unsigned levels = cards_.levels(column);
    const double wide = levels == 0 ? 0 : levels * card_ + (levels - 1) * gap_ + 2 * kMargin;
    return {std::max(title, wide), kTitle + std::max(cards_.height(column), 2 * row_) + kMargin};
}

QSizeF NodesView::allPanes(bool beside) const {
    QSizeF all(0, 0);
    for (const QSizeF& one : needed_)
        all = beside ? QSizeF(all.width() + one.width(), std::max(all.height(), one.height()))
                     : QSizeF(std::max(all.width(), one.width()), all.height() + one.height());
    return all;
}

double NodesView::fitting(bool beside) const {
    const QSizeF all = allPanes(beside);
    return std::min(viewport()->width() / all.width(), viewport()->height() / all.height());
}

// The first picture of a run is as large as fits.
void NodesView::fit() {
    fitted_ = true;
    constexpr double kLeast = 0.75, kMost = 1.5;
    scale_ = std::clamp(std::max(fitting(true), fitting(false)), kLeast, kMost);
    layoutBars();
}

void NodesView::layoutBars() {
    needed_.clear();
    for (unsigned pane = 0; pane < panes(); ++pane)
        needed_.push_back(neededBy(pane));
    // Beside one another if that fits as it is, else whichever lets them be larger.
    beside_ = panes() == 1 || fitting(true) >= std::min(1.0, fitting(false));
    const QSizeF unscaled = allPanes(beside_), all = unscaled * scale_;
    panes_.clear();
    QPointF at(0, 0);
    for (const QSizeF& own : needed_) {
        panes_.push_back({at, beside_ ? QSizeF(own.width(), unscaled.height()) : QSizeF(unscaled.width(), own.height())});
        at += beside_ ? QPointF(own.width(), 0) : QPointF(0, own.height());
    }
    horizontalScrollBar()->setRange(0, std::max(0, static_cast<int>(all.width()) - viewport()->width()));
    verticalScrollBar()->setRange(0, std::max(0, static_cast<int>(all.height()) - viewport()->height()));
    horizontalScrollBar()->setPageStep(viewport()->width());
    verticalScrollBar()->setPageStep(viewport()->height());
    horizontalScrollBar()->setSingleStep(static_cast<int>(row_));
    verticalScrollBar()->setSingleStep(static_cast<int>(row_));
}

QPointF NodesView::offset() const {
    return {-static_cast<double>(horizontalScrollBar()->value()), -static_cast<double>(verticalScrollBar()->value())};
}

QRectF NodesView::cardRect(unsigned pane, const Card& card) const {
    const QRectF& at = paneRect(pane);
    return {at.left() + kMargin + card.depth * (card_ + gap_), at.top() + kTitle + card.top, card_,
            header_ + static_cast<double>(card.rows.size()) * row_};
}

QRectF NodesView::rowRect(unsigned pane, std::size_t row) const {
    const QRectF card = cardRect(pane, cards_.cardOf(row));
    return {card.left(), card.top() + header_ + static_cast<double>(cards_.indexInCard(row)) * row_, card_, row_};
}

QRectF NodesView::toView(const QRectF& at) const {
    return {at.left() * scale_ + offset().x(), at.top() * scale_ + offset().y(), at.width() * scale_, at.height() * scale_};
}

QRectF NodesView::entryRect(Column column, Gfn gfn, Level level) const {
    const auto row = cards_.rowOf(gfn, level);
    return row && cards_.shows({column, *row}) ? toView(rowRect(static_cast<unsigned>(column), *row)) : QRectF();
}

void NodesView::setScale(double scale, const QPointF& about) {
    if (scale < kSmallest) {
        Q_EMIT mapWanted();
        return;
    }
    const double next = std::min(scale, kLargest);
    const QPointF under = (about - offset()) / scale_;
    scale_ = next;
    layoutBars();
    horizontalScrollBar()->setValue(static_cast<int>(under.x() * scale_ - about.x()));
    verticalScrollBar()->setValue(static_cast<int>(under.y() * scale_ - about.y()));
    viewport()->update();
}

void NodesView::paintEvent(QPaintEvent*) {
    const FrameTimes::Timer timer(context_.frameTimes(), "nodes");
    QPainter p(viewport());
    const Theme& theme = context_.theme();
    p.fillRect(viewport()->rect(), theme.window);
    painted_ = 0;
    if (context_.session() != nullptr && cards_.rows().empty())
        refresh(false);
    if (cards_.rows().empty()) {
        p.setPen(theme.dim);
        p.drawText(viewport()->rect(), Qt::AlignCenter | Qt::TextWordWrap,
                   context_.session() == nullptr ? context_.nothingYet() : noTable(*context_.session()));
        return;
    }
    if (!fitted_)
        fit();
    p.translate(offset());
    p.scale(scale_, scale_);
    p.setRenderHint(QPainter::Antialiasing);
    const QRectF visible(-offset().x() / scale_, -offset().y() / scale_, viewport()->width() / scale_, viewport()->height() / scale_);
    for (unsigned pane = 0; pane < panes(); ++pane)
        paintPane(p, pane, visible);
    if (panes() == kColumns)
        for (const std::size_t row : cards_.joined())
            paintTwins(p, row, visible);
    if (hasFocus()) {
        p.resetTransform();
        p.setPen(QPen(theme.accent, 1));
        p.drawLine(0, 0, viewport()->width(), 0);
    }
}

void NodesView::paintPane(QPainter& p, unsigned pane, const QRectF& visible) {
    const QRectF& at = paneRect(pane);
    if (!at.intersects(visible))
        return;
    const Theme& theme = context_.theme();
    p.setPen(theme.border);
    if (pane > 0)
        p.drawLine(at.topLeft(), beside_ ? at.bottomLeft() : at.topRight());
    for (const Card& card : cards_.cards()) {
        if (!card.frames[pane])
            continue;
        const QRectF box = cardRect(pane, card);
        // The line from the entry that leads here.
        if (card.parentRow) {
            const QRectF from = rowRect(pane, *card.parentRow);
            const QPointF a(from.right(), from.center().y()), b(box.left(), box.top() + header_ / 2);
            if (QRectF(a, b).normalized().adjusted(-2, -2, 2, 2).intersects(visible)) {
                QPainterPath path(a);
                path.cubicTo(QPointF(a.x() + gap_ / 2, a.y()), QPointF(b.x() - gap_ / 2, b.y()), b);
                p.setBrush(Qt::NoBrush);
                p.setPen(QPen(theme.dim, 1.2));
                p.drawPath(path);
            }
        }
        if (!box.intersects(visible))
            continue;
        ++painted_;
        paintCard(p, pane, card, visible);
    }
    // The title stays in sight when the pane is scrolled.
    QFont bold = font();
    bold.setBold(true);
    p.setFont(bold);
    p.setPen(theme.text);
    const QString title = paneTitle(pane);
    const double width = QFontMetricsF(bold).horizontalAdvance(title) + kMargin;
    const QRectF head(std::max(at.left(), std::min(visible.left(), at.right() - width - kMargin)) + kMargin, at.top() + 4, width,
                      kTitle - 6);
    p.drawText(head, Qt::AlignVCenter | Qt::AlignLeft, title);
    if (cards_.levels(static_cast<Column>(pane)) == 0) {
        p.setFont(font());
        p.setPen(theme.dim);
        p.drawText(QRectF(head.left(), at.top() + kTitle, width, row_ * 2), Qt::AlignVCenter | Qt::AlignLeft, tr("nothing is mapped here"));
    }
}

void NodesView::paintCard(QPainter& p, unsigned pane, const Card& card, const QRectF& visible) const {
    const Theme& theme = context_.theme();
    const QRectF box = cardRect(pane, card).adjusted(0, 0, 0, 3);
    p.setPen(QPen(theme.border, 1));
    p.setBrush(theme.base);
    p.drawRoundedRect(box, 5, 5);
    p.setFont(font());
    p.setPen(theme.dim);
    const QString frame = QString::number(card.frames[pane]->v, 16);
    const QString title =
        card.parentRow ? tr("table %1 of %2").arg(frame, QString::fromStdString(hex(card.base.v << 12))) : tr("root %1").arg(frame);
    p.drawText(QRectF(box.left() + 8, box.top(), card_ - 12, header_), Qt::AlignVCenter | Qt::AlignLeft,
               p.fontMetrics().elidedText(title, Qt::ElideRight, static_cast<int>(card_) - 14));
    p.drawLine(QPointF(box.left(), box.top() + header_ - 1), QPointF(box.right(), box.top() + header_ - 1));
    for (const std::size_t row : card.rows)
        if (const QRectF at = rowRect(pane, row).adjusted(1, 0, -1, 0); at.intersects(visible))
            paintEntry(p, pane, row, at);
}

void NodesView::paintEntry(QPainter& p, unsigned pane, std::size_t n, const QRectF& at) const {
    const Theme& theme = context_.theme();
    const TreeRow& row = cards_.rows()[n];
    if (row.more > 0) {
        p.setFont(font());
        p.setPen(theme.dim);
        p.drawText(at.adjusted(8, 0, 0, 0), Qt::AlignVCenter | Qt::AlignLeft, tr("… %1 more").arg(row.more));
        return;
    }
    const auto column = static_cast<Column>(pane);
    const TreeCell& cell = row.cells[pane];
    if (!cell.exists)
        return;
    CellMarks marks;
    marks.breakpoint = context_.stops().atPlace(cell.place) != nullptr;
    marks.differs = context_.differs(column, row.gfn, row.level);
    const auto& s = context_.selection();
    if (s && row.gfn == s->gfn && row.level == s->level) {
        marks.selected = s->column == column;
        marks.twin = !marks.selected;
    } else if (s && row.level > s->level) {
        marks.path = row.gfn == roundDown(s->gfn, row.level);
    }
    p.save();
    if ((context_.dimmed() >> styleIndexOf(column, cell) & 1) != 0)
        p.setOpacity(0.15);
    // The index within the table, then the entry.
    const double index = QFontMetrics(mono_).horizontalAdvance("000") + 8;
    p.setFont(mono_);
    p.setPen(theme.dim);
    p.drawText(QRectF(at.left() + 2, at.top(), index - 4, at.height()), Qt::AlignVCenter | Qt::AlignRight,
               QString::number(tableIndex(row.gfn.v, row.level)));
    paintCell(p, at.adjusted(index - 2, 0, 2, 0), column, cell, marks, theme, mono_);
    p.restore();
}

// Twins that differ or are in flight are joined.
void NodesView::paintTwins(QPainter& p, std::size_t row, const QRectF& visible) const {
    const Theme& theme = context_.theme();
    const QRectF a = rowRect(1, row), b = rowRect(2, row);
    const QPointF from = beside_ ? QPointF(a.right(), a.center().y()) : QPointF(a.center().x() + card_ / 3, a.bottom());
    const QPointF to = beside_ ? QPointF(b.left(), b.center().y()) : QPointF(b.center().x() + card_ / 3, b.top());
    if (!QRectF(from, to).normalized().adjusted(-20, -20, 20, 20).intersects(visible))
        return;
    const bool flight = twinsOf(cards_.rows()[row]) == Twins::InFlight;
    const QColor ink = flight ? theme.of(styleAt(kStyleFrozen)) : theme.violation;
    QPainterPath path(from);
    const QPointF bend = beside_ ? QPointF(40, -18) : QPointF(18, 30);
    path.cubicTo(from + bend, to + QPointF(beside_ ? -bend.x() : bend.x(), beside_ ? bend.y() : -bend.y()), to);
    p.setBrush(Qt::NoBrush);
    p.setPen(QPen(ink, 2, flight ? Qt::DashLine : Qt::SolidLine));
    p.drawPath(path);
    QPointF middle = path.pointAtPercent(0.5);
    const QString text = flight ? tr("in flight") : tr("≠");
    QFont bold = font();
    bold.setBold(true);
    p.setFont(bold);
    const double w = p.fontMetrics().horizontalAdvance(text) + 10, h = p.fontMetrics().height() + 2;
    // Never over the title of a pane.
    const double titled = paneRect(2).top() + kTitle;
    if (middle.y() - h / 2 < titled && middle.y() + h / 2 > titled - kTitle)
        middle.setY(titled + h / 2);
    const QRectF ground(middle.x() - w / 2, middle.y() - h / 2, w, h);
    p.setPen(Qt::NoPen);
    p.setBrush(theme.window);
    p.drawRoundedRect(ground, 4, 4);
    p.setPen(ink);
    p.drawText(ground, Qt::AlignCenter, text);
}

std::optional<CardEntry> NodesView::hitAt(const QPointF& at) const {
    const QPointF point = (at - offset()) / scale_;
    for (unsigned pane = 0; pane < panes(); ++pane) {
        if (!paneRect(pane).contains(point))
            continue;
        for (const Card& card : cards_.cards())
            if (cardRect(pane, card).contains(point))
                for (const std::size_t row : card.rows)
                    if (rowRect(pane, row).contains(point))
                        return CardEntry{static_cast<Column>(pane), row};
    }
    return std::nullopt;
}

std::optional<Selection> NodesView::selectionAt(const QPointF& at) const {
    const auto hit = hitAt(at);
    return hit ? std::optional(Selection{hit->column, cards_.rows()[hit->row].gfn, cards_.rows()[hit->row].level}) : std::nullopt;
}

void NodesView::resizeEvent(QResizeEvent*) { layoutBars(); }

void NodesView::changeEvent(QEvent* event) {
    QAbstractScrollArea::changeEvent(event);
    if (event->type() == QEvent::FontChange)
        refresh(false);
}

void NodesView::mousePressEvent(QMouseEvent* event) {
    grabbed_ = event->position();
    grabbedBars_ = {horizontalScrollBar()->value(), verticalScrollBar()->value()};
    dragged_ = false;
}

void NodesView::mouseMoveEvent(QMouseEvent* event) {
    if (!grabbed_)
        return;
    const QPointF by = event->position() - *grabbed_;
    constexpr double kDrag = 4;
    dragged_ |= by.manhattanLength() > kDrag;
    if (!dragged_)
        return;
    horizontalScrollBar()->setValue(grabbedBars_.x() - static_cast<int>(by.x()));
    verticalScrollBar()->setValue(grabbedBars_.y() - static_cast<int>(by.y()));
}

void NodesView::mouseReleaseEvent(QMouseEvent* event) {
    const bool click = grabbed_ && !dragged_;
    grabbed_.reset();
    if (!click || event->button() != Qt::LeftButton)
        return;
    const auto hit = hitAt(event->position());
    if (!hit)
        return;
    const TreeRow row = cards_.rows()[hit->row];
    if (cards_.shows(*hit)) {
        if (row.expandable && !row.expanded)
            opened_.insert({row.gfn.v, number(row.level)});
        context_.select(Selection{hit->column, row.gfn, row.level});
    }
}

void NodesView::wheelEvent(QWheelEvent* event) {
    if ((event->modifiers() & Qt::ControlModifier) == 0) {
        QAbstractScrollArea::wheelEvent(event);
        return;
    }
    setScale(scale_ * std::pow(1.15, event->angleDelta().y() / 120.0), event->position());
    event->accept();
}

void NodesView::moveSelection(int rowsBy, int columnsBy) {
    if (cards_.rows().empty())
        return;
    CardEntry at;
    if (const auto& s = context_.selection()) {
        at.column = s->column;
        at.row = cards_.rowOf(s->gfn, s->level).value_or(0);
    }
    const CardEntry next = columnsBy != 0 ? cards_.beside(at, columnsBy, panes()) : cards_.below(at, rowsBy);
    const TreeRow& row = cards_.rows()[next.row];
    context_.select(Selection{next.column, row.gfn, row.level});
}

void NodesView::showSelection() {
    const auto& s = context_.selection();
    if (!s || !isVisible())
        return;
    const QRectF at = entryRect(s->column, s->gfn, s->level);
    if (at.isEmpty() || QRectF(viewport()->rect()).contains(at))
        return;
    show(at);
}

void NodesView::keyPressEvent(QKeyEvent* event) {
    switch (event->key()) {
    case Qt::Key_Up: moveSelection(-1, 0); return;
    case Qt::Key_Down: moveSelection(1, 0); return;
    case Qt::Key_Left: moveSelection(0, -1); return;
    case Qt::Key_Right: moveSelection(0, 1); return;
    default: QAbstractScrollArea::keyPressEvent(event);
    }
}

bool NodesView::viewportEvent(QEvent* event) {
    if (event->type() == QEvent::ToolTip && context_.session() != nullptr) {
        const auto* help = static_cast<QHelpEvent*>(event);
        const auto hit = hitAt(help->pos());
        if (!hit || !cards_.shows(*hit)) {
            QToolTip::hideText();
            return true;
        }
        QToolTip::showText(help->globalPos(), entryHelp(*context_.session(), hit->column, cards_.rows()[hit->row]));
        return true;
    }
    return QAbstractScrollArea::viewportEvent(event);
}

} // namespace mirrorscope::views
