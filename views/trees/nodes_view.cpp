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
constexpr std::size_t kNone = ~std::size_t{0};
constexpr double kSmallest = 0.35, kLargest = 2.5;
constexpr std::size_t kTablesUnfolded = 24;
constexpr double kTitle = 26, kMargin = 12;
} // namespace

NodesView::NodesView(Context& context, QWidget* parent) : QAbstractScrollArea(parent), context_(context) {
    setObjectName("nodes");
    setAccessibleName(tr("Page tables as cards, level by level"));
    setFocusPolicy(Qt::StrongFocus);
    setFrameShape(QFrame::NoFrame);
    setMinimumSize(360, 160);
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
    if (!isVisible() && !rows_.empty() && context_.session() != nullptr) {
        rows_.clear(); // made again when it is shown
        return;
    }
    rows_.clear();
    if (const Session* session = context_.session()) {
        RowOptions options;
        options.opened = opened_;
        options.tables = kTablesUnfolded;
        if (const auto& s = context_.selection())
            options.keep = {s->gfn, s->level};
        rows_ = session->rows(options);
    }
    layoutCards();
    if (follow)
        for (std::size_t i = rows_.size(); i-- > 0;)
            for (unsigned c = 0; c < kColumns; ++c)
                if (rows_[i].cells[c].changed) {
                    const QRectF at = toView(rowRect(std::min(c, panes() - 1), cards_[cardOfRow_[i]], indexInCard_[i]));
                    if (!QRectF(viewport()->rect()).contains(at.center())) {
                        horizontalScrollBar()->setValue(horizontalScrollBar()->value() + static_cast<int>(at.center().x()) -
                                                        viewport()->width() / 2);
                        verticalScrollBar()->setValue(verticalScrollBar()->value() + static_cast<int>(at.center().y()) -
                                                      viewport()->height() / 2);
                    }
                    i = 0;
                    break;
                }
    viewport()->update();
}

std::size_t NodesView::makeCard(std::size_t& next, unsigned depth, std::size_t parentRow) {
    const std::size_t id = cards_.size();
    cards_.push_back({depth, parentRow, {}, 0});
    while (next < rows_.size() && rows_[next].depth == depth) {
        const std::size_t row = next++;
        cardOfRow_[row] = id;
        indexInCard_[row] = cards_[id].rows.size();
        cards_[id].rows.push_back(row);
        if (next < rows_.size() && rows_[next].depth > depth)
            childOfRow_[row] = makeCard(next, depth + 1, row);
    }
    return id;
}

void NodesView::place(std::size_t card, std::vector<double>& free) {
    Card& c = cards_[card];
    double wanted = 0;
    if (c.parentRow != kNone) {
        const Card& parent = cards_[cardOfRow_[c.parentRow]];
        wanted = parent.y + static_cast<double>(indexInCard_[c.parentRow]) * row_;
    }
    c.y = std::max(free[c.depth], wanted);
    free[c.depth] = c.y + header_ + static_cast<double>(c.rows.size()) * row_ + 12;
    for (const std::size_t row : std::vector<std::size_t>(c.rows))
        if (childOfRow_[row] != kNone)
            place(childOfRow_[row], free);
}

void NodesView::layoutCards() {
    mono_ = monospace(font());
    const QFontMetrics metrics(mono_);
    row_ = metrics.height() + 7;
    header_ = metrics.height() + 8;
    card_ = metrics.horizontalAdvance("000000 ■ leaf 00000 rwx") + 22;
    levels_ = context_.session() != nullptr ? context_.session()->scenario().machine.levels : 4;
    cards_.clear();
    cardOfRow_.assign(rows_.size(), kNone);
    indexInCard_.assign(rows_.size(), 0);
    childOfRow_.assign(rows_.size(), kNone);
    links_.clear();
    std::size_t next = 0;
    while (next < rows_.size()) {
        const std::size_t before = next;
        makeCard(next, rows_[next].depth, kNone);
        if (next == before)
            break;
    }
    std::vector<double> free(8, 0);
    if (!cards_.empty())
        place(0, free);
    height_ = kTitle;
    for (const Card& card : cards_)
        height_ = std::max(height_, kTitle + card.y + header_ + static_cast<double>(card.rows.size()) * row_ + kMargin);
    width_ = levels_ * card_ + (levels_ - 1) * gap_ + 2 * kMargin;
    for (std::size_t i = 0; i < rows_.size(); ++i)
        if (const Twins twins = twinsOf(rows_[i]); twins == Twins::Differ || twins == Twins::InFlight)
            links_.push_back(i);
    layoutBars();
}

