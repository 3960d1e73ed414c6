// SPDX-License-Identifier: GPL-3.0-or-later
// The script in the window: which file it is of, whether it was changed, and where what is unsaved is kept. Everything that puts another
// text into the editor goes through here, so that nothing that was typed is lost: a draft is written while typing and whenever another
// text takes its place, and it goes only when it is saved or thrown away by the user.
#pragma once

#include "views/script/drafts.h"

#include <QFileSystemWatcher>
#include <QObject>
#include <QTimer>

#include <functional>
#include <optional>

namespace mirrorscope::views {

class NoticeBar;
class ScriptView;

class Document : public QObject {
    Q_OBJECT
public:
    Document(ScriptView& editor, NoticeBar& notice, QObject* parent);

    // The file that the script is of, by its canonical path; empty: of none.
    const QString& file() const { return file_; }
    // What messages call it.
    QString name() const;
    // The same in a sentence: a file as it is, a title in quotes.
    QString called() const;
    bool isModified() const;

    // What is kept unsaved of a file, to be run and shown in place of what is in the file.
    std::optional<QString> draftOf(const QString& file) const;
    struct Script {
        QString file;                      // empty: it is in none
        QString title;                     // then what it is called
        QString text;                      // as it is in the file
        std::optional<QString> draft = {}; // as it was left unsaved; Undo leads back to `text`
        QString key = {};                  // of a draft that is in no file
    };
    // The present one, as it would be left.
    Script current() const;
    // Writes beside and renames.
    static bool write(const QString& file, const QString& text);
    // Another script. What was unsaved of the one before is kept and offered.
    void show(const Script& script);
    // The same script as somebody else has it now; Undo brings back what was here.
    void takeOver(const QString& text);
    // What is in the file now, in the same way. False when it cannot be read.
    bool reload();
    // Writes beside and renames. False when that failed, or when the file was changed by somebody else and the user is asked.
    bool save(const QString& file, bool overwrite = false);
    // The window is asked to close: false when there is something to decide first; asked once more it may close, and the draft is kept.
    bool mayClose();
    // The window closes.
    void release();
    // Drafts of windows that are gone are offered, one after the other.
    void offerLeft();

Q_SIGNALS:
    void changed();                                    // the file, or whether it is modified
    void said(QString text);                           // for the status bar
    void openWanted(QString file);                     // back to a file whose draft is kept
    void draftWanted(mirrorscope::views::Draft draft); // back to a draft that is in no file
    void rerunWanted();                                // another text is in the editor, the run is still of the one before
    void saved(QString file);
    void closeWanted();
    void saveAsWanted(); // of a script that is in no file

private:
    void keep();
    void forget();
    void watch();
    void fileChanged();
    void throwAway();

    ScriptView& editor_;
    NoticeBar& notice_;
    Drafts drafts_;
    QString key_, file_, title_;
    QString base_; // what is in the file, as far as is known
    bool shown_ = false, replacing_ = false, asked_ = false;
    QTimer keepLater_;
    QFileSystemWatcher watcher_;
};

} // namespace mirrorscope::views
