// SPDX-License-Identifier: GPL-3.0-or-later
// Charts over the run: a bar for each part of it, stacked. A click on a bar goes to the micro-step that it begins with.
#pragma once

#ifndef Q_MOC_RUN // moc 6.4 cannot parse the concepts of libstdc++
#include "cost/cost_table.h"
#include "session/statistics.h"
#endif
#include "views/context.h"

#include <QTimer>
#include <QWidget>

#include <memory>

class QComboBox;
class QGraphicsLineItem;
class QLabel;
class QProgressBar;
class QPushButton;
class QChart;
class QChartView;

namespace mirrorscope::views {

class ChartsView : public QWidget {
    Q_OBJECT
public:
    explicit ChartsView(Context& context, QWidget* parent = nullptr);
    void choose(Statistic statistic);
    // What is counted so far; null before it was shown for the first time.
    const Statistics* statistics() const { return statistics_.get(); }
    // What the legend names: all, or the largest, of which the last says how many more there are.
    QStringList named() const;
    // Goes where a bar leads; false if it is empty.
    bool follow(std::size_t series, unsigned part);
    // PNG, SVG or CSV by the name. What went wrong; empty if nothing did.
    QString exportTo(const QString& file) const;
    // The chart of time by the table in that file from now on; by the default one where none is named. What went wrong; empty if nothing
    // did.
    QString useCosts(const QString& file);
    const QString& costsFile() const { return costsFile_; } // empty: the default table
    // The present table, to be edited and used. What went wrong; empty if nothing did.
    QString saveCosts(const QString& file) const;

Q_SIGNALS:
    void completed();
    void said(const QString& text);

protected:
    void showEvent(QShowEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;

private:
    void restart();
    void countMore();
    void draw();
    void placeLine();
    // Of more rows than there is room for the legend names the largest, and says how many it leaves out.
    void fitLegend();
    void afterLayout();
    QString noteOf(Statistic statistic) const;
    void addCostsMenu();
    void tell(const QString& wrong, const QString& done) { Q_EMIT said(wrong.isEmpty() ? done : wrong); }

    Context& context_;
    std::unique_ptr<Statistics> statistics_;
    CostTable costs_;
    QString costsFile_;
    QComboBox* what_;
    QPushButton* costsButton_;
    QProgressBar* busy_;
    QLabel* empty_;
    QChartView* view_;
    QGraphicsLineItem* line_;
    QTimer slice_;
};

} // namespace mirrorscope::views
