// SPDX-License-Identifier: GPL-3.0-or-later
// Micro-steps as rows of a table: all of the run, or those that a filter found. Only rows that are looked at are made.
#pragma once

#include "views/context.h"

#include <QAbstractTableModel>

#include <unordered_map>

namespace mirrorscope::views {

class EventModel : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column { Position, Actor, Site, Function, What, Columns_ };
    explicit EventModel(Context& context, QObject* parent = nullptr) : QAbstractTableModel(parent), context_(context) {}

    void showAll();
    void showFound(); // none yet
    void add(std::vector<FoundEvent> found);
    bool all() const { return all_; }
    u64 stepOf(int row) const;
    // The row of the last micro-step before a position; -1 if there is none.
    int rowBefore(u64 position) const;
    FoundEvent event(int row) const;

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex&) const override { return Columns_; }
    QVariant data(const QModelIndex& index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    Context& context_;
    bool all_ = true;
    std::vector<FoundEvent> found_;
    mutable std::unordered_map<u64, FoundEvent> made_;
};

} // namespace mirrorscope::views
