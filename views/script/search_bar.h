// SPDX-License-Identifier: GPL-3.0-or-later
// Below the script: a line to find in it, and one to replace by.
#pragma once

#include <QWidget>

class QLabel;
class QLineEdit;
class QPushButton;

namespace mirrorscope::views {

class SearchBar : public QWidget {
    Q_OBJECT
public:
    explicit SearchBar(QWidget* parent = nullptr);
    // `text`: what to begin with; empty: what was looked for last.
    void open(const QString& text, bool replace);
    QString text() const;
    QString replacement() const;
    void tell(const QString& text);

Q_SIGNALS:
    void typed(); // what is looked for has changed
    void findWanted(bool back);
    void replaceWanted(bool all);
    void closed();

protected:
    void keyPressEvent(QKeyEvent* event) override;

private:
    QLineEdit* find_;
    QLineEdit* replace_;
    QLabel* told_;
    QWidget* replacing_;
};

} // namespace mirrorscope::views
