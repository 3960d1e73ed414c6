// SPDX-License-Identifier: GPL-3.0-or-later
// Two runs beside each other, each with its sentence and its trees, at positions of their own or linked (at the same moment, not at the
// same number), and what differs at their ends.
#pragma once

#include "views/context.h"

#include <QDialog>

#include <array>

class QCheckBox;
class QSlider;

namespace mirrorscope::views {

class SideBySide : public QDialog {
    Q_OBJECT
public:
    // They stand at their ends. As far as the runs are the same, so are positions. `differs`: what of all that is told below.
    SideBySide(const Context& like, std::array<std::unique_ptr<Session>, 2> runs, const QString& differs, QWidget* parent);
    Context& context(unsigned side) { return *contexts_.at(side); }
    // Where the runs part.
    u64 common() const { return common_; }
    void showWhereTheyPart();

protected:
    bool event(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;

private:
    void move(unsigned side, u64 to);
    // The other half goes where this one is.
    void follow(unsigned side);
    std::array<Context*, 2> contexts_{};
    std::array<QSlider*, 2> sliders_{};
    QCheckBox* linked_;
    u64 common_ = 0;
    bool moving_ = false;
};

} // namespace mirrorscope::views
