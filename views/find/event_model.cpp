// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/find/event_model.h"

#include "views/text.h"

#include <algorithm>

namespace mirrorscope::views {

void EventModel::showAll(u64 around) {
    beginResetModel();
    all_ = true;
    const u64 end = context_.session() == nullptr ? 0 : context_.session()->end();
    base_ = end <= kWindow ? 0 : std::min(around > kWindow / 2 ? around - kWindow / 2 : 0, end - kWindow);
    found_.clear();
    made_.clear();
    endResetModel();
}

void EventModel::showFound() {
    beginResetModel();
    all_ = false;
    found_.clear();
    made_.clear();
    endResetModel();
}

void EventModel::add(std::vector<FoundEvent> found) {
    if (found.empty())
        return;
    const auto first = static_cast<int>(found_.size());
    beginInsertRows({}, first, first + static_cast<int>(found.size()) - 1);
    std::move(found.begin(), found.end(), std::back_inserter(found_));
    endInsertRows();
}

int EventModel::rowCount(const QModelIndex& parent) const {
    if (parent.isValid() || context_.session() == nullptr)
        return 0;
    return all_ ? static_cast<int>(std::min(context_.session()->end() - base_, kWindow)) : static_cast<int>(found_.size());
}

u64 EventModel::stepOf(int row) const { return all_ ? base_ + static_cast<u64>(row) : found_[static_cast<std::size_t>(row)].n; }

bool EventModel::has(u64 position) const {
    return !all_ || (position >= base_ && position <= base_ + static_cast<u64>(rowCount()) && (position > base_ || base_ == 0));
}

int EventModel::rowBefore(u64 position) const {
    if (all_)
        return static_cast<int>(std::min<u64>(position - std::min(position, base_), static_cast<u64>(rowCount()))) - 1;
    const auto after = std::lower_bound(found_.begin(), found_.end(), position, [](const FoundEvent& e, u64 p) { return e.n < p; });
    return static_cast<int>(after - found_.begin()) - 1;
}

FoundEvent EventModel::eventAt(int row) const {
    if (!all_)
        return found_[static_cast<std::size_t>(row)];
    constexpr std::size_t kKept = 4096;
    const u64 n = stepOf(row);
    if (const auto made = made_.find(n); made != made_.end())
        return made->second;
    if (made_.size() >= kKept)
        made_.clear();
    return made_.emplace(n, context_.session()->eventAt(n)).first->second;
}

QVariant EventModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid() || index.row() >= rowCount())
        return {};
    if (role == Qt::TextAlignmentRole && index.column() == Position)
        return static_cast<int>(Qt::AlignRight | Qt::AlignVCenter);
    if (role != Qt::DisplayRole && role != Qt::ToolTipRole)
        return {};
    const FoundEvent e = eventAt(index.row());
    switch (index.column()) {
    case Position: return QString::number(e.n + 1);
    case Actor: return QString::fromStdString(e.actor);
    case Site:
        if (role == Qt::ToolTipRole)
            if (const auto site = siteFromName(e.site))
                return text(info(*site).help);
        return QString::fromStdString(e.site);
    case Function: return QString::fromStdString(e.function);
    case What: return QString::fromStdString(e.what);
    }
    return {};
}

QVariant EventModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole)
        return {};
    const bool recorded = context_.isRecording();
    const QString names[] = {tr("position"), tr("who"), recorded ? tr("event") : tr("site"), recorded ? tr("line") : tr("function"),
                             tr("what")};
    return names[section];
}

} // namespace mirrorscope::views
