// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/charts/charts_view.h"

#include "cost/run_cost.h"
#include "export/export.h"
#include "views/text.h"

#include <QBarCategoryAxis>
#include <QBarSet>
#include <QChart>
#include <QChartView>
#include <QComboBox>
#include <QFileDialog>
#include <QFileInfo>
#include <QGraphicsLayout>
#include <QGraphicsLineItem>
#include <QHBoxLayout>
#include <QLabel>
#include <QLegend>
#include <QLegendMarker>
#include <QLocale>
#include <QMenu>
#include <QProgressBar>
#include <QPushButton>
#include <QSaveFile>
#include <QStackedBarSeries>
#include <QSvgGenerator>
#include <QToolTip>
#include <QVBoxLayout>
#include <QValueAxis>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace mirrorscope::views {

namespace {
// What each row comes to, and which it is.
std::vector<std::pair<double, std::size_t>> largestFirst(const std::vector<Series>& list) {
    std::vector<std::pair<double, std::size_t>> sums;
    for (std::size_t s = 0; s < list.size(); ++s)
        sums.emplace_back(std::accumulate(list[s].values.begin(), list[s].values.end(), 0.0), s);
    std::stable_sort(sums.begin(), sums.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    return sums;
}

constexpr unsigned kParts = 120;

// 1, 2 or 5 times a power of ten, at least 1: as far apart as that or a little more.
double roundStep(double apart) {
    const double power = std::pow(10.0, std::floor(std::log10(std::max(1.0, apart))));
    for (const double times : {1.0, 2.0, 5.0})
        if (apart <= times * power)
            return times * power;
    return 10 * power;
}

// What went wrong; empty if nothing did.
QString written(const QString& file, const std::string& content) {
    try {
        writeFile(file.toStdString(), content);
    } catch (const std::exception& error) {
        return text(error.what());
    }
    return {};
}
} // namespace

ChartsView::ChartsView(Context& context, QWidget* parent)
    : QWidget(parent), context_(context), what_(new QComboBox(this)), costsButton_(new QPushButton(tr("Costs"), this)),
      busy_(new QProgressBar(this)), empty_(new QLabel(this)), view_(new QChartView(this)), line_(new QGraphicsLineItem) {
    setObjectName("charts");
    what_->setObjectName("charts-what");
    what_->setAccessibleName(tr("What the chart shows"));
    view_->setAccessibleName(tr("Chart over the run"));
    for (unsigned s = 0; s < kStatistics; ++s)
        what_->addItem(text(name(static_cast<Statistic>(s))));
    busy_->setMaximumHeight(4);
    busy_->setTextVisible(false);
    busy_->setRange(0, 100);
    empty_->setAlignment(Qt::AlignCenter);
    empty_->setWordWrap(true);
    empty_->setTextFormat(Qt::PlainText);
    auto* save = new QPushButton(tr("Save…"), this);
    save->setToolTip(tr("as PNG, SVG or CSV"));
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(6, 6, 6, 4);
    auto* row = new QHBoxLayout;
    row->addWidget(what_, 1);
    row->addWidget(costsButton_);
    row->addWidget(save);
    layout->addLayout(row);
    layout->addWidget(busy_);
    layout->addWidget(view_, 1);
    layout->addWidget(empty_);
    view_->setFrameShape(QFrame::NoFrame);
    view_->chart()->setMargins({0, 0, 0, 0});
    view_->chart()->legend()->setAlignment(Qt::AlignRight);
    view_->chart()->scene()->addItem(line_);
    constexpr qreal kAbove = 20;
    line_->setZValue(kAbove);
    slice_.setSingleShot(true);
    connect(&slice_, &QTimer::timeout, this, &ChartsView::countMore);
    connect(what_, &QComboBox::currentIndexChanged, this, [this](int) { draw(); });
    connect(&context_, &Context::sessionChanged, this, [this] {
        statistics_.reset();
        if (isVisible())
            restart();
    });
    connect(&context_, &Context::positionChanged, this, &ChartsView::placeLine);
    addCostsMenu();
    connect(&context_, &Context::themeChanged, this, [this] {
        if (statistics_)
            draw();
    });
    connect(save, &QPushButton::clicked, this, [this] {
        const QString file =
            QFileDialog::getSaveFileName(this, tr("Save the chart"), "chart.svg", tr("Pictures and tables (*.svg *.png *.csv)"));
        if (file.isEmpty())
            return;
        tell(exportTo(file), tr("Saved %1.").arg(file));
    });
}

void ChartsView::addCostsMenu() {
    costsButton_->setObjectName("charts-costs");
    costsButton_->setToolTip(tr("what an exit, a SEAMCALL or a flush takes: the table that the time is predicted by"));
    costsButton_->hide();
    auto* menu = new QMenu(costsButton_);
    costsButton_->setMenu(menu);
    const QString tables = tr("Tables of costs (*.yaml *.yml)");
    menu->addAction(tr("Use another table…"), this, [this, tables] {
        const QString file = QFileDialog::getOpenFileName(this, tr("Use a table of costs"), {}, tables);
        if (file.isEmpty())
            return;
        tell(useCosts(file), tr("The time is predicted by %1.").arg(file));
    });
    menu->addAction(tr("Save this table, to edit it…"), this, [this, tables] {
        const QString file = QFileDialog::getSaveFileName(this, tr("Save the table of costs"), "costs.yaml", tables);
        if (file.isEmpty())
            return;
        tell(saveCosts(file), tr("Saved %1.").arg(file));
    });
    QAction* usual = menu->addAction(tr("Use the default table"), this, [this] { useCosts({}); });
    connect(menu, &QMenu::aboutToShow, this, [this, usual] { usual->setEnabled(!costsFile_.isEmpty()); });
}

QString ChartsView::useCosts(const QString& file) {
    try {
        costs_ = file.isEmpty() ? CostTable() : CostTable::read(file.toStdString());
    } catch (const std::exception& error) {
        return text(error.what());
    }
    costsFile_ = file.isEmpty() ? file : QFileInfo(file).absoluteFilePath();
    if (statistics_)
        restart();
    return {};
}

QString ChartsView::saveCosts(const QString& file) const { return written(file, costs_.yaml()); }

void ChartsView::showEvent(QShowEvent*) {
    if (!statistics_ && context_.session() != nullptr)
        restart();
}

void ChartsView::resizeEvent(QResizeEvent*) { QTimer::singleShot(0, this, &ChartsView::afterLayout); }

void ChartsView::choose(Statistic statistic) { what_->setCurrentIndex(static_cast<int>(statistic)); }

void ChartsView::restart() {
    // What a kernel did that was recorded took what its lines say, and no prediction.
    statistics_ = std::make_unique<Statistics>(*context_.session(), *context_.map(), kParts,
                                               context_.isRecording() ? nullptr : std::make_unique<RunCosts>(*context_.session(), costs_));
    busy_->show();
    slice_.start(0);
}

void ChartsView::countMore() {
    if (!statistics_ || context_.session() == nullptr)
        return;
    const bool done = statistics_->advance(std::chrono::steady_clock::now() + kGuiSlice);
    busy_->setValue(static_cast<int>(statistics_->progress() * 100));
    if (!done) {
        slice_.start(0);
        return;
    }
    busy_->hide();
    draw();
    Q_EMIT completed();
}

void ChartsView::draw() {
    QChart* chart = view_->chart();
    chart->removeAllSeries();
    for (QAbstractAxis* axis : chart->axes()) {
        chart->removeAxis(axis);
        delete axis;
    }
    if (!statistics_ || !statistics_->complete())
        return;
    const Theme& theme = context_.theme();
    chart->setBackgroundBrush(theme.base);
    chart->setPlotAreaBackgroundVisible(false);
    chart->legend()->setLabelColor(theme.text);
    view_->setBackgroundBrush(theme.base);
    const auto statistic = static_cast<Statistic>(what_->currentIndex());
    const auto& list = statistics_->series(statistic);
    costsButton_->setVisible(statistic == Statistic::Time && !context_.isRecording());
    empty_->setText(noteOf(statistic));
    empty_->setVisible(!empty_->text().isEmpty());
    auto* bars = new QStackedBarSeries(chart);
    bars->setBarWidth(1);
    std::vector<double> sums(statistics_->parts(), 0);
    for (std::size_t s = 0; s < list.size(); ++s) {
        auto* set = new QBarSet(text(list[s].name));
        const QColor colour(QString::fromStdString(theme.dark ? list[s].dark : list[s].light));
        set->setColor(colour);
        set->setBorderColor(colour);
        for (unsigned p = 0; p < statistics_->parts(); ++p) {
            *set << list[s].values[p];
            sums[p] += list[s].values[p];
        }
        bars->append(set);
        connect(set, &QBarSet::clicked, this, [this, s](int part) { follow(s, static_cast<unsigned>(part)); });
        connect(set, &QBarSet::hovered, this, [this, s, statistic](bool inside, int part) {
            if (!inside || !statistics_ || s >= statistics_->series(statistic).size()) {
                QToolTip::hideText();
                return;
            }
            const Series& series = statistics_->series(statistic)[s];
            QToolTip::showText(QCursor::pos(),
                               tr("%1: %2\nfrom position %3\nA click goes there.")
                                   .arg(text(series.name), QLocale().toString(series.values[static_cast<std::size_t>(part)]))
                                   .arg(series.first[static_cast<std::size_t>(part)]));
        });
    }
    chart->addSeries(bars);
    auto* across = new QValueAxis(chart);
    across->setRange(0, static_cast<double>(std::max<u64>(1, context_.session()->end())));
    across->setLabelFormat("%d");
    across->setTickType(QValueAxis::TicksDynamic);
    across->setTickInterval(roundStep(across->max() / 6));
    auto* up = new QValueAxis(chart);
    const double top = sums.empty() ? 1 : *std::max_element(sums.begin(), sums.end());
    up->setRange(0, std::max(1.0, top));
    up->setLabelFormat("%d");
    up->setTickType(QValueAxis::TicksDynamic);
    up->setTickInterval(roundStep(up->max() / 3));
    for (QValueAxis* axis : {across, up}) {
        QFont small = font();
        small.setPointSizeF(small.pointSizeF() * 0.85);
        axis->setLabelsFont(small);
        axis->setLabelsColor(theme.text);
        axis->setTitleBrush(theme.dim);
        axis->setGridLineColor(theme.border);
        axis->setLinePenColor(theme.border);
    }
    // The bars count in parts; the axis that is seen counts in micro-steps.
    auto* parts = new QValueAxis(chart);
    parts->setRange(-0.5, statistics_->parts() - 0.5);
    parts->setVisible(false);
    chart->addAxis(parts, Qt::AlignTop);
    chart->addAxis(across, Qt::AlignBottom);
    chart->addAxis(up, Qt::AlignLeft);
    bars->attachAxis(parts);
    bars->attachAxis(up);
    QTimer::singleShot(0, this, &ChartsView::afterLayout);
}

// What stands below the chart; where it is empty, why.
QString ChartsView::noteOf(Statistic statistic) const {
    const auto& list = statistics_->series(statistic);
    if (statistic == Statistic::Time && context_.isRecording())
        return tr("Nothing is predicted of a recording: its lines tell the time.");
    if (list.empty())
        return tr("Nothing of that happened in this run.");
    if (statistic != Statistic::Time)
        return {};
    const auto sums = largestFirst(list);
    double all = 0;
    for (const auto& [sum, s] : sums)
        all += sum;
    constexpr std::size_t kNamed = 3;
    constexpr double kPercent = 100;
    QStringList most;
    for (std::size_t i = 0; i < std::min(kNamed, sums.size()); ++i)
        most << tr("%1 %2 %").arg(text(list[sums[i].second].name)).arg(qRound(sums[i].first * kPercent / all));
    const QString table = costsFile_.isEmpty() ? tr("the table of `mirrorscope cost`") : QFileInfo(costsFile_).fileName();
    return tr("%1 µs if one CPU does all of it, by %2: %3").arg(QLocale().toString(all, 'f', 1), table, most.join(", "));
}

void ChartsView::placeLine() {
    const Session* session = context_.session();
    if (session == nullptr || session->end() == 0)
        return;
    const QRectF at = view_->chart()->plotArea();
    const double x = at.left() + static_cast<double>(session->position()) / static_cast<double>(session->end()) * at.width();
    line_->setPen(QPen(context_.theme().accent, 2));
    line_->setLine(x, at.top(), x, at.bottom());
}

void ChartsView::afterLayout() {
    fitLegend();
    QTimer::singleShot(0, this, &ChartsView::placeLine); // the plot is as wide as the legend lets it be
}

void ChartsView::fitLegend() {
    if (!statistics_ || !statistics_->complete())
        return;
    const QLegend* legend = view_->chart()->legend();
    const QList<QLegendMarker*> markers = legend->markers();
    const auto& list = statistics_->series(static_cast<Statistic>(what_->currentIndex()));
    if (static_cast<std::size_t>(markers.size()) != list.size())
        return;
    constexpr double kBetween = 6, kMargins = 24;
    const double room = (view_->height() - kMargins) / (QFontMetricsF(legend->font()).height() + kBetween);
    const auto rows = static_cast<std::size_t>(std::max(1.0, room));
    const auto sums = largestFirst(list);
    std::vector<bool> named(list.size());
    for (std::size_t k = 0; k < std::min(rows, sums.size()); ++k)
        named[sums[k].second] = true;
    qsizetype last = 0;
    for (qsizetype m = 0; m < markers.size(); ++m) {
        const auto s = static_cast<std::size_t>(m);
        markers[m]->setVisible(named[s]);
        markers[m]->setLabel(text(list[s].name));
        last = named[s] ? m : last;
    }
    if (rows < list.size())
        markers[last]->setLabel(tr("%1  (+%2 smaller)").arg(markers[last]->label()).arg(list.size() - rows));
    view_->chart()->legend()->layout()->invalidate();
    view_->chart()->layout()->invalidate();
}

QStringList ChartsView::named() const {
    QStringList names;
    for (const QLegendMarker* marker : view_->chart()->legend()->markers())
        if (marker->isVisible())
            names << marker->label();
    return names;
}

bool ChartsView::follow(std::size_t series, unsigned part) {
    if (!statistics_ || !statistics_->complete())
        return false;
    const auto& list = statistics_->series(static_cast<Statistic>(what_->currentIndex()));
    if (series >= list.size() || part >= statistics_->parts() || list[series].first[part] == ~u64{0})
        return false;
    context_.goTo(list[series].first[part]);
    return true;
}

QString ChartsView::exportTo(const QString& file) const {
    if (!statistics_ || !statistics_->complete())
        return tr("The chart is still being counted.");
    if (file.endsWith(".csv"))
        return written(file, statistics_->csv(static_cast<Statistic>(what_->currentIndex())));
    QSaveFile out(file);
    if (!out.open(QIODevice::WriteOnly))
        return tr("%1 cannot be written.").arg(file);
    if (file.endsWith(".svg")) {
        QSvgGenerator svg;
        svg.setOutputDevice(&out);
        svg.setSize(view_->size());
        svg.setViewBox(view_->rect());
        svg.setTitle(what_->currentText());
        QPainter painter(&svg);
        view_->render(&painter);
    } else if (!const_cast<QChartView*>(view_)->grab().save(&out, "PNG")) { // grab() is no const function
        return tr("%1 cannot be written.").arg(file);
    }
    return out.commit() ? QString() : tr("%1 cannot be written.").arg(file);
}

} // namespace mirrorscope::views
