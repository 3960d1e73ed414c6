// SPDX-License-Identifier: GPL-3.0-or-later
// What the scenario is about, and what the script says of this moment. Of a lesson: where it stands in the course.
#pragma once

#include "views/context.h"

#include <QWidget>

class QLabel;
class QPushButton;
class QScrollArea;
class QTextBrowser;

namespace mirrorscope::views {

class QuestionBox;

class StoryView : public QWidget {
    Q_OBJECT
public:
    explicit StoryView(Context& context, QWidget* parent = nullptr);

Q_SIGNALS:
    void linkWanted(QString link);

private:
    void load();
    void showNote();
    void showCourse();
    void showScore();
    void fit();
    void resizeEvent(QResizeEvent* event) override;
    bool eventFilter(QObject* object, QEvent* event) override;
    Context& context_;
    QLabel* note_;
    QuestionBox* question_;
    QScrollArea* said_; // the note and the question of the moment
    QTextBrowser* about_;
    QWidget* course_;
    QPushButton* previous_;
    QPushButton* next_;
    QLabel* where_;
    QString previousFile_, nextFile_, place_;
};

} // namespace mirrorscope::views
