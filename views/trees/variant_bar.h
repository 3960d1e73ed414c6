// SPDX-License-Identifier: GPL-3.0-or-later
// Below the banner, of a scenario that has variants: a button for the script as it stands and one for each of them. Nothing otherwise.
#pragma once

#include "views/context.h"

#include <QWidget>

class QHBoxLayout;
class QLabel;
class QToolButton;

namespace mirrorscope::views {

class VariantBar : public QWidget {
    Q_OBJECT
public:
    explicit VariantBar(Context& context, QWidget* parent = nullptr);
    // The one behind that of the run that is shown, as it stands behind the last; empty: as it stands.
    QString next() const;

Q_SIGNALS:
    void chosen(QString variant);

private:
    void refresh();
    Context& context_;
    QHBoxLayout* layout_;
    QLabel* title_;
    std::vector<QToolButton*> buttons_; // as it stands, then each variant
    QStringList names_;                 // of them; empty: as it stands
};

} // namespace mirrorscope::views
