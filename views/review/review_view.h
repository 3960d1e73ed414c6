// SPDX-License-Identifier: GPL-3.0-or-later
// The review tables (review/review.h) in a pane: one is computed beside the window, each cell opens the run that shows it, two open side by
// side.
#pragma once

#include "views/context.h"
#include "views/worker.h"

#ifndef Q_MOC_RUN // moc 6.4 cannot parse the concepts of libstdc++
#include "export/review_text.h"
#endif

#include <QWidget>

#include <array>

class QCheckBox;
class QComboBox;
class QLabel;
class QPushButton;
class QTreeWidget;

namespace mirrorscope::views {

class CompareJob;

class ReviewView : public QWidget {
    Q_OBJECT
public:
    ReviewView(Context& context, QWidget* parent = nullptr);
    // Computes that table; what is being computed is given up.
    void compute(ReviewKind kind);
    bool running() const { return worker_.running(); }
    // The table that is shown; null until one was computed.
    const ReviewTable* table() const;

Q_SIGNALS:
    // A cell's scenario, to be opened at that position.
    void scenarioChosen(QString title, QString text, std::optional<u64> at);
    void computed();

private:
    ReviewKind kind() const;
    void showTable();
    void showGrid();
    void explain();
    void openCell();
    void openTwo();
    std::vector<const ReviewCell*> chosen() const;

    Context& context_;
    QComboBox* kinds_;
    QCheckBox* own_;
    QPushButton* compute_;
    QComboBox* parts_;
    QLabel* state_;
    QTreeWidget* list_;
    QLabel* detail_;
    QPushButton* open_;
    QPushButton* beside_;
    CompareJob* compare_;
    std::array<std::shared_ptr<const ReviewTable>, kReviewKinds> tables_;
    std::array<QString, kReviewKinds> of_; // the scenario that each is of; empty: of the built-in set
    std::vector<ReviewGrid> grids_;        // of the table that is shown
    Worker worker_;
};

} // namespace mirrorscope::views
