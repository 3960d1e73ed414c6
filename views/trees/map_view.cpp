// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/trees/map_view.h"

#include "base/text.h"
#include "session/map_picture.h"
#include "session/style.h"
#include "views/pane_events.h"
#include "views/text.h"
#include "views/trees/tree_paint.h"

#include <QHelpEvent>
#include <QKeyEvent>
#include <QLocale>
#include <QMouseEvent>
#include <QPainter>
#include <QToolTip>
#include <QWheelEvent>

#include <algorithm>
#include <cmath>

namespace mirrorscope::views {

namespace {
using Clock = std::chrono::steady_clock;
// Counting what a frame's budget allows; the rest follows in the next one.
constexpr std::chrono::milliseconds kBudget{6};
constexpr double kSmallestSpan = 1;
constexpr double kSignsFrom = 16; // pixels an entry

QString address(u64 gfn) { return QString::fromStdString(hex(gfn << 12)); }

} // namespace

MapView::MapView(Context& context, QWidget* parent) : QWidget(parent), context_(context) {
    setObjectName("map");
    setAccessibleName(tr("Map of the guest's address space"));
    setFocusPolicy(Qt::StrongFocus);
    setMouseTracking(false);
    setMinimumHeight(140);
    more_.setSingleShot(true);
    connect(&more_, &QTimer::timeout, this, &MapView::changed);
    connect(&context_, &Context::nothingYetChanged, this, [this] { update(); });
    connect(&context_, &Context::sessionChanged, this, [this] {
        miniFor_ = ~u64{0};
        context_.continues() ? changed() : showAll();
    });
    connect(&context_, &Context::positionChanged, this, &MapView::changed);
    connect(&context_, &Context::selectionChanged, this, qOverload<>(&QWidget::update));
    connect(&context_, &Context::themeChanged, this, &MapView::changed);
    connect(&context_, &Context::dimmedChanged, this, &MapView::changed);
}

bool MapView::hasRmp() const { return context_.session() != nullptr && context_.session()->hasRmp(); }
unsigned MapView::strips() const {
    const Session* session = context_.session();
    return session == nullptr ? 0 : session->hasColumn(Column::Mirror) ? 3 : hasRmp() ? 2 : 1;
}
double MapView::whole() const { return context_.map() != nullptr ? static_cast<double>(context_.map()->size()) : 512.0; }
int MapView::labelWidth() const { return fontMetrics().horizontalAdvance(tr("attributes")) + 18; }
int MapView::axisHeight() const { return fontMetrics().height() + 10; }
int MapView::miniHeight() const { return fontMetrics().height() + 12; }
QRect MapView::miniRect() const {
    return {labelWidth(), height() - miniHeight() - 6, std::max(10, width() - labelWidth() - 10), miniHeight()};
}

QRect MapView::stripRect(unsigned strip) const {
    const int memory = fontMetrics().height() + 4;
    const int top = axisHeight() + memory + 8;
    const int room = miniRect().top() - 10 - top;
    const auto count = static_cast<int>(std::max(1u, strips()));
    constexpr int kGap = 8, kTallest = 260;
    const int height = std::clamp((room - kGap * (count - 1)) / count, 12, kTallest);
    return {labelWidth(), top + static_cast<int>(strip) * (height + kGap), std::max(10, width() - labelWidth() - 10), height};
}

QString MapView::stripName(unsigned strip) const {
    if (strips() == 3)
        return strip == 0 ? tr("shared") : strip == 1 ? tr("mirror") : tr("private");
    return strip == 0 ? tr("direct") : tr("RMP");
}

void MapView::showAll() { show(0, whole()); }

void MapView::show(double start, double span) {
    start_ = start;
    span_ = span;
    clamp();
    changed();
}

void MapView::showPage(Gfn gfn) {
    const double pages = std::max(8.0, stripRect(0).width() / 24.0);
    show(static_cast<double>(gfn.v) + 0.5 - pages / 2, pages);
}

void MapView::clamp() {
    span_ = std::clamp(span_, kSmallestSpan, whole());
    start_ = std::clamp(start_, 0.0, whole() - span_);
}

void MapView::changed() {
    stale_ = true;
    update();
}

u64 MapView::pageAt(double x) const {
    const QRect at = stripRect(0);
    const double page = start_ + (x - at.left()) / at.width() * span_;
    return static_cast<u64>(std::clamp(std::floor(page), 0.0, whole() - 1));
}

double MapView::xOf(double page) const {
    const QRect at = stripRect(0);
    return at.left() + (page - start_) / span_ * at.width();
}

std::optional<unsigned> MapView::stripAt(int y) const {
    for (unsigned s = 0; s < strips(); ++s)
        if (y >= stripRect(s).top() && y <= stripRect(s).bottom())
            return s;
    return std::nullopt;
}

void MapView::zoom(double factor, double x) {
    const QRect at = stripRect(0);
    const double share = std::clamp((x - at.left()) / at.width(), 0.0, 1.0);
    const double under = start_ + share * span_;
    if (factor > 1 && span_ <= kSmallestSpan + 0.001) {
        Q_EMIT tablesWanted();
        return;
    }
    span_ /= factor;
    span_ = std::clamp(span_, kSmallestSpan, whole());
    start_ = under - share * span_;
    clamp();
    changed();
}

void MapView::pan(double pages) {
    start_ += pages;
    clamp();
    changed();
}

QImage MapView::picture(const MapStrip& strip, u64 pagesOfAll, int height) const {
    const Theme& theme = context_.theme();
    const std::vector<MapColumn> columns = columnsOf(strip, pagesOfAll, height, context_.dimmed());
    const auto width = static_cast<int>(columns.size());
    QImage image(width, height, QImage::Format_RGB32);
    image.fill(theme.base);
    std::array<QRgb, kMapStates> colours{};
    for (unsigned s = 0; s < kMapStates; ++s)
        colours[s] = theme.of(styleAt(s)).rgb();
    for (int y = 0; y < height; ++y) {
        auto* line = reinterpret_cast<QRgb*>(image.scanLine(height - 1 - y));
        for (int x = 0; x < width; ++x)
            if (const auto state = columns[static_cast<std::size_t>(x)].at(y)) {
                // Hatched, so that they are told apart without colour.
                const auto hatch = styleAt(*state).hatch;
                const bool gap =
                    (hatch == StateStyle::Hatch::Rising && (x - y) % 6 == 0) || (hatch == StateStyle::Hatch::Falling && (x + y) % 6 == 0);
                line[x] = gap ? theme.base.rgb() : colours[*state];
            }
    }
    return image;
}

void MapView::compute() {
    GpaMap* map = context_.map();
    stale_ = false;
    if (map == nullptr) {
        strips_.clear();
        return;
    }
    strips_.resize(strips());
    const QRect at = stripRect(0);
    const auto first = static_cast<u64>(start_);
    const u64 pages = std::max<u64>(1, static_cast<u64>(std::ceil(start_ + span_)) - first);
    // Where an entry is wider than a pixel there is a bucket for each page, drawn wide; else one for each pixel.
    const auto buckets = static_cast<unsigned>(std::min<u64>(static_cast<u64>(at.width()), pages));
    const auto until = Clock::now() + kBudget;
    bool complete = true;
    for (unsigned s = 0; s < strips_.size(); ++s) {
        strips_[s].data = hasRmp() && s == 1 ? map->rmp({first}, pages, buckets) : map->strip(columnOf(s), {first}, pages, buckets, until);
        complete &= strips_[s].data.complete;
        strips_[s].picture = picture(strips_[s].data, pages, at.height());
    }
    memory_ = map->memory({first}, pages, buckets);
    const u64 key = context_.position();
    if (complete && miniFor_ != key) {
        constexpr unsigned kMiniBuckets = 512;
        MapStrip all;
        all.buckets.resize(kMiniBuckets);
        for (unsigned s = 0; s < (hasRmp() ? 1 : strips_.size()); ++s) {
            const MapStrip one = map->strip(columnOf(s), {0}, map->size(), kMiniBuckets, until);
            complete &= one.complete;
            for (unsigned b = 0; b < kMiniBuckets; ++b)
                for (unsigned state = 0; state < kMapStates; ++state)
                    all.buckets[b].pages[state] = std::max(all.buckets[b].pages[state], one.buckets[b].pages[state]);
        }
        mini_ = picture(all, map->size(), miniHeight() - 4);
        miniFor_ = complete ? key : ~u64{0};
    }
    if (!complete)
        more_.start(0);
}

void MapView::paintAxis(QPainter& p, const QRect& at) const {
    const QString widest = address(static_cast<u64>(start_ + span_)) + " = 1023G  ";
    const double apart = std::max(60, fontMetrics().horizontalAdvance(widest) + 14);
    p.setPen(context_.theme().dim);
    for (const MapTick& tick : mapTicks(start_, span_, whole(), at.width(), apart)) {
        const double x = xOf(tick.page);
        p.drawLine(QPointF(x, axisHeight() - 6), QPointF(x, axisHeight()));
        if (x + apart - 10 < width())
            p.drawText(QPointF(x + 3, axisHeight() - 7), QString::fromStdString(tick.label));
    }
}

// Memslots and attributes.
void MapView::paintMemory(QPainter& p, const QRect& first) const {
    const Theme& theme = context_.theme();
    const int top = axisHeight() + 2, height = fontMetrics().height() + 2;
    const double bucket = static_cast<double>(first.width()) / static_cast<double>(std::max<std::size_t>(1, memory_.size()));
    for (std::size_t b = 0; b < memory_.size(); ++b) {
        const MapMemory& m = memory_[b];
        if (!m.slot)
            continue;
        const QRectF at(first.left() + static_cast<double>(b) * bucket, top, bucket + 0.5, height);
        p.fillRect(at, theme.alternate);
        const qreal half = m.isPrivate && m.shared ? 0.5 : 1;
        if (m.isPrivate)
            p.fillRect(QRectF(at.left(), at.top(), at.width(), at.height() * half), theme.of(styleAt(kStylePrivateLeaf)));
        if (m.shared)
            p.fillRect(QRectF(at.left(), at.top() + at.height() * (1 - half), at.width(), at.height() * half),
                       theme.of(styleAt(kStyleSharedLeaf)));
    }
    p.setPen(theme.border);
    p.drawRect(QRect(first.left(), top, first.width() - 1, height));
    p.setPen(theme.dim);
    p.drawText(QRect(8, top, labelWidth() - 12, height), Qt::AlignVCenter | Qt::AlignLeft,
               context_.session()->scenario().machine.hasPrivateMem() ? tr("attributes") : tr("memslots"));
}

void MapView::paintEntries(QPainter& p, unsigned strip, const QRect& at) const {
    const Theme& theme = context_.theme();
    const Column column = columnOf(strip);
    QFont bold = font();
    bold.setBold(true);
    const auto first = static_cast<u64>(start_), last = static_cast<u64>(std::ceil(start_ + span_));
    for (const MapEntry& entry : entriesBetween(*context_.session(), column, first, last)) {
        if (!entry.cell)
            continue;
        const double x0 = std::max<double>(at.left(), xOf(static_cast<double>(entry.gfn.v)));
        const double x1 = std::min<double>(at.right() + 1, xOf(static_cast<double>(entry.end())));
        CellMarks marks;
        const auto& s = context_.selection();
        marks.selected = s && s->column == column && s->gfn == entry.gfn && s->level == entry.level;
        marks.breakpoint = context_.stops().atPlace(entry.cell->place) != nullptr;
        if ((context_.dimmed() >> styleIndexOf(column, *entry.cell) & 1) == 0 || marks.selected)
            paintMapCell(p, QRectF(x0 + 0.5, at.top() + 0.5, x1 - x0 - 1, at.height() - 1), column, *entry.cell, marks, theme, bold,
                         font());
    }
}

// What changed, went away or is in violation, as marks that do not shrink with the range.
void MapView::paintFlags(QPainter& p, const MapStrip& strip, const QRect& at) const {
    const Theme& theme = context_.theme();
    const double first = std::floor(start_);
    const double pages = (std::ceil(start_ + span_) - first) / static_cast<double>(std::max<std::size_t>(1, strip.buckets.size()));
    for (std::size_t b = 0; b < strip.buckets.size(); ++b) {
        QColor ink;
        QString sign;
        switch (flagOf(strip.buckets[b])) {
        case MapFlag::None: continue;
        case MapFlag::Changed: ink = theme.accent, sign = "Δ"; break;
        case MapFlag::Zapped: ink = theme.of(styleAt(kStyleZapped)), sign = "✕"; break;
        case MapFlag::Violation: ink = theme.violation, sign = "!"; break;
        }
        const double x = xOf(first + (static_cast<double>(b) + 0.5) * pages);
        p.setPen(QPen(ink, 2));
        p.drawLine(QPointF(x, at.top()), QPointF(x, at.bottom()));
        const int width = fontMetrics().horizontalAdvance(sign) + 6;
        const QRectF flag(std::min<double>(x + 1, at.right() - width), at.top() + 1, width, fontMetrics().height());
        p.fillRect(flag, theme.base);
        p.drawText(flag, Qt::AlignCenter, sign);
    }
}

void MapView::paintStrip(QPainter& p, unsigned s, const QRect& at) const {
    const Theme& theme = context_.theme();
    QFont bold = font();
    bold.setBold(true);
    p.setPen(theme.text);
    p.setFont(bold);
    p.drawText(QRect(8, at.top(), labelWidth() - 12, at.height()), Qt::AlignVCenter | Qt::AlignLeft, stripName(s));
    p.setFont(font());
    p.save();
    p.setClipRect(at);
    p.fillRect(at, theme.base);
    const double pixelsPerPage = at.width() / span_;
    if (pixelsPerPage >= kSignsFrom && !(hasRmp() && s == 1)) {
        paintEntries(p, s, at);
    } else {
        const double first = std::floor(start_), pages = std::ceil(start_ + span_) - first;
        p.drawImage(QRectF(xOf(first), at.top(), pages * pixelsPerPage, at.height()), strips_[s].picture);
        if (!hasAnything(strips_[s].data)) {
            p.setPen(theme.dim);
            p.drawText(at.adjusted(10, 0, -10, 0), Qt::AlignCenter | Qt::TextWordWrap,
                       tr("nothing is mapped here; a right click lets somebody do something at that address"));
        }
        paintFlags(p, strips_[s].data, at);
        if (const auto& sel = context_.selection(); sel && sel->column == columnOf(s)) {
            const double x0 = xOf(static_cast<double>(sel->gfn.v)), x1 = xOf(static_cast<double>(sel->gfn.v + pagesPer(sel->level)));
            p.setPen(QPen(theme.accent, 2));
            p.setBrush(Qt::NoBrush); // its state stays to be seen
            if (x0 > at.left() || x1 < at.right())
                p.drawRect(QRectF(x0, at.top() + 1, std::max(3.0, x1 - x0), at.height() - 2));
        }
    }
    p.restore();
    p.setPen(theme.border);
    p.drawRect(at.adjusted(-1, -1, 0, 0));
}

void MapView::paintMini(QPainter& p) {
    const Theme& theme = context_.theme();
    const QRect at = miniRect();
    p.drawImage(at.adjusted(0, 2, 0, -2), mini_);
    p.setPen(theme.border);
    p.drawRect(at.adjusted(0, 2, -1, -3));
    const double x0 = at.left() + start_ / whole() * at.width();
    const double w = std::max(3.0, span_ / whole() * at.width());
    QColor veil = theme.window;
    veil.setAlphaF(0.6f);
    p.fillRect(QRectF(at.left(), at.top() + 2, x0 - at.left(), at.height() - 4), veil);
    p.fillRect(QRectF(x0 + w, at.top() + 2, at.right() - x0 - w + 1, at.height() - 4), veil);
    p.setPen(QPen(theme.accent, 2));
    p.drawRect(QRectF(x0, at.top() + 1, w, at.height() - 2));
}

void MapView::paintEvent(QPaintEvent*) {
    const FrameTimes::Timer timer(context_.frameTimes(), "map");
    if (stale_)
        compute();
    QPainter p(this);
    const Theme& theme = context_.theme();
    p.fillRect(rect(), theme.window);
    if (context_.session() == nullptr) {
        p.setPen(theme.dim);
        p.drawText(rect(), Qt::AlignCenter, context_.nothingYet());
        return;
    }
    paintAxis(p, stripRect(0));
    paintMemory(p, stripRect(0));
    for (unsigned s = 0; s < strips_.size(); ++s)
        paintStrip(p, s, stripRect(s));
    paintMini(p);
    p.setPen(theme.dim);
    p.drawText(QRect(8, miniRect().top(), labelWidth() - 12, miniHeight()), Qt::AlignVCenter | Qt::AlignLeft, tr("whole"));
    if (hasFocus()) {
        p.setPen(theme.accent);
        p.drawLine(0, 0, width(), 0);
    }
}

void MapView::wheelEvent(QWheelEvent* event) {
    const double notches = event->angleDelta().y() != 0 ? event->angleDelta().y() / 120.0 : event->angleDelta().x() / 120.0;
    if ((event->modifiers() & Qt::ShiftModifier) != 0)
        pan(-notches * span_ * 0.1);
    else
        zoom(std::pow(1.3, notches), event->position().x());
    event->accept();
}

void MapView::mousePressEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton || context_.session() == nullptr)
        return;
    setFocus();
    grabbed_ = event->position();
    grabbedStart_ = start_;
    dragged_ = false;
    inMini_ = miniRect().adjusted(0, -4, 0, 4).contains(event->pos());
    if (inMini_)
        mouseMoveEvent(event);
}

