// SPDX-License-Identifier: GPL-3.0-or-later
// What each SEAMCALL says on each entry state: a table from which a cell opens as a scenario.
#pragma once

#include "views/context.h"

#ifndef Q_MOC_RUN // moc 6.4 cannot parse the concepts of libstdc++
#include "tdx/matrix/matrix.h"
#endif

#include <QDialog>

#include <vector>

class QComboBox;
class QLabel;
class QTableWidget;

namespace mirrorscope::views {

class MatrixView : public QDialog {
    Q_OBJECT
public:
    explicit MatrixView(Context& context, QWidget* parent = nullptr);
    void choose(const QString& leaf);

Q_SIGNALS:
    // The user opened a cell.
    void scenarioChosen(QString title, QString text);

private:
    void fill(Leaf leaf);
    const MatrixCell* cellAt(int row, int column) const;
    void describe(int row, int column);
    void openCell(int row, int column);

    Context& context_;
    std::vector<MatrixCell> cells_;
    std::vector<std::vector<const MatrixCell*>> grid_;
    QComboBox* leaf_;
    QTableWidget* table_;
    QLabel* what_;
};

} // namespace mirrorscope::views
