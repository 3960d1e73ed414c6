// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/picture.h"

#include <QGuiApplication>
#include <QImage>
#include <QPainter>
#include <QSaveFile>
#include <QSvgRenderer>

#include <memory>
#include <stdexcept>

namespace mirrorscope::views {

void svgToPng(const std::string& svg, const std::string& file) {
    int argc = 1;
    char name[] = "mirrorscope";
    char* argv[] = {name, nullptr};
    std::unique_ptr<QGuiApplication> own;
    if (QCoreApplication::instance() == nullptr) {
        qputenv("QT_QPA_PLATFORM", "offscreen");
        own = std::make_unique<QGuiApplication>(argc, argv);
    }
    QSvgRenderer renderer(QByteArray::fromStdString(svg));
    // As high as it can be painted: a picture has at most 32767 rows.
    constexpr int kLargest = 32767;
    const QSize size = renderer.defaultSize();
    const double scale = std::min(2.0, static_cast<double>(kLargest) / std::max(1, size.height()));
    QImage image(size * scale, QImage::Format_RGB32);
    if (!renderer.isValid() || image.isNull())
        throw std::runtime_error(file + ": the picture is too large");
    image.fill(Qt::white);
    QPainter painter(&image);
    renderer.render(&painter);
    painter.end();
    QSaveFile out(QString::fromStdString(file));
    if (!out.open(QIODevice::WriteOnly) || !image.save(&out, "PNG") || !out.commit())
        throw std::runtime_error(file + ": cannot be written");
}

} // namespace mirrorscope::views