double NodesView::fitting(bool beside) const {
    const double wide = width_ * (beside ? panes() : 1), high = height_ * (beside ? 1 : panes());
    return std::min(viewport()->width() / wide, viewport()->height() / high);
}

// The first picture of a run is as large as fits.
void NodesView::fit() {
    fitted_ = true;
    constexpr double kLeast = 0.75, kMost = 1.5;
    scale_ = std::clamp(std::max(fitting(true), fitting(false)), kLeast, kMost);
    layoutBars();
}

void NodesView::layoutBars() {
    // Beside or below one another, whichever lets them be larger.
    beside_ = panes() == 1 || fitting(true) >= fitting(false);
    const double columns = beside_ ? panes() : 1, lines = beside_ ? 1 : panes();
    const auto width = static_cast<int>(width_ * columns * scale_), height = static_cast<int>(height_ * lines * scale_);
    horizontalScrollBar()->setRange(0, std::max(0, width - viewport()->width()));
    verticalScrollBar()->setRange(0, std::max(0, height - viewport()->height()));
    horizontalScrollBar()->setPageStep(viewport()->width());
    verticalScrollBar()->setPageStep(viewport()->height());
    horizontalScrollBar()->setSingleStep(static_cast<int>(row_));
    verticalScrollBar()->setSingleStep(static_cast<int>(row_));
}

QPointF NodesView::offset() const {
    return {-static_cast<double>(horizontalScrollBar()->value()), -static_cast<double>(verticalScrollBar()->value())};
}

QRectF NodesView::paneRect(unsigned pane) const {
    return beside_ ? QRectF(pane * width_, 0, width_, height_) : QRectF(0, pane * height_, width_, height_);
}

QRectF NodesView::rowRect(unsigned pane, const Card& card, std::size_t index) const {
    const QRectF at = paneRect(pane);
    return {at.left() + kMargin + card.depth * (card_ + gap_), at.top() + kTitle + card.y + header_ + static_cast<double>(index) * row_,
            card_, row_};
}

QRectF NodesView::toView(const QRectF& at) const {
    return {at.left() * scale_ + offset().x(), at.top() * scale_ + offset().y(), at.width() * scale_, at.height() * scale_};
}

