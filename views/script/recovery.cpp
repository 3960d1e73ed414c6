// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/script/recovery.h"

#include <QCoreApplication>
#include <QCryptographicHash>
#include <QDir>
#include <QFile>
#include <QJsonDocument>
#include <QJsonObject>
#include <QSaveFile>
#include <QStandardPaths>

namespace mirrorscope::views {

namespace {
QString fileOf(const QString& file) {
    const QByteArray hash = QCryptographicHash::hash(file.toUtf8(), QCryptographicHash::Sha1).toHex().left(12);
    return recoveryFolder() + "/" + QString::fromLatin1(hash) + "-" + QString::number(QCoreApplication::applicationPid()) + ".json";
}
bool isAlive(qint64 pid) { return pid == QCoreApplication::applicationPid() || QFile::exists("/proc/" + QString::number(pid)); }
} // namespace

QString recoveryFolder() { return QStandardPaths::writableLocation(QStandardPaths::AppLocalDataLocation) + "/unsaved"; }

void keepUnsaved(const QString& file, const QString& text) {
    QDir().mkpath(recoveryFolder());
    QSaveFile out(fileOf(file));
    if (!out.open(QIODevice::WriteOnly))
        return; // what cannot be kept is still in the window
    out.write(QJsonDocument(QJsonObject{{"file", file}, {"pid", QCoreApplication::applicationPid()}, {"text", text}}).toJson());
    out.commit();
}

void forgetUnsaved(const QString& file) { QFile::remove(fileOf(file)); }

std::optional<Unsaved> findUnsaved() {
    const QDir folder(recoveryFolder());
    for (const QString& name : folder.entryList({"*.json"}, QDir::Files, QDir::Time)) {
        QFile in(folder.filePath(name));
        constexpr qint64 kLargest = 32 << 20;
        if (!in.open(QIODevice::ReadOnly) || in.size() > kLargest)
            continue;
        const QJsonObject kept = QJsonDocument::fromJson(in.readAll()).object();
        if (!kept.contains("text") || isAlive(kept["pid"].toInteger()))
            continue;
        return Unsaved{folder.filePath(name), kept["file"].toString(), kept["text"].toString()};
    }
    return std::nullopt;
}

} // namespace mirrorscope::views
