// SPDX-License-Identifier: GPL-3.0-or-later
// One thing as a whole: an entry with its bits, twins and links, a table page, a frame, an actor with its call stack, the TD, a lock; and
// its history, where a click goes to the micro-step.
#pragma once

#include "views/context.h"

#include <QWidget>

#include <tuple>

class QLabel;
class QTreeWidget;
class QTreeWidgetItem;

namespace mirrorscope::views {

class InspectorView : public QWidget {
    Q_OBJECT
public:
    explicit InspectorView(Context& context, QWidget* parent = nullptr);

    // Goes to the next or previous change of the selected entry, or to its last writer. False if there is none.
    bool goToChange(int direction);
    bool goToWriter();
    QString asText() const;

Q_SIGNALS:
    // A menu for that micro-step.
    void menuWanted(QPoint at, mirrorscope::u64 n);

private:
    void refresh();
    void showEntry();
    void showTable(Pfn pfn);
    void showFrame(Pfn pfn);
    void showActor(unsigned actor);
    void showTd();
    void showLock(unsigned lock);
    void showHistory(Place place, Column column, Level level);
    void markNow();
    // A row of the upper list; `link` makes it lead somewhere.
    QTreeWidgetItem* row(const QString& what, const QString& value, const QString& meaning = {}, const QString& link = {});
    void columns(const QStringList& upper, const QStringList& lower, const QString& heading);
    void act(const QTreeWidgetItem* item);
    std::optional<Place> selectedPlace() const;
    const std::vector<HistoryEntry>& entries();

    Context& context_;
    QLabel* title_;
    QLabel* twins_;
    QLabel* raw_;
    QLabel* links_;
    QTreeWidget* fields_;
    QLabel* heading_;
    QTreeWidget* history_;
    std::vector<HistoryEntry> entries_; // of `place_`, oldest first
    std::optional<u64> place_;
    bool entriesWanted_ = true;
    // What the upper list shows bit by bit: it is filled anew only when that is another.
    std::optional<std::tuple<Column, u64, Level, u64, bool>> fieldsOf_;
    std::size_t shownFrom_ = 0, shownTo_ = 0; // of entries_
};

} // namespace mirrorscope::views
