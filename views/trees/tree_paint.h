// SPDX-License-Identifier: GPL-3.0-or-later
// How a row of the trees is drawn: a pure function from what the session answered to a painter.
#pragma once

#include "session/session.h"
#include "views/theme/theme.h"

#include <QFont>
#include <QRectF>
#include <QString>

class QPainter;

namespace mirrorscope::views {

struct TreeMetrics {
    int row = 24;    // height of a row
    int label = 230; // width of the column of addresses and of what the memory there belongs to
    int memory = 70; // the latter's part of it
    int cell = 220;  // width of a tree's column
    int columns = 3;
    int indent = 14;
    bool narrow = false; // little room: nothing but addresses, levels and the trees
    QFont text, mono;
};

struct CellMarks {
    bool selected = false;   // the chosen entry itself
    bool twin = false;       // the same entry in another tree
    bool path = false;       // on the way from the root to it
    bool breakpoint = false; // a run stops when it changes
    bool differs = false;    // between the markers A and B
};

QString rowLabel(const TreeRow& row);
// What stands where no tree has a table.
QString noTable(const Session& session);
// What a tooltip says of an entry: its address, its raw value, and what its state means and who made it.
QString entryHelp(const Session& session, Column column, const TreeRow& row);
void paintCell(QPainter& painter, const QRectF& at, Column column, const TreeCell& cell, const CellMarks& marks, const Theme& theme,
               const QFont& font);
// The same as a tall and narrow box of the map: sign, frame and rights below one another, as far as they fit.
void paintMapCell(QPainter& painter, const QRectF& at, Column column, const TreeCell& cell, const CellMarks& marks, const Theme& theme,
                  const QFont& bold, const QFont& font);
void paintLabel(QPainter& painter, const QRectF& at, const TreeRow& row, bool path, const Theme& theme, const TreeMetrics& metrics);
// The memslot and the attribute of a row, at the right end of its label.
void paintMemory(QPainter& painter, const QRectF& at, const MemoryView& memory, const Theme& theme, const QFont& font);
// What the RMP says of the frame behind a page.
void paintRmp(QPainter& painter, const QRectF& at, const RmpView& rmp, const Theme& theme, const QFont& font);
QString memoryText(const MemoryView& memory);
// The address as it stands in the row's label: shortened where there is no room.
QString writtenLabel(const QRectF& label, const TreeRow& row, const TreeMetrics& metrics);
// What a label takes beside its address.
int roomBesideAddress(unsigned depth, const TreeMetrics& metrics);
// Where the triangle that folds a row is, within its label.
QRectF foldMark(const QRectF& label, const TreeRow& row, const TreeMetrics& metrics);

} // namespace mirrorscope::views