void MapView::mouseMoveEvent(QMouseEvent* event) {
    if (!grabbed_)
        return;
    if (inMini_) {
        const QRect at = miniRect();
        show((event->position().x() - at.left()) / at.width() * whole() - span_ / 2, span_);
        return;
    }
    const double by = grabbed_->x() - event->position().x();
    constexpr double kDrag = 4;
    dragged_ |= std::abs(by) > kDrag;
    if (dragged_) {
        setCursor(Qt::ClosedHandCursor);
        start_ = grabbedStart_ + by / stripRect(0).width() * span_;
        clamp();
        changed();
    }
}

void MapView::mouseReleaseEvent(QMouseEvent* event) {
    const bool click = grabbed_ && !dragged_ && !inMini_;
    grabbed_.reset();
    unsetCursor();
    if (!click || context_.map() == nullptr)
        return;
    const auto strip = stripAt(event->pos().y());
    if (!strip || (hasRmp() && *strip == 1))
        return;
    const Gfn gfn{pageAt(event->position().x())};
    if (const auto where = context_.session()->entryAt(gfn, columnOf(*strip)))
        context_.select(*where);
}

std::optional<Selection> MapView::selectionAt(const QPoint& at) const {
    const auto strip = stripAt(at.y());
    if (!strip || context_.map() == nullptr || at.x() < stripRect(0).left())
        return std::nullopt;
    const Column column = hasRmp() ? Column::Shared : columnOf(*strip);
    const Gfn gfn{pageAt(at.x())};
    const auto where = context_.session()->entryAt(gfn, column);
    return where && where->level == Level::k4K ? *where : Selection{column, gfn, Level::k4K};
}