QRectF NodesView::entryRect(Column column, Gfn gfn, Level level) const {
    for (std::size_t i = 0; i < rows_.size(); ++i)
        if (rows_[i].more == 0 && rows_[i].gfn == gfn && rows_[i].level == level && rows_[i].cells[static_cast<unsigned>(column)].exists)
            return toView(rowRect(static_cast<unsigned>(column), cards_[cardOfRow_[i]], indexInCard_[i]));
    return {};
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
    if (context_.session() == nullptr || rows_.empty()) {
        if (context_.session() != nullptr)
            refresh(false);
        if (rows_.empty()) {
            p.setPen(theme.dim);
            p.drawText(
                viewport()->rect(), Qt::AlignCenter | Qt::TextWordWrap,
                context_.session() == nullptr
                    ? tr("Reading the scenario…")
                    : tr("No table exists yet: nothing has touched memory.\nF11 takes one micro-step, F10 runs one step of the script."));
            return;
        }
    }
    if (!fitted_)
        fit();
    p.translate(offset());
    p.scale(scale_, scale_);
    p.setRenderHint(QPainter::Antialiasing);
    const QRectF visible(-offset().x() / scale_, -offset().y() / scale_, viewport()->width() / scale_, viewport()->height() / scale_);
    const auto& s = context_.selection();
    QFont bold = font();
    bold.setBold(true);
    const bool one = panes() == 1;
    const QString titles[] = {one ? tr("direct: the guest's, written by KVM") : tr("shared: EPT, written by KVM"),
                              tr("mirror: KVM's own copy"), tr("private: secure EPT, the module's")};
    for (unsigned pane = 0; pane < panes(); ++pane) {
        const QRectF at = paneRect(pane);
        if (!at.intersects(visible))
            continue;
        const auto column = static_cast<Column>(pane);
        p.setPen(theme.border);
        if (pane > 0)
            p.drawLine(at.topLeft(), beside_ ? at.bottomLeft() : at.topRight());
        p.setFont(bold);
        p.setPen(theme.text);
        // The title stays in sight when the pane is scrolled.
        const double titleX = std::max(at.left(), std::min(visible.left(), at.right() - 200)) + kMargin;
        p.drawText(QRectF(titleX, at.top() + 4, width_, kTitle - 6), Qt::AlignVCenter | Qt::AlignLeft, titles[pane]);
        bool any = false;
        for (const Card& card : cards_) {
            const QRectF first = rowRect(pane, card, 0);
            const QRectF box(first.left(), first.top() - header_, card_, header_ + static_cast<double>(card.rows.size()) * row_ + 3);
            const bool has = std::any_of(card.rows.begin(), card.rows.end(), [&](std::size_t r) { return rows_[r].cells[pane].exists; });
            if (!has)
                continue;
            any = true;
            // The line from the entry that leads here.
            if (card.parentRow != kNone) {
                const QRectF from = rowRect(pane, cards_[cardOfRow_[card.parentRow]], indexInCard_[card.parentRow]);
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
            p.setPen(QPen(theme.border, 1));
            p.setBrush(theme.base);
            p.drawRoundedRect(box, 5, 5);
            const TreeRow& top = rows_[card.rows.front()];
            const Pfn table = [&] {
                for (const std::size_t r : card.rows)
                    if (rows_[r].cells[pane].exists)
                        return frameOf(rows_[r].cells[pane].place);
                return Pfn{0};
            }();
            p.setFont(font());
            p.setPen(theme.dim);
            const QString title =
                card.parentRow == kNone
                    ? tr("root %1").arg(table.v, 0, 16)
                    : tr("table %1 of %2")
                          .arg(QString::number(table.v, 16), QString::fromStdString(hex(roundDown(top.gfn, above(top.level)).v << 12)));
            p.drawText(QRectF(box.left() + 8, box.top(), card_ - 12, header_), Qt::AlignVCenter | Qt::AlignLeft,
                       p.fontMetrics().elidedText(title, Qt::ElideRight, static_cast<int>(card_) - 14));
            p.drawLine(QPointF(box.left(), box.top() + header_ - 1), QPointF(box.right(), box.top() + header_ - 1));
            for (std::size_t i = 0; i < card.rows.size(); ++i) {
                const TreeRow& row = rows_[card.rows[i]];
                const QRectF cellAt = rowRect(pane, card, i).adjusted(1, 0, -1, 0);
                if (!cellAt.intersects(visible))
                    continue;
                if (row.more > 0) {
                    p.setFont(font());
                    p.setPen(theme.dim);
                    p.drawText(cellAt.adjusted(8, 0, 0, 0), Qt::AlignVCenter | Qt::AlignLeft, tr("… %1 more").arg(row.more));
                    continue;
                }
                const TreeCell& cell = row.cells[pane];
                if (!cell.exists)
                    continue;
                CellMarks marks;
                marks.breakpoint = context_.stops().atPlace(cell.place) != nullptr;
                marks.differs = context_.differs(column, row.gfn, row.level);
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
                p.drawText(QRectF(cellAt.left() + 2, cellAt.top(), index - 4, cellAt.height()), Qt::AlignVCenter | Qt::AlignRight,
                           QString::number(tableIndex(row.gfn.v, row.level)));
                paintCell(p, cellAt.adjusted(index - 2, 0, 2, 0), column, cell, marks, theme, mono_);
                p.restore();
            }
        }
        if (!any) {
            p.setFont(font());
            p.setPen(theme.dim);
            p.drawText(QRectF(titleX, at.top() + kTitle, width_, row_ * 2), Qt::AlignVCenter | Qt::AlignLeft, tr("nothing is mapped here"));
        }
    }
    // Twins that differ or are in flight.
    for (const std::size_t row : links_) {
        if (panes() < 3)
            break;
        const QRectF a = rowRect(1, cards_[cardOfRow_[row]], indexInCard_[row]), b = rowRect(2, cards_[cardOfRow_[row]], indexInCard_[row]);
        const QPointF from = beside_ ? QPointF(a.right(), a.center().y()) : QPointF(a.center().x() + card_ / 3, a.bottom());
        const QPointF to = beside_ ? QPointF(b.left(), b.center().y()) : QPointF(b.center().x() + card_ / 3, b.top());
        if (!QRectF(from, to).normalized().adjusted(-20, -20, 20, 20).intersects(visible))
            continue;
        const bool flight = twinsOf(rows_[row]) == Twins::InFlight;
        const QColor ink = flight ? theme.of(styleAt(kStyleFrozen)) : theme.violation;
        QPainterPath path(from);
        const QPointF bend = beside_ ? QPointF(40, -18) : QPointF(18, 30);
        path.cubicTo(from + bend, to + QPointF(beside_ ? -bend.x() : bend.x(), beside_ ? bend.y() : -bend.y()), to);
        p.setBrush(Qt::NoBrush);
        p.setPen(QPen(ink, 2, flight ? Qt::DashLine : Qt::SolidLine));
        p.drawPath(path);
        const QPointF middle = path.pointAtPercent(0.5);
        const QString text = flight ? tr("in flight") : tr("≠");
        p.setFont(bold);
        const double w = p.fontMetrics().horizontalAdvance(text) + 10, h = p.fontMetrics().height() + 2;
        p.setPen(Qt::NoPen);
        p.setBrush(theme.window);
        p.drawRoundedRect(QRectF(middle.x() - w / 2, middle.y() - h / 2, w, h), 4, 4);
        p.setPen(ink);
        p.drawText(QRectF(middle.x() - w / 2, middle.y() - h / 2, w, h), Qt::AlignCenter, text);
    }
    if (hasFocus()) {
        p.resetTransform();
        p.setPen(QPen(theme.accent, 1));
        p.drawLine(0, 0, viewport()->width(), 0);
    }
}

std::optional<NodesView::Hit> NodesView::hitAt(const QPointF& at) const {
    const QPointF point = (at - offset()) / scale_;
    for (unsigned pane = 0; pane < panes(); ++pane) {
        if (!paneRect(pane).contains(point))
            continue;
        for (const Card& card : cards_)
            for (std::size_t i = 0; i < card.rows.size(); ++i)
                if (rowRect(pane, card, i).contains(point))
                    return Hit{static_cast<Column>(pane), card.rows[i]};
    }
    return std::nullopt;
}

std::optional<Selection> NodesView::selectionAt(const QPointF& at) const {
    const auto hit = hitAt(at);
    return hit ? std::optional(Selection{hit->column, rows_[hit->row].gfn, rows_[hit->row].level}) : std::nullopt;
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
    const TreeRow row = rows_[hit->row];
    if (row.more == 0 && row.cells[static_cast<unsigned>(hit->column)].exists) {
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
    if (rows_.empty())
        return;
    const auto& s = context_.selection();
    std::size_t row = 0;
    for (std::size_t i = 0; s && i < rows_.size(); ++i)
        if (rows_[i].more == 0 && rows_[i].gfn == s->gfn && rows_[i].level == s->level)
            row = i;
    unsigned pane = s ? static_cast<unsigned>(s->column) : 0;
    const auto usable = [&](std::size_t r, unsigned c) { return rows_[r].more == 0 && rows_[r].cells[c].exists; };
    if (columnsBy != 0) {
        // Right: into the table that the entry leads to, else the twin in the next pane; left: back.
        if (columnsBy > 0 && childOfRow_[row] != kNone && usable(cards_[childOfRow_[row]].rows.front(), pane))
            row = cards_[childOfRow_[row]].rows.front();
        else if (columnsBy < 0 && cards_[cardOfRow_[row]].parentRow != kNone)
            row = cards_[cardOfRow_[row]].parentRow;
        else
            for (unsigned c = pane + static_cast<unsigned>(columnsBy); c < panes(); c += static_cast<unsigned>(columnsBy))
                if (usable(row, c)) {
                    pane = c;
                    break;
                }
    } else {
        for (std::size_t r = row + static_cast<std::size_t>(rowsBy); r < rows_.size(); r += static_cast<std::size_t>(rowsBy))
            if (usable(r, pane)) {
                row = r;
                break;
            }
    }
    context_.select(Selection{static_cast<Column>(pane), rows_[row].gfn, rows_[row].level});
}

void NodesView::showSelection() {
    const auto& s = context_.selection();
    if (!s || !isVisible())
        return;
    const QRectF at = entryRect(s->column, s->gfn, s->level);
    if (at.isEmpty() || QRectF(viewport()->rect()).contains(at))
        return;
    horizontalScrollBar()->setValue(horizontalScrollBar()->value() + static_cast<int>(at.center().x()) - viewport()->width() / 2);
    verticalScrollBar()->setValue(verticalScrollBar()->value() + static_cast<int>(at.center().y()) - viewport()->height() / 2);
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
        const TreeRow* row = hit ? &rows_[hit->row] : nullptr;
        if (row == nullptr || row->more > 0 || !row->cells[static_cast<unsigned>(hit->column)].exists) {
            QToolTip::hideText();
            return true;
        }
        QToolTip::showText(help->globalPos(), entryHelp(*context_.session(), hit->column, *row));
        return true;
    }
    return QAbstractScrollArea::viewportEvent(event);
}

} // namespace mirrorscope::views
