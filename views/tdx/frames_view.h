// SPDX-License-Identifier: GPL-3.0-or-later
// Physical memory as the PAMT and the host see it: one cell a frame, in lines of 64; lines that are all free are left out.
// Only the lines in sight are asked for.
#pragma once

#include "views/context.h"

#include <QAbstractScrollArea>

#include <vector>

namespace mirrorscope::views {

class FramesView : public QAbstractScrollArea {
    Q_OBJECT
public:
    explicit FramesView(Context& context, QWidget* parent = nullptr);
    // What the frame under a point of the viewport is; empty when there is none.
    QString textAt(const QPoint& point) const;

protected:
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void showEvent(QShowEvent* event) override;
    bool viewportEvent(QEvent* event) override;

private:
    void refresh();
    int cell() const;
    int rowHeight() const { return cell() + 1; }
    int perRow() const;
    int labelWidth() const;
    int legendHeight() const;
    std::optional<Pfn> frameAt(const QPoint& point) const;

    Context& context_;
    std::vector<u64> lines_;
};

} // namespace mirrorscope::views
