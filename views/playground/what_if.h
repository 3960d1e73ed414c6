// SPDX-License-Identifier: GPL-3.0-or-later
// What could be done at an address, as a menu; and the dialog in which a machine without a script is made.
#pragma once

#ifndef Q_MOC_RUN // moc 6.4 cannot parse the concepts of libstdc++
#include "session/branch.h"
#endif
#include "views/context.h"

#include <QDialog>

#include <functional>

class QComboBox;
class QLabel;
class QLineEdit;
class QMenu;
class QPushButton;
class QSpinBox;

namespace mirrorscope::views {

// Adds one menu for each actor and one for SEAMCALLs.
void fillWhatIfMenu(QMenu& menu, const Context& context, u64 gpa, bool shared, std::function<void(const WhatIf&)> chosen);

class NewMachineDialog : public QDialog {
    Q_OBJECT
public:
    explicit NewMachineDialog(QWidget* parent = nullptr);
    // The scenario that was asked for.
    QString scenario() const;

private:
    void refresh();
    QComboBox* vm_;
    QSpinBox* vcpus_;
    QLineEdit* memory_;
    QComboBox* backing_;
    QComboBox* dispatch_;
    QComboBox* kernel_;
    QLabel* problem_;
    QPushButton* make_;
};

} // namespace mirrorscope::views
