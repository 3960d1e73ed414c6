// SPDX-License-Identifier: GPL-3.0-or-later
// A question of the script, to be answered before the run goes on: what one predicts is kept, and the run says what is right. In the
// presentation each click is one more hand of the audience, and nothing is kept.
#pragma once

#include "views/context.h"

#include <QFrame>

#include <map>
#include <vector>

class QGridLayout;
class QLabel;
class QPushButton;
class QRadioButton;

namespace mirrorscope::views {

class QuestionBox : public QFrame {
    Q_OBJECT
public:
    explicit QuestionBox(Context& context, QWidget* parent = nullptr);
    // How many of the questions were predicted, and how many of these rightly, as far as the position shows.
    struct Score {
        unsigned predicted = 0, right = 0, asked = 0;
    };
    Score score() const;

Q_SIGNALS:
    void predicted();
    void changed(); // its height may be another

private:
    void load();
    // The question that is on the screen; null if there is none, or what it was asked with is not read yet.
    const Question* present() const;
    bool loaded() const;
    void refresh();
    void fill(const Question& question);
    void addRow();
    void choose(std::size_t choice);
    bool eventFilter(QObject* object, QEvent* event) override;
    // By what is asked: a script that is edited elsewhere, or saved under another name, keeps what was said.
    const QString& key(const Question& question) const;
    // The choice that was made; -1 if none was.
    int prediction(const Question& question) const;
    QString verdict(const Question& question) const;

    Context& context_;
    QLabel* before_; // the verdict on the question that was answered where this one is asked
    QLabel* asks_;
    QWidget* choices_;
    QGridLayout* list_;
    QLabel* says_;
    QPushButton* hint_;
    QPushButton* back_; // to where it was asked
    // A button has no text that wraps: the words stand beside it, and can be clicked as well.
    struct Row {
        QRadioButton* button;
        QLabel* text;
    };
    std::vector<Row> rows_;
    std::vector<QString> keys_; // of each question of the session
    std::map<QString, int> predictions_;
    std::map<QString, std::vector<unsigned>> hands_; // of an audience
    QString hinted_;                                 // the question whose hint is shown
};

} // namespace mirrorscope::views
