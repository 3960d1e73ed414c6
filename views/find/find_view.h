// SPDX-License-Identifier: GPL-3.0-or-later
// The micro-steps of the run in columns: all, or those that fit a filter of words, found in slices beside the user.
#pragma once

#include "views/context.h"

#include <QTimer>
#include <QWidget>

class QLabel;
class QLineEdit;
class QTreeView;

namespace mirrorscope::views {

class EventModel;

class FindView : public QWidget {
    Q_OBJECT
public:
    explicit FindView(Context& context, QWidget* parent = nullptr);
    void focusFilter();
    void find(const QString& filter);
    bool searching() const { return slice_.isActive(); }
    std::size_t found() const;
    QString asText() const;

Q_SIGNALS:
    void finished();
    // A menu for that micro-step.
    void menuWanted(QPoint at, mirrorscope::u64 n);

protected:
    void showEvent(QShowEvent* event) override;

private:
    void restart();
    void more();
    void markNow();
    void fit();
    Context& context_;
    QLineEdit* filter_;
    QLabel* status_;
    QTreeView* list_;
    EventModel* model_;
    QTimer slice_;
    EventFilter parsed_;
    u64 next_ = 0;
};

} // namespace mirrorscope::views
