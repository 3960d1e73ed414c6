// SPDX-License-Identifier: GPL-3.0-or-later
// All scenarios in one window: the course, what is shipped beside it shelf by shelf, one's own recent ones; found by title, question, tag
// and kind of VM.
#pragma once

#include "views/context.h"

#ifndef Q_MOC_RUN
#include "scenario/catalogue.h"
#endif

#include <QDialog>

#include <set>

class QComboBox;
class QLabel;
class QLineEdit;
class QPushButton;
class QTreeWidget;

namespace mirrorscope::views {

class LibraryView : public QDialog {
    Q_OBJECT
public:
    LibraryView(Context& context, QWidget* parent = nullptr);
    // Read again: what was done, what was opened lately. `present`: the file that is open.
    void refresh(const QStringList& recent, const std::set<QString>& done, const QString& present);
    void search(const QString& words);

Q_SIGNALS:
    void chosen(QString file);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    void filter();
    void tell();
    void take();
    Context& context_;
    QLineEdit* search_;
    QComboBox* vm_;
    QTreeWidget* list_;
    QLabel* about_;
    QPushButton* open_;
};

} // namespace mirrorscope::views
