// SPDX-License-Identifier: GPL-3.0-or-later
// The micro-steps of the run that fit a filter of words, found in slices beside the user.
#pragma once

#include "views/context.h"

#include <QTimer>
#include <QWidget>

class QLabel;
class QLineEdit;
class QTreeWidget;

namespace mirrorscope::views {

class FindView : public QWidget {
    Q_OBJECT
public:
    explicit FindView(Context& context, QWidget* parent = nullptr);
    void focusFilter();
    void find(const QString& filter);
    bool searching() const { return slice_.isActive(); }
    std::size_t found() const { return found_.size(); }
    QString asText() const;

Q_SIGNALS:
    void finished();

private:
    void restart();
    void more();
    void markNow();
    Context& context_;
    QLineEdit* filter_;
    QLabel* status_;
    QTreeWidget* list_;
    QTimer slice_;
    EventFilter parsed_;
    std::vector<FoundEvent> found_;
    u64 next_ = 0;
};

} // namespace mirrorscope::views