void MapView::mouseDoubleClickEvent(QMouseEvent* event) {
    if (!miniRect().contains(event->pos()))
        Q_EMIT tablesWanted();
}

void MapView::keyPressEvent(QKeyEvent* event) {
    const double middle = stripRect(0).center().x();
    constexpr double kStep = 1.5;
    switch (event->key()) {
    case Qt::Key_W:
    case Qt::Key_Up: zoom(kStep, middle); return;
    case Qt::Key_S:
    case Qt::Key_Down: zoom(1 / kStep, middle); return;
    case Qt::Key_A:
    case Qt::Key_Left: pan(-span_ * 0.15); return;
    case Qt::Key_D:
    case Qt::Key_Right: pan(span_ * 0.15); return;
    case Qt::Key_Home: showAll(); return;
    case Qt::Key_F:
        if (const auto& s = context_.selection())
            showPage(s->gfn);
        return;
    case Qt::Key_Return: Q_EMIT tablesWanted(); return;
    default: QWidget::keyPressEvent(event);
    }
}

QString MapView::textAt(const QPoint& at) const {
    if (context_.session() == nullptr || at.x() < stripRect(0).left())
        return {};
    const QRect first = stripRect(0);
    const u64 page = pageAt(at.x());
    const u64 last = std::max(page, static_cast<u64>(std::max(0.0, start_ + (at.x() + 1.0 - first.left()) / first.width() * span_)));
    const u64 pages = std::max<u64>(1, last - page);
    QString text = pages == 1 ? tr("GPA %1").arg(address(page))
                              : tr("GPA %1 and %2").arg(address(page), QString::fromStdString(sizeText(pages << 12)));
    const auto strip = stripAt(at.y());
    if (!strip)
        return text;
    text += "\n" + stripName(*strip);
    const bool rmp = hasRmp() && *strip == 1;
    const MapStrip one =
        rmp ? context_.map()->rmp({page}, pages, 1) : context_.map()->strip(columnOf(*strip), {page}, pages, 1, Clock::now() + kBudget);
    QStringList parts;
    for (unsigned s = 0; s < kMapStates; ++s)
        if (const u32 count = one.buckets[0].pages[s]; count > 0 && s != kStyleNone)
            parts << QString("%1 %2: %3").arg(views::text(styleAt(s).sign), views::text(styleAt(s).name), QLocale().toString(count));
    text += ": " + (parts.isEmpty() ? tr("nothing is mapped") : parts.join(", ") + (pages > 1 ? tr(" pages") : QString()));
    if (pages == 1 && !rmp)
        if (const auto where = context_.session()->entryAt({page}, columnOf(*strip))) {
            const TreeCell cell = context_.session()->cell(where->column, where->gfn, where->level);
            text += "\n" + QString::fromStdString(context_.session()->explain(where->column, cell, where->level));
        }
    return text;
}

bool MapView::event(QEvent* event) {
    if (keepsKey(event, {Qt::Key_W, Qt::Key_A, Qt::Key_S, Qt::Key_D, Qt::Key_F}))
        return true;
    if (event->type() == QEvent::ToolTip) {
        const auto* help = static_cast<QHelpEvent*>(event);
        showHelp(*help, textAt(help->pos()));
        return true;
    }
    if (event->type() == QEvent::Resize || event->type() == QEvent::FontChange)
        changed();
    return QWidget::event(event);
}

} // namespace mirrorscope::views
