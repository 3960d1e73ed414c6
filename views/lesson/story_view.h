// SPDX-License-Identifier: GPL-3.0-or-later
// What the scenario says of itself: its `about`, and the note that is in force at the position.
#pragma once

#include "views/context.h"

#include <QWidget>

class QLabel;
class QTextBrowser;

namespace mirrorscope::views {

class StoryView : public QWidget {
    Q_OBJECT
public:
    explicit StoryView(Context& context, QWidget* parent = nullptr);

private:
    void load();
    void showNote();
    void openLink(const QString& link);
    Context& context_;
    QLabel* note_;
    QTextBrowser* about_;
};

} // namespace mirrorscope::views
