// SPDX-License-Identifier: GPL-3.0-or-later
// Unsaved scripts, each in a file of the user's own until it is saved or thrown away: whatever ends the program, the last second is lost
// at most. Each window keeps its own; one that is gone leaves them to the next.
#pragma once

#include <QDateTime>
#include <QLockFile>
#include <QString>

#include <optional>
#include <vector>

namespace mirrorscope::views {

struct Draft {
    QString keptIn;
    QString key;   // whose text it is: a file's canonical path, or a name that no file has
    QString file;  // empty: it is in none
    QString title; // of a text that is in no file
    QString text;
    QDateTime when;
};

class Drafts {
public:
    Drafts();
    // Where they are kept.
    static QString folder();
    // However a path is spelled, its file has one name.
    static QString nameOf(const QString& file);

    // Writes beside and renames. What cannot be kept is still in the window.
    void keep(const Draft& draft);
    // Saved, or thrown away by the user: those of this window, and of windows that are gone.
    void drop(const QString& key);
    // The newest of that text, of this window or of one that is gone.
    std::optional<Draft> of(const QString& key) const;
    // What windows left that are gone, the newest first.
    std::vector<Draft> left() const;
    // Does another window that is open keep one?
    bool isEditedElsewhere(const QString& key) const;
    // From here on what was kept belongs to nobody.
    void release() { lock_.unlock(); }

private:
    enum class Owner : unsigned char { Mine, Gone, Another };
    Owner ownerOf(const QString& fileName) const;
    std::vector<Draft> all(bool others) const;
    QString fileOf(const QString& key) const;

    QString id_;
    QLockFile lock_;
};

} // namespace mirrorscope::views
