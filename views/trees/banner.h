// SPDX-License-Identifier: GPL-3.0-or-later
// Above the trees: one sentence that says what the last micro-step did, what rule it violated, where the run stands, and which key goes
// on.
#pragma once

#include "views/context.h"

#include <QFrame>

class QLabel;

namespace mirrorscope::views {

class Banner : public QFrame {
    Q_OBJECT
public:
    explicit Banner(Context& context, QWidget* parent = nullptr);
    // Unusable input: shown until the next scenario is read.
    void showError(const QString& message);
    QString sentence() const;
    // In red: what is wrong here, or with the script.
    QString warning() const;
    // Where the keys are those of another window.
    void tellNoKeys() {
        keys_ = false;
        refresh();
    }

private:
    void refresh();
    void restyle();
    QString endText() const;
    QString keysAt(u64 position) const;
    Context& context_;
    QLabel* sentence_;
    QLabel* violation_;
    QLabel* detail_;
    QString error_;
    bool keys_ = true;
};

} // namespace mirrorscope::views
