// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/script/document.h"

#include "views/notice_bar.h"
#include "views/script/script_view.h"

#include <QFile>
#include <QFileInfo>
#include <QSaveFile>
#include <QUuid>

#include <utility>

namespace mirrorscope::views {

namespace {
constexpr int kKeepAfter = 400, kLookAfter = 100; // milliseconds
constexpr qint64 kLargest = 16 << 20;

std::optional<QString> read(const QString& file) {
    QFile in(file);
    if (!in.open(QIODevice::ReadOnly) || in.size() > kLargest)
        return std::nullopt;
    return QString::fromUtf8(in.readAll());
}
} // namespace

Document::Document(ScriptView& editor, NoticeBar& notice, QObject* parent) : QObject(parent), editor_(editor), notice_(notice) {
    // While somebody types it is written now and then, not only once they pause.
    keepLater_.setSingleShot(true);
    keepLater_.setInterval(kKeepAfter);
    connect(&keepLater_, &QTimer::timeout, this, &Document::keep);
    connect(&editor_, &ScriptView::edited, this, [this] {
        asked_ = false;
        if (!keepLater_.isActive())
            keepLater_.start();
    });
    connect(&editor_, &ScriptView::modifiedChanged, this, [this] {
        if (!replacing_)
            Q_EMIT changed();
    });
    connect(&watcher_, &QFileSystemWatcher::fileChanged, this, [this] { QTimer::singleShot(kLookAfter, this, &Document::fileChanged); });
}

QString Document::name() const { return file_.isEmpty() ? title_ : QFileInfo(file_).fileName(); }

QString Document::called() const { return file_.isEmpty() ? tr("“%1”").arg(name()) : name(); }

bool Document::isModified() const { return editor_.isModified(); }

void Document::keep() {
    if (isModified())
        drafts_.keep({{}, key_, file_, title_, editor_.text(), {}});
}

void Document::forget() {
    keepLater_.stop();
    drafts_.drop(key_);
}

void Document::watch() {
    if (!watcher_.files().isEmpty())
        watcher_.removePaths(watcher_.files());
    if (!file_.isEmpty() && QFile::exists(file_))
        watcher_.addPath(file_);
}

std::optional<QString> Document::draftOf(const QString& file) const {
    const QString key = Drafts::nameOf(file);
    // What is in the window is newer than what is kept of it.
    if (!key.isEmpty() && key == key_)
        return isModified() ? std::optional(editor_.text()) : std::nullopt;
    const auto draft = drafts_.of(key);
    return draft ? std::optional(draft->text) : std::nullopt;
}

void Document::show(const Script& script) {
    const QString key = !script.file.isEmpty()  ? Drafts::nameOf(script.file)
                        : !script.key.isEmpty() ? script.key
                                                : "untitled " + QUuid::createUuid().toString(QUuid::Id128);
    const bool leaves = shown_ && key != key_;
    const bool left = leaves && isModified();
    const Draft before{{}, key_, file_, title_, left ? editor_.text() : QString(), {}};
    const QString beforeName = called();
    if (left)
        keep();
    else if (leaves && drafts_.of(key_))
        drafts_.drop(key_); // everything in it was taken back
    keepLater_.stop();
    replacing_ = true;
    key_ = key;
    file_ = script.file.isEmpty() ? QString() : key;
    title_ = script.title;
    base_ = script.text;
    shown_ = true;
    asked_ = false;
    editor_.setFileName(script.file.isEmpty() ? script.title : script.file);
    editor_.setText(script.text);
    if (script.draft && *script.draft != script.text)
        editor_.replaceText(*script.draft, false);
    replacing_ = false;
    keep();
    watch();
    if (left)
        notice_.say(tr("What you changed in %1 is not saved; it is kept.").arg(beforeName), {{tr("Go back to it"),
                                                                                              [this, before] {
                                                                                                  if (before.file.isEmpty())
                                                                                                      Q_EMIT draftWanted(before);
                                                                                                  else
                                                                                                      Q_EMIT openWanted(before.file);
                                                                                              }},
                                                                                             {tr("Leave it"), {}}});
    else if (isModified() && !file_.isEmpty())
        notice_.say(tr("%1 as you left it: changed, and not saved. Undo leads back to what is in the file.").arg(name()),
                    {{tr("Save"), [this] { save(file_); }}, {tr("Throw away"), [this] { throwAway(); }}, {tr("Go on"), {}}});
    else if (!file_.isEmpty() && drafts_.isEditedElsewhere(key_))
        notice_.say(tr("%1 is being edited in another window, and not saved there.").arg(name()), {{tr("Go on"), {}}});
    Q_EMIT changed();
}

void Document::throwAway() {
    takeOver(base_);
    forget();
}

bool Document::reload() {
    const auto text = read(file_);
    if (text)
        takeOver(*text);
    return text.has_value();
}

void Document::takeOver(const QString& text) {
    base_ = text;
    keepLater_.stop();
    const bool mine = isModified();
    if (mine)
        keep();     // until it is decided: the next save, or another edit
    notice_.hide(); // whatever was asked about the text that was here
    replacing_ = true;
    editor_.replaceText(text, true);
    replacing_ = false;
    Q_EMIT changed();
    Q_EMIT rerunWanted();
    if (mine)
        Q_EMIT said(tr("What is in %1 is here now. Undo brings back what you had.").arg(called()));
}

void Document::fileChanged() {
    if (file_.isEmpty())
        return;
    if (QFile::exists(file_) && !watcher_.files().contains(file_))
        watcher_.addPath(file_); // editors write beside and rename
    const auto text = read(file_);
    if (!text || *text == base_)
        return;
    if (*text == editor_.text()) { // both came to the same
        base_ = *text;
        editor_.setSaved();
        forget();
        return;
    }
    if (!isModified()) {
        takeOver(*text);
        Q_EMIT said(tr("%1 was changed by somebody else: the run follows. Undo brings back what was here.").arg(name()));
        return;
    }
    notice_.say(tr("%1 was changed by somebody else, and here, too.").arg(name()),
                {{tr("Take the file's"), [this, text] { takeOver(*text); }}, {tr("Keep mine"), [this] { keep(); }}});
}

Document::Script Document::current() const {
    return {file_, title_, base_, isModified() ? std::optional(editor_.text()) : std::nullopt, key_};
}

bool Document::write(const QString& file, const QString& text) {
    QSaveFile out(file);
    return out.open(QIODevice::WriteOnly) && out.write(text.toUtf8()) >= 0 && out.commit();
}

bool Document::save(const QString& file, bool overwrite) {
    const QString to = Drafts::nameOf(file);
    if (!overwrite && to == file_)
        if (const auto text = read(file_); text && *text != base_ && *text != editor_.text()) {
            notice_.say(tr("%1 was changed by somebody else since it was read.").arg(name()),
                        {{tr("Write mine over it"), [this, file] { save(file, true); }},
                         {tr("Take the file's"), [this, text] { takeOver(*text); }},
                         {tr("Not now"), {}}});
            return false;
        }
    if (!write(file, editor_.text())) {
        Q_EMIT said(tr("%1 cannot be written.").arg(file));
        return false;
    }
    forget();
    file_ = key_ = Drafts::nameOf(file);
    drafts_.drop(key_);
    base_ = editor_.text();
    editor_.setFileName(file);
    editor_.setSaved();
    watch();
    Q_EMIT changed();
    Q_EMIT saved(file_);
    Q_EMIT said(tr("Saved %1.").arg(file));
    return true;
}

bool Document::mayClose() {
    keep();
    if (!isModified() || std::exchange(asked_, true))
        return true;
    std::vector<std::pair<QString, std::function<void()>>> choices;
    if (!file_.isEmpty())
        choices.emplace_back(tr("Save and quit"), [this] {
            if (save(file_))
                Q_EMIT closeWanted();
        });
    else
        choices.emplace_back(tr("Save as…"), [this] {
            asked_ = false;
            Q_EMIT saveAsWanted();
        });
    choices.emplace_back(tr("Quit, keep it for the next start"), [this] { Q_EMIT closeWanted(); });
    choices.emplace_back(tr("Throw away and quit"), [this] {
        forget();
        editor_.setSaved();
        Q_EMIT closeWanted();
    });
    choices.emplace_back(tr("Stay"), [this] { asked_ = false; });
    notice_.say(tr("What you changed in %1 is not saved.").arg(called()), choices);
    return false;
}

void Document::release() {
    if (!isModified() && shown_)
        drafts_.drop(key_);
    keep();
    drafts_.release();
}

void Document::offerLeft() {
    const auto left = drafts_.left();
    if (left.empty())
        return;
    const Draft& draft = left.front();
    notice_.say(tr("A script was not saved when the program ended: %1.")
                    .arg(draft.file.isEmpty() ? (draft.title.isEmpty() ? tr("a new one") : draft.title) : QFileInfo(draft.file).fileName()),
                {{tr("Recover it"),
                  [this, draft] {
                      if (draft.file.isEmpty())
                          Q_EMIT draftWanted(draft);
                      else
                          Q_EMIT openWanted(draft.file);
                  }},
                 {tr("Throw away"),
                  [this, draft] {
                      drafts_.drop(draft.key);
                      offerLeft();
                  }},
                 {tr("Later"), {}}});
}

} // namespace mirrorscope::views
