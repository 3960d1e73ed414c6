// SPDX-License-Identifier: GPL-3.0-or-later
// Micro-steps as rows of a table: those of the run around a position, or those that a filter found. Only rows that are looked at are made;
// a view keeps something for each row that there is, so of a long run there are not all.
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

    // Of the whole run, at most kWindow around that position.
    static constexpr u64 kWindow = 20'000;
    void showAll(u64 around);
    // Are the micro-steps at that position among them?
    bool has(u64 position) const;
    u64 first() const { return base_; }
    void showFound(); // none yet
    void add(std::vector<FoundEvent> found);
    bool all() const { return all_; }
    u64 stepOf(int row) const;
    // The row of the last micro-step before a position; -1 if there is none.
    int rowBefore(u64 position) const;
    FoundEvent eventAt(int row) const;

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex&) const override { return Columns_; }
    QVariant data(const QModelIndex& index, int role) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    Context& context_;
    bool all_ = true;
    u64 base_ = 0; // of all: the micro-step of row 0
    std::vector<FoundEvent> found_;
    mutable std::unordered_map<u64, FoundEvent> made_;
};

} // namespace mirrorscope::views
