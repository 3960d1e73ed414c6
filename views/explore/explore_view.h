// SPDX-License-Identifier: GPL-3.0-or-later
// Every interleaving, from the window: start and watch a search, open what it found, compare one order with another; and who could take the
// next micro-step here.
#pragma once

#include "views/context.h"
#include "views/explore/explore_job.h"

#ifndef Q_MOC_RUN
#include "contrast/ends.h"
#endif

#include <QWidget>

#include <optional>

class QCheckBox;
class QComboBox;
class QLabel;
class QProgressBar;
class QPushButton;
class QTreeWidget;
class QTimer;
class QTreeWidgetItem;

namespace mirrorscope::views {

class ExploreView : public QWidget {
    Q_OBJECT
public:
    explicit ExploreView(Context& context, QWidget* parent = nullptr);

    // Searches the scenario that is open; while a search runs, ends it.
    void startOrCancel();
    bool running() const { return job_.running(); }
    const ExploreJob& job() const { return job_; }
    // The ends told apart; empty until that was found out.
    const EndTable& ends() const { return ends_; }
    // Opens a row of that table.
    void openEnd(std::size_t row);
    // The scenario in the order of that row.
    Scenario scenarioOfEnd(std::size_t row) const;

Q_SIGNALS:
    void endsChanged();
    // A scenario with one order of its races, to be opened at a position; none: at the violation, or at the end.
    void orderChosen(QString title, QString text, std::optional<mirrorscope::u64> at);

protected:
    void showEvent(QShowEvent* event) override;

private:
    struct Found {
        QString title;
        bool violation = false;
        ExploreFinding finding;         // of a final state: the rule is empty
        std::optional<std::size_t> row; // of the table of ends
    };
    void showProgress();
    void showFound();
    void tellEndsApart();
    void addFound();
    void showChoices();
    // `whole`: the order as it was found, else a violation's shortened.
    void load(const Found& found, bool whole = false);
    void compare();
    void take(const QTreeWidgetItem* item);
    const Found* selected() const;
    // The order of a row that ended without a violation, to compare with.
    const Schedule* passing() const;
    void sessionChanged();

    Context& context_;
    ExploreJob job_;
    Worker apart_; // looks into what the ends differ in
    EndTable ends_;
    std::vector<Found> found_;
    QString ownTitle_; // of the order that was opened from here
    enum class Opened : u8 { Nothing, Violation, End };
    Opened opened_ = Opened::Nothing;                        // what is being opened from here
    std::optional<std::pair<Schedule, Schedule>> comparing_; // once it is open: where the first parts from the second, a passing one
    QPushButton* start_;
    QComboBox* mode_;
    QCheckBox* all_;
    QProgressBar* busy_;
    QLabel* status_;
    QTreeWidget* list_;
    QPushButton* open_;
    QPushButton* compare_;
    QLabel* choicesTitle_;
    QTreeWidget* choices_;
    QTimer* later_;
};

} // namespace mirrorscope::views
