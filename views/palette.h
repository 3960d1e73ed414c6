// SPDX-License-Identifier: GPL-3.0-or-later
// A line to type in with a list of what fits below it: the command palette, and going to a place.
#pragma once

#include <QFrame>
#include <QString>

#include <functional>
#include <vector>

class QLineEdit;
class QListWidget;

namespace mirrorscope::views {

class Palette : public QFrame {
    Q_OBJECT
public:
    struct Item {
        QString name, hint;
        std::function<void()> action;
        bool enabled = true;
    };
    explicit Palette(QWidget* window);
    // `free`: what is done with a text that is no item's; none: there is nothing else than the items. It returns why it can do nothing with
    // the text: then the first item that fits is taken, and if there is none, `refused` tells.
    void open(const QString& placeholder, std::vector<Item> items, std::function<QString(const QString&)> free = {});
    std::vector<QString> shown() const;

Q_SIGNALS:
    void refused(QString why);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;

private:
    void filter(const QString& text);
    void take();
    QLineEdit* line_;
    QListWidget* list_;
    std::vector<Item> items_;
    std::function<QString(const QString&)> free_;
    int width_ = 420;
};

// Do the letters of `typed` occur in `name` in that order? The better, the smaller; -1: no.
int fuzzyRank(const QString& typed, const QString& name);

} // namespace mirrorscope::views
