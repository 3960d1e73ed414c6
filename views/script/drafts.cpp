// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/script/drafts.h"

#include <QCryptographicHash>
#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QJsonDocument>
#include <QJsonObject>
#include <QSaveFile>
#include <QStandardPaths>
#include <QUuid>

namespace mirrorscope::views {

namespace {
QString lockOf(const QString& id) { return Drafts::folder() + "/" + id + ".lock"; }
} // namespace

// A lock that its process takes along when it dies tells whose window is open.
Drafts::Drafts() : id_(QUuid::createUuid().toString(QUuid::Id128).left(16)), lock_((QDir().mkpath(folder()), lockOf(id_))) {
    lock_.setStaleLockTime(0); // as long as its process lives
    lock_.tryLock(0);
}

QString Drafts::folder() { return QStandardPaths::writableLocation(QStandardPaths::AppLocalDataLocation) + "/unsaved"; }

QString Drafts::nameOf(const QString& file) {
    const QFileInfo info(file);
    const QString canonical = info.canonicalFilePath();
    return !canonical.isEmpty() || file.isEmpty() ? canonical : QDir::cleanPath(info.absoluteFilePath());
}

QString Drafts::fileOf(const QString& key) const {
    const QByteArray hash = QCryptographicHash::hash(key.toUtf8(), QCryptographicHash::Sha1).toHex().left(12);
    return folder() + "/" + id_ + "-" + QString::fromLatin1(hash) + ".json";
}

void Drafts::keep(const Draft& draft) {
    QSaveFile out(fileOf(draft.key));
    if (!out.open(QIODevice::WriteOnly))
        return;
    out.write(QJsonDocument(QJsonObject{{"key", draft.key}, {"file", draft.file}, {"title", draft.title}, {"text", draft.text}}).toJson());
    out.commit();
}

Drafts::Owner Drafts::ownerOf(const QString& fileName) const {
    const QString id = fileName.section('-', 0, 0);
    if (id == id_)
        return Owner::Mine;
    QLockFile lock(lockOf(id));
    lock.setStaleLockTime(0);
    return lock.tryLock(0) ? Owner::Gone : Owner::Another;
}

std::vector<Draft> Drafts::all(bool others) const {
    std::vector<Draft> drafts;
    const QDir directory(folder());
    for (const QFileInfo& info : directory.entryInfoList({"*.json"}, QDir::Files, QDir::Time)) {
        if ((ownerOf(info.fileName()) == Owner::Another) != others)
            continue;
        QFile in(info.filePath());
        constexpr qint64 kLargestDraft = 32 << 20;
        if (!in.open(QIODevice::ReadOnly) || in.size() > kLargestDraft)
            continue;
        const QJsonObject kept = QJsonDocument::fromJson(in.readAll()).object();
        if (kept.contains("text") && kept.contains("key"))
            drafts.push_back({info.filePath(), kept["key"].toString(), kept["file"].toString(), kept["title"].toString(),
                              kept["text"].toString(), info.lastModified()});
    }
    return drafts;
}

void Drafts::drop(const QString& key) {
    for (const Draft& draft : all(false))
        if (draft.key == key)
            QFile::remove(draft.keptIn);
}

std::optional<Draft> Drafts::of(const QString& key) const {
    for (Draft& draft : all(false))
        if (draft.key == key)
            return std::move(draft);
    return std::nullopt;
}

std::vector<Draft> Drafts::left() const {
    std::vector<Draft> drafts = all(false);
    std::erase_if(drafts, [this](const Draft& draft) { return QFileInfo(draft.keptIn).fileName().startsWith(id_ + "-"); });
    return drafts;
}

bool Drafts::isEditedElsewhere(const QString& key) const {
    for (const Draft& draft : all(true))
        if (draft.key == key)
            return true;
    return false;
}

} // namespace mirrorscope::views
