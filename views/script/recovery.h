// SPDX-License-Identifier: GPL-3.0-or-later
// Unsaved scripts, kept in a file of the user's own until they are saved or given up: a crash loses the last second.
#pragma once

#include <QString>

#include <optional>

namespace mirrorscope::views {

struct Unsaved {
    QString keptIn; // the recovery file
    QString file;   // whose script it is; empty: of none
    QString text;
};

// Where they are kept.
QString recoveryFolder();
// Writes beside and renames.
void keepUnsaved(const QString& file, const QString& text);
void forgetUnsaved(const QString& file);
// The newest one that no running program keeps.
std::optional<Unsaved> findUnsaved();

} // namespace mirrorscope::views
