// SPDX-License-Identifier: GPL-3.0-or-later
// The TD: life cycle, epochs, reference counts, MRTD, and what each vCPU has sampled.
#pragma once

#include "views/context.h"

#include <QWidget>

class QLabel;
class QTreeWidget;

namespace mirrorscope::views {

class TdPane : public QWidget {
    Q_OBJECT
public:
    explicit TdPane(Context& context, QWidget* parent = nullptr);

protected:
    void showEvent(QShowEvent* event) override;

private:
    void refresh();

    Context& context_;
    QLabel* text_;
    QTreeWidget* vcpus_;
};

} // namespace mirrorscope::views
